//! Pages of `docs/` that are made from the code.

use std::path::Path;

use crate::repository;

/// That a page, or the part of one between `<!-- made: NAME -->` and `<!-- end: NAME -->`, is what the code makes of it
/// now. `make docs` writes it instead (`ORDAIN_DOCS=write`).
///
/// # Panics
/// Where the page is stale, or has no such part.
pub fn keep(page: &str, name: &str, made: &str) {
    let path = repository().join("docs").join(page);
    let (begin, end) = (format!("<!-- made: {name} -->\n"), format!("<!-- end: {name} -->"));
    let now = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) = now.split_once(&begin).unwrap_or_else(|| panic!("docs/{page} has no line `{}`", begin.trim_end()));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("docs/{page} has no line `{end}`"));
    let wanted = format!("{before}{begin}{}\n{end}{after}", made.trim_end());
    if std::env::var_os("ORDAIN_DOCS").is_some_and(|what| what == "write") {
        write(&path, &wanted);
    } else {
        assert!(now == wanted, "docs/{page} is stale: run `make docs`");
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
