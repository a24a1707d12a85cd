//! Which clusters there are, and which of them need a look: the sweep.
//!
//! Asks for the clusters by name where the configuration names them, and for all where it does not; and for every EC2
//! instance that carries our tag. A cluster is looked at wholly when it is new here, when its rotation is not closed, or
//! when a host of it is in flight, whatever its rotation says.

use std::collections::BTreeMap;

use super::call::Owner;
use super::settings::Settings;
use super::wire::Wire;
use crate::effect::{Cluster, Instance, InstanceFilter, Reply, Request};
use crate::id::{ClusterArn, ClusterName};
use crate::plan::rotation::RotationState;
use crate::plan::tags::Tags;

/// AWS's limit.
const CLUSTERS: usize = 100;

/// One census under way.
#[derive(Debug, Default)]
pub struct Census {
    outstanding: usize,
    /// ARNs from the list, to be described.
    listed: Vec<ClusterArn>,
    /// All of the account have been listed.
    lists: bool,
    found: BTreeMap<ClusterArn, Found>,
    missing: Vec<String>,
    ours: BTreeMap<ClusterName, Vec<Instance>>,
    pub failed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub facts: Cluster,
    pub opted_in: bool,
    /// It has not been deleted.
    pub active: bool,
    /// Its rotation is not closed.
    pub under_way: bool,
}

/// What a census has found.
#[derive(Debug)]
pub struct Result {
    pub clusters: BTreeMap<ClusterArn, Found>,
    /// The instances that carry our tag and are not gone, by the cluster that it names.
    pub ours: BTreeMap<ClusterName, Vec<Instance>>,
    /// Names of the configuration that do not exist.
    pub missing: Vec<String>,
    /// All of the account were listed, and not only those described that are known.
    pub lists: bool,
}

impl Census {
    /// `known`: the clusters of the account, where they need not be listed anew.
    pub fn start(settings: &Settings, known: Option<&[ClusterArn]>, tags: &Tags, wire: &mut Wire) -> Self {
        let mut census = Self::default();
        if let (true, Some(known)) = (settings.clusters.is_empty(), known) {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            census.describe(wire, &known);
        } else if settings.clusters.is_empty() {
            census.lists = true;
            census.send(wire, Request::ListClusters { page: None });
        } else {
            let names: Vec<String> = settings.clusters.iter().map(ToString::to_string).collect();
            census.describe(wire, &names);
        }
        let filter = InstanceFilter::Tagged { key: tags.rotation_key(), pattern: "*".to_owned() };
        census.send(wire, Request::DescribeInstances { filter, page: None });
        census
    }

    fn send(&mut self, wire: &mut Wire, request: Request) {
        self.outstanding += 1;
        wire.send(Owner::Census, request);
    }

    fn describe(&mut self, wire: &mut Wire, clusters: &[String]) {
        for clusters in clusters.chunks(CLUSTERS) {
            self.send(wire, Request::DescribeClusters { clusters: clusters.to_vec() });
        }
    }

    /// Takes an answer; true when it was the last.
    pub fn take(
        &mut self,
        reply: Option<Reply>,
        request: &Request,
        settings: &Settings,
        tags: &Tags,
        wire: &mut Wire,
    ) -> bool {
        self.outstanding = self.outstanding.saturating_sub(1);
        match reply {
            Some(Reply::ClusterArns { arns, next }) => {
                self.listed.extend(arns);
                if next.is_some() {
                    self.send(wire, Request::ListClusters { page: next });
                } else {
                    let listed: Vec<String> = self.listed.drain(..).map(|arn| arn.to_string()).collect();
                    self.describe(wire, &listed);
                }
            }
            Some(Reply::Clusters { clusters, failures }) => {
                self.missing.extend(failures.into_iter().map(|failure| failure.item));
                for cluster in clusters {
                    match settings.is_elsewhere(&cluster.arn) {
                        Some(elsewhere) => self.missing.push(elsewhere.to_string()),
                        None => self.found.extend([weigh(cluster, settings, tags)]),
                    }
                }
            }
            Some(Reply::Instances { instances, next }) => {
                for instance in instances.into_iter().filter(|instance| !instance.state.is_gone()) {
                    let rotation = instance.tags.get(&tags.rotation_key());
                    let cluster = rotation.and_then(|id| id.split_once('/')).map(|(name, _)| ClusterName::from(name));
                    if let Some(cluster) = cluster {
                        self.ours.entry(cluster).or_default().push(instance);
                    }
                }
                if let (Some(page), Request::DescribeInstances { filter, .. }) = (next, request) {
                    self.send(wire, Request::DescribeInstances { filter: filter.clone(), page: Some(page) });
                }
            }
            Some(_) | None => self.failed = true,
        }
        self.outstanding == 0
    }

    pub fn result(self) -> Result {
        Result { clusters: self.found, ours: self.ours, missing: self.missing, lists: self.lists }
    }
}

fn weigh(cluster: Cluster, settings: &Settings, tags: &Tags) -> (ClusterArn, Found) {
    let ours = tags.read_cluster(&cluster.tags);
    let active = cluster.status == "ACTIVE";
    let opted_in = active && settings.takes(&cluster.arn.name(), ours.enabled);
    let under_way = ours.rotation.is_some_and(|rotation| rotation.state != RotationState::Closed);
    (cluster.arn.clone(), Found { facts: cluster, opted_in, active, under_way })
}
