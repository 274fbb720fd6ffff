//! What programs are linked to: the exported names, the library's own name, the layout of the public structs.

#![cfg(target_os = "linux")]

mod support;

use std::{collections::BTreeSet, process::Command};
use support::{Kind, Scratch};

#[test]
fn exactly_the_listed_functions_are_exported() {
    let mut list = String::new();
    for name in exported() {
        list.push_str(&name);
        list.push('\n');
    }
    support::assert_golden("tests/abi/symbols.txt", &list);
}

#[test]
fn the_header_declares_exactly_what_is_exported() {
    let declared: BTreeSet<String> = support::header_items(&support::generated_header())
        .into_iter()
        .filter(|item| item.kind == Kind::Function)
        .map(|item| item.name)
        .collect();
    let exported = exported();
    let hidden: Vec<_> = declared.difference(&exported).collect();
    let unsaid: Vec<_> = exported.difference(&declared).collect();
    assert!(hidden.is_empty(), "in the header but not in the library: {hidden:?}");
    assert!(unsaid.is_empty(), "in the library but not in the header: {unsaid:?}");
}

#[test]
fn the_soname_carries_the_major_version() {
    let dynamic = support::stdout_of(Command::new("readelf").arg("-dW").arg(shared_library()));
    let soname = format!("[libkproducer.so.{}]", env!("CARGO_PKG_VERSION_MAJOR"));
    assert!(
        dynamic.lines().any(|line| line.contains("SONAME") && line.contains(&soname)),
        "no SONAME {soname} in:\n{dynamic}"
    );
}

/// Everything else is inside, or loaded when a user asks for it: no OpenSSL, codec, Kerberos or HTTP library has to be there.
#[test]
fn it_needs_the_c_library_and_its_companions_only() {
    // What glibc had in libraries of its own before 2.34, and musl's one file.
    const FAMILY: [&str; 7] = ["libc.", "libm.", "libgcc_s.", "ld-", "libpthread.", "libdl.", "librt."];
    let dynamic = support::stdout_of(Command::new("readelf").arg("-dW").arg(shared_library()));
    let needed: Vec<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split_once('[')?.1.split_once(']'))
        .map(|(name, _)| name)
        .collect();
    assert!(!needed.is_empty(), "readelf names no library that is needed:\n{dynamic}");
    let strangers: Vec<_> = needed.iter().filter(|name| !FAMILY.iter().any(|own| name.starts_with(own))).collect();
    assert!(strangers.is_empty(), "the library needs {strangers:?}");
}

/// Sizes and offsets as the C compiler sees them. Where pointers have eight bytes and `int64_t` is aligned to eight
/// the list is the same on every machine.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_layout_of_public_structs_is_the_listed_one() {
    let header = support::generated_header();
    let mut program = "#include \"kproducer.h\"\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for item in support::header_items(&header).iter().filter(|item| item.kind == Kind::Struct) {
        let name = &item.name;
        program.push_str(&format!("    printf(\"{name} size %zu\\n\", sizeof({name}));\n"));
        for (field, _) in &item.fields {
            program.push_str(&format!(
                "    printf(\"{name}.{field} at %zu size %zu\\n\", offsetof({name}, {field}), \
                 sizeof((({name} *)0)->{field}));\n"
            ));
        }
    }
    program.push_str("    return 0;\n}\n");

    let scratch = Scratch::new("layout");
    scratch.file("kproducer.h", &header);
    let source = scratch.file("layout.c", &program);
    let binary = scratch.path().join("layout");
    support::run(Command::new(support::c_compiler()).arg("-I").arg(scratch.path()).arg("-o").arg(&binary).arg(source));
    support::assert_golden("tests/abi/layout-64.txt", &support::stdout_of(&mut Command::new(binary)));
}

fn exported() -> BTreeSet<String> {
    let listing = support::stdout_of(Command::new("nm").args(["-D", "--defined-only"]).arg(shared_library()));
    listing.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect()
}

fn shared_library() -> std::path::PathBuf {
    support::built_dir().join("libkproducer.so")
}
