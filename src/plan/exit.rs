//! How a host leaves its group: by a detach, which goes without what the group does for a member that ends by itself.
//!
//! A detach takes a host out of the target groups and load balancers of the *group* at once, whatever still runs on it, and the
//! group's terminating lifecycle hooks are never called. (Target groups of ECS services are not touched by it: ECS takes a
//! task out of them when it stops.) A group with either is left alone, unless the operator accepts that.

use super::model::{ClusterView, GroupView, Look};
use crate::effect::LifecycleHook;
use crate::id::GroupName;

/// The hook by which ECS drains a member that its group ends. What it is for we do ourselves.
const MANAGED_DRAINING: &str = "ecs-managed-draining-termination-hook";

/// So many things of one kind are named.
const NAMED: usize = 3;

/// What stands in the way of a detach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    Free,
    /// It has not been asked yet.
    Lacks(Look),
    /// It would cost something that the operator has not accepted: what, and what to do.
    Costs(String),
}

pub fn check(view: &ClusterView, name: &GroupName, group: &GroupView) -> Exit {
    let accepted = group.policy.accept_detach;
    let sources: Vec<&str> = group.facts.traffic_sources.iter().map(|source| short(source)).collect();
    let Some(hooks) = view.hooks.get(name) else { return Exit::Lacks(Look::Hooks(name.clone())) };
    let skipped = |hook: &&LifecycleHook| hook.terminating && hook.name != MANAGED_DRAINING;
    let hooks: Vec<&str> = hooks.iter().filter(skipped).map(|hook| hook.name.as_str()).collect();
    let (mut costs, mut words) = (Vec::new(), Vec::new());
    if !sources.is_empty() && !accepted.load_balancers {
        costs.push(format!("takes its hosts out of traffic at once ({})", list(&sources)));
        words.push("load-balancers");
    }
    if !hooks.is_empty() && !accepted.hooks {
        costs.push(format!("does not run its terminating lifecycle hooks ({})", list(&hooks)));
        words.push("hooks");
    }
    if costs.is_empty() {
        return Exit::Free;
    }
    let (costs, words) = (costs.join(", and "), words.join(","));
    Exit::Costs(format!("a detach {costs}: left alone; to accept that, set `accept-detach` to `{words}`"))
}

/// The name of a target group in its ARN: `arn:aws:elasticloadbalancing:…:targetgroup/web/0123456789abcdef`
fn short(source: &str) -> &str {
    let of_group = source.split_once(":targetgroup/").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    of_group.unwrap_or(source)
}

/// `web, api, old +2`
fn list(names: &[&str]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED { format!("{named} +{}", names.len() - NAMED) } else { named }
}
