//! What a container needs in which Pulp builds images: users to map, and a place for what podman knows of this boot.

use std::ffi::OsStr;
use std::fs;

use super::ours;
use crate::context::ROOT;
use crate::volume::{files, path, tree};
use crate::{Context, Problem};

/// podman's place, while this container runs.
pub(super) const RUN: &str = "/run/pulp/containers";

/// The image's range of users, from where no user of the image is.
const RANGE: (u64, u64) = (10_000, 65_535);

/// The same where the container has fewer users: from behind those of the system.
const FIRST: u64 = 1000;

/// Makes both.
pub(super) fn prepare(context: &Context) -> Result<(), Problem> {
    let place = context.path(RUN);
    // Of an earlier boot of the same container: processes and mounts that are gone.
    if let Ok((above, _)) = path::parent(&place) {
        let _ = tree::remove(&above, OsStr::new("containers"));
    }
    ours(context, &place, context.accounts.pulp, 0o700)?;
    for (file, map) in [("/etc/subuid", "/proc/self/uid_map"), ("/etc/subgid", "/proc/self/gid_map")] {
        fit(context, file, map);
    }
    Ok(())
}

/// Lets a range of users be one that this container has: a rootless one has 65,537 in all. A range of the user's own stays.
fn fit(context: &Context, file: &str, map: &str) {
    let read = |path: &str| fs::read_to_string(context.path(path)).unwrap_or_default();
    let (first, count) = RANGE;
    let users = users(&read(map));
    if users >= first + count
        || read(file) != format!("pulp:{first}:{count}\n")
        || !context.accounts.may_chown
    {
        return;
    }
    let range = format!("pulp:{FIRST}:{}\n", users.saturating_sub(FIRST));
    if let Err(problem) = files::write(context, &context.path(file), range.as_bytes(), ROOT, 0o644) {
        context.say(&format!(
            "{file}: this container has {users} users only, so Pulp cannot build images in it: {}",
            problem.what()
        ));
    }
}

/// How many users there are, from 0 on without a gap: `user_namespaces(7)`.
fn users(map: &str) -> u64 {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        Some((numbers.next()?.ok()?, numbers.nth(1)?.ok()?))
    };
    let mut ranges: Vec<(u64, u64)> = map.lines().filter_map(line).collect();
    ranges.sort_unstable();
    ranges.iter().fold(0, |end, (first, count)| if *first == end { end + count } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_counted_up_to_the_first_gap() {
        assert_eq!(users("         0          0 4294967295\n"), 4_294_967_295);
        assert_eq!(users("0 1000 1\n1 100000 65536\n"), 65_537);
        assert_eq!(users("1 100000 65536\n0 1000 1\n"), 65_537);
        assert_eq!(users("0 1000 1\n700 7 1\n"), 1);
        assert_eq!(users("nonsense"), 0);
    }

    #[test]
    fn a_container_with_few_users_gets_a_range_that_it_has() {
        const IMAGES: &str = "pulp:10000:65535\n";
        let after = |map: &str, before: &str| {
            let dir = tempfile::tempdir().unwrap();
            let mut context = Context::for_test(dir.path(), []);
            context.accounts.may_chown = nix::unistd::geteuid().is_root();
            for (path, text) in [("/etc/subuid", before), ("/proc/self/uid_map", map)] {
                fs::create_dir_all(context.path(path).parent().unwrap()).unwrap();
                fs::write(context.path(path), text).unwrap();
            }
            fit(&context, "/etc/subuid", "/proc/self/uid_map");
            fs::read_to_string(context.path("/etc/subuid")).unwrap()
        };
        if !needs::root() {
            return;
        }
        assert_eq!(after("0 0 4294967295\n", IMAGES), IMAGES);
        assert_eq!(after("0 1000 1\n1 100000 65536\n", IMAGES), "pulp:1000:64537\n");
        assert_eq!(after("0 1000 1\n1 100000 65536\n", "pulp:5000:100\n"), "pulp:5000:100\n");
    }
}
