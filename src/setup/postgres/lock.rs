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

/// What is waited for while somebody else has the lock.
struct Waiting {
    /// When to give up.
    limit: Duration,
    /// When to end what is left of a server of this container.
    orphans: Duration,
    /// The process that adopts orphans of this container.
    adopter: Pid,
}

/// Takes the lock, and makes the data directory if it is missing.
pub fn take(context: &Context, place: &Place) -> Result<Lock, Problem> {
    let waiting = Waiting { limit: PATIENCE, orphans: ORPHANS, adopter: getppid() };
    take_after(context, place, &waiting, || std::thread::sleep(STEP))
}

/// Takes the lock; `pause` passes the time between two attempts.
fn take_after(
    context: &Context,
    place: &Place,
    waiting: &Waiting,
    mut pause: impl FnMut(),
) -> Result<Lock, Problem> {
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
        if begun.elapsed() >= waiting.limit {
            return Err(taken(place));
        }
        if begun.elapsed() >= waiting.orphans {
            end_orphans(place, waiting.adopter);
        }
        if !told {
            told = true;
            context.say(&format!("somebody else has the database in {}: waiting", place.data.display()));
        }
        pause();
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

/// Ends what is left of a server of this container that was killed: such a process may be stopped, and then does not
/// notice. Its parent is dead, so the adopter is its parent now, which is ours too; processes of others have other parents.
fn end_orphans(place: &Place, adopter: Pid) {
    for pid in workers(&place.data) {
        if parent(pid) == Some(adopter) {
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
            "S1505",
            format!("another container uses the database in {data}"),
            "stop that one first, or give this one a volume of its own at /var/lib/pgsql; nothing was changed",
        );
    }
    Problem::new(
        "S1506",
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

    const NOT_AT_ALL: Waiting =
        Waiting { limit: Duration::ZERO, orphans: PATIENCE, adopter: Pid::from_raw(0) };
    const LONG: Waiting = Waiting { limit: PATIENCE, orphans: PATIENCE, adopter: Pid::from_raw(0) };

    #[test]
    fn whoever_comes_second_is_refused_until_the_first_is_gone() {
        let (_dir, context, place) = place();
        let first = take(&context, &place).unwrap();
        let second = || take_after(&context, &place, &NOT_AT_ALL, || panic!("it waited"));
        let problem = second().unwrap_err();
        assert!(problem.what().contains("another container"), "{problem}");
        drop(first);
        second().unwrap();
    }

    #[test]
    fn whoever_comes_second_waits_for_a_first_that_is_about_to_go() {
        let (_dir, context, place) = place();
        let mut first = Some(take(&context, &place).unwrap());
        let mut pauses = 0;
        let second = take_after(&context, &place, &LONG, || {
            pauses += 1;
            if pauses == 3 {
                first = None;
            }
        });
        second.unwrap();
        assert_eq!(pauses, 3);
    }

    /// A process that has the lock, and whose parent has ended.
    fn orphan(place: &Place) -> Pid {
        let script = "flock --nonblock . sleep 1000 >/dev/null 2>&1 & echo $!";
        let mut starter = Command::new("sh");
        starter.args(["-c", script]).current_dir(&place.data).stdout(Stdio::piped());
        let said = starter.output().unwrap();
        let pid: i32 = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        let orphan = Pid::from_raw(pid);
        assert!(kill(orphan, None).is_ok(), "flock(1) is missing");
        let is_free = |file: File| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok();
        while is_free(File::open(&place.data).unwrap()) {
            std::thread::sleep(STEP);
        }
        orphan
    }

    #[test]
    fn a_process_that_is_left_of_a_server_of_ours_is_ended_and_one_of_somebody_else_is_not() {
        let (_dir, context, place) = place();
        files::directory(&context, &place.data, context.accounts.postgres, 0o700).unwrap();
        let orphan = orphan(&place);
        let (mut pauses, limit) = (0, PATIENCE);
        let ours = Waiting { limit, orphans: Duration::ZERO, adopter: parent(orphan).unwrap() };
        let others = Waiting { adopter: Pid::this(), ..ours };
        // Nobody ends it: the limit is what ends the wait.
        let left = take_after(&context, &place, &Waiting { limit: STEP, ..others }, || {
            pauses += 1;
            std::thread::sleep(STEP);
        });
        assert!(left.unwrap_err().what().contains("of this container still runs"));
        assert!(pauses > 0 && workers(&place.data).contains(&orphan));
        take_after(&context, &place, &ours, || std::thread::sleep(STEP)).unwrap();
        assert!(!workers(&place.data).contains(&orphan));
    }
}
