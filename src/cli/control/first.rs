//! The look before a message is sent: what no worker would take is said at once, and nothing is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::aws::Aws;
use crate::effect::{Cluster, Failure, FailureKind, Reply, Request};
use crate::id::{ClusterArn, ClusterName, GroupName, NamedCluster};
use crate::plan::published::Published;
use crate::plan::tags::{ClusterTags, Tags};

/// A message may wait for so long for a look that helps it, and no longer.
const WITHIN: Duration = Duration::from_secs(10);
/// ECS's limit.
const PROVIDERS: usize = 10;

/// What was seen.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
pub enum FirstLook {
    Seen(Seen),
    /// It could not be looked, and why. A person may be allowed to send and not to look.
    Denied(String),
}

#[derive(Debug)]
pub struct Seen {
    pub tags: ClusterTags,
    /// The groups of the cluster, where they are known.
    pub known: Option<BTreeSet<GroupName>>,
    /// Groups that are there, and that only a worker's configuration can have brought into this cluster.
    pub by_configuration: BTreeSet<GroupName>,
}

/// Why nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("cluster {cluster} does not exist in {region}: nothing was sent")]
    NoSuchCluster { cluster: ClusterName, region: String },
    #[error("{named} is in {of}, and this is {here}: nothing was sent")]
    Elsewhere { named: String, of: String, here: String },
    #[error(
        "cluster {cluster} has opted out: its tag `enabled` does not say `true`, and no worker takes it: nothing was sent"
    )]
    OptedOut { cluster: ClusterName },
    #[error("no such group in cluster {cluster}: {unknown}; known are {known}: nothing was sent")]
    NoSuchGroup { cluster: ClusterName, unknown: String, known: String },
}

/// # Errors
/// When no worker could do what is asked for.
pub async fn look(aws: &Aws, tags: &Tags, named: &NamedCluster, groups: &[GroupName]) -> Result<FirstLook, Forbidden> {
    let cluster = &named.name;
    let looked = tokio::time::timeout(WITHIN, described(aws, cluster)).await;
    let facts = match looked {
        Ok(Ok(facts)) => facts,
        Ok(Err(failure)) => return Ok(FirstLook::Denied(said(&failure))),
        Err(_) => {
            return Ok(FirstLook::Denied(format!("DescribeClusters had no answer within {} s", WITHIN.as_secs())));
        }
    };
    let Some(facts) = facts else {
        return Err(Forbidden::NoSuchCluster { cluster: cluster.clone(), region: aws.region().to_owned() });
    };
    if !named.is(&facts.arn) {
        let account =
            |arn: Option<&ClusterArn>| arn.and_then(ClusterArn::place).map_or("", |(_, account)| account).to_owned();
        let (of, here) = (account(named.arn.as_ref()), account(Some(&facts.arn)));
        return Err(Forbidden::Elsewhere { named: named.to_string(), of, here });
    }
    let ours = tags.read_cluster(&facts.tags);
    if ours.enabled == Some(false) {
        return Err(Forbidden::OptedOut { cluster: cluster.clone() });
    }
    let mut seen = Seen { tags: ours, known: None, by_configuration: BTreeSet::new() };
    if !groups.is_empty() {
        seen.look_at_groups(aws, &facts, groups).await.map_err(|NotThere { unknown, known }| {
            Forbidden::NoSuchGroup { cluster: cluster.clone(), unknown: in_a_row(&unknown), known: in_a_row(&known) }
        })?;
    }
    Ok(FirstLook::Seen(seen))
}

/// What an ARN says can be known before anything is asked.
///
/// # Errors
/// When it is of another region.
pub fn is_in_region(aws: &Aws, named: &NamedCluster) -> Result<(), Forbidden> {
    let here = aws.region();
    let region = named.arn.as_ref().and_then(|arn| arn.place()).map_or(here, |(region, _)| region);
    if region == here {
        return Ok(());
    }
    Err(Forbidden::Elsewhere { named: named.to_string(), of: region.to_owned(), here: here.to_owned() })
}

impl FirstLook {
    /// The groups of the cluster, as far as they are known.
    pub fn known_groups(&self) -> Vec<&str> {
        match self {
            FirstLook::Seen(seen) => seen.known.iter().flatten().map(GroupName::as_str).collect(),
            FirstLook::Denied(_) => Vec::new(),
        }
    }
}

struct NotThere {
    unknown: BTreeSet<GroupName>,
    known: BTreeSet<GroupName>,
}

impl Seen {
    /// What cannot be read forbids nothing: the worker knows.
    async fn look_at_groups(&mut self, aws: &Aws, facts: &Cluster, groups: &[GroupName]) -> Result<(), NotThere> {
        let Some(mut known) = behind_providers(aws, facts).await else { return Ok(()) };
        known.extend(self.tags.settings.as_deref().and_then(Published::read).into_iter().flat_map(|own| own.groups));
        let other: BTreeSet<GroupName> = groups.iter().filter(|name| !known.contains(*name)).cloned().collect();
        self.known = Some(known.clone());
        let Some(there) = there(aws, &other).await else { return Ok(()) };
        let (by_configuration, unknown): (BTreeSet<_>, BTreeSet<_>) =
            other.into_iter().partition(|name| there.contains(name));
        self.by_configuration = by_configuration;
        if unknown.is_empty() { Ok(()) } else { Err(NotThere { unknown, known }) }
    }
}

/// The cluster, if it is there.
///
/// # Errors
/// When it could not be asked for.
pub async fn described(aws: &Aws, cluster: &ClusterName) -> Result<Option<Cluster>, Failure> {
    let request = Request::DescribeClusters { clusters: vec![cluster.to_string()] };
    let Reply::Clusters { clusters, .. } = aws.perform(request).await? else { return Ok(None) };
    Ok(clusters.into_iter().find(|facts| facts.status == "ACTIVE"))
}

async fn behind_providers(aws: &Aws, facts: &Cluster) -> Option<BTreeSet<GroupName>> {
    let mut groups = BTreeSet::new();
    for names in facts.capacity_providers.chunks(PROVIDERS) {
        let request = Request::DescribeCapacityProviders { names: names.to_vec() };
        let Ok(Reply::CapacityProviders { providers, .. }) = aws.perform(request).await else { return None };
        groups.extend(providers.into_iter().filter_map(|provider| provider.group));
    }
    Some(groups)
}

/// Which of them are there, in whatever cluster.
async fn there(aws: &Aws, names: &BTreeSet<GroupName>) -> Option<BTreeSet<GroupName>> {
    if names.is_empty() {
        return Some(BTreeSet::new());
    }
    let request = Request::DescribeAutoScalingGroups { names: names.iter().cloned().collect(), page: None };
    let Ok(Reply::Groups { groups, .. }) = aws.perform(request).await else { return None };
    Some(groups.into_iter().map(|group| group.name).collect())
}

fn said(failure: &Failure) -> String {
    let operation = failure.operation;
    match failure.kind {
        FailureKind::AccessDenied => format!("{operation} is not allowed to you"),
        FailureKind::Throttled
        | FailureKind::Transient
        | FailureKind::Credentials
        | FailureKind::NotFound
        | FailureKind::Refused => format!("{operation} failed: {}", failure.in_short()),
    }
}

fn in_a_row(names: &BTreeSet<GroupName>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}
