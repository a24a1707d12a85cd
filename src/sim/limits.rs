//! What AWS grants the account, kept as AWS keeps it: a token bucket for each kind of call, account and region.
//!
//! Every call that reaches AWS's edge is accounted for, also where nobody enforces it, so that a worker which calls too fast
//! is seen in every run. The kinds and the figures are AWS's own, written down here once more and not taken from the worker:
//! a call that the worker counts wrongly shows here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::scenario::AccountLimits;
use crate::effect::Request;

/// Calls that AWS counts together, how many may come at once, and how many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Granted {
    what: &'static str,
    burst: u32,
    per_second: u32,
}

/// What came of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// AWS's figures, less what others leave.
    pub burst: u32,
    pub per_second: u32,
    pub calls: u64,
    /// The most calls between one full second and the next.
    pub busiest_second: u32,
    /// Calls for which the bucket was empty.
    pub exceeded: u64,
}

#[derive(Clone, Debug)]
pub struct Limits {
    account: AccountLimits,
    buckets: BTreeMap<&'static str, Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    used: Used,
    /// In thousandths of a call.
    tokens: i64,
    filled: Timestamp,
    /// This second, and the calls in it.
    second: (i64, u32),
}

impl Limits {
    pub fn new(account: AccountLimits) -> Self {
        Self { account, buckets: BTreeMap::new() }
    }

    /// A call has come. True: it is beyond what the account has left, and refused.
    pub fn refuses(&mut self, request: &Request, now: Timestamp) -> bool {
        let Some(granted) = granted(request) else { return false };
        let left = self.account.left_percent;
        let bucket = self.buckets.entry(granted.what).or_insert_with(|| Bucket::new(granted, left, now));
        !bucket.takes(now) && self.account.enforced
    }

    pub fn used(&self) -> BTreeMap<&'static str, Used> {
        self.buckets.iter().map(|(what, bucket)| (*what, bucket.used.clone())).collect()
    }
}

impl Bucket {
    fn new(granted: Granted, left_percent: u32, now: Timestamp) -> Self {
        let left = |of: u32| (of * left_percent / 100).max(1);
        let used = Used { burst: left(granted.burst), per_second: left(granted.per_second), ..Used::default() };
        let tokens = i64::from(used.burst) * 1000;
        Self { used, tokens, filled: now, second: (now.as_second(), 0) }
    }

    fn takes(&mut self, now: Timestamp) -> bool {
        let passed = now.as_millisecond() - self.filled.as_millisecond();
        self.filled = now;
        let filled = self.tokens + passed * i64::from(self.used.per_second);
        self.tokens = filled.min(i64::from(self.used.burst) * 1000);
        self.used.calls += 1;
        if self.second.0 != now.as_second() {
            self.second = (now.as_second(), 0);
        }
        self.second.1 += 1;
        self.used.busiest_second = self.used.busiest_second.max(self.second.1);
        if self.tokens < 1000 {
            self.used.exceeded += 1;
            return false;
        }
        self.tokens -= 1000;
        true
    }
}

/// None: a call to the queue, which has no limit that matters here.
fn granted(request: &Request) -> Option<Granted> {
    let (what, burst, per_second) = match request {
        Request::ReceiveMessage { .. }
        | Request::DeleteMessageBatch { .. }
        | Request::ChangeMessageVisibilityBatch { .. } => return None,
        Request::ListContainerInstances { .. }
        | Request::DescribeContainerInstances { .. }
        | Request::ListTasks { .. }
        | Request::DescribeTasks { .. }
        | Request::LocateSelf => ("ECS instance and task reads", 100, 20),
        Request::UpdateContainerInstancesState { .. }
        | Request::DeregisterContainerInstance { .. }
        | Request::StopTask { .. } => ("ECS instance changes", 100, 40),
        Request::ListClusters { .. } | Request::DescribeClusters { .. } | Request::DescribeCapacityProviders { .. } => {
            ("ECS cluster reads", 50, 20)
        }
        // Assumed: as its cluster reads.
        Request::ListServices { .. } | Request::DescribeServices { .. } | Request::GetTaskProtection { .. } => {
            ("ECS service reads (assumed)", 50, 20)
        }
        Request::TagResource { .. } => ("ECS tag changes", 20, 10),
        Request::DescribeInstances { .. }
        | Request::DescribeLaunchTemplateVersions { .. }
        | Request::DescribeImages { .. } => ("EC2 describe", 100, 20),
        Request::CreateTags { .. } => ("EC2 CreateTags", 100, 10),
        Request::TerminateInstances { .. }
        | Request::CreateLaunchTemplateVersion { .. }
        | Request::ModifyLaunchTemplate { .. }
        | Request::DeleteLaunchTemplateVersions { .. } => ("EC2 terminations and template changes", 100, 5),
        // Assumed: as EC2's reads, and as its strictest changes.
        Request::DescribeAutoScalingGroups { .. }
        | Request::DescribeScalingActivities { .. }
        | Request::DescribeInstanceRefreshes { .. }
        | Request::DescribeLifecycleHooks { .. } => ("Auto Scaling reads (assumed)", 100, 20),
        Request::DetachInstances { .. }
        | Request::AttachInstances { .. }
        | Request::TerminateInstanceInAutoScalingGroup { .. }
        | Request::TagGroup { .. }
        | Request::UpdateAutoScalingGroup { .. } => ("Auto Scaling changes (assumed)", 50, 5),
        Request::GetParameters { .. } => ("SSM GetParameters", 40, 40),
        Request::PutParameter { .. } => ("SSM PutParameter", 3, 3),
        Request::DescribeAlarms { .. } => ("CloudWatch DescribeAlarms", 9, 9),
        Request::PutEvents { .. } => ("EventBridge PutEvents", 400, 400),
    };
    Some(Granted { what, burst, per_second })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_768_359_600_000 + ms).unwrap()
    }

    #[test]
    fn a_bucket_has_its_burst_at_once_and_then_its_rate_and_what_is_beyond_is_seen() {
        for (left_percent, at_once, a_second_later) in [(100, 20, 10), (50, 10, 5), (1, 1, 1)] {
            for enforced in [false, true] {
                let mut limits = Limits::new(AccountLimits { left_percent, enforced });
                let tag = Request::TagResource { cluster: "c".into(), tags: BTreeMap::new() };
                let mut refused = |times: u32, ms: i64| (0..times).filter(|_| limits.refuses(&tag, at(ms))).count();
                assert_eq!((refused(at_once, 0), refused(3, 0)), (0, if enforced { 3 } else { 0 }));
                assert_eq!((refused(a_second_later, 1000), refused(1, 1000)), (0, usize::from(enforced)));
                let used = &limits.used()["ECS tag changes"];
                assert_eq!((used.exceeded, used.busiest_second), (4, at_once + 3));
            }
        }
    }
}
