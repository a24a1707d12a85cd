//! How a release is written, so that the group's next instance launches with it; and how our old versions go again.
//!
//! A template version never changes, so one of ours is fully named by its image and the version it was made from: its
//! description says both. By it an equal one is found again, whoever made it. The version that is in use is the source, and
//! not the newest, which may be somebody's draft.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::act::Act;
use super::context::Context;
use super::made::{description, is_made_from, made_from};
use super::model::{Anywhere, ClusterView, GroupView, Look, Written};
use super::release::{Back, Launching, Release, Way};
use super::timing::{PARAMETER_AGAIN, PARAMETER_WRITTEN_FOR, whole_second};
use crate::effect::{LaunchChange, TemplateSpec, TemplateVersion, VersionRule};
use crate::id::{AmiId, GroupName, ParameterName, TemplateId};

/// AWS's limit per call.
const DELETED: usize = 200;

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
    let unread = |written: &&Written| written.image == *image && now < written.at + PARAMETER_WRITTEN_FOR;
    if view.written.get(parameter).filter(unread).is_none() {
        let data_type = data_type.map(ToOwned::to_owned);
        return Step::Act(Act::PutParameter { parameter: parameter.clone(), image: image.clone(), data_type });
    }
    let look = Look::Parameter(parameter.clone());
    if !view.has_looked(&look) {
        return Step::Look(look);
    }
    Step::Wait { again: now + PARAMETER_AGAIN, why: format!("parameter {parameter} does not say {image} yet") }
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
