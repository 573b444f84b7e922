//! The programs under test, as they ship.
//!
//! `make test` says where the release binaries are (`PULP_INIT_PROGRAMS`), and where the build is in which system calls
//! fail on request (`PULP_INIT_FAULTY_PROGRAMS`). Where nobody says so (`cargo test`), cargo builds them here.
#![allow(dead_code, missing_docs, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where they are, and what cargo is told to build otherwise.
const USUAL: (&str, &[&str]) = ("PULP_INIT_PROGRAMS", &[]);
const FAULTY: (&str, &[&str]) =
    ("PULP_INIT_FAULTY_PROGRAMS", &["--features", "pulp-init/faults", "--target-dir", "target/faults"]);

pub fn init() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("pulp-init"))
}

pub fn svctl() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("svctl"))
}

pub fn probe() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| program("init-probe"))
}

/// A service to supervise that does what its words say; see `examples/puppet.rs`.
pub fn puppet() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join("examples/puppet");
    assert!(path.exists(), "{} is missing: cargo build --example puppet", path.display());
    path
}

/// Hides the sockets of every `init` that runs on this machine, or has run: both `init` and `svctl` look for a directory in
/// these places, in this order.
pub const HIDE_OTHERS: &str = "mount -t tmpfs -o mode=755 none /run || exit 99
for place in /dev/shm /tmp/pulp-init-*; do
    [ ! -d \"$place\" ] || mount -t tmpfs -o mode=1777 none \"$place\" || exit 99
done";

/// A command to which a program and its arguments are to be added: it runs in mounts of its own, where no `init` but
/// that of `$INIT_RUNTIME_DIR` can be found. Programs that run in the background of a shell ignore SIGINT; it does not.
pub fn away_from_others() -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args([
        "--mount",
        "sh",
        "-c",
        &format!("{HIDE_OTHERS}\nexec env --default-signal=INT \"$@\""),
        "sh",
    ]);
    command
}

fn program(name: &str) -> String {
    let path = directory().join(name);
    assert!(path.exists(), "{} is missing: run `make build`", path.display());
    path.into_os_string().into_string().unwrap()
}

fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let (variable, arguments) = if cfg!(feature = "faults") { FAULTY } else { USUAL };
        match std::env::var_os(variable) {
            Some(directory) if !directory.is_empty() => directory.into(),
            _ => build(arguments),
        }
    })
}

fn build(arguments: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "pulp-init", "-p", "svctl", "-p", "init-probe"])
        .args(arguments)
        .current_dir(root)
        .status();
    assert!(status.unwrap().success(), "the programs under test do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    if arguments.is_empty() { target.join("debug") } else { root.join("target/faults/debug") }
}
