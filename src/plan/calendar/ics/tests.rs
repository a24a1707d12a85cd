use jiff::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The event with these lines in a calendar; `;B:` is `;TZID=Europe/Berlin:`.
fn read(lines: &str) -> Result<Freeze, BadIcs> {
    let lines = lines.replace(";B:", ";TZID=Europe/Berlin:");
    let text =
        format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nSUMMARY:Sale\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    Freeze::from_ics(&text)
}

/// All freezes of a time, as `2026-11-27T00:00:00Z/2026-11-28T00:00:00Z Black Friday`.
fn freezes(read: &Freeze, from: &str, to: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut now = at(from);
    while now < at(to) {
        if let Some(frozen) = read.state(now) {
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
    let read = Freeze::from_ics(GOOGLE).unwrap();
    assert_eq!(
        read.notes,
        [
            "the event `Team lunch` (line 56) freezes nothing: TRANSP:TRANSPARENT",
            "the event `Spring sale, postponed` (line 65) freezes nothing: STATUS:CANCELLED",
            "the event `Weekly release party: nobody touches the hosts while the demo is running on the big screen` (line 84) \
             freezes nothing: STATUS:CANCELLED",
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
    let read = Freeze::from_ics(OUTLOOK).unwrap();
    assert_eq!(read.notes, Vec::<String>::new());
    assert_eq!(
        freezes(&read, "2026-03-01T00:00Z", "2026-07-01T00:00Z"),
        [
            // The last Monday of the month at 20:00, by Windows' name for the zone; four times.
            "2026-03-30T18:00:00Z/2026-03-30T20:00:00Z Books are closed",
            "2026-04-27T18:00:00Z/2026-04-27T20:00:00Z Books are closed",
            "2026-05-25T18:00:00Z/2026-05-25T20:00:00Z Books are closed",
            "2026-06-02T22:00:00Z/2026-06-04T22:00:00Z Audit",
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
    let read = Freeze::from_ics(BY_HAND).unwrap();
    assert_eq!(read.notes, ["VTODO (line 26): not an event, it freezes nothing"]);
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
fn times_are_in_their_own_zone_or_in_utc() {
    let table = [
        ("DTSTART:20261127T080000Z\nDTEND:20261127T090000Z", "2026-11-27T08:00:00Z/2026-11-27T09:00:00Z Sale"),
        (
            "DTSTART;TZID=America/New_York:20261127T080000\nDTEND;B:20261127T150000",
            "2026-11-27T13:00:00Z/2026-11-27T14:00:00Z Sale",
        ),
        ("DTSTART;TZID=/example.org/1/Europe/Berlin:20261127T080000\nDURATION:PT1H", {
            "2026-11-27T07:00:00Z/2026-11-27T08:00:00Z Sale"
        }),
        ("DTSTART;B:20261127T000000\nDURATION:P1W", "2026-11-26T23:00:00Z/2026-12-03T23:00:00Z Sale"),
        ("DTSTART;TZID=UTC:20261127T080000\nDURATION:PT1H", "2026-11-27T08:00:00Z/2026-11-27T09:00:00Z Sale"),
        ("DTSTART;TZID=CET:20260701T080000\nDURATION:PT1H", "2026-07-01T06:00:00Z/2026-07-01T07:00:00Z Sale"),
    ];
    for (lines, expected) in table {
        assert_eq!(freezes(&read(lines).unwrap(), "2026-06-20T00:00Z", "2026-12-10T00:00Z"), [expected], "{lines}");
    }
}

/// Each across the hour that Berlin's clocks skip, or show twice.
#[test]
fn an_event_goes_by_the_clocks() {
    let weekly = "DTSTART;B:20260321T220000\nDTEND;B:20260322T060000\nRRULE:FREQ=WEEKLY;COUNT=2";
    assert_eq!(
        freezes(&read(weekly).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        [
            "2026-03-21T21:00:00Z/2026-03-22T05:00:00Z Sale",
            // Eight hours after 22:00 it is 07:00, which is later than the 06:00 that everybody sees.
            "2026-03-28T21:00:00Z/2026-03-29T05:00:00Z Sale",
        ]
    );
    let back = "DTSTART;B:20261017T220000\nDTEND;B:20261018T060000\nRRULE:FREQ=WEEKLY;COUNT=2";
    assert_eq!(
        freezes(&read(back).unwrap(), "2026-10-20T00:00Z", "2026-11-10T00:00Z"),
        [
            // 06:00 is later than eight hours after 22:00.
            "2026-10-24T20:00:00Z/2026-10-25T05:00:00Z Sale",
        ]
    );
    let day = "DTSTART;B:20260328T120000\nDURATION:P1D";
    assert_eq!(
        freezes(&read(day).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        ["2026-03-28T11:00:00Z/2026-03-29T10:00:00Z Sale"]
    );
    let hours = "DTSTART;B:20260328T120000\nDURATION:PT24H";
    assert_eq!(
        freezes(&read(hours).unwrap(), "2026-03-20T00:00Z", "2026-04-10T00:00Z"),
        ["2026-03-28T11:00:00Z/2026-03-29T11:00:00Z Sale"]
    );
    let skipped = "DTSTART;B:20260328T023000\nDURATION:PT15M\nRRULE:FREQ=DAILY;COUNT=2";
    assert_eq!(
        freezes(&read(skipped).unwrap(), "2026-03-28T12:00Z", "2026-04-10T00:00Z"),
        ["2026-03-29T01:30:00Z/2026-03-29T01:45:00Z Sale"]
    );
}

#[test]
fn occurrences_are_excluded_by_their_start() {
    let daily = |exdate: &str| {
        let read =
            read(&format!("DTSTART;B:20261101T080000\nDTEND;B:20261101T090000\nRRULE:FREQ=DAILY;COUNT=3\n{exdate}"));
        freezes(&read.unwrap(), "2026-10-20T00:00Z", "2026-12-10T00:00Z").len()
    };
    assert_eq!(daily("EXDATE;B:20261102T080000"), 2);
    assert_eq!(daily("EXDATE:20261102T070000Z,20261103T070000Z"), 1);
    assert_eq!(daily("EXDATE;TZID=America/New_York:20261102T020000\nEXDATE;B:20261101T080000"), 1);
    // That is no occurrence, so it excludes none.
    assert_eq!(daily("EXDATE;B:20261102T080001"), 3);
}

#[test]
fn what_cannot_be_understood_is_an_error_with_the_name_of_the_event() {
    let times = "DTSTART;B:20261127T080000\nDTEND;B:20261127T090000";
    let table = [
        ("DTEND;B:20261127T090000", "no DTSTART"),
        ("DTSTART;B:20261127T080000", "neither DTEND nor DURATION"),
        ("DTSTART:tomorrow", "DTSTART `tomorrow` is not a date or a time"),
        ("DTSTART;B:20261127T0800", "is not a date or a time"),
        ("DTSTART:20261131", "is not a date or a time"),
        ("DTSTART;VALUE=DATE;TZID=Europe/Berlin:20261127T080000", "is not a date or a time"),
        ("DTSTART;VALUE=PERIOD:20261127T080000/PT1H", "is not a date or a time"),
        ("DTSTART:20261127T080000Z,20261128T080000Z", "DTSTART has more than one value"),
        ("DTSTART;TZID=Mars/Olympus:20261127T080000", "unknown time zone `Mars/Olympus`"),
        ("DTSTART;TZID=W. Europe Standard Time:20261127T080000", "unknown time zone `W. Europe Standard Time`"),
        ("DTSTART;TZID=Etc/Unknown:20261127T080000", "unknown time zone"),
        ("DTSTART;B:20261127T080000\nDTEND;B:20261127T080000", "DTEND is not after DTSTART"),
        ("DTSTART;B:20261127T080000\nDURATION:1h", "DURATION `1h` is not a duration"),
        ("DTSTART;B:20261127T080000\nDURATION:-PT1H", "is not a duration"),
        ("DTSTART;B:20261127T000000\nDURATION:P1043497W7304484D", "it lasts no time that there is"),
        ("DTSTART:99991231T000000Z\nDURATION:P7304484D", "it lasts no time that there is"),
        (&format!("{times}\nDURATION:PT1H"), "DTEND and DURATION exclude each other"),
        (&format!("{times}\nDTSTART;B:20261128T080000"), "more than one DTSTART"),
        (&format!("{times}\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"), "more than one RRULE"),
        (&format!("{times}\nRRULE:FREQ=SECONDLY"), "RRULE `FREQ=SECONDLY`: FREQ SECONDLY is not supported"),
        (&format!("{times}\nRRULE:FREQ=WEEKLY;BYDAY=MO"), "DTSTART is not the first time of its own RRULE"),
        (&format!("{times}\nRRULE:FREQ=WEEKLY;UNTIL=20261126"), "DTSTART is not the first time of its own RRULE"),
        (&format!("{times}\nRDATE:20261224T080000Z"), "RDATE is not supported"),
        (&format!("{times}\nEXRULE:FREQ=DAILY"), "EXRULE is not supported"),
        (&format!("{times}\nEXDATE:never"), "EXDATE `never`"),
        (&format!("{times}\nEXDATE;TZID=Mars/Olympus:20261128T080000"), "unknown time zone"),
        (&format!("{times}\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE;B:20261127T080000"), "RANGE is not supported"),
        (&format!("{times}\nRECURRENCE-ID;B:20261127T080000"), "RECURRENCE-ID without UID"),
    ];
    for (lines, part) in table {
        let bad = read(lines).unwrap_err().to_string();
        assert!(bad.starts_with("the event `Sale` (line 3): ") && bad.contains(part), "{lines}: {bad}");
    }
}

/// Each is read by others as another time than by us, or as the opposite.
#[test]
fn what_could_shift_an_event_is_refused() {
    let times = "DTSTART;B:20261127T080000\nDTEND;B:20261127T090000";
    let table = [
        ("DTSTART;VALUE=DATE:20261127\nDTEND;VALUE=DATE:20261129", "DTSTART `20261127` is a whole day"),
        ("DTSTART:20261127\nDURATION:P1W", "say it by --freeze"),
        ("DTSTART;VALUE=DATE;TZID=Europe/Berlin:20261127", "is a whole day"),
        ("DTSTART;B:20261127T080000\nDTEND:20261128", "DTEND `20261128` is a whole day"),
        ("DTSTART:20261127T080000\nDURATION:PT1H", "DTSTART `20261127T080000` is in no zone: it needs a TZID"),
        ("DTSTART;B:20261127T080000\nDTEND:20261127T090000", "DTEND `20261127T090000` is in no zone"),
        ("DTSTART;TZIDD=Europe/Berlin:20261127T080000\nDURATION:PT1H", "is in no zone"),
        ("DTSTART;B:20261127T080000Z\nDURATION:PT1H", "is in UTC, and in another zone by its TZID"),
        (
            "DTSTART;TZID=EST:20260701T080000\nDURATION:PT1H",
            "unknown time zone `EST`, and not defined: `EST` is UTC-05:00",
        ),
        ("DTSTART;TZID=Etc/GMT+2:20260701T080000\nDURATION:PT1H", "and not defined: `Etc/GMT+2` is UTC-2"),
        ("DTSTART;TZID=/example.org/Etc/GMT+2:20260701T080000\nDURATION:PT1H", "unknown time zone"),
        (&format!("{times}\nRRULE:FREQ=DAILY;UNTIL=20261130T080000"), "UNTIL `20261130T080000` is in no zone"),
        (&format!("{times}\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20261128"), "EXDATE `20261128` is a whole day"),
        (&format!("{times}\nRRULE:FREQ=DAILY\nEXDATE:20261128T080000"), "EXDATE `20261128T080000` is in no zone"),
        (&format!("{times}\nUID:1\nRECURRENCE-ID:20261128T080000"), "RECURRENCE-ID `20261128T080000` is in no zone"),
        (&format!("{times}\nEXCEPT:20261128T080000"), "EXCEPT is not understood"),
        (&format!("{times}\nBEGIN:VEVENT\n{times}\nEND:VEVENT"), "VEVENT (line 7) inside of it is not understood"),
    ];
    for (lines, part) in table {
        let bad = read(lines).unwrap_err().to_string();
        assert!(bad.starts_with("the event `Sale` (line 3): ") && bad.contains(part), "{lines}: {bad}");
    }
    for harmless in ["X-MICROSOFT-CDO-BUSYSTATUS:BUSY", "CLASS:PRIVATE", "BEGIN:VALARM\nTRIGGER:-PT10M\nEND:VALARM"] {
        assert_eq!(read(&format!("{times}\n{harmless}")).unwrap().events.len(), 1, "{harmless}");
    }
}

#[test]
fn a_calendar_whose_events_are_no_freezes_is_refused() {
    let read = |head: &str| {
        let event = "BEGIN:VEVENT\nSUMMARY:Sale\nDTSTART:20260701T080000Z\nDURATION:PT1H\nEND:VEVENT";
        Freeze::from_ics(&format!("BEGIN:VCALENDAR\n{head}\n{event}\nEND:VCALENDAR"))
    };
    for head in [
        "X-CALENDAR-TYPE:DEFAULT_OPEN",
        "X-CALENDAR-TYPE:DEFAULT_OPEN\nX-CALENDAR-CMEVENTS:DISABLED\nX-WR-CALDESC:",
        "METHOD:publish",
        "VERSION:2.0",
        "X-WR-TIMEZONE:Europe/Berlin\nX-WR-CALNAME:Freezes",
        "REFRESH-INTERVAL;VALUE=DURATION:PT12H\nCOLOR:red",
        "BEGIN:VTODO\nSUMMARY:Add events to this calendar.\nEND:VTODO",
    ] {
        assert_eq!(read(head).unwrap().events.len(), 1, "{head}");
    }
    for (head, part) in [
        ("X-CALENDAR-TYPE:DEFAULT_CLOSED", "X-CALENDAR-TYPE DEFAULT_CLOSED is not supported, only DEFAULT_OPEN"),
        ("X-CALENDAR-TYPE:default closed", "is not supported"),
        ("X-CALENDAR-TYPE:DEFAULT_OPEN\nX-CALENDAR-TYPE:DEFAULT_CLOSED", "more than one X-CALENDAR-TYPE"),
        ("X-CALENDAR-CMEVENTS:ENABLED", "X-CALENDAR-CMEVENTS ENABLED"),
        ("X-CALENDAR-STATE:CLOSED", "X-CALENDAR-STATE is not understood"),
        ("METHOD:CANCEL", "METHOD CANCEL is not supported, only PUBLISH and REQUEST"),
        ("VERSION:1.0", "VERSION 1.0"),
        ("X-WR-TIMEZONE:W. Europe Standard Time", "X-WR-TIMEZONE: unknown time zone"),
        ("X-WR-TIMEZONE:EST", "X-WR-TIMEZONE: unknown time zone `EST`"),
        ("TIMEZONE:-0500", "TIMEZONE is not understood"),
        (
            "BEGIN:VFREEBUSY\nFREEBUSY:20261127T080000Z/PT1H\nEND:VFREEBUSY",
            "line 2 of the calendar: VFREEBUSY is not understood",
        ),
        ("BEGIN:VEVNT\nEND:VEVNT", "VEVNT is not understood"),
    ] {
        let bad = read(head).unwrap_err().to_string();
        assert!(bad.contains("of the calendar: ") && bad.contains(part), "{head}: {bad}");
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
        let bad = Freeze::from_ics(text).unwrap_err().to_string();
        assert!(bad.contains(part), "{text}: {bad}");
    }
    let event = "BEGIN:VEVENT\nDTSTART:20261127T080000Z\nDURATION:PT1H\nEND:VEVENT";
    let two = format!("BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR\n").repeat(2);
    assert_eq!(Freeze::from_ics(&two).unwrap().events.len(), 2);
    let none = Freeze::from_ics("BEGIN:VCALENDAR\nEND:VCALENDAR\n").unwrap();
    assert!(none.is_none() && none.notes.len() == 1, "{none:?}");
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
        let read = Freeze::from_ics(&text).map_err(|bad| bad.to_string());
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
        (fixed.replace("END", "RDATE:20260701T000000\nEND"), "RDATE in its STANDARD is not supported"),
    ] {
        let bad = read(&zone).unwrap_err();
        assert!(
            bad.starts_with("the event `Sale`") && bad.contains("zone `Ours`") && bad.contains(part),
            "{zone}: {bad}"
        );
    }
}

/// `EST` is a zone without summer to IANA, and New York to those who define it.
#[test]
fn a_zone_of_the_calendar_goes_before_an_abbreviation_of_iana() {
    let observance = |name: &str, from: &str, to: &str, rule: &str| {
        format!(
            "BEGIN:{name}\nDTSTART:20070101T020000\nTZOFFSETFROM:{from}\nTZOFFSETTO:{to}\nRRULE:FREQ=YEARLY;{rule}\nEND:{name}\n"
        )
    };
    let winter = observance("STANDARD", "-0400", "-0500", "BYMONTH=11;BYDAY=1SU");
    let summer = observance("DAYLIGHT", "-0500", "-0400", "BYMONTH=3;BYDAY=2SU");
    let text = format!(
        "BEGIN:VCALENDAR\nX-WR-TIMEZONE:EST\nBEGIN:VTIMEZONE\nTZID:EST\n{winter}{summer}END:VTIMEZONE\nBEGIN:VEVENT\n\
         SUMMARY:Sale\nDTSTART;TZID=EST:20260701T080000\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR"
    );
    let read = Freeze::from_ics(&text).unwrap();
    assert_eq!(
        freezes(&read, "2026-06-30T00:00Z", "2026-07-03T00:00Z"),
        ["2026-07-01T12:00:00Z/2026-07-01T13:00:00Z Sale"]
    );
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
        let read = Freeze::from_ics(&lines.join("\n"));
        seen[usize::from(read.is_ok())] += 1;
        for now in [Timestamp::MIN, at("2026-11-27T12:00Z"), Timestamp::MAX] {
            let _ = read.as_ref().map(|read| read.state(now));
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
