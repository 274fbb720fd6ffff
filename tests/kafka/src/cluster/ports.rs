//! Ports for brokers and KDCs that no other test program of this run takes.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::env;

/// Below Linux's range of ephemeral ports: no client's connection takes one of these while a broker is down.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// Reserves ports until this run of `tests/kafka/run` ends. A file per port keeps the other test programs away, also while a
/// broker that is killed and restarted does not listen.
pub(crate) fn reserve_ports(count: usize) -> Vec<u16> {
    let reserved = env::ports_directory();
    fs::create_dir_all(&reserved).unwrap_or_else(|error| panic!("cannot create {}: {error}", reserved.display()));
    // Another run beside this one has another directory: begin somewhere else.
    let offset = (std::process::id() % u32::from(LAST - FIRST)) as u16;
    let candidates = (FIRST + offset..=LAST).chain(FIRST..FIRST + offset);
    let ports: Vec<u16> = candidates.filter(|port| reserve(&reserved, *port)).take(count).collect();
    assert_eq!(ports.len(), count, "ports {FIRST} to {LAST} are all taken");
    ports
}

fn reserve(reserved: &Path, port: u16) -> bool {
    match File::options().write(true).create_new(true).open(reserved.join(port.to_string())) {
        Ok(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => panic!("cannot reserve port {port} in {}: {error}", reserved.display()),
    }
}
