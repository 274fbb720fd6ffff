//! Writes the C header and names the shared library.
//!
//! The header is made of sections, one per file of `src/capi/`, in `HEADER_ORDER`: cbindgen writes the file's constants,
//! types and functions, and a raw `src/capi/<noun>.h` beside the file, where there is one, follows them (macros).
//! It goes to `OUT_DIR/kproducer.h` and nowhere else; `tests/header.rs` compares it with `include/kproducer.h`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The header's sections in order, by file name below `src/capi/`. A C type must be declared above its first use.
/// A file that is not named here comes after these, by name; one that declares nothing for C leaves no trace.
const HEADER_ORDER: &[&str] = &[
    "status",
    "version",
    "log",
    "config",
    "producer",
    "topic",
    "record",
    "report",
    "data_loss",
    "interceptor",
    "serializer",
    "send",
    "bulk",
    "poll",
    "event_loop",
    "flush",
    "purge",
    "future",
    "batch",
    "cancel",
    "close_with",
    "partitioner",
    "transaction",
    "prepared",
    "metadata",
    "sasl",
    "oauth",
    "health",
    "stats",
    "telemetry",
    "tls",
    "mock",
    "mock_transaction",
    "mock_telemetry",
    "mock_tls",
    "mock_sasl",
    "mock_limits",
];

const CAPI_DIR: &str = "src/capi";

fn main() {
    for watched in ["build.rs", "cbindgen.toml", CAPI_DIR] {
        println!("cargo::rerun-if-changed={watched}");
    }
    name_shared_library();

    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let header = match generate_header(&root) {
        Ok(header) => header,
        Err(error) => panic!("the C header could not be generated: {error}"),
    };
    fs::write(out_dir.join("kproducer.h"), header).expect("OUT_DIR is writable");
}

/// The name programs are linked to: it changes with the major version only, because that is the ABI's number.
/// rustc's own export list already keeps everything but the `#[no_mangle]` functions local (`tests/abi.rs`).
fn name_shared_library() {
    let abi = version_part("MAJOR");
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkproducer.{abi}.dylib");
        }
        Ok("linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkproducer.so.{abi}");
            // A resolver thread or a destructor of thread-specific data may outlive dlclose(): the code stays.
            println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        _ => {}
    }
}

fn generate_header(root: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let capi = root.join(CAPI_DIR);
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml").to_str().ok_or("the path is not UTF-8")?)?;
    let mut problems = Vec::new();
    let mut sections = String::new();
    for noun in nouns_in_header_order(&capi)? {
        let body = section(&capi, &noun, config.clone(), &mut problems)?;
        if !body.trim().is_empty() {
            let rule = "-".repeat(96 - noun.len());
            sections.push_str(&format!("/* {noun} {rule} */\n\n{}\n\n", body.trim()));
        }
    }

    let mut header = fs::read_to_string(capi.join("header_head.h"))?.trim_end().to_owned();
    header.push_str("\n\n#ifndef KPRODUCER_H\n#define KPRODUCER_H\n\n");
    // A header with a hole must not pass for a good one, and a failing build script would hide rustc's own errors
    // about the same file: so the hole is an `#error` line that every compiler and tests/header.rs stumble over.
    for problem in problems {
        println!("cargo::warning=C header: {problem}");
        header.push_str(&format!("#error \"{}\"\n", problem.replace(['"', '\n'], " ")));
    }
    header.push_str("#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n");
    header.push_str(&version_macros());
    header.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    header.push_str(&sections);
    header.push_str("#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* KPRODUCER_H */\n");
    Ok(header)
}

fn version_macros() -> String {
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets CARGO_PKG_VERSION");
    let mut macros = String::new();
    for (part, change) in [
        ("MAJOR", "changes when a program must be compiled again"),
        ("MINOR", "changes when functions are added"),
        ("PATCH", "changes when only behaviour is mended"),
    ] {
        let number = version_part(part);
        macros.push_str(&format!("/** This header's version, {}: {change}. */\n", part.to_lowercase()));
        macros.push_str(&format!("#define PRODUCER_VERSION_{part} {number}\n"));
    }
    macros.push_str("/** This header's version as text; producer_version() says which library is running. */\n");
    macros.push_str(&format!("#define PRODUCER_VERSION \"{version}\"\n"));
    macros
}

fn version_part(part: &str) -> String {
    env::var(format!("CARGO_PKG_VERSION_{part}")).expect("cargo sets the package's version")
}

/// One file's constants, types and functions, then its raw companion.
fn section(
    capi: &Path,
    noun: &str,
    mut config: cbindgen::Config,
    problems: &mut Vec<String>,
) -> Result<String, Box<dyn std::error::Error>> {
    let file = capi.join(format!("{noun}.rs"));
    let source = fs::read_to_string(&file)?;
    let public = PublicItems::of(&source);
    if public.types.is_empty() && public.constants.is_empty() && public.functions.is_empty() {
        // cbindgen would declare what the file itself calls.
        return Ok(String::new());
    }
    config.export.include = public.types.clone();
    config.export.exclude = public.foreign_constants;

    let mut body = Vec::new();
    match cbindgen::Builder::new().with_config(config).with_src(&file).generate() {
        Ok(bindings) => bindings.write(&mut body),
        Err(error) => problems.push(format!("{CAPI_DIR}/{noun}.rs cannot be read: {error}")),
    }
    let body = polished(&String::from_utf8(body)?);
    for name in public.types.iter().chain(&public.constants).chain(&public.functions) {
        if !has_word(&body, name) {
            problems.push(format!(
                "{CAPI_DIR}/{noun}.rs: cbindgen left out {name}; constants must be plain literals, functions \
                 #[unsafe(no_mangle)] pub extern, types #[repr(C)] or opaque"
            ));
        }
    }
    if body.contains("Option_") || body.contains("Option<") {
        problems.push(format!(
            "{CAPI_DIR}/{noun}.rs: an Option cannot stand in a C signature; for a callback write \
             `pub type producer_x_fn = Option<unsafe extern \"C\" fn(...)>` and use that type"
        ));
    }

    let raw = match fs::read_to_string(capi.join(format!("{noun}.h"))) {
        Ok(raw) => raw,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(format!("{}\n\n{}", body.trim(), raw.trim()))
}

/// Every `<noun>.rs` of `src/capi/`, in the header's order.
fn nouns_in_header_order(capi: &Path) -> io::Result<Vec<String>> {
    let mut nouns = Vec::new();
    for entry in fs::read_dir(capi)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // cbindgen follows the `mod` lines of mod.rs, which would declare everything twice.
        if let Some(noun) = name.strip_suffix(".rs").filter(|noun| *noun != "mod" && !noun.ends_with("tests")) {
            nouns.push(noun.to_owned());
        }
    }
    nouns.sort_by_key(|noun| (HEADER_ORDER.iter().position(|n| n == noun).unwrap_or(usize::MAX), noun.clone()));
    Ok(nouns)
}

/// What a file of `src/capi/` declares for C, read line by line from rustfmt's layout.
/// cbindgen drops what it does not understand in silence; this list is what it is held against.
#[derive(Default)]
struct PublicItems {
    types: Vec<String>,
    constants: Vec<String>,
    functions: Vec<String>,
    /// `pub const` that are Rust's business only; cbindgen would export them.
    foreign_constants: Vec<String>,
}

impl PublicItems {
    fn of(source: &str) -> PublicItems {
        let mut items = PublicItems::default();
        let mut lines = source.lines().peekable();
        while let Some(line) = lines.next() {
            if line == "#[cfg(test)]" {
                if lines.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{')) {
                    break; // The tests at the file's foot.
                }
                lines.next();
                continue;
            }
            if let Some(name) = declared(line, &["pub struct ", "pub union ", "pub enum ", "pub type "]) {
                if name.starts_with("producer_") {
                    items.types.push(name);
                }
            } else if let Some(name) = declared(line, &["pub const "]) {
                if name.starts_with("PRODUCER_") {
                    items.constants.push(name);
                } else {
                    items.foreign_constants.push(name);
                }
            } else if let Some(name) = declared(line, &EXPORTED) {
                items.functions.push(name);
            }
        }
        items
    }
}

/// How exported functions begin.
const EXPORTED: [&str; 3] =
    ["pub unsafe extern \"C-unwind\" fn ", "pub unsafe extern \"C\" fn ", "pub extern \"C\" fn "];

fn declared(line: &str, keywords: &[&str]) -> Option<String> {
    let rest = keywords.iter().find_map(|keyword| line.strip_prefix(keyword))?;
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty() && name != "fn").then_some(name)
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

/// cbindgen's C, made as plain as a hand-written header.
fn polished(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        // `a -X` must mean what it says when X is negative.
        if let Some((name, value)) = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' '))
            && value.starts_with('-')
        {
            line = format!("#define {name} ({value})");
        }
        // Every struct has its typedef, and cbindgen uses the tag only for those it saw in the same file.
        if !line.starts_with("typedef struct ") {
            line = line.replace("struct producer_", "producer_");
        }
        // A comment of one sentence needs one line.
        let indent = " ".repeat(line.len() - line.trim_start().len());
        let opened = format!("{}/**", indent.strip_suffix(' ').unwrap_or(""));
        if line.trim() == "*/" && out.len() >= 2 && out[out.len() - 2] == opened {
            let sentence = out.pop().unwrap_or_default();
            out.pop();
            line = format!("{opened} {} */", sentence.trim().trim_start_matches('*').trim());
        }
        // Links are for rustdoc; a reader of C sees the bare name.
        out.push(line.replace("[`", "").replace("`]", "").replace('`', ""));
    }
    out.join("\n")
}
