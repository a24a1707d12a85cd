//! The calls to EC2 and to SSM.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wildmatch::WildMatch;

use super::account::{ACCOUNT, Account, GROUP_NAME_TAG, Host, HostKind, HostNo, Version};
use super::answer::{Answer, Refusal, at_most, page};
use super::{Physics, World};
use crate::effect::{
    BlockDevice, Image, ImagePattern, ImageQuery, InstanceFilter, InstanceState, Parameter, Reply, VersionQuery,
    VersionRule,
};
use crate::id::{AmiId, GroupName, InstanceId, PageToken, ParameterName, TemplateId, Zone};
use crate::plan::timing::whole_second;
use crate::sim::timeline::{By, Happening};

/// EC2's limit for the values of one filter.
const FILTER_VALUES: usize = 200;
/// What people may write on one instance; AWS's own tags do not count.
const TAGS: usize = 50;
/// The data type of parameters whose values SSM checks.
pub(super) const IMAGE_TYPE: &str = "aws:ec2:image";

pub(super) fn describe_instances(
    account: &Account,
    filter: &InstanceFilter,
    token: Option<&PageToken>,
    size: usize,
) -> Answer {
    match filter {
        InstanceFilter::Ids(ids) => at_most(ids, FILTER_VALUES)?,
        InstanceFilter::MembersOf(groups) => at_most(groups, FILTER_VALUES)?,
        InstanceFilter::Tagged { .. } => {}
    }
    let asked = passing(account, filter).into_iter().filter(|(_, host)| host.kind != HostKind::External);
    let (hosts, next) = page(asked.map(|(no, host)| (no.instance().to_string(), (no, host))), token, size);
    Ok(Reply::Instances { instances: hosts.into_iter().map(|(no, host)| host.described(no)).collect(), next })
}

/// In the order of their numbers.
fn passing<'a>(account: &'a Account, filter: &InstanceFilter) -> BTreeMap<HostNo, &'a Host> {
    match filter {
        InstanceFilter::Ids(ids) => ids.iter().filter_map(|id| account.host_of_instance(id)).collect(),
        InstanceFilter::MembersOf(groups) => {
            let here =
                |group: &GroupName, host: &Host| host.tags.get(GROUP_NAME_TAG).is_some_and(|of| of == group.as_str());
            groups.iter().flat_map(|group| account.hosts_of(group).filter(move |(_, host)| here(group, host))).collect()
        }
        InstanceFilter::Tagged { key, pattern } => {
            let pattern = WildMatch::new(pattern);
            let matches = |host: &Host| host.tags.get(key).is_some_and(|value| pattern.matches(value));
            let there = account.hosts.iter().filter(|(_, host)| host.state != InstanceState::Terminated);
            let tagged = there.filter(|(_, host)| matches(host));
            tagged.map(|(no, host)| (*no, host)).collect()
        }
    }
}

/// `*` is any run of characters, `?` any one.
fn matches_glob(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

pub(super) fn describe_versions(
    account: &Account,
    id: &TemplateId,
    query: &VersionQuery,
    token: Option<&PageToken>,
    size: usize,
) -> Answer {
    let Some(template) = account.templates.get(id) else {
        return Err(Refusal::not_found("InvalidLaunchTemplateId.NotFound", id));
    };
    let described = |version: &Version| template.described(id, version);
    match query {
        VersionQuery::InUse(rule) => match template.resolve(*rule) {
            Some(version) => Ok(Reply::TemplateVersions { versions: vec![described(version)], next: None }),
            None => Err(Refusal::not_found("InvalidLaunchTemplateId.VersionNotFound", rule)),
        },
        VersionQuery::WithImage(_) | VersionQuery::All => {
            let asked = template.versions.iter().filter(|version| match query {
                VersionQuery::WithImage(image) => version.image == image.as_str(),
                VersionQuery::InUse(_) | VersionQuery::All => true,
            });
            let keyed = asked.map(|version| (format!("{:020}", version.number), described(version)));
            let (versions, next) = page(keyed, token, size);
            Ok(Reply::TemplateVersions { versions, next })
        }
    }
}

pub(super) fn describe_images(account: &Account, query: &ImageQuery, token: Option<&PageToken>, size: usize) -> Answer {
    if let ImageQuery::Ids(ids) = query {
        at_most(ids, FILTER_VALUES)?;
    }
    let asked = account.images.values().filter(|image| is_asked_for(query, image));
    let (images, next) = page(asked.map(|image| (image.id.to_string(), image.clone())), token, size);
    Ok(Reply::Images { images, next })
}

fn is_asked_for(query: &ImageQuery, image: &Image) -> bool {
    match query {
        ImageQuery::Ids(ids) => ids.contains(&image.id),
        ImageQuery::Named(ImagePattern { owners, name }) => {
            let owned = owners.iter().any(|owner| {
                *owner == image.owner
                    || owner == "self" && image.owner == ACCOUNT
                    || image.owner_alias.as_ref() == Some(owner)
            });
            owned && matches_glob(name, &image.name)
        }
    }
}

pub(super) fn get_parameters(account: &Account, names: &[ParameterName]) -> Answer {
    at_most(names, 10)?;
    let (mut values, mut invalid): (BTreeMap<ParameterName, Parameter>, _) = (BTreeMap::new(), Vec::new());
    for name in names {
        match account.parameters.get(name) {
            Some(value) => {
                values.insert(name.clone(), value.clone());
            }
            None => invalid.push(name.clone()),
        }
    }
    Ok(Reply::Parameters { values, invalid })
}

impl World {
    pub(super) fn tag_instances(&mut self, ids: &[InstanceId], tags: &BTreeMap<String, String>) -> Answer {
        let hosts = self.known_instances(ids)?;
        for (key, value) in tags {
            if key.is_empty() || key.len() > 128 || key.starts_with("aws:") || value.chars().count() > 256 {
                return Err(Refusal::refused("InvalidParameterValue", format!("tag `{key}` is not allowed")));
            }
        }
        let full = |no: &&HostNo| {
            let of_people = |key: &&String| !key.starts_with("aws:");
            let Some(host) = self.account.host(**no) else { return false };
            host.tags.keys().chain(tags.keys()).filter(of_people).collect::<BTreeSet<_>>().len() > TAGS
        };
        if let Some(no) = hosts.iter().find(full) {
            let message = format!("More than {TAGS} tags on a single resource: {}", no.instance());
            return Err(Refusal::refused("TagLimitExceeded", message));
        }
        let key = format!("{}rotation", self.scenario.settings.tag_prefix);
        for no in hosts {
            if self.account.host(no).is_some_and(|host| host.state != InstanceState::Terminated) {
                self.tagged.insert(no);
            }
            let Some(host) = self.host_mut(no) else { continue };
            let before = host.tags.get(&key).cloned().unwrap_or_default();
            host.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
            let rotation = host.tags.get(&key).cloned().unwrap_or_default();
            if before.is_empty() && !rotation.is_empty() {
                self.note(Happening::HostTagged { host: no.instance(), rotation });
            }
        }
        Ok(Reply::Done)
    }

    /// One that is not allowed keeps all the others. One that is protected fails the call, and keeps those of its zone.
    pub(super) fn terminate_instances(&mut self, ids: &[InstanceId]) -> Answer {
        let hosts = self.known_instances(ids)?;
        let of = |no: &HostNo| self.account.host(*no);
        if hosts.iter().filter_map(of).any(|host| host.forbidden) {
            return Err(Refusal::denied("You are not authorized to perform this operation."));
        }
        let guarded: BTreeMap<Zone, HostNo> = hosts
            .iter()
            .filter_map(|no| of(no).filter(|host| host.protected).map(|host| (host.zone.clone(), *no)))
            .collect();
        let go = hosts.iter().filter(|no| of(no).is_some_and(|host| !guarded.contains_key(&host.zone)));
        for no in go.copied().collect::<Vec<_>>() {
            self.shut_down(no, By::Worker);
        }
        match guarded.into_values().next() {
            Some(no) => {
                let message = format!(
                    "The instance '{}' may not be terminated. Modify its 'disableApiTermination'",
                    no.instance()
                );
                Err(Refusal::refused("OperationNotPermitted", message))
            }
            None => Ok(Reply::Done),
        }
    }

    /// One unknown id fails them all.
    fn known_instances(&self, ids: &[InstanceId]) -> Result<Vec<HostNo>, Refusal> {
        at_most(ids, 1000)?;
        let find = |id| match self.account.host_of_instance(id) {
            Some((no, _)) => Ok(no),
            None => Err(Refusal::not_found("InvalidInstanceID.NotFound", id)),
        };
        ids.iter().map(find).collect()
    }

    /// The same client token gives the same version again.
    pub(super) fn create_version(
        &mut self,
        id: &TemplateId,
        source: u64,
        image: &AmiId,
        block_devices: &[BlockDevice],
        description: &str,
        client_token: &str,
    ) -> Answer {
        let now = whole_second(self.now);
        let Some(template) = self.template_mut(id) else {
            return Err(Refusal::not_found("InvalidLaunchTemplateId.NotFound", id));
        };
        if let Some(made) = template.versions.iter().find(|made| made.client_token.as_deref() == Some(client_token)) {
            if made.image != image.as_str() || made.description != description {
                return Err(Refusal::refused("IdempotentParameterMismatch", "the token was used for another version"));
            }
            return Ok(Reply::TemplateVersion(template.described(id, made)));
        }
        let Some(like) = template.resolve(VersionRule::Number(source)) else {
            return Err(Refusal::not_found("InvalidLaunchTemplateId.VersionNotFound", source));
        };
        let mut block_devices = block_devices.to_vec();
        if block_devices.is_empty() {
            // Inherited, all but the snapshots.
            block_devices.clone_from(&like.block_devices);
            block_devices.iter_mut().for_each(|device| device.snapshot = None);
        }
        let made = Version {
            number: template.latest() + 1,
            image: image.to_string(),
            description: description.to_owned(),
            created: now,
            client_token: Some(client_token.to_owned()),
            source: Some(source),
            block_devices,
        };
        let described = template.described(id, &made);
        template.versions.push(made);
        self.note(Happening::TemplateVersionMade {
            template: id.clone(),
            version: described.number,
            image: image.clone(),
        });
        Ok(Reply::TemplateVersion(described))
    }

    pub(super) fn set_default(&mut self, id: &TemplateId, version: u64) -> Answer {
        let Some(template) = self.template_mut(id) else {
            return Err(Refusal::not_found("InvalidLaunchTemplateId.NotFound", id));
        };
        if template.resolve(VersionRule::Number(version)).is_none() {
            return Err(Refusal::not_found("InvalidLaunchTemplateId.VersionNotFound", version));
        }
        template.default = version;
        Ok(Reply::Done)
    }

    /// The default version is refused, and so is a call for too many; one that is gone is no error.
    pub(super) fn delete_versions(&mut self, id: &TemplateId, versions: &[u64]) -> Answer {
        at_most(versions, 200)?;
        let Some(template) = self.template_mut(id) else {
            return Err(Refusal::not_found("InvalidLaunchTemplateId.NotFound", id));
        };
        if versions.contains(&template.default) {
            return Err(Refusal::refused("OperationNotPermitted", "the default version cannot be deleted"));
        }
        template.versions.retain(|version| !versions.contains(&version.number));
        self.note(Happening::VersionsPruned { template: id.clone(), versions: versions.to_vec() });
        Ok(Reply::Done)
    }

    /// Where the parameter is to hold an image's id, SSM checks it first: the old value stays until then.
    pub(super) fn put_parameter(&mut self, name: &ParameterName, image: &AmiId, data_type: Option<&str>) -> Answer {
        let Some(found) = self.account.parameters.get(name) else {
            return Err(Refusal::not_found("ParameterNotFound", name));
        };
        if found.data_type.as_deref() != data_type {
            return Err(Refusal::refused("ValidationException", "the data type of a parameter does not change"));
        }
        self.note(Happening::ParameterWritten { parameter: name.clone(), image: image.clone() });
        if data_type == Some(IMAGE_TYPE) {
            self.after(self.scenario.parameter_check, Physics::ParameterChecked(name.clone(), image.clone()));
        } else {
            self.give_parameter(name, image);
        }
        Ok(Reply::Done)
    }

    /// An image that is not available is not taken; nobody is told but by an event that says so.
    pub(super) fn parameter_checked(&mut self, name: &ParameterName, image: &AmiId) {
        if self.account.images.get(image).is_some_and(|image| image.state == "available") {
            self.give_parameter(name, image);
        }
    }

    fn give_parameter(&mut self, name: &ParameterName, image: &AmiId) {
        let now = self.now;
        let Some(found) = Arc::make_mut(&mut self.account.parameters).get_mut(name) else { return };
        found.value = image.to_string();
        found.modified = Some(now);
        self.emit_parameter(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_filters_do() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*", "demo/20260114", true),
            ("demo/*", "demo/20260114", true),
            ("demo/*", "other/20260114", false),
            ("d?mo/*4", "demo/20260114", true),
            ("demo", "demo/", false),
        ] {
            assert_eq!(matches_glob(pattern, text), matches, "{pattern} {text}");
        }
    }
}
