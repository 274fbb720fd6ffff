//! What is named like a secret has a type that overwrites its memory when it is freed.

use std::collections::BTreeSet;

use crate::model::{Crate, Field};

/// Where secrets are kept. The mock cluster's passwords are its user's test data.
const ROOMS: &[&str] = &["config", "security", "producer", "accumulator", "sender", "io"];
/// Parts of the names of fields that hold secrets, and a few that do not say so.
const NAMES: &[&str] =
    &["password", "passphrase", "secret", "private_key", "session_token", "keystore_key", "canonical"];
/// Names of what is no secret, although it has to do with one.
const ENDS_OF_OTHERS: &[&str] = &["_file", "_location", "_url", "_property"];
/// Names that say whether there is one.
const BEGINNINGS_OF_OTHERS: &[&str] = &["is_", "has_"];
const TYPES: &[&str] = &["Secret", "SecretBytes"];

pub fn check(krate: &Crate) -> BTreeSet<String> {
    let broken = krate.fields.iter().filter(|field| {
        let is_here = ROOMS.contains(&krate.room_of(field.place)) && !field.place.is_test;
        is_here && is_named_so(&field.name) && !is_of_secret_type(field)
    });
    let message = |field: &Field| {
        let (at, name) = (krate.at(field.place), &field.name);
        format!("{at}: {name} is named like a secret: make it a crate::secret::Secret, or call it otherwise")
    };
    broken.map(message).collect()
}

fn is_named_so(name: &str) -> bool {
    let is_other = ENDS_OF_OTHERS.iter().any(|end| name.ends_with(end))
        || BEGINNINGS_OF_OTHERS.iter().any(|beginning| name.starts_with(beginning));
    !is_other && NAMES.iter().any(|part| name.contains(part))
}

fn is_of_secret_type(field: &Field) -> bool {
    field.type_names.iter().any(|name| TYPES.contains(&name.as_str()))
}
