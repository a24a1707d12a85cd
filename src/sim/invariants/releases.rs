//! What each group shall run, in truth; and what it has rejected.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Launches;
use crate::effect::Group;
use crate::id::{AmiId, GroupName, ParameterName, TemplateId};
use crate::plan::policy::parse_age;
use crate::sim::world::World;

impl World {
    /// For each kind of image that a group follows: every release that it has had since then. More than one where it has
    /// changed since.
    pub(super) fn recent_releases(&self, group: &GroupName, since: Timestamp) -> Vec<BTreeSet<AmiId>> {
        let parameters = self.ledger.follows.get(group).into_iter().flatten();
        let values = parameters.filter_map(|name| Some((name, self.ledger.releases.get(name)?)));
        values
            .map(|(name, values)| {
                let changes = values.iter().map(|(at, _)| *at).filter(|at| *at > since);
                let times = [since].into_iter().chain(changes).chain([self.now()]);
                times.filter_map(|at| self.release_at(group, name, values, at)).collect()
            })
            .collect()
    }

    /// The last one that was to be taken then. What a parameter said for so short a time that it did not come of age never
    /// was; an image that is found by its name is there still.
    fn release_at(
        &self,
        group: &GroupName,
        name: &ParameterName,
        values: &[(Timestamp, AmiId)],
        at: Timestamp,
    ) -> Option<AmiId> {
        let stays = !name.as_str().starts_with('/');
        let followed = values.iter().skip(1).map(|(from, _)| if stays { at } else { *from }).chain([at]);
        let mut published =
            values.iter().zip(followed).filter(|((from, _), _)| *from <= at).map(|((_, image), until)| (image, until));
        let first = published.next().map(|(image, _)| image).or(values.first().map(|(_, image)| image))?;
        let taken = published.fold(first, |before, (image, until)| {
            let may_be = self.is_good(group, image, until.min(at)) && self.is_no_older(group, image, before);
            if may_be { image } else { before }
        });
        Some(taken.clone())
    }

    fn is_good(&self, group: &GroupName, image: &AmiId, at: Timestamp) -> bool {
        let created = self.account.images.get(image).and_then(|image| image.created);
        let old_enough = created.is_none_or(|created| created + self.min_ami_age(group) <= at);
        old_enough && !self.ledger.spoiled.contains(image) && !self.rejects(group, image)
    }

    /// Is some group's newest release too young for it as yet?
    pub fn has_release_to_ripen(&self) -> bool {
        let newest = |name| self.ledger.releases.get(name).and_then(|values| Some(&values.last()?.1));
        self.ledger.follows.iter().any(|(group, names)| {
            let age = self.min_ami_age(group);
            let mut images = names.iter().filter_map(newest).filter_map(|image| self.account.images.get(image));
            !age.is_zero()
                && images.any(|image| image.created.is_some_and(|created| created + age > self.now()))
                && self.group_opted_in(group)
        })
    }

    fn is_no_older(&self, group: &GroupName, image: &AmiId, before: &AmiId) -> bool {
        let created = |image: &AmiId| self.account.images.get(image).and_then(|image| image.created);
        let allowed = self.group_tag(group, "allow-older").map(|value| value == "true");
        allowed.unwrap_or(self.scenario.settings.policy.allow_older) || created(image) >= created(before)
    }

    fn min_ami_age(&self, group: &GroupName) -> SignedDuration {
        let own = self.group_tag(group, "min-ami-age").and_then(|text| parse_age(&text).ok());
        own.unwrap_or(self.scenario.settings.policy.min_ami_age)
    }

    pub(super) fn rejects(&self, group: &GroupName, image: &AmiId) -> bool {
        self.group_tag(group, "rejected").is_some_and(|list| list.split_whitespace().any(|id| id == image.as_str()))
    }

    /// Has a worker rejected an image since then? Others may not know of it.
    pub(super) fn rejected_since(&self, group: &GroupName, since: Timestamp) -> bool {
        let rejection = self.group_tag(group, "rejection");
        let at = rejection.and_then(|text| text.split_whitespace().next()?.parse::<Timestamp>().ok());
        at.is_some_and(|at| at > since)
    }

    fn group_tag(&self, group: &GroupName, key: &str) -> Option<String> {
        let key = format!("{}{key}", self.scenario.settings.tag_prefix);
        self.account.groups.get(group)?.tags.get(&key).cloned()
    }

    /// The images that each group launches now.
    pub(super) fn launches(&self) -> Launches {
        let groups = self.account.groups.iter();
        groups.map(|(name, group)| (name.clone(), self.account.images_to_launch(group))).collect()
    }

    /// Promise 10: nothing that we write makes a group launch what it has rejected.
    pub(super) fn check_launches(&mut self, before: &Launches) {
        for (group, images) in self.launches() {
            let known = before.get(&group).cloned().unwrap_or_default();
            for image in images.difference(&known).filter(|image| self.rejects(&group, image)).collect::<Vec<_>>() {
                self.violated(10, format!("{group} launches {image} now, which it has rejected"));
            }
        }
    }

    /// Promise 10: a version for nobody but groups that have rejected its image.
    pub(super) fn writes_rejected(&self, template: &TemplateId, image: &AmiId) -> Option<(u8, String)> {
        let uses = |group: &&Group| group.launch.templates().iter().any(|spec| spec.template == *template);
        let mut users = self.account.groups.values().filter(uses).peekable();
        let all = users.peek().is_some() && users.all(|group| self.rejects(&group.name, image));
        all.then(|| (10, format!("a version of {template} for {image}, which is rejected by all who use it")))
    }

    /// Promise 10: whoever is detached is replaced by what the group launches now. A parameter that others have written a
    /// moment ago is excused.
    pub(super) fn launches_rejected(&self, name: &GroupName) -> Option<(u8, String)> {
        let group = self.account.groups.get(name)?;
        let known_since = self.now() - self.grace();
        if self.rejected_since(name, known_since) {
            return None;
        }
        let recent = |image: &AmiId| {
            let mut published = self.ledger.releases.values().flatten();
            published.any(|(at, published)| published == image && *at > known_since)
        };
        let images = self.account.images_to_launch(group);
        let rejected = images.into_iter().find(|image| self.rejects(name, image) && !recent(image))?;
        Some((10, format!("a host is detached from {name}, which launches {rejected} and has rejected it")))
    }
}
