//! Render: where a configuration file's text comes from.

use anyhow::Result;
use serde::Serialize;

use crate::cli::Text;
use crate::core::template::render;
use crate::edge::files;
use crate::exit::{OrWrong, Wrong};

/// A template, and what is appended to it.
pub struct Source {
    name: String,
    template: String,
    extra: Vec<u8>,
}

impl Source {
    /// Reads the files that were named; the built-in template where none was.
    pub fn read(text: &Text, built_in_name: &str, built_in: &str) -> Result<Self> {
        let Text { template, extra_config } = text;
        let (name, template) = match template {
            Some(path) => {
                let name = path.display().to_string();
                let bytes = files::read(path, "the template").or_wrong()?;
                let text = String::from_utf8(bytes).map_err(|_| Wrong(format!("the template `{name}` is no UTF-8 text")))?;
                (name, text)
            }
            None => (built_in_name.to_owned(), built_in.to_owned()),
        };
        let extra = extra_config.as_ref().map(|path| files::read(path, "the extra configuration").or_wrong()).transpose()?;
        Ok(Self { name, template, extra: extra.unwrap_or_default() })
    }

    /// The whole file.
    pub fn render(&self, values: &impl Serialize) -> Result<Vec<u8>> {
        render(&self.name, &self.template, values, &self.extra)
            .map_err(|error| Wrong(format!("the template has an error: {error}")).into())
    }
}
