//! The embedded simulation: an AWS account with its physics, in memory, under a clock of its own.
//!
//! A [`Simulation`] is a discrete-event loop around one [`world::World`] and one or several workers, each a real
//! [`crate::engine::Engine`]. It drains every worker's `poll_request`, lets each request reach the world after half of a
//! random latency, where it has its effect at one instant, and brings the answer back after the other half. A receive is a
//! long poll: it is answered at once when messages are visible, else when one arrives or its wait is over. Timers fire when
//! `poll_timeout` says so. Nothing else moves: between two events the clock jumps.
//!
//! The world goes on by itself: groups replace what they lack, instances boot and register, services move their tasks off
//! draining hosts, events find their way into the queue. [`faults::Faults`] say what goes wrong on the way; a worker can be
//! killed at any instant, with all answers under way to it, and another one started. Around every effect [`invariants`] check
//! the promises against what is true, not against what a worker can see, and collect what is broken.
//!
//! Everything is a function of the [`Scenario`], its seed included: no clock, no thread, no order of a hash map. The same
//! scenario gives the same [`Report`], timeline and all.
//!
//! ```text
//!   Engine ── poll_request ──▶ latency/2 ──▶ faults ──▶ World::perform ──▶ latency/2 ──▶ handle_reply ──▶ Engine
//!                                                          │  ▲
//!                                              invariants ◀┘  └─ physics (agenda)
//! ```

mod agenda;
pub mod baseline;
mod chance;
pub mod clock;
pub mod faults;
pub mod hindsight;
pub mod invariants;
mod ledger;
mod limits;
pub mod logs;
mod mishaps;
mod report;
mod scenario;
mod simulation;
mod survey;
#[cfg(test)]
mod tests;
mod timeline;
pub mod world;

use jiff::Timestamp;

pub use chance::Delay;
pub use faults::{Faults, Slow};
pub use ledger::Violation;
pub use limits::Used;
pub use mishaps::Mishaps;
pub use report::{Outcome, Report};
pub use scenario::{
    AccountLimits, Act, BadRelease, CLUSTER, Follows, GroupShape, ImageKind, Membership, Neighbours, OTHER,
    OWN_PARAMETER, Placement, Scenario, ServiceShape, TemplateShape, Trigger,
};
pub use simulation::{Exchange, Simulation, Watch};
pub use survey::{survey, survey_by_workers};
pub use timeline::{By, Happening, Moment};

/// When every simulation begins: 2026-01-14T03:00:00Z.
pub const START: Timestamp = Timestamp::constant(1_768_359_600, 0);
