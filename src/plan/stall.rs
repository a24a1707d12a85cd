//! A drain that takes long: who keeps it from ending, and what their services say about it.
//!
//! Asked only when a drain has lasted for a while, then now and then, and always before it becomes a hold. Nothing is planned
//! on it, so a look that failed is said to have failed, and no more.

use jiff::{SignedDuration, Timestamp};

use super::canary::last_launch_failed;
use super::context::Context;
use super::model::{ClusterView, Host, Look, TaskWatch};
use super::output::{Plan, WaitsFor};
use super::rotation::RotationState;
use super::timing::{EXPLAIN_AFTER, EXPLAIN_AGAIN, earlier};
use crate::id::InstanceId;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{DesiredStatus, Service, ServiceEvent, Task, TaskStatus};
    use crate::plan::drain_report::{Blockers, Keeper, last_about};
    use crate::plan::output::Wait;

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
