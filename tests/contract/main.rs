//! The worker against AWS's API as somebody else understood it.
//!
//! The simulation was written by those who wrote the engine, and shares their misunderstandings. So here the real binary runs
//! as a process against two emulators from elsewhere: moto holds the account, ministack the queue, and a small driver plays
//! what neither plays (hosts boot, tasks move, events arrive). Each test has servers, an account and a driver of its own.
//!
//! ```text
//!   worker (a process) ──EC2, Auto Scaling, ECS, SSM──▶ moto ◀──looks, boots, moves tasks── driver
//!           └───────────────────SQS─────────────────▶ ministack ◀──────────events───────────┘
//! ```
//!
//! `emulators` installs and starts the servers, `account` builds the account (of parts in `build`) and `look` reads it,
//! `driver` plays and keeps a `record`, `calls` reads what moto was asked, `worker` is the process and `forecast` that of
//! `plan`, `terminal` a terminal to see it in, `scene` ties them together for one test. The tests: `rehearsal` (the driver itself, without a worker), `rotation`
//! (with `plan` before, in the middle and after), `every_shape`, `troubles` (`plan` alone), `messages`, `undone` (a release that fails), `stack` (a worker on what is deployed), `doctor` (what it says of that, and when things are missing), `one_shot` (`rotate --here`, `rotate --wait`, and `status` meanwhile), `asked` (what `rotate`, `pause` and `resume` tell a person), `told` (what the worker says of itself), `observe` (one that changes nothing), `ends`; and single
//! calls, without a worker, each to the emulator that plays it better: `requests` (what changes launches), `deletion`, `reads`.
//!
//! What the workers and servers said is below `target/tmp/contract/`, by test.
#![cfg(feature = "aws")]

mod account;
mod asked;
mod build;
mod calls;
mod deletion;
mod doctor;
mod driver;
mod emulators;
mod ends;
mod events;
mod every_shape;
mod forecast;
mod look;
mod messages;
mod observe;
mod one_shot;
mod plan;
mod reads;
mod record;
mod rehearsal;
mod requests;
mod rotation;
mod scene;
mod stack;
mod terminal;
mod told;
mod troubles;
mod undone;
mod wait;
mod worker;
