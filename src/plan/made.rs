//! Template versions that we made: what their description says.

use crate::effect::TemplateVersion;
use crate::id::AmiId;

const MADE_BY: &str = "ecs-rotator: ";

const MADE_FROM: &str = " from version ";

/// What a version of ours says of itself.
pub fn description(image: &AmiId, source: u64) -> String {
    format!("{MADE_BY}{image}{MADE_FROM}{source}")
}

/// Did we make this version, with this image, from this one?
pub fn is_made_from(version: &TemplateVersion, image: &AmiId, source: u64) -> bool {
    version.description.as_deref() == Some(&description(image, source))
}

/// The version from which we made this one; None where we did not make it.
pub fn made_from(version: &TemplateVersion) -> Option<u64> {
    let (image, source) = version.description.as_deref()?.strip_prefix(MADE_BY)?.split_once(MADE_FROM)?;
    let source = source.parse().ok()?;
    (version.image.as_deref() == Some(image)).then_some(source)
}
