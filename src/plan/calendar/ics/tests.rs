use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// The event with these lines in a calendar, at home in Berlin.
fn read(lines: &str) -> Result<FromIcs, BadIcs> {
    let text =
        format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:Sale\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    Freeze::from_ics(&text, &berlin())
}

/// All freezes of a time, as `2026-11-27T00:00:00Z/2026-11-28T00:00:00Z Black Friday`.
fn freezes(read: &FromIcs, from: &str, to: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut now = at(from);
    while now < at(to) {
        if let Some(frozen) = read.freeze.state(now) {
            all.push(format!("{now}/{} {}", frozen.until, frozen.what));
            now = frozen.until;
        }
        now += jiff::SignedDuration::from_mins(30);
    }
    all
}

const GOOGLE: &str = include_str!("samples/google.ics");
const OUTLOOK: &str = include_str!("samples/outlook.ics");
const BY_HAND: &str = include_str!("samples/by-hand.ics");

#[test]
fn a_calendar_of_google() {
    assert!(GOOGLE.contains("\r\n "), "folded, with CRLF");
    let read = Freeze::from_ics(GOOGLE, &TimeZone::UTC).unwrap();
    assert_eq!(
        read.ignored,
        [
            "`Team lunch` (line 56): TRANSP:TRANSPARENT",
            "`Spring sale, postponed` (line 65): STATUS:CANCELLED",
            "`Weekly release party: nobody touches the hosts while the demo is running on the big screen` (line 84): \
         STATUS:CANCELLED",
        ]
    );
    let party = "Weekly release party: nobody touches the hosts while the demo is running on the big screen";
    assert_eq!(
        freezes(&read, "2026-10-01T00:00Z", "2026-12-01T00:00Z"),
        [
            // Fridays from 15:00 to 18:00 in Berlin, summer and winter; the one of the 16th is excluded, the one of the 6th is
            // cancelled, the one of the 13th is on a Thursday.
            format!("2026-10-02T13:00:00Z/2026-10-02T16:00:00Z {party}"),
            format!("2026-10-09T13:00:00Z/2026-10-09T16:00:00Z {party}"),
            format!("2026-10-23T13:00:00Z/2026-10-23T16:00:00Z {party}"),
            format!("2026-10-30T14:00:00Z/2026-10-30T17:00:00Z {party}"),
            "2026-11-12T14:00:00Z/2026-11-12T17:00:00Z Weekly release party, moved".to_owned(),
            format!("2026-11-20T14:00:00Z/2026-11-20T17:00:00Z {party}"),
            "2026-11-27T00:00:00Z/2026-12-01T00:00:00Z Black Friday to Cyber Monday".to_owned(),
        ]
    );
}

#[test]
fn a_calendar_of_outlook() {
    let read = Freeze::from_ics(OUTLOOK, &TimeZone::UTC).unwrap();
    assert_eq!(read.ignored, Vec::<String>::new());
    assert_eq!(
        freezes(&read, "2026-03-01T00:00Z", "2026-07-01T00:00Z"),
        [
            // The last Monday of the month at 20:00, by Windows' name for the zone; four times.
            "2026-03-30T18:00:00Z/2026-03-30T20:00:00Z Books are closed",
            "2026-04-27T18:00:00Z/2026-04-27T20:00:00Z Books are closed",
            "2026-05-25T18:00:00Z/2026-05-25T20:00:00Z Books are closed",
            // All day, in the zone of those who have said nothing.
            "2026-06-03T00:00:00Z/2026-06-05T00:00:00Z Audit",
        ]
    );
    assert_eq!(
        freezes(&read, "2026-02-20T00:00Z", "2026-02-28T00:00Z"),
        ["2026-02-23T19:00:00Z/2026-02-23T21:00:00Z Books are closed"]
    );
}

#[test]
fn a_calendar_by_hand() {
    assert!(!BY_HAND.contains('\r'));
    let read = Freeze::from_ics(BY_HAND, &berlin()).unwrap();
    assert_eq!(read.ignored, ["VTODO (line 26): not an event"]);
    assert_eq!(
        freezes(&read, "2026-11-01T00:00Z", "2027-01-15T00:00Z"),
        [
            "2026-11-26T05:00:00Z/2026-11-27T05:00:00Z Thanksgiving",
            "2026-12-19T23:00:00Z/2027-01-04T23:00:00Z Christmas, and the days after",
            "2027-01-10T21:00:00Z/2027-01-11T00:30:00Z Stock-taking",
        ]
    );
    assert_eq!(
        freezes(&read, "2030-11-01T00:00Z", "2030-12-01T00:00Z"),
        ["2030-11-28T05:00:00Z/2030-11-29T05:00:00Z Thanksgiving"]
    );
}

#[test]
fn times_are_in_their_own_zone_in_utc_or_at_home() {
    let table = [
        ("DTSTART:20261127T080000Z\nDTEND:20261127T090000Z", "2026-11-27T08:00:00Z/2026-11-27T09:00:00Z Sale"),
        ("DTSTART:20261127T080000\nDTEND:20261127T090000", "2026-11-27T07:00:00Z/2026-11-27T08:00:00Z Sale"),
        (
            "DTSTART;TZID=America/New_York:20261127T080000\nDTEND;TZID=Europe/Berlin:20261127T150000",
            "2026-11-27T13:00:00Z/2026-11-27T14:00:00Z Sale",
        ),
        ("DTSTART;TZID=/example.org/1/Europe/Berlin:20261127T080000\nDURATION:PT1H", {
            "2026-11-27T07:00:00Z/2026-11-27T08:00:00Z Sale"
        }),
        ("DTSTART;VALUE=DATE:20261127", "2026-11-26T23:00:00Z/2026-11-27T23:00:00Z Sale"),
        ("DTSTART:20261127\nDURATION:P1W", "2026-11-26T23:00:00Z/2026-12-03T23:00:00Z Sale"),
        ("DTSTART;VALUE=DATE:20261127\nDTEND;VALUE=DATE:20261129", "2026-11-26T23:00:00Z/2026-11-28T23:00:00Z Sale"),
    ];
    for (lines, expected) in table {
        assert_eq!(freezes(&read(lines).unwrap(), "2026-11-20T00:00Z", "2026-12-10T00:00Z"), [expected], "{lines}");
    }
}

/// Each across the hour that Berlin's clocks skip, or show twice.
#[test]
fn an_event_goes_by_the_clocks() {
    let weekly = "DTSTART:20260321T220000\nDTEND:20260322T060000\nRRULE:FREQ=WEEKLY;COUNT=2";
    assert_eq!(
        freezes(&read(weekly).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        [
            "2026-03-21T21:00:00Z/2026-03-22T05:00:00Z Sale",
            // Eight hours after 22:00 it is 07:00, which is later than the 06:00 that everybody sees.
            "2026-03-28T21:00:00Z/2026-03-29T05:00:00Z Sale",
        ]
    );
    let back = "DTSTART:20261017T220000\nDTEND:20261018T060000\nRRULE:FREQ=WEEKLY;COUNT=2";
    assert_eq!(
        freezes(&read(back).unwrap(), "2026-10-20T00:00Z", "2026-11-10T00:00Z"),
        [
            // 06:00 is later than eight hours after 22:00.
            "2026-10-24T20:00:00Z/2026-10-25T05:00:00Z Sale",
        ]
    );
    let day = "DTSTART:20260328T120000\nDURATION:P1D";
    assert_eq!(
        freezes(&read(day).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        ["2026-03-28T11:00:00Z/2026-03-29T10:00:00Z Sale"]
    );
    let hours = "DTSTART:20260328T120000\nDURATION:PT24H";
    assert_eq!(
        freezes(&read(hours).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        ["2026-03-28T11:00:00Z/2026-03-29T11:00:00Z Sale"]
    );
    let skipped = "DTSTART:20260328T023000\nDURATION:PT15M\nRRULE:FREQ=DAILY;COUNT=2";
    assert_eq!(
        freezes(&read(skipped).unwrap(), "2026-03-28T12:00Z", "2026-04-10T00:00Z"),
        ["2026-03-29T01:30:00Z/2026-03-29T01:45:00Z Sale"]
    );
}

#[test]
fn occurrences_are_excluded_by_their_start() {
    let daily = |exdate: &str| {
        let read = read(&format!("DTSTART:20261101T080000\nDTEND:20261101T090000\nRRULE:FREQ=DAILY;COUNT=3\n{exdate}"));
        freezes(&read.unwrap(), "2026-10-20T00:00Z", "2026-12-10T00:00Z").len()
    };
    assert_eq!(daily("EXDATE:20261102T080000"), 2);
    assert_eq!(daily("EXDATE:20261102T070000Z,20261103T070000Z"), 1);
    assert_eq!(daily("EXDATE;TZID=America/New_York:20261102T020000\nEXDATE:20261101T080000"), 1);
    // That is no occurrence, so it excludes none.
    assert_eq!(daily("EXDATE:20261102T080001"), 3);
    let days = "DTSTART;VALUE=DATE:20261101\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20261108";
    assert_eq!(
        freezes(&read(days).unwrap(), "2026-10-20T00:00Z", "2026-12-10T00:00Z"),
        ["2026-10-31T23:00:00Z/2026-11-01T23:00:00Z Sale", "2026-11-14T23:00:00Z/2026-11-15T23:00:00Z Sale",]
    );
}

#[test]
fn what_cannot_be_understood_is_an_error_with_the_name_of_the_event() {
    let times = "DTSTART:20261127T080000\nDTEND:20261127T090000";
    let table = [
        ("DTEND:20261127T090000", "no DTSTART"),
        ("DTSTART:20261127T080000", "neither DTEND nor DURATION"),
        ("DTSTART:tomorrow", "DTSTART `tomorrow` is not a date or a time"),
        ("DTSTART:20261127T0800", "is not a date or a time"),
        ("DTSTART:20261131", "is not a date or a time"),
        ("DTSTART;VALUE=DATE:20261127T080000", "is not a date or a time"),
        ("DTSTART;VALUE=PERIOD:20261127T080000/PT1H", "is not a date or a time"),
        ("DTSTART;VALUE=DATE-TIME:20261127", "is not a date or a time"),
        ("DTSTART:20261127,20261128", "DTSTART has more than one value"),
        ("DTSTART;TZID=Mars/Olympus:20261127T080000", "unknown time zone `Mars/Olympus`"),
        ("DTSTART;TZID=W. Europe Standard Time:20261127T080000", "unknown time zone `W. Europe Standard Time`"),
        ("DTSTART;TZID=Etc/Unknown:20261127T080000", "unknown time zone"),
        ("DTSTART:20261127T080000\nDTEND:20261127T080000", "DTEND is not after DTSTART"),
        ("DTSTART:20261127\nDTEND:20261127", "DTEND is not after DTSTART: of whole days"),
        ("DTSTART:20261127\nDTEND:20261127T080000", "one is a day and one a time"),
        ("DTSTART:20261127T080000\nDURATION:1h", "DURATION `1h` is not a duration"),
        ("DTSTART:20261127T080000\nDURATION:-PT1H", "is not a duration"),
        ("DTSTART:20261127\nDURATION:PT12H", "DURATION is not of days"),
        ("DTSTART:20261127\nDURATION:P1043497W7304484D", "it lasts no time that there is"),
        ("DTSTART:99991231T000000\nDURATION:P7304484D", "it lasts no time that there is"),
        (&format!("{times}\nDURATION:PT1H"), "DTEND and DURATION exclude each other"),
        (&format!("{times}\nDTSTART:20261128T080000"), "more than one DTSTART"),
        (&format!("{times}\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"), "more than one RRULE"),
        (&format!("{times}\nRRULE:FREQ=SECONDLY"), "RRULE `FREQ=SECONDLY`: FREQ SECONDLY is not supported"),
        (&format!("{times}\nRRULE:FREQ=WEEKLY;BYDAY=MO"), "DTSTART is not the first time of its own RRULE"),
        (&format!("{times}\nRRULE:FREQ=WEEKLY;UNTIL=20261126"), "DTSTART is not the first time of its own RRULE"),
        (&format!("{times}\nRDATE:20261224T080000"), "RDATE is not supported"),
        (&format!("{times}\nEXRULE:FREQ=DAILY"), "EXRULE is not supported"),
        (&format!("{times}\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20261128"), "EXDATE: 2026-11-28 is a day"),
        (&format!("{times}\nEXDATE:never"), "EXDATE `never`"),
        (&format!("{times}\nEXDATE;TZID=Mars/Olympus:20261128T080000"), "unknown time zone"),
        (&format!("{times}\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261127T080000"), "RANGE is not supported"),
        (&format!("{times}\nRECURRENCE-ID:20261127T080000"), "RECURRENCE-ID without UID"),
    ];
    for (lines, part) in table {
        let bad = read(lines).unwrap_err().to_string();
        assert!(bad.starts_with("the event `Sale` (line 3): ") && bad.contains(part), "{lines}: {bad}");
    }
}

#[test]
fn what_is_no_calendar_is_an_error() {
    let table = [
        ("", "line 1 of the calendar: no BEGIN:VCALENDAR"),
        ("<html><body>Sign in</body></html>", "line 1 of the calendar: not `NAME:VALUE`"),
        ("BEGIN:VEVENT\nDTSTART:20261127\nEND:VEVENT", "VEVENT is not a VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261127\n", "line 2 of the calendar: VEVENT has no END"),
        ("BEGIN:VCALENDAR\nCALSCALE:HEBREW\nEND:VCALENDAR", "CALSCALE HEBREW is not supported"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\nand more", "line 3 of the calendar"),
    ];
    for (text, part) in table {
        let bad = Freeze::from_ics(text, &TimeZone::UTC).unwrap_err().to_string();
        assert!(bad.contains(part), "{text}: {bad}");
    }
    let two = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261127\nEND:VEVENT\nEND:VCALENDAR\n".repeat(2);
    assert_eq!(Freeze::from_ics(&two, &TimeZone::UTC).unwrap().freeze.events.len(), 2);
    let none = Freeze::from_ics("BEGIN:VCALENDAR\nEND:VCALENDAR\n", &TimeZone::UTC).unwrap();
    assert_eq!((none.freeze, none.ignored), (Freeze::default(), Vec::new()));
}

#[test]
fn a_zone_that_only_the_calendar_knows_is_as_it_defines_it() {
    const SUMMER: &str = "BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\n";
    const WINTER: &str = "BEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\n\
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n";
    let read = |zone: &str| {
        let event = "BEGIN:VEVENT\nSUMMARY:Sale\nDTSTART;TZID=Ours:20260701T080000\nDURATION:PT1H\nEND:VEVENT";
        let text = format!("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Ours\n{zone}END:VTIMEZONE\n{event}\nEND:VCALENDAR");
        let read = Freeze::from_ics(&text, &TimeZone::UTC).map_err(|bad| bad.to_string());
        read.map(|read| freezes(&read, "2026-06-30T00:00Z", "2026-07-03T00:00Z")[0].clone())
    };
    let fixed = "BEGIN:STANDARD\nDTSTART:16010101T000000\nTZOFFSETFROM:-0330\nTZOFFSETTO:-0330\nEND:STANDARD\n";
    for (zone, start) in [
        (format!("{SUMMER}{WINTER}"), "2026-07-01T06:00:00Z"),
        (fixed.to_owned(), "2026-07-01T11:30:00Z"),
        (format!("X-LIC-LOCATION:Asia/Tokyo\n{SUMMER}{SUMMER}"), "2026-06-30T23:00:00Z"),
    ] {
        assert!(read(&zone).unwrap().starts_with(start), "{zone}");
    }
    for (zone, part) in [
        (String::new(), "not with one STANDARD"),
        (format!("{SUMMER}{WINTER}{WINTER}"), "not with one STANDARD"),
        (SUMMER.to_owned(), "not with one STANDARD"),
        (format!("{SUMMER}{}", WINTER.replace("FROM:+0200", "FROM:+0300")), "do not follow each other"),
        (format!("{SUMMER}{}", WINTER.replace("+0200", "2")), "TZOFFSETFROM `2` is not an offset"),
        (format!("{SUMMER}{}", WINTER.replace("RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\n", "")), "no RRULE"),
        (format!("{SUMMER}{}", WINTER.replace("-1SU", "5SU")), "is not supported here"),
        (
            format!("{SUMMER}{}", WINTER.replace("BYMONTH=10", "UNTIL=20250101T000000Z;BYMONTH=10")),
            "not supported here",
        ),
        (format!("{SUMMER}{}", WINTER.replace("T030000\n", "\n")), "is not a local time"),
    ] {
        let bad = read(&zone).unwrap_err();
        assert!(
            bad.starts_with("the event `Sale`") && bad.contains("zone `Ours`") && bad.contains(part),
            "{zone}: {bad}"
        );
    }
}

/// Digits changed, and lines left out, doubled or cut off: whatever that makes of a calendar, it is read or refused.
#[test]
fn no_text_is_any_trouble() {
    let mut seen = [0; 2];
    for seed in 0..600 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut lines: Vec<String> =
            [GOOGLE, OUTLOOK, BY_HAND][random.random_range(0..3)].lines().map(Into::into).collect();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..lines.len());
            match random.random_range(0..5) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at] = lines[at].chars().take(random.random_range(0..30)).collect(),
                _ => lines[at] = lines[at].chars().map(|c| other(c, &mut random)).collect(),
            }
        }
        let read = Freeze::from_ics(&lines.join("\n"), &berlin());
        seen[usize::from(read.is_ok())] += 1;
        for now in [Timestamp::MIN, at("2026-11-27T12:00Z"), Timestamp::MAX] {
            let _ = read.as_ref().map(|read| read.freeze.state(now));
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "some were read and some refused: {seen:?}");
}

fn other(c: char, random: &mut ChaCha8Rng) -> char {
    match random.random_range(0..4) {
        0 if c.is_ascii_digit() => random.random_range('0'..='9'),
        0 if c.is_ascii_punctuation() && random.random_bool(0.1) => random.random_range('!'..='/'),
        _ => c,
    }
}
