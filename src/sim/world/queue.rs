//! An SQS standard queue: visibility timeouts, receipts, receive counts, a dead-letter queue.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::effect::{ItemFailure, Message};
use crate::id::Receipt;

/// SQS's limit per receive and per batch.
pub const BATCH: usize = 10;

#[derive(Clone, Debug, Default)]
pub struct Queue {
    messages: BTreeMap<u64, Entry>,
    /// Those that were visible at the last receive, and the others by the time at which they are: so that a receive need not
    /// look at them all.
    ready: BTreeSet<u64>,
    hidden: BTreeSet<(Timestamp, u64)>,
    put: u64,
    max_receives: u32,
    /// Bodies of the messages that were received too often.
    pub dead: Vec<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    body: String,
    sent: Timestamp,
    visible: Timestamp,
    receives: u32,
}

impl Queue {
    pub fn new(max_receives: u32) -> Self {
        Self { max_receives, ..Self::default() }
    }

    pub fn send(&mut self, body: String, now: Timestamp) {
        self.put += 1;
        self.messages.insert(self.put, Entry { body, sent: now, visible: now, receives: 0 });
        self.hidden.insert((now, self.put));
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whatever is in it, visible or not: the bodies, and when they were sent. The oldest first.
    pub fn messages(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.messages.values().map(|entry| (entry.body.as_str(), entry.sent))
    }

    pub fn has_visible(&self, now: Timestamp) -> bool {
        self.next_visible().is_some_and(|at| at <= now)
    }

    /// When the next message that is invisible now comes back; the past, when one is visible.
    pub fn next_visible(&self) -> Option<Timestamp> {
        let ready = self.ready.first().and_then(|number| self.messages.get(number)).map(|entry| entry.visible);
        ready.or_else(|| self.hidden.first().map(|(at, _)| *at))
    }

    /// At most ten messages, invisible from now on; `again` says which of them stay visible all the same.
    pub fn receive(
        &mut self,
        visibility_seconds: u32,
        now: Timestamp,
        mut again: impl FnMut() -> bool,
    ) -> Vec<Message> {
        self.show(now);
        let mut messages = Vec::new();
        while messages.len() < BATCH
            && let Some(number) = self.ready.pop_first()
        {
            let Some(entry) = self.messages.get_mut(&number) else { continue };
            entry.receives += 1;
            if !again() {
                entry.visible = now + SignedDuration::from_secs(i64::from(visibility_seconds));
            }
            self.hidden.insert((entry.visible, number));
            messages.push(entry.message(number));
        }
        messages
    }

    /// Those whose time has come are visible. Messages that would be received once too often go to the dead-letter queue
    /// instead.
    fn show(&mut self, now: Timestamp) {
        while let Some((_, number)) = self.hidden.first().copied().filter(|(at, _)| *at <= now) {
            self.hidden.pop_first();
            let worn = self.messages.get(&number).is_some_and(|entry| entry.receives >= self.max_receives);
            if !worn {
                self.ready.insert(number);
            } else if let Some(entry) = self.messages.remove(&number) {
                self.dead.push(entry.body);
            }
        }
    }

    fn hide(&mut self, number: u64, until: Timestamp) {
        let Some(entry) = self.messages.get_mut(&number) else { return };
        self.ready.remove(&number);
        self.hidden.remove(&(entry.visible, number));
        entry.visible = until;
        self.hidden.insert((until, number));
    }

    fn remove(&mut self, number: u64) {
        let Some(entry) = self.messages.remove(&number) else { return };
        self.ready.remove(&number);
        self.hidden.remove(&(entry.visible, number));
    }

    /// A receipt is good until its message is received again; deleting what is gone already is no error.
    pub fn delete(&mut self, receipts: &[Receipt]) -> Vec<ItemFailure> {
        let mut failures = Vec::new();
        for receipt in receipts {
            match self.find(receipt) {
                Found::Good(number) => self.remove(number),
                Found::Gone => {}
                Found::Outdated | Found::Foreign => failures.push(failure(receipt, "ReceiptHandleIsInvalid")),
            }
        }
        failures
    }

    pub fn change_visibility(&mut self, receipts: &[Receipt], seconds: u32, now: Timestamp) -> Vec<ItemFailure> {
        let mut failures = Vec::new();
        for receipt in receipts {
            let invisible = |number: &u64| self.messages.get(number).is_some_and(|entry| entry.visible > now);
            let number = match self.find(receipt) {
                Found::Good(number) => Some(number).filter(invisible),
                Found::Gone => None,
                Found::Outdated | Found::Foreign => {
                    failures.push(failure(receipt, "ReceiptHandleIsInvalid"));
                    continue;
                }
            };
            match number {
                Some(number) => self.hide(number, now + SignedDuration::from_secs(i64::from(seconds))),
                None => failures.push(failure(receipt, "MessageNotInflight")),
            }
        }
        failures
    }

    fn find(&self, receipt: &Receipt) -> Found {
        let Some((number, receives)) = parse(receipt) else { return Found::Foreign };
        match self.messages.get(&number) {
            Some(entry) if entry.receives == receives => Found::Good(number),
            Some(_) => Found::Outdated,
            None if number <= self.put => Found::Gone,
            None => Found::Foreign,
        }
    }
}

enum Found {
    Good(u64),
    /// Its message has been received again since.
    Outdated,
    Gone,
    /// No receipt of this queue.
    Foreign,
}

impl Entry {
    fn message(&self, number: u64) -> Message {
        Message {
            id: format!("{number:08x}-0000-4000-8000-000000000000"),
            receipt: Receipt::new(format!("receipt-{number}-{}", self.receives)),
            body: self.body.clone(),
            sent: self.sent,
            receive_count: self.receives,
        }
    }
}

fn parse(receipt: &Receipt) -> Option<(u64, u32)> {
    let (number, receives) = receipt.as_str().strip_prefix("receipt-")?.split_once('-')?;
    Some((number.parse().ok()?, receives.parse().ok()?))
}

fn failure(receipt: &Receipt, reason: &str) -> ItemFailure {
    ItemFailure { item: receipt.to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn receive(queue: &mut Queue, seconds: i64) -> Vec<Message> {
        queue.receive(30, at(seconds), || false)
    }

    #[test]
    fn a_message_comes_back_after_its_visibility_timeout_and_dies_of_too_many_receives() {
        let mut queue = Queue::new(3);
        queue.send("hello".to_owned(), at(0));
        let first = receive(&mut queue, 10);
        assert_eq!((first[0].receive_count, first[0].sent), (1, at(0)));
        assert!(receive(&mut queue, 39).is_empty(), "still invisible");
        assert_eq!(queue.next_visible(), Some(at(40)));
        assert_eq!(receive(&mut queue, 40)[0].receive_count, 2);
        assert_eq!(receive(&mut queue, 100)[0].id, first[0].id);
        assert!(receive(&mut queue, 200).is_empty());
        assert_eq!(queue.dead, ["hello"]);
    }

    #[test]
    fn an_outdated_receipt_deletes_nothing() {
        let mut queue = Queue::new(3);
        queue.send("hello".to_owned(), at(0));
        let old = receive(&mut queue, 0)[0].receipt.clone();
        let new = receive(&mut queue, 50)[0].receipt.clone();
        assert_eq!(queue.delete(std::slice::from_ref(&old))[0].reason, "ReceiptHandleIsInvalid");
        assert_eq!(queue.change_visibility(std::slice::from_ref(&old), 0, at(51)).len(), 1);
        assert!(queue.delete(std::slice::from_ref(&new)).is_empty());
        assert!(queue.is_empty());
        assert!(queue.delete(&[new]).is_empty(), "what is gone is no error");
    }

    #[test]
    fn visibility_is_extended_and_given_back() {
        let mut queue = Queue::new(3);
        queue.send("hello".to_owned(), at(0));
        let receipt = receive(&mut queue, 0)[0].receipt.clone();
        assert!(queue.change_visibility(std::slice::from_ref(&receipt), 100, at(20)).is_empty());
        assert!(!queue.has_visible(at(119)) && queue.has_visible(at(120)));
        assert!(queue.change_visibility(std::slice::from_ref(&receipt), 0, at(60)).is_empty());
        assert!(queue.has_visible(at(60)));
        assert_eq!(queue.change_visibility(&[receipt], 100, at(61))[0].reason, "MessageNotInflight");
    }
}
