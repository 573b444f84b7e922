//! Reaping: every child that ends, ours or an orphan that became ours, and in the right order.
//!
//! What a process said last is taken in first; then the core hears of its end and has what is left of its group
//! killed. No signal may reach a process that got its number later. Where we have a handle on each process of ours, the
//! handle sees to that, and a child is reaped as soon as it is found. Otherwise it is first only looked at, and reaped
//! last: a zombie keeps its pid and its group's id.

use crate::event_loop::Init;
use crate::event_loop::lingering::Lingering;
use crate::kernel::handles::is_group_alive;
use crate::kernel::sys::{self, Children, Zombie};
use init_core::status::Exit;
use init_core::{Event, Run, SpawnError};
use init_plan::{Id, id};

/// Children reaped in one turn of the loop: in a storm of orphans, timers and clients still get their turn.
const BATCH: usize = 512;

/// What is said of a program that forks, ends, and lets its child go on.
const WENT_AWAY: &str = "its program ended and left others running, which are killed: if it goes to the background, tell it to \
     stay in the foreground";

impl Init {
    /// Takes in every signal that is pending, then every child that has ended.
    pub(crate) fn read_signals(&mut self) {
        use std::os::fd::AsFd;
        for signal in sys::read_signals(self.signals.as_fd()) {
            if signal != libc::SIGCHLD {
                self.handle_signal(signal);
            }
        }
        self.reap_some();
    }

    /// Reaps a batch of what has ended. If there may be more, the loop comes back after everybody else had their turn.
    pub(crate) fn reap_some(&mut self) {
        self.reap_again = (0..BATCH).all(|_| self.reap_one());
        self.report_gone_groups();
    }

    /// Reaps a child that has ended; `false` if there is none.
    fn reap_one(&mut self) -> bool {
        let at_once = self.handles.cover_all();
        let found = if at_once { sys::reap_any() } else { sys::peek_zombie() };
        let Children::Ended(zombie) = found else { return false };
        match self.supervisor.owner(zombie.pid) {
            Some((id, run)) => {
                self.deferred = Some(Vec::new());
                self.child_ended(zombie, id, run, at_once);
                self.start_deferred();
            }
            None => {
                if !at_once {
                    sys::reap(zombie.pid);
                }
                self.handles.forget(zombie.pid);
                self.generator_ended(zombie);
            }
        }
        true
    }

    /// Starts what was held back, unless it is no longer wanted.
    fn start_deferred(&mut self) {
        for (id, run, role) in self.deferred.take().unwrap_or_default() {
            let event = if self.supervisor.is_still_wanted(run) {
                self.spawn(id, run, role)
            } else {
                let message = "no longer wanted".to_owned();
                Event::SpawnFailed { run, error: SpawnError { message, lasting: false, code: 126 } }
            };
            self.feed(event);
        }
    }

    /// One of our processes has ended.
    fn child_ended(&mut self, zombie: Zombie, id: Id, run: Run, reaped: bool) {
        if self.supervisor.main_pid(id) == Some(zombie.pid) {
            self.read_last_messages(id);
        }
        // Its last word may have been that another process is in its place.
        let is_main = self.supervisor.main_pid(id) == Some(zombie.pid);
        if !is_main {
            // Somebody may wait for the end of a reload command, which is no change of state.
            self.changed = true;
            self.take_last_words(id, run, zombie.exit == Exit::Code(0));
        }
        self.handles.ending(zombie.pid);
        self.feed(Event::Exited { pid: zombie.pid, exit: zombie.exit });
        if !reaped {
            sys::reap(zombie.pid);
        }
        let remains = self.handles.leave();
        if is_main {
            let lingering = Lingering { run, id, pgid: zombie.pid, remains, strays: Vec::new() };
            self.main_reaped(lingering, zombie.exit);
        } else if self.supervisor.main_pid(id).is_none() {
            // A hook's last line may be as unfinished as a service's.
            self.finish_log(id);
        }
    }

    /// Passes on the reason that a failed probe or condition gave.
    fn take_last_words(&mut self, id: Id, run: Run, success: bool) {
        let Some(io) = self.service_io.get_mut(id.index()) else { return };
        if io.capture.as_ref().is_none_or(|capture| capture.run != run) {
            return;
        }
        let words = io.close_capture(&mut self.poll);
        self.drop_stale_sources(id);
        if let Some(words) = words
            && !success
        {
            self.feed(Event::Notify { run, notification: init_core::Notification::Reason(words) });
        }
    }

    fn main_reaped(&mut self, mut lingering: Lingering, exit: Exit) {
        let Lingering { id, run, .. } = lingering;
        let succeeded = exit == Exit::Code(0);
        if !self.leaves_daemons(id, succeeded) {
            lingering.strays = self.kill_strays(id);
        }
        if !lingering.strays.is_empty()
            && succeeded
            && self.is_to_stay(id)
            && self.supervisor.ended_by_itself(id)
        {
            self.warn(id, &id!("I0414").after(WENT_AWAY));
        }
        // What its group wrote before it was killed is in the pipe by now.
        self.finish_log(id);
        if let Some(io) = self.service_io.get_mut(id.index()) {
            self.logs.unwatch(io.log);
            io.close_run(&mut self.poll);
        }
        self.drop_stale_sources(id);
        self.give_terminal_back(id);
        if self.is_gone(&lingering) {
            self.feed(Event::Gone { run });
        } else {
            self.lingering.push(lingering);
        }
    }

    fn is_gone(&self, lingering: &Lingering) -> bool {
        let cgroup = self.service_io.get(lingering.id.index()).and_then(|io| io.cgroup.as_ref());
        lingering.strays.is_empty()
            && !is_group_alive(lingering.pgid, lingering.remains.as_ref())
            && cgroup.is_none_or(crate::kernel::cgroup::Cgroup::is_empty)
    }

    /// Tells the core of groups whose last member was just reaped.
    fn report_gone_groups(&mut self) {
        if self.lingering.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.lingering);
        for one in all.iter_mut().filter(|one| !one.strays.is_empty()) {
            one.strays = self.remaining_strays(one.id, &one.strays);
        }
        let (gone, left) = all.into_iter().partition(|one| self.is_gone(one));
        self.lingering = left;
        let gone: Vec<Lingering> = gone;
        for one in gone {
            self.feed(Event::Gone { run: one.run });
        }
    }

    /// Services were renumbered: moves the groups along.
    pub(crate) fn renumber_lingering(&mut self, new: &[Option<Id>]) {
        self.lingering.retain_mut(|one| match new.get(one.id.index()).copied().flatten() {
            Some(id) => {
                one.id = id;
                true
            }
            None => false,
        });
    }
}
