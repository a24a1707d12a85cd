//! The vitals in Prometheus's text form. Labels are bounded: kinds, outcomes, operations, phases, waits, and the clusters
//! that have opted in.

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use strum::IntoEnumIterator as _;

use crate::engine::Mode;
use crate::engine::vitals::Vitals;
use crate::plan::outcome::Standing;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the durations that rotations are counted by, in seconds: from ten minutes to two days.
const DURATIONS: [f64; 8] = [600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hosts {
    cluster: String,
    phase: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Waits {
    cluster: String,
    waits_for: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Group {
    cluster: String,
    group: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rotation {
    cluster: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InMode {
    mode: &'static str,
}

/// # Errors
/// Never, in practice: it writes into a text.
pub fn text(vitals: &Vitals, now: Timestamp) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("ecs_rotator");
    register_mode(&mut registry, vitals.mode);
    register_queue(&mut registry, vitals, now);
    register_calls(&mut registry, vitals);
    register_clusters(&mut registry, vitals, now);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn register_mode(registry: &mut Registry, now: Mode) {
    let modes = Family::<InMode, Gauge>::default();
    for mode in Mode::iter() {
        modes.get_or_create(&InMode { mode: mode.word() }).set((mode == now).into());
    }
    put(registry, "mode", "1 for the mode of this worker", None, modes);
}

fn register_queue(registry: &mut Registry, vitals: &Vitals, now: Timestamp) {
    let messages = Family::<Outcome, Counter>::default();
    let counts = &vitals.messages;
    for (outcome, count) in [
        ("wake", counts.wakes),
        ("command", counts.commands),
        ("irrelevant", counts.irrelevant),
        ("malformed", counts.malformed),
    ] {
        messages.get_or_create(&Outcome { outcome }).inc_by(count);
    }
    put(registry, "messages", "Messages received, by what they were", None, messages);
    let age = "Age of the oldest message of the last receive";
    put(registry, "message_age", age, Some(Unit::Seconds), gauge(vitals.message_age));
    let since = |at: Option<Timestamp>| at.map_or(-1, |at| now.duration_since(at).as_secs());
    let poll = "Since the last receive that was answered with messages or none; -1: never";
    put(registry, "last_poll", poll, Some(Unit::Seconds), gauge(since(vitals.received)));
    let pass = "Since the last pass over a cluster ended; -1: never";
    put(registry, "last_pass", pass, Some(Unit::Seconds), gauge(since(vitals.passed)));
}

fn register_calls(registry: &mut Registry, vitals: &Vitals) {
    let calls = Family::<Call, Counter>::default();
    for ((operation, outcome), count) in &vitals.answers {
        calls.get_or_create(&Call { operation, outcome }).inc_by(*count);
    }
    put(registry, "requests", "Calls to AWS, by operation and outcome", None, calls);
    let durations = Histogram::new(DURATIONS);
    for seconds in &vitals.closed {
        durations.observe(*seconds);
    }
    let help = "Rotations that this worker has closed, from their opening";
    put(registry, "rotation_duration", help, Some(Unit::Seconds), durations);
}

fn register_clusters(registry: &mut Registry, vitals: &Vitals, now: Timestamp) {
    let hosts = Family::<Hosts, Gauge>::default();
    let waits = Family::<Waits, Gauge>::default();
    let rotations = Family::<Rotation, Gauge>::default();
    let patch_ages = Family::<Group, Gauge>::default();
    for (cluster, of) in &vitals.clusters {
        let cluster = cluster.to_string();
        for (phase, count) in &of.hosts {
            let labels = Hosts { cluster: cluster.clone(), phase: phase.to_string() };
            hosts.get_or_create(&labels).set((*count).into());
        }
        for (wait, count) in &of.waits {
            waits.get_or_create(&Waits { cluster: cluster.clone(), waits_for: wait.word() }).set((*count).into());
        }
        for (group, since) in &of.behind_since {
            let labels = Group { cluster: cluster.clone(), group: group.to_string() };
            patch_ages.get_or_create(&labels).set(now.duration_since(*since).as_secs().max(0));
        }
        if let Some(now) = of.rotation {
            for state in Standing::iter() {
                let labels = Rotation { cluster: cluster.clone(), state: state.word() };
                rotations.get_or_create(&labels).set((state == now).into());
            }
        }
    }
    put(registry, "hosts", "Hosts by phase, as of the last look", None, hosts);
    put(registry, "waits", "Hosts that wait, by what for", None, waits);
    let age = "How long a newer image has been out that does not run everywhere in a group";
    put(registry, "patch_age", age, Some(Unit::Seconds), patch_ages);
    put(registry, "rotation", "1 for the state that the cluster's rotation is in", None, rotations);
}

fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

fn put(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    metric: impl EncodeMetric + TypedMetric + std::fmt::Debug + Send + Sync + 'static,
) {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::vitals::{ClusterVitals, Messages};
    use crate::plan::host::Phase;
    use crate::plan::output::WaitsFor;
    use std::collections::BTreeMap;

    #[test]
    fn everything_is_in_the_text() {
        let prod = ClusterVitals {
            rotation: Some(Standing::ClosedWithGroupsSkipped),
            hosts: BTreeMap::from([(Phase::SetAside, 2)]),
            waits: BTreeMap::from([(WaitsFor::LastTask, 1)]),
            behind_since: BTreeMap::from([("web".into(), Timestamp::from_second(40).unwrap())]),
        };
        let vitals = Vitals {
            mode: Mode::Observe,
            received: Some(Timestamp::from_second(90).unwrap()),
            message_age: 7,
            messages: Messages { irrelevant: 5, ..Messages::default() },
            answers: BTreeMap::from([(("ListTasks", "throttled"), 3)]),
            closed: vec![700.0],
            clusters: BTreeMap::from([("prod".into(), prod)]),
            ..Vitals::default()
        };
        let text = text(&vitals, Timestamp::from_second(100).unwrap()).unwrap();
        for line in [
            r#"ecs_rotator_mode{mode="observe"} 1"#,
            r#"ecs_rotator_mode{mode="rotate"} 0"#,
            r#"ecs_rotator_messages_total{outcome="irrelevant"} 5"#,
            "ecs_rotator_message_age_seconds 7",
            "ecs_rotator_last_poll_seconds 10",
            "ecs_rotator_last_pass_seconds -1",
            r#"ecs_rotator_requests_total{operation="ListTasks",outcome="throttled"} 3"#,
            r#"ecs_rotator_rotation_duration_seconds_bucket{le="1800.0"} 1"#,
            r#"ecs_rotator_hosts{cluster="prod",phase="set-aside"} 2"#,
            r#"ecs_rotator_waits{cluster="prod",waits_for="last-task"} 1"#,
            r#"ecs_rotator_patch_age_seconds{cluster="prod",group="web"} 60"#,
            r#"ecs_rotator_rotation{cluster="prod",state="closed-with-groups-skipped"} 1"#,
            r#"ecs_rotator_rotation{cluster="prod",state="closed"} 0"#,
        ] {
            assert!(text.lines().any(|said| said == line), "no line `{line}` in\n{text}");
        }
    }
}
