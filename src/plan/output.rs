//! What a plan says: what to look at, what to do, what is waited for, what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::act::Act;
use super::hold::Cause;
use super::host::Phase;
use super::model::Look;
use super::outcome::SkippedGroup;
use super::problem::Problem;
use crate::id::{GroupName, InstanceId};

/// What is right to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    pub phases: BTreeMap<InstanceId, Phase>,
    /// To be answered before anything else is planned.
    pub looks: BTreeSet<Look>,
    /// Everything must be looked at again, from the cluster's tags on.
    pub look_at_all: bool,
    pub acts: Vec<Act>,
    pub waits: Vec<Wait>,
    /// Why the rotation must stop.
    pub problems: BTreeSet<Problem>,
    /// Groups whose release cannot be found, with the reason.
    pub unresolved: BTreeMap<GroupName, String>,
    /// Groups for which there is a newer image that is not taken now, with the reason.
    pub refused: BTreeMap<GroupName, String>,
    /// Groups in which there is something to do, and it is not the time for it: why, and when it will be.
    pub not_now: BTreeMap<GroupName, String>,
    /// Groups in which somebody is due and nobody can be admitted, with the reason.
    pub blocked: BTreeMap<GroupName, String>,
    /// No host in scope is outdated, and none is in flight.
    pub complete: bool,
    /// What a rotation that is complete leaves out; what one that has closed still leaves out.
    pub skipped: BTreeMap<GroupName, SkippedGroup>,
    /// What holds the rotation, and whether it is gone (None: that cannot be observed).
    pub causes: Vec<(Cause, Option<bool>)>,
    /// All of that is gone, and the rotation goes on by itself: why.
    pub goes_on: Option<String>,
    /// If no event comes first.
    pub look_again: Option<Timestamp>,
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub host: InstanceId,
    pub waits_for: WaitsFor,
    pub since: Timestamp,
    /// When the rotation is held because of it.
    pub until: Timestamp,
    /// Who or what keeps it waiting, as far as it was asked.
    pub why: Option<String>,
}

/// Each of them ends: `tests/waits.rs` says how.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, strum::EnumIter, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum WaitsFor {
    /// That launches are no longer suspended, so that it can be detached.
    Launches,
    /// That the group is whole without it.
    Replacement,
    /// That its last task has stopped.
    LastTask,
    /// That it has served long enough for others to follow.
    Bake,
    /// That it has served long enough for the next host to be taken.
    Settle,
    /// That its group has it again.
    Return,
}

impl WaitsFor {
    /// In one word, as a label.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl std::fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WaitsFor::Launches => "launches to be resumed",
            WaitsFor::Replacement => "a replacement",
            WaitsFor::LastTask => "the last task to stop",
            WaitsFor::Bake => "the end of its bake, before others follow",
            WaitsFor::Settle => "its time to settle, before the next host goes",
            WaitsFor::Return => "its group to have it again",
        })
    }
}

/// `i-0ab drains since 03:10 (until 04:10): 2 tasks of service web`, times in UTC, with their dates where they have two.
impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let day = |time: Timestamp| time.strftime("%F").to_string();
        let format = if day(self.since) == day(self.until) { "%H:%M" } else { "%F %H:%M" };
        let (since, until) = (self.since.strftime(format), self.until.strftime(format));
        match (self.waits_for, &self.why) {
            (WaitsFor::LastTask, Some(why)) => {
                write!(f, "{} drains since {since} (until {until}): {why}", self.host)
            }
            (waits_for, why) => {
                write!(f, "{} waits for {waits_for} since {since} (until {until})", self.host)?;
                why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
            }
        }
    }
}

/// What is said of a group that the configuration names and that is not there.
pub const NO_SUCH_GROUP: &str = "there is no Auto Scaling group of this name, and --group-of names it";
