//! The calls to ECS.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{ACCOUNT, Account, HostNo, REGION, Service, TaskNo};
use super::answer::{Answer, Refusal, at_most, missing, page};
use super::{Physics, World};
use crate::effect::{Cluster, ContainerInstanceStatus, DesiredStatus, ItemFailure, Reply, Stopped, Task};
use crate::id::{CapacityProviderName, ClusterArn, ContainerInstanceArn, InstanceId, PageToken, ServiceArn, TaskArn};
use crate::sim::timeline::{By, Happening};

/// ECS's limit for the value of a tag.
const TAG_VALUE: usize = 256;

pub(super) fn list_clusters(account: &Account, token: Option<&PageToken>, size: usize) -> Answer {
    let (arns, next) = page(account.clusters.keys().map(|arn| (arn.to_string(), arn.clone())), token, size);
    Ok(Reply::ClusterArns { arns, next })
}

pub(super) fn describe_clusters(account: &Account, names: &[String]) -> Answer {
    at_most(names, 100)?;
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let named = |cluster: &&Cluster| cluster.arn.as_str() == name || cluster.arn.name().as_str() == name;
        match account.clusters.values().find(named) {
            Some(cluster) => clusters.push(cluster.clone()),
            None => failures.push(missing(name)),
        }
    }
    Ok(Reply::Clusters { clusters, failures })
}

pub(super) fn describe_capacity_providers(account: &Account, names: &[CapacityProviderName]) -> Answer {
    at_most(names, 100)?;
    let (mut providers, mut failures) = (Vec::new(), Vec::new());
    // More come in pages, which nobody here asks for.
    for name in names.iter().take(10) {
        match account.providers.get(name) {
            Some(provider) => providers.push(provider.clone()),
            None => failures.push(missing(name)),
        }
    }
    Ok(Reply::CapacityProviders { providers, failures })
}

pub(super) fn list_container_instances(
    account: &Account,
    cluster: &ClusterArn,
    instances: &[InstanceId],
    token: Option<&PageToken>,
    size: usize,
) -> Answer {
    known(account, cluster)?;
    at_most(instances, 50)?;
    let wanted: BTreeSet<_> = instances.iter().filter_map(HostNo::of_instance).collect();
    let listed = account.hosts_in(cluster).filter(|(no, host)| {
        let present = host.status().is_some_and(|status| status != ContainerInstanceStatus::Inactive);
        present && (instances.is_empty() || wanted.contains(no))
    });
    let keyed = listed.map(|(no, host)| (no.instance().to_string(), no.agent(&host.cluster)));
    let (arns, next) = page(keyed, token, size);
    Ok(Reply::ContainerInstanceArns { arns, next })
}

pub(super) fn describe_container_instances(
    account: &Account,
    cluster: &ClusterArn,
    arns: &[ContainerInstanceArn],
) -> Answer {
    known(account, cluster)?;
    at_most(arns, 100)?;
    if arns.is_empty() {
        return Err(Refusal::invalid("Container instances cannot be empty."));
    }
    let (mut instances, mut failures) = (Vec::new(), Vec::new());
    for arn in arns {
        match account.host_of_agent(cluster, arn) {
            Some((no, host, agent)) => instances.push(account.described_agent(no, host, agent)),
            None => failures.push(missing(arn)),
        }
    }
    Ok(Reply::ContainerInstances { instances, failures })
}

pub(super) fn list_tasks(
    account: &Account,
    cluster: &ClusterArn,
    host: Option<&ContainerInstanceArn>,
    desired: DesiredStatus,
    token: Option<&PageToken>,
    size: usize,
) -> Answer {
    known(account, cluster)?;
    let key = |no: TaskNo| (format!("{:016x}{:016x}", no.host.0, no.serial), no.arn(cluster));
    let (arns, next) = match host {
        Some(host) => {
            let Some((no, _, _)) = account.host_of_agent(cluster, host) else {
                return Ok(Reply::TaskArns { arns: Vec::new(), next: None });
            };
            let listed = account.tasks_on(no).filter(|(_, task)| task.desired == desired);
            page(listed.map(|(no, _)| key(no)), token, size)
        }
        None => {
            let tasks = account.hosts_in(cluster).flat_map(|(no, _)| account.tasks_on(no));
            page(tasks.filter(|(_, task)| task.desired == desired).map(|(no, _)| key(no)), token, size)
        }
    };
    Ok(Reply::TaskArns { arns, next })
}

pub(super) fn list_services(account: &Account, cluster: &ClusterArn, token: Option<&PageToken>, size: usize) -> Answer {
    known(account, cluster)?;
    let mut arns: Vec<ServiceArn> =
        account.services.iter().filter(|service| service.cluster == *cluster).map(service_arn).collect();
    arns.sort();
    let (arns, next) = page(arns.into_iter().map(|arn| (arn.to_string(), arn)), token, size);
    Ok(Reply::ServiceArns { arns, next })
}

fn service_arn(service: &Service) -> ServiceArn {
    ServiceArn::new(format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/{}/{}", service.cluster.name(), service.name))
}

pub(super) fn describe_services(account: &Account, cluster: &ClusterArn, arns: &[ServiceArn]) -> Answer {
    known(account, cluster)?;
    at_most(arns, 10)?;
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for arn in arns {
        let named = |(_, service): &(usize, &Service)| {
            service.cluster == *cluster && (service_arn(service) == *arn || service.name == arn.as_str())
        };
        match account.services.iter().enumerate().find(named) {
            Some((index, service)) => services.push(account.described_service(index, service)),
            None => failures.push(missing(arn)),
        }
    }
    Ok(Reply::Services { services, failures })
}

pub(super) fn task_protection(account: &Account, cluster: &ClusterArn, arns: &[TaskArn]) -> Answer {
    known(account, cluster)?;
    at_most(arns, 100)?;
    let protected = arns.iter().filter(|arn| {
        let task = TaskNo::of(arn).and_then(|no| account.tasks.get(&no));
        task.is_some_and(|task| task.protected)
    });
    Ok(Reply::ProtectedTasks(protected.cloned().collect()))
}

pub(super) fn describe_tasks(account: &Account, cluster: &ClusterArn, arns: &[TaskArn]) -> Answer {
    known(account, cluster)?;
    at_most(arns, 100)?;
    if arns.is_empty() {
        return Err(Refusal::invalid("Tasks cannot be empty."));
    }
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for arn in arns {
        let found = TaskNo::of(arn).and_then(|no| account.tasks.get(&no).map(|task| (no, task)));
        match found {
            Some((no, task)) => tasks.push(Task {
                arn: arn.clone(),
                container_instance: Some(no.host.agent(cluster)),
                last: task.last,
                desired: task.desired,
                group: account.task_group(task),
                stopped: task.stopping.map(|at| Stopped {
                    begun: Some(at),
                    at: Some(at),
                    failed: task.broke,
                    reason: if task.broke { "Essential container in task exited".to_owned() } else { String::new() },
                }),
                needs: Some(account.needs_of(task)),
            }),
            None => failures.push(missing(arn)),
        }
    }
    Ok(Reply::Tasks { tasks, failures })
}

fn known(account: &Account, cluster: &ClusterArn) -> Result<(), Refusal> {
    if account.clusters.contains_key(cluster) {
        return Ok(());
    }
    Err(Refusal::not_found("ClusterNotFoundException", cluster))
}

impl World {
    pub(super) fn tag_cluster(&mut self, arn: &ClusterArn, tags: &BTreeMap<String, String>) -> Answer {
        known(&self.account, arn)?;
        for (key, value) in tags {
            check_tag(key, value)?;
        }
        let before = self.account.clusters.get(arn).map(|cluster| cluster.tags.clone()).unwrap_or_default();
        if let Some(cluster) = self.cluster_mut(arn) {
            cluster.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        self.note_rotation(arn, &before);
        Ok(Reply::Done)
    }

    pub(super) fn update_state(
        &mut self,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
        status: ContainerInstanceStatus,
    ) -> Answer {
        known(&self.account, cluster)?;
        at_most(arns, 10)?;
        if !matches!(status, ContainerInstanceStatus::Active | ContainerInstanceStatus::Draining) {
            return Err(Refusal::invalid("Container instance status can only be set to ACTIVE or DRAINING."));
        }
        let (mut instances, mut failures) = (Vec::new(), Vec::new());
        for arn in arns {
            match self.set_status(cluster, arn, status) {
                Ok(no) => instances.push(no),
                Err(failure) => failures.push(failure),
            }
        }
        let described = |no: HostNo| {
            let host = self.account.host(no)?;
            host.agent.map(|agent| self.account.described_agent(no, host, agent))
        };
        Ok(Reply::ContainerInstances { instances: instances.into_iter().filter_map(described).collect(), failures })
    }

    fn set_status(
        &mut self,
        cluster: &ClusterArn,
        arn: &ContainerInstanceArn,
        status: ContainerInstanceStatus,
    ) -> Result<HostNo, ItemFailure> {
        let Some((no, _, agent)) = self.account.host_of_agent(cluster, arn) else { return Err(missing(arn)) };
        match agent.status {
            ContainerInstanceStatus::Active | ContainerInstanceStatus::Draining => {
                self.change_status(no, status, By::Worker);
                Ok(no)
            }
            ContainerInstanceStatus::Inactive => {
                Err(ItemFailure { item: arn.to_string(), reason: "INACTIVE".to_owned() })
            }
            ContainerInstanceStatus::Deregistering | ContainerInstanceStatus::Other => {
                Err(ItemFailure { item: arn.to_string(), reason: "InvalidStatus".to_owned() })
            }
        }
    }

    /// By hand: its service, if it is of one, starts another elsewhere.
    pub(super) fn stop_one_task(&mut self, cluster: &ClusterArn, arn: &TaskArn) -> Answer {
        known(&self.account, cluster)?;
        let Some(no) = TaskNo::of(arn).filter(|no| self.account.tasks.contains_key(no)) else {
            return Ok(Reply::Done);
        };
        // An agent that is away hears of nothing.
        let hears = self.account.host(no.host).and_then(|host| host.agent).is_some_and(|agent| agent.connected);
        if hears {
            self.stop_task(no, false);
            self.look_at_services(cluster);
        }
        Ok(Reply::Done)
    }

    pub(super) fn deregister(&mut self, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Answer {
        known(&self.account, cluster)?;
        let Some((no, _, agent)) = self.account.host_of_agent(cluster, arn) else { return Ok(Reply::Done) };
        if agent.status == ContainerInstanceStatus::Inactive {
            return Ok(Reply::Done);
        }
        if self.account.tasks_on(no).any(|(_, task)| task.is_wanted()) {
            return Err(Refusal::invalid("Found running tasks on the instance."));
        }
        self.lose_agent_for_good(no);
        Ok(Reply::Done)
    }

    pub(super) fn self_location(&self) -> Option<ContainerInstanceArn> {
        let cluster = super::account::cluster_arn(crate::sim::scenario::CLUSTER);
        self.host_of_workers().map(|no| no.agent(&cluster))
    }

    /// The EC2 instance on which the workers say that they run.
    pub fn workers_host(&self) -> Option<InstanceId> {
        self.host_of_workers().map(|no| no.instance())
    }

    fn host_of_workers(&self) -> Option<HostNo> {
        let cluster = super::account::cluster_arn(crate::sim::scenario::CLUSTER);
        let mut hosts = self.account.hosts.iter().filter(|(_, host)| host.cluster == cluster && host.agent.is_some());
        hosts.next().filter(|_| self.scenario.self_hosted).map(|(no, _)| *no)
    }

    /// Status of a container instance that is ACTIVE or DRAINING.
    pub(super) fn change_status(&mut self, no: HostNo, status: ContainerInstanceStatus, by: By) {
        let Some(host) = self.host_mut(no) else { return };
        let cluster = host.cluster.clone();
        let Some(agent) = &mut host.agent else { return };
        if agent.status == status {
            return;
        }
        agent.status = status;
        let instance = no.instance();
        let draining = status == ContainerInstanceStatus::Draining;
        self.note(match draining {
            true => Happening::Draining { host: instance, by, tasks: self.replica_tasks_left(no) },
            false => Happening::Activated { host: instance, by },
        });
        self.ledger_drains(no, draining);
        self.emit_host(no);
        self.look_at_services(&cluster);
        if draining {
            self.note_drained(no);
        }
    }

    /// INACTIVE: still described for an hour, no longer listed.
    pub(super) fn lose_agent_for_good(&mut self, no: HostNo) {
        let Some(host) = self.host_mut(no) else { return };
        let cluster = host.cluster.clone();
        let Some(agent) = &mut host.agent else { return };
        if agent.status == ContainerInstanceStatus::Inactive {
            return;
        }
        (agent.status, agent.connected) = (ContainerInstanceStatus::Inactive, false);
        self.note(Happening::Deregistered { host: no.instance() });
        self.emit_host(no);
        self.after(super::FORGET, Physics::ForgetAgent(no));
        self.look_at_services(&cluster);
    }
}

fn check_tag(key: &str, value: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    if key.is_empty() || key.len() > 128 || key.starts_with("aws:") || !key.chars().all(allowed) {
        return Err(Refusal::invalid(format!("tag key `{key}` is not allowed")));
    }
    if value.chars().count() > TAG_VALUE || !value.chars().all(allowed) {
        return Err(Refusal::invalid(format!(
            "the value of tag `{key}` is too long or has a character that is not allowed"
        )));
    }
    Ok(())
}
