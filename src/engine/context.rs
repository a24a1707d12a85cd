//! What a pass may use of the engine.

use jiff::Timestamp;

use super::ownership::Neighbours;
use super::settings::Settings;
use super::wire::Wire;
use crate::id::ContainerInstanceArn;
use crate::plan::tags::Tags;

/// What a pass may use of the engine.
pub(crate) struct Context<'a> {
    pub(super) neighbours: Neighbours<'a>,
    pub(super) settings: &'a Settings,
    pub(super) tags: &'a Tags,
    pub(super) worker: &'a Option<ContainerInstanceArn>,
    pub(super) wire: &'a mut Wire,
    pub(super) now: Timestamp,
}
