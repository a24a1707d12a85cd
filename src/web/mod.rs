//! What a worker answers over HTTP, where it was given an address: `/` is a page for people, live by `/events` and the same as
//! data in `/status.json`; `/healthz` is for whoever restarts it, `/metrics` for Prometheus. All of it only reads.
//!
//! Vitals are what the loop published last, at most once a second. What the page shows is asked of the loop when somebody
//! looks at it, at most once a second for all who look.

mod connections;
mod feed;
mod metrics;
mod page;
pub mod simulated;
mod window;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::journal::Journal;
use feed::Feed;
use page::Page;
pub use window::{Asked, PUBLISHED_EVERY, Published, Source, Window};

/// A long poll ends after 10 seconds, and with it the loop goes round: one that has not for so long is stuck.
const STUCK_AFTER: SignedDuration = SignedDuration::from_secs(90);

/// Why nobody can be answered.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}; give another address to --http, or leave it out")]
pub struct NotBound {
    address: SocketAddr,
    error: std::io::Error,
}

#[derive(Clone)]
struct Shared {
    source: Source,
    clock: fn() -> Timestamp,
    feed: Arc<Feed>,
    page: Arc<Page>,
}

/// Answers until the runtime ends. Gives the address, in which a port 0 has become a real one.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn serve(
    address: SocketAddr,
    source: Source,
    journal: Journal,
    clock: fn() -> Timestamp,
) -> Result<SocketAddr, NotBound> {
    let not_bound = |error| NotBound { address, error };
    let listener = TcpListener::bind(address).await.map_err(not_bound)?;
    let address = listener.local_addr().map_err(not_bound)?;
    tracing::info!(%address, "answers / (the page), /status.json, /healthz and /metrics");
    let feed = Arc::new(Feed::new(source.clone(), journal, clock));
    let shared = Shared { source, clock, feed, page: Arc::new(Page::new()) };
    let router = router(address.ip().is_loopback(), shared);
    tokio::spawn(connections::accept(listener, router));
    Ok(address)
}

fn router(is_private: bool, shared: Shared) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status.json", get(feed::now))
        .route("/events", get(feed::events))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(is_private, only_by_name))
        .layer(map_response(harden))
        .with_state(shared)
}

/// What is bound to this machine alone is for its own browser at its own name: another site, whose name somebody has made to
/// point here, must not read it.
async fn only_by_name(State(is_private): State<bool>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_private && !is_own_name(host) {
        let text = "this worker answers here only as localhost or 127.0.0.1\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    next.run(request).await
}

/// With or without a port.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Nothing of it belongs into a frame, a cache or another site.
async fn harden(mut response: Response) -> Response {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page(State(shared): State<Shared>) -> Response {
    let Page { html, policy } = &*shared.page;
    ([(header::CONTENT_SECURITY_POLICY, policy.clone())], Html(html.clone())).into_response()
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
    let health = Health::of(&shared.source.published.borrow(), (shared.clock)());
    let code = if health.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health)).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let published = shared.source.published.borrow().clone();
    match metrics::text(&published.vitals, (shared.clock)()) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::vitals::Vitals;

    #[test]
    fn a_private_page_answers_to_its_own_names_only() {
        for own in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"] {
            assert!(is_own_name(own), "{own}");
        }
        for other in ["", "rebound.example", "rebound.example:8080", "10.0.0.7:8080", "localhost.example", "::"] {
            assert!(!is_own_name(other), "{other}");
        }
    }

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
