//! Every duration that the plan knows beside the policy's, each with the reason for it.

use jiff::{SignedDuration, Timestamp};

/// How long ECS's own reads may lag behind. A drain is not believed to be over sooner than this after our first look at
/// its tasks: a list of tasks that is a little old can miss the one that has just been told to stop. Costs an empty host
/// these seconds, and a host with tasks nothing (they take longer to stop).
pub const READS_LAG: SignedDuration = SignedDuration::from_secs(15);

/// How long after its tag a host may be detached without a new one.
pub const CLAIM_GOOD_FOR: SignedDuration = SignedDuration::from_secs(60);

/// After AWS refused a call about a host (it is on its way somewhere else, or what we read was old), it is left alone this
/// long.
pub const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How old a look may be for an act that cannot be undone.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_secs(30);

/// How old it may be that no instance refresh is under way: one that has begun since takes hosts beside us for so long, and a
/// host of ours leaves its group only when another has come.
pub const REFRESHES_GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// People add a lifecycle hook seldom.
pub const HOOKS_GOOD_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What a group says of its launches is read again after this long, while somebody waits for one.
pub const ACTIVITIES_GOOD_FOR: SignedDuration = SignedDuration::from_mins(4);

/// An instance can be registered while its group still has it as pending (a lifecycle hook, a health check), and no event
/// of ours tells when that ends: so often it is looked at then.
pub const LIFECYCLE_LAG: SignedDuration = SignedDuration::from_secs(15);

/// Agents lose their connection several times an hour and are back within a minute: that is no fault of the host. With a
/// thousand members there is hardly a moment at which all of them are connected.
pub const AGENT_MAY_BE_AWAY: SignedDuration = SignedDuration::from_mins(5);

/// How long until an agent that was away is looked at again.
pub const AGENT_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A rotation stays open at least this long: a look that was a little old when it was opened (a parameter that had just
/// changed) must not close it.
pub const SHORTEST_ROTATION: SignedDuration = SignedDuration::from_secs(60);

/// How often a worker looks at every rotation under way, unless it is told otherwise.
pub const SWEEP_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// Events tell when tasks stop. One that is lost is made good for by the next look at everything, or after this long.
pub const EVENTS_LOST_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Most drains are over by then, and cost no call: a target group lets go of a task after five minutes, if nobody says
/// otherwise, and then the task has to stop.
pub const EXPLAIN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What was found is good for so long.
pub const EXPLAIN_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// How long until those who live on the hosts are looked at again, where nobody goes because of them.
pub const TENANTS_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// Reads of this pass that are a little too old are made anew in the next one.
pub const NEXT_PASS: SignedDuration = SignedDuration::from_secs(1);

/// From STOPPING on: containers have their stop timeout (30 s, unless their task definition or their agent says otherwise), and
/// then the agent a while to say so.
pub const STOPPING_FOR: SignedDuration = SignedDuration::from_mins(10);

/// A task behind a target group is DEACTIVATING for the deregistration delay first: 5 min by default, 1 h at most. Its
/// containers hear nothing until then.
pub const DEACTIVATING_FOR: SignedDuration = SignedDuration::from_mins(75);

/// A task that has not even begun to stop is on a host whose agent does not answer.
pub const SILENT_FOR: SignedDuration = SignedDuration::from_mins(15);

/// How often it is looked how far they have come.
pub const STOPPING_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How long until an alarm is looked at again.
pub const ALARM_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How long until an instance refresh is looked at again: its end wakes nobody.
pub const REFRESH_AGAIN: SignedDuration = SignedDuration::from_mins(3);

/// An instance refresh that takes longer is a hold: it may have checkpoints that wait for a person.
pub const REFRESH_TIMEOUT: SignedDuration = SignedDuration::from_hours(12);

/// Where AWS does not tell of instance refreshes, it is asked again after this time.
pub const UNREAD_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long ECS lists tasks that have stopped.
pub const STOPPED_TASKS_LISTED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How soon a host whose bake is over but that is not connected is looked at again.
pub const BAKE_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A value that was written and is not read back after so long is written again.
pub const PARAMETER_WRITTEN_FOR: SignedDuration = SignedDuration::from_mins(2);

/// How often it is read in between: SSM checks the id first.
pub const PARAMETER_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// As EC2 tells when an instance was launched, or a template's version made: what is compared with such a time is cut down in
/// the same way first.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The earlier of two times, where there are any.
pub fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

/// `1h`, `15m`, `1h 30m`
pub fn in_words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}
