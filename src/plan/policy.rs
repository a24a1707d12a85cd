//! The settings an operator chooses: for all clusters by flag or environment, for one group by a tag with the setting's name.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use super::calendar::Calendar;
use super::family::Families;
use crate::effect::permissions::Uses;
use crate::id::AlarmName;

/// How a rotation goes about its work. Every duration is wall-clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Hosts of one group in flight at a time.
    pub max_in_flight: Budget,
    /// Hosts of one cluster in flight at a time, over all its groups.
    pub max_in_flight_cluster: Option<u32>,
    pub drain: DrainWhen,
    /// How long a drain may take before it is reported and the rotation held.
    pub drain_timeout: SignedDuration,
    /// What is done about a drain that does not end, beside the report.
    pub ladder: Ladder,
    /// How long the first replacement of a group must have served before others follow.
    pub bake: SignedDuration,
    /// How long every replacement must have served before the next host is taken.
    pub settle: SignedDuration,
    /// How long a replacement may take to be registered, connected and on the release.
    pub replacement_timeout: SignedDuration,
    /// The same for Windows, which boots slowly.
    pub replacement_timeout_windows: SignedDuration,
    /// A release may be older than the image in use. Otherwise it is refused: "recommended" images have gone back before,
    /// and a read of a parameter that lags behind must not undo a template.
    pub allow_older: bool,
    /// How old a release must be before it is taken: rings of environments.
    pub min_ami_age: SignedDuration,
    pub release_by: ReleaseBy,
    /// Template versions of ours that are kept; older ones that nobody uses are deleted.
    pub keep_versions: u32,
    /// Which public parameter an image of Amazon's follows.
    pub families: Families,
    /// When new hosts may be taken. Those in flight finish at any time.
    pub calendar: Calendar,
    /// Alarms of CloudWatch: while one of them is in ALARM, no new host is taken.
    pub alarms: BTreeSet<AlarmName>,
    /// Whether a host goes whose drain would get stuck.
    pub stuck: WhenStuck,
    /// What a detach may cost.
    pub accept_detach: Accepted,
}

/// What a detach takes from a host at once, and the operator accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Its traffic from target groups and load balancers of the group itself.
    pub load_balancers: bool,
    /// The terminating lifecycle hooks of the group: they are not called.
    pub hooks: bool,
}

/// What to do with a host on which something lives that a drain does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "kebab-case")]
pub enum WhenStuck {
    /// It takes its turn like any other, and its drain takes as long as it takes.
    GoOn,
    /// The others go first; it goes when nothing blocks it any more.
    Wait,
}

/// How a release is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "kebab-case")]
pub enum ReleaseBy {
    /// As a new version of the launch template.
    Template,
    /// As the value of the parameter that the template reads by `resolve:ssm:`.
    Parameter,
}

/// The rungs after the report, each with its time from the beginning of the drain. What has none is never done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Standalone tasks, which a drain leaves alone, are stopped.
    pub stop_standalone_after: Option<SignedDuration>,
    /// The host is made ACTIVE again and given back to its group, and the rotation is held.
    pub give_up_after: Option<SignedDuration>,
    /// Every task is stopped, and the host goes whether they have ended or not.
    pub force_after: Option<SignedDuration>,
}

/// A number of hosts, or a share of the group's desired capacity (rounded down, at least 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    Hosts(u32),
    Percent(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "kebab-case")]
pub enum DrainWhen {
    /// Once the group is whole without the host: its tasks have somewhere to go.
    AfterReplacement,
    /// Right after the detach.
    AtOnce,
}

/// A setting that is one of a few words, as its variants are called; blanks around it do not count.
macro_rules! one_word {
    ($setting:ty, $expected:literal) => {
        #[doc = $expected]
        impl std::str::FromStr for $setting {
            type Err = $crate::plan::policy::BadSetting;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = <Self as strum::IntoEnumIterator>::iter();
                let bad = || $crate::plan::policy::BadSetting { expected: $expected, got: text.to_owned() };
                all.find(|word| word.to_string() == text.trim()).ok_or_else(bad)
            }
        }
    };
}
pub(crate) use one_word;

one_word!(DrainWhen, "`after-replacement` or `at-once`");
one_word!(WhenStuck, "`go-on` or `wait`");
one_word!(ReleaseBy, "`template` or `parameter`");

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_in_flight: Budget::Percent(10),
            max_in_flight_cluster: None,
            drain: DrainWhen::AfterReplacement,
            drain_timeout: SignedDuration::from_hours(1),
            ladder: Ladder::default(),
            bake: SignedDuration::from_mins(5),
            settle: SignedDuration::ZERO,
            replacement_timeout: SignedDuration::from_mins(15),
            replacement_timeout_windows: SignedDuration::from_mins(45),
            allow_older: false,
            min_ami_age: SignedDuration::ZERO,
            release_by: ReleaseBy::Template,
            keep_versions: 5,
            families: Families::built_in(),
            calendar: Calendar::default(),
            alarms: BTreeSet::new(),
            stuck: WhenStuck::GoOn,
            accept_detach: Accepted::default(),
        }
    }
}

impl Policy {
    /// What it makes a worker do beyond what it always does.
    #[must_use]
    pub fn uses(&self) -> Uses {
        Uses {
            stops: self.ladder.stop_standalone_after.is_some() || self.ladder.force_after.is_some(),
            alarms: !self.alarms.is_empty(),
            writes_parameters: self.release_by == ReleaseBy::Parameter,
            ..Uses::default()
        }
    }
}

impl Ladder {
    /// Two ends of one ladder cannot both be.
    pub fn check(self) -> Result<Self, BadSetting> {
        match (self.give_up_after, self.force_after) {
            (Some(_), Some(_)) => Err(BadSetting {
                expected: "one end of the ladder: `give-up-after` or `force-after`",
                got: "both".to_owned(),
            }),
            _ => Ok(self),
        }
    }
}

impl Budget {
    /// In hosts, for a group of this desired capacity.
    pub fn hosts(self, desired: u32) -> u32 {
        match self {
            Budget::Hosts(n) => n,
            Budget::Percent(p) => {
                let share = u64::from(desired) * u64::from(p) / 100;
                u32::try_from(share).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

/// `3` or `10%`.
impl std::str::FromStr for Budget {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let bad = || BadSetting {
            expected: "a number of hosts from 1, or a percentage from 1% to 100%",
            got: text.to_owned(),
        };
        match text.trim().strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(p @ 1..=100) => Ok(Budget::Percent(p)),
                Ok(_) | Err(_) => Err(bad()),
            },
            None => match text.trim().parse() {
                Ok(n @ 1..) => Ok(Budget::Hosts(n)),
                Ok(_) | Err(_) => Err(bad()),
            },
        }
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Budget::Hosts(n) => write!(f, "{n}"),
            Budget::Percent(p) => write!(f, "{p}%"),
        }
    }
}

/// `load-balancers`, `hooks`, both, or `nothing`.
impl std::str::FromStr for Accepted {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let mut accepted = Self::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty() && *word != "nothing") {
            match word {
                "load-balancers" => accepted.load_balancers = true,
                "hooks" => accepted.hooks = true,
                _ => {
                    let expected = "`load-balancers`, `hooks`, both separated by a comma, or `nothing`";
                    return Err(BadSetting { expected, got: text.to_owned() });
                }
            }
        }
        Ok(accepted)
    }
}

impl std::fmt::Display for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.load_balancers, self.hooks) {
            (true, true) => "load-balancers,hooks",
            (true, false) => "load-balancers",
            (false, true) => "hooks",
            (false, false) => "nothing",
        })
    }
}

/// `90s`, `15m`, `1h 30m`: a duration of at least a second, as a setting.
pub fn parse_duration(text: &str) -> Result<SignedDuration, BadSetting> {
    let bad =
        || BadSetting { expected: "a duration of a second or more, as `90s`, `15m` or `1h 30m`", got: text.to_owned() };
    let duration: SignedDuration = text.trim().parse().map_err(|_| bad())?;
    if duration < SignedDuration::from_secs(1) { Err(bad()) } else { Ok(duration) }
}

/// `never`, or a duration from the beginning of a drain: a rung of the ladder.
pub fn parse_rung(text: &str) -> Result<Option<SignedDuration>, BadSetting> {
    let bad = || BadSetting { expected: "`never`, or a duration as `90m` or `2h`", got: text.to_owned() };
    if text.trim() == "never" { Ok(None) } else { parse_duration(text).map(Some).map_err(|_| bad()) }
}

/// `0s`, `5m`: a duration that may be none.
pub fn parse_pause(text: &str) -> Result<SignedDuration, BadSetting> {
    let bad = || BadSetting { expected: "a duration, as `0s`, `90s` or `5m`", got: text.to_owned() };
    let pause: SignedDuration = text.trim().parse().map_err(|_| bad())?;
    if pause.is_negative() { Err(bad()) } else { Ok(pause) }
}

/// `0s`, `36h`, `7d`: an age, with days of 24 hours.
pub fn parse_age(text: &str) -> Result<SignedDuration, BadSetting> {
    let bad = || BadSetting { expected: "an age, as `0s`, `36h` or `7d`", got: text.to_owned() };
    let span: Span = text.trim().parse().map_err(|_| bad())?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    if age.is_negative() { Err(bad()) } else { Ok(age) }
}

/// One alarm by its name. An ARN names none: alarms are those of the cluster's own account and region.
pub fn parse_alarm(text: &str) -> Result<AlarmName, BadSetting> {
    const LONGEST: usize = 255;
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= LONGEST && !name.starts_with("arn:");
    let bad = || BadSetting { expected: "the name of a CloudWatch alarm", got: text.to_owned() };
    fits.then(|| AlarmName::new(name)).ok_or_else(bad)
}

/// Names of alarms, separated by spaces or commas, as a tag says them.
pub fn parse_alarms(text: &str) -> Result<BTreeSet<AlarmName>, BadSetting> {
    text.split([' ', ',']).filter(|name| !name.is_empty()).map(parse_alarm).collect()
}

/// A setting whose text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got `{got}`")]
pub struct BadSetting {
    pub expected: &'static str,
    pub got: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_down_but_never_to_nothing() {
        for (percent, desired, hosts) in [(10, 5, 1), (10, 19, 1), (10, 20, 2), (50, 3, 1), (100, 7, 7), (10, 0, 1)] {
            assert_eq!(Budget::Percent(percent).hosts(desired), hosts, "{percent} % of {desired}");
        }
    }

    #[test]
    fn settings_are_read_back_as_they_are_written() {
        for text in ["1", "12", "10%", "100%"] {
            assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
        }
        for text in ["template", "parameter"] {
            assert_eq!(text.parse::<ReleaseBy>().unwrap().to_string(), text);
        }
        for text in ["go-on", "wait"] {
            assert_eq!(text.parse::<WhenStuck>().unwrap().to_string(), text);
        }
        for text in ["after-replacement", "at-once"] {
            assert_eq!(text.parse::<DrainWhen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_refused() {
        for text in ["0", "0%", "101%", "-1", "many", "", "1.5", "%"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
        for text in ["", "0s", "-5m", "soon", "15"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("1h 30m").unwrap(), SignedDuration::from_mins(90));
    }

    #[test]
    fn a_rung_has_a_time_or_is_never_reached_and_a_ladder_has_one_end() {
        assert_eq!(parse_rung(" never ").unwrap(), None);
        assert_eq!(parse_rung("2h").unwrap(), Some(SignedDuration::from_hours(2)));
        for text in ["", "0s", "-1h", "soon"] {
            assert!(parse_rung(text).is_err(), "{text}");
        }
        assert_eq!(parse_pause("0s").unwrap(), SignedDuration::ZERO);
        assert!(parse_pause("-5m").is_err() && parse_pause("").is_err());
        let hour = Some(SignedDuration::from_hours(1));
        assert!(Ladder { give_up_after: hour, ..Ladder::default() }.check().is_ok());
        assert!(Ladder { give_up_after: hour, force_after: hour, ..Ladder::default() }.check().is_err());
    }

    #[test]
    fn alarms_are_named_in_a_list() {
        let names =
            |text: &str| parse_alarms(text).unwrap().into_iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(names("errors, latency  queue-depth"), ["errors", "latency", "queue-depth"]);
        assert_eq!(names(" "), [] as [String; 0]);
        assert!(parse_alarms("arn:aws:cloudwatch:eu-west-1:1:alarm:errors").is_err());
        assert!(parse_alarms(&"x".repeat(256)).is_err());
        assert_eq!(parse_alarm(" two words ").unwrap().as_str(), "two words");
    }

    #[test]
    fn an_age_may_be_in_days() {
        for (text, hours) in [("0s", 0), ("36h", 36), ("7d", 168), ("1d 12h", 36)] {
            assert_eq!(parse_age(text).unwrap(), SignedDuration::from_hours(hours), "{text}");
        }
        for text in ["", "7", "-1d", "1mo", "old"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
