//! What every step is decided by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::host::{MemberHost, MemberHosts, Memberships};
use super::model::{ClusterView, Host, Strength};
use super::policy::Policy;
use super::release::Resolution;
use crate::id::{GroupName, InstanceId};

/// Everything that a step is decided by.
pub(super) struct Context<'a> {
    pub(super) view: &'a ClusterView,
    pub(super) policy: &'a Policy,
    pub(super) resolutions: &'a BTreeMap<&'a GroupName, Resolution<'a>>,
    /// Once for all hosts: a cluster can have thousands.
    pub(super) memberships: &'a Memberships<'a>,
    pub(super) members: &'a MemberHosts<'a>,
    pub(super) strengths: &'a BTreeMap<&'a GroupName, Strength>,
    /// The hosts that carry our tag, by the group that it names.
    pub(super) ours: &'a BTreeMap<&'a GroupName, Vec<(&'a InstanceId, &'a Host)>>,
    /// Replacements that go in the stead of hosts that go back.
    pub(super) stand_ins: &'a BTreeSet<&'a InstanceId>,
    pub(super) now: Timestamp,
}

impl<'a> Context<'a> {
    pub(super) fn ours_of(&self, group: &GroupName) -> &'a [(&'a InstanceId, &'a Host)] {
        self.ours.get(group).map_or(&[], Vec::as_slice)
    }

    pub(super) fn members_of(&self, group: &GroupName) -> &'a [MemberHost<'a>] {
        self.members.get(group).map_or(&[], Vec::as_slice)
    }

    pub(super) fn strength(&self, group: &GroupName) -> Strength {
        self.strengths.get(group).copied().unwrap_or_default()
    }
}
