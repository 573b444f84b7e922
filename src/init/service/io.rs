//! What PID 1 holds open for a service: its log pipe, and whatever its present process may say something through.

mod packed;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::kernel::cgroup::{Cgroup, Cgroups};
use crate::kernel::poll::{Interest, Poll, Token};
use crate::kernel::sys;
use crate::service::log::{LogId, log_pipe};
use crate::service::notify;
use crate::service::notify::NotifySocket;
use init_core::Run;
use init_plan::Service;

pub use packed::Packed;

/// How much of a readiness pipe or of the output of a check is read at a time, in bytes.
const READ_SIZE: usize = 4096;

/// So many reads take everything that a pipe holds (64 KiB, pipe(7)). A process that goes on writing is not waited for.
const READS_OF_A_PIPE: usize = 64 * 1024 / READ_SIZE + 1;

/// The longest last words kept of a probe or condition.
const MAX_LAST_WORDS: usize = 512;

/// The descriptors of a service, and what is known of them.
pub struct ServiceIo {
    /// Its log.
    pub log: LogId,
    /// The log pipe, opened for the first process: read end, write end, token.
    pub pipe: Option<(OwnedFd, OwnedFd, Token)>,
    /// The read end of its readiness pipe.
    pub ready: Option<(Run, OwnedFd, Token)>,
    /// Its sd_notify socket.
    pub notify: Option<(Run, NotifySocket, Token)>,
    /// The output of a probe or condition. Its last line is the reason that it gives.
    pub capture: Option<Capture>,
    /// The run that is ready once a line of its output matches the pattern of `ready.log`.
    pub watched: Option<Run>,
    /// The last run is over, but the container's output had no room for everything that it wrote.
    pub unfinished: bool,
    /// Its cgroup.
    pub cgroup: Option<Cgroup>,
}

/// A notification of a service.
pub struct Received {
    /// The run whose socket it came through.
    pub run: Run,
    /// What it says.
    pub said: notify::Notification,
    /// Who sent it.
    pub sender: notify::Sender,
}

/// The output of a probe or condition.
pub struct Capture {
    /// The check that writes it.
    pub run: Run,
    fd: OwnedFd,
    /// Names it in the event loop.
    pub token: Token,
    last: Vec<u8>,
}

impl ServiceIo {
    /// A service with nothing open.
    pub fn new(log: LogId) -> ServiceIo {
        ServiceIo {
            log,
            pipe: None,
            ready: None,
            notify: None,
            capture: None,
            watched: None,
            unfinished: false,
            cgroup: None,
        }
    }

    /// Opens its log pipe, if it has none yet, and returns the token to watch, if it is new. The pipe belongs to
    /// `owner`, for programs that open `/dev/stdout`: that asks for the pipe's permissions again.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, and what epoll_ctl(2) says.
    pub fn open_pipe(&mut self, owner: Option<u32>, poll: &mut Poll) -> io::Result<Option<Token>> {
        if self.pipe.is_some() {
            return Ok(None);
        }
        let (read, write) = log_pipe()?;
        if let Some(owner) = owner {
            // Without the right to, there is no other user to give it to.
            let _ = nix::unistd::fchown(&write, Some(nix::unistd::Uid::from_raw(owner)), None);
        }
        let token = poll.token();
        poll.add(&read, token, Interest::Read)?;
        self.pipe = Some((read, write, token));
        Ok(Some(token))
    }

    /// Opens a pipe through which the process can say that it is ready; returns the end that it gets.
    ///
    /// # Errors
    /// As [`ServiceIo::open_pipe`].
    pub fn open_ready(&mut self, run: Run, poll: &mut Poll) -> io::Result<(OwnedFd, Token)> {
        self.close_ready(poll);
        let (read, write) = sys::pipe()?;
        sys::set_nonblocking(read.as_fd())?;
        let token = poll.token();
        poll.add(&read, token, Interest::Read)?;
        self.ready = Some((run, read, token));
        Ok((write, token))
    }

    /// Closes the readiness pipe.
    pub fn close_ready(&mut self, poll: &mut Poll) {
        if let Some((_, fd, _)) = self.ready.take() {
            poll.remove(&fd);
        }
    }

    /// Whether the process said through its pipe that it is ready. `None`: nothing was said so far, or it never will be.
    /// Reads once; what is left wakes the loop again.
    pub fn read_ready(&mut self, poll: &mut Poll) -> Option<Run> {
        let (run, fd, _) = self.ready.as_ref()?;
        let run = *run;
        let mut bytes = [0; READ_SIZE];
        match nix::unistd::read(fd, &mut bytes) {
            Ok(count) if count > 0 && !bytes.iter().take(count).any(|&byte| byte == b'\n') => None,
            Ok(0) => {
                self.close_ready(poll);
                None
            }
            Ok(_) => {
                self.close_ready(poll);
                Some(run)
            }
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => None,
            Err(_) => {
                self.close_ready(poll);
                None
            }
        }
    }

    /// The same when the process has ended: reads everything that the pipe holds.
    pub fn read_last_ready(&mut self, poll: &mut Poll) -> Option<Run> {
        (0..READS_OF_A_PIPE).find_map(|_| self.read_ready(poll))
    }

    /// Takes a socket for sd_notify messages.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub fn listen(&mut self, run: Run, socket: NotifySocket, poll: &mut Poll) -> io::Result<Token> {
        self.close_notify(poll);
        let token = poll.token();
        poll.add(socket.as_fd(), token, Interest::Read)?;
        self.notify = Some((run, socket, token));
        Ok(token)
    }

    /// Closes the notify socket.
    pub fn close_notify(&mut self, poll: &mut Poll) {
        if let Some((_, socket, _)) = self.notify.take() {
            poll.remove(socket.as_fd());
        }
    }

    /// The next message that came through it from the service's own processes, or why one was not taken. `main` is the
    /// service's main process at this moment.
    pub fn read_notification(&mut self, main: Option<i32>) -> Option<Result<Received, String>> {
        let (run, socket, _) = self.notify.as_ref()?;
        let run = *run;
        let (said, sender) = match socket.recv()? {
            Ok(message) => message,
            Err(why) => return Some(Err(why)),
        };
        // A barrier, or what we do not know, asks for nothing more than to be read.
        if said == notify::Notification::default() {
            return Some(Ok(Received { run, said, sender }));
        }
        // A sender that is gone already could reach the socket only with the service's own rights.
        match main.map(|main| notify::membership(sender.pid, main)) {
            Some(notify::Membership::Stranger) => {
                Some(Err(format!("ignored a notification from process {} (uid {})", sender.pid, sender.uid)))
            }
            Some(notify::Membership::Member | notify::Membership::Gone) | None => {
                Some(Ok(Received { run, said, sender }))
            }
        }
    }

    /// Opens a pipe for the output of a probe or condition; returns the end that it gets.
    ///
    /// # Errors
    /// As [`ServiceIo::open_pipe`].
    pub fn open_capture(&mut self, run: Run, poll: &mut Poll) -> io::Result<(OwnedFd, Token)> {
        self.close_capture(poll);
        let (read, write) = sys::pipe()?;
        sys::set_nonblocking(read.as_fd())?;
        let token = poll.token();
        poll.add(&read, token, Interest::Read)?;
        self.capture = Some(Capture { run, fd: read, token, last: Vec::new() });
        Ok((write, token))
    }

    /// Reads some of it. What is left wakes the loop again. Returns whether there was any.
    pub fn read_capture(&mut self, poll: &mut Poll) -> bool {
        let Some(capture) = &mut self.capture else { return false };
        let mut bytes = [0; READ_SIZE];
        match nix::unistd::read(&capture.fd, &mut bytes) {
            Ok(0) => {
                poll.remove(&capture.fd);
                false
            }
            Ok(count) => {
                capture.take(bytes.get(..count).unwrap_or(&[]));
                true
            }
            Err(error) => error == nix::errno::Errno::EINTR,
        }
    }

    /// Closes the pipe of a check and returns the last line of its output.
    pub fn close_capture(&mut self, poll: &mut Poll) -> Option<String> {
        for _ in 0..READS_OF_A_PIPE {
            if !self.read_capture(poll) {
                break;
            }
        }
        let capture = self.capture.take()?;
        poll.remove(&capture.fd);
        let text = String::from_utf8_lossy(&capture.last);
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().filter(|c| !c.is_control()).collect())
    }

    /// Makes the cgroup that its limits need; returns what could not be had of them.
    pub fn make_cgroup(&mut self, cgroups: Option<&mut Cgroups>, service: &Service) -> Vec<String> {
        // Why there are none at all was said at the start.
        let Some(cgroups) = cgroups else { return Vec::new() };
        match cgroups.create(&service.name, &service.process.cgroup) {
            Ok((cgroup, warnings)) => {
                self.cgroup = Some(cgroup);
                warnings
            }
            Err(warning) => vec![warning],
        }
    }

    /// Closes all that belongs to a process that has ended.
    pub fn close_run(&mut self, poll: &mut Poll) {
        self.close_ready(poll);
        self.close_notify(poll);
        self.watched = None;
    }

    /// The tokens of everything it has open.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        let pipe = self.pipe.as_ref().map(|(_, _, token)| *token);
        let ready = self.ready.as_ref().map(|(_, _, token)| *token);
        let notify = self.notify.as_ref().map(|(_, _, token)| *token);
        let capture = self.capture.as_ref().map(|capture| capture.token);
        pipe.into_iter().chain(ready).chain(notify).chain(capture)
    }

    /// Whether this is its log pipe.
    pub fn is_pipe(&self, token: Token) -> bool {
        self.pipe.as_ref().is_some_and(|(_, _, known)| *known == token)
    }
}

impl Capture {
    /// Keeps the end of it.
    fn take(&mut self, bytes: &[u8]) {
        self.last.extend(bytes);
        let surplus = self.last.len().saturating_sub(MAX_LAST_WORDS);
        self.last.drain(..surplus);
    }
}
