//! Groups whose release cannot be found, beside groups whose release can: one `plan` tells about each.
//!
//! All are without hosts, and pinned, so that none gets into the other's way.

use aws_sdk_ssm::types::ParameterType;
use serde_json::Value;

use crate::account::{Account, CLUSTER, PARAMETER};
use crate::calls::PLAN_KEY;
use crate::emulators::Emulators;
use crate::forecast::{assert_only_looks, groups, plan};
use crate::scene::{QUEUE_RULES, TestDirectory};

const RECOMMENDED: &str = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended";

/// A group, its tag, and the reason that is told.
const TROUBLES: [(&str, &str, &str, &str); 8] = [
    ("gone", "ecs-rotator:ami-parameter", "/golden/none", "parameter /golden/none: it does not exist"),
    ("json", "ecs-rotator:ami-parameter", RECOMMENDED, "recommended holds JSON: follow /aws/service/ecs"),
    ("rubbish", "ecs-rotator:ami-parameter", "/golden/rubbish", "holds `the newest one, please`, which is no AMI id"),
    ("list", "ecs-rotator:ami-parameter", "/golden/list", "parameter /golden/list is a list, which is no AMI id"),
    ("secret", "ecs-rotator:ami-parameter", "/golden/secret", "parameter /golden/secret is a SecureString"),
    ("arm", "ecs-rotator:ami-parameter", "/golden/arm64", "is for arm64, and the group runs x86_64"),
    ("nobody", "ecs-rotator:ami-name", "amazon:no-such-host-*", "no image has the name"),
    (
        "two",
        "ecs-rotator:ami-name",
        "amazon:al2023-ami-ecs-*2023.0.20260615*x86_64*",
        "fits images of more than one family (al2023, al2023-gpu): make it narrower",
    ),
];

/// Its key and its value.
type Tag = (&'static str, &'static str);

/// A group, its tag, and where its release is found.
const SOURCES: [(&str, Option<Tag>, &str); 4] = [
    ("tagged", Some(("ecs-rotator:ami-parameter", PARAMETER)), "/golden/al2023 (its tag `ami-parameter`)"),
    (
        "named",
        Some(("ecs-rotator:ami-name", "amazon:al2023-ami-ecs-hvm-2023.0.202608*-{arch}")),
        "amazon:al2023-ami-ecs-hvm-2023.0.202608*-x86_64 (its tag `ami-name`)",
    ),
    ("os", Some(("OS", "al2023")), "recommended/image_id (al2023 by its tag `OS`)"),
    ("known", None, "recommended/image_id (al2023 by the image in use)"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_tells_each_group_its_own_trouble_and_of_the_others_where_their_release_comes_from() {
    let dir = TestDirectory::open("troubles");
    let Some(emulators) = Emulators::start(&dir.path) else { return };
    let account = create(&emulators).await;
    let said = plan(&emulators, &dir, &["--cluster", CLUSTER, "--json", "--quick"]).await;
    // Something is known to be due, whatever else is not known.
    let report = said.json(2);
    let told = groups(&report);

    for (group, _, _, reason) in TROUBLES {
        assert_trouble(told[group], reason);
    }
    let deleted = format!("launch template {} version 1: ", account.templates["deleted"]);
    assert_trouble(told["deleted"], &deleted);
    assert_trouble(told["old"], "it uses the launch configuration written-long-ago, which AWS is giving up");

    let recommended = account.image_named("al2023-ami-ecs-hvm-2023.0.20260922-kernel-6.1-x86_64").await;
    for (group, _, from) in SOURCES {
        let launch = &told[group]["launches"][0];
        assert!(launch["from"].as_str().is_some_and(|said| said.ends_with(from)), "{group}: {launch:#}");
        assert_eq!(told[group]["status"], "due", "{group}");
        let image = if matches!(group, "os" | "known") { &recommended } else { &account.new_image };
        assert_eq!(launch["release"]["id"], **image, "{group}");
    }
    // moto would not launch from it; that a plan can be made takes no launch.
    let reads = told["reads"];
    assert_eq!((&reads["status"], &reads["writes"]), (&Value::from("up-to-date"), &Value::from(Vec::<u8>::new())));
    assert_eq!(reads["launches"][0]["from"], format!("{PARAMETER} (its template)"));

    let text = plan(&emulators, &dir, &["--cluster", CLUSTER, "--quick"]).await;
    text.text(2);
    assert_only_looks(PLAN_KEY, &dir.path);
}

#[track_caller]
fn assert_trouble(group: &Value, reason: &str) {
    assert_eq!(group["status"], "unresolved", "{group:#}");
    assert!(group["reason"].as_str().is_some_and(|said| said.contains(reason)), "not `{reason}`: {group:#}");
    assert_eq!(group["writes"], Value::from(Vec::<u8>::new()), "{group:#}");
}

async fn create(emulators: &Emulators) -> Account {
    let mut account = Account::empty(emulators, &QUEUE_RULES).await;
    account.point_parameter_at(&account.new_image).await;
    let arm = account.image_named("al2023-ami-ecs-hvm-2023.0.20260813-kernel-6.1-arm64").await;
    account.put_parameter("/golden/arm64", &arm, ParameterType::String).await;
    account.put_parameter("/golden/rubbish", "the newest one, please", ParameterType::String).await;
    account.put_parameter("/golden/list", &format!("{arm},{arm}"), ParameterType::StringList).await;
    account.put_parameter("/golden/secret", &arm, ParameterType::SecureString).await;

    let reads = format!("resolve:ssm:{PARAMETER}");
    for (template, image) in
        [("plain", account.old_image.clone()), ("deleted", account.old_image.clone()), ("reads", reads)]
    {
        let data = account.data(&image).build();
        account.create_template(template, data).await;
    }
    let mut all = vec!["deleted", "reads", "old"];
    for (group, key, value, _) in TROUBLES {
        create_group(&account, group, "plain").await;
        account.tag_group(group, key, value).await;
        all.push(group);
    }
    for (group, tag, _) in SOURCES {
        create_group(&account, group, "plain").await;
        if let Some((key, value)) = tag {
            account.tag_group(group, key, value).await;
        }
        all.push(group);
    }
    for group in ["deleted", "reads"] {
        create_group(&account, group, group).await;
    }
    account.create_configured_group("old", 0).await;
    account.create_cluster(&all.into_iter().map(|group| (group, 0)).collect::<Vec<_>>()).await;
    let delete = account.ec2.delete_launch_template().launch_template_id(&account.templates["deleted"]);
    delete.send().await.expect("the template is deleted");
    account
}

async fn create_group(account: &Account, name: &str, template: &str) {
    let group = account.group(name, 0);
    group.launch_template(account.spec(template, "1")).send().await.expect("the group is created");
}
