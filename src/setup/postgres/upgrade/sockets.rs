//! The directory of the upgrade's sockets, and of who may connect there. Not on the volume: a socket's path has at most
//! 107 bytes, and some volumes can hold none.

use std::fs;
use std::path::PathBuf;

use super::WORKROOM;
use crate::postgres::access;
use crate::postgres::place::remove;
use crate::volume::files;
use crate::{Context, Problem};

/// The directory; emptied when it is dropped.
#[derive(Debug)]
pub struct Sockets {
    pub directory: PathBuf,
    pub hba: String,
    pub ident: String,
}

impl Sockets {
    /// Makes it, and lets PostgreSQL's own user in alone.
    pub fn make(context: &Context) -> Result<Sockets, Problem> {
        let mut sockets =
            Sockets { directory: context.path(WORKROOM), hba: String::new(), ident: String::new() };
        files::directory(context, &sockets.directory, context.accounts.postgres, 0o700)?;
        sockets.empty();
        (sockets.hba, sockets.ident) = access::write_for_upgrade(context, &sockets.directory)?;
        Ok(sockets)
    }

    fn empty(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let _ = remove(&entry.path());
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.empty();
    }
}
