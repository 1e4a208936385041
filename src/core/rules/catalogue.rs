//! Each rule with its id, its sentence and its page: what `docs/rules.md` is made from. When a rule applies say the
//! tables, each row of which names one of these.

/// A rule of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The same everywhere: in the code, in `--explain`, in Events, in the name of its test, and as an anchor of
    /// `docs/rules.md`.
    pub id: &'static str,
    /// What it says.
    pub sentence: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
    /// What an operator sees while it holds.
    pub seen: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The test that fails without it.
    pub test: &'static str,
}

/// Every rule, in the order of the page.
pub const RULES: [&Rule; 1] = [&NEWER_DATA];

/// A pod with older data does not lead.
pub const NEWER_DATA: Rule = Rule {
    id: "newer-data",
    sentence: "The named pod does not lead while another member's data is newer by more than `--down-after`.",
    why: "A stale record or Sentinels with old files make an old disk the master, and every replica copies it: what was written since is lost.",
    seen: "`redis-0 waits: the data of redis-1 is newer`, and after `--deadline` exit code 1 with all the evidence.",
    remedy: "Nothing, where the other pod is about to start: `reconcile` abandons the holder at once where all have reported. Else start the pod that has the newer data.",
    test: "newer_data",
};
