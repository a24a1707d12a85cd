//! SSM's parameters.
//!
//! A parameter can be asked for by its name or by its ARN, and either with a selector (`:3`, `:stable`) behind it. SSM
//! answers with name, ARN and selector each by itself, in an order of its own.

use std::collections::BTreeMap;

use aws_sdk_ssm::types as ssm;

use super::timestamp;
use crate::effect::{Parameter, ParameterKind};
use crate::id::ParameterName;

/// By the names that were asked for. An answer to none of them is left out.
pub(in crate::aws) fn as_asked(
    asked: &[ParameterName],
    found: &[ssm::Parameter],
) -> BTreeMap<ParameterName, Parameter> {
    let answer = |name: &ParameterName| {
        // Where the selector is not said, that of the newest version is none.
        let answers = found.iter().filter(|found| is_answer_to(name.as_str(), found));
        let found = answers.max_by_key(|found| found.version())?;
        Some((name.clone(), parameter(found)?))
    };
    asked.iter().filter_map(answer).collect()
}

fn is_answer_to(asked: &str, found: &ssm::Parameter) -> bool {
    let said = found.selector().map(|selector| selector.trim_start_matches(':')).filter(|text| !text.is_empty());
    [found.name(), found.arn()].into_iter().flatten().filter_map(|base| asked.strip_prefix(base)).any(|rest| {
        match (rest.strip_prefix(':'), said) {
            (None, None) => rest.is_empty(),
            (None, Some(_)) => false,
            (Some(asked), Some(said)) => asked == said,
            // Not every emulator says the selector.
            (Some(asked), None) => asked == found.version().to_string(),
        }
    })
}

fn parameter(of: &ssm::Parameter) -> Option<Parameter> {
    Some(Parameter {
        value: of.value()?.to_owned(),
        kind: kind(of.r#type()),
        data_type: of.data_type().map(str::to_owned),
        modified: of.last_modified_date().and_then(timestamp),
    })
}

/// What is new to us is read as what it says.
fn kind(kind: Option<&ssm::ParameterType>) -> ParameterKind {
    match kind {
        Some(ssm::ParameterType::SecureString) => ParameterKind::SecureString,
        Some(ssm::ParameterType::StringList) => ParameterKind::StringList,
        Some(_) | None => ParameterKind::String,
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    const ARN: &str = "arn:aws:ssm:eu-west-1:123456789012:parameter/golden/al2023";

    fn found(selector: Option<&str>, value: &str) -> ssm::Parameter {
        ssm::Parameter::builder()
            .name("/golden/al2023")
            .arn(ARN)
            .version(3)
            .set_selector(selector.map(str::to_owned))
            .value(value)
            .build()
    }

    fn values(asked: &[&str], found: &[ssm::Parameter]) -> Vec<(String, String)> {
        let asked: Vec<_> = asked.iter().map(|name| ParameterName::from(*name)).collect();
        as_asked(&asked, found).into_iter().map(|(name, of)| (name.to_string(), of.value)).collect()
    }

    #[test]
    fn an_answer_is_told_under_the_name_that_was_asked_for() {
        for (asked, selector, answers) in [
            ("/golden/al2023", None, true),
            ("/golden/al2023:3", Some(":3"), true),
            ("/golden/al2023:3", Some("3"), true),
            ("/golden/al2023:stable", Some(":stable"), true),
            (ARN, None, true),
            (&format!("{ARN}:2"), Some(":2"), true),
            ("/golden/al2023:3", None, true),
            ("/golden/al2023:2", None, false),
            ("/golden/al2023", Some(":3"), false),
            ("/golden/al2023:3", Some(":2"), false),
            ("/golden/al20", None, false),
            ("/golden/al2023-arm64", None, false),
            ("/golden/al20233", None, false),
        ] {
            let expected: &[(String, String)] = if answers { &[(asked.to_owned(), "ami-1".to_owned())] } else { &[] };
            assert_eq!(values(&[asked], &[found(selector, "ami-1")]), expected, "{asked} {selector:?}");
        }
    }

    #[test]
    fn several_selectors_of_one_parameter_are_kept_apart() {
        let all = [found(Some(":stable"), "ami-1"), found(None, "ami-3"), found(Some(":2"), "ami-2")];
        let expected = [("/golden/al2023", "ami-3"), ("/golden/al2023:2", "ami-2"), ("/golden/al2023:stable", "ami-1")];
        let asked = expected.map(|(name, _)| name);
        assert_eq!(values(&asked, &all), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn an_answer_without_its_selector_is_told_by_its_version() {
        let at = |version, value: &str| ssm::Parameter::builder().name("/a").version(version).value(value).build();
        let expected = [("/a", "ami-2"), ("/a:1", "ami-1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(values(&["/a", "/a:1"], &[at(1, "ami-1"), at(2, "ami-2")]), expected);
        assert_eq!(values(&["/a", "/a:1"], &[at(2, "ami-2"), at(1, "ami-1")]), expected);
    }

    #[test]
    fn a_type_that_is_new_is_a_string() {
        use ssm::ParameterType as T;
        for (said, expected) in [
            (None, ParameterKind::String),
            (Some(T::String), ParameterKind::String),
            (Some(T::StringList), ParameterKind::StringList),
            (Some(T::SecureString), ParameterKind::SecureString),
            (Some("Scroll".into()), ParameterKind::String),
        ] {
            assert_eq!(kind(said.as_ref()), expected, "{said:?}");
        }
    }

    #[test]
    fn a_parameter_says_since_when() {
        let of = ssm::Parameter::builder().value("ami-1").data_type("aws:ec2:image");
        let of = parameter(&of.last_modified_date(DateTime::from_secs(60)).build()).unwrap();
        assert_eq!((of.data_type.as_deref(), of.modified.unwrap().as_second()), (Some("aws:ec2:image"), 60));
        assert_eq!(parameter(&ssm::Parameter::builder().name("x").build()), None);
    }
}
