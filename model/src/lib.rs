//! A model of the protocol between the pods, the Sentinels and the record, explored state by state.
//!
//! Three pods, three Sentinels, one record and one reconcile. What each decides is decided by the
//! functions that the program calls (`ordain::core`), from evidence that is built of what the process
//! has read in the model; everything around them is modelled here.
//!
//! - [`state`]: all that there is, made of the parts in `group`. [`setting`] and [`settings`]: where a
//!   group begins, what may go wrong.
//! - [`look`], `reading`, [`evidence`], [`verdict`]: what a process reads, and what the program makes of it.
//! - [`action`]: what may happen next, and what it does: `pod` publishes, looks, marks, checks and
//!   starts; `sentinel` fails over; `reconcile` and the hook move the record; `time` and `fault`.
//! - [`property`]: what must hold. [`explore`] looks at every state; `report` prints the way to one.
//! - [`labels`]: beside all that, a model of its own of how the pods are labelled.
//!
//! # What must hold
//! 1. *One master*: no pod is started as a master while another Redis lives as one, nor while a
//!    failover is under way that then promotes another; and no Sentinel is started on a pod that is no
//!    master beside one that is, so that it promotes a third.
//! 2. *Nothing lost*: every protected write is on some disk. An acknowledged write is protected until
//!    it was only on volumes that are lost, or Sentinel promotes a replica that has had a link and does
//!    not hold it, or the grace passes while nobody can know of a disk that holds it.
//! 3. *Unique epochs*: no two claims of one epoch, of the record or of Sentinels, name different
//!    masters.
//! 4. *Gets well*: from every state a healthy one can be reached without any further fault, hook or
//!    write: one living master, named by the record and a majority, followed by all others.
//!
//! # What is taken for granted
//! - A look is read source by source, while others go on, as far as the setting says whose looks may be
//!   torn and how many at once; every other look reads all at one moment.
//! - More time than a look takes passes with down-after, the grace and any failover's patience. Whoever
//!   was stopped in the middle of a look for that long looks again before it starts or writes the
//!   record; it starts at once after the last source of its check.
//! - A pod has waited for longer than a failover takes, or the grace has passed, only where no failover
//!   was possible or under way at that moment, for it would have come.
//! - Between Sentinel's election and its promotion no server is replaced by another. A Sentinel that
//!   has not heard of the last failover neither begins another nor repoints any Redis, as long as one
//!   that knows of it lives.
//! - No epoch is elected twice: that an amnesic Sentinel may vote twice is Sentinel's own doing.
//!   So is a second master at an epoch that only a Sentinel knows which does not run.
//! - Who tells Sentinels to fail over tells the next one when all have heard of the last.
//! - Clocks agree when data is written, and a copy has the time of its original: an age is a count of writes, and only
//!   what is marked, told or waited for is dated by a clock that may step, by an hour.
//! - Data that cannot be loaded is lost by that; the three runs that end before it is checked are one.
//! - Who waits, and reconcile, look all the time: of whom they can know anything when the grace has passed
//!   they have just heard.
//! - Reconcile acts on the server that it has read, not on one that was started since. Its grace
//!   begins anew whenever it sees a holder that could lead.
//! - Networks are whole. The API server answers everybody or nobody, and is back within the grace. A pod is there,
//!   gone, or lost for good.
//! - A stranger is a pod that another workload controls, with a name and labels of the group's. It is there from the
//!   start, and stays as it is.

pub mod action;
pub mod evidence;
pub mod explore;
mod fault;
pub mod faults;
mod group;
pub mod labels;
pub mod look;
mod pod;
pub mod property;
mod reading;
mod reconcile;
mod report;
mod sentinel;
pub mod setting;
pub mod settings;
pub mod state;
mod time;
pub mod verdict;
