//! What puts messages on the queue: rules and schedules, and what the rules let through.

use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_scheduler::types::{ScheduleState, ScheduleSummary};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Examiner, pages};
use crate::aws::error::failed;
use crate::doctor::facts::{Delivery, Found, NoQueue, Queue, Rule, Schedule};
use crate::doctor::samples::{Kind, Sample};

/// Samples that are asked for side by side.
const AT_ONCE: usize = 8;

impl Examiner {
    /// Nothing, of a queue that is not known.
    pub(super) async fn what_targets(
        &self,
        queue: &Result<Queue, NoQueue>,
    ) -> (Found<Vec<Rule>>, Found<Vec<Schedule>>) {
        match queue {
            Ok(queue) => tokio::join!(self.rules(&queue.arn), self.schedules(&queue.arn)),
            Err(_) => (Ok(Vec::new()), Ok(Vec::new())),
        }
    }

    async fn rules(&self, queue: &str) -> Found<Vec<Rule>> {
        let names = pages(async |token| {
            let call = self.aws.eventbridge.list_rule_names_by_target().target_arn(queue).set_next_token(token);
            let output = call.send().await.map_err(failed("ListRuleNamesByTarget"))?;
            Ok((output.rule_names.unwrap_or_default(), output.next_token))
        })
        .await?;
        let mut rules = Vec::new();
        for name in names {
            rules.push(self.rule(&name, queue).await?);
        }
        Ok(rules)
    }

    async fn rule(&self, name: &str, queue: &str) -> Found<Rule> {
        let events = &self.aws.eventbridge;
        let rule = events.describe_rule().name(name).send().await.map_err(failed("DescribeRule"))?;
        let targets = pages(async |token| {
            let call = events.list_targets_by_rule().rule(name).set_next_token(token);
            let output = call.send().await.map_err(failed("ListTargetsByRule"))?;
            Ok((output.targets.unwrap_or_default(), output.next_token))
        })
        .await?;
        let target = targets.into_iter().find(|target| target.arn == queue);
        let of_target = |has: fn(&Target) -> bool| target.as_ref().is_some_and(has);
        Ok(Rule {
            name: name.to_owned(),
            arn: rule.arn.unwrap_or_default(),
            enabled: rule.state.is_none_or(|state| state != RuleState::Disabled),
            pattern: rule.event_pattern,
            schedule: rule.schedule_expression,
            transformed: of_target(|target| target.input_path.is_some() || target.input_transformer.is_some()),
            dead_letters: of_target(|target| target.dead_letter_config.as_ref().is_some_and(|to| to.arn.is_some())),
            role: target.as_ref().and_then(|target| target.role_arn.clone()),
            input: target.and_then(|target| target.input),
        })
    }

    async fn schedules(&self, queue: &str) -> Found<Vec<Schedule>> {
        let all = pages(async |token| {
            let output = self.scheduler.list_schedules().set_next_token(token).send().await;
            let output = output.map_err(failed("ListSchedules"))?;
            Ok((output.schedules, output.next_token))
        })
        .await?;
        let targets = |summary: &&ScheduleSummary| summary.target.as_ref().is_some_and(|target| target.arn == queue);
        let mut schedules = Vec::new();
        for summary in all.iter().filter(targets) {
            schedules.push(self.schedule(summary).await?);
        }
        Ok(schedules)
    }

    async fn schedule(&self, summary: &ScheduleSummary) -> Found<Schedule> {
        let name = summary.name.clone().unwrap_or_default();
        let call = self.scheduler.get_schedule().name(&name).set_group_name(summary.group_name.clone());
        let found = call.send().await.map_err(failed("GetSchedule"))?;
        Ok(Schedule {
            name: format!("schedule {name}"),
            enabled: found.state.is_none_or(|state| state != ScheduleState::Disabled),
            expression: found.schedule_expression.unwrap_or_default(),
            zone: found.schedule_expression_timezone,
            input: found.target.and_then(|target| target.input),
        })
    }

    /// In the order of the samples.
    pub(super) async fn deliveries(&self, samples: Vec<Sample>, rules: &[Rule]) -> Vec<Delivery> {
        let mut waiting = samples.into_iter().enumerate();
        let (mut asked, mut found) = (JoinSet::new(), Vec::new());
        loop {
            for (place, sample) in waiting.by_ref().take(AT_ONCE.saturating_sub(asked.len())) {
                let patterns = may_take(rules, sample.kind);
                let events = self.aws.eventbridge.clone();
                asked.spawn(async move { (place, deliver(&events, sample, patterns).await) });
            }
            match asked.join_next().await {
                Some(Ok(delivery)) => found.push(delivery),
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) => {}
                None => break,
            }
        }
        found.sort_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, delivery)| delivery).collect()
    }
}

async fn deliver(events: &aws_sdk_eventbridge::Client, sample: Sample, patterns: Vec<(String, String)>) -> Delivery {
    let (event, mut by) = (sample.event.to_string(), Vec::new());
    for (rule, pattern) in patterns {
        let asked = events.test_event_pattern().event_pattern(pattern).event(&event).send().await;
        match asked.map_err(failed("TestEventPattern")) {
            Ok(output) if output.result => by.push(rule),
            Ok(_) => {}
            Err(failure) => return Delivery { sample, by: Err(failure) },
        }
    }
    Delivery { sample, by: Ok(by) }
}

/// Names and patterns of the enabled rules that do not name other kinds of events only.
fn may_take(rules: &[Rule], kind: Kind) -> Vec<(String, String)> {
    let patterns =
        rules.iter().filter(|rule| rule.enabled).filter_map(|rule| Some((&rule.name, rule.pattern.as_ref()?)));
    let fits = patterns.filter(|(_, pattern)| !names_others_only(pattern, kind.detail_type()));
    fits.map(|(name, pattern)| (name.clone(), pattern.clone())).collect()
}

/// A pattern of matchers, or one that cannot be read, is EventBridge's to judge.
fn names_others_only(pattern: &str, detail_type: &str) -> bool {
    let pattern: Value = serde_json::from_str(pattern).unwrap_or_default();
    let Some(named) = pattern["detail-type"].as_array() else { return false };
    named.iter().all(|name| name.as_str().is_some_and(|name| name != detail_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_patterns_that_name_other_events_need_not_be_asked() {
        let spared = |pattern: &str| names_others_only(pattern, "ECS Task State Change");
        assert!(spared(r#"{"detail-type":["EC2 Instance State-change Notification"]}"#));
        for pattern in [
            r#"{"detail-type":["EC2 Instance State-change Notification","ECS Task State Change"]}"#,
            r#"{"detail-type":[{"prefix":"ECS"}]}"#,
            r#"{"source":["aws.ecs"]}"#,
            "{",
        ] {
            assert!(!spared(pattern), "{pattern}");
        }
    }
}
