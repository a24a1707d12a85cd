//! The page over a simulation that runs as fast as one says: so that it can be seen without an account.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep_until};

use super::{NotBound, Window, serve};
use crate::engine::Engine;
use crate::engine::vitals::Known;
use crate::journal::Journal;
use crate::sim::{Simulation, logs};

/// How often the simulation is brought up to its time.
const FRAME: Duration = Duration::from_millis(50);

/// A simulation, and how to show it.
pub struct Show {
    pub simulation: Simulation,
    /// Simulated seconds per second.
    pub speed: u32,
    pub address: SocketAddr,
    /// Of the thread that the simulation runs on, which is the one that polls this.
    pub journal: Journal,
}

/// Runs until `shutdown` is ready. `ready` is told where it answers.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn show(
    show: Show,
    shutdown: impl Future<Output = ()>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), NotBound> {
    let Show { mut simulation, speed, address, journal } = show;
    let (mut window, source) =
        Window::new(simulation.now(), simulation.engine().map(Engine::vitals).unwrap_or_default());
    ready(serve(address, source, journal, logs::now).await?);
    let mut last = Instant::now();
    let mut next = last;
    let mut known = Known::default();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = sleep_until(next) => {
                let begun = Instant::now();
                let passed = SignedDuration::try_from(last.elapsed() * speed).unwrap_or(SignedDuration::MAX);
                let until = simulation.now().saturating_add(passed).unwrap_or(simulation.now());
                last = begun;
                // What cannot be simulated so fast happens more slowly: nobody is kept waiting for it.
                simulation.run_until(|_| begun.elapsed() > FRAME, until);
                if let Some(engine) = simulation.engine() {
                    window.publish(engine, simulation.now());
                }
                next = Instant::now() + FRAME;
            }
            asked = window.asked() => {
                // Between two workers there is nobody to ask: what the last one knew stands.
                if let Some(engine) = simulation.engine() {
                    known = engine.known(simulation.now());
                }
                asked.answer(known.clone());
            }
        }
    }
}
