//! What has happened that people may want to hear of, and its way to the bus.
//!
//! A thing is told when the call that made it durable has been answered. What a bus does not take is said in the log, and
//! lost: nothing waits for it, and a rotation goes on without.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tracing::warn;

use super::call::{Owner, TagChange};
use super::wire::Wire;
use crate::effect::{Failure, News, Notice, Reply, Request};
use crate::id::{BusName, ClusterArn, InstanceId};
use crate::plan::act::Act;
use crate::plan::model::ClusterView;
use crate::plan::problem::Problem;
use crate::plan::rotation::{Rotation, RotationState};

/// `PutEvents` takes so many.
const PUT: usize = 10;

/// Sends what the clusters have to tell; forgets it where nobody wants to know.
pub fn tell(news: &mut Vec<Notice>, bus: Option<&BusName>, wire: &mut Wire) {
    let notices = std::mem::take(news);
    let Some(bus) = bus else { return };
    for notices in notices.chunks(PUT) {
        wire.send(Owner::News, Request::PutEvents { bus: bus.clone(), notices: notices.to_vec() });
    }
}

pub fn take(reply: Result<Reply, Failure>) {
    match reply {
        Ok(Reply::NoticesPut { failures }) => {
            if let Some(first) = failures.first() {
                warn!(lost = failures.len(), why = first.reason, "events of our own were not taken by the bus");
            }
        }
        Ok(_) => {}
        Err(failure) => warn!(%failure, "events of our own were not told"),
    }
}

/// What a change of the rotation's state says, once it is written. `known`: what the hold was about before.
pub fn of_change(
    cluster: &ClusterArn,
    view: Option<&ClusterView>,
    change: &TagChange,
    known: &BTreeSet<Problem>,
    now: Timestamp,
) -> Vec<Notice> {
    let wanted = &change.wanted;
    let before = view.and_then(|view| view.rotation.as_ref()).filter(|before| before.id == wanted.rotation.id);
    let mut news: Vec<News> = change.held_for.difference(known).filter_map(overdue).collect();
    news.extend(of_state(before, change));
    let rotation = Some(wanted.rotation.id.to_string());
    let notice = |news| Notice { at: now, cluster: cluster.clone(), rotation: rotation.clone(), news };
    news.into_iter().map(notice).collect()
}

fn of_state(before: Option<&Rotation>, change: &TagChange) -> Option<News> {
    let (wanted, because) = (&change.wanted, change.because.clone());
    match (wanted.rotation.state, before.map(|before| before.state)) {
        (RotationState::Open, None) => Some(News::RotationOpened {
            groups: wanted.scope.iter().cloned().collect(),
            force: wanted.rotate_before.is_some(),
            because,
        }),
        (RotationState::Open, Some(RotationState::Held | RotationState::Paused)) => {
            Some(News::RotationResumed { because })
        }
        // Only its scope has changed.
        (RotationState::Open, Some(RotationState::Open | RotationState::Closed)) => None,
        (RotationState::Held, _) if wanted.hold.as_ref().is_some_and(|hold| hold.aborted) => {
            Some(News::RotationAborted { reason: change.reason() })
        }
        (RotationState::Held, _) => Some(News::RotationHeld { reason: change.reason() }),
        (RotationState::Closed, _) => {
            let skipped = wanted.skipped.iter().map(|of| (of.group.clone(), of.reason.clone())).collect();
            Some(News::RotationClosed { skipped })
        }
        (RotationState::Paused, _) => None,
    }
}

fn overdue(problem: &Problem) -> Option<News> {
    match problem {
        Problem::DrainOverdue { host, .. } => {
            Some(News::DrainOverdue { host: host.clone(), reason: problem.to_string() })
        }
        Problem::NoReplacement { .. }
        | Problem::BadRelease { .. }
        | Problem::GivenUp { .. }
        | Problem::NotGivenBack { .. }
        | Problem::WrongImage { .. }
        | Problem::GroupBlocked { .. }
        | Problem::HostRefused { .. }
        | Problem::NotAllowed { .. }
        | Problem::TemplateRefused { .. } => None,
    }
}

/// What an act says, once it is done. To be asked before it is written into the view.
pub fn of_act(act: &Act, view: &ClusterView, told: &mut BTreeSet<InstanceId>, now: Timestamp) -> Vec<Notice> {
    let Act::Terminate { hosts } = act else { return Vec::new() };
    hosts.iter().filter(|id| told.insert((*id).clone())).filter_map(|id| replaced(view, id, now)).collect()
}

/// A host that goes because its image failed, or in another's stead, is not replaced: it goes.
fn replaced(view: &ClusterView, id: &InstanceId, now: Timestamp) -> Option<Notice> {
    let host = view.hosts.get(id)?;
    let ours = host.ours.as_ref()?;
    let rejected = view.groups.get(&ours.group).map(|group| &group.source.rejected);
    let failed = rejected.is_some_and(|images| host.image().is_some_and(|image| images.contains(image)));
    let news = News::HostReplaced { host: id.clone(), group: ours.group.clone() };
    let rotation = Some(ours.rotation.to_string());
    (!failed).then(|| Notice { at: now, cluster: view.arn.clone(), rotation, news })
}
