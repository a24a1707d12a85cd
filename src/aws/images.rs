//! What a group launches: launch templates and their versions, and images.

use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types as ec2;
use aws_sdk_ec2::types::{Filter, LaunchTemplateErrorCode, LaunchTemplateVersion};

use super::convert::{id_or_name, images as convert, next_page, required, texts, token};
use super::error::{failed, refused};
use super::{Aws, already_so};
use crate::effect::{BlockDevice, Failure, FailureKind, ImageQuery, Reply, TemplateVersion, VersionQuery};
use crate::id::{AmiId, PageToken, TemplateId};

/// What EC2 gives per page of template versions, at most.
const VERSIONS: i32 = 200;
/// The same of images. A pattern can match thousands.
const IMAGES: i32 = 1000;

impl Aws {
    pub(super) async fn describe_launch_template_versions(
        &self,
        template: TemplateId,
        query: VersionQuery,
        page: Option<PageToken>,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "DescribeLaunchTemplateVersions";
        let (id, name) = id_or_name(&template);
        let call = self.ec2.describe_launch_template_versions();
        let call = call.set_launch_template_id(id).set_launch_template_name(name).set_next_token(token(page.as_ref()));
        let call = match &query {
            VersionQuery::InUse(rule) => call.versions(rule.to_string()),
            VersionQuery::WithImage(image) => call.max_results(VERSIONS).filters(by_image(image)),
            VersionQuery::All => call.max_results(VERSIONS),
        };
        let output = call.send().await.map_err(failed(OPERATION))?;
        let versions = output.launch_template_versions.unwrap_or_default().into_iter();
        let versions = versions.map(|version| convert::template_version(OPERATION, version));
        let versions = asked_for(&query, versions.collect::<Result<_, _>>()?);
        Ok(Reply::TemplateVersions { versions, next: next_page(output.next_token) })
    }

    pub(super) async fn create_launch_template_version(
        &self,
        template: TemplateId,
        source: u64,
        image: AmiId,
        block_devices: Vec<BlockDevice>,
        description: String,
        client_token: String,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "CreateLaunchTemplateVersion";
        let (id, name) = id_or_name(&template);
        let output = self
            .ec2
            .create_launch_template_version()
            .set_launch_template_id(id)
            .set_launch_template_name(name)
            .source_version(source.to_string())
            .version_description(description)
            .client_token(client_token)
            .launch_template_data(convert::launch_template_data(&image, block_devices))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        for warning in output.warning.and_then(|warning| warning.errors).unwrap_or_default() {
            tracing::warn!(%template, code = warning.code(), said = warning.message(), "new template version");
        }
        let created: LaunchTemplateVersion =
            required(OPERATION, "launchTemplateVersion", output.launch_template_version)?;
        Ok(Reply::TemplateVersion(convert::template_version(OPERATION, created)?))
    }

    pub(super) async fn modify_launch_template(
        &self,
        template: TemplateId,
        default_version: u64,
    ) -> Result<Reply, Failure> {
        let (id, name) = id_or_name(&template);
        let call = self.ec2.modify_launch_template().set_launch_template_id(id).set_launch_template_name(name);
        let call = call.default_version(default_version.to_string());
        call.send().await.map_err(failed("ModifyLaunchTemplate"))?;
        Ok(Reply::Done)
    }

    pub(super) async fn delete_launch_template_versions(
        &self,
        template: TemplateId,
        versions: Vec<u64>,
    ) -> Result<Reply, Failure> {
        const OPERATION: &str = "DeleteLaunchTemplateVersions";
        let (id, name) = id_or_name(&template);
        let call = self.ec2.delete_launch_template_versions();
        let call = call.set_launch_template_id(id).set_launch_template_name(name).set_versions(Some(texts(&versions)));
        match call.send().await.map_err(failed(OPERATION)) {
            Ok(output) => match left(&output.unsuccessfully_deleted_launch_template_versions.unwrap_or_default()) {
                None => Ok(Reply::Done),
                Some((code, message)) => Err(refused(OPERATION, &code, message)),
            },
            Err(failure) if is_all_gone(&failure, &versions) => Ok(already_so(&failure)),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn describe_images(&self, query: ImageQuery, page: Option<PageToken>) -> Result<Reply, Failure> {
        // Deprecated ones too: hosts go on running them, and their owners say so long before they are of no use.
        let call = self.ec2.describe_images().include_deprecated(true).max_results(IMAGES);
        let call = queried(call, &query).set_next_token(token(page.as_ref()));
        let output = call.send().await.map_err(failed("DescribeImages"))?;
        let images = output.images.unwrap_or_default().into_iter().map(convert::image);
        Ok(Reply::Images { images: images.collect::<Result<_, _>>()?, next: next_page(output.next_token) })
    }
}

/// Ids are sent as a filter: as parameters they exclude paging, and one unknown id fails the call.
fn queried(call: DescribeImagesFluentBuilder, query: &ImageQuery) -> DescribeImagesFluentBuilder {
    match query {
        ImageQuery::Ids(ids) => call.filters(Filter::builder().name("image-id").set_values(Some(texts(ids))).build()),
        ImageQuery::Named(pattern) => {
            let name = Filter::builder().name("name").values(&pattern.name).build();
            call.set_owners(Some(pattern.owners.clone())).filters(name)
        }
    }
}

/// The first version that is still there although it was to be deleted: `(code, message)`.
fn left(items: &[ec2::DeleteLaunchTemplateVersionsResponseErrorItem]) -> Option<(String, String)> {
    items.iter().find_map(|item| {
        let error = item.response_error();
        let code = error.and_then(|error| error.code());
        if code.is_some_and(is_gone) {
            return None;
        }
        let number = item.version_number().map_or_else(|| "?".to_owned(), |number| number.to_string());
        let why = error.and_then(|error| error.message()).unwrap_or("no reason given");
        let code = code.map_or("unexpectedError", LaunchTemplateErrorCode::as_str);
        Some((code.to_owned(), format!("version {number}: {why}")))
    })
}

fn is_gone(code: &LaunchTemplateErrorCode) -> bool {
    use LaunchTemplateErrorCode as C;
    [C::LaunchTemplateVersionDoesNotExist, C::LaunchTemplateIdDoesNotExist, C::LaunchTemplateNameDoesNotExist]
        .contains(code)
}

/// The template is no more, or the only version that was to be deleted.
fn is_all_gone(failure: &Failure, versions: &[u64]) -> bool {
    let of_a_version = failure.code == "InvalidLaunchTemplateId.VersionNotFound";
    failure.kind == FailureKind::NotFound && (!of_a_version || versions.len() == 1)
}

fn by_image(image: &AmiId) -> Filter {
    Filter::builder().name("image-id").values(image.as_str()).build()
}

/// A filter that the other side does not know gives more than was asked for.
fn asked_for(query: &VersionQuery, mut versions: Vec<TemplateVersion>) -> Vec<TemplateVersion> {
    if let VersionQuery::WithImage(image) = query {
        versions.retain(|version| version.image.as_deref() == Some(image.as_str()));
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(
        number: i64,
        code: LaunchTemplateErrorCode,
        message: &str,
    ) -> ec2::DeleteLaunchTemplateVersionsResponseErrorItem {
        let error = ec2::ResponseError::builder().code(code).message(message).build();
        let item = ec2::DeleteLaunchTemplateVersionsResponseErrorItem::builder();
        item.launch_template_id("lt-1").version_number(number).response_error(error).build()
    }

    #[test]
    fn a_version_that_is_gone_is_deleted_and_one_that_stays_is_named() {
        use LaunchTemplateErrorCode as C;
        let gone = || item(3, C::LaunchTemplateVersionDoesNotExist, "no such version");
        let stays = || item(4, C::UnexpectedError, "it is the default version");
        let said = Some(("unexpectedError".to_owned(), "version 4: it is the default version".to_owned()));
        for (items, expected) in [
            (vec![], None),
            (vec![gone()], None),
            (vec![item(3, C::LaunchTemplateIdDoesNotExist, "no such template")], None),
            (vec![stays()], said.clone()),
            (vec![gone(), stays()], said),
        ] {
            assert_eq!(left(&items), expected, "{items:?}");
        }
    }

    #[test]
    fn an_error_of_the_whole_call_may_say_that_all_is_gone() {
        for (code, versions, gone) in [
            ("InvalidLaunchTemplateId.NotFound", vec![1, 2], true),
            ("InvalidLaunchTemplateId.VersionNotFound", vec![1], true),
            ("InvalidLaunchTemplateId.VersionNotFound", vec![1, 2], false),
            ("InvalidParameterValue", vec![1], false),
        ] {
            let failure = refused("DeleteLaunchTemplateVersions", code, "no".to_owned());
            assert_eq!(is_all_gone(&failure, &versions), gone, "{code} {versions:?}");
        }
    }
}
