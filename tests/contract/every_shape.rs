//! One rotation over a cluster that has a group of every shape that moto holds.
//!
//! What moto does not hold, and the simulation shows (`tests/shapes.rs`, `tests/scenarios.rs`):
//! - it launches the base of a policy only. So each policy has an override that leaves the template to the base, and the host
//!   that an override's own template would have launched is launched by hand and attached. In its place comes one of the base,
//!   which runs an image of the group's too;
//! - it launches no template that reads a parameter (`resolve:ssm:`): `troubles` has one without hosts;
//! - a new version is what its request says, and nothing of the version it is made from. So what is seen of block devices is
//!   what was asked for;
//! - it deletes no versions: nothing is pruned here.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::types as ec2;
use aws_sdk_ssm::types::ParameterType;
use serde_json::Value;

use crate::account::{Account, CLUSTER, PARAMETER};
use crate::build::CONFIGURATION;
use crate::calls::{assert_order, assert_restraint};
use crate::emulators::Emulators;
use crate::forecast::{groups, plan};
use crate::scene::{EMPTY, QUEUE_RULES, ROTATED_WITHIN, SOON, Scene, TestDirectory, image_of};
use crate::worker::Worker;

/// Each with a template of the same name, except those that say otherwise.
const ONE_HOST: [&str; 7] = ["latest", "default", "pinned", "policy", "image", "needs", "one"];
/// Shares the template of `one`.
const OTHER: &str = "other";
/// A host of the base and one of its override.
const ARMS: &str = "arms";
/// With a launch configuration.
const OLD: &str = "old";
const BY_ARCHITECTURE: &str = "/golden/{arch}/al2023";
const OLD_ARM: &str = "al2023-ami-ecs-hvm-2023.0.20260615-kernel-6.1-arm64";
const NEW_ARM: &str = "al2023-ami-ecs-hvm-2023.0.20260813-kernel-6.1-arm64";
/// Of a draft that nobody has made the default.
const DRAFT: &str = "al2023-ami-ecs-hvm-2023.0.20260714-kernel-6.1-x86_64";

/// The images beside the account's own.
struct Images {
    old_arm: String,
    new_arm: String,
    draft: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_of_template_gets_its_release_in_the_one_way_that_suits_it_and_once() {
    let dir = TestDirectory::open("shapes");
    let Some(emulators) = Emulators::start(&dir.path) else { return };
    let mut account = Account::empty(&emulators, &QUEUE_RULES).await;
    let images = Images::find(&account).await;
    let snapshot = create(&mut account, &images).await;
    let scene = Scene::play(dir, emulators, account).await;
    let account = scene.account.clone();
    release(&account, &images).await;
    assert_planned(&scene).await;

    let worker = scene.worker("worker", &[]);
    let rotate = format!(r#"{{"action":"rotate","cluster":"{CLUSTER}"}}"#);
    account.send(&rotate).await;
    let under_way = async || (!scene.driver.record().in_flight.is_empty()).then_some(());
    scene.wait("host in flight", ROTATED_WITHIN, &[&worker], under_way).await;
    account.send(&rotate).await;
    scene.closed(&[&worker]).await;
    assert_written(&account, &images, &snapshot).await;
    assert_rotated(&scene, &worker).await;

    assert_asked_again(&scene, &worker, &rotate).await;
    assert_written(&account, &images, &snapshot).await;
    assert!(!worker.log().contains("ERROR"), "an ERROR in the log:\n{}", worker.tail());
}

impl Images {
    async fn find(account: &Account) -> Images {
        Images {
            old_arm: account.image_named(OLD_ARM).await,
            new_arm: account.image_named(NEW_ARM).await,
            draft: account.image_named(DRAFT).await,
        }
    }
}

async fn release(account: &Account, images: &Images) {
    account.point_parameter_at(&account.new_image).await;
    account.put_parameter("/golden/x86_64/al2023", &account.new_image, ParameterType::String).await;
    account.put_parameter("/golden/arm64/al2023", &images.new_arm, ParameterType::String).await;
}

/// The snapshot of the data volume of `pinned`.
async fn create(account: &mut Account, images: &Images) -> String {
    account.put_parameter("/golden/x86_64/al2023", &account.old_image, ParameterType::String).await;
    account.put_parameter("/golden/arm64/al2023", &images.old_arm, ParameterType::String).await;
    let snapshot = create_snapshot(account).await;
    for template in ONE_HOST.into_iter().chain([ARMS]) {
        let mut data = account.data(&account.old_image);
        if template == "pinned" {
            data = data.block_device_mappings(root(account).await).block_device_mappings(volume(&snapshot));
        }
        account.create_template(template, data.build()).await;
    }
    for template in ["arm-pinned", "arm-default"] {
        let data = account.data(&images.old_arm).instance_type(ec2::InstanceType::M7gLarge).build();
        account.create_template(template, data).await;
    }
    let draft = account.data(&images.draft).build();
    let made = account.ec2.create_launch_template_version().launch_template_id(&account.templates["default"]);
    made.launch_template_data(draft).version_description("a draft").send().await.expect("the draft is made");

    for (group, template, version) in [
        ("latest", "latest", "$Latest"),
        ("default", "default", "$Default"),
        ("pinned", "pinned", "1"),
        ("one", "one", "$Default"),
        (OTHER, "one", "1"),
    ] {
        let made = account.group(group, 1).launch_template(account.spec(template, version));
        made.send().await.expect("the group is created");
    }
    create_policies(account, images).await;
    account.create_configured_group(OLD, 1).await;
    let mut sizes: BTreeMap<&str, usize> = ONE_HOST.into_iter().chain([OTHER, OLD]).map(|group| (group, 1)).collect();
    sizes.insert(ARMS, 2);
    for group in sizes.keys() {
        let parameter = if *group == ARMS { BY_ARCHITECTURE } else { PARAMETER };
        account.tag_group(group, "ecs-rotator:ami-parameter", parameter).await;
    }
    account.create_cluster(&sizes.into_iter().collect::<Vec<_>>()).await;
    snapshot
}

async fn create_policies(account: &Account, images: &Images) {
    let of = |kind: &str| asg::LaunchTemplateOverrides::builder().instance_type(kind);
    let cpus = asg::VCpuCountRequest::builder().min(2).build();
    let memory = asg::MemoryMiBRequest::builder().min(8192).build();
    let needs = asg::InstanceRequirements::builder().v_cpu_count(cpus).memory_mib(memory).build();
    for (group, version, overrides) in [
        ("policy", "1", vec![of("m5.large"), of("m6i.large")]),
        ("image", "$Default", vec![of("m5.large"), of("m6i.large").image_id(&account.old_image)]),
        ("needs", "$Default", vec![asg::LaunchTemplateOverrides::builder().instance_requirements(needs)]),
        (
            ARMS,
            "1",
            vec![
                of("m5.large"),
                of("m7g.large").launch_template_specification(account.spec("arm-pinned", "1")),
                of("m7g.xlarge").launch_template_specification(account.spec("arm-default", "$Default")),
            ],
        ),
    ] {
        let overrides = overrides.into_iter().map(asg::builders::LaunchTemplateOverridesBuilder::build).collect();
        let template = asg::LaunchTemplate::builder().launch_template_specification(account.spec(group, version));
        let template = template.set_overrides(Some(overrides)).build();
        let policy = asg::MixedInstancesPolicy::builder().launch_template(template).build();
        account.group(group, 1).mixed_instances_policy(policy).send().await.expect("the group is created");
    }
    let arm = account.ec2.run_instances().image_id(&images.old_arm).instance_type(ec2::InstanceType::M7gLarge);
    let arm = arm.min_count(1).max_count(1).send().await.expect("an instance is launched");
    let arm = arm.instances()[0].instance_id().expect("an instance has an id").to_owned();
    let attach = account.autoscaling.attach_instances().auto_scaling_group_name(ARMS).instance_ids(arm);
    attach.send().await.expect("the instance is attached");
}

async fn create_snapshot(account: &Account) -> String {
    let volume = account.ec2.create_volume().availability_zone("eu-west-1a").size(8).send().await;
    let volume = volume.expect("the volume is created").volume_id.expect("a volume has an id");
    let made = account.ec2.create_snapshot().volume_id(volume).send().await.expect("the snapshot is made");
    made.snapshot_id.expect("a snapshot has an id")
}

/// As the console writes it: with the snapshot of the old image.
async fn root(account: &Account) -> ec2::LaunchTemplateBlockDeviceMappingRequest {
    let image =
        account.ec2.describe_images().image_ids(&account.old_image).send().await.expect("the image is described");
    let of_image = image.images()[0].block_device_mappings()[0].ebs().and_then(|ebs| ebs.snapshot_id());
    let ebs = ec2::LaunchTemplateEbsBlockDeviceRequest::builder()
        .snapshot_id(of_image.expect("an image has a snapshot"))
        .volume_size(30)
        .volume_type(ec2::VolumeType::Gp3)
        .delete_on_termination(true);
    ec2::LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/xvda").ebs(ebs.build()).build()
}

fn volume(snapshot: &str) -> ec2::LaunchTemplateBlockDeviceMappingRequest {
    let ebs = ec2::LaunchTemplateEbsBlockDeviceRequest::builder().snapshot_id(snapshot).volume_size(8);
    ec2::LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/xvdf").ebs(ebs.build()).build()
}

/// What is to be written is told beforehand.
async fn assert_planned(scene: &Scene) {
    let (account, flags) = (&scene.account, ["--cluster", CLUSTER, "--json", "--quick"]);
    let report = plan(&scene.emulators, &scene.dir, &flags).await.json(2);
    let made =
        |template: &str, image: &str| format!("a version of {} like 1 with {image}", account.templates[template]);
    let new = &account.new_image;
    let arm = account.image_named(NEW_ARM).await;
    let told = groups(&report);
    for (group, rules, writes) in [
        ("latest", vec!["$Latest (1)"], vec![made("latest", new)]),
        ("default", vec!["$Default (1)"], vec![made("default", new) + ", as its default"]),
        ("pinned", vec!["1 (pinned)"], vec![made("pinned", new) + ", and the group's pin on it"]),
        ("policy", vec!["1 (pinned)"], vec![made("policy", new) + ", and the group's pin on it"]),
        (
            "image",
            vec!["$Default (1)", "override"],
            vec![made("image", new) + ", as its default", format!("{new} in the group's override")],
        ),
        ("needs", vec!["$Default (1)"], vec![made("needs", new) + ", as its default"]),
        ("one", vec!["$Default (1)"], vec![made("one", new) + ", as its default"]),
        (OTHER, vec!["1 (pinned)"], vec![made("one", new) + ", and the group's pin on it"]),
        (
            ARMS,
            vec!["$Default (1)", "1 (pinned)", "1 (pinned)"],
            vec![
                made(ARMS, new) + ", and the group's pin on it",
                made("arm-pinned", &arm) + ", and the group's pin on it",
                made("arm-default", &arm) + ", as its default",
            ],
        ),
    ] {
        let texts = |list: &Value, of: &dyn Fn(&Value) -> String| {
            let mut texts: Vec<String> = list.as_array().expect("a list").iter().map(of).collect();
            texts.sort();
            texts
        };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        let rules = sorted(rules.into_iter().map(str::to_owned).collect());
        assert_eq!(texts(&told[group]["launches"], &|launch| text(&launch["rule"])), rules, "{group}");
        assert_eq!(texts(&told[group]["writes"], &text), sorted(writes), "{group}");
        assert_eq!(told[group]["status"], "due", "{group}");
    }
    assert_eq!((&told[OLD]["status"], &told[OLD]["writes"]), (&"unresolved".into(), &Vec::<Value>::new().into()));
    let said = plan(&scene.emulators, &scene.dir, &["--cluster", CLUSTER, "--quick"]).await;
    said.text(2);
}

/// What each group launches from, and what each template has become.
async fn assert_written(account: &Account, images: &Images, snapshot: &str) {
    let (old, new) = (account.old_image.as_str(), account.new_image.as_str());
    for (group, launch) in [
        ("latest", vec!["latest $Latest"]),
        ("default", vec!["default $Default"]),
        ("pinned", vec!["pinned 2"]),
        ("policy", vec!["policy 2"]),
        ("image", vec!["image $Default", new]),
        ("needs", vec!["needs $Default"]),
        ("one", vec!["one $Default"]),
        (OTHER, vec!["one 2"]),
        (ARMS, vec!["arms 2", "arm-pinned 2", "arm-default $Default"]),
    ] {
        assert_eq!(account.launch(group).await, launch, "{group}");
    }
    let (old_arm, new_arm) = (images.old_arm.as_str(), images.new_arm.as_str());
    for (template, images, default) in [
        ("latest", vec![old, new], 1),
        // The draft is not the source, and stays one.
        ("default", vec![old, &images.draft, new], 3),
        ("pinned", vec![old, new], 1),
        ("policy", vec![old, new], 1),
        ("image", vec![old, new], 2),
        ("needs", vec![old, new], 2),
        ("one", vec![old, new], 2),
        (ARMS, vec![old, new], 1),
        ("arm-pinned", vec![old_arm, new_arm], 1),
        ("arm-default", vec![old_arm, new_arm], 2),
    ] {
        let versions = account.versions(template).await;
        assert_eq!(versions.iter().map(image_of).collect::<Vec<_>>(), images, "{template} has one version more");
        let is_default = versions.iter().find(|version| version.default_version() == Some(true));
        assert_eq!(is_default.and_then(|version| version.version_number()), Some(default), "{template}");
    }
    let pinned = &account.versions("pinned").await[1];
    let devices = pinned.launch_template_data().map(|data| data.block_device_mappings()).unwrap_or_default();
    let told: Vec<_> = devices
        .iter()
        .map(|device| {
            let ebs = device.ebs().expect("a volume");
            (device.device_name().unwrap_or_default(), ebs.snapshot_id(), ebs.volume_size())
        })
        .collect();
    let expected = [("/dev/xvda", None, Some(30)), ("/dev/xvdf", Some(snapshot), Some(8))];
    assert_eq!(told, expected, "the data volume's snapshot is carried over, that of the old image is not");
}

/// Every host but the one of the launch configuration, by the rules of every rotation.
async fn assert_rotated(scene: &Scene, worker: &Worker) {
    let account = &scene.account;
    let record = scene.driver.record();
    let (members, machines, hosts) = (account.members().await, account.machines().await, account.hosts().await);
    let left: BTreeSet<&String> = members[OLD].iter().collect();
    assert!(
        left.iter()
            .all(|id| scene.old.contains(*id) && machines[*id].tags.keys().all(|key| !key.starts_with("ecs-rotator:")))
    );
    let reason = format!("it uses the launch configuration {CONFIGURATION}");
    let said = worker.log().lines().any(|line| line.contains("group=old") && line.contains(&reason));
    assert!(said, "the log does not say why old is left alone:\n{}", worker.tail());

    let replaced: BTreeSet<String> = scene.old.iter().filter(|id| !left.contains(id)).cloned().collect();
    assert_eq!(record.terminated, replaced, "all old hosts but one are terminated, and no other");
    assert_eq!(record.drained, replaced);
    assert!(record.violations.is_empty(), "{:#?}", record.violations);
    assert!(record.left_registered.is_empty(), "{:?}", record.left_registered);
    for (group, size) in &account.sizes {
        assert_eq!(members[group].len(), *size, "{group} is as large as it was");
        let image = if group == OLD { &account.old_image } else { &account.new_image };
        for id in &members[group] {
            assert_eq!(machines[id].image, *image, "{id} of {group}");
            assert!(!machines[id].is_in_flight(), "{id} of {group} still carries the tag of a rotation");
            assert!(hosts.values().any(|host| host.machine == *id && host.status == "ACTIVE"), "{id} of {group}");
        }
        assert!(record.fewest_active[group] >= *size, "{group} was served by {}", record.fewest_active[group]);
        assert!(record.most_in_flight.get(group).copied().unwrap_or(0) <= 1, "{group} had more than one in flight");
    }
    let calls = scene.calls();
    assert_order(&calls, &record.deregistered);
    assert_restraint(&calls);
    assert_eq!(account.depth(&account.dead_letters).await, EMPTY);
}

/// The schedule asks, and then a person: nothing is written but the state of the rotation.
async fn assert_asked_again(scene: &Scene, worker: &Worker, rotate: &str) {
    let account = &scene.account;
    let effects =
        async || scene.calls().iter().filter(|call| call.is_effect() && call.operation != "TagResource").count();
    let (before, first) = (effects().await, account.cluster_tags().await);
    account.send(r#"{"action":"check-releases"}"#).await;
    let drained = async || (account.depth(&account.queue).await == EMPTY).then_some(());
    scene.wait("queue without the question", SOON, &[worker], drained).await;
    assert_eq!(account.cluster_tags().await, first, "no rotation is opened for what is so already");

    account.send(rotate).await;
    let again = async || (account.cluster_tags().await != first).then_some(());
    scene.wait("second rotation", SOON, &[worker], again).await;
    scene.closed(&[worker]).await;
    assert_eq!(effects().await, before, "nothing is changed that is so already:\n{}", worker.tail());
}
