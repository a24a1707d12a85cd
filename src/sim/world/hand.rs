//! A driver by hand, for tests of the world without an engine: one call, one step of the procedure.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{HostNo, World, cluster_arn};
use crate::effect::{
    ContainerInstance, ContainerInstanceStatus, Failure, Group, Instance, InstanceFilter, Reply, Request,
};
use crate::id::{AmiId, ContainerInstanceArn, GroupName, InstanceId};
use crate::sim::scenario::{CLUSTER, Follows, Scenario};

pub const GROUP: &str = "demo-asg";

pub fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

/// A world in which the release has just been published.
pub fn released(scenario: Scenario) -> World {
    let mut world = World::new(&scenario);
    world.advance(scenario.release_after + secs(5));
    world
}

pub fn release_image() -> AmiId {
    World::image_of(Follows::Own, 1)
}

impl World {
    pub fn ok(&mut self, request: &Request) -> Reply {
        self.perform(request).unwrap()
    }

    pub fn tag_host(&mut self, no: HostNo) {
        let tags = [("rotation", "demo/20260114T030000Z"), ("group", GROUP)];
        let tags = tags.map(|(key, value)| (format!("ecs-rotator:{key}"), value.to_owned()));
        self.ok(&Request::CreateTags { instances: vec![no.instance()], tags: BTreeMap::from(tags) });
    }

    pub fn tag_demo(&mut self, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(key, value)| (format!("ecs-rotator:{key}"), (*value).to_owned())).collect();
        self.ok(&Request::TagResource { cluster: cluster_arn(CLUSTER), tags });
    }

    pub fn detach_host(&mut self, no: HostNo) -> Result<Reply, Failure> {
        self.perform(&Request::DetachInstances {
            group: GroupName::from(GROUP),
            instances: vec![no.instance()],
            decrement: false,
        })
    }

    pub fn drain_host(&mut self, no: HostNo) -> Reply {
        let (cluster, status) = (cluster_arn(CLUSTER), ContainerInstanceStatus::Draining);
        self.ok(&Request::UpdateContainerInstancesState { arns: vec![no.agent(&cluster)], cluster, status })
    }

    pub fn deregister_host(&mut self, no: HostNo) -> Result<Reply, Failure> {
        let cluster = cluster_arn(CLUSTER);
        self.perform(&Request::DeregisterContainerInstance { arn: no.agent(&cluster), cluster })
    }

    pub fn terminate_host(&mut self, no: HostNo) -> Result<Reply, Failure> {
        self.perform(&Request::TerminateInstances { instances: vec![no.instance()] })
    }

    /// A new version with the release's image, like version 1.
    pub fn new_version(&mut self, image: &AmiId, token: &str) -> Result<Reply, Failure> {
        let template = self.group_now().launch.templates().first().unwrap().template.clone();
        let block_devices = self.account.templates[&template].versions[0].block_devices.clone();
        self.perform(&Request::CreateLaunchTemplateVersion {
            template,
            source: 1,
            image: image.clone(),
            block_devices,
            description: "by test".to_owned(),
            client_token: token.to_owned(),
        })
    }

    pub fn group_now(&mut self) -> Group {
        let request = Request::DescribeAutoScalingGroups { names: vec![GroupName::from(GROUP)], page: None };
        let Reply::Groups { groups, .. } = self.ok(&request) else { panic!() };
        groups[0].clone()
    }

    pub fn instance_now(&mut self, no: HostNo) -> Instance {
        let filter = InstanceFilter::Ids(vec![no.instance()]);
        let Reply::Instances { instances, .. } = self.ok(&Request::DescribeInstances { filter, page: None }) else {
            panic!()
        };
        instances[0].clone()
    }

    pub fn agent_now(&mut self, no: HostNo) -> Result<ContainerInstance, String> {
        let cluster = cluster_arn(CLUSTER);
        let request = Request::DescribeContainerInstances { arns: vec![no.agent(&cluster)], cluster };
        let Reply::ContainerInstances { instances, failures } = self.ok(&request) else { panic!() };
        instances.first().cloned().ok_or_else(|| failures[0].reason.clone())
    }

    pub fn listed(&mut self) -> Vec<ContainerInstanceArn> {
        let request =
            Request::ListContainerInstances { cluster: cluster_arn(CLUSTER), instances: Vec::new(), page: None };
        let Reply::ContainerInstanceArns { arns, .. } = self.ok(&request) else { panic!() };
        arns
    }

    /// Goes on in steps of a second until the condition holds; panics after `limit` seconds.
    pub fn until(&mut self, limit: i64, what: &str, done: impl Fn(&World) -> bool) {
        for _ in 0..limit {
            if done(self) {
                return;
            }
            self.advance(secs(1));
        }
        panic!("not within {limit} s: {what}");
    }

    pub fn has_left(&self, no: HostNo) -> bool {
        self.account.host(no).is_none_or(|host| host.member.is_none())
    }

    pub fn is_whole(&self) -> bool {
        let group = GroupName::from(GROUP);
        let desired = usize::try_from(self.account.groups[&group].desired).unwrap();
        self.account.members_of(&group).filter(|(_, host)| host.is_placeable()).count() >= desired
    }

    pub fn is_empty_host(&self, no: HostNo) -> bool {
        self.account.tasks_on(no).all(|(_, task)| task.is_over())
    }

    /// The whole procedure for one host, as it should be.
    pub fn rotate_by_hand(&mut self, no: HostNo) {
        self.tag_host(no);
        self.detach_host(no).unwrap();
        self.until(30, "left", |world| world.has_left(no));
        self.until(600, "whole", World::is_whole);
        self.drain_host(no);
        self.until(1800, "drained", |world| world.is_empty_host(no));
        self.deregister_host(no).unwrap();
        self.terminate_host(no).unwrap();
    }

    pub fn promises_broken(&self) -> Vec<u8> {
        self.ledger.violations.iter().map(|violation| violation.promise).collect()
    }

    pub fn id(&self, index: usize) -> InstanceId {
        self.nth_host(index).unwrap().instance()
    }
}
