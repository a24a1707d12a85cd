//! Much at once: many clusters in one worker, an account that others use as well, and a queue that is full of what concerns
//! nobody. All of it is simulated, and the same on every machine.

#![allow(clippy::wildcard_enum_match_arm, reason = "a world that answers a few calls and none of the others")]

use std::collections::BTreeMap;

use ecs_rotator::effect::{Cluster, ContainerInstanceStatus, Failure, FailureKind, Reply, Request};
use ecs_rotator::engine::{Engine, Settings};
use ecs_rotator::id::ClusterArn;
use ecs_rotator::sim::world::{Host, HostNo, World, cluster_arn};
use ecs_rotator::sim::{AccountLimits, CLUSTER, Delay, Faults, Outcome, Report, START, Scenario, Simulation};
use jiff::{SignedDuration, Timestamp};

mod common;
use common::{LONG, run};

/// Small hosts: what a host costs in calls does not depend on its tasks.
fn clusters(clusters: u32, hosts: u32) -> Scenario {
    Scenario::new(1).hosts(hosts).tasks_per_host(4).clusters(clusters)
}

fn calls(report: &Report) -> u64 {
    report.requests.values().sum()
}

fn exceeded(report: &Report) -> BTreeMap<&'static str, u64> {
    report.limits.iter().filter(|(_, used)| used.exceeded > 0).map(|(what, used)| (*what, used.exceeded)).collect()
}

/// A pass that ends where it begins can be due again at once: a wake more, now and then. A loop that goes round and round would
/// be thousands.
const SPINS: u64 = 10;

// --- clusters

#[test]
fn fifty_clusters_are_rotated_at_once_within_what_aws_grants_the_account() {
    let report = run(clusters(50, 20));
    assert_eq!((&report.outcome, report.hosts, report.rotated), (&Outcome::Closed, 1000, 1000));
    assert_eq!(exceeded(&report), BTreeMap::new());
    assert!(report.spins < SPINS, "{} times awake for nothing", report.spins);
    // That it did not have to be asked for: the narrowest of them was full to the brim.
    let reads = &report.limits["ECS instance and task reads"];
    assert!(reads.busiest_second > reads.per_second, "{reads:?}");
}

/// What only a pass asks for gets no answer after the first twenty seconds, in which it failed.
fn answer(request: &Request, clusters: &[ClusterArn], failing: bool) -> Option<Result<Reply, Failure>> {
    let enabled = BTreeMap::from([("ecs-rotator:enabled".to_owned(), "true".to_owned())]);
    let cluster = |arn: &ClusterArn| Cluster {
        arn: arn.clone(),
        status: "ACTIVE".to_owned(),
        capacity_providers: Vec::new(),
        tags: enabled.clone(),
    };
    match request {
        Request::ListClusters { .. } => Some(Ok(Reply::ClusterArns { arns: clusters.to_vec(), next: None })),
        Request::DescribeClusters { clusters: names } => {
            let named = clusters.iter().filter(|arn| names.iter().any(|name| name == arn.as_str()));
            Some(Ok(Reply::Clusters { clusters: named.map(cluster).collect(), failures: Vec::new() }))
        }
        Request::DescribeInstances { .. } => Some(Ok(Reply::Instances { instances: Vec::new(), next: None })),
        Request::LocateSelf => Some(Ok(Reply::SelfLocation(None))),
        other => failing.then(|| {
            Err(Failure {
                kind: FailureKind::Refused,
                operation: other.operation(),
                code: "InvalidParameterException".to_owned(),
                message: "no".to_owned(),
                request_id: None,
            })
        }),
    }
}

#[test]
fn regression_clusters_that_wait_for_others_to_be_looked_at_do_not_make_the_loop_spin() {
    // Sixteen are looked at at a time, and four more were to be tried again by now.
    let clusters: Vec<ClusterArn> = (1..=20).map(named).collect();
    let (mut engine, mut now) = (Engine::new(Settings::default(), 1, START), START);
    let mut waiting = 0;
    while now < START + SignedDuration::from_mins(4) {
        let failing = now < START + SignedDuration::from_secs(20);
        while let Some((id, request)) = engine.poll_request() {
            match answer(&request, &clusters, failing && !request.is_queue()) {
                Some(reply) => engine.handle_reply(id, reply, now),
                None => waiting += 1,
            }
        }
        let next = engine.poll_timeout().expect("the next count of the clusters");
        assert!(next > now, "it was woken at {now}, and wants to be woken at {next}");
        now = next;
        engine.handle_timeout(now);
    }
    assert!(waiting >= 8, "{waiting} calls without an answer");
}

#[test]
fn every_cluster_of_many_keeps_its_own_account_of_promises() {
    // Each closes by itself, and what is left outdated in any one would be seen.
    let mut simulation = Simulation::new(clusters(3, 2));
    let opened = |world: &World| (1..=3).all(|n| world.rotation_tag(&named(n)).1 == "open");
    assert!(simulation.run_until(opened, START + LONG));
    let one_closed = |world: &World| (1..=3).any(|n| world.rotation_tag(&named(n)).1 == "closed");
    assert!(simulation.run_until(one_closed, START + LONG));
    let all_closed = |world: &World| (1..=3).all(|n| world.rotation_tag(&named(n)).1 == "closed");
    assert_eq!(simulation.world().ledger().closed.is_some(), all_closed(simulation.world()));
    assert!(simulation.run_until(|world| world.ledger().closed.is_some(), START + LONG));
    assert!(all_closed(simulation.world()));
    assert_eq!(simulation.finish().violations, []);
}

fn named(n: u32) -> ClusterArn {
    cluster_arn(&if n == 1 { CLUSTER.to_owned() } else { format!("{CLUSTER}-{n}") })
}

#[test]
fn many_clusters_on_bad_days_all_close() {
    for seed in 0..6 {
        let mut scenario = Scenario::plain(seed).clusters(5).faults(Faults::light());
        scenario.workers = 1;
        let report = run(scenario);
        assert_eq!(report.outcome, Outcome::Closed, "seed {seed}");
    }
}

// --- an account that others use as well

/// Others leave three tenths of each bucket, and a worker tries for five.
fn crowded(enforced: bool) -> Report {
    let mut scenario = clusters(25, 8);
    scenario.account = AccountLimits { left_percent: 30, enforced };
    run(scenario)
}

#[test]
fn in_a_crowded_account_it_learns_how_fast_it_may_go() {
    let report = crowded(true);
    assert_eq!((&report.outcome, report.rotated), (&Outcome::Closed, 200));
    let throttled: u64 = exceeded(&report).values().sum();
    assert!(throttled > 0, "or nothing had to be learnt");
    // One sign halves the pace, and it takes 25 calls to be back at it: one call in twenty is the most it can come to.
    assert!(throttled * 20 < calls(&report), "{throttled} of {} calls throttled: {:#?}", calls(&report), report.limits);
}

#[test]
fn who_is_not_told_does_not_learn() {
    // The same account, where nothing is refused: what was throttled above is what the lesson was.
    let (told, not_told) = (crowded(true), crowded(false));
    let of = |report: &Report| exceeded(report).values().sum::<u64>();
    assert!(of(&not_told) > 2 * of(&told), "{} and {}", of(&not_told), of(&told));
}

// --- a storm of messages

const STORM: usize = 15_000;

struct Storm {
    simulation: Simulation,
    begun: Timestamp,
    /// When each message that matters was acknowledged, by its place in the storm.
    acknowledged: BTreeMap<usize, SignedDuration>,
    over: SignedDuration,
}

/// `matters`: which of them say something new of the cluster. The others say what is known, or are a stranger's.
fn storm(messages: usize, matters: impl Fn(usize) -> bool) -> Storm {
    let mut scenario = Scenario::new(3).hosts(100).tasks_per_host(4);
    scenario.latency = Delay::millis(50, 50);
    scenario.faults.agent_drops_per_hour = 0.0;
    let mut simulation = Simulation::new(scenario);
    let open = |world: &World| world.rotation_tag(&cluster_arn(CLUSTER)).1 == "open";
    assert!(simulation.run_until(open, START + LONG));
    let begun = simulation.now() + SignedDuration::from_secs(60);
    simulation.run_until(|_| false, begun);
    // Of the one that drains already an event with ACTIVE would say something new.
    let account = simulation.world().account();
    let active = |no: &HostNo| account.host(*no).and_then(Host::status) == Some(ContainerInstanceStatus::Active);
    let hosts: Vec<HostNo> = simulation.world().hosts_by_age().into_iter().filter(active).collect();
    for n in 0..messages {
        let cluster =
            if matters(n) || n % 2 == 0 { cluster_arn(CLUSTER) } else { cluster_arn(&format!("stranger-{}", n % 7)) };
        let host = hosts[n / 2 % hosts.len()];
        let (arn, id, connected, version) = (host.agent(&cluster), host.instance(), !matters(n), 1000 + n);
        simulation.world_mut().send(format!(
            r#"{{"source":"aws.ecs","detail-type":"ECS Container Instance State Change","account":"123456789012","region":"eu-west-1",
                "number":{n},"detail":{{"clusterArn":"{cluster}","containerInstanceArn":"{arn}","ec2InstanceId":"{id}",
                "status":"ACTIVE","agentConnected":{connected},"version":{version}}}}}"#
        ));
    }
    let mut acknowledged = BTreeMap::new();
    let mut left: Vec<usize> = (0..messages).filter(|n| matters(*n)).collect();
    loop {
        let now = simulation.now() + SignedDuration::from_millis(50);
        simulation.run_until(|_| false, now);
        let there: Vec<usize> = simulation.world().queue().messages().filter_map(|(body, _)| number(body)).collect();
        for gone in left.extract_if(.., |n| there.binary_search(n).is_err()) {
            acknowledged.insert(gone, now.duration_since(begun));
        }
        let over = now.duration_since(begun);
        assert!(over < SignedDuration::from_mins(5), "{} messages left", there.len());
        if there.is_empty() {
            return Storm { simulation, begun, acknowledged, over };
        }
    }
}

/// Its place in the storm; None: no message of it.
fn number(body: &str) -> Option<usize> {
    body.split_once(r#""number":"#)?.1.split_once(',')?.0.parse().ok()
}

/// Ten receives at once, of ten messages each, every 50 ms.
const A_SECOND: f64 = 10.0 * 10.0 / 0.05;
/// The first receive that comes back full calls for the others.
const RAMP: f64 = 0.1;
/// The pass under way, and then the one that looks: some ten calls one after another, at 50 ms and in their share of the
/// account's reads. A deletion waits 0.2 s for others, and takes 50 ms.
const WORKED_OFF: f64 = 2.0 * 1.0 + 0.25;

#[test]
fn a_storm_of_fifteen_thousand_messages_is_over_in_ten_seconds_and_starves_nobody() {
    let storm = storm(STORM, |n| n % 150 == 75);
    assert_eq!(storm.acknowledged.len(), 100);
    for (n, after) in &storm.acknowledged {
        let bound = *n as f64 / A_SECOND + RAMP + WORKED_OFF;
        assert!(after.as_secs_f64() <= bound, "message {n} after {after:?}, and not {bound:.2} s");
    }
    let bound = STORM as f64 / A_SECOND + RAMP + WORKED_OFF;
    assert!(storm.over.as_secs_f64() <= bound, "over after {:?}, and not {bound:.2} s", storm.over);
    assert_eq!(storm.simulation.world().ledger().violations, []);
    let counters = storm.simulation.engine().expect("a worker").counters();
    assert!(counters.irrelevant >= 14_900, "{counters:?}");
    assert!(storm.begun > START && storm.simulation.world().queue().dead.is_empty());
}

#[test]
fn more_messages_that_matter_than_may_be_in_hand_come_in_as_fast_as_they_are_worked_off() {
    let storm = storm(3000, |n| n % 2 == 0);
    assert_eq!(storm.acknowledged.len(), 1500);
    // Two hundred in hand, for one pass and the one before it: eight times, and then what is irrelevant is long gone.
    let bound = 1500.0 / 200.0 * WORKED_OFF + WORKED_OFF;
    assert!(storm.over.as_secs_f64() <= bound, "over after {:?}, and not {bound:.2} s", storm.over);
    assert_eq!(storm.simulation.world().ledger().violations, []);
}

#[test]
fn the_same_storm_is_the_same_every_time() {
    let times = || storm(2000, |n| n % 150 == 75).acknowledged;
    assert_eq!(times(), times());
}
