//! The worker that only observes, on the emulators: it tells what it has found, and moto is asked to change nothing.

use serde_json::Value;

use crate::account::{CLUSTER, GROUPS, HOSTS_PER_GROUP};
use crate::asked::said;
use crate::calls::Call;
use crate::forecast::plan;
use crate::scene::{EMPTY, QUEUE_RULES, SOON, Scene};
use crate::worker::Worker;

const FLAGS: [&str; 6] = ["--mode", "observe", "--visibility-timeout", "30s", "--log-format", "json"];

/// The lines of the log with this message.
fn lines(worker: &Worker, message: &str) -> Vec<Value> {
    let log = worker.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|said| said.starts_with(message))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_only_observes_tells_what_it_finds_and_changes_nothing_and_the_next_one_rotates() {
    let Some(scene) = Scene::open("observe", &QUEUE_RULES).await else { return };
    let observer = scene.worker("observer", &FLAGS);
    scene.account.release().await;
    let found = async || lines(&observer, "release found").pop();
    let found = scene.wait("release found", SOON, &[&observer], found).await;
    assert_eq!(found["hosts"], GROUPS.len() * HOSTS_PER_GROUP, "{found}");
    let groups = found["groups"].as_str().unwrap_or_default();
    assert!(groups.contains(&format!("→ {}", scene.account.new_image)), "{found}");
    assert_eq!(found["digest"], digest(&scene).await, "`plan` prints the same");

    let rotate = format!(r#"{{"action":"rotate","cluster":"{CLUSTER}"}}"#);
    scene.account.send(&rotate).await;
    let refused = async || lines(&observer, "refused: this worker only observes").pop();
    let refused = scene.wait("refusal", SOON, &[&observer], refused).await;
    assert_eq!((&refused["level"], &refused["action"]), (&Value::from("WARN"), &Value::from("rotate")));
    let drained = async || (scene.account.depth(&scene.account.queue).await == EMPTY).then_some(());
    scene.wait("empty queue", SOON, &[&observer], drained).await;
    assert_eq!(scene.account.depth(&scene.account.dead_letters).await, EMPTY, "it is no dead letter");

    // Whoever asked by the command is not told that nobody has taken it.
    let said = said(&scene, &["rotate", "--cluster", CLUSTER, "--timeout", "12s"]).await;
    assert_eq!(said.code, 7, "{}\n{}", said.out, said.err);
    assert!(
        said.out.contains("the queue is empty, so one took the message") && said.out.contains("observes"),
        "{}",
        said.out
    );

    let changes: Vec<Call> = scene.calls().into_iter().filter(Call::is_effect).collect();
    assert!(changes.is_empty(), "{changes:#?}");
    assert_eq!(scene.account.rotation().await, None, "no rotation");
    assert_eq!(lines(&observer, "release found").len(), 1, "it is told once");
    assert!(!observer.log().contains("ERROR"), "{}", observer.tail());
    drop(observer);

    let worker = scene.worker("worker", &["--visibility-timeout", "30s"]);
    scene.account.send(r#"{"action":"check-releases"}"#).await;
    scene.closed(&[&worker]).await;
    scene.assert_rotated(&[&worker]).await;
}

/// Of what `plan` says now.
async fn digest(scene: &Scene) -> Value {
    let said = plan(&scene.emulators, &scene.dir, &["--cluster", CLUSTER, "--json"]).await;
    said.json(2)["clusters"][0]["digest"].clone()
}
