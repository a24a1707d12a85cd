//! `rotate`, `pause`, `resume` as a person gives them: what the command says is what a worker has done about the message, and
//! what no worker would take is not sent.

use std::process::Command;

use serde_json::Value;

use crate::account::{CLOSED_CLUSTER, CLUSTER};
use crate::forecast::Said;
use crate::scene::{QUEUE_RULES, ROTATED_WITHIN, Scene};
use crate::worker::{Worker, ecs_rotator};

fn command(scene: &Scene, words: &[&str]) -> Command {
    let mut command = ecs_rotator(&scene.emulators, &scene.dir.path, "person");
    command.args(words).args(["--queue-url", &scene.account.queue]);
    command.env("AWS_ENDPOINT_URL_SQS", scene.emulators.sqs_url());
    command
}

pub async fn said(scene: &Scene, words: &[&str]) -> Said {
    let mut command = command(scene, words);
    let ended = tokio::task::spawn_blocking(move || command.output().expect("the command can be started"));
    let output = ended.await.expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    let code = output.status.code().expect("it ends by itself");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_what_a_worker_has_done_and_a_rotation_is_followed_to_its_end() {
    let Some(scene) = Scene::open("asked", &QUEUE_RULES).await else { return };
    nothing_is_sent_that_no_worker_takes(&scene).await;
    without_a_worker_it_says_so(&scene).await;

    let worker = scene.worker("worker", &["--visibility-timeout", "30s"]);
    let idle = said(&scene, &["resume", "--cluster", CLUSTER]).await;
    assert!(told(&idle, 0).contains("nothing to do: there has been no rotation"), "{}", idle.out);

    scene.account.point_parameter_at(&scene.account.new_image).await;
    let wait = command(&scene, &["rotate", "--cluster", CLUSTER, "--wait", "--json", "--timeout", "20m"]);
    let mut wait = Worker::start(wait, scene.dir.path.join("wait.log"));
    let on_its_way = async || (!scene.driver.record().in_flight.is_empty()).then_some(());
    scene.wait("host in flight", ROTATED_WITHIN, &[&worker, &wait], on_its_way).await;
    paused_and_resumed(&scene, &worker, &wait).await;

    let Some(code) = wait.exit(ROTATED_WITHIN).await else { scene.give_up("it did not end", &[&worker, &wait]).await };
    assert_eq!(code.code(), Some(0), "{}", wait.tail());
    assert_told(&wait.log());
    nothing_to_replace(&scene).await;
    scene.closed(&[&worker]).await;
    scene.assert_rotated(&[&worker]).await;
}

async fn nothing_is_sent_that_no_worker_takes(scene: &Scene) {
    for (words, why) in [
        (&["rotate", "--cluster", "nosuch"][..], "cluster nosuch does not exist in eu-west-1: nothing was sent"),
        (&["pause", "--cluster", "nosuch"], "cluster nosuch does not exist"),
        (
            &["rotate", "--cluster", CLUSTER, "--group", "nope"],
            "no such group in cluster prod: nope; known are api, web",
        ),
        (&["rotate", "--cluster", CLUSTER, "--group", "nope", "--wait"], "no such group in cluster prod: nope"),
    ] {
        let said = said(scene, words).await;
        assert!(
            said.code == 1 && said.err.contains(why) && said.out.is_empty(),
            "{words:?}: {} {}",
            said.out,
            said.err
        );
    }
    // Events of the account wait there too.
    let queued = scene.account.take_all(&scene.account.queue).await;
    assert!(!queued.iter().any(|body| body.contains("\"action\"")), "nothing was sent: {queued:#?}");
}

async fn without_a_worker_it_says_so(scene: &Scene) {
    let silent = said(scene, &["pause", "--cluster", CLUSTER, "--timeout", "3s"]).await;
    let text = told(&silent, 7);
    for part in [
        "pause requested for prod (message ",
        "no worker has answered within 3s",
        "stays in the queue for ",
        "is a worker running",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let wait = said(scene, &["rotate", "--cluster", CLUSTER, "--wait", "--timeout", "3s", "--json"]).await;
    let last = told(&wait, 7).lines().last().map(str::to_owned).unwrap_or_default();
    assert_eq!(json(&last)["outcome"], "no-answer", "{last}");
    let closed = said(scene, &["pause", "--cluster", CLOSED_CLUSTER, "--no-wait", "--json"]).await;
    assert!(closed.err.contains("has not opted in by its tag"), "{}", closed.err);
    assert_eq!(json(told(&closed, 0))["outcome"], "queued", "{}", closed.out);
    // What was sent is not for the worker that comes.
    scene.account.purge().await;
}

async fn paused_and_resumed(scene: &Scene, worker: &Worker, wait: &Worker) {
    let paused = said(scene, &["pause", "--cluster", CLUSTER]).await;
    assert!(told(&paused, 0).contains("paused: rotation prod/"), "{} {}", paused.out, paused.err);
    assert_eq!(scene.account.rotation().await.as_deref(), Some("paused"), "it is so");
    let again = said(scene, &["pause", "--cluster", CLUSTER, "--json"]).await;
    let again = json(told(&again, 0));
    assert_eq!((&again["outcome"], &again["reason"]), (&"nothing-to-do".into(), &"paused".into()), "{again:#}");
    // Whoever follows it looks every few seconds.
    let seen = async || wait.log().lines().any(|line| json(line)["state"] == "paused").then_some(());
    scene.wait("pause seen by who follows", ROTATED_WITHIN, &[worker, wait], seen).await;
    let resumed = said(scene, &["resume", "--cluster", CLUSTER]).await;
    assert!(told(&resumed, 0).contains("resumed: rotation prod/"), "{} {}", resumed.out, resumed.err);
}

/// By the lines of `rotate --wait --json`.
fn assert_told(log: &str) {
    let lines: Vec<Value> = log.lines().map(json).collect();
    let (first, second, last) = (&lines[0], &lines[1], &lines[lines.len() - 1]);
    assert!(first["message_id"].is_string() && first["message"]["action"] == "rotate", "{first:#}");
    assert_eq!(second["answer"], "opened", "{second:#}");
    let id = second["rotation"]["id"].as_str().expect("the rotation that was opened");
    let changes = &lines[2..lines.len() - 1];
    assert!(changes.len() > 3 && changes.iter().all(|line| line["rotation"] == id), "{changes:#?}");
    let states: Vec<&Value> = changes.iter().map(|line| &line["state"]).collect();
    assert!(states.contains(&&"paused".into()) && states.last() == Some(&&"closed".into()), "{states:?}");
    assert_eq!((&last["outcome"], last["rotation"].as_str()), (&"closed".into(), Some(id)), "{last:#}");
}

/// The rotation before this one has closed, and is never taken for it.
async fn nothing_to_replace(scene: &Scene) {
    let wait = said(scene, &["rotate", "--cluster", CLUSTER, "--wait"]).await;
    let text = told(&wait, 0);
    assert!(text.contains("opened: rotation prod/"), "{text}");
    assert!(text.trim_end().ends_with("closed: nothing to replace: every host is current"), "{text}");
    let ids: std::collections::BTreeSet<&str> =
        text.split_whitespace().filter(|word| word.starts_with("prod/")).collect();
    assert_eq!(ids.len(), 1, "only its own rotation is told of: {text}");
}

#[track_caller]
fn told(said: &Said, code: i32) -> &str {
    assert_eq!(said.code, code, "{}\n{}", said.out, said.err);
    &said.out
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
