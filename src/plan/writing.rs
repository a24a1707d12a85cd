//! How a release is written, so that the group's next instance launches with it; and how our old versions go again.
//!
//! A template version never changes, so one of ours is fully named by its image and the version it was made from: its
//! description says both. By it an equal one is found again, whoever made it. The version that is in use is the source, and
//! not the newest, which may be somebody's draft.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::model::{Anywhere, ClusterView, GroupView, Look, Written};
use super::release::{Back, Launching, RESOLVE, Release, Resolution, Way};
use super::{Act, Context, whole_second};
use crate::effect::{LaunchChange, TemplateSpec, TemplateVersion, VersionRule};
use crate::id::{AmiId, GroupName, ParameterName, TemplateId};

/// A value that was written and is not read back after so long is written again.
const WRITTEN_FOR: SignedDuration = SignedDuration::from_mins(2);
/// How often it is read in between: SSM checks the id first.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// AWS's limit per call.
const DELETED: usize = 200;

const MADE_BY: &str = "ecs-rotator: ";
const MADE_FROM: &str = " from version ";

/// What is to be done next so that a launch has its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Look(Look),
    Act(Act),
    /// It has been written, and is not read back yet.
    Wait {
        again: Timestamp,
        why: String,
    },
}

/// Called only while the release is not in use.
pub fn next_step(
    view: &ClusterView,
    name: &GroupName,
    group: &GroupView,
    launch: &Launching<'_>,
    now: Timestamp,
) -> Option<Step> {
    match &launch.way {
        Way::Version { spec, in_use } => Some(version_step(view, name, group, launch, spec, in_use)),
        Way::Override { written } => {
            let change = LaunchChange::Image { from: (*written).to_owned(), to: launch.image.clone() };
            Some(Step::Act(Act::ChangeLaunch { group: name.clone(), mixed: true, change }))
        }
        Way::Parameter { parameter, data_type, .. } => {
            Some(parameter_step(view, parameter, data_type.as_deref(), &launch.image, now))
        }
        // Whoever writes the parameter releases.
        Way::Follows { .. } => None,
    }
}

fn version_step(
    view: &ClusterView,
    name: &GroupName,
    group: &GroupView,
    launch: &Launching<'_>,
    spec: &TemplateSpec,
    in_use: &TemplateVersion,
) -> Step {
    if let Some(Back::Version(before)) = launch.back {
        return Step::Act(back_to(name, group, launch, spec, in_use, before));
    }
    let key = (spec.template.clone(), launch.image.clone());
    let Some(made) = view.made.get(&key) else { return Step::Look(Look::Made(key.0, key.1)) };
    let equal = made.iter().filter(|version| is_made_from(version, &launch.image, in_use.number));
    match (equal.max_by_key(|version| version.number), spec.rule) {
        (Some(version), VersionRule::Default) => {
            Step::Act(Act::SetDefault { template: spec.template.clone(), version: version.number })
        }
        (Some(version), VersionRule::Number(from)) => {
            let change = LaunchChange::Version { template: spec.template.clone(), from, to: version.number };
            let mixed = group.facts.launch.is_mixed();
            Step::Act(Act::ChangeLaunch { group: name.clone(), mixed, change })
        }
        // With `$Latest` a version of ours that were the newest would be in use: this one no longer is.
        (Some(_), VersionRule::Latest) | (None, _) => Step::Act(Act::MakeVersion {
            template: spec.template.clone(),
            source: in_use.number,
            image: launch.image.clone(),
            block_devices: launch.block_devices(),
            description: description(&launch.image, in_use.number),
            client_token: format!("{}-{}-{}", spec.template, in_use.number, launch.image),
        }),
    }
}

/// The template says again what it said before; `$Latest` by a new version, as numbers only rise.
fn back_to(
    name: &GroupName,
    group: &GroupView,
    launch: &Launching<'_>,
    spec: &TemplateSpec,
    in_use: &TemplateVersion,
    before: u64,
) -> Act {
    let template = spec.template.clone();
    match spec.rule {
        VersionRule::Default => Act::SetDefault { template, version: before },
        VersionRule::Number(from) => {
            let change = LaunchChange::Version { template, from, to: before };
            Act::ChangeLaunch { group: name.clone(), mixed: group.facts.launch.is_mixed(), change }
        }
        VersionRule::Latest => Act::MakeVersion {
            source: before,
            image: launch.image.clone(),
            block_devices: launch.block_devices(),
            description: description(&launch.image, before),
            client_token: format!("{template}-{before}-{}-after-{}", launch.image, in_use.number),
            template,
        },
    }
}

fn parameter_step(
    view: &ClusterView,
    parameter: &ParameterName,
    data_type: Option<&str>,
    image: &AmiId,
    now: Timestamp,
) -> Step {
    let unread = |written: &&Written| written.image == *image && now < written.at + WRITTEN_FOR;
    if view.written.get(parameter).filter(unread).is_none() {
        let data_type = data_type.map(ToOwned::to_owned);
        return Step::Act(Act::PutParameter { parameter: parameter.clone(), image: image.clone(), data_type });
    }
    let look = Look::Parameter(parameter.clone());
    if !view.has_looked(&look) {
        return Step::Look(look);
    }
    Step::Wait { again: now + READ_AGAIN, why: format!("parameter {parameter} does not say {image} yet") }
}

/// What a version of ours says of itself.
pub fn description(image: &AmiId, source: u64) -> String {
    format!("{MADE_BY}{image}{MADE_FROM}{source}")
}

/// Did we make this version, with this image, from this one?
pub fn is_made_from(version: &TemplateVersion, image: &AmiId, source: u64) -> bool {
    version.description.as_deref() == Some(&description(image, source))
}

/// The version from which we made this one; None where we did not make it.
pub fn made_from(version: &TemplateVersion) -> Option<u64> {
    let (image, source) = version.description.as_deref()?.strip_prefix(MADE_BY)?.split_once(MADE_FROM)?;
    let source = source.parse().ok()?;
    (version.image.as_deref() == Some(image)).then_some(source)
}

/// What the groups of a cluster shall launch.
type Resolutions<'a> = BTreeMap<&'a GroupName, Resolution<'a>>;

/// A new version, or a new default, is everybody's who uses the template by `$Latest` or `$Default`. The groups whose release
/// must not be written because of that, and why.
pub(super) fn disturbing<'a>(view: &ClusterView, resolutions: &Resolutions<'a>) -> Vec<(&'a GroupName, String)> {
    let mut disturbing = Vec::new();
    for name in resolutions.keys() {
        let mut behind = launches_of(resolutions, name).filter(|launch| !launch.is_in_use());
        disturbing.extend(behind.find_map(|launch| Some((*name, disturbs(view, resolutions, name, launch)?))));
    }
    disturbing
}

fn disturbs(
    view: &ClusterView,
    resolutions: &Resolutions<'_>,
    name: &GroupName,
    launch: &Launching<'_>,
) -> Option<String> {
    match &launch.way {
        Way::Version { spec, in_use } => disturbs_by_version(view, resolutions, name, launch, spec, in_use),
        Way::Parameter { parameter, .. } => disturbs_by_parameter(view, resolutions, name, launch, parameter),
        Way::Override { .. } | Way::Follows { .. } => None,
    }
}

fn disturbs_by_version(
    view: &ClusterView,
    resolutions: &Resolutions<'_>,
    name: &GroupName,
    launch: &Launching<'_>,
    spec: &TemplateSpec,
    in_use: &TemplateVersion,
) -> Option<String> {
    let template = &spec.template;
    for (other, group) in &view.groups {
        for theirs in group.facts.launch.templates().into_iter().filter(|theirs| theirs.template == *template) {
            if other == name && theirs == spec {
                continue;
            }
            let moved = is_moved(spec, theirs);
            if moved && !group.is_ours_to_touch() {
                return Some(format!("its template {template} is also the one of {other}, which is not to be touched"));
            }
            let theirs_in_use = view.templates.get(&(theirs.template.clone(), theirs.rule));
            let same = theirs_in_use.and_then(|version| version.as_ref().ok()).is_some_and(|version| {
                // One of ours from the same source differs in its image only.
                version.number == in_use.number || made_from(version) == Some(in_use.number)
            });
            if theirs.rule == VersionRule::Latest && !same {
                return Some(format!("{other} launches the newest version of its template {template}, and it another"));
            }
            if let Some(why) = moved.then(|| objection(resolutions, other, theirs, &launch.image)).flatten() {
                return Some(format!("it shares its template {template} with {other}, {why}"));
            }
        }
    }
    let strangers = view.anywhere.iter().flat_map(|anywhere| &anywhere.strangers);
    let moved = strangers
        .filter(|(stranger, _)| !view.groups.contains_key(*stranger))
        .find(|(_, specs)| specs.iter().any(|theirs| theirs.template == *template && is_moved(spec, theirs)));
    moved.map(|(stranger, _)| {
        format!("its template {template} is also the one of {stranger}, which is of no cluster that has opted in")
    })
}

/// Does what is written for the one change what the other launches?
fn is_moved(spec: &TemplateSpec, theirs: &TemplateSpec) -> bool {
    theirs.rule == VersionRule::Latest || (theirs.rule == VersionRule::Default && spec.rule == VersionRule::Default)
}

/// What another group has against launching this image from this template.
fn objection(resolutions: &Resolutions<'_>, other: &GroupName, theirs: &TemplateSpec, image: &AmiId) -> Option<String> {
    if let Some(Resolution::Unresolved { .. }) = resolutions.get(other) {
        return Some("whose release cannot be told".to_owned());
    }
    let wanted = other_image(resolutions, other, theirs).filter(|wanted| wanted != image)?;
    Some(format!(
        "whose release is {wanted} and not {image}: let both follow the same, or give each a template of its own"
    ))
}

/// What another group shall launch from this template.
fn other_image(resolutions: &Resolutions<'_>, group: &GroupName, spec: &TemplateSpec) -> Option<AmiId> {
    launches_of(resolutions, group).find_map(|launch| match &launch.way {
        Way::Version { spec: theirs, .. } if *theirs == spec => Some(launch.image.clone()),
        Way::Version { .. } | Way::Override { .. } | Way::Follows { .. } | Way::Parameter { .. } => None,
    })
}

fn disturbs_by_parameter(
    view: &ClusterView,
    resolutions: &Resolutions<'_>,
    name: &GroupName,
    launch: &Launching<'_>,
    parameter: &ParameterName,
) -> Option<String> {
    let reads = |spec: &&TemplateSpec| {
        let version = view.templates.get(&(spec.template.clone(), spec.rule)).and_then(|version| version.as_ref().ok());
        let image = version.and_then(|version| version.image.as_deref());
        image.and_then(|image| image.strip_prefix(RESOLVE)) == Some(parameter.as_str())
    };
    for (other, group) in view.groups.iter().filter(|(other, _)| *other != name) {
        let Some(spec) = group.facts.launch.templates().into_iter().find(reads) else { continue };
        if !group.is_ours_to_touch() {
            return Some(format!("the parameter {parameter} is also read by {other}, which is not to be touched"));
        }
        let written = launches_of(resolutions, other).find(|theirs| theirs.spec == Some(spec));
        let why = match (resolutions.get(other), written) {
            (Some(Resolution::Unresolved { .. }), _) => "whose release cannot be told".to_owned(),
            (_, Some(theirs)) if theirs.image != launch.image && matches!(theirs.way, Way::Parameter { .. }) => {
                format!("whose release is {} and not {}", theirs.image, launch.image)
            }
            (_, Some(_) | None) => continue,
        };
        return Some(format!("it shares the parameter {parameter} with {other}, {why}"));
    }
    None
}

fn launches_of<'a>(resolutions: &'a Resolutions<'_>, group: &GroupName) -> impl Iterator<Item = &'a Launching<'a>> {
    let release = match resolutions.get(group) {
        Some(Resolution::Resolved(release)) => Some(release),
        Some(Resolution::Unresolved { .. } | Resolution::Lacks(_)) | None => None,
    };
    release.into_iter().flat_map(|release| &release.launches)
}

/// Our old versions of one template, and what has to be asked before they may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pruning {
    Looks(BTreeSet<Look>),
    Act(Act),
    Nothing,
}

/// After a release has been written as a new version: the oldest of ours go, beyond the last few.
///
/// Only what we made, what is neither the default nor the newest version, and what no group of the account names. Nobody is
/// asked who pins a version elsewhere (a fleet request): that is what the last few are kept for.
pub(super) fn prune(context: &Context<'_>, release: &Release<'_>, opened: Timestamp) -> Pruning {
    let view = context.view;
    for launch in &release.launches {
        let Way::Version { spec, in_use } = &launch.way else { continue };
        let template = &spec.template;
        if made_from(in_use).is_none() || in_use.created < whole_second(opened) || view.unprunable.contains(template) {
            continue;
        }
        let looks = [Look::Versions(template.clone()), Look::Everybody];
        let looks: BTreeSet<Look> = looks.into_iter().filter(|look| !view.has_looked(look)).collect();
        if !looks.is_empty() {
            return Pruning::Looks(looks);
        }
        let Some(versions) = view.versions.get(template) else { continue };
        let old = old_versions(context, template, versions);
        if !old.is_empty() {
            return Pruning::Act(Act::Prune { template: template.clone(), versions: old });
        }
    }
    Pruning::Nothing
}

fn old_versions(context: &Context<'_>, template: &TemplateId, versions: &[TemplateVersion]) -> Vec<u64> {
    let Some(Anywhere { named, unclear: None, strangers: _ }) = &context.view.anywhere else { return Vec::new() };
    let newest = versions.iter().map(|version| version.number).max();
    // A group may name its template by its name: then it may be this one.
    let may_be_this = |spec: &&TemplateSpec| spec.template == *template || !spec.template.as_str().starts_with("lt-");
    let pinned: BTreeSet<u64> = named
        .iter()
        .filter(may_be_this)
        .filter_map(|spec| match spec.rule {
            VersionRule::Number(number) => Some(number),
            VersionRule::Default | VersionRule::Latest => None,
        })
        .collect();
    let ours = versions.iter().filter(|version| made_from(version).is_some()).map(|version| (version.number, version));
    let ours: BTreeMap<u64, &TemplateVersion> = ours.collect();
    let keep = usize::try_from(context.policy.keep_versions).unwrap_or(usize::MAX);
    let old = ours.into_iter().rev().skip(keep);
    let needless =
        old.filter(|(number, version)| !version.is_default && Some(*number) != newest && !pinned.contains(number));
    needless.map(|(number, _)| number).take(DELETED).collect()
}
