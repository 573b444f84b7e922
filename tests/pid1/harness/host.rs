//! Where `init` runs: a pid namespace, or a container.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::programs::HIDE_OTHERS;
use super::setup::{Input, Setup};
use super::{init, probe, puppet, svctl};

/// `$PULP_INIT_PODMAN` is how podman is called here, with options if need be.
pub fn podman() -> Command {
    let program = std::env::var("PULP_INIT_PODMAN").unwrap_or_else(|_| "podman".to_owned());
    let mut words = program.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("podman"));
    command.args(words);
    command
}

/// The name of the container it is to run in; `None`: in a namespace.
pub(super) fn container(setup: &Setup) -> Option<String> {
    let wanted = cfg!(feature = "containers") && std::env::var_os("PULP_INIT_NAMESPACES").is_none();
    let possible = setup.before.is_empty()
        && setup.through.is_empty()
        && setup.uid.is_none()
        && !setup.not_pid1
        && !setup.no_container
        && setup.output.is_none()
        && (setup.own_services || !setup.podman.is_empty());
    let name = setup.dir.path().file_name().unwrap().to_string_lossy();
    (wanted && possible).then(|| format!("pulp-init-test-{name}"))
}

/// Words to put before a command that is to run as another user.
pub fn as_user(uid: u32) -> Vec<String> {
    let id = uid.to_string();
    ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(str::to_owned).to_vec()
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn init_args(setup: &Setup) -> Vec<String> {
    let mut args = Vec::new();
    if setup.own_services {
        args.extend(["--services".to_owned(), setup.services().display().to_string()]);
    }
    args.extend(setup.args.iter().cloned());
    args
}

fn environment(setup: &Setup) -> Vec<(String, String)> {
    let mut all: Vec<_> = setup.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if setup.own_runtime {
        all.push(("INIT_RUNTIME_DIR".to_owned(), setup.dir.path().join("run").display().to_string()));
    }
    all
}

/// `init` as PID 1 of a new pid namespace, or as PID 2 below a shell.
pub(super) fn namespace_command(setup: &Setup) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    let mut words: Vec<String> = Vec::new();
    if setup.input == Input::Terminal {
        // As a container runtime does: PID 1 leads a session, and the terminal is that session's.
        words.extend(["setsid".to_owned(), "--ctty".to_owned()]);
    }
    if let Some(uid) = setup.uid {
        words.extend(as_user(uid));
    }
    words.extend(setup.through.iter().cloned());
    words.push(init().to_owned());
    words.extend(init_args(setup));
    if setup.own_runtime && setup.before.is_empty() && !setup.not_pid1 {
        command.args(words);
    } else {
        command.args(["sh", "-c", &script(setup, &words)]);
    }
    command.env_remove("NOTIFY_SOCKET").env_remove("INIT_RUNTIME_DIR").env_remove("INIT_SERVICES");
    command.envs(environment(setup));
    command
}

fn script(setup: &Setup, words: &[String]) -> String {
    let hide = if setup.own_runtime { "" } else { HIDE_OTHERS };
    let mut script = format!("{hide}\n{}\n", setup.before);
    if !setup.not_pid1 {
        script.push_str("exec");
    }
    for word in words {
        let _ = write!(script, " {}", quote(word));
    }
    if setup.not_pid1 {
        // Two commands, or the shell would become the last one.
        script.push_str("\nexit $?");
    }
    script
}

/// `init` as the entry point of a container, which finds binary, puppet and the test's directory where they are here.
pub(super) fn container_command(setup: &Setup, name: &str) -> Command {
    let dir = setup.dir.path().display().to_string();
    let mut command = podman();
    command.args(["run", "--rm", "--name", name, "--network", "none", "--log-driver", "none"]);
    command.args(["-v", &format!("{dir}:{dir}")]);
    for program in [init(), svctl(), probe()].map(PathBuf::from).into_iter().chain([puppet()]) {
        let program = program.display();
        command.args(["-v", &format!("{program}:{program}:ro")]);
    }
    match setup.input {
        Input::Null => {}
        Input::Pipe => drop(command.arg("-i")),
        Input::Terminal => drop(command.arg("-it")),
    }
    for (variable, value) in environment(setup) {
        command.args(["-e", &format!("{variable}={value}")]);
    }
    command.args(&setup.podman);
    let image =
        std::env::var("PULP_INIT_TEST_IMAGE").unwrap_or_else(|_| "localhost/pulp-init-base".to_owned());
    command.args(["--entrypoint", init(), &image]);
    command.args(init_args(setup));
    command
}
