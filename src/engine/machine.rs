//! The engine itself: what is handed in, and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tracing::{debug, info, warn};

use super::call::{Call, Owner, is_worth_another_try};
use super::census::Census;
use super::cluster::{BREATH, ClusterState};
use super::context::Context;
use super::inbox::Inbox;
use super::mode::let_out;
use super::ownership::{Neighbours, OWNERSHIP_GOOD_FOR, Owners};
use super::pass::Pass;
use super::patience::Patience;
use super::pulse::{Counters, Pulse};
use super::say::say;
use super::settings::Settings;
use super::settled::ReleaseCheck;
use super::wire::Wire;
use super::{audit, census, news, patience};
use crate::effect::{Failure, Notice, Reply, Request, RequestId};
use crate::id::{ClusterArn, ClusterName, ContainerInstanceArn, Receipt};
use crate::plan::answer::MessageKey;
use crate::plan::model::ClusterView;
use crate::plan::tags::{Tags, Thing};

/// Passes under way at once.
const MOST_PASSES: usize = 16;

/// After so many failures in a row a cluster's messages go back to the queue.
const MOST_FAILURES: u32 = 6;

/// A command, when it was sent, and its message.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) command: crate::event::Command,
    pub(super) sent: Timestamp,
    /// By which its sender finds what became of it.
    pub(super) key: MessageKey,
    pub(super) receipt: Receipt,
}

pub struct Engine {
    pub(super) settings: Settings,
    pub(super) tags: Tags,
    pub(super) rng: ChaCha8Rng,
    pub(super) wire: Wire,
    pub(super) inbox: Inbox,
    pub(super) clusters: BTreeMap<ClusterArn, ClusterState>,
    pub(super) passes: BTreeMap<ClusterArn, Pass>,
    /// The cluster whose pass began last.
    pub(super) last_begun: Option<ClusterArn>,
    pub(super) census: Option<Census>,
    pub(super) census_patience: Patience,
    pub(super) next_census: Timestamp,
    /// Every cluster of the account, opted in or not, and when they were listed.
    pub(super) listed: Vec<ClusterArn>,
    pub(super) listed_at: Option<Timestamp>,
    /// Commands that wait for the next census, and those that wait for the one under way: clusters come and go, so a command
    /// is weighed against those that were there after it came.
    pub(super) commands: Vec<Order>,
    pub(super) after_census: Vec<Order>,
    pub(super) release_check: Option<ReleaseCheck>,
    /// Checks that were asked for while one was under way.
    pub(super) later_checks: Vec<Receipt>,
    /// To which clusters each group belongs, as far as it is known.
    pub(super) owners: Owners,
    pub(super) receive_patience: Patience,
    /// No receive before the clusters are known: their events could not be weighed.
    pub(super) knows_clusters: bool,
    /// Those that were there at the last census, opted in or not; and names of the configuration that were not.
    pub(super) there: BTreeSet<ClusterArn>,
    pub(super) missing: BTreeSet<String>,
    /// Clusters whose opt-in cannot be read, and why.
    pub(super) unclear: BTreeMap<ClusterName, String>,
    /// Tags of clusters that nobody reads, as they were told.
    pub(super) unread_tags: BTreeSet<(ClusterName, String)>,
    pub(super) worker: Option<ContainerInstanceArn>,
    /// Clusters that are none of ours, and whose events come here.
    pub(super) strangers: BTreeSet<ClusterArn>,
    /// What passes have to tell.
    pub(super) news: Vec<Notice>,
    pub(super) counters: Counters,
    pub(super) pulse: Pulse,
    pub(super) stopping: bool,
}

impl Engine {
    /// `seed` feeds the jitter of retries, and nothing else.
    pub fn new(settings: Settings, seed: u64, now: Timestamp) -> Self {
        let mut engine = Self {
            tags: Tags::new(settings.tag_prefix.clone()),
            rng: ChaCha8Rng::seed_from_u64(seed),
            wire: Wire::default(),
            inbox: Inbox::new(settings.visibility),
            clusters: BTreeMap::new(),
            passes: BTreeMap::new(),
            last_begun: None,
            census: None,
            census_patience: Patience::default(),
            next_census: now,
            listed: Vec::new(),
            listed_at: None,
            commands: Vec::new(),
            after_census: Vec::new(),
            release_check: None,
            later_checks: Vec::new(),
            owners: Owners::new(),
            receive_patience: Patience::default(),
            knows_clusters: false,
            there: BTreeSet::new(),
            missing: BTreeSet::new(),
            unclear: BTreeMap::new(),
            unread_tags: BTreeSet::new(),
            worker: None,
            strangers: BTreeSet::new(),
            news: Vec::new(),
            counters: Counters::default(),
            pulse: Pulse::default(),
            stopping: false,
            settings,
        };
        for why in engine.settings.policy.calendar.notes(now) {
            warn!(why, "a setting does not do what it seems to");
        }
        engine.wire.send(Owner::Locate, Request::LocateSelf);
        engine
    }

    /// Replies may come in any order. Messages are the reply to `ReceiveMessage`.
    pub fn handle_reply(&mut self, id: RequestId, reply: Result<Reply, Failure>, now: Timestamp) {
        let Some(call) = self.wire.take(id, &reply, now) else {
            warn!(id = id.0, "an answer that nobody waits for");
            return;
        };
        self.pulse.answered(call.request.operation(), &reply, now);
        let passing = |failure: &&Failure| !self.stopping && is_worth_another_try(&call, failure);
        if let Some(failure) = reply.as_ref().err().filter(passing) {
            let delay = patience::between_tries(call.failures, &mut self.rng);
            debug!(%failure, again_in = ?delay, "asked again");
            self.wire.send_again(call, now + delay);
            self.turn(now);
            return;
        }
        if let Ok(reply) = &reply {
            audit::tell(&call, reply, self.view_before(&call), &self.tags);
        }
        let Call { owner, request, .. } = call;
        match owner {
            Owner::Receive => self.take_messages(reply, now),
            Owner::Delete(receipts) => self.take_deletions(receipts, reply, now),
            Owner::Extend => {
                if let Err(failure) = reply {
                    debug!(%failure, "messages may be delivered again");
                }
            }
            Owner::Locate => self.take_location(reply),
            Owner::News => news::take(reply),
            Owner::Releases => self.take_releases(reply, &request, now),
            Owner::Census => self.take_census(reply, &request, now),
            Owner::Pass(..) if self.stopping => {}
            Owner::Pass(arn, purpose) => {
                self.in_pass(&arn, now, |pass, state, context| pass.take(purpose, &request, reply, state, context));
            }
        }
        self.turn(now);
    }

    /// What is known of the cluster that a call is about, until its answer is taken.
    fn view_before(&self, call: &Call) -> Option<&ClusterView> {
        let of_pass = if let Owner::Pass(arn, _) = &call.owner { Some(arn) } else { None };
        let named = if let Request::TagResource { cluster, .. } = &call.request { Some(cluster) } else { None };
        self.clusters.get(of_pass.or(named)?)?.view.as_ref()
    }

    /// To be called at (or after) the time that `poll_timeout` gives.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.turn(now);
    }

    /// The next call to make, at the time that was told last. The engine keeps the pace and bounds how many are under way
    /// (`None` while nothing may go): perform each one at once, and wake it at `poll_timeout`.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        loop {
            let (id, request) = self.wire.poll()?;
            match let_out(self.settings.mode, &request) {
                Ok(()) => {
                    *self.counters.requests.entry(request.operation()).or_default() += 1;
                    return Some((id, request));
                }
                Err(refused) => self.handle_reply(id, Err(refused), self.wire.now()),
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.stopping {
            return None;
        }
        let census = match (&self.census, self.census_patience.again_at()) {
            (Some(_), _) => None,
            (None, Some(again)) => Some(again.max(self.next_census)),
            (None, None) => Some(self.next_census),
        };
        // Where no further pass can begin, the end of one is what wakes the next.
        let room = self.passes.len() < MOST_PASSES;
        let clusters = self.clusters.iter().filter(|(arn, _)| room && !self.passes.contains_key(*arn));
        clusters
            .filter_map(|(_, state)| state.poll_timeout())
            .chain(census)
            .chain(self.inbox.poll_timeout())
            .chain(self.wire.poll_timeout())
            .min()
    }

    /// Ends: no further receive, no further pass. Messages not worked off are handed back to the queue (through
    /// `poll_request`) as soon as the long poll under way is over: a poll that was cut off would swallow them again.
    pub fn begin_shutdown(&mut self, now: Timestamp) {
        info!("stopping: messages in hand go back to the queue once the receive under way is over");
        self.stopping = true;
        self.wire.close();
        self.turn(now);
    }

    /// After `begin_shutdown`: nothing under way, and no message in hand.
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.wire.is_quiet()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Starts whatever is due.
    fn turn(&mut self, now: Timestamp) {
        if self.stopping {
            if self.wire.receives() == 0 {
                self.inbox.hand_back(&mut self.wire, now);
            }
            return;
        }
        self.wire.turn(now);
        self.turn_census(now);
        self.start_passes(now);
        news::tell(&mut self.news, self.settings.event_bus.as_ref(), &mut self.wire);
        self.inbox.turn(&mut self.wire, self.knows_clusters, now);
    }

    fn turn_census(&mut self, now: Timestamp) {
        if self.census.is_none() && now >= self.next_census && self.census_patience.is_over(now) {
            self.after_census.append(&mut self.commands);
            let recent = self.listed_at.is_some_and(|at| now < at + self.settings.sweep_interval * SWEEPS_PER_LIST);
            let known = recent && self.after_census.is_empty();
            let known = known.then_some(self.listed.as_slice());
            self.census = Some(Census::start(&self.settings, known, &self.tags, &mut self.wire));
        }
    }

    fn start_passes(&mut self, now: Timestamp) {
        let room = MOST_PASSES.saturating_sub(self.passes.len());
        if room == 0 {
            return;
        }
        // In turn, beginning behind the one that came last: those with the first names could keep all others from theirs.
        let last = self.last_begun.take();
        let behind = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let in_turn = self.clusters.range((behind, Bound::Unbounded)).chain(&self.clusters).take(self.clusters.len());
        let due: Vec<ClusterArn> = in_turn
            .filter(|(arn, state)| state.is_due(now) && !self.passes.contains_key(*arn))
            .map(|(arn, _)| arn.clone())
            .take(room)
            .collect();
        self.last_begun = due.last().cloned().or(last);
        for arn in due {
            let Some(state) = self.clusters.get_mut(&arn) else { continue };
            state.look_again = None;
            let errand = std::mem::take(&mut state.errand);
            let pass = Pass::new(errand);
            let pass = if self.settings.mode.changes() { pass } else { pass.only_looks() };
            self.passes.insert(arn.clone(), pass);
            self.in_pass(&arn, now, |_, _, _| {});
        }
    }

    /// Does something in a pass, lets it go on, and ends it if it has come to its end.
    fn in_pass(
        &mut self,
        arn: &ClusterArn,
        now: Timestamp,
        deed: impl FnOnce(&mut Pass, &mut ClusterState, &mut Context<'_>),
    ) {
        let all = self.clusters.values().all(|other| other.arn == *arn || other.looked_at.is_some());
        let (Some(mut pass), Some(state)) = (self.passes.remove(arn), self.clusters.get_mut(arn)) else { return };
        let (settings, tags, worker) = (&self.settings, &self.tags, &self.worker);
        let neighbours = Neighbours { owners: &self.owners, all };
        let mut context = Context { neighbours, settings, tags, worker, wire: &mut self.wire, now };
        deed(&mut pass, state, &mut context);
        if !self.stopping {
            pass.advance(state, &mut context);
        }
        self.news.append(&mut state.news);
        if pass.ended {
            self.end_pass(arn, pass, now);
        } else {
            self.passes.insert(arn.clone(), pass);
        }
    }

    fn end_pass(&mut self, arn: &ClusterArn, pass: Pass, now: Timestamp) {
        self.close_pass(arn, pass, now);
        let Some(state) = self.clusters.get_mut(arn) else { return };
        state.breathes_until = Some(now + BREATH);
        for (kind, receipt) in std::mem::take(&mut state.later) {
            self.weigh_late(arn, &kind, &receipt, now);
        }
    }

    fn close_pass(&mut self, arn: &ClusterArn, mut pass: Pass, now: Timestamp) {
        let Some(state) = self.clusters.get_mut(arn) else { return };
        if let Some(failure) = pass.failed.take() {
            let delay = state.patience.failed(&mut self.rng, now);
            let tries = state.patience.failures();
            if tries < 5 {
                say!(info, &*state, %failure, again_in = ?delay, "a look or an act failed: tried again");
            } else {
                say!(warn, &*state, %failure, again_in = ?delay, tries, "a look or an act keeps failing: tried again");
            }
            pass.errand.whole = true;
            // What was asked first comes first.
            let since = std::mem::replace(&mut state.errand, pass.errand);
            state.errand.join(since);
            if state.patience.failures() >= MOST_FAILURES {
                // A cluster that cannot be looked at must not keep the messages of the others out of hand. They come again, and
                // in the end they are dead letters that somebody sees.
                state.errand.asks.clear();
                for receipt in std::mem::take(&mut state.errand.receipts) {
                    self.inbox.let_go(&receipt);
                }
            }
            return;
        }
        state.patience.succeeded();
        self.pulse.passed = Some(now);
        state.seen_at = Some(now);
        if let Some(opened) = state.closed.take() {
            self.pulse.closed(opened, now);
        }
        let sharing = note_owners(&mut self.owners, state);
        let missed_events = std::mem::take(&mut state.missed_events);
        if self.settings.mode.changes() {
            state.rest(&self.settings.policy, now);
        } else {
            state.observed(&self.settings.policy, now);
            self.news.append(&mut state.news);
        }
        // What came while everything was looked at for the first time may be newer than what was read.
        state.errand.whole |= missed_events && state.view.is_some();
        for receipt in pass.errand.receipts {
            self.inbox.release(&receipt, now);
        }
        let old = |at: Timestamp| now >= at + OWNERSHIP_GOOD_FOR;
        for other in self.clusters.values_mut().filter(|other| sharing.contains(&other.name)) {
            other.errand.whole |= other.looked_at.is_some_and(old);
        }
    }

    fn take_messages(&mut self, reply: Result<Reply, Failure>, now: Timestamp) {
        match reply {
            Ok(Reply::Messages(messages)) if self.stopping => self.inbox.refuse(&mut self.wire, &messages),
            Ok(Reply::Messages(messages)) => {
                self.receive_patience.succeeded();
                self.inbox.received(&messages);
                self.counters.received += messages.len() as u64;
                for message in messages {
                    self.route(message, now);
                }
            }
            Ok(_) => {}
            Err(failure) => {
                let delay = self.receive_patience.failed(&mut self.rng, now);
                self.inbox.pause_until(now + delay);
                warn!(%failure, again_in = ?delay, "no messages could be received: tried again");
            }
        }
    }

    /// A deletion that failed as a whole is tried again; one that failed for a message means that it comes again.
    fn take_deletions(&mut self, receipts: Vec<Receipt>, reply: Result<Reply, Failure>, now: Timestamp) {
        match reply {
            Ok(Reply::QueueBatch { failures }) if !failures.is_empty() => {
                debug!(failures = failures.len(), "messages not deleted: they will come again");
            }
            Ok(_) => {}
            Err(failure) if self.stopping => debug!(%failure, "messages not deleted: they will come again"),
            Err(failure) => {
                debug!(%failure, "messages not deleted: tried again");
                for receipt in receipts {
                    self.inbox.delete(receipt, now);
                }
            }
        }
    }

    fn take_location(&mut self, reply: Result<Reply, Failure>) {
        match reply {
            Ok(Reply::SelfLocation(place)) => self.worker = place,
            Ok(_) => {}
            Err(failure) => {
                info!(%failure, "where this worker runs is not known: its own host takes its turn like any other")
            }
        }
    }

    fn take_census(&mut self, reply: Result<Reply, Failure>, request: &Request, now: Timestamp) {
        let Some(mut census) = self.census.take() else { return };
        let reply = match reply {
            Ok(reply) => Some(reply),
            Err(failure) => {
                warn!(%failure, "the clusters could not be listed");
                None
            }
        };
        if !census.take(reply, request, &self.settings, &self.tags, &mut self.wire) {
            self.census = Some(census);
            return;
        }
        if census.failed {
            self.census_patience.failed(&mut self.rng, now);
            return;
        }
        self.census_patience.succeeded();
        self.next_census = now + self.settings.sweep_interval;
        self.take_count(census.result(), now);
    }

    /// Clusters that have opted out, or are gone. What waits for a look at them waits for nothing.
    fn forget_clusters(&mut self, opted_in: &BTreeSet<&ClusterArn>, in_flight: &BTreeSet<&ClusterName>) {
        let gone: Vec<ClusterArn> = self
            .clusters
            .keys()
            .filter(|arn| !opted_in.contains(*arn) && !self.passes.contains_key(*arn))
            .cloned()
            .collect();
        for state in gone.iter().filter_map(|arn| self.clusters.remove(arn)).collect::<Vec<_>>() {
            let there = self.there.contains(&state.arn);
            let why = if there { "it has opted out" } else { "it has been deleted, or may no longer be seen" };
            say!(info, &state, why, "no longer looked after");
            self.owners.values_mut().for_each(|clusters| {
                clusters.remove(&state.name);
            });
            for receipt in &state.errand.receipts {
                self.inbox.let_go(receipt);
            }
        }
        let looked_after: BTreeSet<ClusterName> = opted_in.iter().map(|arn| arn.name()).collect();
        let left = in_flight.iter().filter(|name| !looked_after.contains(**name));
        for cluster in left.filter(|_| self.settings.clusters.is_empty()) {
            warn!(%cluster, "hosts in flight are left as they are: their cluster has opted out, or is gone");
        }
    }

    /// Which clusters there are, and what is new about that.
    fn tell_clusters(&mut self, count: &census::Result) {
        let opted_in = || count.clusters.iter().filter(|(_, found)| found.opted_in).map(|(arn, _)| arn);
        let unread = |(arn, found): (&ClusterArn, &census::Found)| {
            let (tag, why) = self.tags.enabled(&found.facts.tags).err()?;
            Some((arn.name(), format!("its tag `{tag}`: {why}")))
        };
        let unclear: BTreeMap<ClusterName, String> = count.clusters.iter().filter_map(unread).collect();
        for (cluster, why) in unclear.iter().filter(|(cluster, why)| self.unclear.get(*cluster) != Some(*why)) {
            warn!(%cluster, why, "this cluster is left alone: it does not say whether it takes part");
        }
        self.unclear = unclear;
        // Of those too that have not opted in: they may have meant to.
        let of_cluster = |(arn, found): (&ClusterArn, &census::Found)| {
            let unread = self.tags.unread(Thing::Cluster, &found.facts.tags).into_iter();
            unread.map(|why| (arn.name(), why)).collect::<Vec<_>>()
        };
        let unread: BTreeSet<(ClusterName, String)> = count.clusters.iter().flat_map(of_cluster).collect();
        for (cluster, why) in unread.difference(&self.unread_tags) {
            warn!(%cluster, why, "a tag of this cluster does not do what it seems to");
        }
        self.unread_tags = unread;
        if self.knows_clusters {
            for arn in opted_in().filter(|arn| !self.clusters.contains_key(*arn)) {
                let why = if self.there.contains(arn) { "it has opted in" } else { "it is new here" };
                info!(cluster = %arn.name(), why, "looked after from now on");
            }
        } else {
            self.knows_clusters = true;
            let names: Vec<String> = opted_in().map(|arn| arn.name().to_string()).collect();
            match names.len() {
                0 if self.settings.clusters.is_empty() => warn!("no cluster to look after: none has opted in"),
                0 => warn!("no cluster to look after: none of those that are named is there and has not opted out"),
                1 => info!(cluster = names[0], "looking after one cluster"),
                n => info!(clusters = names.join(" "), "looking after {n} clusters"),
            }
        }
        let there = count.clusters.iter().filter(|(_, found)| found.active);
        self.there = there.map(|(arn, _)| arn.clone()).collect();
        // One that was listed a while ago may have been deleted since: only names of people are looked for in vain.
        let named = !self.settings.clusters.is_empty();
        let missing: BTreeSet<String> = count.missing.iter().filter(|_| named).cloned().collect();
        for name in missing.difference(&self.missing) {
            warn!(cluster = name, "this cluster does not exist here");
        }
        self.missing = missing;
    }

    /// The census is done: every cluster that needs a look gets its errand.
    fn take_count(&mut self, mut count: census::Result, now: Timestamp) {
        self.tell_clusters(&count);
        if count.lists {
            (self.listed, self.listed_at) = (count.clusters.keys().cloned().collect(), Some(now));
        }
        let opted_in: BTreeSet<&ClusterArn> =
            count.clusters.iter().filter(|(_, found)| found.opted_in).map(|(arn, _)| arn).collect();
        self.forget_clusters(&opted_in, &count.ours.keys().collect());
        for (arn, found) in count.clusters.into_iter().filter(|(_, found)| found.opted_in) {
            let state = self.clusters.entry(arn.clone()).or_insert_with(|| ClusterState::new(arn));
            let ours = count.ours.remove(&state.name).unwrap_or_default();
            state.swept(found, ours, &self.settings, &self.tags, now);
        }
        for order in std::mem::take(&mut self.after_census) {
            self.obey(order, now);
        }
        if !self.commands.is_empty() {
            self.next_census = now;
        }
    }
}

/// So many sweeps ask for the clusters that are known, before all are listed anew. (Before a command is obeyed they always are.)
const SWEEPS_PER_LIST: i32 = 6;

/// Notes which groups belong to this cluster. Returns the clusters that share one of them: they may have given it up.
fn note_owners(owners: &mut Owners, state: &ClusterState) -> BTreeSet<ClusterName> {
    let Some(view) = &state.view else { return BTreeSet::new() };
    for (_, clusters) in owners.iter_mut().filter(|(group, _)| !view.belonging.contains(*group)) {
        clusters.remove(&state.name);
    }
    let mut sharing = BTreeSet::new();
    for group in &view.belonging {
        let clusters = owners.entry(group.clone()).or_default();
        clusters.insert(state.name.clone());
        sharing.extend(clusters.iter().filter(|of| **of != state.name).cloned());
    }
    sharing
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn clusters_that_always_have_something_to_do_take_turns() {
        let (mut engine, mut now) = (Engine::new(Settings::default(), 1, Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        for n in 0..40 {
            let arn = ClusterArn::new(format!("arn:aws:ecs:eu-west-1:123456789012:cluster/c-{n}"));
            engine.clusters.insert(arn.clone(), ClusterState::new(arn));
        }
        let mut begun: BTreeMap<ClusterArn, usize> = BTreeMap::new();
        for _ in 0..10 {
            for state in engine.clusters.values_mut() {
                state.errand.whole = true;
            }
            engine.start_passes(now);
            assert_eq!(engine.passes.len(), MOST_PASSES);
            // All of them end, and every cluster has something to do again.
            for arn in std::mem::take(&mut engine.passes).into_keys() {
                *begun.entry(arn).or_default() += 1;
            }
            now += SignedDuration::from_mins(1);
        }
        let (least, most) = (begun.values().min(), begun.values().max());
        assert_eq!((begun.len(), least, most), (40, Some(&4), Some(&4)), "160 passes of 40 clusters: {begun:?}");
    }
}
