//! `include/kproducer.h` is what the sources give, compiles alone in every dialect, and leaves nothing unexplained.

mod support;

use std::process::Command;
use support::{Item, Kind, Scratch};

#[test]
fn the_committed_header_is_fresh() {
    support::assert_golden("include/kproducer.h", &support::generated_header());
}

#[test]
fn the_header_has_no_hole() {
    let header = support::generated_header();
    let holes: Vec<&str> = header.lines().filter(|line| line.starts_with("#error")).collect();
    assert!(holes.is_empty(), "build.rs could not put everything into the header:\n{}", holes.join("\n"));
}

#[test]
fn the_header_compiles_alone_as_c99_and_c11() {
    for standard in ["c99", "c11"] {
        compile_alone(&support::c_compiler(), "c", standard);
    }
}

#[test]
fn the_header_compiles_alone_as_cxx11_and_cxx20() {
    let Some(compiler) = support::cxx_compiler() else { return };
    for standard in ["c++11", "c++20"] {
        compile_alone(&compiler, "c++", standard);
    }
}

/// Twice included, so that the guard is tried too, and every init macro used once.
fn compile_alone(compiler: &str, language: &str, standard: &str) {
    let header = support::generated_header();
    let mut program = "#include \"kproducer.h\"\n#include \"kproducer.h\"\n".to_owned();
    for item in support::header_items(&header) {
        if let Some(stem) = item.name.strip_suffix("_INIT") {
            let lower = stem.to_lowercase();
            program.push_str(&format!("{lower}_t {lower}_value(void) {{ {lower}_t v = {}; return v; }}\n", item.name));
        }
    }
    program.push_str("int main(void) { return 0; }\n");
    let scratch = Scratch::new("header");
    scratch.file("kproducer.h", &header);
    let source = scratch.file("alone.c", &program);
    support::run(
        Command::new(compiler)
            .args(["-x", language, &format!("-std={standard}"), "-Wall", "-Wextra", "-Wpedantic", "-Werror"])
            .args(["-fsyntax-only", "-I"])
            .arg(scratch.path())
            .arg(source),
    );
}

#[test]
fn every_item_of_the_header_is_documented() {
    let bare = undocumented(&support::header_items(&support::generated_header()));
    assert!(bare.is_empty(), "no doc comment above: {}", bare.join(", "));
}

#[test]
fn every_name_of_the_header_has_the_prefix() {
    for item in support::header_items(&support::generated_header()) {
        let prefixed = match item.kind {
            Kind::Define => item.name.starts_with("PRODUCER_"),
            Kind::Function => item.name.starts_with("producer_"),
            Kind::Struct => item.name.starts_with("producer_") && item.name.ends_with("_t"),
            Kind::Typedef => {
                item.name.starts_with("producer_") && (item.name.ends_with("_t") || item.name.ends_with("_fn"))
            }
            Kind::Unknown => panic!("the header has something this test cannot read: {}", item.name),
        };
        assert!(prefixed, "{:?} {} is outside the library's names", item.kind, item.name);
    }
}

#[test]
fn the_version_macros_are_the_crates_version() {
    let header = support::generated_header();
    for line in [
        format!("#define PRODUCER_VERSION_MAJOR {}", env!("CARGO_PKG_VERSION_MAJOR")),
        format!("#define PRODUCER_VERSION_MINOR {}", env!("CARGO_PKG_VERSION_MINOR")),
        format!("#define PRODUCER_VERSION_PATCH {}", env!("CARGO_PKG_VERSION_PATCH")),
        format!("#define PRODUCER_VERSION \"{}\"", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(header.lines().any(|l| l == line), "the header lacks: {line}");
    }
}

fn undocumented(items: &[Item]) -> Vec<String> {
    let mut bare = Vec::new();
    for item in items {
        if !item.documented {
            bare.push(item.name.clone());
        }
        for (field, documented) in &item.fields {
            if !documented {
                bare.push(format!("{}.{field}", item.name));
            }
        }
    }
    bare
}

#[test]
fn an_undocumented_item_would_be_found() {
    let header = "/** Good. */\n#define PRODUCER_A 1\n#define PRODUCER_B 2\n\n/** Far away. */\n\n\
                  typedef struct producer_x_t producer_x_t;\n\n/** Good. */\ntypedef struct producer_y_t {\n    \
                  /** Good. */\n    int32_t a;\n    const char *b;\n} producer_y_t;\n\n\
                  void producer_f(int a,\n                int b);\n\n\
                  typedef void (*producer_g_fn)(const char *text, void *opaque);\n";
    assert_eq!(
        undocumented(&support::header_items(header)),
        ["PRODUCER_B", "producer_x_t", "producer_y_t.b", "producer_f", "producer_g_fn"]
    );
}
