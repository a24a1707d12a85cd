//! Releases that would change what another group launches.

use std::collections::BTreeMap;

use super::made::made_from;
use super::model::ClusterView;
use super::release::{Launching, RESOLVE, Resolution, Way, resolve};
use crate::effect::{TemplateSpec, TemplateVersion, VersionRule};
use crate::id::{AmiId, GroupName, ParameterName};
use jiff::Timestamp;

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

pub fn resolutions(view: &ClusterView, now: Timestamp) -> BTreeMap<&GroupName, Resolution<'_>> {
    let ours = view.groups.iter().filter(|(_, group)| group.is_ours_to_touch());
    let mut resolutions = ours.map(|(name, group)| (name, resolve(view, name, group, now))).collect();
    for (name, reason) in disturbing(view, &resolutions) {
        resolutions.insert(name, Resolution::Unresolved { reason });
    }
    resolutions
}
