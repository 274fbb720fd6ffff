//! Writes the certificates of `certificates.rs` into a directory, for C programs that are run without `tests/c_programs.rs`:
//! `cargo run --example certificates -- DIRECTORY`.

use std::path::PathBuf;
use std::{env, fs};

#[path = "certificates.rs"]
mod certificates;

fn main() {
    let directory = PathBuf::from(env::args_os().nth(1).expect("the directory to write to"));
    fs::create_dir_all(&directory).expect("a directory that can be made");
    certificates::write(&directory);
    println!("{}", certificates::PASSWORD);
}
