//! A whole cluster, from a change of the parameter to a closed rotation, with workers that die and workers that compete.

use crate::plan;
use crate::scene::{QUEUE_RULES, ROTATED_WITHIN, Scene};

const VISIBILITY: [&str; 2] = ["--visibility-timeout", "30s"];

/// And `plan` tells of it: what is to come, what is left while nobody works, and that nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_rotates_to_the_new_image_although_the_worker_is_killed_in_the_middle() {
    let Some(scene) = Scene::open("killed", &QUEUE_RULES).await else { return };
    scene.account.point_parameter_at(&scene.account.new_image).await;
    plan::assert_before(&scene).await;

    let mut first = scene.worker("first", &VISIBILITY);
    scene.account.release().await;
    let half_way = async || {
        let record = scene.driver.record();
        (!record.terminated.is_empty() && !record.in_flight.is_empty()).then_some(())
    };
    scene.wait("rotation half way", ROTATED_WITHIN, &[&first], half_way).await;
    first.kill();
    plan::assert_in_the_middle(&scene).await;

    let mut second = scene.worker("second", &VISIBILITY);
    scene.closed(&[&first, &second]).await;
    assert!(second.is_running(), "the worker waits for the next release");
    plan::assert_after(&scene).await;
    scene.assert_rotated(&[&first, &second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_on_one_queue_keep_the_budget() {
    let Some(scene) = Scene::open("two", &QUEUE_RULES).await else { return };
    let (mut one, mut other) = (scene.worker("one", &VISIBILITY), scene.worker("other", &VISIBILITY));
    scene.account.release().await;
    scene.closed(&[&one, &other]).await;
    assert!(one.is_running() && other.is_running(), "both wait for the next release");
    scene.assert_rotated(&[&one, &other]).await;
}
