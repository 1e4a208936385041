//! From a template and its values to a configuration file's text.

use serde::Serialize;
use tera::{Context, Tera};

/// Renders a template; `name` is what its errors call it. What is written ends with a line's end.
///
/// # Errors
/// What is wrong in the template, with its place, on one line.
pub fn render(name: &str, template: &str, values: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut tera = Tera::new();
    // These files are not HTML, whatever the template is called.
    tera.autoescape_on(Vec::<&str>::new());
    let text = tera
        .add_raw_template(name, template)
        .and_then(|()| Context::from_serialize(values))
        .and_then(|context| tera.render(name, &context))
        .map_err(|error| one_line(&error))?;
    let mut file = text.into_bytes();
    if !file.ends_with(b"\n") {
        file.push(b'\n');
    }
    Ok(file)
}

/// Tera says what is wrong, then where (`--> name:line:column`), then draws the place.
fn one_line(error: &tera::Error) -> String {
    let text = error.to_string();
    let end = text.find("-->").and_then(|at| text[at..].find('\n').map(|length| at + length));
    let said: Vec<_> =
        text[..end.unwrap_or(text.len())].split_whitespace().map(|word| if word == "-->" { "at" } else { word }).collect();
    let said = said.join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_not_escaped_for_html() {
        let values = BTreeMap::from([("password", r#""<&>'""#)]);
        assert_eq!(render("a.html", "{{ password }}\n", &values).unwrap(), b"\"<&>'\"\n");
    }

    #[test]
    fn what_is_appended_is_on_a_line_of_its_own() {
        let none = BTreeMap::<&str, &str>::new();
        assert_eq!(render("t", "port 1", &none).unwrap(), b"port 1\n");
    }

    #[test]
    fn an_error_names_its_place_on_one_line() {
        let none = BTreeMap::<&str, &str>::new();
        for template in ["{% if %}", "{{ prot }}", "{{ port | nofilter }}"] {
            let error = render("my.tera", template, &none).unwrap_err();
            assert!(!error.contains('\n') && error.contains(" at my.tera:1:"), "{error}");
        }
    }
}
