use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn windows(text: &str) -> Windows {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `open` or `closed`, and until when, on the clocks of the first window.
fn state(windows: &Windows, now: &str) -> String {
    let (word, changes) = match windows.state(at(now)) {
        State::Open { until } => ("open", until),
        State::Closed { opens } => ("closed", opens),
    };
    let changes = changes.map(|at| at.to_zoned(windows.zone()).strftime("%a %d %H:%M%:z").to_string());
    format!("{word} {}", changes.unwrap_or_else(|| "always".to_owned()))
}

/// The state at each of the times, in turn.
fn check(text: &str, table: &[(&str, &str)]) {
    let windows = windows(text);
    for (now, expected) in table {
        assert_eq!(state(&windows, now), *expected, "{text} at {now}");
    }
}

#[test]
fn a_window_across_midnight_is_of_the_day_on_which_it_starts() {
    check(
        "Mon-Fri 22:00-04:00 Europe/Berlin",
        &[
            ("2026-06-01T03:00+02:00", "closed Mon 01 22:00+02:00"),
            ("2026-06-01T21:59:59+02:00", "closed Mon 01 22:00+02:00"),
            ("2026-06-01T22:00+02:00", "open Tue 02 04:00+02:00"),
            ("2026-06-02T03:59:59.999999999+02:00", "open Tue 02 04:00+02:00"),
            ("2026-06-02T04:00+02:00", "closed Tue 02 22:00+02:00"),
            ("2026-06-06T03:00+02:00", "open Sat 06 04:00+02:00"),
            ("2026-06-06T04:00+02:00", "closed Mon 08 22:00+02:00"),
        ],
    );
    check("Sun 22:00-04:00", &[("2026-06-01T03:00Z", "open Mon 01 04:00+00:00")]);
}

#[test]
fn days_wrap_around_the_week() {
    check(
        "Sun-Mon 10:00-11:00",
        &[
            ("2026-06-05T10:30Z", "closed Sun 07 10:00+00:00"),
            ("2026-06-07T10:30Z", "open Sun 07 11:00+00:00"),
            ("2026-06-08T10:30Z", "open Mon 08 11:00+00:00"),
        ],
    );
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    check(
        "Sat,Sun 00:00-24:00 Europe/Berlin",
        &[
            ("2026-06-05T23:59+02:00", "closed Sat 06 00:00+02:00"),
            ("2026-06-06T00:00+02:00", "open Mon 08 00:00+02:00"),
            ("2026-06-07T23:59+02:00", "open Mon 08 00:00+02:00"),
        ],
    );
    check(
        "Fri 22:00-24:00 Europe/Berlin; Sat 00:00-02:00 Europe/Berlin; Fri 23:30-01:00 UTC",
        &[
            // 01:00 in London's winter is 03:00 in Berlin's summer.
            ("2026-06-05T22:00+02:00", "open Sat 06 03:00+02:00"),
        ],
    );
    check("daily 00:00-24:00 Europe/Berlin", &[("2026-06-05T22:00+02:00", "open always")]);
    check("daily 00:00-12:00; daily 12:00-00:00", &[("2026-06-05T22:00Z", "open always")]);
}

#[test]
fn what_the_clocks_skip_is_not_there() {
    let berlin = "2026-03-29T00:30:00Z";
    check("daily 02:00-03:00 Europe/Berlin", &[(berlin, "closed Mon 30 02:00+02:00")]);
    check(
        "daily 02:30-04:00 Europe/Berlin",
        &[(berlin, "closed Sun 29 03:00+02:00"), ("2026-03-29T03:00+02:00", "open Sun 29 04:00+02:00")],
    );
    check("daily 01:00-02:30 Europe/Berlin", &[(berlin, "open Sun 29 03:00+02:00")]);
    check("Sat 23:00-05:00 Europe/Berlin", &[(berlin, "open Sun 29 05:00+02:00")]);
    check("Sun 02:00-03:00 America/New_York", &[("2026-03-08T06:30Z", "closed Sun 15 02:00-04:00")]);
    check(
        "Sun 02:15-03:00 Australia/Lord_Howe",
        &[("2026-10-03T15:00Z", "closed Sun 04 02:30+11:00"), ("2026-10-03T15:30Z", "open Sun 04 03:00+11:00")],
    );
}

#[test]
fn what_the_clocks_show_twice_is_open_twice() {
    check(
        "daily 02:00-03:00 Europe/Berlin",
        &[
            ("2026-10-25T02:30+02:00", "open Sun 25 03:00+01:00"),
            ("2026-10-25T02:30+01:00", "open Sun 25 03:00+01:00"),
            ("2026-10-25T03:00+01:00", "closed Mon 26 02:00+01:00"),
        ],
    );
    check(
        "daily 02:15-02:45 Europe/Berlin",
        &[
            ("2026-10-25T02:30+02:00", "open Sun 25 02:45+02:00"),
            ("2026-10-25T02:45+02:00", "closed Sun 25 02:15+01:00"),
            ("2026-10-25T02:30+01:00", "open Sun 25 02:45+01:00"),
        ],
    );
    check("Sun 01:00-02:00 America/New_York", &[("2026-11-01T01:30-04:00", "open Sun 01 02:00-05:00")]);
    check(
        "Sun 01:00-02:00 Australia/Lord_Howe",
        &[("2026-04-05T01:00+11:00", "open Sun 05 02:00+10:30"), ("2026-04-05T01:45+10:30", "open Sun 05 02:00+10:30")],
    );
}

#[test]
fn windows_are_read_back_as_they_are_written() {
    let table = [
        ("Mon-Fri 22:00-04:00 Europe/Berlin", "Mon-Fri 22:00-04:00 Europe/Berlin"),
        ("  sat,sun  00:00-24:00 ", "Sat,Sun 00:00-24:00 UTC"),
        ("Fri-Mon 09:05-00:00 europe/berlin;Tue 00:00-00:01", "Fri-Mon 09:05-00:00 Europe/Berlin; Tue 00:00-00:01 UTC"),
        ("Mon-Sun 01:00-02:00 America/New_York", "daily 01:00-02:00 America/New_York"),
    ];
    for (text, shown) in table {
        assert_eq!(windows(text).to_string(), shown);
        assert_eq!(windows(shown), windows(text));
    }
}

#[test]
fn a_text_that_is_no_window_is_refused_with_what_was_expected() {
    let table = [
        ("", "expected a window of days"),
        ("Mon", "got `Mon`"),
        ("Mon 22:00 - 04:00", "expected a window of days"),
        ("Mon 22:00-04:00 Europe/Berlin UTC", "expected a window of days"),
        ("Mon 22:00-04:00;", "expected a window of days"),
        ("22:00-04:00 Mon", "got `22:00-04:00`"),
        ("Monday 22:00-04:00", "got `Monday`"),
        ("Mo 22:00-04:00", "expected days"),
        ("Mon- 22:00-04:00", "got `Mon-`"),
        ("Mon-Mon 22:00-04:00", "got `Mon-Mon`"),
        ("Mon-Tue-Wed 22:00-04:00", "expected days"),
        ("Mon,,Tue 22:00-04:00", "got `Mon,,Tue`"),
        ("Mon,daily 22:00-04:00", "expected days"),
        ("Mon 22-04", "expected times"),
        ("Mon 9:00-10:00", "got `9:00-10:00`"),
        ("Mon 22:00", "expected times"),
        ("Mon 22:60-23:00", "got `22:60-23:00`"),
        ("Mon 24:00-04:00", "expected times"),
        ("Mon 22:00-24:01", "expected times"),
        ("Mon 22:00-25:00", "expected times"),
        ("Mon +1:00-02:00", "expected times"),
        ("Mon 22:00-04:00-05:00", "expected times"),
        ("Mon 22:00:00-23:00:00", "expected times"),
        ("Mon 22:00-22:00", "`00:00-24:00` is the whole day"),
        ("Mon 22:00-04:00 Berlin", "expected a time zone by its IANA name, as `Europe/Berlin`, got `Berlin`"),
        ("Mon 22:00-04:00 +01:00", "got `+01:00`"),
        ("Mon 22:00-04:00 Etc/Unknown", "expected a time zone"),
        ("Mon 22:00-04:00; Tue 22:00-04:00 CEST", "got `CEST`"),
    ];
    for (text, part) in table {
        let bad = text.parse::<Windows>().unwrap_err().to_string();
        assert!(bad.contains(part), "{text}: {bad}");
    }
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for text in ["daily 00:00-24:00 Europe/Berlin", "Mon 22:00-04:00 America/New_York"] {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            let _ = windows(text).state(now);
        }
    }
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Chatham",
];

const MINUTES: i64 = 9 * DAY;

/// Around days on which clocks of these zones change, and any others.
fn some_begin(random: &mut ChaCha8Rng) -> Timestamp {
    let days = [
        "2026-03-08",
        "2026-03-29",
        "2026-04-05",
        "2026-09-06",
        "2026-09-27",
        "2026-10-04",
        "2026-10-25",
        "2026-11-01",
    ];
    let day = match random.random_range(0..10) {
        n @ 0..8 => at(&format!("{}T00:00Z", days[n])),
        _ => at("2026-01-01T00:00Z") + random.random_range(0..365 * 24).hours(),
    };
    day - random.random_range(0..2 * DAY).minutes()
}

/// What happens at the edges is what is wrong: short ones, at odd times and around the hours that clocks change.
fn some_window(random: &mut ChaCha8Rng) -> String {
    let days = ["daily", "Mon", "Sat,Sun", "Fri-Mon", "Sun", "Tue,Thu-Sat"][random.random_range(0..6)];
    let minute = |random: &mut ChaCha8Rng| match random.random_range(0..3) {
        0 => random.random_range(0..DAY),
        1 => random.random_range(0..8) * 30,
        _ => random.random_range(0..24) * 60,
    };
    let start = minute(random);
    let end = Some(minute(random)).filter(|end| *end != start).unwrap_or(DAY);
    let zone = ZONES[random.random_range(0..ZONES.len())];
    format!("{days} {:02}:{:02}-{:02}:{:02} {zone}", start / 60, start % 60, end / 60, end % 60)
}

/// Whether the clocks of the zone show a time within the window.
fn naive(window: &Window, now: Timestamp) -> bool {
    let local = window.zone.to_datetime(now);
    let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
    let today = window.days.contains(local.weekday());
    let yesterday = window.days.contains(local.weekday().previous());
    if window.start < window.end {
        today && (window.start..window.end).contains(&minute)
    } else {
        today && minute >= window.start || yesterday && minute < window.end
    }
}

#[test]
fn every_state_is_what_looking_at_the_clocks_each_minute_shows() {
    let mut seen = [0; 2];
    for seed in 0..120 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let text = (0..random.random_range(1..4)).map(|_| some_window(&mut random)).collect::<Vec<_>>().join("; ");
        let (windows, begin) = (windows(&text), some_begin(&mut random));
        let minutes: Vec<bool> =
            (0..MINUTES).map(|n| windows.0.iter().any(|window| naive(window, begin + n.minutes()))).collect();
        for _ in 0..20 {
            let now = random.random_range(0..usize::try_from(MINUTES).unwrap());
            let change = minutes[now..].iter().position(|open| *open != minutes[now]);
            let change = change.map(|after| begin + i64::try_from(now + after).unwrap().minutes());
            let now_at = begin + i64::try_from(now).unwrap().minutes();
            let (open, changes) = match windows.state(now_at + random.random_range(0..60).seconds()) {
                State::Open { until } => (true, until),
                State::Closed { opens } => (false, opens),
            };
            // What changes only after the last minute that was looked at is not known to the clocks.
            let known = changes.filter(|at| *at < begin + MINUTES.minutes());
            assert_eq!((open, known), (minutes[now], change), "seed {seed}: {text} at {now_at}");
            seen[usize::from(open)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 300), "both were looked at: {seen:?}");
}
