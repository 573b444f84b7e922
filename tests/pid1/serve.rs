//! `svctl serve` as a service under a real init: metrics, the page, and who may do what.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use init_core::status::Phase::{Down, Up};

use crate::harness::{Running, Setup, free_port, svctl};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The definition of a console with these options, beside two services.
fn console(options: &str) -> Setup {
    let text = format!("exec = [\"{}\", \"serve\"{options}]\n[ready]\nnotify = true\n", svctl());
    Setup::new()
        .longrun("web", "say hello-from-web ready-fd 3 sleep-forever", "[ready]\nfd = 3")
        .longrun("job", "exit 3", "restart = \"never\"\n[ready]\nfd = 3")
        .file("console.toml", &text)
}

fn quoted(options: &[&str]) -> String {
    options.iter().map(|option| format!(", {option:?}")).collect()
}

/// Status and the rest of what comes back.
fn answer(stream: &mut (impl Read + Write), request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    (status, text)
}

fn request(port: u16, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    answer(&mut stream, &format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n"))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A console at a port, with a token.
fn with_token() -> (Running, u16) {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap().keep();
    let token = dir.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let listen = format!("127.0.0.1:{port}");
    let options = quoted(&["--listen", &listen, "--token-file", &token.to_string_lossy()]);
    let running = console(&options).start();
    running.reach("console", Up);
    (running, port)
}

#[test]
fn metrics_tell_states_use_and_output_of_every_service() {
    let (running, port) = with_token();
    running.line("hello-from-web");
    let wanted = [
        "init_service_state{service=\"web\",state=\"up\"} 1",
        "init_service_state{service=\"job\",state=\"failed\"} 1",
        "init_service_wanted{service=\"web\"} 1",
        "init_service_processes{service=\"web\"} 1",
        "init_boot_complete 1",
        "# EOF",
    ];
    running.until("all metrics", || {
        let (status, text) = request(port, "GET", "/metrics", "");
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("application/openmetrics-text; version=1.0.0"), "{text}");
        wanted.iter().all(|line| text.lines().any(|found| found == *line))
    });
    // What is written from now on is counted, also of a service that the plan gets meanwhile.
    let path = running.setup.services().join("late.toml");
    std::fs::write(path, crate::harness::exec("say late-line sleep-forever")).unwrap();
    running.ok(&["reload"]);
    running.reach("late", Up);
    running.until("its output is counted", || {
        running.ok(&["restart", "late"]);
        let (_, text) = request(port, "GET", "/metrics", "");
        text.lines().any(|line| line.starts_with("init_service_log_lines_total{service=\"late\"}"))
    });
    assert!(running.status("console").note.unwrap().contains("serves http://127.0.0.1:"));
}

#[test]
fn only_the_holder_of_the_token_reads_output_and_changes_services() {
    let (running, port) = with_token();
    running.line("hello-from-web");
    for (path, method) in [("/api/logs/web", "GET"), ("/api/services/web/stop", "POST")] {
        assert_eq!(request(port, method, path, "").0, 401, "{path}");
        assert_eq!(request(port, method, path, &bearer("wrong")).0, 401, "{path}");
        let foreign = bearer(TOKEN) + "Origin: http://evil.example.org\r\n";
        assert_eq!(request(port, method, path, &foreign).0, 403, "{path}");
        assert_eq!(request(port, method, path, "Host: evil.example.org\r\n").0, 421, "{path}");
    }
    let (status, text) = request(port, "GET", "/api/logs/web", &bearer(TOKEN));
    assert!(status == 200 && text.contains("hello-from-web"), "{text}");
    assert_eq!(request(port, "GET", "/api/logs/wbe", &bearer(TOKEN)).0, 404);
    assert_eq!(request(port, "GET", "/api/services/web/stop", &bearer(TOKEN)).0, 405);
    assert_eq!(running.phase("web"), Up);
    assert_eq!(request(port, "POST", "/api/services/web/stop", &bearer(TOKEN)).0, 200);
    running.reach("web", Down);
    running.line("stop of web, asked for by the holder of the token at 127.0.0.1");
    assert!(!running.text().contains(TOKEN));
}

#[test]
fn page_brings_all_it_needs_and_services_say_what_they_say_to_svctl() {
    let (running, port) = with_token();
    let (status, page) = request(port, "GET", "/", "");
    assert!(status == 200 && page.contains("default-src 'none'; script-src 'self'"), "{page}");
    for part in ["/console.js", "/console.css"] {
        assert!(page.contains(part) && request(port, "GET", part, "").0 == 200, "{page}");
    }
    let (_, text) = request(port, "GET", "/api/services", "");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    let names: Vec<&str> =
        told["services"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), running.services().len());
    let (status, text) = request(port, "GET", "/api/boot.svg", "");
    assert!(status == 200 && text.contains("<svg"), "{text}");
    assert!(request(port, "GET", "/api/history", "").1.contains("ended with exit code 3"));
    assert_eq!(request(port, "GET", "/etc/passwd", "").0, 404);
    let (status, head) = request(port, "HEAD", "/", "");
    assert!(status == 200 && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn socket_is_for_its_owner_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("console.sock");
    // What an earlier one left that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let running = console(&quoted(&["--listen", &format!("unix:{}", socket.display())])).start();
    running.reach("console", Up);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&socket).unwrap();
    let (status, _) =
        answer(&mut stream, "GET /metrics HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n");
    assert_eq!(status, 200);
    let mut stream = UnixStream::connect(&socket).unwrap();
    let post = "POST /api/services/web/stop HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n";
    assert_eq!(answer(&mut stream, post).0, 403, "there is no token");
    running.ok(&["stop", "console"]);
    assert!(!socket.exists());
    assert_eq!(running.status("console").last_exit, Some(init_core::status::Exit::Code(0)));
}

#[test]
fn address_that_others_reach_needs_a_token() {
    let running = console(&quoted(&["--listen", "0.0.0.0:0"])).start();
    running.line("others than this machine reach this address, so a token is needed");
}

#[test]
fn clients_that_say_nothing_are_not_waited_for() {
    let (_running, port) = with_token();
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    // Those before it lose their places when their time is over.
    assert_eq!(request(port, "GET", "/metrics", "").0, 200);
    drop(silent);
}
