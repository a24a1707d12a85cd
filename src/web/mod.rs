//! What a worker answers over HTTP, where it was given an address: `/healthz` for whoever restarts it, `/metrics` for
//! Prometheus. Both only read what the loop published last, at most once a second.

mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::vitals::Vitals;

/// A long poll ends after 10 seconds, and with it the loop goes round: one that has not for so long is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(90);

/// What the loop publishes.
#[derive(Clone, Debug)]
pub struct Published {
    /// When the loop went round last.
    pub at: Timestamp,
    pub vitals: Arc<Vitals>,
}

/// Why nobody can be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}; give another address to --http, or leave it out")]
pub struct NotBound {
    address: SocketAddr,
    error: std::io::Error,
}

#[derive(Clone)]
struct Shared {
    published: watch::Receiver<Published>,
    clock: fn() -> Timestamp,
}

/// Answers until the runtime ends.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn serve(
    address: SocketAddr,
    published: watch::Receiver<Published>,
    clock: fn() -> Timestamp,
) -> Result<(), NotBound> {
    let listener = TcpListener::bind(address).await.map_err(|error| NotBound { address, error })?;
    tracing::info!(%address, "answers /healthz and /metrics");
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state(Shared { published, clock });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "answers no more over HTTP");
        }
    });
    Ok(())
}

/// Ages in seconds; none: it has not happened yet.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    loop_seconds: i64,
    last_poll_seconds: Option<i64>,
    last_pass_seconds: Option<i64>,
}

impl Health {
    fn of(published: &Published, now: Timestamp) -> Self {
        let age = |at: Timestamp| now.duration_since(at).as_secs();
        let is_stuck = now.duration_since(published.at) > STUCK_AFTER;
        Self {
            status: if is_stuck { "stuck" } else { "ok" },
            version: env!("CARGO_PKG_VERSION"),
            loop_seconds: age(published.at),
            last_poll_seconds: published.vitals.polled.map(age),
            last_pass_seconds: published.vitals.passed.map(age),
        }
    }
}

/// A queue that cannot be reached is no reason for a restart, which would not reach it either: only a loop that stands still.
async fn health(State(shared): State<Shared>) -> Response {
    let health = Health::of(&shared.published.borrow(), (shared.clock)());
    let code = if health.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health)).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let published = shared.published.borrow().clone();
    match metrics::text(&published.vitals, (shared.clock)()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_stuck_and_a_queue_that_does_not_answer_is_not() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let published = Published { at: time(1000), vitals: Arc::new(Vitals::default()) };
        for (now, status) in [(1000, "ok"), (1090, "ok"), (1091, "stuck")] {
            let health = Health::of(&published, time(now));
            assert_eq!((health.status, health.last_poll_seconds), (status, None), "{now}");
        }
    }
}
