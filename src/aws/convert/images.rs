//! EC2's launch templates and images.

use aws_sdk_ec2::types as ec2;

use super::{is_windows, required, timestamp};
use crate::effect::{BlockDevice, Failure, Image, TemplateVersion};
use crate::id::AmiId;

pub(in crate::aws) fn template_version(
    operation: &'static str,
    version: ec2::LaunchTemplateVersion,
) -> Result<TemplateVersion, Failure> {
    let number = version.version_number.and_then(|number| u64::try_from(number).ok());
    let (image, devices) =
        version.launch_template_data.map(|data| (data.image_id, data.block_device_mappings)).unwrap_or_default();
    Ok(TemplateVersion {
        template: required(operation, "launchTemplateId", version.launch_template_id)?.into(),
        number: required(operation, "versionNumber", number)?,
        is_default: version.default_version.unwrap_or(false),
        image: image.filter(|image| !image.is_empty()),
        description: version.version_description,
        created: required(operation, "createTime", version.create_time.as_ref().and_then(timestamp))?,
        block_devices: devices.unwrap_or_default().into_iter().map(block_device).collect(),
    })
}

/// What a new version says otherwise than its source. An empty list of block devices would be one that takes them away.
pub(in crate::aws) fn launch_template_data(
    image: &AmiId,
    block_devices: Vec<BlockDevice>,
) -> ec2::RequestLaunchTemplateData {
    let devices: Vec<_> = block_devices.into_iter().map(block_device_request).collect();
    let devices = Some(devices).filter(|devices| !devices.is_empty());
    ec2::RequestLaunchTemplateData::builder().image_id(image.as_str()).set_block_device_mappings(devices).build()
}

fn block_device(mapping: ec2::LaunchTemplateBlockDeviceMapping) -> BlockDevice {
    let plain = BlockDevice {
        device: mapping.device_name,
        virtual_name: mapping.virtual_name,
        no_device: mapping.no_device,
        ..BlockDevice::default()
    };
    let Some(ebs) = mapping.ebs else { return plain };
    BlockDevice {
        snapshot: ebs.snapshot_id,
        size_gib: ebs.volume_size,
        volume_type: ebs.volume_type.map(|volume| volume.as_str().to_owned()),
        iops: ebs.iops,
        throughput: ebs.throughput,
        initialization_rate: ebs.volume_initialization_rate,
        encrypted: ebs.encrypted,
        kms_key: ebs.kms_key_id,
        delete_on_termination: ebs.delete_on_termination,
        ebs_card_index: ebs.ebs_card_index,
        ..plain
    }
}

fn block_device_request(device: BlockDevice) -> ec2::LaunchTemplateBlockDeviceMappingRequest {
    let ebs = ec2::LaunchTemplateEbsBlockDeviceRequest::builder()
        .set_snapshot_id(device.snapshot)
        .set_volume_size(device.size_gib)
        .set_volume_type(device.volume_type.map(|volume| volume.as_str().into()))
        .set_iops(device.iops)
        .set_throughput(device.throughput)
        .set_volume_initialization_rate(device.initialization_rate)
        .set_encrypted(device.encrypted)
        .set_kms_key_id(device.kms_key)
        .set_delete_on_termination(device.delete_on_termination)
        .set_ebs_card_index(device.ebs_card_index)
        .build();
    let nothing = ec2::LaunchTemplateEbsBlockDeviceRequest::builder().build();
    ec2::LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(device.device)
        .set_virtual_name(device.virtual_name)
        .set_no_device(device.no_device)
        .set_ebs(Some(ebs).filter(|ebs| *ebs != nothing))
        .build()
}

pub(in crate::aws) fn image(image: ec2::Image) -> Result<Image, Failure> {
    const OPERATION: &str = "DescribeImages";
    Ok(Image {
        id: required(OPERATION, "imageId", image.image_id)?.into(),
        // A deregistered image may have lost its name. One without an owner is nobody's, and so never a release by name.
        name: image.name.unwrap_or_default(),
        owner: image.owner_id.unwrap_or_default(),
        owner_alias: image.image_owner_alias,
        architecture: required(OPERATION, "architecture", image.architecture)?.as_str().to_owned(),
        windows: is_windows(image.platform.as_ref()),
        state: required(OPERATION, "imageState", image.state)?.as_str().to_owned(),
        created: image.creation_date.and_then(|text| text.parse().ok()),
        deprecated: image.deprecation_time.and_then(|text| text.parse().ok()),
        // Everything is, but for some very old images, of which EC2 says so.
        virtualization: image.virtualization_type.map_or_else(|| "hvm".to_owned(), |kind| kind.as_str().to_owned()),
        root_device: image.root_device_name,
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    fn every_field() -> BlockDevice {
        BlockDevice {
            device: Some("/dev/xvdb".to_owned()),
            virtual_name: Some("ephemeral0".to_owned()),
            no_device: Some(String::new()),
            snapshot: Some("snap-1".to_owned()),
            size_gib: Some(100),
            volume_type: Some("gp3".to_owned()),
            iops: Some(4000),
            throughput: Some(250),
            initialization_rate: Some(200),
            encrypted: Some(true),
            kms_key: Some("alias/disks".to_owned()),
            delete_on_termination: Some(false),
            ebs_card_index: Some(1),
        }
    }

    /// As EC2 describes what it was asked for.
    fn described(request: ec2::LaunchTemplateBlockDeviceMappingRequest) -> ec2::LaunchTemplateBlockDeviceMapping {
        let ebs = request.ebs.map(|ebs| {
            ec2::LaunchTemplateEbsBlockDevice::builder()
                .set_snapshot_id(ebs.snapshot_id)
                .set_volume_size(ebs.volume_size)
                .set_volume_type(ebs.volume_type)
                .set_iops(ebs.iops)
                .set_throughput(ebs.throughput)
                .set_volume_initialization_rate(ebs.volume_initialization_rate)
                .set_encrypted(ebs.encrypted)
                .set_kms_key_id(ebs.kms_key_id)
                .set_delete_on_termination(ebs.delete_on_termination)
                .set_ebs_card_index(ebs.ebs_card_index)
                .build()
        });
        ec2::LaunchTemplateBlockDeviceMapping::builder()
            .set_device_name(request.device_name)
            .set_virtual_name(request.virtual_name)
            .set_no_device(request.no_device)
            .set_ebs(ebs)
            .build()
    }

    #[test]
    fn a_block_device_is_sent_as_it_was_described() {
        let instance_store = BlockDevice {
            device: Some("/dev/sdc".to_owned()),
            virtual_name: Some("ephemeral0".to_owned()),
            ..BlockDevice::default()
        };
        for device in [every_field(), instance_store, BlockDevice::default()] {
            assert_eq!(block_device(described(block_device_request(device.clone()))), device);
        }
    }

    #[test]
    fn an_instance_store_is_sent_without_a_volume() {
        let of = BlockDevice { virtual_name: Some("ephemeral0".to_owned()), ..BlockDevice::default() };
        assert_eq!(block_device_request(of).ebs, None);
    }

    #[test]
    fn no_block_devices_are_not_an_empty_list_of_them() {
        let data = |devices| launch_template_data(&"ami-1".into(), devices);
        assert_eq!(data(Vec::new()).block_device_mappings, None);
        assert_eq!(data(vec![every_field()]).block_device_mappings().len(), 1);
        assert_eq!(data(Vec::new()).image_id(), Some("ami-1"));
    }

    #[test]
    fn a_version_has_its_image_and_its_block_devices() {
        let device = described(block_device_request(every_field()));
        let data = ec2::ResponseLaunchTemplateData::builder().image_id("ami-1").block_device_mappings(device).build();
        let version = ec2::LaunchTemplateVersion::builder()
            .launch_template_id("lt-1")
            .version_number(3)
            .create_time(DateTime::from_secs(60));
        let bare = template_version("X", version.clone().build()).unwrap();
        assert_eq!((bare.image, bare.block_devices), (None, Vec::new()));
        let whole = template_version("X", version.launch_template_data(data).build()).unwrap();
        assert_eq!((whole.image.as_deref(), whole.block_devices), (Some("ami-1"), vec![every_field()]));
    }

    #[test]
    fn an_image_says_whose_it_is_and_until_when() {
        let whole = ec2::Image::builder()
            .image_id("ami-1")
            .architecture(ec2::ArchitectureValues::Arm64)
            .state(ec2::ImageState::Available)
            .owner_id("591542846629")
            .image_owner_alias("amazon")
            .platform("windows".into())
            .root_device_name("/dev/xvda")
            .creation_date("2026-06-15T18:30:00.000Z")
            .deprecation_time("2026-09-13T18:30:00.000Z");
        let of = image(whole.clone().build()).unwrap();
        assert_eq!((of.owner.as_str(), of.owner_alias.as_deref()), ("591542846629", Some("amazon")));
        assert_eq!(
            (of.windows, of.root_device.as_deref(), of.virtualization.as_str()),
            (true, Some("/dev/xvda"), "hvm")
        );
        assert_eq!(of.deprecated.unwrap().to_string(), "2026-09-13T18:30:00Z");
        assert_eq!(of.created.unwrap().to_string(), "2026-06-15T18:30:00Z");
        let old = whole.clone().virtualization_type(ec2::VirtualizationType::Paravirtual).build();
        assert_eq!(image(old).unwrap().virtualization, "paravirtual");
        assert_eq!(image(whole.set_architecture(None).build()).unwrap_err().code, "IncompleteAnswer");
    }
}
