//! The engine: from messages, answers and the passing of time to calls.
//!
//! It has no clock, no threads and no connection. Whoever drives it ([`aws`](crate) or [`sim`](crate)) tells it what has
//! happened (`handle_*`), performs the calls it wants (`poll_request`) and wakes it in time (`poll_timeout`):
//!
//! ```text
//!  message ─▶ inbox ─▶ relevance ─▶ errand of a cluster ─▶ pass: look, plan, act ─▶ acknowledged
//!  timer ───▶ census (which clusters need a look?) ─────────▲
//! ```
//!
//! An event only says whom to look at. At most one pass per cluster is under way; what comes meanwhile waits for the next
//! one. A message is acknowledged when the pass it woke has ended, and comes back if this worker dies before.

mod absorb;
mod acts;
mod answers;
pub mod audit;
mod blockers;
mod call;
mod census;
mod cluster;
mod commands;
mod context;
mod errand;
mod inbox;
mod looks;
mod machine;
mod mode;
mod news;
pub mod observe;
mod ownership;
mod pace;
mod pass;
mod patience;
mod publish;
mod pulse;
mod releases;
mod relevance;
mod route;
mod say;
mod settings;
mod settled;
pub mod survey;
mod told;
pub mod vitals;
mod wire;

pub use machine::Engine;
pub use mode::Mode;
pub use pulse::Counters;
pub use settings::Settings;
