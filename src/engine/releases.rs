//! Is there a new release? The scheduled question, with the fewest calls.
//!
//! A cluster that its last look found settled (every group follows a parameter, and nothing was due) need not be looked at to
//! know that it still is: the parameters of all such clusters are read together, ten names a call, and only where one says
//! something new the cluster is looked at wholly. So are their groups, a hundred a call: a tag that says something else now.
//! Whatever neither tells (an image by name, a refusal that ends with time, a template that somebody has changed) is looked at
//! as before: at each check where it is known to matter, and in every cluster some times a day.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tracing::{debug, info};

use super::call::Owner;
use super::commands::Ask;
use super::errand::Errand;
use super::looks;
use super::machine::Engine;
use super::settled::{ReleaseCheck, Says};
use crate::effect::{Failure, Reply, Request};
use crate::id::{ClusterArn, GroupName, ParameterName, Receipt};

/// A cluster is looked at wholly at least this often, whatever its parameters say.
const LOOKED_AT: SignedDuration = SignedDuration::from_hours(6);

impl Engine {
    /// Looks at every cluster, as far as it must.
    pub(super) fn check_releases(&mut self, receipt: &Receipt, now: Timestamp) {
        if self.release_check.is_some() {
            // What is being read may be older than this question.
            self.inbox.hold(receipt, now);
            self.later_checks.push(receipt.clone());
            return;
        }
        let mut check = ReleaseCheck::default();
        let (mut names, mut groups) = (BTreeSet::new(), BTreeSet::new());
        let all: Vec<ClusterArn> = self.clusters.keys().cloned().collect();
        for arn in all {
            let state = self.clusters.get(&arn);
            let settled = state.and_then(|state| state.settled.as_ref()).filter(|settled| now < settled.at + LOOKED_AT);
            match settled {
                Some(settled) => {
                    names.extend(settled.values.keys().cloned());
                    groups.extend(settled.groups.keys().cloned());
                    check.clusters.insert(arn);
                }
                None => self.look_for_releases(&arn, receipt, now),
            }
        }
        let names: Vec<ParameterName> = names.into_iter().collect();
        for names in names.chunks(looks::PARAMETERS) {
            check.outstanding += 1;
            self.wire.send(Owner::Releases, Request::GetParameters { names: names.to_vec() });
        }
        let groups: Vec<GroupName> = groups.into_iter().collect();
        for names in groups.chunks(looks::GROUPS) {
            check.outstanding += 1;
            let request = Request::DescribeAutoScalingGroups { names: names.to_vec(), page: None };
            self.wire.send(Owner::Releases, request);
        }
        if check.outstanding > 0 {
            self.inbox.hold(receipt, now);
            check.receipts.push(receipt.clone());
            self.release_check = Some(check);
        }
    }

    fn look_for_releases(&mut self, arn: &ClusterArn, receipt: &Receipt, now: Timestamp) {
        let errand = Errand { whole: true, asks: vec![Ask::CheckReleases.into()], ..Errand::default() };
        self.give(arn, errand, receipt, now);
    }

    pub(super) fn take_releases(&mut self, reply: Result<Reply, Failure>, request: &Request, now: Timestamp) {
        let Some(mut check) = self.release_check.take() else { return };
        check.outstanding = check.outstanding.saturating_sub(1);
        match reply {
            Ok(Reply::Parameters { values, .. }) => {
                check.values.extend(values.into_iter().map(|(name, parameter)| (name, parameter.value)));
            }
            Ok(Reply::Groups { groups, next }) => {
                check.groups.extend(groups.iter().map(|group| (group.name.clone(), Says::of(group))));
                if let Some(page) = next {
                    check.outstanding += 1;
                    self.wire.send(Owner::Releases, request.for_page(page));
                }
            }
            Ok(_) => {}
            // Its clusters are looked at, and there it comes out which name is to blame.
            Err(failure) => debug!(%failure, "some could not be read together"),
        }
        if check.outstanding > 0 {
            self.release_check = Some(check);
            return;
        }
        self.conclude_check(&check, now);
        for receipt in std::mem::take(&mut self.later_checks) {
            self.check_releases(&receipt, now);
            self.inbox.release(&receipt, now);
        }
    }

    fn conclude_check(&mut self, check: &ReleaseCheck, now: Timestamp) {
        let says_something_new = |arn: &&ClusterArn| {
            let settled = self.clusters.get(*arn).and_then(|state| state.settled.as_ref());
            settled.is_none_or(|settled| {
                settled.values.iter().any(|(name, value)| check.values.get(name) != Some(value))
                    || settled.groups.iter().any(|(name, says)| check.groups.get(name) != Some(says))
            })
        };
        let moved: Vec<ClusterArn> = check.clusters.iter().filter(says_something_new).cloned().collect();
        info!(
            parameters = check.values.len(),
            clusters = check.clusters.len(),
            moved = moved.len(),
            "releases checked"
        );
        for receipt in &check.receipts {
            for arn in &moved {
                self.look_for_releases(arn, receipt, now);
            }
            self.inbox.release(receipt, now);
        }
    }
}
