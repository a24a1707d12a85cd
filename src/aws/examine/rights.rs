//! May the worker do what it will have to? IAM's simulation says so of anybody; where IAM may not be asked, and the caller is
//! the one it is about, what it was allowed to call says so, and EC2 by dry runs.
//!
//! A dry run is made of what would do no harm if it were none: a tag that nobody reads, the default version once more.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{RequestLaunchTemplateData, Tag};
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType as Decision,
};

use super::{Examiner, pages};
use crate::aws::error::failed;
use crate::doctor::facts::{Facts, Found, Principal, Right};
use crate::doctor::questions::{Place, Question, needed, questions, uses};
use crate::doctor::rights::{Answer, by_simulation, by_trying, role_of_session};
use crate::effect::permissions::{On, Permission};
use crate::effect::{Failure, FailureKind, VersionRule};
use crate::engine::Settings;
use crate::engine::survey::Findings;
use crate::id::{InstanceId, TemplateId};

type Rights = BTreeMap<&'static str, Right>;

impl Examiner {
    pub(super) async fn rights(
        &self,
        facts: &Facts,
        role: Option<&str>,
        place: &Place,
        survey: &Findings,
        queue_read: bool,
    ) -> (Principal, Rights) {
        let mut needed = needed(uses(&facts.settings, survey, place), &facts.settings);
        if facts.queue_url.is_none() {
            needed.retain(|needs| !matches!(needs.on, On::Queue | On::Key));
        }
        let caller = facts.caller.as_ref().map_or("the caller", |caller| caller.arn.as_str());
        let who = match role {
            Some(role) => Ok(role_arn(role, place)),
            None => self.identity_of(caller, place).await,
        };
        let why_not_simulated = match &who {
            Ok(who) => match self.simulate(who, &questions(place, &facts.settings, survey)).await {
                Ok(answers) => return (Principal::Simulated(who.clone()), by_simulation(&needed, &answers)),
                Err(failure) if failure.code == "NoSuchEntity" && role.is_some() => {
                    return (Principal::Missing(who.clone()), Rights::new());
                }
                Err(failure) => failure.in_short(),
            },
            Err(why) => why.clone(),
        };
        match role {
            Some(_) => {
                let rights = needed.iter().map(|needs| (needs.name(), Right::Unproved(None))).collect();
                let principal = who.unwrap_or_default();
                (Principal::Unknown { principal, why_not_simulated }, rights)
            }
            None => {
                let rights = self.tried(&needed, &facts.settings, survey, queue_read).await;
                (Principal::Tried { caller: caller.to_owned(), why_not_simulated }, rights)
            }
        }
    }

    /// The role of a session, which IAM can be asked about; its path is not in the session's ARN.
    async fn identity_of(&self, caller: &str, place: &Place) -> Result<String, String> {
        if let Some(name) = role_of_session(caller) {
            let role = self.iam.get_role().role_name(name).send().await;
            let arn = role.ok().and_then(|output| output.role).map(|role| role.arn);
            return Ok(arn.unwrap_or_else(|| role_arn(name, place)));
        }
        let known = caller.contains(":user/") || caller.contains(":role/");
        if known {
            Ok(caller.to_owned())
        } else {
            Err(format!("IAM simulates roles and users only, and this is {caller}"))
        }
    }

    /// IAM does not answer every two actions together: what it refuses to is asked one by one, and what it does not answer then
    /// stays without an answer. Whoever may not ask at all is told so by the first.
    async fn simulate(&self, who: &str, questions: &[Question]) -> Found<Vec<Answer>> {
        let (mut answers, mut first) = (Vec::new(), true);
        for question in questions {
            match self.ask(who, question).await {
                Ok(some) => answers.extend(some),
                Err(failure) if failure.kind == FailureKind::AccessDenied || failure.code == "NoSuchEntity" => {
                    return Err(failure);
                }
                Err(failure) if first && failure.kind != FailureKind::Refused => return Err(failure),
                Err(_) => {
                    for action in &question.actions {
                        let alone = Question { actions: vec![*action], ..question.clone() };
                        answers.extend(self.ask(who, &alone).await.unwrap_or_default());
                    }
                }
            }
            first = false;
        }
        Ok(answers)
    }

    async fn ask(&self, who: &str, question: &Question) -> Found<Vec<Answer>> {
        // Of actions that know no resources, none is to be given.
        let resources = Some(question.resources.clone()).filter(|resources| *resources != ["*"]);
        let results = pages(async |marker| {
            let call = self
                .iam
                .simulate_principal_policy()
                .policy_source_arn(who)
                .set_action_names(Some(question.actions.iter().map(|&action| action.to_owned()).collect()))
                .set_resource_arns(resources.clone())
                .set_context_entries(Some(question.context.iter().map(context).collect()))
                .set_marker(marker);
            let output = call.send().await.map_err(failed("SimulatePrincipalPolicy"))?;
            Ok((output.evaluation_results.unwrap_or_default(), output.marker))
        })
        .await?;
        Ok(results.iter().flat_map(|result| answers_in(question.on, result)).collect())
    }

    async fn tried(&self, needed: &[Permission], settings: &Settings, survey: &Findings, queue_read: bool) -> Rights {
        let mut called = survey.answered.clone();
        if queue_read {
            called.insert("GetQueueAttributes");
        }
        let dry =
            if settings.mode.changes() { self.dry_runs(&settings.tag_prefix, survey).await } else { BTreeMap::new() };
        by_trying(needed, &called, &survey.denied, &dry)
    }

    /// By the action that each needs.
    async fn dry_runs(&self, prefix: &str, survey: &Findings) -> BTreeMap<&'static str, Result<(), String>> {
        let mut said = BTreeMap::new();
        if let Some(host) = some_member(survey) {
            // Refused, it may be the key that is not allowed, which the worker never writes.
            said.extend(verdict("ec2:CreateTags", self.dry_tag(prefix, &host).await).filter(|(_, said)| said.is_ok()));
        }
        if let Some((template, version, image)) = some_template(survey) {
            let version = version.to_string();
            let (id, ec2) = (template.as_str(), &self.aws.ec2);
            // The image that it has already.
            let data = RequestLaunchTemplateData::builder().image_id(image).build();
            let call = ec2.create_launch_template_version().dry_run(true).launch_template_id(id);
            let made = call.source_version(&version).launch_template_data(data).send().await;
            said.extend(verdict(
                "ec2:CreateLaunchTemplateVersion",
                made.map_err(failed("CreateLaunchTemplateVersion")),
            ));
            let call = ec2.modify_launch_template().dry_run(true).launch_template_id(id);
            let set = call.default_version(&version).send().await;
            said.extend(verdict("ec2:ModifyLaunchTemplate", set.map_err(failed("ModifyLaunchTemplate"))));
            let call = ec2.delete_launch_template_versions().dry_run(true).launch_template_id(id);
            let gone = call.versions(&version).send().await;
            said.extend(verdict(
                "ec2:DeleteLaunchTemplateVersions",
                gone.map_err(failed("DeleteLaunchTemplateVersions")),
            ));
        }
        said
    }

    async fn dry_tag(&self, prefix: &str, host: &InstanceId) -> Found<()> {
        let tag = Tag::builder().key(format!("{prefix}doctor")).value("a dry run").build();
        let call = self.aws.ec2.create_tags().dry_run(true).resources(host.as_str()).tags(tag);
        call.send().await.map(|_| ()).map_err(failed("CreateTags"))
    }
}

/// Of a role's name, or of its ARN, or of a session of it.
fn role_arn(role: &str, place: &Place) -> String {
    match role_of_session(role) {
        None if role.starts_with("arn:") => role.to_owned(),
        name => format!("arn:{}:iam::{}:role/{}", place.partition, place.account, name.unwrap_or(role)),
    }
}

/// Its type is part of the question.
fn context((key, value): &(String, String)) -> ContextEntry {
    let of_type = match key.as_str() {
        "aws:TagKeys" => ContextKeyTypeEnum::StringList,
        "aws:SecureTransport" | "aws:ViaAWSService" | "aws:PrincipalIsAWSService" => ContextKeyTypeEnum::Boolean,
        _ => ContextKeyTypeEnum::String,
    };
    ContextEntry::builder().context_key_name(key).context_key_type(of_type).context_key_values(value).build()
}

/// For several things IAM answers on each; for one, as a whole.
fn answers_in(on: On, result: &EvaluationResult) -> Vec<Answer> {
    let by_others = by_others(result);
    let answer = |resource: &str, decision: &Decision, missing: &[String]| {
        let allowed = *decision == Decision::Allowed;
        Answer {
            action: result.eval_action_name.clone(),
            on,
            resource: resource.to_owned(),
            allowed: if allowed { Ok(()) } else { Err(format!("{}{by_others}", decision.as_str())) },
            lacks: missing.to_vec(),
        }
    };
    let each = result.resource_specific_results();
    if each.is_empty() {
        let resource = result.eval_resource_name().unwrap_or("*");
        return vec![answer(resource, &result.eval_decision, result.missing_context_values())];
    }
    each.iter()
        .map(|one| answer(&one.eval_resource_name, &one.eval_resource_decision, one.missing_context_values()))
        .collect()
}

/// Where it is not the role's own policies that are in the way.
fn by_others(result: &EvaluationResult) -> &'static str {
    let organization = result.organizations_decision_detail().is_some_and(|detail| !detail.allowed_by_organizations);
    let boundary =
        result.permissions_boundary_decision_detail().is_some_and(|detail| !detail.allowed_by_permissions_boundary);
    match (organization, boundary) {
        (true, _) => " by a policy of the organization",
        (false, true) => " by its permissions boundary",
        (false, false) => "",
    }
}

/// What a dry run says of an action; nothing, where it says something else.
fn verdict<T>(action: &'static str, said: Found<T>) -> Option<(&'static str, Result<(), String>)> {
    match said {
        Err(Failure { code, .. }) if code == "DryRunOperation" => Some((action, Ok(()))),
        // What follows is for those who may decode it.
        Err(Failure { kind: FailureKind::AccessDenied, message, .. }) => {
            let said = message.split(" Encoded authorization failure").next().unwrap_or_default();
            Some((action, Err(said.to_owned())))
        }
        Ok(_) | Err(_) => None,
    }
}

fn some_member(survey: &Findings) -> Option<InstanceId> {
    survey.groups().flat_map(|group| &group.facts.members).map(|member| member.id.clone()).next()
}

/// A template of a group, and its default version, which AWS does not delete.
fn some_template(survey: &Findings) -> Option<(TemplateId, u64, String)> {
    let defaults =
        survey.views().flat_map(|view| &view.templates).filter_map(|((id, rule), version)| match (rule, version) {
            (VersionRule::Default, Ok(version)) => Some((id.clone(), version.number, version.image.clone()?)),
            (VersionRule::Default | VersionRule::Latest | VersionRule::Number(_), _) => None,
        });
    defaults.min()
}
