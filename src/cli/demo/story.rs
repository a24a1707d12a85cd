//! From the timeline, which knows everything, to what an operator would want to see of it.
//!
//! What concerns the rotation, its templates, its holds and its troubles is always told. The life of the hosts is told by one
//! of two narrators: [`CloseUp`] follows every single host of a small fleet, in three steps, and [`FromAfar`] shows a large
//! one as a gauge that is read every so often, after the first host was followed through.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::canary::Canaries;
use super::close_up::CloseUp;
use super::fleet::{Fleet, Toll};
use super::from_afar::FromAfar;
use super::ink::{Line, Phase, count, duration, short};
use super::scene::{MOST_LISTED, Scene, moved_on};
use crate::id::{AmiId, GroupName, InstanceId, TemplateId, Zone};
use crate::plan::hold::Hold;
use crate::sim::{By, Happening, Moment, Report};

/// Up to this many hosts, each one is followed.
const SMALL: usize = 30;

pub struct Story {
    pub lines: Vec<Line>,
    pub toll: Toll,
    /// How many of the hosts there were are replaced, by workers or otherwise.
    pub replaced: usize,
}

/// A step in the life of a host that the worker replaces.
pub enum Step<'a> {
    Leaves {
        host: &'a InstanceId,
        group: &'a GroupName,
    },
    /// So long after its launch.
    Joins {
        host: &'a InstanceId,
        group: &'a GroupName,
        after: SignedDuration,
    },
    Drains {
        host: &'a InstanceId,
        group: &'a GroupName,
        tasks: usize,
    },
    Gone {
        host: &'a InstanceId,
        group: &'a GroupName,
    },
}

impl Step<'_> {
    pub fn group(&self) -> &GroupName {
        match self {
            Step::Leaves { group, .. }
            | Step::Joins { group, .. }
            | Step::Drains { group, .. }
            | Step::Gone { group, .. } => group,
        }
    }
}

pub trait Narrator {
    /// A host's step at this time, after the release.
    fn step(&mut self, at: SignedDuration, step: &Step<'_>, fleet: &Fleet, lines: &mut Vec<Line>);
    /// Something else is about to be told, or the time has come this far.
    fn before(&mut self, at: SignedDuration, fleet: &Fleet, lines: &mut Vec<Line>);
}

/// The story of a run, from the release on.
pub fn tell(scene: &Scene, fleet: Fleet, report: &Report) -> Story {
    let released = report.timeline.iter().find(|m| matches!(m.what, Happening::ReleasePublished { .. })).map(|m| m.at);
    let narrator: Box<dyn Narrator> = match fleet.size {
        0..=SMALL => Box::new(CloseUp::new(fleet.size)),
        _ => Box::new(FromAfar::new(fleet.size, SignedDuration::from_secs(report.simulated_seconds))),
    };
    let mut teller = Teller {
        scene,
        fleet,
        narrator,
        released: released.unwrap_or(crate::sim::START),
        lines: Vec::new(),
        canaries: Canaries::new(&scene.scenario.settings.policy, scene.scenario.groups.len()),
        templates: 0,
        images: BTreeMap::new(),
        killed: None,
        zone_lost: None,
    };
    for moment in &report.timeline {
        teller.moment(moment);
    }
    Story { lines: teller.lines, replaced: teller.fleet.replaced(), toll: teller.fleet.toll }
}

struct Teller<'a> {
    scene: &'a Scene,
    fleet: Fleet,
    narrator: Box<dyn Narrator>,
    released: Timestamp,
    lines: Vec<Line>,
    canaries: Canaries,
    /// How many groups were told to launch a new version.
    templates: usize,
    /// What the versions launch that were made in this story.
    images: BTreeMap<(TemplateId, u64), AmiId>,
    killed: Option<Timestamp>,
    /// When a zone was lost last.
    zone_lost: Option<SignedDuration>,
}

impl Teller<'_> {
    fn moment(&mut self, moment: &Moment) {
        let at = moment.at.duration_since(self.released);
        if at >= SignedDuration::ZERO {
            self.canaries.before(at, &mut self.lines);
            self.narrator.before(at, &self.fleet, &mut self.lines);
            let was_in_flight = self.in_flight_before(&moment.what);
            self.fleet.follow(moment);
            self.tell(at, moment, was_in_flight);
        } else {
            self.fleet.follow(moment);
        }
    }

    /// Whether the host that is gone now was in flight.
    fn in_flight_before(&self, what: &Happening) -> bool {
        if let Happening::Terminated { host, .. } = what { self.fleet.is_in_flight(host) } else { false }
    }

    fn tell(&mut self, at: SignedDuration, moment: &Moment, was_in_flight: bool) {
        match &moment.what {
            Happening::ReleasePublished { parameter, image } => {
                self.say(at, "", Phase::Release, format!("a new image is released: {parameter} is {image}"));
            }
            Happening::RotationOpened { id, .. } => self.say(at, "", Phase::Release, format!("rotation {id} opens")),
            Happening::RotationPaused { id, .. } => self.say(at, "", Phase::Held, format!("rotation {id} is paused")),
            Happening::RotationHeld { id, .. } => self.say(at, "", Phase::Held, format!("rotation {id} is held")),
            // The tag has codes; the sentence is the reader's.
            Happening::HoldExplained { reason, .. } => {
                self.say(at, "", Phase::Held, Hold::parse(reason).in_words());
            }
            Happening::RotationClosed { id, .. } => self.closed(at, id),
            Happening::TemplateInUse { group, template, version } => self.template(at, group, template, *version),
            Happening::ParameterWritten { parameter, image } => {
                self.say(at, "", Phase::Release, format!("{parameter} is {image} now"));
            }
            Happening::Detached { host, group } => {
                self.canaries.taken(at, group, &mut self.lines);
                self.step(at, &Step::Leaves { host, group });
            }
            Happening::Launched { host, group, .. } => self.canaries.launched(at, host, group, &self.fleet),
            Happening::Registered { host } => self.registered(at, host, moment.at),
            Happening::Draining { host, by, tasks } => self.draining(at, host, *by, *tasks),
            Happening::Terminated { host, by } => self.terminated(at, host, *by, was_in_flight),
            Happening::Activated { host, by } => self.activated(at, host, *by),
            Happening::Attached { host, group } => {
                self.say(at, group.as_str(), Phase::Trouble, format!("{} is given back to its group", short(host)));
            }
            Happening::Rejected { group, images } => {
                let text = format!("{images} is rejected: it will not be tried again here");
                self.say(at, group.as_str(), Phase::Trouble, text);
            }
            Happening::LaunchFailed { group, zone } if self.fleet.has(group) => {
                let why = zone.as_ref().map_or_else(String::new, |zone| format!(": no capacity in {zone}"));
                self.say(at, group.as_str(), Phase::Trouble, format!("a launch fails{why}"));
            }
            Happening::ZoneLost { zone, hosts } => self.zone_lost(at, zone, *hosts),
            Happening::ZoneBack { zone } => self.say(at, "", Phase::Plain, format!("zone {zone} is back")),
            Happening::ServiceStuck { service, minimum_healthy_percent, maximum_percent } => {
                self.stuck(at, service, *minimum_healthy_percent, *maximum_percent);
            }
            Happening::Scaled { group, desired } => {
                self.say(at, group.as_str(), Phase::Trouble, format!("its desired capacity is {desired} now"));
            }
            Happening::WorkerKilled { .. } => {
                self.killed = Some(moment.at);
                self.say(at, "", Phase::Trouble, "the worker is killed".to_owned());
            }
            Happening::WorkerStarted { .. } => self.worker_started(at, moment.at),
            Happening::MessageDead { .. } => {
                self.say(at, "", Phase::Trouble, "a message goes to the dead-letter queue".to_owned());
            }
            Happening::TemplateVersionMade { template, version, image } => {
                self.images.insert((template.clone(), *version), image.clone());
            }
            // Told by what they are a part of, or too many to be told.
            Happening::LaunchFailed { .. }
            | Happening::VersionsPruned { .. }
            | Happening::HostTagged { .. }
            | Happening::Drained { .. }
            | Happening::Deregistered { .. }
            | Happening::AgentLost { .. }
            | Happening::AgentBack { .. } => {}
        }
    }

    fn say(&mut self, at: SignedDuration, group: &str, phase: Phase, text: String) {
        self.lines.push(Line::told(at, group, phase, text));
    }

    fn step(&mut self, at: SignedDuration, step: &Step<'_>) {
        self.narrator.step(at, step, &self.fleet, &mut self.lines);
    }

    fn template(&mut self, at: SignedDuration, group: &GroupName, template: &TemplateId, version: u64) {
        let image = self.images.get(&(template.clone(), version));
        if !image.is_some_and(|image| self.fleet.is_released(image)) {
            let text = format!("back to the image of before: version {version} of {template}");
            return self.say(at, group.as_str(), Phase::Trouble, text);
        }
        self.templates += 1;
        let shape = self.scene.scenario.groups.iter().find(|shape| shape.name == group.as_str());
        let (Some(shape), groups) = (shape, self.scene.scenario.groups.len()) else { return };
        if groups <= MOST_LISTED || self.templates < MOST_LISTED {
            let text = format!("version {version} of {template} has the image; {}", moved_on(shape));
            self.say(at, group.as_str(), Phase::Release, text);
        } else if self.templates == groups {
            let text = format!("and so for the other {} groups", groups + 1 - MOST_LISTED);
            self.say(at, "", Phase::Release, text);
        }
    }

    fn registered(&mut self, at: SignedDuration, host: &InstanceId, now: Timestamp) {
        let Some(group) = self.fleet.group_of(host).cloned() else { return };
        let after = self.fleet.age(host, now);
        self.step(at, &Step::Joins { host, group: &group, after });
        self.canaries.registered(at, host, &group, &self.fleet, &mut self.lines);
    }

    fn zone_lost(&mut self, at: SignedDuration, zone: &Zone, hosts: usize) {
        self.zone_lost = Some(at);
        let hosts = count(hosts, "host");
        self.say(at, "", Phase::Trouble, format!("zone {zone} is lost, and with it {hosts}"));
    }

    fn stuck(&mut self, at: SignedDuration, service: &str, least: usize, most: usize) {
        let text = format!(
            "service {service} cannot move its task: at {least}/{most} % (minimum and maximum healthy) ECS may neither \
             stop one nor start another"
        );
        self.say(at, "", Phase::Trouble, text);
    }

    fn draining(&mut self, at: SignedDuration, host: &InstanceId, by: By, tasks: usize) {
        let Some(group) = self.fleet.group_of(host).cloned() else { return };
        match by {
            By::Worker => self.step(at, &Step::Drains { host, group: &group, tasks }),
            By::Person | By::Group | By::Itself => {
                self.say(at, group.as_str(), Phase::Trouble, format!("a person drains {}", short(host)));
            }
        }
    }

    fn terminated(&mut self, at: SignedDuration, host: &InstanceId, by: By, was_in_flight: bool) {
        let Some(group) = self.fleet.group_of(host).cloned() else { return };
        self.canaries.lost(at, host, &group, &self.fleet, &mut self.lines);
        let (host_id, when) = (short(host), if was_in_flight { ", in flight" } else { "" });
        let text = match by {
            By::Worker if was_in_flight => return self.step(at, &Step::Gone { host, group: &group }),
            By::Worker if self.fleet.has_registered(host) => format!("{host_id} is ended"),
            By::Worker => format!("{host_id}, which never registered, is ended"),
            By::Person => format!("a person terminates {host_id}{when}"),
            By::Group => format!("the group scales in and takes {host_id}{when}"),
            // Told with its zone.
            By::Itself if self.zone_lost == Some(at) => return,
            By::Itself => format!("{host_id} dies{when}"),
        };
        self.say(at, group.as_str(), Phase::Trouble, text);
    }

    fn activated(&mut self, at: SignedDuration, host: &InstanceId, by: By) {
        let group = self.fleet.group_of(host).map(ToString::to_string).unwrap_or_default();
        let text = match by {
            By::Worker => format!("{} is given back and ACTIVE again", short(host)),
            By::Person | By::Group | By::Itself => format!("a person makes {} ACTIVE again", short(host)),
        };
        self.say(at, &group, Phase::Trouble, text);
    }

    fn worker_started(&mut self, at: SignedDuration, now: Timestamp) {
        let gone = self.killed.take().map_or(SignedDuration::ZERO, |killed| now.duration_since(killed));
        let text = format!("another worker starts, {} later: it carries on from what AWS says", duration(gone));
        self.say(at, "", Phase::Plain, text);
    }

    fn closed(&mut self, at: SignedDuration, id: &str) {
        let text = format!("rotation {id} closes: every host runs the new image");
        self.say(at, "", Phase::Closed, text);
    }
}
