//! The command line of `svctl`. What is written here is its help, its man pages and its completions too.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use super::args_change::*;
pub use super::args_look::*;

/// Show and control the services of this container
///
/// svctl talks to the init that started the services, over a Unix socket. Every user may look. Only root and the user
/// that init runs as may change anything.
#[derive(Debug, Parser)]
#[command(name = "svctl", version, after_long_help = AFTER)]
pub struct Svctl {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Exit codes:
    0  success
    1  a service failed, or is not well
    3  it took longer than --timeout; init still carries out the request
    4  there is no service or bundle of that name
    5  permission denied
   64  wrong usage
   69  init is not running here, or does not answer
  130  interrupted by Ctrl-C (SIGINT) while waiting; 143 by SIGTERM

Environment:
  INIT_RUNTIME_DIR  the directory of the control socket, tried before
                    /run/pulp-init, /dev/shm/pulp-init-UID and
                    /tmp/pulp-init-UID
  SVCTL_LOG         debug shows which sockets are tried, the request and
                    the answers, with times, on standard error
  NO_COLOR          no colours, even on a terminal";

/// The commands of `svctl`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show services and their states
    ///
    /// Without names it shows every service, except oneshots that are done and services that were never asked for.
    #[command(visible_alias = "ls")]
    List(List),
    /// Show services in detail, with their last lines of output
    Status(Status),
    /// Show why services are not up: what they wait for, down to the cause, and what to do
    ///
    /// Below a service stands what it waits for, or what it failed with. Without names it shows every service that is not
    /// as it should be.
    Why(Why),
    /// Explain the id of a message (S1505) or an exit code (78)
    Explain(Explain),
    /// Show services and their processes
    ///
    /// CPU is the time on a processor since the start of a process. RSS is its resident memory; what processes share is
    /// counted for each of them. Without names, services without processes are left out, and processes of no service come
    /// last.
    Tree(Tree),
    /// Show services live: their states, what they use, and the last lines of one of them
    ///
    /// `?` shows the keys. CPU is the share of one processor since the last look. It only looks, so every user may use it.
    Top(Top),
    /// Show what services depend on
    ///
    /// `wants` and `after` stand before services that are not required. What was shown already is not shown again: `…`
    /// stands for it. Without names it begins with the services that nothing depends on.
    Deps(Deps),
    /// Draw the dependencies of services, for Graphviz or Mermaid
    ///
    /// With names it draws these services and what they depend on.
    Graph(Graph),
    /// Tell whether services are up, or done: the exit code is 0 if all of them are, else 1
    IsActive(Ask),
    /// Tell whether services have failed: the exit code is 0 if any of them has, else 1
    IsFailed(Ask),
    /// Show the last changes of services' states, with times and reasons
    ///
    /// init keeps the last 1,000 changes. The lines are those of `svctl events`.
    History(History),
    /// Show the definition of services, and which file, line and variables each key comes from
    ///
    /// Keys that are not written anywhere have their defaults and are not shown. Only root and the user that init runs as
    /// can see it, because it depends on init's environment.
    Show(Show),
    /// Show what `svctl reload` would change
    Diff(Diff),
    /// Print a report for a ticket: states, what is wrong, history, processes, the boot, without secrets
    ///
    /// Of the environment it has the names, and the values of what cannot be secret. In output and command lines, values of
    /// variables that look secret, and what follows words such as `password=`, are replaced. Read it before you send it.
    Report(Report),
    /// Start services, and all that they require and want
    Start(Start),
    /// Stop services, after all that requires them
    Stop(Change),
    /// Stop services and start them again; what requires them stays up
    Restart(Restart),
    /// Run as many instances of a template, until the next boot
    ///
    /// `svctl scale worker=4`; `worker=default` is what its definition says. Like `svctl reload` it reads the service
    /// definitions again. It waits until the instances are ready.
    Scale(Scale),
    /// Give a service other keys of its definition, until the next boot
    ///
    /// `svctl set redis restart.delay=5s 'exec=["redis-server", "--loglevel", "debug"]'`. A value that is TOML is taken as it is, any
    /// other as a string; `KEY=` takes a key back. The name of a template stands for all its instances. Like `svctl reload` it reads the
    /// service definitions again; the service has the keys from its next start on. Without keys it shows what is set.
    Set(Set),
    /// Let nothing happen to services by itself, for a debugger: no checks, no timeouts, no restarts
    ///
    /// A held service that ends stays down until `svctl release`, and takes nothing along.
    Hold(Names),
    /// End `svctl hold`
    Release(Names),
    /// Run a command as a service would: its user, groups, environment, directory, limits and capabilities
    ///
    /// The service need not run. The command has no part in the service: nobody restarts it or waits for it. Only root and
    /// the user that init runs as can do it.
    Run(Run),
    /// Run oneshots at times of day, or in intervals: a service of its own
    ///
    /// It restarts the services when they are due, waits for their end, and goes on. It is meant to be the program of a service:
    /// with `notify = true` there, `svctl list` shows when they are due next. With `--stamp` a time that was missed, because
    /// nothing ran, is made up for, once.
    Timer(Timer),
    /// Serve metrics for Prometheus, and a page: a service of its own
    ///
    /// `/metrics` has the metrics, `/` the page. What every user of the container may see needs no token at a loopback address or
    /// a Unix socket. Output of services and changes need the token of `--token-file`, sent as `Authorization: Bearer`. At any other
    /// address everything needs it. With `notify = true` in the definition of its service, that is ready when it listens.
    Serve(Serve),
    /// Send the output of services, and changes of their states, elsewhere: a service of its own
    ///
    /// To files (`file:/DIR?size=10MB&keep=5`), a syslog server (`syslog+udp://HOST:514`, `syslog+tcp://…`, `syslog+unix:/dev/log`), an
    /// OpenTelemetry collector (`otlp+http://HOST:4318`) or Loki (`loki+http://[USER:PASSWORD@]HOST:3100`). Without destinations it takes
    /// those in $SVCTL_SHIP_TO, separated by blanks. A receiver that is slow or gone slows nobody down: 8 MiB wait for it, what does not
    /// fit is dropped, the oldest first, and counted. With `notify = true` in its definition `svctl list` shows the numbers.
    Ship(Ship),
    /// Send a signal to the main process of each service
    #[command(visible_alias = "kill")]
    Signal(SendSignal),
    /// Make services reload their configuration, or init its service definitions
    Reload(Reload),
    /// Put changed service definitions in force, and go back if they do not work
    ///
    /// Services that are new start, those that are gone stop, and those that changed restart, in the order of their dependencies;
    /// nothing else does. If one of them fails, or is not ready in time, init takes the definitions of before again, also when
    /// svctl was interrupted. A service that does not say when it is ready must run for a second. Held services are left alone.
    Apply(Apply),
    /// Let another version of init's program take the place of the running one
    ///
    /// Put the new program where the old one is, by renaming it. Services, their output, their timers, and who follows or waits stay as
    /// they are. The new program is asked first whether it can go on with what the running one knows. If it then cannot, the running one goes on.
    Reexec,
    /// Wait until services are ready or down
    ///
    /// Without names it waits until the whole boot is complete.
    Wait(Wait),
    /// Show the output of services
    ///
    /// With a single name, lines are shown as the service wrote them. Otherwise each line begins with the name of its
    /// service.
    Logs(Logs),
    /// Show every change of a service's state from now on
    Events(Events),
    /// Show how long each service took to start at boot, the slowest first
    ///
    /// The time runs from when the service had nothing left to wait for until it was ready (longrun) or complete
    /// (oneshot), and includes restarts on the way.
    Blame(Blame),
    /// Show the chain of services that the boot had to wait for
    ///
    /// The first line is the service that was ready last. Below each service is the one that it had waited for last.
    /// @ is the time at which a service could start, counted from the start of init; + is how long it then took. With
    /// names, the chain begins at the last of these services.
    CriticalChain(CriticalChain),
    /// Draw the boot: an SVG picture of services over time
    Plot,
    /// Tell whether all services are well, for a HEALTHCHECK
    ///
    /// The exit code is 0 if the boot is complete, init is not shutting down and every service that should be up is
    /// well. Otherwise it is 1, and a line is printed for each problem. With `--live` a boot or a shutdown is well, too,
    /// as long as nothing has failed.
    Health(Health),
    /// Shut the container down
    Shutdown(Shutdown),
    /// Translate services of s6-overlay into service definitions
    ///
    /// It reads s6-rc.d, cont-init.d, cont-finish.d, fix-attrs.d and services.d of the image, and prints a definition for
    /// each service. Scripts stay where they are. What cannot run here is named on standard error, with what to write by
    /// hand.
    #[command(name = "import-s6")]
    ImportS6(ImportS6),
    /// Make /run/s6/container_environment, for with-contenv
    #[command(name = "s6-environment", hide = true)]
    S6Environment,
    /// Apply files of fix-attrs.d
    #[command(name = "s6-fix-attrs", hide = true)]
    S6FixAttrs(S6FixAttrs),
    /// Print shell completions
    Completions(Completions),
    /// Print the name of every service and bundle, for completions
    #[command(hide = true)]
    Names,
    /// Write the man pages of svctl and init
    #[cfg(feature = "docs")]
    #[command(hide = true)]
    Man(Man),
}

/// Options of `svctl health`.
#[derive(Args, Debug)]
pub struct Health {
    /// Print nothing: the exit code is the answer
    #[arg(short, long)]
    pub quiet: bool,
    /// Print a JSON object
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Whether to kill the container: a boot that goes on counts as healthy
    #[arg(long)]
    pub live: bool,
}

/// Options of `svctl import-s6`.
#[derive(Args, Debug)]
pub struct ImportS6 {
    /// The root of an image, or a directory of s6-rc's service directories
    #[arg(value_name = "DIR", default_value = "/")]
    pub directory: PathBuf,
    /// Write a file for each service into this directory instead of printing them
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}

/// Options of `svctl s6-fix-attrs`.
#[derive(Args, Debug)]
pub struct S6FixAttrs {
    /// Files of fix-attrs.d
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `svctl completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell to print completions for
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells that there are completions for.
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
    /// The completions of `svctl` for this shell. They are generated from the command line in this file (`make docs`)
    /// and compiled in, because what generates them is not needed in a container.
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

/// Parses the arguments, without the program's name.
///
/// # Errors
/// What clap reports: an error, or help that was asked for.
pub fn parse(arguments: &[OsString]) -> Result<Svctl, clap::Error> {
    // Messages name `svctl`, whatever name the program was called by.
    let name = OsString::from("svctl");
    Svctl::try_parse_from(std::iter::once(&name).chain(arguments))
}
