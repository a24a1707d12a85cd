//! `rotate --wait`: follows the rotation that a message has begun, or joined, to its end.
//!
//! It is known by its id and by the time of its state when the worker's answer was there: an earlier rotation, and an earlier
//! state of this one, is what a read that lags behind shows, and is passed over.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::Errand;
use super::end::{End, Outcome, has_work};
use super::taken::Taken;
use super::told::{last, print};
use crate::aws::Aws;
use crate::cli::one_shot::settings;
use crate::cli::status::lines::in_one_line;
use crate::cli::{out, status};
use crate::id::GroupName;
use crate::plan::answer::Answer;
use crate::plan::host::is_in_flight;
use crate::plan::outcome::Standing;
use crate::plan::rotation::Rotation;
use crate::plan::status::ClusterStatus;

const EVERY: Duration = Duration::from_secs(10);

/// What was asked for, as seen so far.
struct Follower {
    groups: Vec<GroupName>,
    mark: Option<Rotation>,
    /// It was this message that opened it, and nothing was seen yet that has to go.
    idle: bool,
    /// What was told last.
    told: String,
}

/// One change, as `--json` prints it.
#[derive(Serialize)]
struct Change<'a> {
    at: Timestamp,
    rotation: &'a str,
    state: Option<Standing>,
    hosts: usize,
    current: usize,
    in_flight: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<&'a str>,
}

/// # Errors
/// When what the worker is set up with cannot be read from the environment, or stdout cannot be written.
pub async fn follow(aws: &Aws, errand: &Errand, taken: &Taken, until: Option<Instant>) -> anyhow::Result<u8> {
    let mut settings = settings(errand.message.cluster())?;
    settings.tag_prefix = errand.tags.prefix().to_owned();
    let mut follower = Follower {
        groups: errand.message.groups().to_vec(),
        mark: taken.tags.rotation.clone(),
        idle: taken.answer == Some(Answer::Opened),
        told: String::new(),
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = async {
        loop {
            ticks.tick().await;
            let report = status::look(aws, &settings).await;
            let now = report.at;
            let Some(status) = report.clusters.first() else {
                let why = report.failed.into_values().chain(report.error).chain(report.missing).next();
                follower.trouble(&why.unwrap_or_else(|| "it is not there".to_owned()));
                continue;
            };
            if let Some(end) = follower.see(status, now, errand.json)? {
                return anyhow::Ok(end);
            }
        }
    };
    let ended = match until {
        Some(until) => timeout_at(until, ended).await,
        None => Ok(ended.await),
    };
    let end = match ended {
        Ok(end) => end?,
        Err(_) => {
            let reason = Some(format!("after --timeout it was: {}", follower.told));
            let next = Some(format!("it goes on; ecs-rotator status --cluster {}", errand.message.cluster()));
            let rotation = follower.mark.as_ref().map(|mark| mark.id.as_str().to_owned());
            End { reason, next, rotation, ..End::new(Outcome::TimedOut) }
        }
    };
    last(&end, errand.json)?;
    Ok(end.outcome.code())
}

impl Follower {
    fn see(&mut self, status: &ClusterStatus, now: Timestamp, json: bool) -> anyhow::Result<Option<End>> {
        match self.compare(status) {
            Seen::Before => return Ok(None),
            Seen::Another(id) => {
                let mark = self.mark.as_ref().map(|mark| mark.id.to_string()).unwrap_or_default();
                let reason = format!("rotation {id} has been opened since, so {mark} is over");
                return Ok(Some(End { reason: Some(reason), rotation: Some(mark), ..End::new(Outcome::NotSeen) }));
            }
            Seen::Ours => {}
        }
        self.idle &= !has_work(status);
        let line = in_one_line(status);
        if line != self.told {
            if json {
                print(&change(status, now)?)?
            } else {
                print(&format!("{now:.0} {line}"))?
            }
            self.told = line;
        }
        Ok(End::of(status, &self.groups, self.idle))
    }

    fn compare(&self, status: &ClusterStatus) -> Seen {
        let (Some(now), Some(mark)) = (&status.rotation, &self.mark) else {
            return if status.rotation.is_some() { Seen::Ours } else { Seen::Before };
        };
        if now.id == mark.id.as_str() {
            return if now.since < mark.since { Seen::Before } else { Seen::Ours };
        }
        if now.opened > mark.id.opened() { Seen::Another(now.id.clone()) } else { Seen::Before }
    }

    /// Said once.
    fn trouble(&mut self, why: &str) {
        if self.told != why {
            out::note(&format!("it could not be looked: {why}"));
            why.clone_into(&mut self.told);
        }
    }
}

enum Seen {
    /// What was before the message: a read that lags behind.
    Before,
    Ours,
    Another(String),
}

fn change(status: &ClusterStatus, at: Timestamp) -> serde_json::Result<String> {
    let (rotation, state) = status.rotation.as_ref().map_or(("", None), |now| (now.id.as_str(), Some(now.state)));
    let in_flight = status.in_flight.iter().filter(|host| is_in_flight(host.phase)).count();
    let (hosts, current, hold) = (status.hosts, status.current, status.hold.as_deref());
    serde_json::to_string(&Change { at, rotation, state, hosts, current, in_flight, hold })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::ClusterView;
    use crate::plan::policy::Policy;
    use crate::plan::status::status;

    fn now() -> Timestamp {
        "2026-01-14T04:00:00Z".parse().unwrap()
    }

    fn seen(rotation: &str) -> ClusterStatus {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/prod".into(), None);
        view.rotation = rotation.parse().ok();
        status(&view, &Policy::default(), now())
    }

    const MARK: &str = "prod/20260114T030000Z open 2026-01-14T03:10:00Z";

    #[test]
    fn what_was_before_the_message_is_passed_over() {
        let mut follower = Follower { groups: Vec::new(), mark: MARK.parse().ok(), idle: true, told: String::new() };
        let mut end = |rotation: &str| {
            let end = follower.see(&seen(rotation), now(), false).unwrap();
            (end.map(|end| end.outcome), std::mem::take(&mut follower.told))
        };
        for before in
            ["", "prod/20260113T030000Z closed 2026-01-13T05:00:00Z", "prod/20260114T030000Z held 2026-01-14T03:05:00Z"]
        {
            assert_eq!(end(before), (None, String::new()), "{before}");
        }
        let (none, told) = end(MARK);
        assert_eq!(none, None);
        assert!(told.starts_with("prod/20260114T030000Z open: "), "{told}");
        assert_eq!(end("prod/20260114T030000Z paused 2026-01-14T03:20:00Z").0, None, "somebody may let it go on");
        assert_eq!(end("prod/20260114T030000Z held 2026-01-14T03:20:00Z").0, Some(Outcome::Held));
        assert_eq!(end("prod/20260114T030000Z closed 2026-01-14T03:30:00Z").0, Some(Outcome::Closed));
        assert_eq!(end("prod/20260114T040000Z open 2026-01-14T04:00:00Z").0, Some(Outcome::NotSeen));
    }

    #[test]
    fn nothing_to_replace_is_said_by_who_has_seen_it_from_the_beginning() {
        let closed = seen("prod/20260114T030000Z closed 2026-01-14T03:30:00Z");
        for (idle, said) in [(true, "nothing to replace: every host is current"), (false, "runs its release")] {
            let mut follower = Follower { groups: Vec::new(), mark: MARK.parse().ok(), idle, told: String::new() };
            let end = follower.see(&closed, now(), false).unwrap().unwrap();
            assert!(end.to_string().contains(said), "{end}");
        }
    }
}
