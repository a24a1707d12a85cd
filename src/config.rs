//! Flags and environment → validated settings.
//!
//! Every flag has an environment variable of the same name behind `ECS_ROTATOR_`, which is how a task definition sets it;
//! a flag wins over its variable. A variable of ours that nobody reads is an error (`cli::variables`). Values are checked while
//! they are parsed, so that a bad one is named with its flag before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use jiff::SignedDuration;

use crate::engine::{Mode, Settings};
use crate::id::{AlarmName, BusName, ClusterName, GroupName, NamedCluster, NoCluster};
use crate::plan::calendar::{BadIcs, Calendar, Freeze, Windows};
use crate::plan::family::{BadFamilies, Families};
use crate::plan::policy::{
    Accepted, BadSetting, Budget, DrainWhen, Ladder, Policy, ReleaseBy, WhenStuck, parse_age, parse_alarm,
    parse_duration, parse_pause, parse_rung,
};

/// SQS's bounds are 0 seconds and 12 hours. Below ten seconds a message would return before its first extension.
const VISIBILITY: std::ops::RangeInclusive<SignedDuration> =
    SignedDuration::from_secs(10)..=SignedDuration::from_hours(12);

/// Where the messages come from.
#[derive(Args, Debug)]
pub struct QueueArgs {
    /// URL of the SQS queue (a standard queue, in the region of the clusters)
    #[arg(long, env = "ECS_ROTATOR_QUEUE_URL", value_name = "URL", value_parser = url_or_nothing)]
    queue_url: Option<UrlOrNothing>,
}

/// Said as every other slip in the usage is.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no queue is named: say --queue-url URL, or set ECS_ROTATOR_QUEUE_URL (`rotate --here` needs none)")]
pub struct NoQueue;

impl QueueArgs {
    /// # Errors
    /// Where none is named. An empty variable names none.
    pub fn url(self) -> Result<String, NoQueue> {
        self.queue_url.and_then(|url| url.0).ok_or(NoQueue)
    }
}

/// How our tags are called.
#[derive(Args, Debug)]
pub struct PrefixArgs {
    /// In front of every tag that is read or written
    #[arg(
        long,
        env = "ECS_ROTATOR_TAG_PREFIX",
        value_name = "PREFIX",
        default_value_t = Settings::default().tag_prefix,
        value_parser = tag_prefix
    )]
    pub tag_prefix: String,
}

/// What to rotate, and how.
#[derive(Args, Debug)]
pub struct RotationArgs {
    /// A cluster to look after, by name or ARN; repeat it for more. Without any, a worker looks after every cluster with the tag `enabled` = `true`
    #[arg(
        long,
        env = "ECS_ROTATOR_CLUSTERS",
        value_name = "CLUSTER",
        value_delimiter = ',',
        value_parser = cluster_or_nothing
    )]
    cluster: Vec<ClusterOrNothing>,

    #[command(flatten)]
    prefix: PrefixArgs,

    /// Hosts of one group in flight at a time: a number, or a share of the group's desired capacity
    #[arg(
        long,
        env = "ECS_ROTATOR_MAX_IN_FLIGHT",
        value_name = "HOSTS",
        default_value_t = Policy::default().max_in_flight
    )]
    max_in_flight: Budget,

    /// Hosts of one cluster in flight at a time, over all its groups [default: no such limit]
    #[arg(
        long,
        env = "ECS_ROTATOR_MAX_IN_FLIGHT_CLUSTER",
        value_name = "HOSTS",
        default_value = "",
        hide_default_value = true,
        value_parser = limit_or_nothing
    )]
    max_in_flight_cluster: LimitOrNothing,

    /// When to drain a detached host: `after-replacement` or `at-once`
    #[arg(long, env = "ECS_ROTATOR_DRAIN", value_name = "WHEN", default_value_t = Policy::default().drain)]
    drain: DrainWhen,

    /// How long a drain may take before it is reported and the rotation held
    #[arg(
        long,
        env = "ECS_ROTATOR_DRAIN_TIMEOUT",
        value_name = "TIME",
        default_value = "1h",
        value_parser = parse_duration
    )]
    drain_timeout: SignedDuration,

    /// When standalone tasks on a draining host are stopped: `never`, or a time from the beginning of the drain
    #[arg(long, env = "ECS_ROTATOR_STOP_STANDALONE_AFTER", value_name = "TIME", default_value = "never", value_parser = rung)]
    stop_standalone_after: Rung,

    /// When a drain is given up: the host becomes ACTIVE again, goes back to its group, and the rotation is held
    #[arg(long, env = "ECS_ROTATOR_GIVE_UP_AFTER", value_name = "TIME", default_value = "never", value_parser = rung)]
    give_up_after: Rung,

    /// When a drain is forced: every task is stopped, and the host is terminated whether they have ended or not
    #[arg(long, env = "ECS_ROTATOR_FORCE_AFTER", value_name = "TIME", default_value = "never", value_parser = rung)]
    force_after: Rung,

    /// How long the first replacement of a group must have served before others follow
    #[arg(long, env = "ECS_ROTATOR_BAKE", value_name = "TIME", default_value = "5m", value_parser = parse_pause)]
    bake: SignedDuration,

    /// How long every replacement must have served before the next host of its group is taken
    #[arg(long, env = "ECS_ROTATOR_SETTLE", value_name = "TIME", default_value = "0s", value_parser = parse_pause)]
    settle: SignedDuration,

    /// How long a replacement may take to be registered and connected
    #[arg(
        long,
        env = "ECS_ROTATOR_REPLACEMENT_TIMEOUT",
        value_name = "TIME",
        default_value = "15m",
        value_parser = parse_duration
    )]
    replacement_timeout: SignedDuration,

    /// The same for Windows
    #[arg(
        long,
        env = "ECS_ROTATOR_REPLACEMENT_TIMEOUT_WINDOWS",
        value_name = "TIME",
        default_value = "45m",
        value_parser = parse_duration
    )]
    replacement_timeout_windows: SignedDuration,

    /// Accept a release that is older than the image in use
    #[arg(long, env = "ECS_ROTATOR_ALLOW_OLDER")]
    allow_older: bool,

    /// How old an image must be before it is taken, as `7d`: rings of environments
    #[arg(long, env = "ECS_ROTATOR_MIN_AMI_AGE", value_name = "AGE", default_value = "0s", value_parser = parse_age)]
    min_ami_age: SignedDuration,

    /// Maintenance windows, as `Mon-Fri 22:00-04:00 Europe/Berlin; Sat,Sun 00:00-24:00 Europe/Berlin`: only then a host is
    /// taken; those in flight finish [default: always]
    #[arg(long, env = "ECS_ROTATOR_WINDOW", value_name = "WINDOWS", default_value = "", hide_default_value = true, value_parser = windows)]
    window: WindowsOrNothing,

    /// Days on which nothing begins, as `2026-12-20..2027-01-04 Europe/Berlin, 2026-11-27`; or `@FILE`, an iCalendar file
    /// that is read at the start, each of its times in a zone or in UTC
    #[arg(long, env = "ECS_ROTATOR_FREEZE", value_name = "DAYS", default_value = "", hide_default_value = true, value_parser = freeze)]
    freeze: FreezeOrNothing,

    /// CloudWatch alarms (metric, composite or log): while one of them is in ALARM, no new host is taken; repeat it for more
    #[arg(
        long = "alarm",
        env = "ECS_ROTATOR_ALARMS",
        value_name = "ALARM",
        value_delimiter = ',',
        value_parser = alarm_or_nothing
    )]
    alarms: Vec<AlarmOrNothing>,

    /// How a release is written: as a version of the launch `template`, or as the value of the `parameter` that the template
    /// reads by `resolve:ssm:`
    #[arg(long, env = "ECS_ROTATOR_RELEASE_BY", value_name = "WAY", default_value_t = Policy::default().release_by)]
    release_by: ReleaseBy,

    /// Template versions of ours that are kept; older ones that no group names are deleted
    #[arg(
        long,
        env = "ECS_ROTATOR_KEEP_VERSIONS",
        value_name = "VERSIONS",
        default_value_t = Policy::default().keep_versions,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    keep_versions: u32,

    /// What to do with a host whose drain would get stuck (a service without room, a standalone or protected task): `go-on`,
    /// or `wait` and let the others go first
    #[arg(long, env = "ECS_ROTATOR_STUCK", value_name = "WHAT", default_value_t = Policy::default().stuck)]
    stuck: WhenStuck,

    /// What a detach may cost: `load-balancers` (hosts lose the traffic of the group's own target groups and load balancers at
    /// once), `hooks` (its terminating lifecycle hooks do not run), both, or `nothing`: such groups are left alone
    #[arg(long, env = "ECS_ROTATOR_ACCEPT_DETACH", value_name = "WHAT", default_value_t = Policy::default().accept_detach)]
    accept_detach: Accepted,

    /// A group that no capacity provider names, as `CLUSTER=GROUP`; repeat it for more
    #[arg(
        long = "group-of",
        env = "ECS_ROTATOR_GROUPS_OF",
        value_name = "CLUSTER=GROUP",
        value_delimiter = ',',
        value_parser = group_or_nothing
    )]
    groups_of: Vec<GroupOrNothing>,

    /// Image families besides Amazon's, or in place of them: a JSON array, or `@FILE`
    #[arg(long, env = "ECS_ROTATOR_FAMILIES", value_name = "JSON", default_value = "", value_parser = families)]
    families: FamiliesOrNothing,
}

/// How often the worker looks, and how long it keeps a message.
#[derive(Args, Debug)]
pub struct PaceArgs {
    /// How often every rotation under way is looked at; with every sixth sweep wholly
    #[arg(
        long,
        env = SWEEP_VARIABLE,
        value_name = "TIME",
        default_value = "5m",
        value_parser = parse_duration
    )]
    sweep_interval: SignedDuration,

    /// How long a received message stays invisible; extended while it is worked on
    #[arg(
        long,
        env = "ECS_ROTATOR_VISIBILITY_TIMEOUT",
        value_name = "TIME",
        default_value = "2m",
        value_parser = visibility
    )]
    visibility_timeout: SignedDuration,
}

/// What the worker tells of itself.
#[derive(Args, Debug)]
pub struct TellArgs {
    /// The EventBridge bus that gets events of our own (source `ecs-rotator`), by name or ARN [default: none]
    #[arg(long, env = "ECS_ROTATOR_EVENT_BUS", value_name = "BUS", default_value = "", hide_default_value = true)]
    event_bus: String,

    /// Where to answer: `/` (a page for people), `/healthz`, `/metrics`; as `127.0.0.1:8080` or `8080`, which are for this
    /// machine alone [default: nowhere]
    #[arg(long, env = HTTP_VARIABLE, value_name = "ADDRESS", default_value = "", hide_default_value = true, value_parser = address)]
    http: AddressOrNothing,
}

/// An address and a port (a port alone: of this machine), or an empty text.
#[derive(Clone, Copy, Debug)]
pub struct AddressOrNothing(pub Option<SocketAddr>);

pub const HTTP_VARIABLE: &str = "ECS_ROTATOR_HTTP";
pub const LOG_VARIABLE: &str = "ECS_ROTATOR_LOG";
pub const LOG_FORMAT_VARIABLE: &str = "ECS_ROTATOR_LOG_FORMAT";

pub fn address(text: &str) -> Result<AddressOrNothing, BadSetting> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(AddressOrNothing(None));
    }
    let port =
        text.strip_prefix(':').unwrap_or(text).parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse())
        .map(|address| AddressOrNothing(Some(address)))
        .map_err(|_| bad("an address and a port, as `127.0.0.1:8080`, or a port of this machine", text))
}

/// What the worker is for.
#[derive(Args, Debug)]
pub struct ModeArgs {
    /// `rotate`; or `observe`: change nothing, and tell what would be done
    #[arg(long, env = "ECS_ROTATOR_MODE", value_name = "MODE", default_value_t = Mode::Rotate)]
    mode: Mode,
}

impl ModeArgs {
    pub fn apply(self, settings: Settings) -> Settings {
        Settings { mode: self.mode, ..settings }
    }
}

impl TellArgs {
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.0
    }

    pub fn apply(self, settings: Settings) -> Settings {
        let bus = self.event_bus.trim();
        Settings { event_bus: (!bus.is_empty()).then(|| BusName::new(bus)), ..settings }
    }
}

impl RotationArgs {
    /// # Errors
    /// When settings that are good by themselves cannot be together.
    pub fn into_settings(self) -> Result<Settings, BadSetting> {
        let ladder = Ladder {
            stop_standalone_after: self.stop_standalone_after.0,
            give_up_after: self.give_up_after.0,
            force_after: self.force_after.0,
        };
        let policy = Policy {
            max_in_flight: self.max_in_flight,
            max_in_flight_cluster: self.max_in_flight_cluster.0,
            drain: self.drain,
            drain_timeout: self.drain_timeout,
            ladder: ladder.check()?,
            bake: self.bake,
            settle: self.settle,
            replacement_timeout: self.replacement_timeout,
            replacement_timeout_windows: self.replacement_timeout_windows,
            allow_older: self.allow_older,
            min_ami_age: self.min_ami_age,
            release_by: self.release_by,
            keep_versions: self.keep_versions,
            families: self.families.0,
            calendar: Calendar { windows: self.window.0, freeze: self.freeze.0 },
            alarms: self.alarms.into_iter().filter_map(|alarm| alarm.0).collect(),
            stuck: self.stuck,
            accept_detach: self.accept_detach,
        };
        let mut groups: BTreeMap<ClusterName, BTreeSet<GroupName>> = BTreeMap::new();
        let mut arns = Vec::new();
        for (cluster, group) in self.groups_of.into_iter().filter_map(|named| named.0) {
            groups.entry(cluster.name).or_default().insert(group);
            arns.extend(cluster.arn);
        }
        let named: Vec<NamedCluster> = self.cluster.into_iter().filter_map(|cluster| cluster.0).collect();
        Ok(Settings {
            clusters: named.iter().map(|named| named.name.clone()).collect(),
            arns: named.into_iter().filter_map(|named| named.arn).chain(arns).collect(),
            groups,
            tag_prefix: self.prefix.tag_prefix,
            policy,
            ..Settings::default()
        })
    }
}

impl PaceArgs {
    pub fn apply(self, settings: Settings) -> Settings {
        Settings { sweep_interval: self.sweep_interval, visibility: self.visibility_timeout, ..settings }
    }
}

/// A time from the beginning of a drain, if it is ever reached.
#[derive(Clone, Copy, Debug)]
struct Rung(Option<SignedDuration>);

fn rung(text: &str) -> Result<Rung, BadSetting> {
    parse_rung(text).map(Rung)
}

/// A template that leaves its list of clusters empty sets an empty variable: no cluster is named by that.
#[derive(Clone, Debug)]
struct ClusterOrNothing(Option<NamedCluster>);

fn cluster_or_nothing(text: &str) -> Result<ClusterOrNothing, NoCluster> {
    if text.trim().is_empty() {
        Ok(ClusterOrNothing(None))
    } else {
        cluster(text).map(|named| ClusterOrNothing(Some(named)))
    }
}

/// A number of hosts, or an empty text.
#[derive(Clone, Copy, Debug)]
struct LimitOrNothing(Option<u32>);

fn limit_or_nothing(text: &str) -> Result<LimitOrNothing, BadSetting> {
    match text.trim() {
        "" => Ok(LimitOrNothing(None)),
        number => match number.parse() {
            Ok(limit) if limit > 0 => Ok(LimitOrNothing(Some(limit))),
            Ok(_) | Err(_) => Err(bad("a number of hosts from 1", text)),
        },
    }
}

#[derive(Clone, Debug)]
struct AlarmOrNothing(Option<AlarmName>);

fn alarm_or_nothing(text: &str) -> Result<AlarmOrNothing, BadSetting> {
    if text.trim().is_empty() {
        Ok(AlarmOrNothing(None))
    } else {
        parse_alarm(text).map(|name| AlarmOrNothing(Some(name)))
    }
}

/// `CLUSTER=GROUP`, or an empty text.
#[derive(Clone, Debug)]
struct GroupOrNothing(Option<(NamedCluster, GroupName)>);

fn group_or_nothing(text: &str) -> Result<GroupOrNothing, BadSetting> {
    if text.trim().is_empty() {
        return Ok(GroupOrNothing(None));
    }
    let bad = || bad("CLUSTER=GROUP, an ECS cluster and an Auto Scaling group", text);
    let (of, group) = text.split_once('=').ok_or_else(bad)?;
    let (of, group) = (cluster(of).map_err(|_| bad())?, group.trim());
    if group.is_empty() { Err(bad()) } else { Ok(GroupOrNothing(Some((of, GroupName::new(group))))) }
}

/// Amazon's families, and those of the configuration.
#[derive(Clone, Debug)]
struct FamiliesOrNothing(Families);

fn families(text: &str) -> Result<FamiliesOrNothing, BadMap> {
    let built_in = Families::built_in();
    let json = match text.trim().strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| BadMap::Unreadable { file: file.to_owned(), error })?
        }
        None if text.trim().is_empty() => return Ok(FamiliesOrNothing(built_in)),
        None => text.to_owned(),
    };
    Ok(FamiliesOrNothing(built_in.with(&json)?))
}

#[derive(Clone, Debug)]
struct WindowsOrNothing(Option<Windows>);

fn windows(text: &str) -> Result<WindowsOrNothing, BadSetting> {
    if text.trim().is_empty() {
        Ok(WindowsOrNothing(None))
    } else {
        text.parse().map(|windows| WindowsOrNothing(Some(windows)))
    }
}

#[derive(Clone, Debug, Default)]
struct FreezeOrNothing(Freeze);

fn freeze(text: &str) -> Result<FreezeOrNothing, BadFreeze> {
    match text.trim().strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| BadFreeze::Unreadable { file: file.to_owned(), error })?;
            Ok(FreezeOrNothing(Freeze::from_ics(&text)?))
        }
        None if text.trim().is_empty() => Ok(FreezeOrNothing::default()),
        None => Ok(FreezeOrNothing(text.parse()?)),
    }
}

/// Why a freeze cannot be read.
#[derive(Debug, thiserror::Error)]
enum BadFreeze {
    #[error("cannot read {file}: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error(transparent)]
    Calendar(#[from] BadIcs),
    #[error(transparent)]
    Days(#[from] BadSetting),
}

/// Why the map of families cannot be used.
#[derive(Debug, thiserror::Error)]
enum BadMap {
    #[error("cannot read {file}: {error}")]
    Unreadable { file: String, error: std::io::Error },
    #[error(transparent)]
    Families(#[from] BadFamilies),
}

/// A cluster's name, or its ARN.
///
/// # Errors
/// When it is the ARN of something else, or no name.
pub fn cluster(text: &str) -> Result<NamedCluster, NoCluster> {
    text.parse()
}

pub const SWEEP_VARIABLE: &str = "ECS_ROTATOR_SWEEP_INTERVAL";

/// The cluster that a variable names, if it does.
///
/// # Errors
/// When it names something else.
pub fn env_cluster(variable: &str) -> Result<Option<NamedCluster>, BadSetting> {
    let text = std::env::var(variable).unwrap_or_default();
    let bad = |_: NoCluster| bad("the name or ARN of an ECS cluster", &text);
    if text.trim().is_empty() { Ok(None) } else { cluster(&text).map(Some).map_err(bad) }
}

pub fn queue_url(text: &str) -> Result<String, BadSetting> {
    let trimmed = text.trim();
    let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((host, path)) if !host.is_empty() && !path.is_empty() => Ok(trimmed.to_owned()),
        Some(_) | None => Err(bad("the URL of an SQS queue, as https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", text)),
    }
}

/// The URL of a queue, or an empty text: a variable that is set for others.
#[derive(Clone, Debug)]
pub struct UrlOrNothing(pub Option<String>);

pub fn url_or_nothing(text: &str) -> Result<UrlOrNothing, BadSetting> {
    if text.trim().is_empty() { Ok(UrlOrNothing(None)) } else { queue_url(text).map(|url| UrlOrNothing(Some(url))) }
}

/// One Auto Scaling group. An empty name is that of none, and not of all.
pub fn group(text: &str) -> Result<GroupName, BadSetting> {
    let name = text.trim();
    if name.is_empty() { Err(bad("the name of an Auto Scaling group", text)) } else { Ok(GroupName::new(name)) }
}

/// A tag's key has at most 128 characters, and `aws:` is AWS's own.
fn tag_prefix(text: &str) -> Result<String, BadSetting> {
    let fits = !text.trim().is_empty() && text.len() <= 64 && !text.to_ascii_lowercase().starts_with("aws:");
    if fits { Ok(text.to_owned()) } else { Err(bad("1 to 64 characters that do not begin with `aws:`", text)) }
}

fn visibility(text: &str) -> Result<SignedDuration, BadSetting> {
    let duration = parse_duration(text)?;
    if VISIBILITY.contains(&duration) { Ok(duration) } else { Err(bad("a duration from 10s to 12h", text)) }
}

fn bad(expected: &'static str, got: &str) -> BadSetting {
    BadSetting { expected, got: got.to_owned() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rotation: RotationArgs,
        #[command(flatten)]
        pace: PaceArgs,
        #[command(flatten)]
        tell: TellArgs,
        #[command(flatten)]
        mode: ModeArgs,
    }

    fn settings(flags: &[&str]) -> Settings {
        let line = [&["x"], flags].concat();
        Line::try_parse_from(line)
            .map(|line| line.mode.apply(line.tell.apply(line.pace.apply(line.rotation.into_settings().unwrap()))))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn without_flags_the_settings_are_the_defaults() {
        assert_eq!(settings(&[]), Settings::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let line = "--cluster a,b --cluster arn:aws:ecs:x:1:cluster/c --tag-prefix t: --max-in-flight 3 \
            --max-in-flight-cluster 7 --drain at-once --drain-timeout 2h --replacement-timeout 5m \
            --replacement-timeout-windows 50m --allow-older --min-ami-age 7d --release-by parameter --keep-versions 9 \
            --stop-standalone-after 20m --give-up-after 3h --bake 0s --settle 90s --stuck wait --accept-detach hooks \
            --group-of a=x --group-of a=y,b=x --sweep-interval 1m --visibility-timeout 30s --event-bus default --http 127.0.0.1:8080 --mode observe";
        let expected = Settings {
            clusters: vec!["a".into(), "b".into(), "c".into()],
            arns: vec!["arn:aws:ecs:x:1:cluster/c".into()],
            groups: BTreeMap::from([
                ("a".into(), BTreeSet::from(["x".into(), "y".into()])),
                ("b".into(), BTreeSet::from(["x".into()])),
            ]),
            tag_prefix: "t:".to_owned(),
            policy: Policy {
                max_in_flight: Budget::Hosts(3),
                max_in_flight_cluster: Some(7),
                drain: DrainWhen::AtOnce,
                drain_timeout: SignedDuration::from_hours(2),
                ladder: Ladder {
                    stop_standalone_after: Some(SignedDuration::from_mins(20)),
                    give_up_after: Some(SignedDuration::from_hours(3)),
                    force_after: None,
                },
                bake: SignedDuration::ZERO,
                settle: SignedDuration::from_secs(90),
                replacement_timeout: SignedDuration::from_mins(5),
                replacement_timeout_windows: SignedDuration::from_mins(50),
                allow_older: true,
                min_ami_age: SignedDuration::from_hours(168),
                release_by: ReleaseBy::Parameter,
                keep_versions: 9,
                families: Families::built_in(),
                calendar: Calendar { windows: Some("daily 22:00-04:00".parse().unwrap()), freeze: Freeze::default() },
                alarms: BTreeSet::from(["errors".into(), "slow answers".into()]),
                stuck: WhenStuck::Wait,
                accept_detach: Accepted { load_balancers: false, hooks: true },
            },
            sweep_interval: SignedDuration::from_mins(1),
            visibility: SignedDuration::from_secs(30),
            event_bus: Some("default".into()),
            mode: Mode::Observe,
        };
        let mut line: Vec<&str> = line.split_whitespace().collect();
        line.extend(["--window", "daily 22:00-04:00", "--alarm", "errors,slow answers"]);
        assert_eq!(settings(&line), expected);
    }

    #[test]
    fn an_empty_text_is_nothing() {
        assert_eq!(settings(&["--cluster=", "--max-in-flight-cluster=", "--event-bus="]), Settings::default());
    }

    #[test]
    fn families_are_given_as_text_or_as_a_file() {
        let entry = r#"[{"name":"golden","os":"golden","owners":["123456789012"],"image":"golden-.*","parameters":{"x86_64":"/golden"}}]"#;
        let file = std::env::temp_dir().join(format!("families-{}.json", std::process::id()));
        std::fs::write(&file, entry).unwrap();
        for given in [entry.to_owned(), format!("@{}", file.display())] {
            let settings = settings(&[&format!("--families={given}")]);
            let found = settings.policy.families.recognise("golden-7", &["123456789012"], "x86_64").unwrap();
            assert_eq!(found.parameter.as_str(), "/golden");
        }
        std::fs::remove_file(file).unwrap();
        assert!(families("@/no/such/file").is_err());
        assert!(families("{}").is_err());
    }

    #[test]
    fn a_freeze_is_given_as_days_or_as_a_calendar() {
        let ics = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Sale\nDTSTART:20261127T000000Z\nDTEND:20261128T000000Z\n\
            END:VEVENT\nEND:VCALENDAR\n";
        let file = std::env::temp_dir().join(format!("freeze-{}.ics", std::process::id()));
        std::fs::write(&file, ics).unwrap();
        for given in ["2026-11-27".to_owned(), format!("@{}", file.display())] {
            let calendar = settings(&[&format!("--freeze={given}")]).policy.calendar;
            assert!(calendar.admits("2026-11-27T12:00:00Z".parse().unwrap()).is_err(), "{given}");
            assert!(calendar.admits("2026-11-28T12:00:00Z".parse().unwrap()).is_ok(), "{given}");
        }
        std::fs::remove_file(file).unwrap();
        for bad in ["@/no/such/file", "soon", "2026-13-01"] {
            assert!(freeze(bad).is_err(), "{bad}");
        }
        assert!(windows("sometimes").is_err());
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused() {
        for group in ["web", "=web", "prod=", "a b=web"] {
            assert!(group_or_nothing(group).is_err(), "{group}");
        }
        for url in ["", "prod-queue", "https://", "https://sqs.eu-west-1.amazonaws.com", "arn:aws:sqs:x:1:q"] {
            assert!(queue_url(url).is_err(), "{url}");
        }
        for limit in ["0", "-1", "x", "10%"] {
            assert!(limit_or_nothing(limit).is_err(), "{limit}");
        }
        for name in ["", "a b", "arn:aws:ecs:x:1:cluster/", "prod*"] {
            assert!(cluster(name).is_err(), "{name}");
        }
        for prefix in ["", "aws:", "AWS:x"] {
            assert!(tag_prefix(prefix).is_err(), "{prefix}");
        }
        for mode in ["", "Observe", "watch"] {
            assert!(mode.parse::<Mode>().is_err(), "{mode}");
        }
        for time in ["9s", "13h", "x"] {
            assert!(visibility(time).is_err(), "{time}");
        }
    }
}
