//! How a line of the log says what it is about. Every line about a cluster carries `cluster`, and `rotation` while there is
//! one: so a rotation can be followed by its id, whichever worker wrote the line. `group` and `host` are there where it is
//! about one. The picture of a rotation is drawn from these lines ([`record`](crate::record)).

use std::collections::BTreeMap;

use jiff::Timestamp;
use tracing::field::display;

use crate::id::{ClusterName, GroupName, InstanceId};
use crate::plan::host::Phase;
use crate::plan::model::{ClusterView, Host, TaskWatch};
use crate::plan::rotation::RotationId;

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
        // Fields are worked out only where the line is wanted: a group may have to be looked for among all members.
        $crate::engine::say::say!(
            $level,
            view,
            group = host.and_then(|host| view.group_of(host)).map(tracing::field::display),
            host = host.map(tracing::field::display),
            $($rest)+
        );
    }};
}
pub(crate) use {say, say_host};

/// Says in the log what became of hosts, with what their groups had then.
pub struct Teller<'a> {
    view: &'a ClusterView,
    now: Timestamp,
    /// By group, as it is asked for.
    serving: BTreeMap<GroupName, u32>,
}

impl<'a> Teller<'a> {
    pub fn new(view: &'a ClusterView, now: Timestamp) -> Self {
        Self { view, now, serving: BTreeMap::new() }
    }

    pub fn tell(&mut self, id: &InstanceId, group: Option<&GroupName>, phase: Phase) {
        let (view, now) = (self.view, self.now);
        let serving = group.map(|group| *self.serving.entry(group.clone()).or_insert_with(|| view.serving(group, now)));
        let desired = group.and_then(|group| view.groups.get(group)).map(|group| group.facts.desired);
        let host = view.hosts.get(id);
        let watched = |host: &Host| host.watch.as_ref().map(TaskWatch::count_left);
        let tasks = host.filter(|_| phase == Phase::Draining);
        let tasks = tasks.map(|host| watched(host).unwrap_or(host.tasks_to_run() as usize));
        let image = host.and_then(Host::image).map(display);
        say!(info, view, group = group.map(display), host = %id, tasks, image, serving, desired, "{phase}");
    }

    /// Was it launched since then, and does it serve?
    pub fn has_come(&self, id: &InstanceId, since: Timestamp) -> bool {
        let host = self.view.hosts.get(id);
        host.is_some_and(|host| host.launched().is_some_and(|at| at >= since) && host.serves(self.now))
    }
}
