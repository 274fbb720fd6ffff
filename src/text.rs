//! Text that somebody else wrote: brokers' error messages and host names, cluster ids, token endpoints' answers, certificates. It
//! ends up in log lines, error texts, JSON and terminals, so it becomes one clean line of bounded length here, and nowhere else.

use std::borrow::Cow;

/// No line is longer than this, in bytes; what was cut ends in "…".
pub const LINE_BYTES_MAX: usize = 1024;

const CUT_MARK: &str = "…";

/// One clean line of at most `LINE_BYTES_MAX` bytes: see `line_of`. Borrows where there is nothing to clean.
pub fn line(text: &str) -> Cow<'_, str> {
    line_of(text, LINE_BYTES_MAX)
}

/// The same of bytes, which need not be UTF-8: what is not becomes U+FFFD.
pub fn line_from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    // Never longer than what is shown of it, so that megabytes are not converted for the sake of a kilobyte.
    let is_whole = bytes.len() <= LINE_BYTES_MAX;
    let start = if is_whole { bytes } else { &bytes[..=LINE_BYTES_MAX] };
    match String::from_utf8_lossy(start) {
        Cow::Borrowed(text) => line(text),
        Cow::Owned(text) => Cow::Owned(line(&text).into_owned()),
    }
}

/// One clean line: what would end a line, move the cursor, change the direction of writing or hide becomes a space, spaces at
/// both ends go, and what is longer than `bytes_max` is cut at a character and marked. `bytes_max` is at least the mark's 3.
pub fn line_of(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let trimmed = text.trim_matches(|c: char| c == ' ' || is_unclean(c));
    if trimmed.len() <= bytes_max && !trimmed.contains(is_unclean) {
        return Cow::Borrowed(trimmed);
    }
    let mut line = String::with_capacity(trimmed.len().min(bytes_max));
    for c in trimmed.chars() {
        let c = if is_unclean(c) { ' ' } else { c };
        if line.len() + c.len_utf8() > bytes_max {
            cut(&mut line, bytes_max);
            break;
        }
        line.push(c);
    }
    Cow::Owned(line)
}

/// The same in place, for lines that are nearly always clean.
pub fn clean(text: String) -> String {
    let is_clean = matches!(line(&text), Cow::Borrowed(same) if same.len() == text.len());
    if is_clean { text } else { line(&text).into_owned() }
}

/// Makes room for the mark, however many characters that takes.
fn cut(line: &mut String, bytes_max: usize) {
    while line.len() + CUT_MARK.len() > bytes_max && line.pop().is_some() {}
    line.push_str(CUT_MARK);
}

/// Control characters (escape sequences begin with one), line and paragraph separators, marks that reorder or hide text.
fn is_unclean(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clean_line_is_borrowed_as_it_is() {
        for text in ["", "Schlüssel fehlt", "日本語", "it's 100 % \"clean\" {\\}", &"x".repeat(LINE_BYTES_MAX)] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
            assert!(matches!(line_from_bytes(text.as_bytes()), Cow::Borrowed(same) if same == text), "{text}");
            assert_eq!(clean(text.to_owned()), text);
        }
    }

    #[test]
    fn what_ends_a_line_or_steers_a_terminal_becomes_a_space() {
        for (dirty, expected) in [
            ("x\n2026-01-01 FAKE LINE\x1b[31m\x07", "x 2026-01-01 FAKE LINE [31m"),
            ("bad\0text", "bad text"),
            ("\r\n both ends \t\n", "both ends"),
            ("c1\u{85}\u{9b}31m", "c1  31m"),
            ("line\u{2028}paragraph\u{2029}end", "line paragraph end"),
            ("\u{202e}txt.exe\u{202c} \u{2066}x\u{2069}", "txt.exe   x"),
            ("zero\u{200b}width\u{feff}", "zero width"),
            ("\n\n\n", ""),
        ] {
            assert_eq!(line(dirty), expected, "{dirty:?}");
            assert_eq!(clean(dirty.to_owned()), expected, "{dirty:?}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_shown_as_far_as_it_can_be() {
        assert_eq!(line_from_bytes(b"Schl\xfcssel fehlt"), "Schl\u{fffd}ssel fehlt");
        assert_eq!(line_from_bytes(b"\xff\xfe\x00\xd8"), "\u{fffd}\u{fffd} \u{fffd}");
        // A character that the limit cuts in two.
        let long = line_from_bytes("ü".repeat(4000).as_bytes()).into_owned();
        assert!(long.len() <= LINE_BYTES_MAX && long.ends_with("ü…"), "{long}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_marked() {
        let long = line(&"x".repeat(32_000)).into_owned();
        assert_eq!((long.len(), long.ends_with("x…")), (LINE_BYTES_MAX, true));
        assert_eq!(line_from_bytes(&[0xff; 3000]).len(), LINE_BYTES_MAX / 3 * 3);
        assert_eq!(line_of("abcdef", 5), "ab…");
        assert_eq!(line_of("abcde", 5), "abcde");
        assert_eq!(line_of("ääää", 7), "ää…");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_one_clean_line_of_bounded_length(bytes in proptest::collection::vec(any::<u8>(), 0..3000), max in 3usize..600) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for line in [line_from_bytes(&bytes), line_of(&text, max), line(&text)] {
                prop_assert!(!line.contains(is_unclean) && line.len() <= LINE_BYTES_MAX, "{line:?}");
            }
            prop_assert!(line_of(&text, max).len() <= max);
            let once = line(&text).into_owned();
            prop_assert_eq!(line(&once), once.as_str(), "cleaning a clean line changes nothing");
        }
    }
}
