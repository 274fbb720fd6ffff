//! Where a text ends that may be written in many ways: with escapes of URLs, forms, JSON and XML, in base64 and in
//! hexadecimal digits. Who repeats something quotes it as its own format wants it, and often only in part.

/// Of a text that somebody else has cut off, so many signs have to be left, and half of it, to be taken for it.
const CUT_MIN: usize = 8;
/// What stands for the same text at once in several ways; more are never needed.
const ENDS_MAX: usize = 8;

/// How a sought text is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// As signs, each as it is or escaped.
    Signs,
    /// The text is base64, of either alphabet; its signs may be escaped in turn, and its lines broken.
    Base64,
    /// The text is hexadecimal digits, which may stand in pairs with something between.
    Hex,
}

/// Where `sought` ends that begins at `at`; `None`: something else stands there. Of several ends the last.
pub fn end_of(sought: &str, way: Way, text: &str, at: usize) -> Option<usize> {
    let mut ends = Vec::new();
    let mut next = Vec::new();
    let mut signs = sought.chars().enumerate();
    // Nearly everywhere it does not even begin: that takes no memory.
    way.ends(signs.next()?, text, at, &mut ends);
    if ends.is_empty() {
        return None;
    }
    for (count, sign) in signs {
        next.clear();
        for end in &ends {
            way.ends((count, sign), text, *end, &mut next);
        }
        if next.is_empty() {
            return cut_off(count, sought, text, &ends);
        }
        next.sort_unstable();
        next.dedup();
        next.truncate(ENDS_MAX);
        std::mem::swap(&mut ends, &mut next);
    }
    ends.into_iter().max().filter(|end| *end > at)
}

impl Way {
    /// Where the sign may end that is written at `at`, and has so many before it.
    fn ends(self, (count, sign): (usize, char), text: &str, at: usize, ends: &mut Vec<usize>) {
        match self {
            Way::Signs => sign_ends(sign, text, at, ends),
            Way::Base64 => base64_ends(sign, text, at, ends),
            Way::Hex => hex_ends(sign, count, text, at, ends),
        }
    }
}

/// The end of a text that goes no further, or that says that it was cut.
fn cut_off(count: usize, sought: &str, text: &str, ends: &[usize]) -> Option<usize> {
    let is_enough = count >= CUT_MIN && 2 * count >= sought.chars().count();
    let end = ends.iter().copied().find(|end| {
        let rest = &text[*end..];
        rest.is_empty() || rest.starts_with('…') || rest.starts_with("...")
    });
    end.filter(|_| is_enough)
}

/// Every way to write one sign.
fn sign_ends(sign: char, text: &str, at: usize, ends: &mut Vec<usize>) {
    let rest = &text[at..];
    let mut take = |written: &str| {
        if rest.starts_with(written) {
            ends.push(at + written.len());
        }
    };
    take(sign.encode_utf8(&mut [0; 4]));
    match sign {
        ' ' => take("+"),
        '"' => ["\\\"", "&quot;"].into_iter().for_each(take),
        '\'' => ["\\'", "&apos;"].into_iter().for_each(take),
        '\\' => take("\\\\"),
        '/' => take("\\/"),
        '&' => take("&amp;"),
        '<' => take("&lt;"),
        '>' => take("&gt;"),
        '\t' => take("\\t"),
        '\n' => take("\\n"),
        '\r' => take("\\r"),
        '\0' => ["\\0", "^@", "\u{2400}"].into_iter().for_each(take),
        _ => {}
    }
    if sign.is_control() {
        // Who cleans a text leaves a sign of their own, or nothing.
        ends.extend(rest.starts_with([' ', '?', '.', '_', '\u{fffd}']).then(|| at + first_len(rest)));
        ends.push(at);
    }
    match rest.as_bytes() {
        [b'%', ..] => ends.extend(coded(sign, text, at, "%")),
        [b'\\', b'x', ..] => ends.extend(coded(sign, text, at, "\\x")),
        [b'\\', b'u', ..] => ends.extend(utf16_coded(sign, text, at)),
        [b'&', b'#', ..] => ends.extend(xml_coded(sign, text, at)),
        _ => {}
    }
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Two hexadecimal digits of either case behind a mark, for each byte.
fn coded(sign: char, text: &str, at: usize, mark: &str) -> Option<usize> {
    let mut at = at;
    for byte in sign.encode_utf8(&mut [0; 4]).bytes() {
        let digits = text.get(at..)?.strip_prefix(mark)?.get(..2)?;
        if u8::from_str_radix(digits, 16) != Ok(byte) {
            return None;
        }
        at += mark.len() + digits.len();
    }
    Some(at)
}

/// JSON's `\u002f`; what is beyond 16 bits is a pair of them.
fn utf16_coded(sign: char, text: &str, at: usize) -> Option<usize> {
    let mut at = at;
    for unit in sign.encode_utf16(&mut [0; 2]) {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        if u16::from_str_radix(digits, 16) != Ok(*unit) {
            return None;
        }
        at += 6;
    }
    Some(at)
}

/// `&#47;` and `&#x2f;`.
fn xml_coded(sign: char, text: &str, at: usize) -> Option<usize> {
    let (number, _) = text.get(at..)?.strip_prefix("&#")?.split_once(';')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    (code == Ok(u32::from(sign))).then(|| at + "&#;".len() + number.len())
}

fn base64_ends(sign: char, text: &str, at: usize, ends: &mut Vec<usize>) {
    let breaks = text[at..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let at = at + breaks;
    sign_ends(sign, text, at, ends);
    match sign {
        '+' => ["-", " "].into_iter().for_each(|other| ends.extend(text[at..].starts_with(other).then_some(at + 1))),
        '/' => ends.extend(text[at..].starts_with('_').then_some(at + 1)),
        _ => {}
    }
}

fn hex_ends(digit: char, count: usize, text: &str, at: usize, ends: &mut Vec<usize>) {
    let digit_at = |at: usize| text[at..].starts_with(|c: char| c.eq_ignore_ascii_case(&digit)).then_some(at + 1);
    ends.extend(digit_at(at));
    if count > 0 && count.is_multiple_of(2) {
        let between = [" 0x", ", 0x", "\\x", "0x", " ", ":", "-", ","];
        let behind = between.iter().find(|between| text[at..].starts_with(**between));
        ends.extend(behind.and_then(|between| digit_at(at + between.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of the text are the sought one.
    fn len(sought: &str, way: Way, text: &str) -> Option<usize> {
        end_of(sought, way, text, 0)
    }

    #[test]
    fn signs_are_found_in_every_escape_and_every_mixture() {
        for text in [
            "a/€ \"&<\u{1f600}",
            "a%2F%E2%82%AC%20%22%26%3C%F0%9F%98%80",
            "a%2f%e2%82%ac+%22%26%3c%f0%9f%98%80",
            r#"a\/\u20ac \"&<\ud83d\uDE00"#,
            r"\u0061\u002f\u20AC\u0020\u0022\u0026\u003C\uD83D\uDE00",
            "a&#47;&#x20ac; &quot;&amp;&lt;&#128512;",
            r#"a\x2f\xe2\x82\xac "&<\xF0\x9f\x98\x80"#,
            "a/%E2%82%AC \\\"&amp;%3c\u{1f600}",
        ] {
            assert_eq!(len("a/€ \"&<\u{1f600}", Way::Signs, text), Some(text.len()), "{text}");
        }
        for text in
            ["", "a", "a%", "a%2", "a%2g", "a\\u", "a\\u00zz", "a&#", "a&#47", "a&#;", "b/", "A/", "a\\x", "%61%"]
        {
            assert_eq!(len("a/", Way::Signs, text), None, "{text}");
        }
        assert_eq!(len(r"\n", Way::Signs, r"\\n"), Some(3), "a backslash that was escaped");
        assert_eq!(len(r"\n", Way::Signs, r"\n"), Some(2));
        assert_eq!(len("%2F", Way::Signs, "%2F"), Some(3), "a secret that looks like an escape");
        assert_eq!(len("%2F", Way::Signs, "%252F"), Some(5));
    }

    #[test]
    fn a_nul_is_found_as_whatever_cleaning_leaves_of_it() {
        let written = [
            "u\0p",
            "u p",
            "u?p",
            "u.p",
            "up",
            "u\u{fffd}p",
            "u%00p",
            "u\\u0000p",
            "u\\x00p",
            "u\\0p",
            "u^@p",
            "u&#0;p",
            "u\u{2400}p",
        ];
        for text in written {
            assert_eq!(len("u\0p", Way::Signs, text), Some(text.len()), "{text:?}");
        }
        assert_eq!(len("u\0.p", Way::Signs, "u.p"), Some(3), "the point is the password's");
        assert_eq!(len("u\0p", Way::Signs, "u:p"), None);
    }

    #[test]
    fn base64_is_found_in_both_alphabets_escaped_and_in_lines() {
        for text in ["a+/b", "a-_b", "a%2B%2fb", r"a+\/b", r"a\u002b\u002Fb", "a /b", "a+\r\n/b", "a&#43;/b"] {
            assert_eq!(len("a+/b", Way::Base64, text), Some(text.len()), "{text:?}");
        }
        assert_eq!(len("a+/b", Way::Base64, "A+/b"), None);
    }

    #[test]
    fn hexadecimal_digits_are_found_in_pairs_as_well() {
        for text in [
            "61622fff",
            "61622FFF",
            "61 62 2f ff",
            "61:62:2F:FF",
            "61-62-2f-ff",
            r"61\x62\x2f\xff",
            "61, 0x62, 0x2f, 0xff",
        ] {
            assert_eq!(len("61622fff", Way::Hex, text), Some(text.len()), "{text}");
        }
        assert_eq!(len("61622fff", Way::Hex, "6 1622fff"), None);
    }

    #[test]
    fn half_of_it_is_enough_where_the_text_was_cut() {
        let sought = "0123456789abcdef";
        let none = [("01234567 ...", 0), ("0123456", 0)];
        for (text, end) in [("01234567", 8), ("012345678…", 9), ("01234567...", 8)].into_iter().chain(none) {
            assert_eq!(len(sought, Way::Signs, text), (end > 0).then_some(end), "{text}");
        }
        assert_eq!(len("password-of-somebody-else", Way::Signs, "password"), None, "less than half");
    }
}
