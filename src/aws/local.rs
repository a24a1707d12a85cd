//! A queue of one message, in this process only: for a rotation that a person runs without a queue.
//!
//! No event ever comes, so what events would have told is found by the sweeps.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::worker::now;
use crate::effect::{Message, Reply, Request};
use crate::id::Receipt;
use crate::plan::answer::MessageKey;

#[derive(Debug)]
pub struct LocalQueue {
    key: MessageKey,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: Option<Message>,
    done: Option<Timestamp>,
}

impl LocalQueue {
    #[must_use]
    /// `number`: another one for each message, or what became of an earlier one would be taken for its answer.
    pub fn new(body: String, number: u64) -> Self {
        let id = format!("{number:016x}");
        let key = MessageKey::of(&id);
        let message = Message { id, receipt: Receipt::new("here"), body, sent: now(), receive_count: 1 };
        Self { key, state: Mutex::new(State { waiting: Some(message), done: None }) }
    }

    /// By which the answer to the message is found.
    #[must_use]
    pub fn key(&self) -> &MessageKey {
        &self.key
    }

    /// When what the message asks for became durable.
    #[must_use]
    pub fn done(&self) -> Option<Timestamp> {
        self.state().done
    }

    /// The calls to a queue; None: it is another call.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are the account's")]
    pub(super) async fn perform(&self, request: &Request) -> Option<Reply> {
        match request {
            Request::ReceiveMessage { wait_seconds, .. } => Some(self.receive(*wait_seconds).await),
            Request::DeleteMessageBatch { .. } => {
                self.state().done = Some(now());
                Some(Reply::QueueBatch { failures: Vec::new() })
            }
            // It is nobody else's: it cannot be handed back, and need not be kept.
            Request::ChangeMessageVisibilityBatch { .. } => Some(Reply::QueueBatch { failures: Vec::new() }),
            _ => None,
        }
    }

    async fn receive(&self, wait_seconds: u32) -> Reply {
        let waiting = self.state().waiting.take();
        if waiting.is_none() {
            sleep_until(Instant::now() + Duration::from_secs(u64::from(wait_seconds))).await;
        }
        Reply::Messages(waiting.into_iter().collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
