//! Every tag of ours by its name, and what it is read on. What is not here is neither read nor written; what is found under our
//! prefix and is not here is a slip, or a setting of another version: it has no effect, and is told.

use std::collections::BTreeMap;

use strum::IntoEnumIterator as _;

use crate::slip::likely;

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "the tag is called `ami-name`")]
pub(super) enum Name {
    Enabled,
    Rotation,
    Hold,
    /// What finds no room in the first.
    HoldMore,
    Skipped,
    RotateBefore,
    Resumed,
    Because,
    Groups,
    Answer,
    Settings,
    SettingsMore,
    Group,
    Since,
    DrainingSince,
    GiveBack,
    AmiParameter,
    AmiName,
    Rejected,
    Rejection,
    MaxInFlight,
    Drain,
    DrainTimeout,
    ReplacementTimeout,
    AllowOlder,
    MinAmiAge,
    Bake,
    Settle,
    StopStandaloneAfter,
    GiveUpAfter,
    ForceAfter,
    Window,
    ReleaseBy,
    Alarms,
    Stuck,
    AcceptDetach,
}

/// What carries a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Cluster,
    /// An Auto Scaling group.
    Group,
    /// An EC2 instance.
    Instance,
}

impl Name {
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    fn on(self) -> &'static [Thing] {
        match self {
            Name::Enabled => &[Thing::Cluster, Thing::Group],
            Name::Rotation => &[Thing::Cluster, Thing::Instance],
            Name::Hold
            | Name::HoldMore
            | Name::Skipped
            | Name::RotateBefore
            | Name::Resumed
            | Name::Because
            | Name::Groups
            | Name::Answer
            | Name::Settings
            | Name::SettingsMore => &[Thing::Cluster],
            Name::Group | Name::Since | Name::DrainingSince | Name::GiveBack => &[Thing::Instance],
            Name::AmiParameter
            | Name::AmiName
            | Name::Rejected
            | Name::Rejection
            | Name::MaxInFlight
            | Name::Drain
            | Name::DrainTimeout
            | Name::ReplacementTimeout
            | Name::AllowOlder
            | Name::MinAmiAge
            | Name::Bake
            | Name::Settle
            | Name::StopStandaloneAfter
            | Name::GiveUpAfter
            | Name::ForceAfter
            | Name::Window
            | Name::ReleaseBy
            | Name::Alarms
            | Name::Stuck
            | Name::AcceptDetach => &[Thing::Group],
        }
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Thing::Cluster => "a cluster",
            Thing::Group => "an Auto Scaling group",
            Thing::Instance => "an instance",
        })
    }
}

impl Tags {
    /// Tags under our prefix (in capitals too: AWS tells them apart) that nobody reads on such a thing, each in a sentence.
    pub fn unread(&self, on: Thing, tags: &BTreeMap<String, String>) -> Vec<String> {
        let is_read = |key: &str| Name::iter().any(|name| name.on().contains(&on) && self.key(name) == key);
        let ours = |key: &&String| {
            key.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix)) && !is_read(key)
        };
        tags.keys().filter(ours).map(|key| self.said_of(key, on)).collect()
    }

    fn said_of(&self, key: &str, on: Thing) -> String {
        let name = key.get(self.prefix.len()..).unwrap_or_default();
        let among = |is_meant: &dyn Fn(Name) -> bool| {
            likely(name, Name::iter().filter(|name| is_meant(*name)).map(Name::as_str))
        };
        let here = among(&|name| name.on().contains(&on));
        let elsewhere = Name::iter().find(|known| known.as_str() == name).or_else(|| {
            let meant = among(&|_| true).filter(|_| here.is_none())?;
            Name::iter().find(|known| known.as_str() == meant)
        });
        let more = match (elsewhere, here) {
            (Some(known), _) if !known.on().contains(&on) => {
                let things: Vec<String> = known.on().iter().map(ToString::to_string).collect();
                format!(": `{}` is read on {}", self.key(known), things.join(" and on "))
            }
            (_, Some(meant)) => format!(": did you mean `{}{meant}`?", self.prefix),
            (_, None) => String::new(),
        };
        format!("its tag `{key}` has no effect, nobody reads it on {on}{more}")
    }
}

/// The prefix in front of every tag of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    pub(super) prefix: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(on: Thing, keys: &[&str]) -> Vec<String> {
        let tags = keys.iter().map(|key| ((*key).to_owned(), "x".to_owned())).collect();
        Tags::new("ecs-rotator:").unread(on, &tags)
    }

    #[test]
    fn a_tag_that_nobody_reads_is_told_with_the_likely_one() {
        for (on, key, more) in [
            (Thing::Group, "windows", ": did you mean `ecs-rotator:window`?"),
            (Thing::Group, "max_in_flight", ": did you mean `ecs-rotator:max-in-flight`?"),
            (Thing::Group, "maxInFlight", ": did you mean `ecs-rotator:max-in-flight`?"),
            (Thing::Group, "Enabled", ": did you mean `ecs-rotator:enabled`?"),
            (Thing::Group, "disabled", ": did you mean `ecs-rotator:enabled`?"),
            (Thing::Group, "freeze", ""),
            (Thing::Group, "", ""),
            (Thing::Group, "hold", ": `ecs-rotator:hold` is read on a cluster"),
            (Thing::Cluster, "enable", ": did you mean `ecs-rotator:enabled`?"),
            (Thing::Cluster, "window", ": `ecs-rotator:window` is read on an Auto Scaling group"),
            (Thing::Cluster, "windows", ": `ecs-rotator:window` is read on an Auto Scaling group"),
            (Thing::Instance, "enabled", ": `ecs-rotator:enabled` is read on a cluster and on an Auto Scaling group"),
        ] {
            let key = format!("ecs-rotator:{key}");
            let told = format!("its tag `{key}` has no effect, nobody reads it on {on}{more}");
            assert_eq!(unread(on, &[&key]), [told], "{on} {key}");
        }
        let other_case = unread(Thing::Cluster, &["ECS-Rotator:enabled"]);
        assert_eq!(other_case.len(), 1, "{other_case:?}");
        assert!(other_case[0].ends_with("did you mean `ecs-rotator:enabled`?"), "{other_case:?}");
    }

    #[test]
    fn what_is_read_or_is_not_ours_is_not_told() {
        for thing in [Thing::Cluster, Thing::Group, Thing::Instance] {
            for name in Name::iter().filter(|name| name.on().contains(&thing)) {
                assert_eq!(unread(thing, &[&format!("ecs-rotator:{}", name.as_str())]), [] as [String; 0]);
            }
            for key in ["OS", "Name", "aws:autoscaling:groupName", "ecs-rotator", "ecs-rotatör:windows", "windows"] {
                assert_eq!(unread(thing, &[key]), [] as [String; 0], "{key}");
            }
        }
    }
}
