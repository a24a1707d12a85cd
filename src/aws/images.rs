//! What a group launches: launch templates and their versions, images, and the parameters that name images.

use aws_sdk_ec2::types::{Filter, LaunchTemplateVersion, RequestLaunchTemplateData};

use super::Aws;
use super::convert::{id_or_name, images as convert, next_page, required, texts, token};
use super::error::failed;
use crate::effect::{Failure, Reply, TemplateVersion, VersionQuery};
use crate::id::{AmiId, PageToken, ParameterName, TemplateId};

/// What EC2 gives per page of template versions, at most.
const PAGE: i32 = 200;

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
            VersionQuery::WithImage(image) => call.max_results(PAGE).filters(by_image(image)),
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
            .launch_template_data(RequestLaunchTemplateData::builder().image_id(image.as_str()).build())
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

    pub(super) async fn describe_images(&self, ids: Vec<AmiId>) -> Result<Reply, Failure> {
        // By a filter, as an unknown id is no error there. Deprecated ones too: hosts go on running them.
        let filter = Filter::builder().name("image-id").set_values(Some(texts(&ids))).build();
        let call = self.ec2.describe_images().filters(filter).include_deprecated(true);
        let output = call.send().await.map_err(failed("DescribeImages"))?;
        let images = output.images.unwrap_or_default().into_iter().map(convert::image);
        Ok(Reply::Images(images.collect::<Result<_, _>>()?))
    }

    pub(super) async fn get_parameters(&self, names: Vec<ParameterName>) -> Result<Reply, Failure> {
        let call = self.ssm.get_parameters().set_names(Some(texts(&names)));
        let output = call.send().await.map_err(failed("GetParameters"))?;
        let found = output.parameters.unwrap_or_default().into_iter();
        let values = found.filter_map(|parameter| Some((parameter.name?.into(), parameter.value?))).collect();
        let invalid = output.invalid_parameters.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::Parameters { values, invalid })
    }
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
