//! Where a group's image comes from, as its tags say it.

use std::collections::BTreeSet;

use crate::effect::ImagePattern;
use crate::id::{AmiId, ParameterName};

/// What the group's tags say about where its image comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSource {
    /// `{arch}` in it stands for the architecture of the image in use.
    pub ami_parameter: Option<ParameterName>,
    /// The same in its name.
    pub ami_name: Option<ImagePattern>,
    /// The tag `OS`: a family.
    pub os: Option<String>,
    /// Images that failed here.
    pub rejected: BTreeSet<AmiId>,
}
