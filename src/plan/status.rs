//! What a rotation is doing now, and why it waits: read off the same view by the same functions as what the worker does
//! next. Works from AWS's answers alone, so whoever may read can know it, with a worker or without.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::conflicts::resolutions;
use super::forecast::{
    Assumptions, Forecast, GroupForecast, ImageForecast, LaunchForecast, Status, as_if_open, forecast, hosts_of,
    image_of,
};
use super::hold::{ABORTED_SAID, Cause, advice};
use super::host::{Memberships, Phase, is_in_flight, memberships};
use super::model::{ClusterView, GroupView, Host, TaskWatch};
use super::outcome::{SkippedGroup, Standing, group_of};
use super::output::{Plan, Wait, WaitsFor};
use super::patch::behind;
use super::plan;
use super::policy::Policy;
use super::problem::{Code, Told, told};
use super::release::Resolution;
use super::rotation::RotationState;
use super::tag_text::word;
use crate::id::{AmiId, ClusterName, GroupName, InstanceId};

/// One cluster at one moment. Times are UTC; durations are seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterStatus {
    pub cluster: ClusterName,
    /// Of the cluster's ARN; empty where that is not known.
    pub account: String,
    pub region: String,
    /// None: no tag says so, and a worker takes it only if it is named in its configuration.
    pub enabled: Option<bool>,
    /// The settings that its worker goes by are known; otherwise nothing is told that hangs on them: no deadline is.
    pub settings_known: bool,
    /// None: there has been none.
    pub rotation: Option<RotationStatus>,
    /// Why it is held, and what to do; or why it will be, as it looks now.
    pub hold: Option<String>,
    /// The same by cause.
    pub causes: Vec<CauseStatus>,
    /// The groups that the rotation left out when it closed, and still leaves out.
    pub skipped: Vec<SkippedGroup>,
    /// What a person can do about it, where nothing goes on by itself.
    pub to_do: Vec<ToDo>,
    /// The hosts that the groups of the rotation shall have, and those of them that are there and on a release that is known and
    /// is no stand-in for an image that failed.
    pub hosts: usize,
    pub current: usize,
    /// About how long it will take yet, while it is open.
    pub left_seconds: Option<i64>,
    pub groups: Vec<GroupStatus>,
    pub in_flight: Vec<HostStatus>,
}

/// One cause of a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CauseStatus {
    pub code: Code,
    pub text: String,
    pub hosts: BTreeSet<InstanceId>,
    pub groups: BTreeSet<GroupName>,
    /// What it was about is as it should be by now. `false` also where that cannot be observed.
    pub gone: bool,
    /// What to do about it.
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToDo {
    /// When it is the thing to do, or what for.
    pub when: &'static str,
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RotationStatus {
    pub id: String,
    pub state: Standing,
    /// In this state.
    pub since: Timestamp,
    pub opened: Option<Timestamp>,
    /// What opened it.
    pub because: Option<String>,
    /// Hosts on the release are replaced too.
    pub forced: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupStatus {
    pub group: GroupName,
    pub desired: u32,
    pub status: Status,
    /// Why it is left alone, or its release not known.
    pub reason: Option<String>,
    pub launches: Vec<LaunchForecast>,
    /// How much of its capacity serves: hosts that are ACTIVE and connected, those that it has let go of among them. In the
    /// unit of `desired` (a host, or its weight).
    pub serving: u32,
    /// Hosts of it that may be in flight at a time.
    pub max_in_flight: u32,
    /// Tasks on its hosts, as ECS counted them when each host was looked at last.
    pub running_tasks: u32,
    pub pending_tasks: u32,
    /// Why no host may be taken now, and when one may be: its maintenance window, or a freeze.
    pub window: Option<String>,
    /// What its hosts run, the image of the most hosts first.
    pub images: Vec<ImageCount>,
    /// Its members and those that have left it for a replacement.
    pub hosts: BTreeMap<Phase, BTreeSet<InstanceId>>,
    /// Why nobody (more) of it is taken now.
    pub waits: Vec<String>,
    /// How long a newer image has been out that does not run everywhere in it; None: there is none, or its release or the date of
    /// the image is not known.
    pub patch_age_seconds: Option<i64>,
    /// That image.
    pub newest: Option<ImageForecast>,
    /// Images that failed here.
    pub rejected: BTreeSet<AmiId>,
}

/// An image, and how many hosts of a group run it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageCount {
    #[serde(flatten)]
    pub image: ImageForecast,
    pub hosts: usize,
}

/// A host on its way, or one that others wait for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    pub host: InstanceId,
    pub group: Option<GroupName>,
    pub phase: Phase,
    /// When it became ours; when its drain began.
    pub since: Option<Timestamp>,
    /// Tasks of it that are not STOPPED, as far as that was looked at.
    pub tasks: Option<usize>,
    /// What it waits for: in one word, and as people say it.
    pub wait: Option<WaitsFor>,
    pub waits_for: Option<String>,
    /// When the wait is over: of a bake or a settling, which lasts so long and no longer.
    pub ends: Option<Timestamp>,
    /// When it has waited too long: of every other wait, which is over before that if all is well.
    pub times_out: Option<Timestamp>,
    /// Who or what keeps it.
    pub why: Option<String>,
}

#[must_use]
pub fn status(view: &ClusterView, policy: &Policy, now: Timestamp) -> ClusterStatus {
    let plan = plan(view, policy, now);
    let forecast = forecast(view, policy, &Assumptions::default(), 0, now);
    let open = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open);
    let memberships = memberships(view);
    let skipped = skipped(view, &plan);
    let causes = causes(view, &plan, policy, now);
    let (region, account) = view.arn.place().unwrap_or_default();
    ClusterStatus {
        cluster: view.arn.name(),
        account: account.to_owned(),
        region: region.to_owned(),
        enabled: view.enabled,
        settings_known: true,
        rotation: view.rotation.as_ref().map(|rotation| RotationStatus {
            id: rotation.id.as_str().to_owned(),
            state: standing(view, rotation.state, &skipped),
            since: rotation.since,
            opened: rotation.id.opened(),
            because: view.because.clone(),
            forced: view.rotate_before.is_some(),
        }),
        hold: hold(view, &causes),
        to_do: to_do(view, &plan, &causes),
        causes,
        skipped,
        hosts: in_scope(view, &forecast).map(|group| group.size() as usize).sum(),
        current: in_scope(view, &forecast).map(|group| done(view, &plan, group)).sum(),
        left_seconds: open.then(|| left(view, &forecast, &plan, now)),
        in_flight: in_flight(view, &memberships, &plan),
        groups: of_groups(view, &plan, forecast, now),
    }
}

impl ClusterStatus {
    /// The same for a reader that does not know the worker's settings.
    #[must_use]
    pub fn without_settings(mut self) -> Self {
        // What would hold it by other settings may be no reason to its worker.
        if self.rotation.as_ref().is_some_and(|rotation| rotation.state == Standing::Open) {
            self.hold = None;
            self.causes.clear();
        }
        (self.settings_known, self.left_seconds) = (false, None);
        // The others are those that have to bake or to settle.
        self.in_flight.retain(|host| is_in_flight(host.phase));
        for host in &mut self.in_flight {
            (host.ends, host.times_out) = (None, None);
        }
        self
    }
}

/// The groups that the rotation under way is about; all of them where there is none.
fn in_scope<'a>(view: &'a ClusterView, forecast: &'a Forecast) -> impl Iterator<Item = &'a GroupView> {
    let over = view.rotation.as_ref().is_none_or(|rotation| rotation.state == RotationState::Closed);
    let scope =
        move |group: &&GroupForecast| (over || view.in_scope(&group.group)) && group.status != Status::LeftAlone;
    forecast.groups.iter().filter(scope).filter_map(|group| view.groups.get(&group.group))
}

/// Its members that are registered and on its release.
fn done(view: &ClusterView, plan: &Plan, group: &GroupView) -> usize {
    let current = |id: &&InstanceId| plan.phases.get(*id) == Some(&Phase::Current);
    let registered = |id: &&InstanceId| view.hosts.get(*id).is_some_and(|host| host.container.here().is_some());
    let done = group.facts.members.iter().map(|member| &member.id).filter(current).filter(registered).count();
    done.min(group.size() as usize)
}

fn standing(view: &ClusterView, state: RotationState, skipped: &[SkippedGroup]) -> Standing {
    let aborted = view.hold.as_ref().is_some_and(|hold| hold.aborted);
    Standing::of(state, aborted, !skipped.is_empty())
}

/// What a closed rotation left out; a group in which that is no longer so does not count any more.
fn skipped(view: &ClusterView, plan: &Plan) -> Vec<SkippedGroup> {
    let told = |skipped| match group_of(view.groups.keys(), skipped) {
        Some(group) => plan.skipped.get(group).cloned(),
        None => Some(SkippedGroup {
            group: skipped.group.as_str().into(),
            code: skipped.code,
            reason: skipped.code.sentence().to_owned(),
        }),
    };
    let closed = view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Closed);
    view.skipped.iter().filter(|_| closed).filter_map(told).collect()
}

/// Why it is held: what the tag says, in sentences made of what is there now, else of what was there when it was held. Or why
/// it will be.
fn causes(view: &ClusterView, plan: &Plan, policy: &Policy, now: Timestamp) -> Vec<CauseStatus> {
    let live = told(&plan.problems);
    if view.rotation.as_ref().is_some_and(|rotation| rotation.state == RotationState::Open) {
        return live.into_iter().map(|told| of_cause(&told, false, true)).collect();
    }
    let before = told(&view.held_for);
    let aborted = view.hold.as_ref().is_some_and(|hold| hold.aborted);
    let unclear = plan.causes.iter().any(|(cause, gone)| gone.is_none() && cause.code == Code::GroupBlocked);
    // What a rotation that were open would find before the next host.
    let open = unclear.then(|| super::plan(&as_if_open(view, now), policy, now));
    let held = plan.causes.iter().filter_map(|(cause, gone)| {
        let same: Vec<&Told> = live.iter().filter(|told| is_about(told, cause)).collect();
        let said: Vec<&Told> =
            if same.is_empty() { before.iter().filter(|told| is_about(told, cause)).collect() } else { same.clone() };
        let gone = gone.unwrap_or_else(|| open.as_ref().is_some_and(|open| is_unblocked(view, cause, open)));
        let mut text = said.iter().map(|told| told.text.as_str()).collect::<Vec<_>>().join("; ");
        if text.is_empty() {
            text = rejection(view, cause).unwrap_or_else(|| cause.sentence());
        }
        let told = Told {
            code: cause.code,
            text,
            hosts: cause.hosts.iter().chain(same.iter().flat_map(|told| &told.hosts)).cloned().collect(),
            groups: groups_of(view, cause).cloned().collect(),
        };
        let gone = gone && same.is_empty();
        // Nobody is to let an aborted rotation go on because one of its troubles is over.
        (!(gone && aborted)).then(|| of_cause(&told, gone, cause.clears_itself() && !aborted))
    });
    held.collect()
}

/// Why an image failed stands on the group.
fn rejection(view: &ClusterView, cause: &Cause) -> Option<String> {
    let why = |name: &GroupName| Some(format!("{name}: {}", view.groups.get(name)?.rejection.as_ref()?.why));
    let all: Vec<String> = groups_of(view, cause).filter(|_| cause.code == Code::BadRelease).filter_map(why).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn groups_of<'a>(view: &'a ClusterView, cause: &'a Cause) -> impl Iterator<Item = &'a GroupName> {
    view.groups.keys().filter(|name| cause.groups.contains(&word(name.as_str())))
}

/// Are both about the same hosts or groups, or about none?
fn is_about(told: &Told, cause: &Cause) -> bool {
    let groups = || told.groups.iter().any(|group| cause.groups.contains(&word(group.as_str())));
    let neither = told.hosts.is_empty() && told.groups.is_empty();
    told.code == cause.code && (neither || !told.hosts.is_disjoint(&cause.hosts) || groups())
}

/// Does nothing stand before the next host of these groups, and is nothing left to ask that could?
fn is_unblocked(view: &ClusterView, cause: &Cause, open: &Plan) -> bool {
    let clear = |name: &GroupName| !open.blocked.contains_key(name) && !open.not_now.contains_key(name);
    let asked = open.looks.iter().all(|look| view.has_looked(look));
    cause.code == Code::GroupBlocked
        && asked
        && groups_of(view, cause).next().is_some()
        && groups_of(view, cause).all(clear)
}

fn of_cause(told: &Told, gone: bool, clears_itself: bool) -> CauseStatus {
    let next = match (gone, clears_itself) {
        (true, true) => "over: the rotation goes on by itself with the next look",
        (true, false) => "over: run `resume`",
        (false, _) => advice(told.code, clears_itself),
    };
    let Told { code, text, hosts, groups } = told.clone();
    CauseStatus { code, text, hosts, groups, gone, next: Some(next.to_owned()) }
}

fn hold(view: &ClusterView, causes: &[CauseStatus]) -> Option<String> {
    let hold = view.hold.as_ref();
    let aborted = hold.filter(|hold| hold.aborted && hold.prose.is_none()).map(|_| ABORTED_SAID.to_owned());
    let said = causes.iter().map(|cause| match &cause.next {
        Some(next) => format!("{} → {next}", cause.text),
        None => cause.text.clone(),
    });
    let lines: Vec<String> = aborted.into_iter().chain(hold.and_then(|hold| hold.prose.clone())).chain(said).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn to_do(view: &ClusterView, plan: &Plan, causes: &[CauseStatus]) -> Vec<ToDo> {
    let Some(rotation) = &view.rotation else { return Vec::new() };
    let aborted = view.hold.as_ref().is_some_and(|hold| hold.aborted);
    let rejected = causes.iter().any(|cause| cause.code == Code::BadRelease && !cause.gone);
    let by_itself = !causes.is_empty() && plan.causes.iter().all(|(cause, _)| cause.clears_itself());
    let can_go_back = plan.phases.values().any(|phase| matches!(phase, Phase::Leaving | Phase::Replacing));
    let mut ways: Vec<(&'static str, &str)> = match rotation.state {
        RotationState::Held if aborted => vec![("to begin it again", "rotate")],
        RotationState::Held if rejected => {
            vec![("once a newer image is out, or the group's tag `rejected` is cleared", "rotate")]
        }
        RotationState::Held if by_itself => vec![("it goes on by itself; to begin every wait anew", "resume")],
        RotationState::Held => vec![("once fixed", "resume")],
        RotationState::Paused => vec![("to continue", "resume")],
        RotationState::Open => vec![("to take no further host", "pause")],
        RotationState::Closed => Vec::new(),
    };
    if rotation.state == RotationState::Held && !aborted && can_go_back {
        ways.push(("to give back the hosts that do not drain yet", "abort"));
    }
    let cluster = view.arn.name();
    let way =
        |(when, verb): (&'static str, &str)| ToDo { when, command: format!("ecs-rotator {verb} --cluster {cluster}") };
    ways.into_iter().map(way).collect()
}

/// What is due by the forecast, and a drain for whoever is on its way.
fn left(view: &ClusterView, forecast: &Forecast, plan: &Plan, now: Timestamp) -> i64 {
    let assumed = Assumptions::default();
    let passed = |id: &InstanceId| {
        let since = view.hosts.get(id).and_then(since);
        since.map_or(SignedDuration::ZERO, |since| now.duration_since(since))
    };
    let of_host = |(id, phase): (&InstanceId, &Phase)| match phase {
        Phase::Leaving | Phase::Replacing => assumed.replacement - passed(id).min(assumed.replacement) + assumed.drain,
        Phase::Draining => assumed.drain - passed(id).min(assumed.drain),
        Phase::Gone
        | Phase::Retired
        | Phase::Ending
        | Phase::SetAside
        | Phase::Returning
        | Phase::Drained
        | Phase::Outdated
        | Phase::Unknown
        | Phase::Behind
        | Phase::Current
        | Phase::Foreign => SignedDuration::ZERO,
    };
    let on_their_way = plan.phases.iter().map(of_host).max().unwrap_or_default();
    forecast.takes_seconds + on_their_way.as_secs()
}

fn of_groups(view: &ClusterView, plan: &Plan, forecast: Forecast, now: Timestamp) -> Vec<GroupStatus> {
    let resolutions = resolutions(view, now);
    let of_group = |group: GroupForecast| {
        let resolution = resolutions.get(&group.group);
        of_group(view, plan, group, resolution, now)
    };
    forecast.groups.into_iter().map(of_group).collect()
}

fn of_group(
    view: &ClusterView,
    plan: &Plan,
    group: GroupForecast,
    resolution: Option<&Resolution<'_>>,
    now: Timestamp,
) -> GroupStatus {
    let hosts = hosts_of(view, plan, &group.group);
    let known = || hosts.values().flatten().filter_map(|id| view.hosts.get(*id));
    let containers = || known().filter_map(|host| host.container.here());
    let images = images(view, known(), now);
    let running_tasks = containers().map(|container| container.running_tasks).sum();
    let pending_tasks = containers().map(|container| container.pending_tasks).sum();
    let hosts = hosts.into_iter().map(|(phase, ids)| (phase, ids.into_iter().cloned().collect())).collect();
    let GroupForecast { group, desired, status, reason, launches, stuck, at_a_time, .. } = group;
    let mut waits = stuck;
    waits.extend(plan.refused.get(&group).cloned());
    let in_group = view.groups.get(&group);
    let behind = match (in_group, resolution) {
        (Some(known), Some(Resolution::Resolved(release))) => behind(view, &group, known, release),
        (_, _) => None,
    };
    let age = |since: Timestamp| now.duration_since(since).as_secs().max(0);
    let calendar = in_group.map(|group| &group.policy.calendar);
    let window = calendar.and_then(|calendar| calendar.admits(now).err()).map(|not_now| not_now.why);
    GroupStatus {
        patch_age_seconds: behind.as_ref().and_then(|behind| behind.since).map(age),
        newest: behind.map(|behind| image_of(view, &behind.newest, now)),
        rejected: in_group.map(|group| group.source.rejected.clone()).unwrap_or_default(),
        serving: view.serving(&group, now),
        group,
        desired,
        status,
        reason,
        launches,
        max_in_flight: at_a_time,
        running_tasks,
        pending_tasks,
        window,
        images,
        hosts,
        waits,
    }
}

/// What these hosts run, the image of the most first.
fn images<'a>(view: &ClusterView, hosts: impl Iterator<Item = &'a Host>, now: Timestamp) -> Vec<ImageCount> {
    let mut counts: BTreeMap<&AmiId, usize> = BTreeMap::new();
    for image in hosts.filter_map(Host::image) {
        *counts.entry(image).or_default() += 1;
    }
    let counted = counts.into_iter().map(|(id, hosts)| ImageCount { image: image_of(view, id, now), hosts });
    let mut images: Vec<ImageCount> = counted.collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.hosts));
    images
}

/// Those on their way, the furthest first; then those that others wait for.
fn in_flight(view: &ClusterView, memberships: &Memberships<'_>, plan: &Plan) -> Vec<HostStatus> {
    let waits: BTreeMap<&InstanceId, &Wait> = plan.waits.iter().map(|wait| (&wait.host, wait)).collect();
    let shown = plan.phases.iter().filter(|(id, phase)| is_in_flight(**phase) || waits.contains_key(*id));
    let mut hosts: Vec<HostStatus> =
        shown.map(|(id, phase)| of_host(view, memberships, id, *phase, waits.get(id).copied())).collect();
    hosts.sort_by(|a, b| (a.phase, a.since, &a.host).cmp(&(b.phase, b.since, &b.host)));
    hosts
}

fn of_host(
    view: &ClusterView,
    memberships: &Memberships<'_>,
    id: &InstanceId,
    phase: Phase,
    wait: Option<&Wait>,
) -> HostStatus {
    let host = view.hosts.get(id);
    let member_of = memberships.get(id).map(|(group, _)| (*group).clone());
    HostStatus {
        host: id.clone(),
        group: host.and_then(|host| host.ours.as_ref()).map(|ours| ours.group.clone()).or(member_of),
        phase,
        since: host.and_then(since),
        tasks: host.and_then(|host| host.watch.as_ref()).map(TaskWatch::count_left),
        wait: wait.map(|wait| wait.waits_for),
        waits_for: wait.map(|wait| wait.waits_for.to_string()).or_else(|| next_step(view, host?, phase)),
        ends: wait.filter(|wait| ends_by_itself(wait.waits_for)).map(|wait| wait.until),
        times_out: wait.filter(|wait| !ends_by_itself(wait.waits_for)).map(|wait| wait.until),
        why: wait.and_then(|wait| wait.why.clone()),
    }
}

/// What comes next for a host that waits for nothing that ends by itself or is told as overdue already.
fn next_step(view: &ClusterView, host: &Host, phase: Phase) -> Option<String> {
    let stopped = view.rotation.as_ref().is_some_and(|rotation| rotation.state != RotationState::Open);
    let tasks = host.watch.as_ref().map_or(0, TaskWatch::count_left);
    let step = match phase {
        Phase::Draining if tasks > 0 => return Some(WaitsFor::LastTask.to_string()),
        Phase::Leaving | Phase::Replacing if stopped => return Some("the rotation to go on".to_owned()),
        Phase::Leaving => "detach it",
        Phase::Replacing => "drain it",
        Phase::Draining => "confirm that it is empty",
        Phase::Drained => "deregister it",
        Phase::Retired => "terminate it",
        Phase::Returning => "give it back to its group",
        Phase::Gone
        | Phase::Ending
        | Phase::SetAside
        | Phase::Outdated
        | Phase::Unknown
        | Phase::Behind
        | Phase::Current
        | Phase::Foreign => return None,
    };
    Some(format!("the worker to {step}"))
}

/// Does it last a set time, and is over then? Every other wait is over when what it waits for has come, or is a hold.
fn ends_by_itself(wait: WaitsFor) -> bool {
    match wait {
        WaitsFor::Bake | WaitsFor::Settle => true,
        WaitsFor::Launches | WaitsFor::Replacement | WaitsFor::LastTask | WaitsFor::Return => false,
    }
}

fn since(host: &Host) -> Option<Timestamp> {
    host.draining_since.or(host.ours.as_ref().map(|ours| ours.since))
}
