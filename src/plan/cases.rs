//! Tables of the planner: a cluster in which everything has just been looked at, what is otherwise in a row, and what is done.
//!
//! The group `web` launches from the template `lt-1` by its default, and follows the parameter `/p`: its release is `ami-2`,
//! and was `ami-1` before.

use jiff::SignedDuration;

use super::problem::Refusal;
use super::rotation::GiveBack;
use super::*;
use crate::effect::{
    Activity, ActivityStatus, AlarmState, ContainerInstance, ContainerInstanceStatus, Group, Image, Instance,
    InstanceRefresh, InstanceState, Launch, Lifecycle, Member, Override, Parameter, ParameterKind, TemplateSpec,
    TemplateVersion, VersionRule,
};
use crate::id::{AmiId, InstanceId, ParameterName, TaskArn, TemplateId};
use crate::plan::model::{Anywhere, BrokenTasks, GroupView, Host, Seen, TaskSeen, TaskWatch};
use crate::plan::policy::{Budget, DrainWhen, Ladder};
use crate::plan::rotation::{Ours, Rejection, Rotation, RotationId};
use crate::plan::tags::Tags;

type Change = fn(&mut ClusterView);

const HOUR: i64 = 3600;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365)
}

/// So many seconds ago.
fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn image(id: &str, created: Timestamp) -> Image {
    Image {
        id: id.into(),
        name: String::new(),
        owner: "1".to_owned(),
        owner_alias: None,
        state: "available".to_owned(),
        architecture: "x86_64".to_owned(),
        windows: false,
        virtualization: "hvm".to_owned(),
        root_device: None,
        created: Some(created),
        deprecated: None,
    }
}

/// Number 1 is somebody's, the others are ours, each made from the one before.
fn version(number: u64, image: &str, created: Timestamp) -> TemplateVersion {
    let ours = (number > 1).then(|| made::description(&image.into(), number - 1));
    TemplateVersion {
        template: "lt-1".into(),
        number,
        is_default: false,
        image: Some(image.to_owned()),
        description: ours,
        created,
        block_devices: Vec::new(),
    }
}

fn facts(name: &str) -> Group {
    let spec = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default };
    Group {
        name: name.into(),
        min: 0,
        max: 9,
        desired: 0,
        members: Vec::new(),
        suspended: BTreeSet::new(),
        launch: Launch::Template(spec),
        tags: BTreeMap::from([("t:ami-parameter".to_owned(), "/p".to_owned())]),
        managed: false,
        counted_in: None,
        arn: None,
        zones: BTreeSet::new(),
        traffic_sources: BTreeSet::new(),
    }
}

/// ACTIVE and connected, for as long as it has been launched but for a minute.
fn add_host(view: &mut ClusterView, id: &str, image: &str, launched: Timestamp) {
    let ec2 = Instance {
        id: id.into(),
        image: image.into(),
        state: InstanceState::Running,
        launched,
        zone: id.into(),
        tags: BTreeMap::new(),
        managed: false,
        architecture: "x86_64".to_owned(),
        windows: false,
        root_device: None,
    };
    let container = ContainerInstance {
        arn: format!("arn:ci/{id}").into(),
        instance: Some(id.into()),
        status: ContainerInstanceStatus::Active,
        agent_connected: true,
        running_tasks: 0,
        pending_tasks: 0,
        image: None,
        zone: None,
        registered: Some(launched + SignedDuration::from_secs(60)),
        whole: None,
        free: None,
    };
    let (connected, arn) = (Some(now()), Some(container.arn.clone()));
    let broken = Some(BrokenTasks { read: now(), tasks: BTreeMap::new() });
    let host =
        Host { ec2: Seen::Here(ec2), container: Seen::Here(container), connected, arn, broken, ..Host::default() };
    view.hosts.insert(id.into(), host);
    let looks = [Look::Host(id.into()), Look::Instance(id.into()), Look::Tasks(id.into())];
    view.looked.extend(looks.map(|look| (look, now())));
}

/// Another member, and one more is desired.
fn add_member(view: &mut ClusterView, id: &str, image: &str, launched: Timestamp) {
    add_host(view, id, image, launched);
    let facts = &mut web(view).facts;
    facts.members.push(Member {
        id: id.into(),
        zone: id.into(),
        lifecycle: Lifecycle::InService,
        weight: None,
        image: None,
    });
    facts.desired += 1;
}

/// An open rotation of an hour, and nobody has gone yet: `i-1`, `i-2` and `i-3` run `ami-1`.
fn cluster() -> ClusterView {
    let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
    view.opted_in = true;
    state(&mut view, RotationState::Open, ago(HOUR));
    view.belonging.insert("web".into());
    view.hooks.insert("web".into(), Vec::new());
    view.groups.insert("web".into(), GroupView::new(facts("web"), &Tags::new("t:"), &Policy::default()));
    for (number, image, created) in [(1, "ami-1", ago(900 * HOUR)), (2, "ami-2", ago(4 * HOUR))] {
        let version = version(number, image, created);
        view.templates.insert(("lt-1".into(), VersionRule::Number(number)), Ok(version));
    }
    view.templates.insert(("lt-1".into(), VersionRule::Default), Ok(version(2, "ami-2", ago(4 * HOUR))));
    view.images = [("ami-1", 900), ("ami-2", 5), ("ami-3", 3)]
        .map(|(id, hours)| (id.into(), Seen::Here(image(id, ago(hours * HOUR)))))
        .into();
    let kind = ParameterKind::String;
    let parameter = Parameter { value: "ami-2".to_owned(), kind, data_type: None, modified: Some(ago(5 * HOUR)) };
    view.parameters.insert("/p".into(), Ok(parameter));
    for (n, id) in ["i-1", "i-2", "i-3"].into_iter().enumerate() {
        add_member(&mut view, id, "ami-1", ago((500 - n as i64) * HOUR));
    }
    let looks = [
        Look::Cluster,
        Look::Ours,
        Look::ContainerInstances,
        Look::Everybody,
        Look::Services,
        Look::AllTasks,
        Look::Group("web".into()),
        Look::Refreshes("web".into()),
        Look::Hooks("web".into()),
        Look::Alarm("errors".into()),
        Look::Activities("web".into()),
        Look::Parameter("/p".into()),
        Look::Template("lt-1".into(), VersionRule::Default),
        Look::Versions("lt-1".into()),
    ];
    view.looked.extend(looks.map(|look| (look, now())));
    view
}

fn state(view: &mut ClusterView, state: RotationState, since: Timestamp) {
    view.rotation = Some(Rotation { id: RotationId::new(&"c".into(), since), state, since });
}

fn web(view: &mut ClusterView) -> &mut GroupView {
    view.groups.get_mut(&GroupName::from("web")).unwrap()
}

fn host<'a>(view: &'a mut ClusterView, id: &str) -> &'a mut Host {
    view.hosts.get_mut(&InstanceId::from(id)).unwrap()
}

fn container<'a>(view: &'a mut ClusterView, id: &str) -> &'a mut ContainerInstance {
    host(view, id).container.here_mut().unwrap()
}

fn forget(view: &mut ClusterView, look: Look) {
    view.looked.remove(&look);
}

fn lifecycle(view: &mut ClusterView, id: &str, lifecycle: Lifecycle) {
    let members = &mut web(view).facts.members;
    members.iter_mut().filter(|member| member.id.as_str() == id).for_each(|member| member.lifecycle = lifecycle);
}

fn take(view: &mut ClusterView, id: &str, since: Timestamp) {
    let ours = Ours { rotation: RotationId::new(&"c".into(), ago(HOUR)), group: "web".into(), since };
    let host = host(view, id);
    (host.ours, host.claimed, host.tags_read) = (Some(ours), Some(since), Some(now()));
}

/// `i-9` was taken three minutes ago, and `i-4` has come in its place.
fn replaced() -> ClusterView {
    let mut view = cluster();
    add_host(&mut view, "i-9", "ami-1", ago(600 * HOUR));
    take(&mut view, "i-9", ago(180));
    add_member(&mut view, "i-4", "ami-2", ago(90));
    view
}

/// The same, and it drains.
fn draining() -> ClusterView {
    let mut view = replaced();
    container(&mut view, "i-9").status = ContainerInstanceStatus::Draining;
    host(&mut view, "i-9").draining_since = Some(ago(60));
    let mut watch = TaskWatch::new(std::iter::empty(), ago(60));
    watch.last_look = ago(1);
    host(&mut view, "i-9").watch = Some(watch);
    view
}

fn watch(view: &mut ClusterView) -> &mut TaskWatch {
    host(view, "i-9").watch.as_mut().unwrap()
}

/// In a word, and whom or what it is about.
#[expect(clippy::wildcard_enum_match_arm, reason = "most acts are about hosts")]
fn said(act: &Act) -> String {
    let text = format!("{act:?}");
    let word = text.split([' ', '{']).next().unwrap_or_default();
    let about = match act {
        Act::Reject { group, .. } => group.to_string(),
        Act::StopTasks { tasks, .. } => tasks.iter().map(TaskArn::as_str).collect::<Vec<_>>().join(" "),
        Act::Prune { versions, .. } => versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Act::SetDefault { version, .. } => version.to_string(),
        _ => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            words.filter(|word| word.starts_with("i-")).collect::<Vec<_>>().join(" ")
        }
    };
    format!("{word} {about}")
}

fn acts(plan: &Plan) -> Vec<String> {
    plan.acts.iter().map(said).collect()
}

#[track_caller]
fn all(of: fn() -> ClusterView, rows: &[(&str, Change, &[&str])]) {
    for (what, change, expected) in rows {
        let mut view = of();
        change(&mut view);
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(acts(&plan), *expected, "{what}: {plan:#?}");
    }
}

#[test]
fn the_first_host_of_a_group_goes_alone_and_only_when_nothing_stands_against_it() {
    all(
        cluster,
        &[
            ("nobody runs the release", |_| {}, &["Claim i-1"]),
            ("ten may go", |view| web(view).policy.max_in_flight = Budget::Hosts(10), &["Claim i-1"]),
            ("paused", |view| state(view, RotationState::Paused, ago(HOUR)), &[]),
            ("held", |view| state(view, RotationState::Held, ago(HOUR)), &[]),
            ("closed", |view| state(view, RotationState::Closed, ago(HOUR)), &[]),
            ("no rotation", |view| view.rotation = None, &[]),
            ("the cluster has opted out", |view| view.opted_in = false, &[]),
            ("the group has opted out", |view| web(view).opted_out = true, &[]),
            ("a rotation of others", |view| view.scope = BTreeSet::from(["api".into()]), &[]),
            ("no launches", |view| _ = web(view).facts.suspended.insert("Launch".to_owned()), &[]),
            ("no scale-ins", |view| _ = web(view).facts.suspended.insert("Terminate".to_owned()), &["Claim i-1"]),
            ("one has not registered", |view| host(view, "i-3").container = Seen::Missing, &[]),
            ("one is desired more", |view| web(view).facts.desired = 4, &[]),
            ("one is on its way in", |view| lifecycle(view, "i-3", Lifecycle::Pending), &[]),
            ("one drains", |view| container(view, "i-3").status = ContainerInstanceStatus::Draining, &[]),
            (
                "an agent is away for a moment",
                |view| {
                    container(view, "i-3").agent_connected = false;
                    host(view, "i-3").away_since = Some(ago(299));
                },
                &["Claim i-1"],
            ),
            (
                "an agent is away",
                |view| {
                    container(view, "i-3").agent_connected = false;
                    host(view, "i-3").away_since = Some(ago(300));
                },
                &[],
            ),
            ("the group is not looked at", |view| forget(view, Look::Group("web".into())), &[]),
            ("who is ours is not looked at", |view| forget(view, Look::Ours), &[]),
            ("the tags are not looked at", |view| forget(view, Look::Cluster), &[]),
            ("a look of half a minute ago", |view| _ = view.looked.insert(Look::Cluster, ago(30)), &[]),
            (
                "the template is not looked at",
                |view| forget(view, Look::Template("lt-1".into(), VersionRule::Default)),
                &[],
            ),
            ("ECS manages the first", |view| host(view, "i-1").ec2.here_mut().unwrap().managed = true, &["Claim i-2"]),
            ("refreshes are not asked for", |view| forget(view, Look::Refreshes("web".into())), &[]),
            (
                "they were asked for nine minutes ago",
                |view| {
                    forget(view, Look::Refreshes("web".into()));
                    view.asked.insert(Look::Refreshes("web".into()), ago(540));
                },
                &["Claim i-1"],
            ),
        ],
    );
}

fn alarm(view: &mut ClusterView, in_alarm: bool, missing: bool) {
    web(view).policy.alarms.insert("errors".into());
    let state = if in_alarm { AlarmState::InAlarm } else { AlarmState::Quiet };
    let states = if missing { BTreeMap::new() } else { BTreeMap::from([("errors".into(), state)]) };
    view.others.take_alarms(&["errors".into()], &states);
}

fn refresh(view: &mut ClusterView, since: Timestamp) {
    let refresh = InstanceRefresh { id: "refresh-1".to_owned(), started: Some(since) };
    view.others.take_refreshes(&"web".into(), vec![refresh], now());
}

#[test]
fn nobody_is_taken_while_an_alarm_rings_or_an_instance_refresh_is_under_way() {
    all(
        cluster,
        &[
            ("quiet", |view| alarm(view, false, false), &["Claim i-1"]),
            ("in ALARM", |view| alarm(view, true, false), &[]),
            ("no such alarm", |view| alarm(view, false, true), &[]),
            (
                "not asked for",
                |view| {
                    alarm(view, false, false);
                    forget(view, Look::Alarm("errors".into()));
                },
                &[],
            ),
            ("a refresh", |view| refresh(view, ago(60)), &[]),
            (
                "a refresh that has ended",
                |view| {
                    refresh(view, ago(60));
                    view.others.take_refreshes(&"web".into(), Vec::new(), now());
                },
                &["Claim i-1"],
            ),
        ],
    );
}

#[test]
fn an_instance_refresh_is_a_problem_twelve_hours_after_its_start_or_after_the_rotation_goes_on() {
    let hours = |n: i64| ago(n * HOUR);
    for (started, since, held) in
        [(11, 20, false), (12, 20, true), (20, 11, false), (20, 12, true), (20, 20, true), (1, 1, false)]
    {
        let mut view = cluster();
        refresh(&mut view, hours(started));
        state(&mut view, RotationState::Open, hours(since));
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(
            (plan.problems.len(), plan.not_now.len()),
            (usize::from(held), usize::from(!held)),
            "{started} {since}"
        );
    }
}

#[test]
fn an_instance_refresh_that_has_not_started_counts_from_when_it_was_first_seen() {
    let mut view = cluster();
    state(&mut view, RotationState::Open, ago(20 * HOUR));
    let refresh = || vec![InstanceRefresh { id: "refresh-1".to_owned(), started: None }];
    view.others.take_refreshes(&"web".into(), refresh(), ago(12 * HOUR));
    view.others.take_refreshes(&"web".into(), refresh(), now());
    assert_eq!(plan(&view, &Policy::default(), now()).problems.len(), 1);
}

#[test]
fn where_refreshes_cannot_be_asked_for_they_are_asked_for_again_after_an_hour() {
    for (seconds, asks) in [(0, false), (HOUR - 1, false), (HOUR, true)] {
        let mut view = cluster();
        assert!(view.others.cannot_tell(ago(seconds)) && !view.others.cannot_tell(ago(seconds)), "told once");
        let looks = others::looks(&view, &"web".into(), &view.groups[&GroupName::from("web")], now());
        assert_eq!(looks.contains(&Look::Refreshes("web".into())), asks, "{seconds} s");
    }
}

/// `i-9` was taken ten minutes ago, and a task of it still runs.
fn one_drains(view: &mut ClusterView) {
    add_host(view, "i-9", "ami-1", ago(600 * HOUR));
    take(view, "i-9", ago(600));
    container(view, "i-9").status = ContainerInstanceStatus::Draining;
    container(view, "i-9").running_tasks = 1;
}

/// `i-4` runs the release, and has served for two hours.
fn proven() -> ClusterView {
    let mut view = cluster();
    add_member(&mut view, "i-4", "ami-2", ago(2 * HOUR));
    web(&mut view).policy.max_in_flight = Budget::Hosts(2);
    view
}

#[test]
fn when_one_has_baked_as_many_follow_as_the_budget_allows_beside_those_in_flight() {
    all(
        proven,
        &[
            ("the budget", |_| {}, &["Claim i-1 i-2"]),
            ("a share", |view| web(view).policy.max_in_flight = Budget::Percent(99), &["Claim i-1 i-2 i-3"]),
            ("it bakes", |view| web(view).policy.bake = SignedDuration::from_hours(3), &[]),
            ("it settles", |view| web(view).policy.settle = SignedDuration::from_hours(3), &[]),
            ("it has settled", |view| web(view).policy.settle = SignedDuration::from_mins(119), &["Claim i-1 i-2"]),
            (
                "it was not connected when its bake was over",
                |view| host(view, "i-4").connected = Some(ago(2 * HOUR - 300)),
                &[],
            ),
            ("one drains", one_drains, &["Claim i-1"]),
            (
                "one is refused: a problem",
                |view| {
                    add_host(view, "i-9", "ami-1", ago(600 * HOUR));
                    take(view, "i-9", ago(600));
                    let (operation, code, message) = (String::new(), String::new(), String::new());
                    host(view, "i-9").problem = Some(Refusal { operation, code, message });
                },
                &[],
            ),
            (
                "one drains, and another member is missing",
                |view| {
                    one_drains(view);
                    host(view, "i-3").container = Seen::Missing;
                },
                &[],
            ),
            (
                "one drains that was drained at once, and its place is empty",
                |view| {
                    web(view).policy.drain = DrainWhen::AtOnce;
                    one_drains(view);
                    host(view, "i-3").container = Seen::Missing;
                },
                &["Claim i-1"],
            ),
        ],
    );
    for (most, expected) in [(0, &[][..]), (1, &["Claim i-1"]), (2, &["Claim i-1 i-2"])] {
        let policy = Policy { max_in_flight_cluster: Some(most), ..Policy::default() };
        assert_eq!(acts(&plan(&proven(), &policy, now())), expected, "{most} of the cluster");
    }
}

/// One override launches from `lt-1`, and another one from `lt-2`, which is like it.
fn launches_in_two_ways(view: &mut ClusterView, written: Timestamp) {
    let default = |template: &str| TemplateSpec { template: template.into(), rule: VersionRule::Default };
    let of = |template| Override { instance_type: None, template, image: None, weight: None };
    let overrides = vec![of(None), of(Some(default("lt-2")))];
    web(view).facts.launch = Launch::Mixed { base: default("lt-1"), overrides };
    for template in ["lt-1", "lt-2"] {
        let version = TemplateVersion { template: template.into(), ..version(2, "ami-2", written) };
        view.templates.insert((template.into(), VersionRule::Default), Ok(version.clone()));
        view.templates.insert((template.into(), VersionRule::Number(2)), Ok(version));
        view.looked.insert(Look::Template(template.into(), VersionRule::Default), now());
    }
}

#[test]
fn where_a_group_launches_in_several_ways_nobody_goes_until_all_workers_see_the_same_release() {
    all(
        cluster,
        &[
            ("written a while ago", |view| launches_in_two_ways(view, ago(15)), &["Claim i-1"]),
            ("written a moment ago", |view| launches_in_two_ways(view, ago(14)), &[]),
        ],
    );
}

/// So many hosts of the release are gone, which their group has ended.
fn lose(view: &mut ClusterView, hosts: usize) {
    for id in ["i-5", "i-6", "i-7"].into_iter().take(hosts) {
        add_host(view, id, "ami-2", ago(600));
        host(view, id).ec2.here_mut().unwrap().state = InstanceState::Terminated;
        (host(view, id).container, host(view, id).of_group) = (Seen::Missing, Some("web".into()));
    }
}

#[test]
fn one_or_two_hosts_that_are_lost_are_accidents_and_three_are_the_image() {
    all(
        cluster,
        &[
            ("one", |view| lose(view, 1), &["Claim i-1"]),
            ("two", |view| lose(view, 2), &["Claim i-1"]),
            ("three", |view| lose(view, 3), &["Reject web"]),
            (
                "three, and the activities are not looked at",
                |view| {
                    lose(view, 3);
                    forget(view, Look::Activities("web".into()));
                },
                &[],
            ),
            (
                "three, and one has served",
                |view| {
                    lose(view, 3);
                    add_member(view, "i-4", "ami-2", ago(2 * HOUR));
                },
                &["Claim i-1"],
            ),
        ],
    );
}

#[test]
fn the_first_host_of_a_release_is_looked_at_again_and_again_while_its_agent_is_away() {
    for (read, looks) in [(Some(ago(29)), false), (Some(ago(30)), true), (None, true)] {
        let mut view = cluster();
        add_member(&mut view, "i-4", "ami-2", ago(150));
        container(&mut view, "i-4").agent_connected = false;
        host(&mut view, "i-4").away_since = Some(ago(60));
        forget(&mut view, Look::Host("i-4".into()));
        view.looked.extend(read.map(|at| (Look::Host("i-4".into()), at)));
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(plan.looks.contains(&Look::Host("i-4".into())), looks, "{read:?}: {plan:#?}");
        assert_eq!(acts(&plan), [] as [&str; 0]);
        assert!(looks || plan.look_again.is_some_and(|at| at <= now() + SignedDuration::from_secs(30)), "{plan:#?}");
    }
}

/// None of its tasks is to run, one has not been seen to stop, and the event that says so is lost.
#[test]
fn an_event_that_says_that_a_drain_is_over_and_is_lost_is_made_good_for_after_five_minutes() {
    for (last_look, looks) in [(299, false), (300, true)] {
        let mut view = draining();
        host(&mut view, "i-9").draining_since = Some(ago(600));
        (watch(&mut view).since, watch(&mut view).last_look) = (ago(600), ago(last_look));
        watch(&mut view).tasks.insert("t/1".into(), TaskSeen::NotStopped);
        forget(&mut view, Look::Host("i-9".into()));
        forget(&mut view, Look::Tasks("i-9".into()));
        let plan = plan(&view, &Policy::default(), now());
        let looked =
            plan.looks.iter().any(|look| matches!(look, Look::Host(id) | Look::Tasks(id) if id.as_str() == "i-9"));
        assert_eq!(looked, looks, "{last_look} s: {plan:#?}");
        assert!(looks || plan.look_again.is_some_and(|at| at <= ago(last_look - 300)), "{last_look} s: {plan:#?}");
    }
}

/// `i-1` was tagged ten seconds ago.
fn tagged() -> ClusterView {
    let mut view = cluster();
    take(&mut view, "i-1", ago(20));
    view
}

/// Tagged so long ago, in a rotation that a person has stopped since.
fn abort(view: &mut ClusterView, seconds: i64) {
    take(view, "i-1", ago(seconds));
    state(view, RotationState::Held, ago(5));
    view.hold = Some(hold::Hold::aborted());
}

#[test]
fn a_tagged_host_is_detached_while_its_tag_is_new_and_nobody_has_thought_better_of_it() {
    all(
        tagged,
        &[
            ("its tag was known to be written 15 s ago", |_| {}, &["Detach i-1"]),
            ("others may have claimed as well", |view| take(view, "i-1", ago(14)), &[]),
            ("the group was read before that", |view| _ = view.looked.insert(Look::Group("web".into()), ago(6)), &[]),
            ("who is ours was read before that", |view| _ = view.looked.insert(Look::Ours, ago(6)), &[]),
            (
                "both were read after that",
                |view| view.looked.extend([Look::Group("web".into()), Look::Ours].map(|look| (look, ago(5)))),
                &["Detach i-1"],
            ),
            (
                "more are tagged than may go: another worker has taken one as well",
                |view| take(view, "i-2", ago(20)),
                &[],
            ),
            ("more are in flight than may be", one_drains, &[]),
            ("a read does not show its tag any more", |view| host(view, "i-1").tags_read = Some(ago(5)), &[]),
            ("its tag is a minute old", |view| take(view, "i-1", ago(60)), &["Detach i-1"]),
            ("its tag is older", |view| take(view, "i-1", ago(61)), &["Claim i-1"]),
            (
                "its tag is older, and the cluster's are not looked at",
                |view| {
                    take(view, "i-1", ago(61));
                    forget(view, Look::Cluster);
                },
                &[],
            ),
            ("held", |view| state(view, RotationState::Held, ago(HOUR)), &[]),
            ("its group has opted out", |view| web(view).opted_out = true, &[]),
            ("aborted: another worker may be about to detach it", |view| abort(view, 119), &[]),
            ("aborted, and none can be any more", |view| abort(view, 120), &["LetGo i-1"]),
            (
                "aborted, and the cluster is not looked at",
                |view| {
                    abort(view, 120);
                    forget(view, Look::Cluster);
                },
                &[],
            ),
            (
                "aborted, and its tags were read before none could be",
                |view| {
                    abort(view, 125);
                    view.looked.insert(Look::Instance("i-1".into()), ago(6));
                },
                &[],
            ),
            ("no launches", |view| _ = web(view).facts.suspended.insert("Launch".to_owned()), &[]),
            ("its group ends it", |view| lifecycle(view, "i-1", Lifecycle::Terminating), &[]),
            ("its group lets go of it", |view| lifecycle(view, "i-1", Lifecycle::Detaching), &[]),
            ("it was refused", |view| host(view, "i-1").refused = Some(ago(29)), &[]),
            ("it was refused a while ago", |view| host(view, "i-1").refused = Some(ago(30)), &["Detach i-1"]),
        ],
    );
}

#[test]
fn a_host_is_drained_when_its_group_is_whole_without_it_by_a_look_of_now() {
    all(
        replaced,
        &[
            ("whole", |_| {}, &["MarkDraining i-9"]),
            ("marked", |view| host(view, "i-9").draining_since = Some(ago(59)), &["Drain i-9"]),
            ("marked long ago", |view| host(view, "i-9").draining_since = Some(ago(60)), &["MarkDraining i-9"]),
            (
                "marked once more a moment ago",
                |view| {
                    (host(view, "i-9").draining_since, host(view, "i-9").marked_again) = (Some(ago(14)), true);
                },
                &[],
            ),
            (
                "marked once more a while ago",
                |view| {
                    (host(view, "i-9").draining_since, host(view, "i-9").marked_again) = (Some(ago(15)), true);
                },
                &["Drain i-9"],
            ),
            (
                "what came had the template of before",
                |view| {
                    let in_use = version(2, "ami-2", ago(100));
                    view.templates.insert(("lt-1".into(), VersionRule::Default), Ok(in_use));
                    host(view, "i-4").ec2.here_mut().unwrap().image = "ami-1".into();
                },
                &["MarkDraining i-9"],
            ),
            ("its replacement has not registered", |view| host(view, "i-4").container = Seen::Missing, &[]),
            ("its replacement is on its way in", |view| lifecycle(view, "i-4", Lifecycle::Pending), &[]),
            (
                "its replacement has never been connected",
                |view| {
                    container(view, "i-4").agent_connected = false;
                    (host(view, "i-4").connected, host(view, "i-4").away_since) = (None, Some(ago(20)));
                },
                &[],
            ),
            ("its group has grown", |view| web(view).facts.desired = 5, &[]),
            ("its group is not looked at", |view| forget(view, Look::Group("web".into())), &[]),
            ("the tags are not looked at", |view| forget(view, Look::Cluster), &[]),
            ("held", |view| state(view, RotationState::Held, ago(HOUR)), &["MarkDraining i-9"]),
            (
                "held, and it is not looked at",
                |view| {
                    state(view, RotationState::Held, ago(HOUR));
                    forget(view, Look::Instance("i-9".into()));
                },
                &[],
            ),
            (
                "its replacement runs something else",
                |view| host(view, "i-4").ec2.here_mut().unwrap().image = "ami-3".into(),
                &[],
            ),
            (
                "drained at once",
                |view| {
                    web(view).policy.drain = DrainWhen::AtOnce;
                    web(view).facts.desired = 5;
                },
                &["MarkDraining i-9"],
            ),
        ],
    );
}

#[test]
fn a_host_is_deregistered_when_every_task_has_stopped_by_looks_of_now() {
    all(
        draining,
        &[
            ("no task was ever there", |_| {}, &["Deregister i-9"]),
            ("one stopped", |view| _ = watch(view).tasks.insert("t/1".into(), TaskSeen::Stopped), &["Deregister i-9"]),
            ("one has not", |view| _ = watch(view).tasks.insert("t/1".into(), TaskSeen::NotStopped), &[]),
            (
                "an event says that one has",
                |view| _ = watch(view).tasks.insert("t/1".into(), TaskSeen::SaidToHaveStopped),
                &[],
            ),
            ("one runs", |view| container(view, "i-9").running_tasks = 1, &[]),
            ("one is on its way", |view| container(view, "i-9").pending_tasks = 1, &[]),
            ("listed too soon after the first look", |view| watch(view).last_look = ago(46), &[]),
            ("listed soon enough", |view| watch(view).last_look = ago(45), &["Deregister i-9"]),
            ("it is not looked at", |view| forget(view, Look::Host("i-9".into())), &[]),
            ("its tasks are not looked at", |view| forget(view, Look::Tasks("i-9".into())), &[]),
            ("one was counted that nobody has seen stop", |view| watch(view).counted = Some(1), &[]),
            ("it does not drain for us", |view| host(view, "i-9").ours = None, &[]),
        ],
    );
}

/// `i-9` has no container instance any more.
fn retired() -> ClusterView {
    let mut view = replaced();
    host(&mut view, "i-9").container = Seen::Missing;
    view
}

#[test]
fn a_host_is_terminated_when_we_have_deregistered_it_or_two_looks_say_that_it_is_gone() {
    all(
        retired,
        &[
            ("by us", |view| host(view, "i-9").deregistered = true, &["Terminate i-9"]),
            (
                "by us, and not looked at",
                |view| {
                    host(view, "i-9").deregistered = true;
                    forget(view, Look::Host("i-9".into()));
                },
                &[],
            ),
            ("seen now for the first time", |view| host(view, "i-9").missing_since = Some(now()), &[]),
            ("seen a moment ago", |view| host(view, "i-9").missing_since = Some(ago(14)), &[]),
            ("seen a while ago", |view| host(view, "i-9").missing_since = Some(ago(15)), &["Terminate i-9"]),
            ("not known since when", |_| {}, &[]),
            ("still in its group", |view| web(view).facts.members[0].id = "i-9".into(), &[]),
        ],
    );
    let mut view = retired();
    host(&mut view, "i-9").missing_since = Some(now());
    let soon = now() + timing::READS_LAG;
    assert!(plan(&view, &Policy::default(), now()).look_again.is_some_and(|at| at <= soon), "the second look");
}

/// A task of a service and one of none are left on `i-9`, in a rotation of ten hours.
fn stalled(minutes: i64) -> ClusterView {
    let mut view = draining();
    state(&mut view, RotationState::Open, ago(10 * HOUR));
    container(&mut view, "i-9").running_tasks = 2;
    host(&mut view, "i-9").draining_since = Some(ago(minutes * 60));
    for (task, group) in [("t/api", "service:api"), ("t/batch", "family:batch")] {
        watch(&mut view).tasks.insert(task.into(), TaskSeen::NotStopped);
        watch(&mut view).groups.insert(task.into(), group.to_owned());
    }
    view.looked.insert(Look::Left("i-9".into()), now());
    view
}

#[test]
fn each_rung_of_the_ladder_has_its_time_and_a_host_is_forced_when_every_task_has_had_its_own() {
    let mins = SignedDuration::from_mins;
    let standalone = Ladder { stop_standalone_after: Some(mins(20)), ..Ladder::default() };
    let force = Ladder { force_after: Some(mins(70)), ..Ladder::default() };
    let told = |view: &mut ClusterView, task: &str, seconds: i64| {
        watch(view).told.insert(task.into(), ago(seconds));
    };
    for (ladder, drained, told_api, told_batch, looked, expected) in [
        (Ladder::default(), 600, None, None, true, &[][..]),
        (standalone, 19, None, None, true, &[]),
        (standalone, 20, None, None, true, &["StopTasks t/batch"]),
        (standalone, 20, None, Some(1), true, &[]),
        (standalone, 600, None, Some(9000), true, &[]),
        (force, 69, None, None, true, &[]),
        (force, 70, None, None, true, &["StopTasks t/api t/batch"]),
        (force, 80, Some(480), None, true, &["StopTasks t/batch"]),
        // Neither has begun to stop.
        (force, 90, Some(899), Some(899), true, &[]),
        (force, 90, Some(900), Some(900), true, &["Terminate i-9"]),
        (force, 90, Some(900), Some(900), false, &[]),
        // The second was told three minutes after the first.
        (force, 90, Some(1079), Some(899), true, &[]),
        (force, 90, Some(899), Some(1079), true, &[]),
    ] {
        let mut view = stalled(drained);
        web(&mut view).policy.ladder = ladder;
        told_api.into_iter().for_each(|seconds| told(&mut view, "t/api", seconds));
        told_batch.into_iter().for_each(|seconds| told(&mut view, "t/batch", seconds));
        if !looked {
            forget(&mut view, Look::Host("i-9".into()));
        }
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(acts(&plan), expected, "{ladder:?} {drained} {told_api:?} {told_batch:?} {looked}: {plan:#?}");
    }
    // Told two hours ago, a third of an hour ago, and so on: how far the two have come since.
    use model::Stopping::{Deactivating, Told};
    for (told_ago, api, batch, expected) in [
        (1800, Deactivating, Told(ago(1790)), &[][..]),
        (4499, Deactivating, Told(ago(1790)), &[]),
        (4500, Deactivating, Told(ago(1790)), &["Terminate i-9"]),
        (4500, Told(ago(599)), Told(ago(1790)), &[]),
        (1800, Told(ago(600)), Told(ago(600)), &["Terminate i-9"]),
    ] {
        let mut view = stalled(200);
        web(&mut view).policy.ladder = force;
        for (task, how_far) in [("t/api", api), ("t/batch", batch)] {
            told(&mut view, task, told_ago);
            watch(&mut view).stopping.insert(task.into(), how_far);
        }
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(acts(&plan), expected, "{told_ago} {api:?} {batch:?}: {plan:#?}");
    }
    let mut view = stalled(80);
    web(&mut view).policy.ladder = force;
    view.resumed = Some(ago(600));
    assert_eq!(acts(&plan(&view, &Policy::default(), now())), [] as [&str; 0], "a person let it go on ten minutes ago");
}

#[test]
fn a_drain_that_is_overdue_is_a_problem_whatever_else_is_done() {
    for (minutes, problems) in [(59, 0), (60, 1)] {
        let plan = plan(&stalled(minutes), &Policy::default(), now());
        assert_eq!(plan.problems.len(), problems, "{minutes} min: {:?}", plan.problems);
    }
}

/// Nobody has come for `i-9` in sixteen minutes: `i-4` was launched, and has not registered.
fn without_replacement() -> ClusterView {
    let mut view = replaced();
    take(&mut view, "i-9", ago(960));
    host(&mut view, "i-4").ec2.here_mut().unwrap().launched = ago(950);
    (host(&mut view, "i-4").container, host(&mut view, "i-4").missing_since) = (Seen::Missing, Some(ago(900)));
    (host(&mut view, "i-4").connected, host(&mut view, "i-4").arn) = (None, None);
    view
}

/// Launches from the same template.
fn add_api(view: &mut ClusterView) {
    view.belonging.insert("api".into());
    view.hooks.insert("api".into(), Vec::new());
    view.groups.insert("api".into(), GroupView::new(facts("api"), &Tags::new("t:"), &Policy::default()));
    view.looked.insert(Look::Group("api".into()), now());
}

#[test]
fn an_image_is_rejected_when_a_new_host_of_it_has_not_registered_in_time_and_nobody_runs_it() {
    all(
        without_replacement,
        &[
            ("overdue", |_| {}, &["Reject web"]),
            ("nothing is baked", |view| web(view).policy.bake = SignedDuration::ZERO, &["Reject web"]),
            ("a launching hook has it", |view| lifecycle(view, "i-4", Lifecycle::PendingWait), &[]),
            ("it is young", |view| host(view, "i-4").ec2.here_mut().unwrap().launched = ago(899), &[]),
            ("somebody has served with it", |view| add_member(view, "i-5", "ami-2", ago(2 * HOUR)), &[]),
            (
                "it was launched before the release was in use",
                |view| {
                    let in_use = version(2, "ami-2", ago(940));
                    view.templates.insert(("lt-1".into(), VersionRule::Default), Ok(in_use));
                },
                &[],
            ),
            ("another host is about to be detached", |view| take(view, "i-1", ago(900)), &["Reject web"]),
            ("the old image", |view| host(view, "i-4").ec2.here_mut().unwrap().image = "ami-1".into(), &[]),
            (
                "it is not known whether it has registered",
                |view| {
                    host(view, "i-4").container = Seen::Unknown;
                    forget(view, Look::Host("i-4".into()));
                },
                &[],
            ),
            ("its group is not looked at", |view| forget(view, Look::Group("web".into())), &[]),
            ("the cluster is not looked at: is the group still its own?", |view| forget(view, Look::Cluster), &[]),
            ("there is another group on the template", add_api, &["Reject api", "Reject web"]),
            (
                "the other has opted out",
                |view| {
                    add_api(view);
                    view.groups.get_mut(&GroupName::from("api")).unwrap().opted_out = true;
                },
                &["Reject web"],
            ),
            (
                "the other has it already",
                |view| {
                    add_api(view);
                    let api = view.groups.get_mut(&GroupName::from("api")).unwrap();
                    api.source.rejected.insert("ami-2".into());
                },
                &["Reject web"],
            ),
        ],
    );
}

/// The same, and the image has been rejected since.
fn failed() -> ClusterView {
    let mut view = without_replacement();
    web(&mut view).source.rejected.insert("ami-2".into());
    web(&mut view).rejection = Some(Rejection { at: ago(30), why: "ami-2 failed".to_owned() });
    view
}

#[test]
fn what_failed_is_put_back_and_a_host_of_before_goes_back_to_its_group() {
    all(
        failed,
        &[
            ("it runs what was before", |_| {}, &["GiveBack i-9 i-4", "SetDefault 1"]),
            (
                "it runs what failed",
                |view| host(view, "i-9").ec2.here_mut().unwrap().image = "ami-2".into(),
                &["SetDefault 1"],
            ),
            ("its group has opted out", |view| web(view).opted_out = true, &[]),
            ("what was before is no more", |view| _ = view.images.insert("ami-1".into(), Seen::Missing), &[]),
            (
                "what was before cannot be launched",
                |view| {
                    view.images.get_mut(&AmiId::from("ami-1")).unwrap().here_mut().unwrap().state =
                        "disabled".to_owned()
                },
                &["GiveBack i-9 i-4"],
            ),
            ("its group is not looked at", |view| forget(view, Look::Group("web".into())), &[]),
            (
                "it was taken after that",
                |view| web(view).rejection = Some(Rejection { at: ago(961), why: String::new() }),
                &["SetDefault 1"],
            ),
            ("the rotation has closed", |view| state(view, RotationState::Closed, ago(5)), &["GiveBack i-9 i-4"]),
            ("a group of a fixed size", |view| (web(view).facts.min, web(view).facts.max) = (4, 4), &["SetDefault 1"]),
            (
                "two hosts, and one that can go in their stead",
                |view| {
                    add_host(view, "i-8", "ami-1", ago(600 * HOUR));
                    take(view, "i-8", ago(960));
                },
                &["GiveBack i-8 i-4", "SetDefault 1"],
            ),
        ],
    );
    let mut view = failed();
    view.images.insert("ami-1".into(), Seen::Missing);
    assert!(plan(&view, &Policy::default(), now()).unresolved.contains_key(&GroupName::from("web")), "and says why");
}

/// `i-9` goes back, and `i-4`, which never registered, goes in its stead.
fn returning() -> ClusterView {
    let mut view = without_replacement();
    let give_back = GiveBack { at: ago(60), desired: 4, instead: Some("i-4".into()) };
    (host(&mut view, "i-9").give_back, host(&mut view, "i-9").activated) = (Some(give_back), true);
    view
}

fn attach(view: &mut ClusterView) {
    let member =
        Member { id: "i-9".into(), zone: "a".into(), lifecycle: Lifecycle::InService, weight: None, image: None };
    web(view).facts.members.push(member);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_host_on_its_way_back_is_attached_and_one_goes_in_its_stead_so_that_as_many_are_desired_as_before() {
    all(
        returning,
        &[
            ("out of its group", |_| {}, &["Attach i-9"]),
            ("decided a moment ago", |view| host(view, "i-9").give_back.as_mut().unwrap().at = ago(14), &[]),
            ("not said to be ACTIVE yet", |view| host(view, "i-9").activated = false, &["Activate i-9"]),
            (
                "it drains after all",
                |view| container(view, "i-9").status = ContainerInstanceStatus::Draining,
                &["Activate i-9"],
            ),
            ("its group is full", |view| web(view).facts.max = 4, &["End i-4"]),
            ("its group is not looked at", |view| forget(view, Look::Group("web".into())), &[]),
            (
                "attached: one more is desired",
                |view| {
                    attach(view);
                    web(view).facts.desired = 5;
                },
                &["End i-4"],
            ),
            (
                "attached, and the other may still register",
                |view| {
                    attach(view);
                    web(view).facts.desired = 5;
                    host(view, "i-4").ec2.here_mut().unwrap().launched = ago(899);
                },
                &[],
            ),
            (
                "attached, and the other was first missed ten seconds ago",
                |view| {
                    attach(view);
                    web(view).facts.desired = 5;
                    host(view, "i-4").missing_since = Some(ago(10));
                },
                &[],
            ),
            (
                "attached, and the other has registered",
                |view| {
                    attach(view);
                    web(view).facts.desired = 5;
                    add_host(view, "i-4", "ami-2", ago(90));
                },
                &["Claim i-4"],
            ),
            (
                "attached a moment ago, and the other is gone",
                |view| {
                    attach(view);
                    web(view).facts.members.retain(|member| member.id.as_str() != "i-4");
                    host(view, "i-9").attached = Some(ago(29));
                },
                &[],
            ),
            // Another worker has taken one out already.
            ("attached, and as many are desired as before", attach, &["LetGo i-9"]),
            (
                "attached, and the other is gone",
                |view| {
                    attach(view);
                    web(view).facts.members.retain(|member| member.id.as_str() != "i-4");
                },
                &["LetGo i-9"],
            ),
            (
                "attached, and not looked at",
                |view| {
                    attach(view);
                    forget(view, Look::Host("i-9".into()));
                },
                &[],
            ),
            (
                "the other is gone, and not for it",
                |view| web(view).facts.members.retain(|member| member.id.as_str() != "i-4"),
                &["Keep i-9"],
            ),
            (
                "the other was taken out for it",
                |view| {
                    web(view).facts.members.retain(|member| member.id.as_str() != "i-4");
                    web(view).facts.desired = 3;
                },
                &["Attach i-9"],
            ),
            ("its group has opted out", |view| web(view).opted_out = true, &[]),
        ],
    );
}

/// All are current, by versions 2 to 8 of ours; the last is in use.
fn done() -> ClusterView {
    let mut view = cluster();
    state(&mut view, RotationState::Open, ago(5 * HOUR));
    for id in ["i-1", "i-2", "i-3"] {
        host(&mut view, id).ec2.here_mut().unwrap().image = "ami-2".into();
    }
    let versions = (1..=8).map(|number| version(number, "ami-2", ago(4 * HOUR)));
    view.versions.insert("lt-1".into(), versions.collect());
    view.templates.insert(("lt-1".into(), VersionRule::Default), Ok(version(8, "ami-2", ago(4 * HOUR))));
    view.anywhere = Some(Anywhere::default());
    view
}

fn pin(view: &mut ClusterView, template: &str, number: u64) {
    let spec = TemplateSpec { template: template.into(), rule: VersionRule::Number(number) };
    view.anywhere.get_or_insert_default().named.insert(spec);
}

#[test]
fn of_our_versions_only_those_are_deleted_that_nobody_can_be_using() {
    let rows: &[(&str, Change, &[&str])] = &[
        ("all but the newest two", |_| {}, &["Prune 6 5 4 3 2"]),
        (
            "one is the default",
            |view| view.versions.get_mut(&TemplateId::from("lt-1")).unwrap()[3].is_default = true,
            &["Prune 6 5 3 2"],
        ),
        ("one is pinned", |view| pin(view, "lt-1", 5), &["Prune 6 4 3 2"]),
        ("one is pinned by a template's name", |view| pin(view, "hosts", 5), &["Prune 6 4 3 2"]),
        ("one of another template is", |view| pin(view, "lt-2", 5), &["Prune 6 5 4 3 2"]),
        (
            "a group launches in a way that cannot be read",
            |view| view.anywhere.get_or_insert_default().unclear = Some("odd".into()),
            &[],
        ),
        ("nobody knows what others launch", |view| view.anywhere = None, &[]),
        ("they may not be deleted", |view| _ = view.unprunable.insert("lt-1".into()), &[]),
        ("this rotation has made none", |view| state(view, RotationState::Open, ago(4 * HOUR - 1)), &[]),
        ("one is outdated", |view| host(view, "i-1").ec2.here_mut().unwrap().image = "ami-1".into(), &["Claim i-1"]),
    ];
    for (what, change, expected) in rows {
        let mut view = done();
        change(&mut view);
        let plan = plan(&view, &Policy { keep_versions: 2, ..Policy::default() }, now());
        assert_eq!(acts(&plan), *expected, "{what}: {plan:#?}");
    }
}

#[test]
fn a_rotation_is_complete_when_nothing_is_left_to_do_and_every_group_is_whole() {
    let rows: &[(&str, Change, bool)] = &[
        ("all current", |_| {}, true),
        ("opened less than a minute ago", |view| state(view, RotationState::Open, ago(59)), false),
        ("not everything was looked at", |view| forget(view, Look::ContainerInstances), false),
        ("one is missing", |view| web(view).facts.desired = 4, false),
        ("one is outdated", |view| host(view, "i-1").ec2.here_mut().unwrap().image = "ami-1".into(), false),
        (
            "one is in flight",
            |view| {
                add_host(view, "i-9", "ami-1", ago(600 * HOUR));
                take(view, "i-9", ago(60));
                container(view, "i-9").status = ContainerInstanceStatus::Draining;
            },
            false,
        ),
        ("paused", |view| state(view, RotationState::Paused, ago(5 * HOUR)), false),
    ];
    for (what, change, complete) in rows {
        let mut view = done();
        view.unprunable.insert("lt-1".into());
        change(&mut view);
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(plan.complete, *complete, "{what}: {plan:#?}");
    }
}

/// Why the last launch of the group failed, after `i-9` was taken: no replacement is waited for where none will come.
#[test]
fn a_launch_that_failed_ends_the_wait_where_trying_again_does_not_help() {
    for (message, started, acts_expected, problems) in [
        ("We currently do not have sufficient m7i.large capacity", 60, &[][..], 0),
        ("The key pair 'hosts' does not exist", 60, &[], 1),
        ("The key pair 'hosts' does not exist", 200, &[], 0),
        ("The image id '[ami-2]' does not exist", 60, &["Reject web"], 0),
    ] {
        let mut view = without_replacement();
        take(&mut view, "i-9", ago(180));
        web(&mut view).facts.members.retain(|member| member.id.as_str() != "i-4");
        let said = message.to_owned();
        let status = ActivityStatus::Failed;
        let list = vec![Activity { started: ago(started), launch: true, status, instance: None, message: said }];
        web(&mut view).activities = Some(model::Activities { read: Some(now()), list });
        let plan = plan(&view, &Policy::default(), now());
        assert_eq!(acts(&plan), acts_expected, "{message}: {plan:#?}");
        assert_eq!(plan.problems.len(), problems, "{message}: {plan:#?}");
    }
}

/// The parameter names `ami-3`, which is newer.
fn newer() -> ClusterView {
    let mut view = cluster();
    view.parameters.get_mut(&ParameterName::from("/p")).unwrap().as_mut().unwrap().value = "ami-3".to_owned();
    view.made.insert(("lt-1".into(), "ami-3".into()), Vec::new());
    view
}

fn third(view: &mut ClusterView) -> &mut Image {
    view.images.get_mut(&AmiId::from("ami-3")).unwrap().here_mut().unwrap()
}

#[test]
fn an_image_that_fits_and_is_to_be_taken_is_written_and_any_other_is_not() {
    all(
        newer,
        &[
            ("newer", |_| {}, &["MakeVersion "]),
            (
                "written already",
                |view| {
                    let made = vec![version(3, "ami-3", ago(60))];
                    view.made.insert(("lt-1".into(), "ami-3".into()), made);
                },
                &["SetDefault 3"],
            ),
            ("not known whether it is written", |view| view.made.clear(), &[]),
            ("the parameter is not looked at", |view| forget(view, Look::Parameter("/p".into())), &[]),
            ("nobody knows who else launches from the template", |view| forget(view, Look::Everybody), &[]),
            // The image in use stays the release.
            ("rejected", |view| _ = web(view).source.rejected.insert("ami-3".into()), &["Claim i-1"]),
            ("deprecated", |view| third(view).deprecated = Some(now()), &["Claim i-1"]),
            (
                "deprecated later",
                |view| third(view).deprecated = Some(now() + SignedDuration::from_secs(1)),
                &["MakeVersion "],
            ),
            ("older", |view| third(view).created = Some(ago(6 * HOUR)), &["Claim i-1"]),
            (
                "older, and that is allowed",
                |view| {
                    third(view).created = Some(ago(6 * HOUR));
                    web(view).policy.allow_older = true;
                },
                &["MakeVersion "],
            ),
            ("too young", |view| web(view).policy.min_ami_age = SignedDuration::from_hours(4), &["Claim i-1"]),
            ("old enough", |view| web(view).policy.min_ami_age = SignedDuration::from_hours(3), &["MakeVersion "]),
            ("not available", |view| third(view).state = "pending".to_owned(), &["Claim i-1"]),
            // The group is left as it is.
            ("for another architecture", |view| third(view).architecture = "arm64".to_owned(), &[]),
            ("for Windows", |view| third(view).windows = true, &[]),
            ("it does not exist", |view| _ = view.images.insert("ami-3".into(), Seen::Missing), &[]),
            (
                "a group that has opted out is moved by it",
                |view| {
                    add_api(view);
                    view.groups.get_mut(&GroupName::from("api")).unwrap().opted_out = true;
                },
                &[],
            ),
            (
                "a group of no cluster is moved by it",
                |view| {
                    let spec = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default };
                    let strangers = BTreeMap::from([("else".into(), BTreeSet::from([spec]))]);
                    view.anywhere = Some(Anywhere { strangers, ..Anywhere::default() });
                },
                &[],
            ),
            (
                "a group of no cluster pins a number",
                |view| {
                    let spec = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Number(1) };
                    let strangers = BTreeMap::from([("else".into(), BTreeSet::from([spec]))]);
                    view.anywhere = Some(Anywhere { strangers, ..Anywhere::default() });
                },
                &["MakeVersion "],
            ),
        ],
    );
}
