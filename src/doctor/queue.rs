//! The queue: can it be worked off, can EventBridge put events there, and nobody else?

use super::facts::{Encryption, Facts, NoQueue, Principal, Queue, Rest};
use super::queue_policy::{Admits, QueuePolicy};
use super::{Area, Check};
use crate::effect::FailureKind;

/// So many messages do not wait for a worker that is at work.
const MANY: u64 = 1_000;
/// Each restart of a worker hands its messages back, and that counts as a receive.
const FEW_RECEIVES: u32 = 3;

pub(super) fn checks(facts: &Facts, rest: &Rest) -> Vec<Check> {
    let queue = match &rest.queue {
        Ok(queue) => queue,
        Err(NoQueue::NotAsked) => {
            return vec![Area::Queue.not_asked("queue", "no queue is named: nothing is known of it")];
        }
        Err(NoQueue::Unusable { says, unsure }) => {
            let advice = "nothing else about the queue, its rules and schedules was looked at";
            let is_worker = matches!(rest.principal, Principal::Tried { .. });
            return vec![if *unsure && !is_worker {
                Area::Queue.warn("reachable", format!("not looked at: {says}"), advice)
            } else {
                Area::Queue.fail("reachable", says, advice)
            }];
        }
    };
    let mut checks = vec![reachable(queue), encryption(&queue.encryption)];
    checks.extend(policy(facts, queue, rest));
    checks.push(dead_letters(queue, rest));
    checks
}

fn reachable(queue: &Queue) -> Check {
    const NAME: &str = "reachable";
    let says = format!("{}, about {} waiting", queue.arn, queue.waiting);
    if queue.waiting >= MANY {
        Area::Queue.warn(NAME, says, "is the worker at work? look at its service and its log")
    } else {
        Area::Queue.pass(NAME, says)
    }
}

fn encryption(encryption: &Encryption) -> Check {
    const NAME: &str = "encryption";
    match encryption {
        Encryption::BySqs => Area::Queue.pass(NAME, "by a key that SQS owns"),
        Encryption::None => Area::Queue.warn(NAME, "none", "set SqsManagedSseEnabled: it costs nothing"),
        Encryption::ByKey(key) if key.ends_with("alias/aws/sqs") => Area::Queue.fail(
            NAME,
            "under alias/aws/sqs: EventBridge cannot use that key, and every event is lost",
            "set SqsManagedSseEnabled, or take a key of your own",
        ),
        Encryption::ByKey(key) => Area::Queue.warn(
            NAME,
            format!("under {key}; whether its policy admits EventBridge is not looked at"),
            "let events.amazonaws.com use it: kms:Decrypt and kms:GenerateDataKey",
        ),
    }
}

/// Rules deliver by it; a schedule has a role of its own.
fn policy(facts: &Facts, queue: &Queue, rest: &Rest) -> Vec<Check> {
    const NAME: &str = "policy";
    let policy = match queue.policy.as_deref().map(QueuePolicy::parse) {
        None => QueuePolicy::default(),
        Some(Ok(policy)) => policy,
        Some(Err(why)) => {
            return vec![Area::Queue.warn(NAME, format!("cannot be read: {why}"), "look at it by hand")];
        }
    };
    let mut checks = Vec::new();
    if policy.is_open_to_anybody(&queue.arn) {
        let says = "anybody on earth may send to it, and who sends commands the worker";
        checks.push(Area::Queue.fail(NAME, says, "give the statement a principal or a condition"));
    }
    let account = facts.caller.as_ref().map(|caller| caller.account.as_str()).unwrap_or_default();
    let rules = rest.rules.iter().flatten();
    let (mut shut_out, mut unclear) = (Vec::new(), Vec::new());
    let mut count = 0;
    for rule in rules {
        count += 1;
        if let Some(role) = &rule.role {
            unclear.push(format!("{} (it delivers by the role {role})", rule.name));
            continue;
        }
        match policy.admits_rule(&rule.arn, &queue.arn, account) {
            Admits::Yes => {}
            Admits::No => shut_out.push(rule.name.as_str()),
            Admits::Unclear(why) => unclear.push(format!("{} ({why})", rule.name)),
        }
    }
    if !shut_out.is_empty() {
        checks.push(Area::Queue.fail(
            NAME,
            format!("does not let EventBridge deliver for {}: their events are lost", super::listed(&shut_out)),
            "allow sqs:SendMessage to events.amazonaws.com, with aws:SourceArn of the rule",
        ));
    }
    if !unclear.is_empty() {
        let says = format!("may or may not let EventBridge deliver for {}", super::listed(&unclear));
        checks.push(Area::Queue.warn(NAME, says, "look at it by hand, and at FailedInvocations of the rule"));
    }
    if checks.is_empty() && count > 0 {
        checks.push(Area::Queue.pass(NAME, format!("lets EventBridge deliver for each of {count} rules")));
    }
    checks
}

fn dead_letters(queue: &Queue, rest: &Rest) -> Check {
    const NAME: &str = "dead-letter queue";
    let (Some((target, receives)), Some(found)) = (&queue.redrive, &rest.dead_letters) else {
        return Area::Queue.warn(
            NAME,
            "none: a message that nobody understands comes back until it expires",
            "give the queue a RedrivePolicy",
        );
    };
    let name = target.rsplit(':').next().unwrap_or(target);
    match found {
        Err(failure) if failure.kind == FailureKind::NotFound => {
            Area::Queue.fail(NAME, format!("there is no queue {name}"), "make it, or take it out of the RedrivePolicy")
        }
        Err(failure) => Area::Queue.unseen(NAME, failure),
        Ok(dead) if dead.waiting > 0 => Area::Queue.warn(
            NAME,
            format!("about {} in {name}", dead.waiting),
            "look at what they say and who sent it, then purge it",
        ),
        Ok(_) if *receives < FEW_RECEIVES => Area::Queue.warn(
            NAME,
            format!("{name}, after {receives} receives: a worker that is restarted may lose messages to it"),
            "set maxReceiveCount to 5",
        ),
        Ok(_) => Area::Queue.pass(NAME, format!("{name}, empty; messages go there after {receives} receives")),
    }
}
