//! ApiVersions: the version that a broker is asked with, and what its answer means. Brokers, proxies and services
//! answer a version that they do not know with error 35 and any body, in another version's form, or by hanging up: then
//! they are asked again with an older one, down to 0, which everything that has the request at all understands.

use crate::error::Status;
use crate::wire::api::{ApiRange, ApiVersionsAnswer, decode_api_versions};
use crate::wire::header::Api;

/// What every broker is asked with first; v4 says nothing more to a producer.
const NEWEST: i16 = 3;
/// A broker that is asked with this is told whom the connection is meant for, and refuses if it is another (KIP-1242).
const WITH_DESTINATION: i16 = 5;
const REBOOTSTRAP_REQUIRED: i16 = 129;
const OLDEST: i16 = Api::ApiVersions.versions().0;
/// After so many hang-ups at newer versions, with answers to the oldest one between them, only that one is used: one
/// hang-up may just be a broker that was restarting.
const HANG_UPS_MAX: u8 = 2;

/// What a broker's connections have shown so far: survives them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Greeting {
    hang_ups: u8,
    /// The last connection ended instead of bringing an answer.
    was_hung_up_on: bool,
}

impl Greeting {
    /// The version that a new connection asks with.
    pub fn version(self) -> i16 {
        if self.was_hung_up_on || self.hang_ups >= HANG_UPS_MAX { OLDEST } else { NEWEST }
    }

    /// The version that one asks with that knows its destination, in a cluster whose brokers check it.
    pub fn version_with_destination(self) -> i16 {
        if self.version() == NEWEST { WITH_DESTINATION } else { OLDEST }
    }

    /// The connection ended while an answer to this version was awaited. True: the next one asks with an older version.
    pub fn hung_up(&mut self, version: i16) -> bool {
        // The oldest one did not help either, so versions are not what is wrong.
        let is_newer = version > OLDEST;
        self.hang_ups = if is_newer { self.hang_ups.saturating_add(1) } else { 0 };
        self.was_hung_up_on = is_newer;
        is_newer
    }

    pub fn answered(&mut self) {
        self.was_hung_up_on = false;
    }
}

/// What follows from an answer.
#[derive(PartialEq, Eq, Debug)]
pub enum Reading {
    /// What the broker speaks.
    Versions(ApiVersionsAnswer),
    /// It is asked again, on the same connection, with this version, which is lower.
    AskAgain(i16),
    /// It is another broker, or one of another cluster.
    Misrouted,
}

/// Whether a broker that offers this checks the destination.
pub fn checks_destination(ranges: &[ApiRange]) -> bool {
    ranges.iter().any(|range| range.api_key == Api::ApiVersions.key() && range.max >= WITH_DESTINATION)
}

/// Reads the answer to a request of `version`. The error is a sentence: the connection is of no use.
pub fn read(version: i16, body: &[u8]) -> Result<Reading, String> {
    let answer = match decode_api_versions(version, body) {
        Ok(answer) => answer,
        Err(_) if version > OLDEST => return Ok(Reading::AskAgain(OLDEST)),
        Err(error) => {
            return Err(format!("its ApiVersions response cannot be read: {error}; is it a Kafka broker?"));
        }
    };
    if version >= WITH_DESTINATION && answer.error_code == REBOOTSTRAP_REQUIRED {
        return Ok(Reading::Misrouted);
    }
    let is_of_use = answer.error_code == 0 && !answer.ranges.is_empty();
    if !is_of_use && version > OLDEST {
        return Ok(Reading::AskAgain(lower(version, &answer.ranges)));
    }
    match answer.error_code {
        0 => Ok(Reading::Versions(answer)),
        code => {
            let status = Status(i32::from(code));
            Err(format!("it refused ApiVersions with {} ({code}): {}", status.name(), status.text()))
        }
    }
}

/// The next version to ask with: one that the refusal names, or the oldest.
fn lower(version: i16, ranges: &[ApiRange]) -> i16 {
    let own = ranges.iter().find(|range| range.api_key == Api::ApiVersions.key());
    own.map_or(OLDEST, |range| range.max.min(version - 1).max(OLDEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks until there is an answer of use or none, as a connection does; the versions that were asked with.
    fn ask(answers: impl Fn(i16) -> Vec<u8>) -> (Vec<i16>, Result<ApiVersionsAnswer, String>) {
        let mut version = Greeting::default().version();
        let mut asked = Vec::new();
        loop {
            asked.push(version);
            match read(version, &answers(version)) {
                Ok(Reading::Versions(answer)) => return (asked, Ok(answer)),
                Ok(Reading::Misrouted) => unreachable!("no destination is told"),
                Ok(Reading::AskAgain(next)) => {
                    assert!((OLDEST..version).contains(&next), "{next} is not below {version}");
                    version = next;
                }
                Err(reason) => return (asked, Err(reason)),
            }
        }
    }

    const RANGES: [[i16; 3]; 3] = [[0, 7, 9], [3, 7, 12], [18, 0, 3]];

    fn body(form: i16, code: i16, ranges: &[[i16; 3]]) -> Vec<u8> {
        let mut out = code.to_be_bytes().to_vec();
        match form {
            3 => out.push(ranges.len() as u8 + 1),
            _ => out.extend_from_slice(&(ranges.len() as i32).to_be_bytes()),
        }
        for range in ranges {
            range.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            out.extend_from_slice(if form == 3 { &[0] } else { &[] });
        }
        out.extend_from_slice(if form >= 1 { &[0; 4] } else { &[] });
        out.extend_from_slice(if form == 3 { &[0] } else { &[] });
        out
    }

    #[test]
    fn a_refusal_with_any_body_is_followed_by_an_older_version() {
        let bodies = [
            vec![0, 35],
            vec![0, 35, 0, 0, 0, 0],
            vec![0, 35, 0xff, 0xff, 0xff, 0xff],
            vec![0, 35, 1, 2, 3],
            [&[0, 35][..], &[0xff; 300]].concat(),
            body(0, 35, &RANGES),
            body(2, 35, &RANGES),
            body(3, 35, &RANGES),
            body(0, 35, &[]),
            body(3, 35, &[]),
            body(0, 42, &[]),
            body(0, -1, &[]),
            body(3, 0, &[]),
            Vec::new(),
            vec![0],
            vec![0xff; 40],
        ];
        for refusal in bodies {
            let (asked, answer) = ask(|version| if version > 0 { refusal.clone() } else { body(0, 0, &RANGES) });
            assert_eq!(asked.first(), Some(&3), "{refusal:?}");
            assert_eq!(asked.last(), Some(&0), "{refusal:?}");
            assert_eq!(answer.expect("version 0 is answered").ranges.len(), 3, "{refusal:?}");
        }
    }

    #[test]
    fn a_refusal_that_names_a_version_is_followed_by_that_one() {
        for (most, expected) in [(2, vec![3, 2]), (1, vec![3, 1]), (0, vec![3, 0]), (7, vec![3, 2]), (-1, vec![3, 0])] {
            let spoken = expected[1];
            let (asked, answer) = ask(|version| match version == spoken {
                true => body(spoken, 0, &RANGES),
                false => body(0, 35, &[[18, 0, most]]),
            });
            assert_eq!((asked, answer.is_ok()), (expected, true), "at most {most}");
        }
    }

    #[test]
    fn an_answer_in_another_versions_form_is_read() {
        for form in 0..=3 {
            let (asked, answer) = ask(|_| body(form, 0, &RANGES));
            assert_eq!((asked, answer.expect("it is readable").ranges.len()), (vec![3], 3), "form {form}");
            // And when the oldest one was asked for, with or without bytes behind it.
            for tail in [&[][..], &[1, 2, 3]] {
                let answer = read(0, &[&body(form, 0, &RANGES), tail].concat());
                assert!(matches!(answer, Ok(Reading::Versions(answer)) if answer.ranges.len() == 3), "form {form}");
            }
        }
    }

    #[test]
    fn what_refuses_every_version_is_an_error_in_words() {
        let (asked, answer) = ask(|_| body(0, 35, &[]));
        assert_eq!(asked, [3, 0]);
        assert!(answer.is_err_and(|reason| reason.contains("UNSUPPORTED_VERSION (35)")));
        let (asked, answer) = ask(|_| body(3, 35, &RANGES));
        assert_eq!(asked, [3, 2, 1, 0]);
        assert!(answer.is_err());
        let (_, answer) = ask(|_| vec![0xff]);
        assert!(answer.is_err_and(|reason| reason.contains("is it a Kafka broker?")));
    }

    #[test]
    fn after_a_hang_up_the_next_connection_asks_with_the_oldest_version() {
        let mut greeting = Greeting::default();
        assert!(greeting.hung_up(NEWEST));
        assert_eq!(greeting.version(), OLDEST);
        greeting.answered();
        assert_eq!(greeting.version(), NEWEST, "it may have been restarting");
        assert!(greeting.hung_up(NEWEST));
        greeting.answered();
        assert_eq!(greeting.version(), OLDEST, "twice is no accident");
        assert!(!greeting.hung_up(OLDEST));
        assert_eq!(greeting.version(), NEWEST, "then versions are not what is wrong");
    }

    #[test]
    fn only_a_broker_that_was_told_its_destination_can_say_that_it_is_another() {
        let refusal = body(3, REBOOTSTRAP_REQUIRED, &[]);
        assert_eq!(read(WITH_DESTINATION, &refusal), Ok(Reading::Misrouted));
        assert_eq!(read(NEWEST, &refusal), Ok(Reading::AskAgain(OLDEST)));
        // One that does not know the version is asked as ever.
        assert_eq!(read(WITH_DESTINATION, &body(0, 35, &[[18, 0, 4]])), Ok(Reading::AskAgain(4)));
        let mut greeting = Greeting::default();
        assert_eq!(greeting.version_with_destination(), WITH_DESTINATION);
        greeting.hung_up(WITH_DESTINATION);
        assert_eq!(greeting.version_with_destination(), OLDEST);
    }
}
