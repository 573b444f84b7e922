use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::*;
use crate::kernel::sys;

/// What runs true(1) with these descriptors.
fn true_with(descriptors: Vec<(BorrowedFd<'_>, RawFd)>) -> Spec<'_> {
    Spec {
        programs: vec![c"/bin/true".to_owned()],
        arguments: vec![c"true".to_owned()],
        environment: Vec::new(),
        pid_variable: None,
        descriptors,
        session: Session::New,
        unignore: &[],
        cgroup: None,
        limits: Vec::new(),
        nice: None,
        oom_score_adj: None,
        umask: None,
        credentials: None,
        drop_capabilities: &[],
        no_new_privileges: false,
        cwd: c"/".to_owned(),
        handle: false,
    }
}

#[test]
fn descriptor_may_have_the_number_of_the_cgroups_file() {
    let mut procs = tempfile::tempfile().unwrap();
    let null = File::open("/dev/null").unwrap();
    let (read, write) = sys::pipe().unwrap();
    let given = procs.try_clone().unwrap();
    let cgroup = given.as_fd();
    let spec = Spec {
        cgroup: Some(cgroup),
        ..true_with(vec![(null.as_fd(), 0), (null.as_fd(), 1), (write.as_fd(), cgroup.as_raw_fd())])
    };
    sys::block_signals().unwrap();
    let spawned = Spawner::new().spawn(&spec).unwrap();
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(spawned.pid), None).unwrap();
    drop(write);
    let (mut said, mut entered) = (String::new(), String::new());
    File::from(read).read_to_string(&mut said).unwrap();
    procs.rewind().unwrap();
    procs.read_to_string(&mut entered).unwrap();
    assert_eq!((said.as_str(), entered.as_str()), ("", "0"));
}

#[test]
fn child_that_becomes_another_user_leaves_us_as_open_as_before() {
    if !needs::root() {
        return;
    }
    let null = File::open("/dev/null").unwrap();
    let spec = Spec {
        credentials: Some((Vec::new(), 12345, 12345)),
        ..true_with(vec![(null.as_fd(), 0), (null.as_fd(), 1)])
    };
    sys::block_signals().unwrap();
    let spawned = Spawner::new().spawn(&spec).unwrap();
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(spawned.pid), None).unwrap();
    assert!(prctl::get_dumpable().unwrap());
}
