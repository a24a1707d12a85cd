//! The settings by which a worker works, as it leaves them on the cluster for those who read there: its tags `settings` and
//! `settings-more`.
//!
//! `v=0.1.0 bake=25s drain-timeout=30s max-in-flight=10@25`: the worker's version, and each setting that is not the default,
//! by the name of its flag. The form is that of a query string, with `@` in the place of `%` (a tag allows no `%`) and `+`
//! for a blank. Those that deadlines hang on come first. What does not fit, or has no short text (a calendar file, a map of
//! families), stands there without a value: then a reader knows that there is something that it does not know.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::policy::{BadSetting, Policy, parse_age, parse_alarm, parse_duration, parse_pause, parse_rung};
use super::tag_text::LONGEST_VALUE;
use super::timing::SWEEP_INTERVAL;
use crate::id::{AlarmName, GroupName};

const VERSION: &str = "v";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The worker's.
    pub version: String,
    pub policy: Policy,
    pub sweep_interval: SignedDuration,
    /// Groups of this cluster that only its configuration names.
    pub groups: BTreeSet<GroupName>,
    /// Settings that are not the default, and what they are is not known here.
    pub not_told: BTreeSet<String>,
}

/// One setting: how it is told, where it is not the default, and how that is read.
struct Setting {
    name: &'static str,
    /// An empty text: it is not the default, and cannot be told.
    tell: fn(&Published) -> Option<String>,
    hear: fn(&mut Published, &str) -> Result<(), BadSetting>,
}

/// In the order of their weight for who reads them: the last ones go first where there is no room.
const SETTINGS: [Setting; 23] = [
    Setting {
        name: "bake",
        tell: |own| differs(own, |p| p.bake).map(time),
        hear: |read, text| set(&mut read.policy.bake, parse_pause(text)),
    },
    Setting {
        name: "settle",
        tell: |own| differs(own, |p| p.settle).map(time),
        hear: |read, text| set(&mut read.policy.settle, parse_pause(text)),
    },
    Setting {
        name: "drain-timeout",
        tell: |own| differs(own, |p| p.drain_timeout).map(time),
        hear: |read, text| set(&mut read.policy.drain_timeout, parse_duration(text)),
    },
    Setting {
        name: "replacement-timeout",
        tell: |own| differs(own, |p| p.replacement_timeout).map(time),
        hear: |read, text| set(&mut read.policy.replacement_timeout, parse_duration(text)),
    },
    Setting {
        name: "replacement-timeout-windows",
        tell: |own| differs(own, |p| p.replacement_timeout_windows).map(time),
        hear: |read, text| set(&mut read.policy.replacement_timeout_windows, parse_duration(text)),
    },
    Setting {
        name: "give-up-after",
        tell: |own| own.policy.ladder.give_up_after.map(time),
        hear: |read, text| set(&mut read.policy.ladder.give_up_after, parse_rung(text)),
    },
    Setting {
        name: "force-after",
        tell: |own| own.policy.ladder.force_after.map(time),
        hear: |read, text| set(&mut read.policy.ladder.force_after, parse_rung(text)),
    },
    Setting {
        name: "stop-standalone-after",
        tell: |own| own.policy.ladder.stop_standalone_after.map(time),
        hear: |read, text| set(&mut read.policy.ladder.stop_standalone_after, parse_rung(text)),
    },
    Setting {
        name: "max-in-flight",
        tell: |own| differs(own, |p| p.max_in_flight).map(|budget| budget.to_string()),
        hear: |read, text| set(&mut read.policy.max_in_flight, text.parse()),
    },
    Setting {
        name: "max-in-flight-cluster",
        tell: |own| own.policy.max_in_flight_cluster.map(|hosts| hosts.to_string()),
        hear: |read, text| set(&mut read.policy.max_in_flight_cluster, number(text).map(Some)),
    },
    Setting {
        name: "drain",
        tell: |own| differs(own, |p| p.drain).map(|when| when.to_string()),
        hear: |read, text| set(&mut read.policy.drain, text.parse()),
    },
    Setting {
        name: "stuck",
        tell: |own| differs(own, |p| p.stuck).map(|what| what.to_string()),
        hear: |read, text| set(&mut read.policy.stuck, text.parse()),
    },
    Setting {
        name: "accept-detach",
        tell: |own| differs(own, |p| p.accept_detach).map(|what| what.to_string()),
        hear: |read, text| set(&mut read.policy.accept_detach, text.parse()),
    },
    Setting {
        name: "sweep-interval",
        tell: |own| (own.sweep_interval != SWEEP_INTERVAL).then(|| time(own.sweep_interval)),
        hear: |read, text| set(&mut read.sweep_interval, parse_duration(text)),
    },
    Setting {
        name: "min-ami-age",
        tell: |own| differs(own, |p| p.min_ami_age).map(time),
        hear: |read, text| set(&mut read.policy.min_ami_age, parse_age(text)),
    },
    Setting {
        name: "allow-older",
        tell: |own| differs(own, |p| p.allow_older).map(|yes| yes.to_string()),
        hear: |read, text| set(&mut read.policy.allow_older, flag(text)),
    },
    Setting {
        name: "release-by",
        tell: |own| differs(own, |p| p.release_by).map(|way| way.to_string()),
        hear: |read, text| set(&mut read.policy.release_by, text.parse()),
    },
    Setting {
        name: "keep-versions",
        tell: |own| differs(own, |p| p.keep_versions).map(|versions| versions.to_string()),
        hear: |read, text| set(&mut read.policy.keep_versions, number(text)),
    },
    Setting {
        name: "window",
        tell: |own| own.policy.calendar.windows.as_ref().map(ToString::to_string),
        hear: |read, text| set(&mut read.policy.calendar.windows, text.parse().map(Some)),
    },
    Setting {
        name: "freeze",
        tell: |own| {
            (!own.policy.calendar.freeze.is_none()).then(|| own.policy.calendar.freeze.as_days().unwrap_or_default())
        },
        hear: |read, text| set(&mut read.policy.calendar.freeze, text.parse()),
    },
    Setting {
        name: "group-of",
        tell: |own| list(&own.groups, GroupName::as_str),
        hear: |read, text| set(&mut read.groups, Ok(text.split(',').map(GroupName::from).collect())),
    },
    Setting {
        name: "alarm",
        tell: |own| list(&own.policy.alarms, AlarmName::as_str),
        hear: |read, text| set(&mut read.policy.alarms, text.split(',').map(parse_alarm).collect::<Result<_, _>>()),
    },
    Setting {
        name: "families",
        tell: |own| differs(own, |p| p.families.clone()).map(|_| String::new()),
        hear: |_, text| Err(BadSetting { expected: "no value", got: text.to_owned() }),
    },
];

/// Those that no deadline hangs on, and that may be too long to be told.
const MAY_BE_LONG: [&str; 5] = ["families", "alarm", "group-of", "freeze", "window"];

impl Published {
    /// What is the default of every worker.
    pub fn defaults(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            policy: Policy::default(),
            sweep_interval: SWEEP_INTERVAL,
            groups: BTreeSet::new(),
            not_told: BTreeSet::new(),
        }
    }

    /// From the two tags, one after the other. Settings that only a newer worker has are passed over. None: it is not what a
    /// worker writes.
    pub fn read(text: &str) -> Option<Self> {
        let pairs: BTreeMap<&str, &str> = text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        let mut read = Self::defaults(&decoded(pairs.get(VERSION)?)?);
        for Setting { name, hear, .. } in &SETTINGS {
            let Some(text) = pairs.get(name) else { continue };
            let told = decoded(text).filter(|text| !text.is_empty());
            if told.is_none_or(|text| hear(&mut read, &text).is_err()) {
                read.not_told.insert((*name).to_owned());
            }
        }
        Some(read)
    }

    /// As the two tags say them.
    pub fn write(&self) -> [String; 2] {
        let mut told = self.told();
        let mut parts = in_two(&told);
        for name in MAY_BE_LONG {
            if let Some(parts) = parts {
                return parts;
            }
            told.iter_mut().filter(|(of, _)| *of == name).for_each(|(_, text)| text.clear());
            parts = in_two(&told);
        }
        parts.unwrap_or_default()
    }

    /// Each setting that is not the default, with the version before all.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let settings = SETTINGS.iter().filter_map(|setting| Some((setting.name, (setting.tell)(self)?)));
        [(VERSION, self.version.clone())].into_iter().chain(settings).collect()
    }

    /// Are all known by which it is reckoned when a host has waited too long?
    pub fn tells_deadlines(&self) -> bool {
        self.not_told.iter().all(|name| MAY_BE_LONG.contains(&name.as_str()))
    }

    /// What is not told is taken to be as the reader has it.
    #[must_use]
    pub fn over(mut self, policy: &Policy, groups: Option<&BTreeSet<GroupName>>) -> Self {
        for name in &self.not_told {
            match name.as_str() {
                "window" => self.policy.calendar.windows.clone_from(&policy.calendar.windows),
                "freeze" => self.policy.calendar.freeze.clone_from(&policy.calendar.freeze),
                "alarm" => self.policy.alarms.clone_from(&policy.alarms),
                "families" => self.policy.families.clone_from(&policy.families),
                "group-of" => self.groups = groups.cloned().unwrap_or_default(),
                _ => {}
            }
        }
        self
    }

    /// In which settings the two are not the same, each with the text here and the text there; an empty one is the default.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let (here, there): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (self.told().into_iter().collect(), other.told().into_iter().collect());
        let names = SETTINGS.iter().map(|setting| setting.name).filter(|name| !other.not_told.contains(*name));
        let text = |of: &BTreeMap<&str, String>, name: &str| of.get(name).cloned().unwrap_or_default();
        names
            .map(|name| (name, text(&here, name), text(&there, name)))
            .filter(|(_, here, there)| here != there)
            .collect()
    }
}

/// `bake=25s drain-timeout=30s`, for people.
impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told: Vec<String> = self.told().into_iter().skip(1).map(|(name, text)| format!("{name}={text}")).collect();
        f.write_str(if told.is_empty() { "the defaults" } else { "" })?;
        f.write_str(&told.join(" "))
    }
}

/// As many as fit into the first tag, and the rest; None: there is more than that.
fn in_two(told: &[(&str, String)]) -> Option<[String; 2]> {
    let mut parts = [String::new(), String::new()];
    let mut part = 0;
    for (name, text) in told {
        let pair = format!("{name}={}", encoded(text));
        let fits = |part: &String| part.len() + 1 + pair.len() <= LONGEST_VALUE;
        while !fits(parts.get(part)?) {
            part += 1;
        }
        let part = &mut parts[part];
        if !part.is_empty() {
            part.push(' ');
        }
        part.push_str(&pair);
    }
    Some(parts)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'/' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("@{other:02X}")),
        }
    }
    encoded
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'@' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            plain => plain,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

fn differs<T: PartialEq>(own: &Published, setting: fn(&Policy) -> T) -> Option<T> {
    let value = setting(&own.policy);
    (value != setting(&Policy::default())).then_some(value)
}

fn set<T>(setting: &mut T, value: Result<T, BadSetting>) -> Result<(), BadSetting> {
    *setting = value?;
    Ok(())
}

fn time(duration: SignedDuration) -> String {
    format!("{duration:#}")
}

fn number(text: &str) -> Result<u32, BadSetting> {
    text.parse().map_err(|_| BadSetting { expected: "a number", got: text.to_owned() })
}

fn flag(text: &str) -> Result<bool, BadSetting> {
    text.parse().map_err(|_| BadSetting { expected: "`true` or `false`", got: text.to_owned() })
}

fn list<T>(all: &BTreeSet<T>, name: fn(&T) -> &str) -> Option<String> {
    (!all.is_empty()).then(|| all.iter().map(name).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::calendar::{Calendar, Freeze};
    use crate::plan::family::Families;
    use crate::plan::policy::{Accepted, Budget, DrainWhen, Ladder, ReleaseBy, WhenStuck};
    use crate::plan::tag_text::is_allowed;

    fn secs(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    /// Nothing in it is the default. (Two ends of a ladder cannot be; each has its turn.)
    fn other() -> Published {
        let freeze: Freeze = "2026-12-20..2027-01-04 Europe/Berlin, 2026-11-27".parse().unwrap();
        Published {
            version: "0.2.0-rc.1+b7".to_owned(),
            policy: Policy {
                max_in_flight: Budget::Percent(25),
                max_in_flight_cluster: Some(7),
                drain: DrainWhen::AtOnce,
                drain_timeout: secs(30),
                ladder: Ladder {
                    stop_standalone_after: Some(secs(60)),
                    give_up_after: Some(secs(5400)),
                    force_after: Some(secs(7200)),
                },
                bake: secs(25),
                settle: secs(90),
                replacement_timeout: secs(61),
                replacement_timeout_windows: secs(3601),
                allow_older: true,
                min_ami_age: secs(7 * 24 * 3600),
                release_by: ReleaseBy::Parameter,
                keep_versions: 9,
                families: Families::built_in(),
                calendar: Calendar {
                    windows: Some("Mon-Fri 22:00-04:00 Europe/Berlin; Sat,Sun 00:00-24:00".parse().unwrap()),
                    freeze,
                },
                alarms: BTreeSet::from(["errors".into(), "slow answers (50 %)".into()]),
                stuck: WhenStuck::Wait,
                accept_detach: Accepted { load_balancers: false, hooks: true },
            },
            sweep_interval: secs(20),
            groups: BTreeSet::from(["by-hand".into(), "größer".into()]),
            not_told: BTreeSet::new(),
        }
    }

    fn read(own: &Published) -> Published {
        let tags = own.write();
        for tag in &tags {
            assert!(tag.chars().count() <= 256 && tag.chars().all(is_allowed), "{tag}");
        }
        Published::read(&tags.join(" ")).unwrap()
    }

    #[test]
    fn every_setting_is_read_back_as_it_is_written() {
        let mut own = other();
        assert_eq!(own.write().map(|tag| !tag.is_empty()), [true, true], "more than one tag has room for");
        // Not all of the long ones fit at once.
        let (windows, freeze) = (own.policy.calendar.windows.take(), std::mem::take(&mut own.policy.calendar.freeze));
        assert_eq!(read(&own), own);
        (own.policy.calendar.windows, own.policy.calendar.freeze) = (windows, freeze);
        (own.policy.alarms, own.groups) = (BTreeSet::new(), BTreeSet::new());
        assert_eq!(read(&own), own);
        let defaults = Published::defaults("0.1.0");
        assert_eq!(defaults.write(), ["v=0.1.0".to_owned(), String::new()]);
        assert_eq!(read(&defaults), defaults);
        let told: Vec<&str> = other().told().into_iter().map(|(name, _)| name).collect();
        let all: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "families").collect();
        assert_eq!(told[1..], all, "none of them is forgotten here");
    }

    #[test]
    fn it_looks_like_this() {
        let mut own = Published::defaults("0.1.0");
        (own.policy.bake, own.policy.drain_timeout) = (secs(25), secs(5400));
        own.policy.max_in_flight = Budget::Percent(25);
        assert_eq!(own.write()[0], "v=0.1.0 bake=25s drain-timeout=1h+30m max-in-flight=25@25");
        assert_eq!(own.to_string(), "bake=25s drain-timeout=1h 30m max-in-flight=25%");
        let differs = own.differences(&Published::defaults("0.2.0"));
        assert_eq!(differs.len(), 3, "{differs:?}");
        assert_eq!(differs[0], ("bake", "25s".to_owned(), String::new()));
    }

    #[test]
    fn what_a_newer_worker_says_is_passed_over_and_what_cannot_be_read_is_not_known() {
        let read = Published::read("v=9.0.0 bake=25s drain-by=magic settle=soon window= families=").unwrap();
        assert_eq!((read.version.as_str(), read.policy.bake), ("9.0.0", secs(25)));
        assert_eq!(read.not_told, ["families", "settle", "window"].map(str::to_owned).into());
        assert!(!read.tells_deadlines(), "how long a host settles is not known");
        assert!(Published::read("v=9.0.0 bake=25s window=").unwrap().tells_deadlines());
        for garbage in ["", "yes", "bake=25s", "v=@F bake=25s", "v=@ZZ"] {
            assert_eq!(Published::read(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn what_does_not_fit_is_known_to_be_missing_and_never_a_deadline() {
        let mut own = other();
        own.policy.alarms = (0..30).map(|n| AlarmName::new(format!("alarm-with-a-long-name-{n}"))).collect();
        own.groups = (0..30).map(|n| GroupName::new(format!("group-with-a-long-name-{n}"))).collect();
        let read = read(&own);
        assert_eq!(read.not_told, ["alarm", "group-of"].map(str::to_owned).into());
        assert_eq!(read.policy.calendar, own.policy.calendar);
        assert_eq!(read.clone().over(&own.policy, Some(&own.groups)), Published { not_told: read.not_told, ..own });
    }

    #[test]
    fn a_calendar_file_and_a_map_of_families_are_known_to_be_there() {
        let ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Sale\nDTSTART:20261127T080000Z\nDURATION:P1D\nEND:VEVENT\nEND:VCALENDAR\n";
        let mut own = Published::defaults("0.1.0");
        own.policy.calendar.freeze = Freeze::from_ics(ics).unwrap();
        own.policy.families = Families::built_in().with(r#"[{"name":"al2023","parameters":{}}]"#).unwrap();
        assert_eq!(own.write()[0], "v=0.1.0 freeze= families=");
        assert_eq!(read(&own).not_told, ["families", "freeze"].map(str::to_owned).into());
    }
}
