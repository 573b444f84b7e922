//! What a service has open, as it is written down for another program that takes our place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Capture, ServiceIo};
use crate::kernel::cgroup::Cgroup;
use crate::kernel::kept::Kept;
use crate::kernel::poll::Token;
use crate::reexec::bytes;
use crate::service::log::LogId;
use crate::service::notify::NotifySocket;
use init_core::Run;

/// All of [`ServiceIo`].
#[derive(Debug, Deserialize, Serialize)]
pub struct Packed {
    log: LogId,
    pipe: Option<(Kept, Kept, Token)>,
    ready: Option<(Run, Kept, Token)>,
    notify: Option<(Run, Kept, PathBuf, Token)>,
    capture: Option<PackedCapture>,
    watched: Option<Run>,
    unfinished: bool,
    cgroup: Option<PathBuf>,
}

#[derive(Debug, Deserialize, Serialize)]
struct PackedCapture {
    run: Run,
    fd: Kept,
    token: Token,
    #[serde(with = "bytes")]
    last: Vec<u8>,
}

impl ServiceIo {
    /// Gives everything away.
    pub fn pack(self) -> Packed {
        let notify = self.notify.map(|(run, socket, token)| {
            let (socket, path) = socket.pack();
            (run, socket, path, token)
        });
        let capture = self.capture.map(|Capture { run, fd, token, last }| {
            let fd = Kept::new(fd);
            PackedCapture { run, fd, token, last }
        });
        Packed {
            log: self.log,
            pipe: self.pipe.map(|(read, write, token)| (Kept::new(read), Kept::new(write), token)),
            ready: self.ready.map(|(run, fd, token)| (run, Kept::new(fd), token)),
            notify,
            capture,
            watched: self.watched,
            unfinished: self.unfinished,
            cgroup: self.cgroup.map(|cgroup| cgroup.path().to_owned()),
        }
    }

    /// Goes on with it. Whoever watches its output for readiness has to do so again.
    pub fn unpack(packed: Packed) -> ServiceIo {
        let capture = packed.capture.map(|PackedCapture { run, fd, token, last }| {
            let fd = fd.own();
            Capture { run, fd, token, last }
        });
        ServiceIo {
            log: packed.log,
            pipe: packed.pipe.map(|(read, write, token)| (read.own(), write.own(), token)),
            ready: packed.ready.map(|(run, fd, token)| (run, fd.own(), token)),
            notify: packed
                .notify
                .map(|(run, socket, path, token)| (run, NotifySocket::unpack(socket, path), token)),
            capture,
            watched: packed.watched,
            unfinished: packed.unfinished,
            cgroup: packed.cgroup.map(Cgroup::new),
        }
    }
}

impl Packed {
    /// The descriptors in it.
    pub fn descriptors(&self) -> impl Iterator<Item = Kept> + '_ {
        let pipe = self.pipe.iter().flat_map(|&(read, write, _)| [read, write]);
        let ready = self.ready.iter().map(|&(_, fd, _)| fd);
        let notify = self.notify.iter().map(|&(_, fd, ..)| fd);
        pipe.chain(ready).chain(notify).chain(self.capture.iter().map(|capture| capture.fd))
    }
}
