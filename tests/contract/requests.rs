//! Single requests, performed as the worker performs them: what they change of launches. (`reads` has those that look.)
//!
//! What neither emulator plays is said where it is missed.

use aws_sdk_autoscaling::types as asg;
use ecs_rotator::aws::Aws;
use ecs_rotator::effect::{
    BlockDevice, Failure, FailureKind, Launch, LaunchChange, Override, Reply, Request, TemplateSpec, TemplateVersion,
    VersionQuery, VersionRule,
};

use crate::account::{Account, REGION, config};
use crate::calls::{WORKER_KEY, of_worker};
use crate::emulators::Emulators;
use crate::scene::{QUEUE_RULES, TestDirectory};

/// An account, and the worker's hand in it.
pub struct Hand {
    /// With moto behind it.
    pub aws: Aws,
    pub account: Account,
    pub emulators: Emulators,
    dir: TestDirectory,
}

impl Hand {
    pub async fn open(test: &str) -> Option<Hand> {
        let dir = TestDirectory::open(test);
        let emulators = Emulators::start(&dir.path)?;
        let account = Account::create(&emulators, &QUEUE_RULES).await;
        let aws = aws(emulators.fleet_url()).await;
        Some(Hand { aws, account, emulators, dir })
    }

    async fn launch(&self, group: &str) -> Launch {
        let request = Request::DescribeAutoScalingGroups { names: vec![group.into()], page: None };
        let Ok(Reply::Groups { groups, .. }) = self.aws.perform(request).await else { panic!("groups are described") };
        groups.into_iter().next().expect("the group exists").launch
    }

    async fn change(&self, group: &str, change: &LaunchChange) -> Result<Reply, Failure> {
        let mixed = !matches!(group, "web");
        self.aws.perform(Request::UpdateAutoScalingGroup { group: group.into(), mixed, change: change.clone() }).await
    }

    /// How often the worker's hand has changed a group.
    fn updates(&self) -> usize {
        of_worker(&self.dir.path).iter().filter(|call| call.operation == "UpdateAutoScalingGroup").count()
    }

    async fn versions(&self, query: VersionQuery) -> Vec<TemplateVersion> {
        let template = self.account.templates["web"].as_str().into();
        let request = Request::DescribeLaunchTemplateVersions { template, query, page: None };
        match self.aws.perform(request).await {
            Ok(Reply::TemplateVersions { versions, next: None }) => versions,
            other => panic!("versions are described: {other:?}"),
        }
    }
}

/// With an emulator behind it.
pub async fn aws(endpoint: String) -> Aws {
    Aws::with_config(&config(endpoint, WORKER_KEY).await, REGION.to_owned(), "http://127.0.0.1/queue")
}

fn pinned(template: &str, version: &str) -> asg::LaunchTemplateSpecification {
    asg::LaunchTemplateSpecification::builder().launch_template_id(template).version(version).build()
}

fn spec(template: &str, rule: VersionRule) -> TemplateSpec {
    TemplateSpec { template: template.into(), rule }
}

/// A policy on a pinned version, with overrides of every kind.
async fn create_mixed_group(account: &Account) {
    let (base, own) = (account.templates["web"].as_str(), account.templates["api"].as_str());
    let of = |kind: &str, weight: &str| {
        asg::LaunchTemplateOverrides::builder().instance_type(kind).weighted_capacity(weight)
    };
    let template = asg::LaunchTemplate::builder()
        .launch_template_specification(pinned(base, "1"))
        .overrides(of("m5.large", "2").build())
        .overrides(of("m7g.large", "1").launch_template_specification(pinned(own, "1")).build())
        .overrides(of("m7g.xlarge", "3").launch_template_specification(pinned(own, "$Latest")).build())
        .overrides(of("m6i.large", "1").image_id(&account.old_image).build())
        .build();
    let policy = asg::MixedInstancesPolicy::builder().launch_template(template).build();
    let group = account.autoscaling.create_auto_scaling_group().auto_scaling_group_name("mixed");
    let group = group.min_size(0).max_size(2).desired_capacity(0).availability_zones("eu-west-1a");
    group.mixed_instances_policy(policy).send().await.expect("the group is created");
}

/// moto, like Auto Scaling, describes a base by id and by name, refuses to be told both, and takes what it is told in the
/// place of the whole policy. It keeps an `ImageId` of an override.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_changes_where_it_is_asked_to_and_nowhere_else() {
    let Some(hand) = Hand::open("policy").await else { return };
    let account = &hand.account;
    create_mixed_group(account).await;
    let (web, api) = (account.templates["web"].as_str(), account.templates["api"].as_str());
    let expected = |base: u64, own: u64, image: &str| {
        let of = |kind: &str, weight| Override {
            instance_type: Some(kind.to_owned()),
            template: None,
            image: None,
            weight: Some(weight),
        };
        let number = VersionRule::Number;
        let overrides = vec![
            of("m5.large", 2),
            Override { template: Some(spec(api, number(own))), ..of("m7g.large", 1) },
            Override { template: Some(spec(api, VersionRule::Latest)), ..of("m7g.xlarge", 3) },
            Override { image: Some(image.to_owned()), ..of("m6i.large", 1) },
        ];
        Launch::Mixed { base: spec(web, number(base)), overrides }
    };
    assert_eq!(hand.launch("mixed").await, expected(1, 1, &account.old_image));

    let version = |template: &str| LaunchChange::Version { template: template.into(), from: 1, to: 2 };
    let image = LaunchChange::Image { from: account.old_image.clone(), to: account.new_image.as_str().into() };
    for (change, after) in [
        (version(api), expected(1, 2, &account.old_image)),
        (version(web), expected(2, 2, &account.old_image)),
        (image, expected(2, 2, &account.new_image)),
    ] {
        let updates = hand.updates();
        for _ in 0..2 {
            assert_eq!(hand.change("mixed", &change).await, Ok(Reply::Done), "{change:?}");
            assert_eq!(hand.launch("mixed").await, after, "{change:?}");
        }
        assert_eq!(hand.updates(), updates + 1, "what is so already is not sent again: {change:?}");
    }
    assert_eq!(weights(account).await, ["2", "1", "3", "1"]);
}

/// Of the overrides of the group `mixed`, in their order.
async fn weights(account: &Account) -> Vec<String> {
    let groups = account.groups().await;
    let group = groups.iter().find(|g| g.auto_scaling_group_name() == Some("mixed")).expect("the group exists");
    let template = group.mixed_instances_policy().and_then(|policy| policy.launch_template());
    let overrides = template.expect("a policy has a template").overrides();
    overrides.iter().map(|own| own.weighted_capacity().unwrap_or("none").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_group_is_pinned_and_one_that_is_gone_is_not_found() {
    let Some(hand) = Hand::open("pin").await else { return };
    let web = hand.account.templates["web"].as_str();
    assert_eq!(hand.launch("web").await, Launch::Template(spec(web, VersionRule::Number(1))));
    let change = LaunchChange::Version { template: web.into(), from: 1, to: 2 };
    assert_eq!(hand.change("web", &change).await, Ok(Reply::Done));
    assert_eq!(hand.launch("web").await, Launch::Template(spec(web, VersionRule::Number(2))));

    let gone = hand.change("no-such-group", &change).await.expect_err("there is no such group");
    assert_eq!((gone.kind, gone.operation), (FailureKind::NotFound, "UpdateAutoScalingGroup"), "{gone}");
    let request = Request::UpdateAutoScalingGroup { group: "web".into(), mixed: true, change };
    let plain = hand.aws.perform(request).await.expect_err("it has no policy");
    assert_eq!(plain.kind, FailureKind::Refused, "{plain}");
}

/// moto inherits nothing from a source version, so what a version without block devices has is not shown here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_carries_the_block_devices_over() {
    let Some(hand) = Hand::open("versions").await else { return };
    let root = BlockDevice {
        device: Some("/dev/xvda".to_owned()),
        size_gib: Some(30),
        volume_type: Some("gp3".to_owned()),
        delete_on_termination: Some(true),
        ..BlockDevice::default()
    };
    let data = BlockDevice {
        device: Some("/dev/xvdb".to_owned()),
        snapshot: Some("snap-0123456789abcdef0".to_owned()),
        iops: Some(4000),
        throughput: Some(250),
        encrypted: Some(true),
        ..BlockDevice::default()
    };
    let store = BlockDevice {
        device: Some("/dev/sdc".to_owned()),
        virtual_name: Some("ephemeral0".to_owned()),
        ..BlockDevice::default()
    };
    let devices = vec![root, data, store];
    let template = || hand.account.templates["web"].as_str().into();
    for (number, block_devices) in [(2, devices.clone()), (3, Vec::new())] {
        let request = Request::CreateLaunchTemplateVersion {
            template: template(),
            source: 1,
            image: hand.account.new_image.as_str().into(),
            block_devices: block_devices.clone(),
            description: "ours".to_owned(),
            client_token: format!("token-{number}"),
        };
        let Ok(Reply::TemplateVersion(made)) = hand.aws.perform(request).await else { panic!("a version is made") };
        assert_eq!((made.number, &made.block_devices), (number, &block_devices));
        let seen = hand.versions(VersionQuery::InUse(VersionRule::Number(number))).await;
        assert_eq!(seen[0].block_devices, block_devices, "{number}");
    }
    let all = hand.versions(VersionQuery::All).await;
    assert_eq!(all.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(hand.versions(VersionQuery::WithImage(hand.account.new_image.as_str().into())).await, all[1..]);

    // Neither emulator knows the call; `deletion` has its answers.
    let request = Request::DeleteLaunchTemplateVersions { template: template(), versions: vec![2, 3] };
    let unknown = hand.aws.perform(request).await.expect_err("moto does not know this call");
    assert_eq!(unknown.operation, "DeleteLaunchTemplateVersions");
}
