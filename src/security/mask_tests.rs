use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;
use crate::security::http::{form_encoded, percent_encoded};

fn mask(secrets: &[&str]) -> Mask {
    let mut mask = Mask::default();
    for secret in secrets {
        mask.add(secret);
    }
    mask
}

#[test]
fn secrets_go_in_every_form_and_before_the_text_is_cut() {
    const SECRET: &str = "s3 cr€t/+";
    let hexed: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mask = mask(&[SECRET, "s3 cr€t/+more"]);
    for form in [
        SECRET,
        "s3+cr%E2%82%ACt%2F%2B",
        "s3%20cr%e2%82%act%2f%2b",
        r"s3 cr\u20ACt\/+",
        r"s3 cr\xe2\x82\xact/+",
        "s3 cr&#8364;t/&#x2B;",
        &form_encoded(SECRET),
        &percent_encoded(SECRET).to_lowercase(),
        &STANDARD.encode(SECRET),
        &STANDARD_NO_PAD.encode(SECRET),
        &URL_SAFE.encode(SECRET),
        &URL_SAFE_NO_PAD.encode(SECRET),
        &percent_encoded(&STANDARD.encode(SECRET)),
        &hexed,
        &hexed.to_uppercase(),
    ] {
        assert_eq!(mask.said(&format!("no '{form}' here")), "no '***' here");
    }
    assert_eq!(mask.said("s3 cr€t/+more"), "***");
    for filler in 385..400 {
        let said = mask.said(&format!("{}s3 cr€t/+", "x".repeat(filler)));
        assert!(!said.contains("s3"), "{said}");
    }
    assert_eq!(mask.said("\n s3 cr€t/+\u{1b}[0m\n"), "*** [0m", "cleaning comes afterwards");
}

/// Whatever stands before and behind the secret in what was encoded: nothing is left that depends on the secret alone,
/// nor a sign that tells some of its bits.
#[test]
fn a_secret_goes_from_the_base64_of_every_message_that_holds_it() {
    for secret in ["pencil?~\u{ff}s3cret>", "pencil?~\u{ff}s3cret>+", "pencil?~\u{ff}s3cret>++", "tanst"] {
        let mask = mask(&[secret]);
        for before in 0..7 {
            for behind in 0..4 {
                let message = format!("{}{secret}{}", "<".repeat(before), ">".repeat(behind));
                for encoded in [STANDARD.encode(&message), URL_SAFE.encode(&message), STANDARD_NO_PAD.encode(&message)]
                {
                    let said = mask.said(&format!("sent {encoded} and"));
                    let left = said.strip_prefix("sent ").and_then(|said| said.strip_suffix(" and")).expect(&said);
                    let (left, right) = left.split_once("***").expect(left);
                    assert_eq!(left, &encoded[..before * 8 / 6], "{encoded}");
                    let told = behind * 8 / 6;
                    let padding = encoded.bytes().filter(|byte| *byte == b'=').count();
                    assert!(right.trim_end_matches('=').len() <= told + 1, "{said}: {encoded}");
                    assert!(right.len() <= told + 1 + padding && encoded.ends_with(right), "{said}: {encoded}");
                }
            }
        }
    }
}

#[test]
fn the_message_of_plain_goes_also_with_a_password_of_two_letters() {
    for password in ["pw", "tanstaaf"] {
        let message = format!("\0tim\0{password}");
        let mask = mask(&[password, &format!("tim\0{password}")]);
        for repeated in [
            message.clone(),
            message.replace('\0', " "),
            message.replace('\0', "\u{fffd}"),
            message.replace('\0', "\\u0000"),
            message.replace('\0', "%00"),
            message.replace('\0', ""),
            STANDARD.encode(&message),
            STANDARD_NO_PAD.encode(&message),
            message.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ] {
            let said = mask.said(&format!("bad message: '{repeated}'"));
            assert!(said.contains("***") && !said.contains(password), "{said}: {repeated:?}");
            assert!(!said.contains(&STANDARD_NO_PAD.encode(password)), "{said}");
            let end: String = repeated.chars().skip(repeated.chars().count() - 4).collect();
            assert!(!said.contains(&end), "{said}");
        }
    }
}

#[test]
fn what_is_as_good_as_the_secret_goes_with_it() {
    let signature = "c2lnbmF0dXJlLW9mLWEtdG9rZW4";
    let token = format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.{signature}");
    let said = mask(&[&token]).said(&format!("signature {signature} of {token} is wrong"));
    assert_eq!(said, "signature *** of *** is wrong");
    let header = STANDARD.encode("some-client:some-s3cret");
    assert_eq!(mask(&[&header]).said("who is some-client:some-s3cret?"), "who is ***?");
    let url = "https://kafka/?X-Amz-Security-Token=FwoG%2FXIvYXdz%3D&X-Amz-Signature=0123456789abcdef0123";
    let mask = mask(&[&URL_SAFE_NO_PAD.encode(url)]);
    assert_eq!(mask.said("0123456789abcdef0123 is no signature for FwoG/XIvYXdz="), "*** is no signature for ***");
    assert_eq!(mask.said(&format!("no: {url}")), "no: ***");
}

#[test]
fn short_secrets_do_not_star_words() {
    let mask = mask(&["e", "abc", "", "\u{1}\u{2}"]);
    assert_eq!(mask.said("the client e has abc, abcd and xabc"), "the client *** has ***, abcd and xabc");
    assert_eq!(mask.said("invalid_client: see e"), "invalid_client: see ***");
    assert_eq!(mask.said("YWJj and YWJjZGVm, 616263 and 6162630"), "*** and YWJjZGVm, *** and 6162630");
}

#[test]
fn secrets_that_overlap_leave_nothing_between_them() {
    let mask = mask(&["abcdef", "defghi", "ghijkl"]);
    assert_eq!(mask.said("xabcdefghijklx abcdefdefghi"), "x***x ***");
}

#[test]
fn an_ordinary_sentence_stays_as_it_is() {
    let mask = mask(&["tanstaaf", "tim\0tanstaaf", "alice-secret", "x y"]);
    let text = "Authentication failed for user tim: Invalid username or password (0x3A, YWxpY2U=) \u{2026}";
    assert_eq!(mask.said(text), text);
}
