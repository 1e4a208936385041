//! What the watches have reported, group by group.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

use super::observe::Known;
use crate::core::evidence::RecordSeen;
use crate::core::identity::Group;
use crate::core::members::Found;
use crate::edge::kubernetes::follow::Change;

/// What is known of all groups, and who waits for news of which.
#[derive(Default)]
pub struct WatchCache {
    records: RefCell<CacheOf<Group, RecordSeen>>,
    pods: RefCell<CacheOf<(Group, String), Found>>,
    waiting: RefCell<BTreeMap<Group, Rc<Notify>>>,
}

/// Things of one kind by their names.
pub struct CacheOf<K, V> {
    /// None until a first list is complete.
    all: Option<BTreeMap<K, V>>,
    /// The new list so far, while a watch starts again.
    relisted: BTreeMap<K, V>,
    is_relisting: bool,
}

impl<K, V> Default for CacheOf<K, V> {
    fn default() -> Self {
        Self { all: None, relisted: BTreeMap::new(), is_relisting: true }
    }
}

impl<K: Ord + Clone, V: PartialEq> CacheOf<K, V> {
    /// Takes a change; returns the names of what is not as it was.
    pub fn take(&mut self, change: Change<(K, V)>) -> Vec<K> {
        match change {
            Change::Anew => (self.is_relisting, self.relisted) = (true, BTreeMap::new()),
            Change::Is((name, thing)) if self.is_relisting => drop(self.relisted.insert(name, thing)),
            Change::Is((name, thing)) => {
                let is_news = self.all.as_ref().and_then(|all| all.get(&name)) != Some(&thing);
                self.all.get_or_insert_default().insert(name.clone(), thing);
                return if is_news { vec![name] } else { Vec::new() };
            }
            Change::Gone((name, _)) => {
                self.all.as_mut().and_then(|all| all.remove(&name));
                return vec![name];
            }
            Change::All => {
                let before = self.all.replace(std::mem::take(&mut self.relisted)).unwrap_or_default();
                let now = self.all.get_or_insert_default();
                self.is_relisting = false;
                let gone = before.keys().filter(|name| !now.contains_key(name));
                let changed = now.iter().filter(|(name, thing)| before.get(name) != Some(thing)).map(|(name, _)| name);
                return changed.chain(gone).cloned().collect();
            }
            Change::Broken { .. } => {}
        }
        Vec::new()
    }

    /// Whether the list is complete, and is not being read again.
    pub fn is_whole(&self) -> bool {
        !self.is_relisting
    }

    /// What is known so far.
    pub fn known(&self) -> impl Iterator<Item = (&K, &V)> {
        self.all.iter().flatten()
    }
}

impl WatchCache {
    /// Takes a change of a record; returns the groups that have news.
    pub fn take_record(&self, change: Change<(Group, RecordSeen)>) -> Vec<Group> {
        let news = self.records.borrow_mut().take(change);
        for group in &news {
            self.notify(group);
        }
        news
    }

    /// Takes a change of a pod.
    pub fn take_pod(&self, change: Change<((Group, String), Found)>) {
        for (group, _) in self.pods.borrow_mut().take(change) {
            self.notify(&group);
        }
    }

    /// What is known of a group; none until the lists are complete.
    pub fn known(&self, group: &Group) -> Option<Known> {
        let (records, pods) = (self.records.borrow(), self.pods.borrow());
        let record = records.all.as_ref()?.get(group).cloned().unwrap_or(RecordSeen::Absent);
        let ours = pods.all.as_ref()?.iter().filter(|((of, _), _)| of == group);
        Some(Known { record, pods: ours.map(|(_, pod)| pod.clone()).collect(), unlisted: None })
    }

    /// What is known of a group's record.
    pub fn record(&self, group: &Group) -> RecordSeen {
        let records = self.records.borrow();
        records.all.as_ref().and_then(|all| all.get(group)).cloned().unwrap_or(RecordSeen::Absent)
    }

    /// Nobody waits for news of this group any more: its next record makes it a new one.
    pub fn forget(&self, group: &Group) {
        self.waiting.borrow_mut().remove(group);
    }

    /// What is woken by news of a group; whether it is new.
    pub fn subscribe(&self, group: &Group) -> (Rc<Notify>, bool) {
        let mut waiting = self.waiting.borrow_mut();
        let is_new = !waiting.contains_key(group);
        (waiting.entry(group.clone()).or_default().clone(), is_new)
    }

    /// Wakes who waits for news of a group.
    pub fn notify(&self, group: &Group) {
        if let Some(news) = self.waiting.borrow().get(group) {
            news.notify_one();
        }
    }

    /// Wakes everyone.
    pub fn wake_all(&self) {
        self.waiting.borrow().values().for_each(|news| news.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(cache: &mut CacheOf<u8, char>, changes: impl IntoIterator<Item = Change<(u8, char)>>) -> Vec<u8> {
        changes.into_iter().flat_map(|change| cache.take(change)).collect()
    }

    #[test]
    fn nothing_is_known_until_the_list_is_complete_and_only_what_differs_is_news() {
        let mut cache = CacheOf::default();
        assert_eq!(taken(&mut cache, [Change::Anew, Change::Is((1, 'a')), Change::Is((2, 'b'))]), [0; 0]);
        assert!(cache.all.is_none());
        assert_eq!(taken(&mut cache, [Change::All]), [1, 2]);
        assert_eq!(taken(&mut cache, [Change::Is((1, 'a')), Change::Is((2, 'c')), Change::Is((3, 'd'))]), [2, 3]);
        assert_eq!(taken(&mut cache, [Change::Gone((3, 'd'))]), [3]);
    }

    #[test]
    fn while_the_list_is_read_again_what_was_known_stays() {
        let mut cache = CacheOf::default();
        taken(&mut cache, [Change::Anew, Change::Is((1, 'a')), Change::Is((2, 'b')), Change::All]);
        assert_eq!(
            taken(&mut cache, [Change::Broken { why: "gone".into(), is_refused: false }, Change::Anew, Change::Is((2, 'c'))]),
            [0; 0]
        );
        assert_eq!(cache.all, Some(BTreeMap::from([(1, 'a'), (2, 'b')])));
        assert_eq!(taken(&mut cache, [Change::All]), [2, 1], "one has changed, one is gone");
    }
}
