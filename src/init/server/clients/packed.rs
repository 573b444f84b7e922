//! The control sockets and who is connected, as they are written down for another program that takes our place.

use std::os::unix::net::{UnixListener, UnixStream};

use serde::{Deserialize, Serialize};

use super::{Client, Mode, Server};
use crate::kernel::kept::Kept;
use crate::kernel::poll::Token;
use crate::reexec::bytes;
use init_core::Time;

/// All of [`Server`].
#[derive(Debug, Deserialize, Serialize)]
pub struct Packed {
    listeners: Vec<(Token, Kept)>,
    clients: Vec<(Token, PackedClient)>,
    resting_until: Option<Time>,
}

#[derive(Debug, Deserialize, Serialize)]
struct PackedClient {
    stream: Kept,
    peer: (u32, u32, i32),
    may_act: bool,
    #[serde(with = "bytes")]
    input: Vec<u8>,
    #[serde(with = "bytes")]
    output: Vec<u8>,
    mode: Mode,
    dropped: u64,
    behind: bool,
    closing: bool,
}

impl Server {
    /// Gives everything away.
    pub fn pack(self) -> Packed {
        let listeners = self.listeners.into_iter();
        let clients = self.clients.into_iter().map(|(token, client)| {
            let Client { stream, uid, gid, pid, may_act, input, output, mode, dropped, behind, closing } =
                client;
            let (stream, peer) = (Kept::new(stream), (uid, gid, pid));
            (token, PackedClient { stream, peer, may_act, input, output, mode, dropped, behind, closing })
        });
        Packed {
            listeners: listeners.map(|(token, listener)| (token, Kept::new(listener))).collect(),
            clients: clients.collect(),
            resting_until: self.resting_until,
        }
    }

    /// Goes on with it.
    pub fn unpack(packed: Packed) -> Server {
        let clients = packed.clients.into_iter().map(|(token, client)| {
            let PackedClient { stream, peer, may_act, input, output, mode, dropped, behind, closing } =
                client;
            let (stream, (uid, gid, pid)) = (UnixStream::from(stream.own()), peer);
            (token, Client { stream, uid, gid, pid, may_act, input, output, mode, dropped, behind, closing })
        });
        let listener = |(token, kept): (Token, Kept)| (token, UnixListener::from(kept.own()));
        Server {
            listeners: packed.listeners.into_iter().map(listener).collect(),
            clients: clients.collect(),
            resting_until: packed.resting_until,
        }
    }
}

impl Packed {
    /// The descriptors in it.
    pub fn descriptors(&self) -> impl Iterator<Item = Kept> + '_ {
        let listeners = self.listeners.iter().map(|&(_, fd)| fd);
        listeners.chain(self.clients.iter().map(|(_, client)| client.stream))
    }
}
