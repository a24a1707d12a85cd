//! Where a moment is on a picture, and the lines and steps over it. Across, everything is in percent of the time that is
//! shown: so a picture is as wide as its window, and its text keeps its size.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

/// Distances between two marks of the time, the first of which that leaves few enough is taken. In minutes.
const STEPS: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080];
const MOST_MARKS: i64 = 7;

/// The time that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Axis {
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: to.max(from.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX)) }
    }

    /// A time of day, with the day where more than one is shown.
    pub fn clock(&self, at: Timestamp) -> String {
        let day = |at: Timestamp| at.strftime("%F").to_string();
        let one = day(self.from) == day(self.to);
        at.strftime(if one { "%H:%M:%S" } else { "%b %d %H:%M:%S" }).to_string()
    }

    /// From 0 at the left to 100 at the right.
    pub fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        (at.duration_since(self.from).as_secs_f64() / whole * 100.0).clamp(0.0, 100.0)
    }

    /// Round times, with what to write there.
    pub fn marks(&self) -> Vec<(f64, String)> {
        let whole = self.to.duration_since(self.from).as_secs();
        let few = |step: &&i64| whole / (**step * 60) <= MOST_MARKS;
        let step = STEPS.iter().find(few).copied().unwrap_or(40_320) * 60;
        let first = (self.from.as_second() + step - 1).div_euclid(step) * step;
        let one = self.from.strftime("%F").to_string() == self.to.strftime("%F").to_string();
        let format = |at: &Timestamp| match (step >= 86_400, one || at.as_second() % 86_400 != 0) {
            (true, _) => "%b %d",
            (false, true) => "%H:%M",
            // Midnight, where the day changes.
            (false, false) => "%b %d",
        };
        let times = (0..).map(|n| first + n * step).take_while(|at| *at <= self.to.as_second());
        let times = times.filter_map(|at| Timestamp::from_second(at).ok());
        times.map(|at| (self.x(at), at.strftime(format(&at)).to_string())).collect()
    }

    /// A path in a box of 100 by 100 that holds each value until the next one, and the last to the right end. Values from 0
    /// at the bottom to `most` at the top.
    pub fn steps(&self, values: &[(Timestamp, u32)], most: u32) -> String {
        let y = |value: u32| 100.0 - f64::from(value) / f64::from(most.max(1)) * 100.0;
        let mut path = String::new();
        for (n, (at, value)) in values.iter().enumerate() {
            let (x, y) = (self.x(*at), y(*value));
            // Writing into a string cannot fail.
            let _ = if n == 0 { write!(path, "M{x:.2} {y:.1}") } else { write!(path, "H{x:.2}V{y:.1}") };
        }
        if !path.is_empty() {
            path.push_str("H100");
        }
        path
    }

    /// The same, down to the bottom on both sides.
    pub fn area(&self, values: &[(Timestamp, u32)], most: u32) -> String {
        let Some((first, _)) = values.first() else { return String::new() };
        format!("{}V100H{:.2}Z", self.steps(values, most), self.x(*first))
    }

    /// A path from value to value.
    pub fn line(&self, values: &[(Timestamp, u32)], most: u32) -> String {
        let y = |value: u32| 100.0 - f64::from(value) / f64::from(most.max(1)) * 100.0;
        let point = |(at, value): &(Timestamp, u32)| format!("{:.2} {:.1}", self.x(*at), y(*value));
        let points: Vec<String> = values.iter().map(point).collect();
        if points.is_empty() { String::new() } else { format!("M{}", points.join("L")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn marks_are_at_round_times_and_few() {
        let marks = |from, to| -> Vec<String> {
            Axis::new(time(from), time(to)).marks().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(marks(30, 330), ["00:01", "00:02", "00:03", "00:04", "00:05"]);
        assert_eq!(marks(0, 3 * 3600), ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30", "03:00"]);
        assert_eq!(marks(0, 5 * 86_400).len(), 6);
        assert!(marks(0, 400 * 86_400).len() <= 16);
        assert_eq!(marks(5, 5).len(), 0);
    }

    #[test]
    fn a_step_lasts_until_the_next_and_the_last_one_to_the_end() {
        let axis = Axis::new(time(0), time(100));
        assert_eq!(axis.steps(&[(time(0), 1), (time(50), 2)], 4), "M0.00 75.0H50.00V50.0H100");
        assert_eq!(axis.area(&[(time(20), 4)], 4), "M20.00 0.0H100V100H20.00Z");
        assert_eq!(axis.line(&[(time(0), 0), (time(100), 4)], 4), "M0.00 100.0L100.00 0.0");
        assert_eq!(axis.steps(&[], 4) + &axis.area(&[], 4) + &axis.line(&[], 4), "");
    }
}
