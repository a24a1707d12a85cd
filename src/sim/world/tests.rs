//! The physics, without an engine: each test is one sentence about what AWS does.

use std::collections::BTreeMap;

use super::hand::{GROUP, release_image, released, secs};
use super::{HostNo, Owner, World, cluster_arn};
use crate::effect::{
    ContainerInstanceStatus, DesiredStatus, FailureKind, InstanceFilter, InstanceState, LaunchChange, Lifecycle, Reply,
    Request, TaskStatus, VersionRule,
};
use crate::id::{GroupName, InstanceId, Zone};
use crate::sim::chance::Delay;
use crate::sim::faults::Faults;
use crate::sim::scenario::{Act, CLUSTER, GroupShape, Scenario, ServiceShape, TemplateShape};
use crate::sim::timeline::By;

fn quiet() -> Scenario {
    Scenario::new(7).hosts(3).tasks_per_host(4).faults(Faults { agent_drops_per_hour: 0.0, ..Faults::none() })
}

#[test]
fn a_detach_keeps_the_desired_capacity_and_brings_a_replacement_on_the_image_that_is_in_use_then() {
    let mut world = released(quiet());
    let host = world.nth_host(0).unwrap();
    world.new_version(&release_image(), "token").unwrap();
    world.tag_host(host);
    world.detach_host(host).unwrap();
    assert!(world.group_now().members.iter().any(|member| member.lifecycle == Lifecycle::Detaching));
    world.until(30, "left", |world| world.has_left(host));
    assert!(!world.instance_now(host).tags.contains_key("aws:autoscaling:groupName"));
    world.until(200, "whole", World::is_whole);
    assert_eq!(world.group_now().desired, 3);
    let newest = *world.hosts_by_age().last().unwrap();
    assert_eq!(world.agent_now(newest).unwrap().image, Some(release_image()));
    assert_eq!(world.hosts_by_age().len(), 4, "the old host still runs");
    assert_eq!(world.agent_now(host).unwrap().status, ContainerInstanceStatus::Active);
    assert_eq!(world.detach_host(host), Ok(Reply::Done), "detached already is done");
}

#[test]
fn a_launch_follows_the_rule_of_its_group() {
    for (rule, in_use_at_once) in
        [(VersionRule::Latest, true), (VersionRule::Default, false), (VersionRule::Number(1), false)]
    {
        let shape = GroupShape::new(GROUP, 2).template(TemplateShape::Rule { rule, mixed: false });
        let mut world = released(quiet().groups(vec![shape]));
        let Ok(Reply::TemplateVersion(made)) = world.new_version(&release_image(), "token") else { panic!() };
        let image = |world: &World| world.account.image_to_launch(&world.account.groups[&GroupName::from(GROUP)], 0);
        assert_eq!(image(&world) == Some(release_image()), in_use_at_once, "{rule}");
        match rule {
            VersionRule::Latest => {}
            VersionRule::Default => {
                let request = Request::ModifyLaunchTemplate { template: made.template, default_version: made.number };
                world.ok(&request);
            }
            VersionRule::Number(_) => {
                let (group, template) = (GroupName::from(GROUP), made.template);
                let change = LaunchChange::Version { template, from: 1, to: made.number };
                let pin = Request::UpdateAutoScalingGroup { group, mixed: false, change };
                world.ok(&pin);
            }
        }
        assert_eq!(image(&world), Some(release_image()), "{rule}");
    }
    let shape = GroupShape::new(GROUP, 2).template(TemplateShape::Resolves);
    let world = released(quiet().groups(vec![shape]));
    let group = &world.account.groups[&GroupName::from(GROUP)];
    assert_eq!(world.account.image_to_launch(group, 0), Some(release_image()), "nothing to write");
}

#[test]
fn the_same_client_token_gives_the_same_version() {
    let mut world = released(quiet());
    let first = world.new_version(&release_image(), "token").unwrap();
    assert_eq!(world.new_version(&release_image(), "token").unwrap(), first);
    assert_ne!(world.new_version(&release_image(), "other").unwrap(), first);
}

#[test]
fn a_drain_moves_tasks_within_what_their_services_allow() {
    let services = vec![ServiceShape::new("whole", 6, 100, 200), ServiceShape::new("half", 6, 50, 100)];
    let mut scenario = quiet().services(services);
    scenario.standalone_tasks = 0;
    let mut world = released(scenario);
    let host = world.nth_host(0).unwrap();
    world.drain_host(host);
    for _ in 0..600 {
        world.advance(secs(1));
        assert!(world.running_tasks(0) >= 6, "minimum 100 %");
        assert!(world.running_tasks(1) >= 3, "minimum 50 %");
        for (service, most) in [(0, 12), (1, 6)] {
            let of_it = world.account.tasks.values().filter(|task| task.owner == Owner::Service(service));
            assert!(of_it.filter(|task| task.is_wanted()).count() <= most, "maximum");
        }
    }
    assert!(world.is_empty_host(host));
    assert_eq!((world.running_tasks(0), world.running_tasks(1)), (6, 6));
    assert!(world.ledger.tasks_drained >= 4);
}

/// How many of a service's tasks run in each zone.
fn zones_of(world: &World, service: usize) -> Vec<usize> {
    let mut zones: BTreeMap<&Zone, usize> = BTreeMap::new();
    for (no, host) in world.account.hosts.iter() {
        let tasks = world.account.tasks_on(*no).filter(|(_, task)| task.owner == Owner::Service(service));
        *zones.entry(&host.zone).or_default() += tasks.filter(|(_, task)| task.is_wanted()).count();
    }
    zones.into_values().collect()
}

/// Both hosts of a zone are drained, and take tasks again: their service stands unevenly.
fn uneven(service: ServiceShape) -> World {
    let mut scenario = quiet().services(vec![service]);
    (scenario.standalone_tasks, scenario.slots_per_host) = (0, 12);
    let mut world = released(scenario);
    let zone = world.account.hosts[&world.nth_host(0).unwrap()].zone.clone();
    let home = cluster_arn(CLUSTER);
    let at_home = world.account.hosts_in(&home);
    let hosts: Vec<HostNo> = at_home.filter(|(_, host)| host.zone == zone).map(|(no, _)| no).collect();
    for host in &hosts {
        world.drain_host(*host);
    }
    world.until(1200, "empty", |world| hosts.iter().all(|host| world.is_empty_host(*host)));
    for host in hosts {
        world.change_status(host, ContainerInstanceStatus::Active, By::Person);
    }
    assert!(zones_of(&world, 0).contains(&0), "{:?}", zones_of(&world, 0));
    world
}

#[test]
fn a_service_that_stands_unevenly_over_the_zones_is_rebalanced_and_always_runs_as_many_as_desired() {
    let mut world = uneven(ServiceShape::new("web", 9, 100, 200));
    for _ in 0..1200 {
        world.advance(secs(1));
        assert!(world.running_tasks(0) >= 9, "minimum 100 %");
    }
    assert_eq!((zones_of(&world, 0), world.running_tasks(0)), (vec![3, 3, 3], 9));
    assert_eq!(world.ledger.moves.rebalanced, 3);
}

#[test]
fn a_service_that_may_not_start_one_more_is_not_rebalanced() {
    let mut world = uneven(ServiceShape::new("web", 9, 50, 100));
    world.advance(secs(3600));
    assert!(zones_of(&world, 0).contains(&0) && world.ledger.moves.rebalanced == 0, "{:?}", zones_of(&world, 0));
}

#[test]
fn a_service_that_rounding_leaves_no_room_never_leaves_its_host() {
    for (minimum, maximum) in [(100, 100), (100, 150), (50, 100)] {
        let mut world = released(quiet().services(vec![ServiceShape::new("one", 1, minimum, maximum)]));
        let at = world.account.tasks.iter().find(|(_, task)| task.owner == Owner::Service(0)).unwrap().0.host;
        world.drain_host(at);
        world.advance(secs(3600));
        assert!(!world.is_empty_host(at), "{minimum}/{maximum}");
    }
}

#[test]
fn the_daemon_of_a_draining_host_stops_after_the_others() {
    let mut scenario = quiet();
    scenario.standalone_tasks = 0;
    let mut world = released(scenario);
    let host = world.nth_host(1).unwrap();
    let daemon = world.account.services.iter().position(|service| service.daemon).unwrap();
    world.drain_host(host);
    world.until(1200, "daemon stops", |world| {
        world.account.tasks_on(host).any(|(_, task)| task.owner == Owner::Service(daemon) && !task.is_wanted())
    });
    let others = world.account.tasks_on(host).filter(|(_, task)| task.owner != Owner::Service(daemon));
    assert!(others.map(|(_, task)| task).all(super::Task::is_over));
}

#[test]
fn the_running_count_is_zero_while_tasks_are_still_deactivating() {
    let mut service = ServiceShape::new("web", 6, 100, 200);
    service.deregistration = Delay::secs(300, 300);
    let mut scenario = quiet().services(vec![service]);
    (scenario.standalone_tasks, scenario.daemon) = (0, false);
    let mut world = released(scenario);
    let host = world.nth_host(0).unwrap();
    world.drain_host(host);
    world.until(200, "count", |world| world.account.tasks_on(host).all(|(_, task)| !task.is_wanted()));
    let described = world.agent_now(host).unwrap();
    assert_eq!((described.running_tasks, described.pending_tasks), (0, 0));
    let cluster = cluster_arn(CLUSTER);
    let stopped = Request::ListTasks {
        cluster: cluster.clone(),
        container_instance: Some(host.agent(&cluster)),
        desired: DesiredStatus::Stopped,
        page: None,
    };
    let Reply::TaskArns { arns, .. } = world.ok(&stopped) else { panic!() };
    let Reply::Tasks { tasks, .. } = world.ok(&Request::DescribeTasks { cluster, arns }) else { panic!() };
    assert!(!tasks.is_empty() && tasks.iter().all(|task| task.last == TaskStatus::Deactivating), "{tasks:?}");
    world.advance(secs(340));
    assert!(world.is_empty_host(host));
}

#[test]
fn standalone_tasks_do_not_care_about_a_drain_and_end_by_themselves() {
    let mut scenario = quiet();
    (scenario.standalone_tasks, scenario.standalone_lasts) = (6, Delay::secs(4000, 5000));
    let mut world = released(scenario);
    let with_one = world.account.tasks.iter().find(|(_, task)| task.owner == Owner::Standalone).unwrap().0.host;
    world.drain_host(with_one);
    world.advance(secs(3000));
    assert!(!world.is_empty_host(with_one));
    world.advance(secs(2000));
    assert!(world.is_empty_host(with_one));
}

#[test]
fn deregistering_is_refused_while_tasks_are_wanted_and_then_leaves_an_inactive_instance_for_an_hour() {
    let mut world = released(quiet());
    let host = world.nth_host(0).unwrap();
    let refused = world.deregister_host(host).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (FailureKind::Refused, "InvalidParameterException"));
    world.drain_host(host);
    world.until(3000, "empty", |world| world.is_empty_host(host));
    world.deregister_host(host).unwrap();
    assert_eq!(world.agent_now(host).unwrap().status, ContainerInstanceStatus::Inactive);
    assert_eq!(world.listed().len(), 2, "not listed");
    assert_eq!(world.deregister_host(host), Ok(Reply::Done), "already so");
    let Reply::ContainerInstances { failures, .. } = world.drain_host(host) else { panic!() };
    assert_eq!(failures[0].reason, "INACTIVE");
    world.advance(secs(3700));
    assert_eq!(world.agent_now(host).unwrap_err(), "MISSING");
}

#[test]
fn one_unknown_instance_fails_the_whole_call() {
    let mut world = released(quiet());
    let instances = vec![world.id(0), InstanceId::from("i-00000000000000000")];
    let terminate = Request::TerminateInstances { instances: instances.clone() };
    assert_eq!(world.perform(&terminate).unwrap_err().kind, FailureKind::NotFound);
    let tag = Request::CreateTags { instances, tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]) };
    assert_eq!(world.perform(&tag).unwrap_err().code, "InvalidInstanceID.NotFound");
    let host = world.nth_host(0).unwrap();
    assert_eq!(world.instance_now(host).state, InstanceState::Running);
}

#[test]
fn a_cluster_tag_that_ecs_would_refuse_is_refused() {
    let mut world = released(quiet());
    for value in ["x".repeat(257), "50 % (half)".to_owned(), "a, b".to_owned()] {
        let tags = BTreeMap::from([("ecs-rotator:hold".to_owned(), value.clone())]);
        let refused = world.perform(&Request::TagResource { cluster: cluster_arn(CLUSTER), tags }).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Refused, "{value}");
    }
    world.tag_demo(&[("hold", "i-0123 waits - see arn:aws:ecs @ 2026-01-14T03:00:00Z")]);
}

#[test]
fn a_host_that_dies_is_noticed_and_replaced_and_its_tasks_run_elsewhere() {
    let mut world = released(quiet());
    let host = world.nth_host(0).unwrap();
    world.act(Act::HostDies(0));
    assert!(!world.is_whole());
    assert_eq!(world.agent_now(host).unwrap().status, ContainerInstanceStatus::Active, "ECS has not noticed");
    world.until(300, "whole", World::is_whole);
    assert_eq!(world.agent_now(host).unwrap().status, ContainerInstanceStatus::Inactive);
    world.advance(secs(120));
    let wanted: usize = world.account.services.iter().take(3).map(|service| service.desired).sum();
    assert_eq!((0..3).map(|service| world.running_tasks(service)).sum::<usize>(), wanted);
    assert!(world.ledger.tasks_lost_by_others > 0);
    assert!(world.ledger.violations.is_empty());
}

#[test]
fn nothing_is_launched_while_launches_are_suspended() {
    let mut world = released(quiet());
    let host = world.nth_host(0).unwrap();
    world.act(Act::SuspendLaunches { group: GROUP.to_owned() });
    world.tag_host(host);
    world.detach_host(host).unwrap();
    world.advance(secs(600));
    assert_eq!(world.group_now().members.len(), 2);
    world.act(Act::ResumeLaunches { group: GROUP.to_owned() });
    world.until(200, "whole", World::is_whole);
}

#[test]
fn pages_hold_what_the_scenario_says_and_no_item_is_lost_between_them() {
    let mut scenario = quiet().hosts(5);
    scenario.page_size = 2;
    let mut world = World::new(&scenario);
    let (mut ids, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let filter = InstanceFilter::MembersOf(vec![GroupName::from(GROUP)]);
        let request = Request::DescribeInstances { filter, page };
        let Reply::Instances { instances, next } = world.ok(&request) else { panic!() };
        assert!(instances.len() <= 2);
        ids.extend(instances.into_iter().map(|instance| instance.id));
        (page, pages) = (next, pages + 1);
        if page.is_none() {
            break;
        }
    }
    assert_eq!((ids.len(), pages), (5, 3));
}

#[test]
fn a_batch_that_is_too_long_is_refused() {
    let mut world = World::new(&quiet());
    let cluster = cluster_arn(CLUSTER);
    let arn = world.nth_host(0).unwrap().agent(&cluster);
    let request = Request::UpdateContainerInstancesState {
        cluster,
        arns: vec![arn; 11],
        status: ContainerInstanceStatus::Draining,
    };
    assert_eq!(world.perform(&request).unwrap_err().code, "ValidationError");
}

#[test]
fn a_stale_read_shows_the_past() {
    let faults = Faults { stale_reads: 1.0, agent_drops_per_hour: 0.0, ..Faults::none() };
    let mut world = released(quiet().faults(faults));
    let host = world.nth_host(0).unwrap();
    world.tag_host(host);
    world.advance(secs(3));
    world.act(Act::Drain(0));
    world.advance(secs(2));
    let cluster = cluster_arn(CLUSTER);
    let request = Request::DescribeContainerInstances { arns: vec![host.agent(&cluster)], cluster };
    let mut status = |age| {
        let Ok(Reply::ContainerInstances { instances, .. }) = world.perform_aged(&request, secs(age)) else { panic!() };
        instances[0].status
    };
    assert_eq!(status(0), ContainerInstanceStatus::Draining);
    assert_eq!(status(1), ContainerInstanceStatus::Draining);
    assert_eq!(status(3), ContainerInstanceStatus::Active);
    let filter = InstanceFilter::Tagged { key: "ecs-rotator:rotation".to_owned(), pattern: "demo/*".to_owned() };
    let request = Request::DescribeInstances { filter, page: None };
    let mut tagged = |age| {
        let Ok(Reply::Instances { instances, .. }) = world.perform_aged(&request, secs(age)) else { panic!() };
        instances.len()
    };
    assert_eq!((tagged(4), tagged(6)), (1, 0));
}

#[test]
fn events_arrive_in_their_envelopes_and_those_of_the_other_cluster_with_them() {
    let mut world = released(quiet());
    world.act(Act::Terminate(0));
    world.advance(secs(900));
    let mut seen = BTreeMap::new();
    loop {
        let receive = Request::ReceiveMessage { wait_seconds: 0, visibility_seconds: 9999 };
        let Reply::Messages(messages) = world.ok(&receive) else { panic!() };
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            let kind = body["detail-type"].as_str().or(body["action"].as_str()).unwrap().to_owned();
            let cluster = body["detail"]["clusterArn"].as_str().unwrap_or_default().to_owned();
            assert!(kind != "ECS Task State Change" || body["detail"]["lastStatus"] == "STOPPED");
            *seen.entry((kind, cluster)).or_insert(0) += 1;
        }
    }
    for (kind, cluster) in [
        ("Parameter Store Change", ""),
        ("EC2 Instance State-change Notification", ""),
        ("ECS Container Instance State Change", "arn:aws:ecs:eu-west-1:123456789012:cluster/demo"),
        ("ECS Container Instance State Change", "arn:aws:ecs:eu-west-1:123456789012:cluster/other"),
        ("ECS Task State Change", "arn:aws:ecs:eu-west-1:123456789012:cluster/demo"),
    ] {
        assert!(seen.contains_key(&(kind.to_owned(), cluster.to_owned())), "{kind} {cluster}: {seen:?}");
    }
}

#[test]
fn a_whole_rotation_by_hand_keeps_every_promise_and_the_same_seed_repeats_it() {
    let rotate = |seed| {
        let mut scenario = quiet();
        scenario.seed = seed;
        let mut world = released(scenario);
        world.tag_demo(&[("rotation", "demo/20260114T031000Z open 2026-01-14T03:10:00Z")]);
        world.new_version(&release_image(), "token").unwrap();
        for host in world.hosts_by_age() {
            world.rotate_by_hand(host);
        }
        world.tag_demo(&[("rotation", "demo/20260114T031000Z closed 2026-01-14T05:10:00Z")]);
        world.check_end();
        assert_eq!(world.ledger.violations, []);
        assert_eq!((world.ledger.rotated, world.ledger.max_in_flight_seen), (3, 1));
        assert_eq!(world.ledger.tasks_interrupted, 0);
        world.timeline
    };
    assert_eq!(rotate(1), rotate(1));
    assert_ne!(rotate(1), rotate(2));
}
