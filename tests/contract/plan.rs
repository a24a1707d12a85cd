//! What `plan` tells of the rotation in `rotation`: before, in the middle and after.

use serde_json::{Value, json};

use crate::account::{CLUSTER, GROUPS, HOSTS_PER_GROUP, NEW_IMAGE, OLD_IMAGE, PARAMETER};
use crate::calls::{Call, PLAN_KEY, WORKER_KEY, signed_by};
use crate::forecast::{Said, age, assert_only_looks, groups, plan};
use crate::scene::{SOON, Scene};

const HOSTS: usize = GROUPS.len() * HOSTS_PER_GROUP;
const NOTHING_TO_DO: i32 = 0;
const COULD_NOT_TELL: i32 = 1;
const SOMETHING_TO_DO: i32 = 2;

async fn ask(scene: &Scene, flags: &[&str]) -> Said {
    plan(&scene.emulators, &scene.dir, flags).await
}

/// The release is out, and no worker knows of it.
pub async fn assert_before(scene: &Scene) {
    let account = &scene.account;
    let found = account.dump().await;
    assert_told_before(scene).await;
    assert_of_other_clusters(scene).await;
    assert_eq!(found, account.dump().await, "a plan changes nothing");
}

async fn assert_told_before(scene: &Scene) {
    let account = &scene.account;
    let report = ask(scene, &["--cluster", CLUSTER, "--json"]).await.json(SOMETHING_TO_DO);
    assert_eq!(report["verdict"], "something-to-do");
    let cluster = &report["clusters"][0];
    assert_eq!((&cluster["cluster"], &cluster["enabled"]), (&json!(CLUSTER), &json!(true)));
    assert_eq!((&cluster["due"], &cluster["in_flight"]), (&json!(HOSTS), &json!(0)));
    assert_eq!(cluster["rotation"], Value::Null, "there has been none");
    assert_eq!(cluster["takes_seconds"], 24 * 60, "3 hosts one after the other, 3 + 5 minutes each");
    assert_eq!(cluster["of_no_group"], json!([]));
    // Which moto does not know. It is a look that nothing else hangs on.
    assert!(cluster["unread"].to_string().contains("GetTaskProtection"), "{}", cluster["unread"]);

    let groups = groups(&report);
    assert_eq!(groups.keys().copied().collect::<Vec<_>>(), GROUPS);
    let members = account.members().await;
    for (name, rule) in [("api", "$Default (1)"), ("web", "1 (pinned)")] {
        let group = groups[name];
        assert_eq!((&group["status"], &group["reason"]), (&json!("due"), &Value::Null));
        assert_eq!(group["hosts"], json!({"outdated": HOSTS_PER_GROUP}));
        let mut order: Vec<_> = group["order"].as_array().expect("an order").iter().filter_map(Value::as_str).collect();
        let mut all: Vec<_> = members[name].iter().map(String::as_str).collect();
        order.sort_unstable();
        all.sort_unstable();
        assert_eq!(order, all, "every host of {name} would go");
        assert_eq!(
            group["launches"],
            json!([{
                "template": account.templates[name],
                "rule": rule,
                "in_use": {"id": account.old_image, "name": OLD_IMAGE, "age_days": age("2026-06-15")},
                "release": {"id": account.new_image, "name": NEW_IMAGE, "age_days": age("2026-08-13")},
                "from": format!("{PARAMETER} (its tag `ami-parameter`)"),
                "refused": null,
            }])
        );
        let made = format!("a version of {} like 1 with {}", account.templates[name], account.new_image);
        let live = if name == "api" { ", as its default" } else { ", and the group's pin on it" };
        assert_eq!(group["writes"], json!([format!("{made}{live}")]));
        assert_eq!(group["stuck"], json!([]));
    }

    let said = ask(scene, &["--cluster", CLUSTER, "--quick"]).await;
    let text = said.text(SOMETHING_TO_DO);
    for part in [
        "cluster prod: 6 hosts in 2 groups, 6 to replace, 0 in flight",
        &format!("{} {}d", account.new_image, age("2026-08-13")),
        "account   123456789012 in eu-west-1",
        "Plan: 6 hosts to replace in 2 groups, about 24 min.",
    ] {
        assert!(text.contains(part), "it does not say `{part}`:\n{text}");
    }
}

async fn assert_of_other_clusters(scene: &Scene) {
    let all = ask(scene, &["--all", "--json", "--quick"]).await.json(SOMETHING_TO_DO);
    assert_eq!(groups(&all).len(), GROUPS.len(), "only the cluster that has opted in: {all:#}");
    assert_eq!(all["clusters"][0]["due"], HOSTS);
    assert_eq!(all["requests"]["ListTasks"], Value::Null, "with `--quick` nobody asks who lives there");

    let nowhere = ask(scene, &["--cluster", "nowhere", "--json"]).await.json(COULD_NOT_TELL);
    assert_eq!((&nowhere["verdict"], &nowhere["missing"]), (&json!("could-not-tell"), &json!(["nowhere"])));
    let said = ask(scene, &["--cluster", "nowhere"]).await;
    assert!(said.text(COULD_NOT_TELL).contains("it does not exist here"), "{}", said.out);

    let both =
        ask(scene, &["--cluster", "nowhere", "--cluster", CLUSTER, "--json", "--quick"]).await.json(COULD_NOT_TELL);
    assert_eq!(both["clusters"][0]["due"], HOSTS, "the other one is told about");
}

/// The worker is dead, so that nothing moves while the plan is compared with the account.
pub async fn assert_in_the_middle(scene: &Scene) {
    let still = async || {
        let found = under_way(scene).await;
        let report = ask(scene, &["--cluster", CLUSTER, "--json", "--quick"]).await.json(SOMETHING_TO_DO);
        // The last call of the dead worker may have been on its way.
        (found == under_way(scene).await).then_some((found, report))
    };
    let ((in_flight, gone), report) = scene.wait("plan of an account that stands still", SOON, &[], still).await;
    let due = HOSTS - in_flight - gone;
    assert_eq!(report["verdict"], "something-to-do");
    let cluster = &report["clusters"][0];
    assert_eq!((&cluster["due"], &cluster["in_flight"]), (&json!(due), &json!(in_flight)));
    assert!(cluster["rotation"].as_str().is_some_and(|said| said.contains(" open ")), "{}", cluster["rotation"]);
    for (name, group) in groups(&report) {
        let launch = &group["launches"][0];
        assert_eq!(launch["in_use"]["id"], *scene.account.new_image, "{name} launches the release already");
        assert_eq!(group["writes"], json!([]), "{name} has nothing left to be written");
    }
    let said = ask(scene, &["--cluster", CLUSTER, "--quick"]).await;
    let title = format!("{due} to replace, {in_flight} in flight");
    assert!(said.text(SOMETHING_TO_DO).contains(&title), "{title}:\n{}", said.out);
}

/// Hosts in flight, and those that are gone.
async fn under_way(scene: &Scene) -> (usize, usize) {
    let machines = scene.account.machines().await;
    let in_flight = machines.values().filter(|machine| machine.is_in_flight()).count();
    (in_flight, machines.values().filter(|machine| machine.is_terminated()).count())
}

pub async fn assert_after(scene: &Scene) {
    let report = ask(scene, &["--cluster", CLUSTER, "--json", "--quick"]).await.json(NOTHING_TO_DO);
    assert_eq!(report["verdict"], "nothing-to-do");
    let cluster = &report["clusters"][0];
    assert_eq!((&cluster["due"], &cluster["in_flight"]), (&json!(0), &json!(0)));
    assert_eq!((&cluster["takes_seconds"], &cluster["calls"]), (&json!(0), &json!(0)));
    for (name, rule) in [("api", "$Default (2)"), ("web", "2 (pinned)")] {
        let group = groups(&report)[name];
        assert_eq!(
            (&group["status"], &group["order"], &group["writes"]),
            (&json!("up-to-date"), &json!([]), &json!([]))
        );
        assert_eq!(
            (&group["launches"][0]["rule"], &group["hosts"]),
            (&json!(rule), &json!({"current": HOSTS_PER_GROUP}))
        );
    }
    let said = ask(scene, &["--cluster", CLUSTER, "--quick"]).await;
    assert!(said.text(NOTHING_TO_DO).contains("Plan: nothing to do."), "{}", said.out);

    assert_only_looks(PLAN_KEY, &scene.dir.path);
    let worker = signed_by(WORKER_KEY, &scene.dir.path);
    assert!(worker.iter().any(Call::is_effect), "a change would have been seen: the worker's are");
}
