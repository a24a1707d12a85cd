//! An event read off its text: of its envelope and of its detail the names that some parser asks for, and no other.
//!
//! ECS tells of every task that starts or stops, in some kilobytes of which six short values are wanted. Those are borrowed
//! from the text; what lies between is walked over without being kept, and yet read as strictly as anything else (its depth,
//! its numbers, the halves of its escaped characters), so that a text is malformed or not whatever stands where in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::Envelope;

/// What the parsers of details ask for.
const ASKED: [&str; 15] = [
    "clusterArn",
    "containerInstanceArn",
    "ec2InstanceId",
    "status",
    "agentConnected",
    "version",
    "taskArn",
    "lastStatus",
    "operation",
    "name",
    "exception",
    "AutoScalingGroupName",
    "StatusMessage",
    "instance-id",
    "state",
];

/// Of one of them, at most.
const MOST_ASKED: usize = 7;

type Facts<'a> = std::vec::IntoIter<(&'static str, Fact<'a>)>;
pub type Detail<'a> = MapDeserializer<'a, Facts<'a>, serde_json::Error>;

/// None: it is no event, or is not written as events are.
pub fn envelope(body: &str) -> Option<Envelope<'_, Detail<'_>>> {
    let mut text = serde_json::Deserializer::from_str(body);
    let envelope = text.deserialize_any(Skimmer).ok()?;
    text.end().ok()?;
    envelope
}

/// A value in an envelope or a detail.
#[derive(Debug, Default)]
pub enum Fact<'a> {
    #[default]
    Null,
    Flag(bool),
    Number(u64),
    Text(Cow<'a, str>),
    /// Of a kind that no parser asks for.
    Other,
}

impl<'a> Fact<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Fact::Text(text) => Some(text),
            Fact::Null | Fact::Flag(_) | Fact::Number(_) | Fact::Other => None,
        }
    }
}

struct Skimmer;

impl<'de> Visitor<'de> for Skimmer {
    type Value = Option<Envelope<'de, Detail<'de>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        const NAMES: [&str; 6] = ["source", "detail-type", "account", "region", "detail", "action"];
        let [mut source, mut detail_type, mut account, mut region] = [const { Fact::Null }; 4];
        let (mut detail, mut is_command) = (None, false);
        // Where a name stands twice, the last one counts.
        while let Some(name) = map.next_key_seed(NameOf(&NAMES))? {
            match name {
                Some("source") => source = map.next_value()?,
                Some("detail-type") => detail_type = map.next_value()?,
                Some("account") => account = map.next_value()?,
                Some("region") => region = map.next_value()?,
                Some("detail") => detail = map.next_value::<Cut<'de>>()?.0,
                Some(_) => {
                    is_command = true;
                    map.next_value::<Skipped>()?;
                }
                None => {
                    map.next_value::<Skipped>()?;
                }
            }
        }
        let envelope = || {
            Some(Envelope {
                source: source.text()?,
                detail_type: detail_type.text()?,
                account: account.text()?,
                region: region.text()?,
                detail: MapDeserializer::new(detail?.into_iter()),
            })
        };
        Ok(if is_command { None } else { envelope() })
    }
}

/// An object, cut down to what is asked for; None: it is no object.
struct Cut<'a>(Option<Vec<(&'static str, Fact<'a>)>>);

impl<'de> Deserialize<'de> for Cut<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Cutter)
    }
}

struct Cutter;

impl<'de> Visitor<'de> for Cutter {
    type Value = Cut<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cut<'de>, A::Error> {
        let mut facts: Vec<(&'static str, Fact<'de>)> = Vec::with_capacity(MOST_ASKED);
        while let Some(name) = map.next_key_seed(NameOf(&ASKED))? {
            let Some(name) = name else {
                map.next_value::<Skipped>()?;
                continue;
            };
            let fact = map.next_value()?;
            match facts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, before)) => *before = fact,
                None => facts.push((name, fact)),
            }
        }
        Ok(Cut(Some(facts)))
    }
}

/// A name, if it is one of these.
struct NameOf<const N: usize>(&'static [&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for NameOf<N> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for NameOf<N> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().copied().find(|asked| *asked == name))
    }
}

impl<'de> Deserialize<'de> for Fact<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FactVisitor)
    }
}

struct FactVisitor;

impl<'de> Visitor<'de> for FactVisitor {
    type Value = Fact<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Fact<'de>, E> {
        Ok(Fact::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Fact<'de>, E> {
        Ok(Fact::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Fact<'de>, E> {
        Ok(Fact::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Fact<'de>, E> {
        Ok(Fact::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Fact<'de>, E> {
        Ok(Fact::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Fact<'de>, E> {
        Ok(Fact::Text(Cow::Borrowed(text)))
    }

    /// It was written with escapes.
    fn visit_str<E>(self, text: &str) -> Result<Fact<'de>, E> {
        Ok(Fact::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Fact<'de>, A::Error> {
        SkipVisitor.visit_seq(seq).map(|Skipped| Fact::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fact<'de>, A::Error> {
        SkipVisitor.visit_map(map).map(|Skipped| Fact::Other)
    }
}

/// A value of which nothing is kept. (serde's own way of ignoring takes what is not JSON to any other reader: halves of
/// characters, numbers without end, brackets a million deep.)
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkipVisitor)
    }
}

struct SkipVisitor;

impl<'de> Visitor<'de> for SkipVisitor {
    type Value = Skipped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Skipped, A::Error> {
        while let Some(Skipped) = seq.next_element()? {}
        Ok(Skipped)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skipped, A::Error> {
        while let Some((Skipped, Skipped)) = map.next_entry()? {}
        Ok(Skipped)
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Fact<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Fact<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Fact::Null => visitor.visit_unit(),
            Fact::Flag(flag) => visitor.visit_bool(flag),
            Fact::Number(number) => visitor.visit_u64(number),
            Fact::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Fact::Text(Cow::Owned(text)) => visitor.visit_string(text),
            // Whoever wants one reads the whole.
            Fact::Other => Err(serde_json::Error::custom("not kept")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Fact::Null => visitor.visit_none(),
            Fact::Flag(_) | Fact::Number(_) | Fact::Text(_) | Fact::Other => visitor.visit_some(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier
    }
}
