//! What may stand only in some places, or nowhere.

use std::collections::BTreeSet;

use crate::model::{Crate, Mention, MentionKind, Place};

/// Outside capi/: system calls that no safe crate offers.
const UNSAFE_PLACES: &[&str] =
    &["src/capi/", "src/threads.rs", "src/io/clock.rs", "src/codec/native.rs", "src/security/gssapi_library.rs"];
/// The TCP server around the broker model runs in real time, as a real broker does; so does a lock's deadline.
const CLOCK_PLACES: &[&str] = &["src/io/", "src/producer/", "src/mock/server", "src/sync.rs"];
/// What the simulator runs as it is: everything comes in as an argument.
const SANS_IO: &[&str] = &["src/sender/", "src/sim/", "src/mock/"];
/// The simulator itself is test code, and may read its seeds from the environment.
const NO_OUTSIDE_WORLD: &[&str] = &["src/sender/", "src/mock/"];
const OUTSIDE_WORLD_PLACES: &[&str] = &["src/mock/server"];

const CLOCKS: &[&[&str]] = &[
    &["Instant", "now"],
    &["Instant", "elapsed"],
    &["SystemTime", "now"],
    &["SystemTime", "elapsed"],
    &["clock_gettime"],
];
const OUTSIDE_MODULES: &[&str] = &["thread", "net", "env", "fs"];
const OUTSIDE_CRATES: &[&str] = &["mio", "socket2"];
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];
const SLEEPS: &[&str] = &["sleep", "sleep_ms", "sleep_until", "usleep", "nanosleep", "clock_nanosleep"];

pub const FILE_LINES_MAX: usize = 800;

pub fn unsafe_outside_the_border(krate: &Crate) -> BTreeSet<String> {
    let files = krate.files.iter().filter(|file| !is_below(&file.path, UNSAFE_PLACES));
    let message = |path: &str, line: &usize| format!("{path}:{line}: unsafe belongs into capi/");
    files.flat_map(|file| file.unsafe_lines.iter().map(|line| message(&file.path, line))).collect()
}

/// Tests may read the clock, but not those of what the simulator runs: its point is that nothing there does.
pub fn clock_reads(krate: &Crate) -> BTreeSet<String> {
    let counts = |place: Place| {
        let path = krate.path_of(place);
        !is_below(path, CLOCK_PLACES) && (!place.is_test || is_below(path, SANS_IO))
    };
    let message = |place: Place, what: &str| format!("{}: {what}: take a crate::time::Time", krate.at(place));
    let reads = |_: &Mention, path: &[String]| CLOCKS.iter().any(|clock| ends_with(path, clock));
    let mut broken = found(krate, counts, reads, message);
    // Also one that we have declared.
    let calls = krate.mentions.iter().filter(|mention| counts(mention.place));
    let calls = calls.filter(|mention| ends_with(&mention.path.segments, &["clock_gettime"]));
    broken.extend(calls.map(|mention| message(mention.place, &format!("`{}`", mention.path.written()))));
    let elapsed = krate.elapsed_calls.iter().filter(|place| counts(**place));
    broken.extend(elapsed.map(|place| message(*place, "`.elapsed()`")));
    broken
}

pub fn outside_world_in_the_core(krate: &Crate) -> BTreeSet<String> {
    let counts = |place: Place| {
        let path = krate.path_of(place);
        !place.is_test && is_below(path, NO_OUTSIDE_WORLD) && !is_below(path, OUTSIDE_WORLD_PLACES)
    };
    let leads_outside = |mention: &Mention, path: &[String]| {
        let first = path[0].as_str();
        let is_std = first == "std" || first == "core";
        let is_path = path.len() > 1 || mention.kind != MentionKind::Other;
        match path.get(1) {
            Some(module) if is_std => OUTSIDE_MODULES.contains(&module.as_str()) && mention.kind != MentionKind::Macro,
            None if is_std => mention.kind == MentionKind::Glob,
            _ => is_path && OUTSIDE_CRATES.contains(&first),
        }
    };
    let message = |place: Place, what: &str| format!("{}: {what}: the core takes and returns values", krate.at(place));
    found(krate, counts, leads_outside, message)
}

pub fn unfinished(krate: &Crate) -> BTreeSet<String> {
    let is_marker = |mention: &Mention, path: &[String]| {
        let is_known = path.last().is_some_and(|name| UNFINISHED.contains(&name.as_str()));
        is_known && (mention.kind == MentionKind::Macro || path.len() == 2 && matches!(&*path[0], "std" | "core"))
    };
    found(krate, |_| true, is_marker, |place, what| format!("{}: {what}: finish it", krate.at(place)))
}

pub fn sleeps(krate: &Crate) -> BTreeSet<String> {
    let sleeps = |path: &[String]| path.last().is_some_and(|name| SLEEPS.contains(&name.as_str()));
    let message = |place: Place, what: &str| format!("{}: {what}: wait for the thing itself", krate.at(place));
    let of_others = |_: &Mention, path: &[String]| path.len() > 1 && sleeps(path);
    let mut broken = found(krate, |_| true, of_others, message);
    // Also one that we have defined.
    let calls = krate.mentions.iter().filter(|mention| mention.kind == MentionKind::Call);
    let calls = calls.filter(|mention| sleeps(&mention.path.segments));
    broken.extend(calls.map(|mention| message(mention.place, &format!("`{}`", mention.path.written()))));
    broken
}

pub fn too_long(krate: &Crate) -> BTreeSet<String> {
    let files = krate.files.iter().filter(|file| file.lines > FILE_LINES_MAX);
    files.map(|file| format!("{}: {} lines; look for the second noun", file.path, file.lines)).collect()
}

/// The mentions, where they count, of paths in other crates.
fn found(
    krate: &Crate,
    counts: impl Fn(Place) -> bool,
    is_meant: impl Fn(&Mention, &[String]) -> bool,
    message: impl Fn(Place, &str) -> String,
) -> BTreeSet<String> {
    let mut broken = BTreeSet::new();
    for (index, mention) in krate.mentions.iter().enumerate().filter(|(_, mention)| counts(mention.place)) {
        if krate.outside_paths(index).iter().any(|path| is_meant(mention, path)) {
            broken.insert(message(mention.place, &format!("`{}`", mention.path.written())));
        }
    }
    broken
}

fn is_below(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

fn ends_with(path: &[String], end: &[&str]) -> bool {
    path.len() >= end.len() && path[path.len() - end.len()..].iter().zip(end).all(|(a, b)| a == b)
}
