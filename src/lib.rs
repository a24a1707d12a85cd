#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
pub mod config;
pub mod effect;
pub mod engine;
pub mod id;
pub mod plan;
