//! The C interface, one file per noun of the header, and the crate's only `unsafe` outside `io/`.

pub mod boundary;
pub mod config;
pub mod status;
