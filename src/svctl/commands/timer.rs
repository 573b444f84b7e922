//! `svctl timer`: services that are run again and again. It is a service itself, so PID 1 knows nothing of days and clocks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::{Timestamp, ZonedDateTime};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::args::{Change, Timer};
use super::ask::Init;
use super::{change, complain};
use crate::exit::{Code, Trouble};
use crate::notify::tell;
use crate::output::Out;
use crate::replace::{Lasting, replace};
use crate::timer::Schedule;
use init_control::wire::Verb;
use init_plan::id;

/// No stamp is longer.
const MOST: u64 = 64;

/// `svctl timer`. It returns only if it cannot go on.
pub fn run(init: &Init, options: Timer, out: &mut Out) -> Result<(), Trouble> {
    // A wrong name is told at once, and not at three in the morning.
    init.services(&options.names)?;
    let schedule = match options.every {
        Some(period) => Schedule::Every(period),
        None => Schedule::At(options.at),
    };
    let mut last = options.stamp.as_deref().map(stamped).transpose()?.flatten();
    loop {
        wait_until_due(&schedule, last)?;
        let now = Timestamp::now();
        // Before the run: one that ends the container is not to be repeated by the next boot.
        if let Some(path) = &options.stamp {
            stamp(path, now)?;
        }
        last = Some(now);
        tell(&format!("runs since {}", shown(&ZonedDateTime::now())));
        let change = Change { waiting: options.waiting, names: options.names.clone() };
        match change::change(init, Verb::Restart, change, out) {
            Ok(()) => {}
            // It is due another time again.
            Err(Trouble::Said(Code::Failed | Code::TimedOut, message)) => complain(&message),
            Err(other) => return Err(other),
        }
    }
}

/// Returns when it is due, by the clock on the wall: also if somebody sets that, and after the machine has slept.
fn wait_until_due(schedule: &Schedule, last: Option<Timestamp>) -> Result<(), Trouble> {
    let refused = |errno: Errno| Trouble::said(Code::Failed, id!("C0601"), format!("cannot wait: {errno}"));
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_CLOEXEC).map_err(refused)?;
    // From the first look on: a time that passes while we look at the clock is due.
    let mut since = last;
    loop {
        let now = ZonedDateTime::now();
        let next = schedule.next(since, &now);
        if next <= now {
            return Ok(());
        }
        since = Some(since.filter(|&since| since <= now.timestamp()).unwrap_or(now.timestamp()));
        tell(&format!("next at {}", shown(&next)));
        let at = next.timestamp();
        let at = TimeSpec::new(at.as_second(), at.subsec_nanosecond().into());
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer.set(Expiration::OneShot(at), flags).map_err(refused)?;
        match timer.wait() {
            Ok(()) | Err(Errno::ECANCELED | Errno::EINTR) => {}
            Err(errno) => return Err(refused(errno)),
        }
    }
}

fn shown(time: &ZonedDateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// When it was due last, if that is known.
fn stamped(path: &Path) -> Result<Option<Timestamp>, Trouble> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        // What is no file is not waited for, and a link may lead to what is not ours.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        file.take(MOST).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => match text.trim().parse() {
            Ok(last) => Ok(Some(last)),
            Err(_) => {
                complain(&format!("{}: it holds no time, and counts for nothing", path.display()));
                Ok(None)
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            Err(Trouble::said(Code::Failed, id!("C0602"), message))
        }
    }
}

/// Keeps when it was due: the old time or the new one is in the file, whatever happens.
fn stamp(path: &Path, now: Timestamp) -> Result<(), Trouble> {
    replace(path, &format!("{now}\n"), 0o644, Lasting::Yes).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        Trouble::said(Code::Failed, id!("C0603"), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written_and_rubbish_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stamp");
        assert_eq!(stamped(&path), Ok(None));
        let now = Timestamp::now();
        std::os::unix::fs::symlink("/nowhere/else", dir.path().join("stamp.new")).unwrap();
        for _ in 0..2 {
            stamp(&path, now).unwrap();
            assert_eq!(stamped(&path), Ok(Some(now)));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        std::fs::write(&path, "yesterday").unwrap();
        assert_eq!(stamped(&path), Ok(None));
        assert!(stamped(dir.path()).is_err() && stamp(Path::new("/nowhere/stamp"), now).is_err());
    }
}
