//! The driver without a worker: a rotation by hand, so that what the other tests rely on is known to work, and a bad one, so
//! that what they trust the driver to see is known to be seen.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{RequestLaunchTemplateData, Tag};
use aws_sdk_ecs::types::ContainerInstanceStatus;

use crate::account::{Account, CLUSTER, HOSTS_PER_GROUP};
use crate::driver::TASKS_PER_HOST;
use crate::look::Host;
use crate::scene::{EMPTY, QUEUE_RULES, SOON, Scene, image_of};

const WORKERS: &[&crate::worker::Worker] = &[];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_driver_plays_what_the_emulator_does_not() {
    let Some(scene) = Scene::open("driver", &QUEUE_RULES).await else { return };
    let account = scene.account.clone();
    assert_eq!(account.hosts().await.len(), 2 * HOSTS_PER_GROUP, "every member of a group is registered");
    let host = a_host_of(&account, "web").await;
    assert_eq!(host.image, account.old_image, "a container instance tells its image");
    assert_eq!(account.running_tasks(&host.arn).await, TASKS_PER_HOST);

    release_by_hand(&account).await;
    tag(&account, &host.machine).await;
    detach(&account, "web", &host.machine).await;
    let whole = async || whole_again(&account).await.then_some(());
    scene.wait("replacement that runs the new image", SOON, WORKERS, whole).await;
    assert_eq!(account.running_tasks(&host.arn).await, TASKS_PER_HOST, "tasks stay until their host drains");

    drain(&account, &host.arn).await;
    let empty = async || (account.running_tasks(&host.arn).await == 0).then_some(());
    scene.wait("host without tasks", SOON, WORKERS, empty).await;
    deregister(&account, &host.arn, false).await;
    terminate(&account, &host.machine).await;
    let noticed = async || scene.driver.record().terminated.contains(&host.machine).then_some(());
    scene.wait("record of the end of the host", SOON, WORKERS, noticed).await;

    assert_eq!(account.depth(&account.dead_letters).await, EMPTY);
    let record = scene.driver.stop().await;
    assert!(record.violations.is_empty(), "{:#?}", record.violations);
    assert_eq!(record.most_in_flight, BTreeMap::from([("web".to_owned(), 1)]));
    assert!(record.in_flight.is_empty(), "a terminated host is not in flight");
    assert_eq!(record.fewest_active["web"], HOSTS_PER_GROUP, "the replacement served before the host was drained");
    assert_eq!(record.tasks_moved, TASKS_PER_HOST);
    assert_eq!(record.deregistered, BTreeMap::from([(host.arn.clone(), host.machine.clone())]));
    assert!(record.left_registered.is_empty());
    let kept: usize = { tasks_of_all(&account).await };
    assert_eq!(kept, 2 * HOSTS_PER_GROUP * TASKS_PER_HOST, "no task was lost");
    assert_story(&account, &host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_driver_sees_what_must_never_happen() {
    let Some(scene) = Scene::open("offences", &QUEUE_RULES).await else { return };
    let account = scene.account.clone();
    let (untagged, killed, cut_off) =
        (a_host_of(&account, "api").await, a_host_of(&account, "web").await, another_host_of(&account, "web").await);

    detach(&account, "api", &untagged.machine).await;
    terminate(&account, &killed.machine).await;
    tag(&account, &cut_off.machine).await;
    deregister(&account, &cut_off.arn, true).await;

    let seen = async |what: &str| scene.driver.record().violations.iter().any(|v| v.contains(what)).then_some(());
    for offence in [
        format!("{} left the group api without a tag", untagged.machine),
        format!("{} was terminated while", killed.arn),
        format!("{} was deregistered while", cut_off.arn),
    ] {
        scene.wait(&offence, SOON, WORKERS, async || seen(&offence).await).await;
    }
    let record = scene.driver.stop().await;
    assert!(record.left_registered.contains(&killed.arn), "nobody deregistered the host that was terminated");
    assert!(record.fewest_active["web"] < HOSTS_PER_GROUP, "web was short of hosts");
}

/// The events of one rotation, in order, as EventBridge would have delivered them.
async fn assert_story(account: &Account, host: &Host) {
    let bodies = account.take_all(&account.queue).await;
    let events: Vec<serde_json::Value> =
        bodies.iter().map(|body| serde_json::from_str(body).expect("an event is JSON")).collect();
    let of_host = |kind: &'static str| events.iter().filter(move |e| e["detail-type"] == kind);
    let statuses: Vec<_> = of_host("ECS Container Instance State Change")
        .filter(|event| event["detail"]["containerInstanceArn"] == *host.arn)
        .map(|event| (event["detail"]["status"].clone(), event["detail"]["version"].clone()))
        .collect();
    let expected = [("ACTIVE", 1), ("DRAINING", 2), ("INACTIVE", 3)];
    assert_eq!(statuses, expected.map(|(status, version)| (status.into(), version.into())));
    let stopped = of_host("ECS Task State Change").filter(|e| e["detail"]["containerInstanceArn"] == *host.arn);
    assert_eq!(stopped.count(), TASKS_PER_HOST);
    let gone =
        of_host("EC2 Instance State-change Notification").filter(|e| e["detail"]["instance-id"] == *host.machine);
    assert_eq!(gone.count(), 1);
    assert!(events.iter().all(|e| e["account"] == "123456789012" && e["region"] == "eu-west-1" && e["id"].is_string()));
}

async fn whole_again(account: &Account) -> bool {
    let members = &account.members().await["web"];
    let hosts = account.hosts().await;
    let serves = |id: &String| hosts.values().any(|host| host.machine == *id && host.status == "ACTIVE");
    let new = hosts.values().any(|host| members.contains(&host.machine) && host.image == account.new_image);
    members.len() == HOSTS_PER_GROUP && members.iter().all(serves) && new
}

/// A version with the new image, and the group pinned to it.
async fn release_by_hand(account: &Account) {
    let template = &account.templates["web"];
    let data = RequestLaunchTemplateData::builder().image_id(&account.new_image).build();
    let request = account.ec2.create_launch_template_version().launch_template_id(template).source_version("1");
    request.launch_template_data(data).send().await.expect("the version is created");
    assert_eq!(image_of(&account.versions("web").await[1]), account.new_image);
    let spec =
        aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_id(template).version("2");
    let request =
        account.autoscaling.update_auto_scaling_group().auto_scaling_group_name("web").launch_template(spec.build());
    request.send().await.expect("the group is pinned");
    assert_eq!(account.version_rule("web").await, "2");
}

async fn a_host_of(account: &Account, group: &str) -> Host {
    host_number(account, group, 0).await
}

async fn another_host_of(account: &Account, group: &str) -> Host {
    host_number(account, group, 1).await
}

async fn host_number(account: &Account, group: &str, number: usize) -> Host {
    let id = &account.members().await[group][number];
    account.hosts().await.into_values().find(|host| host.machine == *id).expect("the member is registered")
}

async fn tasks_of_all(account: &Account) -> usize {
    let mut count = 0;
    for arn in account.hosts().await.keys() {
        count += account.running_tasks(arn).await;
    }
    count
}

async fn tag(account: &Account, machine: &str) {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let request = account.ec2.create_tags().resources(machine).tags(tag("ecs-rotator:rotation", "prod/by-hand"));
    request.tags(tag("ecs-rotator:group", "web")).send().await.expect("the instance is tagged");
}

async fn detach(account: &Account, group: &str, machine: &str) {
    let request = account.autoscaling.detach_instances().auto_scaling_group_name(group).instance_ids(machine);
    request.should_decrement_desired_capacity(false).send().await.expect("the instance is detached");
}

async fn drain(account: &Account, host: &str) {
    let request = account.ecs.update_container_instances_state().cluster(CLUSTER).container_instances(host);
    request.status(ContainerInstanceStatus::Draining).send().await.expect("the host drains");
}

async fn deregister(account: &Account, host: &str, force: bool) {
    let request = account.ecs.deregister_container_instance().cluster(CLUSTER).container_instance(host).force(force);
    request.send().await.expect("the host is deregistered");
}

async fn terminate(account: &Account, machine: &str) {
    account.ec2.terminate_instances().instance_ids(machine).send().await.expect("the instance is terminated");
}
