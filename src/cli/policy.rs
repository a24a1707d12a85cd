//! `policy`: the IAM policy that a worker with these settings needs, from the one list of what each call needs
//! ([`permissions`](crate::effect::permissions)).

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::config::{ModeArgs, QueueArgs, RotationArgs, TellArgs};
use crate::effect::permissions::{On, Permission, Uses, all};
use crate::engine::Settings;
use crate::id::last_segment;
use crate::partition;

const EXAMPLES: &str = "\
Examples:
  For a worker with these settings (those of its environment, as for `run`)
    ecs-rotator policy --cluster prod --account 123456789012 --region eu-west-1 \\
      --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator

  Some groups pin a version of their template, and launch with this role
    ecs-rotator policy --cluster prod --with pins --pass-role arn:aws:iam::123456789012:role/ecs-host …

  For a worker that only observes: nothing that changes anything
    ecs-rotator policy --mode observe --cluster prod …

  As an inline policy of a role
    ecs-rotator policy … > policy.json
    aws iam put-role-policy --role-name ecs-rotator --policy-name ecs-rotator --policy-document file://policy.json

Settings that a group has by tag are not seen here: say so with --with.
Exit codes: 0 printed, 2 bad usage.";

/// Print the IAM policy that a worker with these settings needs
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PolicyArgs {
    #[command(flatten)]
    queue: QueueArgs,
    #[command(flatten)]
    rotation: RotationArgs,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    mode: ModeArgs,
    /// The account of the clusters
    #[arg(long, value_name = "ID", value_parser = account)]
    account: String,
    /// Their region
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    region: String,
    /// `aws-cn`, `aws-us-gov`, … [default: that of the region]
    #[arg(long, value_name = "PARTITION")]
    partition: Option<String>,
    /// What groups do by tag or by themselves; repeat it for more
    #[arg(long, value_name = "WHAT", value_enum)]
    with: Vec<With>,
    /// A role that hosts launch with, for `pins`; repeat it for more
    #[arg(long, value_name = "ARN")]
    pass_role: Vec<String>,
    /// Own parameters that groups follow, as `/images/*`; repeat it for more. AWS's public ones can be read in any case
    #[arg(long, value_name = "NAME", default_value = "*")]
    parameter: Vec<String>,
    /// The key of your own that the queue is encrypted with, by its ARN
    #[arg(long, value_name = "ARN")]
    kms_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum With {
    /// A group pins a number of its template, or an override brings an image
    Pins,
    /// A group's ladder stops tasks
    Stops,
    /// A group names alarms
    Alarms,
    /// A group has its release written into a parameter
    Parameters,
}

fn account(text: &str) -> Result<String, String> {
    let fits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err(format!("expected the 12 digits of an account, got `{text}`")) }
}

pub fn policy(args: PolicyArgs) -> anyhow::Result<ExitCode> {
    let settings = args.mode.apply(args.tell.apply(args.rotation.into_settings()?));
    let place = Place {
        account: args.account,
        partition: args.partition.unwrap_or_else(|| partition::of_region(&args.region).to_owned()),
        region: args.region,
        queue: args.queue.url()?,
        roles: args.pass_role,
        parameters: args.parameter,
        key: args.kms_key,
    };
    let document = document(&settings, &args.with, &place);
    super::out::say(&format!("{document:#}"))?;
    if let Some(note) = too_long(size(&document)) {
        super::out::note(&note);
    }
    Ok(ExitCode::from(super::exit::OK))
}

struct Place {
    account: String,
    region: String,
    partition: String,
    queue: String,
    roles: Vec<String>,
    parameters: Vec<String>,
    key: Option<String>,
}

/// All inline policies of a role together, and one managed policy: IAM counts what is no white space.
const OF_A_ROLE: usize = 10_240;
const OF_A_MANAGED_POLICY: usize = 6_144;

fn size(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

fn too_long(size: usize) -> Option<String> {
    const SPLIT: &str = "make several managed policies of its statements (a role takes ten), or name fewer clusters";
    if size > OF_A_ROLE {
        return Some(format!(
            "it has {size} characters: too long for the inline policies of a role ({OF_A_ROLE}) and for a managed policy \
             ({OF_A_MANAGED_POLICY}): {SPLIT}"
        ));
    }
    (size > OF_A_MANAGED_POLICY).then(|| {
        format!("it has {size} characters: it fits as an inline policy of a role, and is too long for a managed one ({OF_A_MANAGED_POLICY})")
    })
}

/// One statement for each kind of thing; kinds that are allowed on the same things in the same way share one.
fn document(settings: &Settings, with: &[With], place: &Place) -> Value {
    let uses = Uses { own_key: place.key.is_some(), ..uses(settings, with) };
    let mut by_thing: BTreeMap<On, BTreeSet<&str>> = BTreeMap::new();
    for Permission { action, on, .. } in all().into_iter().filter(|needs| needs.when.is_needed(uses)) {
        by_thing.entry(on).or_default().insert(action);
    }
    let mut statements: Vec<Statement> = Vec::new();
    for (on, actions) in by_thing {
        let resources = place.resources(on, settings);
        for (n, condition) in place.conditions(on, settings).into_iter().enumerate() {
            match statements.iter_mut().find(|one| one.resources == resources && one.condition == condition) {
                Some(same) => same.actions.extend(&actions),
                None => statements.push(Statement {
                    sid: if n == 0 { format!("{on:?}") } else { format!("{on:?}{}", n + 1) },
                    actions: actions.clone(),
                    resources: resources.clone(),
                    condition,
                }),
            }
        }
    }
    json!({"Version": "2012-10-17", "Statement": statements.iter().map(Statement::json).collect::<Vec<_>>()})
}

struct Statement<'a> {
    sid: String,
    actions: BTreeSet<&'a str>,
    resources: Vec<String>,
    condition: Option<Value>,
}

impl Statement<'_> {
    fn json(&self) -> Value {
        let Self { sid, actions, resources, condition } = self;
        let mut statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources});
        if let Some(condition) = condition {
            statement["Condition"] = condition.clone();
        }
        statement
    }
}

fn uses(settings: &Settings, with: &[With]) -> Uses {
    let said = Uses {
        changes: settings.mode.changes(),
        pins: with.contains(&With::Pins),
        stops: with.contains(&With::Stops),
        alarms: with.contains(&With::Alarms),
        writes_parameters: with.contains(&With::Parameters),
        tells: settings.event_bus.is_some(),
        own_key: false,
    };
    settings.policy.uses().or(said)
}

impl Place {
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    /// Whoever uses a key for a queue does it by SQS, where the queue is.
    fn via_sqs(&self) -> String {
        let region = partition::of_queue(&self.queue).map_or(self.region.as_str(), |(region, ..)| region);
        format!("sqs.{region}.{}", partition::dns_suffix(region))
    }

    fn of_clusters(&self, settings: &Settings, make: impl Fn(&str) -> String) -> Vec<String> {
        if settings.clusters.is_empty() {
            return vec![make("*")];
        }
        settings.clusters.iter().map(|cluster| make(cluster.as_str())).collect()
    }

    fn resources(&self, on: On, settings: &Settings) -> Vec<String> {
        match on {
            // In clusters by condition alone: ARNs have a short and a long form, and lists name no thing.
            On::Everything | On::InCluster | On::OfCluster | On::Launch => vec!["*".to_owned()],
            On::Queue => {
                // It may be another account's, or in another region than the clusters.
                let of_place = || (self.region.as_str(), self.account.as_str(), last_segment(&self.queue));
                let (region, account, name) = partition::of_queue(&self.queue).unwrap_or_else(of_place);
                vec![format!("arn:{}:sqs:{region}:{account}:{name}", self.partition)]
            }
            On::Cluster | On::ClusterTags => {
                self.of_clusters(settings, |name| self.arn("ecs", &format!("cluster/{name}")))
            }
            On::Key => self.key.iter().cloned().collect(),
            On::CapacityProvider => vec![self.arn("ecs", "capacity-provider/*")],
            On::Group | On::GroupTags => vec![self.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")],
            On::Instance | On::OurInstance => vec![self.arn("ec2", "instance/*")],
            On::LaunchTemplate => vec![self.arn("ec2", "launch-template/*")],
            On::Launched => vec![self.arn("ec2", "*/*")],
            On::Parameter => {
                let own = |name: &String| self.arn("ssm", &format!("parameter/{}", name.trim_start_matches('/')));
                let public = format!("arn:{}:ssm:{}::parameter/aws/service/*", self.partition, self.region);
                self.parameters.iter().map(own).chain([public]).collect()
            }
            On::InstanceRole if self.roles.is_empty() => {
                vec![format!("arn:{}:iam::{}:role/*", self.partition, self.account)]
            }
            On::InstanceRole => self.roles.clone(),
            On::Bus => {
                let bus = settings.event_bus.as_ref().map_or("default", |bus| bus.as_str());
                let is_arn = bus.starts_with("arn:");
                vec![if is_arn { bus.to_owned() } else { self.arn("events", &format!("event-bus/{bus}")) }]
            }
        }
    }

    /// It is allowed under any of these.
    fn conditions(&self, on: On, settings: &Settings) -> Vec<Option<Value>> {
        let prefix = &settings.tag_prefix;
        let tagged = |key: &str| json!({"StringLike": {format!("aws:ResourceTag/{key}"): "?*"}});
        let ours = tagged(&format!("{prefix}rotation"));
        // A request without any key would satisfy the first.
        let own_keys = json!({
            "ForAllValues:StringLike": {"aws:TagKeys": format!("{prefix}*")},
            "Null": {"aws:TagKeys": "false"},
        });
        match on {
            On::Key => vec![Some(json!({"StringEquals": {"kms:ViaService": self.via_sqs()}}))],
            On::InCluster | On::OfCluster => {
                let clusters = self.of_clusters(settings, |name| self.arn("ecs", &format!("cluster/{name}")));
                vec![Some(json!({"ArnLike": {"ecs:cluster": clusters}}))]
            }
            On::ClusterTags | On::GroupTags => vec![Some(own_keys)],
            // Until the detach it has the tag of its group, and from the claim on ours.
            On::Instance => [tagged("aws:autoscaling:groupName"), ours].map(|tag| Some(both(&own_keys, &tag))).into(),
            On::OurInstance => vec![Some(ours)],
            On::Launch => {
                let templates = self.arn("ec2", "launch-template/*");
                vec![Some(json!({"ArnLike": {"ec2:LaunchTemplate": templates}}))]
            }
            On::Launched => vec![Some(json!({"StringEquals": {"ec2:CreateAction": "RunInstances"}}))],
            On::InstanceRole => vec![Some(json!({"StringLike": {"iam:PassedToService": "ec2.amazonaws.com*"}}))],
            On::Bus => vec![Some(json!({"StringEquals": {"events:source": crate::effect::SOURCE}}))],
            On::Everything
            | On::Queue
            | On::Cluster
            | On::CapacityProvider
            | On::Group
            | On::LaunchTemplate
            | On::Parameter => vec![None],
        }
    }
}

/// Of two conditions that have no operator in common.
fn both(one: &Value, other: &Value) -> Value {
    let entries = [one, other].into_iter().filter_map(Value::as_object).flatten();
    Value::Object(entries.map(|(operator, keys)| (operator.clone(), keys.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Operation;
    use crate::engine::Mode;
    use crate::id::{AlarmName, ClusterName};
    use strum::IntoEnumIterator as _;

    fn place() -> Place {
        Place {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            partition: "aws".to_owned(),
            queue: "https://sqs.eu-west-1.amazonaws.com/123456789012/ecs-rotator".to_owned(),
            roles: vec!["arn:aws:iam::123456789012:role/host".to_owned()],
            parameters: vec!["/images/*".to_owned()],
            key: None,
        }
    }

    fn actions(document: &Value) -> BTreeSet<String> {
        let statements = document["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_switched_on_is_allowed_and_what_is_not_is_not() {
        let mut settings = Settings { clusters: vec![ClusterName::from("prod")], ..Settings::default() };
        let little = actions(&document(&settings, &[], &place()));
        for optional in
            ["ecs:StopTask", "iam:PassRole", "cloudwatch:DescribeAlarms", "events:PutEvents", "ssm:PutParameter"]
        {
            assert!(!little.contains(optional), "{optional}");
        }
        settings.policy.alarms.insert(AlarmName::from("errors"));
        settings.event_bus = Some("default".into());
        let with = [With::Pins, With::Stops, With::Parameters];
        let with_key = Place { key: Some("arn:aws:kms:eu-west-1:123456789012:key/k".to_owned()), ..place() };
        let much = actions(&document(&settings, &with, &with_key));
        let everything: BTreeSet<String> = all().iter().map(|needs| needs.action.to_owned()).collect();
        assert_eq!(much, everything);
    }

    #[test]
    fn a_policy_that_does_not_fit_says_where_and_what_to_do() {
        let with = [With::Pins, With::Stops, With::Alarms, With::Parameters];
        let size_for = |clusters: usize, long: usize| {
            let name = |n| ClusterName::new(format!("{}{n:03}", "x".repeat(long)));
            let settings = Settings { clusters: (0..clusters).map(name).collect(), ..Settings::default() };
            size(&document(&settings, &with, &place()))
        };
        assert_eq!(too_long(size_for(4, 20)), None);
        let inline = too_long(size_for(20, 20)).unwrap();
        assert!(inline.contains("it fits as an inline policy of a role") && inline.contains("6144"), "{inline}");
        let nowhere = too_long(size_for(20, 200)).unwrap();
        assert!(nowhere.contains("too long") && nowhere.contains("several managed policies"), "{nowhere}");
        let spaced = json!({"Sid": "a b"});
        assert_eq!(size(&spaced), r#"{"Sid":"ab"}"#.len());
    }

    #[test]
    fn a_worker_that_only_observes_is_allowed_nothing_that_changes_anything() {
        let mut settings = Settings { mode: Mode::Observe, event_bus: Some("default".into()), ..Settings::default() };
        settings.policy.alarms.insert(AlarmName::from("errors"));
        let with = [With::Pins, With::Stops, With::Alarms, With::Parameters];
        let with_key = Place { key: Some("arn:aws:kms:eu-west-1:123456789012:key/k".to_owned()), ..place() };
        let allowed = actions(&document(&settings, &with, &with_key));
        let needed_by = |effects: bool| {
            let operations = Operation::iter().filter(move |operation| operation.is_effect() == effects);
            operations.flat_map(Operation::permissions).map(|needs| needs.action.to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(allowed.intersection(&needed_by(true)).collect::<Vec<_>>(), [] as [&String; 0]);
        assert_eq!(
            needed_by(false).difference(&allowed).collect::<Vec<_>>(),
            [] as [&String; 0],
            "it looks at everything"
        );
        let told_or_received = [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "kms:Decrypt",
            "events:PutEvents",
        ];
        let others = allowed.iter().filter(|action| !told_or_received.contains(&action.as_str()));
        for action in others {
            let (_, name) = action.split_once(':').unwrap();
            assert!(["Describe", "List", "Get"].iter().any(|verb| name.starts_with(verb)), "{action}");
        }
    }

    #[test]
    fn the_queue_is_where_its_url_says_and_services_are_called_as_in_their_partition() {
        let key = Some("arn:aws-cn:kms:cn-north-1:210987654321:key/k".to_owned());
        let queue = "https://sqs.cn-north-1.amazonaws.com.cn/210987654321/rotator".to_owned();
        let (region, partition) = ("cn-northwest-1".to_owned(), "aws-cn".to_owned());
        let place = Place { queue, region, partition, key, ..place() };
        let document = document(&Settings::default(), &[With::Pins], &place);
        let statements = document["Statement"].as_array().unwrap();
        let of = |sid: &str| statements.iter().find(|one| one["Sid"] == sid).unwrap();
        assert_eq!(of("Queue")["Resource"], json!(["arn:aws-cn:sqs:cn-north-1:210987654321:rotator"]));
        let via = json!({"StringEquals": {"kms:ViaService": "sqs.cn-north-1.amazonaws.com.cn"}});
        assert_eq!(of("Key")["Condition"], via);
        assert_eq!(of("Cluster")["Resource"], json!(["arn:aws-cn:ecs:cn-northwest-1:123456789012:cluster/*"]));
    }

    #[test]
    fn only_hosts_that_carry_our_tag_may_be_terminated_and_only_tags_of_ours_written() {
        let settings = Settings { clusters: vec![ClusterName::from("prod")], ..Settings::default() };
        let document = document(&settings, &[], &place());
        let of = |action: &str| {
            let statements = document["Statement"].as_array().unwrap();
            let named = |one: &&Value| one["Action"].as_array().unwrap().contains(&json!(action));
            statements.iter().find(named).unwrap().clone()
        };
        let tagged = json!({"StringLike": {"aws:ResourceTag/ecs-rotator:rotation": "?*"}});
        assert_eq!(of("ec2:TerminateInstances")["Condition"], tagged);
        let keys = json!({"aws:TagKeys": "ecs-rotator:*"});
        for action in ["ec2:CreateTags", "ecs:TagResource", "autoscaling:CreateOrUpdateTags"] {
            assert_eq!(of(action)["Condition"]["ForAllValues:StringLike"], keys, "{action}");
        }
        assert_eq!(
            of("ec2:CreateTags")["Condition"]["StringLike"],
            json!({"aws:ResourceTag/aws:autoscaling:groupName": "?*"})
        );
        assert_eq!(of("ecs:ListServices")["Resource"], json!(["*"]), "it names no resource");
        let cluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
        assert_eq!(of("ecs:DeregisterContainerInstance")["Resource"], json!([cluster]));
        assert_eq!(
            of("ecs:UpdateContainerInstancesState")["Condition"],
            json!({"ArnLike": {"ecs:cluster": [cluster]}})
        );
    }
}
