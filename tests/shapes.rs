//! Every shape of template, every source of a release, and what is refused: one sentence each. Promises are checked after
//! every effect in all of them.

#![allow(clippy::wildcard_enum_match_arm, reason = "each test is about a few of the things that happen")]

mod common;

use std::collections::BTreeSet;

use common::{LONG, times};
use ecs_rotator::effect::{FailureKind, Image, Launch, Parameter, ParameterKind, TemplateSpec, VersionRule};
use ecs_rotator::id::{AmiId, GroupName, ParameterName};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{
    Act, CLUSTER, Delay, Faults, Follows, GroupShape, Happening, ImageKind, Membership, Neighbours, OWN_PARAMETER,
    Outcome, Report, Scenario, Simulation, TemplateShape, Trigger, logs,
};
use jiff::SignedDuration;

const DEFAULT: VersionRule = VersionRule::Default;
const LATEST: VersionRule = VersionRule::Latest;
const PINNED: VersionRule = VersionRule::Number(1);

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

fn plain(rule: VersionRule) -> TemplateShape {
    TemplateShape::Rule { rule, mixed: false }
}

fn web() -> GroupShape {
    GroupShape::new("web-asg", 2)
}

fn scenario(groups: Vec<GroupShape>) -> Scenario {
    Scenario::new(1).groups(groups).tasks_per_host(4).trigger(Trigger::Message)
}

/// Runs it after somebody has changed something, with no promise broken; and what was told meanwhile.
#[track_caller]
fn run_with(scenario: Scenario, change: impl FnOnce(&mut World)) -> (Report, Vec<String>) {
    let (report, told) = logs::told_during(|| {
        let mut simulation = Simulation::new(scenario);
        change(simulation.world_mut());
        simulation.run(LONG)
    });
    assert_eq!((report.violations.as_slice(), report.tasks_interrupted), ([].as_slice(), 0));
    assert_eq!(told.iter().filter(|line| line.contains(" ERROR ")).collect::<Vec<_>>(), [] as [&String; 0]);
    (report, told)
}

#[track_caller]
fn run(scenario: Scenario) -> Report {
    run_with(scenario, |_| {}).0
}

fn versions_made(report: &Report) -> usize {
    times(report, |what| matches!(what, Happening::TemplateVersionMade { .. })).len()
}

fn parameters_written(report: &Report) -> usize {
    times(report, |what| matches!(what, Happening::ParameterWritten { .. })).len()
}

fn detached_from(report: &Report, name: &str) -> usize {
    times(report, |what| matches!(what, Happening::Detached { group, .. } if group.as_str() == name)).len()
}

fn launched(report: &Report) -> BTreeSet<AmiId> {
    let images = report.timeline.iter().filter_map(|moment| match &moment.what {
        Happening::Launched { image, .. } => Some(image.clone()),
        _ => None,
    });
    images.collect()
}

fn images(kinds: impl IntoIterator<Item = ImageKind>, generation: u32) -> BTreeSet<AmiId> {
    kinds.into_iter().map(|kind| World::image_of(kind, generation)).collect()
}

/// Somebody was told about this group, in these words.
#[track_caller]
fn assert_told(told: &[String], group: &str, words: &str) {
    let of_group = |line: &&String| line.contains(&format!("group={group}"));
    let found = told.iter().filter(of_group).any(|line| line.contains(words));
    assert!(found, "{group}: {words}\n{:#?}", told.iter().filter(of_group).collect::<Vec<_>>());
}

/// Every shape, with the number of template versions that a release costs.
fn shapes() -> Vec<(&'static str, Vec<GroupShape>, usize)> {
    let mixed = |rule| TemplateShape::Rule { rule, mixed: true };
    let own_template = |base, own| web().template(TemplateShape::OwnTemplate { base, own }).follows(Follows::OwnOfArch);
    let by_parameter = |checked| web().template(TemplateShape::ReleaseByParameter { checked });
    let api = |rule| GroupShape::new("api-asg", 2).template(plain(rule)).shares("web-asg");
    vec![
        ("$Default", vec![web().template(plain(DEFAULT))], 1),
        ("$Latest", vec![web().template(plain(LATEST))], 1),
        ("pinned", vec![web().template(plain(PINNED))], 1),
        ("a policy, pinned", vec![web().template(mixed(PINNED))], 1),
        ("attributes", vec![web().template(TemplateShape::Attributes { rule: DEFAULT })], 1),
        ("attributes, pinned", vec![web().template(TemplateShape::Attributes { rule: PINNED })], 1),
        ("an override with an image", vec![web().template(TemplateShape::OwnImage { base: DEFAULT })], 1),
        ("an override with an image, pinned base", vec![web().template(TemplateShape::OwnImage { base: PINNED })], 1),
        ("own templates, default and latest", vec![own_template(DEFAULT, LATEST)], 2),
        ("own templates, pinned", vec![own_template(PINNED, PINNED)], 2),
        (
            "own templates of a public family",
            vec![own_template(LATEST, PINNED).follows(Follows::Recognised("al2023"))],
            2,
        ),
        ("resolves", vec![web().template(TemplateShape::Resolves)], 0),
        (
            "resolves a public parameter",
            vec![web().template(TemplateShape::Resolves).follows(Follows::Os("al2023"))],
            0,
        ),
        ("release by parameter", vec![by_parameter(false).follows(Follows::Os("al2023"))], 0),
        ("release by checked parameter", vec![by_parameter(true).follows(Follows::Recognised("bottlerocket"))], 0),
        ("release by parameter, found by name", vec![by_parameter(true).follows(Follows::Named)], 0),
        ("shared, both default", vec![web().template(plain(DEFAULT)), api(DEFAULT)], 1),
        ("shared, pinned and default", vec![web().template(plain(PINNED)), api(DEFAULT)], 1),
        ("shared, both pinned", vec![web().template(plain(PINNED)), api(PINNED)], 1),
        ("shared, default and latest", vec![web().template(plain(DEFAULT)), api(LATEST)], 1),
        ("a draft", vec![web().template(plain(DEFAULT)).draft()], 1),
        ("a draft, pinned", vec![web().template(plain(PINNED)).draft()], 1),
        ("a snapshot on the root device", vec![web().root_snapshot()], 1),
        ("by name", vec![web().follows(Follows::Named)], 1),
        ("by name, arm64", vec![web().follows(Follows::Named).arm64()], 1),
        ("an own parameter for each architecture", vec![web().follows(Follows::OwnOfArch).arm64()], 1),
        ("OS, arm64", vec![web().follows(Follows::Os("al2023")).arm64()], 1),
        ("OS, al2", vec![web().follows(Follows::Os("al2"))], 1),
        ("OS, windows", vec![web().follows(Follows::Os("windows"))], 1),
        ("recognised, bottlerocket on arm64", vec![web().follows(Follows::Recognised("bottlerocket")).arm64()], 1),
        ("recognised, al2023", vec![web().follows(Follows::Recognised("al2023"))], 1),
        ("recognised, windows", vec![web().follows(Follows::Recognised("windows"))], 1),
        ("named by the configuration", vec![web().membership(Membership::Configured)], 1),
    ]
}

// --- shapes and sources

#[test]
fn every_shape_and_source_is_rotated_and_asking_again_writes_nothing_more() {
    for (name, groups, versions) in shapes() {
        let hosts: u32 = groups.iter().map(|group| group.hosts).sum();
        let release = images(groups.iter().flat_map(GroupShape::kinds), 1);
        let ask = Act::Send(r#"{"action":"rotate","cluster":"demo"}"#.to_owned());
        let by_parameter = groups.iter().any(|group| group.written_parameter().is_some());
        let report = run(scenario(groups).act(minutes(180), ask.clone()).act(minutes(190), ask));
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, u64::from(hosts)), "{name}");
        assert_eq!(versions_made(&report), versions, "{name}");
        assert_eq!(parameters_written(&report), usize::from(by_parameter), "{name}");
        assert!(launched(&report).is_subset(&release), "{name}");
        let opened = times(&report, |what| matches!(what, Happening::RotationOpened { .. }));
        assert_eq!(opened.len(), 3, "{name}: the release, and what was asked later");
    }
}

#[test]
fn every_shape_closes_with_heavy_faults_too() {
    for (name, groups, _) in shapes() {
        for seed in 0..3 {
            let faults = Scenario { seed, workers: 1 + (seed % 2) as usize, ..scenario(groups.clone()) };
            let report = run(faults.trigger(Trigger::Event).faults(Faults::heavy()));
            assert_eq!(report.outcome, Outcome::Closed, "{name}, seed {seed}");
        }
    }
}

#[test]
fn two_releases_follow_one_upon_another_in_every_shape() {
    for (name, groups, versions) in shapes() {
        let hosts: u32 = groups.iter().map(|group| group.hosts).sum();
        let report = run(scenario(groups).act(minutes(120), Act::Release(2)));
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2 * u64::from(hosts)), "{name}");
        assert_eq!(versions_made(&report), 2 * versions, "{name}");
    }
}

#[test]
fn a_release_that_comes_in_the_middle_of_another_is_taken_up_in_every_shape() {
    for (name, groups, _) in shapes() {
        let report = run(scenario(groups).act(minutes(3), Act::Release(2)));
        assert_eq!(report.outcome, Outcome::Closed, "{name}");
    }
}

#[test]
fn an_override_whose_image_is_a_parameter_is_rotated_and_not_written() {
    let written = "resolve:ssm:/images/ecs-host";
    let mut simulation = Simulation::new(scenario(vec![web().template(TemplateShape::OwnImage { base: DEFAULT })]));
    let image = |world: &World| match &world.account().groups[&GroupName::from("web-asg")].launch {
        Launch::Mixed { overrides, .. } => overrides[1].image.clone(),
        other => panic!("{other:?}"),
    };
    simulation.world_mut().edit_group(&"web-asg".into(), |group| {
        let Launch::Mixed { overrides, .. } = &mut group.launch else { panic!("it has a policy") };
        overrides[1].image = Some(written.to_owned());
    });
    let until = simulation.now() + minutes(180);
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), until));
    assert_eq!(image(simulation.world()).as_deref(), Some(written));
    let report = simulation.finish();
    assert_eq!((report.rotated, versions_made(&report)), (2, 1));
    assert_eq!(report.violations, []);
}

#[test]
fn release_by_parameter_makes_no_template_version_and_waits_until_ssm_has_checked_the_value() {
    for checked in [false, true] {
        let group = web().template(TemplateShape::ReleaseByParameter { checked }).follows(Follows::Os("al2023"));
        let mut slow = scenario(vec![group]);
        slow.parameter_check = Delay::secs(90, 90);
        let report = run(slow);
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2), "checked {checked}");
        assert_eq!((versions_made(&report), parameters_written(&report)), (0, 1), "checked {checked}");
        let written = times(&report, |what| matches!(what, Happening::ParameterWritten { .. }))[0];
        let left = times(&report, |what| matches!(what, Happening::Detached { .. }))[0];
        let waited = left.duration_since(written) >= SignedDuration::from_secs(90);
        assert_eq!(waited, checked, "{written} {left}");
    }
}

#[test]
fn a_value_that_ssm_does_not_take_is_a_hold_that_says_so() {
    let group = web().template(TemplateShape::ReleaseByParameter { checked: true }).follows(Follows::Os("al2023"));
    let mut never = scenario(vec![group]);
    never.parameter_check = Delay::secs(360_000, 360_000);
    let report = run(never);
    let Outcome::Held { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.contains("parameter /hosts/web-asg does not say"), "{reason}");
    assert!(parameters_written(&report) < 20, "{}", parameters_written(&report));
    assert_eq!(report.rotated, 0);
}

#[test]
fn a_launch_configuration_is_reported_and_the_other_groups_go_on() {
    let legacy = GroupShape::new("legacy-asg", 1).template(TemplateShape::Configuration);
    let (report, told) = run_with(scenario(vec![legacy, web()]), |_| {});
    assert_eq!((report.outcome.clone(), report.rotated), (common::skipped("legacy-asg=unresolved"), 2));
    assert_eq!(detached_from(&report, "legacy-asg"), 0);
    assert_told(&told, "legacy-asg", "launch configuration legacy-asg-config");
}

#[test]
fn regression_two_groups_that_share_a_template_and_follow_different_images_are_left_alone() {
    // Their hosts stayed outdated, and the rotation open for ever.
    let other = GroupShape::new("api-asg", 2).template(plain(DEFAULT)).shares("web-asg");
    let groups = vec![web().template(plain(DEFAULT)), other.tag("ami-parameter", "/images/arm64/ecs-host")];
    let third = GroupShape::new("job-asg", 1).follows(Follows::Own).arm64();
    let (report, told) = run_with(scenario([groups, vec![third]].concat()), |world| {
        world.edit_image(&World::image_of(Follows::Own.arm64(), 0), |image| image.architecture = "x86_64".to_owned());
        world.edit_image(&World::image_of(Follows::Own.arm64(), 1), |image| image.architecture = "x86_64".to_owned());
        world.put_beyond_workers(&GroupName::from("web-asg"));
        world.put_beyond_workers(&GroupName::from("api-asg"));
    });
    assert_eq!(
        (report.outcome.clone(), report.rotated),
        (common::skipped("api-asg=unresolved web-asg=unresolved"), 1),
        "the third group"
    );
    assert_told(&told, "web-asg", "it shares its template");
    assert_told(&told, "api-asg", "it shares its template");
}

#[test]
fn regression_a_template_that_is_shared_with_a_group_that_has_opted_out_is_not_written() {
    let other = GroupShape::new("api-asg", 2).template(plain(DEFAULT)).shares("web-asg").disabled();
    let (report, told) = run_with(scenario(vec![web().template(plain(DEFAULT)), other]), |world| {
        world.put_beyond_workers(&GroupName::from("web-asg"));
    });
    assert_eq!(
        (report.outcome.clone(), report.rotated, versions_made(&report)),
        (common::skipped("web-asg=unresolved"), 0, 0)
    );
    assert_told(&told, "web-asg", "is also the one of api-asg, which is not to be touched");
}

// --- what is refused

/// An image that is spoiled so, and what is told then.
type Refusal = (fn(&mut Image), &'static str);

const REFUSALS: [Refusal; 9] = [
    (|image| image.architecture = "arm64".to_owned(), "is for arm64, and the group runs x86_64"),
    (|image| image.windows = true, "is for Windows, and the group runs Linux"),
    (|image| image.virtualization = "paravirtual".to_owned(), "is paravirtual, and the group runs hvm"),
    (|image| image.root_device = Some("/dev/sda1".to_owned()), "has its root device at /dev/sda1"),
    (
        |image| image.name = "bottlerocket-aws-ecs-2-x86_64-v1.42.0-5ed15786".to_owned(),
        "is of the family bottlerocket aws-ecs-2, and the group runs al2023",
    ),
    (|image| image.state = "pending".to_owned(), "is not available but pending"),
    (|image| image.deprecated = image.created, "is deprecated since 20"),
    (|image| image.created = image.created.map(|at| at - minutes(60 * 24 * 90)), "is older than al2023-ami-ecs"),
    (|_| {}, "is rejected: it failed here"),
];

#[test]
fn what_does_not_fit_or_is_not_to_be_taken_is_told_and_nothing_is_changed_until_a_good_release_comes() {
    for (spoil, words) in REFUSALS {
        for template in [
            plain(DEFAULT),
            TemplateShape::OwnImage { base: PINNED },
            TemplateShape::ReleaseByParameter { checked: true },
        ] {
            let bad = World::image_of(Follows::Os("al2023"), 1);
            let rejected = if words.starts_with("is rejected") { bad.as_str() } else { "ami-0" };
            let group = web().template(template).follows(Follows::Os("al2023")).tag("rejected", rejected);
            let spoiled = |world: &mut World| world.spoil(&bad, spoil);
            let (report, told) = run_with(scenario(vec![group.clone()]), spoiled);
            let expected = match words {
                words if words.starts_with("is rejected") => common::skipped("web-asg=rejected"),
                words if words.starts_with("is deprecated") => common::skipped("web-asg=refused"),
                // No newer image that fits is there.
                words if words.starts_with("is not available") || words.starts_with("is older") => Outcome::Closed,
                _ => common::skipped("web-asg=unresolved"),
            };
            assert_eq!((report.outcome.clone(), report.rotated), (expected, 0), "{words} {template:?}");
            assert_eq!((versions_made(&report), parameters_written(&report)), (0, 0), "{words} {template:?}");
            assert_told(&told, "web-asg", words);
            let (report, _) = run_with(scenario(vec![group]).act(minutes(30), Act::Release(2)), spoiled);
            assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2), "{words} {template:?}");
        }
    }
}

#[test]
fn where_the_template_reads_the_parameter_itself_nobody_is_rotated_to_what_does_not_fit() {
    for (spoil, words) in REFUSALS {
        let bad = World::image_of(Follows::Os("al2023"), 1);
        let rejected = if words.starts_with("is rejected") { bad.as_str() } else { "ami-0" };
        let group = web().template(TemplateShape::Resolves).follows(Follows::Os("al2023")).tag("rejected", rejected);
        let (report, told) = run_with(scenario(vec![group]), |world| world.spoil(&bad, spoil));
        assert_eq!((report.outcome.clone(), report.rotated), (common::skipped("web-asg=unresolved"), 0), "{words}");
        assert_told(&told, "web-asg", words);
    }
}

#[test]
fn of_the_images_of_a_name_the_newest_that_may_be_taken_is_taken() {
    let newest = World::image_of(Follows::Named, 2);
    let group = web().follows(Follows::Named).tag("rejected", newest.as_str());
    let later = Act::ReleaseOf(Follows::Named.into(), 2);
    let report = run(scenario(vec![group]).trigger(Trigger::Schedule).act(minutes(1), later));
    assert_eq!((report.outcome.clone(), report.rotated), (common::skipped("web-asg=rejected"), 2));
    assert_eq!(launched(&report), images([ImageKind::from(Follows::Named)], 1));
}

#[test]
fn an_image_that_is_too_young_is_taken_by_the_hourly_check_once_it_is_old_enough() {
    for template in [plain(PINNED), TemplateShape::Resolves, TemplateShape::ReleaseByParameter { checked: false }] {
        let group = web().template(template).follows(Follows::Os("al2023")).tag("min-ami-age", "3h");
        let scenario = scenario(vec![group]);
        let released = ecs_rotator::sim::START + scenario.release_after;
        let (report, told) = run_with(scenario, |world| {
            world.edit_image(&World::image_of(Follows::Os("al2023"), 1), |image| image.created = Some(released));
        });
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 2), "{template:?}");
        assert_told(&told, "web-asg", "is younger than 3h (`min-ami-age`)");
        let left = times(&report, |what| matches!(what, Happening::Detached { .. }))[0].duration_since(released);
        assert!(left >= minutes(180) && left < minutes(180 + 65), "{template:?} {left}");
    }
}

#[test]
fn a_recommended_image_that_goes_back_is_not_followed_unless_that_is_allowed() {
    for (allowed, rotated) in [("false", 2), ("true", 4)] {
        let group = web().follows(Follows::Os("al2023")).tag("allow-older", allowed);
        let (report, told) = run_with(scenario(vec![group]).act(minutes(120), Act::Release(0)), |_| {});
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, rotated), "{allowed}");
        if allowed == "false" {
            assert_told(&told, "web-asg", "which is in use: set `allow-older` to go back");
        }
    }
}

#[test]
fn an_image_in_use_that_is_deprecated_or_no_more_does_not_stand_in_the_way() {
    for template in [plain(DEFAULT), TemplateShape::Resolves, TemplateShape::ReleaseByParameter { checked: true }] {
        let mut deprecated = scenario(vec![web().template(template)]);
        deprecated.deprecates = true;
        assert_eq!(run(deprecated).rotated, 2, "{template:?}");
        let gone = Act::Deregister(Follows::Own.into(), 0);
        let report = run(scenario(vec![web().template(template)]).act(minutes(-1), gone));
        assert_eq!((report.outcome, report.rotated), (Outcome::Closed, 2), "{template:?}");
    }
}

#[test]
fn an_image_that_amazon_has_withdrawn_tells_no_family_and_is_a_reason_on_its_group() {
    for follows in [Follows::Os("windows"), Follows::Recognised("windows")] {
        only_the_other_goes_on(odd().follows(follows), "is no more", |world| {
            world.act(Act::Deregister(follows.into(), 0));
        });
    }
}

// --- bad input

/// One group that something is wrong with, and one that is all right: what is wrong is told, and the other is rotated.
#[track_caller]
fn only_the_other_goes_on(odd: GroupShape, words: &str, change: impl FnOnce(&mut World)) {
    only_the_others_go_on(vec![odd, web().follows(Follows::Named)], Faults::none(), words, change);
}

#[track_caller]
fn only_the_others_go_on(groups: Vec<GroupShape>, faults: Faults, words: &str, change: impl FnOnce(&mut World)) {
    let good: u32 = groups[1..].iter().map(|group| group.hosts).sum();
    let name = groups[0].name.clone();
    let (report, told) = run_with(scenario(groups).faults(faults), |world| {
        world.put_beyond_workers(&GroupName::from(name.as_str()));
        change(world);
    });
    assert_told(&told, &name, words);
    let left_out = common::skipped(&format!("{name}=unresolved"));
    assert_eq!((report.outcome.clone(), report.rotated), (left_out, u64::from(good)), "{words}");
    assert_eq!(detached_from(&report, &name), 0, "{words}");
}

fn odd() -> GroupShape {
    GroupShape::new("odd-asg", 2)
}

/// Whoever writes `no` means it; and whoever means `true` hears that it was not understood.
#[test]
fn an_opt_out_that_is_not_understood_protects_its_group_and_is_told() {
    for word in ["no", "off", "0", "yes", "flase"] {
        let words = format!("its tag `ecs-rotator:enabled`: expected `true` or `false`, got `{word}`");
        only_the_other_goes_on(odd().tag("enabled", word), &words, |_| {});
    }
    for (word, rotated) in [("True", 4), ("TRUE", 4), ("", 4), ("False", 2), ("FALSE", 2)] {
        let report = run(scenario(vec![web(), odd().tag("enabled", word)]));
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, rotated), "{word}");
    }
}

#[test]
fn a_parameter_that_says_nothing_useful_is_a_reason_on_its_group() {
    let name = ParameterName::from("/odd/image");
    let text = |value: &str| Parameter {
        value: value.to_owned(),
        kind: ParameterKind::String,
        data_type: Some("text".to_owned()),
        modified: None,
    };
    let json = r#"{"schema_version":1,"image_name":"al2023","image_id":"ami-0123","os":"Amazon Linux 2023"}"#;
    for (parameter, words) in [
        (None, "parameter /odd/image: it does not exist"),
        (Some(text(json)), "holds JSON: follow /odd/image/image_id"),
        (Some(text("next tuesday")), "holds `next tuesday`, which is no AMI id"),
        (Some(text("")), "which is no AMI id"),
        (Some(text("ami-0123, ami-4567")), "which is no AMI id"),
        (Some(Parameter { kind: ParameterKind::SecureString, ..text("AQICAHh") }), "is a SecureString"),
        (Some(Parameter { kind: ParameterKind::StringList, ..text("ami-1,ami-2") }), "is a list"),
        (Some(text("ami-0ffff")), "image ami-0ffff does not exist here, or is not shared with this account"),
    ] {
        let tagged = odd().tag("ami-parameter", name.as_str());
        only_the_other_goes_on(tagged, words, |world| world.put_any_parameter(&name, parameter.clone()));
        if words.starts_with("image") {
            continue;
        }
        let (words, written) = (words.replace("/odd/image", "/hosts/odd-asg"), ParameterName::from("/hosts/odd-asg"));
        let by_parameter = odd().template(TemplateShape::ReleaseByParameter { checked: true });
        only_the_other_goes_on(by_parameter.follows(Follows::Os("al2023")), &words, |world| {
            world.put_any_parameter(&written, parameter.clone());
        });
    }
}

#[test]
fn what_is_set_up_wrong_is_a_reason_on_its_group() {
    let by_parameter = || odd().template(TemplateShape::ReleaseByParameter { checked: true });
    let resolves = |follows| odd().template(TemplateShape::Resolves).follows(follows);
    for (group, words) in [
        (odd().follows(Follows::Named).tag("ami-name", "self:nothing-*"), "no image has the name self:nothing-*"),
        (odd().follows(Follows::Named).tag("ami-name", "golden-host-*"), "expected owners"),
        (odd().follows(Follows::Named).tag("ami-name", "self:*"), "expected owners"),
        (odd().follows(Follows::Os("beos")), "its `OS` tag says `beos`"),
        (odd().follows(Follows::Os("bottlerocket")).tag("min-ami-age", "old"), "min-ami-age`: expected an age"),
        (odd().tag("release-by", "parameter"), "let it say `resolve:ssm:` and the name of a parameter of yours"),
        (by_parameter().tag("ami-parameter", "/hosts/odd-asg"), "which is the parameter to be written"),
        (resolves(Follows::Os("al2023")).tag("release-by", "parameter"), "let it read a parameter of yours"),
        (resolves(Follows::Own).tag("ami-parameter", "/another"), "remove the tag, or set `release-by` to `parameter`"),
        (resolves(Follows::Os("al2023")).tag("ami-name", "self:golden-host-*"), "remove the tag, or set `release-by`"),
    ] {
        only_the_other_goes_on(group, words, |_| {});
    }
}

#[test]
fn a_name_that_fits_two_families_is_a_reason_on_its_group() {
    let named = odd().follows(Follows::Os("al2023")).tag("ami-name", "amazon:*ami-ecs*");
    let others = [Follows::Os("al2"), Follows::Os("al2023")];
    let others = others.iter().enumerate().map(|(n, from)| GroupShape::new(&format!("good-{n}-asg"), 1).follows(*from));
    let words = "fits images of more than one family (al2, al2023): make it narrower";
    only_the_others_go_on([named].into_iter().chain(others).collect(), Faults::none(), words, |_| {});
}

#[test]
fn an_image_of_ones_own_that_nothing_is_said_about_is_a_reason_on_its_group() {
    let unknown = odd().follows(Follows::Recognised("al2023"));
    only_the_other_goes_on(unknown, "tag the group odd-asg with `ami-parameter`, `ami-name` or `OS`", |world| {
        let image = World::image_of(Follows::Recognised("al2023"), 0);
        world.edit_image(&image, |image| (image.owner, image.owner_alias) = ("123456789012".to_owned(), None));
    });
}

#[test]
fn parameters_that_may_not_be_read_are_a_reason_on_the_groups_that_follow_them() {
    let faults = Faults { denied: Some(("GetParameters", FailureKind::AccessDenied)), ..Faults::none() };
    let groups = vec![odd(), web().follows(Follows::Named)];
    only_the_others_go_on(groups, faults, "parameter /images/ecs-host: no policy allows this action", |_| {});
}

#[test]
fn a_parameter_that_may_not_be_written_is_a_hold_that_names_the_action() {
    let faults = Faults { denied: Some(("PutParameter", FailureKind::AccessDenied)), ..Faults::none() };
    let group = web().template(TemplateShape::ReleaseByParameter { checked: true }).follows(Follows::Os("al2023"));
    let report = run(scenario(vec![group]).faults(faults));
    let Outcome::Held { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.contains("not allowed to call PutParameter"), "{reason}");
}

#[test]
fn a_template_that_was_deleted_is_a_reason_on_its_group() {
    let mut name = String::new();
    only_the_other_goes_on(odd(), "launch template lt-", |world| {
        let template = template_of(world, "odd-asg").template;
        name = template.to_string();
        world.edit_templates(|templates| drop(templates.remove(&template)));
    });
    assert!(name.starts_with("lt-"));
    only_the_other_goes_on(odd().template(plain(VersionRule::Number(1))), "version 1: 1 does not exist", |world| {
        let template = template_of(world, "odd-asg").template;
        world.edit_templates(|templates| templates.get_mut(&template).expect("it is there").versions.clear());
    });
}

fn template_of(world: &World, group: &str) -> TemplateSpec {
    let launch = &world.account().groups[&GroupName::from(group)].launch;
    (*launch.templates().first().expect("it has one")).clone()
}

// --- clusters as they are

#[test]
fn what_is_none_of_our_business_in_a_cluster_is_left_as_it_is() {
    for page_size in [2, 100] {
        let groups = vec![web(), GroupShape::new("api-asg", 3).membership(Membership::Configured)];
        let mut crowded = scenario(groups);
        crowded.neighbours = Neighbours { external: 2, managed: 2, strays: 2, providers: 25, groups: 5 };
        crowded.page_size = page_size;
        let report = run(crowded);
        assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 5), "pages of {page_size}");
        assert_eq!(terminated(&report), 5, "and nobody else");
    }
}

fn terminated(report: &Report) -> usize {
    times(report, |what| matches!(what, Happening::Terminated { .. })).len()
}

#[test]
fn a_group_whose_members_register_in_two_clusters_is_held_and_nobody_is_taken() {
    let report = run(scenario(vec![GroupShape::new("both-asg", 4).membership(Membership::TwoClusters)]));
    let Outcome::Held { reason } = &report.outcome else { panic!("{:?}", report.outcome) };
    assert!(reason.contains("both-asg: 2 of 4 members are ready"), "{reason}");
    assert_eq!(detached_from(&report, "both-asg"), 0);
}

// --- old versions

#[test]
fn only_our_own_versions_that_nobody_names_go_beyond_the_last_few() {
    let mut scenario = scenario(vec![web().template(plain(DEFAULT)).draft()]).trigger(Trigger::Event);
    scenario.settings.policy.keep_versions = 2;
    scenario.neighbours.groups = 1;
    for generation in 2..=7 {
        scenario = scenario.act(minutes(120 * (i64::from(generation) - 1)), Act::Release(generation));
    }
    let mut simulation = Simulation::new(scenario);
    // Somebody else pins the version that the second release has made: 1 and 2 are by hand, so that is number 4.
    let until = simulation.now() + minutes(10 + 200);
    simulation.run_until(|_| false, until);
    let template = template_of(simulation.world(), "web-asg").template;
    let spec = TemplateSpec { template: template.clone(), rule: VersionRule::Number(4) };
    simulation.world_mut().edit_group(&"idle-0-asg".into(), |group| group.launch = Launch::Template(spec));
    let until = simulation.now() + minutes(14 * 60);
    simulation.run_until(|_| false, until);
    let versions: Vec<u64> =
        simulation.world().account().templates[&template].versions.iter().map(|version| version.number).collect();
    let report = simulation.finish();
    assert_eq!((report.outcome.clone(), report.rotated), (Outcome::Closed, 14));
    assert_eq!(report.violations, []);
    assert_eq!(versions, [1, 2, 4, 8, 9]);
}

// --- whom a parameter concerns

#[test]
fn a_parameter_change_opens_a_rotation_on_exactly_the_groups_that_follow_it() {
    let groups = vec![
        GroupShape::new("web-asg", 1),
        GroupShape::new("reads-asg", 1).template(TemplateShape::Resolves),
        GroupShape::new("over-asg", 2)
            .template(TemplateShape::OwnTemplate { base: DEFAULT, own: PINNED })
            .follows(Follows::OwnOfArch),
        GroupShape::new("arm-asg", 1).arm64(),
        GroupShape::new("stock-asg", 1).follows(Follows::Os("al2023")),
        GroupShape::new("target-asg", 1)
            .template(TemplateShape::ReleaseByParameter { checked: false })
            .follows(Follows::Os("al2023")),
        GroupShape::new("out-asg", 1).disabled(),
    ];
    for (kind, follow) in [
        (ImageKind::from(Follows::Own), "reads-asg web-asg"),
        (ImageKind::from(Follows::OwnOfArch), "over-asg"),
        (Follows::OwnOfArch.arm64(), "arm-asg over-asg"),
    ] {
        let mut scenario = Scenario::new(1).groups(groups.clone()).act(minutes(-240), Act::ReleaseOf(kind, 1));
        scenario.release_after = minutes(60 * 5 - 10);
        let mut simulation = Simulation::new(scenario);
        let until = simulation.now() + minutes(60 * 4);
        assert!(simulation.run_until(|world| world.ledger().closed.is_some(), until), "{kind:?}");
        assert_eq!(
            simulation.world().cluster_tag(&cluster_arn(CLUSTER), "groups").as_deref(),
            Some(follow),
            "{kind:?}"
        );
        let report = simulation.finish();
        let left: BTreeSet<&str> = report
            .timeline
            .iter()
            .filter_map(|moment| match &moment.what {
                Happening::Detached { group, .. } => Some(group.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(left.into_iter().collect::<Vec<_>>().join(" "), follow, "{kind:?}");
    }
    assert_eq!(ImageKind::from(Follows::Own).parameter(), OWN_PARAMETER);
}
