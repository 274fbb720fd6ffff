//! What is set and changes nothing here, as sentences for the log.

use crate::config::Config;
use crate::config::table::{State, lookup};

/// Java's names of classes whose work is done before `producer_send`.
const DONE_BEFORE: &[&str] = &["key.serializer", "value.serializer"];

/// One sentence for each property that was set and has no effect. Values that ask for what happens anyway are no matter.
pub fn notices(config: &Config) -> Vec<String> {
    let sentence = |name: &&'static str| {
        let why = match lookup(name).ok()?.property.state {
            State::NoEffect(why) => why,
            State::Harmless(_, why) if DONE_BEFORE.contains(name) => why,
            _ => return None,
        };
        Some(format!("{name} is set, but has no effect: {why}"))
    };
    config.explicit.iter().filter_map(sentence).collect()
}
