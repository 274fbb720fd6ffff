//! What a row of the property table is, and how a name finds its row. The rows stand in rows.rs and security.rs.

use crate::config::{Config, rows, sasl, security};
use crate::error::{Error, Result, Status};
use crate::secret::Secret;

/// One property: what the parser, the C interface and docs/CONFIGURATION.md all read.
pub struct Property {
    /// The canonical name: Java's where Java has the property, otherwise librdkafka's or ours.
    pub name: &'static str,
    /// Other names it is accepted under.
    pub aliases: &'static [Alias],
    /// What a value looks like.
    pub kind: Kind,
    /// The default, as text in the canonical unit.
    pub default: &'static str,
    /// What this version does with it.
    pub state: State,
    /// One line on its meaning.
    pub doc: &'static str,
}

/// Another name of a property.
pub struct Alias {
    /// The name.
    pub name: &'static str,
    /// How its values become the property's.
    pub convert: Convert,
}

/// How the values of an alias become its property's.
pub enum Convert {
    /// The meaning is the same.
    Same,
    /// The alias counts in a unit this many times as large.
    Times(i64),
    /// The first value of the alias is the second of the property; the others mean the same.
    Replace(&'static str, &'static str),
    /// A Java class name, or the property's own value.
    JavaPartitioner,
}

/// What a value looks like.
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second bound, of this unit (empty: a count).
    Int(i64, i64, &'static str),
    /// The first number, or a whole number from the second to the third.
    Level(i64, i64, i64),
    /// Milliseconds with an optional fraction, from 0 to this bound.
    FloatMs(i64),
    /// A number with up to three digits after its point, between two bounds in thousandths.
    Fraction(i64, i64),
    /// One of these words, upper and lower case alike.
    Choice(&'static [&'static str]),
    /// Some of these words, separated by commas, upper and lower case alike.
    Words(&'static [&'static str]),
    /// `all` (or -1), 0 or 1.
    Acks,
    /// Any text of at most this many bytes.
    Text(usize),
    /// A text that is never shown.
    Secret,
    /// Java's login module with its options; never shown, because a password is among them.
    Jaas,
    /// Host and port pairs, separated by commas.
    Servers,
}

/// Stores a checked value in the configuration.
pub type Apply = fn(&mut Config, &Value);

/// What this version does with a property.
pub enum State {
    /// Implemented.
    Built(Apply),
    /// Implemented for these values; the others are refused.
    Partly(&'static [&'static str], Apply),
    /// Not implemented; these values are accepted because they ask for nothing. The sentence is the remedy for others.
    Harmless(&'static [&'static str], &'static str),
    /// Accepted whatever the value, because it asks for nothing that this library would do differently. The sentence
    /// says why.
    NoEffect(&'static str),
    /// Refused whatever the value. The sentence says why and what to do instead.
    Absent(&'static str),
}

/// A checked value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Of `Kind::Bool`.
    Bool(bool),
    /// Of `Kind::Int`, `Kind::Level` and `Kind::Acks`; of `Kind::FloatMs` in microseconds, of `Kind::Fraction` in
    /// thousandths.
    Int(i64),
    /// Of the kinds that are text and no secret.
    Text(String),
    /// Of `Kind::Secret` and `Kind::Jaas`.
    Secret(Secret),
    /// Of `Kind::Servers`.
    Servers(Vec<(String, u16)>),
}

impl Value {
    /// The number; 0 for other kinds, which a row never asks for.
    pub fn int(&self) -> i64 {
        if let Value::Int(number) = self { *number } else { 0 }
    }

    /// A number that the row's range keeps from being negative.
    pub fn size(&self) -> usize {
        usize::try_from(self.int().max(0)).unwrap_or(usize::MAX)
    }

    /// A duration in milliseconds, cut at `MS_FOREVER`.
    pub fn ms(&self) -> u64 {
        self.int().max(0).unsigned_abs().min(crate::config::MS_FOREVER)
    }

    /// Whether it is `true`.
    pub fn flag(&self) -> bool {
        *self == Value::Bool(true)
    }

    /// The text; empty for other kinds.
    pub fn text(&self) -> &str {
        if let Value::Text(text) = self { text } else { "" }
    }

    /// The secret; empty for other kinds.
    pub fn secret(&self) -> Secret {
        if let Value::Secret(secret) = self { secret.clone() } else { Secret::default() }
    }
}

/// The table, in the groups and the order of the documentation.
pub static GROUPS: &[(&str, &[Property])] = &[
    ("Connecting", rows::CONNECTING),
    ("Batching and memory", rows::BATCHING),
    ("Acknowledgement, retries, time limits", rows::DELIVERY),
    ("Partitioning", rows::PARTITIONING),
    ("Compression", rows::COMPRESSION),
    ("Idempotence and transactions", rows::TRANSACTIONS),
    ("Metadata and names", rows::METADATA),
    ("Sockets", rows::SOCKETS),
    ("Reports, logs, tests", rows::OBSERVING),
    ("Security", security::SECURITY),
    ("SASL", sasl::SASL),
    ("Settings of Java's classes and of librdkafka's functions", rows::CODE),
];

/// Every property, in order.
pub fn properties() -> impl Iterator<Item = &'static Property> {
    GROUPS.iter().flat_map(|(_, rows)| rows.iter())
}

/// A name as it was found.
#[derive(Clone, Copy)]
pub struct Found {
    /// The row.
    pub property: &'static Property,
    /// The name that was used: the row's or an alias's.
    pub spelled: &'static str,
    /// How values under this name become the property's.
    pub convert: &'static Convert,
}

/// Finds the row of a canonical name or an alias.
pub fn lookup(name: &str) -> Result<Found> {
    for property in properties() {
        if property.name == name {
            return Ok(Found { property, spelled: property.name, convert: &Convert::Same });
        }
        for alias in property.aliases {
            if alias.name == name {
                return Ok(Found { property, spelled: alias.name, convert: &alias.convert });
            }
        }
    }
    for (whose, names) in rows::FOREIGN {
        if let Some(name) = names.iter().find(|foreign| **foreign == name) {
            return Err(not_supported(name, &format!("it is a setting of {whose}, not of a producer; remove it")));
        }
    }
    Err(Error::new(Status::UNKNOWN_PROPERTY, unknown(name)))
}

pub(super) fn not_supported(name: &str, why: &str) -> Error {
    Error::new(Status::PROPERTY_NOT_SUPPORTED, format!("property '{name}' is not supported: {why}"))
}

/// Longer names are not compared with ours: the comparison takes time in proportion to the length.
const NAME_COMPARED_MAX: usize = 100;

fn unknown(name: &str) -> String {
    let mut text = format!("unknown property '{}'", shown(name));
    if name.len() <= NAME_COMPARED_MAX {
        let lower = name.to_lowercase().replace('_', ".");
        let nearest = properties()
            .flat_map(|property| {
                let aliases = property.aliases.iter().map(|alias| (alias.name, true));
                let names = std::iter::once((property.name, false)).chain(aliases);
                names.map(move |(name, is_alias)| (name, !property.is_built(), is_alias))
            })
            .map(|(name, absent, is_alias)| (distance(&lower, name), absent, is_alias, name.len(), name))
            .min();
        if let Some((.., near)) = nearest.filter(|(far, ..)| *far <= lower.chars().count().div_ceil(3)) {
            text.push_str(&format!("; did you mean '{near}'?"));
        }
    }
    text
}

/// How far a name that somebody wrote is from one of ours. Without its last words, often the unit, it is nearly right.
fn distance(written: &str, name: &str) -> usize {
    match name.strip_prefix(written) {
        Some(rest) if rest.starts_with('.') && !written.is_empty() => 1,
        _ => strsim::damerau_levenshtein(written, name),
    }
}

/// A text from outside as it may stand in a message: one line, and not too long.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let mut shown: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

impl Property {
    /// Whether this version implements it, at least for some values.
    pub fn is_built(&self) -> bool {
        matches!(self.state, State::Built(_) | State::Partly(..))
    }

    /// Whether its values are never shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Jaas)
    }

    /// The type's word in the documentation.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool => "boolean",
            Kind::Int(..) | Kind::Level(..) => "integer",
            Kind::FloatMs(_) | Kind::Fraction(..) => "float",
            Kind::Choice(_) | Kind::Acks => "choice",
            Kind::Text(_) => "string",
            Kind::Secret | Kind::Jaas => "secret",
            Kind::Words(_) | Kind::Servers => "list",
        }
    }

    /// What values are allowed, in words.
    pub fn range(&self) -> String {
        match self.kind {
            Kind::Bool => "true, false".to_string(),
            Kind::Int(min, max, "") => format!("{min} to {max}"),
            Kind::Int(min, max, unit) => format!("{min} to {max} {unit}"),
            Kind::Level(other, min, max) => format!("{other}, or {min} to {max}"),
            Kind::FloatMs(max) => format!("0 to {max} ms, a fraction is allowed"),
            Kind::Fraction(min, max) => {
                format!("{} to {}", crate::config::value::ms_text(min), crate::config::value::ms_text(max))
            }
            Kind::Choice(choices) => choices.join(", "),
            Kind::Words(words) => format!("{}, separated by commas", words.join(", ")),
            Kind::Acks => "all (the same as -1), 0, 1".to_string(),
            Kind::Text(_) | Kind::Secret => String::new(),
            Kind::Jaas => "module required name=\"value\" …;".to_string(),
            Kind::Servers => {
                "host:port, host or [IPv6]:port, separated by commas, each with or without SECURITY_PROTOCOL:// before it; the port is 9092 if missing".to_string()
            }
        }
    }
}
