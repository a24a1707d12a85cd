//! A look at clusters that changes nothing: what the command `plan` knows.
//!
//! The same census, the same passes and the same questions as a worker's, driven in the same way (`poll_request`,
//! `handle_reply`), without a queue and without an act: a pass of a survey asks whatever a worker would ask before it opened a
//! rotation, plans as if it were open, and ends where the first change would be made.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::call::{Call, Owner, is_worth_another_try};
use super::census::Census;
use super::cluster::ClusterState;
use super::context::Context;
use super::mode::{Mode, let_out};
use super::ownership::{Neighbours, Owners};
use super::pass::Pass;
use super::settings::Settings;
use super::wire::Wire;
use super::{absorb, patience};
use crate::effect::{Failure, FailureKind, Reply, Request, RequestId};
use crate::id::{ClusterArn, ContainerInstanceArn};
use crate::plan::model::{ClusterView, GroupView, Look};
use crate::plan::policy::Policy;
use crate::plan::problem::Problem;
use crate::plan::published::Published;
use crate::plan::tags::Tags;

/// Clusters that are looked at side by side.
const AT_ONCE: usize = 8;

/// What is to be known beside what a worker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Nothing.
    Hosts,
    /// The services of each cluster and the tasks on its hosts: what could get stuck.
    Tenants,
}

/// What was found of one cluster.
#[derive(Debug)]
pub struct Surveyed {
    pub view: Option<ClusterView>,
    /// Why it could not be looked at wholly.
    pub failed: Option<String>,
    /// By which it was looked at.
    pub policy: Policy,
    /// It is what its worker goes by, as far as a deadline hangs on it.
    pub settings_known: bool,
}

pub struct Survey {
    settings: Settings,
    /// Each cluster is looked at by the settings that its worker has published, where one has; and those.
    by_workers: bool,
    published: BTreeMap<ClusterArn, (Settings, bool)>,
    tags: Tags,
    depth: Depth,
    rng: ChaCha8Rng,
    wire: Wire,
    census: Option<Census>,
    /// Where this runs has been asked: its own host goes last.
    located: bool,
    worker: Option<ContainerInstanceArn>,
    waiting: BTreeSet<ClusterArn>,
    under_way: BTreeMap<ClusterArn, (ClusterState, Pass)>,
    found: BTreeMap<ClusterArn, Surveyed>,
    /// Names of the configuration that do not exist.
    missing: Vec<String>,
    /// Why the clusters could not be counted.
    failed: Option<Failure>,
    requests: BTreeMap<&'static str, u64>,
    answered: BTreeSet<&'static str>,
    denied: BTreeMap<&'static str, Failure>,
}

/// The end of a survey.
#[derive(Debug)]
pub struct Findings {
    pub clusters: BTreeMap<ClusterArn, Surveyed>,
    pub missing: Vec<String>,
    /// Without it there are no clusters.
    pub failed: Option<Failure>,
    /// Calls made, by AWS's operation name.
    pub requests: BTreeMap<&'static str, u64>,
    /// Those of them that were answered by what was asked for.
    pub answered: BTreeSet<&'static str>,
    /// Those of them that were not allowed.
    pub denied: BTreeMap<&'static str, Failure>,
}

impl Findings {
    /// The clusters that could be looked at.
    pub fn views(&self) -> impl Iterator<Item = &ClusterView> {
        self.clusters.values().filter_map(|found| found.view.as_ref())
    }

    /// Their groups that are a worker's to touch.
    pub fn groups(&self) -> impl Iterator<Item = &GroupView> {
        self.views().flat_map(|view| view.groups.values()).filter(|group| group.is_ours_to_touch())
    }
}

impl Survey {
    /// Of the clusters that the settings name; of every one that has opted in, where they name none.
    pub fn new(settings: Settings, depth: Depth, seed: u64) -> Self {
        let tags = Tags::new(settings.tag_prefix.clone());
        let mut wire = Wire::default();
        wire.send(Owner::Locate, Request::LocateSelf);
        let census = Some(Census::start(&settings, None, &tags, &mut wire));
        Self {
            settings,
            by_workers: false,
            published: BTreeMap::new(),
            tags,
            depth,
            rng: ChaCha8Rng::seed_from_u64(seed),
            wire,
            census,
            located: false,
            worker: None,
            waiting: BTreeSet::new(),
            under_way: BTreeMap::new(),
            found: BTreeMap::new(),
            missing: Vec::new(),
            failed: None,
            requests: BTreeMap::new(),
            answered: BTreeSet::new(),
            denied: BTreeMap::new(),
        }
    }

    /// Each cluster by the settings that its worker has published: the settings given at the start are those of clusters on
    /// which none has.
    #[must_use]
    pub fn by_workers(self) -> Self {
        Self { by_workers: true, ..self }
    }

    pub fn handle_reply(&mut self, id: RequestId, reply: Result<Reply, Failure>, now: Timestamp) {
        let Some(call) = self.wire.take(id, &reply, now) else { return };
        if reply.as_ref().err().is_some_and(|failure| is_worth_another_try(&call, failure)) {
            let delay = patience::between_tries(call.failures, &mut self.rng);
            self.wire.send_again(call, now + delay);
            return;
        }
        let Call { owner, request, .. } = call;
        match &reply {
            Ok(_) => {
                self.answered.insert(request.operation());
            }
            Err(failure) if failure.kind == FailureKind::AccessDenied => {
                self.denied.insert(request.operation(), failure.clone());
            }
            Err(_) => {}
        }
        match owner {
            Owner::Locate => {
                self.located = true;
                if let Ok(Reply::SelfLocation(location)) = reply {
                    self.worker = location;
                }
            }
            Owner::Census => self.count(reply, &request),
            Owner::Pass(arn, purpose) => {
                if let Some((mut state, mut pass)) = self.under_way.remove(&arn) {
                    let settings = self.published.get(&arn).map_or(&self.settings, |(settings, _)| settings);
                    let mut context = context(settings, &self.tags, &self.worker, &mut self.wire, now);
                    pass.take(purpose, &request, reply, &mut state, &mut context);
                    self.hear_settings(&arn, pass.target(&mut state));
                    self.go_on(arn, state, pass, now);
                }
            }
            // No survey has a queue, or a memory.
            Owner::Receive | Owner::Delete(_) | Owner::Extend | Owner::Releases | Owner::News => {}
        }
        self.turn(now);
    }

    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.wire.turn(now);
        self.turn(now);
    }

    /// The next call to make. None of them changes anything: one that would is not handed out.
    pub fn poll_request(&mut self) -> Option<(RequestId, Request)> {
        loop {
            let (id, request) = self.wire.poll()?;
            match let_out(Mode::Observe, &request) {
                Ok(()) => {
                    *self.requests.entry(request.operation()).or_default() += 1;
                    return Some((id, request));
                }
                Err(refused) => self.handle_reply(id, Err(refused), self.wire.now()),
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.wire.poll_timeout()
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn is_done(&self) -> bool {
        self.census.is_none() && self.waiting.is_empty() && self.under_way.is_empty()
    }

    pub fn findings(mut self) -> Findings {
        self.find_shared_groups();
        let Self { found, missing, failed, requests, answered, denied, .. } = self;
        Findings { clusters: found, missing, failed, requests, answered, denied }
    }

    /// A group of two clusters is left alone by a worker that knows both.
    fn find_shared_groups(&mut self) {
        let mut owners = Owners::new();
        for view in self.found.values().filter_map(|found| found.view.as_ref()) {
            for group in &view.belonging {
                owners.entry(group.clone()).or_default().insert(view.arn.name());
            }
        }
        let known = Neighbours { owners: &owners, all: false };
        for view in self.found.values_mut().filter_map(|found| found.view.as_mut()) {
            let cluster = view.arn.name();
            for (name, group) in &mut view.groups {
                if let Some(problem) = known.shared(name, &cluster) {
                    group.problem.get_or_insert(problem);
                }
            }
        }
    }

    fn count(&mut self, reply: Result<Reply, Failure>, request: &Request) {
        let Some(mut census) = self.census.take() else { return };
        let reply = match reply {
            Ok(reply) => Some(reply),
            Err(failure) => {
                self.failed = Some(failure);
                None
            }
        };
        if !census.take(reply, request, &self.settings, &self.tags, &mut self.wire) {
            self.census = Some(census);
            return;
        }
        let failed = census.failed;
        let result = census.result();
        // AWS answers with an ARN of here: what was named by its ARN may be elsewhere, and is told so.
        let named = |item: String| match ClusterArn::new(item) {
            arn if self.settings.arns.contains(&arn) => arn.to_string(),
            arn => arn.name().to_string(),
        };
        self.missing = result.missing.into_iter().map(named).collect();
        if !failed {
            let named = !self.settings.clusters.is_empty();
            for (arn, found) in result.clusters {
                match (found.active, named || found.opted_in) {
                    (true, true) => {
                        self.waiting.insert(arn);
                    }
                    // Deleted, and still told of for a while.
                    (false, _) if named => self.missing.push(arn.name().to_string()),
                    (true | false, _) => {}
                }
            }
        }
    }

    /// Its tags may say by which settings its worker goes: what is looked at from now on is seen so.
    fn hear_settings(&mut self, arn: &ClusterArn, view: Option<&mut ClusterView>) {
        let Some(view) = view.filter(|_| self.by_workers && !self.published.contains_key(arn)) else { return };
        let Some(published) = view.settings.as_deref().and_then(Published::read) else { return };
        let known = published.tells_deadlines();
        let settings = self.settings.as_published(&arn.name(), published);
        absorb::name_groups(view, &settings);
        self.published.insert(arn.clone(), (settings, known));
    }

    fn turn(&mut self, now: Timestamp) {
        while self.located
            && self.under_way.len() < AT_ONCE
            && let Some(arn) = self.waiting.pop_first()
        {
            self.go_on(arn.clone(), ClusterState::new(arn), Pass::survey(self.looks()), now);
        }
    }

    fn looks(&self) -> BTreeSet<Look> {
        match self.depth {
            Depth::Hosts => BTreeSet::new(),
            Depth::Tenants => BTreeSet::from([Look::Services, Look::AllTasks]),
        }
    }

    fn go_on(&mut self, arn: ClusterArn, mut state: ClusterState, mut pass: Pass, now: Timestamp) {
        let settings = self.published.get(&arn).map_or(&self.settings, |(settings, _)| settings);
        let mut context = context(settings, &self.tags, &self.worker, &mut self.wire, now);
        pass.advance(&mut state, &mut context);
        if !pass.ended {
            self.under_way.insert(arn, (state, pass));
            return;
        }
        let failed = pass.failed.map(|failure| failure.to_string()).or(pass.blind.as_ref().map(Problem::to_string));
        let (settings, settings_known) = self.published.remove(&arn).unwrap_or((self.settings.clone(), false));
        self.found.insert(arn, Surveyed { view: state.view, failed, policy: settings.policy, settings_known });
    }
}

fn context<'a>(
    settings: &'a Settings,
    tags: &'a Tags,
    worker: &'a Option<ContainerInstanceArn>,
    wire: &'a mut Wire,
    now: Timestamp,
) -> Context<'a> {
    static NOBODY: Owners = Owners::new();
    Context { neighbours: Neighbours { owners: &NOBODY, all: false }, settings, tags, worker, wire, now }
}
