//! What the packaging tests share: where things are, golden files, compilers.

#![allow(dead_code)] // Every test program uses a part of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The header as build.rs wrote it for this very build.
pub fn generated_header() -> String {
    fs::read_to_string(Path::new(env!("OUT_DIR")).join("kproducer.h")).expect("build.rs writes the header")
}

/// The folder where cargo put this build's libraries: beside the test program.
pub fn built_dir() -> PathBuf {
    env::current_exe().expect("a test knows its own path").parent().expect("it stands in a folder").to_owned()
}

/// A folder of this test's own, removed with the value.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the target folder is writable");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the target folder is writable");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover folder in target/ harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Compares with a committed file; with `BLESS=1` in the environment writes it instead.
pub fn assert_golden(path: &str, actual: &str) {
    let file = root().join(path);
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().expect("a golden file stands in a folder")).expect("the tree is writable");
        if fs::read_to_string(&file).ok().as_deref() != Some(actual) {
            fs::write(&file, actual).expect("the tree is writable");
            println!("blessed {path}");
        }
        return;
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        expected == actual,
        "{path} is not what the sources give ('-' the file, '+' the sources):\n{}\
         Where the change is meant, run `make bless` and commit the file.",
        short_diff(&expected, actual)
    );
}

/// The lines between the common head and the common tail, at most twelve of each side.
fn short_diff(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = format!("@@ line {} @@\n", head + 1);
    for (sign, lines) in [('-', &old[head..old.len() - tail]), ('+', &new[head..new.len() - tail])] {
        for line in lines.iter().take(12) {
            text.push_str(&format!("{sign}{line}\n"));
        }
        if lines.len() > 12 {
            text.push_str(&format!("{sign}... and {} lines more\n", lines.len() - 12));
        }
    }
    text
}

/// Runs a program and fails the test, with everything it said, when it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub fn stdout_of(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("the program prints text")
}

pub fn c_compiler() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

/// The C++ compiler, where there is one. A newcomer needs none; continuous integration must have one.
pub fn cxx_compiler() -> Option<String> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(compiler);
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "no C++ compiler ({compiler}), and CI=true asks for one");
    println!("SKIPPED: no C++ compiler ({compiler}): the header was NOT tried as C++");
    None
}

/// One declaration of the header with the comment right above it.
#[derive(Debug, PartialEq, Eq)]
pub struct Item {
    pub kind: Kind,
    pub name: String,
    pub documented: bool,
    /// A struct's fields and whether each has a comment.
    pub fields: Vec<(String, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Define,
    Function,
    Struct,
    Typedef,
    Unknown,
}

/// Reads the header's declarations. It knows cbindgen's layout, not C: what it cannot place becomes `Kind::Unknown`.
pub fn header_items(header: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lines = header.lines();
    let mut documented = false;
    while let Some(line) = lines.next() {
        let text = line.trim();
        if text.starts_with("/*") {
            documented = text.starts_with("/**");
            let mut end = text;
            while !end.ends_with("*/") {
                end = lines.next().expect("a comment ends").trim();
            }
            continue;
        }
        if text.is_empty() {
            documented = false;
            continue;
        }
        if text.starts_with('#') && !text.starts_with("#define ")
            || text == "#define KPRODUCER_H"
            || text == "extern \"C\" {"
            || text == "}"
            || text.starts_with("} /* extern")
        {
            documented = false;
            continue;
        }
        items.push(read_item(text, documented, &mut lines));
        documented = false;
    }
    items
}

fn read_item<'a>(first: &str, documented: bool, lines: &mut impl Iterator<Item = &'a str>) -> Item {
    let item = |kind, name: &str, fields| Item { kind, name: name.to_owned(), documented, fields };
    if let Some(rest) = first.strip_prefix("#define ") {
        let mut line = first;
        while line.ends_with('\\') {
            line = lines.next().expect("a continued line goes on");
        }
        return item(Kind::Define, rest.split([' ', '(']).next().unwrap_or(""), Vec::new());
    }
    if first.starts_with("typedef ") && first.ends_with('{') {
        let name = first.split_whitespace().nth(2).unwrap_or("");
        return item(Kind::Struct, name, read_fields(lines));
    }
    let mut text = first.to_owned();
    while !text.ends_with(';') {
        text.push(' ');
        text.push_str(lines.next().expect("a declaration ends").trim());
    }
    if let Some(callback) = text.strip_prefix("typedef ").and_then(|rest| rest.split_once("(*")) {
        return item(Kind::Typedef, callback.1.split(')').next().unwrap_or(""), Vec::new());
    }
    if text.starts_with("typedef ") {
        return item(Kind::Typedef, last_word(text.trim_end_matches(';')), Vec::new());
    }
    match text.split_once('(') {
        Some((before, _)) => item(Kind::Function, last_word(before), Vec::new()),
        None => item(Kind::Unknown, &text, Vec::new()),
    }
}

fn read_fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<(String, bool)> {
    let mut fields = Vec::new();
    let mut documented = false;
    while let Some(line) = lines.next() {
        let text = line.trim();
        if text.starts_with('}') {
            break;
        } else if text.starts_with("/*") {
            documented = text.starts_with("/**");
            let mut end = text;
            while !end.ends_with("*/") {
                end = lines.next().expect("a comment ends").trim();
            }
        } else if !text.is_empty() {
            let declaration = text.trim_end_matches(';').split('[').next().unwrap_or("");
            let name = match declaration.split_once("(*") {
                Some((_, callback)) => callback.split(')').next().unwrap_or(""),
                None => last_word(declaration),
            };
            fields.push((name.to_owned(), documented));
            documented = false;
        }
    }
    fields
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}
