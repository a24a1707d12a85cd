//! Who asks, from where, and by which clock.

use jiff::SignedDuration;

use super::facts::{Facts, Location};
use super::{Area, Check};
use crate::effect::FailureKind;

/// What is off by a minute is going somewhere.
const CLOCK_MAY_BE_OFF: SignedDuration = SignedDuration::from_secs(60);
const CLOCK_IS_WRONG: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![credentials(facts)];
    checks.extend(facts.clock.map(clock));
    checks.extend(facts.rest.as_ref().map(|rest| location(&rest.location)));
    checks
}

fn credentials(facts: &Facts) -> Check {
    const NAME: &str = "credentials";
    let region = &facts.region;
    match &facts.caller {
        Ok(caller) => Area::Identity.pass(NAME, format!("{} in {region}", caller.arn)),
        Err(failure) if failure.kind == FailureKind::Credentials => Area::Identity.fail(
            NAME,
            format!("no usable AWS credentials ({})", failure.in_short()),
            "set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run it where a role is given; nothing else was looked at",
        ),
        Err(failure) => Area::Identity.warn(
            NAME,
            format!("in {region}; who that is could not be asked: {}", failure.in_short()),
            "the worker does not need STS; is there a way out of this network?",
        ),
    }
}

fn clock(before: SignedDuration) -> Check {
    const NAME: &str = "clock";
    let off = before.abs();
    let side = if before.is_negative() { "behind" } else { "before" };
    let says = format!("{:#} {side} AWS's", SignedDuration::from_secs(off.as_secs()));
    let advice = "set it, by NTP: a worker counts windows and time-outs by its clock";
    if off >= CLOCK_IS_WRONG {
        Area::Identity.fail(NAME, says, advice)
    } else if off >= CLOCK_MAY_BE_OFF {
        Area::Identity.warn(NAME, says, advice)
    } else {
        Area::Identity.pass(NAME, says)
    }
}

fn location(location: &Location) -> Check {
    const NAME: &str = "own host";
    match location {
        Location::NotInATask => Area::Identity.pass(NAME, "not in an ECS task: no host has to go last"),
        Location::OnNoHost => Area::Identity
            .pass(NAME, "in an ECS task, and on no host that is known (Fargate, mostly): no host goes last"),
        Location::On(host) => Area::Identity.pass(NAME, format!("on {host}: that host goes last")),
        Location::Unknown(failure) => Area::Identity.warn(
            NAME,
            format!("in an ECS task, on which host could not be asked: {}", failure.in_short()),
            "run it again; a worker that does not know its host may drain it before others",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_less_than_a_minute() {
        for (seconds, status) in
            [(0, Status::Pass), (59, Status::Pass), (-61, Status::Warn), (299, Status::Warn), (-301, Status::Fail)]
        {
            assert_eq!(clock(SignedDuration::from_secs(seconds)).status, status, "{seconds}");
        }
        assert_eq!(clock(SignedDuration::from_secs(-90)).says, "1m 30s behind AWS's");
    }
}
