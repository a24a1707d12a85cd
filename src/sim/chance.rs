//! Seeded chance: the only source of anything random in the simulation.

use jiff::SignedDuration;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One stream of random numbers. Streams of one seed do not disturb each other: a fault more does not shift the boot times.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

/// What a stream is for.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    Shape,
    Names,
    Physics,
    Events,
    Latency,
    Faults,
    Others,
    Workers,
    OddShapes,
    Happenings,
    Descriptions,
    Tears,
}

/// A delay that is drawn anew each time, evenly between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    pub min_ms: u64,
    pub max_ms: u64,
}

impl Delay {
    pub const fn millis(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms }
    }

    pub const fn secs(min: u64, max: u64) -> Self {
        Self { min_ms: min * 1000, max_ms: max * 1000 }
    }
}

impl Chance {
    pub fn new(seed: u64, stream: Stream) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        Self(rng)
    }

    /// True in `rate` of all cases (0.0 never, 1.0 always).
    pub fn hit(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.0.random::<f64>() < rate
    }

    pub fn delay(&mut self, delay: Delay) -> SignedDuration {
        millis(self.0.random_range(delay.min_ms..=delay.max_ms.max(delay.min_ms)))
    }

    /// As `delay`, but most draws are near the lower bound: the mean is a fifth of the way up. How network calls behave.
    pub fn skewed(&mut self, delay: Delay) -> SignedDuration {
        let share = self.0.random::<f64>().powi(4);
        millis(delay.min_ms + ((delay.max_ms.saturating_sub(delay.min_ms)) as f64 * share) as u64)
    }

    /// The time to the next of something that happens `per_hour` times an hour on average.
    pub fn interval(&mut self, per_hour: f64) -> SignedDuration {
        let share = -(1.0 - self.0.random::<f64>()).ln();
        millis((share / per_hour * 3_600_000.0).clamp(1000.0, 1e12) as u64)
    }

    /// One of `0..n`; 0 when there is nothing to choose from.
    pub fn below(&mut self, n: usize) -> usize {
        if n < 2 { 0 } else { self.0.random_range(0..n) }
    }

    pub fn number(&mut self) -> u64 {
        self.0.random()
    }
}

fn millis(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}
