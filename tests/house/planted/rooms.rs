//! Arrows between rooms, globs, impls, sizes and names.

use super::house;
use crate::rules::{Finding, arrows, globs, impls, names, sizes};

const ROOMS: &[&str] = &[
    "capi",
    "producer",
    "io",
    "sender",
    "accumulator",
    "wire",
    "config",
    "codec",
    "mock",
    "sim",
    "error",
    "time",
    "record",
];

/// These texts, and a file with `X` for each room that has none of them.
fn arrows_in(texts: &[(&str, &str)]) -> Vec<String> {
    let is_given = |room: &&&str| texts.iter().any(|(path, _)| path[4..].starts_with(**room));
    let others: Vec<String> =
        ROOMS.iter().filter(|room| !is_given(room)).map(|room| format!("src/{room}.rs")).collect();
    let mut files = texts.to_vec();
    files.extend(others.iter().map(|path| (path.as_str(), "pub struct X;")));
    arrows::check(&house(&files)).into_iter().collect()
}

#[test]
fn an_arrow_upward() {
    for (path, text) in [
        ("src/wire/mod.rs", "use crate::sender::X;"),
        ("src/wire/mod.rs", "pub use crate::sender::X;"),
        ("src/wire/mod.rs", "use crate::sender;"),
        ("src/wire/mod.rs", "use crate::{error, sender as other};"),
        ("src/wire/mod.rs", "use crate as house;\nfn f(_: house::sender::X) {}"),
        ("src/wire/mod.rs", "fn f() { println!(\"{}\", crate::sender::X); }"),
        ("src/wire/mod.rs", "macro_rules! m { () => { $crate::sender::X } }"),
        ("src/wire/mod.rs", "impl crate::sender::X {}"),
        ("src/sender/mod.rs", "use crate::{time::X as T, io::{X, self}};"),
        ("src/sender/broker.rs", "fn f() { let _ = crate::producer::X; }"),
        ("src/error.rs", "use crate::config::X;"),
        ("src/mock/mod.rs", "use crate::wire::X;"),
        ("src/sender/mod.rs", "use crate::mock::X;"),
        ("src/sim/mod.rs", "use crate::io::X;"),
        ("src/sim/mod.rs", "#[test]\nfn f() { let _ = crate::io::X; }"),
        ("src/wire/mod.rs", "use crate::sim::X;"),
        ("src/producer/mod.rs", "#[cfg(test)]\nmod tests {}\nuse crate::capi::X;"),
        ("src/producer/mod.rs", "#[cfg(any(test, fuzzing))]\nuse crate::capi::X;"),
        ("src/capi/mod.rs", "pub use super::io::X;"),
        ("src/sender/broker.rs", "use super::super::wire::X;"),
        ("src/sender/mod.rs", "mod inner { use super::super::wire::X; }"),
    ] {
        assert!(!arrows_in(&[(path, text)]).is_empty(), "{path}: {text}");
    }
}

#[test]
fn an_arrow_upward_that_another_room_hides() {
    // `codec` breaks the rule in its line, and `wire` in its own.
    let by_codec =
        arrows_in(&[("src/codec/mod.rs", "pub use crate::io::X;"), ("src/wire/mod.rs", "use crate::codec::X;")]);
    assert!(by_codec.iter().any(|message| message.starts_with("src/wire/mod.rs:1: wire may not use crate::io")));
    let lib = "pub mod io;\npub mod wire;\npub use io::X as Hidden;";
    let files = [("src/lib.rs", lib), ("src/io.rs", "pub struct X;"), ("src/wire.rs", "fn f(_: crate::Hidden) {}")];
    let by_lib = arrows::check(&house(&files));
    assert_eq!(by_lib.len(), 1, "{by_lib:?}");
    // Through a room above that only re-exports what is below.
    let by_io = arrows_in(&[("src/io/mod.rs", "pub use crate::codec::X;"), ("src/wire/mod.rs", "use crate::io::X;")]);
    assert_eq!(by_io.len(), 1, "{by_io:?}");
}

#[test]
fn a_room_without_a_place() {
    let cellar = ("src/cellar/mod.rs", "pub struct X;");
    assert_eq!(arrows_in(&[cellar]).len(), 1);
    assert_eq!(arrows_in(&[("src/cellar/mod.rs", "use crate::wire::X;")]).len(), 2);
    assert_eq!(arrows_in(&[cellar, ("src/wire/mod.rs", "use crate::cellar::X;")]).len(), 2);
}

#[test]
fn but_no_arrow_downward() {
    for (path, text) in [
        (
            "src/capi/mod.rs",
            "use crate::{producer::X as P, error::X};\nuse self::inner::Y;\nmod inner { pub struct Y; }",
        ),
        (
            "src/sender/mod.rs",
            "use crate::accumulator::{self, X};\npub(crate) use inner::I;\nmod inner { pub struct I; }",
        ),
        ("src/wire/mod.rs", "// use crate::sender::Sender;\nconst A: &str = \"crate::sender\";\npub struct X;"),
        ("src/wire/mod.rs", "/// [`crate::sender::X`]\npub struct X;"),
        ("src/wire/mod.rs", "pub struct X;\n#[cfg(test)]\nmod tests { use crate::sender::X; }"),
        ("src/wire/mod.rs", "pub struct X;\nmod inner { use super::X; }"),
        ("src/producer/mod.rs", "use crate::mock::X;"),
        ("src/record.rs", "use crate::time::X;"),
        ("src/sim/mod.rs", "use crate::{sender::X, mock::X as B, time::X as T};"),
        ("src/sender/broker.rs", "use std::io::Read;\nfn f(io: u8) -> u8 { io }"),
    ] {
        let found = arrows_in(&[(path, text)]);
        assert!(found.is_empty(), "{path}: {text}: {found:?}");
    }
    assert!(arrows_in(&[]).is_empty());
}

fn keys(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.key).collect()
}

#[test]
fn a_glob_inside_the_crate() {
    let a = ("src/wire/a.rs", "pub enum Kind { One }\nfn f() { use Kind::*; }\nmod inner { use super::Kind::*; }");
    for b in [
        "use super::a::*;",
        "use super::*;",
        "use crate::wire::a::*;",
        "use crate::codec::*;",
        "pub use super::a::*;",
        "use super::{a::{self, *}};",
        "use super::a as other;\nuse other::*;",
        "fn f() { use super::a::*; }",
        "mod inner { use super::*; }",
        "use super::a::Kind::*;",
        "use super::a::Kind;\nfn f() { use Kind::*; }",
        "fn f() { foreign!(use super::a::*; in One) }",
    ] {
        let files = [a, ("src/wire/b.rs", b), ("src/codec.rs", "")];
        assert_eq!(globs::check(&house(&files)).len(), 1, "{b}");
    }
    for b in [
        "use std::fmt::*;",
        "use std::io::prelude::*;",
        "enum Own { One }\nuse Own::*;",
        "#[cfg(test)]\nmod tests { use super::*; }",
        "#[cfg(test)]\nuse super::a::*;",
        "// use super::*;\nconst A: &str = \"use super::*;\";",
        "fn f(a: u8, b: u8) -> u8 { a * b }",
    ] {
        let files = [a, ("src/wire/b.rs", b), ("src/codec.rs", "")];
        assert_eq!(keys(globs::check(&house(&files))), [""; 0], "{b}");
    }
}

#[test]
fn an_impl_away_from_its_type() {
    let a = (
        "src/wire/a.rs",
        "pub struct A;\npub struct G<T>(T);\npub enum E { One }\npub trait Ours {}\npub type Alias = A;",
    );
    for (b, key) in [
        ("impl super::a::A {}", "wire::a::A in src/wire/b.rs"),
        ("use super::a::A;\nimpl A { fn f() {} }", "wire::a::A in src/wire/b.rs"),
        ("use super::a::A as B;\nimpl B {}", "wire::a::A in src/wire/b.rs"),
        ("use super::A;\nimpl A {}", "wire::a::A in src/wire/b.rs"),
        ("use super::a::Alias;\nimpl Alias {}", "wire::a::A in src/wire/b.rs"),
        ("use super::a::G;\nimpl<T> G<T> {}", "wire::a::G in src/wire/b.rs"),
        ("use super::a::E;\nimpl Default for E { fn default() -> E { E::One } }", "wire::a::E in src/wire/b.rs"),
        ("use super::a::A;\nimpl From<B> for A { fn from(_: B) -> A { A } }\nstruct B;", "wire::a::A in src/wire/b.rs"),
        ("use super::a::A;\nimpl<'a> From<&'a A> for u8 { fn from(_: &A) -> u8 { 1 } }", "wire::a::A in src/wire/b.rs"),
        ("impl super::a::Ours for u8 {}", "wire::a::Ours in src/wire/b.rs"),
        ("impl<T: Copy> super::a::Ours for T {}", "wire::a::Ours in src/wire/b.rs"),
        ("impl dyn super::a::Ours {}", "wire::a::Ours in src/wire/b.rs"),
        ("impl Default for &super::a::A {}", "wire::a::A in src/wire/b.rs"),
        ("mod inner { impl super::super::a::A {} }", "wire::a::A in src/wire/b.rs"),
        ("fn f() { impl super::a::A {} }", "wire::a::A in src/wire/b.rs"),
        ("macro_rules! m { ($t:ty) => { impl $t {} } }\nm!(super::a::A);", "wire::a::A in src/wire/b.rs"),
        ("fn f() { macro_rules! m { ($t:ty) => { impl $t {} } } m!(super::a::A); }", "wire::a::A in src/wire/b.rs"),
        ("impl super::W {}", "wire::W in src/wire/b.rs"),
    ] {
        let module = ("src/wire/mod.rs", "mod a;\nmod b;\npub use a::A;\npub struct W;");
        assert_eq!(keys(impls::check(&house(&[a, module, ("src/wire/b.rs", b)]))), [key], "{b}");
    }
}

#[test]
fn but_not_one_that_stands_with_it() {
    let traits = ("src/wire/traits.rs", "use super::a::A;\npub trait Ours {}\nimpl Ours for A {}\nimpl Ours for u8 {}");
    let a = "mod part;\npub struct A;\nimpl A {}\nimpl std::fmt::Debug for A {}\nimpl super::traits::Ours for &A {}";
    let part = "impl super::A {}\nimpl Default for super::A {}";
    let nested = [traits, ("src/wire/a/mod.rs", a), ("src/wire/a/part.rs", part)];
    assert_eq!(keys(impls::check(&house(&nested))), [""; 0]);
    let beside = [traits, ("src/wire/a.rs", a), ("src/wire/a/part.rs", part)];
    assert_eq!(keys(impls::check(&house(&beside))), [""; 0]);
    // A file that begins with the same letters is not in the folder.
    let neighbour = [("src/wire/a.rs", "pub struct A;"), ("src/wire/a_b.rs", "impl super::a::A {}")];
    assert_eq!(keys(impls::check(&house(&neighbour))), ["wire::a::A in src/wire/a_b.rs"]);
    let tests = [
        ("src/wire/a.rs", "pub struct A;"),
        (
            "src/wire/b.rs",
            "#[cfg(test)]\nmod tests { use super::super::a::A; impl A {} }\n#[cfg(test)]\nimpl super::a::A {}",
        ),
    ];
    assert_eq!(keys(impls::check(&house(&tests))), [""; 0]);
}

#[test]
fn too_many_fields_or_methods() {
    let list = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let fields = |count| format!("pub struct S {{ {} }}", list(count, &|i| format!("f{i}: u8, ")));
    let methods = |count| format!("impl S {{ {} }}", list(count, &|i| format!("fn m{i}() {{}} ")));
    let of = |path: &str, text: &str| keys(sizes::check(&house(&[(path, text)])));
    for room in ["sender", "accumulator", "reports", "producer"] {
        let path = format!("src/{room}/mod.rs");
        assert_eq!(of(&path, &fields(sizes::FIELDS_MAX + 1)), [format!("fields of {room}::S")]);
        assert_eq!(of(&path, &fields(sizes::FIELDS_MAX)), [""; 0]);
        let many = format!("{}\n{}\n{}", fields(1), methods(20), methods(sizes::METHODS_MAX - 19));
        assert_eq!(of(&path, &many), [format!("methods of {room}::S")]);
        let enough = format!("{}\n{}\n{}", fields(1), methods(20), methods(sizes::METHODS_MAX - 20));
        assert_eq!(of(&path, &enough), [""; 0]);
    }
    let tuple = format!("struct S({});", "u8, ".repeat(13));
    assert_eq!(of("src/sender/mod.rs", &tuple), ["fields of sender::S"]);
    assert_eq!(of("src/sender/mod.rs", &format!("mod inner {{ {tuple} }}")), ["fields of sender::inner::S"]);
    assert_eq!(of("src/sender/mod.rs", &format!("fn f() {{ {tuple} }}")), ["fields of sender::S"]);
    let by_macro = format!("macro_rules! m {{ ($t:ident) => {{ {} }} }}\nm!(x);", fields(13));
    assert_eq!(of("src/sender/mod.rs", &by_macro), ["fields of sender::S"]);
    // Elsewhere, in traits and in tests they do not count.
    assert_eq!(of("src/wire/mod.rs", &fields(13)), [""; 0]);
    let for_trait = methods(41).replace("impl S", "impl Named for S");
    assert_eq!(of("src/sender/mod.rs", &format!("{}\ntrait Named {{}}\n{for_trait}", fields(1))), [""; 0]);
    assert_eq!(of("src/sender/mod.rs", &format!("{}\n#[cfg(test)]\n{}", fields(1), methods(41))), [""; 0]);
    assert_eq!(of("src/sender/mod.rs", &format!("#[cfg(test)]\nmod tests {{ {} }}", fields(13))), [""; 0]);
}

#[test]
fn methods_of_one_type_in_several_files() {
    let methods = |count: usize| (0..count).map(|i| format!("fn m{i}() {{}} ")).collect::<String>();
    let far = format!("use super::S as T;\nimpl T {{ {} }}", methods(21));
    let near = format!("mod far;\npub struct S;\nimpl S {{ {} }}", methods(20));
    let findings = sizes::check(&house(&[("src/sender/mod.rs", &near), ("src/sender/far.rs", &far)]));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].amount, 41);
}

#[test]
fn a_type_name_twice_in_a_room() {
    let of = |a: &str, b: &str| keys(names::check(&house(&[("src/wire/a.rs", a), ("src/wire/b.rs", b)])));
    for b in [
        "struct State;",
        "enum State {}",
        "union State { a: u8 }",
        "trait State {}",
        "type State = u8;",
        "mod inner { pub struct State; }",
        "macro_rules! m { ($t:ident) => { struct $t; } }\nm!(State);",
        "macro_rules! m { ($($t:ident)*) => { $(pub struct $t(u8);)* } }\nm!(Other State);",
    ] {
        assert_eq!(of("pub struct State;", b), ["State in wire/"], "{b}");
    }
    assert_eq!(of("mod v1 { struct Row; } mod v2 { struct Row; }", ""), ["Row in wire/"]);
    for b in [
        "use super::a::State;",
        "pub use super::a::State as Other;",
        "fn f() { struct State; }",
        "#[cfg(test)]\nmod tests { struct State; }",
        "trait T { type State; }",
        "fn state() {}\nconst State: u8 = 1;",
        "enum E { State }",
        "// struct State;",
    ] {
        assert_eq!(of("pub struct State;", b), [""; 0], "{b}");
    }
    assert_eq!(of("#[cfg(unix)]\nstruct State;\n#[cfg(not(unix))]\nstruct State(u8);", ""), [""; 0]);
    let rooms = [("src/wire/a.rs", "struct State;"), ("src/codec/a.rs", "struct State;")];
    assert_eq!(keys(names::check(&house(&rooms))), [""; 0]);
}
