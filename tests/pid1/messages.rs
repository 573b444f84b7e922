//! Each message of `init` that has an id, provoked: the id is there, and what comes with it. A test of the documentation
//! (`tests/promises.rs`) holds that none is left out.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::Command;

use init_control::wire::{self, Request, Response, Until, Verb};
use init_core::status::Phase::{Failed, Up};
use nix::sys::signal::Signal;

use crate::harness::{
    Running, Said, Setup, as_user, away_from_others, exec, free_port, init, puppet, svctl, words,
};

/// What `init` says to these words, as a command that starts nothing.
fn said(words: &[&OsStr]) -> Said {
    Command::new(init()).args(words).output().unwrap().into()
}

fn texts(words: &[&'static str]) -> Vec<&'static OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

#[track_caller]
fn has(text: &str, id: &str) {
    assert!(text.contains(&format!(" [{id}]")), "no {id} in: {text}");
}

/// The id of a failure that is answered.
#[track_caller]
fn answered(running: &Running, request: &Request) -> String {
    let answers = running.ask(request);
    let mut ids = answers.iter().filter_map(|answer| match answer {
        Response::Error(failure) => failure.id,
        _ => None,
    });
    ids.next().unwrap_or_else(|| panic!("{request:?}: {answers:?}")).to_string()
}

#[test]
fn command_line_that_makes_no_sense_has_an_id() {
    for (words, id) in [
        (&["--nope"][..], "I0104"),
        (&["--services"], "I0105"),
        (&["--log", "loud"], "I0106"),
        (&["schema", "x"], "I0107"),
        (&["check", "--nope"], "I0109"),
        (&["exec"], "I0110"),
    ] {
        let said = said(&texts(words));
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{words:?}");
        has(&said.err, id);
    }
    let said = said(&[OsStr::from_bytes(b"\xff")]);
    assert_eq!(said.code, 64);
    has(&said.err, "I0108");
}

#[test]
fn init_that_cannot_begin_says_why_with_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let run = |script: &str| -> Said {
        let mut command = away_from_others();
        command.args(["sh", "-c", script, "sh", init(), "--services"]).arg(directory.path());
        command.env("INIT_RUNTIME_DIR", directory.path()).output().unwrap().into()
    };
    // No room for what it needs besides the standard streams.
    let few = run("ulimit -n 5; exec \"$@\"");
    assert_eq!(few.code, 71, "{few:?}");
    has(&few.err, "I0101");
    // A state that is none, and a program before that is none.
    let state = run("exec 8</dev/null 9</dev/null; INIT_STATE=$$:8:9: exec \"$@\"");
    assert_eq!(state.code, 71, "{state:?}");
    has(&state.err, "I0102");
}

#[test]
fn second_init_and_a_command_of_a_service_that_cannot_be_are_refused_with_an_id() {
    let running =
        Setup::new().longrun("web", "sleep-forever", "").longrun("gone", "sleep-forever", "").start();
    running.booted();
    let second = running.inside(&[
        "env",
        &format!("INIT_RUNTIME_DIR={}", running.setup.dir.path().join("run").display()),
        init(),
    ]);
    assert_eq!(second.code, 73, "{second:?}");
    has(&second.err, "I0103");
    fs::remove_file(running.setup.services().join("gone.toml")).unwrap();
    has(&running.fails(64, &["run", "gone", "--", "true"]), "I0112");
    has(&running.fails(1, &["show", "gone"]), "C0209");
    // What `set` writes goes below a directory that cannot be.
    fs::write(running.setup.dir.path().join("run/set"), "").unwrap();
    has(&running.fails(1, &["set", "web", "nice=1"]), "C0302");
    let mut command = running.svctl_command(&["run", "web", "--"]);
    let odd: Said = command.arg(OsStr::from_bytes(b"\xff")).output().unwrap().into();
    assert_eq!(odd.code, 64, "{odd:?}");
    has(&odd.err, "I0113");
    if !needs::root() {
        return;
    }
    let user = as_user(33);
    let pid = running.pid().to_string();
    let other: Said = Command::new(&user[0])
        .args(&user[1..])
        .args([init(), "exec", &pid, "web", "true"])
        .output()
        .unwrap()
        .into();
    assert_eq!(other.code, 78, "{other:?}");
    has(&other.err, "I0111");
}

#[test]
fn requests_that_cannot_be_carried_out_have_an_id() {
    let running = Setup::new()
        .longrun("web", "sleep-forever", "")
        .longrun("idle", "sleep-forever", "autostart = false\nreload = { signal = \"HUP\" }")
        .longrun("broken", "exit 3", "autostart = false\nrestart = \"never\"")
        .longrun("slow", "sleep-forever", "autostart = false\nready = { fd = 3 }\nstart-timeout = \"1h\"")
        .start();
    running.booted();
    for (code, words, id) in [
        (4, &["stop", "wbe"][..], "I0203"),
        (4, &["scale", "web=2"], "I0205"),
        (1, &["signal", "HUP", "idle"], "I0206"),
        (1, &["reload", "web"], "I0207"),
        (1, &["reload", "idle"], "I0208"),
        (1, &["start", "broken"], "I0210"),
        (3, &["start", "--timeout", "10ms", "slow"], "I0211"),
    ] {
        has(&running.fails(code, words), id);
    }
    let nobody = Request::Change { verb: Verb::Stop, names: Vec::new(), wait: false, timeout_ms: None };
    assert_eq!(answered(&running, &nobody), "I0204");
    let reexec = |program: &str, reads| Request::Reexec { program: program.to_owned(), reads };
    assert_eq!(answered(&running, &reexec("/bin/true", vec![1])), "I0216");
    let own = fs::read_link(format!("/proc/{}/exe", running.pid())).unwrap();
    assert_eq!(answered(&running, &reexec(own.to_str().unwrap(), vec![99])), "I0217");
    let mut stream = UnixStream::connect(running.setup.dir.path().join("run/control")).unwrap();
    stream.write_all(b"nonsense\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"id\":\"I0212\""), "{answer}");
}

#[test]
fn answer_that_is_too_long_is_refused_with_an_id() {
    // A definition is small, and what it makes of a variable is not.
    let setup = Setup::new().env("LONG", &"x".repeat(100_000));
    let all: String = (0..11).map(|number| format!("V{number} = \"${{LONG}}\"\n")).collect();
    let running =
        setup.longrun("web", "sleep-forever", &format!("autostart = false\n[env.set]\n{all}")).start();
    assert_eq!(answered(&running, &Request::Definitions { names: vec!["web".to_owned()] }), "I0213");
}

#[test]
fn others_who_want_to_act_or_to_read_logs_are_refused_with_an_id() {
    if !needs::root() {
        return;
    }
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    for (words, id) in [
        (&["stop", "web"][..], "I0202"),
        (&["logs", "web"], "I0214"),
        (&["run", "web", "--", "true"], "C0204"),
        (&["reexec"], "C0204"),
    ] {
        let mut command = away_from_others();
        command.args(as_user(33)).arg(svctl()).args(words);
        command.env("INIT_RUNTIME_DIR", running.setup.dir.path().join("run"));
        let said: Said = command.output().unwrap().into();
        assert_eq!(said.code, 5, "{said:?}");
        has(&said.err, id);
    }
}

#[test]
fn waiting_for_what_goes_away_or_asking_while_all_stops_has_an_id() {
    let setup = Setup::new().unhurried();
    let gate = setup.path("gate");
    let running = setup
        .longrun("late", "sleep-forever", "autostart = false")
        .longrun(
            "stubborn",
            "say runs sleep-forever",
            &format!("stop.exec = {}", words(&format!("wait-file {gate} exit 1"))),
        )
        .start();
    running.line("runs");
    let wait = Request::Wait { names: vec!["late".to_owned()], until: Until::Ready, timeout_ms: None };
    let mut stream = UnixStream::connect(running.setup.dir.path().join("run/control")).unwrap();
    stream.write_all(&wire::encode(&wait).unwrap()).unwrap();
    // Requests are read in the order of their connections.
    running.ask(&Request::Health);
    fs::remove_file(running.setup.services().join("late.toml")).unwrap();
    running.ok(&["reload"]);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"id\":\"I0209\""), "{answer}");
    running.signal(Signal::SIGTERM);
    running.line("shutting down");
    has(&running.fails(1, &["start", "stubborn"]), "I0201");
    fs::write(running.setup.work("gate"), "").unwrap();
    assert_eq!(running.exit().0, 0);
}

#[test]
fn service_that_cannot_be_started_says_why_with_an_id() {
    let setup = Setup::new();
    let (data, garbage, ring) = (setup.path("data"), setup.path("garbage"), setup.path("ring"));
    fs::write(&data, "#!/bin/sh\n").unwrap();
    fs::write(&garbage, "no program\n").unwrap();
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&ring, &ring).unwrap();
    let command = |program: &str, rest: &str| format!("exec = [{program:?}]\nrestart = \"never\"\n{rest}\n");
    let cases = [
        ("a", command("sleep", "user = \"nobody-has-this-name\""), "I0301"),
        ("b", command("sleep", "env.file = \"/nowhere/at/all\""), "I0302"),
        ("c", command("no-such-program", ""), "I0304"),
        ("d", command(&data, ""), "I0305"),
        ("e", command(&ring, ""), "I0306"),
        ("f", command(&garbage, ""), "I0308"),
        ("g", command("sleep", "cwd = \"/nowhere/at/all\""), "I0309"),
    ];
    let setup = cases.iter().fold(setup, |setup, (name, text, _)| setup.file(&format!("{name}.toml"), text));
    let running = setup.start();
    running.booted();
    for (name, _, id) in cases {
        running.reach(name, Failed);
        has(&running.note(name), id);
        has(&running.line(&format!("{name} FAILED: ")), id);
    }
}

#[test]
fn what_an_ordinary_user_cannot_give_its_services_is_said_with_an_id() {
    if !needs::root() {
        return;
    }
    let running = Setup::new()
        .longrun("root", "sleep-forever", "user = \"root\"\nrestart = \"never\"")
        .longrun("limit", "sleep-forever", "restart = \"never\"\n[limits]\nnofile = 100000000")
        .uid(1000)
        .start();
    running.booted();
    for (name, id) in [("root", "I0310"), ("limit", "I0311")] {
        running.reach(name, Failed);
        has(&running.note(name), id);
    }
}

#[test]
fn probe_program_that_is_missing_is_said_with_an_id() {
    if ["/usr/local/libexec/init-probe", "/usr/libexec/init-probe"]
        .iter()
        .any(|path| fs::metadata(path).is_ok())
    {
        return needs::skip("no-probe", "init-probe is installed on this machine");
    }
    let setup = Setup::new();
    let copy = setup.path("init");
    fs::copy(init(), &copy).unwrap();
    let setup = setup.through(&["sh", "-c", &format!("shift; exec {copy} \"$@\""), "sh"]);
    let running = setup
        .longrun(
            "web",
            "sleep-forever",
            "start-timeout = \"1h\"\nrestart = \"never\"\n[ready]\ntcp = \"127.0.0.1:1\"",
        )
        .start();
    running.until("the first try", || running.note("web") != "not ready yet");
    has(&running.note("web"), "I0307");
}

#[test]
fn variables_that_make_no_sense_are_said_with_an_id_and_the_boot_goes_on() {
    let setup =
        Setup::new().env("INIT_LOG", "loud").env("NOTIFY_SOCKET", "nowhere").env("LISTEN_FDS", "many");
    let running = setup.longrun("web", "say hello sleep-forever", "").start();
    running.line("hello");
    for (words, id) in [
        ("the sockets of LISTEN_FDS are ignored", "I0408"),
        ("is unknown: write debug or off", "I0410"),
        ("cannot tell the container manager", "I0421"),
    ] {
        has(&running.line(words), id);
    }
}

#[test]
fn boot_without_a_place_to_write_says_so_with_an_id() {
    if !needs::root() {
        return;
    }
    let nowhere = "for d in /run /dev/shm /tmp; do mkdir -p $d; done; mount --bind / /mnt && mount --bind \"$PLACE\" /mnt/mnt;
        for d in /run /dev/shm; do mount -t tmpfs -o ro none $d; done; mount -o remount,bind,ro /";
    let setup = Setup::new().not_in_a_container();
    let place = setup.dir.path().display().to_string();
    let running = setup
        .without_runtime_dir()
        .env("PLACE", &place)
        .env("INIT_GENERATOR", "/bin/true")
        .longrun("tells", "say never-runs sleep-forever", "[ready]\nnotify = true")
        .before(nowhere)
        .start();
    for (words, id) in [
        ("svctl will not work", "I0402"),
        ("is not run: there is no runtime directory", "I0406"),
        ("no runtime directory for its notify socket", "I0314"),
    ] {
        has(&running.line(words), id);
    }
}

#[test]
fn generator_that_fails_and_definitions_that_are_wrong_are_said_with_an_id() {
    let running =
        Setup::new().longrun("web", "sleep-forever", "").env("INIT_GENERATOR", "/bin/false").start();
    has(&running.line("INIT_GENERATOR (/bin/false) failed"), "I0409");
    running.booted();
    fs::write(running.setup.services().join("wrong.toml"), "exec = 1\n").unwrap();
    running.signal(Signal::SIGHUP);
    has(&running.line("the plan on disk is wrong"), "I0416");
    running.line("[D0401]");
}

#[test]
fn reexec_while_definitions_are_read_is_refused_with_an_id() {
    let setup = Setup::new();
    let (gate, generator) = (setup.path("gate"), setup.path("generator"));
    // The first time, at the boot, it ends at once.
    let script = format!(
        "#!/bin/sh\n[ -e {gate}.boot ] || {{ touch {gate}.boot; exit; }}\ntouch {gate}.reads\nuntil [ -e {gate} ]; do sleep 0.05; done\n"
    );
    fs::write(&generator, script).unwrap();
    fs::set_permissions(&generator, fs::Permissions::from_mode(0o755)).unwrap();
    let running = setup.longrun("web", "sleep-forever", "").env("INIT_GENERATOR", &generator).start();
    running.booted();
    let mut reload = running.svctl_command(&["reload"]).spawn().unwrap();
    running.until("the generator runs", || running.setup.work("gate.reads").exists());
    has(&running.fails(1, &["reexec"]), "I0215");
    fs::write(&gate, "").unwrap();
    assert!(reload.wait().unwrap().success());
}

#[test]
fn plan_that_is_applied_while_another_one_is_has_an_id() {
    let running = Setup::new().longrun("web", "sleep-forever", "").start();
    running.booted();
    let never = format!("{}ready = {{ fd = 3 }}\nstart-timeout = \"1h\"\n", exec("sleep-forever"));
    fs::write(running.setup.services().join("web.toml"), never).unwrap();
    let mut first = running.svctl_command(&["apply", "--timeout", "1h"]).spawn().unwrap();
    running.line("apply: the plan on disk is put in force");
    has(&running.fails(1, &["apply"]), "I0220");
    running.ok(&["shutdown"]);
    first.wait().unwrap();
}

#[test]
fn sockets_that_nobody_wants_or_that_have_no_names_are_said_with_an_id() {
    let (puppet, place) = (puppet().display().to_string(), format!("odd=127.0.0.1:{}", free_port()));
    let names = "LISTEN_FDNAMES=a:b exec \"$@\"";
    let setup = Setup::new().through(&[&puppet, "activate", &place, "exec", "sh", "-c", names, "sh"]);
    let running = setup.longrun("web", "sleep-forever", "").start();
    has(&running.line("no service has the socket"), "I0418");
    has(&running.line("LISTEN_FDNAMES is ignored"), "I0419");
}

#[test]
fn what_a_service_does_that_counts_for_nothing_is_said_with_an_id() {
    let running = Setup::new()
        .longrun("long", &format!("notify {} say said sleep-forever", "x".repeat(70_000)), "notify = true")
        .start();
    has(&running.line("long: "), "I0411");
    running.reach("long", Up);
}
