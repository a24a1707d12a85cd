//! How long to wait before the same thing is tried again: exponential, with full jitter, so that workers and clusters that
//! were throttled together do not come back together.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

const FIRST: SignedDuration = SignedDuration::from_secs(2);
const LONGEST: SignedDuration = SignedDuration::from_secs(120);

/// Before a call is made again that has failed so often.
pub fn between_tries(failures: u32, rng: &mut ChaCha8Rng) -> SignedDuration {
    let most = 500_i64 << failures.min(6);
    SignedDuration::from_millis(rng.random_range(most / 2..=most))
}

#[derive(Clone, Debug, Default)]
pub struct Patience {
    failures: u32,
    again_at: Option<Timestamp>,
}

impl Patience {
    /// Something failed: returns how long to wait.
    pub fn failed(&mut self, rng: &mut ChaCha8Rng, now: Timestamp) -> SignedDuration {
        let most = FIRST.as_millis() << self.failures.min(6);
        let most = i64::try_from(most.min(LONGEST.as_millis())).unwrap_or(i64::MAX);
        // Never at once: half of it is certain.
        let delay = SignedDuration::from_millis(most / 2 + rng.random_range(0..=most / 2));
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(now + delay);
        delay
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When it may be tried again; None: now.
    pub fn again_at(&self) -> Option<Timestamp> {
        self.again_at
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        self.again_at.is_none_or(|at| now >= at)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn it_grows_and_has_an_end() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let now = Timestamp::UNIX_EPOCH;
        let mut patience = Patience::default();
        let delays: Vec<_> = (0..12).map(|_| patience.failed(&mut rng, now)).collect();
        assert!(delays[0] >= FIRST / 2 && delays[0] <= FIRST);
        assert!(delays.iter().all(|delay| *delay <= LONGEST));
        assert!(delays[11] >= LONGEST / 2);
        assert!(!patience.is_over(now) && patience.is_over(now + LONGEST));
        patience.succeeded();
        assert!(patience.is_over(now));
    }
}
