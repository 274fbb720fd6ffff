//! The files that certificates and keys come from: read within bounds, and remembered so that a change is seen.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use ring::digest;

use crate::error::{Error, Result, Status};

/// More than any store of certificates; what is larger is something else.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Files of one directory that are read.
const DIRECTORY_FILES_MAX: usize = 10_000;

/// What is read for one configuration.
#[derive(Default)]
pub(super) struct Files {
    stamps: Vec<Stamp>,
}

/// A file or directory as it was when it was read.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// `None`: it was not there, or could not be looked at.
    print: Option<Print>,
    /// Of a file that could be read: of what was in it.
    content: Option<[u8; digest::SHA256_OUTPUT_LEN]>,
}

/// What was read of a directory.
pub(super) struct Directory {
    /// In the order of their names.
    pub contents: Vec<(PathBuf, Vec<u8>)>,
    /// How many files could not be read.
    pub unreadable: usize,
}

/// What changes when a file is written or replaced.
#[derive(Clone, PartialEq, Eq)]
struct Print {
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    identity: (u64, u64),
}

impl Print {
    fn of(path: &Path) -> Option<Print> {
        use std::os::unix::fs::MetadataExt;
        let about = fs::metadata(path).ok()?;
        Some(Print {
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            identity: (about.dev(), about.ino()),
        })
    }
}

impl Files {
    /// The content of a file that a property names.
    pub fn read(&mut self, property: &str, path: &str) -> Result<Vec<u8>> {
        let path = Path::new(path);
        self.content_of(path).map_err(|error| refused(property, path, &error))
    }

    /// The files of a directory that a property names.
    pub fn read_directory(&mut self, property: &str, path: &str) -> Result<Directory> {
        let directory = Path::new(path);
        self.stamps.push(Stamp { path: directory.to_owned(), print: Print::of(directory), content: None });
        let entries = fs::read_dir(directory).map_err(|error| refused(property, directory, &error))?;
        let mut paths: Vec<PathBuf> =
            entries.take(DIRECTORY_FILES_MAX).filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let (mut contents, mut unreadable) = (Vec::new(), 0);
        for path in paths {
            // Links are followed: OpenSSL's hash names are links. A link to nowhere is no file either.
            if !fs::metadata(&path).is_ok_and(|about| about.is_file()) {
                continue;
            }
            match self.content_of(&path) {
                Ok(content) => contents.push((path, content)),
                Err(_) => unreadable += 1,
            }
        }
        Ok(Directory { contents, unreadable })
    }

    fn content_of(&mut self, path: &Path) -> std::io::Result<Vec<u8>> {
        // Looked at before it is read: what is written in between is seen as a change the next time.
        let mut stamp = Stamp { path: path.to_owned(), print: Print::of(path), content: None };
        let content = read_bounded(path);
        if let Ok(content) = &content {
            stamp.content = Some(hash(content));
        }
        self.stamps.push(stamp);
        content
    }

    /// What is in no file but belongs to the configuration.
    pub fn note(&mut self, name: &str, content: &[u8]) {
        let stamp = Stamp { path: PathBuf::from(name), print: None, content: Some(hash(content)) };
        self.stamps.push(stamp);
    }

    /// Whether any file is not as it was when it was read. It costs a look at each file, not its content.
    pub fn look_different(&self) -> bool {
        self.stamps.iter().any(|stamp| stamp.print != Print::of(&stamp.path))
    }

    /// Whether any is a file or directory that could be looked at.
    pub fn any(&self) -> bool {
        self.stamps.iter().any(|stamp| stamp.print.is_some())
    }

    /// Whether both hold the same contents under the same names.
    pub fn same_content(&self, other: &Files) -> bool {
        let contents = |files: &Files| -> Vec<_> {
            files.stamps.iter().filter_map(|stamp| Some((stamp.path.clone(), stamp.content?))).collect()
        };
        contents(self) == contents(other)
    }

    /// Takes over what the other has looked at later; what it did not come to is as before.
    pub fn update(&mut self, later: Files) {
        self.stamps.retain(|old| later.stamps.iter().all(|new| new.path != old.path));
        self.stamps.extend(later.stamps);
    }
}

fn hash(content: &[u8]) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest::digest(&digest::SHA256, content).as_ref());
    hash
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    // A pipe or a device would hold up whoever reads.
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    // Room for all of it: it may be a key, and memory that it grows out of would keep a copy.
    let mut content = Vec::with_capacity(about.len().min(FILE_BYTES_MAX) as usize + 1);
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "it is larger than 16 MiB"));
    }
    Ok(content)
}

fn refused(property: &str, path: &Path, error: &std::io::Error) -> Error {
    let (status, why) = match error.kind() {
        ErrorKind::NotFound => {
            (Status::NOT_FOUND, "does not exist: check the path, and that this process sees it".to_owned())
        }
        ErrorKind::PermissionDenied => {
            (Status::IO, "may not be read by this process: give its user the right to".to_owned())
        }
        _ => (Status::IO, format!("cannot be read: {error}")),
    };
    Error::new(status, format!("property '{property}': {} {why}", shown(path)))
}

/// A path as it may stand in a message.
pub(super) fn shown(path: &Path) -> String {
    const SHOWN_MAX: usize = 300;
    let text = path.to_string_lossy();
    let shown: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    format!("'{shown}'")
}
