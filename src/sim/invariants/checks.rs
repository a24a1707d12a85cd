//! The checks around single effects.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::effect::{Group, InstanceState, Lifecycle, Request, VersionRule};
use crate::id::{AmiId, ClusterArn, GroupName, InstanceId, ParameterName, TaskArn, TemplateId};
use crate::plan::policy::{Budget, DrainWhen, Ladder};
use crate::plan::tags::Tags;
use crate::plan::timing::whole_second;
use crate::sim::world::{Host, HostNo, Owner, TaskNo, World};

/// Until a sweep has seen it, and what was claimed before it has been detached.
const GROUP_LEFT: SignedDuration = SignedDuration::from_secs(150);

/// Desired capacity may have been more a moment ago, when the worker looked.
const RECENTLY: SignedDuration = SignedDuration::from_secs(60);

impl World {
    /// What a request breaks if it succeeds.
    #[expect(clippy::too_many_lines, reason = "a flat match with one arm for each request")]
    pub(super) fn concerns(&self, request: &Request) -> Vec<(u8, String)> {
        let what = request.operation();
        match request {
            Request::TagResource { cluster, .. } => self.uninvited_cluster(cluster, what),
            Request::UpdateContainerInstancesState { arns, .. } => {
                self.uninvited(arns.iter().filter_map(HostNo::of_agent), what)
            }
            Request::DeregisterContainerInstance { arn, .. } => {
                let mut concerns = self.uninvited(HostNo::of_agent(arn), what);
                concerns.extend(HostNo::of_agent(arn).into_iter().flat_map(|no| self.interrupted(no, what)));
                concerns
            }
            Request::DetachInstances { group, instances, decrement } => {
                let mut concerns = self.uninvited(hosts(instances), what);
                concerns.extend(self.uninvited_group(group, what));
                concerns.extend(hosts(instances).flat_map(|no| self.untagged(no)));
                concerns.extend(self.launches_rejected(group).filter(|_| !decrement));
                concerns.extend(self.costs_of_a_detach(group));
                concerns
            }
            Request::UpdateAutoScalingGroup { group, .. } | Request::TagGroup { group, .. } => {
                self.uninvited_group(group, what)
            }
            Request::AttachInstances { group, instances } => {
                let mut concerns = self.uninvited(hosts(instances), what);
                concerns.extend(self.uninvited_group(group, what));
                concerns
            }
            Request::TerminateInstanceInAutoScalingGroup { group, instance, .. } => {
                let mut concerns = self.uninvited(HostNo::of_instance(instance), what);
                concerns.extend(self.uninvited_group(group, what));
                concerns.extend(HostNo::of_instance(instance).into_iter().flat_map(|no| self.interrupted(no, what)));
                concerns
            }
            Request::StopTask { task, .. } => self.stops_task(task).into_iter().collect(),
            Request::CreateTags { instances, tags } => {
                let mut concerns = self.uninvited(hosts(instances), what);
                let key = format!("{}rotation", self.scenario.settings.tag_prefix);
                if tags.get(&key).is_some_and(|value| !value.is_empty()) {
                    concerns.extend(hosts(instances).filter(|no| !self.is_ours(*no)).flat_map(|no| self.current(no)));
                }
                concerns
            }
            Request::TerminateInstances { instances } => {
                let mut concerns = self.uninvited(hosts(instances), what);
                concerns.extend(hosts(instances).flat_map(|no| self.interrupted(no, what)));
                concerns
            }
            Request::CreateLaunchTemplateVersion { template, image, .. } => {
                let mut concerns = self.uninvited_template(template, what);
                concerns.extend(self.writes_rejected(template, image));
                concerns
            }
            Request::ModifyLaunchTemplate { template, .. } => self.uninvited_template(template, what),
            Request::DeleteLaunchTemplateVersions { template, versions } => {
                let mut concerns = self.uninvited_template(template, what);
                concerns.extend(versions.iter().filter_map(|version| self.needed(template, *version)));
                concerns
            }
            Request::PutParameter { name, .. } => self.uninvited_parameter(name, what),
            Request::ReceiveMessage { .. }
            | Request::DeleteMessageBatch { .. }
            | Request::ChangeMessageVisibilityBatch { .. }
            | Request::ListClusters { .. }
            | Request::DescribeClusters { .. }
            | Request::DescribeCapacityProviders { .. }
            | Request::ListContainerInstances { .. }
            | Request::DescribeContainerInstances { .. }
            | Request::ListTasks { .. }
            | Request::DescribeTasks { .. }
            | Request::ListServices { .. }
            | Request::DescribeServices { .. }
            | Request::GetTaskProtection { .. }
            | Request::DescribeAutoScalingGroups { .. }
            | Request::DescribeScalingActivities { .. }
            | Request::DescribeInstanceRefreshes { .. }
            | Request::DescribeLifecycleHooks { .. }
            | Request::DescribeAlarms { .. }
            | Request::DescribeInstances { .. }
            | Request::DescribeLaunchTemplateVersions { .. }
            | Request::DescribeImages { .. }
            | Request::GetParameters { .. }
            | Request::PutEvents { .. }
            | Request::LocateSelf => Vec::new(),
        }
    }

    /// Promise 5: its hosts lose their traffic at once, or what its hooks do for a member that ends; and nobody accepts that.
    fn costs_of_a_detach(&self, name: &GroupName) -> Option<(u8, String)> {
        let group = self.account.groups.get(name)?;
        let tags = Tags::new(self.scenario.settings.tag_prefix.clone());
        let accepted = tags.group_policy(&group.tags, &self.scenario.settings.policy).ok()?.accept_detach;
        let hooks = self.account.hooks.get(name).into_iter().flatten();
        let skips = hooks.filter(|hook| hook.terminating && !hook.name.starts_with("ecs-managed-draining")).count() > 0;
        let cuts = !group.traffic_sources.is_empty();
        let bad = (cuts && !accepted.load_balancers) || (skips && !accepted.hooks);
        bad.then(|| (5, format!("a detach cuts the traffic of {name} or skips its hooks")))
    }

    /// Promise 1: a task is stopped by hand. Only where the policy says so, and only on a host that drains.
    fn stops_task(&self, arn: &TaskArn) -> Option<(u8, String)> {
        let no = TaskNo::of(arn)?;
        let task = self.account.tasks.get(&no)?;
        let ladder = self.ladder(no.host);
        let standalone = task.owner == Owner::Standalone && self.has_drained_for(no.host, ladder.stop_standalone_after);
        let allowed = standalone || self.has_drained_for(no.host, ladder.force_after);
        (!allowed).then(|| (1, format!("{} is told to stop, and no policy says so", self.account.task_group(task))))
    }

    /// The cluster's ladder, with the group's own rungs in it.
    fn ladder(&self, no: HostNo) -> Ladder {
        let policy = &self.scenario.settings.policy;
        let of_group = self.account.host(no).and_then(|host| self.account.groups.get(&host.origin));
        let tags = Tags::new(self.scenario.settings.tag_prefix.clone());
        let own = of_group.and_then(|group| tags.group_policy(&group.tags, policy).ok());
        own.map_or(policy.ladder, |own| own.ladder)
    }

    fn has_drained_for(&self, no: HostNo, time: Option<SignedDuration>) -> bool {
        let since = self.host_tag(no, "draining-since").and_then(|text| text.parse::<Timestamp>().ok());
        matches!((since, time), (Some(since), Some(time)) if self.now() >= since + time)
    }

    /// Promise 1: a host that runs goes, and a task on it is not STOPPED; and no policy says to force it.
    fn interrupted(&self, no: HostNo, what: &str) -> Option<(u8, String)> {
        self.account.host(no).filter(|host| host.is_up())?;
        if self.has_drained_for(no, self.ladder(no).force_after) {
            return None;
        }
        let (_, task) = self.account.tasks_on(no).find(|(_, task)| !task.is_over())?;
        let left = self.account.tasks_on(no).filter(|(_, task)| !task.is_over()).count();
        let task = format!("{} is {:?}", self.account.task_group(task), task.last);
        Some((1, format!("{what} of {}: {left} tasks are not STOPPED, one of {task}", no.instance())))
    }

    /// Promise 4: a worker that dies after this leaves nothing that says whose host it is.
    fn untagged(&self, no: HostNo) -> Option<(u8, String)> {
        let host = self.account.host(no)?;
        let detaches = matches!(host.member, Some(Lifecycle::InService | Lifecycle::Standby));
        (detaches && !self.is_ours(no)).then(|| (4, format!("{} is detached without a tag of ours", no.instance())))
    }

    /// Promise 5, for hosts.
    fn uninvited(&self, hosts: impl IntoIterator<Item = HostNo>, what: &str) -> Vec<(u8, String)> {
        let known_since = self.now() - self.grace();
        let mut concerns = Vec::new();
        for no in hosts {
            let Some(host) = self.account.host(no) else { continue };
            // Whom a worker has taken out of its group goes its way, whatever its group says now.
            let in_flight = self.ledger.detached.contains(&no) && host.member.is_none() && self.is_ours(no);
            if !self.opted_in(&host.cluster) || !(in_flight || self.is_to_be_touched(&host.origin)) {
                concerns.push((5, format!("{what} of {}, which has not opted in", no.instance())));
            }
            let set_aside = self.ledger.set_aside.get(&no).is_some_and(|since| *since < known_since);
            if set_aside && !self.is_ours(no) && host.is_up() {
                concerns.push((5, format!("{what} of {}, which a person has set aside", no.instance())));
            }
        }
        concerns
    }

    fn uninvited_cluster(&self, cluster: &ClusterArn, what: &str) -> Vec<(u8, String)> {
        if self.opted_in(cluster) {
            return Vec::new();
        }
        vec![(5, format!("{what} of {cluster}, which has not opted in"))]
    }

    fn uninvited_group(&self, group: &GroupName, what: &str) -> Vec<(u8, String)> {
        if self.is_to_be_touched(group) {
            return Vec::new();
        }
        vec![(5, format!("{what} of {group}, which has not opted in"))]
    }

    fn uninvited_template(&self, template: &TemplateId, what: &str) -> Vec<(u8, String)> {
        let users = self.account.groups.values().filter(|group| {
            group.launch.templates().iter().any(|spec| spec.template == *template) && self.is_to_be_touched(&group.name)
        });
        if users.count() > 0 {
            return Vec::new();
        }
        vec![(5, format!("{what} of {template}, which no group uses that has opted in"))]
    }

    /// Promise 5: only the parameter that a group which has opted in reads, and that says so.
    fn uninvited_parameter(&self, name: &ParameterName, what: &str) -> Vec<(u8, String)> {
        let key = format!("{}release-by", self.scenario.settings.tag_prefix);
        let reads = |group: &&Group| {
            let written = format!("resolve:ssm:{name}");
            group.launch.templates().iter().any(|spec| {
                let version = self.account.templates.get(&spec.template).and_then(|of| of.resolve(spec.rule));
                version.is_some_and(|version| version.image == written)
            })
        };
        let invites = |group: &&Group| group.tags.get(&key).is_some_and(|by| by == "parameter");
        let mut groups = self.account.groups.values().filter(|group| self.is_to_be_touched(&group.name));
        if groups.any(|group| reads(&group) && invites(&group)) {
            return Vec::new();
        }
        vec![(5, format!("{what} of {name}, which no group reads that says so"))]
    }

    /// Promise 5: a version that is pruned is one of ours, and nobody's.
    fn needed(&self, id: &TemplateId, number: u64) -> Option<(u8, String)> {
        let template = self.account.templates.get(id)?;
        let version = template.resolve(VersionRule::Number(number))?;
        let mut specs = self.account.groups.values().flat_map(|group| group.launch.templates());
        let pinned = specs.any(|spec| spec.template == *id && spec.rule == VersionRule::Number(number));
        let needed = pinned || number == template.default || number == template.latest();
        let foreign = version.client_token.is_none();
        (needed || foreign).then(|| (5, format!("version {number} of {id} is deleted, which is in use or not ours")))
    }

    /// Promise 7: a host on the release, not launched before `rotate-before`, is taken.
    fn current(&self, no: HostNo) -> Option<(u8, String)> {
        let host = self.account.host(no)?;
        let recent = self.recent_releases(&host.origin, self.now() - self.grace());
        let forced = self.rotate_before(&host.cluster).is_some_and(|before| host.launched < before);
        let just_rejected = self.rejected_since(&host.origin, self.now() - self.grace());
        let forced = forced || just_rejected || self.rejects(&host.origin, &host.image) || self.makes_room(no);
        let only = BTreeSet::from([host.image.clone()]);
        let current = !forced && recent.contains(&only);
        current.then(|| (7, format!("{} is taken although it is current ({})", no.instance(), host.image)))
    }

    /// Does it go in the stead of a host that goes back to its group?
    fn makes_room(&self, no: HostNo) -> bool {
        let (key, id) = (format!("{}give-back", self.scenario.settings.tag_prefix), no.instance());
        let mut tags = self.account.hosts.values().filter_map(|host| host.tags.get(&key));
        tags.any(|tag| tag.split_whitespace().any(|word| word == id.as_str()))
    }

    /// In whole seconds, as EC2 tells of launches.
    pub(super) fn rotate_before(&self, cluster: &ClusterArn) -> Option<Timestamp> {
        self.cluster_tag(cluster, "rotate-before")?.parse().ok().map(whole_second)
    }

    /// Promise 2: this effect has put one more host in flight than may be. (Desired capacity may sink below what is in flight.)
    pub(super) fn check_budget(&mut self) {
        let (by_group, by_cluster) = self.in_flight();
        let before = std::mem::replace(&mut self.ledger.in_flight, by_group.clone());
        for (group, in_flight) in by_group {
            self.ledger.max_in_flight_seen = self.ledger.max_in_flight_seen.max(in_flight);
            if in_flight <= before.get(&group).copied().unwrap_or(0) {
                continue;
            }
            let weighted = self.account.groups.get(&group).is_some_and(|group| group.launch.least_weight().is_some());
            let desired = match weighted {
                false => self.desired_since(&group, self.now() - RECENTLY).1,
                // A share of the hosts, and not of their weights.
                true => self.hosts_of(&group, in_flight),
            };
            let budget = self.budget(&group).hosts(desired);
            if in_flight > usize::try_from(budget).unwrap_or(usize::MAX) {
                self.violated(2, format!("{in_flight} hosts of {group} are in flight, {budget} may be"));
            }
        }
        let before = std::mem::replace(&mut self.ledger.in_flight_of_cluster, by_cluster.clone());
        let most = self.scenario.settings.policy.max_in_flight_cluster.and_then(|most| usize::try_from(most).ok());
        for (cluster, in_flight) in by_cluster {
            let rose = in_flight > before.get(&cluster).copied().unwrap_or(0);
            if rose && most.is_some_and(|most| in_flight > most) {
                self.violated(2, format!("{in_flight} hosts of the cluster are in flight ({})", cluster.name()));
            }
        }
    }

    /// By group, and by the cluster that the group is of. Whoever is in flight carries a tag of ours.
    fn in_flight(&self) -> (BTreeMap<GroupName, usize>, BTreeMap<ClusterArn, usize>) {
        let (mut by_group, mut by_cluster) = (BTreeMap::new(), BTreeMap::new());
        for no in self.tagged() {
            let Some(host) = self.account.host(*no).filter(|host| self.in_flight_of(*no, &host.origin)) else {
                continue;
            };
            if self.account.groups.contains_key(&host.origin) {
                *by_group.entry(host.origin.clone()).or_default() += 1;
                *by_cluster.entry(self.home_of(&host.origin)).or_default() += 1;
            }
        }
        (by_group, by_cluster)
    }

    fn hosts_of(&self, group: &GroupName, in_flight: usize) -> u32 {
        let members = self.account.members_of(group).filter(|(_, host)| host.is_counted()).count();
        u32::try_from(members + in_flight).unwrap_or(u32::MAX)
    }

    /// A claim that has not been confirmed harms nobody: the host serves in its group, and may stay there.
    fn in_flight_of(&self, no: HostNo, group: &GroupName) -> bool {
        let Some(host) = self.account.host(no) else { return false };
        if matches!(host.member, Some(Lifecycle::InService | Lifecycle::Standby)) {
            return false;
        }
        let gone = matches!(host.state, InstanceState::ShuttingDown | InstanceState::Terminated);
        !gone
            && self.is_ours(no)
            // On its way back.
            && self.host_tag(no, "give-back").is_none()
            && self.host_tag(no, "group").is_none_or(|of| of == group.as_str())
            && host.origin == *group
    }

    fn budget(&self, group: &GroupName) -> Budget {
        let key = format!("{}max-in-flight", self.scenario.settings.tag_prefix);
        let tag = self.account.groups.get(group).and_then(|group| group.tags.get(&key));
        tag.and_then(|text| text.parse().ok()).unwrap_or(self.scenario.settings.policy.max_in_flight)
    }

    /// The least and the most that a group's desired capacity was since then.
    fn desired_since(&self, group: &GroupName, since: Timestamp) -> (u32, u32) {
        let now = self.account.groups.get(group).map_or(0, |group| group.desired);
        let changes = self.ledger.desired_changes.iter();
        let before = changes.filter(|(at, of, _)| *at >= since && of == group).map(|(_, _, desired)| *desired);
        before.fold((now, now), |(least, most), desired| (least.min(desired), most.max(desired)))
    }

    /// Promise 3: this effect took hosts out of service. Those that others took within the grace count as if they served.
    pub(super) fn check_capacity(&mut self, group: &GroupName, before: u32) {
        let serving = self.serving(group);
        if serving >= before {
            return;
        }
        let since = self.now() - self.grace();
        let lost = self.ledger.losses.iter().filter(|(at, _)| *at >= since).filter(|(_, no)| {
            self.account.host(*no).is_some_and(|host| host.origin == *group && !self.serves(*no, host))
        });
        let lost: BTreeSet<HostNo> = lost.map(|(_, no)| *no).collect();
        let excused: u32 = lost.iter().filter_map(|no| self.account.host(*no)).map(Host::counts).sum();
        let desired = self.desired_since(group, since).0;
        if serving + excused < desired {
            let excuse = if excused > 0 { format!(" and {excused} just lost") } else { String::new() };
            self.violated(3, format!("{serving} hosts{excuse} serve {group}, {desired} are desired"));
        }
    }

    /// Promise 6: one version, which differs from its source in the image only.
    pub(super) fn check_versions(&mut self, request: &Request) {
        let Request::CreateLaunchTemplateVersion { template, image, source, .. } = request else { return };
        let Some(known) = self.account.templates.get(template) else { return };
        let versions = known.versions.iter().filter(|version| version.source == Some(*source));
        let made = versions.filter(|version| version.image == image.as_str()).count();
        let made = u32::try_from(made).unwrap_or(u32::MAX);
        let counted = self.ledger.versions_made.insert((template.clone(), *source, image.clone()), made);
        if made > 1 && counted != Some(made) {
            self.violated(6, format!("{made} versions of {template} were made for {image} from version {source}"));
        }
        if let Some(what) = self.differs_from_source(template, *source, image) {
            self.violated(6, what);
        }
    }

    /// But for the snapshot of the root device, which is the old image's.
    fn differs_from_source(&self, id: &TemplateId, source: u64, image: &AmiId) -> Option<String> {
        let template = self.account.templates.get(id)?;
        let made = template.versions.iter().rev().find(|version| version.source == Some(source))?;
        let root = self.account.images.get(image).and_then(|image| image.root_device.clone());
        let mut expected = template.resolve(VersionRule::Number(source))?.block_devices.clone();
        for device in expected.iter_mut().filter(|device| device.device == root) {
            device.snapshot = None;
        }
        let differs = made.block_devices != expected;
        differs.then(|| {
            format!(
                "version {} of {id} has the block devices {:?} and not {expected:?}",
                made.number, made.block_devices
            )
        })
    }

    pub(super) fn note_detached(&mut self, no: HostNo) {
        self.ledger.detached.insert(no);
    }

    pub(super) fn opted_in(&self, cluster: &ClusterArn) -> bool {
        let enabled = self.cluster_tag(cluster, "enabled").filter(|value| !value.is_empty());
        let enabled = enabled.map(|value| value.eq_ignore_ascii_case("true"));
        self.scenario.settings.takes(&cluster.name(), enabled)
    }

    /// It takes part, or did until so short a time ago that a worker may not know. That it has left its cluster is seen by the
    /// sweep, and by the look at everything that it brings.
    fn is_to_be_touched(&self, group: &GroupName) -> bool {
        let swept = self.grace().max(self.scenario.settings.sweep_interval + GROUP_LEFT);
        let known_after = if self.takes_part(group) { swept } else { self.grace() };
        self.group_opted_in(group) || self.ledger.left.get(group).is_some_and(|at| self.now() < *at + known_after)
    }

    /// A capacity provider of this cluster names it, or the configuration does.
    fn belongs_to(&self, group: &GroupName, cluster: &ClusterArn) -> bool {
        let settings = &self.scenario.settings;
        let configured = settings.groups.get(&cluster.name()).is_some_and(|groups| groups.contains(group));
        let providers = self.account.clusters.get(cluster).into_iter().flat_map(|cluster| &cluster.capacity_providers);
        let mut groups = providers.filter_map(|name| self.account.providers.get(name)?.group.as_ref());
        configured || groups.any(|of| of == group)
    }

    /// By its tags, in a cluster that has opted in. A group belongs to the cluster of its hosts.
    fn takes_part(&self, group: &GroupName) -> bool {
        let key = format!("{}enabled", self.scenario.settings.tag_prefix);
        let Some(found) = self.account.groups.get(group) else { return false };
        // Whatever else it says may be meant to protect it.
        let says_so = |value: &String| value.is_empty() || value.eq_ignore_ascii_case("true");
        found.tags.get(&key).is_none_or(says_so) && self.opted_in(&self.cluster_of(group))
    }

    pub(in crate::sim) fn group_opted_in(&self, group: &GroupName) -> bool {
        self.takes_part(group) && self.belongs_to(group, &self.cluster_of(group))
    }

    pub(super) fn grace(&self) -> SignedDuration {
        self.scenario.faults.grace(self.scenario.settings.sweep_interval)
    }

    pub(super) fn drains_at_once(&self) -> bool {
        self.scenario.settings.policy.drain == DrainWhen::AtOnce
    }
}

/// The hosts that a request which takes hosts is about.
pub(super) fn named(request: &Request) -> Vec<HostNo> {
    if let Request::UpdateContainerInstancesState { arns, .. } = request {
        return arns.iter().filter_map(HostNo::of_agent).collect();
    }
    if let Request::DeregisterContainerInstance { arn, .. } = request {
        return HostNo::of_agent(arn).into_iter().collect();
    }
    if let Request::TerminateInstances { instances } = request {
        return hosts(instances).collect();
    }
    if let Request::TerminateInstanceInAutoScalingGroup { instance, .. } = request {
        return HostNo::of_instance(instance).into_iter().collect();
    }
    Vec::new()
}

fn hosts(instances: &[InstanceId]) -> impl Iterator<Item = HostNo> {
    instances.iter().filter_map(HostNo::of_instance)
}
