//! The command line of `svctl`. What is written here is its help, its man pages and its completions too.

use std::ffi::OsString;
#[cfg(feature = "docs")]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::duration;
use init_plan::Signal;

/// See and control the services of this container.
///
/// svctl talks to the init that started the services, over a Unix socket. Anybody may look; root and the user init
/// runs as may also change things.
#[derive(Debug, Parser)]
#[command(name = "svctl", version, after_long_help = AFTER)]
pub struct Svctl {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Exit codes:
   0  done
   1  a service failed, or not all is well
   3  it took longer than --timeout; what was asked for goes on
   4  there is no service or bundle of that name
   5  not permitted
  64  the command line makes no sense
  69  init is not running here, or does not answer

The socket is looked for in $INIT_RUNTIME_DIR, /run/pulp-init,
/dev/shm/pulp-init-UID and /tmp/pulp-init-UID.
Colours are used on a terminal unless $NO_COLOR is set.";

/// What `svctl` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show services and their states
    ///
    /// Without names: every service but oneshots that are done and services nobody asked for.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one service at length, with its last lines of output
    Status(Status),
    /// Start services, and whatever they require and want
    Start(Change),
    /// Stop services, after whatever requires them
    Stop(Change),
    /// Stop services and start them again; what requires them stays up
    Restart(Change),
    /// Send a signal to the main process of services
    #[command(visible_alias = "kill")]
    Signal(SendSignal),
    /// Make services reload their configuration, or init its plan
    Reload(Reload),
    /// Wait until services are ready or down
    ///
    /// Without names: until the whole boot is complete.
    Wait(Wait),
    /// Show the output of services
    ///
    /// With one name, its lines as they were written; otherwise each with its service's name.
    Logs(Logs),
    /// Show every change of a service's state from now on
    Events(Events),
    /// Show how long each service took to start at boot, the slowest first
    ///
    /// From when nothing it waits for was left until it was ready (longrun) or complete (oneshot), restarts on the
    /// way included.
    Blame(Blame),
    /// Show which services the boot had to wait for, one after the other
    ///
    /// The service that was ready last, below it the one that it had waited for last, and so on. After @ stands when
    /// it could start, counted from the beginning of init, after + how long it took from there. With names: the same
    /// for the last of these services.
    CriticalChain(CriticalChain),
    /// Draw the boot: an SVG picture of services over time
    Plot,
    /// Say whether all is well: for HEALTHCHECK
    ///
    /// Exits with 0 if the boot is complete, init is not shutting down and every service that is wanted is well; in
    /// every other case with 1, after a line for each problem.
    Health(Health),
    /// Shut the container down
    Shutdown(Shutdown),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print the name of every service, for completions
    #[command(hide = true)]
    Names,
    /// Write the man pages of svctl and init
    #[cfg(feature = "docs")]
    #[command(hide = true)]
    Man(Man),
}

/// Options of `svctl list`.
#[derive(Args, Debug)]
pub struct List {
    /// Every service
    #[arg(short, long)]
    pub all: bool,
    /// Only services that failed, wait for their next try, or are unhealthy
    #[arg(long)]
    pub failed: bool,
    /// A JSON array with every service
    #[arg(long)]
    pub json: bool,
    /// Services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Lines of output to show
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: usize,
    /// A JSON array
    #[arg(long)]
    pub json: bool,
    /// Services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl start`, `stop` and `restart`.
#[derive(Args, Debug)]
pub struct Change {
    /// Do not wait until it is done
    #[arg(long)]
    pub no_wait: bool,
    /// Wait so long at most, as 30s or 5m; what was asked for goes on
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "no_wait")]
    pub timeout: Option<Duration>,
    /// Services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl signal`.
#[derive(Args, Debug)]
pub struct SendSignal {
    /// Its name or number, as HUP, SIGUSR1 or 15
    #[arg(value_name = "SIGNAL")]
    pub signal: Signal,
    /// Services and bundles
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Options of `svctl reload`.
#[derive(Args, Debug)]
pub struct Reload {
    /// Services and bundles; without any, init reads its service definitions again
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl wait`.
#[derive(Args, Debug)]
pub struct Wait {
    /// Until they are ready, complete or skipped (the default)
    #[arg(long)]
    pub ready: bool,
    /// Until nothing of them runs
    #[arg(long, conflicts_with = "ready")]
    pub down: bool,
    /// Wait so long at most, as 30s or 5m
    #[arg(short, long, value_name = "TIME", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Services and bundles
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl logs`.
#[derive(Args, Debug)]
pub struct Logs {
    /// Stay, and show what comes
    #[arg(short, long)]
    pub follow: bool,
    /// Show at most so many of the lines that were kept
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Begin each line with its time (UTC)
    #[arg(short, long)]
    pub timestamps: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Services and bundles; without any, all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl events`.
#[derive(Args, Debug)]
pub struct Events {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Options of `svctl blame`.
#[derive(Args, Debug)]
pub struct Blame {
    /// A JSON array
    #[arg(long)]
    pub json: bool,
}

/// Options of `svctl critical-chain`.
#[derive(Args, Debug)]
pub struct CriticalChain {
    /// A JSON array
    #[arg(long)]
    pub json: bool,
    /// Services and bundles; without any, the whole boot
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `svctl health`.
#[derive(Args, Debug)]
pub struct Health {
    /// Only the exit code
    #[arg(short, long)]
    pub quiet: bool,
    /// A JSON object
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
}

/// Options of `svctl shutdown`.
#[derive(Args, Debug)]
pub struct Shutdown {
    /// The container's exit code
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8))]
    pub code: Option<u8>,
}

/// Options of `svctl completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// fish
    Fish,
    /// zsh
    Zsh,
}

impl Shell {
    /// Its completions of `svctl`. They are generated from the command line in this file (`make docs`) and kept: what
    /// generates them is not needed in a container.
    pub fn completions(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("../../../docs/completions/svctl.bash"),
            Shell::Fish => include_str!("../../../docs/completions/svctl.fish"),
            Shell::Zsh => include_str!("../../../docs/completions/svctl.zsh"),
        }
    }
}

/// Options of `svctl man`.
#[cfg(feature = "docs")]
#[derive(Args, Debug)]
pub struct Man {
    /// An existing directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Reads the arguments (without the program's name).
///
/// # Errors
/// What clap says: an error, or help that was asked for.
pub fn parse(arguments: &[OsString]) -> Result<Svctl, clap::Error> {
    // By its own name, whatever name the binary was called by.
    let name = OsString::from("svctl");
    Svctl::try_parse_from(std::iter::once(&name).chain(arguments))
}
