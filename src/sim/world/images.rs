//! Images and the parameters that name them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::World;
use super::account::ACCOUNT;
use super::ec2::IMAGE_TYPE;
use crate::effect::{Image, Parameter, ParameterKind};
use crate::id::{AmiId, ParameterName};
use crate::sim::scenario::{Follows, ImageKind};

/// So many generations exist from the start; releases only move the parameters. Images that are found by their names, and
/// fresh ones, exist when they are released.
const GENERATIONS: u32 = 9;
const AMAZON: &str = "591542846629";

impl World {
    pub(super) fn build_images(&mut self) {
        for kind in self.scenario.kinds() {
            let later = self.scenario.fresh || kind.follows == Follows::Named;
            let generations = if later { 1 } else { GENERATIONS };
            for generation in 0..generations {
                let age = SignedDuration::from_hours(24 * 30 - i64::from(generation));
                self.build_image(kind, generation, self.now - age);
            }
            self.publish(kind, &Self::image_of(kind, 0));
        }
    }

    pub(super) fn build_image(&mut self, kind: ImageKind, generation: u32, created: Timestamp) {
        let id = Self::image_of(kind, generation);
        let date = match generation {
            0 => "20251205".to_owned(),
            1 => "20260114".to_owned(),
            later => format!("202602{later:02}"),
        };
        let image = Image {
            id: id.clone(),
            name: kind.image_name(&date),
            architecture: kind.architecture().to_owned(),
            windows: kind.is_windows(),
            state: "available".to_owned(),
            created: Some(created),
            deprecated: None,
            owner: if kind.is_public() { AMAZON } else { ACCOUNT }.to_owned(),
            owner_alias: kind.is_public().then(|| "amazon".to_owned()),
            virtualization: "hvm".to_owned(),
            root_device: Some(if kind.is_windows() { "/dev/sda1" } else { "/dev/xvda" }.to_owned()),
        };
        Arc::make_mut(&mut self.account.images).insert(id, image);
    }

    /// From now on this is the release of all who follow images of this kind.
    pub(super) fn publish(&mut self, kind: ImageKind, image: &AmiId) {
        let name = ParameterName::from(kind.parameter());
        if kind.follows != Follows::Named {
            self.build_parameter(&name, image, false);
        }
        self.ledger.releases.entry(name).or_default().push((self.now, image.clone()));
    }

    /// `checked`: SSM looks whether its values are images.
    pub(super) fn build_parameter(&mut self, name: &ParameterName, image: &AmiId, checked: bool) {
        let parameter = Parameter {
            value: image.to_string(),
            kind: ParameterKind::String,
            data_type: Some(if checked { IMAGE_TYPE } else { "text" }.to_owned()),
            modified: Some(self.now),
        };
        Arc::make_mut(&mut self.account.parameters).insert(name.clone(), parameter);
    }
}
