//! One family of images.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Captures, Regex};
use serde::Deserialize;

use crate::id::ParameterName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) os: String,
    pub(super) owners: BTreeSet<String>,
    pub(super) image: Pattern,
    pub(super) parameters: BTreeMap<Architecture, String>,
}

impl Family {
    pub(super) fn recognise(&self, name: &str, architecture: Architecture) -> Option<Recognised> {
        let parameter = self.parameters.get(&architecture)?;
        let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if words.filter_map(Architecture::of_word).any(|said| said != architecture) {
            return None;
        }
        let captures = self.image.regex.captures(name)?;
        let text = |group| captures.name(group).map_or("", |found| found.as_str());
        let parameter =
            self.image.groups().fold(parameter.clone(), |name, group| name.replace(&placeholder(group), text(group)));
        // A group can hold what a name of an image may have and a name of a parameter may not: SSM would refuse the whole
        // batch for it.
        is_parameter_name(&parameter)
            .then(|| Recognised { family: self.label(&captures), parameter: ParameterName::new(parameter) })
    }

    /// The family's name, and what else tells its parameters apart.
    pub(super) fn label(&self, captures: &Captures<'_>) -> String {
        let is_used = |group: &&str| self.parameters.values().any(|text| text.contains(&placeholder(group)));
        let held = self.image.groups().filter(is_used).filter_map(|group| captures.name(group));
        held.fold(self.name.clone(), |label, held| label + " " + held.as_str())
    }
}

pub(super) fn placeholder(group: &str) -> String {
    format!("{{{group}}}")
}

pub(super) fn is_parameter_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:".contains(c))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Architecture {
    #[serde(rename = "x86_64")]
    X86,
    #[serde(rename = "arm64")]
    Arm,
}

impl Architecture {
    /// As EC2 writes it, or as names of images do.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        match word {
            "x86_64" => Some(Architecture::X86),
            "arm64" | "aarch64" => Some(Architecture::Arm),
            _ => None,
        }
    }
}

/// What is known of an image by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Recognised {
    /// For people, and equal for two images of one family, whatever their architecture: `al2023-gpu`,
    /// `bottlerocket aws-ecs-2-nvidia`.
    pub family: String,
    /// Holds the id of the newest image of the family, for the architecture of this one.
    pub parameter: ParameterName,
}

/// A regular expression for a whole name. Two are equal when they are written alike.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: String,
    pub(super) regex: Regex,
}

impl Pattern {
    pub(super) fn read(source: String) -> Result<Self, String> {
        // By itself first: `a)|(b` must not come to life between our parentheses, and errors speak of what was written.
        let anchored = Regex::new(&source).and_then(|_| Regex::new(&format!("^(?:{source})$")));
        match anchored {
            Ok(regex) if !source.is_empty() => Ok(Self { source, regex }),
            Ok(_) => Err("expected `image` as a regular expression for the name of an image, got nothing".to_owned()),
            Err(error) => {
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Err(format!("expected `image` as a regular expression, got `{source}`: {why}"))
            }
        }
    }

    /// The names of its named groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}
