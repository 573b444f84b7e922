//! What a killed container leaves behind: lock files whose process is long gone, half-made clusters.
//!
//! PostgreSQL takes a lock file as valid if any process has the number in it. In a container numbers are small, and
//! after a kill the same one often belongs to another process, so it would refuse to start. We can do better: a server
//! always works in its data directory (postmaster/postmaster.c: ChangeToDataDir), and /proc tells who does.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::SOCKETS;
use super::place::{Place, remove};
use crate::volume::files;
use crate::{Context, Problem};

/// How long a server of a step that was killed may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often to look whether it has.
const STOP_STEP: Duration = Duration::from_millis(50);
/// The server's lock file.
const POSTMASTER: &str = "postmaster.pid";

/// Removes clusters that were being made when the last boot was killed.
pub fn remove_leftovers(context: &Context, place: &Place) -> Result<(), Problem> {
    let (new, scratch) = (place.new_cluster(), place.scratch());
    if new.exists() {
        context.say("an earlier start was interrupted while it made a database: beginning again");
        // The step alone may have been killed, not the programs it ran: those first that start others.
        end(&scratch, |pid| (pid, Signal::SIGKILL))?;
        end(&new, |pid| (pid, Signal::SIGKILL))?;
    }
    place.clear()
}

/// Ends a server that still runs on the data: of an upgrade whose step was killed.
pub fn stop_what_runs(context: &Context, place: &Place) -> Result<(), Problem> {
    if workers(&place.data).is_empty() {
        return Ok(());
    }
    context.say("stopping a PostgreSQL that still runs on the old database");
    // INT is the fast shutdown of a server; one that runs alone, for an upgrade, ends by TERM. It has a minus sign.
    let server = server_of(&place.data);
    end(&place.data, |pid| match server {
        Some(server) if server > 0 => (Pid::from_raw(server), Signal::SIGINT),
        _ => (pid, Signal::SIGTERM),
    })
}

/// The number in the lock file, if it is that of a process that works there.
fn server_of(data: &Path) -> Option<i32> {
    let text = fs::read_to_string(data.join(POSTMASTER)).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    workers(data).contains(&Pid::from_raw(number.abs())).then_some(number)
}

/// Removes lock files of a server that no longer runs.
pub fn remove_locks(context: &Context, place: &Place) -> Result<(), Problem> {
    let lock = place.data.join(POSTMASTER);
    if !workers(&place.data).is_empty() {
        return Ok(());
    }
    if lock.exists() {
        remove(&lock)?;
        context.say("PostgreSQL was not shut down the last time; it will recover");
    }
    let sockets = context.path(SOCKETS);
    for entry in fs::read_dir(&sockets).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(socket) = path.to_string_lossy().strip_suffix(".lock").map(str::to_owned) else { continue };
        // The second line of a lock file is the data directory.
        let text = files::read(&path)?.unwrap_or_default();
        if String::from_utf8_lossy(&text).lines().nth(1).is_some_and(|data| Path::new(data) == place.data) {
            remove(Path::new(&socket))?;
            remove(&path)?;
        }
    }
    Ok(())
}

/// Sends signals until nobody works in this directory any more.
fn end(directory: &Path, signal: impl Fn(Pid) -> (Pid, Signal)) -> Result<(), Problem> {
    let until = Instant::now() + STOP_LIMIT;
    loop {
        let pids = workers(directory);
        if pids.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Problem::new(
                "S1508",
                format!("PostgreSQL still runs in {} and does not end", directory.display()),
                "stop the container and start it again",
            ));
        }
        for (pid, signal) in pids.into_iter().map(&signal) {
            let _ = kill(pid, signal); // it may have ended by now
        }
        std::thread::sleep(STOP_STEP);
    }
}

/// The processes that work in this directory.
pub fn workers(directory: &Path) -> Vec<Pid> {
    let Ok(directory) = fs::canonicalize(directory) else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            (fs::read_link(entry.path().join("cwd")).ok()? == directory).then(|| Pid::from_raw(pid))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn cluster() -> (tempfile::TempDir, Context, Place) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let place = Place::of(&context);
        fs::create_dir_all(&place.data).unwrap();
        fs::create_dir_all(context.path(SOCKETS)).unwrap();
        // The number of a process that lives: ours.
        fs::write(place.data.join(POSTMASTER), format!("{}\n", std::process::id())).unwrap();
        (dir, context, place)
    }

    #[test]
    fn a_lock_is_removed_though_its_number_belongs_to_another_process_by_now() {
        let (_dir, context, place) = cluster();
        let [ours, foreign] = [".s.PGSQL.5432", ".s.PGSQL.5433"].map(|name| context.path(SOCKETS).join(name));
        fs::write(&ours, "").unwrap();
        fs::write(ours.with_extension("5432.lock"), format!("7\n{}\n", place.data.display())).unwrap();
        fs::write(foreign.with_extension("5433.lock"), "7\n/elsewhere\n").unwrap();
        remove_locks(&context, &place).unwrap();
        assert!(!place.data.join(POSTMASTER).exists());
        assert!(!ours.exists() && !ours.with_extension("5432.lock").exists());
        assert!(foreign.with_extension("5433.lock").exists());
    }

    #[test]
    fn the_lock_of_a_server_that_runs_stays_until_it_was_stopped() {
        let (_dir, context, place) = cluster();
        let mut server = Command::new("sleep").arg("60").current_dir(&place.data).spawn().unwrap();
        remove_locks(&context, &place).unwrap();
        assert!(place.data.join(POSTMASTER).exists());
        // Who is its parent has to take note of its end.
        let reaper = std::thread::spawn(move || server.wait());
        stop_what_runs(&context, &place).unwrap();
        assert!(!reaper.join().unwrap().unwrap().success());
        remove_locks(&context, &place).unwrap();
        assert!(!place.data.join(POSTMASTER).exists());
    }
}
