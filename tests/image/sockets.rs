//! Socket activation: podman is started by somebody who listens already, as a `.socket` unit beside a Quadlet's container
//! does. In the place of systemd is the puppet; the sockets are of this host's network, and the container has another.
//!
//! `PULP_INIT_ACTIVATIONS=50` restarts nginx and the API fifty times each under load, instead of a few times.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Boot, PATIENCE, Pulp, Said, curl, number, podman_ok, turn, until};
use crate::programs::puppet;
use crate::single::cluster;

const STATUS: &str = "/pulp/api/v3/status/";
const CONTENT: &str = "/pulp/content/";
/// Clients that ask at once.
const CLIENTS: usize = 4;

/// A container, started by somebody who listens at these places.
fn activated(boot: Boot, sockets: &[String]) -> Boot {
    boot.unpublished().through(&[&puppet().display().to_string(), "activate", &sockets.join(","), "exec"])
}

/// An address with a port that is free.
fn free(host: &str) -> String {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().to_string()
}

/// The status that this address answers with.
fn status(address: &str, path: &str) -> u16 {
    match address.strip_prefix("unix:") {
        Some(socket) => curl(&["--unix-socket", socket, &format!("http://localhost{path}")]).status,
        None => curl(&["--globoff", &format!("http://{address}{path}")]).status,
    }
}

/// What clients were answered with, and what not.
#[derive(Debug, Default)]
struct Tally {
    well: u32,
    /// The API was not there, and nginx said so.
    starting: u32,
    /// The connection was closed or reset over the request.
    cut: u32,
    refused: u32,
}

/// Asks again and again, each time by a connection of its own.
fn ask(address: &str, done: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !done.load(Ordering::Relaxed) {
        let stream = match TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                tally.refused += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        match answer(stream).unwrap_or_default().get(9..12) {
            Some("200") => tally.well += 1,
            Some("503") => tally.starting += 1,
            Some(other) => panic!("{other}"),
            None => tally.cut += 1,
        }
    }
    tally
}

fn answer(mut stream: TcpStream) -> std::io::Result<String> {
    let request = format!("GET {STATUS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Restarts a service so many times while clients ask at this address.
fn restarted_under_load(pulp: &Pulp, service: &str, times: u64, address: &str) -> Tally {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, &done))).collect();
        for _ in 0..times {
            pulp.ok(&["svctl", "restart", service]);
        }
        done.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for tally in clients.into_iter().map(|client| client.join().unwrap()) {
            all.well += tally.well;
            all.starting += tally.starting;
            all.cut += tally.cut;
            all.refused += tally.refused;
        }
        all
    })
}

/// A file that nginx sends by itself, so that many ask for it in little time.
const STYLES: &str = "/assets/rest_framework/css/default.css";

/// Restarts nginx so many times under wrk, which opens its connections anew when they are closed. Each that is refused counts
/// among its errors.
fn restarted_under_wrk(pulp: &Pulp, times: u64, address: &str) {
    let mut wrk = Command::new("wrk");
    wrk.args([
        "--threads",
        "2",
        "--connections",
        "32",
        "--duration",
        "1h",
        &format!("http://{address}{STYLES}"),
    ]);
    let Ok(wrk) = wrk.stdout(Stdio::piped()).spawn() else { return needs::skip("wrk", "needs wrk") };
    for _ in 0..times {
        pulp.ok(&["svctl", "restart", "nginx"]);
    }
    // It says then what it has found.
    kill(Pid::from_raw(wrk.id().cast_signed()), Signal::SIGINT).unwrap();
    let said = String::from_utf8(wrk.wait_with_output().unwrap().stdout).unwrap();
    eprintln!("{times} restarts of nginx under wrk: {said}");
    let errors = said.lines().find(|line| line.contains("Socket errors"));
    assert!(said.contains(" requests in ") && !said.contains(" 0 requests in "), "{said}");
    assert!(!said.contains("Non-2xx") && errors.is_none_or(|line| line.contains("connect 0,")), "{said}");
}

/// The sockets that a process has open, as the kernel numbers them. PID 1 shows them to nobody without a right to trace it.
fn sockets_of(pulp: &Pulp, pid: u64) -> Vec<String> {
    let script = format!("for fd in $(ls /proc/{pid}/fd | sort -n); do readlink /proc/{pid}/fd/$fd; done");
    let said = podman_ok(&["exec", "--privileged", &pulp.name, "sh", "-c", &script]);
    said.lines().filter(|line| line.starts_with("socket:")).map(str::to_owned).collect()
}

#[test]
fn nginx_the_api_and_the_content_app_answer_at_sockets_that_somebody_else_opened() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    // Anybody in the container could remove what is in there.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let unix = |name: &str| format!("unix:{}", dir.path().join(name).display());
    // One of IPv6 takes connections of both kinds. Without IPv6 that part is skipped, which is told.
    let v6 = needs::ipv6();
    let any = free(if v6 { "::" } else { "0.0.0.0" });
    let port = any.rsplit(':').next().unwrap().to_owned();
    let (web, direct) = (format!("127.0.0.1:{port}"), free("127.0.0.1"));
    let sockets = [
        format!("pulp.socket={any}"),
        format!("pulp.socket={}", unix("web")),
        format!("api={}", unix("api")),
        format!("api={direct}"),
        format!("content={}", unix("content")),
    ];
    let path = dir.path().display().to_string();
    let boot = Boot::new("activated").env("PULP_DEFAULT_ADMIN_PASSWORD", "secret").mount(&path, &path);
    let pulp = activated(boot, &sockets).ready();
    for address in [web.clone(), unix("web"), unix("api"), direct.clone()] {
        assert_eq!(status(&address, STATUS), 200, "{address}\n{}", pulp.logs());
    }
    if v6 {
        assert_eq!(status(&format!("[::1]:{port}"), STATUS), 200);
    }
    for address in [unix("content"), web.clone()] {
        assert_eq!(status(&address, CONTENT), 200, "{address}");
    }
    assert!(!pulp.logs().contains("imports Pulp by itself"), "{}", pulp.logs());

    // Nobody else has them.
    let mut given = sockets_of(&pulp, 1);
    given.truncate(sockets.len());
    for service in ["postgresql", "redis", "pulp-imports", "pulp-worker@1"] {
        let open = sockets_of(&pulp, pulp.pid(service));
        assert!(!open.is_empty() && !given.iter().any(|socket| open.contains(socket)), "{service}: {open:?}");
    }
    for (service, expected) in [
        ("nginx", [true, true, false, false, false]),
        ("pulp-api", [false, false, true, true, false]),
        ("pulp-content", [false, false, false, false, true]),
    ] {
        let open = sockets_of(&pulp, pulp.pid(service));
        assert_eq!(
            given.iter().map(|socket| open.contains(socket)).collect::<Vec<_>>(),
            expected,
            "{service}"
        );
    }

    pulp.ok(&["svctl", "reload", "nginx"]);
    assert_eq!(status(&web, STATUS), 200);
    let times = number("PULP_INIT_ACTIVATIONS", 2);
    for (service, address) in [("nginx", &web), ("pulp-api", &direct), ("pulp-api", &web)] {
        let tally = restarted_under_load(&pulp, service, times, address);
        eprintln!("{times} restarts of {service}, asked at {address}: {tally:?}");
        assert!(tally.refused == 0 && tally.well > 0, "{tally:?}");
    }
    if times > 2 {
        restarted_under_wrk(&pulp, times, &web);
    }
    // Its unit listens at this path, and goes on to do so.
    pulp.ok(&["svctl", "stop", "nginx"]);
    pulp.ok(&["svctl", "stop", "pulp-content"]);
    for name in ["web", "api", "content"] {
        assert!(dir.path().join(name).exists(), "{name}");
    }
    pulp.ok(&["svctl", "start", "nginx", "pulp-content"]);
    assert_eq!(status(&unix("web"), STATUS), 200);
    assert_eq!(status(&unix("content"), CONTENT), 200);
}

#[test]
fn a_configuration_of_the_users_own_takes_the_sockets_that_it_names_and_others_are_told() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let unix = format!("unix:{}", dir.path().join("web").display());
    let (web, forgotten) = (free("127.0.0.1"), free("127.0.0.1"));
    let own = dir.path().join("nginx.conf");
    let servers = "upstream pulp-api { server 127.0.0.1:24817; }";
    let location = "location / { proxy_set_header Host $http_host; proxy_pass http://pulp-api; }";
    let server = format!("server {{ listen {web}; listen {unix}; {location} }}");
    fs::write(&own, format!("user nginx nginx;\nevents {{}}\nhttp {{ {servers} {server} }}\n")).unwrap();
    let path = dir.path().display().to_string();
    let boot = Boot::new("own-activated").mount(&path, &path);
    let boot = boot.mount(&own.display().to_string(), "/etc/nginx/nginx.conf:ro");
    let sockets = [&web, &unix, &forgotten].map(|socket| format!("pulp.socket={socket}"));
    let pulp = activated(boot, &sockets).ready();
    for restarted in [false, true] {
        if restarted {
            pulp.ok(&["svctl", "restart", "nginx"]);
        }
        assert_eq!((status(&web, STATUS), status(&unix, STATUS)), (200, 200), "{}", pulp.logs());
    }
    assert_eq!(pulp.exec(&["pulp-setup", "healthy"]).code, 0);
    let logs = pulp.logs();
    let told: Vec<&str> = logs.lines().filter(|line| line.contains("nginx leaves out the socket")).collect();
    let cure = format!("/etc/nginx/nginx.conf has no `listen {forgotten};`: add it");
    assert!(told.len() == 1 && told[0].contains(&cure), "{told:?}");
}

/// A network with no address of IPv4 but 127.0.0.1, which is where the words that follow are run.
const IPV6_ALONE: &str = "set -e
ip link set lo up
ip address add fd00:5::1/128 dev lo nodad
exec \"$@\"";

/// All of Pulp is in the host's network here, and the host is one of IPv6 alone.
#[test]
fn a_host_with_ipv6_alone_is_served_at_its_socket_and_without_one() {
    let _turn = turn();
    if !needs::ipv6() {
        return;
    }
    let host = ["unshare", "--net", "sh", "-c", IPV6_ALONE, "sh"];
    let puppet = puppet().display().to_string();
    let socket = [puppet.as_str(), "activate", "pulp.socket=[::]:8080", "exec"];
    for (starts, port) in [(&socket[..], 8080), (&[], 80)] {
        let boot = Boot::new("v6-alone").unpublished().env("PULP_WORKERS", "1");
        let pulp = boot.podman(&["--network", "host"]).through(&[&host, starts].concat()).ready();
        // What is executed in a container of the host's network gets that of whoever executes it.
        let network = pulp.inspect("/proc/{{.State.Pid}}/ns/net");
        let within = |words: &[&str]| {
            let net = format!("--net={network}");
            let said: Said = Command::new("nsenter").arg(net).args(words).output().unwrap().into();
            assert_eq!(said.code, 0, "{words:?}: {}\n{}", said.err, pulp.logs());
            said.out
        };
        let origin = if port == 80 { "http://[fd00:5::1]" } else { "http://[fd00:5::1]:8080" };
        let ask =
            |path: &str| within(&["curl", "--silent", "--fail", "--globoff", &format!("{origin}{path}")]);
        let status = ask(STATUS);
        assert!(status.contains(&format!("\"content_origin\":\"{origin}\"")), "{status}");
        ask(CONTENT);
        within(&["podman", "exec", &pulp.name, "pulp-setup", "healthy"]);
    }
}

/// systemd's own program listens, and starts the container when the first client comes.
#[test]
fn systemd_starts_the_container_for_its_first_client_which_waits() {
    let _turn = turn();
    const STARTER: &str = "systemd-socket-activate";
    if Command::new(STARTER).arg("--version").stdout(Stdio::null()).status().is_err() {
        return needs::skip("systemd", "needs systemd-socket-activate, of Debian's package systemd");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let unix = dir.path().join("web").display().to_string();
    let (tcp, password) = (free("127.0.0.1"), "secret");
    // It gives what it starts none of its own variables but these.
    let kept: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .chain(["PULP_DEFAULT_ADMIN_PASSWORD".to_owned()])
        .map(|name| format!("--setenv={name}"))
        .collect();
    let listens = [format!("--listen={tcp}"), format!("--listen={unix}"), "--fdname=web:web".to_owned()];
    let words: Vec<&str> =
        [STARTER].into_iter().chain(kept.iter().chain(&listens).map(String::as_str)).collect();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            until("somebody who listens", PATIENCE, || TcpStream::connect(&tcp).is_ok());
            status(&tcp, STATUS)
        });
        let boot = Boot::new("systemd").unpublished().env("PULP_DEFAULT_ADMIN_PASSWORD", password);
        let pulp = boot.through(&words).ready();
        assert_eq!(first.join().unwrap(), 200, "{}", pulp.logs());
        assert_eq!(status(&format!("unix:{unix}"), STATUS), 200);
    });
}

/// As foremanctl runs Pulp: `pulp-api` is the container's command.
#[test]
fn one_process_a_container_answers_at_such_sockets_alone() {
    let _turn = turn();
    if !needs::time() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("sock");
    for (command, asked) in [("pulp-api", STATUS), ("pulp-content", CONTENT)] {
        let unix = path.with_extension(command).display().to_string();
        let tcp = free("127.0.0.1");
        let sockets = [format!("{command}.socket=unix:{unix}"), format!("{command}.socket={tcp}")];
        let boot = cluster().beside(&format!("activated-{command}")).command(&[command]);
        let pulp = activated(boot, &sockets).start();
        // The question waits in the queue until it is there.
        until("an answer", PATIENCE, || pulp.runs() && status(&tcp, asked) == 200);
        assert_eq!(status(&format!("unix:{unix}"), asked), 200);
        let own = pulp.ok(&["sh", "-c", "cat /proc/net/tcp /proc/net/tcp6"]);
        let listens = own.lines().filter(|line| line.contains(" 0A ") && line.contains(":60F")).count();
        assert_eq!(listens, 0, "{own}");
        // From within nobody can ask there, which is no reason to call it ill.
        assert_eq!(pulp.exec(&["/usr/bin/readyz.py", asked]).code, 0);
        assert_eq!(pulp.exec(&["pulp-setup", "healthy"]).code, 0);
    }
}
