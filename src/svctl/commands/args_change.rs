//! Options of the commands that change something.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use init_plan::Signal;

use super::set;
use crate::serve::Listen;
use crate::ship::Destination;
use crate::{duration, timer};

/// How long a change is waited for.
#[derive(Args, Clone, Copy, Debug)]
pub struct Waiting {
    /// Return at once instead of when it is done
    #[arg(long)]
    pub no_wait: bool,
    /// Stop waiting after this time (30s, 5m); init still carries out the request
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "no_wait")]
    pub timeout: Option<Duration>,
}

/// Options of `svctl scale`.
#[derive(Args, Debug)]
pub struct Scale {
    /// How long to wait for the instances.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Templates and numbers of instances
    #[arg(value_name = "NAME=N", required = true, value_parser = count)]
    pub counts: Vec<(String, i32)>,
}

fn count(text: &str) -> Result<(String, i32), String> {
    let wrong = || format!("write NAME=N or NAME=default, not `{text}`");
    let (name, count) = text.split_once('=').ok_or_else(wrong)?;
    let name = name.strip_suffix('@').unwrap_or(name).to_owned();
    // Whoever writes a negative number means no number.
    let count = if count == "default" { -1 } else { i32::from(count.parse::<u16>().map_err(|_| wrong())?) };
    Ok((name, count))
}

/// Options of `svctl set`.
#[derive(Args, Debug)]
pub struct Set {
    /// Take back all that was set before
    #[arg(long)]
    pub reset: bool,
    /// The name of a service or template
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Keys with the tables that they are in, and their values
    #[arg(value_name = "KEY=VALUE", value_parser = set::assignment)]
    pub keys: Vec<(String, Option<String>)>,
}

/// Options of `svctl hold` and `release`.
#[derive(Args, Debug)]
pub struct Names {
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl run`.
#[derive(Args, Debug)]
pub struct Run {
    /// The name of a service
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Options of `svctl timer`.
#[derive(Args, Debug)]
pub struct Timer {
    /// So often: 1h, 1d. The first time comes that long after the start, or after the time in the stamp
    #[arg(long, value_name = "TIME", value_parser = period, required_unless_present = "at", conflicts_with = "at")]
    pub every: Option<Duration>,
    /// At this time of each day, of the time zone in TZ; may be given several times
    #[arg(long, value_name = "HH:MM", value_parser = timer::time)]
    pub at: Vec<jiff::civil::Time>,
    /// Keep in this file when they were due last
    #[arg(long, value_name = "FILE")]
    pub stamp: Option<PathBuf>,
    /// How long to wait for the end of each run.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Less than a second is a loop and no schedule.
fn period(text: &str) -> Result<Duration, String> {
    duration::parse(text).and_then(|period| {
        if period.as_secs() >= 1 { Ok(period) } else { Err("must be 1s or more".to_owned()) }
    })
}

/// Options of `svctl serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Where to listen: ADDRESS:PORT, or unix:/PATH for a socket of its owner
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:9180")]
    pub listen: Listen,
    /// A file with the token that lets its holder read output and change services; only its owner may read it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Another name by which it may be asked, such as that of a proxy before it; may be given several times
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
}

/// Options of `svctl ship`.
#[derive(Args, Debug)]
pub struct Ship {
    /// Keep in this file how far it is, so that another start does not send the same again
    #[arg(long, value_name = "FILE")]
    pub position: Option<PathBuf>,
    /// Where to
    #[arg(value_name = "DESTINATION")]
    pub to: Vec<Destination>,
}

/// Options of `svctl start`.
#[derive(Args, Debug)]
pub struct Start {
    /// Start everything that starts at boot
    #[arg(long, conflicts_with = "names", required_unless_present = "names")]
    pub all: bool,
    /// How long to wait for the end of it.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

impl Start {
    /// Its part that all changes have.
    pub fn change(self) -> Change {
        Change { waiting: self.waiting, names: self.names }
    }
}

/// Options of `svctl restart`.
#[derive(Args, Debug)]
pub struct Restart {
    /// Stop what requires them first, and start it again afterwards
    #[arg(long, conflicts_with = "changed")]
    pub with_dependents: bool,
    /// Restart those whose definition on disk is newer than the one they run with: of these, or of all
    #[arg(long, required_unless_present = "names")]
    pub changed: bool,
    /// How long to wait for the end of it.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl stop`.
#[derive(Args, Debug)]
pub struct Change {
    /// How long to wait for the end of it.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl signal`.
#[derive(Args, Debug)]
pub struct SendSignal {
    /// Name or number of the signal: HUP, SIGUSR1, 15
    #[arg(value_name = "SIGNAL")]
    pub signal: Signal,
    /// Names of services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl reload`.
#[derive(Args, Debug)]
pub struct Reload {
    /// Names of services and bundles; without any, init reads its service definitions again
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl apply`.
#[derive(Args, Debug)]
pub struct Apply {
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long it may take until all that changed is ready; otherwise the definitions of before come back
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse, default_value = "2m")]
    pub timeout: Duration,
}

/// Options of `svctl wait`.
#[derive(Args, Debug)]
pub struct Wait {
    /// Wait until they are ready, complete or skipped (the default)
    #[arg(long)]
    pub ready: bool,
    /// Wait until none of their processes is left
    #[arg(long, conflicts_with = "ready")]
    pub down: bool,
    /// Stop waiting after this time (30s, 5m)
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Names of services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl shutdown`.
#[derive(Args, Debug)]
pub struct Shutdown {
    /// The exit code of init, and so of the container
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8))]
    pub code: Option<u8>,
}
