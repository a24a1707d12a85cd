//! Which image the hosts of a group shall run.
//!
//! ```text
//!  group ─▶ launches ─▶ image in use ─▶ origin ─▶ candidate ─▶ checks ─▶ release
//!           (templates,                 (tags, template,       (fits? now?)
//!            overrides)                  family)
//! ```
//!
//! A group can launch in more than one way: a mixed-instances policy may bring templates or images of its own in its
//! overrides, often for another architecture. Each way ([`Launching`]) has an image in use and a release; a host is current
//! when it runs one of them. Each arrow is a look: [`resolve`] names what is lacking until it can answer.
//!
//! A candidate that does not *fit* what runs there (architecture, platform, family, …) means that something is set up wrong:
//! the group says why, and stays as it is. One that fits and is not to be taken *now* (too young, rejected, older) leaves the
//! image in use the release, and says why.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::exit;
use super::exit::Exit;
use super::made::made_from;
use super::model::{ClusterView, GroupView, Host, Look, Seen};
use super::policy::ReleaseBy;
use super::timing::in_words;
use crate::effect::{
    BlockDevice, Image, ImagePattern, Launch, Override, Parameter, ParameterKind, TemplateSpec, TemplateVersion,
    VersionRule,
};
use crate::id::{AmiId, GroupName, ParameterName};

/// How a template says that it reads a parameter.
pub const RESOLVE: &str = "resolve:ssm:";
/// In a name: the architecture of the image in use.
const ARCHITECTURE: &str = "{arch}";
/// AWS's own parameters begin so: nobody else writes them.
const PUBLIC: &str = "/aws/";

/// What is known of a group's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// The next things to ask.
    Lacks(BTreeSet<Look>),
    Unresolved {
        reason: String,
    },
    Resolved(Release<'a>),
}

/// A group's release: an image for each way in which it launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    pub launches: Vec<Launching<'a>>,
    /// Their images.
    pub images: BTreeSet<AmiId>,
    /// Those of them that stand in for a newer one that failed here.
    pub fallbacks: BTreeSet<AmiId>,
}

/// An image that fits and is newer than the release: it is not taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    pub image: AmiId,
    /// None: AWS tells no date.
    pub created: Option<Timestamp>,
    pub not_taken: NotTaken,
}

/// Why an image that fits is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It failed here.
    Rejected,
    /// However long one waits: it is deprecated, or tells no age where one is asked for.
    Refused,
    /// It is taken when it is older (`min-ami-age`).
    Young,
}

/// Why an image that fits is not to be taken now.
struct NotNow {
    kind: NotTaken,
    why: String,
}

/// One way in which a group launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launching<'a> {
    /// What it shall launch with.
    pub image: AmiId,
    /// What it would launch with now.
    pub in_use: AmiId,
    pub origin: Origin,
    pub way: Way<'a>,
    /// A newer image that is not taken now, and why.
    pub refused: Option<String>,
    /// The same image, where it is newer than the release.
    pub newer: Option<Newer>,
    pub windows: bool,
    /// The template it launches from; None where an override names the image.
    pub spec: Option<&'a TemplateSpec>,
    /// The image in use has failed here, and the release is what was before it.
    pub back: Option<Back>,
    root_device: Option<String>,
}

/// How what was before an image that failed is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// The template's version that has it.
    Version(u64),
    /// The image that the other hosts run.
    Image,
}

/// Where a release comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The group's tag `ami-parameter`.
    Tag(ParameterName),
    /// Its tag `ami-name`.
    Named(ImagePattern),
    /// `resolve:ssm:` in the template.
    Template(ParameterName),
    /// Its tag `OS`.
    Os { family: String, parameter: ParameterName },
    /// The name and the owner of the image in use.
    Recognised { family: String, parameter: ParameterName },
}

/// How the image of a launch is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// In a version of a launch template.
    Version { spec: &'a TemplateSpec, in_use: &'a TemplateVersion },
    /// In an override of the group.
    Override { written: &'a str },
    /// Not by us: the template reads this parameter.
    Follows { parameter: ParameterName, since: Option<Timestamp> },
    /// In the parameter that the template reads.
    Parameter { parameter: ParameterName, data_type: Option<String>, since: Option<Timestamp> },
}

impl Release<'_> {
    /// Do the group's next instances launch with the release?
    pub fn is_in_use(&self) -> bool {
        self.launches.iter().all(Launching::is_in_use)
    }

    pub fn windows(&self) -> bool {
        self.launches.iter().any(|launch| launch.windows)
    }

    /// Why a newer image will not be taken however long one waits.
    pub fn refused_for_good(&self) -> Option<&str> {
        let stuck =
            |launch: &&Launching<'_>| launch.newer.as_ref().is_some_and(|newer| newer.not_taken != NotTaken::Young);
        self.launches.iter().filter(stuck).find_map(|launch| launch.refused.as_deref())
    }

    /// Since when all of its next instances do.
    pub fn since(&self) -> Timestamp {
        let since = |launch: &Launching<'_>| match &launch.way {
            Way::Version { in_use, .. } => Some(in_use.created),
            Way::Follows { since, .. } | Way::Parameter { since, .. } => *since,
            Way::Override { .. } => None,
        };
        self.launches.iter().filter_map(since).max().unwrap_or(Timestamp::MIN)
    }

    /// Would the group's next instance launch with one of these?
    pub fn launches_rejected(&self, rejected: &BTreeSet<AmiId>) -> bool {
        self.launches.iter().any(|launch| rejected.contains(&launch.in_use))
    }

    /// What says with which images the group launches now.
    pub fn looks_at_use(&self) -> BTreeSet<Look> {
        self.launches.iter().filter_map(Launching::look_at_use).collect()
    }
}

impl Launching<'_> {
    pub fn is_in_use(&self) -> bool {
        self.in_use == self.image
    }

    /// What says with which image it launches now (an override is part of the group).
    pub fn look_at_use(&self) -> Option<Look> {
        match &self.way {
            Way::Version { spec, .. } => Some(Look::Template(spec.template.clone(), spec.rule)),
            Way::Follows { parameter, .. } | Way::Parameter { parameter, .. } => {
                Some(Look::Parameter(parameter.clone()))
            }
            Way::Override { .. } => None,
        }
    }

    /// Would writing it change what others launch who use the template in its way, or read the parameter?
    pub fn concerns_others(&self) -> bool {
        match &self.way {
            Way::Version { .. } | Way::Parameter { .. } => !self.is_in_use(),
            Way::Override { .. } | Way::Follows { .. } => false,
        }
    }

    /// What says which image is its release.
    pub fn look_at_origin(&self) -> Look {
        match &self.origin {
            Origin::Named(pattern) => Look::Named(pattern.clone()),
            Origin::Tag(parameter)
            | Origin::Template(parameter)
            | Origin::Os { parameter, .. }
            | Origin::Recognised { parameter, .. } => Look::Parameter(parameter.clone()),
        }
    }

    /// The block devices that a new version must name: EC2 does not inherit snapshots. That of the root device is the old
    /// image's own, and is left to the new one. Empty: nothing would be lost.
    pub fn block_devices(&self) -> Vec<BlockDevice> {
        let Way::Version { in_use, .. } = &self.way else { return Vec::new() };
        let is_root = |device: &BlockDevice| device.device.is_some() && device.device == self.root_device;
        if !in_use.block_devices.iter().any(|device| device.snapshot.is_some() && !is_root(device)) {
            return Vec::new();
        }
        let kept = in_use.block_devices.iter().map(|device| {
            let snapshot = device.snapshot.clone().filter(|_| !is_root(device));
            BlockDevice { snapshot, ..device.clone() }
        });
        // One of which only the name is left says nothing.
        let empty =
            |device: &BlockDevice| *device == BlockDevice { device: device.device.clone(), ..BlockDevice::default() };
        kept.filter(|device| !empty(device)).collect()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Tag(parameter) => write!(f, "{parameter} (its tag `ami-parameter`)"),
            Origin::Named(pattern) => write!(f, "{pattern} (its tag `ami-name`)"),
            Origin::Template(parameter) => write!(f, "{parameter} (its template)"),
            Origin::Os { family, parameter } => write!(f, "{parameter} ({family} by its tag `OS`)"),
            Origin::Recognised { family, parameter } => write!(f, "{parameter} ({family} by the image in use)"),
        }
    }
}

/// Finds the group's release, or what is still to be asked, or why there is none.
pub fn resolve<'a>(view: &'a ClusterView, name: &GroupName, group: &'a GroupView, now: Timestamp) -> Resolution<'a> {
    match exit::check(view, name, group) {
        Exit::Free => Finder { view, name, group, now }.resolve(&mut BTreeSet::new()),
        Exit::Lacks(look) => Resolution::Lacks(BTreeSet::from([look])),
        Exit::Costs(reason) => Resolution::Unresolved { reason },
    }
}

/// The parameters on which the group's release hangs, as far as they are known: also where it has none now.
pub fn follows(view: &ClusterView, name: &GroupName, group: &GroupView, now: Timestamp) -> BTreeSet<ParameterName> {
    let mut parameters = BTreeSet::new();
    let _resolution = Finder { view, name, group, now }.resolve(&mut parameters);
    parameters
}

enum Stop {
    Lacks(BTreeSet<Look>),
    Unresolved(String),
}

fn lacks(look: Look) -> Stop {
    Stop::Lacks(BTreeSet::from([look]))
}

fn unresolved(reason: impl Into<String>) -> Stop {
    Stop::Unresolved(reason.into())
}

/// Where a launch finds its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Site<'a> {
    Template(&'a TemplateSpec),
    Override(&'a str),
}

/// What a candidate is compared with: the image in use, or where that is no more, an instance that was made from it.
#[derive(Clone, Debug)]
struct Present {
    /// As people know it.
    what: String,
    architecture: String,
    windows: bool,
    virtualization: Option<String>,
    root_device: Option<String>,
    family: Option<String>,
    created: Option<Timestamp>,
    /// Its name, where it has one.
    name: Option<(String, Vec<String>)>,
}

/// What an origin names.
struct Candidate {
    /// The image to take. The error: there is one, and it is not to be taken now.
    taken: Result<Image, String>,
    /// The newest that fits, whether it is to be taken or not.
    newest: Image,
}

struct Finder<'a, 'n> {
    view: &'a ClusterView,
    name: &'n GroupName,
    group: &'a GroupView,
    now: Timestamp,
}

impl<'a> Finder<'a, '_> {
    fn resolve(&self, read: &mut BTreeSet<ParameterName>) -> Resolution<'a> {
        let sites = match self.sites() {
            Ok(sites) => sites,
            Err(reason) => return Resolution::Unresolved { reason },
        };
        let (mut launches, mut looks, mut reasons) = (Vec::new(), BTreeSet::new(), Vec::new());
        for site in sites {
            match self.launch(site, read) {
                Ok(launch) => launches.push(launch),
                Err(Stop::Lacks(more)) => looks.extend(more),
                Err(Stop::Unresolved(reason)) => reasons.push(reason),
            }
        }
        if let Some(reason) = reasons.into_iter().next() {
            return Resolution::Unresolved { reason };
        }
        if !looks.is_empty() {
            return Resolution::Lacks(looks);
        }
        let images = launches.iter().map(|launch| launch.image.clone()).collect();
        let stands_in =
            |launch: &&Launching<'_>| launch.newer.as_ref().is_some_and(|newer| newer.not_taken == NotTaken::Rejected);
        let fallbacks = launches.iter().filter(stands_in).map(|launch| launch.image.clone()).collect();
        Resolution::Resolved(Release { launches, images, fallbacks })
    }

    /// Every way in which the group launches, each once. The template of a policy counts only where an override leaves it
    /// to it.
    fn sites(&self) -> Result<BTreeSet<Site<'a>>, String> {
        if let Some(problem) = &self.group.problem {
            return Err(problem.clone());
        }
        match &self.group.facts.launch {
            Launch::Template(spec) => Ok(BTreeSet::from([Site::Template(spec)])),
            Launch::Mixed { base, overrides } if overrides.is_empty() => Ok(BTreeSet::from([Site::Template(base)])),
            Launch::Mixed { base, overrides } => Ok(overrides.iter().map(|own| site(own, base)).collect()),
            Launch::Configuration(configuration) => Err(format!(
                "it uses the launch configuration {configuration}, which AWS is giving up: give it a launch template (in \
                 the console: copy to launch template)"
            )),
            Launch::Unknown => Err("it names neither a launch template nor a launch configuration".to_owned()),
        }
    }

    fn launch(&self, site: Site<'a>, read: &mut BTreeSet<ParameterName>) -> Result<Launching<'a>, Stop> {
        let (written, version) = match site {
            Site::Override(image) => (image, None),
            Site::Template(spec) => {
                let version = self.version_in_use(spec)?;
                let image = version.image.as_deref().ok_or_else(|| {
                    unresolved(format!(
                        "launch template {} version {} names no image, and neither does an override",
                        spec.template, version.number
                    ))
                })?;
                (image, Some((spec, version)))
            }
        };
        let spec = version.map(|(spec, _)| spec);
        let by_parameter = self.group.policy.release_by == ReleaseBy::Parameter;
        match written.strip_prefix(RESOLVE) {
            Some(parameter) if by_parameter => self.written_to(ParameterName::from(parameter), spec, read),
            Some(parameter) => self.followed(ParameterName::from(parameter), spec, read),
            None if by_parameter => Err(unresolved(format!(
                "`release-by` is `parameter`, and its template names {written} itself: let it say `{RESOLVE}` and the name of a \
                 parameter of yours"
            ))),
            None => {
                let in_use = image_id(written)
                    .ok_or_else(|| unresolved(format!("it names its image as `{}`: no AMI id", cut(written))))?;
                let present = self.present(&in_use)?;
                let origin = self.origin(&present, None)?;
                let way = match version {
                    Some((spec, in_use)) => Way::Version { spec, in_use },
                    None => Way::Override { written },
                };
                self.written(present, in_use, origin, way, spec, read)
            }
        }
    }

    /// The image is written by us: where the candidate is not to be taken now, the image in use stays the release.
    fn written(
        &self,
        present: Present,
        in_use: AmiId,
        origin: Origin,
        way: Way<'a>,
        spec: Option<&'a TemplateSpec>,
        read: &mut BTreeSet<ParameterName>,
    ) -> Result<Launching<'a>, Stop> {
        let rejected = |image: &AmiId| self.group.source.rejected.contains(image);
        let Candidate { taken, newest } = self.candidate(&origin, &present, read)?;
        let (image, refused) = match taken {
            Ok(new) if new.id == in_use => (in_use.clone(), None),
            Ok(new) => match self.not_now(&new, &present) {
                None => (new.id, None),
                Some(NotNow { why, .. }) => (in_use.clone(), Some(format!("{} {why}", new.id))),
            },
            Err(why) => (in_use.clone(), Some(why)),
        };
        if rejected(&in_use) {
            match self.before(&way, &in_use, &present) {
                // First it is put back, at any time; what is newer than both comes when it is the time for that.
                Ok((before, back)) => {
                    let why = refused.unwrap_or_else(|| format!("{in_use} is rejected: it failed here"));
                    let newer = self.newer(&newest, &before, &present);
                    let (windows, root_device) = (present.windows, present.root_device);
                    let (refused, back) = (Some(why), Some(back));
                    return Ok(Launching {
                        image: before,
                        in_use,
                        origin,
                        way,
                        refused,
                        newer,
                        windows,
                        spec,
                        back,
                        root_device,
                    });
                }
                Err(Stop::Unresolved(_)) if image != in_use => {}
                Err(stop) => return Err(stop),
            }
        }
        if let Some(refused) = &refused {
            self.can_stay(&present, &in_use, refused)?;
        }
        let newer = self.newer(&newest, &image, &present);
        let (windows, root_device) = (present.windows, present.root_device);
        Ok(Launching { image, in_use, origin, way, refused, newer, windows, spec, back: None, root_device })
    }

    /// The newest image that fits, where the release is older. One whose date is not known is taken for newer.
    fn newer(&self, newest: &Image, release: &AmiId, present: &Present) -> Option<Newer> {
        let created = self.view.images.get(release).and_then(Seen::here).and_then(|image| image.created);
        let older = matches!((newest.created, created), (Some(new), Some(old)) if new <= old);
        if newest.id == *release || older || newest.state != "available" {
            return None;
        }
        let not_taken = self.not_now(newest, present)?.kind;
        Some(Newer { image: newest.id.clone(), created: newest.created, not_taken })
    }

    /// What was launched before an image that failed: the version that ours was made from; where no version says it, what the
    /// group's hosts run.
    fn before(&self, way: &Way<'a>, failed: &AmiId, present: &Present) -> Result<(AmiId, Back), Stop> {
        let rejected = &self.group.source.rejected;
        let Way::Version { spec, in_use } = way else {
            let images = self.images_on_hosts()?;
            let images = images.into_iter().filter(|id| !rejected.contains(*id));
            let known = images.filter_map(|id| self.view.images.get(id)?.here());
            let alike = known.filter(|image| image.architecture == present.architecture && image.state == "available");
            let newest = alike.max_by_key(|image| (image.created, &image.id));
            return newest.map(|image| (image.id.clone(), Back::Image)).ok_or_else(|| {
                unresolved(format!("{failed}, which it launches with, is rejected, and no host of it runs another: put another in its place"))
            });
        };
        let mut version = *in_use;
        while let Some(source) = made_from(version) {
            version = self
                .version_in_use(&TemplateSpec { template: spec.template.clone(), rule: VersionRule::Number(source) })?;
            let image = version.image.as_deref().and_then(image_id).filter(|image| !rejected.contains(image));
            if let Some(image) = image {
                let state = self.image(&image)?.state;
                if state != "available" {
                    return Err(unresolved(format!(
                        "{failed} is rejected, and {image}, which was before it, is {state}"
                    )));
                }
                return Ok((image, Back::Version(source)));
            }
        }
        Err(unresolved(format!(
            "{failed}, which it launches with, is rejected, and no version of ours tells what was before it: put the template {} back \
             yourself",
            spec.template
        )))
    }

    /// Where the candidate is not taken, the image in use is the release: unless it can no longer be launched, or the hosts
    /// have long been on a newer one (somebody has put the template back).
    fn can_stay(&self, present: &Present, in_use: &AmiId, refused: &str) -> Result<(), Stop> {
        let image = self.view.images.get(in_use).and_then(Seen::here);
        if image.is_none_or(|image| image.state != "available") {
            return Err(unresolved(format!(
                "image {in_use}, which it launches with, is no more or not available, and {refused}"
            )));
        }
        if self.group.policy.allow_older {
            return Ok(());
        }
        let on_hosts = self.images_on_hosts()?;
        // Those that failed are on their way out.
        let good = on_hosts.iter().filter(|id| !self.group.source.rejected.contains(**id));
        let newer = good.filter_map(|id| self.view.images.get(*id)?.here());
        let newer = newer
            .filter(|image| image.architecture == present.architecture)
            .find(|image| image.created > present.created);
        newer.map_or(Ok(()), |newer| {
            Err(unresolved(format!(
                "it launches with {in_use}, which is older than {}, which its hosts run, and {refused}: set `allow-older` to go \
                 back",
                newer.id
            )))
        })
    }

    /// The template reads a parameter: nothing is written, and what the parameter says is what is launched.
    fn followed(
        &self,
        parameter: ParameterName,
        spec: Option<&'a TemplateSpec>,
        read: &mut BTreeSet<ParameterName>,
    ) -> Result<Launching<'a>, Stop> {
        read.insert(parameter.clone());
        let found = self.parameter(&parameter)?;
        let image = self.image_in(&parameter, found)?;
        let new = self.image(&image)?;
        self.agrees_with_tags(&parameter, &new)?;
        if let Some(present) = self.present_on_hosts(&new)? {
            let not_now = || self.not_now(&new, &present).map(|refused| refused.why);
            let why = fits(&new, self.family(&new), &present).or_else(not_now);
            if let Some(why) = why {
                return Err(unresolved(format!(
                    "parameter {parameter}, which its template reads, names {image}, which {why}"
                )));
            }
        }
        if self.group.source.rejected.contains(&image) {
            return Err(unresolved(format!(
                "parameter {parameter}, which its template reads, names {image}, which is rejected"
            )));
        }
        let way = Way::Follows { parameter: parameter.clone(), since: found.modified };
        let origin = Origin::Template(parameter);
        let in_use = image.clone();
        Ok(Launching {
            image,
            in_use,
            origin,
            way,
            refused: None,
            newer: None,
            windows: new.windows,
            spec,
            back: None,
            root_device: new.root_device,
        })
    }

    /// A tag that names another source would have us write an id where its owner has put a parameter.
    fn agrees_with_tags(&self, parameter: &ParameterName, new: &Image) -> Result<(), Stop> {
        let source = &self.group.source;
        let filled = |name: &ParameterName| ParameterName::new(name.as_str().replace(ARCHITECTURE, &new.architecture));
        let other = match (&source.ami_parameter, &source.ami_name) {
            (Some(tagged), _) if filled(tagged).plain() != parameter.plain() => {
                format!("`ami-parameter` says {tagged}")
            }
            (None, Some(pattern)) => format!("`ami-name` says {pattern}"),
            (Some(_) | None, _) => return Ok(()),
        };
        Err(unresolved(format!(
            "its tag {other}, and its template reads {parameter}: remove the tag, or set `release-by` to `parameter` to \
             have the image written there"
        )))
    }

    /// The template reads a parameter, and it is ours to write.
    fn written_to(
        &self,
        target: ParameterName,
        spec: Option<&'a TemplateSpec>,
        read: &mut BTreeSet<ParameterName>,
    ) -> Result<Launching<'a>, Stop> {
        read.insert(target.clone());
        if target.as_str().starts_with(PUBLIC) || target.as_str().contains(':') {
            return Err(unresolved(format!(
                "`release-by` is `parameter`, and its template reads {target}: let it read a parameter of yours, by its plain \
                 name"
            )));
        }
        let found = self.parameter(&target)?;
        let in_use = self.image_in(&target, found)?;
        let present = self.present(&in_use)?;
        let origin = self.origin(&present, Some(&target))?;
        let way = Way::Parameter { parameter: target, data_type: found.data_type.clone(), since: found.modified };
        self.written(present, in_use, origin, way, spec, read)
    }

    /// Where the release comes from: the first that is said. `target`: the parameter that we write.
    fn origin(&self, present: &Present, target: Option<&ParameterName>) -> Result<Origin, Stop> {
        let source = &self.group.source;
        if let Some(parameter) = &source.ami_parameter {
            let parameter = ParameterName::new(with_architecture(parameter.as_str(), present));
            if target == Some(&parameter) {
                return Err(unresolved(format!(
                    "its tag `ami-parameter` names {parameter}, which is the parameter to be written (`release-by`)"
                )));
            }
            return Ok(Origin::Tag(parameter));
        }
        if let Some(ImagePattern { owners, name }) = &source.ami_name {
            let name = with_architecture(name, present);
            return Ok(Origin::Named(ImagePattern { owners: owners.clone(), name }));
        }
        match &source.os {
            Some(os) => self.of_os(os, present),
            None => self.recognised(present),
        }
    }

    fn of_os(&self, os: &str, present: &Present) -> Result<Origin, Stop> {
        let (families, architecture) = (&self.group.policy.families, present.architecture.as_str());
        let found = match &present.name {
            Some((name, _)) => families.of_os(os, name, architecture),
            None => families.only_of_os(os, architecture),
        };
        found.map(|found| Origin::Os { family: found.family, parameter: found.parameter }).ok_or_else(|| {
            let words = families.words().into_iter().collect::<Vec<_>>().join(", ");
            let why = match present.name {
                Some(_) => format!("{} on {architecture} is none of that family", present.what),
                None => format!("{}, so that nothing tells which of them it was", present.what),
            };
            unresolved(format!(
                "its `OS` tag says `{os}`, and {why}: correct it (known are {words}), or say by `ami-parameter` where its \
                 image comes from"
            ))
        })
    }

    fn recognised(&self, present: &Present) -> Result<Origin, Stop> {
        let name = self.name;
        let Some((image, owners)) = &present.name else {
            return Err(unresolved(format!(
                "nothing says where its image comes from, and {}, so that nothing tells of which family it was: tag the group \
                 {name} with `ami-parameter`, `ami-name` or `OS`",
                present.what
            )));
        };
        let owners: Vec<&str> = owners.iter().map(String::as_str).collect();
        let found = self.group.policy.families.recognise(image, &owners, &present.architecture);
        found.map(|found| Origin::Recognised { family: found.family, parameter: found.parameter }).ok_or_else(|| {
            unresolved(format!(
                "nothing says where its image comes from, and {} is none of Amazon's for ECS: tag the group {name} with \
                 `ami-parameter`, `ami-name` or `OS`",
                present.what
            ))
        })
    }

    /// The image that the origin names.
    fn candidate(
        &self,
        origin: &Origin,
        present: &Present,
        read: &mut BTreeSet<ParameterName>,
    ) -> Result<Candidate, Stop> {
        let parameter = match origin {
            Origin::Named(pattern) => return self.newest(pattern, present),
            Origin::Tag(parameter)
            | Origin::Template(parameter)
            | Origin::Os { parameter, .. }
            | Origin::Recognised { parameter, .. } => parameter,
        };
        read.insert(parameter.clone());
        let id = self.image_in(parameter, self.parameter(parameter)?)?;
        let new = self.image(&id)?;
        match fits(&new, self.family(&new), present) {
            Some(why) => Err(unresolved(format!("parameter {parameter} names {id}, which {why}"))),
            None => Ok(Candidate { taken: Ok(new.clone()), newest: new }),
        }
    }

    /// The newest image of that name that may be taken.
    fn newest(&self, pattern: &ImagePattern, present: &Present) -> Result<Candidate, Stop> {
        let Some(found) = self.view.named.get(pattern) else { return Err(lacks(Look::Named(pattern.clone()))) };
        let alike = |image: &&Image| image.architecture == present.architecture && image.windows == present.windows;
        let usable: Vec<&Image> = found.iter().filter(|image| image.state == "available").filter(alike).collect();
        if usable.is_empty() {
            let what =
                if found.is_empty() { "image has" } else { "available image for this architecture and platform has" };
            let all = if found.is_empty() { String::new() } else { format!(" ({} have, in all)", found.len()) };
            return Err(unresolved(format!("no {what} the name {pattern}{all}")));
        }
        let families = &self.group.policy.families;
        let families: BTreeSet<Option<String>> = usable
            .iter()
            .map(|image| families.by_name(&image.name, &image.architecture).map(|found| found.family))
            .collect();
        if families.len() > 1 {
            let names: Vec<String> =
                families.into_iter().map(|family| family.unwrap_or_else(|| "others".to_owned())).collect();
            return Err(unresolved(format!(
                "the name {pattern} fits images of more than one family ({}): make it narrower",
                names.join(", ")
            )));
        }
        let newest = usable.iter().max_by_key(|image| (image.created, &image.id));
        let taken = usable.iter().filter(|image| self.not_now(image, present).is_none());
        let taken = taken.max_by_key(|image| (image.created, &image.id));
        match (taken, newest) {
            (Some(new), _) => match fits(new, self.family(new), present) {
                Some(why) => {
                    Err(unresolved(format!("the newest image of the name {pattern} is {}, which {why}", new.id)))
                }
                None => {
                    let newest = newest.filter(|newest| fits(newest, self.family(newest), present).is_none());
                    Ok(Candidate { taken: Ok((*new).clone()), newest: (*newest.unwrap_or(new)).clone() })
                }
            },
            (None, Some(newest)) => {
                let why = self.not_now(newest, present).map(|refused| refused.why).unwrap_or_default();
                Ok(Candidate { taken: Err(format!("{} {why}", newest.id)), newest: (*newest).clone() })
            }
            (None, None) => Err(unresolved(format!("no image has the name {pattern}"))),
        }
    }

    fn not_now(&self, new: &Image, present: &Present) -> Option<NotNow> {
        let (policy, now) = (&self.group.policy, self.now);
        let no = |kind, why: String| Some(NotNow { kind, why });
        if self.group.source.rejected.contains(&new.id) {
            return no(NotTaken::Rejected, "is rejected: it failed here".to_owned());
        }
        if new.state != "available" {
            return no(NotTaken::Refused, format!("is not available but {}", new.state));
        }
        if let Some(since) = new.deprecated.filter(|since| *since <= now) {
            return no(NotTaken::Refused, format!("is deprecated since {}", since.strftime("%Y-%m-%d")));
        }
        let older = matches!((new.created, present.created), (Some(new), Some(old)) if new < old);
        if older && !policy.allow_older {
            let why = format!("is older than {}, which is in use: set `allow-older` to go back", present.what);
            return no(NotTaken::Refused, why);
        }
        let (age, least) = (new.created.map(|created| now.duration_since(created)), policy.min_ami_age);
        match age {
            _ if least.is_zero() => None,
            None => no(NotTaken::Refused, "tells no age, and `min-ami-age` asks for one".to_owned()),
            Some(age) if age < least => {
                let (least, left) = (in_words(least), in_words(least - age));
                no(NotTaken::Young, format!("is younger than {least} (`min-ami-age`): it is taken in {left}"))
            }
            Some(_) => None,
        }
    }

    fn version_in_use(&self, spec: &TemplateSpec) -> Result<&'a TemplateVersion, Stop> {
        match self.view.templates.get(&(spec.template.clone(), spec.rule)) {
            Some(Ok(version)) => Ok(version),
            Some(Err(reason)) => {
                Err(unresolved(format!("launch template {} version {}: {reason}", spec.template, spec.rule)))
            }
            None => Err(lacks(Look::Template(spec.template.clone(), spec.rule))),
        }
    }

    fn parameter(&self, name: &ParameterName) -> Result<&'a Parameter, Stop> {
        match self.view.parameters.get(name) {
            None => Err(lacks(Look::Parameter(name.clone()))),
            Some(Err(reason)) => Err(unresolved(format!("parameter {name}: {reason}"))),
            Some(Ok(parameter)) => Ok(parameter),
        }
    }

    fn image_in(&self, name: &ParameterName, parameter: &Parameter) -> Result<AmiId, Stop> {
        let refuse = |what: String| unresolved(format!("parameter {name} {what}, which is no AMI id"));
        match parameter.kind {
            ParameterKind::SecureString => {
                Err(unresolved(format!("parameter {name} is a SecureString: an AMI id is no secret, make it a String")))
            }
            ParameterKind::StringList => Err(refuse("is a list".to_owned())),
            ParameterKind::String => image_id(&parameter.value).ok_or_else(|| {
                let value = parameter.value.trim();
                if value.starts_with('{') && value.contains("image_id") {
                    return unresolved(format!(
                        "parameter {name} holds JSON: follow {name}/image_id, which holds the AMI id"
                    ));
                }
                refuse(format!("holds `{}`", cut(value)))
            }),
        }
    }

    fn image(&self, id: &AmiId) -> Result<Image, Stop> {
        match self.view.images.get(id) {
            None | Some(Seen::Unknown) => Err(lacks(Look::Image(id.clone()))),
            Some(Seen::Missing) => {
                Err(unresolved(format!("image {id} does not exist here, or is not shared with this account")))
            }
            Some(Seen::Here(image)) => Ok(image.clone()),
        }
    }

    fn family(&self, image: &Image) -> Option<String> {
        let owners: Vec<&str> = owners(image).collect();
        let families = &self.group.policy.families;
        families.recognise(&image.name, &owners, &image.architecture).map(|found| found.family)
    }

    /// The image in use. One that is no more (AWS withdraws old images for Windows after some weeks) is seen in the instances
    /// that were made from it.
    fn present(&self, id: &AmiId) -> Result<Present, Stop> {
        match self.image_seen(id)? {
            Some(image) => Ok(self.present_of(&image)),
            None => self.members().find_map(|host| present_of_host(host, id)).ok_or_else(|| {
                unresolved(format!(
                    "image {id}, which it launches with, does not exist here any more, and no host of it runs: put another image \
                     into its template, once"
                ))
            }),
        }
    }

    fn present_of(&self, image: &Image) -> Present {
        Present {
            what: if image.name.is_empty() { image.id.to_string() } else { format!("{} ({})", image.name, image.id) },
            architecture: image.architecture.clone(),
            windows: image.windows,
            virtualization: Some(image.virtualization.clone()),
            root_device: image.root_device.clone(),
            family: self.family(image),
            created: image.created,
            name: Some((image.name.clone(), owners(image).map(ToOwned::to_owned).collect())),
        }
    }

    /// What the hosts run that is nearest to the new image: the newest image of its architecture, else any. None: no hosts, or
    /// all of them run the new one.
    fn present_on_hosts(&self, new: &Image) -> Result<Option<Present>, Stop> {
        let mut images = self.images_on_hosts()?;
        images.remove(&new.id);
        let here = images.iter().filter_map(|id| self.view.images.get(*id)?.here()).map(|image| self.present_of(image));
        let seen = images.iter().filter(|id| self.view.images.get(**id).and_then(Seen::here).is_none());
        let gone = seen.filter_map(|id| self.members().find_map(|host| present_of_host(host, id)));
        let all = here.chain(gone);
        Ok(all.max_by_key(|present| (present.architecture == new.architecture, present.created)))
    }

    /// The images that the hosts run, each looked at.
    fn images_on_hosts(&self) -> Result<BTreeSet<&'a AmiId>, Stop> {
        let images: BTreeSet<&AmiId> = self.members().filter_map(Host::image).collect();
        let looks: BTreeSet<Look> = images
            .iter()
            .filter(|id| matches!(self.view.images.get(**id), None | Some(Seen::Unknown)))
            .map(|id| Look::Image((*id).clone()))
            .collect();
        if looks.is_empty() { Ok(images) } else { Err(Stop::Lacks(looks)) }
    }

    /// The members, and those that have left but still are there.
    fn members(&self) -> impl Iterator<Item = &'a Host> {
        let (hosts, name) = (&self.view.hosts, self.name.clone());
        let left = move |host: &&Host| host.ours.as_ref().is_some_and(|ours| ours.group == name);
        let left = hosts.values().filter(left).filter(|host| host.ec2.here().is_some_and(|ec2| !ec2.state.is_gone()));
        self.group.facts.members.iter().filter_map(|member| hosts.get(&member.id)).chain(left)
    }

    fn image_seen(&self, id: &AmiId) -> Result<Option<Image>, Stop> {
        match self.view.images.get(id) {
            None | Some(Seen::Unknown) => Err(lacks(Look::Image(id.clone()))),
            Some(Seen::Missing) => Ok(None),
            Some(Seen::Here(image)) => Ok(Some(image.clone())),
        }
    }
}

fn site<'a>(own: &'a Override, base: &'a TemplateSpec) -> Site<'a> {
    match (&own.image, &own.template) {
        (Some(image), _) => Site::Override(image),
        (None, Some(spec)) => Site::Template(spec),
        (None, None) => Site::Template(base),
    }
}

fn owners(image: &Image) -> impl Iterator<Item = &str> {
    std::iter::once(image.owner.as_str()).chain(image.owner_alias.as_deref())
}

fn present_of_host(host: &Host, id: &AmiId) -> Option<Present> {
    let ec2 = host.ec2.here().filter(|ec2| ec2.image == *id)?;
    Some(Present {
        what: format!("the image in use, {id}, is no more"),
        architecture: ec2.architecture.clone(),
        windows: ec2.windows,
        virtualization: None,
        root_device: ec2.root_device.clone(),
        family: None,
        created: None,
        name: None,
    })
}

/// Why the new image cannot take the place of what is there, if it cannot.
fn fits(new: &Image, family: Option<String>, old: &Present) -> Option<String> {
    if new.architecture != old.architecture {
        return Some(format!("is for {}, and the group runs {}", new.architecture, old.architecture));
    }
    if new.windows != old.windows {
        let platform = |windows: bool| if windows { "Windows" } else { "Linux" };
        return Some(format!("is for {}, and the group runs {}", platform(new.windows), platform(old.windows)));
    }
    if old.virtualization.as_ref().is_some_and(|old| *old != new.virtualization) {
        let old = old.virtualization.as_deref().unwrap_or_default();
        return Some(format!("is {}, and the group runs {old}", new.virtualization));
    }
    if let (Some(new), Some(old)) = (&new.root_device, &old.root_device)
        && new != old
    {
        return Some(format!("has its root device at {new}, and the group's is at {old}"));
    }
    if let (Some(new), Some(old)) = (family, &old.family)
        && new != *old
    {
        return Some(format!(
            "is of the family {new}, and the group runs {old}: to change over, put it into the template once"
        ));
    }
    None
}

/// `{arch}` stands for the architecture of the image in use.
fn with_architecture(text: &str, present: &Present) -> String {
    text.replace(ARCHITECTURE, &present.architecture)
}

fn image_id(text: &str) -> Option<AmiId> {
    let text = text.trim();
    let id = text.strip_prefix("ami-")?;
    (!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric())).then(|| AmiId::from(text))
}

/// The beginning, as it can be shown: whoever may write a parameter must not write to a terminal.
fn cut(text: &str) -> String {
    const SHOWN: usize = 40;
    let shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > SHOWN { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_id_is_taken_for_one() {
        assert_eq!(image_id(" ami-0abc\n"), Some("ami-0abc".into()));
        for value in ["", "ami-", "ami-0abc ami-1", r#"{"image_id":"ami-0abc"}"#, "AMI-1"] {
            assert_eq!(image_id(value), None, "{value}");
        }
    }

    #[test]
    fn what_a_parameter_holds_is_shown_in_part_and_without_control_characters() {
        assert_eq!(cut("\u{1b}[2Jclear"), "\u{fffd}[2Jclear");
        assert_eq!(cut(&"ü".repeat(50)), format!("{}…", "ü".repeat(40)));
    }
}
