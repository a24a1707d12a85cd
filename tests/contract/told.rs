//! What the worker tells of itself: events on a bus that nobody here wrote, `/healthz`, `/metrics`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

use aws_sdk_eventbridge::types::Target;
use serde_json::Value;

use crate::account::{ACCOUNT, CLUSTER, GROUPS, HOSTS_PER_GROUP, REGION, config};
use crate::scene::{QUEUE_RULES, SOON, Scene};
use crate::worker::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_is_told_on_the_bus_and_by_metrics_and_the_worker_is_healthy() {
    let Some(scene) = Scene::open("told", &QUEUE_RULES).await else { return };
    let account = scene.account.clone();
    let news = subscribe(&scene).await;
    let address = free_address();
    let flags = ["--visibility-timeout", "30s", "--event-bus", "default", "--http", &address, "--log-format", "json"];
    assert!(!is_healthy(&address).0, "nobody answers yet");
    let worker = scene.worker("worker", &flags);
    let healthy = async || is_healthy(&address).0.then_some(());
    scene.wait("healthy worker", SOON, &[&worker], healthy).await;
    let known = async || (shown(&address)["looked_at"] != Value::Null).then_some(());
    scene.wait("cluster on the page", SOON, &[&worker], known).await;
    assert_page(&address);
    account.release().await;
    scene.closed(&[&worker]).await;

    let hosts = GROUPS.len() * HOSTS_PER_GROUP;
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let all = async || {
        for body in account.take_all(&news).await {
            let event: Value = serde_json::from_str(&body).expect("an event is JSON");
            assert_eq!(event["source"], "ecs-rotator");
            assert!(event["detail"]["cluster"].as_str().is_some_and(|arn| arn.ends_with(CLUSTER)), "{event:#}");
            *told.entry(event["detail-type"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        (told.values().sum::<usize>() >= hosts + 2).then_some(())
    };
    scene.wait("events of the worker's own", SOON, &[&worker], all).await;
    let expected = [("Host Replaced", hosts), ("Rotation Closed", 1), ("Rotation Opened", 1)];
    assert_eq!(told, expected.map(|(kind, count)| (kind.to_owned(), count)).into());

    let lines = [
        format!("ecs_rotator_hosts{{cluster=\"{CLUSTER}\",phase=\"current\"}} {hosts}"),
        format!("ecs_rotator_rotation{{cluster=\"{CLUSTER}\",state=\"closed\"}} 1"),
        "ecs_rotator_requests_total{operation=\"DetachInstances\",outcome=\"ok\"} 6".to_owned(),
        "ecs_rotator_rotation_duration_seconds_count 1".to_owned(),
    ];
    let published = async || {
        let metrics = get(&address, "/metrics");
        lines.iter().all(|line| metrics.lines().any(|said| said == line)).then_some(())
    };
    scene.wait(&format!("{lines:#?} in the metrics"), SOON, &[&worker], published).await;
    assert!(is_healthy(&address).1.contains(r#""status":"ok""#));
    let status = &shown(&address)["status"];
    assert_eq!((&status["rotation"]["state"], &status["current"]), (&Value::from("closed"), &Value::from(hosts)));
    assert_drawn(&scene, &worker, hosts);
    scene.assert_rotated(&[&worker]).await;
}

/// A queue that gets whatever the worker puts on the bus.
async fn subscribe(scene: &Scene) -> String {
    let made = scene.account.sqs.create_queue().queue_name("news").send().await.expect("the queue is created");
    let queue = made.queue_url().expect("a queue has a URL").to_owned();
    let bus = aws_sdk_eventbridge::Client::new(&config(scene.emulators.sqs_url(), "testing").await);
    let pattern = r#"{"source":["ecs-rotator"]}"#;
    bus.put_rule().name("news").event_pattern(pattern).send().await.expect("the rule is made");
    let target = Target::builder().id("queue").arn(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:news")).build();
    let target = target.expect("a target with an ARN is complete");
    bus.put_targets().rule("news").targets(target).send().await.expect("the queue is its target");
    queue
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    listener.local_addr().expect("it has an address").to_string()
}

/// As the health check of a container asks, and what it said.
fn is_healthy(address: &str) -> (bool, String) {
    let asked = Command::new(env!("CARGO_BIN_EXE_ecs-rotator")).args(["health", "--http", address]).output();
    let asked = asked.expect("it can be asked");
    (asked.status.success(), String::from_utf8_lossy(&asked.stdout).into_owned())
}

fn get(address: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("the worker answers");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers to the end");
    answer
}

/// The cluster, as the page is told of it.
fn shown(address: &str) -> Value {
    let answer = get(address, "/status.json");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let told: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in\n{answer}"));
    told["clusters"].as_array().and_then(|clusters| clusters.first()).cloned().unwrap_or_default()
}

fn assert_page(address: &str) {
    let page = get(address, "/");
    for part in
        ["HTTP/1.1 200", "content-security-policy: default-src 'none'; script-src 'sha256-", "<title>ecs-rotator"]
    {
        assert!(page.contains(part), "no `{part}` in\n{page}");
    }
}

/// What the worker said of the rotation is enough for its picture.
fn assert_drawn(scene: &Scene, worker: &Worker, hosts: usize) {
    let report = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
        command.args(["report", "--cluster", CLUSTER]).args(flags).arg(worker.log_file());
        let output = command.output().expect("report can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("report writes text")
    };
    let record: Value = serde_json::from_str(&report(&["--json"])).expect("the record is JSON");
    let groups = record["groups"].as_object().expect("groups by name");
    let rows: Vec<&Value> = groups.values().flat_map(|group| group["rows"].as_array().expect("a list")).collect();
    let whole = |row: &&&Value| {
        row["old"]["steps"].as_array().is_some_and(|steps| steps.len() >= 4) && row["new"]["id"].is_string()
    };
    assert_eq!((rows.len(), rows.iter().filter(whole).count()), (hosts, hosts), "{record:#}");
    let file = scene.dir.path.join("rotation.html");
    report(&["--output", file.to_str().expect("a path is text")]);
    let page = std::fs::read_to_string(file).expect("the picture is written");
    assert!(page.contains(&format!("{hosts} of {hosts} replaced")), "{page}");
}
