//! The stamp that each label has beside it.

use std::fmt;

use super::record::Record;

/// The annotation that fences the labels.
pub const STAMP: &str = "ordain.dev/transition";

/// Which state of the record a pod was labelled by: the Lease's uid and its transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    uid: String,
    /// None where the stamp cannot be read: then the uid is all of it.
    transitions: Option<u64>,
}

impl Stamp {
    /// The stamp of a record.
    pub fn of(record: &Record) -> Self {
        Self { uid: record.uid.clone(), transitions: Some(record.transitions) }
    }

    /// Whether no run has written this, as the record stood after the pods were listed: it cannot be read, or is of
    /// a later state of the same record. Another Lease's stamp is never newer.
    pub fn is_forged(&self, now: &Self) -> bool {
        self.transitions.is_none() || self.uid == now.uid && self.transitions > now.transitions
    }

    /// Whether it is a stamp of the record that the Lease of this uid keeps.
    pub fn is_of(&self, lease: &str) -> bool {
        self.uid == lease
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transitions {
            Some(transitions) => write!(f, "{}/{transitions}", self.uid),
            None => f.write_str(&self.uid),
        }
    }
}

impl From<&str> for Stamp {
    fn from(text: &str) -> Self {
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let read = |(uid, transitions): (&str, &str)| {
            let transitions = Some(transitions).filter(is_number)?.parse().ok()?;
            Some(Self { uid: uid.to_owned(), transitions: Some(transitions) })
        };
        text.rsplit_once('/').and_then(read).unwrap_or_else(|| Self { uid: text.to_owned(), transitions: None })
    }
}
