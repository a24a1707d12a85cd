//! ECS's services and the protection of their tasks.

use aws_sdk_ecs::types as ecs;

use super::{count, required, timestamp};
use crate::effect::{Failure, Service, ServiceEvent};
use crate::id::TaskArn;

/// ECS tells up to a hundred.
const EVENTS: usize = 10;

pub(in crate::aws) fn service(service: ecs::Service) -> Result<Service, Failure> {
    let daemon = service.scheduling_strategy == Some(ecs::SchedulingStrategy::Daemon);
    let fargate = on_fargate(&service);
    let distinct = service.placement_constraints();
    let distinct = distinct.iter().any(|c| c.r#type == Some(ecs::PlacementConstraintType::DistinctInstance));
    let events = events(service.events.unwrap_or_default());
    let (minimum, maximum) = percents(service.deployment_configuration.as_ref(), daemon);
    Ok(Service {
        name: required("DescribeServices", "serviceName", service.service_name)?,
        desired: count(service.desired_count),
        running: count(service.running_count),
        daemon,
        minimum_healthy_percent: minimum,
        maximum_percent: maximum,
        fargate,
        distinct,
        events,
    })
}

/// The newest first, as ECS tells them.
fn events(events: Vec<ecs::ServiceEvent>) -> Vec<ServiceEvent> {
    let mut events: Vec<ServiceEvent> = events
        .into_iter()
        .filter_map(|event| Some(ServiceEvent { at: timestamp(event.created_at.as_ref()?)?, message: event.message? }))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(EVENTS);
    events
}

/// Those of them that are protected.
pub(in crate::aws) fn protected(tasks: Vec<ecs::ProtectedTask>) -> Vec<TaskArn> {
    let protected = tasks.into_iter().filter(|task| task.protection_enabled);
    protected.filter_map(|task| task.task_arn).map(TaskArn::new).collect()
}

/// Minimum healthy and maximum. What is not said is the default of the API, which for a daemon is not that of the console.
fn percents(said: Option<&ecs::DeploymentConfiguration>, daemon: bool) -> (u32, u32) {
    let (minimum, maximum) = if daemon { (0, 100) } else { (100, 200) };
    (
        said.and_then(|said| said.minimum_healthy_percent).map_or(minimum, count),
        said.and_then(|said| said.maximum_percent).map_or(maximum, count),
    )
}

/// A service has a launch type, or a strategy of capacity providers and no launch type.
fn on_fargate(service: &ecs::Service) -> bool {
    if let Some(launch_type) = &service.launch_type {
        return *launch_type == ecs::LaunchType::Fargate;
    }
    let strategy = service.capacity_provider_strategy();
    let fargate = |item: &ecs::CapacityProviderStrategyItem| {
        matches!(item.capacity_provider.as_str(), "FARGATE" | "FARGATE_SPOT")
    };
    !strategy.is_empty() && strategy.iter().all(fargate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> aws_sdk_ecs::types::builders::ServiceBuilder {
        ecs::Service::builder().service_name("web").desired_count(4).running_count(3)
    }

    fn deployment(minimum: Option<i32>, maximum: Option<i32>) -> ecs::DeploymentConfiguration {
        let said = ecs::DeploymentConfiguration::builder();
        said.set_minimum_healthy_percent(minimum).set_maximum_percent(maximum).build()
    }

    #[test]
    fn percents_that_are_not_said_are_the_defaults_of_the_api() {
        use ecs::SchedulingStrategy::{Daemon, Replica};
        for (strategy, said, expected) in [
            (Replica, None, (100, 200)),
            (Replica, Some(deployment(None, None)), (100, 200)),
            (Replica, Some(deployment(Some(50), None)), (50, 200)),
            (Replica, Some(deployment(Some(0), Some(100))), (0, 100)),
            (Daemon, None, (0, 100)),
            (Daemon, Some(deployment(Some(50), None)), (50, 100)),
        ] {
            let case = format!("{strategy} {said:?}");
            let service = service(web().scheduling_strategy(strategy).set_deployment_configuration(said).build());
            let service = service.unwrap();
            assert_eq!((service.minimum_healthy_percent, service.maximum_percent), expected, "{case}");
        }
    }

    #[test]
    fn a_service_is_on_fargate_when_nothing_of_it_can_be_elsewhere() {
        let item = |name: &str| ecs::CapacityProviderStrategyItem::builder().capacity_provider(name).build().unwrap();
        let on = |providers: &[&str]| {
            let strategy = providers.iter().map(|name| item(name)).collect();
            web().set_capacity_provider_strategy(Some(strategy)).build()
        };
        for (of, fargate) in [
            (web().build(), false),
            (web().launch_type(ecs::LaunchType::Ec2).build(), false),
            (web().launch_type(ecs::LaunchType::External).build(), false),
            (web().launch_type(ecs::LaunchType::Fargate).build(), true),
            (on(&[]), false),
            (on(&["web-capacity"]), false),
            (on(&["FARGATE", "web-capacity"]), false),
            (on(&["FARGATE", "FARGATE_SPOT"]), true),
        ] {
            assert_eq!(on_fargate(&of), fargate, "{of:?}");
        }
    }

    #[test]
    fn a_service_is_cut_to_its_counts() {
        let of = service(web().scheduling_strategy(ecs::SchedulingStrategy::Daemon).build()).unwrap();
        assert_eq!((of.name.as_str(), of.desired, of.running, of.daemon), ("web", 4, 3, true));
        assert_eq!(service(ecs::Service::builder().build()).unwrap_err().code, "IncompleteAnswer");
    }

    #[test]
    fn what_a_service_said_last_stands_first() {
        use aws_sdk_ecs::primitives::DateTime;
        let event = |at: i64| {
            ecs::ServiceEvent::builder().created_at(DateTime::from_secs(at)).message(format!("said at {at}")).build()
        };
        let distinct = ecs::PlacementConstraint::builder().r#type(ecs::PlacementConstraintType::DistinctInstance);
        let told = (0..30).map(event).collect();
        let of = service(web().set_events(Some(told)).placement_constraints(distinct.build()).build()).unwrap();
        let said: Vec<&str> = of.events.iter().map(|event| event.message.as_str()).collect();
        assert_eq!((said.len(), said[0], of.distinct), (10, "said at 29", true));
        assert!(!service(web().build()).unwrap().distinct);
    }

    #[test]
    fn only_what_is_protected_is_told() {
        let task = |arn: &str, on| ecs::ProtectedTask::builder().task_arn(arn).protection_enabled(on).build();
        assert_eq!(protected(vec![task("a", true), task("b", false)]), [TaskArn::new("a")]);
    }
}
