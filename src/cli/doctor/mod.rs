//! `doctor`: is everything in place for a worker?

#[cfg(feature = "aws")]
mod live;
mod text;

#[cfg(feature = "aws")]
pub use live::{DoctorArgs, doctor};
pub use text::{in_columns, text};
