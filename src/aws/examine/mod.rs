//! What `doctor` looks at, gathered: reads, simulated policies and dry runs. Nothing is changed.
//!
//! Not through the engine, for nothing here is the worker's work: the worker needs none of these calls, and its role allows
//! hardly any of them. What is refused is a fact as well, and stays in its place as a [`Failure`](crate::effect::Failure).

mod identity;
mod queue;
mod rights;
mod rules;

use aws_config::SdkConfig;

use super::client::from_environment;
use super::preflight::{First, NotUsable};
use super::worker::now;
use super::{Aws, survey};
use crate::doctor::facts::{Encryption, Facts, Found, Location, NoQueue, Queue, Rest};
use crate::doctor::questions::Place;
use crate::doctor::samples::samples;
use crate::effect::{FailureKind, Reply, Request};
use crate::engine::Settings;
use crate::engine::survey::{Depth, Findings, Survey};

struct Examiner {
    aws: Aws,
    iam: aws_sdk_iam::Client,
    scheduler: aws_sdk_scheduler::Client,
}

/// Looks at everything, but at no queue where none is named. `role`: whose rights are asked for, a role's name or ARN; None: the
/// caller's. `progress` is told what is looked at, and None at the end.
///
/// # Errors
/// When AWS cannot be used: then there is nobody to ask.
pub async fn examine(
    settings: Settings,
    queue_url: Option<&str>,
    role: Option<&str>,
    progress: impl Fn(Option<&str>),
) -> Result<Facts, NotUsable> {
    let (config, region) = from_environment(None).await?;
    let examiner = Examiner::new(&config, &region, queue_url.unwrap_or_default());
    progress(Some("credentials"));
    match examiner.aws.preflight(First::Clusters(&settings.clusters)).await {
        // What may not be called is what the examination is about.
        Ok(()) | Err(NotUsable::AccessDenied { .. }) => {}
        Err(error) => {
            progress(None);
            return Err(error);
        }
    }
    let (caller, clock) = examiner.caller().await;
    let unusable = caller.as_ref().is_err_and(|failure| failure.kind == FailureKind::Credentials);
    let mut facts =
        Facts { region, queue_url: queue_url.map(str::to_owned), settings, at: now(), caller, clock, rest: None };
    if !unusable {
        facts.rest = Some(examiner.rest(&facts, role, &progress).await);
    }
    progress(None);
    Ok(facts)
}

impl Examiner {
    fn new(config: &SdkConfig, region: &str, queue_url: &str) -> Self {
        Self {
            aws: Aws::with_config(config, region.to_owned(), queue_url),
            iam: aws_sdk_iam::Client::new(config),
            scheduler: aws_sdk_scheduler::Client::new(config),
        }
    }

    async fn rest(&self, facts: &Facts, role: Option<&str>, progress: &impl Fn(Option<&str>)) -> Rest {
        progress(Some("queue"));
        let queue = match facts.queue_url {
            Some(_) => self.queue().await,
            None => Err(NoQueue::NotAsked),
        };
        let dead_letters = self.dead_letters(&queue).await;
        progress(Some("rules and schedules"));
        let (rules, schedules) = self.what_targets(&queue).await;
        let survey = self.survey(facts.settings.clone(), progress).await;
        progress(Some("what the rules let through"));
        let deliveries = match &rules {
            Ok(rules) => self.deliveries(samples(&survey), rules).await,
            Err(_) => Vec::new(),
        };
        progress(Some("permissions"));
        let place = place(facts, queue.as_ref().ok());
        let (principal, rights) = self.rights(facts, role, &place, &survey, queue.is_ok()).await;
        let location = self.location().await;
        Rest { queue, dead_letters, rules, schedules, deliveries, location, survey, principal, rights }
    }

    async fn survey(&self, settings: Settings, progress: &impl Fn(Option<&str>)) -> Findings {
        let told = |calls: Option<u64>| {
            if let Some(calls) = calls {
                progress(Some(&format!("clusters: {calls} calls made")));
            }
        };
        survey(Survey::new(settings, Depth::Hosts, 0).by_workers(), self.aws.clone(), told).await
    }

    async fn location(&self) -> Location {
        match self.aws.perform(Request::LocateSelf).await {
            Ok(Reply::SelfLocation(Some(host))) => Location::On(host),
            Ok(_) if super::locate::is_in_a_task() => Location::OnNoHost,
            Ok(_) => Location::NotInATask,
            Err(failure) => Location::Unknown(failure),
        }
    }
}

/// As far as it is known. The queue says its account as well, to whom STS does not answer.
fn place(facts: &Facts, queue: Option<&Queue>) -> Place {
    let arn = facts.caller.as_ref().map(|caller| caller.arn.as_str()).ok().or(queue.map(|queue| queue.arn.as_str()));
    let mut parts = arn.unwrap_or_default().split(':');
    let (partition, account) = (parts.nth(1).unwrap_or("aws"), parts.nth(2).unwrap_or_default());
    Place {
        partition: partition.to_owned(),
        region: facts.region.clone(),
        account: account.to_owned(),
        queue: queue.map(|queue| queue.arn.clone()),
        key: queue.and_then(|queue| match &queue.encryption {
            Encryption::ByKey(key) if key.starts_with("arn:") && !key.ends_with("alias/aws/sqs") => Some(key.clone()),
            Encryption::ByKey(_) | Encryption::BySqs | Encryption::None => None,
        }),
    }
}

/// The pages of one call, one after the other.
async fn pages<T, F>(ask: impl Fn(Option<String>) -> F) -> Found<Vec<T>>
where
    F: Future<Output = Found<(Vec<T>, Option<String>)>>,
{
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let (some, next) = ask(token).await?;
        all.extend(some);
        token = next.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}
