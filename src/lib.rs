//! ecs-rotator replaces every EC2 host of an Amazon ECS cluster when a new machine image is released, without the tasks
//! noticing and with nobody watching. This is the map of the crate.
//!
//! Three rings, and each knows only those further in:
//!
//! ```text
//!   plan  ◀──  engine  ◀──  aws │ sim
//!   what to do  when to ask     the world: the real one, or one in memory
//! ```
//!
//! - [`plan`] is a pure function: from what is known of a cluster, the policy and the time to the acts that are right now.
//!   It holds every decision: the phases of a host, who goes next, which image is the release, when to stop.
//! - [`engine`] drives it without any input or output of its own: messages, answers and the time go in, calls come out. It
//!   decides when to look and whom at, keeps what it saw, and acknowledges messages when what they woke has ended.
//! - [`effect`] is the outside world as data: every call is one [`effect::Request`], answered by one [`effect::Reply`].
//!   [`event`] is the other way in: what a message of the queue says.
// A closed pipe or a lost stderr is no reason to panic: `cli::out` writes.
#![warn(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    feature = "aws",
    doc = " - [`aws`] performs requests with the AWS SDK, and [`sim`] performs them in memory, in an account"
)]
#![cfg_attr(
    not(feature = "aws"),
    doc = " - `aws` performs requests with the AWS SDK, and [`sim`] performs them in memory, in an account"
)]
//!   with physics and faults of its own, in which the promises are checked after every effect. The engine
//!   cannot tell which of the two it talks to.
//! - [`journal`] is the log as data, and [`record`] a rotation put together from it, with its picture.
//! - [`doctor`] judges what was found in an account: is everything in place for a worker?
//! - [`config`] and [`cli`] are the shell: flags and environment to settings, commands, exit codes.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod effect;
pub mod engine;
pub mod event;
pub mod id;
pub mod journal;
pub mod partition;
pub mod plan;
pub mod record;
pub mod sim;
mod slip;
#[cfg(feature = "web")]
pub mod web;
