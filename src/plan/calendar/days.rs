//! Days of the week as an operator writes them: `Mon`, `Mon-Fri`, `Fri-Mon`, `Sat,Sun`, `daily`.

use jiff::civil::Weekday;

use super::zone::WEEK;
use crate::plan::policy::BadSetting;

const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAILY: &str = "daily";

/// At least one day of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

impl Days {
    pub fn contains(self, day: Weekday) -> bool {
        WEEK.iter().zip(self.0).any(|(of_week, within)| within && *of_week == day)
    }
}

impl std::str::FromStr for Days {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        if text.eq_ignore_ascii_case(DAILY) {
            return Ok(Self([true; 7]));
        }
        let bad = || BadSetting {
            expected: "days by their first three letters, as `Mon`, `Mon-Fri`, `Fri-Mon` or `Sat,Sun`, or `daily`",
            got: text.to_owned(),
        };
        let mut days = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (index(first).ok_or_else(bad)?, index(last).ok_or_else(bad)?);
            // `Mon-Mon` may mean the day or the whole week.
            if first == last && part.contains('-') {
                return Err(bad());
            }
            for offset in 0..=(last + 7 - first) % 7 {
                days[(first + offset) % 7] = true;
            }
        }
        Ok(Self(days))
    }
}

fn index(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))
}

/// Ranges where they are shorter than a list.
impl std::fmt::Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == [true; 7] {
            return f.write_str(DAILY);
        }
        let begins = |day: &usize| self.0[*day] && !self.0[(day + 6) % 7];
        let mut separator = "";
        for first in (0..7).filter(begins) {
            let length = (0..7).take_while(|offset| self.0[(first + offset) % 7]).count();
            let name = |offset: usize| NAMES[(first + offset) % 7];
            match length {
                1 => write!(f, "{separator}{}", name(0))?,
                2 => write!(f, "{separator}{},{}", name(0), name(1))?,
                _ => write!(f, "{separator}{}-{}", name(0), name(length - 1))?,
            }
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_names_ranges_that_may_wrap_and_lists() {
        let table = [
            ("Mon", "1000000", "Mon"),
            ("sUN", "0000001", "Sun"),
            ("Mon-Fri", "1111100", "Mon-Fri"),
            ("Fri-Mon", "1000111", "Fri-Mon"),
            ("Sun-Sat", "1111111", "daily"),
            ("Sat,Sun", "0000011", "Sat,Sun"),
            ("Sun,Mon", "1000001", "Sun,Mon"),
            ("Mon,Wed,Fri-Sun", "1010111", "Wed,Fri-Mon"),
            ("Mon-Tue,Tue,Mon", "1100000", "Mon,Tue"),
            ("Daily", "1111111", "daily"),
        ];
        for (text, bits, shown) in table {
            let days: Days = text.parse().unwrap();
            let within: String = WEEK.iter().map(|day| if days.contains(*day) { '1' } else { '0' }).collect();
            assert_eq!((within.as_str(), days.to_string().as_str()), (bits, shown), "{text}");
        }
    }

    #[test]
    fn every_set_of_days_is_read_back() {
        for bits in 1..128_u8 {
            let days = Days(std::array::from_fn(|day| bits & (1 << day) != 0));
            assert_eq!(days.to_string().parse(), Ok(days), "{days}");
        }
    }
}
