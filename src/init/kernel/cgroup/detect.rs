//! Where our cgroup is mounted, and whether we may change it.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// The directory of the cgroup this process is in.
pub fn own_directory(root: &Path) -> Result<PathBuf, String> {
    let read = |name: &str| {
        let path = root.join("proc/self").join(name);
        fs::read(&path).map_err(|error| format!("cannot read {}: {error}; mount /proc", path.display()))
    };
    let own = own_path(&read("cgroup")?).ok_or("no cgroup v2 here: the host uses version 1 only")?;
    let (mounted, at) =
        mount(&read("mountinfo")?).ok_or("no cgroup v2 is mounted here; the runtime can mount it")?;
    // Both are seen from our cgroup namespace. Without one, the mount shows a part of the host's hierarchy.
    let below = own.strip_prefix(&mounted).map_err(|_| {
        format!(
            "our cgroup {} is outside of what is mounted at {}; use --cgroupns=private",
            own.display(),
            at.display()
        )
    })?;
    if below.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(format!("our cgroup {} is outside of our cgroup namespace", own.display()));
    }
    let at = at.strip_prefix("/").map_or(at.clone(), |at| root.join(at));
    Ok(at.join(below))
}

/// Whether cgroups can be made there. Asking is not proof, but leaves nothing behind.
pub fn writable(dir: &Path) -> Result<(), String> {
    let file = dir.join("cgroup.procs");
    let may = access(dir, AccessFlags::W_OK).and_then(|()| access(&file, AccessFlags::W_OK));
    may.map_err(|errno| {
        format!(
            "cgroup {} is not writable ({}); run the container with a writable cgroup",
            dir.display(),
            errno.desc()
        )
    })
}

/// The path in the line `0::PATH` of /proc/self/cgroup: version 2's.
fn own_path(text: &[u8]) -> Option<PathBuf> {
    let path = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    Some(std::ffi::OsString::from_vec(path.to_vec()).into())
}

/// The part of the hierarchy that is mounted and where, of the first cgroup2 in /proc/self/mountinfo.
fn mount(mountinfo: &[u8]) -> Option<(PathBuf, PathBuf)> {
    mountinfo.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.split(|&b| b == b' ');
        let root = fields.nth(3)?;
        let at = fields.next()?;
        let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
        (kind == b"cgroup2").then(|| (unescape(root), unescape(at)))
    })
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    loop {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                after
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                after
            }
            [] => return std::ffi::OsString::from_vec(plain).into(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                          36 31 0:33 / /sys/fs/cgroup/devices rw shared:9 - cgroup cgroup rw,devices\n\
                          41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:1 master:2 - cgroup2 cgroup2 rw\n";

    /// Only proc: what the kernel would say of a process in such a cgroup.
    fn proc(cgroup: &str, mountinfo: &str) -> Result<PathBuf, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc/self")).unwrap();
        fs::write(dir.path().join("proc/self/cgroup"), cgroup).unwrap();
        fs::write(dir.path().join("proc/self/mountinfo"), mountinfo).unwrap();
        own_directory(dir.path()).map(|path| Path::new("/").join(path.strip_prefix(dir.path()).unwrap()))
    }

    #[test]
    fn cgroup_is_found_on_hybrid_and_unified_hosts() {
        assert_eq!(
            proc("9:name=systemd:/\n4:memory:/x\n0::/\n", HYBRID),
            Ok("/sys/fs/cgroup/unified".into())
        );
        let unified = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(proc("0::/a/b\n", unified), Ok("/sys/fs/cgroup/a/b".into()));
    }

    #[test]
    fn part_of_the_hosts_hierarchy_and_a_mount_with_spaces_are_understood() {
        let part = "30 23 0:26 /docker/c0 /sys/fs/my\\040cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(proc("0::/docker/c0/x\n", part), Ok("/sys/fs/my cgroup/x".into()));
        assert!(proc("0::/other\n", part).unwrap_err().contains("--cgroupns=private"));
    }

    #[test]
    fn version_1_alone_and_a_cgroup_outside_of_the_namespace_are_reasons() {
        assert!(proc("4:memory:/x\n", HYBRID).unwrap_err().contains("version 1 only"));
        assert!(proc("0::/\n", "31 23 0:28 / /sys rw - tmpfs tmpfs rw\n").unwrap_err().contains("mounted"));
        assert!(proc("0::/../x\n", HYBRID).unwrap_err().contains("namespace"));
        assert!(own_directory(Path::new("/nonexistent")).unwrap_err().contains("mount /proc"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = (own_path(&bytes), mount(&bytes), unescape(&bytes));
        }
    }
}
