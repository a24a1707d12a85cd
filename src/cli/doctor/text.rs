//! The checks for people: a list by area, with what to do about each that did not pass. It fits in 100 columns.

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use crate::cli::plan::text::trimmed;
use crate::doctor::{Area, Check, Diagnosis, Status};

const WIDTH: u16 = 100;
/// `pass`, `warn`, `FAIL`, and the space around.
const STATUS: u16 = 6;
const NAME: u16 = 26;

#[must_use]
pub fn text(diagnosis: &Diagnosis) -> String {
    let mut parts = vec![format!("queue {}\nregion {}", diagnosis.queue, diagnosis.region)];
    for area in [Area::Identity, Area::Queue, Area::Events, Area::Clusters, Area::Permissions] {
        let checks: Vec<&Check> = diagnosis.checks.iter().filter(|check| check.area == area).collect();
        if !checks.is_empty() {
            parts.push(format!("{}\n{}", title(area), table(&checks)));
        }
    }
    parts.push(sum(diagnosis));
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
    }
}

fn table(checks: &[&Check]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    for check in checks {
        let says = match &check.advice {
            Some(advice) => format!("{}\n→ {advice}", check.says),
            None => check.says.clone(),
        };
        table.add_row([word(check.status), &check.name, &says]);
    }
    for (at, width) in [STATUS, NAME, WIDTH - STATUS - NAME].into_iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2)).set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    trimmed(&table)
}

fn sum(diagnosis: &Diagnosis) -> String {
    let Diagnosis { failed, warned, passed, .. } = diagnosis;
    let end = match (failed, warned) {
        (0, 0) => "all is in place",
        (0, _) => "it will work; read the warnings",
        (_, _) => "something has to be put right",
    };
    format!("{failed} failed, {warned} to look at, {passed} passed: {end}")
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
