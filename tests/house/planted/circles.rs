//! Circles of files, in every way that one file can use another.

use super::house;
use crate::rules::circles;

/// The names of the files of each circle in the room `wire`, without `src/wire/`.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let circles = circles::check(&house(files));
    for circle in &circles {
        assert!(circle.example.len() > 1, "a circle without an example: {:?}", circle.files);
    }
    let name = |path: &String| path.strip_prefix("src/wire/").unwrap_or(path).to_owned();
    circles.iter().map(|circle| circle.files.iter().map(name).collect()).collect()
}

/// `a.rs` uses `b.rs`; with these texts `b.rs` must be seen to use `a.rs`.
fn closes(b: &str) {
    closes_in(&[("src/wire/b.rs", b)]);
}

fn closes_in(files: &[(&str, &str)]) {
    let a = "use crate::wire::b::B;\npub struct A;\nimpl A { pub const LIMIT: u8 = 1; }\npub enum Kind { One, Two }\n\
             pub trait Named { fn name(&self) {} }\npub const MOST: usize = 9;\npub fn make(_: B) {}";
    let mut all = vec![("src/wire/a.rs", a)];
    all.extend(files);
    assert_eq!(found(&all), [["a.rs", "b.rs"]], "{files:#?}");
}

/// With these texts nothing closes the circle.
fn stays_open(b: &str) {
    let a = "use crate::wire::b::B;\npub struct A;\npub fn make(_: B) {}";
    assert_eq!(found(&[("src/wire/a.rs", a), ("src/wire/b.rs", b)]), Vec::<Vec<String>>::new(), "{b}");
}

#[test]
fn a_use_line() {
    closes("use super::a::A;\npub struct B(A);");
    closes("use crate::wire::a::A;\npub struct B(A);");
    closes("use super::a::{MOST, Kind};\npub struct B([Kind; MOST]);");
    closes("use super::{a::{self, A}, super::wire};\npub struct B(A);");
    closes("use super::a::Named as _;\npub struct B;");
    closes("pub(self) use super::a::A;\npub struct B;");
    closes("pub struct B;\nfn f() { use super::a::make; }");
}

#[test]
fn a_path_in_the_code() {
    closes("pub struct B(super::a::A);");
    closes("pub struct B;\nfn f() -> usize { super::a::MOST }");
    closes("pub struct B;\nfn f(b: B) { crate::wire::a::make(b) }");
    closes("pub struct B;\nfn f() { let _ = self::super::a::A; }");
    closes("pub struct B;\nfn f<T: super::a::Named>(_: T) {}");
    closes("pub struct B;\nfn f<T>(_: T) where T: super::a::Named {}");
    closes("pub struct B;\nfn f(_: &dyn super::a::Named) {}");
    closes("pub struct B;\nfn f() -> Vec<Option<super::a::A>> { Vec::<Option<_>>::new() }");
    closes("pub struct B;\nfn f() -> u8 { <super::a::A>::LIMIT }");
    closes("pub struct B;\nfn f(b: &B) { <B as super::a::Named>::name(b) }\nimpl super::a::Named for B {}");
    closes("pub struct B;\nfn f(x: u8) { match x { super::a::A::LIMIT => {} _ => {} } }");
    closes("pub struct B;\nconst LIMITS: [u8; super::a::MOST] = [0; 9];");
}

#[test]
fn an_alias_of_a_module_or_an_item() {
    closes("use super::a as other;\npub struct B(other::A);");
    closes("use super::a::{self as other};\npub struct B;\nfn f() { other::make(B) }");
    closes("use super::a::Kind as Sort;\npub struct B(Sort);");
    closes("use super::a::Kind::One as First;\npub struct B;");
    closes("use crate as house;\npub struct B(house::wire::a::A);");
    closes("use super as room;\npub struct B(room::a::A);");
}

#[test]
fn a_name_through_re_exports() {
    let module = ("src/wire/mod.rs", "mod a;\nmod b;\npub use a::{A, Kind as Sort};\npub use c::Twice;\nmod c;");
    let c = ("src/wire/c.rs", "pub use super::Sort as Twice;");
    for b in [
        "use super::A;\npub struct B(A);",
        "use crate::wire::{A as Other};\npub struct B(Other);",
        "use super::Twice;\npub struct B(Twice);",
        "pub struct B(super::Twice);",
        "use super::c::Twice::One;\npub struct B;",
    ] {
        closes_in(&[("src/wire/b.rs", b), module, c]);
    }
    // The file that only re-exports is in no circle.
    let glob = ("src/wire/mod.rs", "mod a;\nmod b;\npub use a::*;");
    closes_in(&[("src/wire/b.rs", "use super::A;\npub struct B(A);"), glob]);
    let root = ("src/lib.rs", "mod wire;\npub use wire::a::A;");
    closes_in(&[("src/wire/b.rs", "pub struct B(crate::A);"), root]);
}

#[test]
fn a_name_that_the_file_re_exports_and_uses() {
    closes("pub use super::a::A;\npub struct B(A);");
    closes("pub(crate) use super::a::make;\npub struct B;\nfn f() { make(B) }");
    closes("pub(super) use super::a::MOST;\npub struct B;\nfn f() { assert!(1 < MOST, \"few\"); }");
    closes("pub use super::a::Kind;\npub struct B;\nfn f(x: &Kind) -> bool { matches!(x, Kind::One | Kind::Two) }");
    stays_open("pub use super::a::A;\npub struct B;");
    stays_open("pub use super::a as other;\npub use other::A;\npub struct B;");
}

#[test]
fn a_module_inside_the_file() {
    closes("pub struct B;\nmod inner { use super::super::a::A; pub struct C(A); }");
    closes("pub struct B;\nmod inner { pub struct C(super::super::a::A); }");
    closes("pub struct B;\nmod inner { mod deep { use super::super::super::a::A; } }");
    closes("pub struct B(inner::A);\nmod inner { pub use super::super::a::A; }");
    closes("pub struct B(inner::Other);\nmod inner { pub(super) use crate::wire::a::A as Other; }");
    stays_open("pub struct B;\npub mod inner { pub use super::super::a::A; }");
}

#[test]
fn a_path_only_in_the_arguments_of_a_macro() {
    closes("pub struct B;\nfn f() { println!(\"{}\", super::a::MOST); }");
    closes("pub struct B;\nfn f(x: u8) -> bool { matches!(x, super::a::A::LIMIT..) }");
    closes("pub struct B;\nfn f() { assert!(if true { super::a::make(B); true } else { false }); }");
    closes("pub struct B;\nfn f() -> Vec<usize> { vec![super::a::MOST; 2] }");
    closes("use super::a as other;\npub struct B;\nfn f() { foreign!(with other::A => { x: 1 }) }");
    closes("pub struct B;\nfn f() { foreign!(use super::{a::A}; in A) }");
    closes("pub struct B;\nforeign! { (~ super::a::A ~) }");
    closes("pub struct B;\nthread_local! { static A: std::cell::Cell<Option<super::a::A>> = const { None } }");
    closes("#[foreign(with = super::a::make)]\npub struct B;");
    closes("#[foreign(super::a::A)]\npub struct B;");
}

#[test]
fn a_path_only_in_our_own_macro() {
    closes("pub struct B;\nmacro_rules! one { () => { $crate::wire::a::A } }");
    closes("pub struct B;\nmacro_rules! one { ($x:expr) => {{ use $crate::wire::{a::{make}}; make($x) }} }");
    let elsewhere = |c| [("src/wire/c.rs", c), ("src/wire/b.rs", "pub struct B;\ncrate::wire::c::made!(C);")];
    closes_in(&elsewhere("macro_rules! made { ($t:ident) => { struct $t(super::a::A); } }\npub(crate) use made;"));
    closes_in(&elsewhere(
        "macro_rules! made { ($($t:ident),* $(,)?) => { $(impl super::a::Named for $t {} struct $t;)* } }\n\
         pub(crate) use made;",
    ));
    // The macro itself is an item of its file.
    let a = "macro_rules! one { () => { 1 } }\npub(crate) use one;\nuse super::b::B;";
    let b = "pub struct B;\nfn f() -> u8 { super::a::one!() }";
    assert_eq!(found(&[("src/wire/a.rs", a), ("src/wire/b.rs", b)]), [["a.rs", "b.rs"]]);
}

#[test]
fn methods_that_stand_elsewhere() {
    let a = "pub struct A;\nfn f(a: A) { a.far() }";
    let b = "use super::a::A;\nimpl A { pub fn far(self) {} }";
    assert_eq!(found(&[("src/wire/a.rs", a), ("src/wire/b.rs", b)]), [["a.rs", "b.rs"]]);
    let by_macro = "macro_rules! far { ($t:ty) => { impl $t { pub fn far(self) {} } } }\nfar!(super::a::A);";
    assert_eq!(found(&[("src/wire/a.rs", a), ("src/wire/b.rs", by_macro)]), [["a.rs", "b.rs"]]);
    let by_alias = "type Other = super::a::A;\nimpl Other { pub fn far(self) {} }";
    assert_eq!(found(&[("src/wire/a.rs", a), ("src/wire/b.rs", by_alias)]), [["a.rs", "b.rs"]]);
    // In the type's own folder it is in order.
    let files = [("src/wire/a.rs", "mod far;\npub struct A;\nfn f(a: A) { a.far() }"), ("src/wire/a/far.rs", b)];
    assert!(found(&[files[0], ("src/wire/a/far.rs", "use super::A;\nimpl A { pub fn far(self) {} }")]).is_empty());
}

#[test]
fn three_files_and_files_in_folders() {
    let three = [
        ("src/wire/a.rs", "pub struct A(super::b::B);"),
        ("src/wire/b.rs", "pub struct B(super::c::C);"),
        ("src/wire/c.rs", "pub struct C(Box<super::a::A>);"),
        ("src/wire/d.rs", "pub struct D(super::a::A);"),
    ];
    assert_eq!(found(&three), [["a.rs", "b.rs", "c.rs"]]);
    let folder = [
        ("src/wire/a.rs", "mod part;\npub struct A(part::Part);"),
        ("src/wire/a/part.rs", "pub struct Part(Box<super::A>);"),
    ];
    assert_eq!(found(&folder), [["a.rs", "a/part.rs"]]);
    let deep = [
        ("src/wire/a/mod.rs", "pub mod part;\npub struct A;"),
        ("src/wire/a/part.rs", "pub struct Part(super::super::b::B);"),
        ("src/wire/b.rs", "use super::a::part::Part;\npub struct B(Box<Part>);"),
    ];
    assert_eq!(found(&deep), [["a/part.rs", "b.rs"]]);
    let with_the_room = [
        ("src/wire/mod.rs", "mod a;\npub struct W(a::A);\npub struct Limits;"),
        ("src/wire/a.rs", "use super::Limits;\npub struct A(Limits);"),
    ];
    assert_eq!(found(&with_the_room), [["a.rs", "mod.rs"]]);
    let two = [
        ("src/wire/a.rs", "pub struct A(super::b::B);"),
        ("src/wire/b.rs", "pub struct B(Box<super::a::A>, super::c::C);"),
        ("src/wire/c.rs", "pub struct C(super::d::D);"),
        ("src/wire/d.rs", "pub struct D(Box<super::c::C>);"),
    ];
    assert_eq!(found(&two), [["c.rs", "d.rs"], ["a.rs", "b.rs"]]);
}

#[test]
fn the_simulator_is_a_room_too() {
    let circles = circles::check(&house(&[
        ("src/sim/a.rs", "use super::b::B;\npub struct A;\n#[test]\nfn f() {}"),
        ("src/sim/b.rs", "pub struct B;\n#[test]\nfn f() { let _ = super::a::A; }"),
        ("src/sim/tests.rs", "use super::a::A;\npub struct T;"),
    ]));
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].room, "sim");
}

#[test]
fn the_example_names_each_line() {
    let circles = circles::check(&house(&[
        ("src/wire/a.rs", "use super::b::B;\npub struct A;"),
        ("src/wire/b.rs", "pub struct B;\n\nfn f(_: super::a::A) {}"),
    ]));
    assert_eq!(
        circles[0].example,
        ["src/wire/a.rs:1 uses src/wire/b.rs: `super::b::B`", "src/wire/b.rs:3 uses src/wire/a.rs: `super::a::A`"]
    );
}

#[test]
fn but_not_what_uses_nothing() {
    stays_open("//! [`super::a::A`]\n/// crate::wire::a::A\npub struct B; // super::a::A");
    stays_open("pub struct B;\nconst TEXT: &str = \"super::a::A\";");
    stays_open("pub struct B;\npub(in crate::wire) fn f() { let a = 1; drop(a); }");
    stays_open("use super::a;\npub struct B;");
    stays_open("pub struct B;\n#[cfg(test)]\nmod tests { use super::super::a::A; fn f(_: A) {} }");
    stays_open("pub struct B;\n#[cfg(all(unix, test))]\nuse super::a::A;");
    stays_open("pub struct B;\n#[test]\nfn f() { let _ = super::a::A; }");
    stays_open("pub struct B;\nimpl B { #[cfg(test)] fn f() -> super::a::A { super::a::A } }");
    stays_open("pub struct B { #[cfg(test)] pub a: Option<super::a::A> }");
    stays_open("pub struct B;\nfn f() { #[cfg(test)] super::a::make(B); #[cfg(test)] let _ = super::a::A; }");
    stays_open("pub struct B;\nfn f() { use std::fmt::Debug as A; fn g<T: A>() {} }");
    closes("pub struct B;\n#[cfg(any(test, fuzzing))]\nuse super::a::A;");
    closes("pub struct B;\n#[cfg(not(test))]\nuse super::a::A;");
}

#[test]
fn nor_what_only_declares_or_is_used_by_both() {
    let files = [
        ("src/wire/mod.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\npub(crate) use b::{B as Other};\npub use c::C;"),
        ("src/wire/a.rs", "use super::C;\npub struct A(C);"),
        ("src/wire/b.rs", "use super::{A, C};\npub struct B(A, C);"),
        ("src/wire/c.rs", "pub struct C;"),
    ];
    assert!(found(&files).is_empty());
    let tests = [
        ("src/wire/a.rs", "pub struct A;\n#[cfg(test)]\nmod tests;"),
        ("src/wire/a/tests.rs", "use super::A;\npub struct Rig(A, crate::wire::b::B);"),
        ("src/wire/b.rs", "pub struct B(super::a::A);\n#[cfg(test)]\n#[path = \"of_b_tests.rs\"]\nmod tests;"),
        ("src/wire/of_b_tests.rs", "use super::B;\nuse crate::wire::a::A;"),
        ("src/wire/mod.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod testing;"),
        ("src/wire/testing.rs", "use super::a::A;\nuse super::b::B;\npub fn both(_: A, _: B) {}"),
    ];
    assert!(found(&tests).is_empty());
    let rooms = [
        ("src/wire/mod.rs", "use crate::codec::C;\npub struct W(C);"),
        ("src/codec/mod.rs", "use crate::wire::W;\npub struct C(Box<W>);"),
    ];
    assert!(found(&rooms).is_empty(), "rooms that use each other break another rule");
}
