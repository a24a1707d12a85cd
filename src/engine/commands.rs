//! What people, schedules and parameters ask of a cluster, and what becomes of its rotation then.
//!
//! Several asks are folded into one new state, and that is written in one call: it is durable before the messages are
//! acknowledged. Asking twice changes nothing, a day later neither: `force` means "hosts launched before the message was
//! sent", and the time of sending is the same at every delivery.
//!
//! What became of a person's message is written on the cluster in the same call (see [`answer`](crate::plan::answer)), or in
//! one of its own where nothing changes. What is in the tag already has been done.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::say::say;
use crate::id::{GroupName, ParameterName};
use crate::plan::answer::{Answer, MessageKey, Refusal};
use crate::plan::due;
use crate::plan::hold::Hold;
use crate::plan::model::ClusterView;
use crate::plan::outcome::{Skipped, SkippedGroup};
use crate::plan::release::follows;
use crate::plan::rotation::{Rotation, RotationId, RotationState};
use crate::plan::tag_text::word;
use crate::plan::tags::{BadScope, RotationTags, Tags, write_scope};

/// One thing asked of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Rotate {
        sent: Timestamp,
        force: bool,
        groups: BTreeSet<GroupName>,
    },
    /// This parameter has a new value.
    Parameter(ParameterName),
    CheckReleases,
    Pause,
    Resume,
    Abort,
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ask::Rotate { sent, force: false, .. } => write!(f, "a message of {sent:.0}"),
            Ask::Rotate { sent, force: true, .. } => write!(f, "a forced rotation of {sent:.0}"),
            Ask::Parameter(name) => write!(f, "{name} has changed"),
            Ask::CheckReleases => f.write_str("a release check"),
            Ask::Pause => f.write_str("pause"),
            Ask::Resume => f.write_str("resume"),
            Ask::Abort => f.write_str("abort"),
        }
    }
}

/// Something that was asked, and the message that wants an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub ask: Ask,
    /// None: no person waits for it.
    pub message: Option<MessageKey>,
}

impl From<Ask> for Asked {
    fn from(ask: Ask) -> Self {
        Self { ask, message: None }
    }
}

/// What comes of some asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// None: all is as it was.
    pub wanted: Option<Wanted>,
    pub answers: Vec<(MessageKey, Answer)>,
    /// Groups have a release that cannot join what is under way: it is asked for again when that has closed.
    pub put_off: bool,
}

/// The state of the rotation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub rotation: Rotation,
    /// Why it is held, when it is.
    pub hold: Option<Hold>,
    /// What it leaves out, when it closes.
    pub skipped: Vec<SkippedGroup>,
    pub rotate_before: Option<Timestamp>,
    /// When a person last let it go on.
    pub resumed: Option<Timestamp>,
    /// What opened it.
    pub because: Option<String>,
    pub scope: BTreeSet<GroupName>,
}

impl Wanted {
    /// What the view says, but for the state.
    pub fn of(view: &ClusterView, rotation: Rotation) -> Self {
        Self {
            rotation,
            hold: None,
            skipped: Vec::new(),
            rotate_before: view.rotate_before,
            resumed: view.resumed,
            because: view.because.clone(),
            scope: view.scope.clone(),
        }
    }

    /// What to write on the cluster.
    pub fn as_tags(&self, tags: &Tags) -> Result<BTreeMap<String, String>, BadScope> {
        tags.write_cluster(&RotationTags {
            rotation: &self.rotation,
            hold: self.hold.as_ref(),
            skipped: &self.skipped(),
            rotate_before: self.rotate_before,
            resumed: self.resumed,
            because: self.because.as_deref(),
            scope: &self.scope,
        })
    }

    /// Is it about all of these groups?
    fn takes_in(&self, groups: &BTreeSet<GroupName>) -> bool {
        self.rotation.state == RotationState::Closed || self.scope.is_empty() || groups.is_subset(&self.scope)
    }

    /// It is about these groups as well, and about all where their names do not fit into a tag. What is forced for some groups
    /// alone would be forced for these too: then they wait until it has closed.
    fn widen(&mut self, view: &ClusterView, groups: &BTreeSet<GroupName>) {
        if self.takes_in(groups) {
            return;
        }
        let names = groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
        if self.rotate_before.is_some() {
            say!(info, view, groups = names, "a release waits until the forced rotation of other groups has closed");
            return;
        }
        self.scope = fitting(widened(&self.scope, groups));
        say!(info, view, groups = names, state = self.rotation.state.word(), "a release joins the rotation under way");
    }

    fn skipped(&self) -> Vec<Skipped> {
        self.skipped.iter().map(|of| Skipped { group: word(of.group.as_str()), code: of.code }).collect()
    }

    pub fn apply(self, view: &mut ClusterView) {
        view.skipped = self.skipped();
        view.hold = self.hold;
        view.rotate_before = self.rotate_before;
        view.resumed = self.resumed;
        view.because = self.because;
        view.scope = self.scope;
        view.rotation = Some(self.rotation);
    }
}

/// The parameters that the groups of this cluster follow: also those that say nothing useful now.
pub fn followed(view: &ClusterView, now: Timestamp) -> BTreeMap<GroupName, BTreeSet<ParameterName>> {
    let touched = view.groups.iter().filter(|(_, group)| group.is_ours_to_touch());
    touched.map(|(name, group)| (name.clone(), follows(view, name, group, now))).collect()
}

/// Folds the asks into the state that shall be.
pub fn settle(view: &ClusterView, asks: &[Asked], now: Timestamp) -> Settlement {
    let before = view.rotation.as_ref().map(|rotation| Wanted {
        hold: view.hold.clone().filter(|_| rotation.state == RotationState::Held),
        ..Wanted::of(view, rotation.clone())
    });
    let (mut after, mut answers, mut put_off) = (before.clone(), Vec::new(), false);
    for Asked { ask, message } in asks {
        let (wanted, answer) = obey(view, after.clone(), ask, now);
        after = because(ask, &after, wanted);
        answers.extend(message.clone().zip(answer));
        put_off |= after.as_ref().is_some_and(|wanted| !wanted.takes_in(&concerned(view, ask, now)));
    }
    Settlement { wanted: after.filter(|after| before.as_ref() != Some(after)), answers, put_off }
}

/// What a person is told of it stands beside it; of what others ask nothing is told.
type Obeyed = (Option<Wanted>, Option<Answer>);

fn obey(view: &ClusterView, wanted: Option<Wanted>, ask: &Ask, now: Timestamp) -> Obeyed {
    match ask {
        Ask::Rotate { sent, force, groups } => rotate(view, wanted, force.then_some(*sent), groups, now),
        Ask::Parameter(_) => (release(view, wanted, concerned(view, ask, now), true, now), None),
        Ask::CheckReleases => (release(view, wanted, concerned(view, ask, now), false, now), None),
        Ask::Pause => change(view, wanted, "pause", &[RotationState::Open], RotationState::Paused, now),
        Ask::Resume => {
            let from = [RotationState::Paused, RotationState::Held];
            change(view, wanted, "resume", &from, RotationState::Open, now)
        }
        Ask::Abort => abort(view, wanted, now),
    }
}

/// A rotation that was not there before the ask was opened by it.
fn because(ask: &Ask, before: &Option<Wanted>, after: Option<Wanted>) -> Option<Wanted> {
    let is_new = |wanted: &Wanted| before.as_ref().is_none_or(|before| before.rotation.id != wanted.rotation.id);
    after.map(|wanted| if is_new(&wanted) { Wanted { because: Some(ask.to_string()), ..wanted } } else { wanted })
}

fn open(view: &ClusterView, rotate_before: Option<Timestamp>, scope: BTreeSet<GroupName>, now: Timestamp) -> Wanted {
    let id = RotationId::new(&view.arn.name(), now);
    let rotation = Rotation { id, state: RotationState::Open, since: now };
    Wanted { rotation, hold: None, skipped: Vec::new(), rotate_before, resumed: None, because: None, scope }
}

fn rotate(
    view: &ClusterView,
    wanted: Option<Wanted>,
    force: Option<Timestamp>,
    groups: &BTreeSet<GroupName>,
    now: Timestamp,
) -> Obeyed {
    let under_way = wanted.as_ref().filter(|wanted| wanted.rotation.state != RotationState::Closed);
    if let Some(why) = refusal(view, under_way, force.is_some(), groups) {
        return (wanted, Some(Answer::Refused(why)));
    }
    let Some(mut wanted) = wanted.filter(|wanted| wanted.rotation.state != RotationState::Closed) else {
        return (Some(open(view, force, groups.clone(), now)), Some(Answer::Opened));
    };
    wanted.rotate_before = wanted.rotate_before.max(force);
    wanted.scope = widened(&wanted.scope, groups);
    let answer = match wanted.rotation.state {
        RotationState::Held => {
            wanted.rotation.state = RotationState::Open;
            wanted.rotation.since = now;
            wanted.resumed = Some(now);
            wanted.hold = None;
            Answer::Resumed
        }
        RotationState::Paused => {
            say!(warn, view, "the rotation is paused: it goes on with `resume`");
            Answer::JoinedPaused
        }
        RotationState::Open | RotationState::Closed => Answer::Joined,
    };
    (Some(wanted), Some(answer))
}

/// Why there is no such rotation of this cluster now.
fn refusal(
    view: &ClusterView,
    under_way: Option<&Wanted>,
    force: bool,
    groups: &BTreeSet<GroupName>,
) -> Option<Refusal> {
    let unknown: Vec<&str> =
        groups.iter().filter(|name| !view.groups.contains_key(name)).map(GroupName::as_str).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = view.groups.keys().map(GroupName::as_str).collect();
        let (groups, known) = (unknown.join(" "), known.join(" "));
        say!(warn, view, groups, known, "rotate refused: no such group in this cluster");
        return Some(Refusal::NoSuchGroup);
    }
    if view.groups.is_empty() {
        say!(warn, view, "rotate refused: no Auto Scaling group stands behind a capacity provider of this cluster");
        return Some(Refusal::NoGroups);
    }
    if under_way.is_some_and(|wanted| force && !groups.is_empty() && wanted.scope != *groups) {
        // What is forced is written on the cluster: it would be forced for all groups that are being rotated.
        say!(
            warn,
            view,
            "forced rotation of some groups refused while another rotation is under way: ask when it has closed"
        );
        return Some(Refusal::ForcedScope);
    }
    if under_way.is_some_and(|wanted| {
        let narrow = wanted.rotate_before.is_some() && !wanted.scope.is_empty();
        !force && narrow && (groups.is_empty() || !groups.is_subset(&wanted.scope))
    }) {
        say!(
            warn,
            view,
            "rotate refused: a forced rotation of some groups is under way, and it would be forced for all: ask when it has closed"
        );
        return Some(Refusal::ForcedScope);
    }
    let why = write_scope(&under_way.map_or_else(|| groups.clone(), |wanted| widened(&wanted.scope, groups))).err()?;
    say!(warn, view, "rotate refused: {why}");
    Some(match why {
        BadScope::TooLong => Refusal::ScopeTooLong,
        BadScope::OddName(_) => Refusal::OddName,
    })
}

/// The groups for which this may tell of a release.
fn concerned(view: &ClusterView, ask: &Ask, now: Timestamp) -> BTreeSet<GroupName> {
    match ask {
        Ask::Parameter(name) => {
            let follow = |parameters: &BTreeSet<ParameterName>| parameters.iter().any(|one| one.plain() == *name);
            let followed = followed(view, now).into_iter().filter(|(_, parameters)| follow(parameters));
            followed.map(|(group, _)| group).collect()
        }
        Ask::CheckReleases => due(view, now),
        Ask::Rotate { .. } | Ask::Pause | Ask::Resume | Ask::Abort => BTreeSet::new(),
    }
}

/// Opens a rotation on exactly these groups, or makes the one that is under way be about them too.
fn release(
    view: &ClusterView,
    wanted: Option<Wanted>,
    groups: BTreeSet<GroupName>,
    alone: bool,
    now: Timestamp,
) -> Option<Wanted> {
    if groups.is_empty() {
        return wanted;
    }
    match wanted {
        Some(mut wanted) if wanted.rotation.state != RotationState::Closed => {
            wanted.widen(view, &groups);
            Some(wanted)
        }
        Some(_) | None => {
            let everybody = !alone || groups.len() == view.groups.len();
            Some(open(view, None, if everybody { BTreeSet::new() } else { fitting(groups) }, now))
        }
    }
}

/// Held and not closed: the next release check would open it again. One that is held already is aborted as well: what held it
/// stays in the reason.
fn abort(view: &ClusterView, wanted: Option<Wanted>, now: Timestamp) -> Obeyed {
    let from = [RotationState::Open, RotationState::Paused, RotationState::Held];
    let before = wanted.as_ref().and_then(|wanted| wanted.hold.clone());
    if before.as_ref().is_some_and(|hold| hold.aborted) {
        return idle(view, wanted, "abort");
    }
    let aborts = wanted.as_ref().is_some_and(|wanted| from.contains(&wanted.rotation.state));
    let (mut wanted, answer) = change(view, wanted, "abort", &from, RotationState::Held, now);
    if let Some(wanted) = wanted.as_mut().filter(|_| aborts) {
        wanted.hold = Some(Hold { aborted: true, ..before.unwrap_or_default() });
    }
    (wanted, answer)
}

fn change(
    view: &ClusterView,
    wanted: Option<Wanted>,
    action: &str,
    from: &[RotationState],
    to: RotationState,
    now: Timestamp,
) -> Obeyed {
    let Some(mut wanted) = wanted.clone().filter(|wanted| from.contains(&wanted.rotation.state)) else {
        return idle(view, wanted, action);
    };
    wanted.rotation.state = to;
    wanted.rotation.since = now;
    wanted.hold = None;
    let answer = match to {
        RotationState::Open => {
            wanted.resumed = Some(now);
            Answer::Resumed
        }
        RotationState::Paused => Answer::Paused,
        RotationState::Held | RotationState::Closed => Answer::Aborted,
    };
    (Some(wanted), Some(answer))
}

fn idle(view: &ClusterView, wanted: Option<Wanted>, action: &str) -> Obeyed {
    let state = wanted.as_ref().map(|wanted| wanted.rotation.state);
    let word = state.map_or("not there", RotationState::word);
    say!(info, view, action, "nothing to do: the rotation is {word}");
    (wanted, Some(Answer::NothingToDo(state)))
}

/// A scope that nobody has named: all groups, where their names do not fit into a tag.
fn fitting(scope: BTreeSet<GroupName>) -> BTreeSet<GroupName> {
    if write_scope(&scope).is_ok() { scope } else { BTreeSet::new() }
}

/// Both together; none means all.
fn widened(scope: &BTreeSet<GroupName>, more: &BTreeSet<GroupName>) -> BTreeSet<GroupName> {
    if scope.is_empty() || more.is_empty() { BTreeSet::new() } else { scope.union(more).cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Group, Launch};
    use crate::plan::model::GroupView;
    use crate::plan::policy::Policy;

    fn now() -> Timestamp {
        "2026-01-14T03:00:00Z".parse().unwrap()
    }

    fn view(state: Option<RotationState>) -> ClusterView {
        let mut view = ClusterView::blank("arn:aws:ecs:r:1:cluster/prod".into(), None);
        view.opted_in = true;
        let group = Group {
            name: "api".into(),
            min: 0,
            max: 1,
            desired: 1,
            members: Vec::new(),
            suspended: BTreeSet::new(),
            launch: Launch::Unknown,
            tags: BTreeMap::new(),
            managed: false,
            counted_in: None,
            arn: None,
            zones: BTreeSet::new(),
            traffic_sources: BTreeSet::new(),
        };
        let group = GroupView::new(group, &Tags::new("t:"), &Policy::default());
        view.groups.insert("api".into(), group);
        let earlier = now() - jiff::SignedDuration::from_hours(1);
        view.rotation =
            state.map(|state| Rotation { id: RotationId::new(&"prod".into(), earlier), state, since: earlier });
        view
    }

    fn state_after(state: Option<RotationState>, ask: Ask) -> Option<RotationState> {
        let view = view(state);
        settle(&view, &[ask.into()], now()).wanted.map(|wanted| wanted.rotation.state)
    }

    #[test]
    fn every_wait_begins_anew_when_a_person_lets_a_held_rotation_go_on_by_whatever_word() {
        let rotate = Ask::Rotate { sent: now(), force: false, groups: BTreeSet::new() };
        for (state, ask, resumed) in [
            (RotationState::Held, rotate.clone(), Some(now())),
            (RotationState::Held, Ask::Resume, Some(now())),
            (RotationState::Paused, Ask::Resume, Some(now())),
            (RotationState::Closed, rotate, None),
        ] {
            let wanted = settle(&view(Some(state)), &[ask.clone().into()], now()).wanted.unwrap();
            let since = (wanted.resumed, wanted.rotation.state, wanted.rotation.since);
            assert_eq!(since, (resumed, RotationState::Open, now()), "{state:?} {ask:?}");
        }
    }

    #[test]
    fn a_command_changes_the_state_it_is_for_and_no_other() {
        use RotationState::{Closed, Held, Open, Paused};
        let rotate = || Ask::Rotate { sent: now(), force: false, groups: BTreeSet::new() };
        for (state, ask, after) in [
            (None, rotate(), Some(Open)),
            (Some(Closed), rotate(), Some(Open)),
            (Some(Held), rotate(), Some(Open)),
            (Some(Open), rotate(), None),
            (Some(Paused), rotate(), None),
            (Some(Open), Ask::Pause, Some(Paused)),
            (Some(Held), Ask::Pause, None),
            (None, Ask::Pause, None),
            (Some(Paused), Ask::Resume, Some(Open)),
            (Some(Held), Ask::Resume, Some(Open)),
            (Some(Closed), Ask::Resume, None),
            (Some(Open), Ask::Abort, Some(Held)),
            (Some(Paused), Ask::Abort, Some(Held)),
            (Some(Held), Ask::Abort, Some(Held)),
            (Some(Closed), Ask::Abort, None),
            (Some(Closed), Ask::CheckReleases, None),
        ] {
            assert_eq!(state_after(state, ask.clone()), after, "{state:?} {ask:?}");
        }
    }

    #[test]
    fn the_same_forced_rotation_delivered_twice_forces_once() {
        let mut view = view(None);
        let force = Asked::from(Ask::Rotate { sent: now(), force: true, groups: BTreeSet::new() });
        settle(&view, std::slice::from_ref(&force), now()).wanted.unwrap().apply(&mut view);
        assert_eq!(view.rotate_before, Some(now()));
        let later = now() + jiff::SignedDuration::from_mins(1);
        assert_eq!(settle(&view, &[force], later).wanted, None);
    }

    #[test]
    fn a_forced_rotation_of_some_groups_does_not_become_one_of_all() {
        let mut view = view(Some(RotationState::Open));
        let force = |groups: BTreeSet<GroupName>| Asked::from(Ask::Rotate { sent: now(), force: true, groups });
        let of_all = settle(&view, &[force(["api".into()].into())], now());
        assert_eq!(of_all.wanted, None, "all groups are being rotated");
        view.scope = ["api".into()].into();
        let wanted = settle(&view, &[force(["api".into()].into())], now()).wanted.unwrap();
        assert_eq!(wanted.rotate_before, Some(now()));
    }

    #[test]
    fn a_group_that_is_not_there_is_refused() {
        let ask = Ask::Rotate { sent: now(), force: false, groups: ["web".into()].into() };
        assert_eq!(settle(&view(None), &[ask.into()], now()).wanted, None);
    }

    /// The answers to a person who asks this, one after another.
    fn answers(view: &ClusterView, asks: &[Ask]) -> Vec<String> {
        let key = |n: usize| MessageKey::of(&format!("{n:08}"));
        let asked = |(n, ask): (usize, &Ask)| Asked { ask: ask.clone(), message: Some(key(n)) };
        let asks: Vec<Asked> = asks.iter().enumerate().map(asked).collect();
        let answers = settle(view, &asks, now()).answers;
        assert!(answers.iter().enumerate().all(|(n, (of, _))| *of == key(n)), "in their order: {answers:?}");
        answers.into_iter().map(|(_, answer)| answer.to_string()).collect()
    }

    #[test]
    fn every_command_of_a_person_has_its_answer() {
        use RotationState::{Closed, Held, Open, Paused};
        let rotate = |force: bool, group: &str| {
            let groups = (!group.is_empty()).then(|| group.into()).into_iter().collect();
            Ask::Rotate { sent: now(), force, groups }
        };
        for (state, ask, answer) in [
            (None, rotate(false, ""), "opened"),
            (Some(Closed), rotate(true, "api"), "opened"),
            (Some(Open), rotate(false, ""), "joined"),
            (Some(Paused), rotate(false, ""), "joined:paused"),
            (Some(Held), rotate(false, ""), "resumed"),
            (None, rotate(false, "web"), "refused:no-such-group"),
            (Some(Open), rotate(true, "api"), "refused:forced-scope"),
            (Some(Open), Ask::Pause, "paused"),
            (Some(Paused), Ask::Pause, "nothing-to-do:paused"),
            (Some(Held), Ask::Pause, "nothing-to-do:held"),
            (None, Ask::Pause, "nothing-to-do:none"),
            (Some(Paused), Ask::Resume, "resumed"),
            (Some(Held), Ask::Resume, "resumed"),
            (Some(Open), Ask::Resume, "nothing-to-do:open"),
            (Some(Closed), Ask::Resume, "nothing-to-do:closed"),
            (Some(Open), Ask::Abort, "aborted"),
            (Some(Held), Ask::Abort, "aborted"),
            (Some(Closed), Ask::Abort, "nothing-to-do:closed"),
        ] {
            assert_eq!(answers(&view(state), std::slice::from_ref(&ask)), [answer], "{state:?} {ask:?}");
        }
        let together = [rotate(false, ""), Ask::Pause, Ask::Pause, Ask::Resume, Ask::Abort, Ask::Abort];
        let expected = ["opened", "paused", "nothing-to-do:paused", "resumed", "aborted", "nothing-to-do:held"];
        assert_eq!(answers(&view(None), &together), expected);
    }

    #[test]
    fn groups_that_cannot_be_remembered_are_refused_for_the_reason_there_is() {
        let mut view = view(None);
        let names = [" api", "a", "b"].map(|name| GroupName::new(name.repeat(if name == " api" { 1 } else { 200 })));
        let group = view.groups[&"api".into()].clone();
        view.groups = names.iter().map(|name| (name.clone(), group.clone())).collect();
        let rotate =
            |groups: &[GroupName]| Ask::Rotate { sent: now(), force: false, groups: groups.iter().cloned().collect() };
        assert_eq!(answers(&view, &[rotate(&names[..1])]), ["refused:odd-name"]);
        assert_eq!(answers(&view, &[rotate(&names[1..])]), ["refused:scope-too-long"]);
        assert_eq!(answers(&view, &[rotate(&[])]), ["opened"], "the whole cluster needs no names");
        view.groups.clear();
        assert_eq!(answers(&view, &[rotate(&[])]), ["refused:no-groups"]);
    }

    /// A cluster with these groups, all of which follow `/p`, and of which some are behind their release.
    fn behind(names: &[&str], state: Option<RotationState>) -> ClusterView {
        use crate::effect::{Image, Parameter, ParameterKind, TemplateSpec, TemplateVersion, VersionRule};
        use crate::plan::model::Seen;
        let mut view = view(state);
        let mut facts = view.groups[&"api".into()].facts.clone();
        view.groups.clear();
        let spec = TemplateSpec { template: "lt-1".into(), rule: VersionRule::Default };
        facts.launch = Launch::Template(spec.clone());
        facts.tags.insert("t:ami-parameter".to_owned(), "/p".to_owned());
        for name in names {
            let group = Group { name: (*name).into(), ..facts.clone() };
            view.hooks.insert((*name).into(), Vec::new());
            view.groups.insert((*name).into(), GroupView::new(group, &Tags::new("t:"), &Policy::default()));
        }
        let image = |id: &str| Image {
            id: id.into(),
            name: String::new(),
            owner: "1".to_owned(),
            owner_alias: None,
            state: "available".to_owned(),
            architecture: "x86_64".to_owned(),
            windows: false,
            virtualization: "hvm".to_owned(),
            root_device: None,
            created: Some(now()),
            deprecated: None,
        };
        view.images = ["ami-1", "ami-2"].map(|id| (id.into(), Seen::Here(image(id)))).into();
        let value = "ami-2".to_owned();
        let parameter = Parameter { value, kind: ParameterKind::String, data_type: None, modified: None };
        view.parameters.insert("/p".into(), Ok(parameter));
        let version = TemplateVersion {
            template: spec.template.clone(),
            number: 1,
            is_default: true,
            image: Some("ami-1".to_owned()),
            description: None,
            created: now(),
            block_devices: Vec::new(),
        };
        view.templates.insert((spec.template, spec.rule), Ok(version));
        view
    }

    fn scope_after(view: &ClusterView, asks: &[Ask]) -> Option<(RotationState, Vec<String>)> {
        let asks: Vec<Asked> = asks.iter().cloned().map(Asked::from).collect();
        let wanted = settle(view, &asks, now()).wanted?;
        Some((wanted.rotation.state, wanted.scope.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn regression_a_release_that_a_check_finds_joins_the_rotation_of_other_groups() {
        use RotationState::{Held, Open, Paused};
        let all = vec!["api".to_owned(), "web".to_owned()];
        for state in [Open, Paused, Held] {
            for ask in [Ask::CheckReleases, Ask::Parameter("/p".into())] {
                let mut view = behind(&["api", "web"], Some(state));
                assert_eq!(
                    scope_after(&view, std::slice::from_ref(&ask)),
                    None,
                    "it is about all of them: {state:?} {ask:?}"
                );
                view.scope = ["api".into()].into();
                assert_eq!(
                    scope_after(&view, std::slice::from_ref(&ask)),
                    Some((state, all.clone())),
                    "{state:?} {ask:?}"
                );
                view.rotate_before = Some(now());
                let forced = settle(&view, &[ask.clone().into()], now());
                assert_eq!((forced.wanted, forced.put_off), (None, true), "it would be forced: {state:?} {ask:?}");
            }
        }
    }

    #[test]
    fn regression_names_that_fit_into_no_tag_lose_neither_a_release_nor_what_is_asked_with_it() {
        let names: Vec<String> = (0..6).map(|n| format!("{n}{}", "x".repeat(59))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let parameter = || Ask::Parameter("/p".into());
        // One more follows another parameter, so that it is not about all groups anyway.
        let beside = |state, scope: &[&str]| {
            let mut view = behind(&names, state);
            let mut other = view.groups[&GroupName::from(names[0])].facts.clone();
            other.name = "other".into();
            other.tags.insert("t:ami-parameter".to_owned(), "/q".to_owned());
            view.hooks.insert("other".into(), Vec::new());
            view.groups.insert("other".into(), GroupView::new(other, &Tags::new("t:"), &Policy::default()));
            view.scope = scope.iter().map(|name| (*name).into()).collect();
            view
        };
        let opened = scope_after(&beside(None, &[]), &[parameter()]);
        assert_eq!(opened, Some((RotationState::Open, vec![])), "all groups, as their names do not fit");
        let open = beside(Some(RotationState::Open), &["other"]);
        for asks in [[Ask::Pause, parameter()], [parameter(), Ask::Pause]] {
            assert_eq!(scope_after(&open, &asks), Some((RotationState::Paused, vec![])), "{asks:?}");
            let wanted = settle(&open, &asks.map(Asked::from), now()).wanted.expect("a change");
            assert!(wanted.as_tags(&Tags::new("t:")).is_ok(), "it can be written");
        }
    }

    #[test]
    fn regression_what_is_asked_for_beside_a_forced_rotation_of_some_groups_is_not_forced() {
        let mut view = behind(&["api", "web"], Some(RotationState::Open));
        (view.scope, view.rotate_before) = (["api".into()].into(), Some(now()));
        let rotate = |groups: &[&str]| {
            let groups = groups.iter().map(|name| (*name).into()).collect();
            Ask::Rotate { sent: now(), force: false, groups }
        };
        for (groups, answer) in
            [(&["web"][..], "refused:forced-scope"), (&[], "refused:forced-scope"), (&["api"], "joined")]
        {
            assert_eq!(answers(&view, &[rotate(groups)]), [answer], "{groups:?}");
        }
    }

    #[test]
    fn a_schedule_and_a_parameter_get_no_answer() {
        let asked = |ask: Ask| Asked { ask, message: Some(MessageKey::of("00000001")) };
        let asks = [asked(Ask::CheckReleases), asked(Ask::Parameter("/p".into()))];
        assert_eq!(settle(&view(None), &asks, now()).answers, []);
    }
}
