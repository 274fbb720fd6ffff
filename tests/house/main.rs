//! The order of the rooms and the rules that keep them and their files apart, checked on the syntax of the sources
//! (docs/DESIGN.md has the picture).
//!
//! `load` reads the crate into `model`: files, items, impls, and every path with the place where it stands. `resolve`
//! finds what a path names. `rules/` look at that; what breaks one of them for now stands in `allowed.rs`. `planted/`
//! breaks each rule in every way that we know of and shows that it is found.

mod allowance;
mod allowed;
mod documents;
mod expand;
mod load;
mod model;
mod planted;
mod reader;
mod resolve;
mod rules;
mod sources;
mod tokens;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use allowance::{compare, compare_circles};
use allowed::AT_MOST;
use model::Crate;
use rules::{arrows, circles, globs, impls, names, places, secrets, sizes};

static PACKAGE: LazyLock<Crate> = LazyLock::new(|| load::load(&sources::read_package()));

/// Everything that the other tests look at: a path that is not understood could break any rule.
#[test]
fn every_file_and_path_is_understood() {
    expect_none(&PACKAGE.errors);
    assert!(PACKAGE.files.len() > 100 && PACKAGE.mentions.len() > 10_000, "src/ was not read");
}

#[test]
fn no_files_of_a_room_use_each_other_in_a_circle() {
    expect_none(&compare_circles(&circles::check(&PACKAGE), allowed::CIRCLES, AT_MOST.circles));
}

#[test]
fn no_room_uses_one_above_it() {
    expect_none(&arrows::check(&PACKAGE));
}

#[test]
fn no_glob_hides_what_is_used() {
    expect_none(&compare("globs", &globs::check(&PACKAGE), &allowed::globs(), AT_MOST.globs));
}

#[test]
fn an_impl_stands_with_its_type() {
    expect_none(&compare("impls", &impls::check(&PACKAGE), &allowed::impls(), AT_MOST.impls));
}

#[test]
fn no_type_has_too_many_fields_or_methods() {
    expect_none(&compare("sizes", &sizes::check(&PACKAGE), &allowed::sizes(), AT_MOST.sizes));
}

#[test]
fn a_type_name_means_one_thing_in_its_room() {
    expect_none(&compare("names", &names::check(&PACKAGE), &allowed::names(), AT_MOST.names));
}

#[test]
fn unsafe_stays_at_the_border() {
    expect_none(&places::unsafe_outside_the_border(&PACKAGE));
}

#[test]
fn the_clock_is_read_in_two_rooms_only() {
    expect_none(&places::clock_reads(&PACKAGE));
}

#[test]
fn the_core_has_no_threads_sockets_or_environment() {
    expect_none(&places::outside_world_in_the_core(&PACKAGE));
}

#[test]
fn nothing_is_left_unfinished() {
    expect_none(&places::unfinished(&PACKAGE));
}

#[test]
fn nothing_sleeps() {
    expect_none(&places::sleeps(&PACKAGE));
}

#[test]
fn no_file_is_too_long() {
    expect_none(&places::too_long(&PACKAGE));
}

#[test]
fn what_is_named_like_a_secret_is_wiped_when_it_is_freed() {
    expect_none(&secrets::check(&PACKAGE));
}

fn expect_none<'a>(broken: impl IntoIterator<Item = &'a String>) {
    let broken: BTreeSet<&str> = broken.into_iter().map(String::as_str).collect();
    let list = broken.iter().copied().collect::<Vec<_>>().join("\n");
    assert!(broken.is_empty(), "{} times a rule of the house is broken:\n{list}", broken.len());
}
