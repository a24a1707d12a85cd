//! A worker that only observes: it does all that a worker does but change things.
//!
//! Two things keep it from that, each by itself. Its passes only look (`Pass::only_looks`), and
//! what people ask for is refused before it gets to a pass. And whatever wants to leave the process comes by one gate
//! (`mode::let_out`), which lets no call out that would change anything.
//!
//! ```text
//!  start, sweep, release check, parameter ─▶ look at everything ─▶ what would a rotation do? ─▶ log, bus, page, metrics
//! ```
//!
//! Between looks it keeps no view, as of any cluster at rest: the events of hosts cost it nothing. A rotation that is under way
//! is looked at with every sweep.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::cluster::ClusterState;
use super::machine::Engine;
use super::say::say;
use crate::effect::{Found, FoundGroup, News, Notice};
use crate::id::{ClusterArn, InstanceId};
use crate::plan::forecast::{Assumptions, as_if_open, forecast, found};
use crate::plan::host::is_in_flight;
use crate::plan::model::ClusterView;
use crate::plan::output::Plan;
use crate::plan::plan;
use crate::plan::policy::Policy;
use crate::plan::rotation::RotationState;
use crate::plan::status::status;
use crate::plan::timing::in_words;

/// Why a command of a person comes to nothing.
const ONLY_OBSERVES: &str = "this worker only observes (--mode observe)";

impl Engine {
    /// A command of a person that would change something.
    pub(super) fn refuse_command(&mut self, cluster: &ClusterArn, action: &'static str, now: Timestamp) {
        warn!(cluster = %cluster.name(), action, "refused: {ONLY_OBSERVES}");
        let news = News::CommandRefused { action, reason: ONLY_OBSERVES.to_owned() };
        self.news.push(notice(cluster, news, now));
    }
}

impl ClusterState {
    /// After a look at everything: tells what it has found, and forgets what only a rotation needs. The page and the metrics
    /// show it as it was.
    pub fn observed(&mut self, policy: &Policy, now: Timestamp) {
        let Some(view) = &self.view else { return };
        let plan = plan(&as_if_open(view, now), policy, now);
        self.note_phases(&plan, now);
        // Nobody waits, or is kept waiting, where nothing goes on.
        let standing = Plan { waits: Vec::new(), blocked: BTreeMap::new(), not_now: BTreeMap::new(), ..plan.clone() };
        self.note_waits(&standing, now);
        self.note_left_alone(&plan);
        self.note_found(policy, now);
        self.close_eyes(policy, now);
    }

    /// What an earlier worker has begun, or another one is at: once.
    fn note_left_alone(&mut self, plan: &Plan) {
        let Some(view) = &self.view else { return };
        let under_way = view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Closed);
        let in_flight: BTreeSet<InstanceId> =
            plan.phases.iter().filter(|(_, phase)| is_in_flight(**phase)).map(|(id, _)| id.clone()).collect();
        let id = under_way.map(|rotation| rotation.id.to_string());
        // Another worker may be at a rotation, and take one host after another.
        let is_new = match &id {
            Some(_) => id != self.told.under_way,
            None => !in_flight.is_subset(&self.told.in_flight),
        };
        if is_new {
            let hosts = in_flight.iter().map(InstanceId::as_str).collect::<Vec<_>>().join(" ");
            let state = under_way.map(|rotation| rotation.state.word());
            say!(
                warn,
                view,
                state,
                hosts,
                "a rotation under way and its hosts in flight are left as they are: {ONLY_OBSERVES}"
            );
        }
        self.told.in_flight.extend(in_flight);
        self.told.under_way = id.or(self.told.under_way.take());
    }

    fn note_found(&mut self, policy: &Policy, now: Timestamp) {
        let Some(view) = &self.view else { return };
        let forecast = forecast(view, policy, &Assumptions::default(), 0, now);
        let Some(found) = found(view, &forecast).filter(|found| self.told.digest.as_ref() != Some(&found.digest))
        else {
            return;
        };
        tell(view, &found);
        self.told.digest = Some(found.digest.clone());
        self.news.push(notice(&self.arn, News::ReleaseFound(found), now));
    }

    fn close_eyes(&mut self, policy: &Policy, now: Timestamp) {
        let Some(mut view) = self.view.take() else { return };
        if view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed) {
            // The last rotation may have been about some groups: the next one would be about all.
            view.scope.clear();
        }
        self.forget_view(status(&view, policy, now));
    }
}

fn notice(cluster: &ClusterArn, news: News, now: Timestamp) -> Notice {
    Notice { at: now, cluster: cluster.clone(), rotation: None, news }
}

fn tell(view: &ClusterView, found: &Found) {
    let each = |of: fn(&FoundGroup) -> String| found.groups.iter().map(of).collect::<Vec<_>>().join(", ");
    let groups = each(|group| format!("{}: {}", group.group, group.change()));
    let at_a_time = match found.groups.as_slice() {
        [only] => only.at_a_time.to_string(),
        _ => each(|group| format!("{}: {}", group.group, group.at_a_time)),
    };
    let about = in_words(SignedDuration::from_secs(found.takes_seconds));
    let (hosts, digest) = (found.hosts, &found.digest);
    say!(info, view, groups, hosts, at_a_time, about, digest, "release found");
    for (group, why) in &found.blocked {
        say!(info, view, %group, why, "a rotation would wait here");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Operation, Request};
    use crate::engine::call::Owner;
    use crate::engine::machine::Engine;
    use crate::engine::mode::{Mode, let_out};
    use crate::engine::settings::Settings;
    use crate::sim::logs::errors_during;
    use strum::IntoEnumIterator as _;

    fn change() -> Request {
        Request::TagResource { cluster: "arn:aws:ecs:r:1:cluster/prod".into(), tags: BTreeMap::new() }
    }

    #[test]
    fn a_mode_is_written_as_it_is_read() {
        for mode in Mode::iter() {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!(Mode::default(), Mode::Rotate);
    }

    #[test]
    fn what_would_change_something_does_not_leave_a_worker_that_only_observes_and_is_a_defect() {
        for mode in Mode::iter() {
            let settings = Settings { mode, clusters: vec!["prod".into()], ..Settings::default() };
            let mut engine = Engine::new(settings, 1, Timestamp::UNIX_EPOCH);
            engine.handle_timeout(Timestamp::UNIX_EPOCH);
            let reads: Vec<Request> =
                std::iter::from_fn(|| engine.poll_request()).map(|(_, request)| request).collect();
            assert!(!reads.is_empty() && reads.iter().all(|request| !request.is_effect()), "{reads:?}");
            engine.wire.send(Owner::News, change());
            engine.wire.send(Owner::News, Request::DescribeClusters { clusters: Vec::new() });
            let (left, errors) = errors_during(|| {
                std::iter::from_fn(|| engine.poll_request()).map(|(_, request)| request.operation()).collect::<Vec<_>>()
            });
            let (expected, defects): (&[&str], usize) = match mode {
                Mode::Observe => (&["DescribeClusters"], 1),
                Mode::Rotate => (&["TagResource", "DescribeClusters"], 0),
            };
            assert_eq!((left.as_slice(), errors.len()), (expected, defects), "{mode}: {errors:?}");
        }
    }

    #[test]
    fn each_kind_of_call_that_changes_something_is_stopped_and_no_other() {
        // The gate goes by the kind of the call, and every kind is one or the other.
        let (effects, others): (Vec<Operation>, Vec<Operation>) =
            Operation::iter().partition(|operation| operation.is_effect());
        assert_eq!((effects.len(), others.len()), (15, 24));
        let (stopped, _) = errors_during(|| let_out(Mode::Observe, &change()).is_err());
        assert!(stopped && let_out(Mode::Observe, &Request::LocateSelf).is_ok());
        assert!(let_out(Mode::Rotate, &change()).is_ok());
    }
}
