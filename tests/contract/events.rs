//! What EventBridge would put into the queue, in its envelope. The details carry what the AWS documentation shows of them.

use serde_json::{Value, json};

use crate::account::{ACCOUNT, REGION};
use crate::wait::now;

/// Makes the bodies, each with an id of its own.
#[derive(Default)]
pub struct Envelopes {
    made: u64,
}

impl Envelopes {
    pub fn container_instance(&mut self, host: &HostNews<'_>) -> String {
        let detail = json!({
            "agentConnected": true,
            "attributes": [{"name": "ecs.ami-id", "value": host.image}],
            "clusterArn": host.cluster,
            "containerInstanceArn": host.arn,
            "ec2InstanceId": host.instance,
            "registeredResources": [], "remainingResources": [],
            "status": host.status,
            "version": host.version,
            "versionInfo": {"agentVersion": "1.0.0"},
            "updatedAt": now().to_string(),
        });
        self.body("aws.ecs", "ECS Container Instance State Change", &[host.arn], detail)
    }

    pub fn task_stopped(&mut self, task: &TaskNews<'_>) -> String {
        let detail = json!({
            "clusterArn": task.cluster,
            "containerInstanceArn": task.container_instance,
            "taskArn": task.arn,
            "desiredStatus": "STOPPED", "lastStatus": "STOPPED",
            "group": task.group,
            "launchType": "EC2",
            "startedBy": "ecs-svc/1234567890123456789",
            "stoppedReason": "Task stopped by the drain of its container instance",
            "version": 5,
            "updatedAt": now().to_string(),
        });
        self.body("aws.ecs", "ECS Task State Change", &[task.arn], detail)
    }

    pub fn instance_state(&mut self, instance: &str, state: &str) -> String {
        let arn = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}");
        let detail = json!({"instance-id": instance, "state": state});
        self.body("aws.ec2", "EC2 Instance State-change Notification", &[&arn], detail)
    }

    pub fn parameter_changed(&mut self, name: &str) -> String {
        let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}");
        let detail = json!({"name": name, "type": "String", "operation": "Update", "description": ""});
        self.body("aws.ssm", "Parameter Store Change", &[&arn], detail)
    }

    /// The same event, as another account or another region would have sent it.
    pub fn from_elsewhere(body: &str, account: &str, region: &str) -> String {
        body.replace(ACCOUNT, account).replace(REGION, region)
    }

    fn body(&mut self, source: &str, kind: &str, resources: &[&str], detail: Value) -> String {
        self.made += 1;
        json!({
            "version": "0",
            "id": format!("c0ffee00-0000-4000-8000-{:012x}", self.made),
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        })
        .to_string()
    }
}

pub struct HostNews<'a> {
    pub cluster: &'a str,
    pub arn: &'a str,
    pub instance: &'a str,
    pub image: &'a str,
    pub status: &'a str,
    /// Rises with every change of this container instance.
    pub version: u64,
}

pub struct TaskNews<'a> {
    pub cluster: &'a str,
    pub arn: &'a str,
    pub container_instance: &'a str,
    pub group: &'a str,
}
