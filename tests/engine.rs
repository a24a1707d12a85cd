//! The engine alone, driven by hand: what it asks for, and what it does with messages.

#![allow(clippy::wildcard_enum_match_arm, reason = "a blind world answers a few calls and refuses the rest")]

use std::collections::BTreeMap;

use ecs_rotator::effect::{Cluster, Failure, FailureKind, Instance, InstanceState, Message, Reply, Request};
use ecs_rotator::engine::{Engine, Settings};
use jiff::{SignedDuration, Timestamp};

const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";

fn start() -> Timestamp {
    "2026-01-14T03:00:00Z".parse().expect("a time")
}

fn prod() -> Cluster {
    let tags = BTreeMap::from([("ecs-rotator:enabled".to_owned(), "true".to_owned())]);
    Cluster { arn: CLUSTER.into(), status: "ACTIVE".to_owned(), capacity_providers: Vec::new(), tags }
}

fn event(n: u64) -> String {
    format!(
        r#"{{"source":"aws.ecs","detail-type":"ECS Container Instance State Change","account":"123456789012",
            "region":"eu-west-1","detail":{{"clusterArn":"{CLUSTER}","containerInstanceArn":"arn:ci/prod/{n}",
            "ec2InstanceId":"i-{n}","status":"ACTIVE","agentConnected":true,"version":1}}}}"#
    )
}

fn message(n: u64, body: String, now: Timestamp) -> Message {
    Message { id: format!("m{n}"), receipt: format!("r{n}").into(), body, sent: now, receive_count: 1 }
}

fn denied(request: &Request) -> Failure {
    Failure {
        kind: FailureKind::AccessDenied,
        operation: request.operation(),
        code: "AccessDeniedException".to_owned(),
        message: "no policy allows this action".to_owned(),
        request_id: None,
    }
}

/// A world in which the clusters can be counted and nothing else of the fleet can be seen.
struct Blind {
    engine: Engine,
    now: Timestamp,
    /// The bodies that the next receives bring.
    inbox: Vec<String>,
    sent: u64,
    receives: u64,
    deleted: Vec<String>,
    handed_back: Vec<String>,
    /// The hosts can be listed after all: there are none.
    sees_hosts: bool,
    /// An EC2 instance carries our tag.
    in_flight: Vec<Instance>,
    /// How often all hosts were listed.
    looks: u64,
}

impl Blind {
    fn new() -> Self {
        let engine = Engine::new(Settings::default(), 1, start());
        let (inbox, deleted, handed_back) = (Vec::new(), Vec::new(), Vec::new());
        let in_flight = Vec::new();
        Self {
            engine,
            now: start(),
            inbox,
            sent: 0,
            receives: 0,
            deleted,
            handed_back,
            sees_hosts: false,
            in_flight,
            looks: 0,
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Reply, Failure> {
        match request {
            Request::LocateSelf => Ok(Reply::SelfLocation(None)),
            Request::ListClusters { .. } => Ok(Reply::ClusterArns { arns: vec![CLUSTER.into()], next: None }),
            Request::DescribeClusters { .. } => Ok(Reply::Clusters { clusters: vec![prod()], failures: Vec::new() }),
            Request::DescribeInstances { .. } => Ok(Reply::Instances { instances: self.in_flight.clone(), next: None }),
            Request::ListContainerInstances { .. } if self.sees_hosts => {
                self.looks += 1;
                Ok(Reply::ContainerInstanceArns { arns: Vec::new(), next: None })
            }
            Request::ReceiveMessage { .. } => {
                self.receives += 1;
                let body = self.inbox.pop();
                self.sent += u64::from(body.is_some());
                Ok(Reply::Messages(body.into_iter().map(|body| message(self.sent, body, self.now)).collect()))
            }
            Request::DeleteMessageBatch { receipts } => {
                self.deleted.extend(receipts.iter().map(ToString::to_string));
                Ok(Reply::QueueBatch { failures: Vec::new() })
            }
            Request::ChangeMessageVisibilityBatch { receipts, visibility_seconds } => {
                if *visibility_seconds == 0 {
                    self.handed_back.extend(receipts.iter().map(ToString::to_string));
                }
                Ok(Reply::QueueBatch { failures: Vec::new() })
            }
            other => Err(denied(other)),
        }
    }

    /// One second: every call is answered at once, but a receive only at its end.
    fn second(&mut self) {
        let mut receives = Vec::new();
        while let Some((id, request)) = self.engine.poll_request() {
            if matches!(request, Request::ReceiveMessage { .. }) {
                receives.push((id, request));
            } else {
                let reply = self.answer(&request);
                self.engine.handle_reply(id, reply, self.now);
            }
        }
        for (id, request) in receives {
            let reply = self.answer(&request);
            self.engine.handle_reply(id, reply, self.now);
        }
        self.now += SignedDuration::from_secs(1);
        self.engine.handle_timeout(self.now);
    }
}

#[test]
fn regression_a_cluster_that_may_not_be_looked_at_does_not_make_the_worker_deaf() {
    // Its events were held, two hundred of them were too many, and no `pause` for any cluster was heard again.
    let mut blind = Blind::new();
    for n in 0..1800 {
        blind.inbox = vec![event(n)];
        blind.second();
    }
    let before = blind.receives;
    for n in 1800..2400 {
        blind.inbox = vec![event(n)];
        blind.second();
    }
    assert!(blind.receives > before + 500, "{} receives in ten minutes", blind.receives - before);
}

#[test]
fn a_command_for_a_cluster_that_cannot_be_looked_at_is_let_go_and_not_deleted() {
    let mut blind = Blind::new();
    blind.second();
    blind.inbox = vec![r#"{"action":"rotate","cluster":"prod"}"#.to_owned()];
    for _ in 0..1200 {
        blind.second();
    }
    assert_eq!(blind.deleted, [] as [String; 0], "it comes again, and in the end it is a dead letter");
}

#[test]
fn a_host_that_carries_our_tag_is_looked_after_although_the_rotation_of_its_cluster_is_closed() {
    let mut blind = Blind::new();
    blind.sees_hosts = true;
    for _ in 0..1200 {
        blind.second();
    }
    assert_eq!(blind.looks, 1, "at the start, and then the cluster is at rest");
    let tags = BTreeMap::from([("ecs-rotator:rotation".to_owned(), "prod/20260114T010000Z".to_owned())]);
    blind.in_flight = vec![Instance {
        id: "i-1".into(),
        image: "ami-1".into(),
        state: InstanceState::Running,
        launched: start(),
        zone: "eu-west-1a".into(),
        tags,
        managed: false,
        architecture: "x86_64".to_owned(),
        windows: false,
        root_device: None,
    }];
    for _ in 0..330 {
        blind.second();
    }
    assert!(blind.looks > 1, "the sweep has found it");
}

#[test]
fn a_malformed_message_is_neither_deleted_nor_held() {
    let mut blind = Blind::new();
    blind.second();
    blind.inbox = vec!["rotate please".to_owned()];
    for _ in 0..300 {
        blind.second();
    }
    assert_eq!((blind.sent, blind.engine.counters().malformed), (1, 1));
    assert_eq!((blind.deleted.len(), blind.handed_back.len()), (0, 0));
}

#[test]
fn at_its_end_it_hands_back_what_it_has_in_hand_and_only_then_has_stopped() {
    let mut blind = Blind::new();
    blind.second();
    blind.inbox = vec![r#"{"action":"rotate","cluster":"prod"}"#.to_owned()];
    for _ in 0..3 {
        blind.second();
    }
    blind.engine.begin_shutdown(blind.now);
    let mut calls = 0;
    while let Some((id, request)) = blind.engine.poll_request() {
        assert!(request.is_queue(), "nothing new is begun: {request:?}");
        let reply = blind.answer(&request);
        blind.engine.handle_reply(id, reply, blind.now);
        calls += 1;
        assert!(calls < 20, "it comes to an end");
    }
    assert!(blind.engine.is_stopped());
    assert_eq!((blind.handed_back.as_slice(), blind.deleted.as_slice()), (["r1".to_owned()].as_slice(), [].as_slice()));
}
