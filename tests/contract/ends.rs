//! How a worker ends: when it is asked to, and when it cannot begin.

use std::time::Duration;

use crate::account::CLUSTER;
use crate::scene::{EMPTY, QUEUE_RULES, ROTATED_WITHIN, SOON, Scene};
use crate::worker::{Worker, run};

/// ECS waits 30 seconds before it kills; the worker promises 20.
const GRACE: Duration = Duration::from_secs(20);
/// The exit code that says: the queue or the credentials cannot be used.
const CANNOT_BEGIN: i32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_the_worker_within_twenty_seconds_and_loses_no_message() {
    let Some(scene) = Scene::open("sigterm", &QUEUE_RULES).await else { return };
    let account = scene.account.clone();
    let mut first = scene.worker("first", &["--visibility-timeout", "30s"]);
    let drained = async || (account.depth(&account.queue).await == EMPTY).then_some(());
    scene.wait("queue of the first events worked off", SOON, &[&first], drained).await;

    // As close together as can be: the worker may have it, may not have it, or may have just opened the rotation.
    account.point_parameter_at(&account.new_image).await;
    account.send(&format!(r#"{{"action":"rotate","cluster":"{CLUSTER}"}}"#)).await;
    stop(&scene, &mut first).await;
    let left = account.depth(&account.queue).await;
    let durable = account.rotation().await.is_some();
    assert!(durable || left != EMPTY, "the command is neither done nor in the queue\n{}", first.tail());

    let mut second = scene.worker("second", &["--visibility-timeout", "30s"]);
    let under_way = async || (!scene.driver.record().terminated.is_empty()).then_some(());
    scene.wait("terminated host", ROTATED_WITHIN, &[&second], under_way).await;
    stop(&scene, &mut second).await;

    let third = scene.worker("third", &["--visibility-timeout", "30s"]);
    scene.closed(&[&third]).await;
    scene.assert_rotated(&[&first, &second, &third]).await;
}

/// SIGTERM, and a clean exit in time with nothing left in hand: the worker waits for its long poll to end, so that no poll
/// that nobody listens to takes a message with it.
async fn stop(scene: &Scene, worker: &mut Worker) {
    worker.terminate();
    let Some(status) = worker.exit(GRACE).await else {
        scene.give_up("SIGTERM did not stop the worker", &[worker]).await
    };
    assert!(status.success(), "the worker ended with {status}\n{}", worker.tail());
    let depth = scene.account.depth(&scene.account.queue).await;
    assert_eq!(depth.in_hand, 0, "messages were not handed back\n{}", worker.tail());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_such_queue_and_no_credentials_are_one_clear_line() {
    let Some(scene) = Scene::open("cannot-begin", &QUEUE_RULES).await else { return };
    let account = &scene.account;
    let dir = &scene.dir.path;

    let no_queue = run(&scene.emulators, &format!("{}-no-such", account.queue), dir);
    let mut worker = Worker::start(no_queue, dir.join("no-queue.log"));
    assert_one_clear_line(&scene, &mut worker, "ecs-rotator-no-such").await;

    let mut no_credentials = run(&scene.emulators, &account.queue, dir);
    no_credentials.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let mut worker = Worker::start(no_credentials, dir.join("no-credentials.log"));
    assert_one_clear_line(&scene, &mut worker, "credentials").await;
}

/// The worker ends with a failure, and says once what is wrong.
async fn assert_one_clear_line(scene: &Scene, worker: &mut Worker, word: &str) {
    let Some(status) = worker.exit(SOON).await else { scene.give_up("the worker did not end", &[worker]).await };
    assert_eq!(status.code(), Some(CANNOT_BEGIN), "{}", worker.tail());
    let log = worker.log();
    let complaints: Vec<&str> =
        log.lines().filter(|l| l.contains("ERROR") || l.to_lowercase().starts_with("error")).collect();
    assert_eq!(complaints.len(), 1, "one line says what is wrong:\n{}", worker.tail());
    assert!(complaints[0].contains(word), "it names {word}: {}", complaints[0]);
    assert!(!log.contains("panicked") && !log.contains("RUST_BACKTRACE"), "{}", worker.tail());
}
