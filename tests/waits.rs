//! Every wait in the code ends, and there is a test that shows how. The lists are exhaustive matches: a new wait does not
//! compile until it stands here; and each test that is named must be there.

use ecs_rotator::plan::output::WaitsFor;
use ecs_rotator::plan::problem::Blocked;
use strum::IntoEnumIterator as _;

/// A host that waits: for what, until when, and the test in which it ends by that.
fn of_hosts(wait: WaitsFor) -> (&'static str, &'static str) {
    match wait {
        WaitsFor::Launches => ("trouble", "a_host_that_waits_for_launches_to_be_detached_is_a_hold_that_names_it"),
        WaitsFor::Replacement => {
            ("trouble", "launches_that_fail_for_lack_of_capacity_are_waited_for_and_blame_no_image")
        }
        WaitsFor::LastTask => {
            ("scenarios", "a_drain_that_does_not_end_is_a_hold_that_names_host_and_tasks_and_goes_on_waiting")
        }
        WaitsFor::Bake => ("trouble", "the_first_host_goes_alone_and_the_others_follow_when_its_replacement_has_baked"),
        WaitsFor::Settle => ("trouble", "every_replacement_settles_before_the_next_host_is_taken"),
        WaitsFor::Return => ("trouble", "a_host_that_cannot_be_attached_in_time_stands_in_the_hold"),
    }
}

/// A group in which nobody is admitted although somebody is due: after `replacement-timeout` a hold.
fn of_groups(blocked: &Blocked) -> (&'static str, &'static str) {
    match blocked {
        Blocked::LaunchesSuspended => ("scenarios", "launches_that_stay_suspended_are_a_hold_that_says_so"),
        Blocked::NotWritten(_) => ("shapes", "a_value_that_ssm_does_not_take_is_a_hold_that_says_so"),
        Blocked::NotWhole { .. } => {
            ("shapes", "a_group_whose_members_register_in_two_clusters_is_held_and_nobody_is_taken")
        }
        Blocked::InAlarm(_) => ("others", "an_alarm_in_the_middle_lets_the_host_in_flight_finish_and_stops_the_next"),
        Blocked::NoSuchAlarm(_) => ("others", "an_alarm_that_does_not_exist_is_no_quiet_alarm"),
        Blocked::AlarmNotEvaluated(_) => ("others", "an_alarm_that_cannot_be_evaluated_is_no_quiet_alarm"),
        Blocked::Tenants(_) => ("stalls", "who_waits_takes_the_free_hosts_first_and_then_says_whom_it_waits_for"),
    }
}

/// Waits of neither kind: what is waited for, and the test in which it ends.
const OTHERS: [(&str, &str, &str); 7] = [
    ("an instance refresh, 12 h", "others", "an_instance_refresh_that_takes_half_a_day_is_a_hold_that_names_it"),
    ("the maintenance window", "scenarios", "hosts_are_taken_only_in_the_window_and_those_in_flight_finish"),
    ("a freeze", "scenarios", "nothing_begins_in_a_freeze_not_even_a_template_version"),
    (
        "an image to come of age",
        "shapes",
        "an_image_that_is_too_young_is_taken_by_the_hourly_check_once_it_is_old_enough",
    ),
    ("tasks to end that were forced", "trouble", "a_host_whose_agent_is_away_for_good_is_forced_in_the_end"),
    (
        "a standalone task to be stopped",
        "trouble",
        "a_standalone_task_is_stopped_when_the_ladder_says_so_and_not_before",
    ),
    (
        "a drain to be given up",
        "trouble",
        "a_service_that_can_never_be_moved_is_given_up_and_its_host_is_back_in_its_group",
    ),
];

#[track_caller]
fn is_there((file, test): (&str, &str)) {
    let path = format!("{}/tests/{file}.rs", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert!(text.contains(&format!("#[test]\nfn {test}() {{")), "tests/{file}.rs has no test {test}");
}

#[test]
fn every_wait_has_a_test_in_which_it_ends() {
    WaitsFor::iter().map(of_hosts).for_each(is_there);
    let not_whole = Blocked::NotWhole { ready: 0, desired: 1, explained: 0, absent: Vec::new(), weighted: false };
    for blocked in [
        Blocked::LaunchesSuspended,
        Blocked::NotWritten(String::new()),
        not_whole,
        Blocked::InAlarm(Vec::new()),
        Blocked::NoSuchAlarm(Vec::new()),
        Blocked::AlarmNotEvaluated(Vec::new()),
        Blocked::Tenants(String::new()),
    ] {
        is_there(of_groups(&blocked));
    }
    for (_, file, test) in OTHERS {
        is_there((file, test));
    }
}

#[test]
fn the_list_of_waits_is_whole() {
    let index = |wait: WaitsFor| match wait {
        WaitsFor::Launches => 0,
        WaitsFor::Replacement => 1,
        WaitsFor::LastTask => 2,
        WaitsFor::Bake => 3,
        WaitsFor::Settle => 4,
        WaitsFor::Return => 5,
    };
    for (n, wait) in WaitsFor::iter().enumerate() {
        assert_eq!(index(wait), n);
    }
}
