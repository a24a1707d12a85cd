//! A release whose hosts never register: it is undone by itself, and the hosts that were taken are back in their groups.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, GROUPS, HOSTS_PER_GROUP};
use crate::emulators::Emulators;
use crate::scene::{EMPTY, QUEUE_RULES, SOON, Scene, TestDirectory, image_of};

/// The worker waits a minute for the replacement, half a minute until two looks agree, and a while for what it must not be
/// wrong about.
const UNDONE_WITHIN: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_never_registers_is_put_back_rejected_and_held_and_its_hosts_are_given_back() {
    let dir = TestDirectory::open("undone");
    let Some(emulators) = Emulators::start(&dir.path) else { return };
    let mut account = Account::create(&emulators, &QUEUE_RULES).await;
    account.mute = BTreeSet::from([account.new_image.clone()]);
    let scene = Scene::play(dir, emulators, account).await;
    let account: Arc<Account> = scene.account.clone();

    let worker = scene
        .worker("worker", &["--visibility-timeout", "30s", "--replacement-timeout", "60s", "--log-format", "json"]);
    account.release().await;
    let held = async || account.rotation().await.filter(|state| state == "held");
    scene.wait("held rotation", UNDONE_WITHIN, &[&worker], held).await;
    let back = async || (is_as_before(&scene).await).then_some(());
    scene.wait("groups as they were before", UNDONE_WITHIN, &[&worker], back).await;

    let lines = worker.log();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let held = messages.filter(|line| line["message"] == "rotation held");
    let reasons: Vec<String> = held.filter_map(|line| line["reason"].as_str().map(str::to_owned)).collect();
    // The two groups' launches are given up seconds apart: the hold of the one may grow by the other.
    assert!((1..=GROUPS.len()).contains(&reasons.len()), "the alarm of the stack counts these: {reasons:#?}");
    assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), reasons.len(), "none is told twice: {reasons:#?}");
    let both = reasons.last().is_some_and(|last| GROUPS.iter().all(|group| last.contains(group)));
    assert!(both, "the last names both groups: {reasons:#?}");
    let stack = include_str!("../../infra/worker.yaml");
    assert!(stack.contains(r#"FilterPattern: '{ $.message = "rotation held" }'"#));

    // It stays so: nothing is tried again when somebody asks, and the held rotation needs no one.
    account.send(r#"{"action":"check-releases"}"#).await;
    let drained = async || (account.depth(&account.queue).await == EMPTY).then_some(());
    scene.wait("empty queue", SOON, &[&worker], drained).await;
    assert!(is_as_before(&scene).await, "{}", account.dump().await);

    let hold = account.cluster_tags().await.remove("ecs-rotator:hold").unwrap_or_default();
    assert_eq!(hold, "bad-release @api @web", "a code with what it is about");
    for group in GROUPS {
        assert_eq!(account.group_tag(group, "ecs-rotator:rejected").await, account.new_image);
        let images: Vec<_> = account.versions(group).await.iter().map(|v| image_of(v).to_owned()).collect();
        assert_eq!(images, [account.old_image.clone(), account.new_image.clone()], "{group}: one version, not deleted");
    }
    assert_eq!(account.version_rule("web").await, "1", "web is pinned to what it was");
    assert!(account.versions("api").await[0].default_version() == Some(true), "so is the default of api");
    assert!(!worker.log().contains("ERROR"), "{}", worker.tail());

    let old = scene.old.clone();
    let record = scene.driver.stop().await;
    assert!(record.violations.is_empty(), "{:#?}", record.violations);
    assert!(record.terminated.is_disjoint(&old), "no host of before has ended: {:?}", record.terminated);
    assert_eq!(record.terminated.len(), GROUPS.len(), "one bad host a group: the canary");
    assert!(record.drained.is_empty() && record.deregistered.is_empty(), "{record:#?}");
    for group in GROUPS {
        assert_eq!(record.most_in_flight.get(group), Some(&1), "{group}");
        assert_eq!(record.fewest_active[group], HOSTS_PER_GROUP, "{group} was served by all of its hosts all the time");
    }
}

/// Every group has its hosts of before, as many as before, and none of them is ours.
async fn is_as_before(scene: &Scene) -> bool {
    let account = &scene.account;
    let (members, machines) = (account.members().await, account.machines().await);
    let all: BTreeSet<String> = members.values().flatten().cloned().collect();
    let desired =
        account.groups().await.iter().all(|group| group.desired_capacity() == i32::try_from(HOSTS_PER_GROUP).ok());
    all == scene.old && desired && !machines.values().any(|machine| machine.is_in_flight())
}
