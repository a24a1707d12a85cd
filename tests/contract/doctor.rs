//! `doctor` on the stack as it is deployed, and on what is missing there.
//!
//! moto has no simulation of policies, so with it as IAM `doctor` goes by calls and dry runs. ministack has one that knows no
//! context (no tags, no `ecs:cluster`): with that, only what has no condition can be shown. That the stack's role passes the
//! questions with their context is shown by a small reader of its policies, at the end.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::Tag;
use aws_sdk_eventbridge::types::{DeadLetterConfig, Target};
use aws_sdk_sqs::types::QueueAttributeName as Name;
use ecs_rotator::aws::{Aws, survey};
use ecs_rotator::doctor::questions::{Place, Question, questions};
use ecs_rotator::effect::permissions::On;
use ecs_rotator::engine::Settings;
use ecs_rotator::engine::survey::{Depth, Survey};
use serde_json::{Value, json};
use wildmatch::WildMatch;

use crate::account::{ACCESS_KEY, ACCOUNT, Account, CLUSTER, REGION, config};
use crate::calls::DOCTOR_KEY;
use crate::emulators::Emulators;
use crate::forecast::{Said, assert_only_looks};
use crate::scene::{QUEUE_RULES, Scene, TestDirectory};
use crate::stack::{Stack, aws, said};
use crate::worker::ecs_rotator;

const HOSTS: &str = "rotator-stack-hosts";

struct Clinic {
    scene: Scene,
    stack: Stack,
}

impl Clinic {
    async fn open(test: &str) -> Option<Clinic> {
        let dir = TestDirectory::open(test);
        let emulators = Emulators::start(&dir.path)?;
        let mut account = Account::create(&emulators, &QUEUE_RULES).await;
        let stack = Stack::deploy(&emulators, &dir).await;
        stack.serve(&mut account).await;
        Some(Clinic { scene: Scene::play(dir, emulators, account).await, stack })
    }

    /// `iam`: where IAM is.
    async fn doctor(&self, iam: String, flags: &[&str]) -> Said {
        let mut command = ecs_rotator(&self.scene.emulators, &self.scene.dir.path, DOCTOR_KEY);
        command.args(["doctor", "--queue-url", &self.scene.account.queue, "--event-bus", "default"]).args(flags);
        for service in ["SQS", "EVENTBRIDGE", "SCHEDULER"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), self.scene.emulators.sqs_url());
        }
        command.env("AWS_ENDPOINT_URL_IAM", iam);
        let ended = tokio::task::spawn_blocking(move || command.output().expect("doctor can be started"));
        let output = ended.await.expect("doctor ends");
        let text = |bytes| String::from_utf8(bytes).expect("doctor writes text");
        let code = output.status.code().expect("doctor ends by itself");
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// What did not pass, as `queue/encryption` and what is said of it.
    async fn complaints(&self) -> BTreeMap<String, String> {
        let flags = ["--cluster", CLUSTER, "--json"];
        let ended = self.doctor(self.scene.emulators.fleet_url(), &flags).await;
        let said: Value = serde_json::from_str(&ended.out).unwrap_or_else(|why| panic!("{why}: {}", ended.out));
        assert_eq!(ended.code, i32::from(said["failed"] != 0), "{said:#}");
        let checks = said["checks"].as_array().expect("a list of checks");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let not_passed = checks.iter().filter(|check| check["status"] != "pass");
        not_passed
            .map(|check| {
                assert!(check["advice"].is_string(), "{check:#} says what to do");
                let name = format!("{}/{}", text(&check["area"]), text(&check["name"]));
                (name, format!("{}: {}", text(&check["status"]), text(&check["says"])))
            })
            .collect()
    }

    /// Something is said of this, and it begins so.
    async fn expect(&self, name: &str, begins: &str) {
        let complaints = self.complaints().await;
        let said = complaints.get(name).unwrap_or_else(|| panic!("nothing is said of {name}: {complaints:#?}"));
        assert!(said.starts_with(begins), "{name}: {said}");
    }

    /// By the command line of AWS.
    fn aws(&self, arguments: &[&str]) {
        said(aws(&self.scene.emulators, &self.scene.dir).args(arguments));
    }

    async fn set(&self, name: Name, value: &str) {
        let call = self.scene.account.sqs.set_queue_attributes().queue_url(&self.scene.account.queue);
        call.attributes(name, value).send().await.expect("the attribute is set");
    }

    async fn attribute(&self, name: Name) -> String {
        let call = self.scene.account.sqs.get_queue_attributes().queue_url(&self.scene.account.queue);
        let answer = call.attribute_names(name.clone()).send().await.expect("the queue is described");
        answer.attributes.and_then(|all| all.get(&name).cloned()).expect("the queue has it")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_everything_in_its_place_and_changes_nothing() {
    let Some(clinic) = Clinic::open("doctor").await else { return };
    let fleet = clinic.scene.emulators.fleet_url();
    let text = clinic.doctor(fleet.clone(), &["--cluster", CLUSTER]).await;
    let text = text.text(0);
    for line in ["0 failed, 2 to look at", "opted in by its tag, 2 groups, 6 hosts", "by rotator-stack-hosts"] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    let whole = clinic.doctor(fleet, &["--json"]).await.json(0);
    for (action, right) in [
        ("ecs:DescribeClusters", "allowed (called)"),
        ("ecs:ListClusters", "allowed (called)"),
        ("sqs:GetQueueAttributes", "allowed (called)"),
        ("ec2:CreateTags", "allowed (dry run)"),
        ("ec2:ModifyLaunchTemplate", "allowed (dry run)"),
        ("ec2:TerminateInstances", "unproved"),
        ("sqs:ReceiveMessage", "unproved"),
    ] {
        assert_eq!(whole["actions"][action], right, "{action} in {:#}", whole["actions"]);
    }
    assert_only_looks(DOCTOR_KEY, &clinic.scene.dir.path);
    let tags = clinic.scene.account.machines().await;
    assert!(tags.values().all(|machine| !machine.tags.contains_key("ecs-rotator:doctor")), "a dry run tags nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_what_is_missing_and_what_to_do() {
    let Some(clinic) = Clinic::open("doctor-missing").await else { return };
    let whole: Vec<String> = clinic.complaints().await.into_keys().collect();
    assert_eq!(whole, ["permissions/allowed", "permissions/unproved"]);
    let (account, events) = (&clinic.scene.account, &clinic.stack.events);

    events.disable_rule().name(HOSTS).send().await.expect("the rule is disabled");
    clinic.expect("events/new hosts", "fail: no enabled rule puts `ECS Container Instance State Change` of prod").await;
    clinic.expect("events/rule rotator-stack-hosts", "warn: is disabled").await;
    events.enable_rule().name(HOSTS).send().await.expect("the rule is enabled");

    let queue = clinic.stack.output("QueueArn");
    let bare = Target::builder().id("queue").arn(&queue);
    for (target, said) in [
        (bare.clone(), "warn: what it cannot deliver is lost"),
        (bare.clone().input_path("$.detail"), "fail: sends another text"),
    ] {
        let put = events.put_targets().rule(HOSTS).targets(target.build().expect("a target is complete"));
        put.send().await.expect("the target is changed");
        clinic.expect("events/rule rotator-stack-hosts", said).await;
    }
    let dead = clinic.stack.output("UndeliveredQueueUrl").replace("http://127.0.0.1", "");
    let dead = dead.rsplit('/').next().map(|name| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
    let whole = bare.dead_letter_config(DeadLetterConfig::builder().set_arn(dead).build());
    let put = events.put_targets().rule(HOSTS).targets(whole.build().expect("a target is complete"));
    put.send().await.expect("the target is as it was");

    let policy = clinic.attribute(Name::Policy).await;
    let only_others = policy.replace("rule/rotator-stack-hosts", "rule/others");
    clinic.set(Name::Policy, &only_others).await;
    clinic.expect("queue/policy", "fail: does not let EventBridge deliver for rotator-stack-hosts: ").await;
    let anybody =
        json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}});
    clinic.set(Name::Policy, &anybody.to_string()).await;
    clinic.expect("queue/policy", "fail: anybody on earth may send").await;
    clinic.set(Name::Policy, &policy).await;

    clinic.set(Name::KmsMasterKeyId, "alias/aws/sqs").await;
    clinic.expect("queue/encryption", "fail: under alias/aws/sqs: EventBridge cannot use that key").await;
    clinic.set(Name::KmsMasterKeyId, "").await;

    let dead = account.sqs.send_message().queue_url(&account.dead_letters).message_body("{");
    dead.send().await.expect("the message is sent");
    clinic.expect("queue/dead-letter queue", "warn: about 1 in rotator-stack-dead-letters").await;

    let schedule = "rotator-stack-check-releases";
    clinic.aws(&["scheduler", "delete-schedule", "--name", schedule]);
    clinic.expect("events/release check", "warn: no schedule").await;
    let target = json!({"Arn": queue, "RoleArn": "arn:aws:iam::123456789012:role/x", "Input": r#"{"action":"chek"}"#});
    let every_hour = ["--schedule-expression", "rate(1 hour)", "--flexible-time-window", "Mode=OFF"];
    let make = ["scheduler", "create-schedule", "--name", "mine", "--target", &target.to_string()];
    clinic.aws(&[&make[..], &every_hour[..]].concat());
    clinic.expect("events/release check", r#"fail: schedule mine sends {"action":"chek"}"#).await;

    let tag = Tag::builder().key("ecs-rotator:enabled").value("false").build();
    let call = account.ecs.tag_resource().resource_arn(&account.cluster_arn).tags(tag);
    call.send().await.expect("the cluster is tagged");
    clinic.expect("clusters/cluster prod", "warn: its tag ecs-rotator:enabled does not say `true`").await;
    let none = clinic.doctor(clinic.scene.emulators.fleet_url(), &["--cluster", "nope"]).await;
    let none = none.text(1);
    assert!(none.contains("cluster nope") && none.contains("not found in eu-west-1"), "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_what_the_role_may_do() {
    let Some(clinic) = Clinic::open("doctor-role").await else { return };
    let iam = || clinic.scene.emulators.sqs_url();
    let role = clinic.stack.output("TaskRoleArn");
    let said = clinic.doctor(iam(), &["--role", &role, "--json"]).await.json(1);
    for (action, right) in [
        ("sqs:ReceiveMessage", "allowed (simulated)"),
        ("autoscaling:DetachInstances", "allowed (simulated)"),
        ("ec2:CreateLaunchTemplateVersion", "allowed (simulated)"),
        // One of the groups pins its version, and the stack was not told so.
        ("autoscaling:UpdateAutoScalingGroup", "denied (simulated): implicitDeny on group api"),
        ("iam:PassRole", "unproved"),
    ] {
        assert_eq!(said["actions"][action], right, "{action} in {:#}", said["actions"]);
    }
    let nobody = clinic.doctor(iam(), &["--role", "nobody", "--cluster", CLUSTER]).await;
    let nobody = nobody.text(1).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(nobody.contains("denied to nobody: ec2:TerminateInstances (implicitDeny on instance)"), "{nobody}");
    let unknown = clinic.doctor(clinic.scene.emulators.fleet_url(), &["--role", "somebody", "--json"]).await.json(0);
    assert_eq!(unknown["actions"]["ecs:DescribeClusters"], "unproved", "what the caller may says nothing of another");
    assert_role_passes(&clinic).await;
}

/// With what is true of the things asked about (`ecs:cluster`, tags) the policies of the stack's role allow all that is asked,
/// but for the group that is pinned; and without it they do not.
async fn assert_role_passes(clinic: &Clinic) {
    let place = Place {
        partition: "aws".to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        queue: Some(clinic.stack.output("QueueArn")),
        key: None,
    };
    let settings =
        Settings { clusters: vec![CLUSTER.into()], event_bus: Some("default".into()), ..Settings::default() };
    let fleet = config(clinic.scene.emulators.fleet_url(), ACCESS_KEY).await;
    let aws = Aws::with_config(&fleet, REGION.to_owned(), "");
    let findings = survey(Survey::new(settings.clone(), Depth::Hosts, 0), aws, |_| {}).await;
    let statements = statements(clinic);
    let (mut asked, mut conditional) = (0, 0);
    for question in questions(&place, &settings, &findings) {
        let bare = Question { context: Vec::new(), ..question.clone() };
        for action in &question.actions {
            let pinned = ["autoscaling:UpdateAutoScalingGroup", "ec2:RunInstances"].contains(action)
                || question.on == On::Launched;
            assert_ne!(is_allowed(&statements, action, &question), pinned, "{action}: {question:#?}");
            asked += 1;
            conditional += u32::from(!pinned && !is_allowed(&statements, action, &bare));
        }
    }
    assert!(asked > 30 && conditional >= 10, "{asked} were asked, of which {conditional} hang on a condition");
}

/// Of all policies of the role of the stack.
fn statements(clinic: &Clinic) -> Vec<Value> {
    let role = clinic.stack.output("TaskRoleArn");
    let role = role.rsplit('/').next().expect("a role has a name");
    let iam = |arguments: &[&str]| {
        let answer = said(aws(&clinic.scene.emulators, &clinic.scene.dir).arg("iam").args(arguments));
        serde_json::from_str::<Value>(&answer).expect("the answer is JSON")
    };
    let names = iam(&["list-role-policies", "--role-name", role]);
    let names = names["PolicyNames"].as_array().expect("a list of names").clone();
    let policy = |name: &Value| {
        let name = name.as_str().expect("a name");
        let policy = iam(&["get-role-policy", "--role-name", role, "--policy-name", name]);
        policy["PolicyDocument"]["Statement"].as_array().expect("statements").clone()
    };
    names.iter().flat_map(policy).collect()
}

/// Does some statement allow it on every thing of the question, and none deny it?
fn is_allowed(statements: &[Value], action: &str, question: &Question) -> bool {
    let has = |effect: &str, resource: &str| {
        statements.iter().filter(|statement| statement["Effect"] == effect).any(|statement| {
            texts(&statement["Action"]).contains(&action)
                && texts(&statement["Resource"]).iter().any(|pattern| WildMatch::new(pattern).matches(resource))
                && conditions(statement).all(|(operator, key, wanted)| holds(operator, key, wanted, question))
        })
    };
    question.resources.iter().all(|resource| has("Allow", resource) && !has("Deny", resource))
}

fn conditions(statement: &Value) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, wanted)| (operator.as_str(), key.as_str(), texts(wanted)))
    })
}

fn holds(operator: &str, key: &str, wanted: Vec<&str>, question: &Question) -> bool {
    let value = question.context.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let fits = |value: &str| wanted.iter().any(|pattern| WildMatch::new(pattern).matches(value));
    match operator {
        "Null" => wanted == [if value.is_none() { "true" } else { "false" }],
        "ForAllValues:StringLike" => value.is_none_or(fits),
        "ForAnyValue:StringNotLike" => value.is_some_and(|value| !fits(value)),
        "StringEquals" | "StringLike" | "ArnEquals" | "ArnLike" => value.is_some_and(fits),
        _ => panic!("this reader does not know {operator}"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map_or_else(|| value.as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect())
}
