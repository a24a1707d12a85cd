//! CloudWatch alarms.

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};

use super::Aws;
use super::convert::texts;
use super::error::failed;
use crate::effect::{Failure, Reply};
use crate::id::AlarmName;

impl Aws {
    pub(super) async fn describe_alarms(&self, names: Vec<AlarmName>) -> Result<Reply, Failure> {
        let call = self.cloudwatch.describe_alarms().set_alarm_names(Some(texts(&names)));
        // Composite alarms are left out unless they are asked for.
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm).max_records(100);
        let output = call.send().await.map_err(failed("DescribeAlarms"))?;
        let metric = output.metric_alarms.unwrap_or_default().into_iter().map(|of| (of.alarm_name, of.state_value));
        let composite =
            output.composite_alarms.unwrap_or_default().into_iter().map(|of| (of.alarm_name, of.state_value));
        Ok(alarms(names, metric.chain(composite).collect()))
    }
}

/// By names as they were asked for.
fn alarms(names: Vec<AlarmName>, found: Vec<(Option<String>, Option<StateValue>)>) -> Reply {
    let of = |name: &AlarmName| found.iter().find(|(found, _)| found.as_deref() == Some(name.as_str()));
    let rings = |name: &&AlarmName| of(name).is_some_and(|(_, state)| *state == Some(StateValue::Alarm));
    let in_alarm = names.iter().filter(rings).cloned().collect();
    Reply::Alarms { in_alarm, missing: names.into_iter().filter(|name| of(name).is_none()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alarm_is_in_alarm_and_what_is_not_told_does_not_exist() {
        let found = vec![
            (Some("errors".to_owned()), Some(StateValue::Alarm)),
            (Some("latency".to_owned()), Some(StateValue::Ok)),
            (Some("queue".to_owned()), Some(StateValue::InsufficientData)),
        ];
        let names = ["errors", "latency", "queue", "typo"].map(AlarmName::from).to_vec();
        let expected = Reply::Alarms { in_alarm: vec!["errors".into()], missing: vec!["typo".into()] };
        assert_eq!(alarms(names, found), expected);
    }
}
