//! What `doctor` makes of what was found: here of a simulated account, with queue, rules and rights that a test makes up.
//! (`contract/doctor.rs` has the real binary, on the stack as it is deployed.)

use std::collections::{BTreeMap, BTreeSet};

use ecs_rotator::cli::doctor::text;
use ecs_rotator::doctor::facts::{
    Caller, Delivery, Encryption, Facts, Location, NoQueue, Principal, Proof, Queue, Rest, Right, Rule, Schedule,
};
use ecs_rotator::doctor::questions::{Place, needed, questions, uses};
use ecs_rotator::doctor::rights::{Answer, by_simulation, by_trying};
use ecs_rotator::doctor::samples::{Kind, samples};
use ecs_rotator::doctor::{Diagnosis, Status, diagnose};
use ecs_rotator::effect::permissions::On;
use ecs_rotator::effect::{Failure, FailureKind, VersionRule};
use ecs_rotator::engine::survey::{Depth, Findings};
use ecs_rotator::engine::{Mode, Settings};
use ecs_rotator::sim::world::{World, cluster_arn};
use ecs_rotator::sim::{CLUSTER, GroupShape, Scenario, TemplateShape, survey, survey_by_workers};
use jiff::{SignedDuration, Timestamp};

const AT_LAUNCH: &str = "ec2:CreateTags at RunInstances";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:rotator";

fn found(scenario: &Scenario, settings: &Settings) -> Findings {
    let mut world = World::new(scenario);
    world.advance(SignedDuration::from_mins(5));
    survey(&mut world, settings.clone(), Depth::Hosts)
}

/// Five minutes after the start: before the release.
fn found_at(scenario: &Scenario) -> Timestamp {
    World::new(scenario).now() + SignedDuration::from_mins(5)
}

fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        queue: Some(QUEUE.to_owned()),
        key: None,
    }
}

fn settings() -> Settings {
    Settings { clusters: vec![CLUSTER.into()], ..Scenario::new(1).settings }
}

fn rule(kind: Kind) -> Rule {
    let name = format!("{kind:?}");
    Rule {
        arn: format!("arn:aws:events:eu-west-1:123456789012:rule/{name}"),
        name,
        enabled: true,
        pattern: Some(format!(r#"{{"detail-type":["{}"]}}"#, kind.detail_type())),
        schedule: None,
        input: None,
        role: None,
        transformed: false,
        dead_letters: true,
    }
}

/// All in its place, in the account of the scenario.
fn healthy(scenario: &Scenario) -> Facts {
    let settings = settings();
    let survey = found(scenario, &settings);
    let deliver = |sample: ecs_rotator::doctor::samples::Sample| {
        let by = Ok(vec![format!("{:?}", sample.kind)]);
        Delivery { sample, by }
    };
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"events.amazonaws.com"}},"Action":"sqs:SendMessage","Resource":"{QUEUE}"}}}}"#
    );
    let queue = Queue {
        arn: QUEUE.to_owned(),
        policy: Some(policy),
        redrive: Some((format!("{QUEUE}-dead-letters"), 5)),
        encryption: Encryption::BySqs,
        waiting: 0,
    };
    let schedule = Schedule {
        name: "schedule hourly".to_owned(),
        enabled: true,
        expression: "rate(1 hour)".to_owned(),
        zone: None,
        input: Some(r#"{"action":"check-releases"}"#.to_owned()),
    };
    let needed = needed(uses(&settings, &survey, &place()), &settings);
    Facts {
        region: "eu-west-1".to_owned(),
        queue_url: Some("https://sqs.eu-west-1.amazonaws.com/123456789012/rotator".to_owned()),
        at: found_at(scenario),
        settings,
        caller: Ok(Caller { arn: "arn:aws:iam::123456789012:user/me".to_owned(), account: "123456789012".to_owned() }),
        clock: Some(SignedDuration::ZERO),
        rest: Some(Rest {
            dead_letters: Some(Ok(Queue { policy: None, redrive: None, ..queue.clone() })),
            queue: Ok(queue),
            rules: Ok(Kind::ALL.map(rule).into()),
            schedules: Ok(vec![schedule]),
            deliveries: samples(&survey).into_iter().map(deliver).collect(),
            location: Location::OnNoHost,
            principal: Principal::Simulated("arn:aws:iam::123456789012:role/worker".to_owned()),
            rights: needed.iter().map(|needs| (needs.name(), Right::Allowed(Proof::Simulated))).collect(),
            survey,
        }),
    }
}

fn denied(operation: &'static str) -> Failure {
    Failure {
        kind: FailureKind::AccessDenied,
        operation,
        code: "AccessDenied".to_owned(),
        message: "you may not".to_owned(),
        request_id: None,
    }
}

fn rest(facts: &mut Facts) -> &mut Rest {
    facts.rest.as_mut().expect("it was looked at")
}

/// `(status, name)` of what did not pass.
fn not_passed(diagnosis: &Diagnosis) -> Vec<(Status, &str)> {
    let checks = diagnosis.checks.iter().filter(|check| check.status != Status::Pass);
    checks.map(|check| (check.status, check.name.as_str())).collect()
}

#[test]
fn where_all_is_in_its_place_everything_passes() {
    let diagnosis = diagnose(&healthy(&Scenario::new(1)));
    assert_eq!(not_passed(&diagnosis), []);
    assert!(diagnosis.passed > 12, "{diagnosis:#?}");
    let text = text(&diagnosis);
    assert!(
        text.contains("\n0 failed, 0 to look at, 17 passed: all that was asked is in place. Whether a worker runs"),
        "{text}"
    );
}

/// One thing at a time, and what is said of it.
#[test]
fn what_is_out_of_its_place_is_named() {
    type Break = fn(&mut Facts);
    let cases: [(&str, Status, &str, Break); 18] = [
        ("clock", Status::Fail, "10m behind AWS's", |facts| facts.clock = Some(SignedDuration::from_mins(-10))),
        ("credentials", Status::Warn, "could not be asked", |facts| facts.caller = Err(denied("GetCallerIdentity"))),
        ("encryption", Status::Warn, "none", |facts| {
            rest(facts).queue.as_mut().unwrap().encryption = Encryption::None;
        }),
        ("encryption", Status::Warn, "under key-1", |facts| {
            rest(facts).queue.as_mut().unwrap().encryption = Encryption::ByKey("key-1".to_owned());
        }),
        ("reachable", Status::Warn, "about 5000 waiting", |facts| {
            rest(facts).queue.as_mut().unwrap().waiting = 5000;
        }),
        ("dead-letter queue", Status::Warn, "none: ", |facts| {
            rest(facts).queue.as_mut().unwrap().redrive = None;
        }),
        ("dead-letter queue", Status::Warn, "after 1 receives", |facts| {
            rest(facts).queue.as_mut().unwrap().redrive.as_mut().unwrap().1 = 1;
        }),
        ("dead-letter queue", Status::Warn, "GetQueueUrl is not allowed to you", |facts| {
            rest(facts).dead_letters = Some(Err(denied("GetQueueUrl")));
        }),
        ("policy", Status::Fail, "does not let EventBridge deliver for NewHost", |facts| {
            rest(facts).queue.as_mut().unwrap().policy = None;
        }),
        ("rule NewHost", Status::Warn, "is disabled", |facts| {
            rest(facts).rules.as_mut().unwrap()[0].enabled = false;
        }),
        ("rule NewHost", Status::Fail, "sends another text", |facts| {
            rest(facts).rules.as_mut().unwrap()[0].transformed = true;
        }),
        ("rules", Status::Warn, "ListRuleNamesByTarget is not allowed", |facts| {
            rest(facts).rules = Err(denied("ListRuleNamesByTarget"));
        }),
        ("stopped tasks", Status::Warn, "TestEventPattern is not allowed", |facts| {
            let of_kind = rest(facts).deliveries.iter_mut().find(|one| one.sample.kind == Kind::StoppedTask).unwrap();
            of_kind.by = Err(denied("TestEventPattern"));
        }),
        ("failed launches", Status::Warn, "they are noticed only when the replacement is overdue", |facts| {
            let of_kind = rest(facts).deliveries.iter_mut().find(|one| one.sample.kind == Kind::FailedLaunch).unwrap();
            of_kind.by = Ok(Vec::new());
        }),
        ("release check", Status::Fail, "schedule hourly is disabled", |facts| {
            rest(facts).schedules.as_mut().unwrap()[0].enabled = false;
        }),
        ("release check", Status::Warn, "ListSchedules is not allowed", |facts| {
            rest(facts).schedules = Err(denied("ListSchedules"));
        }),
        ("unproved", Status::Warn, "for worker: ec2:TerminateInstances", |facts| {
            rest(facts).rights.insert("ec2:TerminateInstances", Right::Unproved(None));
        }),
        ("on groups", Status::Fail, "denied to worker: autoscaling:DetachInstances (no)", |facts| {
            let no = Right::Denied(Proof::Simulated, "no".to_owned());
            rest(facts).rights.insert("autoscaling:DetachInstances", no);
        }),
    ];
    for (name, status, said, breaks) in cases {
        let mut facts = healthy(&Scenario::new(1));
        breaks(&mut facts);
        let diagnosis = diagnose(&facts);
        let about = diagnosis.checks.iter().find(|check| check.name == name && check.status != Status::Pass);
        let check = about.unwrap_or_else(|| panic!("nothing is said of {name}: {:#?}", not_passed(&diagnosis)));
        assert_eq!(check.status, status, "{check:?}");
        assert!(check.says.contains(said) && check.advice.is_some(), "no `{said}` in {check:?}");
        let lines = text(&diagnosis);
        let plain = anstream::adapter::strip_str(&lines).to_string();
        assert!(plain.lines().all(|line| line.chars().count() <= 100), "{plain}");
    }
}

#[test]
fn a_release_check_by_a_rule_is_one_as_well() {
    let mut facts = healthy(&Scenario::new(1));
    let mut hourly = rule(Kind::NewHost);
    (hourly.pattern, hourly.schedule) = (None, Some("rate(1 hour)".to_owned()));
    hourly.input = Some(r#"{"action":"check-releases"}"#.to_owned());
    let of = rest(&mut facts);
    of.schedules = Ok(Vec::new());
    of.rules.as_mut().unwrap().push(hourly);
    assert_eq!(not_passed(&diagnose(&facts)), []);
}

/// Groups that pin a version, or not; and whoever lists clusters where none is named.
#[test]
fn everything_that_can_be_asked_of_iam_is_asked() {
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let mut scenario = Scenario::new(1);
    scenario.groups = vec![GroupShape::new("web-asg", 3).template(pinned), GroupShape::new("api-asg", 3)];
    let settings = Settings { event_bus: Some("default".into()), ..settings() };
    let findings = found(&scenario, &settings);
    let uses = uses(&settings, &findings, &place());
    assert!(uses.pins && uses.tells && !uses.stops && !uses.alarms && !uses.writes_parameters);
    let needed = needed(uses, &settings);
    let place = place();
    let questions = questions(&place, &settings, &findings);
    let asked: BTreeSet<&str> = questions.iter().flat_map(|question| question.actions.iter().copied()).collect();
    let all: BTreeSet<&str> = needed.iter().map(|needs| needs.action).collect();
    let left: Vec<&&str> = all.difference(&asked).collect();
    assert_eq!(left, [&"iam:PassRole"], "which role a host launches with is not known");
    assert!(!asked.contains("ecs:ListClusters") && !asked.contains("ecs:StopTask"), "{asked:?}");

    let answer = |action: &str, on, resource: &str, allowed| Answer {
        action: action.to_owned(),
        on,
        resource: resource.to_owned(),
        allowed,
        lacks: Vec::new(),
    };
    let group = |name: &str| format!("arn:aws:autoscaling:x:1:autoScalingGroup:0:autoScalingGroupName/{name}");
    let rights = by_simulation(
        &needed,
        &[
            answer("autoscaling:DetachInstances", On::Group, &group("web"), Ok(())),
            answer("autoscaling:DetachInstances", On::Group, &group("api"), Err("implicitDeny".to_owned())),
            answer("sqs:ReceiveMessage", On::Queue, QUEUE, Ok(())),
            answer("ec2:CreateTags", On::Instance, "arn:aws:ec2:x:1:instance/i-1", Ok(())),
            answer("ec2:CreateTags", On::Launched, "arn:aws:ec2:x:1:volume/vol-1", Err("implicitDeny".to_owned())),
        ],
    );
    assert_eq!(rights["autoscaling:DetachInstances"].to_string(), "denied (simulated): implicitDeny on group api");
    assert_eq!(rights["sqs:ReceiveMessage"], Right::Allowed(Proof::Simulated));
    assert_eq!(rights["iam:PassRole"], Right::Unproved(None));
    // The tag of a claim, and those that a template gives: the one right is not the other.
    assert_eq!(rights["ec2:CreateTags"], Right::Allowed(Proof::Simulated));
    assert!(rights[AT_LAUNCH].to_string().starts_with("denied (simulated): implicitDeny on volume/vol-1"));
    let at_launch = questions.iter().find(|question| question.on == On::Launched).unwrap();
    assert!(at_launch.context.contains(&("ec2:CreateAction".to_owned(), "RunInstances".to_owned())), "{at_launch:?}");
    let dry = BTreeMap::from([("ec2:CreateTags", Ok(()))]);
    let rights = by_trying(&needed, &findings.answered, &BTreeMap::new(), &dry);
    assert_eq!(rights["ec2:CreateTags"], Right::Allowed(Proof::DryRun));
    assert_eq!(rights[AT_LAUNCH], Right::Unproved(None));
}

/// IAM simulates with the keys that it is given. A policy that hangs on one that the real call does not have would pass, and
/// the call be denied: in the middle of a rotation.
#[test]
fn no_question_brings_a_condition_key_that_its_call_does_not_have() {
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 3).template(pinned)]);
    let settings = Settings { event_bus: Some("default".into()), ..settings() };
    let (mut asked, mut keys) = (0, BTreeSet::new());
    for question in questions(&place(), &settings, &found(&scenario, &settings)) {
        for (key, action) in
            question.context.iter().flat_map(|(key, _)| question.actions.iter().map(move |of| (key, *of)))
        {
            let has = match key.as_str() {
                "ecs:cluster" => [
                    "ecs:DescribeContainerInstances",
                    "ecs:DescribeServices",
                    "ecs:DescribeTasks",
                    "ecs:GetTaskProtection",
                    "ecs:ListServices",
                    "ecs:ListTasks",
                    "ecs:StopTask",
                    "ecs:UpdateContainerInstancesState",
                ]
                .contains(&action),
                "aws:TagKeys" => {
                    ["ecs:TagResource", "ec2:CreateTags", "autoscaling:CreateOrUpdateTags"].contains(&action)
                        && question.on != On::Launched
                }
                "ec2:LaunchTemplate" => action == "ec2:RunInstances",
                "ec2:CreateAction" => action == "ec2:CreateTags" && question.on == On::Launched,
                "events:source" => action == "events:PutEvents",
                "aws:RequestedRegion" | "aws:SecureTransport" | "aws:ViaAWSService" | "aws:PrincipalIsAWSService" => {
                    true
                }
                tag => {
                    tag.contains(":ResourceTag/") && (action.starts_with("ec2:") || action.starts_with("autoscaling:"))
                }
            };
            assert!(has, "{action} has no {key}");
            asked += 1;
            keys.insert(key.split('/').next().unwrap_or_default().to_owned());
        }
    }
    assert!(asked > 100 && keys.len() >= 10, "{asked} {keys:?}");
}

#[test]
fn of_a_worker_that_only_observes_only_reads_are_asked_for() {
    let pinned = TemplateShape::Rule { rule: VersionRule::Number(1), mixed: false };
    let scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 3).template(pinned)]);
    let observe = Settings { mode: Mode::Observe, event_bus: Some("default".into()), ..settings() };
    let findings = found(&scenario, &observe);
    let asked = |settings: &Settings| -> BTreeSet<&str> {
        questions(&place(), settings, &findings).iter().flat_map(|question| question.actions.clone()).collect()
    };
    let rotate = Settings { mode: Mode::Rotate, ..observe.clone() };
    let left_out: Vec<&str> = asked(&rotate).difference(&asked(&observe)).copied().collect();
    assert!(left_out.contains(&"ec2:TerminateInstances") && left_out.contains(&"ec2:RunInstances"), "{left_out:?}");
    let reads = |action: &&str| {
        ["Describe", "List", "Get"].iter().any(|verb| action.split(':').nth(1).unwrap().starts_with(verb))
    };
    let others: Vec<&str> = asked(&observe).into_iter().filter(|action| !reads(action)).collect();
    let expected = ["events:PutEvents", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"];
    assert_eq!(others, expected);
}

/// By an organization that allows one region only, or a user who has no second factor here.
#[test]
fn what_hangs_on_something_that_is_not_known_is_unproved_and_no_failure() {
    let settings = settings();
    let findings = found(&Scenario::new(1), &settings);
    let needed = needed(uses(&settings, &findings, &place()), &settings);
    let lacks = Answer {
        action: "sqs:ReceiveMessage".to_owned(),
        on: On::Queue,
        resource: QUEUE.to_owned(),
        allowed: Err("implicitDeny".to_owned()),
        lacks: vec!["aws:MultiFactorAuthPresent".to_owned()],
    };
    let rights = by_simulation(&needed, &[lacks]);
    assert_eq!(rights["sqs:ReceiveMessage"].to_string(), "unproved (hangs on aws:MultiFactorAuthPresent)");
    let region = ("aws:RequestedRegion".to_owned(), "eu-west-1".to_owned());
    assert!(questions(&place(), &settings, &findings).iter().all(|question| question.context.contains(&region)));
}

#[test]
fn a_key_of_ones_own_is_asked_about_and_what_the_worker_does_without_is_a_warning() {
    let settings = settings();
    let mut facts = healthy(&Scenario::new(1));
    let key = "arn:aws:kms:eu-west-1:123456789012:key/k".to_owned();
    let with_key = Place { key: Some(key.clone()), ..place() };
    let asked = questions(&with_key, &settings, &rest(&mut facts).survey);
    assert!(asked.iter().any(|question| question.actions == ["kms:Decrypt"] && question.resources == [key.clone()]));
    let no = || Right::Denied(Proof::Simulated, "no".to_owned());
    rest(&mut facts).rights.insert("autoscaling:DescribeScalingActivities", no());
    assert_eq!(not_passed(&diagnose(&facts)), [(Status::Warn, "on the side")]);
}

/// Whose role nobody has is a slip; whose rights are a person's own are not the worker's.
#[test]
fn a_role_that_is_not_there_fails_and_the_rights_of_a_person_are_a_warning() {
    let mut facts = healthy(&Scenario::new(1));
    rest(&mut facts).principal = Principal::Missing("arn:aws:iam::123456789012:role/wroker".to_owned());
    assert_eq!(not_passed(&diagnose(&facts)), [(Status::Fail, "role")]);
    let mut facts = healthy(&Scenario::new(1));
    rest(&mut facts).principal = Principal::Simulated("arn:aws:iam::123456789012:user/me".to_owned());
    rest(&mut facts).location = Location::NotInATask;
    assert_eq!(not_passed(&diagnose(&facts)), [(Status::Warn, "allowed")]);
}

/// What the caller may not look at says nothing of a worker with a role of its own.
#[test]
fn a_queue_that_only_the_caller_cannot_read_is_a_warning() {
    let trouble = || Err(NoQueue::Unusable { says: "access denied".to_owned(), unsure: true });
    let mut facts = healthy(&Scenario::new(1));
    rest(&mut facts).queue = trouble();
    assert_eq!(not_passed(&diagnose(&facts)), [(Status::Warn, "reachable")]);
    rest(&mut facts).principal =
        Principal::Tried { caller: "arn:aws:iam::1:role/w".to_owned(), why_not_simulated: String::new() };
    assert_eq!(not_passed(&diagnose(&facts)), [(Status::Fail, "reachable")]);
}

#[test]
fn without_iam_what_was_called_and_what_ec2_would_have_done_is_known() {
    let settings = settings();
    let findings = found(&Scenario::new(1), &settings);
    let needed = needed(uses(&settings, &findings, &place()), &settings);
    let refused = BTreeMap::from([("DescribeImages", denied("DescribeImages"))]);
    let dry = BTreeMap::from([("ec2:CreateTags", Ok(())), ("ec2:ModifyLaunchTemplate", Err("no".to_owned()))]);
    let rights = by_trying(&needed, &findings.answered, &refused, &dry);
    for (action, right) in [
        ("ecs:DescribeClusters", "allowed (called)"),
        ("ec2:DescribeImages", "denied (called): you may not"),
        ("ec2:CreateTags", "allowed (dry run)"),
        ("ec2:ModifyLaunchTemplate", "denied (dry run): no"),
        ("ec2:TerminateInstances", "unproved"),
    ] {
        assert_eq!(rights[action].to_string(), right, "{action}");
    }
}

/// Whose `--cluster` it is that names a cluster, nobody can tell from here: a worker that has left its settings there, could.
#[test]
fn a_cluster_that_no_tag_opts_in_is_not_said_to_be() {
    let scenario = Scenario::new(1).hosts(2);
    let says = |tags: &[(&str, &str)]| {
        let mut world = World::new(&scenario);
        world.edit_clusters(|clusters| {
            let facts = clusters.get_mut(&cluster_arn(CLUSTER)).expect("it is there");
            facts.tags = tags.iter().map(|(key, value)| (format!("ecs-rotator:{key}"), (*value).to_owned())).collect();
        });
        let mut facts = healthy(&scenario);
        let rest = facts.rest.as_mut().expect("all was looked at");
        rest.survey = survey_by_workers(&mut world, settings());
        let check = diagnose(&facts).checks.into_iter().find(|check| check.name == "cluster demo");
        check.map(|check| (check.status, check.says)).expect("the cluster is checked")
    };
    let (status, text) = says(&[]);
    assert!(status == Status::Warn && text.starts_with("not opted in by its tag"), "{text}");
    let (status, text) = says(&[("settings", "v=0.1.0 bake=25s")]);
    assert_eq!(status, Status::Pass);
    assert!(
        text.contains("taken by a worker that names it")
            && text.ends_with("the last worker, 0.1.0, worked by bake=25s"),
        "{text}"
    );
    let (status, text) = says(&[("enabled", "true")]);
    assert!(status == Status::Pass && text.starts_with("opted in by its tag"), "{text}");
}

#[test]
fn without_a_queue_nothing_of_it_is_asked_and_nothing_of_it_is_passed() {
    let mut facts = healthy(&Scenario::new(1));
    facts.queue_url = None;
    let rest = facts.rest.as_mut().expect("it was looked at");
    rest.queue = Err(NoQueue::NotAsked);
    let diagnosis = diagnose(&facts);
    assert_eq!(
        (diagnosis.failed, diagnosis.not_asked, diagnosis.queue.as_deref()),
        (0, 3, None),
        "{}",
        text(&diagnosis)
    );
    for check in &diagnosis.checks {
        let hangs_on_it = check.name.contains("queue") || check.name == "rules and schedule";
        assert_eq!(check.status == Status::NotAsked, hangs_on_it, "{check:?}");
    }
    let text = text(&diagnosis);
    assert!(text.contains("3 not asked") && !text.contains("all that was asked is in place"), "{text}");
}

#[test]
fn settings_without_effect_are_something_to_look_at() {
    let scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 2).tag("windows", "daily 22:00-04:00")]);
    let mut facts = healthy(&scenario);
    for found in rest(&mut facts).survey.clusters.values_mut() {
        found.policy.calendar.freeze = "2001-12-24".parse().unwrap();
    }
    let diagnosis = diagnose(&facts);
    let warned: Vec<_> = diagnosis.checks.iter().filter(|check| check.status == Status::Warn).collect();
    let says: Vec<(&str, &str)> = warned.iter().map(|check| (check.name.as_str(), check.says.as_str())).collect();
    assert_eq!(says.len(), 2, "{says:#?}");
    assert!(says[0].0 == "cluster demo" && says[0].1.starts_with("the freeze has no effect"), "{says:#?}");
    assert!(says[1].0 == "group web-asg" && says[1].1.contains("did you mean `ecs-rotator:window`?"), "{says:#?}");
}
