//! EC2's launch templates and images.

use aws_sdk_ec2::types as ec2;

use super::{required, timestamp};
use crate::effect::{Failure, Image, TemplateVersion};

pub(in crate::aws) fn template_version(
    operation: &'static str,
    version: ec2::LaunchTemplateVersion,
) -> Result<TemplateVersion, Failure> {
    let number = version.version_number.and_then(|number| u64::try_from(number).ok());
    Ok(TemplateVersion {
        template: required(operation, "launchTemplateId", version.launch_template_id)?.into(),
        number: required(operation, "versionNumber", number)?,
        is_default: version.default_version.unwrap_or(false),
        image: version.launch_template_data.and_then(|data| data.image_id).filter(|image| !image.is_empty()),
        description: version.version_description,
        created: required(operation, "createTime", version.create_time.as_ref().and_then(timestamp))?,
    })
}

pub(in crate::aws) fn image(image: ec2::Image) -> Result<Image, Failure> {
    const OPERATION: &str = "DescribeImages";
    Ok(Image {
        id: required(OPERATION, "imageId", image.image_id)?.into(),
        // A deregistered image may have lost its name.
        name: image.name.unwrap_or_default(),
        architecture: required(OPERATION, "architecture", image.architecture)?.as_str().to_owned(),
        windows: image.platform == Some(ec2::PlatformValues::Windows),
        state: required(OPERATION, "imageState", image.state)?.as_str().to_owned(),
        created: image.creation_date.and_then(|text| text.parse().ok()),
    })
}
