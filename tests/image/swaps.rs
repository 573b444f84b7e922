//! A user of the container who swaps his directories for links, as fast as he can, while root boots the container again
//! and again. Takes minutes: `PULP_INIT_SWAPS=50` is the number of boots.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{AtFlags, RenameFlags, renameat2};
use nix::libc;
use nix::sys::stat::fstatat;
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use crate::harness::{Folders, alone, number, podman_ok};
use crate::hostile::{POSTGRES, PULP, listing, settles, what_changed};

/// What is swapped, for a link to what, and by whom.
const SWAPPED: &[(&str, &str, u32)] = &[
    ("pulp_storage/media", "/etc", PULP),
    ("pulp_storage/tmp", "/root", PULP),
    ("pulp_storage/tmp/nginx", "/etc/pulp", PULP),
    ("pulp_storage/assets", "/usr/lib/pulp", PULP),
    ("pulp_storage/.local", "/root", PULP),
    ("pgsql/data", "/etc", POSTGRES),
    ("pgsql/data/base", "/usr/bin", POSTGRES),
];

/// A directory's name, in its parent, which is held open: its path may lead elsewhere at any moment.
struct Pair {
    parent: File,
    name: String,
}

impl Pair {
    /// Puts the link beside the directory.
    fn new(folders: &Folders, &(place, target, uid): &(&str, &str, u32)) -> Pair {
        let path = folders.path(place);
        let pair = Pair {
            parent: File::open(path.parent().unwrap()).unwrap(),
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
        };
        symlinkat(target, &pair.parent, pair.link().as_str()).unwrap();
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
        fchownat(&pair.parent, pair.link().as_str(), owner, group, AtFlags::AT_SYMLINK_NOFOLLOW).unwrap();
        pair
    }

    fn link(&self) -> String {
        format!("{}.swapped", self.name)
    }

    fn exchange(&self) -> bool {
        let (name, link) = (self.name.as_str(), self.link());
        renameat2(&self.parent, name, &self.parent, link.as_str(), RenameFlags::RENAME_EXCHANGE).is_ok()
    }

    fn is_link(&self) -> bool {
        let is = fstatat(&self.parent, self.name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        is.is_ok_and(|is| is.st_mode & libc::S_IFMT == libc::S_IFLNK)
    }
}

/// Swaps until it is told to stop, and leaves each directory in its place. Says how often it swapped.
fn swap(pairs: &[Pair], stop: &AtomicBool) -> u64 {
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        swaps += pairs.iter().filter(|pair| pair.exchange()).count() as u64;
    }
    for pair in pairs.iter().filter(|pair| pair.is_link()) {
        pair.exchange();
    }
    swaps
}

/// Stops who swaps, also when the test fails meanwhile.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn directories_that_become_links_all_the_time_lead_no_boot_outside() {
    let _turn = alone();
    let boots = number("PULP_INIT_SWAPS", 0);
    if boots == 0 {
        needs::skip("swaps", "takes minutes: set PULP_INIT_SWAPS to the number of boots");
        return;
    }
    if !needs::root() {
        return;
    }
    let folders = Folders::new("");
    let pulp = folders.boot("swaps").ready();
    assert_eq!(pulp.stop(), 0);
    let before = listing(&pulp);
    let pairs: Vec<Pair> = SWAPPED.iter().map(|swapped| Pair::new(&folders, swapped)).collect();
    let (mut swaps, mut ready) = (0, 0);
    for _ in 0..boots {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let swapper = scope.spawn(|| swap(&pairs, &stop));
            let until_here = Stop(&stop);
            podman_ok(&["start", &pulp.name]);
            ready += u64::from(settles(&pulp));
            drop(until_here);
            swaps += swapper.join().unwrap();
        });
        pulp.stop();
        let changed = what_changed(&before, &listing(&pulp));
        assert!(changed.is_empty(), "after {swaps} swaps: {changed:#?}");
    }
    eprintln!("{swaps} swaps during {boots} boots, of which {ready} came up");
    assert!(swaps >= 2000 * boots, "{swaps} swaps");
}
