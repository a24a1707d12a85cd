//! The clusters: found, opted in, and is it clear what their hosts should run?

use super::facts::{Facts, Principal, Rest};
use super::{Area, Check, one_line};
use crate::effect::FailureKind;
use crate::plan::forecast::{Assumptions, Forecast, GroupForecast, Status, forecast};
use crate::plan::output::NO_SUCH_GROUP;
use crate::plan::published::Published;

pub(super) fn checks(facts: &Facts, rest: &Rest) -> Vec<Check> {
    let survey = &rest.survey;
    if let Some(failure) = &survey.failed {
        if failure.kind == FailureKind::AccessDenied && !is_worker(rest) {
            return vec![Area::Clusters.unseen("clusters", failure)];
        }
        let advice = match failure.kind {
            FailureKind::AccessDenied => "allow it; `ecs-rotator policy` prints all that the worker needs".to_owned(),
            FailureKind::Throttled
            | FailureKind::Transient
            | FailureKind::Credentials
            | FailureKind::NotFound
            | FailureKind::Refused => "run it again".to_owned(),
        };
        return vec![Area::Clusters.fail(
            "clusters",
            format!("{} failed: {}", failure.operation, failure.in_short()),
            advice,
        )];
    }
    let mut checks = Vec::new();
    for name in &survey.missing {
        let says = format!("not found in {}", facts.region);
        checks.push(Area::Clusters.fail(cluster(name), says, "check its name, AWS_REGION and the account"));
    }
    for (arn, found) in &survey.clusters {
        match (&found.failed, &found.view) {
            (None, Some(view)) => {
                let forecast = forecast(view, &found.policy, &Assumptions::default(), 0, facts.at);
                let settings = view.settings.as_deref().and_then(Published::read);
                checks.extend(of_cluster(&forecast, settings.as_ref(), &facts.settings.tag_prefix));
            }
            (why, _) => {
                let says = one_line(why.as_deref().unwrap_or("it was not looked at"));
                let name = cluster(&arn.name());
                checks.push(if is_worker(rest) {
                    Area::Clusters.fail(name, says, "a worker is stopped by the same")
                } else {
                    Area::Clusters.warn(name, says, "a worker with its own role may not be stopped by that")
                });
            }
        }
    }
    if checks.is_empty() {
        let tag = format!("{}enabled", facts.settings.tag_prefix);
        let says = format!("no cluster in {} has the tag {tag} = true, and none is named", facts.region);
        checks.push(Area::Clusters.fail("clusters", says, "tag a cluster, or name it by --cluster"));
    }
    checks
}

/// Whoever asks is the one that will have to work.
fn is_worker(rest: &Rest) -> bool {
    matches!(rest.principal, Principal::Tried { .. })
}

fn cluster(name: &impl ToString) -> String {
    format!("cluster {}", name.to_string())
}

fn of_cluster(forecast: &Forecast, settings: Option<&Published>, prefix: &str) -> Vec<Check> {
    let mut checks = vec![itself(forecast, settings, prefix)];
    let name = cluster(&forecast.cluster);
    checks.extend(forecast.without_effect.iter().map(|note| Area::Clusters.warn(&name, note, NO_EFFECT)));
    if forecast.enabled != Some(false) {
        checks.extend(forecast.groups.iter().flat_map(of_group));
    }
    checks
}

fn itself(forecast: &Forecast, settings: Option<&Published>, prefix: &str) -> Check {
    let name = cluster(&forecast.cluster);
    let hosts: usize = forecast.groups.iter().flat_map(|group| group.hosts.values()).sum();
    if forecast.enabled == Some(false) {
        let says = format!("its tag {prefix}enabled does not say `true`: it is left alone");
        return Area::Clusters.warn(
            name,
            says,
            "take the tag away, or let it say `true`, if it is meant to be rotated",
        );
    }
    if forecast.groups.is_empty() {
        let says = "no Auto Scaling group belongs to it: none of its capacity providers names one";
        return Area::Clusters.fail(name, says, "name its groups by --group-of CLUSTER=GROUP");
    }
    if let Some(group) = forecast.absent.first() {
        return Area::Clusters.fail(name, format!("group {group}: {NO_SUCH_GROUP}"), "check its name and AWS_REGION");
    }
    if let Some(hold) = &forecast.hold {
        let says = format!("its rotation is held: {}", one_line(hold));
        return Area::Clusters.warn(name, says, "put that right, then `ecs-rotator resume`");
    }
    let size = format!("{} groups, {hosts} hosts", forecast.groups.len());
    let Some(settings) = settings else {
        return if forecast.enabled == Some(true) {
            Area::Clusters.pass(name, format!("opted in by its tag, {size}"))
        } else {
            let says = format!("not opted in by its tag, {size}: only a worker that names it takes it");
            let advice = format!(
                "tag it {prefix}enabled = true, or name it in the worker's configuration (--cluster, ECS_ROTATOR_CLUSTERS)"
            );
            Area::Clusters.warn(name, says, advice)
        };
    };
    let by = if forecast.enabled == Some(true) {
        "opted in by its tag"
    } else {
        "not opted in by its tag, and taken by a worker that names it"
    };
    let version = &settings.version;
    Area::Clusters.pass(name, format!("{by}, {size}; the last worker, {version}, worked by {settings}"))
}

/// About a tag or a setting.
const NO_EFFECT: &str = "put it right or take it away: as it is, it does not do what it seems to";

fn of_group(group: &GroupForecast) -> Vec<Check> {
    let name = format!("group {}", group.group);
    let reason = one_line(group.reason.as_deref().unwrap_or_default());
    let mut checks = Vec::new();
    match group.status {
        Status::UpToDate | Status::Due => {
            let releases: Vec<String> =
                group.launches.iter().map(|launch| format!("{} by {}", launch.release.id, launch.from)).collect();
            checks.push(Area::Clusters.pass(&name, format!("its release is {}", releases.join("; "))));
        }
        Status::LeftAlone => {
            checks.push(Area::Clusters.warn(&name, format!("is left alone: {reason}"), "is it meant to be?"))
        }
        Status::Behind => {
            let advice = "publish a newer image, or clear its tag `rejected`, then `ecs-rotator rotate`";
            checks.push(Area::Clusters.warn(&name, format!("stays behind a newer image: {reason}"), advice));
        }
        Status::Unresolved => {
            let advice = "`ecs-rotator plan` shows the whole group; the README says where a release comes from";
            checks.push(Area::Clusters.fail(&name, format!("its release is not known: {reason}"), advice));
        }
    }
    let waits = group.stuck.iter().map(|why| {
        Area::Clusters.warn(&name, one_line(why), "nobody is admitted in this group until that has changed")
    });
    checks.extend(waits);
    checks.extend(group.without_effect.iter().map(|note| Area::Clusters.warn(&name, note, NO_EFFECT)));
    checks
}
