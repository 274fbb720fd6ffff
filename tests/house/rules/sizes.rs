//! No type of these rooms has more fields or methods than a reader can keep in mind.

use std::collections::BTreeMap;

use crate::model::{Crate, ItemId, ItemKind};
use crate::rules::Finding;

const ROOMS: &[&str] = &["sender", "accumulator", "reports", "producer"];
pub const FIELDS_MAX: usize = 12;
pub const METHODS_MAX: usize = 40;

pub fn check(krate: &Crate) -> Vec<Finding> {
    let mut methods: BTreeMap<ItemId, usize> = BTreeMap::new();
    for implementation in krate.impls.iter().filter(|i| !i.place.is_test && i.trait_path.is_none()) {
        let Some(target) = &implementation.target else { continue };
        for item in krate.items_behind_aliases(implementation.scope, target) {
            *methods.entry(item).or_default() += implementation.methods;
        }
    }
    let mut findings = Vec::new();
    for (id, item) in krate.items.iter().enumerate() {
        let is_counted = matches!(item.kind, ItemKind::Struct | ItemKind::Enum | ItemKind::Union);
        if !is_counted || item.place.is_test || !ROOMS.contains(&krate.room_of(item.place)) {
            continue;
        }
        let (at, name) = (krate.at(item.place), krate.name_of(id));
        let of =
            [(item.fields, FIELDS_MAX, "fields"), (methods.get(&id).copied().unwrap_or(0), METHODS_MAX, "methods")];
        for (amount, max, what) in of.into_iter().filter(|(amount, max, _)| amount > max) {
            let message = format!("{at}: {name} has {amount} {what}, {max} are allowed: give some a type of their own");
            findings.push(Finding { key: key(&name, what), amount, message });
        }
    }
    findings
}

pub fn key(name: &str, what: &str) -> String {
    format!("{what} of {name}")
}
