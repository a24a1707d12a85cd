//! SSM: the parameters that name images.

use super::Aws;
use super::convert::{parameters as convert, texts};
use super::error::failed;
use crate::effect::{Failure, Reply};
use crate::id::{AmiId, ParameterName};

impl Aws {
    /// Without decryption: a secret is nothing that could name an image, and its key is none of ours.
    pub(super) async fn get_parameters(&self, names: Vec<ParameterName>) -> Result<Reply, Failure> {
        let call = self.ssm.get_parameters().set_names(Some(texts(&names)));
        let output = call.send().await.map_err(failed("GetParameters"))?;
        let values = convert::as_asked(&names, &output.parameters.unwrap_or_default());
        let invalid = output.invalid_parameters.unwrap_or_default().into_iter().map(Into::into).collect();
        Ok(Reply::Parameters { values, invalid })
    }

    /// Without a type: SSM wants one for a new parameter only, so that one that is gone is refused and not made anew.
    pub(super) async fn put_parameter(
        &self,
        name: ParameterName,
        image: AmiId,
        data_type: Option<String>,
    ) -> Result<Reply, Failure> {
        let call = self.ssm.put_parameter().name(name.as_str()).value(image.as_str()).overwrite(true);
        call.set_data_type(data_type).send().await.map_err(failed("PutParameter"))?;
        Ok(Reply::Done)
    }
}
