//! Stretches of time, and how those of many sources are walked as one: what touches or overlaps counts as one.

use jiff::{SignedDuration, Timestamp};

/// Nobody plans farther ahead than a year; the rest is for what a year moves about.
pub const FARTHEST: SignedDuration = SignedDuration::from_hours(400 * 24);

const STEP: SignedDuration = SignedDuration::from_hours(8 * 24);

/// From `start` on; at `end` no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Period {
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// Something that covers parts of time.
pub trait Covers {
    /// At least the periods that contain an instant of `from..=to`, in any order.
    fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period>;

    /// Until when everything from `at` on is covered. Looks no farther than `limit`: what is covered beyond it may end later
    /// than it says. `None` when `at` itself is not covered.
    fn covered_until(&self, at: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        let mut until = at;
        while until < limit {
            let mut near = self.periods(until, later(until, STEP));
            near.sort_unstable();
            let reached = near.iter().fold(until, |until, next| if next.contains(until) { next.end } else { until });
            if reached == until {
                break;
            }
            until = reached;
        }
        (until > at).then_some(until)
    }

    /// The first start at or after `at`, and before `limit`.
    fn next_start(&self, at: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        let mut from = at;
        while from < limit {
            let to = later(from, STEP).min(limit);
            let starts = self.periods(from, to).into_iter().map(|period| period.start);
            if let Some(start) = starts.filter(|start| from <= *start && *start < to).min() {
                return Some(start);
            }
            from = to;
        }
        None
    }
}

/// No later than there is time.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain(Vec<Period>);

    impl Covers for Plain {
        fn periods(&self, _: Timestamp, _: Timestamp) -> Vec<Period> {
            self.0.clone()
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_touches_or_overlaps_counts_as_one() {
        let plain = |periods: &[(i64, i64)]| {
            Plain(periods.iter().map(|(start, end)| Period { start: at(*start), end: at(*end) }).collect())
        };
        let until = |covers: &Plain, now| covers.covered_until(at(now), at(100)).map(Timestamp::as_second);
        let touching = plain(&[(20, 30), (10, 20)]);
        assert_eq!(
            [9, 10, 19, 20, 29, 30].map(|now| until(&touching, now)),
            [None, Some(30), Some(30), Some(30), Some(30), None]
        );
        assert_eq!(until(&plain(&[(10, 15), (12, 40), (39, 41), (42, 50)]), 10), Some(41));
        assert_eq!(until(&plain(&[(10, 1000)]), 10), Some(1000));
    }

    #[test]
    fn the_next_start_is_the_first_that_is_not_before_now() {
        let week = 7 * 24 * 3600;
        let plain = Plain([3, 1, 2].map(|n| Period { start: at(n * week), end: at(n * week + 1) }).to_vec());
        let next = |now, limit| plain.next_start(at(now), at(limit)).map(Timestamp::as_second);
        assert_eq!(next(0, 9 * week), Some(week));
        assert_eq!(next(week, 9 * week), Some(week));
        assert_eq!(next(week + 1, 9 * week), Some(2 * week));
        assert_eq!(next(week + 1, 2 * week), None);
        assert_eq!(next(3 * week + 1, 9 * week), None);
    }
}
