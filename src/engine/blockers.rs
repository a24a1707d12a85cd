//! Who keeps a drain from ending: the tasks that are left, then their services and whether they are protected. Three kinds of
//! calls about one host, one after the other; none of them can fail a pass.

use jiff::Timestamp;
use tracing::error;

use super::call::Purpose;
use super::cluster::ClusterState;
use super::context::Context;
use super::looks::further_calls;
use super::pass::Pass;
use super::say::say_host;
use crate::effect::{Failure, Reply, Request};
use crate::id::InstanceId;
use crate::plan::drain_report::Blockers;

impl Pass {
    pub(super) fn explained(
        &mut self,
        reply: Reply,
        id: &InstanceId,
        state: &mut ClusterState,
        context: &mut Context<'_>,
    ) {
        let Some(view) = self.target(state) else { return };
        let Some(host) = view.hosts.get_mut(id) else { return };
        let since = host.draining_since.or(host.watch.as_ref().map(|watch| watch.since));
        if let Reply::Tasks { tasks, .. } = reply {
            let blockers = Blockers::of(tasks, context.now);
            let calls = further_calls(&view.arn, &blockers);
            host.blockers = Some(blockers);
            let calls = calls.into_iter().map(|request| (Purpose::Blockers(id.clone()), request)).collect();
            self.send_all(calls, state, context);
            return;
        }
        let Some(blockers) = &mut host.blockers else { return };
        if let Reply::Services { services, .. } = reply {
            services.iter().for_each(|service| blockers.heard(service, since));
        } else if let Reply::ProtectedTasks(tasks) = reply {
            blockers.protected(&tasks);
        } else {
            error!("an answer of the wrong kind: this is a defect of ecs-rotator");
        }
    }

    /// Without the tasks nothing is known; without the rest, less.
    pub(super) fn unexplained(
        &mut self,
        failure: &Failure,
        id: &InstanceId,
        request: &Request,
        state: &mut ClusterState,
        now: Timestamp,
    ) {
        let Some(view) = self.target(state) else { return };
        say_host!(debug, &*view, Some(id), %failure, "not known what keeps its drain from ending");
        let Some(host) = view.hosts.get_mut(id) else { return };
        if matches!(request, Request::DescribeTasks { .. }) {
            host.blockers = Some(Blockers::unread(failure.to_string(), now));
        }
    }
}
