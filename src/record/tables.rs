//! The picture in words: for those who cannot see it, and for those who look for one host.

use jiff::Timestamp;
use maud::{Markup, html as markup};

use super::chart::Axis;
use super::picture::{MOST_OPEN, at, folded, is_long};
use super::{Comer, Leaver, Record};
use crate::journal::LogLine;
use crate::plan::host::Phase;

pub fn hosts(record: &Record, axis: Axis) -> Markup {
    markup! {
        section aria-labelledby="hosts" {
            h2 #hosts { "Hosts" }
            (folded(is_long(record), "Every host with its times", table(record, axis)))
        }
    }
}

fn table(record: &Record, axis: Axis) -> Markup {
    markup! {
        p .hint aria-hidden="true" { "scroll the table sideways →" }
        div .wide tabindex="0" role="region" aria-label="Every host with its times" {
            table {
                thead { tr {
                    th scope="col" { "Group" } th scope="col" { "Host" } th scope="col" { "Image" } th scope="col" { "Left" }
                    th scope="col" { "Drained from" } th scope="col" { "Tasks" } th scope="col" { "Gone" }
                    th scope="col" { "New host" } th scope="col" { "Its image" } th scope="col" { "Serves since" }
                } }
                tbody {
                    @for (name, group) in &record.groups {
                        @for row in &group.rows { tr { td { (name) } (old(row.old.as_ref(), axis)) (new(row.new.as_ref(), axis)) } }
                    }
                }
            }
        }
    }
}

fn old(host: Option<&Leaver>, axis: Axis) -> Markup {
    let time = |at: Option<Timestamp>| at.map(|at| axis.clock(at)).unwrap_or_default();
    markup! {
        @if let Some(old) = host {
            td { code { (old.id) } }
            td { code { @if let Some(image) = &old.image { (image) } } }
            td { (time(old.steps.first().map(|(at, _)| *at))) }
            td { (time(old.began(Phase::Draining))) }
            td .number { @if let Some(tasks) = old.tasks { (tasks) } @else { "–" } }
            td { @if let Some(gone) = old.began(Phase::Gone) { (axis.clock(gone)) } @else if old.lost_sight.is_some() { "not in the log" } @else if let Some(phase) = old.phase() { (phase) } }
        } @else { td colspan="6" { "–" } }
    }
}

fn new(host: Option<&Comer>, axis: Axis) -> Markup {
    markup! {
        @if let Some(new) = host {
            td { code { (new.id) } }
            td { code { @if let Some(image) = &new.image { (image) } } }
            td { (axis.clock(new.at)) @if let Some(gone) = new.gone { ", lost " (axis.clock(gone)) } }
        } @else { td colspan="3" { "–" } }
    }
}

pub fn log(record: &Record) -> Markup {
    let lines = record.notes.len();
    let list = markup! {
        ol .notes {
            @for note in &record.notes {
                li .(note.level.to_lowercase()) {
                    (at(note.at, "%F %H:%M:%S")) " "
                    @if note.level != "INFO" { strong { (note.level) } " " }
                    (note.message) (details(note))
                }
            }
        }
    };
    markup! {
        section aria-labelledby="log" {
            h2 #log { "Log" }
            (folded(lines > MOST_OPEN, &format!("{lines} lines"), list))
        }
    }
}

fn details(note: &LogLine) -> Markup {
    const KNOWN: [&str; 3] = ["cluster", "cluster_arn", "rotation"];
    markup! {
        @for (name, value) in note.fields.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
            " " span .field { (name) "=" } (value)
        }
    }
}
