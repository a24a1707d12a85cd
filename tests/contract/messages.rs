//! A queue into which anybody can put anything.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::account::{CLOSED_CLUSTER, PARAMETER, QueueRules};
use crate::calls::Call;
use crate::events::{Envelopes, HostNews};
use crate::scene::{EMPTY, SOON, Scene};

/// Three receives at ten seconds each, with room for a machine that is busy with other tests.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(120);
/// However large the message was.
const LONGEST_LOG_LINE: usize = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_do_not_stop_the_worker() {
    let rules = QueueRules { max_receive_count: 3, visibility_seconds: 5 };
    let Some(scene) = Scene::open("messages", &rules).await else { return };
    let account = scene.account.clone();
    let (malformed, foreign) = (malformed(), foreign(&account.cluster_arn));
    let commands = [
        command(r#""rotate","cluster":"no-such-cluster""#),
        command(&format!(r#""rotate","cluster":"{CLOSED_CLUSTER}""#)),
    ];
    let mut worker = scene.worker("worker", &["--visibility-timeout", "10s"]);
    let mut ids = Vec::new();
    for body in malformed.iter().chain(&foreign) {
        ids.push(account.send(body).await);
    }
    for body in &commands {
        account.send(body).await;
    }

    let drained = async || (account.depth(&account.queue).await == EMPTY).then_some(());
    scene.wait("empty queue", GIVEN_UP_WITHIN, &[&worker], drained).await;
    let dead: BTreeSet<String> = account.take_all(&account.dead_letters).await.into_iter().collect();
    for body in &malformed {
        assert!(dead.contains(body), "not among the dead letters: {:.200}", body);
    }
    for body in &foreign {
        assert!(!dead.contains(body), "acknowledged, because it is nothing for this worker: {body:.200}");
    }
    assert!(worker.is_running(), "the worker has stopped:\n{}", worker.tail());
    assert_eq!(account.rotation().await, None, "nothing of this has opened a rotation");
    let done: Vec<Call> = scene.calls().into_iter().filter(Call::is_effect).collect();
    assert!(done.is_empty(), "nothing of this has changed anything: {done:?}");

    account.point_parameter_at(&account.new_image).await;
    account.send(&command(r#""rotate","cluster":"prod""#)).await;
    let begun = async || (!scene.driver.record().in_flight.is_empty()).then_some(());
    scene.wait("host in flight after a good message", SOON, &[&worker], begun).await;

    let log = worker.log();
    for id in &ids {
        let explained = log.lines().any(|line| line.contains(id) && line.contains("reason="));
        assert!(explained, "the log does not say why {id} was not used:\n{}", worker.tail());
    }
    for wrong in ["explode", "forse", "padding", "no-such-cluster", CLOSED_CLUSTER] {
        assert!(log.contains(wrong), "the log does not name {wrong}:\n{}", worker.tail());
    }
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{}", worker.tail());
    assert!(log.lines().all(|line| line.len() < LONGEST_LOG_LINE), "a message was copied into the log");
    let record = scene.driver.stop().await;
    assert!(record.violations.is_empty(), "{:#?}", record.violations);
}

/// What nobody can have meant.
fn malformed() -> Vec<String> {
    vec![
        // SQS refuses an empty body.
        " ".to_owned(),
        r#"{"action":"rotate","cluster":"pr"#.to_owned(),
        command(r#""explode","cluster":"prod""#),
        command(r#""rotate","cluster":"prod","forse":true"#),
        command(&format!(r#""rotate","cluster":"prod","padding":"{}""#, "x".repeat(200 * 1024))),
    ]
}

/// What is well formed, and none of this worker's business.
fn foreign(cluster: &str) -> Vec<String> {
    let mut envelopes = Envelopes::default();
    let host = HostNews {
        cluster,
        arn: &format!("{}/0123456789abcdef0123456789abcdef", cluster.replace(":cluster/", ":container-instance/")),
        instance: "i-0123456789abcdef0",
        image: "ami-0123456789abcdef0",
        status: "ACTIVE",
        version: 1,
    };
    let event = envelopes.container_instance(&host);
    let parameter = envelopes.parameter_changed(PARAMETER);
    vec![
        Envelopes::from_elsewhere(&event, "999999999999", "eu-west-1"),
        Envelopes::from_elsewhere(&event, "123456789012", "us-west-2"),
        Envelopes::from_elsewhere(&parameter, "999999999999", "us-west-2"),
        event.replace("ECS Container Instance State Change", "ECS Deployment State Change"),
    ]
}

fn command(fields: &str) -> String {
    format!(r#"{{"action":{fields}}}"#)
}
