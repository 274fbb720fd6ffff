//! Secrets in memory that nobody overwrites.

use super::house;
use crate::rules::secrets;

fn broken(path: &str, text: &str) -> bool {
    !secrets::check(&house(&[(path, text)])).is_empty()
}

#[test]
fn a_secret_of_another_type() {
    for text in [
        "pub struct S { pub password: String }",
        "struct S { key_password: Option<String> }",
        "struct S<'a> { passphrase: &'a str }",
        "struct S { private_key_pem: Vec<u8> }",
        "enum E { A { client_secret: String } }",
        "fn f() { struct S { secret: String } }",
    ] {
        assert!(broken("src/config/a.rs", text) && broken("src/security/a.rs", text), "{text}");
        assert!(!broken("src/mock/a.rs", text), "{text}");
    }
    for text in [
        "pub struct Secret;\npub struct S { pub password: Secret }",
        "pub struct Secret;\nstruct S { secrets: Vec<Secret> }",
        "pub struct SecretBytes;\nstruct S { private_key: Option<SecretBytes> }",
        "struct S { private_key_file: String, is_secret: bool, name: String }",
        "#[cfg(test)]\nstruct S { password: String }",
        "fn f(password: &str) {}",
    ] {
        assert!(!broken("src/config/a.rs", text), "{text}");
    }
}
