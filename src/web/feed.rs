//! How the clusters are, for whoever looks: as JSON, once or again and again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Shared, Source};
use crate::engine::vitals::Known;
use crate::journal::{Journal, LogLine};

const GOOD_FOR: Duration = Duration::from_secs(1);
/// A loop that does not answer within this is busy, or stuck.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Who may look at a time.
const MOST_LOOKERS: usize = 32;

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
    clusters: Vec<Known>,
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
        let clusters = known.map_err(|_| "the worker is busy, or stuck")?.ok_or("the worker has ended")?;
        let body = Body { version: env!("CARGO_PKG_VERSION"), clusters, journal: self.journal.lines() };
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
    _place: OwnedSemaphorePermit,
}

impl Looker {
    /// Waits until there is something else to see.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            sleep_until(self.again).await;
            let told = self.feed.told().await;
            self.again = Instant::now() + GOOD_FOR;
            if self.seen.as_ref() == Some(&told) {
                continue;
            }
            let event = match &told {
                Ok(told) => Event::default().data(self.feed.dated(told)),
                Err(why) => Event::default().event("trouble").data(why),
            };
            self.seen = Some(told);
            return Some((Ok(event), self));
        }
    }
}

pub async fn events(State(shared): State<Shared>) -> Response {
    let Ok(place) = Arc::clone(&shared.feed.lookers).try_acquire_owned() else {
        let text = "too many are looking already: close one of the pages";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let looker = Looker { feed: shared.feed, seen: None, again: Instant::now(), _place: place };
    let stream = stream::unfold(looker, Looker::next);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}
