//! What the code allocates: the same on every machine, so that a copy more is seen. Times are in `benches/code.rs`.

#[path = "../benches/fleet/mod.rs"]
mod fleet;

use ecs_rotator::plan::forecast::as_if_open;
use ecs_rotator::plan::plan;
use ecs_rotator::plan::policy::Policy;
use fleet::Worker;

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
