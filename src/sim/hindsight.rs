//! What a rotation's timeline says in hindsight: for how long a worker could have acted and did not, and how short the
//! rotation could have been at its budget.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::report::Report;
use super::timeline::Happening;
use crate::id::{GroupName, InstanceId};
use crate::plan::policy::Policy;
use crate::plan::timing::READS_LAG;

/// One host that was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Course {
    tagged: Option<Timestamp>,
    detached: Option<Timestamp>,
    draining: Option<Timestamp>,
    drained: Option<Timestamp>,
    terminated: Option<Timestamp>,
}

/// One group's hosts that were replaced, in the order in which they were taken, and when those launched in their stead
/// registered, in the order of the launches.
#[derive(Debug, Default)]
struct Group {
    courses: BTreeMap<InstanceId, Course>,
    launched: Vec<InstanceId>,
    registered: BTreeMap<InstanceId, Timestamp>,
    /// From when until when their agents were away.
    absences: BTreeMap<InstanceId, Vec<(Timestamp, Timestamp)>>,
}

/// Durations, all simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Hindsight {
    /// Summed over the rotation of a host: from the time at which its claim is ripe to its detach; from the moment in which its group was whole without it
    /// to its drain; from the end of its last task to its termination; from the end of another, whose place in the budget it
    /// takes, to its tag. On average, and of the host that had to wait longest.
    pub idle: SignedDuration,
    pub longest_idle: SignedDuration,
    /// The time in which its claim ripens, the first host's boot and the longer of its drain and its bake; then for each wave of as
    /// many hosts as the budget allows that time, the longest boot, the time to settle, and the longest drain. Of the group that takes longest.
    pub critical_path: SignedDuration,
}

impl Hindsight {
    /// `policy`: that of every group.
    pub fn of(report: &Report, policy: &Policy) -> Self {
        let groups = groups(report);
        let idles: Vec<SignedDuration> = groups.values().flat_map(|group| group.idles(policy)).collect();
        let mean = idles.iter().sum::<SignedDuration>() / i32::try_from(idles.len().max(1)).unwrap_or(i32::MAX);
        Self {
            idle: mean,
            longest_idle: idles.into_iter().max().unwrap_or_default(),
            critical_path: groups.values().map(|group| group.critical_path(policy)).max().unwrap_or_default(),
        }
    }
}

fn groups(report: &Report) -> BTreeMap<GroupName, Group> {
    let mut groups: BTreeMap<GroupName, Group> = BTreeMap::new();
    let mut tagged = BTreeMap::new();
    let mut of: BTreeMap<InstanceId, GroupName> = BTreeMap::new();
    for moment in &report.timeline {
        let what = &moment.what;
        if let Happening::HostTagged { host, .. } = what {
            tagged.entry(host.clone()).or_insert(moment.at);
        } else if let Happening::Detached { host, group } = what {
            of.insert(host.clone(), group.clone());
            let (tagged, detached) = (tagged.get(host).copied(), Some(moment.at));
            let course = Course { tagged, detached, ..Course::default() };
            groups.entry(group.clone()).or_default().courses.entry(host.clone()).or_insert(course);
        } else if let Happening::Launched { host, group, .. } = what {
            of.insert(host.clone(), group.clone());
            groups.entry(group.clone()).or_default().launched.push(host.clone());
        } else if let Happening::Registered { host }
        | Happening::AgentLost { host }
        | Happening::AgentBack { host }
        | Happening::Draining { host, .. }
        | Happening::Drained { host }
        | Happening::Terminated { host, .. } = what
            && let Some(group) = of.get(host).and_then(|name| groups.get_mut(name))
        {
            group.note(host, what, moment.at);
        }
    }
    groups
}

impl Group {
    fn note(&mut self, host: &InstanceId, what: &Happening, at: Timestamp) {
        if matches!(what, Happening::Registered { .. }) {
            self.registered.entry(host.clone()).or_insert(at);
        } else if matches!(what, Happening::AgentLost { .. }) {
            self.absences.entry(host.clone()).or_default().push((at, Timestamp::MAX));
        } else if matches!(what, Happening::AgentBack { .. })
            && let Some((_, back)) = self.absences.get_mut(host).and_then(|absences| absences.last_mut())
        {
            *back = at;
        }
        let Some(course) = self.courses.get_mut(host) else { return };
        if matches!(what, Happening::Draining { .. }) {
            course.draining = course.draining.or(Some(at));
        } else if matches!(what, Happening::Drained { .. }) {
            course.drained = Some(at);
        } else if matches!(what, Happening::Terminated { .. }) {
            course.terminated = Some(at);
        }
    }

    fn in_order(&self) -> Vec<Course> {
        let mut courses: Vec<Course> = self.courses.values().copied().collect();
        courses.sort_by_key(|course| (course.tagged, course.detached));
        courses
    }

    fn budget(&self, policy: &Policy) -> usize {
        let hosts = u32::try_from(self.courses.len()).unwrap_or(u32::MAX);
        usize::try_from(policy.max_in_flight.hosts(hosts)).unwrap_or(usize::MAX).max(1)
    }

    fn idles(&self, policy: &Policy) -> Vec<SignedDuration> {
        let courses = self.in_order();
        let mut ends: Vec<Timestamp> = courses.iter().filter_map(|course| course.terminated).collect();
        ends.sort();
        // The first goes alone; then as many as the budget allows begin together; from then on each follows another's end.
        let (first, budget) = (1, self.budget(policy));
        let place = |nth: usize| nth.checked_sub(budget + first).and_then(|before| ends.get(before + first)).copied();
        courses.iter().enumerate().map(|(nth, course)| self.idle(course, place(nth))).collect()
    }

    fn idle(&self, course: &Course, place: Option<Timestamp>) -> SignedDuration {
        let between = |from: Option<Timestamp>, to: Option<Timestamp>| match (from, to) {
            (Some(from), Some(to)) => to.duration_since(from).max(SignedDuration::ZERO),
            (Some(_), None) | (None, _) => SignedDuration::ZERO,
        };
        between(place, course.tagged)
            + between(course.tagged.map(|tagged| tagged + READS_LAG), course.detached)
            + between(self.whole_without(course), course.draining)
            + between(course.drained, course.terminated)
    }

    /// When all those served that came between its detach and its drain. The agent of one may have left again before anybody
    /// saw it connected: then it serves when that is back, and the group was waited for until then.
    fn whole_without(&self, course: &Course) -> Option<Timestamp> {
        let came = |(_, at): &(&InstanceId, &Timestamp)| Some(**at) > course.detached && Some(**at) <= course.draining;
        let came: BTreeMap<&InstanceId, &Timestamp> = self.registered.iter().filter(came).collect();
        let mut absences: Vec<(Timestamp, Timestamp)> =
            came.keys().filter_map(|host| self.absences.get(*host)).flatten().copied().collect();
        absences.retain(|(_, back)| Some(*back) <= course.draining);
        absences.sort();
        let whole = came.into_values().max().copied()?;
        Some(
            absences.into_iter().fold(whole, |whole, (left, back)| if left <= whole { whole.max(back) } else { whole }),
        )
    }

    fn critical_path(&self, policy: &Policy) -> SignedDuration {
        let courses = self.in_order();
        let boot = |nth: usize, course: &Course| {
            let registered = self.launched.get(nth).and_then(|id| self.registered.get(id)).copied();
            registered.zip(course.detached).map(|(to, from)| to.duration_since(from)).unwrap_or_default()
        };
        let drain = |course: &Course| {
            course.drained.zip(course.draining).map(|(to, from)| to.duration_since(from)).unwrap_or_default()
        };
        let timed: Vec<(SignedDuration, SignedDuration)> =
            courses.iter().enumerate().map(|(nth, course)| (boot(nth, course), drain(course))).collect();
        let Some(((boot, drain), others)) = timed.split_first() else { return SignedDuration::ZERO };
        let first =
            READS_LAG + *boot + (*drain).max(if others.is_empty() { SignedDuration::ZERO } else { policy.bake });
        let longest = |wave: &[(SignedDuration, SignedDuration)]| {
            let boot = wave.iter().map(|(boot, _)| *boot).max().unwrap_or_default();
            READS_LAG + boot + policy.settle + wave.iter().map(|(_, drain)| *drain).max().unwrap_or_default()
        };
        others.chunks(self.budget(policy)).map(longest).fold(first, |sum, wave| sum + wave)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::policy::Budget;
    use crate::sim::baseline::long_drains;
    use crate::sim::{Outcome, Simulation};

    #[test]
    fn regression_an_agent_that_left_again_before_it_was_seen_is_no_idleness_of_the_worker() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let course = |draining| Course { detached: Some(at(10)), draining: Some(at(draining)), ..Course::default() };
        let registered = BTreeMap::from([("i-2".into(), at(60)), ("i-3".into(), at(80))]);
        for (absences, draining, whole) in [
            (vec![], 81, 80),
            (vec![(70, 95)], 96, 95),
            (vec![(70, 95), (95, 110)], 111, 110),
            // It was not waited for; or it left when all had come.
            (vec![(70, 95)], 81, 80),
            (vec![(85, 95)], 96, 80),
        ] {
            let absences = absences.into_iter().map(|(left, back)| (at(left), at(back))).collect();
            let absences = BTreeMap::from([("i-2".into(), absences)]);
            let group = Group { registered: registered.clone(), absences, ..Group::default() };
            assert_eq!(group.whole_without(&course(draining)), Some(at(whole)), "{group:?} drained at {draining}");
        }
    }

    #[test]
    fn one_host_at_a_time_the_critical_path_is_every_boot_and_every_drain() {
        let mut scenario = long_drains(3, 1, Budget::Hosts(1));
        let exact = crate::sim::chance::Delay::secs(20, 20);
        (scenario.launch_delay, scenario.boot, scenario.registration) = (exact, exact, exact);
        let policy = scenario.settings.policy.clone();
        let report = Simulation::new(scenario).run(SignedDuration::from_hours(4));
        assert_eq!(report.outcome, Outcome::Closed);
        let Hindsight { idle, longest_idle, critical_path } = Hindsight::of(&report, &policy);
        // 15 s for its claim, 60 s until another has come, and a drain of a little more than 297 s (or the bake of the first).
        assert!((1120..1150).contains(&critical_path.as_secs()), "{critical_path:?}");
        assert!(report.simulated_seconds >= critical_path.as_secs());
        assert!(idle > SignedDuration::ZERO && longest_idle >= idle, "{idle:?} {longest_idle:?}");
    }
}
