//! How far an upgrade is: neither `pg_upgrade` nor `pg_dump` says it, but the disk does.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::postgres::place::{Place, shown, size_of};
use crate::{Context, Problem};

/// How often to say it. Most databases are done before that.
const SAY_EVERY: Duration = Duration::from_secs(15);

/// Does the work, and says meanwhile how much of it is on the disk.
pub fn told(
    context: &Context,
    place: &Place,
    size: u64,
    work: impl FnOnce() -> Result<(), Problem>,
) -> Result<(), Problem> {
    let begun = Instant::now();
    thread::scope(|scope| {
        // Dropped when the work is done, however it ends.
        let (done, is_done) = channel::<()>();
        scope.spawn(move || {
            while is_done.recv_timeout(SAY_EVERY) == Err(RecvTimeoutError::Timeout) {
                let written = size_of(&place.new_cluster()) + size_of(&place.scratch());
                context.say(&line(begun.elapsed(), written, size));
            }
        });
        let outcome = work();
        drop(done);
        outcome
    })
}

fn line(passed: Duration, written: u64, size: u64) -> String {
    format!(
        "the upgrade goes on: {} s, {} written; the old database has {}",
        passed.as_secs(),
        shown(written),
        shown(size)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_fails_is_told_as_it_is_and_nobody_waits_for_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        let begun = Instant::now();
        let failed =
            told(&context, &Place::of(&context), 1, || Err(Problem::new("S0000", "it broke", "mend it")));
        assert_eq!(failed.unwrap_err().what(), "it broke");
        assert!(begun.elapsed() < SAY_EVERY);
        assert_eq!(
            line(Duration::from_secs(75), 300 << 20, 4 << 30),
            "the upgrade goes on: 75 s, 300 MB written; the old database has 4096 MB"
        );
    }
}
