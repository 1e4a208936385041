//! The exit codes. Other programs read them: Sentinel runs its hook again after a 1 and never
//! after a 2; the kubelet runs an initContainer again after either.

use std::fmt;
use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Undecided, or a fault that may pass: try again.
    TryAgain = 1,
    /// Wrong use, wrong configuration or not allowed: trying again will not help.
    WillNotHelp = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What an error means to whoever started us.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<Wrong>() { Self::WillNotHelp } else { Self::TryAgain }
    }
}

/// An error that trying again will not mend, in one line.
#[derive(Debug)]
pub struct Wrong(pub String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// Marks errors that trying again will not mend.
pub trait OrWrong<T> {
    /// Turns any error into a [`Wrong`] with its whole chain.
    ///
    /// # Errors
    /// The same, marked.
    fn or_wrong(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrWrong<T> for Result<T, E> {
    fn or_wrong(self) -> anyhow::Result<T> {
        self.map_err(|error| Wrong(format!("{:#}", error.into())).into())
    }
}
