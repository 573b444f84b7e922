//! The command line of `init`, described for its help and its man page. `init` itself reads it by hand and carries no
//! parser.

/// The command line, as clap knows it.
pub fn command() -> clap::Command {
    use clap::{Arg, ArgAction, Command};
    let directory = |help: &'static str| {
        Arg::new("services").long("services").value_name("DIR").action(ArgAction::Append).help(help)
    };
    Command::new("init")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Start and supervise the services of a container")
        .long_about(LONG_ABOUT)
        .override_usage("init [OPTIONS] [--] [COMMAND [ARGUMENT]...]\n       init check [DIR]...\n       init schema")
        .after_help(AFTER)
        .disable_help_subcommand(true)
        .arg(directory("A directory of service definitions; may be given several times, later files replace earlier ones of the same name"))
        .arg(
            Arg::new("log")
                .long("log")
                .value_name("KIND")
                .value_parser(["prefix", "json", "inherit", "ring", "none"])
                .help("How services log that do not say it themselves"),
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .num_args(0..)
                .trailing_var_arg(true)
                .help("Run this once every service is ready; when it ends, shut down with its exit code"),
        )
}

const LONG_ABOUT: &str = "\
Starts the services that are defined in a directory of TOML files, in the order of their dependencies, keeps them \
running, and stops them in reverse order. It is meant to be process 1 of a container and works as any other process \
too. Use svctl to look at the services and to control them.";

const AFTER: &str = "\
Other uses, when the first argument is:
  check [DIR]...  say what is wrong with the definitions, and run nothing
  schema          print the JSON Schema of a definition, for editors
  exec ...        become a command of a service: what svctl run calls
  state-kinds     say which running init it can go on for: svctl reexec

Environment:
  INIT_SERVICES     directories of definitions, separated by colons, if
                    there is no --services; else /etc/services.d
  INIT_GENERATOR    a program that writes definitions into the directory
                    that is its last argument, at boot and at reloads
  INIT_RUNTIME_DIR  a directory for the control socket, tried before
                    /run/pulp-init, /dev/shm/pulp-init-UID and
                    /tmp/pulp-init-UID
  LISTEN_FDS        sockets that somebody else listens at, for the services
                    that name them: see sd_listen_fds(3)
  INIT_LOG          debug: log each event and action, and what each service
                    waits for

Signals:
  TERM, INT, PWR  shut down
  HUP             read the definitions again

Exit codes:
   0  it was asked to shut down, and did
   N  COMMAND's own (128 + the signal's number if it was killed), or that
      of an essential service that failed for good; 127 if there
      is no such COMMAND, before anything is started
  64  the command line makes no sense
  73  another init runs here already: use svctl
  78  the service definitions are wrong";
