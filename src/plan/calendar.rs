//! When a rotation may take new hosts: in the maintenance windows.

mod days;
mod period;
pub mod windows;
mod zone;

pub use period::FARTHEST;
pub use windows::{State, Windows};
