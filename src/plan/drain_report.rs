//! What keeps a drain from ending, as it was read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::room::no_room;
use crate::effect::{Service, ServiceEvent, Task};
use crate::id::TaskArn;

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
pub(super) fn last_about(events: &[ServiceEvent], since: Option<Timestamp>) -> Option<&ServiceEvent> {
    let trouble = |event: &&ServiceEvent| {
        let words = ["unable", "fail", "unhealthy"];
        since.is_none_or(|since| event.at >= since) && words.iter().any(|word| event.message.contains(word))
    };
    events.iter().filter(trouble).max_by_key(|event| event.at).or(events.iter().max_by_key(|event| event.at))
}

/// So many standalone tasks of a kind are named by their ids.
const NAMED: usize = 2;
