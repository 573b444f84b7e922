//! A process beside the services: the generator.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};

use super::{ENVIRONMENT, Launcher, SpawnError, c_strings, candidates, explain, lasting};
use crate::kernel::spawn::{Session, Spawned, Spec};
use crate::service::environment;
use init_plan::Env;

/// No file that it writes may be larger, in bytes: no definition is, and its output is bounded by this too.
const LARGEST_FILE: u64 = 1 << 20;

impl Launcher {
    /// Starts a program with the container's environment, these variables besides, and its output in a file.
    ///
    /// # Errors
    /// Why not.
    pub fn launch_aside(
        &mut self,
        words: &[Box<str>],
        variables: &[(&str, &OsStr)],
        output: BorrowedFd<'_>,
    ) -> Result<Spawned, SpawnError> {
        let arguments = c_strings(words)?;
        let environment = environment::build(&self.container, None, &Env::default(), None, variables);
        let environment = environment.map_err(lasting(ENVIRONMENT))?;
        let limit = libc::rlimit { rlim_cur: LARGEST_FILE, rlim_max: LARGEST_FILE };
        let spec = Spec {
            programs: candidates(&arguments, &environment),
            environment,
            pid_variable: None,
            descriptors: vec![(self.null.as_fd(), 0), (output, 1), (output, 2)],
            session: Session::New,
            unignore: &self.unignore,
            cgroup: None,
            limits: vec![
                (libc::RLIMIT_FSIZE, limit),
                (libc::RLIMIT_CORE, libc::rlimit { rlim_cur: 0, rlim_max: 0 }),
            ],
            nice: None,
            oom_score_adj: None,
            umask: Some(0o077),
            credentials: None,
            drop_capabilities: &[],
            no_new_privileges: false,
            cwd: CString::from(c"/"),
            handle: false,
            arguments,
        };
        self.spawner.spawn(&spec).map_err(|failure| explain(&failure, &spec))
    }
}
