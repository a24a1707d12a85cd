//! Who may connect, and for how long without a word: whoever reaches the port shall not be able to take from the worker the
//! file descriptors that it needs for its calls.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

const MOST_CONNECTIONS: usize = 128;
/// A request (or the next one on the same connection) has come within this, or the connection ends.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// When no connection can be taken, for want of something that others will give back.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Answers for ever.
pub async fn accept(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut warned = false;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was not taken");
                sleep_until(Instant::now() + AGAIN_AFTER).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            if !warned {
                tracing::warn!(most = MOST_CONNECTIONS, "too many connections: more are closed at once");
            }
            warned = true;
            continue;
        };
        warned = false;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(REQUEST_WITHIN);
            // How a connection ends is the other's business.
            let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
