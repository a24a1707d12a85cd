//! `status`: what a rotation is doing, and why it waits. From AWS alone: with a worker or without.

pub mod lines;
#[cfg(feature = "aws")]
mod live;
pub mod report;
#[cfg(feature = "aws")]
mod watch;

#[cfg(feature = "aws")]
pub use live::{StatusArgs, look, status};
