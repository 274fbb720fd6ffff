//! A glob hides which file is used. `use Kind::*` of an enum does not leave its file and is none.

use crate::model::{Crate, MentionKind};
use crate::resolve::Found;
use crate::rules::Finding;

pub fn check(krate: &Crate) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (mention, resolution) in krate.resolved() {
        let hides = |found: &Found| match found {
            Found::Item(id, _) => krate.items[*id].place.file != mention.place.file,
            Found::Module(_) => true,
            Found::Outside(_) | Found::Missing(_) => false,
        };
        if mention.place.is_test || mention.kind != MentionKind::Glob || !resolution.found.iter().any(hides) {
            continue;
        }
        let path = mention.path.written();
        let key = key(krate.path_of(mention.place), &path);
        let message = format!("{}: `{path}::*` hides what is used; name it", krate.at(mention.place));
        if !findings.iter().any(|finding| finding.key == key) {
            findings.push(Finding { key, amount: 1, message });
        }
    }
    findings
}

pub fn key(file: &str, path: &str) -> String {
    format!("{path}::* in {file}")
}
