//! A queue's policy, as far as it says whether EventBridge may deliver for a rule.
//!
//! It is no evaluator of IAM: what is asked has one principal, one action and few conditions. A condition that is not among
//! those makes the answer unclear, never yes.

use serde::Deserialize;
use serde_json::{Map, Value};
use wildmatch::WildMatch;

const SERVICE: &str = "events.amazonaws.com";
const ACTION: &str = "sqs:sendmessage";

#[derive(Debug, Default, Deserialize)]
pub(super) struct QueuePolicy {
    #[serde(rename = "Statement", default, deserialize_with = "one_or_many")]
    statements: Vec<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: String,
    #[serde(default)]
    principal: Value,
    #[serde(default)]
    action: Value,
    #[serde(default)]
    resource: Value,
    #[serde(default)]
    condition: Map<String, Value>,
    /// `NotPrincipal`, `NotAction`, `NotResource`: not read.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admits {
    Yes,
    No,
    /// It hangs on what cannot be known here.
    Unclear(String),
}

/// Does something hold?
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Unclear(String),
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Statement>, D::Error> {
    let value = Value::deserialize(from)?;
    let many = if value.is_array() { value } else { Value::Array(vec![value]) };
    serde_json::from_value(many).map_err(serde::de::Error::custom)
}

impl QueuePolicy {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// May EventBridge put the rule's events there?
    pub(super) fn admits_rule(&self, rule: &str, queue: &str, account: &str) -> Admits {
        let (mut allowed, mut may_allow, mut may_deny) = (false, None, None);
        for statement in &self.statements {
            let allows = statement.effect == "Allow";
            match statement.holds(rule, queue, account) {
                Holds::Yes if !allows => return Admits::No,
                Holds::Yes => allowed = true,
                Holds::No => {}
                Holds::Unclear(why) if allows => may_allow = Some(why),
                Holds::Unclear(why) => may_deny = Some(why),
            }
        }
        match (allowed, may_allow, may_deny) {
            (true, _, None) => Admits::Yes,
            (true, _, Some(why)) | (false, Some(why), _) => Admits::Unclear(why),
            (false, None, _) => Admits::No,
        }
    }

    pub(super) fn is_open_to_anybody(&self, queue: &str) -> bool {
        let open = |one: &&Statement| one.effect == "Allow" && one.names_anybody() && !one.says_who();
        self.statements.iter().filter(open).any(|one| one.is_about(queue))
    }
}

impl Statement {
    fn is_about(&self, queue: &str) -> bool {
        let sends = texts(&self.action).any(|action| wild(&action.to_lowercase(), ACTION));
        sends && texts(&self.resource).any(|resource| wild(resource, queue))
    }

    fn names_anybody(&self) -> bool {
        self.principal == "*" || texts(&self.principal["AWS"]).any(|who| who == "*")
    }

    /// That it comes by TLS says nothing of whom it comes from.
    fn says_who(&self) -> bool {
        let keys = self.condition.values().filter_map(Value::as_object).flat_map(Map::keys);
        keys.map(|key| key.to_lowercase()).any(|key| key != "aws:securetransport")
    }

    fn holds(&self, rule: &str, queue: &str, account: &str) -> Holds {
        if let Some(key) = self.more.keys().find(|key| key.starts_with("Not")) {
            return Holds::Unclear(key.clone());
        }
        if !self.is_about(queue) {
            return Holds::No;
        }
        if self.principal == "*" || texts(&self.principal["Service"]).any(|who| who == SERVICE || who == "*") {
            return self.conditions_hold(rule, account);
        }
        // Every account; AWS's own console has written it for services as well.
        if texts(&self.principal["AWS"]).any(|who| who == "*") && self.conditions_hold(rule, account) != Holds::No {
            return Holds::Unclear("the principal AWS *".to_owned());
        }
        Holds::No
    }

    /// All of them, with the keys that EventBridge brings.
    fn conditions_hold(&self, rule: &str, account: &str) -> Holds {
        let tests = self.condition.iter().flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, wanted)| (operator.as_str(), key.to_lowercase(), wanted))
        });
        let mut doubt = None;
        for (operator, key, wanted) in tests {
            match holds(operator, &key, wanted, rule, account) {
                Holds::Yes => {}
                Holds::No => return Holds::No,
                unclear @ Holds::Unclear(_) => doubt = Some(unclear),
            }
        }
        doubt.unwrap_or(Holds::Yes)
    }
}

fn holds(operator: &str, key: &str, wanted: &Value, rule: &str, account: &str) -> Holds {
    let any = |fits: &dyn Fn(&str) -> bool| if texts(wanted).any(fits) { Holds::Yes } else { Holds::No };
    let operator = operator.trim_end_matches("IfExists");
    match (operator, key) {
        ("ArnEquals" | "ArnLike" | "StringLike", "aws:sourcearn") => any(&|pattern| wild(pattern, rule)),
        ("StringEquals", "aws:sourcearn") => any(&|text| text == rule),
        // Whether EventBridge brings it is not promised anywhere.
        ("StringEquals" | "StringLike", "aws:sourceaccount") if account.is_empty() => {
            Holds::Unclear("of which account is not known".to_owned())
        }
        ("StringEquals" | "StringLike", "aws:sourceaccount") => any(&|text| wild(text, account)),
        ("Bool", "aws:securetransport") => {
            let secure = texts(wanted).any(|text| text == "true") || wanted == true;
            if secure { Holds::Yes } else { Holds::No }
        }
        ("StringNotEquals" | "StringNotLike", "aws:sourceaccount") if !account.is_empty() => {
            not(any(&|text| wild(text, account)))
        }
        ("ArnNotEquals" | "ArnNotLike" | "StringNotEquals" | "StringNotLike", "aws:sourcearn") => {
            not(any(&|pattern| wild(pattern, rule)))
        }
        ("Bool", "aws:principalisawsservice") => any(&|text| text == "true"),
        _ => Holds::Unclear(format!("{operator} {key}")),
    }
}

fn not(holds: Holds) -> Holds {
    match holds {
        Holds::Yes => Holds::No,
        Holds::No => Holds::Yes,
        unclear @ Holds::Unclear(_) => unclear,
    }
}

fn wild(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}

/// A text, or each of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let (one, many) = (value.as_str(), value.as_array());
    one.into_iter().chain(many.into_iter().flatten().filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:q";
    const RULE: &str = "arn:aws:events:eu-west-1:123456789012:rule/hosts";

    fn admits(statement: Value) -> Admits {
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        QueuePolicy::parse(&policy.to_string()).unwrap().admits_rule(RULE, QUEUE, "123456789012")
    }

    fn allow(condition: Value) -> Value {
        json!({"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sqs:SendMessage", "Resource": QUEUE,
            "Condition": condition})
    }

    #[test]
    fn a_rule_is_admitted_by_its_arn_or_its_account() {
        for (condition, expected) in [
            (json!({}), Admits::Yes),
            (json!({"ArnEquals": {"aws:SourceArn": [RULE]}}), Admits::Yes),
            (json!({"ArnLike": {"AWS:SourceArn": "arn:aws:events:*:123456789012:rule/*"}}), Admits::Yes),
            (json!({"ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:rule/other"}}), Admits::No),
            (json!({"StringEquals": {"aws:SourceAccount": "123456789012"}}), Admits::Yes),
            (json!({"StringEquals": {"aws:SourceAccount": "210987654321"}}), Admits::No),
            (json!({"Bool": {"aws:SecureTransport": "true"}}), Admits::Yes),
            (
                json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
                Admits::Unclear("StringEquals aws:principalorgid".to_owned()),
            ),
        ] {
            assert_eq!(admits(allow(condition.clone())), expected, "{condition}");
        }
    }

    #[test]
    fn without_a_statement_about_this_service_action_and_queue_nobody_is_admitted() {
        let with = |key: &str, value: Value| {
            let mut statement = allow(json!({}));
            statement[key] = value;
            admits(statement)
        };
        assert_eq!(admits(json!([])), Admits::No);
        assert_eq!(with("Principal", json!({"Service": "sns.amazonaws.com"})), Admits::No);
        assert_eq!(with("Principal", json!({"AWS": "*"})), Admits::Unclear("the principal AWS *".to_owned()));
        assert_eq!(with("Principal", json!({"AWS": "arn:aws:iam::1:root"})), Admits::No);
        assert_eq!(with("NotAction", json!("sqs:SendMessage")), Admits::Unclear("NotAction".to_owned()));
        assert_eq!(with("Action", json!("sqs:ReceiveMessage")), Admits::No);
        assert_eq!(with("Resource", json!("arn:aws:sqs:eu-west-1:123456789012:other")), Admits::No);
        assert_eq!(with("Action", json!(["SQS:*"])), Admits::Yes);
        assert_eq!(with("Resource", json!("*")), Admits::Yes);
        assert_eq!(with("Principal", json!("*")), Admits::Yes);
    }

    #[test]
    fn a_denial_goes_before_and_one_of_clear_text_does_not_matter() {
        let deny = |condition: Value| {
            let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": QUEUE,
                "Condition": condition});
            admits(json!([allow(json!({})), deny]))
        };
        assert_eq!(deny(json!({"Bool": {"aws:SecureTransport": "false"}})), Admits::Yes);
        assert_eq!(deny(json!({})), Admits::No);
        assert!(matches!(deny(json!({"StringNotEquals": {"aws:SourceVpce": "v"}})), Admits::Unclear(_)));
        assert_eq!(deny(json!({"StringNotEquals": {"aws:SourceAccount": "123456789012"}})), Admits::Yes);
        assert_eq!(deny(json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/others"}})), Admits::No);
        assert_eq!(deny(json!({"Bool": {"aws:PrincipalIsAWSService": "false"}})), Admits::Yes);
        let unclear = || json!({"StringNotEquals": {"aws:SourceVpce": "v"}});
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": unclear()});
        let three = json!([allow(json!({})), deny.clone(), allow(unclear())]);
        assert!(matches!(admits(three), Admits::Unclear(_)), "a doubt about a denial is not outweighed");
        assert!(matches!(admits(json!([allow(unclear()), deny])), Admits::Unclear(_)), "nor is one about an allowance");
    }

    #[test]
    fn a_queue_is_open_to_anybody_where_no_condition_says_whom() {
        let open = |statement: Value| {
            let policy = json!({"Statement": statement});
            QueuePolicy::parse(&policy.to_string()).unwrap().is_open_to_anybody(QUEUE)
        };
        let anybody = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:*", "Resource": QUEUE});
        assert!(open(anybody.clone()));
        let mut some = anybody;
        some["Condition"] = json!({"StringEquals": {"aws:PrincipalAccount": "123456789012"}});
        assert!(!open(some.clone()));
        some["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}});
        assert!(open(some), "by TLS is anybody");
        assert!(!open(allow(json!({}))));
        assert!(QueuePolicy::parse("[").is_err());
    }
}
