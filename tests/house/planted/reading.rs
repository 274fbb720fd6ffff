//! What the reader does not understand is an error, and never silently left out.

use crate::load::load;
use crate::sources::{Sources, snippets};

fn errors(files: &[(&str, &str)]) -> Vec<String> {
    load(&snippets(files)).errors
}

fn fails(files: &[(&str, &str)], with: &str) {
    let errors = errors(files);
    assert!(errors.iter().any(|error| error.contains(with)), "{with}: {files:?}: {errors:?}");
}

#[test]
fn a_path_that_leads_nowhere() {
    for text in [
        "use super::b::Nothing;",
        "use crate::cellar::X;",
        "use super::super::super::X;",
        "fn f() { self::nothing(); }",
        "fn f() { println!(\"{}\", crate::wire::b::Nothing); }",
        "use super::b;\nfn f(_: b::Nothing) {}",
        "pub use self::X as Y;\npub use self::Y as X;",
        "use super::b::f::*;",
    ] {
        let files = [("src/wire/a.rs", text), ("src/wire/b.rs", "pub struct B;\npub fn f() {}")];
        assert!(!errors(&files).is_empty(), "{text}");
    }
}

#[test]
fn a_path_that_leads_somewhere() {
    let b = "pub struct B;\npub enum E { One }\nimpl E { pub const TWO: u8 = 2; }\npub trait T { fn t() {} }\n\
             pub fn f() {}\npub const C: u8 = 1;\npub static S: u8 = 1;\npub type A = B;\npub union U { a: u8 }\n\
             pub mod inner { pub use super::*; }\n\
             macro_rules! make { ($($kind:ident $name:ident),*) => { $(pub $kind $name;)* };\n\
             (=) => { pub fn g() {} } }\n\
             make!(struct Made, struct Other);\nmake!(=);\n\
             unsafe extern \"C\" { pub fn foreign(); }\n\
             pub(crate) use make;\nthread_local! { pub static LOCAL: u8 = const { 1 } }\n\
             pub use std::collections::*;\npub use self::inner::E as Again;";
    let a = "use super::b::{B, E::One, T as _, f, C, S, A, U, Made, Other, g, foreign, make, LOCAL, BTreeMap};\n\
             use super::b::inner::inner::inner::B as Far;\n\
             fn x() { super::b::E::TWO; super::b::Again::One; super::b::T::t(); }\n\
             fn y() { fn local() {} self::x(); local(); use self::deep as d; d::z(); crate::wire::a::deep::r#try(); }\n\
             mod deep { pub fn z() { super::super::b::f(); macro_rules! w { () => { super::super::b::f() } } w!(); }\n\
             pub fn r#try() {} }\nuse ::std::fmt as super_fmt;\nmake!(struct Mine);\nfn m(_: self::Mine) {}";
    assert_eq!(errors(&[("src/wire/a.rs", a), ("src/wire/b.rs", b)]), [""; 0]);
}

#[test]
fn a_file_that_is_not_part_of_the_crate() {
    fails(&[("src/wire/mod.rs", ""), ("src/wire/lost.rs", "")], "src/wire/lost.rs: no `mod` leads to this file");
    fails(&[("src/wire/mod.rs", "mod gone;")], "src/wire/mod.rs:1: `mod gone` has no file src/wire/gone.rs or");
    fails(&[("src/wire/mod.rs", "mod a;"), ("src/wire/a.rs", ""), ("src/wire/a/mod.rs", "")], "has two files");
    fails(&[("src/wire/mod.rs", "fn f( {}")], "src/wire/mod.rs");
    fails(&[("src/wire/mod.rs", "\nfn f() { 1 1 }")], "src/wire/mod.rs:2");
    assert!(load(&Sources::new()).errors.iter().any(|error| error.contains("src/lib.rs was not found")));
}

#[test]
fn a_macro_that_cannot_be_expanded() {
    let with = |text: &str| [("src/wire/mod.rs", text.to_owned())].map(|(path, text)| (path, text.leak() as &str));
    fails(&with("macro_rules! m { ($a:ident) => {} }\nm!(1);"), "no rule fits the arguments");
    fails(&with("macro_rules! m { () => { m!(); } }\nm!();"), "it needs itself without end");
    fails(&with("macro_rules! m { () => { $b } }\nm!();"), "$b is unknown");
    fails(&with("macro_rules! m { () => { struct } }\nm!();"), "src/wire/mod.rs:2: the test cannot expand `m!`");
    fails(&with("macro_rules! m { (a) }"), "cannot read `macro_rules! m`");
}

#[test]
fn a_module_file_wherever_it_may_be() {
    let files = [
        ("src/lib.rs", "mod wire;"),
        (
            "src/wire/mod.rs",
            "mod a;\nmod inner { pub mod deep; }\n#[path = \"odd_name.rs\"]\nmod odd;\nuse odd::below::X;",
        ),
        ("src/wire/a.rs", "mod b;\nuse b::X;\nuse super::inner::deep::X as Y;"),
        ("src/wire/a/b.rs", "pub mod c;\npub struct X;\nuse c::X as Z;"),
        ("src/wire/a/b/c/mod.rs", "pub mod d;\npub use d::X;"),
        ("src/wire/a/b/c/d.rs", "pub struct X;"),
        ("src/wire/inner/deep.rs", "pub struct X;"),
        ("src/wire/odd_name.rs", "pub mod below;"),
        ("src/wire/below.rs", "pub struct X;"),
    ];
    let sources: Sources = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    assert_eq!(load(&sources).errors, [""; 0]);
}
