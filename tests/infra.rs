//! What the stack allows and sends, held against what the code asks for and understands. (`infra/check.py` deploys it.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ecs_rotator::effect::permissions;
use ecs_rotator::effect::{Found, News, Notice};
use ecs_rotator::event::{Parsed, parse};
use serde_json::Value as Json;
use serde_yaml_ng::Value;

/// Clusters are always named in the stack, so they need not be listed.
const ONLY_WITHOUT_CLUSTERS: &str = "ecs:ListClusters";

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
    let template = template();
    let mut found = Vec::new();
    behind("Action", &template["Resources"]["TaskRole"]["Properties"]["Policies"], &mut found);
    let allowed: BTreeSet<String> = found.into_iter().flat_map(texts).collect();
    let needed: BTreeSet<String> = permissions::all().iter().map(|needs| needs.action.to_owned()).collect();
    let lacking: Vec<&String> = needed.difference(&allowed).filter(|action| *action != ONLY_WITHOUT_CLUSTERS).collect();
    assert!(lacking.is_empty(), "the stack does not allow {lacking:?}");
    let idle: Vec<&String> = allowed.difference(&needed).collect();
    assert!(idle.is_empty(), "nobody calls {idle:?}");
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
