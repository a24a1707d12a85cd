//! How a line of the log says what it is about. Every line about a cluster carries `cluster`, and `rotation` while there is
//! one: so a rotation can be followed by its id, whichever worker wrote the line. `group` and `host` are there where it is
//! about one. The picture of a rotation is drawn from these lines ([`record`](crate::record)).

use super::cluster::ClusterState;
use crate::id::ClusterName;
use crate::plan::model::ClusterView;
use crate::plan::tags::RotationId;

/// What a line can be about.
pub trait Subject {
    fn cluster(&self) -> ClusterName;
    fn rotation(&self) -> Option<&RotationId>;
}

impl Subject for ClusterView {
    fn cluster(&self) -> ClusterName {
        self.arn.name()
    }

    fn rotation(&self) -> Option<&RotationId> {
        self.rotation.as_ref().map(|rotation| &rotation.id)
    }
}

impl Subject for ClusterState {
    fn cluster(&self) -> ClusterName {
        self.name.clone()
    }

    fn rotation(&self) -> Option<&RotationId> {
        self.view.as_ref().and_then(Subject::rotation)
    }
}

/// `say!(warn, state, %group, why, "…")`: as `tracing`'s own, with the cluster and its rotation in front.
macro_rules! say {
    ($level:ident, $about:expr, $($rest:tt)+) => {{
        use $crate::engine::say::Subject as _;
        let about = $about;
        tracing::$level!(
            cluster = %about.cluster(),
            rotation = about.rotation().map(tracing::field::display),
            $($rest)+
        );
    }};
}

/// The same about one host, where it is about one, with the group that it is of. `say_host!(warn, view, Some(host), why, "…")`
macro_rules! say_host {
    ($level:ident, $view:expr, $host:expr, $($rest:tt)+) => {{
        let (view, host): (&$crate::plan::model::ClusterView, Option<&$crate::id::InstanceId>) = ($view, $host);
        let group = host.and_then(|host| view.group_of(host)).map(tracing::field::display);
        $crate::engine::say::say!($level, view, group, host = host.map(tracing::field::display), $($rest)+);
    }};
}
pub(crate) use {say, say_host};
