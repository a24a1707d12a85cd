//! What EventBridge puts into the queue, in the envelopes it uses, and what becomes of it on the way.

use serde_json::{Value, json};

use super::account::{ACCOUNT, HostNo, Owner, REGION, TaskNo};
use super::{Physics, World};
use crate::effect::{ContainerInstanceStatus, TaskStatus};
use crate::id::{GroupName, ParameterName};
use crate::sim::chance::Delay;

const OVERTAKEN: Delay = Delay::secs(2, 30);
const LATE: Delay = Delay::secs(60, 600);

impl World {
    fn emit(&mut self, detail_type: &str, source: &str, resources: Value, detail: Value) {
        let faults = &self.scenario.faults;
        self.mishaps.events += 1;
        if self.events.hit(faults.events_lost) {
            self.mishaps.events_lost += 1;
            return;
        }
        let body = self.envelope(detail_type, source, resources, detail).to_string();
        if self.events.hit(self.scenario.faults.events_doubled) {
            self.mishaps.events_doubled += 1;
            self.deliver(body.clone());
        }
        self.deliver(body);
    }

    fn deliver(&mut self, body: String) {
        let faults = &self.scenario.faults;
        let (late, overtaken) = (faults.events_late, faults.events_reordered);
        let delay = match () {
            () if self.events.hit(late) => LATE,
            () if self.events.hit(overtaken) => OVERTAKEN,
            () => self.scenario.event_delay,
        };
        self.mishaps.events_late += u64::from(delay != self.scenario.event_delay);
        let at = self.now + self.events.delay(delay);
        self.agenda.put(at, Physics::Deliver(body));
    }

    fn envelope(&mut self, detail_type: &str, source: &str, resources: Value, detail: Value) -> Value {
        let id = self.events.number();
        json!({
            "version": "0",
            "id": format!("{:08x}-0000-4000-8000-{:012x}", id >> 32, id & 0xffff_ffff),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": format!("{:.0}", self.now),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        })
    }

    /// `ECS Container Instance State Change`: at every change of it, and whenever a task starts or stops there.
    pub(super) fn emit_host(&mut self, no: HostNo) {
        let Some(host) = self.account.host(no) else { return };
        let Some(agent) = host.agent else { return };
        let arn = no.agent(&host.cluster);
        let used = self.account.tasks_on(no).filter(|(_, task)| !task.is_over()).count();
        let status = match agent.status {
            ContainerInstanceStatus::Active => "ACTIVE",
            ContainerInstanceStatus::Draining => "DRAINING",
            ContainerInstanceStatus::Deregistering => "DEREGISTERING",
            ContainerInstanceStatus::Inactive => "INACTIVE",
            ContainerInstanceStatus::Other => "REGISTERING",
        };
        let version = self.versions.entry(no).or_insert(2);
        *version += 1;
        let resource = |value: usize| json!([{ "name": "CPU", "type": "INTEGER", "integerValue": value }]);
        let detail = json!({
            "agentConnected": agent.connected,
            "attributes": [
                { "name": "ecs.ami-id", "value": host.image },
                { "name": "ecs.availability-zone", "value": host.zone },
            ],
            "clusterArn": host.cluster,
            "containerInstanceArn": arn,
            "ec2InstanceId": no.instance_of(host.kind),
            "registeredResources": resource(8192),
            "remainingResources": resource(8192_usize.saturating_sub(used * 128)),
            "status": status,
            "version": *version,
            "versionInfo": { "agentHash": "aebcbca", "agentVersion": "1.90.0", "dockerVersion": "DockerVersion: 25.0.6" },
            "registeredAt": format!("{:.3}", agent.registered),
            "updatedAt": format!("{:.3}", self.now),
        });
        self.emit("ECS Container Instance State Change", "aws.ecs", json!([arn]), detail);
    }

    /// `ECS Task State Change`, for tasks that are STOPPED only, as the rule filters them.
    pub(super) fn emit_task_stopped(&mut self, no: TaskNo) {
        let Some(host) = self.account.host(no.host) else { return };
        let Some(task) = self.account.tasks.get(&no).filter(|task| task.last == TaskStatus::Stopped) else { return };
        let (arn, group) = (no.arn(&host.cluster), self.account.task_group(task));
        let name = group.split_once(':').map_or("", |(_, name)| name);
        let started_by = match task.owner {
            Owner::Service(index) => format!("ecs-svc/{index:019}"),
            Owner::Standalone => "a person".to_owned(),
        };
        let detail = json!({
            "attachments": [],
            "availabilityZone": host.zone,
            "clusterArn": host.cluster,
            "containerInstanceArn": no.host.agent(&host.cluster),
            "containers": [{ "name": name, "lastStatus": "STOPPED", "taskArn": arn }],
            "cpu": "128",
            "createdAt": format!("{:.3}", task.created),
            "desiredStatus": "STOPPED",
            "group": group,
            "lastStatus": "STOPPED",
            "launchType": "EC2",
            "memory": "256",
            "startedBy": started_by,
            "stoppedAt": format!("{:.3}", self.now),
            "stoppedReason": if task.drained { "Scaling activity initiated by deployment" } else { "Essential container in task exited" },
            "taskArn": arn,
            "taskDefinitionArn": format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{name}:1"),
            "updatedAt": format!("{:.3}", self.now),
            "version": 6,
        });
        self.emit("ECS Task State Change", "aws.ecs", json!([arn]), detail);
    }

    /// `EC2 Instance State-change Notification`
    pub(super) fn emit_instance(&mut self, no: HostNo, state: &str) {
        let id = no.instance();
        let arn = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{id}");
        let detail = json!({ "instance-id": id, "state": state });
        self.emit("EC2 Instance State-change Notification", "aws.ec2", json!([arn]), detail);
    }

    pub(super) fn emit_launch_unsuccessful(&mut self, group: &GroupName, why: &str) {
        let arn = format!(
            "arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:00000000-0000-4000-8000-000000000000:autoScalingGroupName/{group}"
        );
        let detail = json!({
            "StatusCode": "Failed",
            "AutoScalingGroupName": group,
            "ActivityId": "00000000-0000-4000-8000-000000000001",
            "Details": { "Availability Zone": format!("{REGION}a") },
            "RequestId": "00000000-0000-4000-8000-000000000001",
            "StatusMessage": why,
            "Description": format!("Launching a new EC2 instance. Status Reason: {why}"),
            "EC2InstanceId": "",
            "StartTime": format!("{:.3}", self.now),
            "EndTime": format!("{:.3}", self.now),
            "Cause": "an instance was started in response to a difference between desired and actual capacity",
        });
        self.emit("EC2 Instance Launch Unsuccessful", "aws.autoscaling", json!([arn]), detail);
    }

    pub(super) fn emit_parameter(&mut self, name: &ParameterName) {
        let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}");
        let detail = json!({ "operation": "Update", "name": name, "type": "String", "description": "" });
        self.emit("Parameter Store Change", "aws.ssm", json!([arn]), detail);
    }
}
