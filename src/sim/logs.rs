//! Lets a test say "no ERROR was logged during this run": ERROR means broken, so a run with one has failed.

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
    static ERRORS: RefCell<Option<Rc<RefCell<Vec<String>>>>> = const { RefCell::new(None) };
}

/// Runs `work`, and gives back what it returned together with every ERROR event it logged on this thread.
pub fn errors_during<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let errors = Rc::new(RefCell::new(Vec::new()));
    let outer = ERRORS.replace(Some(Rc::clone(&errors)));
    let subscriber = Registry::default().with(CollectErrors.with_filter(LevelFilter::ERROR));
    let result = with_default(Arc::new(subscriber), work);
    ERRORS.set(outer);
    (result, errors.take())
}

/// A layer that keeps ERROR events of this thread for `errors_during`; to be combined with a printing layer where wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct CollectErrors;

impl<S: Subscriber> Layer<S> for CollectErrors {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let at = clock::now().map_or_else(String::new, |now| now.to_string());
        ERRORS.with_borrow(|errors| {
            if let Some(errors) = errors {
                errors.borrow_mut().push(format!("{at} {}:{}", event.metadata().target(), line.0));
            }
        });
    }
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
