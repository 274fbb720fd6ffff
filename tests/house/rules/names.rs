//! A type's name means one thing in its room.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Crate, Place, ScopeId};
use crate::rules::Finding;

pub fn check(krate: &Crate) -> Vec<Finding> {
    // Once per module: where one is defined for each operating system, the name still means one thing.
    let mut definitions: BTreeMap<(&str, &str), BTreeMap<ScopeId, Place>> = BTreeMap::new();
    for item in &krate.items {
        if item.kind.is_type() && !item.place.is_test && !krate.scopes[item.scope].is_block {
            let room = krate.room_of(item.place);
            definitions.entry((room, &item.name)).or_default().entry(item.scope).or_insert(item.place);
        }
    }
    definitions
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|((room, name), places)| {
            let at: BTreeSet<String> = places.values().map(|place| krate.at(*place)).collect();
            let at = at.into_iter().collect::<Vec<_>>().join(", ");
            let message = format!("{at}: {room} has {} types called {name}: rename all but one", places.len());
            Finding { key: key(room, name), amount: places.len(), message }
        })
        .collect()
}

pub fn key(room: &str, name: &str) -> String {
    format!("{name} in {room}/")
}
