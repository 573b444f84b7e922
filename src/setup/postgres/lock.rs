//! One container at a time on a database.
//!
//! PostgreSQL guards its data by a file with its process number. Between containers that says nothing: each has numbers
//! of its own, and a number that is not there is taken for that of a server long dead. Two servers on the same files
//! destroy them. So the data directory itself is locked (flock(2)), which the kernel keeps track of across containers
//! and lets go when the last process that has it is gone, however that ended: the step holds it while it works, and the
//! server, with all its processes, while it runs.

use std::fs::File;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use super::place::Place;
use super::stale::workers;
use crate::volume::files;
use crate::{Context, Problem};

/// How long to wait for another container: one that is being stopped is given 10 s.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long processes of a server that was killed may take to end by themselves.
const ORPHANS: Duration = Duration::from_secs(3);
/// How often to try.
const STEP: Duration = Duration::from_millis(50);

/// The lock; gone when it is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, never read")] Option<Flock<File>>);

/// Takes the lock, and makes the data directory if it is missing.
pub fn take(context: &Context, place: &Place) -> Result<Lock, Problem> {
    files::directory(context, &place.data, context.accounts.postgres, 0o700)?;
    let mut file = File::open(&place.data).map_err(|error| Problem::io("open", &place.data, &error))?;
    let begun = Instant::now();
    let mut told = false;
    loop {
        let errno = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Lock(Some(lock))),
            Err((same, errno)) => {
                file = same;
                errno
            }
        };
        if errno != Errno::EWOULDBLOCK {
            let data = place.data.display();
            context.say(&format!("{data} cannot be locked here ({errno}): let no other container use it"));
            return Ok(Lock(None));
        }
        if begun.elapsed() >= PATIENCE {
            return Err(taken(place));
        }
        if begun.elapsed() >= ORPHANS {
            end_orphans(place);
        }
        if !told {
            told = true;
            context.say(&format!("somebody else has the database in {}: waiting", place.data.display()));
        }
        std::thread::sleep(STEP);
    }
}

/// Takes the lock for the program that this process is about to become, and for what that starts.
pub fn keep(context: &Context) -> Result<(), Problem> {
    let Lock(lock) = take(context, &Place::of(context))?;
    let Some(lock) = lock else { return Ok(()) };
    fcntl(&*lock, FcntlArg::F_SETFD(FdFlag::empty()))
        .map_err(|errno| Problem::io("keep open", &Place::of(context).data, &errno.into()))?;
    std::mem::forget(lock);
    Ok(())
}

/// Ends what a server of this container has left that was killed: such a process may be stopped, and then does not
/// notice. Who has lost its parent belongs to `init`, as we do; what somebody else runs there does not.
fn end_orphans(place: &Place) {
    for pid in workers(&place.data) {
        if parent(pid) == Some(getppid()) {
            let _ = kill(pid, Signal::SIGKILL); // it may have ended by now
        }
    }
}

fn parent(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
}

fn taken(place: &Place) -> Problem {
    let data = place.data.display();
    if workers(&place.data).is_empty() {
        return Problem::new(
            format!("another container uses the database in {data}"),
            "stop that one first, or give this one a volume of its own at /var/lib/pgsql; nothing was changed",
        );
    }
    Problem::new(
        format!("another PostgreSQL of this container still runs in {data}"),
        "end it, or stop the container and start it again",
    )
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn place() -> (tempfile::TempDir, Context, Place) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let place = Place::of(&context);
        (dir, context, place)
    }

    #[test]
    fn whoever_comes_second_is_refused_until_the_first_is_gone() {
        let (_dir, context, place) = place();
        let first = take(&context, &place).unwrap();
        let problem = take(&context, &place).unwrap_err();
        assert!(problem.what().contains("another container"), "{problem}");
        drop(first);
        take(&context, &place).unwrap();
    }

    #[test]
    fn whoever_comes_second_waits_for_a_first_that_is_about_to_go() {
        let (_dir, context, place) = place();
        let first = take(&context, &place).unwrap();
        let waits = std::thread::spawn(move || {
            let lock = take(&context, &place).unwrap();
            (lock, Instant::now())
        });
        let dropped = Instant::now();
        drop(first);
        assert!(waits.join().unwrap().1 >= dropped);
    }

    #[test]
    fn a_process_that_is_left_of_a_server_of_ours_is_ended() {
        let (_dir, context, place) = place();
        files::directory(&context, &place.data, context.accounts.postgres, 0o700).unwrap();
        // Its parent is this test's, as an orphan's is init: so it is started by a child of that, which ends.
        let script = "flock --nonblock . sleep 1000 >/dev/null 2>&1 & echo $!";
        let mut starter = Command::new("sh");
        starter.args(["-c", script]).current_dir(&place.data).stdout(Stdio::piped());
        let said = starter.output().unwrap();
        let pid: i32 = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        let orphan = Pid::from_raw(pid);
        assert!(kill(orphan, None).is_ok(), "flock(1) is missing");
        let locks = |file: File| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err();
        while !locks(File::open(&place.data).unwrap()) {
            std::thread::sleep(STEP);
        }
        let ours = parent(orphan) == Some(getppid());
        let outcome = take(&context, &place);
        let left: Vec<Pid> = workers(&place.data);
        for pid in left {
            kill(pid, Signal::SIGKILL).unwrap();
        }
        // Where orphans go to depends on who runs the tests.
        if ours {
            outcome.unwrap();
        } else {
            assert!(outcome.unwrap_err().what().contains("of this container still runs"));
        }
    }
}
