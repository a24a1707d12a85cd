//! What a forecast has found to be due, to be told to others; and a digest, by which they can tell one plan from another.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::figures::{Forecast, GroupForecast, Status};
use crate::effect::{Found, FoundGroup};
use crate::id::AmiId;
use crate::plan::admission::order;
use crate::plan::model::{ClusterView, Host};

/// Half of these hexadecimal digits tell ten thousand plans apart; nobody is to be kept from making two alike.
const DIGITS: usize = 16;

/// None: nothing is due.
pub fn found(view: &ClusterView, forecast: &Forecast) -> Option<Found> {
    let digest = forecast.digest.clone()?;
    let reason = |group: &GroupForecast| Some((group.group.clone(), group.reason.clone()?));
    let waits = |group: &GroupForecast| (group.group.clone(), group.stuck.join("; "));
    Some(Found {
        groups: due(&forecast.groups).map(|group| of_group(view, group)).collect(),
        hosts: forecast.due,
        takes_seconds: forecast.takes_seconds,
        digest,
        blocked: due(&forecast.groups).filter(|group| !group.stuck.is_empty()).map(waits).collect(),
        unresolved: of_status(&forecast.groups, Status::Unresolved).filter_map(reason).collect(),
    })
}

/// Over the cluster, its groups in which something is due, their images before and after, and the hosts that are to go, the
/// first to go first. The host of the worker itself goes last; but whoever looks from elsewhere does not know which one that
/// is, so here it is in the place that it has of its own.
pub(super) fn digest(view: &ClusterView, groups: &[GroupForecast]) -> Option<String> {
    due(groups).next()?;
    let anywhere = ClusterView::blank(view.arn.clone(), None);
    let mut text = format!("cluster {}\n", view.arn);
    for group in due(groups) {
        let FoundGroup { group: name, from, to, .. } = of_group(view, group);
        let hosts = group.order.iter().filter_map(|id| view.hosts.get_key_value(id));
        text += &format!(
            "group {name}\nfrom {}\nto {}\nhosts {}\n",
            list(&from),
            list(&to),
            list(&order(&anywhere, hosts))
        );
    }
    let mut digits: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.truncate(DIGITS);
    Some(digits)
}

fn due(groups: &[GroupForecast]) -> impl Iterator<Item = &GroupForecast> {
    of_status(groups, Status::Due)
}

fn of_status(groups: &[GroupForecast], status: Status) -> impl Iterator<Item = &GroupForecast> {
    groups.iter().filter(move |group| group.status == status)
}

fn of_group(view: &ClusterView, group: &GroupForecast) -> FoundGroup {
    let behind = group.launches.iter().filter(|launch| launch.in_use.id != launch.release.id);
    let run = group.order.iter().filter_map(|id| view.hosts.get(id)).filter_map(Host::image);
    let from: BTreeSet<&AmiId> = behind.map(|launch| &launch.in_use.id).chain(run).collect();
    let to: BTreeSet<&AmiId> = group.launches.iter().map(|launch| &launch.release.id).collect();
    FoundGroup {
        group: group.group.clone(),
        from: from.into_iter().cloned().collect(),
        to: to.into_iter().cloned().collect(),
        hosts: group.order.len(),
        at_a_time: group.at_a_time,
    }
}

fn list<T: std::fmt::Display>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::effect::{Instance, InstanceState};
    use crate::plan::forecast::{ImageForecast, LaunchForecast};
    use crate::plan::model::Seen;

    fn view() -> ClusterView {
        let mut view = ClusterView::blank("arn:aws:ecs:eu-west-1:123456789012:cluster/prod".into(), None);
        for (id, launched) in [("i-1", 2), ("i-2", 1)] {
            let ec2 = Instance {
                id: id.into(),
                image: "ami-1".into(),
                state: InstanceState::Running,
                launched: jiff::Timestamp::from_second(launched).unwrap(),
                zone: "a".into(),
                tags: BTreeMap::new(),
                managed: false,
                architecture: "x86_64".to_owned(),
                windows: false,
                root_device: None,
            };
            view.hosts.insert(id.into(), Host { ec2: Seen::Here(ec2), ..Host::default() });
        }
        view
    }

    fn group(status: Status, release: &str, order: &[&str]) -> GroupForecast {
        let image = |id: &str| ImageForecast { id: id.into(), name: None, age_days: None };
        let launch = LaunchForecast {
            template: Some("lt-1".into()),
            rule: "$Default (1)".to_owned(),
            in_use: image("ami-1"),
            release: image(release),
            from: String::new(),
            refused: None,
        };
        GroupForecast {
            group: "web-asg".into(),
            desired: 2,
            status,
            reason: None,
            launches: vec![launch],
            hosts: BTreeMap::new(),
            order: order.iter().map(|id| (*id).into()).collect(),
            writes: Vec::new(),
            stuck: Vec::new(),
            without_effect: Vec::new(),
            at_a_time: 1,
            takes_seconds: 0,
        }
    }

    #[test]
    fn a_digest_is_of_what_is_due_and_stays_the_same_from_version_to_version() {
        let digest = |groups: &[GroupForecast]| digest(&view(), groups);
        let due = || group(Status::Due, "ami-2", &["i-1", "i-2"]);
        let one = digest(&[due()]);
        // As `printf 'cluster …\ngroup web-asg\nfrom ami-1\nto ami-2\nhosts i-2 i-1\n' | sha256sum` has it.
        assert_eq!(one.as_deref(), Some("aef1ff4c5bdf7f99"));
        assert_eq!(digest(&[group(Status::Due, "ami-2", &["i-2", "i-1"])]), one, "the order is made here");
        assert_eq!(digest(&[GroupForecast { at_a_time: 7, ..due() }, group(Status::UpToDate, "ami-1", &[])]), one);
        for other in [group(Status::Due, "ami-3", &["i-1", "i-2"]), group(Status::Due, "ami-2", &["i-2"])] {
            assert_ne!(digest(&[other]), one);
        }
        for nothing in [&[][..], &[group(Status::UpToDate, "ami-1", &[])], &[group(Status::LeftAlone, "ami-1", &[])]] {
            assert_eq!(digest(nothing), None);
        }
    }
}
