//! The loop around the engine (see the parent module).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Aws;
use crate::effect::{Failure, FailureKind, Reply, Request, RequestId};
use crate::engine::Engine;
use crate::web::{PUBLISHED_EVERY, Window};

/// Fargate kills 30 seconds after the signal where nobody has asked for more (the stack asks for its most, 120): what is not handed back to the queue by then comes
/// back by itself when its visibility ends.
const GRACE: Duration = Duration::from_secs(20);

type Answer = (RequestId, Result<Reply, Failure>);

/// Runs until `shutdown` is ready, and then until the engine has ended or 20 seconds are over. Gives the engine back, for its
/// counters.
pub async fn run(mut engine: Engine, aws: Aws, mut window: Window, shutdown: impl Future<Output = ()>) -> Engine {
    let aws = Arc::new(aws.paced());
    let mut calls = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        perform_all(&mut engine, &aws, &mut calls);
        let owed = window.publish(&engine, now());
        tokio::select! {
            () = &mut shutdown => break,
            // Only goes round.
            () = tokio::time::sleep_until(Instant::now() + PUBLISHED_EVERY.unsigned_abs()), if owed => {}
            Some(answer) = calls.join_next() => hand_back(&mut engine, answer),
            () = due(&engine) => on_time(&mut engine),
            asked = window.asked() => asked.answer(engine.known(now())),
        }
    }
    engine.begin_shutdown(now());
    let ending = end(&mut engine, &aws, &mut calls);
    if tokio::time::timeout(GRACE, ending).await.is_err() {
        tracing::warn!(
            calls = calls.len(),
            "ended before everything was handed back: the messages return by themselves"
        );
    }
    engine
}

async fn end(engine: &mut Engine, aws: &Arc<Aws>, calls: &mut JoinSet<Answer>) {
    loop {
        perform_all(engine, aws, calls);
        if engine.is_stopped() {
            return;
        }
        tokio::select! {
            Some(answer) = calls.join_next() => hand_back(engine, answer),
            () = due(engine) => on_time(engine),
        }
    }
}

fn perform_all(engine: &mut Engine, aws: &Arc<Aws>, calls: &mut JoinSet<Answer>) {
    while let Some((id, request)) = engine.poll_request() {
        let call = perform(Arc::clone(aws), id, request);
        calls.spawn(call.in_current_span());
    }
}

async fn perform(aws: Arc<Aws>, id: RequestId, request: Request) -> Answer {
    let operation = request.operation();
    tracing::trace!(call = id.0, ?request, "call");
    let answer = aws.perform(request).await;
    match &answer {
        Ok(reply) => tracing::trace!(call = id.0, operation, ?reply, "answer"),
        Err(failure) => log(failure),
    }
    (id, answer)
}

fn log(failure: &Failure) {
    // `message` is tracing's own name, for the text of the event.
    let Failure { kind, operation, code, message: said, request_id } = failure;
    let request_id = request_id.as_deref();
    match kind {
        FailureKind::Throttled | FailureKind::Transient => {
            tracing::info!(operation, %kind, code, said, request_id, "call failed, it will be made again");
        }
        FailureKind::AccessDenied | FailureKind::Credentials | FailureKind::NotFound | FailureKind::Refused => {
            tracing::warn!(operation, %kind, code, said, request_id, "call failed");
        }
    }
}

/// # Panics
/// When the call did: its request would stay unanswered, and the engine would wait for ever. A new start is the way out.
fn hand_back(engine: &mut Engine, answer: Result<Answer, JoinError>) {
    match answer {
        Ok((id, reply)) => engine.handle_reply(id, reply, now()),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Aborted, which only the end of the process does.
        Err(_) => {}
    }
}

/// The engine's time, on the runtime's clock; never, when it names none.
async fn due(engine: &Engine) {
    match engine.poll_timeout() {
        Some(at) => {
            let left = Duration::try_from(at.duration_since(now())).unwrap_or(Duration::ZERO);
            tokio::time::sleep_until(Instant::now() + left).await;
        }
        None => std::future::pending().await,
    }
}

/// The two clocks may disagree by a little: too early by the wall clock, the timer is armed again.
fn on_time(engine: &mut Engine) {
    let now = now();
    if engine.poll_timeout().is_some_and(|at| at <= now) {
        engine.handle_timeout(now);
    }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the shell: the one place where the clock is read")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
