//! Waiting for a value, with a deadline. Nothing in these tests waits for time alone to pass.

use std::time::Duration;

/// How often a value is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Asks `probe` again and again until it has an answer. `None`: it had none before the deadline.
pub async fn until<T>(within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let answer = async {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(value) = probe().await {
                return value;
            }
        }
    };
    tokio::time::timeout(within, answer).await.ok()
}

/// The same without a runtime, for processes that are being started.
pub fn until_blocking<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let mut left = within;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        left = left.checked_sub(EVERY)?;
        std::thread::sleep(EVERY);
    }
}

#[expect(clippy::disallowed_methods, reason = "the driver stamps its events as AWS does: with the time of day")]
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
