//! CloudWatch alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::operation::describe_alarms::builders::DescribeAlarmsFluentBuilder;
use aws_sdk_cloudwatch::types::{AlarmType, EvaluationState, StateValue};

use super::Aws;
use super::convert::texts;
use super::error::failed;
use crate::effect::{AlarmState, Failure, Reply};
use crate::id::AlarmName;

impl Aws {
    pub(super) async fn describe_alarms(&self, names: Vec<AlarmName>) -> Result<Reply, Failure> {
        let output = described(&self.cloudwatch, &names).send().await.map_err(failed("DescribeAlarms"))?;
        Ok(Reply::Alarms(alarms(output)))
    }
}

fn described(cloudwatch: &Client, names: &[AlarmName]) -> DescribeAlarmsFluentBuilder {
    // What is not asked for is left out: without types only metric alarms are told.
    let types = vec![AlarmType::CompositeAlarm, AlarmType::LogAlarm, AlarmType::MetricAlarm];
    let call = cloudwatch.describe_alarms().set_alarm_names(Some(texts(names))).set_alarm_types(Some(types));
    call.max_records(100)
}

fn alarms(output: DescribeAlarmsOutput) -> BTreeMap<AlarmName, AlarmState> {
    let metric = output.metric_alarms.unwrap_or_default();
    let metric = metric.into_iter().map(|of| (of.alarm_name, state(of.state_value, of.evaluation_state)));
    let log = output.log_alarms.unwrap_or_default();
    let log = log.into_iter().map(|of| (of.alarm_name, state(of.state_value, of.evaluation_state)));
    let composite = output.composite_alarms.unwrap_or_default();
    let composite = composite.into_iter().map(|of| (of.alarm_name, state(of.state_value, None)));
    metric.chain(log).chain(composite).filter_map(|(name, state)| Some((AlarmName::new(name?), state))).collect()
}

/// ALARM is ALARM, however it came about. Any other state holds only as long as CloudWatch does not say why it cannot tell.
fn state(value: Option<StateValue>, evaluation: Option<EvaluationState>) -> AlarmState {
    match (value, evaluation) {
        (Some(StateValue::Alarm), _) => AlarmState::InAlarm,
        (_, Some(why)) => AlarmState::NotEvaluated(why.as_str().to_owned()),
        (Some(StateValue::Ok | StateValue::InsufficientData), None) => AlarmState::Quiet,
        // The SDK's enum may grow.
        (value, None) => AlarmState::NotEvaluated(value.map_or_else(|| "no state".to_owned(), |one| one.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::{CompositeAlarm, LogAlarm, MetricAlarm};

    use super::*;

    #[test]
    fn alarms_of_every_type_are_asked_for() {
        let config = aws_sdk_cloudwatch::Config::builder().behavior_version(aws_config::BehaviorVersion::latest());
        let call = described(&Client::from_conf(config.build()), &["errors".into()]);
        let types = call.get_alarm_types().clone().unwrap_or_default();
        assert_eq!(types, AlarmType::values().iter().map(|word| AlarmType::from(*word)).collect::<Vec<_>>());
    }

    #[test]
    fn alarms_of_every_type_are_read_and_only_what_was_evaluated_is_quiet() {
        use EvaluationState as E;
        let metric = |name: &str, state: &str| MetricAlarm::builder().alarm_name(name).state_value(state.into());
        let output = DescribeAlarmsOutput::builder()
            .metric_alarms(metric("errors", "ALARM").evaluation_state(E::PartialData).build())
            .metric_alarms(metric("latency", "OK").build())
            .metric_alarms(metric("queue", "INSUFFICIENT_DATA").build())
            .metric_alarms(metric("broken", "OK").evaluation_state(E::EvaluationError).build())
            .metric_alarms(metric("half", "OK").evaluation_state(E::PartialData).build())
            .metric_alarms(metric("new", "MUTED").build())
            .composite_alarms(CompositeAlarm::builder().alarm_name("all").state_value(StateValue::Alarm).build())
            .log_alarms(LogAlarm::builder().alarm_name("lines").state_value(StateValue::Ok).build())
            .log_alarms(
                LogAlarm::builder()
                    .alarm_name("query")
                    .state_value(StateValue::Ok)
                    .evaluation_state(E::EvaluationFailure)
                    .build(),
            );
        let not = |why: &str| AlarmState::NotEvaluated(why.to_owned());
        let expected = [
            ("errors", AlarmState::InAlarm),
            ("latency", AlarmState::Quiet),
            ("queue", AlarmState::Quiet),
            ("broken", not("EVALUATION_ERROR")),
            ("half", not("PARTIAL_DATA")),
            ("new", not("MUTED")),
            ("all", AlarmState::InAlarm),
            ("lines", AlarmState::Quiet),
            ("query", not("EVALUATION_FAILURE")),
        ];
        let expected = expected.into_iter().map(|(name, state)| (AlarmName::from(name), state)).collect();
        assert_eq!(alarms(output.build()), expected);
    }
}
