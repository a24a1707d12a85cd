//! Entries of the map as people write them: JSON, read whole or refused with the entry, the reason and what is expected.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::kind::{Architecture, Family, Pattern, is_parameter_name, placeholder};

/// Configured families that cannot be used. All of them are refused for one: half a map would be another map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFamilies {
    #[error("expected a JSON array of families, as `[{{\"name\": \"al2023\", …}}]`, got {got}")]
    NotAnArray { got: String },
    /// `entry` is the name as it is written, or the place in the array, from 1.
    #[error("family {entry}: {reason}")]
    Entry { entry: String, reason: String },
}

/// The families that `json` describes, where those of `known` may be replaced.
pub(super) fn read_all(json: &str, known: &[Family]) -> Result<Vec<Family>, BadFamilies> {
    let mut families: Vec<Family> = Vec::new();
    for (index, value) in entries(json)?.into_iter().enumerate() {
        let entry = value.get("name").map_or_else(|| format!("number {}", index + 1), Value::to_string);
        let refused = |reason| BadFamilies::Entry { entry, reason };
        match read(value, known) {
            Ok(family) if families.iter().all(|other| other.name != family.name) => families.push(family),
            Ok(_) => return Err(refused("it is there twice: expected one entry for each family".to_owned())),
            Err(reason) => return Err(refused(reason)),
        }
    }
    Ok(families)
}

fn entries(json: &str) -> Result<Vec<Value>, BadFamilies> {
    let got = match serde_json::from_str(json) {
        Ok(Value::Array(entries)) => return Ok(entries),
        Ok(Value::Object(_)) => "an object".to_owned(),
        Ok(other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => format!("`{other}`"),
        Err(error) => format!("no JSON: {error}"),
    };
    Err(BadFamilies::NotAnArray { got })
}

fn read(entry: Value, known: &[Family]) -> Result<Family, String> {
    if !entry.is_object() {
        return Err(format!("expected an object, as `{{\"name\": \"al2023\", …}}`, got `{entry}`"));
    }
    let written = Written::deserialize(entry).map_err(|error| error.to_string())?;
    let old = known.iter().find(|old| old.name == written.name);
    let family = written.complete(old)?;
    check_word("name", &family.name)?;
    check_word("os", &family.os)?;
    check_owners(&family.owners)?;
    family.parameters.values().try_for_each(|parameter| check_parameter(parameter, &family.image))?;
    Ok(family)
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    os: Option<String>,
    owners: Option<BTreeSet<String>>,
    image: Option<String>,
    parameters: Option<BTreeMap<Architecture, String>>,
}

impl Written {
    /// What is left out comes from the family that is replaced.
    fn complete(self, old: Option<&Family>) -> Result<Family, String> {
        fn or<T: Clone>(new: Option<T>, old: Option<&T>, field: &str) -> Result<T, String> {
            new.or_else(|| old.cloned()).ok_or_else(|| {
                format!("it lacks `{field}`: only an entry with the name of a known family may leave something out")
            })
        }
        let image = self.image.map(Pattern::read).transpose()?;
        Ok(Family {
            name: self.name,
            os: or(self.os, old.map(|old| &old.os), "os")?,
            owners: or(self.owners, old.map(|old| &old.owners), "owners")?,
            image: or(image, old.map(|old| &old.image), "image")?,
            parameters: or(self.parameters, old.map(|old| &old.parameters), "parameters")?,
        })
    }
}

/// The words of the tag `OS` are compared in lower case.
fn check_word(field: &str, word: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if !word.is_empty() && word.chars().all(fits) {
        return Ok(());
    }
    Err(format!("expected a `{field}` of lower-case letters, digits and `._-`, got `{word}`"))
}

/// Never none: a name counts only with its owner. A number with a digit too few is an account id that lost its zero.
fn check_owners(owners: &BTreeSet<String>) -> Result<(), String> {
    let is_account = |owner: &str| owner.len() == 12 && owner.chars().all(|c| c.is_ascii_digit());
    let is_alias = |owner: &str| !owner.is_empty() && owner.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if !owners.is_empty() && owners.iter().all(|owner| is_account(owner) || is_alias(owner)) {
        return Ok(());
    }
    Err(format!("expected `owners` as account ids of twelve digits or aliases like `amazon`, got {owners:?}"))
}

fn check_parameter(parameter: &str, image: &Pattern) -> Result<(), String> {
    let filled = image.groups().fold(parameter.to_owned(), |text, group| text.replace(&placeholder(group), "x"));
    if let Some((_, rest)) = filled.split_once('{')
        && let Some((group, _)) = rest.split_once('}')
    {
        return Err(format!(
            "`{parameter}` uses {{{group}}}: expected a group of that name in `image`, as `(?<{group}>…)`"
        ));
    }
    if is_parameter_name(&filled) {
        return Ok(());
    }
    Err(format!("expected the name of a parameter, of letters, digits and `/._-:`, got `{parameter}`"))
}

#[cfg(test)]
mod tests {
    use super::super::Families;

    #[test]
    fn what_cannot_be_used_is_refused_with_the_entry_and_the_reason() {
        let whole = |field: &str, value: &str| {
            let mut entry: serde_json::Value = serde_json::from_str(
                r#"{"name": "mine", "os": "linux", "owners": ["amazon"], "image": "mine-(?<kind>[a-z]+)",
                    "parameters": {"x86_64": "/mine/{kind}"}}"#,
            )
            .unwrap();
            entry[field] = serde_json::from_str(value).unwrap();
            format!("[{entry}]")
        };
        assert!(Families::built_in().with(&whole("name", r#""mine""#)).is_ok());
        for (json, words) in [
            (String::new(), ["expected a JSON array of families", "got no JSON: EOF while parsing"]),
            ("[{]".to_owned(), ["expected a JSON array", "at line 1 column 3"]),
            ("null".to_owned(), ["expected a JSON array", "got `null`"]),
            (r#"{"name": "mine"}"#.to_owned(), ["expected a JSON array", "got an object"]),
            ("[7]".to_owned(), ["family number 1: ", "expected an object"]),
            (r#"[["mine", "linux"]]"#.to_owned(), ["family number 1: ", "expected an object"]),
            (r#"[{"os": "linux"}]"#.to_owned(), ["family number 1: ", "missing field `name`"]),
            (r#"[{"name": "al2"}, {"name": "al2"}]"#.to_owned(), [r#"family "al2": "#, "twice"]),
            (r#"[{"name": "al2"}, {"name": "mine"}]"#.to_owned(), [r#"family "mine": "#, "lacks `os`"]),
            (r#"[{"name": "mine", "os": "linux"}]"#.to_owned(), [r#"family "mine": "#, "lacks `owners`"]),
            (whole("imgae", "1"), [r#"family "mine": unknown field `imgae`"#, "`image`"]),
            (whole("name", r#""""#), [r#"family "": expected a `name`"#, "lower-case"]),
            (whole("name", r#""Mine""#), [r#"family "Mine": expected a `name`"#, "lower-case"]),
            (whole("name", "7"), ["family 7: ", "expected a string"]),
            (whole("os", r#""my linux""#), ["expected a `os`", "got `my linux`"]),
            (whole("owners", "[]"), ["expected `owners`", "`amazon`"]),
            (whole("owners", r#"["12345678901"]"#), ["expected `owners`", "twelve digits"]),
            (whole("owners", r#""amazon""#), ["expected a sequence", r#""amazon""#]),
            (whole("image", r#""mine-(""#), ["expected `image`", "got `mine-(`: unclosed group"]),
            (whole("image", r#""a)|(b""#), ["got `a)|(b`", "unopened group"]),
            (whole("image", r#""""#), ["expected `image`", "got nothing"]),
            (whole("image", r#""mine-([a-z]+)""#), ["`/mine/{kind}` uses {kind}", "`(?<kind>…)`"]),
            (whole("parameters", r#"{"aarch64": "/p"}"#), ["unknown variant `aarch64`", "`x86_64` or `arm64`"]),
            (whole("parameters", r#"{"arm64": ""}"#), ["expected the name of a parameter", "got ``"]),
            (whole("parameters", r#"{"arm64": "/mine/{kind"}"#), ["expected the name of a parameter", "`/mine/{kind`"]),
            (whole("parameters", r#"{"arm64": "/my own"}"#), ["expected the name of a parameter", "`/my own`"]),
        ] {
            let refused = Families::built_in().with(&json).expect_err(&json).to_string();
            assert!(words.iter().all(|word| refused.contains(word)), "{json}\n{refused}\n{words:?}");
            assert!(!refused.contains('\n'), "{refused}");
        }
    }
}
