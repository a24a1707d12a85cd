//! A check that cannot fail is a defect: here each promise is broken by hand, and seen to be broken.

use crate::effect::{Launch, Request, TemplateSpec, VersionRule};
use crate::engine::{Mode, Settings};
use crate::id::GroupName;
use crate::plan::policy::{Budget, Policy};
use crate::sim::faults::Faults;
use crate::sim::scenario::{Act, GroupShape, OTHER, Scenario, TemplateShape};
use crate::sim::world::hand::{GROUP, release_image, released, secs};
use crate::sim::world::{World, cluster_arn};

fn quiet() -> Scenario {
    let policy = Policy { max_in_flight: Budget::Hosts(2), ..Policy::default() };
    let faults = Faults { agent_drops_per_hour: 0.0, ..Faults::none() };
    let scenario = Scenario::new(7).hosts(4).tasks_per_host(4).faults(faults);
    scenario.settings(Settings { policy, ..Settings::default() })
}

fn detached(world: &mut World, index: usize) -> crate::sim::world::HostNo {
    let host = world.nth_host(index).unwrap();
    world.tag_host(host);
    world.detach_host(host).unwrap();
    world.until(30, "left", |world| world.has_left(host));
    host
}

fn take(world: &mut World, index: usize) {
    let host = world.nth_host(index).unwrap();
    world.tag_host(host);
    world.detach_host(host).unwrap();
}

#[test]
fn promise_1_terminating_a_host_with_tasks_interrupts_them() {
    let mut world = released(quiet());
    let host = detached(&mut world, 0);
    world.until(300, "whole", World::is_whole);
    world.terminate_host(host).unwrap();
    assert_eq!(world.promises_broken(), [1]);
    assert!(world.ledger.tasks_interrupted >= 4);
}

#[test]
fn promise_1_deregistering_is_too_early_while_tasks_are_deactivating() {
    let mut world = released(quiet());
    let host = detached(&mut world, 0);
    world.until(300, "whole", World::is_whole);
    world.drain_host(host);
    world.until(3000, "not wanted", |world| world.account.tasks_on(host).all(|(_, task)| !task.is_wanted()));
    assert!(!world.is_empty_host(host));
    world.deregister_host(host).unwrap();
    assert_eq!(world.promises_broken(), [1]);
}

#[test]
fn promise_1_a_death_is_not_the_workers_doing() {
    let mut world = released(quiet());
    world.act(Act::HostDies(0));
    let host = world.hosts_by_age();
    world.advance(secs(5));
    assert_eq!(world.ledger.violations, []);
    assert!(world.ledger.tasks_lost_by_others > 0 && host.len() == 3);
}

#[test]
fn promise_2_a_third_host_in_flight_is_one_too_many() {
    let mut world = released(quiet());
    for index in 0..2 {
        take(&mut world, index);
    }
    assert_eq!(world.ledger.violations, []);
    world.tag_host(world.nth_host(2).unwrap());
    assert_eq!(world.ledger.violations, [], "a claim alone harms nobody");
    world.detach_host(world.nth_host(2).unwrap()).unwrap();
    assert_eq!(world.promises_broken(), [2]);
    assert_eq!(world.ledger.max_in_flight_seen, 3);
}

#[test]
fn promise_2_a_group_can_have_a_budget_of_its_own() {
    let shape = GroupShape::new(GROUP, 4).tag("max-in-flight", "1");
    let mut world = released(quiet().groups(vec![shape]));
    for index in 0..2 {
        take(&mut world, index);
    }
    assert_eq!(world.promises_broken(), [2]);
}

#[test]
fn promise_2_the_cluster_can_have_a_budget_too() {
    let mut scenario = quiet();
    scenario.settings.policy.max_in_flight_cluster = Some(1);
    let mut world = released(scenario);
    for index in 0..2 {
        take(&mut world, index);
    }
    assert_eq!(world.promises_broken(), [2]);
}

#[test]
fn promise_3_a_drain_before_the_group_is_whole_takes_capacity() {
    let mut world = released(quiet());
    let host = detached(&mut world, 0);
    world.drain_host(host);
    assert_eq!(world.promises_broken(), [3]);
}

#[test]
fn promise_3_two_drains_on_one_replacement_take_capacity() {
    let mut world = released(quiet());
    let (first, second) = (detached(&mut world, 0), detached(&mut world, 1));
    world.until(300, "one registered", |world| world.serving(&GroupName::from(GROUP)) == 5);
    world.drain_host(first);
    assert_eq!(world.ledger.violations, []);
    world.drain_host(second);
    assert_eq!(world.promises_broken(), [3]);
}

#[test]
fn promise_3_a_host_that_just_died_is_excused_and_one_that_died_long_ago_is_not() {
    for (wait, broken) in [(1, &[][..]), (200, &[3])] {
        let mut world = released(quiet());
        let host = detached(&mut world, 0);
        world.until(300, "whole", World::is_whole);
        world.act(Act::SuspendLaunches { group: GROUP.to_owned() });
        let other = world.hosts_by_age().iter().position(|no| *no != host).unwrap();
        world.act(Act::HostDies(other));
        world.advance(secs(wait));
        world.drain_host(host);
        assert_eq!(world.promises_broken(), broken, "{wait} s");
    }
}

#[test]
fn promise_4_a_detached_host_that_is_left_behind_is_an_orphan() {
    let mut world = released(quiet());
    let host = detached(&mut world, 0);
    world.tag_demo(&[("rotation", "demo/1 held now"), ("hold", "i-0ffff waits for a person")]);
    world.check_end();
    assert_eq!(world.promises_broken(), [4]);
    world.ledger.violations.clear();
    let reason = format!("{} waits for a person", host.instance());
    world.tag_demo(&[("hold", reason.as_str())]);
    world.check_end();
    assert_eq!(world.promises_broken(), [] as [u8; 0], "a hold names it");
}

#[test]
fn promise_4_a_detach_without_a_tag_would_leave_an_orphan() {
    let mut world = released(quiet());
    let host = world.nth_host(0).unwrap();
    world.detach_host(host).unwrap();
    assert_eq!(world.promises_broken(), [4]);
}

#[test]
fn promise_5_a_cluster_that_has_not_opted_in_is_not_touched() {
    let mut world = released(quiet());
    let cluster = cluster_arn(OTHER);
    let host = *world.account.hosts.iter().find(|(_, host)| host.cluster == cluster).unwrap().0;
    world.tag_host(host);
    assert_eq!(world.promises_broken()[0], 5);
    let tags = std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    world.ok(&Request::TagResource { cluster, tags });
    assert_eq!(world.ledger.violations.last().unwrap().promise, 5);
    let template =
        world.account.groups[&GroupName::from("other-asg")].launch.templates().first().unwrap().template.clone();
    world.ok(&Request::ModifyLaunchTemplate { template, default_version: 1 });
    assert_eq!(world.promises_broken(), [5, 5, 5]);
}

#[test]
fn promise_5_a_group_that_has_opted_out_is_not_touched() {
    let mut world = released(quiet().groups(vec![GroupShape::new(GROUP, 4).disabled()]));
    world.tag_host(world.nth_host(0).unwrap());
    assert_eq!(world.promises_broken(), [5]);
}

#[test]
fn promise_5_a_group_that_opts_out_or_leaves_its_cluster_is_not_touched_once_that_can_be_known() {
    let group = || GROUP.to_owned();
    for (act, known_after) in [(Act::OptOut { group: group() }, 101), (Act::Leave { group: group() }, 451)] {
        // The tag; and the detach, which is about the host and about its group.
        for (wait, broken) in [(known_after - 2, &[][..]), (known_after, &[5, 5, 5])] {
            let mut world = released(quiet());
            let (ours, other) = (detached(&mut world, 0), world.nth_host(1).unwrap());
            world.until(300, "whole", World::is_whole);
            world.act(act.clone());
            world.advance(secs(wait));
            // Who has left it before goes its way.
            world.drain_host(ours);
            assert_eq!(world.ledger.violations, [], "{act:?} {wait} s");
            world.tag_host(other);
            world.detach_host(other).unwrap();
            let promises = world.promises_broken().into_iter().filter(|promise| *promise == 5);
            assert_eq!(promises.collect::<Vec<_>>(), broken, "{act:?} {wait} s");
        }
    }
}

#[test]
fn promise_5_a_host_that_a_person_set_aside_is_not_touched_once_it_can_be_known() {
    for (wait, broken) in [(1, &[][..]), (200, &[5])] {
        let mut world = released(quiet());
        let host = world.nth_host(0).unwrap();
        world.act(Act::Drain(0));
        world.advance(secs(wait));
        world.tag_host(host);
        assert_eq!(world.promises_broken(), broken, "{wait} s");
    }
}

#[test]
fn promise_6_a_second_version_for_the_same_image_is_one_too_many() {
    let mut world = released(quiet());
    world.new_version(&release_image(), "token").unwrap();
    world.new_version(&release_image(), "token").unwrap();
    assert_eq!(world.ledger.violations, [], "the same token costs nothing");
    world.new_version(&release_image(), "another").unwrap();
    assert_eq!(world.promises_broken(), [6]);
}

#[test]
fn promise_6_a_version_that_loses_a_data_volume_or_keeps_the_root_of_the_old_image_differs_in_more_than_the_image() {
    let shape = GroupShape::new(GROUP, 4).root_snapshot();
    for (root, data, broken) in [(false, true, &[][..]), (true, true, &[6]), (false, false, &[6]), (true, false, &[6])]
    {
        let mut world = released(quiet().groups(vec![shape.clone()]));
        let template = world.group_now().launch.templates().first().unwrap().template.clone();
        let mut block_devices = world.account.templates[&template].versions[0].block_devices.clone();
        for (device, kept) in block_devices.iter_mut().zip([root, data]) {
            device.snapshot = device.snapshot.take().filter(|_| kept);
        }
        world.ok(&Request::CreateLaunchTemplateVersion {
            template,
            source: 1,
            image: release_image(),
            block_devices,
            description: "by test".to_owned(),
            client_token: "token".to_owned(),
        });
        assert_eq!(world.promises_broken(), broken, "root {root} data {data}");
    }
}

#[test]
fn promise_5_only_old_versions_of_ours_that_nobody_uses_may_be_deleted() {
    for (version, broken) in [(1, &[5][..]), (2, &[]), (3, &[5]), (4, &[5])] {
        let shapes = vec![GroupShape::new(GROUP, 4), GroupShape::new("other-too", 0)];
        let mut world = released(quiet().groups(shapes));
        let template = world.group_now().launch.templates().first().unwrap().template.clone();
        for token in ["a", "b", "c"] {
            world.new_version(&release_image(), token).unwrap();
        }
        let spec = TemplateSpec { template: template.clone(), rule: VersionRule::Number(3) };
        world.edit_group(&"other-too".into(), |group| group.launch = Launch::Template(spec));
        world.edit_templates(|templates| templates.get_mut(&template).unwrap().default = 2);
        world.ledger.violations.clear();
        if version == 2 {
            world.edit_templates(|templates| templates.get_mut(&template).unwrap().default = 1);
        }
        let request = Request::DeleteLaunchTemplateVersions { template, versions: vec![version] };
        world.ok(&request);
        assert_eq!(world.promises_broken(), broken, "{version}");
    }
}

#[test]
fn promise_5_a_parameter_is_written_only_where_a_group_that_reads_it_says_so() {
    let by_parameter = TemplateShape::ReleaseByParameter { checked: false };
    let shapes = vec![
        GroupShape::new(GROUP, 2).template(by_parameter),
        GroupShape::new("reads-asg", 1).template(TemplateShape::Resolves),
        GroupShape::new("out-asg", 1).template(by_parameter).disabled(),
    ];
    for (name, broken) in [("/hosts/demo-asg", &[][..]), ("/images/ecs-host", &[5]), ("/hosts/out-asg", &[5])] {
        let mut world = released(quiet().groups(shapes.clone()));
        let data_type = Some("text".to_owned());
        world.ok(&Request::PutParameter { name: name.into(), image: release_image(), data_type });
        assert_eq!(world.promises_broken(), broken, "{name}");
    }
}

#[test]
fn promise_10_a_rejected_image_is_neither_written_nor_launched() {
    let shape = GroupShape::new(GROUP, 4).tag("rejected", release_image().as_str());
    let mut world = released(quiet().groups(vec![shape.clone()]));
    world.new_version(&release_image(), "token").unwrap();
    assert_eq!(world.promises_broken(), [10, 10], "it was made for nobody else, and is in use at once");
    let host = world.nth_host(0).unwrap();
    world.advance(secs(300));
    world.tag_host(host);
    world.ledger.violations.clear();
    world.detach_host(host).unwrap();
    assert_eq!(world.promises_broken(), [10]);

    let by_parameter = shape.template(TemplateShape::ReleaseByParameter { checked: false });
    let mut world = released(quiet().groups(vec![by_parameter]));
    let data_type = Some("text".to_owned());
    world.ok(&Request::PutParameter { name: "/hosts/demo-asg".into(), image: release_image(), data_type });
    assert_eq!(world.promises_broken(), [10]);
}

#[test]
fn promise_11_a_worker_that_only_observes_makes_no_call_that_changes_anything() {
    let tags = || std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    for (mode, request, broken) in [
        (Mode::Observe, Request::TagResource { cluster: cluster_arn("demo"), tags: tags() }, &[11][..]),
        (Mode::Observe, Request::TerminateInstances { instances: Vec::new() }, &[11]),
        (Mode::Rotate, Request::TagResource { cluster: cluster_arn("demo"), tags: tags() }, &[]),
        (Mode::Observe, Request::PutEvents { bus: "default".into(), notices: Vec::new() }, &[]),
        (Mode::Observe, Request::DeleteMessageBatch { receipts: Vec::new() }, &[]),
        (Mode::Observe, Request::LocateSelf, &[]),
    ] {
        let mut world = World::new(&quiet());
        world.check_mode(mode, &request);
        assert_eq!(world.promises_broken(), broken, "{mode} {request:?}");
    }
}

#[test]
fn promise_7_an_image_that_is_not_to_be_taken_is_no_release() {
    let young = GroupShape::new(GROUP, 2).tag("min-ami-age", "60d");
    for shape in [young, GroupShape::new(GROUP, 2).tag("rejected", release_image().as_str())] {
        let mut world = released(quiet().groups(vec![shape]));
        world.advance(secs(300));
        assert_eq!(world.outdated(), []);
        world.tag_host(world.nth_host(0).unwrap());
        assert_eq!(world.promises_broken(), [7]);
    }
}

#[test]
fn promise_7_a_rotation_that_neither_closes_nor_holds_does_not_end() {
    let mut world = released(quiet());
    world.check_end();
    assert_eq!(world.promises_broken(), [7], "never opened");
    world.tag_demo(&[("rotation", "demo/1 open now")]);
    world.check_end();
    assert_eq!(world.promises_broken(), [7, 7]);
    world.tag_demo(&[("rotation", "demo/1 held now")]);
    world.check_end();
    assert_eq!(world.promises_broken(), [7, 7, 7], "without a reason");
}

#[test]
fn promise_7_closed_means_that_no_outdated_host_is_left() {
    let mut world = released(quiet());
    world.advance(secs(300));
    world.tag_demo(&[("rotation", "demo/1 closed now")]);
    assert_eq!(world.promises_broken(), [7; 4]);
}

#[test]
fn promise_7_a_current_host_is_taken_only_when_it_is_forced() {
    let mut world = World::new(&quiet());
    world.advance(secs(300));
    world.tag_host(world.nth_host(0).unwrap());
    assert_eq!(world.promises_broken(), [7]);
    let before = world.now().to_string();
    world.tag_demo(&[("rotate-before", before.as_str())]);
    world.tag_host(world.nth_host(1).unwrap());
    assert_eq!(world.promises_broken(), [7]);
}

/// Puts our tags on the next `count` hosts of the second of two clusters, and detaches them.
fn take_in_second(world: &mut World, count: usize) -> Vec<crate::sim::world::HostNo> {
    let (group, cluster) = (GroupName::from("demo-2-demo-asg"), cluster_arn("demo-2"));
    let serves = |host: &crate::sim::world::Host| host.member == Some(crate::effect::Lifecycle::InService);
    let members = world.account.members_of(&group).filter(|(_, host)| serves(host));
    let hosts: Vec<_> = members.map(|(no, _)| no).take(count).collect();
    for no in &hosts {
        assert_eq!(world.account.host(*no).unwrap().cluster, cluster);
        let tags = [("rotation", "demo-2/20260114T030000Z"), ("group", group.as_str())];
        let tags = tags.map(|(key, value)| (format!("ecs-rotator:{key}"), value.to_owned()));
        world.ok(&Request::CreateTags { instances: vec![no.instance()], tags: tags.into() });
        let instances = vec![no.instance()];
        world.ok(&Request::DetachInstances { group: group.clone(), instances, decrement: false });
    }
    hosts
}

#[test]
fn of_several_clusters_each_has_the_promises_of_its_own() {
    let two = || quiet().clusters(2);
    let mut world = released(two());
    for index in [0, 1] {
        let host = world.account.members_of(&GroupName::from(GROUP)).nth(index).unwrap().0;
        world.tag_host(host);
        world.detach_host(host).unwrap();
    }
    take_in_second(&mut world, 2);
    assert_eq!(world.ledger.violations, [], "two are in flight in each");
    take_in_second(&mut world, 1);
    assert_eq!(world.promises_broken(), [2]);

    let mut scenario = two();
    scenario.settings.policy.max_in_flight_cluster = Some(1);
    let mut world = released(scenario);
    let host = world.account.members_of(&GroupName::from(GROUP)).next().unwrap().0;
    world.tag_host(host);
    world.detach_host(host).unwrap();
    take_in_second(&mut world, 1);
    assert_eq!(world.ledger.violations, [], "one is in flight in each");
    take_in_second(&mut world, 1);
    assert_eq!(world.promises_broken(), [2]);

    let mut world = released(two());
    let host = take_in_second(&mut world, 1)[0];
    world.advance(secs(15));
    let cluster = cluster_arn("demo-2");
    let status = crate::effect::ContainerInstanceStatus::Draining;
    let arns = vec![host.agent(&cluster)];
    world.ok(&Request::UpdateContainerInstancesState { cluster, arns, status });
    assert_eq!(world.promises_broken(), [3]);
}

#[test]
fn of_several_clusters_all_are_to_come_to_an_end() {
    let mut world = released(quiet().clusters(2));
    world.advance(secs(2 * 3600));
    let tag = |name: &str, value: &str| Request::TagResource {
        cluster: cluster_arn(name),
        tags: [("ecs-rotator:rotation".to_owned(), value.to_owned())].into(),
    };
    world.ok(&tag("demo", "demo/1 open now"));
    world.ok(&tag("demo-2", "demo-2/1 closed now"));
    assert_eq!(world.promises_broken(), [7, 7, 7, 7], "its four hosts are outdated, and the other's are not asked for");
    assert_eq!(world.ledger.closed, None);
    world.check_end();
    assert_eq!(world.promises_broken().len(), 4 + 1 + 4, "one is still open, and nobody goes on in the other");
}
