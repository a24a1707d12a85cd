//! The questions for IAM: may somebody do what the worker will have to?
//!
//! A question names actions, things, and what is true of those things (`ecs:cluster`, tags): least privilege hangs on that. The
//! things are those that were found; where none was, one of the same kind is made up. An action that knows no things is asked
//! about none (`*`).

use std::collections::{BTreeMap, BTreeSet};

use super::samples::{own_parameters, part_of};
use crate::effect::permissions::{On, Permission, Uses, all};
use crate::effect::{Launch, Override, SOURCE, VersionRule};
use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::{CapacityProviderName, ClusterArn, ParameterName, TemplateId};
use crate::partition;
use crate::plan::model::{ClusterView, GroupView};
use crate::plan::policy::ReleaseBy;

pub(super) const MADE_UP_INSTANCE: &str = "/i-0123456789abcdef0";

/// May somebody do all of this, on each of these, when that is so?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub on: On,
    pub actions: Vec<&'static str>,
    /// ARNs, or `*`.
    pub resources: Vec<String>,
    /// Condition keys and their values.
    pub context: Vec<(String, String)>,
}

/// Where the worker is to work.
#[derive(Clone, Debug)]
pub struct Place {
    pub partition: String,
    pub region: String,
    pub account: String,
    pub queue: Option<String>,
    /// The queue's own key, by its ARN.
    pub key: Option<String>,
}

impl Place {
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    fn group(&self, group: &GroupView) -> String {
        let id = "00000000-0000-0000-0000-000000000000";
        let rest = || format!("autoScalingGroup:{id}:autoScalingGroupName/{}", group.facts.name);
        group.facts.arn.clone().unwrap_or_else(|| self.arn("autoscaling", &rest()))
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
pub fn uses(settings: &Settings, survey: &Findings, place: &Place) -> Uses {
    let mut uses = settings.policy.uses();
    uses.changes = settings.mode.changes();
    uses.tells = settings.event_bus.is_some();
    uses.own_key = place.key.is_some();
    for group in survey.groups() {
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
            let own =
                |one: &Override| one.image.is_some() || one.template.as_ref().is_some_and(|spec| number(&spec.rule));
            number(&base.rule) || overrides.iter().any(own)
        }
        Launch::Configuration(_) | Launch::Unknown => false,
    }
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
    let mut by_thing: BTreeMap<On, Vec<&'static str>> = BTreeMap::new();
    for Permission { action, on, .. } in needed(uses(settings, survey, place), settings) {
        by_thing.entry(on).or_default().push(action);
    }
    let asker = Asker { place, settings, survey };
    let questions = by_thing.into_iter().flat_map(|(on, actions)| asker.about(on, actions));
    let whole = questions.filter(|question| !question.resources.is_empty() && !question.actions.is_empty());
    whole.map(|question| Question { context: [question.context, asker.of_every_call()].concat(), ..question }).collect()
}

struct Asker<'a> {
    place: &'a Place,
    settings: &'a Settings,
    survey: &'a Findings,
}

type Context = Vec<(String, String)>;

impl Asker<'_> {
    fn about(&self, on: On, actions: Vec<&'static str>) -> Vec<Question> {
        let place = self.place;
        let one = |resources: Vec<String>, context: Context| {
            vec![Question { on, actions: actions.clone(), resources, context }]
        };
        // A key that a call does not have is in no question: what hangs on it would be allowed here, and denied there.
        match on {
            On::Everything => one(vec!["*".to_owned()], Vec::new()),
            On::Queue => one(place.queue.iter().cloned().collect(), Vec::new()),
            On::Key => {
                let via = format!("sqs.{}.{}", place.region, partition::dns_suffix(&place.region));
                one(place.key.iter().cloned().collect(), vec![entry("kms:ViaService", via)])
            }
            On::Cluster => self.clusters().flat_map(|arn| one(vec![arn.to_string()], Vec::new())).collect(),
            On::ClusterTags => {
                self.clusters().flat_map(|arn| one(vec![arn.to_string()], vec![self.tag_key()])).collect()
            }
            On::CapacityProvider => {
                let own = |name: &&CapacityProviderName| !name.as_str().starts_with("FARGATE");
                let names: BTreeSet<_> = self.survey.views().flat_map(|view| &view.providers).filter(own).collect();
                let arn = |name: &_| place.arn("ecs", &format!("capacity-provider/{name}"));
                one(names.into_iter().map(arn).collect(), Vec::new())
            }
            On::InCluster => self.clusters().flat_map(|arn| Self::living_in(arn, &actions)).collect(),
            On::OfCluster => self.clusters().flat_map(|arn| Self::lists(arn, &actions)).collect(),
            On::Group => self.survey.groups().flat_map(|group| one(vec![place.group(group)], tags_of(group))).collect(),
            On::GroupTags => {
                let of =
                    |group: &GroupView| one(vec![place.group(group)], [vec![self.tag_key()], tags_of(group)].concat());
                self.survey.groups().flat_map(of).collect()
            }
            // The first time it is a member of its group; later it is known by our own tag only.
            On::Instance => {
                let member = |group: &GroupView| {
                    let tag = tag("ec2", "aws:autoscaling:groupName", group.facts.name.as_str());
                    one(vec![place.instance()], [vec![self.tag_key()], tag].concat())
                };
                let ours = one(vec![place.instance()], [vec![self.tag_key()], self.our_tag()].concat());
                self.survey.groups().flat_map(member).chain(ours).collect()
            }
            On::OurInstance => one(vec![place.instance()], self.our_tag()),
            On::LaunchTemplate => one(self.templates().iter().map(|id| place.template(id)).collect(), Vec::new()),
            On::Launch => {
                let templates = self.templates();
                let of = |id| one(vec!["*".to_owned()], vec![entry("ec2:LaunchTemplate", place.template(id))]);
                templates.iter().flat_map(of).collect()
            }
            On::Launched => {
                let things = vec![place.instance(), place.arn("ec2", "volume/vol-0123456789abcdef0")];
                one(things, vec![entry("ec2:CreateAction", "RunInstances")])
            }
            On::Parameter => actions.iter().map(|action| self.parameters(action)).collect(),
            // Which role it is stands in an instance profile that nobody has asked for.
            On::InstanceRole => Vec::new(),
            On::Bus => one(self.bus().into_iter().collect(), vec![entry("events:source", SOURCE)]),
        }
    }

    fn clusters(&self) -> impl Iterator<Item = &ClusterArn> {
        self.survey.clusters.keys().filter(|arn| arn.place().is_some())
    }

    /// `ListServices` names no thing at all; `ListTasks` the host whose tasks are asked for.
    fn lists(arn: &ClusterArn, actions: &[&'static str]) -> Vec<Question> {
        let of = |action: &&'static str| {
            let host = || part_of(arn, "container-instance");
            let resource = if *action == "ecs:ListTasks" { host() } else { "*".to_owned() };
            Question { on: On::OfCluster, actions: vec![*action], resources: vec![resource], context: in_cluster(arn) }
        };
        actions.iter().map(of).collect()
    }

    /// Each of them is of another kind.
    fn living_in(arn: &ClusterArn, actions: &[&'static str]) -> Vec<Question> {
        let kind = |action: &str| match action {
            "ecs:DescribeServices" => "service",
            "ecs:DescribeContainerInstances" | "ecs:UpdateContainerInstancesState" => "container-instance",
            _ => "task",
        };
        let question = |of: &str| Question {
            on: On::InCluster,
            actions: actions.iter().copied().filter(|action| kind(action) == of).collect(),
            resources: vec![part_of(arn, of)],
            context: in_cluster(arn),
        };
        ["container-instance", "service", "task"].into_iter().map(question).collect()
    }

    fn templates(&self) -> BTreeSet<TemplateId> {
        self.survey
            .groups()
            .flat_map(|group| group.facts.launch.templates())
            .map(|spec| spec.template.clone())
            .collect()
    }

    /// Those that are read, or those that are written. One that is named by its ARN is another account's to allow as well.
    fn parameters(&self, action: &'static str) -> Question {
        let writes = self.survey.groups().any(|group| group.policy.release_by == ReleaseBy::Parameter);
        let read = |view: &ClusterView| view.parameters.keys().cloned().collect::<Vec<_>>();
        let names: BTreeSet<ParameterName> = match action {
            "ssm:PutParameter" if writes => self.survey.views().flat_map(own_parameters).cloned().collect(),
            "ssm:PutParameter" => BTreeSet::new(),
            _ => self.survey.views().flat_map(read).filter(|name| !name.as_str().starts_with("arn:")).collect(),
        };
        let resources = names.iter().map(|name| self.place.parameter(name)).collect();
        Question { on: On::Parameter, actions: vec![action], resources, context: Vec::new() }
    }

    fn bus(&self) -> Option<String> {
        let bus = self.settings.event_bus.as_ref()?.as_str();
        let is_arn = bus.starts_with("arn:");
        Some(if is_arn { bus.to_owned() } else { self.place.arn("events", &format!("event-bus/{bus}")) })
    }

    fn tag_key(&self) -> (String, String) {
        entry("aws:TagKeys", format!("{}rotation", self.settings.tag_prefix))
    }

    fn our_tag(&self) -> Context {
        tag("ec2", &format!("{}rotation", self.settings.tag_prefix), "prod/20260114T031001Z")
    }

    /// What policies of the organization and boundaries hang on as well.
    fn of_every_call(&self) -> Context {
        vec![
            entry("aws:RequestedRegion", &self.place.region),
            entry("aws:SecureTransport", true),
            entry("aws:ViaAWSService", false),
            entry("aws:PrincipalIsAWSService", false),
        ]
    }
}

fn in_cluster(arn: &ClusterArn) -> Context {
    vec![entry("ecs:cluster", arn)]
}

fn tags_of(group: &GroupView) -> Context {
    group.facts.tags.iter().flat_map(|(key, value)| tag("autoscaling", key, value)).collect()
}

/// In AWS's spelling and in the service's own.
fn tag(service: &str, key: &str, value: &str) -> Context {
    ["aws", service].map(|of| entry(format!("{of}:ResourceTag/{key}"), value)).into()
}

fn entry(key: impl Into<String>, value: impl ToString) -> (String, String) {
    (key.into(), value.to_string())
}
