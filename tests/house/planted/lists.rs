//! The allow-list covers what it names, and nothing more; it can only get shorter.

use super::house;
use crate::allowance::{compare, compare_circles};
use crate::rules::Finding;
use crate::rules::circles;

fn finding(key: &str, amount: usize) -> Finding {
    Finding { key: key.to_owned(), amount, message: format!("src/x.rs:1: {key} is wrong") }
}

fn wrong(findings: &[Finding], allowed: &[(&str, usize)], at_most: usize) -> String {
    let allowed = allowed.iter().map(|(key, amount)| ((*key).to_owned(), *amount)).collect();
    compare("rule", findings, &allowed, at_most).join("; ")
}

#[test]
fn a_list_fits_exactly() {
    let found = [finding("a", 3), finding("b", 1)];
    assert_eq!(wrong(&found, &[("a", 3), ("b", 1)], 4), "");
    assert_eq!(wrong(&found, &[("a", 3)], 3), "src/x.rs:1: b is wrong");
    assert!(wrong(&found, &[("a", 2), ("b", 1)], 3).contains("a is wrong (tests/house/allowed.rs allows 2)"));
    assert!(wrong(&found, &[("a", 4), ("b", 1)], 5).contains("`a` is down to 3: lower the 4"));
    assert!(wrong(&found, &[("a", 3), ("b", 1), ("c", 1)], 5).contains("`c` any more: delete it"));
    assert!(wrong(&found, &[("a", 3), ("b", 1), ("b", 1)], 5).contains("twice"));
    assert!(wrong(&found, &[("a", 3), ("b", 1)], 3).contains("may only get shorter"));
    assert!(wrong(&found, &[("a", 3), ("b", 1)], 5).contains("lower AT_MOST from 5"));
}

#[test]
fn the_circles_fit_exactly() {
    let circles = circles::check(&house(&[
        ("src/wire/a.rs", "pub struct A(Box<super::b::B>);"),
        ("src/wire/b.rs", "pub struct B(Box<super::a::A>);"),
        ("src/wire/c.rs", "pub struct C(Box<super::d::D>);"),
        ("src/wire/d.rs", "pub struct D(Box<super::c::C>);"),
    ]));
    let [a, b, c, d] = ["src/wire/a.rs", "src/wire/b.rs", "src/wire/c.rs", "src/wire/d.rs"];
    let wrong = |allowed: &[&[&str]], at_most| compare_circles(&circles, allowed, at_most).join("; ");
    assert_eq!(wrong(&[&[a, b], &[c, d]], 4), "");
    assert!(wrong(&[&[a, b]], 2).contains("wire/ has a circle of 2 files; new in it: src/wire/c.rs, src/wire/d.rs"));
    assert!(wrong(&[&[a, b]], 2).contains("src/wire/c.rs:1 uses src/wire/d.rs: `super::d::D`"));
    assert!(wrong(&[&[a], &[b], &[c, d]], 4).contains("two known circles have become one"));
    assert!(wrong(&[&[a, b, c, d]], 4).contains("what is left of the one with src/wire/a.rs"));
    assert!(wrong(&[&[a, b], &[c, d, "src/wire/e.rs"]], 5).contains("what is left of the one with src/wire/c.rs"));
    assert!(wrong(&[&[a, b], &[c, d], &["src/wire/e.rs"]], 5).contains("is gone: delete it"));
    assert!(wrong(&[&[a, b], &[c, d]], 3).contains("may only get shorter"));
    assert!(wrong(&[&[a, b], &[c, d]], 5).contains("lower AT_MOST from 5"));
}
