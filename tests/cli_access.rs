//! Whom `svctl` trusts, and what it says when it may not connect. Most of this needs root, to be somebody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on is to panic")]

mod cli_support;

use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cli_support::{Outcome, Peer, done, svctl, until_hangup};
use init_control::client::{Client, Unreachable};
use init_control::wire::Request;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};

const NOBODY: u32 = 65534;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// `svctl list` as a user who owns nothing, with a copy of the binary that this user can reach.
fn list_as_nobody(directory: &Path) -> Outcome {
    let place = tempfile::tempdir().unwrap();
    mode(place.path(), 0o755);
    // By a program of its own: who is forked while this one holds the copy open for writing would hold it open, too, and a
    // program that is open for writing cannot be executed.
    let copied = Command::new("cp").arg(cli_support::programs::svctl()).arg(place.path()).status();
    assert!(copied.unwrap().success());
    let mut command = cli_support::programs::away_from_others();
    let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
    command.args(["setpriv", &user, &group, "--clear-groups"]).arg(place.path().join("svctl"));
    Outcome::of(command.arg("list").env("INIT_RUNTIME_DIR", directory).current_dir("/"))
}

#[test]
fn a_socket_that_may_not_be_used_is_5_with_the_cure() {
    if !needs::root() {
        return;
    }
    let peer = Peer::answering(|_| vec![done()]);
    let directory = peer.directory.path();
    mode(directory, 0o755);
    mode(&directory.join("control"), 0o600);
    let outcome = list_as_nobody(directory);
    assert_eq!(outcome.code, 5);
    assert!(outcome.err.contains("permission denied; run svctl as root or"), "{}", outcome.err);
    assert!(outcome.err.ends_with("[C0107]\n"), "{}", outcome.err);
}

#[test]
fn a_directory_that_may_not_be_entered_is_5() {
    if !needs::root() {
        return;
    }
    let peer = Peer::answering(|_| vec![done()]);
    mode(peer.directory.path(), 0o700);
    assert_eq!(list_as_nobody(peer.directory.path()).code, 5);
}

#[test]
fn anybody_may_use_a_socket_of_root_that_is_open_to_all() {
    if !needs::root() {
        return;
    }
    let peer = Peer::answering(|_| vec![done()]);
    mode(peer.directory.path(), 0o755);
    mode(&peer.directory.path().join("control"), 0o666);
    let outcome = list_as_nobody(peer.directory.path());
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[test]
fn a_socket_of_somebody_else_is_not_trusted() {
    if !needs::root() {
        return;
    }
    let peer = Peer::answering(|_| vec![done()]);
    chown(peer.directory.path().join("control"), Some(NOBODY), None).unwrap();
    let outcome = Outcome::of(svctl(peer.directory.path()).arg("list"));
    assert_eq!(outcome.code, 5);
    assert!(outcome.err.contains("belongs to uid 65534"), "{}", outcome.err);
    assert!(outcome.err.ends_with("[C0108]\n"), "{}", outcome.err);
    assert!(peer.requests.try_recv().is_err(), "it was told something all the same");
}

#[test]
fn a_user_may_use_a_socket_of_its_own() {
    if !needs::root() {
        return;
    }
    let peer = Peer::answering(|_| vec![done()]);
    chown(peer.directory.path().join("control"), Some(NOBODY), None).unwrap();
    assert!(Client::connect(&[peer.directory.path().to_owned()], NOBODY).is_ok());
}

/// A socket at which nobody listens. A listener that is closed will not do: a process that another test forks just then has
/// it open for a moment.
fn bind_only(path: &Path) {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(socket.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
}

#[test]
fn a_dead_socket_does_not_hide_a_living_one() {
    let peer = Peer::answering(|_| vec![done()]);
    let dead = tempfile::tempdir().unwrap();
    bind_only(&dead.path().join("control"));
    let us = nix::unistd::geteuid().as_raw();
    let places = [PathBuf::from("/nonexistent"), dead.path().to_owned(), peer.directory.path().to_owned()];
    assert!(Client::connect(&places, us).is_ok());
    let stale = Client::connect(&places[..2], us).unwrap_err();
    assert!(matches!(stale, Unreachable::Stale(_)), "{stale}");
}

#[test]
fn a_path_too_long_for_a_socket_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("x".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let us = nix::unistd::geteuid().as_raw();
    // There can be none of that name, so nothing is found.
    assert!(matches!(Client::connect(&[deep], us), Err(Unreachable::Absent { .. })));
}

#[test]
fn an_init_that_does_not_answer_is_given_up() {
    let peer = Peer::with(|_, stream| until_hangup(&stream));
    let us = nix::unistd::geteuid().as_raw();
    let client = Client::connect(&[peer.directory.path().to_owned()], us).unwrap();
    let mut answers = client.ask(&Request::Health, Some(Duration::from_millis(20))).unwrap();
    assert!(answers.next().unwrap().is_err());
    assert!(answers.next().is_none());
}
