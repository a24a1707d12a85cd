//! The shape of one group: how it launches, and where its image comes from.

use super::{CLUSTER, OWN_PARAMETER};
use crate::effect::VersionRule;
use crate::id::AmiId;
use crate::sim::chance::Chance;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupShape {
    pub name: String,
    pub hosts: u32,
    pub template: TemplateShape,
    pub follows: Follows,
    /// Its hosts are of the architecture arm64 (where its template does not say otherwise), and not x86_64.
    pub arm64: bool,
    /// Launches from the template of this group, which stands before it and follows the same.
    pub shares: Option<String>,
    /// The newest version of its template is somebody's draft, with another image; not the default.
    pub draft: bool,
    /// Its template names a snapshot for the root device too.
    pub root_snapshot: bool,
    pub membership: Membership,
    /// Its policy has two overrides, whose hosts count for one and for two.
    pub weighted: bool,
    /// Not opted out by its tag.
    pub enabled: bool,
    /// Further tags, keys without the prefix.
    pub tags: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateShape {
    /// The version rule in the group itself, or in its mixed-instances policy (one without overrides).
    Rule { rule: VersionRule, mixed: bool },
    /// `$Default`, and the image in the template is `resolve:ssm:` and the parameter that the group follows.
    Resolves,
    /// `$Default`, and the image in the template is `resolve:ssm:/hosts/` and the group's name: the worker writes the release
    /// there (`release-by`). `checked`: the parameter is of the data type `aws:ec2:image`.
    ReleaseByParameter { checked: bool },
    /// A policy with two overrides: one leaves the template to the policy, which has `base`; the other brings a template of
    /// its own, by the rule `own`, for the other architecture.
    OwnTemplate { base: VersionRule, own: VersionRule },
    /// A policy with two overrides, one of which brings an `ImageId`.
    OwnImage { base: VersionRule },
    /// A policy whose only override selects instances by their attributes.
    Attributes { rule: VersionRule },
    /// A launch configuration.
    Configuration,
}

/// Where a group's release comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Follows {
    /// The tag `ami-parameter` names [`OWN_PARAMETER`].
    Own,
    /// The tag `ami-parameter` names a parameter for each architecture: `/images/{arch}/ecs-host`.
    OwnOfArch,
    /// The tag `ami-name`: the newest image of a name. There is none before it is released.
    Named,
    /// The tag `OS`: a public parameter.
    Os(&'static str),
    /// No tag: the family is recognised by the image in use. A public parameter, as with `Os`.
    Recognised(&'static str),
}

/// How a group belongs to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// By a capacity provider.
    Provider,
    /// No capacity provider names it, but the configuration does.
    Configured,
    /// Providers of this cluster and of the other, and its hosts register in one or the other.
    TwoClusters,
}

/// Images of one kind are those that follow one upon another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageKind {
    pub follows: Follows,
    pub arm64: bool,
}

impl GroupShape {
    pub fn new(name: &str, hosts: u32) -> Self {
        Self {
            name: name.to_owned(),
            hosts,
            template: TemplateShape::Rule { rule: VersionRule::Latest, mixed: false },
            follows: Follows::Own,
            arm64: false,
            shares: None,
            draft: false,
            root_snapshot: false,
            membership: Membership::Provider,
            weighted: false,
            enabled: true,
            tags: Vec::new(),
        }
    }

    pub fn template(mut self, template: TemplateShape) -> Self {
        self.template = template;
        self
    }

    pub fn follows(mut self, follows: Follows) -> Self {
        self.follows = follows;
        self
    }

    pub fn arm64(mut self) -> Self {
        self.arm64 = true;
        self
    }

    pub fn shares(mut self, other: &str) -> Self {
        self.shares = Some(other.to_owned());
        self
    }

    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }

    pub fn root_snapshot(mut self) -> Self {
        self.root_snapshot = true;
        self
    }

    pub fn membership(mut self, membership: Membership) -> Self {
        self.membership = membership;
        self
    }

    /// On `$Latest`, by a policy whose hosts count for one and for two in turn.
    pub fn weighted(mut self) -> Self {
        self.template = TemplateShape::Rule { rule: VersionRule::Latest, mixed: true };
        self.weighted = true;
        self
    }

    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.to_owned(), value.to_owned()));
        self
    }

    /// As it is in one of several clusters: names of groups are the account's.
    pub(in crate::sim) fn of_cluster(&self, cluster: &str) -> Self {
        let name = |name: &String| if cluster == CLUSTER { name.clone() } else { format!("{cluster}-{name}") };
        Self { name: name(&self.name), shares: self.shares.as_ref().map(name), ..self.clone() }
    }

    /// The kind of the images that its hosts run; with templates of their own in overrides, of some of them.
    pub fn kind(&self) -> ImageKind {
        ImageKind { follows: self.follows, arm64: self.arm64 }
    }

    /// All kinds that its hosts run.
    pub fn kinds(&self) -> Vec<ImageKind> {
        let other = ImageKind { arm64: !self.arm64, ..self.kind() };
        match self.template {
            TemplateShape::OwnTemplate { .. } => vec![self.kind(), other],
            TemplateShape::Rule { .. }
            | TemplateShape::Resolves
            | TemplateShape::ReleaseByParameter { .. }
            | TemplateShape::OwnImage { .. }
            | TemplateShape::Attributes { .. }
            | TemplateShape::Configuration => vec![self.kind()],
        }
    }

    /// The parameter that is the worker's to write, where the group says so.
    pub fn written_parameter(&self) -> Option<String> {
        let by_parameter = matches!(self.template, TemplateShape::ReleaseByParameter { .. });
        by_parameter.then(|| format!("/hosts/{}", self.name))
    }

    /// Plain: a version rule, with or without a policy, and an own or a public parameter.
    pub(super) fn plain(name: &str, chance: &mut Chance) -> Self {
        let rule = [VersionRule::Latest, VersionRule::Default, VersionRule::Number(1)][chance.below(3)];
        let template = TemplateShape::Rule { rule, mixed: chance.hit(0.25) };
        let follows = [Follows::Own, Follows::Own, Follows::Os("al2023"), Follows::Os("bottlerocket")][chance.below(4)];
        Self { template, follows, ..Self::new(name, u32::try_from(1 + chance.below(4)).unwrap_or(1)) }
    }

    /// The same in any shape that workers can rotate. `before`: the group that stands before it.
    pub(super) fn odd(mut self, before: Option<&GroupShape>, chance: &mut Chance) -> Self {
        let mut rule = || [VersionRule::Latest, VersionRule::Default, VersionRule::Number(1)][chance.below(3)];
        let (first, second) = (rule(), rule());
        self.template = match chance.below(9) {
            0 | 1 => self.template,
            2 => TemplateShape::Resolves,
            3 | 4 => TemplateShape::ReleaseByParameter { checked: chance.hit(0.5) },
            5 | 6 => TemplateShape::OwnTemplate { base: first, own: second },
            7 => TemplateShape::OwnImage { base: first },
            _ => TemplateShape::Attributes { rule: first },
        };
        self.arm64 = chance.hit(0.3);
        let families = ["al2023", "bottlerocket", "al2", "windows"];
        let family = families[chance.below(if self.arm64 { 3 } else { 4 })];
        self.follows = match chance.below(6) {
            0 => self.follows,
            1 => Follows::OwnOfArch,
            2 => Follows::Named,
            3 => Follows::Os(family),
            _ => Follows::Recognised(family),
        };
        self.fit_follows(family);
        self.root_snapshot = chance.hit(0.3);
        if chance.hit(0.15) {
            self.membership = Membership::Configured;
        }
        let versioned = matches!(self.template, TemplateShape::Rule { rule, .. } if rule != VersionRule::Latest);
        self.draft = versioned && chance.hit(0.4);
        // What a template reads by itself is launched, whatever is refused.
        if self.template != TemplateShape::Resolves {
            self.refuse(chance);
        }
        let shared = before.filter(|_| chance.hit(0.4)).filter(|before| before.can_share());
        if let Some(before) = shared {
            let rules = [VersionRule::Default, VersionRule::Number(1), before.rule()];
            self.template = TemplateShape::Rule { rule: rules[chance.below(3)], mixed: chance.hit(0.3) };
            (self.follows, self.arm64, self.draft) = (before.follows, before.arm64, false);
            self.tags.clone_from(&before.tags);
            self.shares = Some(before.shares.clone().unwrap_or_else(|| before.name.clone()));
        }
        self
    }

    /// The first release is rejected, or has to come of age.
    fn refuse(&mut self, chance: &mut Chance) {
        if chance.hit(0.1) {
            let first: Vec<String> = self.kinds().iter().map(|kind| kind.image(1).to_string()).collect();
            self.tags.push(("rejected".to_owned(), first.join(" ")));
        }
        if chance.hit(0.15) {
            self.tags.push(("min-ami-age".to_owned(), "90m".to_owned()));
        }
    }

    /// Some sources suit some shapes only.
    fn fit_follows(&mut self, family: &'static str) {
        match (self.template, self.follows) {
            // One parameter for both architectures cannot be, and there is no Windows for arm64.
            (TemplateShape::OwnTemplate { .. }, Follows::Own) => self.follows = Follows::OwnOfArch,
            (TemplateShape::OwnTemplate { .. }, Follows::Os("windows") | Follows::Recognised("windows")) => {
                self.follows = Follows::Recognised("al2023");
            }
            // It reads a parameter, and there is none for a name; `ami-parameter` must say the same as the template.
            (TemplateShape::Resolves, Follows::Named) => self.follows = Follows::Os(family),
            (TemplateShape::Resolves, Follows::OwnOfArch) => self.follows = Follows::Own,
            _ => {}
        }
    }

    /// Can a group on `$Default` or on version 1 launch from its template as well?
    fn can_share(&self) -> bool {
        matches!(self.template, TemplateShape::Rule { rule: VersionRule::Default | VersionRule::Number(1), .. })
    }

    fn rule(&self) -> VersionRule {
        match self.template {
            TemplateShape::Rule { rule, .. } => rule,
            TemplateShape::Resolves
            | TemplateShape::ReleaseByParameter { .. }
            | TemplateShape::OwnTemplate { .. }
            | TemplateShape::OwnImage { .. }
            | TemplateShape::Attributes { .. }
            | TemplateShape::Configuration => VersionRule::Default,
        }
    }
}

impl From<Follows> for ImageKind {
    fn from(follows: Follows) -> Self {
        Self { follows, arm64: false }
    }
}

impl Follows {
    pub fn arm64(self) -> ImageKind {
        ImageKind { follows: self, arm64: true }
    }

    /// `tag = value`, by which a group says it; keys without the prefix.
    pub(in crate::sim) fn tag(self, arm64: bool) -> Option<(&'static str, String)> {
        match self {
            Follows::Own => Some(("ami-parameter", ImageKind { follows: self, arm64 }.parameter().to_owned())),
            Follows::OwnOfArch => Some(("ami-parameter", "/images/{arch}/ecs-host".to_owned())),
            Follows::Named => Some(("ami-name", "self:golden-host-*".to_owned())),
            Follows::Os(_) | Follows::Recognised(_) => None,
        }
    }
}

impl ImageKind {
    /// Of a generation; 0: what everything runs at the start.
    pub fn image(self, generation: u32) -> AmiId {
        let kind =
            self.parameter().bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        AmiId::new(format!("ami-0{kind:08x}{:08x}", generation + 1))
    }

    pub fn architecture(self) -> &'static str {
        if self.arm64 { "arm64" } else { "x86_64" }
    }

    /// The parameter whose value is the release. Images that are found by their name have none: a word in its place.
    pub fn parameter(self) -> &'static str {
        const LINUX: [&str; 2] = [
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
            "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
        ];
        match (self.follows, self.arm64) {
            (Follows::Own, false) => OWN_PARAMETER,
            (Follows::OwnOfArch, false) => "/images/x86_64/ecs-host",
            (Follows::Own | Follows::OwnOfArch, true) => "/images/arm64/ecs-host",
            (Follows::Named, false) => "self:golden-host-* x86_64",
            (Follows::Named, true) => "self:golden-host-* arm64",
            (Follows::Os("al2") | Follows::Recognised("al2"), false) => {
                "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended/image_id"
            }
            (Follows::Os("al2") | Follows::Recognised("al2"), true) => {
                "/aws/service/ecs/optimized-ami/amazon-linux-2/arm64/recommended/image_id"
            }
            (Follows::Os("bottlerocket") | Follows::Recognised("bottlerocket"), false) => {
                "/aws/service/bottlerocket/aws-ecs-2/x86_64/latest/image_id"
            }
            (Follows::Os("bottlerocket") | Follows::Recognised("bottlerocket"), true) => {
                "/aws/service/bottlerocket/aws-ecs-2/arm64/latest/image_id"
            }
            (Follows::Os("windows") | Follows::Recognised("windows"), _) => {
                "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-ECS_Optimized/image_id"
            }
            (Follows::Os(_) | Follows::Recognised(_), arm64) => LINUX[usize::from(arm64)],
        }
    }

    pub fn is_windows(self) -> bool {
        matches!(self.follows, Follows::Os("windows") | Follows::Recognised("windows"))
    }

    /// A public parameter, which is Amazon's, as the image is.
    pub fn is_public(self) -> bool {
        self.parameter().starts_with("/aws/")
    }

    /// Is there an event when it is released?
    pub fn is_told(self) -> bool {
        !self.is_public() && self.follows != Follows::Named
    }

    /// The name of its image of a given date.
    pub fn image_name(self, date: &str) -> String {
        let arch = self.architecture();
        match self.follows {
            Follows::Own | Follows::OwnOfArch if self.arm64 => format!("ecs-host-arm64-{date}"),
            Follows::Own => format!("ecs-host-{date}"),
            Follows::OwnOfArch => format!("ecs-host-x86_64-{date}"),
            Follows::Named => format!("golden-host-{date}-{arch}"),
            Follows::Os("al2") | Follows::Recognised("al2") => format!("amzn2-ami-ecs-hvm-2.0.{date}-{arch}-ebs"),
            Follows::Os("bottlerocket") | Follows::Recognised("bottlerocket") => {
                let arch = if self.arm64 { "aarch64" } else { arch };
                format!("bottlerocket-aws-ecs-2-{arch}-v1.{date}.0-deadbeef")
            }
            Follows::Os("windows") | Follows::Recognised("windows") => {
                let (year, day) = date.split_at(4);
                let (month, day) = day.split_at(2);
                format!("Windows_Server-2022-English-Full-ECS_Optimized-{year}.{month}.{day}")
            }
            Follows::Os(_) | Follows::Recognised(_) => format!("al2023-ami-ecs-hvm-2023.0.{date}-kernel-6.1-{arch}"),
        }
    }
}
