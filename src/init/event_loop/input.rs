//! What processes say: their readiness, their notifications, their output.

use std::os::fd::AsFd;
use std::time::Duration;

use crate::event_loop::{Init, Source, TRIM_AFTER};
use crate::kernel::poll::Token;
use crate::kernel::sys;
use crate::service::io::Received;
use crate::service::log::Reading;
use crate::service::notify;
use init_core::status::Phase;
use init_core::{Event, Notification, Run};
use init_plan::{Id, Ready, id};

/// The most sd_notify(3) messages taken in at a time. More stay in the socket, whose queue the kernel bounds.
const MAX_MESSAGES: usize = 16;
/// The same when the main process has ended. The kernel's queue is not longer (net.unix.max_dgram_qlen), but others of its
/// group may still fill it.
const MAX_LAST_MESSAGES: usize = 1024;

impl Init {
    /// One of the descriptors of a service is readable.
    pub(crate) fn read_service(&mut self, id: Id, token: Token) {
        let Some(io) = self.service_io.get_mut(id.index()) else { return };
        if io.is_pipe(token) {
            self.read_log(id);
            return;
        }
        self.others_spoke = true;
        if io.capture.as_ref().is_some_and(|capture| capture.token == token) {
            io.read_capture(&mut self.poll);
            return;
        }
        self.read_messages(id);
    }

    /// Takes in some of what a service said through its readiness pipe or notify socket. The rest wakes the loop again.
    fn read_messages(&mut self, id: Id) {
        let Some(io) = self.service_io.get_mut(id.index()) else { return };
        if let Some(run) = io.read_ready(&mut self.poll) {
            self.feed(Event::Ready { run });
        }
        self.read_notifications(id, MAX_MESSAGES);
        self.drop_stale_sources(id);
    }

    /// Takes in so many notifications at most: a service that never stops talking must not keep everybody else waiting.
    fn read_notifications(&mut self, id: Id, most: usize) {
        let mut refused = 0_u32;
        for _ in 0..most {
            // The message before may have said that another process is the main one.
            let main = self.supervisor.main_pid(id);
            let Some(io) = self.service_io.get_mut(id.index()) else { return };
            match io.read_notification(main) {
                None => break,
                Some(Ok(received)) => self.take_notification(id, received),
                Some(Err(why)) => {
                    if refused == 0 {
                        self.warn(id, &id!("I0411").after(&why));
                    }
                    refused += 1;
                }
            }
        }
        if refused > 1 {
            self.warn(id, &format!("ignored {} more notifications", refused - 1));
        }
    }

    fn take_notification(&mut self, id: Id, Received { run, said, sender }: Received) {
        if let Some(pid) = said.main_pid {
            self.change_main_pid(id, run, pid, sender);
        }
        let mut notifications = Vec::new();
        notifications.extend(said.status.map(Notification::Status));
        notifications.extend(
            said.watchdog_usec.map(|usec| Notification::WatchdogInterval(Duration::from_micros(usec))),
        );
        notifications.extend(said.watchdog.map(|kind| match kind {
            notify::Watchdog::Ping => Notification::WatchdogPing,
            notify::Watchdog::Trigger => Notification::WatchdogTrigger,
        }));
        notifications.extend(
            said.extend_timeout_usec.map(|usec| Notification::ExtendTimeout(Duration::from_micros(usec))),
        );
        notifications.extend(said.reloading.then_some(Notification::Reloading));
        notifications.extend(said.stopping.then_some(Notification::Stopping));
        for notification in notifications {
            self.feed(Event::Notify { run, notification });
        }
        let waits_for_it =
            self.supervisor.plan().services.get(id.index()).is_some_and(|s| s.ready == Ready::Notify);
        if said.ready && (waits_for_it || self.supervisor.phase(id) == Phase::Up) {
            self.feed(Event::Ready { run });
        }
    }

    /// The main process says that another process is the main one from now on.
    fn change_main_pid(&mut self, id: Id, run: Run, pid: i32, sender: notify::Sender) {
        let owned = self.supervisor.owner(pid).is_some();
        if let Err(why) = notify::check_main_pid(pid, owned, sender, self.supervisor.main_pid(id)) {
            return self.warn(id, &id!("I0412").after(&format!("ignored MAINPID={pid}: {why}")));
        }
        if let Some(cgroup) = self.service_io.get(id.index()).and_then(|io| io.cgroup.as_ref())
            && let Err(error) = cgroup.add(pid)
        {
            self.warn(id, &id!("I0417").after(&error));
        }
        self.handles.adopt(pid);
        self.feed(Event::MainPidChanged { run, pid });
    }

    /// Reads some of what is in the log pipe of a service. The rest waits until the other services had their turn.
    pub(crate) fn read_log(&mut self, id: Id) -> Reading {
        let Some(io) = self.service_io.get(id.index()) else { return Reading::Empty };
        let Some((read, ..)) = &io.pipe else { return Reading::Empty };
        let reading = self.logs.read(io.log, read.as_fd());
        self.trim_at = Some(sys::now().plus(TRIM_AFTER));
        self.report_log_matches();
        reading
    }

    /// Tells the core of services whose output says that they are ready.
    fn report_log_matches(&mut self) {
        for log in self.logs.take_matches() {
            let io = self.service_io.iter_mut().find(|io| io.log == log);
            if let Some(run) = io.and_then(|io| io.watched.take()) {
                self.feed(Event::Ready { run });
            }
        }
    }

    /// Copies what a run of a service left in its pipe, the line that it did not end included.
    pub(crate) fn finish_log(&mut self, id: Id) {
        let Some(io) = self.service_io.get_mut(id.index()) else { return };
        let Some((read, ..)) = &io.pipe else { return };
        io.unfinished = !self.logs.finish_run(io.log, read.as_fd());
        self.trim_at = Some(sys::now().plus(TRIM_AFTER));
        self.report_log_matches();
    }

    /// Takes in everything a process said before it ended.
    pub(crate) fn read_last_messages(&mut self, id: Id) {
        let Some(io) = self.service_io.get_mut(id.index()) else { return };
        if let Some(run) = io.read_last_ready(&mut self.poll) {
            self.feed(Event::Ready { run });
        }
        self.read_notifications(id, MAX_LAST_MESSAGES);
        self.drop_stale_sources(id);
        if self.service_io.get(id.index()).is_some_and(|io| io.watched.is_some()) {
            self.finish_log(id);
        }
    }

    /// Forgets the tokens of what a service no longer has open.
    pub(crate) fn drop_stale_sources(&mut self, id: Id) {
        let Some(io) = self.service_io.get(id.index()) else { return };
        let live: Vec<Token> = io.tokens().collect();
        self.sources.retain(|token, source| *source != Source::Service(id) || live.contains(token));
    }
}
