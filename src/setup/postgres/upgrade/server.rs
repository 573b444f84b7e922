//! A PostgreSQL that runs on one of the two clusters for as long as an upgrade needs it.

use std::fs;
use std::path::{Path, PathBuf};

use super::sockets::Sockets;
use super::{CURE, LIMIT, errors, word};
use crate::ask::command::Tool;
use crate::postgres::place::Place;
use crate::postgres::release::Release;
use crate::{Context, Problem};

/// The server; stopped when it is dropped.
#[derive(Debug)]
pub struct Server<'a> {
    context: &'a Context,
    release: &'a Release,
    data: PathBuf,
    port: u16,
    sockets: &'a Path,
    runs: bool,
}

/// What each has in common: it talks to us alone, writes its log where it is told, and archives nothing.
const ALWAYS: [&str; 7] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "logging_collector=off",
    "log_destination=stderr",
    "archive_mode=off",
    "autovacuum=off",
    "shared_preload_libraries=",
];

impl<'a> Server<'a> {
    /// Starts it and waits until it takes connections.
    pub fn start(
        context: &'a Context,
        (release, data, port): (&'a Release, PathBuf, u16),
        place: &Place,
        sockets: &'a Sockets,
        settings: &[&str],
    ) -> Result<Server<'a>, Problem> {
        let server = Server { context, release, data, port, sockets: &sockets.directory, runs: true };
        let log = place.scratch().join(format!("{port}.log"));
        let tool = server.ctl(place, &["-w", "-t", "86400", "-l"]).arg(&log);
        let output = tool.arg("-o").arg(options(sockets, port, settings)).arg("start").output()?;
        if output.status.success() {
            return Ok(server);
        }
        let why = errors(&fs::read_to_string(&log).unwrap_or_default()).join("; ");
        Err(Problem::new(
            "S1516",
            format!("PostgreSQL {} does not start on {}: {why}", release.major, server.data.display()),
            CURE,
        ))
    }

    /// Stops it, and waits until all is written.
    pub fn stop(mut self, place: &Place) -> Result<(), Problem> {
        self.runs = false;
        self.ctl(place, &["-w", "-t", "86400", "-m", "fast"])
            .arg("stop")
            .run(
                &format!("stop PostgreSQL {} on {}", self.release.major, self.data.display()),
                "start the container again: the upgrade begins anew, and the old database is as it was",
            )
            .map(drop)
    }

    /// A client of this server, of the release of `clients`.
    pub fn client(&self, clients: &Release, place: &Place, program: &str) -> Tool {
        let tool = clients.tool(self.context, program).directory(&place.scratch()).limit(LIMIT);
        let tool = tool.env("PGHOST", self.sockets).env("PGPORT", self.port.to_string());
        tool.env("PGUSER", "postgres").env("PGDATABASE", "postgres")
    }

    fn ctl(&self, place: &Place, words: &[&str]) -> Tool {
        let tool = self.release.tool(self.context, "pg_ctl").directory(&place.scratch()).limit(LIMIT);
        tool.arg("-D").arg(&self.data).args(words)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if self.runs {
            let tool = self.release.tool(self.context, "pg_ctl").arg("-D").arg(&self.data);
            let _ = tool.args(["-w", "-m", "fast", "stop"]).output();
        }
    }
}

/// One text, which `pg_ctl` hands to a shell.
fn options(sockets: &Sockets, port: u16, settings: &[&str]) -> String {
    let own = [
        format!("port={port}"),
        format!("unix_socket_directories={}", word(&sockets.directory.to_string_lossy())),
        format!("hba_file={}", word(&sockets.hba)),
        format!("ident_file={}", word(&sockets.ident)),
    ];
    let all = ALWAYS.iter().chain(settings).map(|&setting| setting.to_owned()).chain(own);
    all.map(|setting| format!("-c {setting}")).collect::<Vec<_>>().join(" ")
}
