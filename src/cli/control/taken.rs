//! Waiting for what a worker has done about a message: its answer, in the cluster's tag `answer`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::{Instant, interval, timeout_at};

use super::first::described;
use crate::aws::Aws;
use crate::effect::{Failure, FailureKind};
use crate::id::ClusterName;
use crate::plan::answer::{Answer, MessageKey};
use crate::plan::tags::{ClusterTags, Tags};

const EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub enum Waited {
    Answered(Taken),
    Silent(Silence),
}

/// A worker has taken the message.
#[derive(Clone, Debug)]
pub struct Taken {
    pub code: String,
    /// None: only a newer worker gives this answer.
    pub answer: Option<Answer>,
    /// As they were when the answer was there.
    pub tags: ClusterTags,
}

/// No worker has, as far as could be seen.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    pub tags: ClusterTags,
    /// Why it could not be looked, where it could not.
    pub trouble: Option<Failure>,
}

pub async fn wait(aws: &Aws, tags: &Tags, cluster: &ClusterName, key: &MessageKey, within: Duration) -> Waited {
    let (begun, mut ticks) = (Instant::now(), interval(EVERY));
    let mut silence = Silence::default();
    let answered = timeout_at(begun + within, async {
        loop {
            ticks.tick().await;
            progress(Some(begun.elapsed()));
            match described(aws, cluster).await {
                Ok(facts) => {
                    let read = facts.map(|facts| tags.read_cluster(&facts.tags)).unwrap_or_default();
                    if let Some(code) = read.answers.get(key) {
                        let (code, answer) = (code.to_owned(), Answer::from_code(code));
                        return Some(Taken { code, answer, tags: read });
                    }
                    silence = Silence { tags: read, trouble: None };
                }
                Err(failure) if failure.kind == FailureKind::AccessDenied => {
                    silence.trouble = Some(failure);
                    return None;
                }
                Err(failure) => silence.trouble = Some(failure),
            }
        }
    })
    .await;
    progress(None);
    match answered {
        Ok(Some(taken)) => Waited::Answered(taken),
        Ok(None) | Err(_) => Waited::Silent(silence),
    }
}

/// On a terminal, when it takes more than a moment; the last one takes the line away.
fn progress(waited: Option<Duration>) {
    let mut err = std::io::stderr();
    if !err.is_terminal() {
        return;
    }
    let _closed = match waited {
        Some(waited) if waited < EVERY => Ok(()),
        Some(waited) => write!(err, "\rwaiting for a worker to take it: {} s", waited.as_secs()),
        None => write!(err, "\r{:48}\r", ""),
    };
}
