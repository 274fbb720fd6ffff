use super::*;
use crate::error::Status;

fn exchange(hash: Hash, user: &str, password: &str, nonce: &str) -> ScramExchange {
    let who = Arc::new(UserPassword::new(user, password).unwrap());
    ScramExchange::new(hash, who, false, Some(nonce.to_owned()), Arc::default())
}

fn sent(step: Result<Step, Refusal>) -> String {
    match step {
        Ok(Step::Send(bytes)) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

#[test]
fn the_example_of_rfc_7677() {
    let mut scram = exchange(Hash::Sha256, "user", "pencil", NONCE);
    assert_eq!(scram.start().unwrap(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(
        sent(scram.step(SERVER_FIRST.as_bytes())),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(scram.step(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(Step::Done));
    assert!(scram.step(b"").is_err(), "it is over");
}

/// A server's side, for what has no published example.
fn serve(hash: Hash, first_bare: &str, password: &str, first: &str, answer: &str) -> Option<String> {
    let parsed = ServerFirst::parse(first, "").unwrap();
    let (without_proof, proof) = answer.rsplit_once(",p=")?;
    let mut salted = vec![0; hash.len()];
    pbkdf2::derive(hash.pbkdf2(), parsed.iterations, &parsed.salt, password.as_bytes(), &mut salted);
    let key = hmac::Key::new(hash.hmac(), &salted);
    let stored = digest::digest(hash.digest(), hmac::sign(&key, b"Client Key").as_ref());
    let auth_message = format!("{first_bare},{first},{without_proof}");
    let signature = hmac::sign(&hmac::Key::new(hash.hmac(), stored.as_ref()), auth_message.as_bytes());
    let proof = STANDARD.decode(proof).ok()?;
    let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    if digest::digest(hash.digest(), &client_key).as_ref() != stored.as_ref() {
        return None;
    }
    let server_key = hmac::Key::new(hash.hmac(), hmac::sign(&key, b"Server Key").as_ref());
    Some(format!("v={}", STANDARD.encode(hmac::sign(&server_key, auth_message.as_bytes()))))
}

#[test]
fn sha_512_names_with_signs_and_passwords_in_utf_8_convince_a_server() {
    let mut scram = exchange(Hash::Sha512, "a=b,c", "pässword €", "abc");
    let first = String::from_utf8(scram.start().unwrap()).unwrap();
    assert_eq!(first, "n,,n=a=3Db=2Cc,r=abc");
    let server_first = "r=abcdef,s=QSXCR+Q6sek8bf92,i=8192,x=later";
    let answer = sent(scram.step(server_first.as_bytes()));
    let last = serve(Hash::Sha512, &first[3..], "pässword €", server_first, &answer).expect("the proof holds");
    assert_eq!(scram.step(last.as_bytes()), Ok(Step::Done));
    assert_eq!(serve(Hash::Sha512, &first[3..], "passwort", server_first, &answer), None);
}

#[test]
fn a_delegation_token_is_told_apart_from_a_user() {
    let who = Arc::new(UserPassword::new("id", "hmac").unwrap());
    let mut scram = ScramExchange::new(Hash::Sha256, who, true, Some("n".into()), Arc::default());
    assert_eq!(scram.start().unwrap(), b"n,,n=id,r=n,tokenauth=true");
}

#[test]
fn the_salted_password_is_kept_for_the_next_exchange_and_not_for_another_password() {
    let credentials = Arc::new(Credentials::new(UserPassword::new("user", "pencil").unwrap()));
    let mut mechanism = Scram::new(Hash::Sha256, credentials.clone(), false);
    let kept = mechanism.salted.clone();
    let answer = |nonce: &str| {
        let who = mechanism.credentials.get();
        let mut scram = ScramExchange::new(Hash::Sha256, who, false, Some(nonce.into()), kept.clone());
        scram.start().unwrap();
        sent(scram.step(SERVER_FIRST.as_bytes()))
    };
    let first = answer(NONCE);
    // Would be found out if it were used: the proof changes with it.
    kept.lock().as_mut().unwrap().client_key[0] ^= 1;
    assert_ne!(answer(NONCE), first, "it is taken from where it is kept");
    credentials.set(UserPassword::new("user", "pencil2").unwrap());
    answer(NONCE);
    credentials.set(UserPassword::new("user", "pencil").unwrap());
    assert_eq!(answer(NONCE), first, "another password is salted anew");
    assert_eq!(mechanism.name(), "SCRAM-SHA-256");
    let fresh: Vec<_> = (0..2).map(|_| mechanism.exchange("b", 0).start().unwrap()).collect();
    assert_ne!(fresh[0], fresh[1], "a nonce of its own each");
    assert!(fresh[0].len() > "n,,n=user,r=".len() + 20);
}

#[test]
fn what_a_broker_may_not_say_is_refused_with_its_reason() {
    for (message, says) in [
        ("", "has no r= where"),
        ("\u{fffd}", "has no r= where"),
        ("r=abcX,s=QQ==", "has no i= where"),
        ("s=QQ==,r=abcX,i=4096", "has no r= where"),
        ("m=must,r=abcX,s=QQ==,i=4096", "has no r= where"),
        ("r=abc,s=QQ==,i=4096", "does not continue our nonce"),
        ("r=xabcX,s=QQ==,i=4096", "does not continue our nonce"),
        ("r=abc\u{7f},s=QQ==,i=4096", "does not continue our nonce"),
        ("r=abcX,s=,i=4096", "an empty salt"),
        ("r=abcX,s=%%,i=4096", "not base64"),
        ("r=abcX,s=QQ==,i=", "no number of iterations"),
        ("r=abcX,s=QQ==,i=-4096", "no number of iterations"),
        ("r=abcX,s=QQ==,i=+4096", "no number of iterations"),
        ("r=abcX,s=QQ==,i=99999999999", "no number of iterations"),
        ("r=abcX,s=QQ==,i=0", "wants 0 iterations"),
        ("r=abcX,s=QQ==,i=4095", "wants 4095 iterations"),
        ("r=abcX,s=QQ==,i=4294967295", "4096 to 500000 are safe"),
        ("e=unknown-user", "refused the SCRAM exchange: unknown-user"),
        ("e=<script>\n", "refused the SCRAM exchange: "),
    ] {
        let mut scram = exchange(Hash::Sha256, "user", "s3cret", "abc");
        scram.start().unwrap();
        let refusal = scram.step(message.as_bytes()).unwrap_err();
        assert_eq!(refusal.status, Status::SASL_AUTHENTICATION_FAILED);
        assert!(refusal.text.contains(says), "{message}: {}", refusal.text);
        assert!(!refusal.text.contains("s3cret") && !refusal.text.contains('\n'));
        assert!(scram.step(b"v=QQ==").is_err(), "nothing goes on after it");
    }
    for last in ["", "v=", "v=%%", "v=QQ==", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "x=1", "e=invalid-proof"]
    {
        let mut scram = exchange(Hash::Sha256, "user", "pencil", NONCE);
        scram.start().unwrap();
        sent(scram.step(SERVER_FIRST.as_bytes()));
        assert!(scram.step(last.as_bytes()).is_err(), "{last}");
    }
    let mut scram = exchange(Hash::Sha256, "user", "pencil", "abc");
    assert!(scram.step(b"r=abcX,s=QQ==,i=4096").is_err(), "it has not begun");
    scram.start().unwrap();
    assert!(scram.step(&[0xff, 0xfe]).is_err());
    scram.start().unwrap();
    assert!(scram.step(&vec![b'r'; MESSAGE_MAX + 1]).is_err());
}

#[test]
fn without_random_numbers_there_is_no_exchange() {
    let who = Arc::new(UserPassword::new("u", "p").unwrap());
    let refusal = ScramExchange::new(Hash::Sha256, who, false, None, Arc::default()).start().unwrap_err();
    assert!(!refusal.is_permanent && refusal.text.contains("random"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_of_a_broker_are_refused_without_a_panic(first: Vec<u8>, last: Vec<u8>) {
        let mut scram = exchange(Hash::Sha512, "user", "pencil", "abc");
        scram.start().unwrap();
        proptest::prop_assert!(scram.step(&first).is_err());
        let mut scram = exchange(Hash::Sha256, "user", "pencil", NONCE);
        scram.start().unwrap();
        sent(scram.step(SERVER_FIRST.as_bytes()));
        proptest::prop_assert!(scram.step(&last).is_err());
    }
}
