//! What the stack allows and sends, held against what the code asks for and understands. (`infra/check.py` deploys it.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ecs_rotator::effect::permissions;
use ecs_rotator::effect::{Found, News, Notice};
use ecs_rotator::event::{Parsed, parse};
use serde_json::Value as Json;
use serde_yaml_ng::Value;

#[path = "common/template.rs"]
mod deployed;
use deployed::{ACCOUNT, Deployed, REGION};

/// Clusters are always named in the stack, so they need not be listed.
const ONLY_WITHOUT_CLUSTERS: &str = "ecs:ListClusters";

/// All inline policies of a role together, and one managed policy, in characters that are no white space.
const OF_A_ROLE: usize = 10_240;
const OF_A_MANAGED_POLICY: usize = 6_144;
/// A template that is sent with the call, as `aws cloudformation deploy` without a bucket does, and the Terraform module.
const OF_A_TEMPLATE: usize = 51_200;
/// As many as the stack's parameter promises, of ARNs of 70 characters.
const PROMISED_CLUSTERS: usize = 20;

fn path(of: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("infra").join(of)
}

fn template() -> Value {
    let text = fs::read_to_string(path("worker.yaml")).expect("the template can be read");
    serde_yaml_ng::from_str(&text).expect("the template is YAML")
}

/// Everything that stands behind this key, at any depth and on either side of an `!If`.
fn behind<'a>(key: &str, value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(map) => {
            for (name, value) in map {
                if name.as_str() == Some(key) {
                    found.push(value);
                } else {
                    behind(key, value, found);
                }
            }
        }
        Value::Sequence(list) => list.iter().for_each(|value| behind(key, value, found)),
        Value::Tagged(tagged) => behind(key, &tagged.value, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(list) => list.iter().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Mapping(_) | Value::Tagged(_) => Vec::new(),
    }
}

#[test]
fn the_stack_allows_the_worker_what_its_calls_need_and_nothing_else() {
    let allowed: BTreeSet<String> =
        rights(&statements_of_the_stack(everything(1))).into_iter().map(|(action, _)| action).collect();
    let needed: BTreeSet<String> = permissions::all().iter().map(|needs| needs.action.to_owned()).collect();
    let lacking: Vec<&String> = needed.difference(&allowed).filter(|action| *action != ONLY_WITHOUT_CLUSTERS).collect();
    assert!(lacking.is_empty(), "the stack does not allow {lacking:?}");
    let idle: Vec<&String> = allowed.difference(&needed).collect();
    assert!(idle.is_empty(), "nobody calls {idle:?}");
}

/// By the names of actions alone nobody sees that one is allowed on some things and needed on others.
#[test]
fn the_stack_and_the_command_allow_the_same_under_the_same_conditions() {
    let printed = rights(&statements_of_the_command(1));
    let stack = rights(&statements_of_the_stack(everything(1)));
    let at_launch = ("ec2:CreateTags".to_owned(), BTreeSet::from(["ec2:CreateAction".to_owned()]));
    assert!(stack.contains(&at_launch), "{stack:#?}");
    let lacking: Vec<_> = stack.difference(&printed).collect();
    assert!(lacking.is_empty(), "only the stack has {lacking:#?}");
    let more: Vec<_> = printed.difference(&stack).collect();
    assert!(more.is_empty(), "only the command has {more:#?}");
}

/// What emulators do not check, and IAM and CloudFormation do.
#[test]
fn what_is_written_fits_where_it_goes() {
    let size = fs::metadata(path("worker.yaml")).expect("the template is there").len();
    assert!(usize::try_from(size).expect("a small file") <= OF_A_TEMPLATE, "{size} bytes");
    for (name, statements) in [
        ("the stack", statements_of_the_stack(everything(PROMISED_CLUSTERS))),
        ("the command", statements_of_the_command(PROMISED_CLUSTERS)),
    ] {
        let size = size_of(&statements);
        // With room for names of launch templates and roles, of which there may be any number.
        assert!(size + 1_500 <= OF_A_ROLE, "{name}: {size} characters for {PROMISED_CLUSTERS} clusters");
    }
    let few = size_of(&statements_of_the_command(4));
    assert!(few <= OF_A_MANAGED_POLICY, "four clusters fit into a managed policy: {few}");
}

/// A rule or a schedule may have a name of 64 characters, a queue one of 80.
#[test]
fn a_stack_says_how_long_its_name_may_be() {
    let template = template();
    let resources = template["Resources"].as_mapping().expect("there are resources");
    let longest = resources.values().filter_map(|of| {
        let most = match of["Type"].as_str()? {
            "AWS::Events::Rule" | "AWS::Scheduler::Schedule" => 64,
            "AWS::SQS::Queue" => 80,
            _ => return None,
        };
        let name =
            [&of["Properties"]["Name"], &of["Properties"]["QueueName"]].into_iter().find(|name| !name.is_null())?;
        let deployed = Deployed { template: &template, stack: "", parameters: everything(1) };
        let own = deployed.value(name)?.as_str()?.len();
        Some(most - own)
    });
    let most = longest.min().expect("there are names");
    let says = |file: &str, text: &str| {
        let said =
            fs::read_to_string(path(file)).expect("it can be read").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(text), "{file} does not say `{text}`");
    };
    says("worker.yaml", &format!("a name of at most {most} characters"));
    says("terraform/variables.tf", &format!("length(var.stack_name) <= {most}"));
    says("../README.md", &format!("at most {most} characters"));
}

/// With all that can be switched on, and so many clusters with long names.
fn everything(clusters: usize) -> BTreeMap<&'static str, String> {
    let clusters: Vec<String> = (0..clusters).map(cluster_arn).collect();
    BTreeMap::from([
        ("Clusters", clusters.join(",")),
        ("AllowStopTask", "true".to_owned()),
        ("AllowDescribeAlarms", "true".to_owned()),
        ("PinnedTemplateRoles", ROLE.to_owned()),
        ("ReleaseParameterPrefix", "/releases/".to_owned()),
        ("ParameterPrefixes", "/images/,/golden/,/hosts/".to_owned()),
        ("KmsKeyArn", KEY.to_owned()),
        ("GroupNames", "production-*".to_owned()),
    ])
}

const ROLE: &str = "arn:aws:iam::123456789012:role/production-hosts-InstanceRole-1ABCDEFGHIJKL";
const KEY: &str = "arn:aws:kms:ap-southeast-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";

fn cluster_arn(n: usize) -> String {
    let arn = format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{}{n:02}", "x".repeat(20));
    assert_eq!(arn.len(), 70);
    arn
}

fn statements_of_the_stack(parameters: BTreeMap<&str, String>) -> Vec<Json> {
    let template = template();
    let deployed = Deployed { template: &template, stack: "ecs-rotator", parameters };
    let policies = deployed.value(&template["Resources"]["TaskRole"]["Properties"]["Policies"]).expect("policies");
    let documents = policies.as_array().expect("a list").iter().map(|policy| &policy["PolicyDocument"]);
    documents.flat_map(statements).collect()
}

/// Of `ecs-rotator policy` for the same.
fn statements_of_the_command(clusters: usize) -> Vec<Json> {
    let queue = format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/ecs-rotator");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command.args(["policy", "--account", ACCOUNT, "--region", REGION, "--queue-url", &queue, "--event-bus", "default"]);
    command.args(["--with", "pins", "--with", "stops", "--with", "alarms", "--with", "parameters"]);
    command.args(["--pass-role", ROLE, "--kms-key", KEY, "--parameter", "/images/*", "--parameter", "/golden/*"]);
    for n in 0..clusters {
        command.args(["--cluster", cluster_arn(n).rsplit('/').next().expect("a name")]);
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    statements(&serde_json::from_slice(&output.stdout).expect("it prints JSON"))
}

fn statements(document: &Json) -> Vec<Json> {
    document["Statement"].as_array().expect("statements").clone()
}

fn size_of(statements: &[Json]) -> usize {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Each action that is allowed, and the condition keys on which that hangs, those of denials included.
fn rights(statements: &[Json]) -> BTreeSet<(String, BTreeSet<String>)> {
    let of = |effect: &'static str| statements.iter().filter(move |one| one["Effect"] == effect);
    let actions = |one: &Json| -> Vec<String> {
        let several = one["Action"].as_array().map_or_else(|| std::slice::from_ref(&one["Action"]), Vec::as_slice);
        several.iter().map(|action| action.as_str().expect("text").to_owned()).collect()
    };
    let keys = |one: &Json| -> BTreeSet<String> {
        let by_operator = one["Condition"].as_object().into_iter().flat_map(|by_operator| by_operator.values());
        by_operator.flat_map(|keys| keys.as_object().expect("keys").keys().cloned()).collect()
    };
    let denied =
        |action: &String| of("Deny").filter(|one| actions(one).contains(action)).flat_map(keys).collect::<Vec<_>>();
    let right = |one: &Json| {
        let own = keys(one);
        let with_denials = move |action: String| {
            let keys = own.iter().cloned().chain(denied(&action)).collect();
            (action, keys)
        };
        actions(one).into_iter().map(with_denials).collect::<Vec<_>>()
    };
    of("Allow").flat_map(right).filter(|(action, _)| action != ONLY_WITHOUT_CLUSTERS).collect()
}

/// Every event that a rule lets through is understood; what is cut away is at least no garbage.
#[test]
fn the_worker_understands_what_the_rules_send_it() {
    let table = fs::read_to_string(path("events/table.json")).expect("the table can be read");
    let table: BTreeMap<String, Json> = serde_json::from_str(&table).expect("the table is JSON");
    let mut understood = 0;
    for (name, rule) in &table {
        let body = fs::read_to_string(path("events").join(name)).expect("the event can be read");
        let parsed = parse(&body);
        assert!(!matches!(parsed, Parsed::Malformed { .. }), "{name}: {parsed:?}");
        let to_the_queue = rule.as_str().is_some_and(|rule| rule.ends_with("Rule") && rule != "NewsRule");
        if to_the_queue && matches!(parsed, Parsed::Event(_)) {
            understood += 1;
        }
    }
    let sent = table.values().filter_map(Json::as_str).filter(|rule| rule.ends_with("Rule") && *rule != "NewsRule");
    assert_eq!(understood, sent.count(), "something that is sent is of no use");
    assert!(table.len() >= 30);
}

/// The examples of our own events are what the worker sends.
#[test]
fn events_of_our_own_are_as_the_examples_show_them() {
    let why = || "why".to_owned();
    for (name, news) in [
        ("own-host-replaced.json", News::HostReplaced { host: "i-1".into(), group: "web-asg".into() }),
        ("own-rotation-held.json", News::RotationHeld { reason: why() }),
        ("own-rotation-opened.json", News::RotationOpened { groups: Vec::new(), force: false, because: why() }),
        ("own-rotation-resumed.json", News::RotationResumed { because: why() }),
        ("own-rotation-closed.json", News::RotationClosed { skipped: Vec::new() }),
        (
            "own-rotation-closed-with-groups-skipped.json",
            News::RotationClosed { skipped: vec![("web-asg".into(), why())] },
        ),
        ("own-rotation-aborted.json", News::RotationAborted { reason: why() }),
        ("own-release-found.json", News::ReleaseFound(Found::default())),
        ("own-command-refused.json", News::CommandRefused { action: "rotate", reason: why() }),
        ("own-drain-overdue.json", News::DrainOverdue { host: "i-1".into(), reason: why() }),
    ] {
        let notice = Notice {
            at: jiff::Timestamp::UNIX_EPOCH,
            cluster: "arn:aws:ecs:eu-west-1:123456789012:cluster/prod".into(),
            // A worker that only observes tells of no rotation.
            rotation: (!matches!(news, News::ReleaseFound(_) | News::CommandRefused { .. }))
                .then(|| "prod/20260114T031001Z".to_owned()),
            news,
        };
        let text = fs::read_to_string(path("events").join(name)).expect("the event can be read");
        let example: Json = serde_json::from_str(&text).expect("it is JSON");
        let keys = |of: &Json| of.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&notice.detail()), keys(&example["detail"]), "{name}");
        assert_eq!(example["detail-type"], notice.news.detail_type());
    }
}

/// A metric filter that asks for a line in other words than the worker's counts nothing, and its alarm never rings.
#[test]
fn the_worker_writes_every_line_that_an_alarm_is_made_of() {
    let template = template();
    let mut found = Vec::new();
    behind("FilterPattern", &template["Resources"], &mut found);
    behind("MetricValue", &template["Resources"], &mut found);
    let asked: Vec<String> = found.into_iter().flat_map(texts).collect();
    let messages: Vec<&str> =
        asked.iter().filter_map(|pattern| pattern.split_once("$.message = \"")?.1.split('"').next()).collect();
    assert_eq!(messages.len(), 3, "{asked:?}");
    let fields: Vec<&str> =
        asked.iter().filter_map(|value| value.strip_prefix("$.").filter(|field| !field.contains(' '))).collect();
    assert_eq!(fields, ["patch_age_days"]);
    let source = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for message in messages {
        assert!(source.contains(&format!("\"{message}\"")), "no line says `{message}`");
    }
    for field in fields {
        assert!(source.contains(field), "no line has the field `{field}`");
    }
}

/// All of ours, in one text.
fn source(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let text = |path: &Path| fs::read_to_string(path).expect("text");
    entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| if path.is_dir() { source(&path) } else { text(&path) })
        .collect()
}

/// Without its line breaks.
#[cfg(feature = "aws")]
fn help_of_run() -> String {
    let binary = env!("CARGO_BIN_EXE_ecs-rotator");
    let help = std::process::Command::new(binary).args(["run", "--help"]).output().expect("it runs").stdout;
    String::from_utf8_lossy(&help).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `run` reads from its environment.
#[cfg(feature = "aws")]
fn variables_of_run() -> BTreeSet<String> {
    let help = help_of_run();
    help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()).map(str::to_owned).collect()
}

/// A setting that `run` has and the stack has not is lost for those who deploy as they are told.
#[cfg(feature = "aws")]
#[test]
fn the_stack_sets_every_variable_of_the_worker_but_those_that_must_not_differ() {
    let fixed = [
        // The conditions of the worker's role name the tags.
        "ECS_ROTATOR_TAG_PREFIX",
        // The queue has the same.
        "ECS_ROTATOR_VISIBILITY_TIMEOUT",
    ];
    let set = variables_of_the_stack();
    let variables = variables_of_run();
    assert!(variables.len() > 20, "{variables:?}");
    let lacking: Vec<&String> =
        variables.iter().filter(|name| !set.contains(*name) && !fixed.contains(&name.as_str())).collect();
    assert!(lacking.is_empty(), "the stack has no parameter for {lacking:?}");
}

#[cfg(feature = "aws")]
fn variables_of_the_stack() -> BTreeSet<String> {
    let template = template();
    let mut found = Vec::new();
    behind("Environment", &template["Resources"], &mut found);
    let mut names = Vec::new();
    found.iter().for_each(|environment| behind("Name", environment, &mut names));
    names.into_iter().flat_map(texts).collect()
}

/// What the stack sets is read by the worker, by its name.
#[cfg(feature = "aws")]
#[test]
fn the_worker_has_a_flag_for_every_variable_that_the_stack_sets() {
    let names = variables_of_the_stack();
    assert!(names.len() > 10, "{names:?}");
    let help = help_of_run();
    for name in names {
        assert!(help.contains(&name), "run has no {name}");
    }
}
