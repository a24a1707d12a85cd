//! The text of an RRULE (RFC 5545, 3.3.10). Every part is read or refused.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use super::time::{One, read_one};
use crate::plan::calendar::rule::{Every, NthDay, Rule};
use crate::plan::calendar::zone::WEEK;

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// The rule of an event that begins at this local time for the first time.
pub fn read(text: &str, start: DateTime, zone: &TimeZone) -> Result<Rule, String> {
    read_parts(text, start, zone).map_err(|why| format!("RRULE `{}`: {why}", text.trim()))
}

fn read_parts(text: &str, start: DateTime, zone: &TimeZone) -> Result<Rule, String> {
    let mut parts = Parts::new(text)?;
    let mut rule = Rule {
        every: every(&parts.take("FREQ").ok_or("no FREQ")?)?,
        interval: parts.take("INTERVAL").map_or(Ok(1), |text| number(&text, 1, i32::MAX))?,
        last: None,
        months: parts.list("BYMONTH", |text| number(text, 1, 12))?,
        days_of_month: parts.list("BYMONTHDAY", |text| nth(text, 31))?,
        days: parts.list("BYDAY", nth_day)?,
        positions: parts.list("BYSETPOS", |text| nth(text, 366))?,
        week_start: parts.take("WKST").map_or(Ok(Weekday::Monday), |text| weekday(&text))?,
    };
    let (until, count) = (parts.take("UNTIL"), parts.take("COUNT"));
    parts.must_be_empty()?;
    check(&rule)?;
    fill(&mut rule, start.date());
    rule.last = match (until, count) {
        (None, None) => None,
        (Some(until), None) => Some(last_until(&until, start, zone)?),
        (None, Some(count)) => rule.date_of(start.date(), number(&count, 1, u32::MAX)?),
        (Some(_), Some(_)) => return Err("UNTIL and COUNT exclude each other".to_owned()),
    };
    Ok(rule)
}

/// What the standard forbids.
fn check(rule: &Rule) -> Result<(), String> {
    let has_nth = rule.days.iter().any(|day| day.nth.is_some());
    let refuse = |what: &str| Err(what.to_owned());
    match rule.every {
        Every::Day | Every::Week if has_nth => refuse("BYDAY with a number is for months and years"),
        Every::Week if !rule.days_of_month.is_empty() => refuse("BYMONTHDAY is not for weeks"),
        Every::Day | Every::Week | Every::Month | Every::Year => {
            let has_other = !(rule.months.is_empty() && rule.days_of_month.is_empty() && rule.days.is_empty());
            if rule.positions.is_empty() || has_other { Ok(()) } else { refuse("BYSETPOS needs another BY") }
        }
    }
}

/// What is not said is as it is on the first day.
fn fill(rule: &mut Rule, first: Date) {
    let no_day = rule.days.is_empty() && rule.days_of_month.is_empty();
    match rule.every {
        Every::Week if no_day => rule.days.push(NthDay { nth: None, day: first.weekday() }),
        Every::Month | Every::Year if no_day => {
            rule.days_of_month.push(first.day());
            if rule.every == Every::Year && rule.months.is_empty() {
                rule.months.push(first.month());
            }
        }
        Every::Day | Every::Week | Every::Month | Every::Year => {}
    }
}

/// The last day on which an occurrence does not start after that.
fn last_until(text: &str, start: DateTime, zone: &TimeZone) -> Result<Date, String> {
    let bad = || format!("UNTIL `{text}` is not a date or a time");
    let (day, is_past) = match read_one(text).ok_or_else(bad)? {
        One::Day(day) => return Ok(day),
        One::Time(_, false) => return Err(format!("UNTIL `{text}` is in no zone: it needs a Z, for UTC")),
        One::Time(utc, true) => {
            let until = TimeZone::UTC.to_timestamp(utc).map_err(|_| bad())?;
            let day = zone.to_datetime(until).date();
            let starts = zone.to_timestamp(day.to_datetime(start.time())).map_err(|_| bad())?;
            (day, starts > until)
        }
    };
    if is_past { day.yesterday().map_err(|_| bad()) } else { Ok(day) }
}

/// What has not been read yet.
struct Parts(BTreeMap<String, String>);

impl Parts {
    fn new(text: &str) -> Result<Self, String> {
        let mut parts = BTreeMap::new();
        for part in text.trim().split(';') {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not `NAME=VALUE`"))?;
            let name = name.trim().to_ascii_uppercase();
            if parts.insert(name.clone(), value.trim().to_ascii_uppercase()).is_some() {
                return Err(format!("{name} comes twice"));
            }
        }
        Ok(Self(parts))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn list<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
        let Some(text) = self.take(name) else {
            return Ok(Vec::new());
        };
        text.split(',').map(|one| read(one.trim()).map_err(|why| format!("{name}: {why}"))).collect()
    }

    fn must_be_empty(self) -> Result<(), String> {
        let names: Vec<String> = self.0.into_keys().collect();
        if names.is_empty() { Ok(()) } else { Err(format!("{} is not supported", names.join(", "))) }
    }
}

fn every(text: &str) -> Result<Every, String> {
    match text {
        "DAILY" => Ok(Every::Day),
        "WEEKLY" => Ok(Every::Week),
        "MONTHLY" => Ok(Every::Month),
        "YEARLY" => Ok(Every::Year),
        other => Err(format!("FREQ {other} is not supported")),
    }
}

fn number<T: std::str::FromStr + PartialOrd>(text: &str, least: T, most: T) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| *number >= least && *number <= most);
    number.ok_or_else(|| format!("`{text}` is not a number that can be here"))
}

/// A number that may count from the end.
fn nth<T>(text: &str, most: i16) -> Result<T, String>
where
    T: TryFrom<i16>,
{
    let nth = number(text, -most, most)?;
    let bad = || format!("`{text}` is not a number that can be here");
    if nth == 0 { Err(bad()) } else { T::try_from(nth).map_err(|_| bad()) }
}

fn nth_day(text: &str) -> Result<NthDay, String> {
    let at = text.len().saturating_sub(2);
    let (count, day) = text.split_at_checked(at).ok_or_else(|| format!("`{text}` is not a day"))?;
    let nth = if count.is_empty() { None } else { Some(nth(count, 53)?) };
    Ok(NthDay { nth, day: weekday(day)? })
}

fn weekday(text: &str) -> Result<Weekday, String> {
    let index = DAYS.iter().position(|day| *day == text).ok_or_else(|| format!("`{text}` is not a day"))?;
    Ok(WEEK[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The days of the first occurrences from `begin` on, as `1997-09: 2 3 4, 1997-10: 1`.
    fn days(start: &str, text: &str, begin: Option<&str>) -> String {
        let zone = TimeZone::get("America/New_York").unwrap();
        let start: DateTime = start.parse().unwrap();
        let rule = read(text, start, &zone).unwrap();
        let begin = begin.map_or(start.date(), |begin| begin.parse().unwrap());
        let mut shown = String::new();
        let mut month = String::new();
        for day in rule.dates(start.date(), begin, begin.saturating_add(jiff::Span::new().years(40))).take(8) {
            let of = day.strftime("%Y-%m").to_string();
            if of != month {
                let separator = if shown.is_empty() { "" } else { ", " };
                shown += &format!("{separator}{of}:");
                month = of;
            }
            shown += &format!(" {}", day.day());
        }
        shown
    }

    const SEPTEMBER: &str = "1997-09-02T09:00";

    /// Those of section 3.8.5.3 that are about days.
    const OF_THE_STANDARD: [(&str, &str, &str); 23] = [
        (SEPTEMBER, "FREQ=DAILY;COUNT=10", "1997-09: 2 3 4 5 6 7 8 9"),
        (SEPTEMBER, "FREQ=DAILY;INTERVAL=2", "1997-09: 2 4 6 8 10 12 14 16"),
        (SEPTEMBER, "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09: 2 12 22, 1997-10: 2 12"),
        ("1998-01-01T09:00", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "1998-01: 1 2 3 4 5 6 7 8"),
        (SEPTEMBER, "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997-09: 2 16 30, 1997-10: 14 28, 1997-11: 11 25, 1997-12: 9"),
        (SEPTEMBER, "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09: 2 4 9 11 16 18 23 25"),
        (SEPTEMBER, "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09: 2 4 16 18 30, 1997-10: 2 14 16"),
        (
            "1997-09-05T09:00",
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            "1997-09: 5, 1997-10: 3, 1997-11: 7, 1997-12: 5, 1998-01: 2, 1998-02: 6, 1998-03: 6, 1998-04: 3",
        ),
        (
            "1997-09-07T09:00",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            "1997-09: 7 28, 1997-11: 2 30, 1998-01: 4 25, 1998-03: 1 29",
        ),
        (
            "1997-09-22T09:00",
            "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
            "1997-09: 22, 1997-10: 20, 1997-11: 17, 1997-12: 22, 1998-01: 19, 1998-02: 16",
        ),
        (
            "1997-09-28T09:00",
            "FREQ=MONTHLY;BYMONTHDAY=-3",
            "1997-09: 28, 1997-10: 29, 1997-11: 28, 1997-12: 29, 1998-01: 29, 1998-02: 26, 1998-03: 29, 1998-04: 28",
        ),
        (
            "1997-09-30T09:00",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "1997-09: 30, 1997-10: 1 31, 1997-11: 1 30, 1997-12: 1 31, 1998-01: 1",
        ),
        (
            "1997-09-10T09:00",
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11",
            "1997-09: 10 11, 1999-03: 10 11, 2000-09: 10 11, 2002-03: 10 11",
        ),
        (
            "1997-06-10T09:00",
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            "1997-06: 10, 1997-07: 10, 1998-06: 10, 1998-07: 10, 1999-06: 10, 1999-07: 10, 2000-06: 10, 2000-07: 10",
        ),
        ("1997-05-19T09:00", "FREQ=YEARLY;BYDAY=20MO;COUNT=3", "1997-05: 19, 1998-05: 18, 1999-05: 17"),
        ("1997-03-13T09:00", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997-03: 13 20 27, 1998-03: 5 12 19 26, 1999-03: 4"),
        (
            "1998-02-13T09:00",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "1998-02: 13, 1998-03: 13, 1998-11: 13, 1999-08: 13, 2000-10: 13, 2001-04: 13, 2001-07: 13, 2002-09: 13",
        ),
        (
            "1996-11-05T09:00",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3",
            "1996-11: 5, 2000-11: 7, 2004-11: 2",
        ),
        ("1997-09-04T09:00", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09: 4, 1997-10: 7, 1997-11: 6"),
        (
            "1997-09-29T09:00",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=7",
            "1997-09: 29, 1997-10: 30, 1997-11: 27, 1997-12: 30, 1998-01: 29, 1998-02: 26, 1998-03: 30",
        ),
        ("1997-08-05T09:00", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08: 5 10 19 24"),
        ("1997-08-05T09:00", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08: 5 17 19 31"),
        ("2007-01-15T09:00", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01: 15 30, 2007-02: 15, 2007-03: 15 30"),
    ];

    #[test]
    fn the_examples_of_the_standard() {
        for (start, text, expected) in OF_THE_STANDARD {
            assert_eq!(days(start, text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_is_the_same_from_the_middle_on() {
        let table = [
            (
                "1997-09-02T09:00",
                "FREQ=DAILY;INTERVAL=10",
                "1997-10-01",
                "1997-10: 2 12 22, 1997-11: 1 11 21, 1997-12: 1 11",
            ),
            ("1997-09-02T09:00", "FREQ=DAILY;COUNT=10", "1997-09-10", "1997-09: 10 11"),
            (
                "1997-09-02T09:00",
                "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
                "1997-12-01",
                "1997-12: 9 23, 1998-01: 6 20, 1998-02: 3 17, 1998-03: 3 17",
            ),
            ("1997-08-05T09:00", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU", "1997-08-20", "1997-08: 24"),
            (
                "2020-11-26T00:00",
                "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
                "2026-01-01",
                "2026-11: 26, 2027-11: 25, 2028-11: 23, 2029-11: 22, 2030-11: 28, 2031-11: 27, 2032-11: 25, 2033-11: 24",
            ),
            (
                "2020-02-29T00:00",
                "FREQ=YEARLY",
                "2021-01-01",
                "2024-02: 29, 2028-02: 29, 2032-02: 29, 2036-02: 29, 2040-02: 29, 2044-02: 29, 2048-02: 29, 2052-02: 29",
            ),
            (
                "2020-01-31T00:00",
                "FREQ=MONTHLY",
                "2026-01-01",
                "2026-01: 31, 2026-03: 31, 2026-05: 31, 2026-07: 31, 2026-08: 31, 2026-10: 31, 2026-12: 31, 2027-01: 31",
            ),
        ];
        for (start, text, begin, expected) in table {
            assert_eq!(days(start, text, Some(begin)), expected, "{text} from {begin}");
        }
    }

    #[test]
    fn until_is_the_last_start_that_may_be() {
        let last = |until: &str| days("1997-09-02T09:00", &format!("FREQ=DAILY;UNTIL={until}"), None);
        for (until, expected) in [
            ("19970904", "1997-09: 2 3 4"),
            // 09:00 in New York.
            ("19970904T130000Z", "1997-09: 2 3 4"),
            ("19970904T125959Z", "1997-09: 2 3"),
        ] {
            assert_eq!(last(until), expected, "{until}");
        }
    }

    #[test]
    fn what_is_not_understood_of_a_rule_is_refused() {
        let table = [
            ("", "`` is not `NAME=VALUE`"),
            ("COUNT=3", "no FREQ"),
            ("FREQ=HOURLY", "FREQ HOURLY is not supported"),
            ("FREQ=FORTNIGHTLY", "FREQ FORTNIGHTLY is not supported"),
            ("FREQ=DAILY;", "`` is not `NAME=VALUE`"),
            ("FREQ=DAILY;FREQ=WEEKLY", "FREQ comes twice"),
            ("FREQ=DAILY;BYHOUR=9,10", "BYHOUR is not supported"),
            ("FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=1", "BYWEEKNO, BYYEARDAY is not supported"),
            ("RSCALE=CHINESE;FREQ=YEARLY", "RSCALE is not supported"),
            ("FREQ=DAILY;INTERVAL=0", "`0` is not a number"),
            ("FREQ=DAILY;INTERVAL=-1", "`-1` is not a number"),
            ("FREQ=DAILY;COUNT=0", "`0` is not a number"),
            ("FREQ=DAILY;COUNT=many", "`MANY` is not a number"),
            ("FREQ=DAILY;COUNT=3;UNTIL=19971224", "exclude each other"),
            ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL `TOMORROW`"),
            ("FREQ=DAILY;UNTIL=1997-12-24", "UNTIL `1997-12-24`"),
            ("FREQ=DAILY;UNTIL=19971224T090000", "is in no zone"),
            ("FREQ=YEARLY;BYMONTH=13", "BYMONTH: `13`"),
            ("FREQ=YEARLY;BYMONTH=5L", "BYMONTH: `5L`"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY: `0`"),
            ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY: `32`"),
            ("FREQ=WEEKLY;BYMONTHDAY=1", "not for weeks"),
            ("FREQ=WEEKLY;BYDAY=1MO", "for months and years"),
            ("FREQ=DAILY;BYDAY=1MO", "for months and years"),
            ("FREQ=WEEKLY;BYDAY=MON", "BYDAY: `M` is not a number"),
            ("FREQ=WEEKLY;BYDAY=", "BYDAY: `` is not a day"),
            ("FREQ=WEEKLY;BYDAY=ü", "BYDAY: `ü`"),
            ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY: `0` is not a number"),
            ("FREQ=MONTHLY;BYDAY=54MO", "BYDAY: `54`"),
            ("FREQ=MONTHLY;BYSETPOS=1", "needs another BY"),
            ("FREQ=WEEKLY;WKST=1", "`1` is not a day"),
        ];
        for (text, part) in table {
            let bad = read(text, "1997-09-02T09:00".parse().unwrap(), &TimeZone::UTC).unwrap_err();
            assert!(bad.contains(part), "{text}: {bad}");
        }
    }
}
