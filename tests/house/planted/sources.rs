//! Lines planted into the sources as they are: a circle is found there, too, and not only in snippets.

use std::collections::{BTreeMap, BTreeSet};

use crate::PACKAGE;
use crate::load::load;
use crate::model::{Crate, Item, ItemKind};
use crate::rules::circles;
use crate::sources::read_package;

/// In each room, between two files of which one uses the other and no way leads back.
#[test]
fn a_line_that_closes_a_circle_in_the_sources() {
    let mut sources = read_package();
    let mut planted: BTreeMap<String, (String, String)> = BTreeMap::new();
    let uses = circles::uses(&PACKAGE);
    for (from, to) in &uses {
        let room = room_of(&PACKAGE, from).to_owned();
        if planted.contains_key(&room) || reaches(&uses, to, from) {
            continue;
        }
        let Some(item) = PACKAGE.items.iter().find(|item| can_be_imported(item, from)) else { continue };
        let line = format!("\nuse crate::{}::{} as Planted;\n", PACKAGE.scopes[item.scope].path.join("::"), item.name);
        sources.get_mut(to).expect("a file that was read").push_str(&line);
        planted.insert(room, (from.clone(), to.clone()));
    }
    assert!(planted.contains_key("wire") && planted.len() > 5, "no place to plant in: {planted:?}");
    let krate = load(&sources);
    assert!(krate.errors.is_empty(), "{}", krate.errors.join("\n"));
    let circles = circles::check(&krate);
    for (from, to) in planted.values() {
        let closes = circles.iter().any(|circle| circle.files.contains(from) && circle.files.contains(to));
        assert!(closes, "a `use` of {from} in {to} was not found");
    }
}

fn room_of<'a>(krate: &'a Crate, path: &str) -> &'a str {
    krate.files.iter().find(|file| file.path == path).map_or("", |file| &file.room)
}

fn can_be_imported(item: &Item, file: &str) -> bool {
    let is_named = matches!(item.kind, ItemKind::Struct | ItemKind::Enum | ItemKind::Function | ItemKind::Value);
    is_named && !item.place.is_test && PACKAGE.path_of(item.place) == file && !PACKAGE.scopes[item.scope].is_block
}

fn reaches(uses: &BTreeSet<(String, String)>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(file) = pending.pop() {
        if file == to {
            return true;
        }
        if seen.insert(file) {
            pending.extend(uses.iter().filter(|(user, _)| user == file).map(|(_, used)| used.as_str()));
        }
    }
    false
}
