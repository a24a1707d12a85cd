//! Lines, their columns and their colours.
//!
//! A line fits in the columns of the terminal, whatever it says: what is longer goes on below, under its own beginning, and
//! bars are as long as there is room. Colour is a matter of the stream, which drops it where it is not wanted (`NO_COLOR`, no
//! terminal).

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::SignedDuration;

use crate::id::InstanceId;

/// `+mm:ss`, with room for 1,000 minutes.
const STAMP: usize = 7;
/// Bars are of so many cells, or fewer; below that there is none.
const BAR: usize = 24;
const SHORTEST_BAR: usize = 6;

/// What a line is about, which decides its colour and its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Plain,
    Title,
    Aside,
    Release,
    Canary,
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
    /// Stands before the text, which goes on below under its own beginning.
    pub lead: String,
    pub text: String,
    /// So many of so many.
    pub gauge: Option<(usize, usize)>,
}

impl Line {
    pub fn plain(phase: Phase, text: impl Into<String>) -> Self {
        Self::row(phase, "", text)
    }

    pub fn row(phase: Phase, lead: impl Into<String>, text: impl Into<String>) -> Self {
        Self { at: None, group: String::new(), phase, lead: lead.into(), text: text.into(), gauge: None }
    }

    pub fn told(at: SignedDuration, group: impl Into<String>, phase: Phase, text: impl Into<String>) -> Self {
        Self { at: Some(at), group: group.into(), ..Self::plain(phase, text) }
    }

    /// A bar is no matter of one group: it begins in the column of their names.
    pub fn gauge(at: SignedDuration, done: usize, all: usize, text: impl Into<String>) -> Self {
        Self { gauge: Some((done, all)), ..Self::told(at, "", Phase::Progress, text) }
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
            Phase::Canary => colour(AnsiColor::BrightBlue),
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
            Phase::Canary => "◇",
            Phase::Leaves => "○",
            Phase::Drains => "◐",
            Phase::Gone => "●",
            Phase::Trouble => "✗",
            Phase::Held => "■",
            Phase::Closed => "✓",
        }
    }
}

/// Writes lines of so many columns at most; group names take `names` of them.
pub fn write(out: &mut impl Write, lines: &[Line], names: usize, width: usize) -> io::Result<()> {
    for line in lines {
        match (line.at, line.gauge) {
            (Some(at), Some((done, all))) => {
                let room = width.saturating_sub(STAMP + 2);
                let bar = bar(done, all, room.saturating_sub(line.text.chars().count() + "[] ".len()));
                let lead = format!("{}  ", dimmed(at));
                write_hanging(out, line.phase.style(), (&lead, STAMP + 2), &format!("{bar}{}", line.text), width)?;
            }
            (Some(at), None) => {
                let (group, sign) = (&line.group, line.phase.sign());
                let lead = format!("{}  {group:names$}  ", dimmed(at));
                let (style, indent) = (line.phase.style(), STAMP + 2 + names + 2);
                write_hanging(out, style, (&format!("{lead}{style}{sign} {style:#}"), indent + 2), &line.text, width)?;
            }
            (None, _) => {
                let style = line.phase.style();
                let lead = (&*format!("{style}{}{style:#}", line.lead), line.lead.chars().count());
                write_hanging(out, style, lead, &line.text, width)?;
            }
        }
    }
    out.flush()
}

fn dimmed(at: SignedDuration) -> String {
    let dim = Style::new().dimmed();
    format!("{dim}{:>STAMP$}{dim:#}", stamp(at))
}

/// The text after what leads it, which takes so many columns.
fn write_hanging(
    out: &mut impl Write,
    style: Style,
    (lead, indent): (&str, usize),
    text: &str,
    width: usize,
) -> io::Result<()> {
    for (n, text) in wrapped(text, width.saturating_sub(indent)).into_iter().enumerate() {
        match n {
            0 => writeln!(out, "{lead}{style}{text}{style:#}")?,
            _ => writeln!(out, "{:indent$}{style}{text}{style:#}", "")?,
        }
    }
    Ok(())
}

/// Broken between words, and within one that is longer than a line. Spaces within a line stay, so that columns do.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').flat_map(|word| pieces(word, width)) {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    if word.is_empty() {
        return vec![String::new()];
    }
    word.chars().collect::<Vec<_>>().chunks(width.max(1)).map(|piece| piece.iter().collect()).collect()
}

/// `+04:05`
pub fn stamp(at: SignedDuration) -> String {
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

/// `[████████░░░░] `, of so many cells at most; nothing where there is no room for one.
fn bar(done: usize, all: usize, room: usize) -> String {
    if room < SHORTEST_BAR {
        return String::new();
    }
    let width = room.min(BAR);
    let full = (done * width).checked_div(all).unwrap_or(width).min(width);
    format!("[{}{}] ", "█".repeat(full), "░".repeat(width - full))
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
        assert_eq!(wrapped("a /very/long/word b", 8), ["a", "/very/lo", "ng/word", "b"]);
    }

    #[test]
    fn a_bar_is_full_only_at_the_end_and_as_long_as_there_is_room() {
        assert_eq!([bar(0, 20, 6), bar(19, 20, 6), bar(20, 20, 6)], ["[░░░░░░] ", "[█████░] ", "[██████] "]);
        assert_eq!(bar(1, 2, 5), "");
        assert_eq!(bar(1, 2, 90).chars().count(), BAR + 3);
    }

    #[test]
    fn no_line_is_longer_than_the_columns() {
        let at = SignedDuration::from_secs(7325);
        let text = "version 2 of lt-0da16ea55e3f5ade7 has the image; the group is pinned to it now";
        let lines = [
            Line::told(at, "web-asg", Phase::Release, text),
            Line::gauge(at, 3, 6, "3/6 replaced · 1 in flight · +2 hosts, 16 tasks moved"),
            Line::row(Phase::Plain, "  AWS calls  ", text),
        ];
        for width in [40, 60, 80, 100] {
            let mut out = anstream::StripStream::new(Vec::new());
            write(&mut out, &lines, 7, width).unwrap();
            let text = String::from_utf8(out.into_inner()).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            let is_wrapped = text.contains("\n             ");
            assert!(is_wrapped || width == 100, "goes on under its own beginning: {text}");
        }
    }
}
