//! One rotation as it went, put together from what workers said of it, and its picture.
//!
//! Several workers may have said the same, a new one says again where each host is, and a line can be lost: a host's steps
//! are taken in the order of its life, each once. Who replaced whom is not known, and not needed (a group is whole again by
//! whatever makes it so): hosts that came are put beside hosts that left in the order of their coming.

mod chart;
mod picture;
mod said;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::engine::audit::CHANGED;
use crate::id::{AmiId, ClusterArn, ClusterName, GroupName, InstanceId};
use crate::journal::LogLine;
use crate::plan::host::{Phase, is_in_flight};
pub use crate::plan::outcome::Standing;
use crate::plan::rotation::RotationId;
use said::Said;

pub use picture::{COLOURS, html};
pub use said::Mark;

/// Times are UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    pub cluster: ClusterName,
    /// Where the log says it.
    pub account: Option<String>,
    pub region: Option<String>,
    /// Of the worker, as it says them when it starts.
    pub settings: BTreeMap<String, String>,
    pub id: RotationId,
    pub because: Option<String>,
    pub forced: bool,
    pub opened: Timestamp,
    /// Its end, or the last that was heard of it.
    pub until: Timestamp,
    pub state: Standing,
    /// Some line says so; else it is taken for open.
    pub state_said: bool,
    /// Groups that it closed without, and why.
    pub skipped: BTreeMap<GroupName, String>,
    pub groups: BTreeMap<GroupName, GroupRecord>,
    pub stops: Vec<Stop>,
    /// What happened to the worker meanwhile.
    pub marks: Vec<(Timestamp, Mark)>,
    /// Tasks that ran in the cluster, by each look at everything.
    pub running: Vec<(Timestamp, u32)>,
    /// Tasks on hosts that drain, as their drains began.
    pub draining: Vec<(Timestamp, u32)>,
    /// The first line that is known of it was written long after its opening: what came before is not known.
    pub begins_late: bool,
    /// Hosts in flight.
    pub in_flight: Vec<(Timestamp, u32)>,
    /// Whatever else was said, in its order.
    pub notes: Vec<LogLine>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupRecord {
    pub rows: Vec<Row>,
    /// How long its first new host served alone before another host was taken, where it did.
    pub bake: Option<(Timestamp, Timestamp)>,
    /// How much of its capacity served, and how much was desired, whenever something became of a host of it.
    pub capacity: Vec<(Timestamp, u32, u32)>,
}

/// A host that left, and one that came; or one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    pub old: Option<Leaver>,
    pub new: Option<Comer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaver {
    pub id: InstanceId,
    pub image: Option<AmiId>,
    /// When each phase began.
    pub steps: Vec<(Timestamp, Phase)>,
    /// The tasks on it when its drain began, where that was said.
    pub tasks: Option<u32>,
    /// Its end was not said: the last that was.
    pub lost_sight: Option<Timestamp>,
    /// It was launched in this rotation.
    pub came: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comer {
    pub id: InstanceId,
    pub image: Option<AmiId>,
    pub at: Timestamp,
    /// When it was lost again.
    pub gone: Option<Timestamp>,
}

/// A time in which nobody was taken: it was held, or a person had paused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stop {
    pub from: Timestamp,
    /// None: it is still so.
    pub to: Option<Timestamp>,
    pub state: Standing,
    pub reason: Option<String>,
}

/// No rotation lasts so long, held or not.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);
/// The opening is said within this.
const BEGINS_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// The same within this is one thing that was said twice.
const SAID_ONCE: SignedDuration = SignedDuration::from_secs(60);
/// Groups go on one after another by themselves within less: a longer wait for the first new host is its bake.
const BAKES_FOR: SignedDuration = SignedDuration::from_secs(30);
/// What else was said of its last pass.
const CLOSES_WITHIN: SignedDuration = SignedDuration::from_secs(1);

/// Why there is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    #[error(
        "nothing in it is a line of a worker's JSON log, or an event of its own: run the worker with --log-format json (as the stack does)"
    )]
    NothingRead,
    #[error("it says nothing of a rotation of cluster {cluster}; it speaks of {spoken_of}")]
    OtherClusters { cluster: ClusterName, spoken_of: String },
    #[error("it says nothing of rotation {rotation}; it speaks of {spoken_of}")]
    OtherRotations { rotation: String, spoken_of: String },
}

impl Record {
    /// The rotation with this id, or the last of the cluster. Lines in any order.
    ///
    /// # Errors
    /// When the lines do not speak of it.
    pub fn of(lines: &[LogLine], cluster: &ClusterName, rotation: Option<&str>) -> Result<Self, NoRecord> {
        if lines.is_empty() {
            return Err(NoRecord::NothingRead);
        }
        let of_cluster = || lines.iter().filter(|line| line.get("cluster") == Some(cluster.as_str()));
        let named = of_cluster().filter_map(|line| line.get("rotation"));
        let ids: BTreeMap<&str, Timestamp> =
            named.filter_map(|id| Some((id, RotationId::from(id).opened()?))).collect();
        let last = ids.iter().max_by_key(|(_, opened)| **opened).map(|(id, _)| *id);
        let id = match rotation {
            None => last.ok_or_else(|| NoRecord::OtherClusters {
                cluster: cluster.clone(),
                spoken_of: list(
                    lines.iter().filter(|line| line.get("rotation").is_some()).filter_map(|l| l.get("cluster")),
                ),
            })?,
            Some(wanted) => {
                let whole = format!("{cluster}/{wanted}");
                let known = |id: &&&str| **id == wanted || **id == whole;
                ids.keys().find(known).copied().ok_or_else(|| NoRecord::OtherRotations {
                    rotation: wanted.to_owned(),
                    spoken_of: list(ids.keys().copied()),
                })?
            }
        };
        // A time that cannot be of this rotation is a line that was damaged.
        let opened = ids.get(id).copied().unwrap_or_default();
        let may_be = |at: Timestamp| at.duration_since(opened).abs() < LONGEST;
        let mut own: Vec<&LogLine> =
            of_cluster().filter(|line| line.get("rotation") == Some(id) && may_be(line.at)).collect();
        own.sort_by_key(|line| line.at);
        // What is said of it after its end is what a worker finds that starts later.
        if let Some(closed) =
            own.iter().rposition(|line| Standing::of_line(&line.message).is_some_and(Standing::is_over))
        {
            let until = own[closed].at + CLOSES_WITHIN;
            own.retain(|line| line.at <= until);
        }
        let mut record = Reader::new(cluster, id, &own).read(&own);
        let mut said = Said::of(lines, record.opened, record.until);
        // An event says its cluster's whole name.
        let arn = own.iter().find_map(|line| line.get("cluster_arn")).map(ClusterArn::from);
        arn.iter().for_each(|arn| said.place(arn));
        (record.account, record.region) = (said.account, said.region);
        (record.settings, record.marks) = (said.settings, said.marks);
        Ok(record)
    }

    /// Hosts that are gone, without those that came and went again in favour of one that was given back.
    #[must_use]
    pub fn replaced(&self) -> usize {
        let gone =
            |came: bool| self.leavers().filter(move |host| host.phase() == Some(Phase::Gone) && host.came == came);
        let given_back = self.leavers().filter(|host| !host.came && host.phase().is_some_and(goes_back)).count();
        gone(false).count() + gone(true).count().saturating_sub(given_back)
    }

    pub fn leavers(&self) -> impl Iterator<Item = &Leaver> {
        self.groups.values().flat_map(|group| &group.rows).filter_map(|row| row.old.as_ref())
    }
}

impl Leaver {
    /// Where it was heard of last.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.steps.last().map(|(_, phase)| *phase)
    }

    /// When this phase began.
    #[must_use]
    pub fn began(&self, phase: Phase) -> Option<Timestamp> {
        self.steps.iter().find(|(_, step)| *step == phase).map(|(at, _)| *at)
    }

    /// A host goes forward, or back to its group; from there it may leave once more.
    fn goes_on(&self, phase: Phase) -> bool {
        match self.phase() {
            None => true,
            Some(last) if goes_back(last) => phase != last,
            // The order of the phases is that in which they are recognised: the last of a life first.
            Some(last) => phase < last || goes_back(phase),
        }
    }
}

/// Is a host that was taken its group's again, or on its way there?
fn goes_back(phase: Phase) -> bool {
    matches!(phase, Phase::Current | Phase::Behind | Phase::Unknown | Phase::Outdated | Phase::Returning)
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect::<BTreeSet<_>>().into_iter().collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// As the line that closes a rotation lists it.
#[derive(serde::Deserialize)]
struct Skipped {
    group: String,
    reason: String,
}

struct Reader {
    record: Record,
    leavers: BTreeMap<InstanceId, (GroupName, Leaver)>,
    comers: BTreeMap<InstanceId, (GroupName, Comer)>,
    said: BTreeMap<String, Timestamp>,
}

impl Reader {
    fn new(cluster: &ClusterName, id: &str, lines: &[&LogLine]) -> Self {
        let id = RotationId::from(id);
        let times = || lines.iter().map(|line| line.at);
        let first = times().min().unwrap_or_default();
        let record = Record {
            cluster: cluster.clone(),
            account: None,
            region: None,
            settings: BTreeMap::new(),
            because: None,
            forced: false,
            begins_late: id.opened().is_none_or(|opened| first > opened + BEGINS_WITHIN),
            opened: id.opened().unwrap_or(first).min(first),
            id,
            until: times().max().unwrap_or_default(),
            state: Standing::Open,
            state_said: false,
            skipped: BTreeMap::new(),
            groups: BTreeMap::new(),
            stops: Vec::new(),
            marks: Vec::new(),
            running: Vec::new(),
            draining: Vec::new(),
            in_flight: Vec::new(),
            notes: Vec::new(),
        };
        Self { record, leavers: BTreeMap::new(), comers: BTreeMap::new(), said: BTreeMap::new() }
    }

    fn read(mut self, lines: &[&LogLine]) -> Record {
        for line in lines {
            self.line(line);
        }
        self.lose_sight();
        self.put_side_by_side();
        self.find_bakes();
        self.count();
        self.record
    }

    fn line(&mut self, line: &LogLine) {
        self.capacity(line);
        let host = line.get("host").map(InstanceId::from);
        if let (Some(host), Ok(phase)) = (host, line.message.parse::<Phase>()) {
            return self.host(host, phase, line);
        }
        if line.message == "under way" {
            let tasks = line.number("running").map(|running| (line.at, running));
            return self.record.running.extend(tasks);
        }
        self.skipped(line);
        match Standing::of_line(&line.message) {
            // Workers before 0.2 said of an aborted one that it is held.
            Some(Standing::Held) if line.get("reason").is_some_and(|reason| reason.starts_with("aborted")) => {
                self.state(Standing::Aborted, line)
            }
            Some(state) => self.state(state, line),
            // What is done to a host is drawn from its phases.
            None if line.message == CHANGED && line.get("host").or(line.get("hosts")).is_some() => return,
            None => {}
        }
        // What two workers say at about the same time is said once.
        let before = self.said.insert(line.to_string(), line.at);
        let again = before.is_some_and(|before| line.at < before + SAID_ONCE);
        if ["INFO", "WARN", "ERROR"].contains(&line.level) && !again {
            self.record.notes.push(line.clone());
        }
    }

    fn capacity(&mut self, line: &LogLine) {
        let (Some(group), Some(serving), Some(desired)) =
            (line.get("group"), line.number("serving"), line.number("desired"))
        else {
            return;
        };
        self.record.groups.entry(group.into()).or_default().capacity.push((line.at, serving, desired));
    }

    /// Which groups it closes without: each by a line of its own, or all in the line that closes it.
    fn skipped(&mut self, line: &LogLine) {
        if line.message.starts_with("closed without this group")
            && let (Some(group), Some(why)) = (line.get("group"), line.get("why"))
        {
            self.record.skipped.insert(group.into(), why.to_owned());
        }
        let Some(list) = line.get("skipped") else { return };
        match serde_json::from_str::<Vec<Skipped>>(list) {
            Ok(listed) => self.record.skipped.extend(listed.into_iter().map(|of| (of.group.into(), of.reason))),
            // The log writes `group: reason; group: reason`.
            Err(_) => {
                let listed = list.split("; ").filter_map(|of| of.split_once(": "));
                self.record.skipped.extend(listed.map(|(group, why)| (group.into(), why.to_owned())));
            }
        }
    }

    fn host(&mut self, id: InstanceId, phase: Phase, line: &LogLine) {
        let group = line.get("group").unwrap_or("(no group)").into();
        let image = line.get("image").map(AmiId::from);
        if phase == Phase::Current && !self.leavers.contains_key(&id) {
            self.comers.entry(id.clone()).or_insert((group, Comer { id, image, at: line.at, gone: None }));
            return;
        }
        // One that came may be lost, or leave in its turn (for another release, or for one that is given back).
        let came = self.comers.contains_key(&id);
        if let Some((_, comer)) = self.comers.get_mut(&id) {
            comer.gone.get_or_insert(line.at);
            if phase == Phase::Gone && !self.leavers.contains_key(&id) {
                return;
            }
        }
        let new = Leaver { id: id.clone(), image, steps: Vec::new(), tasks: None, lost_sight: None, came };
        let (_, host) = self.leavers.entry(id).or_insert((group, new));
        if host.goes_on(phase) {
            host.steps.push((line.at, phase));
            if phase == Phase::Draining {
                host.tasks = line.number("tasks");
            }
        }
    }

    fn state(&mut self, state: Standing, line: &LogLine) {
        let record = &mut self.record;
        let same = record.state == state;
        record.state = state;
        record.state_said = true;
        let reason = line.get("reason").map(ToOwned::to_owned);
        if state == Standing::Open {
            // It can become a forced one later; what opened it was said first.
            record.forced |= line.get("force") == Some("true");
            if !record.begins_late && record.because.is_none() {
                record.because = line.get("because").map(ToOwned::to_owned);
            }
        }
        match record.stops.last_mut().filter(|stop| stop.to.is_none()) {
            // It is held for something more, or another worker has said so.
            Some(stop) if same => stop.reason = reason.clone().or(stop.reason.take()),
            Some(stop) => stop.to = Some(line.at),
            None => {}
        }
        if !same && state.is_stopped() {
            record.stops.push(Stop { from: line.at, to: None, state, reason });
        }
        if state.is_over() {
            record.until = line.at;
        }
    }

    /// A closed rotation has nobody in flight: a host whose end was not said (its worker died just then, a line was lost) has
    /// come to it all the same, nobody knows when.
    fn lose_sight(&mut self) {
        if !self.record.state.is_over() {
            return;
        }
        for (_, host) in self.leavers.values_mut() {
            let last = host.steps.last().filter(|(_, phase)| is_in_flight(*phase)).map(|(at, _)| *at);
            host.lost_sight = last;
        }
    }

    fn put_side_by_side(&mut self) {
        let mut comers: BTreeMap<GroupName, Vec<Comer>> = BTreeMap::new();
        for (group, comer) in std::mem::take(&mut self.comers).into_values() {
            comers.entry(group).or_default().push(comer);
        }
        let mut leavers: Vec<(GroupName, Leaver)> = std::mem::take(&mut self.leavers).into_values().collect();
        leavers.sort_by_key(|(_, host)| host.steps.first().map(|(at, _)| *at));
        for (group, host) in leavers {
            let stays = host.phase().is_some_and(goes_back);
            let rows = &mut self.record.groups.entry(group.clone()).or_default().rows;
            let came = comers.entry(group).or_default();
            came.sort_by_key(|comer| comer.at);
            let left = host.steps.first().map(|(at, _)| *at);
            // Who was there before cannot be the one that came.
            let after = came.iter().position(|comer| left.is_none_or(|left| comer.at >= left));
            let new = after.filter(|_| !stays).map(|at| came.remove(at));
            rows.push(Row { old: Some(host), new });
        }
        for (group, mut left_over) in comers {
            left_over.sort_by_key(|comer| comer.at);
            let rows = left_over.into_iter().map(|comer| Row { old: None, new: Some(comer) });
            self.record.groups.entry(group).or_default().rows.extend(rows);
        }
    }

    /// The first host of a group goes alone, and its replacement serves for a while before the next one goes. Of nothing else
    /// does the log say that it was a bake: where the rotation stood still meanwhile, it says nothing of one.
    fn find_bakes(&mut self) {
        let stops: Vec<Timestamp> = self.record.stops.iter().map(|stop| stop.from).collect();
        for group in self.record.groups.values_mut() {
            let left = |row: &Row| row.old.as_ref().and_then(|host| host.steps.first()).map(|(at, _)| *at);
            let came = group.rows.first().and_then(|row| row.new.as_ref()).map(|host| host.at);
            let (Some(from), Some(to)) = (came, group.rows.iter().skip(1).filter_map(left).min()) else { continue };
            let stood = stops.iter().any(|at| *at >= from && *at <= to);
            group.bake = (!stood && to >= from + BAKES_FOR).then_some((from, to));
        }
    }

    /// How many were in flight, and how many tasks had to move, whenever that changed.
    fn count(&mut self) {
        let mut in_flight: Vec<(Timestamp, i64)> = Vec::new();
        let mut draining: Vec<(Timestamp, i64)> = Vec::new();
        for host in self.record.leavers() {
            let mut was = (false, false);
            let seen = host.steps.iter().map(|(at, phase)| (*at, (is_in_flight(*phase), *phase == Phase::Draining)));
            let unseen = host.lost_sight.map(|at| (at, (false, false)));
            for (at, is) in seen.chain(unseen) {
                in_flight.push((at, i64::from(is.0) - i64::from(was.0)));
                let tasks = i64::from(host.tasks.unwrap_or(0));
                draining.push((at, tasks * (i64::from(is.1) - i64::from(was.1))));
                was = is;
            }
        }
        self.record.in_flight = summed(in_flight);
        self.record.draining = summed(draining);
    }
}

/// From changes to values, each at the time since when it holds.
fn summed(mut changes: Vec<(Timestamp, i64)>) -> Vec<(Timestamp, u32)> {
    changes.sort_by_key(|(at, change)| (*at, -*change));
    let mut sum = 0;
    let mut values: Vec<(Timestamp, u32)> = Vec::new();
    for (at, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
        sum += change;
        values.push((at, u32::try_from(sum).unwrap_or(0)));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "prod/19700101T000000Z";

    fn line(second: i64, message: &str, fields: &[(&str, &str)]) -> LogLine {
        let always = [("cluster", "prod"), ("rotation", ID)];
        let fields = always.iter().chain(fields).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let at = Timestamp::from_second(second).unwrap();
        LogLine { at, level: "INFO", message: message.to_owned(), fields: fields.collect() }
    }

    fn host(second: i64, id: &str, phase: &str) -> LogLine {
        line(second, phase, &[("host", id), ("group", "web"), ("tasks", "7"), ("serving", "3"), ("desired", "3")])
    }

    fn record(lines: &[LogLine]) -> Record {
        Record::of(lines, &"prod".into(), None).unwrap()
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_host_lives_once_however_often_and_in_whatever_order_it_is_told() {
        let told = [
            host(9, "i-1", "draining"),
            host(1, "i-1", "leaving"),
            host(2, "i-1", "replacing"),
            // Another worker, whose look was older.
            host(10, "i-1", "replacing"),
            host(11, "i-1", "draining"),
            host(8, "i-2", "current"),
            host(12, "i-2", "current"),
            host(20, "i-1", "gone"),
        ];
        let record = record(&told);
        let [row] = record.groups[&"web".into()].rows.as_slice() else { panic!("{record:#?}") };
        let old = row.old.as_ref().unwrap();
        let steps = [(1, Phase::Leaving), (2, Phase::Replacing), (9, Phase::Draining), (20, Phase::Gone)];
        assert_eq!(old.steps, steps.map(|(at, phase)| (time(at), phase)));
        assert_eq!(row.new.as_ref().map(|new| (new.id.as_str(), new.at)), Some(("i-2", time(8))));
        assert_eq!(record.in_flight, [(time(1), 1), (time(20), 0)]);
        assert_eq!(record.draining, [(time(9), 7), (time(20), 0)]);
        assert_eq!(record.replaced(), 1);
    }

    #[test]
    fn a_host_that_goes_back_has_nobody_beside_it_and_is_not_in_flight_any_more() {
        let told = [
            host(1, "i-1", "leaving"),
            host(2, "i-1", "replacing"),
            host(3, "i-1", "returning"),
            host(4, "i-1", "outdated"),
            host(5, "i-9", "current"),
        ];
        let record = record(&told);
        let rows = &record.groups[&"web".into()].rows;
        assert_eq!((rows.len(), rows[0].new.is_none(), rows[1].old.is_none()), (2, true, true), "{rows:#?}");
        assert_eq!(record.in_flight.last(), Some(&(time(4), 0)));
        assert_eq!(record.replaced(), 0);
    }

    #[test]
    fn one_that_came_and_went_in_favour_of_one_that_is_given_back_replaces_nobody() {
        let told = |id: &str, from: i64, phases: &[&str]| {
            phases.iter().zip(from..).map(|(phase, second)| host(second, id, phase)).collect::<Vec<_>>()
        };
        let goes = ["leaving", "replacing", "draining", "drained", "retired", "gone"];
        let back = [
            told("i-1", 1, &["leaving", "replacing", "returning", "outdated"]),
            told("i-9", 2, &["current", "draining", "retired", "gone"]),
        ]
        .concat();
        assert_eq!(record(&back).replaced(), 0);
        // One that came and leaves for a newer release replaces as any other.
        let twice = [told("i-1", 1, &goes), told("i-8", 3, &["current"]), told("i-8", 10, &goes)].concat();
        assert_eq!(record(&twice).replaced(), 2);
    }

    #[test]
    fn a_hold_lasts_from_when_it_is_said_to_when_it_goes_on() {
        let told = [
            line(0, "rotation open", &[("because", "check-releases"), ("force", "false")]),
            line(5, "rotation held", &[("reason", "first")]),
            line(6, "rotation held", &[("reason", "first; second")]),
            line(9, "rotation open", &[("because", "resume")]),
            line(12, "rotation paused", &[]),
        ];
        let record = record(&told);
        let stop =
            |from, to, state, reason: Option<&str>| Stop { from, to, state, reason: reason.map(ToOwned::to_owned) };
        let expected = [
            stop(time(5), Some(time(9)), Standing::Held, Some("first; second")),
            stop(time(12), None, Standing::Paused, None),
        ];
        assert_eq!(record.stops, expected);
        assert_eq!((record.because.as_deref(), record.state), (Some("check-releases"), Standing::Paused));
        assert_eq!(record.notes.len(), 5);
    }

    #[test]
    fn who_was_there_before_is_not_the_one_that_came_and_who_came_can_be_lost() {
        let told = [
            host(1, "i-8", "current"),
            host(2, "i-1", "leaving"),
            host(5, "i-9", "current"),
            host(6, "i-1", "gone"),
            host(7, "i-9", "gone"),
        ];
        let rows = &record(&told).groups[&"web".into()].rows;
        let new = rows[0].new.as_ref().unwrap();
        assert_eq!((new.id.as_str(), new.gone), ("i-9", Some(time(7))), "{rows:#?}");
        assert_eq!(rows[1].new.as_ref().map(|new| (new.id.as_str(), new.gone)), Some(("i-8", None)), "{rows:#?}");
    }

    #[test]
    fn an_end_that_was_not_said_is_said_to_be_unknown_and_does_not_last_for_ever() {
        let told = [host(1, "i-1", "leaving"), host(2, "i-1", "retired"), line(9, "rotation closed", &[])];
        let record = record(&told);
        assert_eq!(record.leavers().map(|host| host.lost_sight).collect::<Vec<_>>(), [Some(time(2))]);
        assert_eq!((record.in_flight.last(), record.replaced()), (Some(&(time(2), 0)), 0));
        assert!(html(&record).contains("how 1 ended is not in the log"));
    }

    #[test]
    fn what_is_said_after_the_close_is_none_of_it_and_what_was_not_said_is_not_known() {
        let late = host(900, "i-9", "current");
        let told = [host(1, "i-1", "leaving"), host(2, "i-1", "gone"), line(3, "rotation closed", &[]), late.clone()];
        let closed = record(&told);
        assert_eq!((closed.until, closed.groups[&"web".into()].rows.len()), (time(3), 1), "{closed:#?}");
        let resumed = line(901, "rotation open", &[("because", "resume"), ("force", "true")]);
        let late = record(&[late, resumed]);
        assert_eq!((late.because, late.forced, late.begins_late), (None, true, true));
        assert!(html(&record(&[host(900, "i-9", "current")])).contains("outcome not in the log"));
    }

    #[test]
    fn damaged_lines_are_passed_over() {
        let mut odd = [line(1, "leaving", &[]), line(2, "rotation open", &[]), host(3, "i-1", "leaving")];
        odd[0].fields.insert("rotation".to_owned(), "null".to_owned());
        odd[1].at = Timestamp::MAX;
        let record = record(&odd);
        assert_eq!((record.id.as_str(), record.opened, record.until), (ID, time(0), time(3)));
        let alone = Record { opened: Timestamp::MAX, until: Timestamp::MAX, ..record };
        assert!(html(&alone).ends_with("</html>"));
    }

    #[test]
    fn what_no_line_says_is_not_claimed() {
        let told = [line(9_000, "gone", &[("host", "i-1"), ("group", "web")])];
        let page = html(&record(&told));
        for said in ["not in the log", "how many at a time is not in the log", "begins long after the opening"] {
            assert!(page.contains(said), "{said}");
        }
    }

    #[test]
    fn what_it_does_not_speak_of_is_said_with_what_it_speaks_of() {
        let lines = [host(1, "i-1", "leaving")];
        let error = |cluster: &str, rotation| Record::of(&lines, &cluster.into(), rotation).unwrap_err().to_string();
        assert!(error("test", None).ends_with("of cluster test; it speaks of prod"), "{}", error("test", None));
        let said = error("prod", Some("prod/2"));
        assert!(said.ends_with(&format!("of rotation prod/2; it speaks of {ID}")), "{said}");
        assert_eq!(Record::of(&[], &"prod".into(), None), Err(NoRecord::NothingRead));
    }
}
