//! What the code costs, without any world around it: one message, one plan, one turn of the engine.
//!
//! ```sh
//! cargo bench --no-default-features --bench code
//! ```
//!
//! `items` are messages, or hosts. Seconds depend on the machine; what does not is held by `tests/allocations.rs`.

mod fleet;

use std::cell::RefCell;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};
use ecs_rotator::effect::Message;
use ecs_rotator::event::parse;
use ecs_rotator::plan::forecast::as_if_open;
use ecs_rotator::plan::plan;
use ecs_rotator::plan::policy::Policy;
use fleet::{AtRest, BATCH, Steady, Worker};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const HOSTS: u32 = 5_000;
const CLUSTERS: usize = 500;

thread_local! {
    /// Its rotation takes a while to get there.
    static WORKER: RefCell<Worker> = RefCell::new(Worker::in_the_middle(HOSTS));
}

fn main() {
    divan::main();
}

fn some_host() -> Steady {
    let arn = "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/4c1f0c2b9d2a4f0e8a6d0f3b5e7c9a1b";
    Steady { arn: arn.into(), instance: "i-0a1b2c3d4e5f60718".into() }
}

/// The body of a message, to what it says.
mod parsing {
    use super::*;

    fn of(bencher: Bencher<'_, '_>, body: &str) {
        let bytes = BytesCount::of_str(body);
        bencher.counter(ItemsCount::new(1_u32)).counter(bytes).bench(|| parse(black_box(body)));
    }

    #[divan::bench]
    fn short_host_event(bencher: Bencher<'_, '_>) {
        of(bencher, &fleet::short_event(&some_host(), 14_801));
    }

    #[divan::bench]
    fn long_host_event(bencher: Bencher<'_, '_>) {
        of(bencher, &fleet::long_event(&some_host(), 14_801));
    }

    #[divan::bench]
    fn task_event(bencher: Bencher<'_, '_>) {
        of(bencher, &fleet::task_event(&some_host(), 14_801));
    }

    #[divan::bench]
    fn event_of_another_kind(bencher: Bencher<'_, '_>) {
        of(bencher, &fleet::long_event(&some_host(), 14_801).replace("aws.ecs", "my.app"));
    }
}

/// What a receive brought, to its deletion: of 5,000 hosts, a tenth of them in flight.
mod dropping {
    use super::*;

    fn of(bencher: Bencher<'_, '_>, body: fn(&Steady, u64) -> String) {
        let hosts = WORKER.with_borrow(Worker::steady);
        bencher
            .with_inputs(|| WORKER.with_borrow_mut(|worker| worker.batch(&hosts, body)))
            .input_counter(|messages: &Vec<Message>| ItemsCount::new(messages.len()))
            .bench_local_values(|messages| WORKER.with_borrow_mut(|worker| worker.drop_all(messages)));
    }

    #[divan::bench(sample_count = 1_000)]
    fn short_host_events(bencher: Bencher<'_, '_>) {
        of(bencher, fleet::short_event);
    }

    #[divan::bench(sample_count = 1_000)]
    fn long_host_events(bencher: Bencher<'_, '_>) {
        of(bencher, fleet::long_event);
    }

    #[divan::bench(sample_count = 1_000)]
    fn task_events(bencher: Bencher<'_, '_>) {
        of(bencher, fleet::task_event);
    }
}

/// A pass over 5,000 hosts.
mod planning {
    use super::*;

    #[divan::bench]
    fn all_outdated(bencher: Bencher<'_, '_>) {
        let (view, now) = fleet::just_released(HOSTS);
        let (view, policy) = (as_if_open(&view, now), Policy::default());
        bencher.counter(ItemsCount::new(view.hosts.len())).bench(|| plan(black_box(&view), &policy, now));
    }

    #[divan::bench]
    fn a_tenth_in_flight(bencher: Bencher<'_, '_>) {
        let (view, now) = WORKER.with_borrow_mut(|worker| fleet::view(&mut worker.world));
        let policy = Policy::default();
        bencher.counter(ItemsCount::new(view.hosts.len())).bench(|| plan(black_box(&view), &policy, now));
    }
}

/// A worker of 500 clusters, none of which has anything to do.
mod at_rest {
    use super::*;

    #[divan::bench]
    fn poll_timeout(bencher: Bencher<'_, '_>) {
        let worker = AtRest::of(CLUSTERS);
        bencher.bench_local(|| black_box(&worker.engine).poll_timeout());
    }

    #[divan::bench]
    fn turn(bencher: Bencher<'_, '_>) {
        let mut worker = AtRest::of(CLUSTERS);
        bencher.bench_local(|| worker.engine.handle_timeout(worker.now));
    }

    #[divan::bench(sample_count = 1_000)]
    fn events(bencher: Bencher<'_, '_>) {
        let worker = RefCell::new(AtRest::of(CLUSTERS));
        let body = fleet::short_event(&some_host(), 1).replace(":cluster/demo", ":cluster/cluster-250");
        bencher
            .with_inputs(|| fleet::messages(BATCH, &body, worker.borrow().now))
            .input_counter(|messages: &Vec<Message>| ItemsCount::new(messages.len()))
            .bench_local_values(|messages| worker.borrow_mut().drop_all(messages));
    }

    /// From the start of the worker on.
    #[divan::bench(sample_count = 10)]
    fn first_looks(bencher: Bencher<'_, '_>) {
        bencher.counter(ItemsCount::new(CLUSTERS)).bench_local(|| AtRest::of(CLUSTERS).engine.poll_timeout());
    }
}
