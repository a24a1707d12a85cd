//! An AWS account with one ECS cluster, `prod`; most tests give it two groups of three hosts.
//!
//! These two groups differ in what makes a difference to a release: `web` is a plain group **pinned to a number** of its launch
//! template, `api` a **mixed-instances policy on `$Default`**. Both follow the parameter `/golden/al2023`, which starts at
//! the image they run. A second cluster, `stage`, exists and has not opted in. The queue has a dead-letter queue.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_autoscaling::types as asg;
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::types as ec2;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_sdk_ssm::types::ParameterType;

use crate::emulators::Emulators;
use crate::events::Envelopes;
use crate::stack::Rules;

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";
/// Signs what the tests themselves ask.
pub const ACCESS_KEY: &str = "testing";
pub const CLUSTER: &str = "prod";
/// Exists, and has no `ecs-rotator:enabled`.
pub const CLOSED_CLUSTER: &str = "stage";
pub const PARAMETER: &str = "/golden/al2023";
pub const GROUPS: [&str; 2] = ["api", "web"];
pub const HOSTS_PER_GROUP: usize = 3;
const ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
/// Two of `images.json`: one that moto registers itself would have no architecture.
pub const OLD_IMAGE: &str = "al2023-ami-ecs-hvm-2023.0.20260615-kernel-6.1-x86_64";
pub const NEW_IMAGE: &str = "al2023-ami-ecs-hvm-2023.0.20260813-kernel-6.1-x86_64";

/// How the queue treats a message that nobody deletes.
pub struct QueueRules {
    pub max_receive_count: u32,
    pub visibility_seconds: u32,
}

pub struct Account {
    pub ec2: aws_sdk_ec2::Client,
    pub ecs: aws_sdk_ecs::Client,
    pub autoscaling: aws_sdk_autoscaling::Client,
    pub ssm: aws_sdk_ssm::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub cluster_arn: String,
    pub old_image: String,
    pub new_image: String,
    /// Launch template ids by name; that of a group has the group's name, unless the test says otherwise.
    pub templates: BTreeMap<String, String>,
    /// Hosts that run one of these images never register.
    pub mute: BTreeSet<String>,
    /// How many hosts each group of the cluster has.
    pub sizes: BTreeMap<String, usize>,
    pub queue: String,
    pub dead_letters: String,
    /// What lets events through to the queue; None: everything gets there.
    pub rules: Option<Rules>,
}

impl Account {
    /// With the two groups.
    pub async fn create(emulators: &Emulators, rules: &QueueRules) -> Account {
        let mut account = Account::empty(emulators, rules).await;
        for group in GROUPS {
            let data = account.data(&account.old_image).build();
            account.create_template(group, data).await;
        }
        account.create_groups().await;
        account.create_cluster(&GROUPS.map(|group| (group, HOSTS_PER_GROUP))).await;
        account
    }

    /// Without a group, and without the cluster.
    pub async fn empty(emulators: &Emulators, rules: &QueueRules) -> Account {
        let fleet = config(emulators.fleet_url(), ACCESS_KEY).await;
        let queues = config(emulators.sqs_url(), ACCESS_KEY).await;
        let mut account = Account {
            ec2: aws_sdk_ec2::Client::new(&fleet),
            ecs: aws_sdk_ecs::Client::new(&fleet),
            autoscaling: aws_sdk_autoscaling::Client::new(&fleet),
            ssm: aws_sdk_ssm::Client::new(&fleet),
            sqs: aws_sdk_sqs::Client::new(&queues),
            cluster_arn: format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"),
            old_image: String::new(),
            new_image: String::new(),
            templates: BTreeMap::new(),
            mute: BTreeSet::new(),
            sizes: BTreeMap::new(),
            queue: String::new(),
            dead_letters: String::new(),
            rules: None,
        };
        account.old_image = account.image_named(OLD_IMAGE).await;
        account.new_image = account.image_named(NEW_IMAGE).await;
        account.point_parameter_at(&account.old_image).await;
        account.ecs.create_cluster().cluster_name(CLOSED_CLUSTER).send().await.expect("the cluster stage is created");
        account.create_queues(rules).await;
        account
    }

    /// The new image is out: the parameter changes, and EventBridge says so.
    pub async fn release(&self) {
        self.point_parameter_at(&self.new_image).await;
        self.happens(&Envelopes::default().parameter_changed(PARAMETER)).await;
    }

    /// As EventBridge would: into the queue, if some rule lets it through.
    pub async fn happens(&self, event: &str) {
        if let Some(rules) = &self.rules
            && !rules.let_through(event).await
        {
            return;
        }
        self.send(event).await;
    }

    /// Nothing is left in the queue.
    pub async fn purge(&self) {
        self.sqs.purge_queue().queue_url(&self.queue).send().await.expect("the queue is emptied");
    }

    /// Into the queue; the id of the message.
    pub async fn send(&self, body: &str) -> String {
        let sent = self.sqs.send_message().queue_url(&self.queue).message_body(body).send().await;
        sent.expect("the message is sent").message_id.expect("a sent message has an id")
    }

    pub async fn point_parameter_at(&self, image: &str) {
        self.put_parameter(PARAMETER, image, ParameterType::String).await;
    }

    pub async fn image_named(&self, name: &str) -> String {
        let filter = ec2::Filter::builder().name("name").values(name).build();
        let images = self.ec2.describe_images().filters(filter).send().await.expect("images are described");
        let image = images.images().first().and_then(ec2::Image::image_id);
        image.unwrap_or_else(|| panic!("moto has the image {name} in its stock")).to_owned()
    }

    async fn create_groups(&self) {
        let subnets = self.create_subnets().await;
        let web = self.autoscaling.create_auto_scaling_group().auto_scaling_group_name("web");
        let web = web.min_size(1).max_size(6).desired_capacity(1).vpc_zone_identifier(subnets.join(","));
        web.launch_template(self.spec("web", "1")).send().await.expect("the group web is created");

        let kind = |name: &str| asg::LaunchTemplateOverrides::builder().instance_type(name).build();
        let template = asg::LaunchTemplate::builder()
            .launch_template_specification(self.spec("api", "$Default"))
            .overrides(kind("m5.large"))
            .overrides(kind("m6i.large"))
            .build();
        let policy = asg::MixedInstancesPolicy::builder().launch_template(template).build();
        let api = self.autoscaling.create_auto_scaling_group().auto_scaling_group_name("api");
        let api = api
            .min_size(1)
            .max_size(6)
            .desired_capacity(1)
            .set_availability_zones(Some(ZONES.map(str::to_owned).to_vec()));
        api.mixed_instances_policy(policy).send().await.expect("the group api is created");

        for group in GROUPS {
            self.grow(group).await;
            self.tag_group(group, "ecs-rotator:ami-parameter", PARAMETER).await;
        }
    }

    /// One host at a time: moto puts all that it launches at once into one zone.
    async fn grow(&self, group: &str) {
        for hosts in 2..=HOSTS_PER_GROUP {
            let desired = i32::try_from(hosts).expect("a group of a few hosts");
            let request =
                self.autoscaling.set_desired_capacity().auto_scaling_group_name(group).desired_capacity(desired);
            request.send().await.expect("the desired capacity is set");
        }
    }

    async fn create_subnets(&self) -> Vec<String> {
        let vpc = self.ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("the VPC is created");
        let vpc = vpc.vpc().and_then(|v| v.vpc_id()).expect("a VPC has an id").to_owned();
        let mut subnets = Vec::new();
        for (n, zone) in ZONES.iter().enumerate() {
            let request =
                self.ec2.create_subnet().vpc_id(&vpc).cidr_block(format!("10.0.{n}.0/24")).availability_zone(*zone);
            let made = request.send().await.expect("the subnet is created");
            subnets.push(made.subnet().and_then(|s| s.subnet_id()).expect("a subnet has an id").to_owned());
        }
        subnets
    }

    async fn create_queues(&mut self, rules: &QueueRules) {
        let made = self.sqs.create_queue().queue_name("ecs-rotator-dead-letters").send().await;
        self.dead_letters =
            made.expect("the dead-letter queue is created").queue_url().expect("a queue has a URL").to_owned();
        let redrive = serde_json::json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:ecs-rotator-dead-letters"),
            "maxReceiveCount": rules.max_receive_count,
        });
        let request = self
            .sqs
            .create_queue()
            .queue_name("ecs-rotator")
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .attributes(QueueAttributeName::VisibilityTimeout, rules.visibility_seconds.to_string());
        let made = request.send().await.expect("the queue is created");
        self.queue = made.queue_url().expect("a queue has a URL").to_owned();
    }
}

/// A client's configuration, signed by `key`.
pub async fn config(endpoint: String, key: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(key, key, None, None, "contract tests"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await
}
