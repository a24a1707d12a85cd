//! A worker in the middle of a rotation of a large cluster, and what its queue brings: measured by `benches/code.rs`, and
//! held to numbers by `tests/allocations.rs`.

#![allow(dead_code, reason = "each of the two measures a part of it")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "an account without hosts answers a few calls, and refuses the rest"
)]

use std::collections::{BTreeMap, VecDeque};

use ecs_rotator::effect::{Cluster, ContainerInstanceStatus, Failure, FailureKind, Message, Reply, Request, RequestId};
use ecs_rotator::engine::survey::Depth;
use ecs_rotator::engine::{Engine, Settings};
use ecs_rotator::id::{ClusterArn, ContainerInstanceArn, InstanceId};
use ecs_rotator::plan::model::ClusterView;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{CLUSTER, GroupShape, START, Scenario, survey};
use jiff::{SignedDuration, Timestamp};

/// SQS's limit for a receive, and for a deletion.
pub const BATCH: usize = 10;
const GROUPS: u32 = 10;
/// A timer that is always due cannot stop the clock.
const TICK: SignedDuration = SignedDuration::from_millis(1);
/// Long enough for every canary to have baked, and for a tenth of every group to be on its way.
const MIDDLE: SignedDuration = SignedDuration::from_mins(12);

/// So many hosts in ten groups, of each of which a tenth may be in flight.
#[must_use]
pub fn scenario(hosts: u32) -> Scenario {
    let shapes = (0..GROUPS).map(|n| GroupShape::new(&format!("group-{n}"), hosts / GROUPS)).collect();
    // Tasks cost the simulated account most of its time, and a plan none.
    let mut scenario = Scenario::new(1).groups(shapes).services(Vec::new());
    (scenario.daemon, scenario.standalone_tasks) = (false, 0);
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(10), ..Policy::default() };
    scenario
}

/// As it is just after a release, before a worker has seen it: every host is outdated.
#[must_use]
pub fn just_released(hosts: u32) -> (ClusterView, Timestamp) {
    let scenario = scenario(hosts);
    let mut world = World::new(&scenario);
    world.advance(scenario.release_after);
    view(&mut world)
}

/// Everything that a worker would know who has just looked.
pub fn view(world: &mut World) -> (ClusterView, Timestamp) {
    let settings = Settings { clusters: vec![CLUSTER.into()], ..Settings::default() };
    let findings = survey(world, settings, Depth::Hosts);
    let view = findings.views().next().expect("one cluster").clone();
    (view, world.now())
}

/// One worker on a simulated account whose answers take no time.
pub struct Worker {
    pub engine: Engine,
    pub world: World,
    receives: VecDeque<RequestId>,
    sent: u64,
    version: u64,
}

/// A container instance that does what the worker knows already.
pub struct Steady {
    pub arn: ContainerInstanceArn,
    pub instance: InstanceId,
}

impl Worker {
    /// The rotation is open, and a tenth of the hosts are in flight.
    #[must_use]
    pub fn in_the_middle(hosts: u32) -> Self {
        let scenario = scenario(hosts);
        let middle = START + scenario.release_after + MIDDLE;
        let engine = Engine::new(scenario.settings.clone(), 1, START);
        let world = World::new(&scenario);
        let mut worker = Self { engine, world, receives: VecDeque::new(), sent: 0, version: 1 << 20 };
        worker.run_until(middle);
        worker
    }

    fn run_until(&mut self, end: Timestamp) {
        loop {
            let now = self.world.now();
            self.answer(now);
            let timer = self.engine.poll_timeout().map(|at| at.max(now + TICK));
            let visible = self.world.queue().next_visible();
            let next = [self.world.next_due(), timer, visible].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { return };
            self.world.advance_to(at.max(now));
            if timer.is_some_and(|timer| timer <= at) {
                self.engine.handle_timeout(at);
            }
        }
    }

    /// Every call at once, but a receive only when there is a message.
    fn answer(&mut self, now: Timestamp) {
        loop {
            while let Some((id, request)) = self.engine.poll_request() {
                if matches!(request, Request::ReceiveMessage { .. }) {
                    self.receives.push_back(id);
                } else {
                    let reply = self.world.perform(&request);
                    self.engine.handle_reply(id, reply, now);
                }
            }
            if !self.world.queue().has_visible(now) {
                return;
            }
            let Some(id) = self.receives.pop_front() else { return };
            let receive = Request::ReceiveMessage { wait_seconds: 0, visibility_seconds: 120 };
            let reply = self.world.perform(&receive);
            self.engine.handle_reply(id, reply, now);
        }
    }

    /// Hosts that stand in their groups and take tasks: those whose events come by the thousand.
    #[must_use]
    pub fn steady(&self) -> Vec<Steady> {
        let cluster = cluster_arn(CLUSTER);
        let hosts =
            self.world.account().hosts.iter().filter(|(_, host)| host.cluster == cluster && host.member.is_some());
        let takes_tasks = hosts.filter(|(_, host)| {
            host.agent.is_some_and(|agent| agent.status == ContainerInstanceStatus::Active && agent.connected)
        });
        takes_tasks.map(|(no, _)| Steady { arn: no.agent(&cluster), instance: no.instance() }).collect()
    }

    /// What a receive brings while tasks start and stop on these hosts: each event is newer than the one before.
    pub fn batch(&mut self, hosts: &[Steady], body: fn(&Steady, u64) -> String) -> Vec<Message> {
        let numbers = self.sent..self.sent + BATCH as u64;
        self.sent += BATCH as u64;
        self.version += 1;
        numbers
            .map(|n| {
                // Neighbours in time are no neighbours by name.
                let host = &hosts[(n as usize * 7919) % hosts.len()];
                message(n, body(host, self.version + n), self.world.now())
            })
            .collect()
    }

    /// Hands the engine what a receive brought, and makes sure that nothing was asked of the fleet because of it.
    pub fn drop_all(&mut self, messages: Vec<Message>) {
        let id = self.receives.pop_front().expect("a receive is under way");
        drop_all(&mut self.engine, &mut self.receives, id, messages, self.world.now());
    }
}

fn drop_all(
    engine: &mut Engine,
    receives: &mut VecDeque<RequestId>,
    id: RequestId,
    messages: Vec<Message>,
    now: Timestamp,
) {
    let mut left = messages.len();
    engine.handle_reply(id, Ok(Reply::Messages(messages)), now);
    while let Some((id, request)) = engine.poll_request() {
        match request {
            Request::ReceiveMessage { .. } => receives.push_back(id),
            Request::DeleteMessageBatch { receipts } => {
                left -= receipts.len();
                engine.handle_reply(id, Ok(Reply::QueueBatch { failures: Vec::new() }), now);
            }
            other => panic!("asked because of an event that is nothing to us: {other:?}"),
        }
    }
    assert_eq!(left, 0, "messages that were not deleted");
}

/// A worker of many clusters in which there is nothing to do.
pub struct AtRest {
    pub engine: Engine,
    pub now: Timestamp,
    receives: VecDeque<RequestId>,
}

impl AtRest {
    /// From its start until every cluster has been looked at.
    #[must_use]
    pub fn of(clusters: usize) -> Self {
        let mut worker =
            Self { engine: Engine::new(Settings::default(), 1, START), now: START, receives: VecDeque::new() };
        let arns: Vec<ClusterArn> = (0..clusters).map(|n| cluster_arn(&format!("cluster-{n}"))).collect();
        loop {
            while let Some((id, request)) = worker.engine.poll_request() {
                if matches!(request, Request::ReceiveMessage { .. }) {
                    worker.receives.push_back(id);
                } else {
                    worker.engine.handle_reply(id, answer(&request, &arns), worker.now);
                }
            }
            let known = worker.engine.known(worker.now).clusters;
            if known.len() == clusters && known.iter().all(|known| known.looked_at.is_some()) {
                return worker;
            }
            // It keeps to the pace that AWS grants.
            worker.now = worker.engine.poll_timeout().expect("calls that wait for their turn");
            worker.engine.handle_timeout(worker.now);
        }
    }

    pub fn drop_all(&mut self, messages: Vec<Message>) {
        let id = self.receives.pop_front().expect("a receive is under way");
        drop_all(&mut self.engine, &mut self.receives, id, messages, self.now);
    }
}

/// Clusters without hosts.
fn answer(request: &Request, clusters: &[ClusterArn]) -> Result<Reply, Failure> {
    match request {
        Request::LocateSelf => Ok(Reply::SelfLocation(None)),
        Request::ListClusters { .. } => Ok(Reply::ClusterArns { arns: clusters.to_vec(), next: None }),
        Request::DescribeClusters { clusters } => {
            let tags = BTreeMap::from([("ecs-rotator:enabled".to_owned(), "true".to_owned())]);
            let described = |arn: &String| Cluster {
                arn: ClusterArn::new(arn.as_str()),
                status: "ACTIVE".to_owned(),
                capacity_providers: Vec::new(),
                tags: tags.clone(),
            };
            Ok(Reply::Clusters { clusters: clusters.iter().map(described).collect(), failures: Vec::new() })
        }
        Request::DescribeInstances { .. } => Ok(Reply::Instances { instances: Vec::new(), next: None }),
        Request::ListContainerInstances { .. } => Ok(Reply::ContainerInstanceArns { arns: Vec::new(), next: None }),
        other => Err(Failure {
            kind: FailureKind::AccessDenied,
            operation: other.operation(),
            code: "AccessDeniedException".to_owned(),
            message: "no policy allows this action".to_owned(),
            request_id: None,
        }),
    }
}

/// The same body, so many times.
#[must_use]
pub fn messages(count: usize, body: &str, now: Timestamp) -> Vec<Message> {
    (0..count as u64).map(|n| message(n, body.to_owned(), now)).collect()
}

/// A receipt is as long as SQS's.
fn message(n: u64, body: String, now: Timestamp) -> Message {
    Message {
        id: format!("00000000-0000-4000-8000-{n:012x}"),
        receipt: format!("{n:0>408}").into(),
        body,
        sent: now,
        receive_count: 1,
    }
}

/// `ECS Container Instance State Change` of a host on which a task has started, as the simulation writes it: in the order of
/// the names, and about 1 kB.
#[must_use]
pub fn short_event(host: &Steady, version: u64) -> String {
    let (arn, instance, cluster) = (&host.arn, &host.instance, cluster_arn(CLUSTER));
    format!(
        r#"{{"account":"123456789012","detail":{{"agentConnected":true,"attributes":[{{"name":"ecs.ami-id","value":"ami-0aaaaaaaaaaaaaaaa"}},{{"name":"ecs.availability-zone","value":"eu-west-1a"}}],"clusterArn":"{cluster}","containerInstanceArn":"{arn}","ec2InstanceId":"{instance}","registeredAt":"2026-01-14T02:58:31.000Z","registeredResources":[{{"integerValue":8192,"name":"CPU","type":"INTEGER"}}],"remainingResources":[{{"integerValue":7936,"name":"CPU","type":"INTEGER"}}],"status":"ACTIVE","updatedAt":"2026-01-14T03:00:00.000Z","version":{version},"versionInfo":{{"agentHash":"aebcbca","agentVersion":"1.90.0","dockerVersion":"DockerVersion: 25.0.6"}}}},"detail-type":"ECS Container Instance State Change","id":"7bf73129-1428-4cd3-a780-000000000012","region":"eu-west-1","resources":["{arn}"],"source":"aws.ecs","time":"2026-01-14T03:00:00Z","version":"0"}}"#
    )
}

/// What an agent says of itself, in a name without a value each.
const CAPABILITIES: [&str; 27] = [
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.fluentd",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "com.amazonaws.ecs.capability.logging-driver.syslog",
    "com.amazonaws.ecs.capability.docker-remote-api.1.17",
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "com.amazonaws.ecs.capability.docker-remote-api.1.44",
    "com.amazonaws.ecs.capability.privileged-container",
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "com.amazonaws.ecs.capability.selinux",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.task-eia.optimized-cpu",
    "ecs.capability.task-eni",
    "ecs.capability.pid-ipc-namespace-sharing",
    "ecs.capability.efsAuth",
    "ecs.capability.full-sync",
    "ecs.capability.env-files.s3",
];

/// The same as EventBridge writes it, with all that an agent says of itself: about 3 kB.
#[must_use]
pub fn long_event(host: &Steady, version: u64) -> String {
    let (arn, instance, cluster) = (&host.arn, &host.instance, cluster_arn(CLUSTER));
    let attributes: Vec<String> = CAPABILITIES.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
    let attributes = attributes.join(",");
    let resources = |cpu: u32, memory: u32| {
        format!(
            r#"[{{"name":"CPU","type":"INTEGER","integerValue":{cpu}}},{{"name":"MEMORY","type":"INTEGER","integerValue":{memory}}},{{"name":"PORTS","type":"STRINGSET","stringSetValue":["22","2376","2375","51678","51679"]}},{{"name":"PORTS_UDP","type":"STRINGSET","stringSetValue":[]}}]"#
        )
    };
    let (registered, remaining) = (resources(8192, 31_582), resources(7936, 29_534));
    format!(
        r#"{{"version":"0","id":"7bf73129-1428-4cd3-a780-000000000012","detail-type":"ECS Container Instance State Change","source":"aws.ecs","account":"123456789012","time":"2026-01-14T03:00:00Z","region":"eu-west-1","resources":["{arn}"],"detail":{{"agentConnected":true,"attributes":[{attributes},{{"name":"ecs.ami-id","value":"ami-0aaaaaaaaaaaaaaaa"}},{{"name":"ecs.availability-zone","value":"eu-west-1a"}},{{"name":"ecs.instance-type","value":"m7i.2xlarge"}},{{"name":"ecs.os-type","value":"linux"}},{{"name":"ecs.vpc-id","value":"vpc-0123456789abcdef0"}},{{"name":"ecs.subnet-id","value":"subnet-0123456789abcdef0"}}],"clusterArn":"{cluster}","containerInstanceArn":"{arn}","ec2InstanceId":"{instance}","registeredResources":{registered},"remainingResources":{remaining},"status":"ACTIVE","version":{version},"versionInfo":{{"agentHash":"aebcbca","agentVersion":"1.90.0","dockerVersion":"DockerVersion: 25.0.6"}},"registeredAt":"2026-01-14T02:58:31.000Z","updatedAt":"2026-01-14T03:00:00.000Z"}}}}"#
    )
}

/// `ECS Task State Change` of a task that has stopped on a host that does not drain.
#[must_use]
pub fn task_event(host: &Steady, version: u64) -> String {
    let (arn, cluster) = (&host.arn, cluster_arn(CLUSTER));
    let task = format!("arn:aws:ecs:eu-west-1:123456789012:task/{CLUSTER}/{version:032x}");
    format!(
        r#"{{"version":"0","id":"7bf73129-1428-4cd3-a780-000000000012","detail-type":"ECS Task State Change","source":"aws.ecs","account":"123456789012","time":"2026-01-14T03:00:00Z","region":"eu-west-1","resources":["{task}"],"detail":{{"attachments":[],"availabilityZone":"eu-west-1a","clusterArn":"{cluster}","containerInstanceArn":"{arn}","containers":[{{"name":"web","lastStatus":"STOPPED","taskArn":"{task}"}}],"cpu":"128","createdAt":"2026-01-14T02:58:31.000Z","desiredStatus":"STOPPED","group":"service:web","lastStatus":"STOPPED","launchType":"EC2","memory":"256","startedBy":"ecs-svc/0000000000000000001","stoppedAt":"2026-01-14T03:00:00.000Z","stoppedReason":"Scaling activity initiated by deployment","taskArn":"{task}","taskDefinitionArn":"arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1","updatedAt":"2026-01-14T03:00:00.000Z","version":6}}}}"#
    )
}
