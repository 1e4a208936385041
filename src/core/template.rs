//! From a template and its values to a configuration file's text.

use serde::Serialize;
use tera::{Context, Tera};

/// Renders a template. `extra` is appended as it is: where a server takes the last of two equal
/// directives, it wins.
///
/// # Errors
/// What is wrong in the template, with its place, on one line.
pub fn render(template: &str, values: &impl Serialize, extra: &[u8]) -> Result<Vec<u8>, String> {
    // `one_off` escapes for HTML if it is let: these files are not HTML.
    let text = Context::from_serialize(values)
        .and_then(|context| Tera::one_off(template, &context, false))
        .map_err(|error| one_line(&error))?;
    let mut file = text.into_bytes();
    if !file.ends_with(b"\n") {
        file.push(b'\n');
    }
    file.extend_from_slice(extra);
    Ok(file)
}

/// Tera draws its errors over several lines, with the source below.
fn one_line(error: &tera::Error) -> String {
    let text = error.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn values_are_not_escaped_for_html() {
        let values = BTreeMap::from([("password", r#""<&>'""#)]);
        assert_eq!(render("{{ password }}\n", &values, b"").unwrap(), b"\"<&>'\"\n");
    }

    #[test]
    fn extra_lines_follow_on_a_line_of_their_own() {
        let none = BTreeMap::<&str, &str>::new();
        assert_eq!(render("port 1", &none, b"maxmemory 1mb\xff").unwrap(), b"port 1\nmaxmemory 1mb\xff");
    }

    #[test]
    fn an_error_names_its_place_on_one_line() {
        let none = BTreeMap::<&str, &str>::new();
        for template in ["{% if %}", "{{ prot }}", "{{ port | nofilter }}"] {
            let error = render(template, &none, b"").unwrap_err();
            assert!(!error.contains('\n') && !error.is_empty(), "{error}");
        }
    }
}
