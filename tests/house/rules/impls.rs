//! An `impl T` stands in T's file or in T's own folder.
//!
//! The folder of `x.rs` is `x/`, that of `a/b/mod.rs` is `a/b/`. A room's `mod.rs` has none: the room's folder belongs
//! to the room, not to one type. The impl of a trait may also stand with the trait.

use std::collections::BTreeSet;

use crate::model::{Crate, FileId, Impl, ItemId, Path, Place};
use crate::rules::Finding;

/// Methods of a type outside of its file and folder.
pub struct Stray {
    pub of: ItemId,
    pub place: Place,
}

pub fn check(krate: &Crate) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for implementation in krate.impls.iter().filter(|i| !i.place.is_test) {
        let homes = homes(krate, implementation);
        let Some(first) = homes.first() else { continue };
        if homes.iter().any(|item| belongs(krate, krate.items[*item].place.file, implementation.place.file)) {
            continue;
        }
        let key = key(&krate.name_of(*first), krate.path_of(implementation.place));
        let at = krate.at(implementation.place);
        let message = format!(
            "{at}: an impl of {}, which is defined in {}: it belongs into that file or its own folder",
            krate.name_of(*first),
            krate.path_of(krate.items[*first].place),
        );
        if !findings.iter().any(|finding| finding.key == key) {
            findings.push(Finding { key, amount: 1, message });
        }
    }
    findings
}

pub fn key(name: &str, file: &str) -> String {
    format!("{name} in {file}")
}

pub fn methods_elsewhere(krate: &Crate) -> Vec<Stray> {
    let inherent = krate.impls.iter().filter(|i| !i.place.is_test && i.trait_path.is_none());
    inherent
        .flat_map(|i| types(krate, i, i.target.as_ref()).into_iter().map(|of| Stray { of, place: i.place }))
        .filter(|stray| !belongs(krate, krate.items[stray.of].place.file, stray.place.file))
        .collect()
}

/// The types and traits of this crate that an impl may stand with.
fn homes(krate: &Crate, implementation: &Impl) -> Vec<ItemId> {
    let mut homes: Vec<ItemId> = types(krate, implementation, implementation.target.as_ref()).into_iter().collect();
    homes.extend(types(krate, implementation, implementation.trait_path.as_ref()));
    if homes.is_empty() {
        // `impl From<Ours> for TheirType`
        for argument in &implementation.trait_arguments {
            homes.extend(types(krate, implementation, Some(argument)));
        }
    }
    homes
}

fn types(krate: &Crate, implementation: &Impl, path: Option<&Path>) -> BTreeSet<ItemId> {
    let items = path.map(|path| krate.items_behind_aliases(implementation.scope, path)).unwrap_or_default();
    items.into_iter().filter(|item| krate.items[*item].kind.is_type()).collect()
}

fn belongs(krate: &Crate, home: FileId, file: FileId) -> bool {
    home == file
        || own_folder(&krate.files[home].path).is_some_and(|folder| krate.files[file].path.starts_with(&folder))
}

/// `None` for the file of a room.
fn own_folder(path: &str) -> Option<String> {
    let folder = path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs"))?;
    (folder.matches('/').count() > 1).then(|| format!("{folder}/"))
}
