pub mod effect;
pub mod engine;
pub mod event;
pub mod id;
pub mod plan;
