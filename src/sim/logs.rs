//! Lets a test say "no ERROR was logged during this run" (ERROR means broken, so a run with one has failed), and "this
//! reason was told".

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::clock;

thread_local! {
    static LINES: RefCell<Option<Rc<RefCell<Vec<String>>>>> = const { RefCell::new(None) };
}

/// Runs `work`, and gives back what it returned together with every ERROR event it logged on this thread.
pub fn errors_during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    during(CollectErrors.with_filter(LevelFilter::ERROR), work)
}

/// As `errors_during`, with every event from INFO on.
pub fn told_during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    during(CollectAll.with_filter(LevelFilter::INFO), work)
}

fn during<T>(layer: impl Layer<Registry> + Send + Sync, work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let outer = LINES.replace(Some(Rc::clone(&lines)));
    let subscriber = Registry::default().with(layer);
    let result = with_default(Arc::new(subscriber), work);
    LINES.set(outer);
    (result, lines.take())
}

/// A layer that keeps ERROR events of this thread for `errors_during`; to be combined with a printing layer where wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectErrors;

impl<S: Subscriber> Layer<S> for CollectErrors {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        keep(event);
    }
}

#[derive(Clone, Copy, Debug)]
struct CollectAll;

impl<S: Subscriber> Layer<S> for CollectAll {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        keep(event);
    }
}

fn keep(event: &Event<'_>) {
    let mut line = Line::default();
    event.record(&mut line);
    let at = clock::now().map_or_else(String::new, |now| now.to_string());
    let (level, target) = (event.metadata().level(), event.metadata().target());
    LINES.with_borrow(|lines| {
        if let Some(lines) = lines {
            lines.borrow_mut().push(format!("{at} {level} {target}:{}", line.0));
        }
    });
}

/// The fields of an event, one after the other.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
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
        assert!(told[0].contains("INFO") && told[0].contains("group=\"web\""), "{told:?}");
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
        assert!(errors[0].contains("broken") && errors[0].contains("host=\"i-1\""), "{errors:?}");
    }
}
