//! The four folders that the documentation tells to make.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::Boot;

/// Where each is mounted.
const PLACES: &[(&str, &str)] = &[
    ("settings", "/etc/pulp"),
    ("pulp_storage", "/var/lib/pulp"),
    ("pgsql", "/var/lib/pgsql"),
    ("containers", "/var/lib/containers"),
];

/// Folders of this host, made as the documentation says:
/// `mkdir -p settings/certs pulp_storage pgsql containers`.
pub struct Folders(tempfile::TempDir);

impl Folders {
    /// With this in `settings/settings.py`.
    pub fn new(settings: &str) -> Folders {
        let folders = Folders(tempfile::tempdir().unwrap());
        for (folder, _) in PLACES {
            fs::create_dir(folders.path(folder)).unwrap();
        }
        fs::create_dir(folders.path("settings/certs")).unwrap();
        fs::write(folders.path("settings/settings.py"), settings).unwrap();
        folders
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A container with them.
    pub fn boot(&self, what: &str) -> Boot {
        self.boot_without("", what)
    }

    /// A container with all of them but one.
    pub fn boot_without(&self, without: &str, what: &str) -> Boot {
        let places = PLACES.iter().filter(|(folder, _)| *folder != without);
        places.fold(Boot::new(what), |boot, (folder, place)| {
            boot.mount(&self.path(folder).to_string_lossy(), place)
        })
    }

    /// Puts a small disk at one of them, as `mount -o size=` has it; what was in the folder is hidden. `None` where we may
    /// not mount: the test is skipped.
    pub fn disk(&self, folder: &str, size: &str) -> Option<Disk> {
        let disk = Disk(self.path(folder));
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"], &disk.0);
        if !mounted {
            needs::skip("mount", "needs the right to mount");
            std::mem::forget(disk);
            return None;
        }
        Some(disk)
    }
}

/// A disk of a certain size, in memory.
pub struct Disk(PathBuf);

impl Disk {
    /// Makes it larger or smaller; what is on it stays.
    pub fn resize(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}")], &self.0), "{size}");
    }

    /// Leaves next to no room on it.
    pub fn fill(&self) {
        let is = nix::sys::statvfs::statvfs(&self.0).unwrap();
        let used = (is.blocks() - is.blocks_free()) * is.fragment_size();
        self.resize(&(used + (128 << 10)).to_string());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn mount(options: &[&str], at: &std::path::Path) -> bool {
    Command::new("mount").args(options).arg(at).output().is_ok_and(|output| output.status.success())
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What is in there belongs to users of the container, whom we may be forbidden to touch without podman.
        if !nix::unistd::geteuid().is_root() {
            let _ = Command::new("podman").args(["unshare", "rm", "-rf"]).arg(self.0.path()).output();
        }
    }
}
