//! What becomes of a message: a wake, a command, nothing to us, or a dead letter.

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::commands::{Ask, Asked};
use super::errand::Errand;
use super::machine::{Engine, Order};
use super::relevance::{Relevance, weigh};
use crate::effect::Message;
use crate::event::{Command, Event, EventKind, Parsed, parse};
use crate::id::{ClusterArn, NamedCluster, ParameterName, Receipt};
use crate::plan::answer::MessageKey;

/// More events of one cluster do not wait for the end of its pass: they would keep the messages of others out of hand.
const MOST_PUT_OFF: usize = 50;

/// So many are told apart in the log.
const MOST_STRANGERS: usize = 100;

impl Engine {
    pub(super) fn route(&mut self, message: Message, now: Timestamp) {
        match parse(&message.body) {
            Parsed::Command(command) => {
                self.counters.commands += 1;
                self.inbox.hold(&message.receipt, now);
                let key = MessageKey::of(&message.id);
                self.commands.push(Order { command, sent: message.sent, key, receipt: message.receipt });
                self.next_census = self.next_census.min(now);
            }
            Parsed::Event(event) => self.route_event(event, message, now),
            Parsed::Irrelevant { reason } => self.ignore(message, reason, now),
            Parsed::Malformed { reason } => {
                self.counters.malformed += 1;
                // Once in the log; it comes again until it is a dead letter.
                if message.receive_count <= 1 {
                    warn!(
                        message_id = message.id,
                        bytes = message.body.len(),
                        reason,
                        "malformed: left for the dead-letter queue"
                    );
                } else {
                    debug!(message_id = message.id, receives = message.receive_count, reason, "malformed, again");
                }
            }
        }
    }

    fn ignore(&mut self, message: Message, reason: &str, now: Timestamp) {
        self.counters.irrelevant += 1;
        debug!(message_id = message.id, reason, "irrelevant");
        self.inbox.delete(message.receipt, now);
    }

    fn route_event(&mut self, event: Event, message: Message, now: Timestamp) {
        let Some((event, message)) = self.put_off(event, message, now) else { return };
        let errands = match &event.kind {
            EventKind::Parameter { name } => self.followers(name, &event),
            EventKind::ContainerInstance { cluster, .. } | EventKind::TaskStopped { cluster, .. } => {
                self.weigh_host(cluster, &event.kind, now)
            }
            EventKind::LaunchUnsuccessful { .. } | EventKind::Instance { .. } => {
                let here = |arn: &ClusterArn| arn.place() == Some((event.region.as_str(), event.account.as_str()));
                let clusters: Vec<ClusterArn> = self.clusters.keys().filter(|arn| here(arn)).cloned().collect();
                self.weigh_in(&clusters, &event.kind, now)
            }
        };
        match errands {
            Ok(errands) => {
                self.counters.wakes += 1;
                for (arn, errand) in errands {
                    self.give(&arn, errand, &message.receipt, now);
                }
            }
            Err(reason) => self.ignore(message, reason, now),
        }
    }

    /// What comes of a host while a pass over its cluster is under way is weighed when that is over: so those who come to the
    /// same point at the same time go on together, and a pass plans on one state of things.
    fn put_off(&mut self, event: Event, message: Message, now: Timestamp) -> Option<(Event, Message)> {
        let cluster = match &event.kind {
            EventKind::ContainerInstance { cluster, .. } | EventKind::TaskStopped { cluster, .. } => cluster,
            EventKind::Parameter { .. } | EventKind::LaunchUnsuccessful { .. } | EventKind::Instance { .. } => {
                return Some((event, message));
            }
        };
        let under_way = self.passes.contains_key(cluster);
        let state = self.clusters.get_mut(cluster).filter(|state| under_way && state.view.is_some());
        let Some(state) = state.filter(|state| state.later.len() < MOST_PUT_OFF) else { return Some((event, message)) };
        self.inbox.hold(&message.receipt, now);
        state.later.push((event.kind, message.receipt));
        None
    }

    /// An event that had to wait for the end of a pass.
    pub(super) fn weigh_late(&mut self, arn: &ClusterArn, kind: &EventKind, receipt: &Receipt, now: Timestamp) {
        match self.weigh_host(arn, kind, now) {
            Ok(errands) => {
                self.counters.wakes += 1;
                for (arn, errand) in errands {
                    self.give(&arn, errand, receipt, now);
                }
            }
            Err(reason) => {
                self.counters.irrelevant += 1;
                debug!(reason, "irrelevant");
            }
        }
        self.inbox.release(receipt, now);
    }

    /// An event of one host, or of a task on it.
    fn weigh_host(
        &mut self,
        cluster: &ClusterArn,
        kind: &EventKind,
        now: Timestamp,
    ) -> Result<Vec<(ClusterArn, Errand)>, &'static str> {
        if let EventKind::ContainerInstance { arn, version, .. } = kind {
            let state = self.clusters.get_mut(cluster).filter(|state| state.view.is_some());
            if state.is_some_and(|state| state.is_stale(arn.id(), *version)) {
                return Err("older than what has been heard already");
            }
        }
        self.weigh_in(std::slice::from_ref(cluster), kind, now)
    }

    /// The clusters that follow this parameter.
    fn followers(&self, name: &ParameterName, event: &Event) -> Result<Vec<(ClusterArn, Errand)>, &'static str> {
        let here = |arn: &ClusterArn| arn.place() == Some((event.region.as_str(), event.account.as_str()));
        let errands: Vec<_> = self
            .clusters
            .iter()
            // One that has not been looked at yet may follow it: its first look will tell.
            .filter(|(arn, state)| here(arn) && (state.follows.contains(name) || self.is_new(arn)))
            .map(|(arn, _)| {
                (
                    arn.clone(),
                    Errand { whole: true, asks: vec![Ask::Parameter(name.clone()).into()], ..Errand::default() },
                )
            })
            .collect();
        if errands.is_empty() { Err("a parameter that no group follows") } else { Ok(errands) }
    }

    fn is_new(&self, arn: &ClusterArn) -> bool {
        self.clusters
            .get(arn)
            .is_some_and(|state| state.view.is_none() && (state.errand.whole || self.passes.contains_key(arn)))
    }

    /// Weighs an event in the clusters it may be about.
    fn weigh_in(
        &mut self,
        clusters: &[ClusterArn],
        event: &EventKind,
        now: Timestamp,
    ) -> Result<Vec<(ClusterArn, Errand)>, &'static str> {
        let mut errands = Vec::new();
        let mut reason = "of a cluster that this worker does not look after";
        for arn in clusters {
            let is_new = self.is_new(arn);
            let Some(state) = self.clusters.get_mut(arn) else {
                self.note_stranger(arn);
                continue;
            };
            match state.view.as_mut().map(|view| weigh(view, event)) {
                Some(Relevance::Look(looks)) => errands.push((arn.clone(), Errand { looks, ..Errand::default() })),
                Some(Relevance::Irrelevant(why)) => reason = why,
                Some(Relevance::Later(host)) => {
                    state.look_later(host, now);
                    reason = "an agent that has left, and may be back in a moment";
                }
                // It is being looked at for the first time; what has been read by now may be older than this event. The
                // message need not wait for that: a new worker would look at everything as well.
                None if is_new => {
                    state.missed_events = true;
                    reason = "of a cluster that is being looked at";
                }
                None => reason = "of a cluster at rest",
            }
        }
        if errands.is_empty() { Err(reason) } else { Ok(errands) }
    }

    /// Says once of each cluster that its events come here for nothing: a rule too wide, another account's bus.
    fn note_stranger(&mut self, arn: &ClusterArn) {
        let room = self.strangers.len() < MOST_STRANGERS;
        if room && !self.strangers.contains(arn) {
            self.strangers.insert(arn.clone());
            info!(cluster = %arn, "events of a cluster that this worker does not look after are ignored");
        }
    }

    /// Gives a cluster an errand, for which this message waits.
    pub(super) fn give(&mut self, arn: &ClusterArn, mut errand: Errand, receipt: &Receipt, now: Timestamp) {
        let Some(state) = self.clusters.get_mut(arn) else { return };
        self.inbox.hold(receipt, now);
        errand.receipts.push(receipt.clone());
        state.errand.join(errand);
    }

    /// A command, now that the clusters are known as they are.
    pub(super) fn obey(&mut self, order: Order, now: Timestamp) {
        match &order.command {
            Command::Rotate { cluster, force, groups } => {
                let ask = Ask::Rotate { sent: order.sent, force: *force, groups: groups.clone() };
                self.ask(cluster, "rotate", ask, &order, now);
            }
            Command::Pause { cluster } => self.ask(cluster, "pause", Ask::Pause, &order, now),
            Command::Resume { cluster } => self.ask(cluster, "resume", Ask::Resume, &order, now),
            Command::Abort { cluster } => self.ask(cluster, "abort", Ask::Abort, &order, now),
            Command::CheckReleases {} => self.check_releases(&order.receipt, now),
            // The census has been it; who asks for one wants everything looked at.
            Command::Sweep {} => {
                for state in self.clusters.values_mut().filter(|state| state.view.is_some()) {
                    state.errand.whole = true;
                }
            }
        }
        self.inbox.release(&order.receipt, now);
    }

    fn ask(&mut self, named: &NamedCluster, action: &'static str, ask: Ask, order: &Order, now: Timestamp) {
        let Some(arn) = self.clusters.keys().find(|arn| named.is(arn)).cloned() else {
            let name = &named.name;
            let namesake = self.clusters.keys().find(|arn| arn.name() == *name);
            let how = if let (Some(arn), Some(elsewhere)) = (namesake, &named.arn) {
                format!("what is asked for is {elsewhere}, and this worker looks after {arn}")
            } else if self.settings.clusters.is_empty() {
                format!("it does not exist here, or lacks the tag `{}enabled` = `true`", self.settings.tag_prefix)
            } else {
                "it does not exist here, has opted out, or is not named in this worker's configuration".to_owned()
            };
            let message_id = order.key.as_str();
            warn!(cluster = %name, action, message_id, "refused: not a cluster that this worker looks after: {how}");
            return;
        };
        if !self.settings.mode.changes() {
            // A message that is kept would come to be obeyed when nobody thinks of it any more.
            return self.refuse_command(&arn, action, now);
        }
        let asked = Asked { ask, message: Some(order.key.clone()) };
        self.give(&arn, Errand { whole: true, asks: vec![asked], ..Errand::default() }, &order.receipt, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cluster::ClusterState;
    use crate::engine::settings::Settings;
    use crate::plan::model::{ClusterView, Host};
    use crate::plan::rotation::{Ours, RotationId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// An engine that looks after one cluster, which follows a parameter and has a host in flight.
    fn engine() -> Engine {
        let mut engine = Engine::new(Settings::default(), 1, NOW);
        let arn = ClusterArn::from("arn:aws:ecs:eu-west-1:123456789012:cluster/c");
        let mut state = ClusterState::new(arn.clone());
        let mut view = ClusterView::blank(arn.clone(), None);
        let ours = Ours { rotation: RotationId::new(&"c".into(), NOW), group: "web".into(), since: NOW };
        view.hosts.insert("i-1".into(), Host { ours: Some(ours), ..Host::default() });
        state.follows.insert("/images/host".into());
        (state.view, state.errand) = (Some(view), Errand::default());
        engine.clusters.insert(arn, state);
        engine
    }

    fn event(account: &str, region: &str, kind: &str, detail: &str) -> Message {
        let source = if kind.starts_with("Parameter") { "aws.ssm" } else { "aws.ec2" };
        let of = format!(r#""source":"{source}","detail-type":"{kind}","account":"{account}","region":"{region}""#);
        let body = format!(r#"{{{of},"detail":{detail}}}"#);
        Message { id: "1".to_owned(), receipt: "1".into(), body, sent: NOW, receive_count: 1 }
    }

    #[test]
    fn an_event_of_another_account_or_region_is_irrelevant() {
        let parameter = r#"{"name":"/images/host","operation":"Update","type":"String"}"#;
        let gone = r#"{"instance-id":"i-1","state":"terminated"}"#;
        for (kind, detail) in [("Parameter Store Change", parameter), ("EC2 Instance State-change Notification", gone)]
        {
            for (account, region, wakes) in
                [("123456789012", "eu-west-1", 1), ("210987654321", "eu-west-1", 0), ("123456789012", "us-east-1", 0)]
            {
                let mut engine = engine();
                engine.route(event(account, region, kind, detail), NOW);
                let counted = (engine.counters.wakes, engine.counters.irrelevant, engine.counters.malformed);
                assert_eq!(counted, (wakes, 1 - wakes, 0), "{kind} {account} {region}");
            }
        }
    }
}
