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

/// Installs what cargo built for this test: no second build, and none of the release profile's minutes.
fn make(target: &str, stage: &Path, build: &Path) {
    support::run(
        Command::new("make")
            .args(["-s", target, "PREFIX=/usr"])
            .arg(format!("DESTDIR={}", stage.display()))
            .arg(format!("BUILT={}", support::built_dir().display()))
            .arg(format!("BUILD={}", build.display()))
            .current_dir(support::root())
            // A `make test` above must not hand its own settings down.
            .env_remove("MAKEFLAGS")
            .env_remove("MAKEOVERRIDES"),
    );
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
