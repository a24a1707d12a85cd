//! Why a rotation stops by itself: each problem with the hosts or the group it is about, and what a person can do.
//!
//! A tag has room for 256 characters of a small alphabet, so what becomes durable is a code with the ids it is about
//! ([`Hold`]): `drain-overdue=1h i-0abc i-0def / no-replacement=15m @web-asg i-0fed`. Sentences are made by the reader,
//! from the code and from what AWS says now ([`told`](super::problem::told)).
//!
//! A hold ends when a person says so (`resume`, `rotate`). Three causes are observed to be gone, and then the rotation goes
//! on by itself, because every gate before the next host is checked again: a drain that is over after all, a replacement
//! that came late, a group that is at capacity again. Whatever rests on a judgement waits for a person: a rejected image, a
//! host that was given up or could not be given back, a wrong image, a refusal by AWS, an abort.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{BlockedKind, Code, Problem, asks_for_more, list};
use super::tag_text::word;
use crate::id::InstanceId;

/// One cause as a tag says it: `drain-overdue=1h i-0abc i-0def +3`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    pub code: Code,
    /// A duration, an image, a call: one word, or none.
    pub detail: String,
    /// Names of groups as [`word`] writes them.
    pub groups: BTreeSet<String>,
    pub hosts: BTreeSet<InstanceId>,
    /// So many hosts more, for which there was no room.
    pub more: usize,
}

/// Why a rotation is held, as the cluster's tags `hold` and `hold-more` say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// A person has stopped it.
    pub aborted: bool,
    pub causes: Vec<Cause>,
    /// What a worker wrote that knew no codes.
    pub prose: Option<String>,
}

/// How the tag says that a person has stopped the rotation, and how workers before codes said it.
const ABORTED: &str = "aborted";
const ABORTED_IN_PROSE: &str = "aborted by a person";
/// The same in a sentence.
pub const ABORTED_SAID: &str =
    "aborted: hosts that drain finish, the others go back to their groups, and `rotate` begins it again";
const BETWEEN: &str = " / ";

impl Hold {
    pub fn aborted() -> Self {
        Self { aborted: true, ..Self::default() }
    }

    /// Problems of one kind and detail are one cause.
    pub fn of(problems: &BTreeSet<Problem>, aborted: bool) -> Self {
        let mut causes: BTreeMap<(Code, String), Cause> = BTreeMap::new();
        for problem in problems {
            let (code, detail) = (problem.code(), problem.detail());
            let cause = causes.entry((code, detail.clone())).or_insert_with(|| Cause {
                code,
                detail,
                groups: BTreeSet::new(),
                hosts: BTreeSet::new(),
                more: 0,
            });
            cause.groups.extend(problem.group().map(|group| word(group.as_str())));
            cause.hosts.extend(problem.hosts().into_iter().cloned());
        }
        Self { aborted, causes: causes.into_values().collect(), prose: None }
    }

    /// Where only the tag is there to go by.
    pub fn in_words(&self) -> String {
        let aborted = (self.aborted && self.prose.is_none()).then(|| ABORTED_SAID.to_owned());
        let lines = aborted.into_iter().chain(self.prose.clone()).chain(self.causes.iter().map(Cause::sentence));
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Does it say all that the other says? What found no room in a tag is not asked for.
    pub fn covers(&self, other: &Self) -> bool {
        let named = |cause: &Cause| {
            let mut same = self.causes.iter().filter(|mine| mine.code == cause.code && mine.detail == cause.detail);
            same.any(|mine| {
                mine.more > 0 || (mine.hosts.is_superset(&cause.hosts) && mine.groups.is_superset(&cause.groups))
            })
        };
        self.aborted == other.aborted && other.causes.iter().all(named)
    }

    /// As the tag says it, in at most so many characters: hosts and groups that find no room are counted (`+3`).
    pub fn text(&self, room: usize) -> String {
        if let Some(prose) = &self.prose {
            return prose.clone();
        }
        let aborted = self.aborted.then(|| ABORTED.to_owned());
        // Every cause is said; then their hosts and groups, as far as there is room.
        let heads: Vec<String> = aborted.into_iter().chain(self.causes.iter().map(Cause::head)).collect();
        let mut left = room.saturating_sub(heads.join(BETWEEN).chars().count());
        let first = heads.len() - self.causes.len();
        let parts = heads.iter().enumerate().map(|(n, head)| match n.checked_sub(first).map(|n| &self.causes[n]) {
            Some(cause) => format!("{head}{}", cause.tail(&mut left)),
            None => head.clone(),
        });
        parts.collect::<Vec<_>>().join(BETWEEN).chars().take(room).collect()
    }

    /// None of it fails: what is no code is what an older worker wrote.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(BETWEEN).peekable();
        let aborted = parts.next_if(|first| *first == ABORTED).is_some();
        let rest: Vec<&str> = parts.collect();
        let causes: Option<Vec<Cause>> = rest.iter().map(|part| Cause::parse(part)).collect();
        match causes {
            Some(causes) => Self { aborted, causes, prose: None },
            None => {
                let aborted = aborted || text.starts_with(ABORTED_IN_PROSE);
                Self { aborted, causes: Vec::new(), prose: Some(text.to_owned()) }
            }
        }
    }
}

impl Cause {
    fn head(&self) -> String {
        if self.detail.is_empty() { self.code.to_string() } else { format!("{}={}", self.code, self.detail) }
    }

    /// ` @web-asg i-0abc +3`
    fn tail(&self, left: &mut usize) -> String {
        /// For ` +999` behind the last one.
        const COUNT: usize = 5;
        let words: Vec<String> = self
            .groups
            .iter()
            .map(|group| format!(" @{group}"))
            .chain(self.hosts.iter().map(|id| format!(" {id}")))
            .collect();
        let whole: usize = words.iter().map(|word| word.chars().count()).sum();
        let most = if whole <= *left && self.more == 0 { *left } else { left.saturating_sub(COUNT) };
        let mut used = 0;
        let fits = |word: &&String| {
            used += word.chars().count();
            used <= most
        };
        let mut tail: String = words.iter().take_while(fits).map(String::as_str).collect();
        let said = tail.split_whitespace().count();
        let more = words.len() - said + self.more;
        if more > 0 {
            tail += &format!(" +{more}");
        }
        *left = left.saturating_sub(tail.chars().count());
        tail
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let head = words.next()?;
        let (code, detail) = head.split_once('=').unwrap_or((head, ""));
        let code = code.parse().ok()?;
        let mut cause =
            Self { code, detail: detail.to_owned(), groups: BTreeSet::new(), hosts: BTreeSet::new(), more: 0 };
        for word in words {
            if let Some(group) = word.strip_prefix('@') {
                cause.groups.insert(group.to_owned());
            } else if let Some(more) = word.strip_prefix('+') {
                cause.more = more.parse().ok()?;
            } else if word.starts_with("i-") {
                cause.hosts.insert(word.into());
            } else {
                return None;
            }
        }
        Some(cause)
    }

    /// What stands before the next host, where the cause is that.
    pub fn blocked_kind(&self) -> Option<BlockedKind> {
        let (kind, _) = self.detail.split_once(':').filter(|_| self.code == Code::GroupBlocked)?;
        kind.parse().ok()
    }

    /// Does the rotation go on by itself when it is gone?
    pub fn clears_itself(&self) -> bool {
        match self.code {
            Code::DrainOverdue | Code::NoReplacement => true,
            Code::GroupBlocked => {
                matches!(self.blocked_kind(), Some(BlockedKind::NotAtCapacity | BlockedKind::LaunchesSuspended))
            }
            Code::BadRelease
            | Code::GivenUp
            | Code::NotGivenBack
            | Code::WrongImage
            | Code::HostRefused
            | Code::NotAllowed
            | Code::TemplateRefused => false,
        }
    }

    /// What can be said where only the tag is left to go by.
    pub fn sentence(&self) -> String {
        let detail = &self.detail;
        let (hosts, groups) = (self.hosts_said(), list(self.groups.iter().map(String::as_str)));
        match self.code {
            Code::DrainOverdue => format!("{hosts} not drained within {detail}"),
            Code::NoReplacement => format!("no replacement in {groups} within {detail} for {hosts}"),
            Code::BadRelease => format!("an image failed in {groups} and is rejected there"),
            Code::GivenUp => format!("{hosts} given up after {detail} of draining"),
            Code::NotGivenBack => format!("{hosts} not given back to the group"),
            Code::WrongImage => format!("a replacement in {groups} runs {detail}, which is not the release: {hosts}"),
            Code::GroupBlocked => {
                let (kind, after) = detail.split_once(':').unwrap_or((detail, ""));
                format!("{groups}: {} for {after}", kind.replace('-', " "))
            }
            Code::HostRefused => format!("AWS refused {} for {hosts}", call_said(detail)),
            Code::NotAllowed if self.hosts.is_empty() => {
                format!("the worker's role does not allow {detail}{}", asks_for_more(detail))
            }
            Code::NotAllowed => format!("the worker's role does not allow {detail} for {hosts}"),
            Code::TemplateRefused => format!("AWS refused {}", call_said(detail)),
        }
    }

    fn hosts_said(&self) -> String {
        let names = list(self.hosts.iter().map(InstanceId::as_str));
        match self.more {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }
}

/// `DetachInstances:ValidationError` → `DetachInstances (ValidationError)`
fn call_said(detail: &str) -> String {
    detail.split_once(':').map_or_else(|| detail.to_owned(), |(call, code)| format!("{call} ({code})"))
}

/// What a person does about a cause of this kind.
pub fn advice(code: Code, clears_itself: bool) -> &'static str {
    match code {
        Code::DrainOverdue => {
            "stop these tasks or make room for them: the rotation goes on by itself once the hosts are empty"
        }
        Code::NoReplacement => {
            "see the group's scaling activities: the rotation goes on by itself once a replacement has joined"
        }
        Code::BadRelease => "publish a newer image, or clear the group's tag `rejected`, then run `rotate`",
        Code::GivenUp => "see why its tasks do not stop, then run `resume`",
        Code::NotGivenBack => "see the group's size and its maximum, then run `resume`",
        Code::WrongImage => "see the group's warm pool and overrides, then run `resume`",
        Code::GroupBlocked if clears_itself => "the rotation goes on by itself once the group is at capacity",
        Code::GroupBlocked => "once fixed, run `resume`",
        Code::HostRefused | Code::TemplateRefused => "see what AWS says, then run `resume`",
        Code::NotAllowed => "allow it (`ecs-rotator doctor` names what is missing), then run `resume`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GroupName;
    use crate::plan::drain_report::Keeper;
    use crate::plan::problem::{Refusal, reason, told};
    use crate::plan::timing::in_words;
    use jiff::SignedDuration;

    const TAG: usize = 256;

    fn hosts(n: usize) -> BTreeSet<InstanceId> {
        (0..n).map(|n| InstanceId::from(format!("i-{n:017x}").as_str())).collect()
    }

    fn overdue(host: &str, group: &str, service: &str) -> Problem {
        let keeper = Keeper { what: format!("service {service}"), why: Some("0 of 6 run".to_owned()) };
        Problem::DrainOverdue {
            host: host.into(),
            group: Some(group.into()),
            after: "1h 30m".to_owned(),
            tasks: 2,
            kept_by: Some(vec![keeper]),
        }
    }

    fn no_replacement(n: usize) -> Problem {
        Problem::NoReplacement { group: "web asg".into(), hosts: hosts(n), after: "15m".to_owned(), why: None }
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (900, "15m"), (3600, "1h"), (5430, "1h 30m 30s")] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn a_hold_is_short_codes_with_the_ids_they_are_about() {
        let problems = BTreeSet::from([overdue("i-1", "web", "api"), overdue("i-2", "web", "api"), no_replacement(1)]);
        let hold = Hold::of(&problems, false);
        let text = hold.text(TAG);
        assert_eq!(text, "drain-overdue=1h30m i-1 i-2 / no-replacement=15m @web_asg i-00000000000000000");
        assert_eq!(Hold::parse(&text), hold);
        let aborted = Hold { aborted: true, ..hold };
        assert_eq!(Hold::parse(&aborted.text(TAG)), aborted);
        assert_eq!(Hold::parse("aborted"), Hold::aborted());
    }

    #[test]
    fn hosts_for_which_there_is_no_room_are_counted() {
        let hold = Hold::of(&BTreeSet::from([no_replacement(40), overdue("i-1", "web", "api")]), true);
        let text = hold.text(TAG);
        assert!(text.chars().count() <= TAG && text.starts_with("aborted / drain-overdue=1h30m i-1 / "), "{text}");
        let read = Hold::parse(&text);
        let cause = &read.causes[1];
        assert_eq!((cause.hosts.len() + cause.more, cause.hosts.len()), (40, 9), "{text}");
        assert_eq!(read.text(TAG), text, "read and written again it is the same");
    }

    #[test]
    fn what_a_worker_wrote_that_knew_no_codes_is_kept_as_it_is() {
        let old = "i-093d4049acb3a0d3e: 2 tasks not stopped after 1h of draining: stop them or wait. then resume";
        assert_eq!(Hold::parse(old), Hold { prose: Some(old.to_owned()), ..Hold::default() });
        assert_eq!(Hold::parse(old).text(TAG), old);
        let aborted = Hold::parse("aborted by a person. hosts that drain finish. it begins again with rotate");
        assert!(aborted.aborted && aborted.prose.is_some());
    }

    #[test]
    fn hosts_that_are_kept_by_the_same_are_told_in_one_sentence() {
        let problems = BTreeSet::from([
            overdue("i-1", "web", "checkout"),
            overdue("i-2", "web", "checkout"),
            overdue("i-3", "api", "checkout"),
            overdue("i-4", "api", "search"),
        ]);
        let texts: Vec<String> = told(&problems).into_iter().map(|told| told.text).collect();
        assert_eq!(
            texts,
            [
                "3 hosts: 6 tasks not stopped after 1h 30m of draining (api: i-3, web: i-1 i-2), kept by service checkout \
                 (0 of 6 run)",
                "i-4 (api): 2 tasks not stopped after 1h 30m of draining, kept by service search (0 of 6 run)",
            ]
        );
    }

    /// One of each kind: what the tag says of it, the sentence while it stands, and what a person is to do.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table with one entry for each kind")]
    fn each_kind_of_problem_has_its_code_its_sentence_and_its_advice() {
        let refusal =
            |operation: &str| Refusal { operation: operation.into(), code: "Invalid".into(), message: "not so".into() };
        let (group, host, after) = (GroupName::from("web"), InstanceId::from("i-1"), "15m".to_owned());
        let hosts = BTreeSet::from([host.clone()]);
        let named = hosts.clone();
        let why = "why".to_owned();
        let kind = BlockedKind::InAlarm;
        for (problem, code, sentence, to_do) in [
            (
                overdue("i-1", "web", "api"),
                "drain-overdue=1h30m i-1",
                "i-1 (web): 2 tasks not stopped after 1h 30m of draining, kept by service api (0 of 6 run)",
                "stop these tasks or make room",
            ),
            (
                Problem::NoReplacement { group: group.clone(), hosts: hosts.clone(), after: after.clone(), why: None },
                "no-replacement=15m @web i-1",
                "i-1: no replacement in web within 15m: see the scaling activities of the group",
                "see the group's scaling activities",
            ),
            (
                Problem::BadRelease { group: group.clone(), why: why.clone() },
                "bad-release @web",
                "web: why",
                "publish a newer image",
            ),
            (
                Problem::GivenUp { host: host.clone(), after: after.clone() },
                "given-up=15m i-1",
                "i-1: given up after 15m of draining: it goes back to its group",
                "see why its tasks do not stop",
            ),
            (
                Problem::NotGivenBack { host: host.clone(), why: why.clone() },
                "not-given-back i-1",
                "i-1: not given back to its group: why",
                "see the group's size",
            ),
            (
                Problem::WrongImage {
                    group: group.clone(),
                    host: "i-2".into(),
                    image: "ami-9".into(),
                    release: "ami-1".to_owned(),
                    waiting: hosts,
                },
                "wrong-image=ami-9 @web i-1 i-2",
                "i-1: the replacement i-2 in web runs ami-9 and not ami-1: see warm pool and overrides",
                "see the group's warm pool",
            ),
            (
                Problem::GroupBlocked { group, kind, why: why.clone(), after },
                "group-blocked=in-alarm:15m @web",
                "web: why for 15m",
                "once fixed, run `resume`",
            ),
            (
                Problem::HostRefused { host, refusal: refusal("DetachInstances") },
                "host-refused=DetachInstances:Invalid i-1",
                "i-1: DetachInstances was refused: not so",
                "see what AWS says",
            ),
            (
                Problem::NotAllowed { operation: "DetachInstances".to_owned(), why: why.clone(), hosts: named },
                "not-allowed=DetachInstances i-1",
                "i-1: not allowed to call DetachInstances: why",
                "`ecs-rotator doctor` names what is missing",
            ),
            (
                Problem::NotAllowed { operation: "ListTasks".to_owned(), why, hosts: BTreeSet::new() },
                "not-allowed=ListTasks",
                "not allowed to call ListTasks: why",
                "`ecs-rotator doctor` names what is missing",
            ),
            (
                Problem::TemplateRefused { refusal: refusal("ModifyLaunchTemplate") },
                "template-refused=ModifyLaunchTemplate:Invalid",
                "ModifyLaunchTemplate was refused: not so",
                "see what AWS says",
            ),
        ] {
            let problems = BTreeSet::from([problem]);
            assert_eq!(Hold::of(&problems, false).text(TAG), code);
            let [told] = told(&problems).try_into().expect("one");
            assert_eq!(told.text, sentence);
            assert!(advice(told.code, false).contains(to_do), "{code}: {}", advice(told.code, false));
        }
    }

    /// `You are not authorized to use launch template: lt-1` sends people to a permission that is there.
    #[test]
    fn a_template_that_may_not_be_used_names_what_may_be_missing() {
        let denied = |why: &str| {
            let (operation, why) = ("UpdateAutoScalingGroup".to_owned(), why.to_owned());
            BTreeSet::from([Problem::NotAllowed { operation, why, hosts: BTreeSet::new() }])
        };
        let problems = denied("You are not authorized to use launch template: lt-1");
        let from_the_tag = Hold::of(&problems, false).in_words();
        let text = reason(&problems).unwrap();
        for missing in
            ["ec2:RunInstances", "ec2:CreateTags", "iam:PassRole", "ssm:GetParameters", "KMS", "organization"]
        {
            assert!(text.contains(missing) && from_the_tag.contains(missing), "no {missing} in {text} {from_the_tag}");
        }
        let plain = "User: me is not authorized to perform: autoscaling:UpdateAutoScalingGroup";
        assert_eq!(reason(&denied(plain)).unwrap(), format!("not allowed to call UpdateAutoScalingGroup: {plain}"));
    }

    #[test]
    fn every_code_is_read_back_and_has_a_sentence_and_advice() {
        use strum::IntoEnumIterator as _;
        for code in Code::iter() {
            let detail = if code == Code::GroupBlocked { "in-alarm:15m" } else { "15m" };
            let cause = Cause {
                code,
                detail: detail.to_owned(),
                groups: BTreeSet::from(["web".to_owned()]),
                hosts: hosts(2),
                more: 1,
            };
            let hold = Hold { causes: vec![cause.clone()], ..Hold::default() };
            assert_eq!(Hold::parse(&hold.text(TAG)), hold);
            let sentence = cause.sentence();
            let of_no_host = matches!(code, Code::BadRelease | Code::GroupBlocked | Code::TemplateRefused);
            assert_eq!(sentence.contains(" and 1 more"), !of_no_host, "{code}: {sentence}");
            assert!(sentence.len() > 10 && advice(code, false).len() > 10, "{code}");
        }
    }
}
