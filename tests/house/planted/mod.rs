//! Each rule finds what is planted for it, however it is written, and nothing else. The snippets are read by the very
//! code that reads the sources.

mod circles;
mod lists;
mod places;
mod reading;
mod rooms;
mod secrets;
mod sources;

use crate::load::load;
use crate::model::Crate;
use crate::sources::snippets;

/// Reads the snippets; directories without a module file get one that declares what is in them.
fn house(files: &[(&str, &str)]) -> Crate {
    let krate = load(&snippets(files));
    assert!(krate.errors.is_empty(), "{files:#?}\n{}", krate.errors.join("\n"));
    krate
}
