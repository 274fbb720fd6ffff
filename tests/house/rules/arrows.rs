//! No room uses one above it: not directly, and not through what another room re-exports.

use std::collections::BTreeSet;

use crate::model::{Crate, ROOT};

/// A room may use those after it. A new room has to be given its place here.
const ROOM_ORDER: &[&str] = &[
    "capi",
    "producer",
    "io",
    "sender",
    "accumulator",
    "reports",
    "stats",
    "partitioner",
    "security",
    "wire",
    "config",
    "codec",
];
/// Plain data, used by all rooms and by each other.
const LEAVES: &[&str] = &["record", "offsets", "prepared", "error", "secret", "sync", "text", "threads", "time"];
/// Beside the order: the broker model has a decoder of its own, or an encoding mistake would agree with itself.
const MOCK_MAY_USE: &[&str] = &["error", "sync", "threads", "time", "record"];
const MOCK_USERS: &[&str] = &["capi", "producer", "sim"];
const SIM_MAY_USE: &[&str] = &[
    "sender",
    "accumulator",
    "reports",
    "stats",
    "partitioner",
    "security",
    "codec",
    "mock",
    "config",
    "record",
    "offsets",
    "prepared",
    "error",
    "sync",
    "time",
];

pub fn check(krate: &Crate) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    for (mention, resolution) in krate.resolved() {
        let from = krate.room_of(mention.place);
        // The simulator is all test code, and has a list of its own.
        if from == "lib" || mention.place.is_test && from != "sim" {
            continue;
        }
        let (at, path) = (krate.at(mention.place), mention.path.written());
        for to in resolution.rooms.iter().filter(|to| *to != from) {
            match allowed(from, to) {
                Some(true) => {}
                Some(false) => {
                    broken.insert(format!("{at}: {from} may not use crate::{to}, and `{path}` comes to it"));
                }
                None => {
                    broken.insert(format!(
                        "{at}: `{path}` leads from {from} to {to}: give both a place in tests/house/rules/arrows.rs"
                    ));
                }
            }
        }
        if resolution.leaves_room_by_super {
            broken.insert(format!("{at}: `{path}` leaves the room through super::; write crate::"));
        }
    }
    let rooms = krate.scopes.iter().filter(|scope| scope.parent == Some(ROOT) && !scope.is_block);
    for room in rooms.map(|scope| &scope.path[0]) {
        if place(room).is_none() && !LEAVES.contains(&room.as_str()) && room != "mock" && room != "sim" {
            broken.insert(format!("src/lib.rs: the room {room} has no place in tests/house/rules/arrows.rs yet"));
        }
    }
    broken
}

fn place(room: &str) -> Option<usize> {
    ROOM_ORDER.iter().position(|r| *r == room)
}

/// `None`: one of the rooms has no place yet.
fn allowed(from: &str, to: &str) -> Option<bool> {
    match (from, to) {
        ("mock", _) => Some(MOCK_MAY_USE.contains(&to)),
        ("sim", _) => Some(SIM_MAY_USE.contains(&to)),
        (_, "mock") => Some(MOCK_USERS.contains(&from)),
        (_, "sim") => Some(false),
        _ if LEAVES.contains(&to) => (LEAVES.contains(&from) || place(from).is_some()).then_some(true),
        _ if LEAVES.contains(&from) => place(to).map(|_| false),
        _ => Some(place(from)? < place(to)?),
    }
}
