//! A drain that takes long: who keeps it from ending, and what their services say about it.
//!
//! Asked only when a drain has lasted for a while, then now and then, and always before it becomes a hold. Nothing is planned
//! on it, so a look that failed is said to have failed, and no more.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::canary::last_launch_failed;
use super::model::{ClusterView, Host, Look, TaskWatch};
use super::tags::RotationState;
use super::tenants::no_room;
use super::{Context, Plan, Wait, WaitsFor, earlier};
use crate::effect::{Service, ServiceEvent, Task};
use crate::id::{InstanceId, TaskArn};

/// Most drains are over by then, and cost no call: a target group lets go of a task after five minutes, if nobody says
/// otherwise, and then the task has to stop.
pub const EXPLAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What was found is good for so long.
const EXPLAIN_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// So many standalone tasks of a kind are named by their ids.
const NAMED: usize = 2;

/// Who keeps a drain from ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blockers {
    pub at: Timestamp,
    /// By name.
    pub services: BTreeMap<String, OfService>,
    /// Standalone tasks, by what they are of: `family:batch`.
    pub standalone: BTreeMap<String, Vec<TaskArn>>,
    /// Why it could not be read.
    pub unread: Option<String>,
}

/// What keeps a drain from ending, and why it does not move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keeper {
    /// `service web`, `standalone task family:batch`
    pub what: String,
    /// `0 of 6 run`; for standalone tasks the ids of the first ones.
    pub why: Option<String>,
}

/// The tasks of one service that are left, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfService {
    pub tasks: Vec<TaskArn>,
    /// Its task stops when those of the others have: it is told last.
    pub daemon: bool,
    pub protected: usize,
    /// Why none of them is moved.
    pub stays: Option<String>,
    pub event: Option<ServiceEvent>,
}

impl Blockers {
    pub fn of(tasks: Vec<Task>, at: Timestamp) -> Self {
        let mut blockers = Self { at, services: BTreeMap::new(), standalone: BTreeMap::new(), unread: None };
        for task in tasks.into_iter().filter(|task| !task.last.is_stopped()) {
            match task.service() {
                Some(name) => blockers.services.entry(name.to_owned()).or_default().tasks.push(task.arn),
                None => blockers.standalone.entry(task.group).or_default().push(task.arn),
            }
        }
        blockers
    }

    pub fn unread(why: String, at: Timestamp) -> Self {
        Self { unread: Some(why), ..Self::of(Vec::new(), at) }
    }

    /// What a service says of itself. `since`: the beginning of the drain.
    pub fn heard(&mut self, service: &Service, since: Option<Timestamp>) {
        if let Some(known) = self.services.get_mut(&service.name) {
            known.daemon = service.daemon;
            known.stays = no_room(service).map(|why| why.in_short());
            known.event = last_about(&service.events, since).filter(|_| !service.daemon).cloned();
        }
    }

    pub fn protected(&mut self, tasks: &[TaskArn]) {
        for known in self.services.values_mut() {
            known.protected = known.tasks.iter().filter(|task| tasks.contains(task)).count();
        }
    }

    /// Without events, which are long, and without counts: what keeps several hosts is named once.
    pub fn keepers(&self) -> Vec<Keeper> {
        if let Some(why) = &self.unread {
            return vec![Keeper { what: "tasks that could not be read".to_owned(), why: Some(why.clone()) }];
        }
        let (daemons, others): (Vec<_>, Vec<_>) = self.services.iter().partition(|(_, known)| known.daemon);
        let of_service = |(name, known): (&String, &OfService)| {
            let protected = (known.protected > 0).then(|| "protected".to_owned());
            let daemon = known.daemon.then(|| "daemon, stops last".to_owned());
            let said: Vec<String> = [known.stays.clone(), protected, daemon].into_iter().flatten().collect();
            Keeper { what: format!("service {name}"), why: (!said.is_empty()).then(|| said.join("; ")) }
        };
        let standalone = |(of, left): (&String, &Vec<TaskArn>)| {
            let ids: Vec<&str> = left.iter().map(TaskArn::id).take(NAMED).collect();
            Keeper { what: format!("standalone task {of}"), why: Some(ids.join(" ")) }
        };
        let (others, daemons) = (others.into_iter().map(of_service), daemons.into_iter().map(of_service));
        others.chain(self.standalone.iter().map(standalone)).chain(daemons).collect()
    }

    fn told(&self, event: impl Fn(&OfService) -> Option<String>) -> String {
        if let Some(why) = &self.unread {
            return format!("which tasks could not be read ({why})");
        }
        let of_service = |(name, known): (&String, &OfService)| {
            let protected = match known.protected {
                0 => None,
                all if all == known.tasks.len() => Some("protected".to_owned()),
                some => Some(format!("{some} protected")),
            };
            let daemon = known.daemon.then(|| "daemon, stops last".to_owned());
            let said: Vec<String> =
                [known.stays.clone(), protected, daemon, event(known)].into_iter().flatten().collect();
            let said = if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) };
            format!("{} of service {name}{said}", tasks(known.tasks.len(), "task"))
        };
        let standalone = |(of, left): (&String, &Vec<TaskArn>)| {
            let ids: Vec<&str> = left.iter().map(TaskArn::id).take(NAMED).collect();
            format!("{} {of} ({})", tasks(left.len(), "standalone task"), ids.join(" "))
        };
        let (daemons, others): (Vec<_>, Vec<_>) = self.services.iter().partition(|(_, known)| known.daemon);
        let (others, daemons) = (others.into_iter().map(of_service), daemons.into_iter().map(of_service));
        let all: Vec<String> = others.chain(self.standalone.iter().map(standalone)).chain(daemons).collect();
        if all.is_empty() { "no task that is known".to_owned() } else { all.join(", ") }
    }
}

/// `2 tasks of service web (last event: "(service web) was unable to …"), 1 standalone task family:batch (0123…)`
impl std::fmt::Display for Blockers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told(|known| Some(format!("last event: \"{}\"", known.event.as_ref()?.message.trim()))))
    }
}

fn tasks(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The last one since then that tells of a trouble, else the last of all.
fn last_about(events: &[ServiceEvent], since: Option<Timestamp>) -> Option<&ServiceEvent> {
    let trouble = |event: &&ServiceEvent| {
        let words = ["unable", "fail", "unhealthy"];
        since.is_none_or(|since| event.at >= since) && words.iter().any(|word| event.message.contains(word))
    };
    events.iter().filter(trouble).max_by_key(|event| event.at).or(events.iter().max_by_key(|event| event.at))
}

/// Asks who is left, when it is time to. `since`: the beginning of the drain; `timeout`: after which it becomes a hold.
pub(super) fn explain(
    context: &Context<'_>,
    id: &InstanceId,
    host: &Host,
    since: Timestamp,
    timeout: SignedDuration,
    plan: &mut Plan,
) {
    let (view, now, until) = (context.view, context.now, context.since(since) + timeout);
    let look = Look::Blockers(id.clone());
    if host.watch.as_ref().is_none_or(TaskWatch::seems_over) || view.has_looked(&look) {
        return;
    }
    let due = host.blockers.as_ref().map_or(since + EXPLAIN_AFTER, |blockers| blockers.at + EXPLAIN_AGAIN);
    // A hold is written after a look at everything: this one comes after that.
    // And whoever comes to a drain that is overdue already, as `status` does, wants to know at once.
    let held = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Held);
    let is_unknown = host.blockers.is_none() && now >= since + timeout;
    let overdue = (now >= until && !held || is_unknown) && view.has_looked(&Look::ContainerInstances);
    if now >= due || overdue {
        // Those that were only counted are named first.
        let unnamed = host.watch.as_ref().is_some_and(|watch| watch.counted.is_some());
        let names = Look::Tasks(id.clone());
        plan.looks.insert(if unnamed && !view.has_looked(&names) { names } else { look });
    } else {
        plan.look_again = earlier(plan.look_again, Some(due));
    }
}

/// What is known of a wait beside its name.
pub fn why(view: &ClusterView, id: &InstanceId, waits_for: WaitsFor) -> Option<String> {
    match waits_for {
        WaitsFor::LastTask => view.hosts.get(id)?.blockers.as_ref().map(ToString::to_string),
        WaitsFor::Replacement => {
            let ours = view.hosts.get(id)?.ours.as_ref()?;
            let known = view.groups.get(&ours.group)?.activities.as_ref()?;
            let failure = last_launch_failed(&known.list, ours.since)?.failure;
            Some(format!("the last launch failed: {}", failure.in_words()))
        }
        WaitsFor::Launches | WaitsFor::Bake | WaitsFor::Settle | WaitsFor::Return => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{DesiredStatus, TaskStatus};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn task(id: &str, group: &str) -> Task {
        Task {
            arn: format!("arn:aws:ecs:r:1:task/c/{id}").into(),
            container_instance: None,
            last: TaskStatus::Running,
            desired: DesiredStatus::Running,
            group: group.to_owned(),
            stopped: None,
            needs: None,
        }
    }

    fn service(events: &[(&str, &str)]) -> Service {
        let event = |(at, message): &(&str, &str)| ServiceEvent { at: time(at), message: (*message).to_owned() };
        Service {
            name: "web".to_owned(),
            desired: 2,
            running: 2,
            daemon: false,
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            fargate: false,
            distinct: false,
            events: events.iter().map(event).collect(),
        }
    }

    #[test]
    fn a_wait_is_one_line_that_says_what_since_when_and_until_when() {
        let at = time("2026-01-14T03:20:00Z");
        let left = vec![task("1", "service:web"), task("2", "service:web"), task("3", "family:batch")];
        let mut blockers = Blockers::of(left, at);
        let said =
            "(service web) was unable to place a task because no container instance met all of its requirements.";
        blockers.heard(&service(&[("2026-01-14T03:12:00Z", said)]), Some(time("2026-01-14T03:10:00Z")));
        blockers.protected(&["arn:aws:ecs:r:1:task/c/2".into()]);
        let mut wait = Wait {
            host: "i-0ab".into(),
            waits_for: WaitsFor::LastTask,
            since: time("2026-01-14T03:10:00Z"),
            until: time("2026-01-14T04:10:00Z"),
            why: Some(blockers.to_string()),
        };
        let line = format!(
            "i-0ab drains since 03:10 (until 04:10): 2 tasks of service web (1 protected; last event: \"{said}\"), \
             1 standalone task family:batch (3)"
        );
        assert_eq!(wait.to_string(), line);
        (wait.why, wait.waits_for, wait.until) = (None, WaitsFor::Replacement, time("2026-01-15T00:10:00Z"));
        assert_eq!(wait.to_string(), "i-0ab waits for a replacement since 2026-01-14 03:10 (until 2026-01-15 00:10)");
        let keeper = |what: &str, why: &str| Keeper { what: what.to_owned(), why: Some(why.to_owned()) };
        assert_eq!(
            blockers.keepers(),
            [keeper("service web", "protected"), keeper("standalone task family:batch", "3")]
        );
    }

    #[test]
    fn the_event_that_tells_of_a_trouble_during_the_drain_comes_before_later_ones_that_tell_of_none() {
        let since = Some(time("2026-01-14T03:10:00Z"));
        let steady = ("2026-01-14T03:30:00Z", "(service web) has reached a steady state.");
        let unable = ("2026-01-14T03:20:00Z", "(service web) was unable to place a task");
        let old = ("2026-01-13T03:20:00Z", "(service web) was unable to place a task, yesterday");
        for (events, told) in [
            (vec![steady, unable, old], Some(unable.1)),
            (vec![steady, old], Some(steady.1)),
            (vec![old], Some(old.1)),
            (vec![], None),
        ] {
            let events = service(&events).events;
            assert_eq!(last_about(&events, since).map(|event| event.message.as_str()), told);
        }
    }
}
