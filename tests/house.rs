//! The order of the rooms and the rules that keep them apart, read from the sources as text (docs/DESIGN.md has the
//! picture). Each rule is tried on a snippet that breaks it, so that a rule that sees nothing is seen.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

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
/// Plain data, used by everybody and by each other.
const LEAVES: &[&str] = &["record", "offsets", "error", "sync", "time"];
/// Beside the order: the broker model has a decoder of its own, or an encoding mistake would agree with itself.
const MOCK_MAY_USE: &[&str] = &["error", "sync", "time", "record"];
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
    "error",
    "sync",
    "time",
];

/// Outside capi/: system calls that no safe crate offers.
const UNSAFE_FILES: &[&str] =
    &["src/io/signals.rs", "src/io/clock.rs", "src/codec/native.rs", "src/security/gssapi_library.rs"];
/// The TCP server around the broker model lives in real time, as a real broker does; a lock's deadline is real time too.
const CLOCK_PLACES: &[&str] = &["src/io/", "src/producer/", "src/mock/server", "src/sync.rs"];
/// What the simulator runs as it is: everything comes in as an argument.
const SANS_IO: &[&str] = &["src/sender/", "src/sim/", "src/mock/"];
const SANS_IO_EXCEPT: &[&str] = &["src/mock/server"];

const FILE_LINES_MAX: usize = 800;

#[test]
fn no_room_uses_one_above_it() {
    hold(arrows_upward);
}

#[test]
fn unsafe_stays_at_the_border() {
    hold(unsafe_outside_the_border);
}

#[test]
fn the_clock_is_read_in_two_rooms_only() {
    hold(clock_reads);
}

#[test]
fn the_core_has_no_threads_sockets_or_environment() {
    hold(outside_world_in_the_core);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(unfinished);
}

#[test]
fn nothing_sleeps() {
    hold(sleeps);
}

#[test]
fn no_file_is_too_long() {
    hold(too_long);
}

/// A newcomer starts at the README: what it does not name is not found.
#[test]
fn the_readme_names_every_guide_and_every_example() {
    let readme = text_of("README.md");
    for (directory, extension) in [("docs", ".md"), ("examples-c", ".c")] {
        for name in names_in(directory, extension) {
            assert!(readme.contains(&format!("]({directory}/{name}")), "README.md has no link to {directory}/{name}");
        }
    }
}

/// A function that a document or the table of properties tells to call has to be there.
#[test]
fn what_documents_name_is_in_the_header() {
    let mut documents: Vec<String> = names_in("docs", ".md").iter().map(|name| format!("docs/{name}")).collect();
    documents.extend(["README.md", "src/config/rows.rs"].map(str::to_owned));
    let header = text_of("include/kproducer.h");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for document in documents {
        let text = text_of(&document);
        for word in text.split(|c| !is_part(c)) {
            let is_ours = word.starts_with("producer_") || word.starts_with("PRODUCER_");
            // `producer_mock_*` and `PRODUCER_ERR_…` name a family.
            let is_known = if word.ends_with('_') { header.contains(word) } else { has_word(&header, word) };
            assert!(!is_ours || is_known, "{document} names {word}, which include/kproducer.h does not have");
        }
    }
}

/// The names in a directory that end so.
fn names_in(directory: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).expect(directory);
    let names = entries.map(|entry| entry.expect(directory).file_name().into_string().expect("a name in UTF-8"));
    let names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    assert!(!names.is_empty(), "{directory} was not found");
    names
}

fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// One source file, prepared for reading as text.
struct Source {
    /// From the crate's root, with `/`.
    path: String,
    lines: usize,
    /// Without comments and the contents of strings.
    code: String,
    /// The code without items under `#[cfg(test)]`; empty for a file of tests.
    shipped: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let code = without_comments_and_strings(text);
        let of_tests = path.ends_with("/tests.rs")
            || path.ends_with("_tests.rs")
            || path.contains("/tests/")
            || path.starts_with("src/sim/");
        let shipped = if of_tests { String::new() } else { without_test_items(&code) };
        Source { path: path.to_owned(), lines: text.lines().count(), code, shipped }
    }

    /// `sender` for `src/sender/broker.rs`, `error` for `src/error.rs`.
    fn room(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
    }

    fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// Applies one rule to every file of src/ and fails with all it found.
fn hold(rule: fn(&Source) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    assert!(files.len() > 5, "src/ was not found");
    let mut broken = Vec::new();
    for file in files {
        let path = file.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        let source = Source::new(&path, &fs::read_to_string(&file).expect("sources are UTF-8"));
        broken.extend(rule(&source).into_iter().map(|what| format!("{path}: {what}")));
    }
    assert!(broken.is_empty(), "the house rules are broken:\n{}", broken.join("\n"));
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(dir).expect("src/ is readable").map(|entry| entry.expect("src/ is readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn arrows_upward(source: &Source) -> Vec<String> {
    let from = source.room();
    if from == "lib" {
        return Vec::new();
    }
    // The simulator is all test code, and has its own list.
    let code = if from == "sim" { &source.code } else { &source.shipped };
    let mut broken = Vec::new();
    for to in rooms_named(code) {
        match allowed(from, &to) {
            Some(true) => {}
            Some(false) => broken.push(format!("{from} may not use crate::{to}")),
            None => broken.push(format!("crate::{to} used in {from}: one of them has no place in tests/house.rs yet")),
        }
    }
    let depth = source.path.matches('/').count() - usize::from(source.path.ends_with("/mod.rs"));
    if code.contains(&"super::".repeat(depth)) && !has_inline_module(code) {
        broken.push("leaves the room through super::; write crate::".to_owned());
    }
    broken
}

/// In one `super::` counts from deeper down, and only its reader can say where it leads.
fn has_inline_module(code: &str) -> bool {
    code.lines().any(|line| {
        let line = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        line.starts_with("mod ") && line.ends_with('{')
    })
}

/// `None`: the question is about a room nobody has placed.
fn allowed(from: &str, to: &str) -> Option<bool> {
    let place = |room: &str| ROOM_ORDER.iter().position(|r| *r == room);
    if from == to {
        return Some(true);
    }
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

/// The first names after every `crate::`, groups in braces included.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let in_longer_word = code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if in_longer_word || code[..start].ends_with('$') {
            continue;
        }
        let rest = &code[start + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(first_word(rest));
            continue;
        };
        let mut depth = 0;
        let mut entry_begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => entry_begins = true,
                _ if entry_begins && !c.is_whitespace() => {
                    rooms.insert(first_word(&group[at..]));
                    entry_begins = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

fn unsafe_outside_the_border(source: &Source) -> Vec<String> {
    if source.is_below(&["src/capi/"]) || UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    if has_word(&source.code, "unsafe") {
        return vec!["unsafe belongs into capi/".to_owned()];
    }
    Vec::new()
}

fn clock_reads(source: &Source) -> Vec<String> {
    // The simulator's whole point is that nothing it runs looks at a clock, so there tests count too.
    let code = if source.is_below(SANS_IO) { &source.code } else { &source.shipped };
    if source.is_below(CLOCK_PLACES) {
        return Vec::new();
    }
    found(code, &["Instant::now", "SystemTime::now", "clock_gettime", "UNIX_EPOCH.elapsed"])
}

fn outside_world_in_the_core(source: &Source) -> Vec<String> {
    if !source.is_below(SANS_IO) || source.is_below(SANS_IO_EXCEPT) {
        return Vec::new();
    }
    let mut broken = found(&source.shipped, &["std::thread", "std::net", "std::env", "std::fs", "mio::", "socket2::"]);
    // `use std::{env, thread}` says the same in another way.
    for (start, _) in source.shipped.match_indices("std::{") {
        let group = source.shipped[start..].split(';').next().unwrap_or("");
        for module in ["thread", "net", "env", "fs"] {
            if has_word(group, module) {
                broken.push(format!("std::{module}"));
            }
        }
    }
    broken
}

fn unfinished(source: &Source) -> Vec<String> {
    found(&source.code, &["todo!", "unimplemented!", "dbg!"])
}

fn sleeps(source: &Source) -> Vec<String> {
    ["sleep", "sleep_ms", "usleep", "nanosleep", "clock_nanosleep"]
        .into_iter()
        .filter(|word| calls(&source.code, word))
        .map(|word| format!("{word}: wait for the thing itself"))
        .collect()
}

/// A function of this name is called, by itself or at the end of a path; a method or a definition is another thing.
fn calls(code: &str, function: &str) -> bool {
    code.match_indices(function).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + function.len()..]);
        let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        begins && after.starts_with('(') && !before.ends_with("fn ")
    })
}

fn too_long(source: &Source) -> Vec<String> {
    if source.lines > FILE_LINES_MAX {
        return vec![format!("{} lines; look for the second noun", source.lines)];
    }
    Vec::new()
}

fn found(code: &str, words: &[&str]) -> Vec<String> {
    words.iter().filter(|word| code.contains(*word)).map(|word| (*word).to_owned()).collect()
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word)
}

fn first_word(code: &str) -> String {
    code.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Comments go, strings and characters become empty ones. Lines stay lines.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment_end(&chars, at),
            '"' => string_end(&chars, at),
            'r' if !after_word(&chars, at) => raw_string_end(&chars, at).unwrap_or(at),
            '\'' => char_end(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        if chars[at] != '/' {
            out.push_str("\"\"");
        }
        out.extend(chars[at..end].iter().filter(|c| **c == '\n'));
        at = end;
    }
    out
}

fn after_word(chars: &[char], at: usize) -> bool {
    // `br"…"` and `cr"…"` are raw strings too.
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && !matches!(chars[at - 1], 'b' | 'c')
}

fn line_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|at| chars[*at] == '\n').unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return at + 2,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// The end of a character; `None` for a lifetime.
fn char_end(chars: &[char], from: usize) -> Option<usize> {
    if chars.get(from + 1) == Some(&'\\') {
        // `'\''` and `'\u{1f600}'`: the closing quote is the first one after the escaped character.
        return (from + 3..chars.len()).find(|at| chars[*at] == '\'').map(|at| at + 1);
    }
    (chars.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

/// Cuts every item that follows `#[cfg(test)]`, up to its `;` or its closing brace.
fn without_test_items(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = ["#[cfg(test)]", "#[test]"].iter().filter_map(|mark| rest.find(mark)).min() {
        out.push_str(&rest[..start]);
        let item = &rest[start + rest[start..].find(']').expect("the mark ends with it") + 1..];
        let mut depth = 0_usize;
        let end = item.char_indices().find_map(|(at, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let closed = c == '}' && depth == 0 && !item[at + 1..].starts_with(';') || c == ';' && depth == 0;
            closed.then_some(at + 1)
        });
        rest = &item[end.unwrap_or(item.len())..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod each_rule_catches {
    use super::*;

    fn broken(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> bool {
        !rule(&Source::new(path, text)).is_empty()
    }

    #[test]
    fn an_arrow_upward() {
        for (path, text) in [
            ("src/wire/mod.rs", "use crate::sender::Sender;"),
            ("src/sender/mod.rs", "use crate::{time::Time, io::{Waker, Poll}};"),
            ("src/sender/broker.rs", "fn f() { crate::producer::now(); }"),
            ("src/error.rs", "use crate::config::Config;"),
            ("src/mock/mod.rs", "use crate::wire::decode;"),
            ("src/sender/mod.rs", "use crate::mock::Broker;"),
            ("src/sim/mod.rs", "use crate::io::Reactor;"),
            ("src/producer/mod.rs", "#[cfg(test)]\nmod tests;\nuse crate::capi::x;"),
            ("src/sender/mod.rs", "mod broker;\nuse super::io::Reactor;"),
            ("src/sender/broker.rs", "use super::super::io::Reactor;"),
            ("src/cellar/mod.rs", "use crate::wire::x;"),
            ("src/wire/mod.rs", "use crate::cellar::x;"),
        ] {
            assert!(broken(arrows_upward, path, text), "{path}: {text}");
        }
    }

    #[test]
    fn but_no_arrow_downward() {
        for (path, text) in [
            ("src/capi/send.rs", "use crate::{producer::Producer, error::Status};\nuse super::status::x;"),
            ("src/sender/mod.rs", "use crate::accumulator::{self, Batch};\npub(crate) use broker::Broker;"),
            ("src/wire/mod.rs", "// use crate::sender::Sender;\nconst A: &str = \"crate::sender\";"),
            ("src/wire/mod.rs", "#[cfg(test)]\nmod tests { use crate::sender::Sender; }"),
            ("src/wire/tests.rs", "use crate::sender::Sender;"),
            ("src/wire/batch_tests.rs", "use crate::sender::Sender;"),
            ("src/producer/mod.rs", "use crate::mock::Server;"),
            ("src/record.rs", "use crate::time::Time;"),
            ("src/sim/mod.rs", "use crate::{sender::Sender, mock::Broker, time::Time};"),
            ("src/lib.rs", "pub use crate::producer::Producer;"),
        ] {
            let source = Source::new(path, text);
            assert_eq!(arrows_upward(&source), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn unsafe_inside_the_house() {
        let text = "fn f() { unsafe { g() } }";
        assert!(broken(unsafe_outside_the_border, "src/sender/mod.rs", text));
        assert!(broken(unsafe_outside_the_border, "src/io/reactor.rs", text));
        assert!(!broken(unsafe_outside_the_border, "src/io/clock.rs", text));
        assert!(!broken(unsafe_outside_the_border, "src/capi/send.rs", text));
        assert!(!broken(unsafe_outside_the_border, "src/sender/mod.rs", "#![deny(unsafe_code)] // unsafe"));
    }

    #[test]
    fn a_clock_in_the_wrong_room() {
        for call in ["Instant::now()", "std::time::SystemTime::now()", "libc::clock_gettime(0, p)"] {
            let text = format!("fn f() {{ {call}; }}");
            assert!(broken(clock_reads, "src/accumulator/budget.rs", &text));
            assert!(broken(clock_reads, "src/sender/timers.rs", &format!("#[cfg(test)] mod tests {{ {text} }}")));
            assert!(!broken(clock_reads, "src/io/reactor.rs", &text));
            assert!(!broken(clock_reads, "src/producer/mod.rs", &text));
            assert!(!broken(
                clock_reads,
                "src/accumulator/budget.rs",
                &format!("#[cfg(test)]\nmod tests {{ {text} }}")
            ));
        }
    }

    #[test]
    fn the_outside_world_in_the_core() {
        for text in ["use std::thread;", "use std::{net::TcpStream, fmt};", "fn f() { std::env::var(\"X\"); }"] {
            assert!(broken(outside_world_in_the_core, "src/sender/mod.rs", text), "{text}");
            assert!(broken(outside_world_in_the_core, "src/mock/broker.rs", text), "{text}");
            assert!(!broken(outside_world_in_the_core, "src/mock/server.rs", text), "{text}");
            assert!(!broken(outside_world_in_the_core, "src/io/mod.rs", text), "{text}");
        }
    }

    #[test]
    fn unfinished_work_and_sleeps() {
        assert!(broken(unfinished, "src/io/mod.rs", concat!("fn f() { to", "do!() }")));
        assert!(broken(unfinished, "src/io/mod.rs", concat!("fn f() { unimple", "mented!(\"x\") }")));
        assert!(!broken(unfinished, "src/io/mod.rs", "// todo! is not allowed"));
        assert!(broken(sleeps, "src/io/mod.rs", "fn f() { std::thread::sleep(d) }"));
        assert!(broken(sleeps, "src/io/tests.rs", "use std::thread::sleep; fn f() { sleep(d) }"));
        assert!(!broken(sleeps, "src/io/mod.rs", "fn sleep() { let sleep = 1; self.sleep(sleep) }"));
        assert!(!broken(sleeps, "src/io/mod.rs", "fn asleep() {}"));
    }

    #[test]
    fn a_long_file() {
        assert!(broken(too_long, "src/io/mod.rs", &"\n".repeat(FILE_LINES_MAX + 1)));
        assert!(!broken(too_long, "src/io/mod.rs", &"\n".repeat(FILE_LINES_MAX)));
    }

    #[test]
    fn code_and_not_what_only_looks_like_it() {
        let text = "let a = 'x'; let b: &'a str = \"\\\" unsafe\"; /* a /* b */ unsafe */ let c = r#\"unsafe \" \"#;\n\
                    let d = '\\''; let e = b\"unsafe\"; // unsafe\nlet f = '\"'; fn g<'l>() {}";
        let code = without_comments_and_strings(text);
        assert!(!has_word(&code, "unsafe"), "{code}");
        assert!(code.contains("fn g<'l>() {}"), "{code}");
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn tests_but_not_what_follows_them() {
        let code = "a();\n#[cfg(test)]\nmod tests {\n fn f() { if x { y; } }\n}\nb();\n#[cfg(test)]\nuse c::d;\ne();";
        let shipped = without_test_items(code);
        assert!(shipped.contains("a()") && shipped.contains("b()") && shipped.contains("e()"), "{shipped}");
        assert!(!shipped.contains("y;") && !shipped.contains("c::d"), "{shipped}");
    }
}
