//! Identifiers as AWS writes them, each with a type of its own, so that a host cannot be passed where a group is meant.

use std::fmt;

use serde::Serialize;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    )+};
}

ids! {
    /// `arn:aws:ecs:eu-west-1:123456789012:cluster/prod`
    ClusterArn,
    /// `prod`
    ClusterName,
    /// `arn:aws:ecs:eu-west-1:123456789012:service/prod/web`
    ServiceArn,
    /// The name of an Auto Scaling group.
    GroupName,
    /// The name of an ECS capacity provider.
    CapacityProviderName,
    /// `i-0123456789abcdef0`
    InstanceId,
    /// `arn:aws:ecs:…:container-instance/prod/0123…` (or the short form, without the cluster's name).
    ContainerInstanceArn,
    /// `arn:aws:ecs:…:task/prod/0123…` (or the short form).
    TaskArn,
    /// `ami-0123456789abcdef0`
    AmiId,
    /// `lt-0123456789abcdef0`
    TemplateId,
    /// The name of an SSM parameter, with its leading slash if it has one.
    ParameterName,
    /// The name of a CloudWatch alarm: metric, composite or log.
    AlarmName,
    /// The name or ARN of an EventBridge bus.
    BusName,
    /// An availability zone, `eu-west-1a`.
    Zone,
    /// What SQS wants back when a message is deleted or its visibility changes.
    Receipt,
    /// What a paged call wants back for its next page.
    PageToken,
}

impl ClusterArn {
    /// The cluster's name: what follows the last `/`.
    pub fn name(&self) -> ClusterName {
        ClusterName::new(last_segment(&self.0))
    }

    /// `(region, account)`, or `None` when this is not an ARN.
    pub fn place(&self) -> Option<(&str, &str)> {
        let mut parts = self.0.split(':');
        let (region, account) = (parts.nth(3)?, parts.next()?);
        Some((region, account))
    }
}

impl ContainerInstanceArn {
    /// The id behind the last `/`: the same in the short and in the long form of the ARN.
    pub fn id(&self) -> &str {
        last_segment(&self.0)
    }
}

impl TaskArn {
    /// The id behind the last `/`: the same in the short and in the long form of the ARN.
    pub fn id(&self) -> &str {
        last_segment(&self.0)
    }
}

impl ParameterName {
    /// Without the version or the label behind a colon, which SSM's events do not tell.
    #[must_use]
    pub fn plain(&self) -> Self {
        match self.0.split_once(':') {
            Some((name, _)) if name != "arn" => Self(name.to_owned()),
            Some(_) | None => self.clone(),
        }
    }
}

/// A cluster as people name it: by its name, or by its ARN, which says where it is as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCluster {
    pub name: ClusterName,
    pub arn: Option<ClusterArn>,
}

/// Why a text names no cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCluster {
    #[error("expected the name or ARN of an ECS cluster, got `{0}`")]
    NoName(String),
    #[error("`{0}` is the ARN of something else than an ECS cluster")]
    OtherArn(String),
}

impl NamedCluster {
    /// Is it this one? By its name alone, where no more was said.
    pub fn is(&self, arn: &ClusterArn) -> bool {
        self.name == arn.name() && self.arn.as_ref().is_none_or(|named| named.place() == arn.place())
    }
}

impl From<&str> for NamedCluster {
    fn from(name: &str) -> Self {
        Self { name: name.into(), arn: None }
    }
}

/// `prod`, `arn:aws:ecs:eu-west-1:123456789012:cluster/prod`
impl std::str::FromStr for NamedCluster {
    type Err = NoCluster;

    fn from_str(text: &str) -> Result<Self, NoCluster> {
        let trimmed = text.trim();
        let (name, is_arn) = match trimmed.starts_with("arn:") {
            true => (cluster_of_arn(trimmed).ok_or_else(|| NoCluster::OtherArn(trimmed.to_owned()))?, true),
            false => (trimmed, false),
        };
        let fits = !name.is_empty()
            && name.len() <= 255
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if fits {
            Ok(Self { name: ClusterName::new(name), arn: is_arn.then(|| ClusterArn::new(trimmed)) })
        } else {
            Err(NoCluster::NoName(text.to_owned()))
        }
    }
}

impl std::fmt::Display for NamedCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.arn {
            Some(arn) => arn.fmt(f),
            None => self.name.fmt(f),
        }
    }
}

fn cluster_of_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_ecs = parts.nth(2)? == "ecs";
    parts.nth(2)?.strip_prefix("cluster/").filter(|_| is_ecs)
}

/// What follows the last `/`, or all of it.
pub(crate) fn last_segment(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_cluster_is_read_from_its_arn() {
        let arn = ClusterArn::new("arn:aws:ecs:eu-west-1:123456789012:cluster/prod");
        assert_eq!(arn.name().as_str(), "prod");
        assert_eq!(arn.place(), Some(("eu-west-1", "123456789012")));
        assert_eq!(ClusterArn::new("prod").place(), None);
    }

    #[test]
    fn what_people_name_is_read_whole_and_nothing_else_is_a_cluster() {
        let here = ClusterArn::new("arn:aws:ecs:eu-west-1:123456789012:cluster/prod");
        for (text, is_here) in [
            ("prod", true),
            (" prod ", true),
            (here.as_str(), true),
            ("stage", false),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/prod", false),
            ("arn:aws:ecs:eu-west-1:210987654321:cluster/prod", false),
        ] {
            let named: NamedCluster = text.parse().unwrap();
            assert_eq!(named.is(&here), is_here, "{text}");
            assert_eq!(named.to_string(), text.trim());
        }
        for text in [
            "",
            "a b",
            "prod*",
            "arn:aws:ecs:eu-west-1:123456789012:cluster/",
            "arn:aws:ecs:eu-west-1:123456789012:service/prod/web",
            "arn:aws:ecs:eu-west-1:123456789012:cluster/prod/x",
            "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:u:autoScalingGroupName/prod",
            "arn:aws:ecs",
        ] {
            assert!(text.parse::<NamedCluster>().is_err(), "{text}");
        }
    }

    #[test]
    fn short_and_long_arns_have_the_same_id() {
        let long = ContainerInstanceArn::new("arn:aws:ecs:eu-west-1:1:container-instance/prod/abc");
        let short = ContainerInstanceArn::new("arn:aws:ecs:eu-west-1:1:container-instance/abc");
        assert_eq!(long.id(), short.id());
    }
}
