//! unsafe, the clock, the outside world, unfinished work, sleeps and long files.

use std::collections::BTreeSet;

use super::house;
use crate::model::Crate;
use crate::rules::places::{
    FILE_LINES_MAX, clock_reads, outside_world_in_the_core, sleeps, too_long, unfinished, unsafe_outside_the_border,
};

type Rule = fn(&Crate) -> BTreeSet<String>;

fn broken(rule: Rule, path: &str, text: &str) -> bool {
    !rule(&house(&[(path, text)])).is_empty()
}

#[test]
fn unsafe_inside_the_house() {
    for text in [
        "fn f() { unsafe { g() } }\nfn g() {}",
        "unsafe fn f() {}",
        "pub struct S;\nunsafe impl Send for S {}",
        "unsafe trait T {}",
        "unsafe extern \"C\" { fn f(); }",
        "fn f() { foreign!(unsafe { g() }) }",
        "macro_rules! m { () => { unsafe { g() } } }",
        "#[unsafe(no_mangle)]\nfn f() {}",
        "#[cfg(test)]\nmod tests { fn f() { unsafe { g() } } fn g() {} }",
        "type F = unsafe extern \"C\" fn();",
    ] {
        for path in ["src/sender/mod.rs", "src/io/reactor.rs", "src/sender/tests.rs"] {
            assert!(broken(unsafe_outside_the_border, path, text), "{path}: {text}");
        }
        for path in ["src/io/clock.rs", "src/capi/send.rs", "src/security/gssapi_library.rs"] {
            assert!(!broken(unsafe_outside_the_border, path, text), "{path}: {text}");
        }
    }
    for text in [
        "#![deny(unsafe_code)] // unsafe",
        "/* unsafe /* nested */ unsafe */\nconst A: &str = \"\\\" unsafe\";\nconst B: &str = r#\"unsafe \" \"#;",
        "/// unsafe\nfn f<'a>(_: &'a str) -> char { '\"' }\nconst C: &[u8] = b\"unsafe\"; // '",
        "fn is_unsafe() {}\nconst UNSAFE: u8 = 1;",
    ] {
        assert!(!broken(unsafe_outside_the_border, "src/sender/mod.rs", text), "{text}");
    }
}

#[test]
fn a_clock_in_the_wrong_room() {
    for text in [
        "use std::time::Instant;\nfn f() { Instant::now(); }",
        "use std::time::*;\nfn f() { Instant::now(); }",
        "fn f() { std::time::SystemTime::now(); }",
        "use std::time::Instant as I;\nfn f() { I::now(); }",
        "use std::time;\nfn f() { time::Instant::now(); }",
        "use std::{time as t};\nfn f() { t::SystemTime::now(); }",
        "type I = std::time::Instant;\nfn f() { I::now(); }",
        "fn f() { <std::time::Instant>::now(); }",
        "use std::time::Instant;\nfn f(x: Option<Instant>) { x.unwrap_or_else(Instant::now); }",
        "fn f(x: Option<u8>) { println!(\"{:?}\", std::time::Instant::now()); }",
        "fn f() { foreign!(~ std::time::Instant::now() ~) }",
        "use std::time::UNIX_EPOCH;\nfn f() { UNIX_EPOCH.elapsed(); }",
        "fn f(begin: std::time::Instant) { begin.elapsed(); }",
        "fn f(begin: std::time::Instant) { foreign!(~ begin.elapsed() ~) }",
        "fn f(begin: std::time::Instant) { std::time::Instant::elapsed(&begin); }",
        "fn f() { libc::clock_gettime(0, p); }",
        "use libc::clock_gettime as read;\nfn f() { read(0, p); }",
        "unsafe extern \"C\" { fn clock_gettime(); }\nfn f() { clock_gettime(); }",
        "pub mod inner { pub use std::time::Instant as I; }\nfn f() { inner::I::now(); }",
        "macro_rules! m { () => { std::time::Instant::now() } }\nfn f() { m!(); }",
    ] {
        assert!(broken(clock_reads, "src/accumulator/budget.rs", text), "{text}");
        let in_tests = format!("#[cfg(test)]\nmod tests {{ {text} }}");
        assert!(broken(clock_reads, "src/sender/timers.rs", &in_tests), "{text}");
        assert!(broken(clock_reads, "src/sim/tests.rs", text), "{text}");
        for path in ["src/io/reactor.rs", "src/producer/mod.rs", "src/mock/server.rs", "src/sync.rs"] {
            assert!(!broken(clock_reads, path, text), "{path}: {text}");
        }
        assert!(!broken(clock_reads, "src/accumulator/budget.rs", &in_tests), "{text}");
        assert!(!broken(clock_reads, "src/accumulator/tests.rs", text), "{text}");
    }
    for text in [
        "use std::time::{Duration, Instant};\nfn f(now: Instant) -> Duration { now.duration_since(now) }",
        "// Instant::now()\nconst A: &str = \"Instant::now()\";",
        "struct Time;\nimpl Time { fn now() -> Time { Time } }\nfn f() { Time::now(); }",
        "struct S { elapsed: u8 }\nfn f(s: S) -> u8 { s.elapsed }",
    ] {
        assert!(!broken(clock_reads, "src/sender/mod.rs", text), "{text}");
    }
}

#[test]
fn the_outside_world_in_the_core() {
    for text in [
        "use std::thread;",
        "use std::{net::TcpStream, fmt};",
        "use std::{fmt, io::Read, fs as files};",
        "use std as s;\nfn f() { s::fs::read(\"x\"); }",
        "use std::*;",
        "fn f() { std::env::var(\"X\"); }",
        "fn f(_: std::net::IpAddr) {}",
        "fn f() { println!(\"{:?}\", std::env::args()); }",
        "macro_rules! m { () => { ::std::thread::spawn(|| {}) } }",
        "use mio::Token;",
        "use mio;",
        "fn f(_: socket2::Socket) {}",
        "extern crate std as s;\nfn f() { s::thread::spawn(|| {}); }",
    ] {
        assert!(broken(outside_world_in_the_core, "src/sender/mod.rs", text), "{text}");
        assert!(broken(outside_world_in_the_core, "src/mock/broker.rs", text), "{text}");
        assert!(!broken(outside_world_in_the_core, "src/mock/server.rs", text), "{text}");
        assert!(!broken(outside_world_in_the_core, "src/mock/server/link.rs", text), "{text}");
        assert!(!broken(outside_world_in_the_core, "src/io/mod.rs", text), "{text}");
        assert!(!broken(outside_world_in_the_core, "src/sender/tests.rs", text), "{text}");
    }
    for text in [
        "use std::collections::BTreeMap;",
        "// use std::thread;\nconst A: &str = \"std::net\";",
        "fn f(env: u8, net: u8, mio: u8) -> u8 { env + net + mio }",
        "const V: &str = std::env!(\"CARGO_PKG_VERSION\");",
        "mod net { pub fn x() {} }\nfn f() { net::x(); }",
    ] {
        assert!(!broken(outside_world_in_the_core, "src/sender/mod.rs", text), "{text}");
    }
}

#[test]
fn unfinished_work() {
    for text in [
        "fn f() { todo!() }",
        "fn f() { unimplemented!(\"x\") }",
        "fn f() { std::dbg!(1); }",
        "fn f() { assert!(dbg!(true)); }",
        "fn f() { foreign!(~ todo!() ~) }",
        "macro_rules! m { () => { todo!() } }",
        "use std::todo as later;\nfn f() { later!() }",
        "#[cfg(test)]\nmod tests { fn f() { todo!() } }",
    ] {
        assert!(broken(unfinished, "src/io/mod.rs", text), "{text}");
        assert!(broken(unfinished, "src/io/tests.rs", text), "{text}");
    }
    for text in
        ["// todo!() is not allowed", "fn todo() {}\nfn f() { todo() }", "fn f(todo: u8) -> bool { todo != (1) }"]
    {
        assert!(!broken(unfinished, "src/io/mod.rs", text), "{text}");
    }
}

#[test]
fn a_sleep() {
    for text in [
        "fn f() { std::thread::sleep(d) }",
        "use std::thread::sleep;\nfn f() { sleep(d) }",
        "use std::thread::sleep as nap;\nfn f() { nap(d) }",
        "use std::thread as t;\nfn f() { t::sleep(d) }",
        "fn f() { [d].map(std::thread::sleep); }",
        "fn f() { libc::usleep(1); }",
        "fn f() { libc::nanosleep(p, p); }",
        "fn f() { foreign!(~ std::thread::sleep(d) ~) }",
        "fn sleep() {}\nfn f() { sleep() }",
        "mod inner { pub use std::thread::sleep as nap; }\nfn f() { inner::nap(d) }",
    ] {
        assert!(broken(sleeps, "src/io/mod.rs", text), "{text}");
        assert!(broken(sleeps, "src/io/tests.rs", text), "{text}");
    }
    for text in [
        "struct S;\nimpl S { fn sleep(&self, sleep: u8) { let sleep = sleep; self.sleep(sleep) } }",
        "fn f(s: &S) { foreign!(~ s.sleep(1) ~) }",
        "fn asleep() {}\nfn f() { asleep() }",
        "// sleep(1)",
    ] {
        assert!(!broken(sleeps, "src/io/mod.rs", text), "{text}");
    }
}

#[test]
fn a_long_file() {
    assert!(broken(too_long, "src/io/mod.rs", &"\n".repeat(FILE_LINES_MAX + 1)));
    assert!(broken(too_long, "src/io/tests.rs", &"\n".repeat(FILE_LINES_MAX + 1)));
    assert!(!broken(too_long, "src/io/mod.rs", &"\n".repeat(FILE_LINES_MAX)));
}
