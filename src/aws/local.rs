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

#[derive(Debug)]
pub struct LocalQueue {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: Option<Message>,
    done: Option<Timestamp>,
}

impl LocalQueue {
    #[must_use]
    pub fn new(body: String) -> Self {
        let message =
            Message { id: "here".to_owned(), receipt: Receipt::new("here"), body, sent: now(), receive_count: 1 };
        Self { state: Mutex::new(State { waiting: Some(message), done: None }) }
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
