//! Render: where a configuration file's text comes from, and that it says what was decided.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tracing::{info, warn};

use crate::cli::Text;
use crate::cli::usage::setting;
use crate::core::acl::Account;
use crate::core::conf::ConfigFile;
use crate::core::config_directives::{check_arguments, check_extra, check_rendered, check_users};
use crate::core::template::render;
use crate::edge::files::{self, Draft};
use crate::exit::{OrWrong, Wrong};

/// How much all files of extra configuration may have together, in bytes.
const MOST_EXTRA: usize = 1024 * 1024;

/// A template, and what is appended to it.
pub struct Source {
    file: ConfigFile,
    name: String,
    template: String,
    /// What a template of the user's own is compared with.
    built_in: Option<&'static str>,
    extra: Vec<u8>,
    /// Whom the file must let in.
    account: Account,
    /// The arguments of the server that is going to be started.
    arguments: Vec<OsString>,
}

impl Source {
    /// Reads the files that were named; the built-in template where none was. What they contradict is refused.
    /// `account` is as whom ordain logs in.
    ///
    /// # Errors
    /// [`Wrong`]: a file cannot be read, or says what ordain decides.
    pub async fn read(
        text: &Text,
        file: ConfigFile,
        built_in_name: &str,
        built_in: &'static str,
        account: Account,
    ) -> Result<Self> {
        let Text { template, extra_config } = text;
        let (name, template, built_in) = match template {
            Some(path) => {
                let name = path.display().to_string();
                let bytes = files::read(path, "the template").await.or_wrong()?;
                let text = String::from_utf8(bytes).map_err(|_| Wrong(format!("the template `{name}` is not UTF-8 text")))?;
                (name, text, Some(built_in))
            }
            None => (built_in_name.to_owned(), built_in.to_owned(), None),
        };
        let mut extra = Vec::new();
        for named in extra_config {
            for path in files::config_files(named).or_wrong()? {
                let text = files::read(&path, "the extra configuration").await.or_wrong()?;
                let warnings = check_extra(file, &path.display().to_string(), &text, &account).or_wrong()?;
                warn_of_each(&warnings);
                if extra.len() + text.len() > MOST_EXTRA {
                    let (set, limit) = (setting("extra-config", "ORDAIN_EXTRA_CONFIG"), MOST_EXTRA / 1024);
                    return Err(Wrong(format!("{set}: the extra configuration has more than {limit} KiB in all")).into());
                }
                // The next file begins on a line of its own.
                if !extra.is_empty() && !extra.ends_with(b"\n") {
                    extra.push(b'\n');
                }
                extra.extend(text);
            }
        }
        Ok(Self { file, name, template, built_in, extra, account, arguments: Vec::new() })
    }

    /// The arguments of the server that is going to be started: there they win over its file.
    ///
    /// # Errors
    /// [`Wrong`]: one of them says what ordain decides.
    pub fn check_command(&mut self, command: &[OsString]) -> Result<()> {
        self.arguments = command.iter().skip(1).cloned().collect();
        let warnings = check_arguments(self.file, &self.arguments(), &self.account).or_wrong()?;
        warn_of_each(&warnings);
        Ok(())
    }

    fn arguments(&self) -> Vec<&[u8]> {
        self.arguments.iter().map(|argument| argument.as_bytes()).collect()
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`Wrong`]: a template of the user's own has an error, or does not say what was decided.
    pub fn render(&self, values: &impl Serialize) -> Result<Rendered> {
        let (file, _) = self.render_checked(values)?;
        Ok(Rendered(file))
    }

    /// Renders for values as they may come, so that what cannot be written is found out before anything is
    /// recorded; logs the warnings.
    ///
    /// # Errors
    /// As [`Source::render`].
    pub fn rehearse(&self, values: &impl Serialize) -> Result<()> {
        let (_, warnings) = self.render_checked(values)?;
        warn_of_each(&warnings);
        Ok(())
    }

    fn render_checked(&self, values: &impl Serialize) -> Result<(Vec<u8>, Vec<String>)> {
        let wrong = |error| Wrong(format!("the template has an error: {error}"));
        let mut file = render(&self.name, &self.template, values).map_err(wrong)?;
        let mut warnings = Vec::new();
        if let Some(built_in) = self.built_in {
            let built_in = render("the built-in template", built_in, values).map_err(wrong)?;
            warnings = check_rendered(self.file, &self.name, [&file, &built_in, &self.extra], &self.account).or_wrong()?;
        }
        file.extend_from_slice(&self.extra);
        warnings.extend(check_users(&file, &self.arguments(), &self.account).or_wrong()?);
        Ok((file, warnings))
    }
}

/// A whole file that says what was decided: nothing else is installed.
pub struct Rendered(Vec<u8>);

impl Rendered {
    /// What the file says.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Puts it in its place, where it was begun.
    ///
    /// # Errors
    /// The disk is full, or the like: the earlier file is as it was.
    pub fn install(&self, draft: Draft, output: &Path) -> Result<()> {
        draft.install(&self.0)?;
        info!("wrote `{}`", output.display());
        Ok(())
    }

    /// Prints it, as a dry run does.
    ///
    /// # Errors
    /// Nobody reads it.
    pub fn print(&self) -> Result<()> {
        std::io::stdout().write_all(&self.0).context("cannot print the file")
    }
}

fn warn_of_each(warnings: &[String]) {
    for warning in warnings {
        warn!("{warning}");
    }
}
