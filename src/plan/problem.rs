//! Why a rotation stops by itself, and what stands before the next host, in sentences.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Serialize;

use super::drain_report::Keeper;
use super::tag_text::word;
use super::timing::in_words;
use crate::id::{AlarmName, AmiId, GroupName, InstanceId};

/// One reason to hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// Some task of this host has not stopped in time.
    DrainOverdue {
        host: InstanceId,
        group: Option<GroupName>,
        after: String,
        tasks: usize,
        kept_by: Option<Vec<Keeper>>,
    },
    /// These hosts were detached, and no replacement became whole in time.
    NoReplacement { group: GroupName, hosts: BTreeSet<InstanceId>, after: String, why: Option<String> },
    /// An image failed here, and is not tried again by itself.
    BadRelease { group: GroupName, why: String },
    /// A host's drain has lasted so long that it is given back to its group.
    GivenUp { host: InstanceId, after: String },
    /// A host that shall go back is not back.
    NotGivenBack { host: InstanceId, why: String },
    /// A host that came in place of a detached one does not run the release.
    WrongImage { group: GroupName, host: InstanceId, image: AmiId, release: String, waiting: BTreeSet<InstanceId> },
    /// No host could be admitted for too long.
    GroupBlocked { group: GroupName, kind: BlockedKind, why: String, after: String },
    /// AWS refused a call about this host.
    HostRefused { host: InstanceId, refusal: Refusal },
    /// The worker lacks a permission; for these hosts, if the call is about hosts.
    NotAllowed { operation: String, why: String, hosts: BTreeSet<InstanceId> },
    /// AWS refused a change of a launch template, or of a group's pin on it.
    TemplateRefused { refusal: Refusal },
}

/// What AWS said to a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// `DetachInstances`
    pub operation: String,
    /// `ValidationError`
    pub code: String,
    pub message: String,
}

/// What stands before the next host of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum BlockedKind {
    LaunchesSuspended,
    NotWritten,
    NotAtCapacity,
    InAlarm,
    NoSuchAlarm,
    AlarmNotEvaluated,
    Workloads,
    InstanceRefresh,
}

/// The kind of a cause, as the tag says it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumString, strum::EnumIter,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Code {
    DrainOverdue,
    NoReplacement,
    BadRelease,
    GivenUp,
    NotGivenBack,
    WrongImage,
    GroupBlocked,
    HostRefused,
    NotAllowed,
    TemplateRefused,
}

impl Problem {
    pub fn blocked(group: &GroupName, why: &Blocked, after: SignedDuration) -> Self {
        Self::GroupBlocked { group: group.clone(), kind: why.kind(), why: why.to_string(), after: in_words(after) }
    }

    pub fn code(&self) -> Code {
        match self {
            Problem::DrainOverdue { .. } => Code::DrainOverdue,
            Problem::NoReplacement { .. } => Code::NoReplacement,
            Problem::BadRelease { .. } => Code::BadRelease,
            Problem::GivenUp { .. } => Code::GivenUp,
            Problem::NotGivenBack { .. } => Code::NotGivenBack,
            Problem::WrongImage { .. } => Code::WrongImage,
            Problem::GroupBlocked { .. } => Code::GroupBlocked,
            Problem::HostRefused { .. } => Code::HostRefused,
            Problem::NotAllowed { .. } => Code::NotAllowed,
            Problem::TemplateRefused { .. } => Code::TemplateRefused,
        }
    }

    pub(super) fn detail(&self) -> String {
        let call = |refusal: &Refusal| format!("{}:{}", refusal.operation, refusal.code);
        match self {
            Problem::DrainOverdue { after, .. }
            | Problem::NoReplacement { after, .. }
            | Problem::GivenUp { after, .. } => after.replace(' ', ""),
            Problem::GroupBlocked { kind, after, .. } => format!("{kind}:{}", after.replace(' ', "")),
            Problem::WrongImage { image, .. } => image.to_string(),
            Problem::HostRefused { refusal, .. } | Problem::TemplateRefused { refusal } => word(&call(refusal)),
            Problem::NotAllowed { operation, .. } => word(operation),
            Problem::BadRelease { .. } | Problem::NotGivenBack { .. } => String::new(),
        }
    }

    pub(super) fn group(&self) -> Option<&GroupName> {
        match self {
            Problem::NoReplacement { group, .. }
            | Problem::BadRelease { group, .. }
            | Problem::WrongImage { group, .. }
            | Problem::GroupBlocked { group, .. } => Some(group),
            Problem::DrainOverdue { .. }
            | Problem::GivenUp { .. }
            | Problem::NotGivenBack { .. }
            | Problem::HostRefused { .. }
            | Problem::NotAllowed { .. }
            | Problem::TemplateRefused { .. } => None,
        }
    }

    /// The hosts that are to be named in the hold: those on their way first of all.
    pub(super) fn hosts(&self) -> Vec<&InstanceId> {
        match self {
            Problem::DrainOverdue { host, .. }
            | Problem::GivenUp { host, .. }
            | Problem::NotGivenBack { host, .. }
            | Problem::HostRefused { host, .. } => vec![host],
            Problem::NoReplacement { hosts, .. } | Problem::NotAllowed { hosts, .. } => hosts.iter().collect(),
            Problem::WrongImage { host, waiting, .. } => waiting.iter().chain([host]).collect(),
            Problem::BadRelease { .. } | Problem::GroupBlocked { .. } | Problem::TemplateRefused { .. } => Vec::new(),
        }
    }
}

/// Problems of one kind and cause, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub code: Code,
    pub text: String,
    pub hosts: BTreeSet<InstanceId>,
    pub groups: BTreeSet<GroupName>,
}

/// The problems in sentences, those with one cause in one.
pub fn told(problems: &BTreeSet<Problem>) -> Vec<Told> {
    let mut all: Vec<Told> = drains(problems);
    for problem in problems.iter().filter(|problem| problem.code() != Code::DrainOverdue) {
        all.push(Told {
            code: problem.code(),
            text: problem.to_string(),
            hosts: problem.hosts().into_iter().cloned().collect(),
            groups: problem.group().cloned().into_iter().collect(),
        });
    }
    all
}

/// All problems on one line.
pub fn reason(problems: &BTreeSet<Problem>) -> Option<String> {
    let lines: Vec<String> = told(problems).into_iter().map(|told| told.text).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// What keeps a host, each with its reason.
type KeptBy<'a> = Vec<(&'a str, Option<&'a str>)>;

type OverdueHost<'a> = (&'a InstanceId, Option<&'a GroupName>, usize);

/// Drains that last too long, by what keeps them.
fn drains(problems: &BTreeSet<Problem>) -> Vec<Told> {
    let mut kept: BTreeMap<(&String, Option<KeptBy<'_>>), Vec<OverdueHost<'_>>> = BTreeMap::new();
    for problem in problems {
        if let Problem::DrainOverdue { host, group, after, tasks, kept_by } = problem {
            let by = kept_by.as_ref().map(|all| {
                let what: BTreeSet<_> = all.iter().map(|one| (one.what.as_str(), one.why.as_deref())).collect();
                what.into_iter().collect()
            });
            kept.entry((after, by)).or_default().push((host, group.as_ref(), *tasks));
        }
    }
    kept.into_iter().map(|((after, by), hosts)| drain(after, by, &hosts)).collect()
}

fn drain(after: &str, by: Option<KeptBy<'_>>, hosts: &[OverdueHost<'_>]) -> Told {
    let tasks: usize = hosts.iter().map(|(_, _, tasks)| tasks).sum();
    let tasks = if tasks == 1 { "1 task".to_owned() } else { format!("{tasks} tasks") };
    let mut by_group: BTreeMap<Option<&GroupName>, Vec<&str>> = BTreeMap::new();
    for (host, group, _) in hosts {
        by_group.entry(*group).or_default().push(host.as_str());
    }
    let of_group = |(group, hosts): (&Option<&GroupName>, &Vec<&str>)| match group {
        Some(group) => format!("{group}: {}", hosts.join(" ")),
        None => hosts.join(" "),
    };
    let names = by_group.iter().map(of_group).collect::<Vec<_>>().join(", ");
    let subject = if let [(host, group, _)] = hosts {
        let group = group.map(|group| format!(" ({group})")).unwrap_or_default();
        format!("{host}{group}: {tasks} not stopped after {after} of draining")
    } else {
        format!("{} hosts: {tasks} not stopped after {after} of draining ({names})", hosts.len())
    };
    let one = |(what, why): (&str, Option<&str>)| match why {
        Some(why) => format!("{what} ({why})"),
        None => what.to_owned(),
    };
    let by = by.map(|by| by.into_iter().map(one).collect::<Vec<_>>().join(", ")).filter(|by| !by.is_empty());
    Told {
        code: Code::DrainOverdue,
        text: by.map_or_else(|| subject.clone(), |by| format!("{subject}, kept by {by}")),
        hosts: hosts.iter().map(|(host, _, _)| (*host).clone()).collect(),
        groups: hosts.iter().filter_map(|(_, group, _)| group.cloned()).collect(),
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::DrainOverdue { .. } => {
                f.write_str(&drains(&BTreeSet::from([self.clone()])).pop().map(|told| told.text).unwrap_or_default())
            }
            Problem::NoReplacement { group, hosts, after, why } => {
                let why = why.as_deref().unwrap_or("see the scaling activities of the group").trim_end_matches('.');
                write!(f, "{}: no replacement in {group} within {after}: {why}", hosts_said(hosts))
            }
            Problem::BadRelease { group, why } => write!(f, "{group}: {why}"),
            Problem::GivenUp { host, after } => {
                write!(f, "{host}: given up after {after} of draining: it goes back to its group")
            }
            Problem::NotGivenBack { host, why } => write!(f, "{host}: not given back to its group: {why}"),
            Problem::WrongImage { group, host, image, release, waiting } => write!(
                f,
                "{}: the replacement {host} in {group} runs {image} and not {release}: see warm pool and overrides",
                hosts_said(waiting)
            ),
            Problem::GroupBlocked { group, why, after, .. } => write!(f, "{group}: {why} for {after}"),
            Problem::HostRefused { host, refusal } => write!(f, "{host}: {refusal}"),
            Problem::NotAllowed { operation, why, hosts } => {
                if !hosts.is_empty() {
                    write!(f, "{}: ", hosts_said(hosts))?;
                }
                // Where it is this action itself that is denied, AWS says so.
                let itself = why.contains(&format!("autoscaling:{operation}"));
                let more = if itself { "" } else { asks_for_more(operation) };
                write!(f, "not allowed to call {operation}: {why}{more}")
            }
            Problem::TemplateRefused { refusal } => write!(f, "{refusal}"),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was refused: {}", self.operation, self.message)
    }
}

/// AWS asks whoever gives a group a launch template for all that a launch from it takes, and does not say what is missing.
pub(super) fn asks_for_more(operation: &str) -> &'static str {
    if operation == "UpdateAutoScalingGroup" {
        " (the worker must also be allowed what the template launches with: ec2:RunInstances, ec2:CreateTags, iam:PassRole, \
         ssm:GetParameters where its image is a parameter, the KMS key of an encrypted volume; or a policy of the \
         organization forbids it)"
    } else {
        ""
    }
}

pub(super) fn hosts_said(hosts: &BTreeSet<InstanceId>) -> String {
    list(hosts.iter().map(InstanceId::as_str))
}

pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// Why nobody of a group can be admitted although somebody is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    LaunchesSuspended,
    /// The release has been written, and cannot be read back yet.
    NotWritten(String),
    /// Fewer members are ready than desired, and hosts in flight explain only `explained` of the missing ones.
    NotWhole {
        ready: u32,
        desired: u32,
        explained: u32,
        absent: Vec<InstanceId>,
        weighted: bool,
    },
    /// These alarms are in ALARM.
    InAlarm(Vec<AlarmName>),
    /// These alarms do not exist: nobody knows what they would say.
    NoSuchAlarm(Vec<AlarmName>),
    /// CloudWatch cannot evaluate these alarms, and says why: what they said last says nothing of now.
    AlarmNotEvaluated(Vec<(AlarmName, String)>),
    /// The drain of every host that is due would get stuck.
    Tenants(String),
}

impl Blocked {
    pub fn kind(&self) -> BlockedKind {
        match self {
            Blocked::LaunchesSuspended => BlockedKind::LaunchesSuspended,
            Blocked::NotWritten(_) => BlockedKind::NotWritten,
            Blocked::NotWhole { .. } => BlockedKind::NotAtCapacity,
            Blocked::InAlarm(_) => BlockedKind::InAlarm,
            Blocked::NoSuchAlarm(_) => BlockedKind::NoSuchAlarm,
            Blocked::AlarmNotEvaluated(_) => BlockedKind::AlarmNotEvaluated,
            Blocked::Tenants(_) => BlockedKind::Workloads,
        }
    }
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blocked::LaunchesSuspended => f.write_str("launches are suspended"),
            Blocked::NotWritten(why) | Blocked::Tenants(why) => f.write_str(why),
            Blocked::NotWhole { ready, desired, explained, absent, weighted } => {
                let counted = if *weighted { "units of capacity" } else { "members" };
                write!(f, "{ready} of {desired} {counted} are ready")?;
                if *explained > 0 {
                    write!(f, " and {explained} are being replaced")?;
                }
                let names: Vec<&str> = absent.iter().map(InstanceId::as_str).collect();
                if names.is_empty() { Ok(()) } else { write!(f, " (not ready: {})", names.join(" ")) }
            }
            Blocked::InAlarm(names) => write!(f, "in ALARM: {}", alarms_said(names)),
            Blocked::NoSuchAlarm(names) => write!(f, "no such alarm: {}", alarms_said(names)),
            Blocked::AlarmNotEvaluated(alarms) => {
                let one = |(name, why): &(AlarmName, String)| format!("{name} ({why})");
                write!(f, "CloudWatch cannot evaluate {}", alarms.iter().map(one).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn alarms_said(names: &[AlarmName]) -> String {
    names.iter().map(AlarmName::as_str).collect::<Vec<_>>().join(", ")
}
