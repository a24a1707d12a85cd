//! Messages in hand: kept invisible while they are worked on, deleted when what they woke has ended.
//!
//! A message can concern several passes (a release check concerns every cluster); it is deleted when the last of them has
//! ended. A message that nobody keeps is not deleted: it comes back, and after some times it is a dead letter.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::call::{Owner, Receipts};
use super::wire::Wire;
use crate::effect::{Message, Request};
use crate::id::Receipt;

/// SQS's limit for a batch, and for a receive.
const BATCH: usize = 10;
/// How long a deletion waits for others.
const LINGER: SignedDuration = SignedDuration::from_millis(200);
/// Receives at once, while every receive comes back full: with replies in 50 ms that is 2,000 messages a second, so that a
/// storm of 15,000 is over in eight.
const MOST_RECEIVES: usize = 10;
/// No further receive while so many messages are in hand: their visibility has to be kept up.
const MOST_IN_HAND: usize = 200;
/// SQS gives up extending 12 h after the receive; we stop before.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(11);
/// Half of what SQS allows: at the end of this worker the poll under way is waited for, and all must be over in 20 s.
const LONGEST_POLL_SECONDS: u32 = 10;

#[derive(Debug)]
struct Held {
    /// So many passes still work on it.
    users: u32,
    received: Timestamp,
    extend_at: Timestamp,
}

#[derive(Debug)]
pub struct Inbox {
    visibility: SignedDuration,
    held: BTreeMap<Receipt, Held>,
    done: Receipts,
    flush_at: Option<Timestamp>,
    wanted_receives: usize,
    pause_until: Option<Timestamp>,
}

impl Inbox {
    pub fn new(visibility: SignedDuration) -> Self {
        Self {
            visibility,
            held: BTreeMap::new(),
            done: Vec::new(),
            flush_at: None,
            wanted_receives: 1,
            pause_until: None,
        }
    }

    fn visibility_seconds(&self) -> u32 {
        u32::try_from(self.visibility.as_secs()).unwrap_or(u32::MAX)
    }

    /// Keeps a message until [`release`](Self::release) has been called once for each call of this.
    pub fn hold(&mut self, receipt: &Receipt, now: Timestamp) {
        let extend_at = now + self.visibility / 2;
        self.held.entry(receipt.clone()).or_insert(Held { users: 0, received: now, extend_at }).users += 1;
    }

    pub fn release(&mut self, receipt: &Receipt, now: Timestamp) {
        let Some(held) = self.held.get_mut(receipt) else { return };
        held.users = held.users.saturating_sub(1);
        if held.users == 0 {
            self.held.remove(receipt);
            self.delete(receipt.clone(), now);
        }
    }

    /// Does not work on the message any more: it comes again when its visibility ends.
    pub fn let_go(&mut self, receipt: &Receipt) {
        self.held.remove(receipt);
    }

    /// Has no further use for the message.
    pub fn delete(&mut self, receipt: Receipt, now: Timestamp) {
        self.done.push(receipt);
        self.flush_at.get_or_insert(now + LINGER);
    }

    /// What a receive brought tells whether more than one at a time is worth it. A queue in which many are left may bring a few
    /// once: SQS asks some of its servers only.
    pub fn received(&mut self, messages: &[Message]) {
        self.wanted_receives = match messages.len() {
            BATCH.. => MOST_RECEIVES,
            0 => 1,
            _ => (self.wanted_receives / 2).max(1),
        };
    }

    /// No receive before this time.
    pub fn pause_until(&mut self, until: Timestamp) {
        self.pause_until = Some(until);
    }

    /// Sends what is due: receives, deletions, extensions.
    pub fn turn(&mut self, wire: &mut Wire, receiving: bool, now: Timestamp) {
        self.flush(wire, now);
        self.extend(wire, now);
        if self.pause_until.is_some_and(|until| now >= until) {
            self.pause_until = None;
        }
        let room = receiving && self.pause_until.is_none() && self.held.len() < MOST_IN_HAND;
        while room && wire.receives() < self.wanted_receives {
            let visibility_seconds = self.visibility_seconds();
            let request = Request::ReceiveMessage { wait_seconds: LONGEST_POLL_SECONDS, visibility_seconds };
            wire.send(Owner::Receive, request);
        }
    }

    fn flush(&mut self, wire: &mut Wire, now: Timestamp) {
        let due = self.flush_at.is_some_and(|at| now >= at);
        while self.done.len() >= BATCH || (due && !self.done.is_empty()) {
            let receipts: Receipts = self.done.drain(..self.done.len().min(BATCH)).collect();
            wire.send(Owner::Delete(receipts.clone()), Request::DeleteMessageBatch { receipts });
        }
        if self.done.is_empty() {
            self.flush_at = None;
        }
    }

    fn extend(&mut self, wire: &mut Wire, now: Timestamp) {
        let (half, longest) = (self.visibility / 2, LONGEST_HOLD);
        let due: Receipts = self
            .held
            .iter_mut()
            .filter(|(_, held)| now >= held.extend_at && now < held.received + longest)
            .map(|(receipt, held)| {
                held.extend_at = now + half;
                receipt.clone()
            })
            .collect();
        self.change_visibility(wire, &due, self.visibility_seconds());
    }

    fn change_visibility(&self, wire: &mut Wire, receipts: &[Receipt], visibility_seconds: u32) {
        for receipts in receipts.chunks(BATCH) {
            let request = Request::ChangeMessageVisibilityBatch { receipts: receipts.to_vec(), visibility_seconds };
            wire.send(Owner::Extend, request);
        }
    }

    /// Gives everything back that is not worked off, and deletes what is: the end of this worker.
    pub fn hand_back(&mut self, wire: &mut Wire, now: Timestamp) {
        self.flush_at = Some(now);
        self.flush(wire, now);
        let receipts: Receipts = std::mem::take(&mut self.held).into_keys().collect();
        self.change_visibility(wire, &receipts, 0);
    }

    /// Hands back messages that came too late.
    pub fn refuse(&self, wire: &mut Wire, messages: &[Message]) {
        let receipts: Receipts = messages.iter().map(|message| message.receipt.clone()).collect();
        self.change_visibility(wire, &receipts, 0);
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let extensions =
            self.held.values().filter(|held| held.extend_at < held.received + LONGEST_HOLD).map(|h| h.extend_at);
        extensions.chain(self.flush_at).chain(self.pause_until).min()
    }
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "only deletions are counted")]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn inbox() -> Inbox {
        Inbox::new(SignedDuration::from_secs(120))
    }

    fn messages(count: usize) -> Vec<Message> {
        let message = |n: usize| Message {
            id: n.to_string(),
            receipt: n.to_string().into(),
            body: String::new(),
            sent: NOW,
            receive_count: 1,
        };
        (0..count).map(message).collect()
    }

    /// How many receives are under way at once, after receives that brought so many.
    fn receives_after(brought: &[usize]) -> usize {
        let (mut inbox, mut wire) = (inbox(), Wire::default());
        for count in brought {
            inbox.received(&messages(*count));
        }
        inbox.turn(&mut wire, true, NOW);
        wire.receives()
    }

    #[test]
    fn a_full_receive_asks_for_ten_at_once_and_the_end_of_a_storm_for_fewer_and_fewer() {
        for (brought, expected) in [
            (&[][..], 1),
            (&[10], 10),
            (&[10, 3], 5),
            (&[10, 3, 3], 2),
            (&[10, 3, 3, 3], 1),
            (&[10, 3, 3, 3, 3], 1),
            (&[10, 3, 10], 10),
            (&[10, 0], 1),
            (&[3], 1),
        ] {
            assert_eq!(receives_after(brought), expected, "after receives of {brought:?}");
        }
    }

    /// What goes out at this time, in seconds: operations.
    fn sent(inbox: &mut Inbox, at: i64) -> Vec<Request> {
        let mut wire = Wire::default();
        inbox.turn(&mut wire, false, NOW + SignedDuration::from_secs(at));
        std::iter::from_fn(|| wire.poll()).map(|(_, request)| request).collect()
    }

    #[test]
    fn a_message_in_hand_stays_invisible_and_is_kept_no_longer_than_sqs_extends() {
        let (mut inbox, message) = (inbox(), messages(1).remove(0));
        inbox.hold(&message.receipt, NOW);
        let extended =
            Request::ChangeMessageVisibilityBatch { receipts: vec![message.receipt], visibility_seconds: 120 };
        for (at, expected) in [(59, false), (60, true), (61, false), (119, false), (120, true)] {
            assert_eq!(sent(&mut inbox, at), vec![extended.clone(); usize::from(expected)], "after {at} s");
        }
        assert_eq!(inbox.poll_timeout(), Some(NOW + SignedDuration::from_secs(180)));
        let eleven_hours = 11 * 3600;
        assert_eq!(sent(&mut inbox, eleven_hours - 1).len(), 1);
        assert_eq!((sent(&mut inbox, eleven_hours + 59), inbox.poll_timeout()), (Vec::new(), None));
    }

    #[test]
    fn a_message_is_deleted_when_the_last_pass_has_released_it_and_with_others() {
        let (mut inbox, messages) = (inbox(), messages(11));
        for message in &messages {
            inbox.hold(&message.receipt, NOW);
            inbox.hold(&message.receipt, NOW);
            inbox.release(&message.receipt, NOW);
        }
        assert_eq!(sent(&mut inbox, 1), Vec::new(), "each has another user");
        for message in &messages {
            inbox.release(&message.receipt, NOW);
        }
        let deleted = |request: &Request| match request {
            Request::DeleteMessageBatch { receipts } => receipts.len(),
            _ => 0,
        };
        assert_eq!(sent(&mut inbox, 0).iter().map(deleted).collect::<Vec<_>>(), [10], "one waits for others");
        assert_eq!(sent(&mut inbox, 1).iter().map(deleted).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn nothing_is_received_while_too_much_is_in_hand() {
        let (mut inbox, most) = (inbox(), messages(MOST_IN_HAND));
        for message in &most {
            inbox.hold(&message.receipt, NOW);
        }
        let mut wire = Wire::default();
        inbox.turn(&mut wire, true, NOW);
        assert_eq!(wire.receives(), 0);
        inbox.release(&most[0].receipt, NOW);
        inbox.turn(&mut wire, true, NOW);
        assert_eq!(wire.receives(), 1);
    }
}
