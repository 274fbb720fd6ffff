//! docs/CONFIGURATION.md, written from the table.

use crate::config::table::{Convert, GROUPS, Property, State};
use std::fmt::Write;

const HEAD: &str = "# Configuration properties

This file is generated from the property table in `src/config/` by `BLESS=1 cargo test --lib config`; do not edit it.

Names are those of Kafka's Java producer; librdkafka's are accepted as aliases where their meaning is the same or can be converted.
An unknown name is refused with the nearest known one. A property or a value that this version does not implement is refused, never
ignored in silence. Accepted are values that ask for nothing, so that files written for Java or librdkafka load: librdkafka's own
default of each of its properties is among them, and a log line at level 5 names each setting that has no effect. Values are trimmed; numbers are plain decimals. Where a default contradicts
something that was set, the default gives way; two set values that contradict each other are an error of `producer_new`, which lists
all of them. Two defaults never give way: enable.idempotence and transaction.timeout.ms. A setting applies to
every topic that has none of its own by `producer_topic_set`. Durations above 100 years count as 100 years.
";

/// The whole file.
pub fn configuration_md() -> String {
    let mut out = HEAD.to_string();
    for (title, rows) in GROUPS {
        let built: Vec<_> = rows.iter().filter(|row| row.is_built()).collect();
        if built.is_empty() {
            continue;
        }
        let _ = write!(out, "\n## {title}\n\n| Property | Type, allowed | Default | Meaning |\n|---|---|---|---|\n");
        for row in built {
            let names = names(row);
            let _ = writeln!(out, "| {names} | {} | {} | {} |", allowed(row), code(row.default), cell(row.doc));
        }
    }
    out.push_str(
        "\n## Known, but not in this version\n\n| Property | Accepted | Otherwise | Meaning |\n|---|---|---|---|\n",
    );
    for row in GROUPS.iter().flat_map(|(_, rows)| rows.iter()) {
        let (accepted, remedy) = match row.state {
            State::Harmless(values, remedy) => (values.iter().map(|v| code(v)).collect::<Vec<_>>().join(", "), remedy),
            State::NoEffect(why) => ("any".to_string(), why),
            State::Absent(remedy) => ("nothing".to_string(), remedy),
            State::Built(_) | State::Partly(..) => continue,
        };
        let _ = writeln!(out, "| {} | {accepted} | {} | {} |", names(row), cell(remedy), cell(row.doc));
    }
    out
}

fn names(row: &Property) -> String {
    let mut text = format!("`{}`", row.name);
    for alias in row.aliases {
        let note = match alias.convert {
            Convert::Same | Convert::JavaPartitioner => String::new(),
            Convert::Times(factor) => format!(" (× {factor})"),
            Convert::Replace(theirs, ours) => format!(" ({theirs} means {ours})"),
        };
        let _ = write!(text, "<br>= `{}`{note}", alias.name);
    }
    text
}

fn allowed(row: &Property) -> String {
    let mut text = row.type_name().to_string();
    if !row.range().is_empty() {
        let _ = write!(text, ": {}", row.range());
    }
    if let State::Partly(values, _) = row.state {
        let values: Vec<String> = values.iter().map(|value| code(value)).collect();
        let _ = write!(text, "; in this version only {}", values.join(", "));
    }
    cell(&text)
}

fn code(text: &str) -> String {
    if text.is_empty() { "empty".to_string() } else { format!("`{text}`") }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #[test]
    fn configuration_md_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
        let fresh = super::configuration_md();
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
            std::fs::write(path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == fresh, "docs/CONFIGURATION.md is out of date: run BLESS=1 cargo test --lib config");
    }
}
