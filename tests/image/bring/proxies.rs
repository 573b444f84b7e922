//! Reverse proxies before Pulp that end TLS, configured as docs/reverse-proxy.md says.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Site, clients};
use crate::harness::{PROMPTLY, Pulp, busy, curl, turn, until};

/// A block of the documentation, in this language.
fn documented(language: &str) -> String {
    let page = fs::read_to_string("docs/reverse-proxy.md").unwrap();
    let block = page.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// A proxy that runs on this host.
struct Proxy {
    child: Child,
    _dir: tempfile::TempDir,
    origin: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// `None` where there is no such program: the test of it is skipped.
    fn start(program: &str, pulp: &Pulp, configure: impl Fn(&Place) -> Vec<String>) -> Option<Proxy> {
        let there = Command::new(program).arg(if program == "caddy" { "version" } else { "-v" }).output();
        if !there.is_ok_and(|output| output.status.success()) {
            needs::skip(program, &format!("needs {program}, to have it before Pulp"));
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        certificate(dir.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = Place { dir: dir.path(), port, pulp: pulp.port(80) };
        let args = configure(&place);
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.process_group(0).spawn().unwrap();
        let proxy = Proxy { child, origin: format!("https://localhost:{port}"), _dir: dir };
        until("the proxy listens", PROMPTLY, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(proxy)
    }
}

/// What the documentation cannot know.
struct Place<'a> {
    dir: &'a Path,
    port: u16,
    pulp: u16,
}

impl Place<'_> {
    /// Writes a configuration of the documentation with the places of this host, and returns its path.
    fn write(&self, text: &str, changes: &[(&str, String)]) -> String {
        let mut text = text.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in the documentation:\n{text}");
            text = text.replace(from, to);
        }
        let path = self.dir.join("proxy.conf");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn upstream(&self) -> (&'static str, String) {
        ("127.0.0.1:8080", format!("127.0.0.1:{}", self.pulp))
    }
}

/// `proxy.crt`, `proxy.key`, and both in `proxy.pem`.
fn certificate(dir: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args([
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        "proxy.key",
        "-out",
        "proxy.crt",
    ]);
    assert!(openssl.current_dir(dir).output().unwrap().status.success());
    let both = ["proxy.crt", "proxy.key"].map(|name| fs::read_to_string(dir.join(name)).unwrap()).concat();
    fs::write(dir.join("proxy.pem"), both).unwrap();
}

fn nginx(pulp: &Pulp) -> Option<Proxy> {
    Proxy::start("nginx", pulp, |place| {
        let head = format!(
            "pid {}/pid;\ndaemon off;\nuser root;\nevents {{}}\nhttp {{\naccess_log off;\n",
            place.dir.display()
        );
        let changes = [
            ("listen 443 ssl", format!("listen {} ssl", place.port)),
            ("listen [::]:443 ssl;", String::new()),
            ("/etc/ssl/certs/pulp.example.com.crt", place.file("proxy.crt")),
            ("/etc/ssl/private/pulp.example.com.key", place.file("proxy.key")),
            place.upstream(),
        ];
        let path = place.write(&format!("{head}{}}}\n", documented("nginx")), &changes);
        ["-e", "stderr", "-c", &path].map(str::to_owned).to_vec()
    })
}

fn haproxy(pulp: &Pulp) -> Option<Proxy> {
    Proxy::start("haproxy", pulp, |place| {
        let changes = [
            ("bind :443", format!("bind 127.0.0.1:{}", place.port)),
            ("/etc/haproxy/pulp.example.com.pem", place.file("proxy.pem")),
            place.upstream(),
        ];
        let path = place.write(&documented("haproxy"), &changes);
        ["-db", "-f", &path].map(str::to_owned).to_vec()
    })
}

fn caddy(pulp: &Pulp) -> Option<Proxy> {
    Proxy::start("caddy", pulp, |place| {
        let tls = format!("tls {} {}\n    reverse_proxy", place.file("proxy.crt"), place.file("proxy.key"));
        let changes = [
            ("pulp.example.com {", format!("https://localhost:{} {{", place.port)),
            ("reverse_proxy", tls),
            place.upstream(),
        ];
        let text =
            format!("{{\n    admin off\n    auto_https disable_redirects\n}}\n{}", documented("caddy"));
        let path = place.write(&text, &changes);
        ["run", "--adapter", "caddyfile", "--config", &path].map(str::to_owned).to_vec()
    })
}

#[test]
fn clients_work_behind_nginx_that_ends_tls() {
    let _turn = turn();
    let Some(proxy) = nginx(busy()) else { return };
    let site = Site { pulp: busy(), origin: proxy.origin.clone(), domain: "", name: "behind_nginx" };
    clients::run(&site, clients::QUICK);
    clients::run(&site, clients::SLOW);
}

#[test]
fn clients_work_behind_haproxy_and_caddy_that_end_tls() {
    let _turn = turn();
    if !needs::time() {
        return;
    }
    for (start, name) in [(haproxy as fn(&Pulp) -> Option<Proxy>, "behind_haproxy"), (caddy, "behind_caddy")]
    {
        let Some(proxy) = start(busy()) else { continue };
        let site = Site { pulp: busy(), origin: proxy.origin.clone(), domain: "", name };
        clients::run(&site, clients::QUICK);
    }
}

#[test]
fn a_client_of_a_proxy_cannot_make_up_an_address() {
    let _turn = turn();
    for start in [nginx, haproxy, caddy] {
        let Some(proxy) = start(busy()) else { continue };
        let url = format!("{}/v2/", proxy.origin);
        let mut args = vec!["--insecure", &url];
        for lie in ["X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: http", "X-Forwarded-Port: 1"] {
            args.extend(["--header", lie]);
        }
        let answer = curl(&args).expect(401);
        let challenge = answer.header("WWW-Authenticate").unwrap();
        assert!(challenge.contains(&format!("realm=\"{}/token/\"", proxy.origin)), "{challenge}");
    }
}
