//! The polling procedure that this project takes the place of, on the same simulated account: what it is measured against.
//!
//! Written fairly, through the same requests and the same latency, and without the faults it was known for: nothing fails
//! here, nobody kills it, and it deregisters a host only when every task on it has stopped. What is left is how it went
//! about it: one host after another, and a look every two seconds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::chance::{Chance, Delay, Stream};
use super::scenario::{CLUSTER, GroupShape, OWN_PARAMETER, Scenario, ServiceShape};
use super::world::{World, cluster_arn};
use crate::effect::{
    ContainerInstance, ContainerInstanceStatus, Failure, FailureKind, Group, Launch, LaunchChange, Reply, Request,
    TemplateSpec, VersionQuery, VersionRule,
};
use crate::id::{AmiId, ClusterArn, ContainerInstanceArn, InstanceId};
use crate::plan::policy::{Budget, Policy};

const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);
const DRAINS_WITHIN: SignedDuration = SignedDuration::from_secs(3_600);
/// After a drain that was shorter than this it waited, so that the new host could come.
const SHORT_DRAIN: SignedDuration = SignedDuration::from_secs(120);

/// A cluster in which nothing else happens, and whose drains take five minutes: an old task runs until its successor does, and
/// that takes its time to come up. All tasks are alike. Replies take 50 ms.
#[must_use]
pub fn long_drains(hosts: u32, groups: u32, budget: Budget) -> Scenario {
    const TASKS_PER_HOST: u32 = 4;
    let shapes = (0..groups).map(|n| GroupShape::new(&format!("group-{n}"), hosts / groups.max(1))).collect();
    let mut service = ServiceShape::new("web", hosts * TASKS_PER_HOST, 100, 200);
    service.deregistration = Delay::secs(5, 5);
    let mut scenario = Scenario::new(1).groups(shapes).tasks_per_host(TASKS_PER_HOST).services(vec![service]);
    (scenario.daemon, scenario.standalone_tasks) = (false, 0);
    (scenario.task_start, scenario.task_stop) = (Delay::secs(290, 290), Delay::secs(2, 2));
    scenario.latency = Delay::millis(50, 50);
    scenario.settings.policy = Policy { max_in_flight: budget, ..Policy::default() };
    scenario
}

/// The same with tasks of many kinds: of the drains that begin together, the last ends half a minute after the first.
#[must_use]
pub fn uneven_drains(hosts: u32, groups: u32, budget: Budget) -> Scenario {
    let mut scenario = long_drains(hosts, groups, budget);
    (scenario.task_start, scenario.task_stop) = (Delay::secs(275, 280), Delay::secs(1, 30));
    scenario
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Polled {
    /// From the release to its end.
    pub simulated_seconds: i64,
    pub rotated: u64,
    /// By AWS's operation.
    pub calls: BTreeMap<&'static str, u64>,
}

impl Polled {
    #[must_use]
    pub fn calls_per_host(&self) -> f64 {
        self.calls.values().sum::<u64>() as f64 / self.rotated.max(1) as f64
    }
}

/// Runs it on the account of this scenario, from its release on.
///
/// # Errors
/// When AWS refuses what it asks for: it had no answer to that.
pub fn poll_through(scenario: &Scenario) -> Result<Polled, Failure> {
    let mut world = World::new(scenario);
    world.advance(scenario.release_after);
    let from = world.now();
    let latency = Chance::new(scenario.seed, Stream::Latency);
    let mut procedure =
        Procedure { world, latency, scenario, cluster: cluster_arn(CLUSTER), rotated: 0, calls: BTreeMap::new() };
    procedure.run()?;
    Ok(Polled {
        simulated_seconds: procedure.now().duration_since(from).as_secs(),
        rotated: procedure.rotated,
        calls: procedure.calls,
    })
}

struct Procedure<'a> {
    world: World,
    latency: Chance,
    scenario: &'a Scenario,
    cluster: ClusterArn,
    rotated: u64,
    calls: BTreeMap<&'static str, u64>,
}

impl Procedure<'_> {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Half of the way before its effect, half of it after.
    fn call(&mut self, request: &Request) -> Result<Reply, Failure> {
        *self.calls.entry(request.operation()).or_default() += 1;
        let way = self.latency.skewed(self.scenario.latency);
        self.world.advance(way / 2);
        let reply = self.world.perform(request);
        self.world.advance(way - way / 2);
        reply
    }

    fn run(&mut self) -> Result<(), Failure> {
        let image = self.release()?;
        for group in self.groups()? {
            for spec in group.launch.templates() {
                self.write(&group, spec, &image)?;
            }
            for host in self.hosts(&group, &image)? {
                self.rotate(&group, &host)?;
            }
        }
        Ok(())
    }

    fn release(&mut self) -> Result<AmiId, Failure> {
        let asked = Request::GetParameters { names: vec![OWN_PARAMETER.into()] };
        let Reply::Parameters { values, .. } = self.call(&asked)? else { return Err(surprised("GetParameters")) };
        let parameter = values.into_values().next().ok_or_else(|| surprised("GetParameters"))?;
        Ok(AmiId::new(parameter.value))
    }

    fn groups(&mut self) -> Result<Vec<Group>, Failure> {
        let names = self.scenario.groups.iter().map(|group| group.name.as_str().into()).collect();
        let Reply::Groups { groups, .. } = self.call(&Request::DescribeAutoScalingGroups { names, page: None })? else {
            return Err(surprised("DescribeAutoScalingGroups"));
        };
        Ok(groups)
    }

    /// A new version of the group's template, and whatever makes the group launch it.
    fn write(&mut self, group: &Group, spec: &TemplateSpec, image: &AmiId) -> Result<(), Failure> {
        let (template, query) = (spec.template.clone(), VersionQuery::InUse(spec.rule));
        let described = Request::DescribeLaunchTemplateVersions { template: template.clone(), query, page: None };
        let Reply::TemplateVersions { versions, .. } = self.call(&described)? else {
            return Err(surprised("DescribeLaunchTemplateVersions"));
        };
        let Some(source) = versions.into_iter().next() else { return Err(surprised("DescribeLaunchTemplateVersions")) };
        if source.image.as_deref() == Some(image.as_str()) {
            return Ok(());
        }
        let made = self.call(&Request::CreateLaunchTemplateVersion {
            template: template.clone(),
            source: source.number,
            image: image.clone(),
            block_devices: Vec::new(),
            description: image.to_string(),
            client_token: image.to_string(),
        })?;
        let Reply::TemplateVersion(made) = made else { return Err(surprised("CreateLaunchTemplateVersion")) };
        match spec.rule {
            VersionRule::Latest => Ok(()),
            VersionRule::Default => {
                self.call(&Request::ModifyLaunchTemplate { template, default_version: made.number }).map(|_| ())
            }
            VersionRule::Number(from) => {
                let change = LaunchChange::Version { template, from, to: made.number };
                let mixed = matches!(group.launch, Launch::Mixed { .. });
                let group = group.name.clone();
                self.call(&Request::UpdateAutoScalingGroup { group, mixed, change }).map(|_| ())
            }
        }
    }

    /// The group's hosts on another image, those with the fewest tasks first.
    fn hosts(&mut self, group: &Group, image: &AmiId) -> Result<Vec<ContainerInstance>, Failure> {
        let mut arns = Vec::new();
        let mut page = None;
        loop {
            let list = Request::ListContainerInstances { cluster: self.cluster.clone(), instances: Vec::new(), page };
            let Reply::ContainerInstanceArns { arns: some, next } = self.call(&list)? else {
                return Err(surprised("ListContainerInstances"));
            };
            arns.extend(some);
            page = next;
            if page.is_none() {
                break;
            }
        }
        let mut hosts = Vec::new();
        for arns in arns.chunks(100) {
            hosts.extend(self.described(arns)?);
        }
        let members: Vec<&InstanceId> = group.members.iter().map(|member| &member.id).collect();
        hosts.retain(|host| host.instance.as_ref().is_some_and(|id| members.contains(&id)));
        hosts.retain(|host| host.image.as_ref() != Some(image));
        hosts.sort_by_key(|host| (host.running_tasks, host.instance.clone()));
        Ok(hosts)
    }

    fn described(&mut self, arns: &[ContainerInstanceArn]) -> Result<Vec<ContainerInstance>, Failure> {
        let request = Request::DescribeContainerInstances { cluster: self.cluster.clone(), arns: arns.to_vec() };
        let Reply::ContainerInstances { instances, .. } = self.call(&request)? else {
            return Err(surprised("DescribeContainerInstances"));
        };
        Ok(instances)
    }

    fn rotate(&mut self, group: &Group, host: &ContainerInstance) -> Result<(), Failure> {
        let Some(id) = host.instance.clone() else { return Ok(()) };
        let (cluster, arn) = (self.cluster.clone(), host.arn.clone());
        let detach =
            Request::DetachInstances { group: group.name.clone(), instances: vec![id.clone()], decrement: false };
        self.call(&detach)?;
        let status = ContainerInstanceStatus::Draining;
        let arns = vec![arn.clone()];
        self.call(&Request::UpdateContainerInstancesState { cluster: cluster.clone(), arns, status })?;
        let begun = self.now();
        while self.now() < begun + DRAINS_WITHIN {
            let seen = self.described(std::slice::from_ref(&arn))?;
            if seen.iter().all(|host| host.running_tasks + host.pending_tasks == 0) {
                break;
            }
            self.world.advance(LOOK_EVERY);
        }
        let drained = self.now().duration_since(begun);
        for _ in 0..2 {
            self.call(&Request::DescribeAutoScalingGroups { names: vec![group.name.clone()], page: None })?;
        }
        // Without force it is refused while a task is still on its way out.
        while self.call(&Request::DeregisterContainerInstance { cluster: cluster.clone(), arn: arn.clone() }).is_err() {
            self.world.advance(LOOK_EVERY);
        }
        self.call(&Request::TerminateInstances { instances: vec![id] })?;
        self.rotated += 1;
        if drained < SHORT_DRAIN {
            self.world.advance(SHORT_DRAIN - drained / 4);
        }
        Ok(())
    }
}

fn surprised(operation: &'static str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        operation,
        code: "Unexpected".to_owned(),
        message: "an answer that the procedure did not know".to_owned(),
        request_id: None,
    }
}
