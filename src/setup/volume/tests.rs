use std::fs::{self, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use super::*;
use crate::context::{Owner, ROOT};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const PULP: Owner = Owner { uid: 700, gid: 700 };

/// A volume that pulp owns, and beside it what root must leave alone. Only where the test is run by root.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Option<Host> {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let host = Host { dir };
        fs::create_dir_all(host.outside().join("inner")).unwrap();
        fs::write(host.outside().join("shadow"), "secret").unwrap();
        fs::set_permissions(host.outside().join("shadow"), Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(host.volume()).unwrap();
        needs::root().then(|| {
            chown(host.volume(), Some(700), Some(700)).unwrap();
            host
        })
    }

    fn volume(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    fn open(&self) -> Directory {
        path::open(&self.volume()).unwrap()
    }

    /// Owner, mode, size and content of everything outside the volume.
    fn listing(&self) -> Vec<(PathBuf, u32, u32, u32, Vec<u8>)> {
        let mut all = Vec::new();
        let mut todo = vec![self.outside()];
        while let Some(path) = todo.pop() {
            let is = fs::symlink_metadata(&path).unwrap();
            let content = if is.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            all.push((path.clone(), is.uid(), is.gid(), is.mode(), content));
            if is.is_dir() {
                todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        all.sort();
        all
    }
}

/// All that a hostile owner can leave at a path, and what root then says that it is.
const TRAPS: [(&str, Kind); 6] = [
    ("link to a directory", Kind::Link),
    ("link to a file", Kind::Link),
    ("dangling link", Kind::Link),
    ("named pipe", Kind::Fifo),
    ("socket", Kind::Socket),
    ("file", Kind::File),
];

fn set_trap(trap: &str, outside: &Path, at: &Path) {
    match trap {
        "link to a directory" => symlink(outside, at).unwrap(),
        "link to a file" => symlink(outside.join("shadow"), at).unwrap(),
        "dangling link" => symlink(outside.join("missing"), at).unwrap(),
        "named pipe" => mkfifo(at, Mode::from_bits_truncate(0o666)).unwrap(),
        "socket" => drop(UnixListener::bind(at).unwrap()),
        "file" => fs::write(at, "theirs").unwrap(),
        "hard link" => fs::hard_link(outside.join("shadow"), at).unwrap(),
        other => panic!("{other}"),
    }
    if trap != "hard link" {
        lchown(at, Some(700), Some(700)).unwrap();
    }
}

fn kind(failure: &Failure) -> Option<Kind> {
    match failure.reason {
        Reason::Found(kind) => Some(kind),
        Reason::Kernel(_) => None,
    }
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let is = fs::symlink_metadata(path).unwrap();
    (is.uid(), is.gid())
}

#[test]
fn whatever_stands_at_any_component_of_a_path_is_named_and_nothing_outside_changes() {
    const COMPONENTS: [&str; 3] = ["one", "one/two", "one/two/three"];
    for (trap, expected) in TRAPS {
        for component in COMPONENTS {
            let Some(host) = Host::new() else { return };
            let before = host.listing();
            let at = host.volume().join(component);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            set_trap(trap, &host.outside(), &at);
            let failure =
                path::open_or_make(&host.volume().join("one/two/three"), Some(PULP), 0o755).unwrap_err();
            assert_eq!(
                (failure.path.as_path(), kind(&failure)),
                (at.as_path(), Some(expected)),
                "{trap} {component}"
            );
            let problem = failure.problem("make the directory");
            assert!(problem.what().contains(at.to_str().unwrap()), "{problem}");
            assert!(problem.cure().contains(at.to_str().unwrap()) && problem.code() == 78, "{problem}");
            assert_eq!(host.listing(), before, "{trap} {component}");
        }
    }
}

#[test]
fn whatever_stands_in_the_place_of_a_file_is_neither_read_nor_given_away() {
    let traps =
        TRAPS.into_iter().filter(|&(trap, _)| trap != "file").chain([("hard link", Kind::HardLinked)]);
    for (trap, expected) in traps {
        let Some(host) = Host::new() else { return };
        let before = host.listing();
        let at = host.volume().join("file");
        set_trap(trap, &host.outside(), &at);
        let directory = host.open();
        let name = OsStr::new("file");
        let given = directory.own(name, Some(PULP), 0o644).unwrap_err();
        assert_eq!((given.path.as_path(), kind(&given)), (at.as_path(), Some(expected)), "{trap}");
        if expected != Kind::HardLinked {
            assert_eq!(kind(&directory.read(name, 100).unwrap_err()), Some(expected), "{trap}");
        }
        assert_eq!(host.listing(), before, "{trap}");
        // Writing replaces the name, whatever it stood for, and nothing that it led to.
        directory.write(name, b"ours", Some(ROOT), 0o640).unwrap();
        assert_eq!(directory.read(name, 100).unwrap().unwrap(), b"ours");
        let is = fs::symlink_metadata(&at).unwrap();
        assert!(is.is_file() && is.mode() & 0o7777 == 0o640 && is.uid() == 0, "{trap}");
        assert_eq!(fs::read_dir(host.volume()).unwrap().count(), 1, "{trap}");
        if trap != "hard link" {
            assert_eq!(host.listing(), before, "{trap}");
        }
    }
}

#[test]
fn a_link_that_only_root_can_have_made_is_followed_and_one_of_the_volumes_owner_is_not() {
    let Some(host) = Host::new() else { return };
    let moved = host.dir.path().join("moved");
    symlink("volume", &moved).unwrap();
    fs::create_dir(host.volume().join("inside")).unwrap();
    assert!(path::open(&moved.join("inside")).is_ok());
    // The same link, where pulp can make one, even if root owns it: its directory's owner can have moved it there.
    symlink(host.outside(), host.volume().join("link")).unwrap();
    assert_eq!(kind(&path::open(&host.volume().join("link")).unwrap_err()), Some(Kind::Link));
    // Whoever may write beside a link can replace it.
    fs::set_permissions(host.dir.path(), Permissions::from_mode(0o775)).unwrap();
    assert_eq!(kind(&path::open(&moved).unwrap_err()), Some(Kind::Link));
    // In a sticky directory only its owner can, and here that is root: so Kubernetes mounts secrets.
    fs::set_permissions(host.dir.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(path::open(&moved).is_ok());
    lchown(&moved, Some(700), Some(700)).unwrap();
    assert_eq!(kind(&path::open(&moved).unwrap_err()), Some(Kind::Link));
}

#[test]
fn links_that_lead_to_themselves_end() {
    let dir = tempfile::tempdir().unwrap();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    assert_eq!(path::open(&dir.path().join("a")).unwrap_err().errno(), Some(nix::errno::Errno::ELOOP));
    symlink("../../", dir.path().join("up")).unwrap();
    assert!(path::open(&dir.path().join("up")).is_ok());
}

#[test]
fn a_name_is_one_component() {
    let dir = tempfile::tempdir().unwrap();
    let directory = path::open(dir.path()).unwrap();
    for name in ["", ".", "..", "a/b", "/etc"] {
        assert!(directory.child(OsStr::new(name)).is_err(), "{name:?}");
        assert!(directory.read(OsStr::new(name), 10).is_err(), "{name:?}");
    }
}

#[test]
fn a_directory_is_made_with_owner_and_mode_and_one_that_is_there_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let owner_wanted = geteuid().is_root().then_some(PULP);
    let wanted = dir.path().join("a/b");
    path::open_or_make(&wanted, owner_wanted, 0o2770).unwrap();
    assert_eq!(fs::metadata(&wanted).unwrap().mode() & 0o7777, 0o2770);
    if owner_wanted.is_some() {
        assert_eq!((owner(&wanted), owner(dir.path().join("a"))), ((700, 700), (0, 0)));
    }
    path::open_or_make(&wanted, None, 0o700).unwrap();
    assert_eq!(fs::metadata(&wanted).unwrap().mode() & 0o7777, 0o2770);
}

#[test]
fn a_file_larger_than_the_bound_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "12345").unwrap();
    let directory = path::open(dir.path()).unwrap();
    let name = OsStr::new("file");
    assert_eq!(directory.read(name, 5).unwrap().unwrap(), b"12345");
    assert_eq!(kind(&directory.read(name, 4).unwrap_err()), Some(Kind::TooLarge));
    assert_eq!(directory.read(OsStr::new("none"), 4).unwrap(), None);
}

#[test]
fn a_tree_changes_hands_without_what_has_a_second_name_or_is_no_file() {
    let Some(host) = Host::new() else { return };
    let top = host.volume().join("top");
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::write(top.join("a/b/file"), "").unwrap();
    for (name, trap) in [("link", "link to a directory"), ("pipe", "named pipe"), ("socket", "socket")] {
        set_trap(trap, &host.outside(), &top.join(name));
        lchown(top.join(name), Some(1), Some(1)).unwrap();
    }
    set_trap("hard link", &host.outside(), &top.join("a/shadow"));
    let before = host.listing();
    let mut told = Vec::new();
    let seen = tree::give_all(&path::open(&top).unwrap(), PULP, 2, &mut |count| told.push(count)).unwrap();
    assert_eq!((seen, told), (tree::Seen { given: 4, left: 3 }, vec![2, 4]));
    for path in ["", "a", "a/b", "a/b/file", "link"] {
        assert_eq!(owner(top.join(path)), (700, 700), "{path}");
    }
    for path in ["pipe", "socket"] {
        assert_eq!(owner(top.join(path)), (1, 1), "{path}");
    }
    assert_eq!(host.listing(), before);
}

#[test]
fn a_walk_cut_short_leaves_the_top_with_its_old_owner() {
    let Some(host) = Host::new() else { return };
    let top = host.volume().join("top");
    fs::create_dir(&top).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(top.join(name), "").unwrap();
    }
    let cut = std::panic::catch_unwind(|| {
        tree::give_all(&path::open(&top).unwrap(), PULP, 2, &mut |_| panic!("as if killed"))
    });
    assert!(cut.is_err());
    assert_eq!(owner(&top), (0, 0));
    let given = |name: &&str| owner(top.join(name)) == (700, 700);
    assert_eq!(["a", "b", "c"].iter().filter(|name| given(name)).count(), 2);
    tree::give_all(&path::open(&top).unwrap(), PULP, tree::TOLD_EVERY, &mut |_| {}).unwrap();
    assert!(["", "a", "b", "c"].iter().all(given));
}

#[test]
fn what_is_mounted_inside_is_left_alone_even_from_the_same_file_system() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let Some(host) = Host::new() else { return };
    let top = host.volume().join("top");
    let nothing = None::<&str>;
    for source in ["tmpfs", "bind"] {
        let inner = top.join("inner");
        fs::create_dir_all(&inner).unwrap();
        let mounted = match source {
            "bind" => mount(Some(&host.outside()), &inner, nothing, MsFlags::MS_BIND, nothing),
            _ => mount(Some("tmpfs"), &inner, Some("tmpfs"), MsFlags::empty(), nothing),
        };
        if mounted.is_err() {
            return; // not allowed here
        }
        fs::write(inner.join("file"), "").unwrap();
        let given = tree::give_all(&path::open(&top).unwrap(), PULP, tree::TOLD_EVERY, &mut |_| {});
        let owners = (owner(&inner), owner(inner.join("file")));
        let removed = tree::remove(&path::open(&host.volume()).unwrap(), OsStr::new("top"));
        let is_there = inner.join("file").exists();
        umount2(&inner, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(given.unwrap().given, 0, "{source}");
        assert_eq!(owners, ((0, 0), (0, 0)), "{source}");
        assert!(removed.is_err() && is_there, "{source}");
    }
}

#[test]
fn what_is_removed_takes_nothing_along_that_a_link_leads_to() {
    let Some(host) = Host::new() else { return };
    let before = host.listing();
    let directory = host.open();
    for (trap, _) in TRAPS {
        let top = host.volume().join("top");
        fs::create_dir_all(top.join("a")).unwrap();
        set_trap(trap, &host.outside(), &top.join("a/trap"));
        tree::remove(&directory, OsStr::new("top")).unwrap();
        set_trap(trap, &host.outside(), &top);
        tree::remove(&directory, OsStr::new("top")).unwrap();
        tree::remove(&directory, OsStr::new("top")).unwrap();
        assert_eq!(fs::read_dir(host.volume()).unwrap().count(), 0, "{trap}");
    }
    assert_eq!(host.listing(), before);
}

#[test]
fn a_tree_that_is_endlessly_deep_ends_the_walk() {
    let Some(host) = Host::new() else { return };
    let mut here = std::fs::File::open(host.volume()).unwrap().into();
    for _ in 0..1000 {
        let above: std::os::fd::OwnedFd = here;
        nix::sys::stat::mkdirat(above.as_fd(), "d", Mode::S_IRWXU).unwrap();
        here = nix::fcntl::openat(above.as_fd(), "d", nix::fcntl::OFlag::O_RDONLY, Mode::empty()).unwrap();
    }
    let failure =
        tree::give_all(&path::open(&host.volume().join("d")).unwrap(), PULP, 10, &mut |_| {}).unwrap_err();
    assert_eq!(kind(&failure), Some(Kind::TooDeep));
    assert_eq!(kind(&tree::remove(&host.open(), OsStr::new("d")).unwrap_err()), Some(Kind::TooDeep));
    std::process::Command::new("rm").arg("-rf").arg(host.volume().join("d")).status().unwrap();
}

/// Somebody who owns the volume swaps a directory for a link, and back, as fast as possible, while root works there.
#[test]
fn a_directory_that_becomes_a_link_again_and_again_leads_root_nowhere() {
    const ROUNDS: usize = 500;
    let Some(host) = Host::new() else { return };
    let before = host.listing();
    let (volume, outside) = (host.volume(), host.outside());
    fs::create_dir_all(volume.join("real/inner")).unwrap();
    symlink(&outside, volume.join("link")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            let mut swaps = 0;
            while !done.load(Ordering::Relaxed) {
                for (from, to) in [("real", "there"), ("there", "real"), ("link", "there"), ("there", "link")]
                {
                    let _ = fs::rename(volume.join(from), volume.join(to));
                    swaps += 1;
                }
            }
            swaps
        });
        let at = volume.join("there");
        for round in 0..ROUNDS {
            let _ = path::open_or_make(&at.join("inner"), Some(PULP), 0o777);
            let _ = path::open_or_make(&at.join("new"), Some(PULP), 0o777);
            if round % 10 == 0 {
                let _ = path::open(&at).and_then(|it| tree::give_all(&it, PULP, 1000, &mut |_| {}));
            }
            if let Ok((directory, name)) = path::parent(&at.join("shadow")) {
                let _ = directory.own(name, Some(PULP), 0o666);
                let _ = directory.write(name, b"overwritten", Some(PULP), 0o666);
                let _ = tree::remove(&directory, name);
            }
            let _ = tree::remove(&host.open(), OsStr::new("there"));
            let _ = fs::create_dir_all(volume.join("real/inner"));
            let _ = symlink(&outside, volume.join("link"));
        }
        done.store(true, Ordering::Relaxed);
        assert!(swaps.join().unwrap() > ROUNDS);
    });
    assert_eq!(host.listing(), before);
}
