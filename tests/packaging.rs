//! What `make install` leaves behind, and that a program finds it.

#![cfg(target_os = "linux")]

mod support;

use std::{fs, path::Path, process::Command};
use support::Scratch;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ABI: &str = env!("CARGO_PKG_VERSION_MAJOR");

#[test]
fn install_lays_out_and_uninstall_removes() {
    let (stage, build) = (Scratch::new("install"), Scratch::new("install-build"));
    make("all", stage.path(), build.path());
    make("install", stage.path(), build.path());

    let lib = stage.path().join("usr/lib");
    for file in [
        lib.join(format!("libkproducer.so.{VERSION}")),
        lib.join("libkproducer.a"),
        lib.join("pkgconfig/kproducer.pc"),
        stage.path().join("usr/include/kproducer.h"),
    ] {
        assert!(fs::symlink_metadata(&file).is_ok_and(|f| f.is_file()), "{} is no file", file.display());
    }
    // The linker follows the first, the loader the second: each must lead to the library that is really there.
    for (link, target) in [
        ("libkproducer.so".to_owned(), format!("libkproducer.so.{ABI}")),
        (format!("libkproducer.so.{ABI}"), format!("libkproducer.so.{VERSION}")),
    ] {
        assert_eq!(fs::read_link(lib.join(&link)).expect("a symbolic link"), Path::new(&target), "{link}");
    }

    let pc = fs::read_to_string(lib.join("pkgconfig/kproducer.pc")).expect("the pkg-config file is text");
    for line in [
        "prefix=/usr",
        "libdir=${prefix}/lib",
        "includedir=${prefix}/include",
        &format!("Version: {VERSION}"),
        "Libs: -L${libdir} -lkproducer",
        "Cflags: -I${includedir}",
    ] {
        assert!(pc.lines().any(|l| l == line), "kproducer.pc lacks {line:?}:\n{pc}");
    }
    let private = pc.lines().find_map(|line| line.strip_prefix("Libs.private: ")).unwrap_or_default();
    assert!(private.split(' ').any(|flag| flag == "-lc"), "kproducer.pc names no system libraries:\n{pc}");
    assert!(!pc.contains('@'), "kproducer.pc has an unfilled place:\n{pc}");

    links_and_runs(stage.path(), private);

    make("uninstall", stage.path(), build.path());
    let left = files_below(stage.path());
    assert!(left.iter().all(|file| file.starts_with("program")), "uninstall left {left:?}");
}

/// `sudo make install` builds nothing: as root there may be no Rust, and what it built would belong to root.
#[test]
fn install_without_a_build_says_what_to_do_and_copies_nothing() {
    let (stage, build) = (Scratch::new("install-nothing"), Scratch::new("install-nothing-build"));
    let ended = command("install", stage.path(), build.path()).output().expect("make starts");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("run 'make' first"), "{said}");
    assert!(files_below(stage.path()).is_empty());
}

#[test]
fn what_is_installed_has_no_debug_symbols_unless_asked_for_and_needs_no_rust() {
    let (stage, build) = (Scratch::new("install-stripped"), Scratch::new("install-stripped-build"));
    make("all", stage.path(), build.path());
    let no_rust = |command: &mut Command| {
        support::run(command.args(["CARGO=/nonexistent/cargo", "RUSTC=/nonexistent/rustc"]));
    };
    no_rust(&mut command("install", stage.path(), build.path()));
    let library = stage.path().join(format!("usr/lib/libkproducer.so.{VERSION}"));
    let debug = stage.path().join(format!("usr/lib/libkproducer.so.{VERSION}.debug"));
    let sections = |file: &Path| {
        let read = Command::new("readelf").args(["-S", "-W"]).arg(file).output().expect("readelf starts");
        String::from_utf8_lossy(&read.stdout).into_owned()
    };
    assert!(!sections(&library).contains(".debug_line") && !debug.exists());
    no_rust(command("install", stage.path(), build.path()).arg("DEBUG_SYMBOLS=1"));
    assert!(!sections(&library).contains(".debug_line") && sections(&debug).contains(".debug_line"));
    assert!(sections(&library).contains(".gnu_debuglink"));
}

/// A program built against the installed files only, once with the shared and once with the static library.
fn links_and_runs(stage: &Path, static_libs: &str) {
    let source = stage.join("program.c");
    fs::write(&source, "#include <kproducer.h>\nint main(void) { return PRODUCER_VERSION_MAJOR < 0; }\n")
        .expect("the scratch folder is writable");
    let lib = stage.join("usr/lib");
    let compile = |name: &str| {
        let mut command = Command::new(support::c_compiler());
        command.arg("-I").arg(stage.join("usr/include")).arg(&source).arg("-o").arg(stage.join(name));
        command
    };

    let mut shared = compile("program-shared");
    // Kept though the program calls nothing: the loader must find the library by its SONAME.
    shared.args(["-Wl,--no-as-needed", "-lkproducer"]).arg(format!("-L{}", lib.display()));
    support::run(&mut shared);
    support::run(Command::new(stage.join("program-shared")).env("LD_LIBRARY_PATH", &lib));

    let mut fixed = compile("program-static");
    fixed.arg("-Wl,--whole-archive").arg(lib.join("libkproducer.a")).arg("-Wl,--no-whole-archive");
    support::run(fixed.args(static_libs.split_whitespace()));
    support::run(&mut Command::new(stage.join("program-static")));
}

fn make(target: &str, stage: &Path, build: &Path) {
    support::run(&mut command(target, stage, build));
}

/// Uses what cargo built for this test: no second build, and none of the release profile's minutes.
fn command(target: &str, stage: &Path, build: &Path) -> Command {
    let mut command = Command::new("make");
    command
        .args(["-s", target, "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", stage.display()))
        .arg(format!("BUILT={}", support::built_dir().display()))
        .arg(format!("BUILD={}", build.display()))
        .current_dir(support::root())
        // A `make test` above must not hand its own settings down.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKEOVERRIDES");
    command
}

fn files_below(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    files
}
