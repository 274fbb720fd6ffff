//! What token endpoints, AWS's services and the files of its tools say is taken or refused, never believed: a token that is taken
//! is good for a while and has no characters that would leave its place in a message.
#![no_main]

use kproducer::security::aws::answers::{Credentials, credentials_json, credentials_xml, error_xml};
use kproducer::security::aws::iam::region_of_host;
use kproducer::security::aws::profile::Profiles;
use kproducer::security::claims::Claims;
use kproducer::security::oidc::{oauth_error, read_answer, read_extensions};
use kproducer::security::token::TokenGetter;
use kproducer::security::unsecured::UnsecuredTokens;
use libfuzzer_sys::fuzz_target;

const NOW_MS: i64 = 1_700_000_000_000;

fn is_clean(text: &str) -> bool {
    text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

fn check(credentials: Result<Credentials, String>) {
    if let Ok(credentials) = credentials {
        assert!(!credentials.access_key_id.is_empty() && !credentials.secret_access_key.is_empty());
        assert!(is_clean(&credentials.access_key_id) && is_clean(credentials.secret_access_key.reveal()));
        assert!(is_clean(credentials.session_token.reveal()));
    }
}

fuzz_target!(|data: &[u8]| {
    let [which, bytes @ ..] = data else { return };
    let text = String::from_utf8_lossy(bytes);
    match which % 6 {
        0 => {
            assert!(!oauth_error(bytes).contains(char::is_control));
            if let Ok(given) = read_answer(bytes, NOW_MS) {
                assert!(given.expires_at_ms > NOW_MS && is_clean(given.token.reveal()));
            }
        }
        1 => check(credentials_json(bytes)),
        2 => {
            check(credentials_xml(&text));
            assert!(!error_xml(&text).contains('\n'));
        }
        3 => {
            let mut profiles = Profiles::default();
            profiles.add(&text, false);
            profiles.add(&text, true);
            assert_ne!(profiles.get("default", "region"), Some(""));
        }
        4 => {
            let claims = Claims::of_token(&text);
            let _ = (claims.expires_at_ms(), claims.text("sub"), region_of_host(&text));
        }
        _ => {
            if let Ok(extensions) = read_extensions(&text) {
                assert!(extensions.iter().all(|(name, value)| !name.is_empty() && !value.contains('\u{1}')));
            }
            if let Ok(mut tokens) = UnsecuredTokens::new(&text, Vec::new()) {
                assert!(tokens.get(NOW_MS).expect("it asks nobody").expires_at_ms > NOW_MS);
            }
        }
    }
});
