//! Compares what breaks a rule with the list of what may break it for now. The list fits exactly or the test fails, so
//! that it shrinks with every repair; a second number has to be changed before it can grow.

use std::collections::BTreeSet;

use crate::rules::Finding;
use crate::rules::circles::Circle;

const LIST: &str = "tests/house/allowed.rs";

/// Entries of the list: a finding's key, and the amount that may be found.
pub type Entries = Vec<(String, usize)>;

pub fn compare(rule: &str, findings: &[Finding], allowed: &Entries, at_most: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for finding in findings {
        match allowed.iter().find(|(key, _)| *key == finding.key) {
            None => wrong.push(finding.message.clone()),
            Some((_, amount)) if finding.amount > *amount => {
                wrong.push(format!("{} ({LIST} allows {amount})", finding.message));
            }
            Some((key, amount)) if finding.amount < *amount => {
                wrong.push(format!("{rule}: `{key}` is down to {}: lower the {amount} in {LIST}", finding.amount));
            }
            Some(_) => {}
        }
    }
    for (index, (key, _)) in allowed.iter().enumerate() {
        if !findings.iter().any(|finding| finding.key == *key) {
            wrong.push(format!("{rule}: nothing is wrong with `{key}` any more: delete it in {LIST}"));
        }
        if allowed[..index].iter().any(|(earlier, _)| earlier == key) {
            wrong.push(format!("{rule}: `{key}` is in {LIST} twice: delete one"));
        }
    }
    wrong.extend(compare_total(rule, allowed.iter().map(|(_, amount)| amount).sum(), at_most));
    wrong
}

pub fn compare_circles(found: &[Circle], allowed: &[&[&str]], at_most: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let allowed: Vec<BTreeSet<&str>> = allowed.iter().map(|files| files.iter().copied().collect()).collect();
    let files_of = |circle: &Circle| circle.files.iter().cloned().collect::<Vec<_>>().join("\n    ");
    for circle in found {
        let files: BTreeSet<&str> = circle.files.iter().map(String::as_str).collect();
        if allowed.iter().any(|known| known.is_superset(&files)) {
            continue;
        }
        let known: BTreeSet<&str> =
            allowed.iter().filter(|known| !known.is_disjoint(&files)).flatten().copied().collect();
        let new: Vec<&str> = files.difference(&known).copied().collect();
        let new = if new.is_empty() { "two known circles have become one".to_owned() } else { new.join(", ") };
        wrong.push(format!(
            "{}/ has a circle of {} files; new in it: {new}\n    one way round:\n    {}\n    all its files:\n    {}\n  \
             move what both sides need into a file that uses neither, or pass it as an argument",
            circle.room,
            files.len(),
            circle.example.join("\n    "),
            files_of(circle),
        ));
    }
    for known in &allowed {
        let first = known.first().copied().unwrap_or("nothing");
        let is_part = |circle: &&Circle| circle.files.iter().all(|file| known.contains(file.as_str()));
        let left: Vec<&Circle> = found.iter().filter(is_part).collect();
        match left[..] {
            [] => wrong.push(format!("circles: the one with {first} is gone: delete it in {LIST}")),
            [circle] if circle.files.len() == known.len() => {}
            _ => {
                let left: Vec<String> = left.into_iter().map(files_of).collect();
                let left = left.join("\n  and one of\n    ");
                wrong.push(format!("circles: what is left of the one with {first}; write it into {LIST}:\n    {left}"));
            }
        }
    }
    wrong.extend(compare_total("circles", allowed.iter().map(BTreeSet::len).sum(), at_most));
    wrong
}

fn compare_total(rule: &str, total: usize, at_most: usize) -> Option<String> {
    if total > at_most {
        return Some(format!("{rule}: {LIST} adds up to {total}, more than {at_most}: it may only get shorter"));
    }
    (total < at_most).then(|| format!("{rule}: {LIST} adds up to {total} now: lower AT_MOST from {at_most}"))
}
