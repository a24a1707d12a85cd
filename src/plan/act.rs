//! Something to change, and what is so of each kind of act: which hosts it is about, whether it can be split, whether it rests on
//! the release.

use std::collections::BTreeSet;

use super::rotation::GiveBack;
use crate::effect::{BlockDevice, LaunchChange};
use crate::id::{AmiId, GroupName, InstanceId, ParameterName, TaskArn, TemplateId};

/// Something to change. One act may be several calls, where it names more than one call can take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A template version like `source`, but with this image.
    MakeVersion {
        template: TemplateId,
        source: u64,
        image: AmiId,
        block_devices: Vec<BlockDevice>,
        description: String,
        client_token: String,
    },
    /// Makes this version the template's default.
    SetDefault {
        template: TemplateId,
        version: u64,
    },
    /// Changes which version, or which image, a group names itself.
    ChangeLaunch {
        group: GroupName,
        mixed: bool,
        change: LaunchChange,
    },
    /// Gives a parameter of the operator's the release.
    PutParameter {
        parameter: ParameterName,
        image: AmiId,
        data_type: Option<String>,
    },
    /// Deletes old versions of ours that nobody uses.
    Prune {
        template: TemplateId,
        versions: Vec<u64>,
    },
    /// Tags hosts as ours.
    Claim {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
    },
    /// `decrement`: no replacement is wanted.
    Detach {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
        decrement: bool,
    },
    /// Writes down that the drain begins.
    MarkDraining {
        hosts: BTreeSet<InstanceId>,
    },
    Drain {
        hosts: BTreeSet<InstanceId>,
    },
    Deregister {
        host: InstanceId,
    },
    Terminate {
        hosts: BTreeSet<InstanceId>,
    },
    /// Writes on a group that these images failed here.
    Reject {
        group: GroupName,
        images: BTreeSet<AmiId>,
        why: String,
    },
    /// Writes down that a host goes back to its group.
    GiveBack {
        host: InstanceId,
        give_back: GiveBack,
    },
    /// Makes a draining host ACTIVE again.
    Activate {
        hosts: BTreeSet<InstanceId>,
    },
    Attach {
        group: GroupName,
        hosts: BTreeSet<InstanceId>,
    },
    /// Ends a member through its group.
    End {
        group: GroupName,
        host: InstanceId,
        decrement: bool,
    },
    /// Takes our tags off hosts: they are ours no longer.
    LetGo {
        hosts: BTreeSet<InstanceId>,
    },
    /// Takes it back that a host goes back.
    Keep {
        host: InstanceId,
    },
    /// Tells tasks of a draining host to stop.
    StopTasks {
        host: InstanceId,
        tasks: BTreeSet<TaskArn>,
        why: String,
    },
}

/// The hosts that an act is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts<'a> {
    None,
    One(&'a InstanceId),
    /// It can be made one act for each of them.
    Batch(&'a BTreeSet<InstanceId>),
}

/// Does it make hosts leave, or change what their groups launch? Then it is not done in a plan that rejects the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    RestsOnIt,
    Whatever,
}

impl Act {
    const fn row(&self) -> (Hosts<'_>, Release) {
        match self {
            Act::Claim { hosts, .. } => (Hosts::Batch(hosts), Release::RestsOnIt),
            Act::Detach { hosts, .. } => (Hosts::Batch(hosts), Release::RestsOnIt),
            Act::MarkDraining { hosts } => (Hosts::Batch(hosts), Release::RestsOnIt),
            Act::Drain { hosts } => (Hosts::Batch(hosts), Release::RestsOnIt),
            Act::Terminate { hosts } => (Hosts::Batch(hosts), Release::Whatever),
            Act::Attach { hosts, .. } => (Hosts::Batch(hosts), Release::Whatever),
            Act::Activate { hosts } => (Hosts::Batch(hosts), Release::Whatever),
            Act::LetGo { hosts } => (Hosts::Batch(hosts), Release::Whatever),
            Act::Deregister { host } => (Hosts::One(host), Release::Whatever),
            Act::GiveBack { host, .. } => (Hosts::One(host), Release::Whatever),
            Act::End { host, .. } => (Hosts::One(host), Release::Whatever),
            Act::Keep { host } => (Hosts::One(host), Release::Whatever),
            Act::StopTasks { host, .. } => (Hosts::One(host), Release::Whatever),
            Act::MakeVersion { .. } => (Hosts::None, Release::RestsOnIt),
            Act::SetDefault { .. } => (Hosts::None, Release::RestsOnIt),
            Act::ChangeLaunch { .. } => (Hosts::None, Release::RestsOnIt),
            Act::PutParameter { .. } => (Hosts::None, Release::RestsOnIt),
            Act::Prune { .. } => (Hosts::None, Release::Whatever),
            Act::Reject { .. } => (Hosts::None, Release::Whatever),
        }
    }

    /// The hosts it is about.
    pub fn hosts(&self) -> Vec<InstanceId> {
        match self.row().0 {
            Hosts::None => Vec::new(),
            Hosts::One(host) => vec![host.clone()],
            Hosts::Batch(hosts) => hosts.iter().cloned().collect(),
        }
    }

    pub fn rests_on_release(&self) -> bool {
        self.row().1 == Release::RestsOnIt
    }

    /// As one act for each of its hosts: for a batch that was refused because of one of them. Empty: it is none.
    pub fn split(&self) -> Vec<Act> {
        let Hosts::Batch(hosts) = self.row().0 else { return Vec::new() };
        hosts.iter().map(|id| self.clone().of(BTreeSet::from([id.clone()]))).collect()
    }

    /// The same of these hosts, where it is about several.
    fn of(mut self, of: BTreeSet<InstanceId>) -> Act {
        match &mut self {
            Act::Claim { hosts, .. }
            | Act::Detach { hosts, .. }
            | Act::MarkDraining { hosts }
            | Act::Drain { hosts }
            | Act::Terminate { hosts }
            | Act::Attach { hosts, .. }
            | Act::Activate { hosts }
            | Act::LetGo { hosts } => *hosts = of,
            Act::Deregister { .. }
            | Act::GiveBack { .. }
            | Act::End { .. }
            | Act::Keep { .. }
            | Act::StopTasks { .. }
            | Act::MakeVersion { .. }
            | Act::SetDefault { .. }
            | Act::ChangeLaunch { .. }
            | Act::PutParameter { .. }
            | Act::Prune { .. }
            | Act::Reject { .. } => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_into_one_act_for_each_host_and_nothing_else_is() {
        let hosts: BTreeSet<InstanceId> = ["i-1", "i-2"].map(InstanceId::from).into();
        let group = GroupName::from("web");
        for batch in [
            Act::Claim { group: group.clone(), hosts: hosts.clone() },
            Act::Detach { group: group.clone(), hosts: hosts.clone(), decrement: true },
            Act::MarkDraining { hosts: hosts.clone() },
            Act::Drain { hosts: hosts.clone() },
            Act::Terminate { hosts: hosts.clone() },
            Act::Attach { group: group.clone(), hosts: hosts.clone() },
            Act::Activate { hosts: hosts.clone() },
            Act::LetGo { hosts: hosts.clone() },
        ] {
            let split = batch.split();
            assert_eq!(split.iter().flat_map(Act::hosts).collect::<Vec<_>>(), batch.hosts(), "{batch:?}");
            assert!(split.iter().all(|one| one.hosts().len() == 1), "{split:?}");
            assert_eq!(split[0].clone().of(hosts.clone()), batch, "it is the same but for its hosts");
        }
        let one = Act::End { group, host: "i-1".into(), decrement: false };
        assert_eq!((one.split(), one.hosts()), (Vec::new(), vec!["i-1".into()]));
        assert_eq!(Act::Prune { template: "lt-1".into(), versions: vec![1] }.hosts(), []);
    }

    #[test]
    fn what_takes_hosts_or_moves_the_release_waits_for_a_rejection_and_what_ends_or_gives_back_does_not() {
        let (hosts, group): (BTreeSet<InstanceId>, GroupName) = (["i-1".into()].into(), "web".into());
        let (template, parameter, image): (TemplateId, ParameterName, AmiId) =
            ("lt-1".into(), "/p".into(), "ami-1".into());
        let (description, client_token, block_devices) = (String::new(), String::new(), Vec::new());
        let change = LaunchChange::Image { from: "ami-0".to_owned(), to: image.clone() };
        for act in [
            Act::Claim { group: group.clone(), hosts: hosts.clone() },
            Act::Detach { group: group.clone(), hosts: hosts.clone(), decrement: false },
            Act::MarkDraining { hosts: hosts.clone() },
            Act::Drain { hosts: hosts.clone() },
            Act::MakeVersion {
                template: template.clone(),
                source: 1,
                image: image.clone(),
                block_devices,
                description,
                client_token,
            },
            Act::SetDefault { template: template.clone(), version: 2 },
            Act::ChangeLaunch { group: group.clone(), mixed: false, change },
            Act::PutParameter { parameter, image: image.clone(), data_type: None },
        ] {
            assert!(act.rests_on_release(), "{act:?}");
        }
        let host: InstanceId = "i-1".into();
        for act in [
            Act::Terminate { hosts: hosts.clone() },
            Act::Attach { group: group.clone(), hosts: hosts.clone() },
            Act::Activate { hosts: hosts.clone() },
            Act::LetGo { hosts },
            Act::Deregister { host: host.clone() },
            Act::End { group: group.clone(), host: host.clone(), decrement: true },
            Act::Keep { host: host.clone() },
            Act::StopTasks { host, tasks: BTreeSet::new(), why: String::new() },
            Act::Prune { template, versions: vec![1] },
            Act::Reject { group, images: [image].into(), why: String::new() },
        ] {
            assert!(!act.rests_on_release(), "{act:?}");
        }
    }
}
