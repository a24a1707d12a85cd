//! The log as data: what was said, line by line, kept in memory or read back from a worker's JSON log.
//!
//! Decisions are said once, in the log. The page shows the last lines of a [`Journal`], and the picture of a rotation
//! ([`record`](crate::record)) is drawn from lines: of a journal, or of a file.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::effect::SOURCE;

/// One line of the log. Values are as the text log writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: &'static str,
    pub message: String,
    #[serde(flatten)]
    pub fields: BTreeMap<String, String>,
}

impl LogLine {
    pub fn of(event: &Event<'_>, at: Timestamp) -> Self {
        let mut line =
            Self { at, level: level_of(event.metadata().level()), message: String::new(), fields: BTreeMap::new() };
        event.record(&mut line);
        line
    }

    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// A field that is a number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u32> {
        self.get(field)?.parse().ok()
    }

    /// All that a line of a file holds: a line of the log as it was written, or those that AWS's tools have put as texts into
    /// JSON (`filter-log-events`, FireLens) or CSV (Logs Insights).
    #[must_use]
    pub fn all_in(text: &str) -> Vec<Self> {
        match Self::parse(text) {
            Some(line) => vec![line],
            None => texts_in(text).iter().filter_map(|inside| Self::parse(inside)).collect(),
        }
    }

    /// A line of the JSON log, or an event of the worker's own (one JSON object), whatever else stands in front of it: `aws
    /// logs tail` puts a time and a stream there. None: it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let object: BTreeMap<String, Value> = serde_json::from_str(&text[text.find('{')?..]).ok()?;
        if object.get("source").and_then(Value::as_str) == Some(SOURCE) {
            return of_event(&object);
        }
        let text_of = |key: &str| object.get(key).and_then(Value::as_str);
        let level: Level = text_of("level")?.parse().ok()?;
        Some(Self {
            at: text_of("timestamp")?.parse().ok()?,
            level: level_of(&level),
            message: text_of("message")?.to_owned(),
            fields: object
                .iter()
                .filter(|(key, _)| !["timestamp", "level", "message", "target"].contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), plain(value)))
                .collect(),
        })
    }
}

/// The objects that stand as texts in a line of JSON (`"{\"a\":1}"`) or CSV (`"{""a"":1}"`).
fn texts_in(line: &str) -> Vec<String> {
    let in_json = line.match_indices("\"{\\\"").filter_map(|(at, _)| {
        // Up to its closing quote, whatever follows.
        serde_json::Deserializer::from_str(&line[at..]).into_iter::<String>().next()?.ok()
    });
    let in_csv = line.match_indices("\"{\"\"").filter_map(|(at, _)| {
        let text = &line[at + 1..];
        let mut ends = text.match_indices('"').map(|(at, _)| at).peekable();
        while let Some(end) = ends.next() {
            // Two stand for one, and are none.
            if ends.next_if_eq(&(end + 1)).is_none() {
                return Some(text[..end].replace("\"\"", "\""));
            }
        }
        None
    });
    in_json.chain(in_csv).collect()
}

/// ```json
/// {"source":"ecs-rotator","detail-type":"Host Replaced","time":"2026-01-14T03:30:01Z","detail":{"version":1,
///  "cluster":"arn:aws:ecs:eu-west-1:123456789012:cluster/prod","rotation":"prod/20260114T030001Z",
///  "host":"i-0abc…","group":"web-asg"}}
/// ```
/// It says what the line says that the log has for it.
fn of_event(object: &BTreeMap<String, Value>) -> Option<LogLine> {
    let detail = object.get("detail")?.as_object()?;
    let (level, message) = match object.get("detail-type")?.as_str()? {
        "Rotation Opened" | "Rotation Resumed" => (Level::INFO, "rotation open"),
        "Rotation Held" => (Level::WARN, "rotation held"),
        "Rotation Closed" => (Level::INFO, "rotation closed"),
        "Rotation Closed With Groups Skipped" => (Level::WARN, "rotation closed with groups skipped"),
        "Rotation Aborted" => (Level::WARN, "rotation aborted"),
        "Host Replaced" => (Level::INFO, "gone"),
        "Drain Overdue" => (Level::WARN, "drain overdue"),
        _ => return None,
    };
    let mut fields: BTreeMap<String, String> = detail.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
    if let Some(cluster) = fields.get_mut("cluster") {
        let name = cluster.rsplit('/').next().unwrap_or_default().to_owned();
        let arn = std::mem::replace(cluster, name);
        fields.insert("cluster_arn".to_owned(), arn);
    }
    let at = object.get("time")?.as_str()?.parse().ok()?;
    Some(LogLine { at, level: level_of(&level), message: message.to_owned(), fields })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn level_of(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.insert(field.name().to_owned(), value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// As the text log has it, without the time.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.message)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// A layer that keeps lines: the last ones, or all of them. Clones share them.
#[derive(Clone, Debug)]
pub struct Journal {
    lines: Arc<Mutex<VecDeque<LogLine>>>,
    most: usize,
    clock: fn() -> Timestamp,
}

impl Journal {
    /// For a page: enough that a host on its way is told from its beginning to its end.
    #[must_use]
    pub fn for_page(clock: fn() -> Timestamp) -> Self {
        const LINES: usize = 240;
        Self::last(LINES, clock)
    }

    /// Keeps the last so many lines, with the time of this clock.
    #[must_use]
    pub fn last(most: usize, clock: fn() -> Timestamp) -> Self {
        Self { lines: Arc::default(), most, clock }
    }

    /// Keeps every line.
    #[must_use]
    pub fn whole(clock: fn() -> Timestamp) -> Self {
        Self::last(usize::MAX, clock)
    }

    /// What has been kept, the oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = LogLine::of(event, (self.clock)());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= self.most {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn said(most: usize, work: impl FnOnce()) -> Vec<LogLine> {
        let journal = Journal::last(most, || Timestamp::UNIX_EPOCH);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal.clone()), work);
        journal.lines()
    }

    #[test]
    fn a_journal_keeps_the_last_lines() {
        let lines = said(2, || (1..=3).for_each(|n| tracing::info!(n, host = %"i-1", "said")));
        let numbers: Vec<_> = lines.iter().map(|line| line.number("n")).collect();
        assert_eq!(numbers, [Some(2), Some(3)]);
        assert_eq!(lines[0].to_string(), "INFO said host=i-1 n=2");
    }

    #[test]
    fn a_line_of_the_json_log_is_read_back_whatever_stands_before_it() {
        let json = r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"WARN","message":"rotation held","cluster":"prod","why":"a \"b\"","tasks":3,"target":"ecs_rotator::engine"}"#;
        let fields = [("cluster", "prod"), ("tasks", "3"), ("why", "a \"b\"")];
        let expected = LogLine {
            at: Timestamp::UNIX_EPOCH,
            level: "WARN",
            message: "rotation held".to_owned(),
            fields: fields.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        };
        assert_eq!(LogLine::parse(json), Some(expected.clone()));
        assert_eq!(LogLine::parse(&format!("2026-01-14T03:00:00 worker/ecs-rotator/1 {json}\n")), Some(expected));
        for text in ["", "plain", "{", "{}", r#"{"level":"LOUD","timestamp":"1970-01-01T00:00:00Z","message":"x"}"#] {
            assert_eq!(LogLine::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lines_are_read_out_of_what_the_tools_of_aws_export() {
        let one = r#"{"timestamp":"1970-01-01T00:00:00Z","level":"INFO","message":"rotation open","why":"a \"b\", c","target":"t"}"#;
        let two = one.replace("rotation open", "rotation closed");
        let text = |line: &str| serde_json::to_string(line).unwrap();
        let both = [LogLine::parse(one).unwrap(), LogLine::parse(&two).unwrap()];
        let (first, second) = (text(one), text(&two));
        // `aws logs filter-log-events`, in one line and indented; FireLens; Logs Insights.
        let compact = format!(r#"{{"events":[{{"message":{first},"ingestionTime":1}},{{"message":{second}}}]}}"#);
        assert_eq!(LogLine::all_in(&compact), both);
        assert_eq!(LogLine::all_in(&format!(r#"            "message": {first},"#)), both[..1]);
        assert_eq!(LogLine::all_in(&format!(r#"{{"container_id":"c","log":{first},"source":"stdout"}}"#)), both[..1]);
        let csv = format!("1970-01-01 00:00:00.000,\"{}\",7", one.replace('"', "\"\""));
        assert_eq!(LogLine::all_in(&csv), both[..1]);
        for broken in ["\"{\\\"", "\"{\"\"a", "\"{\\\"a\\\":1}\"", "@timestamp,@message"] {
            assert_eq!(LogLine::all_in(broken), [], "{broken}");
        }
    }

    #[test]
    fn an_event_of_our_own_says_what_the_log_says() {
        let event = r#"{"source":"ecs-rotator","detail-type":"Host Replaced","time":"1970-01-01T00:00:00Z","detail":{"version":1,"cluster":"arn:aws:ecs:r:1:cluster/prod","rotation":"prod/19700101T000000Z","host":"i-1","group":"web"}}"#;
        let line = LogLine::parse(event).unwrap();
        assert_eq!((line.message.as_str(), line.get("cluster"), line.get("host")), ("gone", Some("prod"), Some("i-1")));
    }
}
