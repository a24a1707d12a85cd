//! A survey of the simulated account, as it stands: no worker, no latency, no faults.

use super::world::World;
use crate::engine::Settings;
use crate::engine::survey::{Depth, Findings, Survey};

/// # Panics
/// When the survey asks for a change: it must not.
pub fn survey(world: &mut World, settings: Settings, depth: Depth) -> Findings {
    perform(world, Survey::new(settings, depth, 1))
}

/// As `status` looks: by the settings that the workers have published.
///
/// # Panics
/// When the survey asks for a change: it must not.
pub fn survey_by_workers(world: &mut World, settings: Settings) -> Findings {
    perform(world, Survey::new(settings, Depth::Hosts, 1).by_workers())
}

fn perform(world: &mut World, mut survey: Survey) -> Findings {
    loop {
        while let Some((id, request)) = survey.poll_request() {
            assert!(!request.is_effect(), "a survey changes nothing: {request:?}");
            let reply = world.perform(&request);
            survey.handle_reply(id, reply, world.now());
        }
        match survey.poll_timeout() {
            Some(at) if !survey.is_done() => {
                world.advance_to(at);
                survey.handle_timeout(at);
            }
            Some(_) | None => return survey.findings(),
        }
    }
}
