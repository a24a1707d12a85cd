//! Our words on the things of AWS: every tag, written and read in one place.
//!
//! ECS allows letters, digits, spaces and `+ - = . _ : / @` in a tag's value, 256 characters at most: what people read there
//! is cut down to that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::model::ImageSource;
use super::policy::{BadSetting, Policy, parse_age, parse_duration};
use crate::effect::ImagePattern;
use crate::id::{AmiId, ClusterName, GroupName, ParameterName};

const ENABLED: &str = "enabled";
const ROTATION: &str = "rotation";
const HOLD: &str = "hold";
const ROTATE_BEFORE: &str = "rotate-before";
const GROUPS: &str = "groups";
const GROUP: &str = "group";
const SINCE: &str = "since";
const DRAINING_SINCE: &str = "draining-since";
const AMI_PARAMETER: &str = "ami-parameter";
const AMI_NAME: &str = "ami-name";
const REJECTED: &str = "rejected";
/// Not ours alone: the tag that the procedure before us already read.
const OS: &str = "OS";

const LONGEST_VALUE: usize = 256;

/// The prefix in front of every tag of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    prefix: String,
}

/// The cluster's tag `rotation`: `<id> <state> <since>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub id: RotationId,
    pub state: RotationState,
    /// Since when it is in this state.
    pub since: Timestamp,
}

/// `prod/20260114T030000Z`: the cluster and the time of the opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RotationId(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// Our tags on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTags {
    pub enabled: Option<bool>,
    pub rotation: Option<Rotation>,
    pub hold: Option<String>,
    pub rotate_before: Option<Timestamp>,
    pub scope: BTreeSet<GroupName>,
}

/// What the tags of a cluster say of its rotation.
#[derive(Clone, Copy, Debug)]
pub struct RotationTags<'a> {
    pub rotation: &'a Rotation,
    pub hold: Option<&'a str>,
    pub rotate_before: Option<Timestamp>,
    /// Empty: all groups.
    pub scope: &'a BTreeSet<GroupName>,
}

impl RotationId {
    pub fn new(cluster: &ClusterName, opened: Timestamp) -> Self {
        Self(format!("{cluster}/{}", opened.strftime("%Y%m%dT%H%M%SZ")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_of(&self, cluster: &ClusterName) -> bool {
        self.0.strip_prefix(cluster.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl std::fmt::Display for RotationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl RotationState {
    pub const fn word(self) -> &'static str {
        match self {
            RotationState::Open => "open",
            RotationState::Paused => "paused",
            RotationState::Held => "held",
            RotationState::Closed => "closed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Paused, Self::Held, Self::Closed].into_iter().find(|state| state.word() == word)
    }
}

impl std::fmt::Display for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.id, self.state.word(), self.since.strftime("%Y-%m-%dT%H:%M:%SZ"))
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
        let state = RotationState::from_word(state).ok_or(())?;
        Ok(Self { id: RotationId(id.to_owned()), state, since: since.parse().map_err(|_| ())? })
    }
}

impl Tags {
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn get<'a>(&self, tags: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
        tags.get(&self.key(name)).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The EC2 tag by which our hosts are found.
    pub fn rotation_key(&self) -> String {
        self.key(ROTATION)
    }

    /// What the values of that tag look like in this cluster.
    pub fn rotation_pattern(cluster: &ClusterName) -> String {
        format!("{cluster}/*")
    }

    /// A tag that cannot be read is as if it were not there: a person's slip must not stop what is under way.
    pub fn read_cluster(&self, tags: &BTreeMap<String, String>) -> ClusterTags {
        ClusterTags {
            enabled: self.get(tags, ENABLED).and_then(read_bool),
            rotation: self.get(tags, ROTATION).and_then(|text| text.parse().ok()),
            hold: self.get(tags, HOLD).map(ToOwned::to_owned),
            rotate_before: self.get(tags, ROTATE_BEFORE).and_then(|text| text.parse().ok()),
            scope: self
                .get(tags, GROUPS)
                .map(|text| text.split_whitespace().map(GroupName::from).collect())
                .unwrap_or_default(),
        }
    }

    /// All of the cluster's tags for a rotation in this state, in one call, so that none can be left over from another
    /// time. An empty value means that there is nothing to say.
    pub fn write_cluster(&self, wanted: &RotationTags<'_>) -> Result<BTreeMap<String, String>, ScopeTooLong> {
        let names: Vec<&str> = wanted.scope.iter().map(GroupName::as_str).collect();
        let scope = names.join(" ");
        let odd = |name: &&str| name.contains(char::is_whitespace) || !name.chars().all(is_allowed);
        if scope.chars().count() > LONGEST_VALUE || names.iter().any(odd) {
            return Err(ScopeTooLong);
        }
        Ok(BTreeMap::from([
            (self.key(ROTATION), wanted.rotation.to_string()),
            (self.key(HOLD), wanted.hold.map(readable).unwrap_or_default()),
            (self.key(ROTATE_BEFORE), wanted.rotate_before.map(|before| before.to_string()).unwrap_or_default()),
            (self.key(GROUPS), scope),
        ]))
    }

    /// Our tags on an EC2 instance, when it is ours in this cluster.
    pub fn read_ours(&self, cluster: &ClusterName, tags: &BTreeMap<String, String>) -> Option<Ours> {
        let rotation = RotationId(self.get(tags, ROTATION)?.to_owned());
        let group = GroupName::from(self.get(tags, GROUP)?);
        let since = self.get(tags, SINCE)?.parse().ok()?;
        rotation.is_of(cluster).then_some(Ours { rotation, group, since })
    }

    pub fn write_ours(&self, ours: &Ours) -> BTreeMap<String, String> {
        BTreeMap::from([
            (self.key(ROTATION), ours.rotation.to_string()),
            (self.key(GROUP), ours.group.to_string()),
            (self.key(SINCE), ours.since.to_string()),
        ])
    }

    pub fn read_draining_since(&self, tags: &BTreeMap<String, String>) -> Option<Timestamp> {
        self.get(tags, DRAINING_SINCE)?.parse().ok()
    }

    pub fn write_draining_since(&self, since: Timestamp) -> BTreeMap<String, String> {
        BTreeMap::from([(self.key(DRAINING_SINCE), since.to_string())])
    }

    /// The group's own word on whether it takes part.
    pub fn group_enabled(&self, tags: &BTreeMap<String, String>) -> Option<bool> {
        self.get(tags, ENABLED).and_then(read_bool)
    }

    /// Where the group says that its image comes from; the error names the tag that cannot be read.
    pub fn image_source(&self, tags: &BTreeMap<String, String>) -> Result<ImageSource, (String, BadSetting)> {
        let ami_name = match self.get(tags, AMI_NAME) {
            Some(text) => Some(image_pattern(text).map_err(|bad| (self.key(AMI_NAME), bad))?),
            None => None,
        };
        let rejected = self.get(tags, REJECTED).unwrap_or_default().split(|c: char| c.is_whitespace() || c == ',');
        Ok(ImageSource {
            ami_parameter: self.get(tags, AMI_PARAMETER).map(ParameterName::from),
            ami_name,
            os: tags.get(OS).cloned(),
            rejected: rejected.filter(|id| !id.is_empty()).map(AmiId::from).collect(),
        })
    }

    /// The policy with a group's own settings over it; the error names the tag that cannot be read.
    pub fn group_policy(
        &self,
        tags: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> Result<Policy, (String, BadSetting)> {
        let own = |name: &'static str| self.get(tags, name).map(|text| (self.key(name), text));
        let mut policy = policy.clone();
        if let Some((key, text)) = own("max-in-flight") {
            policy.max_in_flight = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own("drain") {
            policy.drain = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own("drain-timeout") {
            policy.drain_timeout = parse_duration(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own("replacement-timeout") {
            let timeout = parse_duration(text).map_err(|bad| (key, bad))?;
            policy.replacement_timeout = timeout;
            policy.replacement_timeout_windows = timeout;
        }
        if let Some((key, text)) = own("allow-older") {
            let bad = BadSetting { expected: "`true` or `false`", got: text.to_owned() };
            policy.allow_older = read_bool(text).ok_or((key, bad))?;
        }
        if let Some((key, text)) = own("min-ami-age") {
            policy.min_ami_age = parse_age(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own("window") {
            policy.calendar.windows = Some(text.parse().map_err(|bad| (key, bad))?);
        }
        if let Some((key, text)) = own("release-by") {
            policy.release_by = text.parse().map_err(|bad| (key, bad))?;
        }
        Ok(policy)
    }
}

/// The names of these groups do not fit into one tag of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the names of these groups do not fit into one tag of the cluster (256 characters, no odd signs): rotate fewer at a time"
)]
pub struct ScopeTooLong;

/// `OWNER[,OWNER…]:NAME`: an image's name has no colon. Without an owner anybody could publish one by that name.
fn image_pattern(text: &str) -> Result<ImagePattern, BadSetting> {
    let bad = || BadSetting {
        expected: "owners (`amazon`, `self` or account ids, separated by commas), a colon, and a name with `*`, \
            as `self:web-host-*`",
        got: text.to_owned(),
    };
    let (owners, name) = text.split_once(':').ok_or_else(bad)?;
    let owners: Vec<String> = owners.split(',').map(|owner| owner.trim().to_owned()).collect();
    let is_account = |owner: &str| owner.len() == 12 && owner.chars().all(|c| c.is_ascii_digit());
    let known = |owner: &String| matches!(owner.as_str(), "amazon" | "self" | "aws-marketplace") || is_account(owner);
    let name = name.trim();
    if !owners.iter().all(known) || name.is_empty() || name.contains(':') || name.chars().all(|c| c == '*') {
        return Err(bad());
    }
    Ok(ImagePattern { owners, name: name.to_owned() })
}

fn read_bool(text: &str) -> Option<bool> {
    text.trim().to_ascii_lowercase().parse().ok()
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@')
}

/// The text as a tag's value may be.
pub fn readable(text: &str) -> String {
    const MORE: &str = " ...";
    let allowed: String = text
        .chars()
        .map(|c| match c {
            ',' | ';' => '.',
            c if is_allowed(c) => c,
            _ => ' ',
        })
        .collect();
    if allowed.chars().count() <= LONGEST_VALUE {
        return allowed;
    }
    allowed.chars().take(LONGEST_VALUE - MORE.len()).chain(MORE.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags::new("ecs-rotator:")
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_rotation_is_read_back_as_it_is_written() {
        let opened = time("2026-01-14T03:00:00Z");
        let rotation =
            Rotation { id: RotationId::new(&"prod".into(), opened), state: RotationState::Open, since: opened };
        assert_eq!(rotation.to_string(), "prod/20260114T030000Z open 2026-01-14T03:00:00Z");
        assert_eq!(rotation.to_string().parse(), Ok(rotation));
        for text in
            ["", "prod/1 open", "prod/1 ajar 2026-01-14T03:00:00Z", "prod/1 open soon", "a open 2026-01-14T03:00:00Z b"]
        {
            assert!(text.parse::<Rotation>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_ours_only_in_the_cluster_of_its_rotation() {
        let ours = Ours {
            rotation: RotationId::new(&"prod".into(), time("2026-01-14T03:00:00Z")),
            group: "web".into(),
            since: time("2026-01-14T03:00:01Z"),
        };
        let written = tags().write_ours(&ours);
        assert_eq!(tags().read_ours(&"prod".into(), &written), Some(ours));
        assert_eq!(tags().read_ours(&"pro".into(), &written), None);
        assert_eq!(Tags::new("other:").read_ours(&"prod".into(), &written), None);
    }

    #[test]
    fn a_hold_fits_into_a_tag() {
        let rotation: Rotation = "prod/1 held 2026-01-14T03:00:00Z".parse().unwrap();
        let reason = format!("drain of i-1 (3 tasks; \"web\") {}", "x".repeat(400));
        let scope = BTreeSet::new();
        let wanted = RotationTags { rotation: &rotation, hold: Some(&reason), rotate_before: None, scope: &scope };
        let written = tags().write_cluster(&wanted).unwrap();
        let text = &written["ecs-rotator:hold"];
        assert_eq!(text.chars().count(), 256);
        assert!(text.chars().all(is_allowed), "{text}");
        assert!(text.ends_with(" ..."));
    }

    #[test]
    fn what_a_rotation_says_replaces_all_that_an_earlier_one_said() {
        let rotation: Rotation = "prod/1 open 2026-01-14T03:00:00Z".parse().unwrap();
        let scope: BTreeSet<GroupName> = ["web".into(), "api".into()].into();
        let before = Some(time("2026-01-14T03:00:00.5Z"));
        let forced = RotationTags { rotation: &rotation, hold: None, rotate_before: before, scope: &scope };
        let mut on_the_cluster = tags().write_cluster(&forced).unwrap();
        let read = tags().read_cluster(&on_the_cluster);
        assert_eq!((read.rotate_before, read.scope), (before, scope));
        let nothing = BTreeSet::new();
        let plain = RotationTags { rotation: &rotation, hold: None, rotate_before: None, scope: &nothing };
        on_the_cluster.extend(tags().write_cluster(&plain).unwrap());
        let read = tags().read_cluster(&on_the_cluster);
        assert_eq!((read.rotate_before, read.scope, read.hold), (None, nothing, None));
    }

    #[test]
    fn a_scope_that_does_not_fit_is_refused() {
        let rotation: Rotation = "prod/1 open 2026-01-14T03:00:00Z".parse().unwrap();
        for scope in [["x".repeat(200), "y".repeat(200)], ["a group".to_owned(), "b".to_owned()]] {
            let scope = scope.into_iter().map(GroupName::new).collect();
            let wanted = RotationTags { rotation: &rotation, hold: None, rotate_before: None, scope: &scope };
            assert_eq!(tags().write_cluster(&wanted), Err(ScopeTooLong));
        }
    }

    #[test]
    fn a_group_overrides_the_policy_by_tags() {
        let own = BTreeMap::from([("ecs-rotator:max-in-flight".to_owned(), "2".to_owned())]);
        let policy = tags().group_policy(&own, &Policy::default()).unwrap();
        assert_eq!(policy.max_in_flight.to_string(), "2");
        let bad = BTreeMap::from([("ecs-rotator:drain-timeout".to_owned(), "soon".to_owned())]);
        assert_eq!(tags().group_policy(&bad, &Policy::default()).unwrap_err().0, "ecs-rotator:drain-timeout");
    }

    #[test]
    fn a_name_pattern_says_whose_images_it_means() {
        let read = |text: &str| image_pattern(text).map(|pattern| pattern.to_string());
        assert_eq!(read("self:web-*").unwrap(), "self:web-*");
        assert_eq!(read(" amazon, 123456789012: al2023-*-{arch}").unwrap(), "amazon,123456789012:al2023-*-{arch}");
        for text in
            ["", "web-*", ":web-*", "self:", "self:*", "self:**", "everybody:web-*", "self,:web-*", "12345:web-*"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn images_are_rejected_by_a_list() {
        let tags_of = |text: &str| BTreeMap::from([("ecs-rotator:rejected".to_owned(), text.to_owned())]);
        let rejected = |text: &str| tags().image_source(&tags_of(text)).unwrap().rejected;
        assert_eq!(rejected("ami-1 ami-2,ami-3"), BTreeSet::from(["ami-1".into(), "ami-2".into(), "ami-3".into()]));
        assert_eq!(rejected(" "), BTreeSet::new());
    }
}
