//! What answers do to a pass: facts into the view, acts into facts, failures into patience, blame or a hold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::error;

use super::absorb::FollowUp;
use super::call::Purpose;
use super::cluster::ClusterState;
use super::context::Context;
use super::pass::Pass;
use super::say::{say, say_host};
use super::{absorb, acts, news};
use crate::effect::{
    CallKind, ContainerInstanceStatus, Failure, FailureKind, Group, Reply, Request, VersionQuery, VersionRule,
};
use crate::id::{AmiId, InstanceId, PageToken, ParameterName, TaskArn, TemplateId};
use crate::plan::act::Act;
use crate::plan::made::made_from;
use crate::plan::model::{ClusterView, Look, Seen, TaskWatch};
use crate::plan::problem::{Problem, Refusal};
use crate::plan::timing::REFUSED_FOR;

/// A call about a host that AWS refuses so often, with time and looks in between, will be refused again.
const MOST_REFUSALS: u32 = 3;

impl Pass {
    /// Takes the answer to one of its calls.
    pub fn take(
        &mut self,
        purpose: Purpose,
        request: &Request,
        reply: Result<Reply, Failure>,
        state: &mut ClusterState,
        context: &mut Context<'_>,
    ) {
        self.outstanding = self.outstanding.saturating_sub(1);
        match (reply, purpose) {
            (Ok(reply), Purpose::Look { asked }) => self.absorb(reply, &asked, request, state, context),
            (Ok(reply), Purpose::Act(act)) => {
                self.acted = true;
                self.done(&act, reply, request, state, context);
            }
            (Ok(_), Purpose::Tags(change)) => {
                note_tags(request, state);
                state.answered(&change.answers, context.now);
                state.tags_written(*change, context.now);
                state.settings_written(context.settings);
            }
            (Ok(_), Purpose::Answers(answers)) => {
                note_tags(request, state);
                state.answered(&answers, context.now);
            }
            (Ok(_), Purpose::Settings) => {
                note_tags(request, state);
                state.settings_written(context.settings);
            }
            (Ok(reply), Purpose::Blockers(host)) => self.explained(reply, &host, state, context),
            (Err(failure), purpose) => self.refused(failure, purpose, request, state, context),
        }
    }

    fn absorb(
        &mut self,
        reply: Reply,
        asked: &[InstanceId],
        request: &Request,
        state: &mut ClusterState,
        context: &mut Context<'_>,
    ) {
        let mut follow_up = std::mem::take(&mut self.follow_up);
        let Some(view) = self.target(state) else { return };
        let next = absorb_reply(view, reply, asked, request, &mut follow_up, context);
        self.follow_up = follow_up;
        if let Some(next) = next {
            self.send(Purpose::Look { asked: asked.to_vec() }, next, state, context);
        }
    }

    fn done(&mut self, act: &Act, reply: Reply, request: &Request, state: &mut ClusterState, context: &Context<'_>) {
        let Some(view) = state.view.as_mut() else { return };
        match (act, reply) {
            (Act::Drain { hosts } | Act::Activate { hosts }, Reply::ContainerInstances { instances, failures }) => {
                let mut nothing = FollowUp::default();
                let before: BTreeMap<InstanceId, u32> = counts(view, hosts).collect();
                absorb::container_instances(view, instances, &[], &[], context.now, &mut nothing);
                for failure in failures {
                    let id = view.host_of(&failure.item.as_str().into()).cloned();
                    say_host!(warn, &*view, id.as_ref(), why = failure.reason, "its status is not changed");
                    // It is not what we took it for: look again before anything else is done to it.
                    let Some(id) = id else { continue };
                    view.looked.remove(&Look::Host(id.clone()));
                    if let Some(host) = view.hosts.get_mut(&id) {
                        host.container = Seen::Unknown;
                    }
                }
                let activated = matches!(act, Act::Activate { .. });
                for host in hosts.iter().filter(|_| activated) {
                    if let Some(host) = view.hosts.get_mut(host) {
                        host.activated = host.status() == Some(ContainerInstanceStatus::Active);
                    }
                }
                if matches!(act, Act::Drain { .. }) {
                    begin_watch(view, &before, context.now);
                }
                say!(debug, &*view, hosts = hosts.len(), operation = request.operation(), "asked for");
            }
            (Act::MakeVersion { .. }, Reply::TemplateVersion(version)) => {
                acts::version_made(view, act, version);
            }
            (act, _) => {
                tell(view, act);
                tell_forced(view, act);
                state.news.extend(news::of_act(act, view, &mut state.replaced, context.now));
                acts::done(act, request, view, context.tags, context.now);
            }
        }
    }

    fn refused(
        &mut self,
        failure: Failure,
        purpose: Purpose,
        request: &Request,
        state: &mut ClusterState,
        context: &mut Context<'_>,
    ) {
        if let Purpose::Blockers(host) = &purpose {
            return self.unexplained(&failure, host, request, state, context.now);
        }
        if request.kind() == CallKind::BestEffortRead {
            if let Some(view) = self.target(state) {
                view.tenants.unread.push(failure.to_string());
            }
            return;
        }
        if let Request::DescribeScalingActivities { group } = request {
            say!(debug, &*state, %group, %failure, "why its launches fail is not known");
            if let Some(view) = self.target(state) {
                absorb::activities(view, group, Vec::new(), context.now);
            }
            return;
        }
        if request.kind() == CallKind::AdvisoryRead && is_no(&failure) {
            self.not_told(&failure, state, context.now);
            return;
        }
        match (failure.kind, purpose) {
            (_, Purpose::Blockers(_)) => {}
            (FailureKind::Throttled | FailureKind::Transient | FailureKind::Credentials, _) => {
                self.failed = Some(failure)
            }
            // Nothing hangs on it but tidiness.
            (
                FailureKind::AccessDenied | FailureKind::NotFound | FailureKind::Refused,
                Purpose::Act(Act::Prune { template, .. }),
            ) => {
                say!(warn, &*state, %template, %failure, "old template versions stay");
                if let Some(view) = state.view.as_mut() {
                    view.unprunable.insert(template);
                }
            }
            (FailureKind::AccessDenied, Purpose::Act(act)) => {
                // It may be one of them: a tag that IAM does not see yet.
                if self.singly(&act, state, context) {
                    return;
                }
                say!(warn, &*state, %failure, "not allowed");
                self.deny(&failure, act.hosts().into_iter().collect());
            }
            (FailureKind::AccessDenied, Purpose::Tags(_)) => {
                state.cannot_tell = true;
                self.failed = Some(failure);
            }
            (FailureKind::NotFound | FailureKind::Refused, Purpose::Act(act)) => {
                self.act_refused(failure, &act, state, context);
            }
            (FailureKind::AccessDenied | FailureKind::NotFound | FailureKind::Refused, Purpose::Look { .. }) => {
                self.look_refused(failure, request, state, context);
            }
            (FailureKind::NotFound | FailureKind::Refused, Purpose::Tags(_)) => self.failed = Some(failure),
            (
                FailureKind::AccessDenied | FailureKind::NotFound | FailureKind::Refused,
                Purpose::Answers(_) | Purpose::Settings,
            ) => self.not_left(&failure, state),
        }
    }

    /// Whether others are at work cannot be asked: said once, and not asked again for a while.
    fn not_told(&mut self, failure: &Failure, state: &mut ClusterState, now: Timestamp) {
        let Some(view) = self.target(state) else { return };
        if view.others.cannot_tell(now) {
            say!(warn, &*view, %failure, "cannot tell whether an instance refresh is under way: taken for no");
        }
    }

    /// Tries a batch host by host; false: it is none.
    fn singly(&mut self, act: &Act, state: &mut ClusterState, context: &mut Context<'_>) -> bool {
        let Some(view) = state.view.as_mut().filter(|_| act.hosts().len() > 1) else { return false };
        let calls: Vec<_> =
            act.split().into_iter().flat_map(|act| acts::requests(act, view, context.tags, context.now)).collect();
        let is_batch = !calls.is_empty();
        self.send_all(calls, state, context);
        is_batch
    }

    /// One permission for several hosts is one problem.
    fn deny(&mut self, failure: &Failure, mut hosts: BTreeSet<InstanceId>) {
        let (operation, why) = (failure.operation.to_owned(), said(failure));
        self.denied.retain(|problem| {
            let Problem::NotAllowed { operation: other, why: its, hosts: known } = problem else { return true };
            let same = *other == operation && *its == why;
            if same {
                hosts.extend(known.iter().cloned());
            }
            !same
        });
        self.denied.insert(Problem::NotAllowed { operation, why, hosts });
    }

    /// A batch is tried host by host; a host refused is looked at anew, and given up after some times.
    fn act_refused(&mut self, failure: Failure, act: &Act, state: &mut ClusterState, context: &mut Context<'_>) {
        if self.singly(act, state, context) {
            return;
        }
        let hosts = act.hosts();
        let Some(view) = state.view.as_mut() else { return };
        say_host!(warn, &*view, hosts.first(), %failure, "refused");
        let Some(id) = hosts.into_iter().next() else {
            // Only acts on templates are about no host.
            self.denied.insert(Problem::TemplateRefused { refusal: refusal(&failure) });
            return;
        };
        let group = view.membership(&id).map(|(group, _)| group.clone());
        let looks = [Look::Host(id.clone()), Look::Instance(id.clone())].into_iter().chain(group.map(Look::Group));
        for look in looks {
            view.looked.remove(&look);
            self.errand.looks.insert(look);
        }
        let Some(host) = view.hosts.get_mut(&id) else { return };
        if matches!(act, Act::Deregister { .. }) {
            // A task is left after all: watched from the beginning.
            host.watch = None;
            return;
        }
        // Of several calls at once (each task of a host is told to stop by one of its own) it is one refusal.
        if host.refused.is_none_or(|refused| context.now >= refused + REFUSED_FOR) {
            host.refusals += 1;
        }
        host.refused = Some(context.now);
        if host.refusals >= MOST_REFUSALS {
            host.problem = Some(refusal(&failure));
        }
    }

    fn look_refused(
        &mut self,
        failure: Failure,
        request: &Request,
        state: &mut ClusterState,
        context: &mut Context<'_>,
    ) {
        let Some(view) = self.target(state) else { return };
        if let Request::DescribeLaunchTemplateVersions { template, query, .. } = request {
            match query {
                // One of ours that cannot be read yet: a version never changes, so it is known all the same.
                VersionQuery::InUse(VersionRule::Number(number)) if is_known(view, template, *number) => {}
                VersionQuery::InUse(rule) => {
                    view.templates.insert((template.clone(), *rule), Err(failure.message));
                }
                VersionQuery::WithImage(_) => blame_template(view, template, &failure),
                VersionQuery::All => {
                    view.unprunable.insert(template.clone());
                }
            }
        } else if let Request::GetParameters { names } = request {
            if let [name] = names.as_slice() {
                view.parameters.insert(name.clone(), Err(failure.message));
                return;
            }
            // One bad name fails its whole batch: which one?
            let single = |name: &ParameterName| Request::GetParameters { names: vec![name.clone()] };
            let calls = names.iter().map(|name| (Purpose::Look { asked: Vec::new() }, single(name))).collect();
            self.send_all(calls, state, context);
        } else {
            if failure.kind == FailureKind::AccessDenied {
                let (operation, why) = (failure.operation.to_owned(), said(&failure));
                self.blind = Some(Problem::NotAllowed { operation, why, hosts: BTreeSet::new() });
            }
            self.failed = Some(failure);
        }
    }
}

/// What a call has written on the cluster is what the next one finds there.
fn note_tags(request: &Request, state: &mut ClusterState) {
    if let (Some(view), Request::TagResource { tags, .. }) = (&mut state.view, request) {
        view.tags.extend(tags.clone());
    }
}

fn counts<'a>(view: &'a ClusterView, hosts: &'a BTreeSet<InstanceId>) -> impl Iterator<Item = (InstanceId, u32)> + 'a {
    hosts.iter().filter_map(|id| Some((id.clone(), view.hosts.get(id)?.tasks_to_run())))
}

/// The answer to a drain says how many tasks were on a host in the moment in which no more could come to it.
fn begin_watch(view: &mut ClusterView, before: &BTreeMap<InstanceId, u32>, now: Timestamp) {
    for (id, before) in before {
        let Some(host) = view.hosts.get_mut(id) else { continue };
        if host.watch.is_none() && host.status() == Some(ContainerInstanceStatus::Draining) {
            host.watch = Some(TaskWatch::counted(host.tasks_to_run(), *before, now));
        }
    }
}

/// What people will want to find in the log.
fn tell(view: &ClusterView, act: &Act) {
    if let Act::Reject { group, images, why } = act {
        let images = images.iter().map(AmiId::as_str).collect::<Vec<_>>().join(" ");
        say!(warn, view, %group, images, why, "image rejected: it is not tried again here");
    }
    if let Act::GiveBack { host, give_back } = act {
        let instead = give_back.instead.as_ref().map_or("nobody", InstanceId::as_str);
        say_host!(warn, view, Some(host), instead, desired = give_back.desired, "goes back to its group");
    }
    if let Act::StopTasks { host, tasks, why } = act {
        for task in tasks {
            say_host!(warn, view, Some(host), %task, why, "task told to stop");
        }
    }
}

/// A host that goes although a task on it has not stopped goes by force.
fn tell_forced(view: &ClusterView, act: &Act) {
    let Act::Terminate { hosts } = act else { return };
    for (id, host) in hosts.iter().filter_map(|id| view.hosts.get_key_value(id)) {
        if host.status() == Some(ContainerInstanceStatus::Draining) {
            let left = host.watch.as_ref().map_or(0, TaskWatch::count_left);
            say_host!(
                warn,
                view,
                Some(id),
                tasks = left,
                "terminated by force: its tasks were told to stop and have not"
            );
        }
    }
}

fn is_known(view: &ClusterView, template: &TemplateId, number: u64) -> bool {
    let in_use = view.templates.get(&(template.clone(), VersionRule::Number(number)));
    in_use.is_some_and(|version| version.as_ref().is_ok_and(|version| made_from(version).is_some()))
}

/// Is it AWS's answer that this cannot be asked: not by us, or not here?
fn is_no(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::AccessDenied | FailureKind::NotFound | FailureKind::Refused => true,
        FailureKind::Transient => failure.is_answer(),
        FailureKind::Throttled | FailureKind::Credentials => false,
    }
}

/// How a denied call is told in a hold: EC2 adds a text that is for those who may decode it.
fn said(failure: &Failure) -> String {
    failure.message.split(" Encoded authorization failure").next().unwrap_or_default().to_owned()
}

fn refusal(failure: &Failure) -> Refusal {
    let Failure { operation, code, message, .. } = failure;
    Refusal { operation: (*operation).to_owned(), code: code.clone(), message: message.clone() }
}

/// Groups on this template cannot be brought to their release.
fn blame_template(view: &mut ClusterView, template: &TemplateId, failure: &Failure) {
    for group in view.groups.values_mut() {
        if group.facts.launch.templates().iter().any(|spec| spec.template == *template) {
            group.problem = Some(failure.to_string());
        }
    }
}

/// Writes an answer into the view; returns the call for its next page.
#[expect(clippy::too_many_lines, reason = "a flat match with one arm for each reply")]
fn absorb_reply(
    view: &mut ClusterView,
    reply: Reply,
    asked: &[InstanceId],
    request: &Request,
    follow_up: &mut FollowUp,
    context: &Context<'_>,
) -> Option<Request> {
    let next = match reply {
        Reply::Clusters { clusters, .. } => {
            for facts in clusters {
                absorb::cluster(view, facts, context.settings, context.tags, context.now);
            }
            None
        }
        Reply::CapacityProviders { providers, .. } => {
            view.belonging.extend(providers.into_iter().filter_map(|provider| provider.group));
            None
        }
        Reply::ContainerInstanceArns { arns, next } => {
            if arns.is_empty() && next.is_none() {
                absorb::container_instances(view, Vec::new(), &[], asked, context.now, follow_up);
            }
            follow_up.asked.extend(asked.iter().cloned());
            follow_up.hosts.extend(arns);
            next
        }
        Reply::ContainerInstances { instances, failures } => {
            absorb::container_instances(view, instances, &failures, asked, context.now, follow_up);
            None
        }
        Reply::Groups { groups, next } => {
            absorb_groups(view, groups, request, context);
            next
        }
        Reply::Activities(list) => {
            if let Request::DescribeScalingActivities { group } = request {
                absorb::activities(view, group, list, context.now);
            }
            None
        }
        Reply::Instances { instances, next } => {
            let all_here = next.is_none() && matches!(request, Request::DescribeInstances { page: None, .. });
            absorb::instances(view, instances, if all_here { asked } else { &[] }, context.tags, context.now);
            next
        }
        Reply::TemplateVersions { versions, next } => {
            if let Request::DescribeLaunchTemplateVersions { template, query, page } = request {
                absorb::template_versions(view, query, template, versions, page.is_none());
            }
            next
        }
        Reply::Images { images, next } => {
            absorb::images(view, request, images);
            next
        }
        Reply::Parameters { values, invalid } => {
            absorb::parameters(view, request, values, invalid);
            None
        }
        Reply::LifecycleHooks(hooks) => {
            if let Request::DescribeLifecycleHooks { group } = request {
                view.hooks.insert(group.clone(), hooks);
            }
            None
        }
        of_others @ (Reply::InstanceRefreshes(_) | Reply::Alarms(_)) => {
            absorb_others(view, of_others, request, context.now);
            None
        }
        of_tenants @ (Reply::TaskArns { .. }
        | Reply::Tasks { .. }
        | Reply::ServiceArns { .. }
        | Reply::Services { .. }
        | Reply::ProtectedTasks(_)) => absorb_tenants(view, of_tenants, request, follow_up, context.now),
        Reply::Messages(_)
        | Reply::ClusterArns { .. }
        | Reply::TemplateVersion(_)
        | Reply::SelfLocation(_)
        | Reply::QueueBatch { .. }
        | Reply::NoticesPut { .. }
        | Reply::Done => {
            error!(operation = request.operation(), "an answer of the wrong kind: this is a defect of ecs-rotator");
            None
        }
    };
    next.map(|page| request.for_page(page))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only one request asks for everybody")]
fn absorb_groups(view: &mut ClusterView, groups: Vec<Group>, request: &Request, context: &Context<'_>) {
    match request {
        Request::DescribeAutoScalingGroups { names, page } if names.is_empty() => {
            absorb::anybody(view, &groups, page.is_none(), &context.neighbours);
        }
        _ => {
            for facts in groups {
                absorb::group(view, facts, context.settings, context.tags, &context.neighbours, context.now);
            }
        }
    }
}

/// Answers about what others are at.
fn absorb_others(view: &mut ClusterView, reply: Reply, request: &Request, now: Timestamp) {
    match (reply, request) {
        (Reply::InstanceRefreshes(refreshes), Request::DescribeInstanceRefreshes { group }) => {
            view.others.take_refreshes(group, refreshes, now);
        }
        (Reply::Alarms(states), Request::DescribeAlarms { names }) => view.others.take_alarms(names, &states),
        _ => {}
    }
}

/// Answers about tasks and services.
#[expect(clippy::wildcard_enum_match_arm, reason = "its caller names every other kind")]
fn absorb_tenants(
    view: &mut ClusterView,
    reply: Reply,
    request: &Request,
    follow_up: &mut FollowUp,
    now: Timestamp,
) -> Option<PageToken> {
    match reply {
        Reply::TaskArns { arns, next } => {
            task_page(view, request, arns, next.is_none(), follow_up, now);
            next
        }
        Reply::Tasks { tasks, failures } => {
            absorb::tasks(view, &tasks, &failures, now);
            if view.has_looked(&Look::AllTasks) {
                absorb::tenants(view, tasks, follow_up);
            }
            None
        }
        Reply::ServiceArns { arns, next } => {
            follow_up.services.extend(arns);
            next
        }
        Reply::Services { services, .. } => {
            view.tenants.services.extend(services);
            None
        }
        Reply::ProtectedTasks(arns) => {
            view.tenants.protected.extend(arns);
            None
        }
        _ => None,
    }
}

/// Keeps the pages of a list of tasks until it is whole.
fn task_page(
    view: &mut ClusterView,
    request: &Request,
    arns: Vec<TaskArn>,
    last: bool,
    follow_up: &mut FollowUp,
    now: Timestamp,
) {
    let Request::ListTasks { container_instance, desired, .. } = request else { return };
    let Some(container_instance) = container_instance else {
        follow_up.tasks.extend(arns);
        return;
    };
    let mut list = follow_up.half_lists.remove(container_instance).unwrap_or_default();
    list.extend(arns);
    if last {
        absorb::task_list(view, container_instance, *desired, list, now, follow_up);
    } else {
        follow_up.half_lists.insert(container_instance.clone(), list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{ContainerInstance, ItemFailure};
    use crate::engine::ownership::{Neighbours, Owners};
    use crate::engine::settings::Settings;
    use crate::engine::wire::Wire;
    use crate::plan::model::Host;
    use crate::plan::tags::Tags;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const ARN: &str = "arn:aws:ecs:r:1:container-instance/c/1";

    /// A host that drains, and has been looked at; with a watch.
    fn state() -> ClusterState {
        let mut state = ClusterState::new("arn:aws:ecs:r:1:cluster/c".into());
        let mut view = ClusterView::blank(state.arn.clone(), None);
        let container = ContainerInstance {
            arn: ARN.into(),
            instance: Some("i-1".into()),
            status: ContainerInstanceStatus::Draining,
            agent_connected: true,
            running_tasks: 0,
            pending_tasks: 0,
            image: None,
            zone: None,
            registered: None,
            whole: None,
            free: None,
        };
        let watch = Some(TaskWatch::new(std::iter::empty(), NOW));
        let host = Host { container: Seen::Here(container), arn: Some(ARN.into()), watch, ..Host::default() };
        view.hosts.insert("i-1".into(), host);
        view.containers.insert("1".to_owned(), "i-1".into());
        view.looked.insert(Look::Host("i-1".into()), NOW);
        state.view = Some(view);
        state
    }

    /// What an answer to an act does.
    fn taken(act: Act, reply: Result<Reply, Failure>) -> (ClusterState, Pass) {
        let (mut state, mut pass, mut wire) =
            (state(), Pass::new(super::super::errand::Errand::default()), Wire::default());
        let (owners, settings, tags) = (Owners::new(), Settings::default(), Tags::new("t:"));
        let neighbours = Neighbours { owners: &owners, all: true };
        let mut context =
            Context { neighbours, settings: &settings, tags: &tags, worker: &None, wire: &mut wire, now: NOW };
        let view = state.view.as_ref().unwrap();
        let (purpose, request) = acts::requests(act, view, &tags, NOW).remove(0);
        pass.take(purpose, &request, reply, &mut state, &mut context);
        (state, pass)
    }

    fn refused(operation: &'static str) -> Failure {
        Failure {
            kind: FailureKind::Refused,
            operation,
            code: "ClientException".to_owned(),
            message: "no".to_owned(),
            request_id: None,
        }
    }

    #[test]
    fn a_host_whose_drain_is_refused_is_looked_at_anew() {
        let missing = ItemFailure { item: ARN.to_owned(), reason: "MISSING".to_owned() };
        let reply = Reply::ContainerInstances { instances: Vec::new(), failures: vec![missing] };
        let (state, _) = taken(Act::Drain { hosts: BTreeSet::from(["i-1".into()]) }, Ok(reply));
        let view = state.view.unwrap();
        assert_eq!(view.hosts[&InstanceId::from("i-1")].container, Seen::Unknown);
        assert!(!view.has_looked(&Look::Host("i-1".into())));
    }

    #[test]
    fn a_host_whose_deregistration_is_refused_is_watched_from_the_beginning() {
        let act = Act::Deregister { host: "i-1".into() };
        let (state, pass) = taken(act, Err(refused("DeregisterContainerInstance")));
        let view = state.view.unwrap();
        let host = &view.hosts[&InstanceId::from("i-1")];
        assert_eq!((&host.watch, host.refusals, &host.problem), (&None, 0, &None));
        let looks = BTreeSet::from([Look::Host("i-1".into()), Look::Instance("i-1".into())]);
        assert_eq!(pass.errand.looks, looks);
    }

    #[test]
    fn a_host_about_which_a_call_is_refused_once_is_no_problem_yet() {
        let act = || Act::Terminate { hosts: BTreeSet::from(["i-1".into()]) };
        let (state, _) = taken(act(), Err(refused("TerminateInstances")));
        let host = &state.view.unwrap().hosts[&InstanceId::from("i-1")];
        assert_eq!((host.refusals, host.refused, &host.problem), (1, Some(NOW), &None));
    }
}
