//! Whether a service's settings leave room to move one of its tasks.

use crate::effect::{Resources, Service};

/// Why a drain would not move it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Neither one more may start nor one stop.
    NoRoom { desired: u32, minimum: u32, maximum: u32 },
    /// So few run that none may stop before others run.
    Short { running: u32, desired: u32, minimum: u32 },
    /// Each task wants a host of its own, and there are not as many.
    TooFewHosts { desired: u32, hosts: usize },
    /// No other host is large enough.
    FitsNowhere(Resources),
    /// Its service must not stop it.
    Protected,
    /// Nobody moves it.
    Standalone,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::NoRoom { desired, minimum, maximum } => write!(
                f,
                "with {desired} desired, a minimum of {minimum} % and a maximum of {maximum} % it may neither start a task \
                 more nor stop one: a drain of its hosts never ends"
            ),
            Why::Short { running, desired, minimum } => write!(
                f,
                "{running} of {desired} run, with a minimum of {minimum} %: a drain of its hosts waits until more do"
            ),
            Why::TooFewHosts { desired, hosts } => write!(
                f,
                "each of its {desired} tasks wants a host of its own (distinctInstance), and {hosts} take tasks"
            ),
            Why::FitsNowhere(needs) => write!(
                f,
                "needs {needs}, which no other host has free, and no other host of its group has at all: it stays, unless \
                 the replacement is larger"
            ),
            Why::Protected => f.write_str("protected: a drain may wait until its protection ends"),
            Why::Standalone => f.write_str("a drain waits until it ends by itself"),
        }
    }
}

impl Why {
    /// The same in few words, for a line that names many.
    pub fn in_short(&self) -> String {
        match self {
            Why::NoRoom { desired, minimum, maximum } => {
                format!("no room with {desired} desired at {minimum}/{maximum} %")
            }
            Why::Short { running, desired, .. } => format!("{running} of {desired} run"),
            Why::TooFewHosts { desired, hosts } => format!("{desired} on distinct instances. {hosts} hosts"),
            Why::FitsNowhere(needs) => format!("needs {needs}: fits nowhere else"),
            Why::Protected => "protected".to_owned(),
            Why::Standalone => "ends by itself".to_owned(),
        }
    }
}

/// Minimum rounded up, maximum rounded down: with neither room to start one more nor to stop one, a drain never moves a
/// task. And none is stopped while no more run than must.
pub fn no_room(service: &Service) -> Option<Why> {
    let Service { desired, running, minimum_healthy_percent: minimum, maximum_percent: maximum, .. } = *service;
    if service.daemon || service.fargate || desired == 0 {
        return None;
    }
    let (least, most) = bounds(service);
    if least >= u64::from(desired) && most <= u64::from(desired) {
        return Some(Why::NoRoom { desired, minimum, maximum });
    }
    let short = running < desired && u64::from(running) <= least;
    short.then_some(Why::Short { running, desired, minimum })
}

/// What happens to a service with a single task when its host is drained, where that is no standstill.
pub fn single_copy(service: &Service) -> Option<&'static str> {
    if service.daemon || service.fargate || service.desired != 1 || no_room(service).is_some() {
        return None;
    }
    Some(match bounds(service) {
        (0, _) => "its only task may be stopped before another one runs: for a moment there is none",
        _ => "its only task is stopped when another one runs: for a moment there are two",
    })
}

/// At least so many run, and at most so many run or start.
pub(super) fn bounds(service: &Service) -> (u64, u64) {
    let of = |percent: u32| u64::from(service.desired) * u64::from(percent);
    (of(service.minimum_healthy_percent).div_ceil(100), of(service.maximum_percent) / 100)
}
