//! `pulp-minimal` and `pulp-web` as strict clusters run them: a user whom the image does not know, no capability, no way
//! to gain one, and a root file system that nobody can write to. None of it needs a setting of the image, or a tmpfs.

use std::collections::BTreeMap;

use crate::harness::{Pulp, turn};
use crate::single::cluster;

/// What /proc/PID/status says of the first process.
fn first_process(container: &Pulp) -> BTreeMap<String, String> {
    let status = container.ok(&["cat", "/proc/1/status"]);
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// Where a process of the container can write, besides the kernel's own file systems.
fn writable(container: &Pulp) -> Vec<String> {
    let mounts = container.ok(&["cat", "/proc/mounts"]);
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let kernels = ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue"];
    let may = fields.filter(|mount| mount[3].starts_with("rw") && !kernels.contains(&mount[2]));
    let places = may.map(|mount| mount[1].to_owned());
    // What the container engine itself puts into each container.
    let engines = ["/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"];
    let mut places: Vec<_> = places.filter(|place| !engines.contains(&place.as_str())).collect();
    places.retain(|place| !place.starts_with("/proc/") && !place.starts_with("/sys/"));
    places.sort();
    places
}

#[test]
fn one_process_images_need_no_capability_no_user_of_their_own_and_nothing_to_write_to() {
    let _turn = turn();
    let cluster = cluster();
    for (container, places) in [
        (&cluster.api, &["/dev/shm", "/var/lib/pulp"][..]),
        (&cluster.content, &["/dev/shm", "/var/lib/pulp"]),
        (&cluster.worker, &["/dev/shm", "/var/lib/pulp"]),
        (&cluster.web, &["/dev/shm"]),
    ] {
        let is = first_process(container);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(is[set], "0000000000000000", "{}: {set}", container.name);
        }
        assert_eq!(is["NoNewPrivs"], "1", "{}", container.name);
        let uid = is["Uid"].split_whitespace().next().unwrap();
        assert!(!["0", "700"].contains(&uid), "{}: {uid}", container.name);
        assert_eq!(writable(container), places, "{}", container.name);
        assert_eq!(container.exec(&["pulp-setup", "healthy"]).code, 0, "{}", container.logs());
    }
}
