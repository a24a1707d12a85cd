//! The checks for people: a list by area, with what to do about each that did not pass.

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use crate::cli::out::WIDTH;
use crate::cli::plan::text::trimmed;
use crate::doctor::{Area, Check, Diagnosis, Status};

/// `pass`, `warn`, `FAIL`, `skip`, and the space around.
const STATUS: u16 = 6;
const NAME: u16 = 26;

/// Where nothing says how wide it may be.
#[must_use]
pub fn text(diagnosis: &Diagnosis) -> String {
    in_columns(diagnosis, WIDTH)
}

#[must_use]
pub fn in_columns(diagnosis: &Diagnosis, width: u16) -> String {
    let queue = diagnosis.queue.as_deref().unwrap_or("(none is named)");
    let mut parts = vec![format!("queue {queue}\nregion {}", diagnosis.region)];
    for area in [Area::Identity, Area::Queue, Area::Events, Area::Clusters, Area::Permissions] {
        let checks: Vec<&Check> = diagnosis.checks.iter().filter(|check| check.area == area).collect();
        if !checks.is_empty() {
            parts.push(format!("{}\n{}", title(area), table(&checks, width)));
        }
    }
    parts.push(wrapped(&sum(diagnosis), width));
    // What AWS says was written by many; none of it shall write to a terminal. The colours are put in afterwards.
    let text = parts.join("\n\n") + "\n";
    let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    clean.lines().map(|line| coloured(line) + "\n").collect()
}

const fn title(area: Area) -> &'static str {
    match area {
        Area::Identity => "who and where",
        Area::Queue => "the queue",
        Area::Events => "what reaches the queue",
        Area::Clusters => "clusters and groups",
        Area::Permissions => "permissions",
    }
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
        Status::NotAsked => "skip",
    }
}

fn table(checks: &[&Check], width: u16) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for check in checks {
        let says = match &check.advice {
            Some(advice) => format!("{}\n→ {advice}", check.says),
            None => check.says.clone(),
        };
        table.add_row([word(check.status), &check.name, &says]);
    }
    let name = NAME.min(width / 3);
    for (at, width) in [STATUS, name, width.saturating_sub(STATUS + name)].into_iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2)).set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    trimmed(&table)
}

fn sum(diagnosis: &Diagnosis) -> String {
    let Diagnosis { failed, warned, passed, not_asked, .. } = diagnosis;
    let skipped = if *not_asked > 0 { format!(", {not_asked} not asked") } else { String::new() };
    let end = match (failed, warned, not_asked) {
        (0, 0, 0) => "all that was asked is in place",
        (0, _, 0) => "what was asked is in place but for the warnings",
        (0, 0, _) => "what was asked is in place; whether a worker would hear of anything is not known",
        (0, _, _) => "read the warnings; whether a worker would hear of anything is not known",
        (_, _, _) => "something has to be put right",
    };
    // An old tag looks as if one did.
    const WORKER: &str = "Whether a worker runs is not asked: its service, its log and `health` say so.";
    format!("{failed} failed, {warned} to look at, {passed} passed{skipped}: {end}. {WORKER}")
}

fn wrapped(text: &str, width: u16) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.add_row([text]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    trimmed(&table)
}

/// By the word that it begins with.
fn coloured(line: &str) -> String {
    for (status, colour) in
        [(Status::Pass, AnsiColor::Green), (Status::Warn, AnsiColor::Yellow), (Status::Fail, AnsiColor::Red)]
    {
        let word = word(status);
        let begins =
            line.find(word).filter(|at| line[..*at].trim().is_empty() && line[at + word.len()..].starts_with(' '));
        if let Some(at) = begins {
            let style = Style::new().fg_color(Some(colour.into())).bold();
            return format!("{}{style}{word}{style:#}{}", &line[..at], &line[at + word.len()..]);
        }
    }
    line.to_owned()
}
