//! The discrete-event loop: workers on one side, the world on the other, latency and faults between them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tracing::trace;

use super::agenda::Agenda;
use super::chance::{Chance, Delay, Stream};
use super::faults::{Fate, Tears, throttled};
use super::limits::Limits;
use super::report::Report;
use super::scenario::Scenario;
use super::timeline::Happening;
use super::world::World;
use super::{START, clock};
use crate::effect::{Failure, FailureKind, ItemFailure, Reply, Request, RequestId, Task};
use crate::engine::vitals::KnownCluster;
use crate::engine::{Counters, Engine, Mode};
use crate::id::ClusterName;

/// An engine that asks more often than this without the clock moving would never stop.
const REQUESTS_AT_ONCE: u32 = 10_000;
/// A timer fires at most this often, so that one that is always due cannot stop the clock.
const TICK: SignedDuration = SignedDuration::from_millis(1);
/// How much longer a run goes on when the rotation says it has ended: what comes after an end is part of it.
const AFTER_CLOSE: SignedDuration = SignedDuration::from_mins(3);
const AFTER_HOLD: SignedDuration = SignedDuration::from_mins(12);

pub struct Simulation {
    scenario: Scenario,
    world: World,
    now: Timestamp,
    agenda: Agenda<Event>,
    workers: Vec<Worker>,
    /// Receives that wait for a message.
    polls: Vec<Poll>,
    latency: Chance,
    faults: Chance,
    descriptions: Chance,
    tears: Tears,
    seeds: Chance,
    limits: Limits,
    spins: u64,
    effects: u64,
    requests: BTreeMap<&'static str, u64>,
    queue_requests: BTreeMap<&'static str, u64>,
    counters: Counters,
    watch: Option<Watch>,
}

/// What goes between workers and AWS, in the order in which it arrives there.
#[derive(Clone, Copy, Debug)]
pub enum Exchange<'a> {
    Asked(&'a Request),
    Answered(&'a Result<Reply, Failure>),
}

/// Is told of each exchange.
pub type Watch = Box<dyn FnMut(Exchange<'_>) + Send>;

struct Worker {
    engine: Option<Engine>,
    /// Counts its starts: an answer to a former life finds nobody.
    life: u32,
    /// Of this life.
    mode: Mode,
    fired: Timestamp,
}

/// Who asked, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sender {
    worker: usize,
    life: u32,
    mode: Mode,
    id: RequestId,
}

struct Poll {
    sender: Sender,
    until: Timestamp,
    visibility_seconds: u32,
    way_back: SignedDuration,
}

enum Event {
    Start(usize),
    RandomKill,
    Arrives { sender: Sender, request: Request, way_back: SignedDuration },
    Answers { sender: Sender, reply: Result<Reply, Failure> },
}

impl Simulation {
    pub fn new(scenario: Scenario) -> Self {
        let scenario = scenario.complete();
        let seed = scenario.seed;
        let mut simulation = Self {
            world: World::new(&scenario),
            now: START,
            agenda: Agenda::default(),
            workers: Vec::new(),
            polls: Vec::new(),
            latency: Chance::new(seed, Stream::Latency),
            faults: Chance::new(seed, Stream::Faults),
            descriptions: Chance::new(seed, Stream::Descriptions),
            tears: Tears::new(seed),
            seeds: Chance::new(seed, Stream::Workers),
            limits: Limits::new(scenario.account),
            spins: 0,
            effects: 0,
            requests: BTreeMap::new(),
            queue_requests: BTreeMap::new(),
            counters: Counters::default(),
            watch: None,
            scenario,
        };
        let abreast = simulation.tears.hit(simulation.scenario.faults.abreast);
        let mut first = None;
        for worker in 0..simulation.scenario.workers {
            simulation.workers.push(Worker { engine: None, life: 0, mode: Mode::default(), fired: START });
            let at = START + simulation.seeds.delay(Delay::secs(1, 30));
            let first = *first.get_or_insert(at);
            simulation.agenda.put(if abreast { first } else { at }, Event::Start(worker));
        }
        simulation.plan_kill();
        clock::set(START);
        simulation
    }

    /// Tells of every exchange from now on.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// A worker that is alive.
    pub fn engine(&self) -> Option<&Engine> {
        self.workers.iter().find_map(|worker| worker.engine.as_ref())
    }

    /// For a test that does something to the world while it runs.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// How many effects the world has performed for workers.
    pub fn effects(&self) -> u64 {
        self.effects
    }

    /// Runs until the rotation has closed or is held (and a little longer), at most for `limit` from the start; then the
    /// promises about endings are checked.
    pub fn run(mut self, limit: SignedDuration) -> Report {
        let deadline = START + limit;
        loop {
            self.run_until(has_settled, deadline);
            let extra = if self.world.ledger().closed.is_some() { AFTER_CLOSE } else { AFTER_HOLD };
            let over = self.now + extra;
            // What was closed may open again, and what was held may go on.
            self.run_until(|world| !has_settled(world), over.min(deadline));
            if has_settled(&self.world) || self.now >= deadline {
                return self.finish();
            }
        }
    }

    /// True: the condition was met. It is looked at after every event.
    pub fn run_until(&mut self, done: impl Fn(&World) -> bool, deadline: Timestamp) -> bool {
        while !done(&self.world) {
            match self.next_at() {
                Some(at) if at <= deadline => self.step(at),
                Some(_) | None => {
                    self.move_to(deadline);
                    return false;
                }
            }
        }
        true
    }

    /// The promises about endings, and what came of it all.
    pub fn finish(mut self) -> Report {
        let holds = self.holds();
        for worker in 0..self.workers.len() {
            self.stop(worker);
        }
        self.world.check_end();
        Report {
            limits: self.limits.used(),
            spins: self.spins,
            ..Report::of(&self.world, &self.scenario, self.requests, self.queue_requests, &self.counters, &holds)
        }
    }

    /// Why clusters are held, in the sentences that a worker's page shows.
    fn holds(&self) -> BTreeMap<ClusterName, String> {
        let known = self.engine().map(|engine| engine.known(self.now).clusters).unwrap_or_default();
        let hold = |of: KnownCluster| Some((of.cluster, of.status?.hold?));
        known.into_iter().filter_map(hold).collect()
    }

    /// Kills a worker now, and starts another in its place after a while.
    pub fn kill(&mut self, worker: usize) {
        if self.workers.get(worker).is_none_or(|worker| worker.engine.is_none()) {
            return;
        }
        self.stop(worker);
        self.world.note(Happening::WorkerKilled { worker });
        let at = self.now + self.faults.delay(self.scenario.faults.restart_delay);
        self.agenda.put(at, Event::Start(worker));
    }

    /// Kills every worker; those that are started in their place are of this mode.
    pub fn change_mode(&mut self, mode: Mode) {
        self.scenario.settings.mode = mode;
        for worker in 0..self.workers.len() {
            self.kill(worker);
        }
    }

    fn next_at(&self) -> Option<Timestamp> {
        let timers = self.workers.iter().filter_map(Worker::next_timer);
        let polls = self.polls.iter().map(|poll| poll.until);
        let visible = self.world.queue().next_visible().filter(|_| !self.polls.is_empty());
        let first = [self.agenda.next_at(), self.world.next_due(), visible].into_iter().flatten();
        first.chain(timers).chain(polls).min().map(|at| at.max(self.now))
    }

    fn move_to(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        clock::set(self.now);
        self.world.advance_to(self.now);
    }

    fn step(&mut self, at: Timestamp) {
        self.move_to(at);
        while let Some((_, event)) = self.agenda.pop(self.now) {
            self.happens(event);
        }
        self.answer_polls();
        self.fire_timers();
        for worker in 0..self.workers.len() {
            self.drain_requests(worker);
            let wakes = self.workers[worker].engine.as_ref().and_then(Engine::poll_timeout);
            self.spins += u64::from(wakes.is_some_and(|at| at <= self.now));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Start(worker) => self.start(worker),
            Event::RandomKill => {
                let worker = self.faults.below(self.workers.len());
                self.kill(worker);
                self.plan_kill();
            }
            Event::Arrives { sender, request, way_back } => self.arrives(sender, &request, way_back),
            Event::Answers { sender, reply } => {
                let now = self.now;
                let worker = self.workers.get_mut(sender.worker).filter(|worker| worker.life == sender.life);
                if let Some(engine) = worker.and_then(|worker| worker.engine.as_mut()) {
                    engine.handle_reply(sender.id, reply, now);
                }
            }
        }
    }

    fn start(&mut self, worker: usize) {
        let seed = self.seeds.number();
        let engine = Engine::new(self.scenario.settings.clone(), seed, self.now);
        let slot = &mut self.workers[worker];
        slot.engine = Some(engine);
        slot.life += 1;
        slot.mode = self.scenario.settings.mode;
        self.tears.forget(worker);
        self.world.note(Happening::WorkerStarted { worker });
    }

    fn stop(&mut self, worker: usize) {
        self.polls.retain(|poll| poll.sender.worker != worker);
        if let Some(engine) = self.workers[worker].engine.take() {
            let counters = engine.counters();
            self.counters.received += counters.received;
            self.counters.irrelevant += counters.irrelevant;
            self.counters.malformed += counters.malformed;
        }
    }

    fn plan_kill(&mut self) {
        let rate = self.scenario.faults.worker_kills_per_hour;
        if rate > 0.0 {
            let at = self.now + self.faults.interval(rate);
            self.agenda.put(at, Event::RandomKill);
        }
    }

    fn fire_timers(&mut self) {
        let now = self.now;
        for worker in &mut self.workers {
            if worker.next_timer().is_some_and(|at| at <= now)
                && let Some(engine) = &mut worker.engine
            {
                engine.handle_timeout(now);
                worker.fired = now + TICK;
            }
        }
    }

    fn drain_requests(&mut self, worker: usize) {
        for _ in 0..REQUESTS_AT_ONCE {
            let slot = &mut self.workers[worker];
            let (life, mode) = (slot.life, slot.mode);
            let Some((id, request)) = slot.engine.as_mut().and_then(Engine::poll_request) else { return };
            let latency = self.latency.skewed(self.scenario.latency);
            let sender = Sender { worker, life, mode, id };
            let (there, back) = self.tears.draw(&self.scenario.faults, worker, &request);
            let way_back = latency / 2;
            let arrives = self.now + (latency - way_back) + there;
            self.agenda.put(arrives, Event::Arrives { sender, request, way_back: way_back + back });
        }
    }

    /// A request has its effect at this one instant, whether or not its sender still lives.
    fn arrives(&mut self, sender: Sender, request: &Request, way_back: SignedDuration) {
        let counts = if request.is_queue() { &mut self.queue_requests } else { &mut self.requests };
        *counts.entry(request.operation()).or_default() += 1;
        self.tell(Exchange::Asked(request));
        self.world.check_mode(sender.mode, request);
        if self.limits.refuses(request, self.now) {
            self.world.mishaps.calls_throttled += 1;
            return self.answer(sender, Err(throttled(request)), way_back);
        }
        let reply = match self.scenario.faults.fate(request, &mut self.faults) {
            Fate::FailBefore(failure) => {
                let mishaps = &mut self.world.mishaps;
                let throttled = failure.kind == FailureKind::Throttled;
                *(if throttled { &mut mishaps.calls_throttled } else { &mut mishaps.calls_failed }) += 1;
                Err(failure)
            }
            Fate::FailAfter(failure) => {
                let done = self.perform(sender, request, SignedDuration::ZERO).is_ok() && request.is_effect();
                let mishaps = &mut self.world.mishaps;
                *(if done { &mut mishaps.calls_failed_after_effect } else { &mut mishaps.calls_failed }) += 1;
                Err(failure)
            }
            Fate::Stale(age) => self.perform(sender, request, age),
            Fate::Performed => {
                if let Request::ReceiveMessage { wait_seconds, visibility_seconds } = request {
                    let until = self.now + SignedDuration::from_secs(i64::from(*wait_seconds));
                    self.polls.push(Poll { sender, until, visibility_seconds: *visibility_seconds, way_back });
                    return;
                }
                self.perform(sender, request, SignedDuration::ZERO)
            }
        };
        self.answer(sender, reply, way_back);
    }

    fn perform(&mut self, sender: Sender, request: &Request, age: SignedDuration) -> Result<Reply, Failure> {
        let reply = self.world.perform_aged(request, age).map(|reply| self.blurred(reply));
        let (operation, changes) = (request.operation(), request.is_effect() && reply.is_ok());
        trace!(worker = sender.worker, operation, changes, ?request, ?reply, age = age.as_millis(), "performed");
        if request.is_effect() {
            self.effects += 1;
            if self.scenario.faults.kill_after_effect == Some(self.effects) {
                self.kill(sender.worker);
            }
        }
        reply
    }

    /// Some tasks are not described, and that says nothing of them.
    fn blurred(&mut self, reply: Reply) -> Reply {
        let (rate, chance) = (self.scenario.faults.tasks_unread, &mut self.descriptions);
        let Reply::Tasks { tasks, mut failures } = reply else { return reply };
        let (unread, tasks): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(|_| chance.hit(rate));
        let failure = |task: Task| ItemFailure { item: task.arn.to_string(), reason: "INTERNAL".to_owned() };
        failures.extend(unread.into_iter().map(failure));
        Reply::Tasks { tasks, failures }
    }

    fn tell(&mut self, exchange: Exchange<'_>) {
        if let Some(watch) = &mut self.watch {
            watch(exchange);
        }
    }

    fn answer(&mut self, sender: Sender, reply: Result<Reply, Failure>, way_back: SignedDuration) {
        self.tell(Exchange::Answered(&reply));
        self.agenda.put(self.now + way_back, Event::Answers { sender, reply });
    }

    /// Waiting receives get what is visible, first come first served; or nothing, when their time is over.
    fn answer_polls(&mut self) {
        let alive = |poll: &Poll| self.workers[poll.sender.worker].life == poll.sender.life;
        let (now, polls) = (self.now, std::mem::take(&mut self.polls));
        let polls: Vec<_> = polls.into_iter().filter(alive).collect();
        for poll in polls {
            if !self.world.queue().has_visible(now) && poll.until > now {
                self.polls.push(poll);
                continue;
            }
            let request = Request::ReceiveMessage { wait_seconds: 0, visibility_seconds: poll.visibility_seconds };
            let reply = self.world.perform(&request);
            self.answer(poll.sender, reply, poll.way_back);
        }
    }
}

impl Worker {
    fn next_timer(&self) -> Option<Timestamp> {
        let at = self.engine.as_ref()?.poll_timeout()?;
        Some(at.max(self.fired))
    }
}

/// Held, or closed with nothing outdated left (a rotation of some groups is followed by one of the others); nobody in flight
/// who is not in a hold (hosts in flight always finish); and neither a release nor an act of people to come.
fn has_settled(world: &World) -> bool {
    let ledger = world.ledger();
    let more_to_come = ledger.releases_to_come > 0 || ledger.acts_to_come > 0;
    let said = ledger.held.is_some() || ledger.closed.is_some();
    // It is looked at after every event: the cheap conditions first.
    if more_to_come || (!said && !world.needs_no_rotation()) {
        return false;
    }
    if world.has_release_to_ripen() || !world.orphans().is_empty() {
        return false;
    }
    ledger.held.is_some() || world.outdated().is_empty()
}
