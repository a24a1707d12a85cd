//! What the worker asked of the fleet, call by call, as moto recorded it.
//!
//! The driver looks every 100 ms, and two calls of the worker fit between two looks. Their order is a promise too (the tag
//! before the detach, the deregistration before the termination), so moto writes down every request that arrives. The
//! worker's are told from the tests' own by their access key, and so are those of `plan`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What only signs the worker's requests.
pub const WORKER_KEY: &str = "WORKER";
/// What only signs the requests of `doctor`.
pub const DOCTOR_KEY: &str = "DOCTOR";
/// What only signs the requests of `status`.
pub const STATUS_KEY: &str = "STATUS";
/// What only signs the requests of `plan`.
pub const PLAN_KEY: &str = "PLAN";

/// A request that arrived.
#[derive(Debug)]
pub struct Call {
    /// `DetachInstances`
    pub operation: String,
    /// JSON, or the form of the query protocol.
    pub body: String,
}

impl Call {
    fn is(&self, operation: &str, about: &str) -> bool {
        self.operation == operation && self.body.contains(about)
    }

    /// Does it change anything?
    pub fn is_effect(&self) -> bool {
        let reads = ["Describe", "List", "Get", "Simulate"].iter().any(|reads| self.operation.starts_with(reads));
        !reads && !self.body.contains("DryRun=true")
    }
}

/// Where moto writes what it is asked.
pub fn recording(dir: &Path) -> PathBuf {
    dir.join("moto-requests.jsonl")
}

/// The worker's calls, in the order in which they arrived.
pub fn of_worker(dir: &Path) -> Vec<Call> {
    signed_by(WORKER_KEY, dir)
}

/// The calls that were signed by this key, in the order in which they arrived.
pub fn signed_by(key: &str, dir: &Path) -> Vec<Call> {
    let text = fs::read_to_string(recording(dir)).expect("moto records its requests");
    let signature = format!("Credential={key}/");
    // The last line may be half written.
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = entries.filter(|e| e["headers"]["Authorization"].as_str().is_some_and(|a| a.contains(&signature)));
    ours.map(|entry| call(&entry)).collect()
}

fn call(entry: &Value) -> Call {
    let decoded = aws_smithy_types::base64::decode(entry["body"].as_str().unwrap_or_default());
    let body = String::from_utf8(decoded.expect("moto records bodies in base 64")).expect("a body is text");
    let target = entry["headers"]["X-Amz-Target"].as_str().and_then(|target| target.rsplit('.').next());
    let action = || body.split('&').find_map(|field| field.strip_prefix("Action="));
    Call { operation: target.or_else(action).unwrap_or("(unknown)").to_owned(), body: body.clone() }
}

/// The order of the calls for each host; `hosts` are the EC2 instances by container instance ARN.
pub fn assert_order(calls: &[Call], hosts: &BTreeMap<String, String>) {
    for (arn, machine) in hosts {
        let id = arn.rsplit('/').next().expect("an ARN ends with an id");
        let life = [
            ("CreateTags", machine.as_str()),
            ("DetachInstances", machine),
            ("UpdateContainerInstancesState", id),
            ("DeregisterContainerInstance", id),
            ("TerminateInstances", machine),
        ];
        let first = life.map(|(operation, about)| {
            let found = calls.iter().position(|call| call.is(operation, about));
            found.unwrap_or_else(|| panic!("the worker never asked for {operation} of {machine}"))
        });
        assert!(first.is_sorted(), "{machine}: {life:?} were called at {first:?}, which is not their order");
    }
}

/// What the worker never asks for in a rotation that goes well.
pub fn assert_restraint(calls: &[Call]) {
    for call in calls {
        let forced = call.is("DeregisterContainerInstance", r#""force":true"#);
        let shrinks = call.is("DetachInstances", "ShouldDecrementDesiredCapacity=true");
        assert!(!forced && !shrinks, "{call:?}");
        for never in ["StopTask", "AttachInstances", "SetDesiredCapacity", "TerminateInstanceInAutoScalingGroup"] {
            assert_ne!(call.operation, never);
        }
    }
    let versions = calls.iter().filter(|call| call.operation == "CreateLaunchTemplateVersion");
    for version in versions {
        assert!(version.body.contains("SourceVersion=1"), "all else of the template would be lost: {version:?}");
    }
}
