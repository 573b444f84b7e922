//! Socket activation: what whoever starts `init` listens at for its services.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use init_core::status::Phase::Up;

use crate::harness::{Running, Setup, free_port, puppet, words};

/// What a process prints of what it has.
const PRINT: &str = "print-env LISTEN_FDS print-env LISTEN_FDNAMES print-env LISTEN_PID print-self print-fds";

/// With `init` started by somebody who listens at these places.
fn activated(sockets: &str) -> Setup {
    let puppet = puppet().display().to_string();
    Setup::new().through(&[&puppet, "activate", sockets, "exec"])
}

/// What is answered at a port.
fn ask(address: &str) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(address)?).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn ask_unix(path: &str) -> String {
    let mut line = String::new();
    BufReader::new(UnixStream::connect(path).unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Whether a service printed this line since it was last started.
fn printed(running: &Running, service: &str, line: &str) -> bool {
    running.ok(&["logs", service]).lines().any(|printed| printed.ends_with(line))
}

#[test]
fn services_get_the_sockets_that_they_name_and_no_others() {
    let (one, two) = (free_port(), free_port());
    let path = tempfile::tempdir().unwrap().path().with_extension("sock").display().to_string();
    let running = activated(&format!("web=127.0.0.1:{one},api=unix:{path},web=127.0.0.1:{two}"))
        .longrun("api", &format!("{PRINT} serve-fd 3 api"), "sockets = [\"api\"]")
        .longrun("web", &format!("{PRINT} fork serve-fd 4 web"), "sockets = [\"*\"]")
        .longrun("other", &format!("{PRINT} sleep-forever"), "after = [\"api\", \"web\"]")
        .start();
    running.booted();
    assert_eq!((ask_unix(&path), ask(&format!("127.0.0.1:{two}")).unwrap()), ("api".into(), "web".into()));
    for (service, count, names, open) in [("api", 1, "api", "0,1,2,3"), ("web", 2, "web:web", "0,1,2,3,4")] {
        let pid = running.status(service).pid.unwrap();
        for line in [
            format!("LISTEN_FDS={count}"),
            format!("LISTEN_FDNAMES={names}"),
            format!("LISTEN_PID={pid}"),
            format!("fds={open}"),
        ] {
            running.until(&line, || printed(&running, service, &line));
        }
    }
    for line in ["LISTEN_FDS unset", "LISTEN_FDNAMES unset", "LISTEN_PID unset", "fds=0,1,2"] {
        running.until(line, || printed(&running, "other", line));
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn reload_command_has_the_sockets_too_and_other_commands_have_not() {
    let commands = |what: &str| words(&format!("say {what} {PRINT}"));
    let rest = format!(
        "sockets = [\"*\"]\nfinish = {}\n[reload]\nexec = {}\n[start-if]\nexec = {}",
        commands("finish"),
        commands("reload"),
        words("print-env LISTEN_FDS"),
    );
    let running =
        activated(&format!("x=127.0.0.1:{}", free_port())).longrun("web", "sleep-forever", &rest).start();
    running.booted();
    running.ok(&["reload", "web"]);
    running.line("reload");
    running.line("LISTEN_FDS=1");
    running.line("fds=0,1,2,3");
    running.ok(&["stop", "web"]);
    running.line("finish");
    running.line("LISTEN_FDS unset");
    let closed = |text: String| text.lines().any(|line| line.ends_with("fds=0,1,2"));
    running.until("nothing else is open", || closed(running.text()));
}

#[test]
fn no_connection_is_refused_while_its_service_restarts_or_is_down() {
    let address = format!("127.0.0.1:{}", free_port());
    let running =
        activated(&format!("x={address}")).longrun("web", "serve-fd 3 web", "sockets = [\"x\"]").start();
    running.booted();
    let done = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut answered = 0;
            while !done.load(Ordering::Relaxed) {
                match ask(&address) {
                    Ok(line) if line == "web" => answered += 1,
                    // It was accepted by a process that died over it.
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
                }
            }
            answered
        });
        for round in 0..50 {
            running.ok(&["restart", "web"]);
            if round % 10 == 0 {
                // The next program has them, too.
                running.ok(&["reexec"]);
            }
        }
        done.store(true, Ordering::Relaxed);
        client.join().unwrap()
    });
    assert!(answered > 50, "{answered}");

    running.ok(&["stop", "web"]);
    let early = TcpStream::connect(&address).unwrap();
    running.ok(&["start", "web"]);
    let mut line = String::new();
    BufReader::new(early).read_line(&mut line).unwrap();
    assert_eq!(line, "web\n");
}

#[test]
fn sockets_of_ipv6_are_handed_on_where_there_is_ipv6() {
    if !needs::ipv6() {
        return;
    }
    let address = std::net::TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap().to_string();
    let running =
        activated(&format!("x={address}")).longrun("web", "serve-fd 3 six", "sockets = [\"*\"]").start();
    running.booted();
    assert_eq!(ask(&address).unwrap(), "six");
}

#[test]
fn wrong_variables_are_told_and_the_boot_goes_on() {
    for (env, why) in [
        (vec![("LISTEN_FDS", "2")], "LISTEN_FDS are ignored: it is 2, but descriptor 3 is not open"),
        (vec![("LISTEN_FDS", "many")], "LISTEN_FDS are ignored: it is `many`, not a number from 0 to 64"),
        (vec![("LISTEN_FDS", "1"), ("LISTEN_PID", "4711")], "LISTEN_PID is `4711`"),
    ] {
        let setup = Setup::new().longrun("web", &format!("{PRINT} sleep-forever"), "sockets = [\"*\"]");
        let running = env.iter().fold(setup, |setup, (name, value)| setup.env(name, value)).start();
        running.booted();
        running.reach("web", Up);
        running.line("LISTEN_FDS unset");
        assert_eq!(running.text().matches(why).count(), 1, "{why}: {}", running.text());
    }
}

#[test]
fn socket_that_no_service_names_is_told() {
    let running =
        activated(&format!("odd=127.0.0.1:{}", free_port())).longrun("web", "sleep-forever", "").start();
    let line = running.line("no service has the socket `odd`");
    assert!(line.contains("sockets = [\"odd\"]"), "{line}");
    running.booted();
}
