//! The .properties syntax, and files as a whole.

use super::file::{decode, entries};
use super::*;
use crate::error::Status;
use crate::secret::Secret;
use proptest::prelude::*;
use std::path::PathBuf;

fn parsed(text: &str) -> Vec<(usize, String, String)> {
    entries(text)
        .map(|entry| entry.unwrap_or_else(|bad| panic!("line {}: {}", bad.line, bad.why)))
        .map(|entry| (entry.line, entry.name, entry.value.reveal().to_owned()))
        .collect()
}

#[test]
fn the_syntax_is_javas() {
    for (text, name, value) in [
        ("a=b", "a", "b"),
        ("a:b", "a", "b"),
        ("a b", "a", "b"),
        ("  a \t = \t b c ", "a", "b c "),
        ("a\u{c}:b", "a", "b"),
        ("a==b", "a", "=b"),
        ("a = : b", "a", ": b"),
        ("a", "a", ""),
        ("a=", "a", ""),
        ("a\\=b=c", "a=b", "c"),
        ("a\\ b\\:c d", "a b:c", "d"),
        ("a=x\\ty\\nz\\\\", "a", "x\ty\nz\\"),
        ("a=\\u00e4\\u20AC\\uD83D\\uDE00", "a", "ä€😀"),
        ("a=ä€😀", "a", "ä€😀"),
        ("a=\\q\\:", "a", "q:"),
        ("a=b\\\n   c\\\r\n\td", "a", "bcd"),
        ("a=b\\\n#c", "a", "b#c"),
        ("a\\\n=b", "a", "b"),
        ("a=b\\", "a", "b"),
        ("a=b\\\\\n", "a", "b\\"),
        ("a=b#c", "a", "b#c"),
    ] {
        assert_eq!(parsed(text), [(1, name.to_string(), value.to_string())], "{text:?}");
    }
    let lines = parsed("# one\\\n! two\n\n a=1\r\n \t\rb=2\\\n  3\nc=4");
    let expected = [(4, "a", "1"), (6, "b", "23"), (8, "c", "4")];
    assert_eq!(lines, expected.map(|(line, name, value)| (line, name.to_string(), value.to_string())));
}

#[test]
fn broken_lines_are_told_with_their_number() {
    for (text, line, says) in [
        ("\n=b", 2, "no property name"),
        ("a=\\u12", 1, "property 'a': an escape \\u lacks"),
        ("a=\\u+123", 1, "an escape \\u lacks"),
        ("a=\\uD83D", 1, "half of a character"),
    ] {
        let bad = entries(text).find_map(|entry| entry.err()).expect(text);
        assert_eq!(bad.line, line);
        assert!(bad.why.contains(says), "{}", bad.why);
    }
    assert_eq!(decode(b"a=1\nb=\xff".to_vec()), Err(2));
    assert_eq!(decode(b"\xef\xbb\xbfa=1".to_vec()), Ok(Secret::from("a=1")));
}

/// A file that goes away with its test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, content: &[u8]) -> TempFile {
        let path = std::env::temp_dir().join(format!("kproducer-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        TempFile(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_loaded_whole_or_not_at_all() {
    let mut builder = ConfigBuilder::new();
    let file = TempFile::new("good.properties", b"# mine\nbootstrap.servers = a:1,\\\n  b:2\nlinger.ms:7\nretries 3\n");
    builder.load(&file.0).unwrap();
    let config = builder.build().unwrap();
    assert_eq!((config.bootstrap_servers.len(), config.linger_us, config.retries), (2, 7000, 3));

    for (content, status, says) in [
        (&b"linger.ms=9\nlingr.ms=1\n"[..], Status::UNKNOWN_PROPERTY, ":2: unknown property 'lingr.ms'; did you"),
        (b"linger.ms=9\n\nretries=x", Status::INVALID_PROPERTY, ":3: property 'retries': value 'x'"),
        (b"linger.ms=9\ngroup.id=g", Status::PROPERTY_NOT_SUPPORTED, ":2: property 'group.id'"),
        (b"linger.ms=9\n=1", Status::INVALID_PROPERTY, ":2: the line has no property name"),
        (b"linger.ms=9\nclient.id=\xff", Status::IO, ":2: the line is not valid UTF-8"),
    ] {
        let file = TempFile::new("bad.properties", content);
        let error = builder.load(&file.0).unwrap_err();
        assert_eq!(error.status, status, "{error}");
        assert!(error.message.contains(&format!("bad.properties{says}")), "{error}");
        assert_eq!(builder.get("linger.ms").as_deref(), Some("7"), "nothing of a bad file is taken");
    }
}

#[test]
fn files_that_cannot_be_read_are_told_so() {
    let mut builder = ConfigBuilder::new();
    let missing = builder.load(&std::env::temp_dir().join("kproducer-no-such-file.properties")).unwrap_err();
    assert_eq!(missing.status, Status::NOT_FOUND);
    assert!(missing.message.contains("kproducer-no-such-file.properties"));
    assert_eq!(builder.load(&std::env::temp_dir()).unwrap_err().status, Status::IO);
    let large = TempFile::new("large.properties", &vec![b'#'; (1 << 20) + 1]);
    assert!(builder.load(&large.0).unwrap_err().message.contains("larger than"));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = decode(bytes.clone());
        let mut builder = ConfigBuilder::new();
        for entry in entries(&text).flatten() {
            let _ = builder.set(&entry.name, entry.value.reveal());
        }
        let _ = builder.build();
    }

    #[test]
    fn syntax_like_text_is_parsed_without_a_panic(text in "[ab=:#!\\\\u0dD8\n\r \t\u{c}ä]{0,60}") {
        for entry in entries(&text).flatten() {
            prop_assert!(!entry.name.is_empty());
        }
    }

    #[test]
    fn any_value_of_any_property_is_checked_without_a_panic(index in 0usize..400, value in "[-+0-9a-z.,:\\[\\]% ]{0,24}") {
        if let Some(row) = table::properties().nth(index) {
            let mut builder = ConfigBuilder::new();
            for name in row.aliases.iter().map(|alias| alias.name).chain([row.name]) {
                if builder.set(name, &value).is_ok() {
                    prop_assert!(builder.get(name).is_some());
                    prop_assert!(builder.build().is_ok() || row.name != "bootstrap.servers" || value.trim().is_empty());
                }
            }
        }
    }
}
