//! The stack as it is deployed: the worker on the stack's queue, with the events that the stack's rules let through and no
//! other.
//!
//! The command line of AWS deploys `infra/worker.yaml` on ministack. `PutEvents` refuses sources `aws.*`, there as on AWS; so
//! each event of the driver is held against the deployed patterns (`TestEventPattern`), and goes to the queue if one fits.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::account::{ACCESS_KEY, ACCOUNT, Account, CLUSTER, REGION, config};
use crate::emulators::{Emulators, environment};
use crate::scene::{QUEUE_RULES, Scene, TestDirectory};

const STACK: &str = "rotator-stack";
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/worker.yaml");

/// The patterns of the rules that put events on the queue.
pub struct Rules {
    events: aws_sdk_eventbridge::Client,
    patterns: Vec<String>,
}

impl Rules {
    pub async fn let_through(&self, event: &str) -> bool {
        for pattern in &self.patterns {
            let asked = self.events.test_event_pattern().event_pattern(pattern).event(event).send().await;
            if asked.expect("the pattern is tried").result {
                return true;
            }
        }
        false
    }
}

pub struct Stack {
    pub events: aws_sdk_eventbridge::Client,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The command of the README, but for the endpoint.
    pub async fn deploy(emulators: &Emulators, dir: &TestDirectory) -> Stack {
        let parameters = [
            format!("Clusters=arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"),
            "Subnets=subnet-0a1b2c3d".to_owned(),
            "Image=ghcr.io/example/ecs-rotator:0.1.0".to_owned(),
            "ParameterPrefixes=/golden/".to_owned(),
        ];
        let mut deploy = aws(emulators, dir);
        deploy.args(["cloudformation", "deploy", "--stack-name", STACK, "--template-file", TEMPLATE]);
        deploy.args(["--capabilities", "CAPABILITY_IAM", "--parameter-overrides"]).args(parameters);
        said(&mut deploy);
        let mut describe = aws(emulators, dir);
        let described = said(describe.args(["cloudformation", "describe-stacks", "--stack-name", STACK]));
        let described: Value = serde_json::from_str(&described).expect("the answer is JSON");
        let outputs = described["Stacks"][0]["Outputs"].as_array().expect("the stack has outputs");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let outputs = outputs.iter().map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"]))).collect();
        let settings = config(emulators.sqs_url(), ACCESS_KEY).await;
        Stack { events: aws_sdk_eventbridge::Client::new(&settings), outputs }
    }

    pub fn output(&self, name: &str) -> String {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output {name}: {:?}", self.outputs)).clone()
    }

    async fn rules(&self) -> Rules {
        let named = self.events.list_rule_names_by_target().target_arn(self.output("QueueArn")).send().await;
        let names = named.expect("the rules are listed").rule_names.unwrap_or_default();
        assert_eq!(names.len(), 5, "{names:?}");
        let mut patterns = Vec::new();
        for name in names {
            let rule = self.events.describe_rule().name(name).send().await.expect("the rule is described");
            patterns.extend(rule.event_pattern);
        }
        Rules { events: self.events.clone(), patterns }
    }

    /// Its queue and its rules in the place of the account's own.
    pub async fn serve(&self, account: &mut Account) {
        account.queue = self.output("QueueUrl");
        account.dead_letters = self.output("DeadLetterQueueUrl");
        account.rules = Some(self.rules().await);
    }
}

pub fn aws(emulators: &Emulators, dir: &TestDirectory) -> Command {
    let python = environment().expect("the emulators run by it");
    let mut command = Command::new(python);
    command
        .args(["-m", "awscli", "--endpoint-url", &emulators.sqs_url(), "--output", "json"])
        .env_clear()
        .env("HOME", &dir.path)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY);
    command
}

pub fn said(command: &mut Command) -> String {
    let output = command.output().expect("the command line of AWS can be started");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The sweep is an hour away: what no rule lets through, the worker does not hear of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_on_the_queue_of_the_stack_rotates_by_what_its_rules_let_through() {
    let dir = TestDirectory::open("stack");
    let Some(emulators) = Emulators::start(&dir.path) else { return };
    let mut account = Account::create(&emulators, &QUEUE_RULES).await;
    let stack = Stack::deploy(&emulators, &dir).await;
    stack.serve(&mut account).await;
    let scene = Scene::play(dir, emulators, account).await;
    let worker = scene.worker("worker", &["--sweep-interval", "1h", "--visibility-timeout", "30s"]);
    scene.account.release().await;
    scene.closed(&[&worker]).await;
    scene.assert_rotated(&[&worker]).await;
}
