//! Our words on the things of AWS: every tag, written and read in one place.
//!
//! ECS allows letters, digits, spaces and `+ - = . _ : / @` in a tag's value, 256 characters at most: what people read there
//! is cut down to that.

mod name;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::name::Name;
pub use self::name::{Tags, Thing};
use super::answer::Answers;
use super::hold::Hold;
use super::outcome::{Skipped, Standing, read_skipped, write_skipped};
use super::policy::{BadSetting, Policy, parse_age, parse_alarms, parse_duration, parse_pause, parse_rung};
use super::rotation::{GiveBack, Ours, Rejection, Rotation, RotationId};
use super::source::ImageSource;
use super::tag_text::{LONGEST_VALUE, decoded, encoded, in_two, is_allowed};
use crate::effect::ImagePattern;
use crate::id::{AmiId, ClusterName, GroupName, ParameterName};

/// What does not fit into the first stands in the second.
const SETTINGS: [Name; 2] = [Name::Settings, Name::SettingsMore];
/// Not ours alone: the tag that the procedure before us already read.
const OS: &str = "OS";

/// Of a hold, which has two tags: it is parted between two words, of which the longest is that of a group.
const LONGEST_HOLD: usize = 2 * LONGEST_VALUE - 70;

/// Our tags on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTags {
    pub enabled: Option<bool>,
    pub rotation: Option<Rotation>,
    pub hold: Option<Hold>,
    pub skipped: Vec<Skipped>,
    pub rotate_before: Option<Timestamp>,
    pub resumed: Option<Timestamp>,
    pub because: Option<String>,
    pub scope: BTreeSet<GroupName>,
    /// What became of the last messages of people.
    pub answers: Answers,
    /// What the worker has published of its settings, as it is written: see [`Published`](super::published::Published).
    pub settings: Option<String>,
}

/// What the tags of a cluster say of its rotation.
#[derive(Clone, Copy, Debug)]
pub struct RotationTags<'a> {
    pub rotation: &'a Rotation,
    pub hold: Option<&'a Hold>,
    /// What it left out when it closed.
    pub skipped: &'a [Skipped],
    pub rotate_before: Option<Timestamp>,
    /// When a person last let it go on.
    pub resumed: Option<Timestamp>,
    /// What opened it.
    pub because: Option<&'a str>,
    /// Empty: all groups.
    pub scope: &'a BTreeSet<GroupName>,
}

impl ClusterTags {
    /// How its rotation stands; None: there has been none.
    pub fn standing(&self) -> Option<Standing> {
        let aborted = self.hold.as_ref().is_some_and(|hold| hold.aborted);
        self.rotation.as_ref().map(|rotation| Standing::of(rotation.state, aborted, !self.skipped.is_empty()))
    }
}

impl Tags {
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, name: Name) -> String {
        format!("{}{}", self.prefix, name.as_str())
    }

    fn get<'a>(&self, tags: &'a BTreeMap<String, String>, name: Name) -> Option<&'a str> {
        tags.get(&self.key(name)).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The EC2 tag by which our hosts are found.
    pub fn rotation_key(&self) -> String {
        self.key(Name::Rotation)
    }

    /// What the values of that tag look like in this cluster.
    pub fn rotation_pattern(cluster: &ClusterName) -> String {
        format!("{cluster}/*")
    }

    /// A tag that cannot be read is as if it were not there: a person's slip must not stop what is under way.
    pub fn read_cluster(&self, tags: &BTreeMap<String, String>) -> ClusterTags {
        ClusterTags {
            // What is not understood protects.
            enabled: self.enabled(tags).unwrap_or(Some(false)),
            rotation: self.get(tags, Name::Rotation).and_then(|text| text.parse().ok()),
            hold: self.get(tags, Name::Hold).map(|text| {
                let more = self.get(tags, Name::HoldMore).unwrap_or_default();
                Hold::parse(format!("{text} {more}").trim_end())
            }),
            skipped: self.get(tags, Name::Skipped).map(read_skipped).unwrap_or_default(),
            rotate_before: self.get(tags, Name::RotateBefore).and_then(|text| text.parse().ok()),
            resumed: self.get(tags, Name::Resumed).and_then(|text| text.parse().ok()),
            because: self.get(tags, Name::Because).map(decoded),
            scope: self
                .get(tags, Name::Groups)
                .map(|text| text.split_whitespace().map(GroupName::from).collect())
                .unwrap_or_default(),
            answers: self.get(tags, Name::Answer).map(Answers::read).unwrap_or_default(),
            settings: self.read_settings(tags),
        }
    }

    /// Those of a cluster in which the rotation is written, as far as these have them.
    pub fn of_rotation(&self, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let names = [
            Name::Rotation,
            Name::Hold,
            Name::HoldMore,
            Name::Skipped,
            Name::RotateBefore,
            Name::Resumed,
            Name::Because,
            Name::Groups,
        ];
        self.select(names.into_iter().chain(SETTINGS), tags)
    }

    /// Those of a group in which its rejections are written.
    pub fn of_rejection(&self, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        self.select([Name::Rejected, Name::Rejection].into_iter(), tags)
    }

    fn select(&self, names: impl Iterator<Item = Name>, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let keys = names.map(|name| self.key(name));
        keys.filter_map(|key| tags.get(&key).map(|value| (key.clone(), value.clone()))).collect()
    }

    fn read_settings(&self, tags: &BTreeMap<String, String>) -> Option<String> {
        let parts: Vec<&str> = SETTINGS.into_iter().filter_map(|name| self.get(tags, name)).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    pub fn write_answers(&self, answers: &Answers) -> BTreeMap<String, String> {
        BTreeMap::from([(self.key(Name::Answer), answers.to_string())])
    }

    pub fn write_settings(&self, settings: &[String; 2]) -> BTreeMap<String, String> {
        SETTINGS.into_iter().zip(settings).map(|(name, part)| (self.key(name), part.clone())).collect()
    }

    /// All of the cluster's tags for a rotation in this state, in one call, so that none can be left over from another
    /// time. An empty value means that there is nothing to say.
    pub fn write_cluster(&self, wanted: &RotationTags<'_>) -> Result<BTreeMap<String, String>, BadScope> {
        let scope = write_scope(wanted.scope)?;
        let hold = wanted.hold.map(|hold| hold.text(LONGEST_HOLD)).unwrap_or_default();
        let (hold, more) = in_two(&hold);
        Ok(BTreeMap::from([
            (self.key(Name::Rotation), wanted.rotation.to_string()),
            (self.key(Name::Hold), hold),
            (self.key(Name::HoldMore), more),
            (self.key(Name::Skipped), write_skipped(wanted.skipped, LONGEST_VALUE)),
            (self.key(Name::RotateBefore), wanted.rotate_before.map(|before| before.to_string()).unwrap_or_default()),
            (self.key(Name::Resumed), wanted.resumed.map(|resumed| resumed.to_string()).unwrap_or_default()),
            (
                self.key(Name::Because),
                wanted.because.map(|because| encoded(because, LONGEST_VALUE)).unwrap_or_default(),
            ),
            (self.key(Name::Groups), scope),
        ]))
    }

    /// Our tags on an EC2 instance, when it is ours in this cluster.
    pub fn read_ours(&self, cluster: &ClusterName, tags: &BTreeMap<String, String>) -> Option<Ours> {
        let rotation = RotationId::from(self.get(tags, Name::Rotation)?);
        let group = GroupName::from(self.get(tags, Name::Group)?);
        let since = self.get(tags, Name::Since)?.parse().ok()?;
        rotation.is_of(cluster).then_some(Ours { rotation, group, since })
    }

    pub fn write_ours(&self, ours: &Ours) -> BTreeMap<String, String> {
        BTreeMap::from([
            (self.key(Name::Rotation), ours.rotation.to_string()),
            (self.key(Name::Group), ours.group.to_string()),
            (self.key(Name::Since), ours.since.to_string()),
        ])
    }

    /// On a host that is taken, with nothing in them yet: an instance has room for 50 tags, and one that has no room for all of
    /// ours shall be refused while it is still in its group.
    pub fn reserve(&self) -> BTreeMap<String, String> {
        [Name::DrainingSince, Name::GiveBack].into_iter().map(|name| (self.key(name), String::new())).collect()
    }

    pub fn read_draining_since(&self, tags: &BTreeMap<String, String>) -> Option<Timestamp> {
        self.get(tags, Name::DrainingSince)?.parse().ok()
    }

    pub fn write_draining_since(&self, since: Timestamp) -> BTreeMap<String, String> {
        BTreeMap::from([(self.key(Name::DrainingSince), since.to_string())])
    }

    pub fn read_give_back(&self, tags: &BTreeMap<String, String>) -> Option<GiveBack> {
        self.get(tags, Name::GiveBack)?.parse().ok()
    }

    pub fn write_give_back(&self, give_back: &GiveBack) -> BTreeMap<String, String> {
        BTreeMap::from([(self.key(Name::GiveBack), give_back.to_string())])
    }

    /// A host that is ours, and shall go on as if nobody had wanted to give it back.
    pub fn keep(&self) -> BTreeMap<String, String> {
        [Name::GiveBack, Name::DrainingSince].into_iter().map(|name| (self.key(name), String::new())).collect()
    }

    /// A host that is no longer ours. An empty value says nothing.
    pub fn let_go(&self) -> BTreeMap<String, String> {
        let names = [Name::Rotation, Name::Group, Name::Since, Name::DrainingSince, Name::GiveBack];
        names.into_iter().map(|name| (self.key(name), String::new())).collect()
    }

    /// The image that failed last in this group.
    pub fn read_rejection(&self, tags: &BTreeMap<String, String>) -> Option<Rejection> {
        let (at, why) = self.get(tags, Name::Rejection)?.split_once(' ')?;
        Some(Rejection { at: at.parse().ok()?, why: decoded(why) })
    }

    /// These images failed, beside those that have failed before. The oldest are forgotten where the tag is full.
    pub fn write_rejection(
        &self,
        before: &BTreeMap<String, String>,
        images: &BTreeSet<AmiId>,
        rejection: &Rejection,
    ) -> BTreeMap<String, String> {
        let known = self.get(before, Name::Rejected).unwrap_or_default().split(|c: char| c.is_whitespace() || c == ',');
        let known = known.filter(|id| !id.is_empty() && !images.iter().any(|image| image.as_str() == *id));
        let mut all: Vec<&str> = known.chain(images.iter().map(AmiId::as_str)).collect();
        while all.len() > images.len() && all.join(" ").chars().count() > LONGEST_VALUE {
            all.remove(0);
        }
        let rejection = encoded(&format!("{} {}", rejection.at, rejection.why), LONGEST_VALUE);
        BTreeMap::from([(self.key(Name::Rejected), all.join(" ")), (self.key(Name::Rejection), rejection)])
    }

    /// A cluster's or a group's own word on whether it takes part; None: it says nothing.
    ///
    /// # Errors
    /// When it says something that is neither `true` nor `false`: with the tag.
    pub fn enabled(&self, tags: &BTreeMap<String, String>) -> Result<Option<bool>, (String, BadSetting)> {
        let Some(text) = self.get(tags, Name::Enabled) else { return Ok(None) };
        let bad = || BadSetting { expected: "`true` or `false`", got: text.to_owned() };
        read_bool(text).map(Some).ok_or_else(|| (self.key(Name::Enabled), bad()))
    }

    /// Where the group says that its image comes from; the error names the tag that cannot be read.
    pub fn image_source(&self, tags: &BTreeMap<String, String>) -> Result<ImageSource, (String, BadSetting)> {
        let ami_name = match self.get(tags, Name::AmiName) {
            Some(text) => Some(image_pattern(text).map_err(|bad| (self.key(Name::AmiName), bad))?),
            None => None,
        };
        let rejected =
            self.get(tags, Name::Rejected).unwrap_or_default().split(|c: char| c.is_whitespace() || c == ',');
        Ok(ImageSource {
            ami_parameter: self.get(tags, Name::AmiParameter).map(ParameterName::from),
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
        let own = |name: Name| self.get(tags, name).map(|text| (self.key(name), text));
        let mut policy = policy.clone();
        if let Some((key, text)) = own(Name::MaxInFlight) {
            policy.max_in_flight = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::Drain) {
            policy.drain = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::DrainTimeout) {
            policy.drain_timeout = parse_duration(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::ReplacementTimeout) {
            let timeout = parse_duration(text).map_err(|bad| (key, bad))?;
            policy.replacement_timeout = timeout;
            policy.replacement_timeout_windows = timeout;
        }
        if let Some((key, text)) = own(Name::AllowOlder) {
            let bad = BadSetting { expected: "`true` or `false`", got: text.to_owned() };
            policy.allow_older = read_bool(text).ok_or((key, bad))?;
        }
        if let Some((key, text)) = own(Name::MinAmiAge) {
            policy.min_ami_age = parse_age(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::Bake) {
            policy.bake = parse_pause(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::Settle) {
            policy.settle = parse_pause(text).map_err(|bad| (key, bad))?;
        }
        self.own_ladder(tags, &mut policy)?;
        if let Some((key, text)) = own(Name::Window) {
            policy.calendar.windows = Some(text.parse().map_err(|bad| (key, bad))?);
        }
        if let Some((key, text)) = own(Name::ReleaseBy) {
            policy.release_by = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::Alarms) {
            policy.alarms = parse_alarms(text).map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::Stuck) {
            policy.stuck = text.parse().map_err(|bad| (key, bad))?;
        }
        if let Some((key, text)) = own(Name::AcceptDetach) {
            policy.accept_detach = text.parse().map_err(|bad| (key, bad))?;
        }
        Ok(policy)
    }

    /// The rungs that the group sets itself. One end of its own takes the place of the cluster's.
    fn own_ladder(&self, tags: &BTreeMap<String, String>, policy: &mut Policy) -> Result<(), (String, BadSetting)> {
        let own = |name: Name| match self.get(tags, name) {
            Some(text) => parse_rung(text).map(Some).map_err(|bad| (self.key(name), bad)),
            None => Ok(None),
        };
        let (stop, give_up, force) = (own(Name::StopStandaloneAfter)?, own(Name::GiveUpAfter)?, own(Name::ForceAfter)?);
        let ladder = &mut policy.ladder;
        if let Some(after) = stop {
            ladder.stop_standalone_after = after;
        }
        match (give_up, force) {
            (Some(give_up), None) => {
                ladder.give_up_after = give_up;
                ladder.force_after = ladder.force_after.filter(|_| give_up.is_none());
            }
            (None, Some(force)) => {
                ladder.force_after = force;
                ladder.give_up_after = ladder.give_up_after.filter(|_| force.is_none());
            }
            (Some(give_up), Some(force)) => (ladder.give_up_after, ladder.force_after) = (give_up, force),
            (None, None) => {}
        }
        ladder.check().map(|_| ()).map_err(|bad| (self.key(Name::ForceAfter), bad))
    }
}

/// Why a rotation of these groups alone cannot be remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadScope {
    #[error(
        "the names of these groups do not fit into one tag of the cluster (256 characters): rotate fewer at a time, or the \
         whole cluster"
    )]
    TooLong,
    #[error("the name {0} cannot stand in a tag of the cluster: rotate the whole cluster")]
    OddName(GroupName),
}

/// The names of the groups as the cluster's tag says them.
pub fn write_scope(scope: &BTreeSet<GroupName>) -> Result<String, BadScope> {
    let odd = |name: &&GroupName| !name.as_str().chars().all(|c| is_allowed(c) && !c.is_whitespace());
    if let Some(name) = scope.iter().find(odd) {
        return Err(BadScope::OddName(name.clone()));
    }
    let names = scope.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
    if names.chars().count() > LONGEST_VALUE { Err(BadScope::TooLong) } else { Ok(names) }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::InstanceId;
    use crate::plan::outcome::SkipCode;
    use crate::plan::problem::Problem;
    use crate::plan::rotation::RotationState;

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
    fn regression_a_time_before_the_year_0_is_read_back_too() {
        let text = "prod/1 open -000044-03-15T12:00:00Z";
        assert_eq!(text.parse::<Rotation>().unwrap().to_string(), text);
        let cut: Rotation = "prod/1 open 2026-01-14T03:00:00.987Z".parse().unwrap();
        assert_eq!(cut.to_string(), "prod/1 open 2026-01-14T03:00:00Z");
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
    fn a_hold_is_parted_over_two_tags_and_read_back() {
        let rotation: Rotation = "prod/1 held 2026-01-14T03:00:00Z".parse().unwrap();
        let scope = BTreeSet::new();
        for hosts in [1, 11, 12, 20, 21, 22, 60] {
            let hosts = (0..hosts).map(|n| InstanceId::from(format!("i-{n:017x}").as_str())).collect();
            let (group, after) = ("web asg (blue)".into(), "15m".to_owned());
            let problem = Problem::NoReplacement { group, hosts, after, why: None };
            let hold = Hold::of(&BTreeSet::from([problem]), true);
            let wanted = RotationTags {
                rotation: &rotation,
                hold: Some(&hold),
                skipped: &[],
                rotate_before: None,
                resumed: None,
                because: None,
                scope: &scope,
            };
            let written = tags().write_cluster(&wanted).unwrap();
            for text in written.values() {
                assert!(text.chars().count() <= 256 && text.chars().all(is_allowed) && text.trim() == text, "{text}");
            }
            let read = tags().read_cluster(&written).hold.expect("a hold");
            assert!(read.covers(&hold) && read.aborted, "{written:?}");
            let (named, more) = (read.causes[0].hosts.len(), read.causes[0].more);
            assert_eq!(named + more, hold.causes[0].hosts.len(), "{written:?}");
            assert!(named >= hold.causes[0].hosts.len().min(18), "{written:?}");
        }
    }

    #[test]
    fn text_is_written_without_loss_and_read_back() {
        for text in ["", "plain", "2 tasks (web), \"x\"; 100 % of a@b", "Überlast – später", "@28 as it is", "@"] {
            let written = encoded(text, 256);
            assert!(written.chars().all(is_allowed), "{written}");
            assert_eq!(decoded(&written), text, "{written}");
        }
        assert_eq!(decoded("who@example.org wrote 10@"), "who@example.org wrote 10@");
        let long = encoded(&"(x)".repeat(100), 256);
        assert!(long.chars().count() <= 256 && long.ends_with(" ..."), "{long}");
        assert!(decoded(&long).starts_with("(x)(x)"));
    }

    #[test]
    fn what_was_skipped_is_on_the_cluster_and_gone_with_the_next_rotation() {
        let rotation: Rotation = "prod/1 closed 2026-01-14T03:00:00Z".parse().unwrap();
        let scope = BTreeSet::new();
        let skipped = [Skipped { group: "web".to_owned(), code: SkipCode::Unresolved }];
        let of = |skipped| RotationTags {
            rotation: &rotation,
            hold: None,
            skipped,
            rotate_before: None,
            resumed: None,
            because: None,
            scope: &scope,
        };
        let mut written = tags().write_cluster(&of(&skipped)).unwrap();
        assert_eq!(tags().read_cluster(&written).skipped, skipped);
        written.extend(tags().write_cluster(&of(&[])).unwrap());
        assert_eq!(tags().read_cluster(&written).skipped, []);
    }

    #[test]
    fn what_a_rotation_says_replaces_all_that_an_earlier_one_said() {
        let rotation: Rotation = "prod/1 open 2026-01-14T03:00:00Z".parse().unwrap();
        let scope: BTreeSet<GroupName> = ["web".into(), "api".into()].into();
        let before = Some(time("2026-01-14T03:00:00.5Z"));
        let forced = RotationTags {
            rotation: &rotation,
            hold: None,
            skipped: &[],
            rotate_before: before,
            resumed: before,
            because: Some("a release check"),
            scope: &scope,
        };
        let mut on_the_cluster = tags().write_cluster(&forced).unwrap();
        let read = tags().read_cluster(&on_the_cluster);
        assert_eq!((read.rotate_before, read.resumed, read.scope), (before, before, scope));
        let nothing = BTreeSet::new();
        let plain = RotationTags {
            rotation: &rotation,
            hold: None,
            skipped: &[],
            rotate_before: None,
            resumed: None,
            because: None,
            scope: &nothing,
        };
        on_the_cluster.extend(tags().write_cluster(&plain).unwrap());
        let read = tags().read_cluster(&on_the_cluster);
        assert_eq!((read.rotate_before, read.scope, read.hold), (None, nothing, None));
    }

    #[test]
    fn a_scope_that_does_not_fit_is_refused() {
        let rotation: Rotation = "prod/1 open 2026-01-14T03:00:00Z".parse().unwrap();
        for (scope, why) in [
            (["x".repeat(200), "y".repeat(200)], BadScope::TooLong),
            (["a group".to_owned(), "b".to_owned()], BadScope::OddName("a group".into())),
        ] {
            let scope = scope.into_iter().map(GroupName::new).collect();
            let wanted = RotationTags {
                rotation: &rotation,
                hold: None,
                skipped: &[],
                rotate_before: None,
                resumed: None,
                because: None,
                scope: &scope,
            };
            assert_eq!(tags().write_cluster(&wanted), Err(why));
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
    fn what_is_to_be_given_back_is_read_back_as_it_is_written() {
        let at = time("2026-01-14T03:00:00Z");
        for instead in [None, Some("i-1".into())] {
            let give_back = GiveBack { at, desired: 3, instead };
            assert_eq!(tags().read_give_back(&tags().write_give_back(&give_back)), Some(give_back));
        }
        for text in ["", "-", "2026-01-14T03:00:00Z", "2026-01-14T03:00:00Z many i-1", "soon 3 i-1", "a b c d"] {
            assert!(text.parse::<GiveBack>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_that_is_let_go_is_ours_no_longer() {
        let rotation = RotationId::new(&"prod".into(), time("2026-01-14T03:00:00Z"));
        let ours = Ours { rotation, group: "web".into(), since: time("2026-01-14T03:00:01Z") };
        let mut on_it = tags().write_ours(&ours);
        on_it.extend(tags().write_draining_since(ours.since));
        on_it.extend(tags().let_go());
        assert_eq!(tags().read_ours(&"prod".into(), &on_it), None);
        assert_eq!((tags().read_draining_since(&on_it), tags().read_give_back(&on_it)), (None, None));
    }

    #[test]
    fn the_list_of_what_failed_is_kept_short_and_the_latest_stays() {
        let at = time("2026-01-14T03:00:00Z");
        let rejection = Rejection { at, why: "no replacement registered; it was, in fact, dead".to_owned() };
        let mut on_it = BTreeMap::new();
        for n in 0..30 {
            let image = AmiId::new(format!("ami-0123456789abcdef{n}"));
            on_it.extend(tags().write_rejection(&on_it, &BTreeSet::from([image.clone()]), &rejection));
            assert!(on_it["ecs-rotator:rejected"].len() <= 256);
            assert!(tags().image_source(&on_it).unwrap().rejected.contains(&image));
        }
        let again = on_it.clone();
        let last = BTreeSet::from([AmiId::new("ami-0123456789abcdef29")]);
        on_it.extend(tags().write_rejection(&again, &last, &rejection));
        assert_eq!(on_it, again, "once");
        assert_eq!(tags().read_rejection(&on_it).map(|rejection| rejection.at), Some(at));
    }

    #[test]
    fn a_group_may_have_another_end_of_the_ladder() {
        let hour = Some(jiff::SignedDuration::from_hours(1));
        let mut policy = Policy::default();
        policy.ladder.give_up_after = hour;
        let own = |key: &str, text: &str| BTreeMap::from([(format!("ecs-rotator:{key}"), text.to_owned())]);
        let ladder = tags().group_policy(&own("force-after", "2h"), &policy).unwrap().ladder;
        assert_eq!((ladder.give_up_after, ladder.force_after.is_some()), (None, true));
        let ladder = tags().group_policy(&own("give-up-after", "never"), &policy).unwrap().ladder;
        assert_eq!((ladder.give_up_after, ladder.force_after), (None, None));
        let mut both = own("give-up-after", "1h");
        both.extend(own("force-after", "2h"));
        assert!(tags().group_policy(&both, &policy).is_err());
    }

    #[test]
    fn images_are_rejected_by_a_list() {
        let tags_of = |text: &str| BTreeMap::from([("ecs-rotator:rejected".to_owned(), text.to_owned())]);
        let rejected = |text: &str| tags().image_source(&tags_of(text)).unwrap().rejected;
        assert_eq!(rejected("ami-1 ami-2,ami-3"), BTreeSet::from(["ami-1".into(), "ami-2".into(), "ami-3".into()]));
        assert_eq!(rejected(" "), BTreeSet::new());
    }
}
