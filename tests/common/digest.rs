//! What a rotation did, as a hash: the same seed does the same, whatever the code that decides looks like.
//!
//! Hashed are every request in its order, every reply, what happened, and what came of it. Of each only its values count: text,
//! numbers, times and names of states. How a struct and its fields are called, and in which order they stand, does not; nor
//! does what is `None`. Two hashes: one without prose, and one with.

use std::fmt;
use std::fmt::{Debug, Write};
use std::hash::Hasher;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ecs_rotator::sim::{Exchange, Faults, Moment, Outcome, Report, Scenario, Simulation};
use fnv::FnvHasher;
use jiff::SignedDuration;

/// So many seeds are one line of the golden file.
pub const BLOCK: u64 = 20;
/// Of each level.
pub const SEEDS: u64 = 2000;
/// Longer than any rotation that comes to an end.
const LONG: SignedDuration = SignedDuration::from_hours(48);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    None,
    Light,
    Heavy,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::None, Self::Light, Self::Heavy];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }

    fn faults(self) -> Faults {
        match self {
            Self::None => Faults::none(),
            Self::Light => Faults::light(),
            Self::Heavy => Faults::heavy(),
        }
    }
}

/// The lines of these blocks (a level and a first seed) in their order, reckoned on all cores. Told how many are done.
pub fn lines(blocks: &[(Level, u64)], tell: impl Fn(usize) + Sync) -> Vec<String> {
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); blocks.len()]));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((level, first)) = blocks.get(at) else { return };
            let line = line(*level, *first);
            lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[at] = line;
            tell(at);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One line of the golden file.
fn line(level: Level, first: u64) -> String {
    let mut both = Both::default();
    for seed in first..first + BLOCK {
        both.rotation(scenario(level, seed));
    }
    format!("{:5} {first:4} {:016x} {:016x}", level.name(), both.values.finish(), both.prose.finish())
}

/// Every second one with things that happen: bad images, pauses, groups that leave.
fn scenario(level: Level, seed: u64) -> Scenario {
    let scenario = if seed.is_multiple_of(2) { Scenario::random(seed) } else { Scenario::eventful(seed) };
    scenario.faults(level.faults())
}

#[derive(Default)]
struct Both {
    values: FnvHasher,
    prose: FnvHasher,
}

impl Both {
    fn rotation(&mut self, scenario: Scenario) {
        // What is said while it runs goes into a hash of its own: the watch outlives the run.
        let (sender, receiver) = std::sync::mpsc::channel();
        let watch = move |exchange: Exchange<'_>| {
            let values = match exchange {
                Exchange::Asked(request) => {
                    let mut values = Values::of(request);
                    values.note(request.operation(), true);
                    values
                }
                Exchange::Answered(Ok(reply)) => Values::of(reply),
                Exchange::Answered(Err(failure)) => Values::of(failure),
            };
            // Nobody listens any more: the run is over.
            let _ = sender.send((values.values, values.prose));
        };
        let report = Simulation::new(scenario).watched(Box::new(watch)).run(LONG);
        receiver.iter().for_each(|(values, prose)| self.add(&Values { values, prose, ..Values::default() }));
        report.timeline.iter().for_each(|moment| self.moment(moment));
        self.add(&Values::of(&figures(&report)));
    }

    /// With its kind: what happened stands in the name.
    fn moment(&mut self, moment: &Moment) {
        let mut values = Values::of(moment);
        let what = format!("{:?}", moment.what);
        values.note(what.split([' ', '(']).next().unwrap_or_default(), true);
        self.add(&values);
    }

    fn add(&mut self, values: &Values) {
        self.values.write_u64(values.values);
        self.prose.write_u64(values.values);
        self.prose.write_u64(values.prose);
    }
}

/// The hash of the values in this, and that of its prose.
#[allow(dead_code, reason = "asked for by the test alone")]
pub fn hashes(what: &impl Debug) -> (u64, u64) {
    let values = Values::of(what);
    (values.values, values.prose)
}

fn figures(report: &Report) -> impl Debug {
    let outcome = match &report.outcome {
        Outcome::Closed => ("closed", ""),
        Outcome::Skipped { groups } => ("skipped", groups.as_str()),
        Outcome::Held { reason } => ("held", reason.as_str()),
        Outcome::Open => ("open", ""),
    };
    let hosts = (report.hosts, report.rotated, report.max_in_flight_seen, report.simulated_seconds);
    let events = (report.events_received, report.events_irrelevant, report.events_malformed, report.messages_in_dlq);
    let tasks = (report.tasks_moved, report.tasks_interrupted, report.tasks_lost_by_others);
    let broken = report.violations.iter().map(|violation| violation.promise).collect::<Vec<_>>();
    (outcome, hosts, events, tasks, broken, report.requests.clone(), report.queue_requests.clone(), report.spins)
}

/// The values in what `Debug` writes, each hashed, and the hashes added: their order does not count.
#[derive(Default)]
struct Values {
    values: u64,
    prose: u64,
    token: String,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Word,
    /// A word, and a space after it: it may be the name of a struct.
    AfterWord,
    Text,
    Escaped,
}

impl Values {
    fn of(what: &impl Debug) -> Self {
        let mut values = Self::default();
        write!(values, "{what:?}").expect("writing into memory does not fail");
        values.end_word();
        values
    }

    fn note(&mut self, token: &str, counts: bool) {
        let mut hasher = FnvHasher::default();
        hasher.write(token.as_bytes());
        let of = if counts { &mut self.values } else { &mut self.prose };
        *of = of.wrapping_add(hasher.finish());
    }

    fn end_word(&mut self) {
        let token = std::mem::take(&mut self.token);
        if !token.is_empty() && token != "None" {
            self.note(&token, true);
        }
        self.state = State::Between;
    }

    /// Of prose what a machine would write: names, numbers, times, codes, and how a rotation stands.
    fn end_text(&mut self) {
        const STANDINGS: [&str; 5] = ["open", "paused", "held", "aborted", "closed"];
        let text = std::mem::take(&mut self.token);
        self.state = State::Between;
        if !text.contains(' ') {
            return self.note(&text, true);
        }
        self.note(&text, false);
        for word in text.split(|c: char| c.is_whitespace() || "\"\\,;()[]{}".contains(c)) {
            let word = word.trim_matches(|c: char| ".:`'".contains(c));
            let coded = word.contains(|c: char| c.is_ascii_digit() || "/@=-".contains(c));
            if coded || STANDINGS.contains(&word) {
                self.note(word, true);
            }
        }
    }

    fn take(&mut self, c: char) {
        match (self.state, c) {
            (State::Text, '"') => self.end_text(),
            (State::Text, '\\') => self.state = State::Escaped,
            (State::Text | State::Escaped, _) => {
                self.state = State::Text;
                self.token.push(c);
            }
            // The name of a struct, of a variant with values, or of a field.
            (State::Word | State::AfterWord, '{' | '(') => {
                self.token.clear();
                self.state = State::Between;
            }
            (State::Word, ':') if self.token.starts_with(|c: char| c.is_ascii_lowercase()) => {
                self.token.clear();
                self.state = State::Between;
            }
            (State::Word, ' ') => self.state = State::AfterWord,
            (State::AfterWord, _) => {
                self.end_word();
                self.take(c);
            }
            (State::Between, '"') => self.state = State::Text,
            (State::Between | State::Word, _) if c.is_ascii_alphanumeric() || "_-+.:".contains(c) => {
                self.state = State::Word;
                self.token.push(c);
            }
            (State::Between | State::Word, _) => self.end_word(),
        }
    }
}

impl Write for Values {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().for_each(|c| self.take(c));
        Ok(())
    }
}
