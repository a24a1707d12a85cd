//! What a message of the queue says: a command of a person or a schedule, or an event that EventBridge delivered.
//!
//! Events wake and never instruct, so an [`Event`] keeps only what tells *whom* to look at, and the few facts by which a
//! look can be spared (a status that is already known, a duplicate's version). Envelopes and details may carry any
//! number of further fields. Commands come from people: a field we do not know is a typo, and is refused by its name.

mod skim;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::effect::{ContainerInstanceStatus, InstanceState};
use crate::id::{ClusterArn, ContainerInstanceArn, GroupName, InstanceId, NamedCluster, ParameterName, TaskArn};

/// One message, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    Command(Command),
    Event(Event),
    /// Well-formed, and nothing to us: to be acknowledged.
    Irrelevant {
        reason: &'static str,
    },
    /// Not understood: to be left for the dead-letter queue.
    Malformed {
        reason: String,
    },
}

/// What a person or a schedule asks for.
///
/// ```json
/// {"action":"rotate","cluster":"prod","force":false,"groups":["web-asg"]}
/// {"action":"check-releases"}
/// {"action":"sweep"}
/// {"action":"pause","cluster":"prod"}
/// {"action":"resume","cluster":"prod"}
/// {"action":"abort","cluster":"prod"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Bring the cluster (or only these groups of it) to its releases; `force`: replace current hosts too.
    Rotate {
        #[serde(deserialize_with = "named_cluster")]
        cluster: NamedCluster,
        #[serde(default)]
        force: bool,
        #[serde(default, deserialize_with = "group_names")]
        groups: BTreeSet<GroupName>,
    },
    CheckReleases {},
    Sweep {},
    Pause {
        #[serde(deserialize_with = "named_cluster")]
        cluster: NamedCluster,
    },
    Resume {
        #[serde(deserialize_with = "named_cluster")]
        cluster: NamedCluster,
    },
    Abort {
        #[serde(deserialize_with = "named_cluster")]
        cluster: NamedCluster,
    },
}

/// An event of the account, cut to whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub account: String,
    pub region: String,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    ContainerInstance {
        cluster: ClusterArn,
        arn: ContainerInstanceArn,
        instance: Option<InstanceId>,
        status: ContainerInstanceStatus,
        agent_connected: bool,
        /// Rises with every change of this container instance; a duplicate has the same.
        version: u64,
    },
    TaskStopped {
        cluster: ClusterArn,
        container_instance: ContainerInstanceArn,
        task: TaskArn,
    },
    Parameter {
        name: ParameterName,
    },
    LaunchUnsuccessful {
        group: GroupName,
        message: String,
    },
    Instance {
        id: InstanceId,
        state: InstanceState,
    },
}

/// Understands the body of a message.
pub fn parse(body: &str) -> Parsed {
    match skim::envelope(body).map(parse_envelope) {
        Some(parsed @ (Parsed::Event(_) | Parsed::Irrelevant { .. })) => parsed,
        // A command, or something is wrong with it: then all that it says is read.
        Some(Parsed::Command(_) | Parsed::Malformed { .. }) | None => parse_whole(body),
    }
}

fn parse_whole(body: &str) -> Parsed {
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => return malformed(format!("not JSON: {error}")),
    };
    if value.get("action").is_some() {
        match serde_json::from_value(value) {
            Ok(command) => Parsed::Command(command),
            Err(error) => malformed(format!("not a command: {}", without_values(&error))),
        }
    } else if value.get("detail-type").is_some() {
        match Envelope::<Value>::deserialize(value) {
            Ok(envelope) => parse_envelope(envelope),
            Err(error) => malformed(format!("not an EventBridge envelope: {}", without_values(&error))),
        }
    } else {
        malformed("neither a command (no `action`) nor an event (no `detail-type`)".to_owned())
    }
}

/// EventBridge's envelope.
///
/// ```json
/// {"version":"0","id":"8f5e…","source":"aws.ecs","detail-type":"ECS Task State Change","account":"123456789012",
///  "time":"2026-01-14T03:00:00Z","region":"eu-west-1","resources":["arn:…"],"detail":{}}
/// ```
#[derive(Deserialize)]
struct Envelope<'a, D> {
    source: Cow<'a, str>,
    #[serde(rename = "detail-type")]
    detail_type: Cow<'a, str>,
    account: Cow<'a, str>,
    region: Cow<'a, str>,
    detail: D,
}

enum Detail {
    Kind(EventKind),
    Irrelevant(&'static str),
}

type Parser<D> = fn(D) -> Result<Detail, serde_json::Error>;

/// Which parser reads which detail.
fn parser<'de, D>(source: &str, detail_type: &str) -> Option<Parser<D>>
where
    D: Deserializer<'de, Error = serde_json::Error>,
{
    match (source, detail_type) {
        ("aws.ecs", "ECS Container Instance State Change") => Some(container_instance),
        ("aws.ecs", "ECS Task State Change") => Some(task),
        ("aws.ssm", "Parameter Store Change") => Some(parameter),
        ("aws.autoscaling", "EC2 Instance Launch Unsuccessful") => Some(launch_unsuccessful),
        ("aws.ec2", "EC2 Instance State-change Notification") => Some(instance),
        _ => None,
    }
}

fn parse_envelope<'de, D>(envelope: Envelope<'_, D>) -> Parsed
where
    D: Deserializer<'de, Error = serde_json::Error>,
{
    let Envelope { source, detail_type, account, region, detail } = envelope;
    let Some(parser) = parser(&source, &detail_type) else {
        return Parsed::Irrelevant { reason: "an event of a kind that no host's rotation depends on" };
    };
    match parser(detail) {
        Ok(Detail::Kind(kind)) => Parsed::Event(Event { account: account.into(), region: region.into(), kind }),
        Ok(Detail::Irrelevant(reason)) => Parsed::Irrelevant { reason },
        Err(error) => malformed(format!("{detail_type}: {}", without_values(&error))),
    }
}

fn malformed(reason: String) -> Parsed {
    Parsed::Malformed { reason }
}

/// What is wrong, for the log: the names that a typo is in, and no value of what somebody has sent.
fn without_values(error: &serde_json::Error) -> String {
    const LONGEST: usize = 200;
    let text = error.to_string();
    let said = match text.rsplit_once(", expected") {
        Some((found, expected)) if found.starts_with("invalid ") => {
            let kind = found.split('"').next().unwrap_or_default().trim_end();
            format!("{kind}, expected{expected}")
        }
        Some(_) | None => text,
    };
    said.chars().take(LONGEST).collect()
}

/// ```json
/// {"clusterArn":"arn:…:cluster/prod","containerInstanceArn":"arn:…:container-instance/prod/0a1b","ec2InstanceId":"i-0a1b",
///  "status":"ACTIVE","agentConnected":true,"version":14,"registeredResources":[],"remainingResources":[]}
/// ```
fn container_instance<'de, D: Deserializer<'de>>(detail: D) -> Result<Detail, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        cluster_arn: String,
        container_instance_arn: String,
        ec2_instance_id: Option<String>,
        #[serde(borrow)]
        status: Cow<'a, str>,
        agent_connected: bool,
        version: u64,
    }
    let body = Body::deserialize(detail)?;
    Ok(Detail::Kind(EventKind::ContainerInstance {
        cluster: body.cluster_arn.into(),
        arn: body.container_instance_arn.into(),
        instance: body.ec2_instance_id.map(InstanceId::new),
        status: ContainerInstanceStatus::from_aws(&body.status),
        agent_connected: body.agent_connected,
        version: body.version,
    }))
}

/// ```json
/// {"clusterArn":"arn:…:cluster/prod","containerInstanceArn":"arn:…:container-instance/prod/0a1b",
///  "taskArn":"arn:…:task/prod/9f8e","lastStatus":"STOPPED","desiredStatus":"STOPPED","group":"service:web","version":7}
/// ```
fn task<'de, D: Deserializer<'de>>(detail: D) -> Result<Detail, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        cluster_arn: String,
        container_instance_arn: Option<String>,
        task_arn: String,
        #[serde(borrow)]
        last_status: Cow<'a, str>,
    }
    let body = Body::deserialize(detail)?;
    if body.last_status != "STOPPED" {
        return Ok(Detail::Irrelevant("a task that has not stopped"));
    }
    let Some(container_instance) = body.container_instance_arn else {
        return Ok(Detail::Irrelevant("a task that ran on no container instance"));
    };
    Ok(Detail::Kind(EventKind::TaskStopped {
        cluster: body.cluster_arn.into(),
        container_instance: container_instance.into(),
        task: body.task_arn.into(),
    }))
}

/// ```json
/// {"operation":"Update","name":"/golden/al2023","type":"String","description":"the image of the month"}
/// ```
/// An `exception` says that the value was refused (data type `aws:ec2:image`): nothing has changed.
fn parameter<'de, D: Deserializer<'de>>(detail: D) -> Result<Detail, D::Error> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        operation: Cow<'a, str>,
        name: String,
        exception: Option<Value>,
    }
    let body = Body::deserialize(detail)?;
    if body.exception.is_some() {
        return Ok(Detail::Irrelevant("a parameter whose new value was refused"));
    }
    match body.operation.as_ref() {
        "Create" | "Update" => Ok(Detail::Kind(EventKind::Parameter { name: body.name.into() })),
        _ => Ok(Detail::Irrelevant("a parameter that got no new value")),
    }
}

/// ```json
/// {"AutoScalingGroupName":"web-asg","StatusCode":"Failed","StatusMessage":"We currently do not have sufficient … capacity"}
/// ```
fn launch_unsuccessful<'de, D: Deserializer<'de>>(detail: D) -> Result<Detail, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body {
        auto_scaling_group_name: String,
        #[serde(default)]
        status_message: String,
    }
    let body = Body::deserialize(detail)?;
    let (group, message) = (body.auto_scaling_group_name.into(), body.status_message);
    Ok(Detail::Kind(EventKind::LaunchUnsuccessful { group, message }))
}

/// ```json
/// {"instance-id":"i-0a1b","state":"terminated"}
/// ```
fn instance<'de, D: Deserializer<'de>>(detail: D) -> Result<Detail, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Body<'a> {
        instance_id: String,
        #[serde(borrow)]
        state: Cow<'a, str>,
    }
    let body = Body::deserialize(detail)?;
    Ok(match InstanceState::from_aws(&body.state) {
        Some(state) => Detail::Kind(EventKind::Instance { id: body.instance_id.into(), state }),
        None => Detail::Irrelevant("an instance state that is new to us"),
    })
}

/// An ARN is what people copy from the console.
fn named_cluster<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NamedCluster, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn group_names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<GroupName>, D::Error> {
    let names: Vec<String> =
        checked(deserializer, |names: &Vec<String>| names.iter().all(|name| !name.is_empty()), "names of groups")?;
    Ok(names.into_iter().map(GroupName::new).collect())
}

fn checked<'de, D, T>(deserializer: D, good: impl FnOnce(&T) -> bool, expected: &'static str) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = T::deserialize(deserializer)?;
    if good(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!("expected {expected}, got an empty one")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(source: &str, kind: &str, detail: &str) -> String {
        format!(
            r#"{{"version":"0","id":"1","source":"{source}","detail-type":"{kind}","account":"123456789012",
                "time":"2026-01-14T03:00:00Z","region":"eu-west-1","resources":[],"detail":{detail}}}"#
        )
    }

    fn kind_of(body: &str) -> EventKind {
        match parse(body) {
            Parsed::Event(event) => event.kind,
            other @ (Parsed::Command(_) | Parsed::Irrelevant { .. } | Parsed::Malformed { .. }) => {
                panic!("not an event: {other:?}")
            }
        }
    }

    fn reason_of(body: &str) -> String {
        match parse(body) {
            Parsed::Malformed { reason } => reason,
            other @ (Parsed::Command(_) | Parsed::Event(_) | Parsed::Irrelevant { .. }) => {
                panic!("not malformed: {other:?}")
            }
        }
    }

    #[test]
    fn commands_are_read_as_people_write_them() {
        assert_eq!(
            parse(r#"{"action":"rotate","cluster":"prod"}"#),
            Parsed::Command(Command::Rotate { cluster: "prod".into(), force: false, groups: BTreeSet::new() })
        );
        assert_eq!(
            parse(
                r#"{"action":"rotate","cluster":"arn:aws:ecs:eu-west-1:1:cluster/prod","force":true,"groups":["b","a"]}"#
            ),
            Parsed::Command(Command::Rotate {
                cluster: "arn:aws:ecs:eu-west-1:1:cluster/prod".parse().unwrap(),
                force: true,
                groups: ["a".into(), "b".into()].into()
            })
        );
        assert_eq!(parse(r#"{"action":"check-releases"}"#), Parsed::Command(Command::CheckReleases {}));
        assert_eq!(
            parse(r#"{"action":"pause","cluster":"prod"}"#),
            Parsed::Command(Command::Pause { cluster: "prod".into() })
        );
    }

    #[test]
    fn a_typo_in_a_command_is_named() {
        for (body, word) in [
            (r#"{"action":"rotate","cluster":"prod","forse":true}"#, "forse"),
            (r#"{"action":"sweep","cluster":"prod"}"#, "cluster"),
            (r#"{"action":"rotat","cluster":"prod"}"#, "rotat"),
            (r#"{"action":"rotate"}"#, "cluster"),
            (r#"{"action":"rotate","cluster":""}"#, "name or ARN of an ECS cluster"),
            (r#"{"action":"pause","cluster":"arn:aws:ecs:eu-west-1:1:cluster/"}"#, "name or ARN of an ECS cluster"),
            (
                r#"{"action":"pause","cluster":"arn:aws:ecs:eu-west-1:1:service/prod/web"}"#,
                "something else than an ECS cluster",
            ),
            (r#"{"action":"rotate","cluster":"prod","force":"yes"}"#, "string, expected a boolean"),
            (r#"{"action":7}"#, "7"),
        ] {
            let reason = reason_of(body);
            assert!(reason.contains(word), "{body}: {reason}");
        }
    }

    #[test]
    fn what_is_no_message_of_ours_is_malformed() {
        for body in ["", " ", "{", "null", "[]", "7", r#""rotate""#, "{}", r#"{"detail-type":"ECS Task State Change"}"#]
        {
            reason_of(body);
        }
        reason_of(&envelope("aws.ecs", "ECS Task State Change", "{}"));
        reason_of(&envelope("aws.ecs", "ECS Container Instance State Change", r#"{"version":"x"}"#));
        reason_of(&"x".repeat(200 * 1024));
    }

    #[test]
    fn a_container_instance_event_says_whom_it_is_about() {
        let detail = r#"{"clusterArn":"arn:c/prod","containerInstanceArn":"arn:ci/prod/1","ec2InstanceId":"i-1",
            "status":"DRAINING","agentConnected":false,"version":14,"attributes":[],"somethingNew":{"a":1}}"#;
        assert_eq!(
            kind_of(&envelope("aws.ecs", "ECS Container Instance State Change", detail)),
            EventKind::ContainerInstance {
                cluster: "arn:c/prod".into(),
                arn: "arn:ci/prod/1".into(),
                instance: Some("i-1".into()),
                status: ContainerInstanceStatus::Draining,
                agent_connected: false,
                version: 14,
            }
        );
    }

    #[test]
    fn only_a_stopped_task_of_a_host_is_relevant() {
        let body = |status: &str, host: &str| {
            let detail = format!(r#"{{"clusterArn":"c",{host}"taskArn":"t","lastStatus":"{status}"}}"#);
            parse(&envelope("aws.ecs", "ECS Task State Change", &detail))
        };
        assert!(matches!(body("STOPPED", r#""containerInstanceArn":"h","#), Parsed::Event(_)));
        assert!(matches!(body("RUNNING", r#""containerInstanceArn":"h","#), Parsed::Irrelevant { .. }));
        assert!(matches!(body("STOPPED", ""), Parsed::Irrelevant { .. }));
    }

    #[test]
    fn a_parameter_matters_only_when_it_has_a_new_value() {
        let body = |detail: &str| parse(&envelope("aws.ssm", "Parameter Store Change", detail));
        assert!(matches!(body(r#"{"operation":"Update","name":"/a"}"#), Parsed::Event(_)));
        assert!(matches!(body(r#"{"operation":"Create","name":"/a"}"#), Parsed::Event(_)));
        assert!(matches!(body(r#"{"operation":"Delete","name":"/a"}"#), Parsed::Irrelevant { .. }));
        assert!(matches!(body(r#"{"operation":"LabelParameterVersion","name":"/a"}"#), Parsed::Irrelevant { .. }));
        assert!(matches!(
            body(r#"{"operation":"Update","name":"/a","exception":"bad image"}"#),
            Parsed::Irrelevant { .. }
        ));
    }

    #[test]
    fn instances_and_failed_launches_are_read() {
        let detail = r#"{"instance-id":"i-1","state":"terminated"}"#;
        assert_eq!(
            kind_of(&envelope("aws.ec2", "EC2 Instance State-change Notification", detail)),
            EventKind::Instance { id: "i-1".into(), state: InstanceState::Terminated }
        );
        let detail = r#"{"AutoScalingGroupName":"web","StatusMessage":"no capacity"}"#;
        assert_eq!(
            kind_of(&envelope("aws.autoscaling", "EC2 Instance Launch Unsuccessful", detail)),
            EventKind::LaunchUnsuccessful { group: "web".into(), message: "no capacity".into() }
        );
    }

    #[test]
    fn an_event_of_another_kind_is_irrelevant() {
        assert!(matches!(parse(&envelope("aws.s3", "Object Created", "{}")), Parsed::Irrelevant { .. }));
        // The right kind from the wrong source is somebody else's.
        let forged = envelope("my.app", "Parameter Store Change", r#"{"operation":"Update","name":"/a"}"#);
        assert!(matches!(parse(&forged), Parsed::Irrelevant { .. }));
    }
}
