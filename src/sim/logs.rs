//! Lets a test say "no ERROR was logged during this run" (ERROR means broken, so a run with one has failed), and "this
//! reason was told".

use jiff::Timestamp;
use tracing::Dispatch;
use tracing::subscriber::with_default;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::clock;
use crate::journal::{Journal, LogLine};

/// Runs `work`, and gives back what it returned together with every ERROR event it logged on this thread.
pub fn errors_during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    as_text(lines_during(LevelFilter::ERROR, work))
}

/// As `errors_during`, with every event from INFO on.
pub fn told_during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    as_text(lines_during(LevelFilter::INFO, work))
}

/// As `errors_during`, with every event from this level on, as data.
pub fn lines_during<T>(level: LevelFilter, work: impl FnOnce() -> T) -> (T, Vec<LogLine>) {
    let journal = Journal::whole(now);
    let subscriber = tracing_subscriber::registry().with(journal.clone().with_filter(level));
    // While there is only one subscriber in the process, `tracing` asks the thread that comes to a line first whether anybody
    // wants it, and keeps the answer for all: a thread without one would silence it here. So there are two.
    let _second = Dispatch::new(tracing_subscriber::registry());
    let result = with_default(subscriber, work);
    (result, journal.lines())
}

/// Simulated now; the epoch where there is no simulation.
#[must_use]
pub fn now() -> Timestamp {
    clock::now().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn as_text<T>((result, lines): (T, Vec<LogLine>)) -> (T, Vec<String>) {
    (result, lines.iter().map(|line| format!("{} {line}", line.at)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_told_is_collected_with_its_level() {
        let ((), told) = told_during(|| {
            tracing::debug!("a detail");
            tracing::info!(group = "web", "told");
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("INFO") && told[0].contains("group=web"), "{told:?}");
    }

    #[test]
    fn an_error_is_collected_and_a_warning_is_not() {
        let (result, errors) = errors_during(|| {
            tracing::warn!("somebody should look");
            tracing::error!(host = "i-1", "broken");
            7
        });
        assert_eq!(result, 7);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("broken") && errors[0].contains("host=i-1"), "{errors:?}");
    }

    #[test]
    fn a_thread_that_nobody_listens_to_silences_no_line_of_another() {
        let say = || tracing::error!("said by two");
        let ((), told) = errors_during(|| {
            std::thread::scope(|scope| {
                scope.spawn(say);
            });
            say();
        });
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
