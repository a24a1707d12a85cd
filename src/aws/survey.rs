//! The loop around a survey: as the worker's, without a queue and with an end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::Aws;
use super::worker::now;
use crate::engine::survey::{Findings, Survey};

/// A person who waits is told so often how far it has come, from the second time on.
const TOLD: Duration = Duration::from_secs(1);

/// Runs a survey to its end. `progress` is told the calls made so far, and None when they are over.
pub async fn survey(mut survey: Survey, aws: Aws, progress: impl Fn(Option<u64>)) -> Findings {
    let aws = Arc::new(aws.paced());
    let mut calls = JoinSet::new();
    let mut ticks = interval(TOLD);
    ticks.tick().await;
    loop {
        while let Some((id, request)) = survey.poll_request() {
            let aws = Arc::clone(&aws);
            calls.spawn(async move { (id, aws.perform(request).await) });
        }
        if survey.is_done() {
            break;
        }
        tokio::select! {
            Some(answer) = calls.join_next() => match answer {
                Ok((id, reply)) => survey.handle_reply(id, reply, now()),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            },
            () = due(&survey) => survey.handle_timeout(now()),
            _ = ticks.tick() => progress(Some(survey.calls())),
        }
    }
    progress(None);
    survey.findings()
}

/// The survey's time, on the runtime's clock; never, when it names none.
async fn due(survey: &Survey) {
    match survey.poll_timeout() {
        Some(at) => {
            let left = Duration::try_from(at.duration_since(now())).unwrap_or(Duration::ZERO);
            tokio::time::sleep_until(Instant::now() + left).await;
        }
        None => std::future::pending().await,
    }
}
