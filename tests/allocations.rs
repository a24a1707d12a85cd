//! What the code allocates: the same on every machine, so that a copy more is seen. Times are in `benches/code.rs`.

#[path = "../benches/fleet/mod.rs"]
mod fleet;

use ecs_rotator::plan::forecast::as_if_open;
use ecs_rotator::plan::plan;
use ecs_rotator::plan::policy::Policy;
use fleet::{AtRest, BATCH, Steady, Worker};

const HOSTS: u32 = 200;

/// Of 200 hosts, 20 in flight: an event that says nothing new costs its parse and its deletion, whatever the cluster's size.
#[test]
fn an_event_that_is_dropped_allocates_little() {
    let mut worker = Worker::in_the_middle(HOSTS);
    let hosts = worker.steady();
    for (body, most) in
        [(fleet::short_event as fn(&_, u64) -> String, 12), (fleet::long_event, 12), (fleet::task_event, 12)]
    {
        let messages = worker.batch(&hosts, body);
        let count = u64::try_from(messages.len()).unwrap();
        let spent = allocation_counter::measure(|| worker.drop_all(messages));
        let each = spent.count_total / count;
        assert!(each <= most, "{each} allocations for each of {count} events");
        println!("{each} allocations, {} bytes", spent.bytes_total / count);
    }
}

/// However many clusters there are.
#[test]
fn so_does_one_of_a_cluster_that_is_at_rest() {
    let arn = "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/4c1f0c2b9d2a4f0e8a6d0f3b5e7c9a1b";
    let host = Steady { arn: arn.into(), instance: "i-0a1b2c3d4e5f60718".into() };
    let body = fleet::short_event(&host, 1).replace(":cluster/demo", ":cluster/cluster-5");
    for clusters in [10, 200] {
        let mut worker = AtRest::of(clusters);
        let messages = fleet::messages(BATCH, &body, worker.now);
        let spent = allocation_counter::measure(|| worker.drop_all(messages));
        let each = spent.count_total / BATCH as u64;
        assert!(each <= 9, "{each} allocations for each of {BATCH} events, of {clusters} clusters");
    }
}

#[test]
fn a_plan_allocates_in_proportion_to_its_hosts() {
    let policy = Policy::default();
    let per_host = |hosts: u32| {
        let (view, now) = fleet::just_released(hosts);
        let view = as_if_open(&view, now);
        let spent = allocation_counter::measure(|| drop(plan(&view, &policy, now)));
        spent.count_total as f64 / f64::from(hosts)
    };
    let (small, large) = (per_host(HOSTS), per_host(10 * HOSTS));
    println!("{small:.2} allocations per host, of ten times as many {large:.2}");
    assert!(small <= 6.0, "{small} allocations per host");
    assert!(large <= 2.0, "{large} per host of ten times as many hosts");
}
