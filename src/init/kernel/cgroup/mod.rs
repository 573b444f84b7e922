//! A cgroup (version 2) for each service that wants one, where the container lets us make any.
//!
//! ```text
//! OURS/                cgroup.subtree_control: the controllers that some service needs
//!   init/              ourselves, once a controller is needed, and whoever else was in OURS
//!   NAME.service/      one service, with its limits
//! ```
//! The kernel does not let a cgroup have both processes and controllers for its children, so `init` moves into a leaf of
//! its own, but only when the first limit asks for a controller. Without limits nothing is moved or enabled.
//! Version 1 is not used: its limits need several hierarchies, and it cannot kill.

mod detect;
mod group;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use group::Cgroup;

use init_plan::CgroupLimits;

/// cpu.max's period in microseconds; the kernel's own default.
const CPU_PERIOD: u64 = 100_000;

/// Rounds in which processes are moved out of our own cgroup; forks may put new ones there meanwhile.
const MOVES: usize = 16;

/// The cgroup that is ours, and what was done to it.
#[derive(Debug)]
pub struct Cgroups {
    dir: PathBuf,
    enabled: BTreeSet<&'static str>,
    complained: BTreeSet<&'static str>,
    moved: bool,
}

impl Cgroups {
    /// Finds the cgroup we are in; `root` is `/` but in tests. Changes nothing.
    ///
    /// # Errors
    /// Why cgroups cannot be used here, in one line; for a warning if a service wants limits.
    pub fn detect(root: &Path) -> Result<Cgroups, String> {
        let dir = detect::own_directory(root)?;
        detect::writable(&dir)?;
        Ok(Cgroups::at(dir))
    }

    /// Uses this directory of a cgroup2 file system as ours.
    pub fn at(dir: PathBuf) -> Cgroups {
        Cgroups { dir, enabled: BTreeSet::new(), complained: BTreeSet::new(), moved: false }
    }

    /// The cgroup that is ours.
    pub fn directory(&self) -> &Path {
        &self.dir
    }

    /// Makes a service's cgroup, or takes the one an earlier run left, and sets its limits.
    ///
    /// The second value holds a line for each limit that could not be set; each kind is reported once, not once a
    /// service.
    ///
    /// # Errors
    /// One line if there is no cgroup at all.
    pub fn create(&mut self, service: &str, limits: &CgroupLimits) -> Result<(Cgroup, Vec<String>), String> {
        // The ending keeps a service named `memory.max` or `init` away from the kernel's names and ours.
        let dir = self.dir.join(format!("{service}.service"));
        let fresh = match DirBuilder::new().mode(0o755).create(&dir) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(format!("cannot make cgroup {}: {error}", dir.display())),
        };
        let mut warnings = Vec::new();
        for (controller, file, value) in settings(limits) {
            match value {
                Some(value) => warnings.extend(self.limit(&dir, controller, file, &value)),
                None if fresh => {}
                // What an earlier plan wanted. Without the controller there is no such file, and no such limit.
                None => drop(fs::write(dir.join(file), "max")),
            }
        }
        Ok((Cgroup::new(dir), warnings))
    }

    /// Sets one limit; says why not, the first time.
    fn limit(&mut self, dir: &Path, controller: &'static str, file: &str, value: &str) -> Option<String> {
        let done = self.enable(controller).and_then(|()| {
            let path = dir.join(file);
            fs::write(&path, value).map_err(|error| format!("writing {value} to {}: {error}", path.display()))
        });
        let why = done.err()?;
        let first = self.complained.insert(controller);
        first.then(|| format!("cannot limit {controller} of services: {why}"))
    }

    fn enable(&mut self, controller: &'static str) -> Result<(), String> {
        if self.enabled.contains(controller) {
            return Ok(());
        }
        let available = fs::read_to_string(self.dir.join("cgroup.controllers")).unwrap_or_default();
        if !available.split_ascii_whitespace().any(|known| known == controller) {
            return Err(format!(
                "{} has no {controller} controller (it has: {}); run the container on a host with cgroup v2 only",
                self.dir.display(),
                if available.trim().is_empty() { "none" } else { available.trim() }
            ));
        }
        self.make_way()?;
        let file = self.dir.join("cgroup.subtree_control");
        fs::write(&file, format!("+{controller}"))
            .map_err(|error| format!("writing +{controller} to {}: {error}", file.display()))?;
        self.enabled.insert(controller);
        Ok(())
    }

    /// Moves every process of our own cgroup, ourselves among them, into the leaf `init`.
    fn make_way(&mut self) -> Result<(), String> {
        // The root of the hierarchy, which alone has no events, may have both processes and controllers.
        if self.moved || !self.dir.join("cgroup.events").exists() {
            return Ok(());
        }
        let leaf = self.dir.join("init");
        match DirBuilder::new().mode(0o755).create(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(format!("making {}: {error}", leaf.display()));
            }
            _ => {}
        }
        for _ in 0..MOVES {
            let pids = group::pids(&self.dir);
            if pids.is_empty() {
                self.moved = true;
                return Ok(());
            }
            for pid in pids {
                // One that has ended meanwhile needs no move; for any other reason the next round finds it again.
                let _ = fs::write(leaf.join("cgroup.procs"), pid.to_string());
            }
        }
        Err(format!("processes cannot be moved from {} to {}", self.dir.display(), leaf.display()))
    }
}

/// Each limit's controller, file and value as the kernel wants it.
fn settings(limits: &CgroupLimits) -> [(&'static str, &'static str, Option<String>); 3] {
    let cpu = |percent: u32| {
        // Less than 1 ms a period is refused by the kernel.
        let quota = (u64::from(percent) * CPU_PERIOD / 100).max(1000);
        format!("{quota} {CPU_PERIOD}")
    };
    [
        ("memory", "memory.max", limits.memory.map(|bytes| bytes.to_string())),
        ("pids", "pids.max", limits.pids.map(|pids| pids.to_string())),
        ("cpu", "cpu.max", limits.cpu_percent.map(cpu)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of plain files in place of the kernel's: what is written can be read back.
    fn fake(controllers: &str) -> (tempfile::TempDir, Cgroups) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.controllers"), controllers).unwrap();
        let cgroups = Cgroups::at(dir.path().to_owned());
        (dir, cgroups)
    }

    fn limits() -> CgroupLimits {
        CgroupLimits { memory: Some(512 << 20), pids: Some(100), cpu_percent: Some(50) }
    }

    #[test]
    fn limits_are_written_as_the_kernel_wants_them() {
        let (dir, mut cgroups) = fake("cpuset cpu memory pids\n");
        assert!(cgroups.create("web", &limits()).unwrap().1.is_empty());
        let read = |file: &str| fs::read_to_string(dir.path().join("web.service").join(file)).unwrap();
        assert_eq!(
            (read("memory.max"), read("pids.max"), read("cpu.max")),
            ("536870912".into(), "100".into(), "50000 100000".into())
        );
    }

    #[test]
    fn limit_that_is_no_longer_wanted_is_lifted_from_a_cgroup_left_over() {
        let (dir, mut cgroups) = fake("cpu memory pids");
        cgroups.create("web", &limits()).unwrap();
        cgroups.create("web", &CgroupLimits { pids: Some(5), ..CgroupLimits::default() }).unwrap();
        let read = |file: &str| fs::read_to_string(dir.path().join("web.service").join(file)).unwrap();
        assert_eq!(
            (read("memory.max"), read("pids.max"), read("cpu.max")),
            ("max".into(), "5".into(), "max".into())
        );
    }

    #[test]
    fn controller_that_is_missing_is_reported_once() {
        let (_dir, mut cgroups) = fake("pids hugetlb\n");
        let warnings = cgroups.create("web", &limits()).unwrap().1;
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].starts_with("cannot limit memory of services: ")
                && warnings[0].contains("pids hugetlb")
        );
        assert!(warnings[1].starts_with("cannot limit cpu of services: "));
        assert!(cgroups.create("db", &limits()).unwrap().1.is_empty());
    }

    #[test]
    fn nothing_is_moved_or_enabled_without_limits() {
        let (dir, mut cgroups) = fake("cpu memory pids");
        fs::write(dir.path().join("cgroup.events"), "populated 1\n").unwrap();
        cgroups.create("init", &CgroupLimits::default()).unwrap();
        assert!(!dir.path().join("init").exists() && !dir.path().join("cgroup.subtree_control").exists());
    }

    #[test]
    fn share_of_a_cpu_is_never_below_what_the_kernel_takes() {
        let cpu = |percent| settings(&CgroupLimits { cpu_percent: Some(percent), ..limits() })[2].2.clone();
        assert_eq!(cpu(0), Some("1000 100000".into()));
        assert_eq!(cpu(250), Some("250000 100000".into()));
        assert_eq!(cpu(u32::MAX), Some("4294967295000 100000".into()));
    }

    #[test]
    fn processes_of_our_own_cgroup_make_way_for_controllers() {
        let real = match Cgroups::detect(Path::new("/")) {
            Ok(cgroups) => cgroups.dir,
            Err(why) => return needs::skip("cgroup-v2", &why),
        };
        let dir = real.join(format!("pulp-init-test-way-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&dir) {
            return needs::skip("cgroup-v2", &format!("{}: {error}", dir.display()));
        }
        let mut children = [(); 3].map(|()| std::process::Command::new("sleep").arg("60").spawn().unwrap());
        for child in &children {
            fs::write(dir.join("cgroup.procs"), child.id().to_string()).unwrap();
        }
        let mut cgroups = Cgroups::at(dir.clone());
        cgroups.make_way().unwrap();
        assert!(cgroups.moved && group::pids(&dir).is_empty());
        assert_eq!(group::pids(&dir.join("init")).len(), 3);
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        Cgroup::new(dir).remove().unwrap();
    }
}
