//! Between the loop of a worker and those who look in from outside: it publishes, and it is asked.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::Engine;
use crate::engine::vitals::{Known, Vitals};

pub const PUBLISHED_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// What the loop publishes.
#[derive(Clone, Debug)]
pub struct Published {
    /// When the loop went round last.
    pub at: Timestamp,
    pub vitals: Arc<Vitals>,
}

/// The side of the loop.
#[derive(Debug)]
pub struct Window {
    publish: watch::Sender<Published>,
    asked: mpsc::Receiver<Asked>,
}

/// The side of those who look in.
#[derive(Clone, Debug)]
pub struct Source {
    pub published: watch::Receiver<Published>,
    ask: mpsc::Sender<Asked>,
}

/// Somebody wants to know how the clusters are.
#[derive(Debug)]
pub struct Asked(oneshot::Sender<Known>);

impl Window {
    /// `vitals`: what is true until the loop publishes.
    #[must_use]
    pub fn new(now: Timestamp, vitals: Vitals) -> (Self, Source) {
        let (publish, published) = watch::channel(Published { at: now, vitals: Arc::new(vitals) });
        let (ask, asked) = mpsc::channel(1);
        (Self { publish, asked }, Source { published, ask })
    }

    /// At most once a second: a storm of messages is not to be counted a hundred times over. True: it is to be done a little
    /// later.
    pub fn publish(&self, engine: &Engine, now: Timestamp) -> bool {
        let is_early = now.duration_since(self.publish.borrow().at) < PUBLISHED_EVERY;
        if !is_early {
            self.publish.send_replace(Published { at: now, vitals: Arc::new(engine.vitals()) });
        }
        is_early
    }

    /// Waits until somebody asks.
    pub async fn asked(&mut self) -> Asked {
        match self.asked.recv().await {
            Some(asked) => asked,
            // Nobody looks in any more.
            None => std::future::pending().await,
        }
    }
}

impl Asked {
    pub fn answer(self, known: Known) {
        // Who has gone meanwhile need not know.
        let _gone = self.0.send(known);
    }
}

impl Source {
    /// None: the loop has ended.
    pub async fn known(&self) -> Option<Known> {
        let (answer, answered) = oneshot::channel();
        self.ask.send(Asked(answer)).await.ok()?;
        answered.await.ok()
    }
}
