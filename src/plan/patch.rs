//! Patch age: how long a newer image that fits has been out and does not run everywhere in a group.
//!
//! It counts from the creation of the first image that a host of the group lacks, as far as that is known. AWS keeps no history
//! of its public parameters, so where an image is followed by parameter and another one comes while hosts still lack the
//! first, what this worker has seen (`behind_since`) and the opening of the rotation under way reach further back than the
//! image that the parameter names now. It is never younger than that.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::conflicts::resolutions;
use super::model::{ClusterView, GroupView, Host, Seen};
use super::release::{Launching, Origin, Release, Resolution};
use super::rotation::RotationState;
use crate::effect::Image;
use crate::id::{AmiId, GroupName, InstanceId};

/// A group in which a newer image does not run everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The newest that fits.
    pub newest: AmiId,
    /// Since when a newer one has been out; None: AWS tells no date.
    pub since: Option<Timestamp>,
    /// The hosts that do not run it.
    pub hosts: BTreeSet<InstanceId>,
}

/// None: every host runs the newest image, and so will the next one.
pub fn behind(view: &ClusterView, name: &GroupName, group: &GroupView, release: &Release<'_>) -> Option<Behind> {
    let newest: BTreeSet<&AmiId> = release.launches.iter().map(newest_of).collect();
    let lacks = |host: &Host| host.image().is_some_and(|image| !newest.contains(image));
    let left = |host: &Host| !host.is_gone() && host.ours.as_ref().is_some_and(|ours| ours.group == *name);
    let members: BTreeSet<&InstanceId> = group.facts.members.iter().map(|member| &member.id).collect();
    let hosts = view.hosts.iter().filter(|(id, host)| (members.contains(id) || left(host)) && lacks(host));
    let hosts: Vec<(&InstanceId, &Host)> = hosts.collect();
    // Where no host lacks it, the next one may still be launched without it.
    let behind =
        |launch: &&Launching<'_>| launch.in_use != *newest_of(launch) || lacks_image(view, &hosts, newest_of(launch));
    let launches: Vec<&Launching<'_>> = release.launches.iter().filter(behind).collect();
    let first = *launches.first()?;
    let since = launches.iter().filter_map(|launch| out_since(view, launch, &hosts)).min();
    let seen = view
        .behind_since
        .get(name)
        .copied()
        .filter(|seen| hosts.iter().any(|(_, host)| is_from_before(view, host, *seen)));
    let since = [since, seen, opened(view, name).filter(|_| !hosts.is_empty())];
    Some(Behind {
        newest: newest_of(first).clone(),
        since: since.into_iter().flatten().min(),
        hosts: hosts.into_iter().map(|(id, _)| id.clone()).collect(),
    })
}

/// Does it run an image from before that time, as far as that is known?
fn is_from_before(view: &ClusterView, host: &Host, time: Timestamp) -> bool {
    let created = host.image().and_then(|id| image(view, id)?.created);
    created.is_none_or(|created| created < time)
}

/// Since when each group is behind, to be remembered.
pub fn since(view: &ClusterView, now: Timestamp) -> Vec<(GroupName, Timestamp)> {
    let resolutions = resolutions(view, now);
    let of_group = |(name, group): (&GroupName, &GroupView)| match resolutions.get(name)? {
        Resolution::Resolved(release) => Some((name.clone(), behind(view, name, group, release)?.since?)),
        // Not known whether it is still so: as it was.
        Resolution::Unresolved { .. } | Resolution::Lacks(_) => Some((name.clone(), *view.behind_since.get(name)?)),
    };
    view.groups.iter().filter_map(of_group).collect()
}

fn newest_of<'a>(launch: &'a Launching<'_>) -> &'a AmiId {
    launch.newer.as_ref().map_or(&launch.image, |newer| &newer.image)
}

fn image<'a>(view: &'a ClusterView, id: &AmiId) -> Option<&'a Image> {
    view.images.get(id).and_then(Seen::here)
}

/// Is there a host among these for which this image is? Those of another architecture lack another one.
fn lacks_image(view: &ClusterView, hosts: &[(&InstanceId, &Host)], newest: &AmiId) -> bool {
    let architecture = image(view, newest).map(|image| image.architecture.as_str());
    hosts.iter().any(|(_, host)| {
        let own = host.ec2.here().map(|ec2| ec2.architecture.as_str());
        own.is_none() || architecture.is_none() || own == architecture
    })
}

/// When the first image came out that some host lacks: among those of a name all are known, by parameter only the newest.
fn out_since(view: &ClusterView, launch: &Launching<'_>, hosts: &[(&InstanceId, &Host)]) -> Option<Timestamp> {
    let newest = image(view, newest_of(launch))?;
    let of_hosts = hosts.iter().filter_map(|(_, host)| image(view, host.image()?)?.created);
    let oldest = of_hosts.chain(image(view, &launch.in_use).and_then(|image| image.created)).min();
    let named = match &launch.origin {
        Origin::Named(pattern) => view.named.get(pattern).map_or(&[][..], Vec::as_slice),
        Origin::Tag(_) | Origin::Template(_) | Origin::Os { .. } | Origin::Recognised { .. } => &[],
    };
    let alike = named.iter().filter(|image| image.architecture == newest.architecture && image.state == "available");
    let newer =
        alike.filter_map(|image| image.created).filter(|created| oldest.is_some_and(|oldest| *created > oldest));
    newer.chain(newest.created).min()
}

/// When the rotation under way was opened that is to bring this group to a newer image.
fn opened(view: &ClusterView, name: &GroupName) -> Option<Timestamp> {
    let rotation = view.rotation.as_ref().filter(|rotation| rotation.state != RotationState::Closed)?;
    let forced = view.rotate_before.is_some();
    rotation.id.opened().filter(|_| view.in_scope(name) && !forced)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::effect::{
        Group, Instance, InstanceState, Launch, Lifecycle, Member, Parameter, ParameterKind, TemplateSpec,
        TemplateVersion, VersionRule,
    };
    use crate::plan::policy::Policy;
    use crate::plan::tags::Tags;

    const DAY: i64 = 86_400;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(n * DAY).unwrap()
    }

    fn image_of(id: &str, created: i64) -> Image {
        Image {
            id: id.into(),
            name: String::new(),
            owner: "1".to_owned(),
            owner_alias: None,
            state: "available".to_owned(),
            architecture: "x86_64".to_owned(),
            windows: false,
            virtualization: "hvm".to_owned(),
            root_device: None,
            created: Some(day(created)),
            deprecated: None,
        }
    }

    /// A group whose template launches `in_use`, whose parameter names `newest`, and whose hosts run these. Images `ami-1`,
    /// `ami-2`, … were made on the first, second, … day.
    fn view(in_use: &str, newest: &str, hosts: &[&str], tags: &[(&str, &str)]) -> ClusterView {
        let spec = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default };
        let ids: Vec<InstanceId> = (0..hosts.len()).map(|n| format!("i-{n}").as_str().into()).collect();
        let member = |id: &InstanceId| Member {
            id: id.clone(),
            zone: "a".into(),
            lifecycle: Lifecycle::InService,
            weight: None,
            image: None,
        };
        let own = tags.iter().map(|(key, value)| (format!("t:{key}"), (*value).to_owned()));
        let facts = Group {
            name: "web".into(),
            min: 0,
            max: 9,
            desired: u32::try_from(hosts.len()).unwrap(),
            members: ids.iter().map(member).collect(),
            suspended: BTreeSet::new(),
            launch: Launch::Template(spec.clone()),
            tags: own.chain([("t:ami-parameter".to_owned(), "/p".to_owned())]).collect(),
            managed: false,
            counted_in: None,
            arn: None,
            zones: BTreeSet::new(),
            traffic_sources: BTreeSet::new(),
        };
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/c".into(), None);
        view.opted_in = true;
        view.hooks.insert("web".into(), Vec::new());
        view.groups.insert("web".into(), GroupView::new(facts, &Tags::new("t:"), &Policy::default()));
        view.images = (1..9)
            .map(|n| (format!("ami-{n}").as_str().into(), Seen::Here(image_of(&format!("ami-{n}"), n))))
            .collect();
        let version = TemplateVersion {
            template: "lt-1".into(),
            number: 1,
            is_default: true,
            image: Some(in_use.to_owned()),
            description: None,
            created: day(0),
            block_devices: Vec::new(),
        };
        view.templates.insert((spec.template, spec.rule), Ok(version));
        let value = newest.to_owned();
        view.parameters
            .insert("/p".into(), Ok(Parameter { value, kind: ParameterKind::String, data_type: None, modified: None }));
        for (id, image) in ids.into_iter().zip(hosts) {
            let ec2 = Instance {
                id: id.clone(),
                image: (*image).into(),
                state: InstanceState::Running,
                launched: day(0),
                zone: "a".into(),
                tags: BTreeMap::new(),
                managed: false,
                architecture: "x86_64".to_owned(),
                windows: false,
                root_device: None,
            };
            view.hosts.insert(id, Host { ec2: Seen::Here(ec2), ..Host::default() });
        }
        view
    }

    fn age(view: &ClusterView) -> Option<(String, Option<i64>)> {
        let resolutions = resolutions(view, day(9));
        let name = GroupName::from("web");
        let Some(Resolution::Resolved(release)) = resolutions.get(&name) else { panic!("{resolutions:?}") };
        let behind = behind(view, &name, &view.groups[&name], release)?;
        Some((behind.newest.to_string(), behind.since.map(|since| since.as_second() / DAY)))
    }

    #[test]
    fn it_counts_from_the_image_that_some_host_lacks() {
        for (in_use, newest, hosts, expected) in [
            // Everything runs it.
            ("ami-3", "ami-3", vec!["ami-3", "ami-3"], None),
            // The template has it, a host has not; neither has it; no host is there to lack it.
            ("ami-3", "ami-3", vec!["ami-3", "ami-1"], Some(3)),
            ("ami-1", "ami-3", vec!["ami-1"], Some(3)),
            ("ami-1", "ami-3", vec![], Some(3)),
        ] {
            let told = age(&view(in_use, newest, &hosts, &[])).map(|(image, since)| {
                assert_eq!(image, "ami-3");
                since.unwrap()
            });
            assert_eq!(told, expected, "{in_use} {newest} {hosts:?}");
        }
    }

    #[test]
    fn an_image_that_failed_or_is_too_young_here_is_out_all_the_same() {
        for tags in [[("rejected", "ami-3")], [("min-ami-age", "30d")]] {
            let told = age(&view("ami-1", "ami-3", &["ami-1"], &tags));
            assert_eq!(told, Some(("ami-3".to_owned(), Some(3))), "{tags:?}");
        }
        assert_eq!(age(&view("ami-5", "ami-3", &["ami-5"], &[])), None, "an older one is no news");
    }

    #[test]
    fn what_was_seen_before_holds_as_long_as_some_host_is_from_before_that() {
        for (host, seen, since) in [("ami-1", 2, 2), ("ami-2", 2, 4), ("ami-3", 2, 4)] {
            let mut view = view("ami-1", "ami-4", &[host], &[]);
            view.behind_since.insert("web".into(), day(seen));
            assert_eq!(age(&view), Some(("ami-4".to_owned(), Some(since))), "{host}");
        }
    }

    #[test]
    fn a_rotation_that_has_been_open_for_long_reaches_further_back_than_the_image_of_now() {
        let mut view = view("ami-4", "ami-4", &["ami-1"], &[]);
        view.rotation = "c/19700103T000000Z held 1970-01-04T00:00:00Z".parse().ok();
        assert_eq!(age(&view), Some(("ami-4".to_owned(), Some(2))));
        view.rotation = "c/19700103T000000Z closed 1970-01-04T00:00:00Z".parse().ok();
        assert_eq!(age(&view), Some(("ami-4".to_owned(), Some(4))));
    }
}
