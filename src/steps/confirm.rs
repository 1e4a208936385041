//! What cannot be undone is asked about first.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};

/// Whether there is a terminal on which somebody can be asked.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks on the terminal: who types `name` means it.
///
/// # Errors
/// The terminal is gone.
pub async fn is_confirmed(question: String, name: String) -> Result<bool> {
    let ask = move || -> Result<bool> {
        write!(std::io::stderr(), "{question}: ").context("cannot ask for confirmation")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
        Ok(answer.trim() == name)
    };
    tokio::task::spawn_blocking(ask).await.context("cannot ask for confirmation")?
}
