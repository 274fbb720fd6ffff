//! Where bytes of a peer's making come in, for the fuzzer: what is private otherwise.

use std::sync::Arc;

use crate::security::login::{Asked, AttemptId, Login, Reply};
use crate::sender::ConnId;
use crate::sender::authentication::exchange::{Exchange, Next};
use crate::sender::connection::Connection;
use crate::time::Time;

/// The responses in a stream that arrives in these pieces, or why the connection is of no use.
pub fn split_frames(pieces: &[&[u8]], frame_bytes_max: usize) -> Result<Vec<Vec<u8>>, String> {
    let mut connection = Connection::new(ConnId(1), Time::ZERO);
    let mut found = Vec::new();
    for piece in pieces {
        connection.frames(piece, frame_bytes_max, |_, frame| {
            found.push(frame.bytes().to_vec());
            true
        })?;
    }
    Ok(found)
}

/// A SASL exchange whose broker gives these answers, the first one to SaslHandshake; the login has something to say to
/// each. True: as far as the sender is concerned we would be let in.
pub fn authenticate(version: i16, answers: &[&[u8]]) -> bool {
    let id = AttemptId { conn: 1, serial: 0 };
    let mut exchange = Exchange::begin(Arc::new(Talker), id, "broker", Time::ZERO);
    let reply = || Reply::Send(b"message".to_vec());
    if exchange.replied(reply()) != Ok(Next::Handshake) {
        return false;
    }
    let Some((handshake, answers)) = answers.split_first() else { return false };
    if exchange.handshake_answered(handshake).is_err() {
        return false;
    }
    for (at, answer) in answers.iter().enumerate() {
        let is_last = at + 1 == answers.len();
        let next = exchange.answered(version, answer).and_then(|_| match is_last {
            true => exchange.replied(Reply::Done),
            false => exchange.replied(reply()),
        });
        match next {
            Ok(Next::Done { .. }) => return true,
            Ok(_) => {}
            Err(refusal) => {
                assert!(!refusal.text.is_empty() && !refusal.text.contains('\n'), "a sentence: {refusal:?}");
                return false;
            }
        }
    }
    false
}

struct Talker;

impl Login for Talker {
    fn mechanism(&self) -> &'static str {
        "PLAIN"
    }

    fn ask(&self, _attempt: AttemptId, _asked: Asked) {}
}
