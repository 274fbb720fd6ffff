//! What the documents say about the package's files and functions.

use std::fs;

use crate::sources::root;

/// A newcomer starts at the README: what it does not name is not found.
#[test]
fn the_readme_names_every_guide_and_every_example() {
    let readme = text_of("README.md");
    for (directory, extension) in [("docs", ".md"), ("examples-c", ".c")] {
        let missing = without_link(&readme, directory, &names_in(directory, extension));
        assert!(missing.is_empty(), "README.md has no link to {missing:?}");
    }
}

/// A function that a document or the table of properties tells to call has to be there.
#[test]
fn what_documents_name_is_in_the_header() {
    let mut documents: Vec<String> = names_in("docs", ".md").iter().map(|name| format!("docs/{name}")).collect();
    documents.extend(["README.md", "src/config/rows.rs"].map(str::to_owned));
    let header = text_of("include/kproducer.h");
    for document in documents {
        let text = text_of(&document);
        let unknown = not_in_header(&text, &header);
        assert!(unknown.is_empty(), "{document} names {unknown:?}, which include/kproducer.h does not have");
    }
}

#[test]
fn what_is_missing_is_found() {
    let guides = ["A.md", "B.md"].map(str::to_owned);
    assert_eq!(without_link("[a](docs/A.md), docs/B.md", "docs", &guides), ["docs/B.md"]);
    let header = "int producer_send(void);\n#define PRODUCER_ERR_NONE 0\nint producer_mock_new(void);";
    assert_eq!(not_in_header("call `producer_sent` or PRODUCER_NONE", header), ["producer_sent", "PRODUCER_NONE"]);
    assert_eq!(not_in_header("`producer_mock_*`, PRODUCER_ERR_…, my_producer_x, producer_send()", header), [""; 0]);
    assert_eq!(not_in_header("producer_test_*", header), ["producer_test_"]);
}

fn without_link(readme: &str, directory: &str, names: &[String]) -> Vec<String> {
    let paths = names.iter().map(|name| format!("{directory}/{name}"));
    paths.filter(|path| !readme.contains(&format!("]({path}"))).collect()
}

fn not_in_header<'a>(document: &'a str, header: &str) -> Vec<&'a str> {
    let ours = words(document).filter(|word| word.starts_with("producer_") || word.starts_with("PRODUCER_"));
    // `producer_mock_*` and `PRODUCER_ERR_…` name a family.
    let is_known = |word: &str| {
        if word.ends_with('_') { header.contains(word) } else { words(header).any(|known| known == word) }
    };
    ours.filter(|word| !is_known(word)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// The names in a directory that end so.
fn names_in(directory: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(directory)).unwrap_or_else(|e| panic!("{directory}: {e}"));
    let names = entries.map(|entry| entry.expect(directory).file_name().into_string().expect("a name in UTF-8"));
    let names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    assert!(!names.is_empty(), "{directory} has nothing that ends with {extension}");
    names
}

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
