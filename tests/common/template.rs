//! A CloudFormation template as it is deployed with some parameters: as many of CloudFormation's functions as ours uses where
//! it is looked at.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value;

pub const REGION: &str = "ap-southeast-1";
pub const ACCOUNT: &str = "123456789012";

pub struct Deployed<'a> {
    pub template: &'a Value,
    pub stack: &'a str,
    pub parameters: BTreeMap<&'a str, String>,
}

impl Deployed<'_> {
    /// None: `AWS::NoValue`.
    pub fn value(&self, value: &Value) -> Option<Json> {
        match value {
            Value::Tagged(tagged) => self.function(&tagged.tag.to_string(), &tagged.value),
            Value::Sequence(list) => Some(list.iter().filter_map(|one| self.value(one)).collect()),
            Value::Mapping(map) => {
                let entry = |(key, value): (&Value, &Value)| Some((text(key).to_owned(), self.value(value)?));
                Some(Json::Object(map.iter().filter_map(entry).collect::<Map<_, _>>()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Some(serde_json::to_value(value).expect("a scalar"))
            }
        }
    }

    fn function(&self, name: &str, of: &Value) -> Option<Json> {
        match name {
            "!Ref" => self.reference(text(of)),
            "!If" => {
                let taken = if self.condition(text(&of[0])) { &of[1] } else { &of[2] };
                self.value(taken)
            }
            "!GetAtt" => Some(self.attribute(text(of)).into()),
            "!Sub" => Some(self.substituted(of).into()),
            "!Join" => Some(self.texts(&of[1]).join(text(&of[0])).into()),
            "!Split" => Some(self.one_text(&of[1]).split(text(&of[0])).collect()),
            "!Select" => {
                let index = usize::try_from(of[0].as_u64().expect("an index")).expect("a small one");
                Some(self.texts(&of[1])[index].clone().into())
            }
            "!Equals" => Some((self.value(&of[0]) == self.value(&of[1])).into()),
            "!Not" => Some((!self.holds(&of[0])).into()),
            "!And" => Some(parts(of).iter().all(|one| self.holds(one)).into()),
            "!Or" => Some(parts(of).iter().any(|one| self.holds(one)).into()),
            "!Condition" => Some(self.condition(text(of)).into()),
            _ => panic!("{name} is not known here"),
        }
    }

    fn reference(&self, name: &str) -> Option<Json> {
        let pseudo = match name {
            "AWS::NoValue" => return None,
            "AWS::Partition" => Some("aws"),
            "AWS::Region" => Some(REGION),
            "AWS::AccountId" => Some(ACCOUNT),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some(self.stack),
            _ => None,
        };
        if let Some(pseudo) = pseudo {
            return Some(pseudo.into());
        }
        let parameter = &self.template["Parameters"][name];
        assert!(!parameter.is_null(), "{name} is no parameter");
        let default = || self.value(&parameter["Default"]).expect("a default");
        let given = self.parameters.get(name).map_or_else(default, |given| given.as_str().into());
        let is_list = text(&parameter["Type"]).contains("List");
        Some(if is_list { given.as_str().expect("text").split(',').collect() } else { given })
    }

    fn attribute(&self, name: &str) -> String {
        match name {
            "Queue.Arn" => format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.stack),
            _ => panic!("{name} is not known here"),
        }
    }

    fn substituted(&self, of: &Value) -> String {
        let (pattern, own) = if of.is_string() { (text(of), None) } else { (text(&of[0]), Some(&of[1])) };
        let mut parts = pattern.split("${");
        let mut said = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a name has an end");
            let own = own.map(|own| &own[name]).filter(|own| !own.is_null());
            let value = own.map_or_else(|| self.reference(name), |own| self.value(own));
            said += value.as_ref().and_then(Json::as_str).expect("text");
            said += rest;
        }
        said
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(!condition.is_null(), "{name} is no condition");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        self.value(condition).and_then(|holds| holds.as_bool()).expect("true or false")
    }

    fn one_text(&self, value: &Value) -> String {
        self.value(value).and_then(|value| value.as_str().map(str::to_owned)).expect("text")
    }

    fn texts(&self, value: &Value) -> Vec<String> {
        let list = self.value(value).expect("a list");
        let texts = list.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned());
        texts.collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn parts(value: &Value) -> &[Value] {
    value.as_sequence().expect("a list")
}
