//! What is to happen, in the order of (time, sequence): the discrete-event core.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Entries of the same instant come out in the order they were put in, so a run is a function of its seed.
#[derive(Clone, Debug)]
pub struct Agenda<E> {
    entries: BTreeMap<(Timestamp, u64), E>,
    sequence: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), sequence: 0 }
    }
}

impl<E> Agenda<E> {
    pub fn put(&mut self, at: Timestamp, entry: E) {
        self.sequence += 1;
        self.entries.insert((at, self.sequence), entry);
    }

    pub fn next_at(&self) -> Option<Timestamp> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next entry, if it is due by `until`.
    pub fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, E)> {
        let first = self.entries.first_entry()?;
        let at = first.key().0;
        if at > until { None } else { Some((at, first.remove())) }
    }
}
