//! May the worker do what it will have to? The questions for IAM, and what their answers mean.
//!
//! A question names actions, things, and what is true of those things (`ecs:cluster`, tags): least privilege hangs on that.
//! The things are those that were found; where none was, one of the same kind is made up.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Principal, Proof, Rest, Right};
use super::samples::{MADE_UP_ID, own_parameters, part_of};
use super::{Area, Check};
use crate::effect::permissions::{On, Permission, Uses, all};
use crate::effect::{Failure, Launch, SOURCE, VersionRule};
use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::{ClusterArn, GroupName, ParameterName, TemplateId};
use crate::plan::model::{ClusterView, GroupView};
use crate::plan::policy::ReleaseBy;

const MADE_UP_INSTANCE: &str = "/i-0123456789abcdef0";

/// May somebody do all of this, on each of these, when that is so?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub actions: Vec<&'static str>,
    /// ARNs, or `*`.
    pub resources: Vec<String>,
    /// Condition keys and their values.
    pub context: Vec<(String, String)>,
}

/// IAM's word on one action and one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub action: String,
    pub resource: String,
    /// The error is IAM's word for it, `implicitDeny`.
    pub allowed: Result<(), String>,
}

/// Where the worker is to work.
#[derive(Clone, Debug)]
pub struct Place {
    pub partition: String,
    pub region: String,
    pub account: String,
    pub queue: Option<String>,
}

impl Place {
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    fn group(&self, name: &GroupName) -> String {
        let id = "00000000-0000-0000-0000-000000000000";
        self.arn("autoscaling", &format!("autoScalingGroup:{id}:autoScalingGroupName/{name}"))
    }

    fn template(&self, id: &TemplateId) -> String {
        self.arn("ec2", &format!("launch-template/{id}"))
    }

    fn instance(&self) -> String {
        self.arn("ec2", &format!("instance{MADE_UP_INSTANCE}"))
    }

    /// Public ones are of no account.
    fn parameter(&self, name: &ParameterName) -> String {
        let name = name.plain();
        let rest = name.as_str().trim_start_matches('/');
        if rest.starts_with("aws/service/") {
            format!("arn:{}:ssm:{}::parameter/{rest}", self.partition, self.region)
        } else {
            self.arn("ssm", &format!("parameter/{rest}"))
        }
    }
}

/// What the worker will have to do: by its settings, and by those of the groups that were found.
#[must_use]
pub fn uses(settings: &Settings, survey: &Findings) -> Uses {
    let mut uses = settings.policy.uses();
    uses.tells = settings.event_bus.is_some();
    for group in groups(survey) {
        uses = uses.or(group.policy.uses());
        uses.pins |= pins(&group.facts.launch);
    }
    uses
}

fn pins(launch: &Launch) -> bool {
    let number = |rule: &VersionRule| matches!(rule, VersionRule::Number(_));
    match launch {
        Launch::Template(spec) => number(&spec.rule),
        Launch::Mixed { base, overrides } => {
            let own = |one: &crate::effect::Override| {
                one.image.is_some() || one.template.as_ref().is_some_and(|spec| number(&spec.rule))
            };
            number(&base.rule) || overrides.iter().any(own)
        }
        Launch::Configuration(_) | Launch::Unknown => false,
    }
}

fn views(survey: &Findings) -> impl Iterator<Item = &ClusterView> {
    survey.clusters.values().filter_map(|found| found.view.as_ref())
}

fn groups(survey: &Findings) -> impl Iterator<Item = &GroupView> {
    views(survey).flat_map(|view| view.groups.values()).filter(|group| group.is_ours_to_touch())
}

/// What is needed, of all there is. Where the clusters are named nobody lists them.
#[must_use]
pub fn needed(uses: Uses, settings: &Settings) -> Vec<Permission> {
    let lists = |action: &str| action != "ecs:ListClusters" || settings.clusters.is_empty();
    all().into_iter().filter(|needs| needs.when.is_needed(uses) && lists(needs.action)).collect()
}

/// Everything that can be asked of IAM.
#[must_use]
pub fn questions(place: &Place, settings: &Settings, survey: &Findings) -> Vec<Question> {
    let needed = needed(uses(settings, survey), settings);
    let mut by_thing: BTreeMap<On, Vec<&'static str>> = BTreeMap::new();
    for Permission { action, on, .. } in needed {
        by_thing.entry(on).or_default().push(action);
    }
    let asker = Asker { place, settings, survey };
    let questions = by_thing.into_iter().flat_map(|(on, actions)| asker.about(on, actions));
    questions.filter(|question| !question.resources.is_empty() && !question.actions.is_empty()).collect()
}

struct Asker<'a> {
    place: &'a Place,
    settings: &'a Settings,
    survey: &'a Findings,
}

impl Asker<'_> {
    fn about(&self, on: On, actions: Vec<&'static str>) -> Vec<Question> {
        let place = self.place;
        let one = |resources: Vec<String>, context: Vec<(String, String)>| {
            vec![Question { actions: actions.clone(), resources, context }]
        };
        match on {
            On::Everything => {
                let template = place.template(&"lt-0123456789abcdef0".into());
                one(vec!["*".to_owned()], vec![entry("ec2:LaunchTemplate", template)])
            }
            On::Queue => one(place.queue.iter().cloned().collect(), vec![entry("aws:SecureTransport", "true")]),
            On::Cluster => self.clusters().flat_map(|arn| one(vec![arn.to_string()], self.in_cluster(arn))).collect(),
            On::CapacityProvider => {
                let names: BTreeSet<_> = views(self.survey).flat_map(|view| &view.providers).collect();
                let arn = |name: &_| place.arn("ecs", &format!("capacity-provider/{name}"));
                one(names.into_iter().map(arn).collect(), Vec::new())
            }
            On::InCluster => self.clusters().flat_map(|arn| self.living_in(arn, &actions)).collect(),
            On::Group => one(self.group_names().iter().map(|name| place.group(name)).collect(), vec![self.tag_key()]),
            On::Instance => {
                let of =
                    |name: &GroupName| vec![self.tag_key(), entry("aws:ResourceTag/aws:autoscaling:groupName", name)];
                self.group_names().iter().flat_map(|name| one(vec![place.instance()], of(name))).collect()
            }
            On::OurInstance => {
                let tag =
                    entry(format!("aws:ResourceTag/{}rotation", self.settings.tag_prefix), "prod/20260114T031001Z");
                one(vec![place.instance()], vec![tag])
            }
            On::LaunchTemplate => one(self.templates().iter().map(|id| place.template(id)).collect(), Vec::new()),
            On::Parameter => actions.iter().map(|action| self.parameters(action)).collect(),
            // Which role it is stands in an instance profile that nobody has asked for.
            On::InstanceRole => Vec::new(),
            On::Bus => one(self.bus().into_iter().collect(), vec![entry("events:source", SOURCE)]),
        }
    }

    fn clusters(&self) -> impl Iterator<Item = &ClusterArn> {
        self.survey.clusters.keys().filter(|arn| arn.place().is_some())
    }

    fn in_cluster(&self, arn: &ClusterArn) -> Vec<(String, String)> {
        vec![entry("ecs:cluster", arn), self.tag_key()]
    }

    /// Each of them is of another kind, and `ListServices` and `ListTasks` can do without any.
    fn living_in(&self, arn: &ClusterArn, actions: &[&'static str]) -> Vec<Question> {
        let kind = |action: &str| match action {
            "ecs:ListServices" | "ecs:ListTasks" => None,
            "ecs:DescribeServices" => Some("service"),
            "ecs:DescribeContainerInstances" | "ecs:UpdateContainerInstancesState" => Some("container-instance"),
            _ => Some("task"),
        };
        let kinds = [None, Some("container-instance"), Some("service"), Some("task")];
        let question = |of: Option<&str>| Question {
            actions: actions.iter().copied().filter(|action| kind(action) == of).collect(),
            resources: vec![of.map_or_else(|| "*".to_owned(), |of| part_of(arn, of))],
            context: self.in_cluster(arn),
        };
        kinds.into_iter().map(question).collect()
    }

    fn group_names(&self) -> BTreeSet<&GroupName> {
        groups(self.survey).map(|group| &group.facts.name).collect()
    }

    fn templates(&self) -> BTreeSet<TemplateId> {
        groups(self.survey).flat_map(|group| group.facts.launch.templates()).map(|spec| spec.template.clone()).collect()
    }

    /// Those that are read, or those that are written.
    fn parameters(&self, action: &'static str) -> Question {
        let writes = groups(self.survey).any(|group| group.policy.release_by == ReleaseBy::Parameter);
        let names: BTreeSet<&ParameterName> = match action {
            "ssm:PutParameter" if writes => views(self.survey).flat_map(own_parameters).collect(),
            "ssm:PutParameter" => BTreeSet::new(),
            _ => views(self.survey).flat_map(|view| view.parameters.keys()).collect(),
        };
        let resources = names.into_iter().map(|name| self.place.parameter(name)).collect();
        Question { actions: vec![action], resources, context: Vec::new() }
    }

    fn bus(&self) -> Option<String> {
        let bus = self.settings.event_bus.as_ref()?.as_str();
        let is_arn = bus.starts_with("arn:");
        Some(if is_arn { bus.to_owned() } else { self.place.arn("events", &format!("event-bus/{bus}")) })
    }

    fn tag_key(&self) -> (String, String) {
        entry("aws:TagKeys", format!("{}rotation", self.settings.tag_prefix))
    }
}

fn entry(key: impl Into<String>, value: impl ToString) -> (String, String) {
    (key.into(), value.to_string())
}

/// What IAM's answers come to: an action that is denied on one thing is denied.
#[must_use]
pub fn by_simulation(needed: &[Permission], answers: &[Answer]) -> BTreeMap<&'static str, Right> {
    let right = |action: &str| {
        let mut right = Right::Unproved;
        for answer in answers.iter().filter(|answer| answer.action == action) {
            match &answer.allowed {
                Ok(()) => right = Right::Allowed(Proof::Simulated),
                Err(word) => {
                    return Right::Denied(Proof::Simulated, format!("{word} on {}", thing(&answer.resource)));
                }
            }
        }
        right
    };
    needed.iter().map(|needs| (needs.action, right(needs.action))).collect()
}

/// What the caller was allowed to call, or would have been (dry runs go by the action that they need).
#[must_use]
pub fn by_trying(
    needed: &[Permission],
    called: &BTreeMap<&'static str, u64>,
    denied: &BTreeMap<&'static str, Failure>,
    dry: &BTreeMap<&'static str, Result<(), String>>,
) -> BTreeMap<&'static str, Right> {
    let right = |action: &'static str| {
        let operation = action.split_once(':').map_or(action, |(_, name)| name);
        match (dry.get(action), denied.get(operation)) {
            (Some(Ok(())), _) => Right::Allowed(Proof::DryRun),
            (Some(Err(why)), _) => Right::Denied(Proof::DryRun, why.clone()),
            (None, Some(failure)) => Right::Denied(Proof::Called, failure.message.clone()),
            (None, None) if called.contains_key(operation) => Right::Allowed(Proof::Called),
            (None, None) => Right::Unproved,
        }
    };
    needed.iter().map(|needs| (needs.action, right(needs.action))).collect()
}

pub(super) fn checks(facts: &Facts, rest: &Rest) -> Vec<Check> {
    const NAME: &str = "allowed";
    let (who, how, why_unproved, to_prove) = by_whom(&rest.principal);
    // Whoever is not the worker is not helped by what he may not do himself.
    let is_caller = facts.caller.as_ref().is_ok_and(|caller| caller.arn == *who || is_session_of(&caller.arn, who));
    let other = if is_caller { "; if you are not the worker, say whose role it has by --role" } else { "" };
    let mut checks = Vec::new();
    let (mut allowed, mut unproved) = (0, Vec::new());
    let mut denied: BTreeMap<On, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    let things: BTreeMap<&str, On> = all().iter().map(|needs| (needs.action, needs.on)).collect();
    for (action, right) in &rest.rights {
        match right {
            Right::Allowed(_) => allowed += 1,
            Right::Unproved => unproved.push(*action),
            Right::Denied(_, what) => {
                let on = things.get(action).copied().unwrap_or(On::Everything);
                denied.entry(on).or_default().entry(super::one_line(what)).or_default().push(action);
            }
        }
    }
    for (on, by_word) in denied {
        let each = by_word.iter().map(|(what, actions)| format!("{} ({what})", actions.join(", ")));
        let says = format!("denied to {}: {}", last(who), each.collect::<Vec<_>>().join("; "));
        let advice = format!("allow it; `ecs-rotator policy` prints all that the worker needs{other}");
        checks.push(Area::Permissions.fail(on_words(on), says, advice));
    }
    if allowed > 0 {
        let says = format!("{allowed} of {} actions, to {who}, {how}{other}", rest.rights.len());
        checks.push(Area::Permissions.pass(NAME, says));
    }
    if !unproved.is_empty() {
        let why = why_unproved.map(|why| format!(" (no simulation: {})", super::one_line(why))).unwrap_or_default();
        checks.push(Area::Permissions.warn(
            "unproved",
            format!("for {}{why}: {}", last(who), unproved.join(", ")),
            to_prove,
        ));
    }
    checks
}

/// Who it is about, how it is known, why not more is, and what to do about that.
fn by_whom(principal: &Principal) -> (&str, &'static str, Option<&str>, &'static str) {
    const ALLOW: &str = "allow yourself iam:SimulatePrincipalPolicy to prove them";
    match principal {
        Principal::Simulated(who) => {
            let by_hand = "nothing was found here to ask it about (which role, which parameter): look at it by hand";
            (who, "by a simulation of its policies", None, by_hand)
        }
        Principal::Tried { caller, why_not_simulated } => {
            (caller, "by calls and dry runs", Some(why_not_simulated), ALLOW)
        }
        Principal::Unknown { principal, why_not_simulated } => (principal, "", Some(why_not_simulated), ALLOW),
    }
}

const fn on_words(on: On) -> &'static str {
    match on {
        On::Everything => "to look around",
        On::Queue => "on the queue",
        On::Cluster => "on clusters",
        On::CapacityProvider => "on capacity providers",
        On::InCluster => "in clusters",
        On::Group => "on groups",
        On::Instance => "on hosts",
        On::OurInstance => "on hosts of its own",
        On::LaunchTemplate => "on launch templates",
        On::Parameter => "on parameters",
        On::InstanceRole => "on the hosts' role",
        On::Bus => "on the bus",
    }
}

/// What an ARN names, without what is made up: `task/prod`, `launch-template/lt-0123456789abcdef0`, `group web`.
fn thing(arn: &str) -> String {
    let of_account = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let name = |text: &str| text.rsplit_once(":autoScalingGroupName/").map(|(_, name)| format!("group {name}"));
    name(arn).unwrap_or_else(|| of_account.trim_end_matches(MADE_UP_ID).trim_end_matches(MADE_UP_INSTANCE).to_owned())
}

/// `rotator-TaskRole` of its ARN.
fn last(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

/// `arn:aws:sts::1:assumed-role/worker/session` of `arn:aws:iam::1:role/path/worker`
fn is_session_of(caller: &str, role: &str) -> bool {
    let name = role.rsplit('/').next().unwrap_or_default();
    caller.split_once(":assumed-role/").is_some_and(|(_, rest)| rest.split('/').next() == Some(name))
}
