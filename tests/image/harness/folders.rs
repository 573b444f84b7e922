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
        PLACES.iter().fold(Boot::new(what), |boot, (folder, place)| {
            boot.mount(&self.path(folder).to_string_lossy(), place)
        })
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What is in there belongs to users of the container, whom we may be forbidden to touch without podman.
        if !nix::unistd::geteuid().is_root() {
            let _ = Command::new("podman").args(["unshare", "rm", "-rf"]).arg(self.0.path()).output();
        }
    }
}
