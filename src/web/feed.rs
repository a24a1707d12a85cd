//! How the clusters are, for whoever looks: as JSON, once or again and again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Shared, Source};
use crate::engine::vitals::{Known, KnownCluster};
use crate::journal::{Journal, LogLine};

const GOOD_FOR: Duration = Duration::from_secs(1);
/// A loop that does not answer within this is busy, or stuck.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Who may look at a time.
const MOST_LOOKERS: usize = 32;
/// So often something is said, so that who looks can tell silence from a connection that is none.
const BEAT: Duration = Duration::from_secs(15);
/// Then who looks has to ask anew, which browsers do by themselves: one that only takes a place does not keep it.
const LONGEST_LOOK: Duration = Duration::from_secs(3_600);

pub struct Feed {
    source: Source,
    journal: Journal,
    clock: fn() -> Timestamp,
    last: Mutex<Option<(Instant, Told)>>,
    lookers: Arc<Semaphore>,
}

/// What is told, but for the time of the telling.
type Told = Result<Arc<str>, &'static str>;

#[derive(Serialize)]
struct Body {
    version: &'static str,
    /// `observe` or `rotate`.
    mode: &'static str,
    /// When messages (or none) were received last.
    received: Option<Timestamp>,
    /// The clusters have been counted.
    counted: bool,
    /// A cluster whose last look (`looked_at`) is older is not shown as it is.
    stale_after_seconds: i64,
    clusters: Vec<KnownCluster>,
    /// The last lines of the log, the newest last.
    journal: Vec<LogLine>,
}

impl Feed {
    pub fn new(source: Source, journal: Journal, clock: fn() -> Timestamp) -> Self {
        Self { source, journal, clock, last: Mutex::default(), lookers: Arc::new(Semaphore::new(MOST_LOOKERS)) }
    }

    /// At most a second old. The error says why nothing can be told.
    async fn told(&self) -> Told {
        let mut last = self.last.lock().await;
        if let Some((at, told)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return told.clone();
        }
        let told = self.ask().await;
        *last = Some((Instant::now(), told.clone()));
        told
    }

    async fn ask(&self) -> Told {
        let known = timeout(ANSWERS_WITHIN, self.source.known()).await;
        let known = known.map_err(|_| "the worker is busy, or stuck")?.ok_or("the worker has ended")?;
        let received = self.source.published.borrow().vitals.received;
        let Known { mode, counted, stale_after, clusters } = known;
        let body = Body {
            version: env!("CARGO_PKG_VERSION"),
            mode: mode.word(),
            received,
            counted,
            stale_after_seconds: stale_after.as_secs(),
            clusters,
            journal: self.journal.lines(),
        };
        serde_json::to_string(&body).map(Arc::from).map_err(|_| "what the worker knows cannot be told")
    }

    /// With the time in front.
    fn dated(&self, told: &str) -> String {
        format!("{{\"at\":\"{}\",{}", (self.clock)(), told.trim_start_matches('{'))
    }
}

pub async fn now(State(shared): State<Shared>) -> Response {
    match shared.feed.told().await {
        Ok(told) => ([(header::CONTENT_TYPE, "application/json")], shared.feed.dated(&told)).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

/// One who looks on.
struct Looker {
    feed: Arc<Feed>,
    seen: Option<Told>,
    again: Instant,
    began: Instant,
    spoke: Instant,
    _place: OwnedSemaphorePermit,
}

impl Looker {
    /// Waits until there is something else to see.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        while self.began.elapsed() < LONGEST_LOOK {
            sleep_until(self.again).await;
            let told = self.feed.told().await;
            self.again = Instant::now() + GOOD_FOR;
            let is_old = self.seen.as_ref() == Some(&told);
            let event = match &told {
                _ if is_old && self.spoke.elapsed() < BEAT => continue,
                _ if is_old => Event::default().event("beat").data(""),
                Ok(told) => Event::default().data(self.feed.dated(told)),
                Err(why) => Event::default().event("trouble").data(why),
            };
            self.seen = Some(told);
            self.spoke = Instant::now();
            return Some((Ok(event), self));
        }
        None
    }
}

pub async fn events(State(shared): State<Shared>) -> Response {
    let Ok(place) = Arc::clone(&shared.feed.lookers).try_acquire_owned() else {
        let text = "too many are looking already: close one of the pages";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let now = Instant::now();
    let looker = Looker { feed: shared.feed, seen: None, again: now, began: now, spoke: now, _place: place };
    Sse::new(stream::unfold(looker, Looker::next)).into_response()
}
