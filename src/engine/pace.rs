//! How fast calls may leave: a token bucket for each kind of call, as AWS has one for each kind of call of an account.
//!
//! A bucket holds as many tokens as calls may go at once, and fills at so many a second; a call takes one. AWS's figures are
//! the account's, and others live in it: the worker takes a share. What that share is worth today it learns: a call that was
//! throttled halves the rate of its kind, and each one that was not raises it again by a little. Time is an argument, and the
//! arithmetic is in whole numbers: the same calls at the same times go at the same pace everywhere.

use jiff::{SignedDuration, Timestamp};

use crate::effect::{FailureKind, RateClass};

/// What AWS grants an account and region: calls at once, and calls a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grant {
    burst: i64,
    per_second: i64,
}

/// Every second call is left to others: pipelines, dashboards and people ask the same account. And a worker that starts right
/// after another one finds its own buckets full: the two together still fit into AWS's.
const SHARE: i64 = 2;

impl RateClass {
    const fn grant(self) -> Grant {
        let (burst, per_second) = match self {
            RateClass::EcsRead | RateClass::Ec2Read => (100, 20),
            RateClass::EcsClusterRead => (50, 20),
            // Not in ECS's table: as little as it grants any read.
            RateClass::EcsServiceRead => (50, 20),
            RateClass::EcsChange => (100, 40),
            RateClass::EcsTag => (20, 10),
            RateClass::Ec2Tag => (100, 10),
            RateClass::Ec2Change => (100, 5),
            // Auto Scaling gives no figures. What it does it does by calls to EC2, so no more is asked of it than of EC2
            // itself: of its reads as of EC2's, of its changes as little as EC2 grants any change.
            RateClass::GroupRead => (100, 20),
            RateClass::GroupChange => (50, 5),
            // By second only; and writes of standard parameters are granted 3 a second, which are one for each group and
            // release.
            RateClass::Parameters => (40, 40),
            // CloudWatch says 9 a second.
            RateClass::Alarms => (9, 9),
            // Far below what EventBridge grants in any region.
            RateClass::Notices => (50, 50),
        };
        Grant { burst, per_second }
    }
}

/// A token is a million of these: so that a rate in thousandths of a token a second, times milliseconds, is a whole number.
const TOKEN: i64 = 1_000_000;
/// Those that were throttled together are one sign, not several.
const ONE_SIGN: SignedDuration = SignedDuration::from_secs(1);
/// The rate never falls below this part of the share: a kind of call that is not made learns nothing.
const LEAST: i64 = 16;
/// So many calls that were not throttled raise the rate from nothing to the whole share.
const RECOVERY: i64 = 50;

#[derive(Clone, Debug)]
pub struct Bucket {
    /// At most so many, in parts of a token.
    burst: i64,
    /// Thousandths of a token a second: what is worth trying, and what is known to be possible now.
    full_rate: i64,
    rate: i64,
    tokens: i64,
    filled: Timestamp,
    halved: Option<Timestamp>,
}

impl Bucket {
    /// Full.
    pub fn new(kind: RateClass) -> Self {
        let Grant { burst, per_second } = kind.grant();
        let (burst, rate) = ((burst / SHARE).max(1) * TOKEN, per_second * 1000 / SHARE);
        Self { burst, full_rate: rate, rate, tokens: burst, filled: Timestamp::UNIX_EPOCH, halved: None }
    }

    /// May a call go now?
    pub fn has_one(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.tokens >= TOKEN
    }

    /// A call goes.
    pub fn take_one(&mut self) {
        self.tokens -= TOKEN;
    }

    /// When the next call may go, if none goes before.
    pub fn next_at(&self) -> Timestamp {
        let lacks = (TOKEN - self.tokens).max(0);
        // Up to the whole millisecond, in which it is there.
        let wait = (lacks + self.rate - 1) / self.rate;
        Timestamp::from_millisecond(self.filled.as_millisecond() + wait).unwrap_or(Timestamp::MAX)
    }

    /// What a call of this kind has come to: None, that it was answered.
    pub fn learn(&mut self, failure: Option<FailureKind>, now: Timestamp) {
        match failure {
            Some(FailureKind::Throttled) => self.throttled(now),
            None => self.rate = (self.rate + self.full_rate / RECOVERY).min(self.full_rate),
            // Says nothing of the pace.
            Some(
                FailureKind::Transient
                | FailureKind::AccessDenied
                | FailureKind::Credentials
                | FailureKind::NotFound
                | FailureKind::Refused,
            ) => {}
        }
    }

    fn throttled(&mut self, now: Timestamp) {
        if self.halved.is_some_and(|at| now >= at && now < at + ONE_SIGN) {
            return;
        }
        self.fill(now);
        self.halved = Some(now);
        self.rate = (self.rate / 2).max(self.full_rate / LEAST);
        // AWS's bucket is empty, whatever we thought.
        self.tokens = 0;
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock that was set back gives nothing, and takes nothing.
        let passed = (now.as_millisecond() - self.filled.as_millisecond()).max(0);
        self.tokens = self.tokens.saturating_add(self.rate.saturating_mul(passed)).min(self.burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_768_359_600_000 + ms).unwrap()
    }

    /// How many go until then, each as soon as it may.
    fn sent(bucket: &mut Bucket, from: i64, until: i64) -> i64 {
        let (mut now, mut sent) = (at(from), 0);
        loop {
            while bucket.has_one(now) {
                bucket.take_one();
                sent += 1;
            }
            now = bucket.next_at();
            if now > at(until) {
                return sent;
            }
        }
    }

    #[test]
    fn at_once_and_by_the_second_half_of_what_the_account_is_granted() {
        for (kind, at_once, in_ten_seconds) in [
            (RateClass::EcsRead, 50, 150),
            (RateClass::EcsServiceRead, 25, 125),
            (RateClass::EcsClusterRead, 25, 125),
            (RateClass::EcsChange, 50, 250),
            (RateClass::EcsTag, 10, 60),
            (RateClass::Ec2Read, 50, 150),
            (RateClass::Ec2Tag, 50, 100),
            (RateClass::Ec2Change, 50, 75),
            (RateClass::GroupRead, 50, 150),
            (RateClass::GroupChange, 25, 50),
            (RateClass::Parameters, 20, 220),
            (RateClass::Alarms, 4, 49),
            (RateClass::Notices, 25, 275),
        ] {
            assert_eq!(sent(&mut Bucket::new(kind), 0, 0), at_once, "{kind:?}");
            assert_eq!(sent(&mut Bucket::new(kind), 0, 10_000), in_ten_seconds, "{kind:?}");
        }
        assert_eq!(RateClass::iter().count(), 13, "every kind is in the table");
    }

    #[test]
    fn the_next_one_may_go_when_it_is_said_to_and_not_a_millisecond_before() {
        for kind in RateClass::iter() {
            let mut bucket = Bucket::new(kind);
            sent(&mut bucket, 0, 0);
            bucket.learn(Some(FailureKind::Throttled), at(300));
            let next = bucket.next_at();
            assert!(!bucket.clone().has_one(next - SignedDuration::from_millis(1)), "{kind:?}");
            assert!(bucket.has_one(next), "{kind:?}");
        }
    }

    #[test]
    fn what_was_throttled_goes_at_half_the_pace_and_what_is_answered_a_little_faster_again() {
        let mut bucket = Bucket::new(RateClass::EcsRead);
        let rates = |bucket: &mut Bucket, said: &[Option<FailureKind>], from: i64| {
            let of = said.iter().enumerate().map(|(n, failure)| {
                bucket.learn(*failure, at(from + 2000 * i64::try_from(n).unwrap()));
                bucket.rate
            });
            of.collect::<Vec<_>>()
        };
        let throttled = Some(FailureKind::Throttled);
        assert_eq!(rates(&mut bucket, &[throttled; 6], 0), [5000, 2500, 1250, 625, 625, 625], "to a floor");
        assert_eq!(rates(&mut bucket, &[None; 3], 20_000), [825, 1025, 1225]);
        assert_eq!(rates(&mut bucket, &[Some(FailureKind::Transient), Some(FailureKind::Refused)], 30_000), [1225; 2]);
        assert_eq!(rates(&mut bucket, &[None; 60], 40_000).last(), Some(&10_000), "up to the share and no further");
    }

    #[test]
    fn calls_that_were_throttled_together_are_one_sign_and_empty_the_bucket() {
        let mut bucket = Bucket::new(RateClass::EcsRead);
        for ms in [0, 10, 999] {
            bucket.learn(Some(FailureKind::Throttled), at(ms));
        }
        assert_eq!((bucket.rate, bucket.has_one(at(100)), bucket.has_one(at(200))), (5000, false, true));
        bucket.learn(Some(FailureKind::Throttled), at(1000));
        assert_eq!(bucket.rate, 2500);
    }

    #[test]
    fn a_clock_that_is_set_back_costs_no_more_than_what_it_had_filled() {
        let mut bucket = Bucket::new(RateClass::Ec2Change);
        sent(&mut bucket, 0, 0);
        assert!(!bucket.has_one(at(-3_600_000)));
        assert_eq!(bucket.next_at(), at(-3_600_000 + 400));
        assert!(bucket.has_one(at(-3_600_000 + 400)));
    }
}
