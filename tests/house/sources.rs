//! The texts that a test reads: those of `src/`, or snippets in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Path from the package's root, with `/`, and text of each file.
pub type Sources = BTreeMap<String, String>;

pub fn read_package() -> Sources {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    // Programs are crates of their own, to which only the library's public names are visible.
    let programs = root().join("src/bin");
    files
        .into_iter()
        .filter(|file| !file.starts_with(&programs))
        .map(|file| {
            let path = file.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {e}"));
            (path, text)
        })
        .collect()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    for entry in entries {
        let path = entry.expect("an entry of src/").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The snippets, and for each directory without a module file one that declares what is in the directory.
pub fn snippets(files: &[(&str, &str)]) -> Sources {
    let mut sources: Sources = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    assert_eq!(sources.len(), files.len(), "a path is given twice");
    let mut declared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, _) in files {
        let mut inner = path.strip_prefix("src/").expect("snippets are below src/");
        inner = inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).expect("snippets are .rs files");
        if inner == "lib" {
            continue;
        }
        loop {
            let (directory, name) = inner.rsplit_once('/').map_or(("", inner), |(directory, name)| (directory, name));
            declared.entry(directory.to_owned()).or_default().insert(name.to_owned());
            if directory.is_empty() {
                break;
            }
            inner = directory;
        }
    }
    for (directory, names) in declared {
        let file = if directory.is_empty() { "src/lib.rs".to_owned() } else { format!("src/{directory}/mod.rs") };
        if !sources.contains_key(&file) && !sources.contains_key(&format!("src/{directory}.rs")) {
            sources.insert(file, names.iter().map(|name| declaration(name)).collect());
        }
    }
    sources
}

fn declaration(name: &str) -> String {
    let of_tests = name == "sim" || name == "tests" || name.ends_with("_tests");
    format!("{}pub mod {name};\n", if of_tests { "#[cfg(test)]\n" } else { "" })
}
