pub mod effect;
pub mod engine;
pub mod id;
pub mod plan;
pub mod sim;
