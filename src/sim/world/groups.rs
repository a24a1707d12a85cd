//! The groups of the account as they are when the simulation begins, with their templates and what stands around them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;

use super::World;
use super::account::{Account, HostKind, Template, Version, cluster_arn};
use crate::effect::{BlockDevice, CapacityProvider, Group, Launch, Override, TemplateSpec, VersionRule};
use crate::id::{CapacityProviderName, GroupName, ParameterName, TemplateId};
use crate::sim::scenario::{CLUSTER, Follows, GroupShape, ImageKind, Membership, OTHER, TemplateShape};

pub(super) const OTHER_GROUP: &str = "other-asg";

impl World {
    /// `cluster`: the name of the one that it is for.
    pub(super) fn build_group(&mut self, shape: &GroupShape, cluster: &str) {
        let name = GroupName::from(shape.name.as_str());
        self.homes_of_groups.insert(name.clone(), (cluster.to_owned(), shape.membership));
        let group = Group {
            name: name.clone(),
            min: 0,
            max: shape.hosts + 5,
            desired: shape.hosts,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: self.build_launch(shape),
            tags: self.group_tags(shape),
            managed: false,
            counted_in: None,
            arn: None,
            zones: super::account::zones().into_iter().collect(),
            traffic_sources: BTreeSet::new(),
        };
        self.build_providers(&name, shape.membership, cluster);
        Arc::make_mut(&mut self.account.groups).insert(name.clone(), group.clone());
        let follows = shape.kinds().into_iter().map(|kind| ParameterName::from(kind.parameter()));
        self.ledger.follows.entry(name.clone()).or_default().extend(follows);
        if shape.template == TemplateShape::Configuration {
            self.put_beyond_workers(&name);
        }
        for age in 0..shape.hosts {
            let turn = usize::try_from(age).unwrap_or(0);
            let Some(image) = self.account.image_to_launch(&group, turn) else { continue };
            let no = self.add_host(&group, image);
            self.weigh(no, Account::weight_to_launch(&group, turn));
            // A group grew over the last week.
            self.age(no, SignedDuration::from_hours(24 * 7) - SignedDuration::from_mins(37 * i64::from(age % 240)));
            self.plan_agent_drop(no);
        }
        if shape.weighted {
            self.desire_what_is_there(&name);
        }
    }

    fn build_launch(&mut self, shape: &GroupShape) -> Launch {
        let image = Self::image_of(shape.kind(), 0).to_string();
        let over = |instance_type: &str| Override {
            instance_type: Some(instance_type.to_owned()),
            template: None,
            image: None,
            weight: None,
        };
        let mut spec = |rule, written: String| TemplateSpec { template: self.build_template(shape, written), rule };
        match shape.template {
            TemplateShape::Rule { rule, mixed: false } => Launch::Template(spec(rule, image)),
            TemplateShape::Rule { rule, mixed: true } => {
                let weighted = [("m7i.large", 1), ("m7i.xlarge", 2)];
                let weighted = weighted.iter().filter(|_| shape.weighted);
                let overrides = weighted.map(|(kind, weight)| Override { weight: Some(*weight), ..over(kind) });
                Launch::Mixed { base: spec(rule, image), overrides: overrides.collect() }
            }
            TemplateShape::Resolves => {
                Launch::Template(spec(VersionRule::Default, format!("resolve:ssm:{}", shape.kind().parameter())))
            }
            TemplateShape::ReleaseByParameter { checked } => {
                let written = shape.written_parameter().unwrap_or_default();
                let launch = Launch::Template(spec(VersionRule::Default, format!("resolve:ssm:{written}")));
                self.build_parameter(&written.into(), &image.into(), checked);
                launch
            }
            TemplateShape::OwnTemplate { base, own } => {
                let other = Self::image_of(ImageKind { arm64: !shape.arm64, ..shape.kind() }, 0);
                let own = spec(own, other.to_string());
                let overrides = vec![over("m7i.large"), Override { template: Some(own), ..over("m7g.large") }];
                Launch::Mixed { base: spec(base, image), overrides }
            }
            TemplateShape::OwnImage { base } => {
                let overrides = vec![over("m7i.large"), Override { image: Some(image.clone()), ..over("m7a.large") }];
                Launch::Mixed { base: spec(base, image), overrides }
            }
            TemplateShape::Attributes { rule } => {
                Launch::Mixed { base: spec(rule, image), overrides: vec![Override { instance_type: None, ..over("") }] }
            }
            TemplateShape::Configuration => {
                let name = format!("{}-config", shape.name);
                Arc::make_mut(&mut self.account.configurations).insert(name.clone(), image.into());
                Launch::Configuration(name)
            }
        }
    }

    /// A template of its own, or that of the group whose template it shares.
    fn build_template(&mut self, shape: &GroupShape, image: String) -> TemplateId {
        let of = shape.shares.as_ref().and_then(|other| self.account.groups.get(&GroupName::from(other.as_str())));
        if let Some(shared) = of.and_then(|group| group.launch.templates().first().map(|spec| spec.template.clone())) {
            return shared;
        }
        let id = TemplateId::new(format!("lt-0{:016x}", self.names.number()));
        let created = self.now - SignedDuration::from_hours(24 * 20);
        let root = if shape.kind().is_windows() { "/dev/sda1" } else { "/dev/xvda" };
        let version = Version {
            number: 1,
            image,
            description: "by hand".to_owned(),
            created,
            client_token: None,
            source: None,
            block_devices: block_devices(root, shape.root_snapshot),
        };
        let mut versions = vec![version.clone()];
        if shape.draft {
            let (image, description) = ("ami-0d4af7".to_owned(), "a draft".to_owned());
            versions.push(Version { number: 2, image, description, ..version });
        }
        Arc::make_mut(&mut self.account.templates).insert(id.clone(), Template { default: 1, versions });
        id
    }

    fn build_providers(&mut self, group: &GroupName, membership: Membership, cluster: &str) {
        match membership {
            Membership::Configured => {}
            Membership::Provider => self.build_provider(&format!("{group}-provider"), Some(group), cluster),
            Membership::TwoClusters => {
                self.build_provider(&format!("{group}-provider"), Some(group), cluster);
                self.build_provider(&format!("{group}-provider-too"), Some(group), OTHER);
            }
        }
    }

    fn build_provider(&mut self, name: &str, group: Option<&GroupName>, of: &str) {
        let name = CapacityProviderName::from(name);
        if let Some(cluster) = self.cluster_mut(&cluster_arn(of)) {
            cluster.capacity_providers.insert(0, name.clone());
        }
        let described = CapacityProvider { name: name.clone(), group: group.cloned() };
        Arc::make_mut(&mut self.account.providers).insert(name, described);
    }

    fn group_tags(&self, shape: &GroupShape) -> BTreeMap<String, String> {
        let prefix = &self.scenario.settings.tag_prefix;
        let said = shape.tags.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone()));
        let source = shape.follows.tag(shape.arm64).map(|(key, value)| (format!("{prefix}{key}"), value));
        let mut tags: BTreeMap<_, _> = source.into_iter().chain(said).collect();
        if let Follows::Os(os) = shape.follows {
            tags.insert("OS".to_owned(), os.to_owned());
        }
        if shape.written_parameter().is_some() {
            tags.insert(format!("{prefix}release-by"), "parameter".to_owned());
        }
        if !shape.enabled {
            tags.insert(format!("{prefix}enabled"), "false".to_owned());
        }
        tags
    }

    pub(super) fn build_neighbours(&mut self) {
        let around = self.scenario.neighbours;
        for n in 0..around.groups {
            let shape = GroupShape::new(&format!("idle-{n}-asg"), 0).membership(Membership::Configured);
            self.build_group(&shape, CLUSTER);
        }
        for n in 0..around.providers {
            self.build_provider(&format!("further-{n}-provider"), None, CLUSTER);
        }
        for (kind, count) in [
            (HostKind::External, around.external),
            (HostKind::Managed, around.managed),
            (HostKind::Stray, around.strays),
        ] {
            for _ in 0..count {
                self.build_host_of_no_group(kind);
            }
        }
    }

    fn build_host_of_no_group(&mut self, kind: HostKind) {
        let Some(group) = self.account.groups.get(&GroupName::from(OTHER_GROUP)).cloned() else { return };
        let no = self.add_host(&group, Self::image_of(Follows::Own, 0));
        self.age(no, SignedDuration::from_hours(24 * 30));
        self.account.leave(no);
        if let Some(host) = self.host_mut(no) {
            (host.kind, host.cluster, host.member) = (kind, cluster_arn(CLUSTER), None);
            host.origin = GroupName::from("");
            host.tags.clear();
        }
        self.account.enter(no);
        self.plan_agent_drop(no);
    }
}

/// A root device, and a data volume that is made from a snapshot.
fn block_devices(root: &str, root_snapshot: bool) -> Vec<BlockDevice> {
    let root = BlockDevice {
        device: Some(root.to_owned()),
        snapshot: root_snapshot.then(|| "snap-0000000000000007".to_owned()),
        size_gib: Some(30),
        volume_type: Some("gp3".to_owned()),
        delete_on_termination: Some(true),
        ..BlockDevice::default()
    };
    let data = BlockDevice {
        device: Some("/dev/xvdb".to_owned()),
        snapshot: Some("snap-00000000000da7a1".to_owned()),
        size_gib: Some(200),
        encrypted: Some(true),
        ..BlockDevice::default()
    };
    vec![root, data]
}
