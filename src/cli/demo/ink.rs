//! Lines, their columns and their colours.
//!
//! A line fits in [`WIDTH`] columns, whatever it says: what is longer goes on below, under its own beginning. Colour is a
//! matter of the stream, which drops it where it is not wanted (`NO_COLOR`, no terminal).

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::SignedDuration;

use crate::id::InstanceId;

pub const WIDTH: usize = 100;
/// `+mm:ss`, with room for 1,000 minutes.
const STAMP: usize = 7;

/// What a line is about, which decides its colour and its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Plain,
    Title,
    Aside,
    Release,
    Leaves,
    Drains,
    Gone,
    Progress,
    Trouble,
    Held,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Simulated time since the release; lines of a story have one.
    pub at: Option<SignedDuration>,
    pub group: String,
    pub phase: Phase,
    pub text: String,
}

impl Line {
    pub fn plain(phase: Phase, text: impl Into<String>) -> Self {
        Self { at: None, group: String::new(), phase, text: text.into() }
    }

    pub fn empty() -> Self {
        Self::plain(Phase::Plain, "")
    }
}

impl Phase {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Phase::Plain => Style::new(),
            Phase::Title => Style::new().bold(),
            Phase::Aside => Style::new().dimmed(),
            Phase::Release => colour(AnsiColor::Magenta),
            Phase::Leaves => colour(AnsiColor::Yellow),
            Phase::Drains => colour(AnsiColor::Cyan),
            Phase::Gone | Phase::Progress => colour(AnsiColor::Green),
            Phase::Trouble => colour(AnsiColor::Red),
            Phase::Held => colour(AnsiColor::Red).bold(),
            Phase::Closed => colour(AnsiColor::Green).bold(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Phase::Plain | Phase::Title | Phase::Aside | Phase::Progress => " ",
            Phase::Release => "◆",
            Phase::Leaves => "○",
            Phase::Drains => "◐",
            Phase::Gone => "●",
            Phase::Trouble => "✗",
            Phase::Held => "■",
            Phase::Closed => "✓",
        }
    }
}

/// Writes lines; group names take `names` columns.
pub fn write(out: &mut impl Write, lines: &[Line], names: usize) -> io::Result<()> {
    for line in lines {
        match line.at {
            Some(at) => write_told(out, line, at, names)?,
            None => write_said(out, line)?,
        }
    }
    out.flush()
}

/// `+mm:ss  group  sign text`
fn write_told(out: &mut impl Write, line: &Line, at: SignedDuration, names: usize) -> io::Result<()> {
    let (style, dim) = (line.phase.style(), Style::new().dimmed());
    let indent = STAMP + 2 + names + 2 + 2;
    let (stamp, sign) = (stamp(at), line.phase.sign());
    for (n, text) in wrapped(&line.text, WIDTH - indent).into_iter().enumerate() {
        if n == 0 {
            let group = &line.group;
            writeln!(out, "{dim}{stamp:>STAMP$}{dim:#}  {group:names$}  {style}{sign} {text}{style:#}")?;
        } else {
            writeln!(out, "{:indent$}{style}{text}{style:#}", "")?;
        }
    }
    Ok(())
}

fn write_said(out: &mut impl Write, line: &Line) -> io::Result<()> {
    let style = line.phase.style();
    let indent = line.text.len() - line.text.trim_start().len();
    for text in wrapped(&line.text[indent..], WIDTH - indent) {
        writeln!(out, "{:indent$}{style}{text}{style:#}", "")?;
    }
    Ok(())
}

/// Broken between words. Spaces within a line stay, so that columns do.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// `+04:05`
fn stamp(at: SignedDuration) -> String {
    let seconds = at.as_secs().max(0);
    format!("+{:02}:{:02}", seconds / 60, seconds % 60)
}

/// `1 host`, `2 hosts`, `1,200 hosts`
pub fn count(n: impl TryInto<u64>, what: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// `12,345`
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `48s`, `2m 31s`, `1h 04m`
pub fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// `i-…a1b2`: enough to follow one host through a story.
pub fn short(host: &InstanceId) -> String {
    let (id, tail) = (host.as_str(), 4);
    match id.len().checked_sub(tail).and_then(|from| id.get(from..)) {
        Some(end) => format!("i-…{end}"),
        None => id.to_owned(),
    }
}

/// `i-…a1b2, i-…c3d4`, and of more than three only the number.
pub fn some(hosts: &[InstanceId]) -> String {
    match hosts.len() {
        0..=3 => hosts.iter().map(short).collect::<Vec<_>>().join(", "),
        n => count(n, "host"),
    }
}

/// `[████████░░░░]`
pub fn bar(done: usize, all: usize, width: usize) -> String {
    let full = (done * width).checked_div(all).unwrap_or(width).min(width);
    format!("[{}{}]", "█".repeat(full), "░".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_as_people_write_them() {
        assert_eq!([number(0), number(999), number(1000), number(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1_u8, "host"), count(20_u8, "host")], ["1 host", "20 hosts"]);
        let words = [48, 151, 3840].map(|seconds| duration(SignedDuration::from_secs(seconds)));
        assert_eq!(words, ["48s", "2m 31s", "1h 04m"]);
        assert_eq!(stamp(SignedDuration::from_secs(7325)), "+122:05");
    }

    #[test]
    fn a_long_text_goes_on_below() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("a   b", 80), ["a   b"]);
        assert_eq!(wrapped("", 80), [""]);
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        assert_eq!([bar(0, 20, 4), bar(19, 20, 4), bar(20, 20, 4)], ["[░░░░]", "[███░]", "[████]"]);
    }
}
