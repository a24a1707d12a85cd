//! The rungs of the ladder for a drain that does not end, above the report: each has its own time, counted from the beginning
//! of the drain (or from when a person let a held rotation go on).
//!
//! | rung | what is done |
//! |---|---|
//! | `drain-timeout` | it is reported, and the rotation held; the drain goes on |
//! | `stop-standalone-after` | its standalone tasks are stopped: a drain leaves them alone |
//! | `give-up-after` | the rotation is held, and the host goes back to its group (`super::retreat`) |
//! | `force-after` | all its tasks are stopped; once they have had their time to end it is terminated, whether they have or not |

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::act::Act;
use super::context::Context;
use super::flight::Batches;
use super::model::{Host, Look, Stopping, TaskWatch};
use super::output::Plan;
use super::policy::Ladder;
use super::problem::Problem;
use super::timing::{DEACTIVATING_FOR, SILENT_FOR, STOPPING_AGAIN, STOPPING_FOR, earlier, in_words};
use crate::id::{InstanceId, TaskArn};

impl Context<'_> {
    pub(super) fn climb(
        &self,
        id: &InstanceId,
        host: &Host,
        ladder: Ladder,
        since: Timestamp,
        batches: &mut Batches,
        plan: &mut Plan,
    ) {
        let since = self.since(since);
        let Ladder { stop_standalone_after, give_up_after, force_after } = ladder;
        if self.is_reached(since, force_after, plan) {
            self.stop(id, host, plan, force_after, |_| true);
            self.force(id, host, batches, plan);
        } else if self.is_reached(since, stop_standalone_after, plan) {
            self.stop(id, host, plan, stop_standalone_after, |group| !group.starts_with("service:"));
        }
        // It is given up once that is written: see the way back.
        if let Some(after) = give_up_after.filter(|_| self.is_reached(since, give_up_after, plan)) {
            plan.problems.insert(given_up(id, after));
        }
    }

    fn is_reached(&self, since: Timestamp, after: Option<SignedDuration>, plan: &mut Plan) -> bool {
        let Some(at) = after.map(|after| since + after) else { return false };
        if self.now < at {
            plan.look_again = earlier(plan.look_again, Some(at));
        }
        self.now >= at
    }

    /// Tells tasks to stop, each once.
    fn stop(
        &self,
        id: &InstanceId,
        host: &Host,
        plan: &mut Plan,
        after: Option<SignedDuration>,
        which: impl Fn(&str) -> bool,
    ) {
        let Some(watch) = &host.watch else { return };
        let names = Look::Tasks(id.clone());
        if watch.counted.is_some() && host.tasks_to_run() > 0 && !self.view.has_looked(&names) {
            plan.looks.insert(names);
            return;
        }
        let untold: BTreeSet<&TaskArn> = TaskWatch::left(watch).filter(|arn| !watch.told.contains_key(*arn)).collect();
        let look = Look::Left(id.clone());
        if untold.iter().any(|arn| !watch.groups.contains_key(*arn)) && !self.view.has_looked(&look) {
            plan.looks.insert(look);
            return;
        }
        let of = |arn: &&TaskArn| watch.groups.get(*arn).is_some_and(|group| which(group));
        let tasks: BTreeSet<TaskArn> = untold.into_iter().filter(of).cloned().collect();
        if !tasks.is_empty() {
            let why = format!("its host {id} has drained for {}", after.map(in_words).unwrap_or_default());
            plan.acts.push(Act::StopTasks { host: id.clone(), tasks, why });
        }
    }

    /// Once every task that is left has been told to stop, and has had its time to do so, nothing more is waited for. Looked at
    /// in this pass all the same: what has ended by now need not be forced.
    fn force(&self, id: &InstanceId, host: &Host, batches: &mut Batches, plan: &mut Plan) {
        let Some(watch) = &host.watch else { return };
        let until = |arn: &TaskArn| {
            let told = *watch.told.get(arn)?;
            Some(match watch.stopping.get(arn) {
                Some(Stopping::Told(since)) => (*since).max(told) + STOPPING_FOR,
                Some(Stopping::Deactivating) => told + DEACTIVATING_FOR,
                None => told + SILENT_FOR,
            })
        };
        let ends: Option<Vec<Timestamp>> = watch.left().map(until).collect();
        let Some(soonest) = ends.and_then(|ends| ends.into_iter().max()) else { return };
        let how_far = Look::Left(id.clone());
        let is_known = watch.left().all(|arn| matches!(watch.stopping.get(arn), Some(Stopping::Told(_))));
        if !is_known && !self.view.has_looked(&how_far) {
            plan.looks.insert(how_far);
            return;
        }
        if self.now < soonest {
            let again = if is_known { soonest } else { soonest.min(self.now + STOPPING_AGAIN) };
            plan.look_again = earlier(plan.look_again, Some(again));
            return;
        }
        let look = Look::Host(id.clone());
        if self.view.is_fresh(&look, self.now) {
            batches.terminate.insert(id.clone());
        } else {
            plan.looks.insert(look);
        }
    }
}

pub(super) fn given_up(id: &InstanceId, after: SignedDuration) -> Problem {
    Problem::GivenUp { host: id.clone(), after: in_words(after) }
}
