//! One rotation by the command `rotate`: in its own process and without a queue, or followed while a worker is at it; and what
//! `status` tells meanwhile.

use std::process::Command;

use crate::account::{CLUSTER, HOSTS_PER_GROUP};
use crate::calls::{STATUS_KEY, WORKER_KEY};
use crate::forecast::{Said, assert_only_looks};
use crate::scene::{QUEUE_RULES, ROTATED_WITHIN, SOON, Scene};
use crate::terminal::Terminal;
use crate::worker::{Worker, ecs_rotator};

fn rotate(scene: &Scene, key: &str, flags: &[&str]) -> Command {
    let mut command = ecs_rotator(&scene.emulators, &scene.dir.path, key);
    command.args(["rotate", "--cluster", CLUSTER]).args(flags);
    command.env("AWS_ENDPOINT_URL_SQS", scene.emulators.sqs_url());
    command.env("ECS_ROTATOR_MAX_IN_FLIGHT", "1").env("ECS_ROTATOR_BAKE", "5s").env("ECS_ROTATOR_SWEEP_INTERVAL", "3s");
    command
}

async fn status(scene: &Scene, flags: &[&str]) -> Said {
    let mut command = ecs_rotator(&scene.emulators, &scene.dir.path, STATUS_KEY);
    command.args(["status", "--cluster", CLUSTER]).args(flags);
    let ended = tokio::task::spawn_blocking(move || command.output().expect("status can be started"));
    let output = ended.await.expect("status ends");
    let text = |bytes| String::from_utf8(bytes).expect("status writes text");
    let code = output.status.code().expect("status ends by itself");
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

async fn ended(scene: &Scene, mut process: Worker) -> Worker {
    let Some(code) = process.exit(ROTATED_WITHIN).await else { scene.give_up("it did not end", &[&process]).await };
    assert_eq!(code.code(), Some(0), "{}", process.tail());
    process
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_group_is_rotated_from_here_without_a_queue_and_the_other_by_a_worker_and_followed() {
    let Some(scene) = Scene::open("one-shot", &QUEUE_RULES).await else { return };
    scene.account.point_parameter_at(&scene.account.new_image).await;
    let none = status(&scene, &[]).await;
    assert!(none.text(0).contains("cluster prod: there has been no rotation"), "{}", none.out);

    let here = rotate(&scene, WORKER_KEY, &["--here", "--group", "api"]);
    let here = Worker::start(here, scene.dir.path.join("here.log"));
    let on_its_way = async || (!scene.driver.record().in_flight.is_empty()).then_some(());
    scene.wait("host in flight", ROTATED_WITHIN, &[&here], on_its_way).await;
    assert_told(&scene).await;
    let here = ended(&scene, here).await;
    assert!(here.log().contains("closed: every host of api of cluster prod runs its release"), "{}", here.tail());
    let images = scene.account.machines().await;
    let members = scene.account.members().await;
    let renewed = |group: &str| members[group].iter().filter(|id| images[*id].image == scene.account.new_image).count();
    assert_eq!((renewed("api"), renewed("web")), (HOSTS_PER_GROUP, 0), "only that group");

    let worker = scene.worker("worker", &["--visibility-timeout", "30s"]);
    let queue = scene.account.queue.clone();
    let wait = rotate(&scene, "person", &["--wait", "--queue-url", &queue]);
    let wait = ended(&scene, Worker::start(wait, scene.dir.path.join("wait.log"))).await;
    let said = wait.log();
    assert!(said.lines().count() > 3 && said.lines().any(|line| line.contains(" closed: 6 of 6 hosts")), "{said}");
    scene.closed(&[&worker]).await;
    scene.assert_rotated(&[&here, &worker]).await;
}

/// In the middle of it, to somebody who may only look.
async fn assert_told(scene: &Scene) {
    let told = status(scene, &["--json"]).await.json(0);
    let cluster = &told["clusters"][0];
    assert_eq!(cluster["rotation"]["state"], "open", "{told:#}");
    assert!(cluster["rotation"]["because"].as_str().is_some_and(|why| why.starts_with("a message of ")), "{told:#}");
    assert_eq!(cluster["hosts"], HOSTS_PER_GROUP, "of the group it is about: {told:#}");
    let hosts = cluster["in_flight"].as_array().expect("a list of hosts");
    assert!(hosts.iter().all(|host| host["group"] == "api" && host["phase"] != "outdated"), "{told:#}");
    let groups = cluster["groups"].as_array().expect("a list of groups");
    let web = groups.iter().find(|group| group["group"] == "web").expect("it is told of every group");
    assert_eq!(web["hosts"]["outdated"].as_array().map(Vec::len), Some(HOSTS_PER_GROUP), "{told:#}");
    let text = status(scene, &[]).await;
    let text = text.text(0);
    for part in ["cluster prod: rotation prod/", " open for ", "opened by a message of ", "GROUP", "in flight"] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    watch(scene).await;
    assert_only_looks(STATUS_KEY, &scene.dir.path);
}

/// The same in a terminal, which is left as it was.
async fn watch(scene: &Scene) {
    let mut command = ecs_rotator(&scene.emulators, &scene.dir.path, STATUS_KEY);
    command.args(["status", "--cluster", CLUSTER, "--watch", "--every", "2s"]);
    let Some(terminal) = Terminal::open(&command, &scene.dir.path, (80, 24)) else { return };
    let whole = async || {
        let seen = terminal.seen();
        let parts = ["cluster prod: rotation prod/", "GROUP", "in flight", "q quit · r look now"];
        parts.iter().all(|part| seen.contains(part)).then_some(seen)
    };
    let seen = scene.wait("status in the terminal", SOON, &[], whole).await;
    assert!(seen.lines().count() <= 24 && seen.lines().all(|line| line.chars().count() <= 80), "{seen}");
    terminal.keep("status-watch");
    terminal.press("q");
    let code = scene.wait("end of status", SOON, &[], async || terminal.code()).await;
    assert_eq!(code, "0");
    let after = terminal.seen();
    assert!(!after.contains("q quit"), "the terminal is given back: {after}");
}
