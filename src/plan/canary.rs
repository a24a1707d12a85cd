//! Is the release any good? Read off the first hosts that run it, before others follow.
//!
//! Nothing is remembered: a release is *proven* in a group by a member that runs it and has served for `bake`. Until there
//! is one, a host goes alone, and what becomes of its replacement is looked at. A new worker sees the same.
//!
//! An image fails where its hosts never register, where their agents fall silent or the hosts are lost before one of them has
//! served for `bake`, where tasks break on them that do not break elsewhere, and where it cannot be launched at all. Only an
//! image that no host has served with can fail so: otherwise it is not the image.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::act::Act;
use super::context::Context;
use super::host::{MemberHost, Phase};
use super::model::{GroupView, Host, Look, Seen};
use super::output::Plan;
use super::release::{Release, Resolution, Way};
use super::timing::{AGENT_MAY_BE_AWAY, BAKE_AGAIN, CLAIM_GOOD_FOR, STOPPED_TASKS_LISTED_FOR, in_words, whole_second};
use crate::effect::{Activity, ActivityStatus, ContainerInstanceStatus, Lifecycle};
use crate::id::{AmiId, GroupName, InstanceId, ParameterName};

/// Hosts are lost for many reasons (Spot, a person, a zone's balance): one or two are accidents.
const LOST: usize = 3;
/// So many broken tasks are no accident, if they are also so many times as many as on a host of before.
const BROKEN: usize = 3;
const TIMES: i64 = 3;
/// So many hosts of before are compared with.
const COMPARED: usize = 2;

/// What the hosts of a group say of its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Proven,
    /// This host runs it, and has not served for long enough.
    Baking {
        host: InstanceId,
        since: Timestamp,
        until: Timestamp,
    },
    /// Nobody runs it.
    Untried,
    Lacks(BTreeSet<Look>),
    Failed {
        images: BTreeSet<AmiId>,
        why: String,
    },
}

/// Judges the release of a group that is in use.
pub fn judge(context: &Context<'_>, name: &GroupName, group: &GroupView, release: &Release<'_>) -> Verdict {
    let (now, bake) = (context.now, group.policy.bake);
    let runs_it = |host: &Host| host.image().is_some_and(|image| release.images.contains(image));
    let members = context.members_of(name).iter();
    let tried = members.filter(|of| of.member.lifecycle == Lifecycle::InService && of.is_in_place());
    let tried = tried.filter_map(MemberHost::known).filter(|(_, host)| runs_it(host));
    let mut tried: Vec<Tried<'_>> = tried.filter_map(Tried::of).collect();
    tried.sort_by_key(|tried| (tried.registered, tried.id));
    let new = new_images(context, name, release, bake);
    if let Some(seasoned) = tried.iter().find(|tried| tried.host.serves(now) && tried.host.has_served(bake)) {
        return breaks_tasks(context, group, seasoned, &new).unwrap_or(Verdict::Proven);
    }
    // Its bake is over, and by the last look it was not.
    let unseen = tried.iter().filter(|tried| now >= tried.registered + bake && !tried.is_away());
    let unseen = unseen.map(|tried| Look::Host(tried.id.clone())).filter(|look| !context.view.has_looked(look));
    let unseen: BTreeSet<Look> = unseen.collect();
    if !unseen.is_empty() {
        return Verdict::Lacks(unseen);
    }
    // Looked at again and again while it is away: the event that an agent is back may be lost, and two moments at which it
    // was away are not one long time.
    let away: BTreeSet<Look> =
        tried.iter().filter(|tried| tried.is_away()).map(|tried| Look::Host(tried.id.clone())).collect();
    if away.iter().any(|look| !context.view.is_fresh(look, now)) {
        return Verdict::Lacks(away);
    }
    let silent = tried.iter().filter(|tried| tried.is_silent(now));
    if let Some(silent) = silent.min_by_key(|tried| tried.id).filter(|_| !new.is_empty()) {
        let why = format!("the agent of {} has not been connected for {}", silent.id, in_words(AGENT_MAY_BE_AWAY));
        return Verdict::Failed { why: said(&new, &why), images: new };
    }
    match are_lost(context, name, release, &new, bake) {
        Lost::No => {}
        Lost::Lacks(look) => return Verdict::Lacks(BTreeSet::from([look])),
        Lost::Yes(why) => return Verdict::Failed { why: said(&new, &why), images: new },
    }
    // One that has fallen silent, and whose image is not to blame, bakes no more: the group is not whole without it.
    match tried.iter().find(|tried| !tried.is_silent(now)) {
        Some(tried) => {
            let over = tried.registered + bake;
            let until = if now < over && away.is_empty() { over } else { now + BAKE_AGAIN };
            Verdict::Baking { host: tried.id.clone(), since: tried.registered, until }
        }
        None => Verdict::Untried,
    }
}

/// A member on the release, and when its agent registered.
struct Tried<'a> {
    id: &'a InstanceId,
    host: &'a Host,
    registered: Timestamp,
}

impl<'a> Tried<'a> {
    fn of((id, host): (&'a InstanceId, &'a Host)) -> Option<Self> {
        let container =
            host.container.here().filter(|container| container.status == ContainerInstanceStatus::Active)?;
        Some(Self { id, host, registered: container.registered? })
    }

    fn is_away(&self) -> bool {
        self.host.container.here().is_some_and(|container| !container.agent_connected)
    }

    /// Its agent has been away for longer than agents are, and we have seen it.
    fn is_silent(&self, now: Timestamp) -> bool {
        self.is_away() && self.host.away_since.is_some_and(|since| now >= since + AGENT_MAY_BE_AWAY)
    }
}

/// The images that the group launches with, and that no host of it has served with; none that have failed already.
pub fn new_images(
    context: &Context<'_>,
    name: &GroupName,
    release: &Release<'_>,
    bake: SignedDuration,
) -> BTreeSet<AmiId> {
    // A second host was taken later: by then one had served.
    let left = context.ours_of(name).iter().filter(|(id, _)| !context.memberships.contains_key(*id));
    let taken = left.clone().filter_map(|(_, host)| Some(host.ours.as_ref()?.since));
    let taken = taken.filter(|since| *since >= release.since());
    let (first, last) = taken.fold((None, None), |(first, last): (Option<Timestamp>, Option<Timestamp>), at| {
        (Some(first.map_or(at, |first| first.min(at))), last.max(Some(at)))
    });
    if matches!((first, last), (Some(first), Some(last)) if last >= first + bake.max(CLAIM_GOOD_FOR)) {
        return BTreeSet::new();
    }
    let in_use: BTreeSet<&AmiId> = release.launches.iter().map(|launch| &launch.in_use).collect();
    let members = context.members_of(name).iter().filter_map(|of| of.host);
    let hosts = members.chain(left.map(|(_, host)| *host));
    let is_good = |image: &AmiId| hosts.clone().any(|host| host.image() == Some(image) && host.has_served(bake));
    let rejected = context.view.groups.get(name).map(|group| &group.source.rejected);
    let is_new = |image: &AmiId| !is_good(image) && !rejected.is_some_and(|images| images.contains(image));
    // What it launches with now, and not what it shall launch with: something newer may be out already.
    in_use.iter().copied().filter(|image| is_new(image)).cloned().collect()
}

/// Do tasks break on the first host that has served for long enough, and not on those of before?
fn breaks_tasks(context: &Context<'_>, group: &GroupView, first: &Tried<'_>, new: &BTreeSet<AmiId>) -> Option<Verdict> {
    let (now, bake) = (context.now, group.policy.bake);
    let image = first.host.image()?;
    // Only the first of them is looked at, and only while ECS knows what broke.
    let others_served = !new.contains(image) && others_serve(context, group, first);
    if bake.is_zero() || now >= first.registered + bake + STOPPED_TASKS_LISTED_FOR || others_served {
        return None;
    }
    let is_stale = |host: &Host| host.broken.as_ref().is_none_or(|broken| broken.read < first.registered + bake);
    let lacking = |hosts: &[(&InstanceId, &Host)]| -> BTreeSet<Look> {
        let stale = hosts.iter().filter(|(_, host)| is_stale(host)).map(|(id, _)| Look::Broken((*id).clone()));
        stale.filter(|look| !context.view.has_looked(look)).collect()
    };
    let looks = lacking(&[(first.id, first.host)]);
    if !looks.is_empty() {
        return Some(Verdict::Lacks(looks));
    }
    let broke = first.host.broken.as_ref().map_or(0, |broken| broken.tasks.len());
    // Nothing to compare: the hosts of before are not asked.
    if broke < BROKEN {
        return None;
    }
    let old = context.members_of(&group.facts.name).iter().filter(|of| of.is(Phase::Outdated));
    let old = old.filter_map(MemberHost::known).take(COMPARED);
    // Those too from which its tasks may have come.
    let left = context.view.hosts.iter().filter(|(_, host)| {
        let there = host.ec2.here().is_some_and(|ec2| !ec2.state.is_gone()) && host.container.here().is_some();
        there && host.ours.as_ref().is_some_and(|ours| ours.group == group.facts.name)
    });
    let old: Vec<_> = old.filter(|(_, host)| host.serves(now)).chain(left.take(COMPARED)).collect();
    let looks = lacking(&old);
    if !looks.is_empty() {
        return Some(Verdict::Lacks(looks));
    }
    let before = old.iter().filter_map(|(_, host)| host.broken.as_ref()).map(|broken| broken.tasks.len()).max();
    let minutes = now.duration_since(first.registered).as_mins().clamp(1, STOPPED_TASKS_LISTED_FOR.as_mins());
    // Broken tasks in an hour.
    let rate = i64::try_from(broke).unwrap_or(i64::MAX).saturating_mul(STOPPED_TASKS_LISTED_FOR.as_mins()) / minutes;
    let rate_before = i64::try_from(before.unwrap_or(0)).unwrap_or(i64::MAX);
    if rate <= rate_before.saturating_mul(TIMES) {
        return None;
    }
    let images = BTreeSet::from([image.clone()]);
    let why =
        format!("{broke} tasks broke on {} in {minutes}m, {rate_before} in an hour on a host of before", first.id);
    Some(Verdict::Failed { why: said(&images, &why), images })
}

fn others_serve(context: &Context<'_>, group: &GroupView, first: &Tried<'_>) -> bool {
    let served = |host: &Host| {
        let registered = host.container.here().and_then(|container| container.registered);
        registered.is_some_and(|at| at < first.registered) && host.serves(context.now)
    };
    let members = context.members_of(&group.facts.name).iter().filter_map(|of| of.host);
    members.filter(|host| host.image() == first.host.image()).any(served)
}

enum Lost {
    No,
    Lacks(Look),
    Yes(String),
}

/// Hosts of the new images that the group has lost. Those whose launch a lifecycle hook has abandoned are not among them: what
/// a hook waits for need not be the image; nor those that have ended for their key.
fn are_lost(
    context: &Context<'_>,
    name: &GroupName,
    release: &Release<'_>,
    new: &BTreeSet<AmiId>,
    bake: SignedDuration,
) -> Lost {
    let since = whole_second(release.since());
    let activities = context.view.groups.get(name).and_then(|group| group.activities.as_ref());
    let abandoned: BTreeSet<&InstanceId> = activities
        .iter()
        .flat_map(|known| &known.list)
        .filter(|activity| activity.status == ActivityStatus::Cancelled || names_a_key(&activity.message))
        .filter_map(|activity| activity.instance.as_ref())
        .collect();
    let lost = context.view.hosts.iter().filter(|(_, host)| {
        let ec2 =
            host.ec2.here().filter(|ec2| ec2.state.is_gone() && ec2.launched >= since && new.contains(&ec2.image));
        ec2.is_some() && host.ours.is_none() && host.of_group.as_ref() == Some(name)
    });
    let lost: Vec<&str> = lost.map(|(id, _)| id).filter(|id| !abandoned.contains(id)).map(InstanceId::as_str).collect();
    if lost.len() < LOST {
        return Lost::No;
    }
    let look = Look::Activities(name.clone());
    if !context.view.has_looked(&look) {
        return Lost::Lacks(look);
    }
    Lost::Yes(format!("{} were lost before one had served for {}", lost.join(" and "), in_words(bake)))
}

fn said(images: &BTreeSet<AmiId>, why: &str) -> String {
    let images = images.iter().map(AmiId::as_str).collect::<Vec<_>>().join(" and ");
    format!("{images} failed: {why}")
}

/// What is not known of the members of a group: who they are, and whether they have registered.
pub fn unknown(context: &Context<'_>, name: &GroupName) -> BTreeSet<Look> {
    let lacks = context.members_of(name).iter().flat_map(|of| {
        let (id, host) = (of.id(), of.host);
        let instance = host.is_none_or(|host| host.ec2 == Seen::Unknown).then(|| Look::Instance(id.clone()));
        let registered = host.is_none_or(|host| host.container.here().is_none()).then(|| Look::Host(id.clone()));
        [instance, registered]
    });
    lacks.flatten().filter(|look| !context.view.has_looked(look)).collect()
}

/// What is to be said of members that have not registered, when a replacement has not come in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dead {
    Nobody,
    /// There are some, and none of them has had its time.
    Young {
        until: Timestamp,
    },
    Failed {
        images: BTreeSet<AmiId>,
        why: String,
    },
}

/// Hosts wait for a replacement, and none has come in time: is the image to blame?
pub fn never_registered(
    context: &Context<'_>,
    name: &GroupName,
    group: &GroupView,
    release: &Release<'_>,
    timeout: SignedDuration,
) -> Dead {
    let new = new_images(context, name, release, group.policy.bake);
    // One that a launching hook has waits for the hook.
    let members = context.members_of(name).iter().filter(|of| of.member.lifecycle != Lifecycle::PendingWait);
    let members = members.filter_map(MemberHost::known);
    let unregistered: Vec<(&InstanceId, Timestamp, &AmiId)> = members
        .filter(|(_, host)| host.container == Seen::Missing)
        .filter_map(|(id, host)| Some((id, host.launched()?, host.image()?)))
        .filter(|(_, launched, image)| *launched >= whole_second(release.since()) && new.contains(*image))
        .collect();
    let overdue = unregistered.iter().filter(|(_, launched, _)| context.now >= *launched + timeout);
    let images: BTreeSet<AmiId> = overdue.clone().map(|(_, _, image)| (*image).clone()).collect();
    if images.is_empty() {
        let first = unregistered.iter().map(|(_, launched, _)| *launched + timeout).min();
        return first.map_or(Dead::Nobody, |until| Dead::Young { until });
    }
    let names = overdue.map(|(id, _, _)| id.as_str()).collect::<Vec<_>>().join(" ");
    let why = said(&images, &format!("{names} did not register in {}", in_words(timeout)));
    Dead::Failed { images, why }
}

/// Why launches fail, as far as that makes a difference to what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchFailure {
    /// The image cannot be launched.
    Image(String),
    /// EC2 has no room, or a limit is reached: later, perhaps.
    Capacity(String),
    /// A key of KMS may not be used: who reads the image is wrong, and not what is in it.
    Key(String),
    /// Something that does not pass by itself, and is not the image.
    Other(String),
}

/// The last launch that has come to an end, where it has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLaunch {
    pub failure: LaunchFailure,
    /// Another is under way.
    pub is_tried_again: bool,
}

/// The last launch that has come to an end, if it failed, and none has succeeded since.
pub fn last_launch_failed(activities: &[Activity], since: Timestamp) -> Option<FailedLaunch> {
    let launches = activities.iter().filter(|activity| activity.launch);
    let (open, ended): (Vec<_>, Vec<_>) = launches.partition(|activity| activity.status == ActivityStatus::UnderWay);
    let last = ended.into_iter().max_by_key(|activity| activity.started).filter(|last| last.started >= since)?;
    let failure = match last.status {
        ActivityStatus::UnderWay | ActivityStatus::Successful => return None,
        ActivityStatus::Failed => LaunchFailure::of(&last.message),
        // Its instance has ended for its key before it ran.
        ActivityStatus::Cancelled if names_a_key(&last.message) => LaunchFailure::Key(last.message.clone()),
        // A hook of the group's: its word on the launch is none on the image.
        ActivityStatus::Cancelled => LaunchFailure::Other(last.message.clone()),
    };
    Some(FailedLaunch { failure, is_tried_again: open.iter().any(|activity| activity.started > last.started) })
}

impl LaunchFailure {
    fn of(message: &str) -> Self {
        let (said, text) = (in_words_of_aws(message), message.to_owned());
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if names_a_key(message) || says(&KEY) {
            Self::Key(text)
        } else if says(&CAPACITY) {
            Self::Capacity(text)
        } else if says(&IMAGE) || names_an_image(message) {
            Self::Image(text)
        } else if says(&["try again"]) {
            Self::Capacity(text)
        } else {
            Self::Other(text)
        }
    }
}

/// What is wrong with a key.
const KEY: [&str; 2] = [" kms ", " customer managed key "];
/// What Auto Scaling tries again by itself, at other times or in other zones.
const CAPACITY: [&str; 10] = [
    "capacity",
    "limit",
    "quota",
    "throttl",
    "spot",
    "internal error",
    "unavailable",
    "not supported in your requested availability zone",
    "free addresses",
    "insufficientfreeaddressesinsubnet",
];
/// What is wrong with an image.
const IMAGE: [&str; 8] = [
    " ami ",
    "image id",
    "machine image",
    "snapshot",
    "architecture",
    "virtualization type",
    "boot mode",
    "root device",
];

/// The message without what stands in quotes, and without words that may be somebody's names: a role or a key pair can be called
/// `image-resizer-hosts`.
fn in_words_of_aws(message: &str) -> String {
    let outside = message.split(['\'', '"', '`']).step_by(2).collect::<Vec<_>>().join(" ");
    let is_word = |word: &&&str| {
        let plain = word.trim_end_matches(['.', ',', ';', ':', ')', ']']).trim_start_matches(['(', '[']);
        !plain.contains(['-', '_', '/', ':', '@', '.', '=', '+'])
    };
    let mut words: Vec<&str> = outside.split_whitespace().collect();
    // `Instance Profile name hosts`, `key pair hosts`
    for named in (1..words.len()).rev() {
        if ["name", "named", "profile", "pair", "role", "template"]
            .contains(&words[named - 1].to_ascii_lowercase().as_str())
        {
            words[named] = "-";
        }
    }
    let words: Vec<String> = words.iter().filter(is_word).map(|word| word.to_ascii_lowercase()).collect();
    format!(" {} ", words.join(" ").replace([',', ';', '.', '(', ')', '[', ']'], " "))
}

/// `Client.InternalError`, which is what EC2 says when nobody lets Auto Scaling use the key (its own errors are `Server.…`), and
/// `Client.InvalidKMSKey.InvalidState` and the like.
fn names_a_key(message: &str) -> bool {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.map(|word| word.trim_end_matches('.')).any(|word| {
        word == "Client.InternalError" || word.starts_with("Client.InvalidKMSKey.") || word == "Client.InvalidKMSKey"
    })
}

/// `ami-0123abcd`, `snap-0123abcd`
fn names_an_image(message: &str) -> bool {
    let id = |word: &str| {
        let rest = word.strip_prefix("ami-").or_else(|| word.strip_prefix("snap-"));
        rest.is_some_and(|hex| (3..=17).contains(&hex.len()) && hex.chars().all(|c| c.is_ascii_hexdigit()))
    };
    message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(id)
}

impl LaunchFailure {
    /// With what to do, where AWS does not say it.
    pub fn in_words(&self) -> String {
        match self {
            LaunchFailure::Key(message) => format!(
                "{message} (the KMS key of an encrypted image or volume cannot be used: allow it to \
                 AWSServiceRoleForAutoScaling in the key's policy, or by a grant where it is another account's, and see \
                 that it is enabled)"
            ),
            LaunchFailure::Image(message) | LaunchFailure::Capacity(message) | LaunchFailure::Other(message) => {
                message.clone()
            }
        }
    }
}

/// Writes down that images failed here, on every group that would launch them from the same template.
pub fn reject(context: &Context<'_>, name: &GroupName, images: &BTreeSet<AmiId>, why: &str, plan: &mut Plan) {
    let templates = |of: &GroupView| -> BTreeSet<_> {
        of.facts.launch.templates().into_iter().map(|spec| spec.template.clone()).collect()
    };
    let Some(group) = context.view.groups.get(name) else { return };
    let follows = matches!(context.resolutions.get(name), Some(Resolution::Resolved(release))
        if release.launches.iter().any(|launch| matches!(launch.way, Way::Follows { .. })));
    let by_hand = ". its template reads it by resolve:ssm: put the parameter back yourself";
    let why = format!("{why}{}", if follows { by_hand } else { "" });
    let own = templates(group);
    let own_parameters = written_parameters(context, name);
    let shares = |(other, of): &(&GroupName, &GroupView)| {
        let parameters = written_parameters(context, other);
        *other == name || !templates(of).is_disjoint(&own) || !parameters.is_disjoint(&own_parameters)
    };
    for (other, of) in context.view.groups.iter().filter(shares).filter(|(_, of)| of.is_ours_to_touch()) {
        // Another worker may have written it already, and the cluster tells whether the group is still its own.
        let looks = [Look::Cluster, Look::Group(other.clone())].into_iter();
        let lacking: Vec<Look> = looks.filter(|look| !context.view.is_fresh(look, context.now)).collect();
        if !lacking.is_empty() {
            plan.looks.extend(lacking);
        } else if !images.is_subset(&of.source.rejected) {
            plan.acts.push(Act::Reject { group: other.clone(), images: images.clone(), why: why.clone() });
        }
    }
}

/// The parameters that are written for a group.
fn written_parameters<'a>(context: &'a Context<'_>, name: &GroupName) -> BTreeSet<&'a ParameterName> {
    let Some(Resolution::Resolved(release)) = context.resolutions.get(name) else { return BTreeSet::new() };
    let ways = release.launches.iter().map(|launch| &launch.way);
    let parameter = |way: &'a Way<'_>| if let Way::Parameter { parameter, .. } = way { Some(parameter) } else { None };
    ways.filter_map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use ActivityStatus::{Cancelled, Failed, Successful, UnderWay};

    use super::*;

    fn launch(second: i64, status: ActivityStatus, message: &str) -> Activity {
        let started = Timestamp::from_second(second).unwrap();
        Activity { started, launch: true, status, instance: None, message: message.to_owned() }
    }

    #[test]
    fn what_a_failed_launch_says_tells_whether_it_is_the_image() {
        for (message, image, capacity) in [
            (
                "We currently do not have sufficient m5.large capacity in the Availability Zone you requested.",
                false,
                true,
            ),
            ("You have requested more vCPU capacity than your current vCPU limit of 32 allows", false, true),
            ("The image id '[ami-0abc]' does not exist. Launching EC2 instance failed.", true, false),
            ("The architecture 'i386' of the specified instance type does not match that of the AMI", true, false),
            (
                "The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
                true,
                false,
            ),
            ("Snapshot snap-0abc1234 cannot be read", true, false),
            ("The security group 'sg-1' does not exist in VPC 'vpc-1'", false, false),
            // Words in names of people.
            ("Invalid IAM Instance Profile name image-resizer-hosts. Launching EC2 instance failed.", false, false),
            (
                "Value (snapshot_hosts) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
                false,
                false,
            ),
            ("Invalid IAM Instance Profile name snapshot", false, false),
            ("The key pair 'spot-limits' does not exist. Launching EC2 instance failed.", false, false),
            ("The key pair ami does not exist", false, false),
            ("Authentication Failure: role arn:aws:iam::123456789012:role/ami-builder may not be passed", false, false),
            (
                "Your requested instance type (m7g.large) is not supported in your requested Availability Zone (eu-west-1c).",
                false,
                true,
            ),
            (
                "There are not enough free addresses in subnet 'subnet-1' to satisfy the requested number of instances.",
                false,
                true,
            ),
        ] {
            let failed = last_launch_failed(&[launch(10, Failed, message)], Timestamp::UNIX_EPOCH);
            let told = failed.map(|failed| failed.failure);
            assert_eq!(matches!(told, Some(LaunchFailure::Image(_))), image, "{message}");
            assert_eq!(matches!(told, Some(LaunchFailure::Capacity(_))), capacity, "{message}");
            assert_eq!(told.map(|told| told.in_words()).as_deref(), Some(message));
        }
    }

    #[test]
    fn a_key_that_may_not_be_used_is_not_the_images_fault() {
        for (status, message, key) in [
            (Failed, "Client.InternalError: Client error on launch.", true),
            (
                // As a `Cancelled` activity says it.
                Cancelled,
                "Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: \
                 Client.InternalError: Client error on launch",
                true,
            ),
            (Failed, "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state", true),
            (
                Failed,
                "Client.InvalidKMSKey.DisabledKey: The snapshot snap-0abc1234 is encrypted by a disabled key",
                true,
            ),
            (Failed, "The snapshot snap-0abc1234 of the AMI cannot be decrypted: the KMS key is disabled", true),
            (Cancelled, "Server.InternalError: Internal error on launch", false),
            (Failed, "Server.InternalError: Internal error on launch", false),
            (Failed, "Invalid IAM Instance Profile name kms-Client-InternalError", false),
            (Failed, "The key pair 'kms' does not exist", false),
        ] {
            let told = told_of(status, message);
            assert!(!matches!(told, Some(LaunchFailure::Image(_))), "{message}");
            assert_eq!(matches!(told, Some(LaunchFailure::Key(_))), key, "{message}: {told:?}");
            let advice = told.map(|told| told.in_words()).unwrap_or_default();
            assert_eq!(advice.contains("AWSServiceRoleForAutoScaling"), key, "{advice}");
        }
    }

    fn told_of(status: ActivityStatus, message: &str) -> Option<LaunchFailure> {
        last_launch_failed(&[launch(10, status, message)], Timestamp::UNIX_EPOCH).map(|failed| failed.failure)
    }

    #[test]
    fn a_launch_that_failed_before_another_one_succeeded_says_nothing() {
        let since = Timestamp::from_second(5).unwrap();
        assert_eq!(last_launch_failed(&[launch(20, Successful, ""), launch(10, Failed, "ami")], since), None);
        assert_eq!(last_launch_failed(&[launch(4, Failed, "ami")], since), None, "before the detach");
        assert_eq!(last_launch_failed(&[], since), None);
    }

    #[test]
    fn a_launch_that_a_hook_abandoned_has_failed_and_says_nothing_of_the_image() {
        let message = "Lifecycle Action with token 1 for the machine image was abandoned: Heartbeat Timeout";
        let since = Timestamp::UNIX_EPOCH;
        let told = |activities: &[Activity]| last_launch_failed(activities, since).expect("it has failed");
        let abandoned = launch(10, Cancelled, message);
        let failure = LaunchFailure::Other(message.to_owned());
        let alone = FailedLaunch { failure: failure.clone(), is_tried_again: false };
        assert_eq!(told(std::slice::from_ref(&abandoned)), alone);
        assert_eq!(
            told(&[launch(20, UnderWay, ""), abandoned.clone()]),
            FailedLaunch { failure, is_tried_again: true }
        );
        assert_eq!(told(&[abandoned, launch(9, UnderWay, "")]), alone, "an older one is none that comes after it");
    }
}
