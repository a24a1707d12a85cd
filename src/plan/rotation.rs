//! A rotation and what it writes on things, as values of their tags.

use jiff::Timestamp;

use crate::id::{ClusterName, GroupName, InstanceId};

/// The cluster's tag `rotation`: `<id> <state> <since>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub id: RotationId,
    pub state: RotationState,
    /// Since when it is in this state.
    pub since: Timestamp,
}

/// `prod/20260114T030000Z`: the cluster and the time of the opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct RotationId(String);

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RotationState {
    Open,
    Paused,
    Held,
    Closed,
}

/// Our tags on an EC2 instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    pub rotation: RotationId,
    /// The group it left, or is about to leave.
    pub group: GroupName,
    /// When it was tagged.
    pub since: Timestamp,
}

/// The last image that failed in a group: `<at> <why>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub at: Timestamp,
    pub why: String,
}

/// On a host that goes back to its group: `<at> <desired> <instead>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GiveBack {
    /// When that was decided.
    pub at: Timestamp,
    /// The group's desired capacity then, which it shall have again.
    pub desired: u32,
    /// The replacement that goes in its stead; None: there is none that could, and the host stays out of its group.
    pub instead: Option<InstanceId>,
}

impl RotationId {
    pub fn new(cluster: &ClusterName, opened: Timestamp) -> Self {
        Self(format!("{cluster}/{}", opened.strftime("%Y%m%dT%H%M%SZ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// None: it is not one of ours.
    pub fn opened(&self) -> Option<Timestamp> {
        let (_, opened) = self.0.rsplit_once('/')?;
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", opened).ok()?.in_tz("UTC").ok().map(|at| at.timestamp())
    }

    pub(super) fn is_of(&self, cluster: &ClusterName) -> bool {
        self.0.strip_prefix(cluster.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// As it was written: in a tag, in a line of the log.
impl From<&str> for RotationId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Display for RotationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for GiveBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.at, self.desired, self.instead.as_ref().map_or("-", InstanceId::as_str))
    }
}

impl std::str::FromStr for GiveBack {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [at, desired, instead] = words[..] else { return Err(()) };
        let instead = (instead != "-").then(|| InstanceId::from(instead));
        Ok(Self { at: at.parse().map_err(|_| ())?, desired: desired.parse().map_err(|_| ())?, instead })
    }
}

impl RotationState {
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl std::fmt::Display for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:.0}", self.id, self.state.word(), self.since)
    }
}

impl std::str::FromStr for Rotation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split_whitespace();
        let (Some(id), Some(state), Some(since), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(());
        };
        let state = state.parse().map_err(|_| ())?;
        Ok(Self { id: RotationId(id.to_owned()), state, since: since.parse().map_err(|_| ())? })
    }
}
