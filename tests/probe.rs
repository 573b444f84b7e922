//! Probes against real servers: TCP, Unix, HTTP and HTTPS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use init_probe::Probe;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

fn probe(words: &[&str]) -> Result<(), String> {
    let probe = Probe::parse(words.iter().map(Into::into), None).expect("command line");
    probe.once()
}

/// Answers every connection in a thread of its own; returns the port.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Reads a request to its end.
fn request(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("request") == 1 {
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("UTF-8")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port()
}

#[test]
fn tcp_probe_succeeds_if_and_only_if_somebody_listens() {
    let port = serve(drop);
    assert_eq!(probe(&["tcp", &format!("127.0.0.1:{port}")]), Ok(()));
    let refused = probe(&["tcp", &format!("127.0.0.1:{}", free_port())]).unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
}

#[test]
fn localhost_is_tried_on_both_families_without_etc_hosts() {
    let port = serve(drop);
    assert_eq!(probe(&["tcp", &format!("LocalHost:{port}")]), Ok(()));
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return needs::skip("ipv6", "needs IPv6 for half of it");
    };
    let port = listener.local_addr().expect("address").port();
    assert_eq!(probe(&["tcp", &format!("localhost:{port}")]), Ok(()));
    assert_eq!(probe(&["tcp", &format!("[::1]:{port}")]), Ok(()));
}

#[test]
fn unix_probe_says_why_nobody_answers() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("s");
    let words = ["unix", path.to_str().expect("UTF-8"), "--timeout", "100ms"];
    assert!(probe(&words).unwrap_err().contains("No such file"));
    let listener = UnixListener::bind(&path).expect("bind");
    assert_eq!(probe(&words), Ok(()));
    drop(listener);
    assert!(probe(&words).unwrap_err().contains("refused"));
}

#[test]
fn unix_server_with_a_full_queue_is_not_waited_for_beyond_the_timeout() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("s");
    let _deaf = UnixListener::bind(&path).expect("bind");
    let words = ["unix", path.to_str().expect("UTF-8"), "--timeout", "20ms"];
    // Each connection that succeeds stays in the queue, which holds a few thousand at most.
    let full = (0..10_000).find_map(|_| probe(&words).err()).expect("the queue is never full");
    assert!(full.contains("no answer within 20 ms"), "{full}");
}

#[test]
fn http_probe_sends_its_headers_and_compares_the_answer() {
    let port = serve(|mut stream| {
        let text = request(&mut stream);
        let status = if text.contains("\r\nX-Key: secret\r\n") { "200 OK" } else { "403 No" };
        let _ = write!(stream, "HTTP/1.1 {status}\r\nServer: test\r\nContent-Length: 5\r\n\r\nhello");
    });
    let url = format!("http://localhost:{port}/status?x=1");
    assert_eq!(probe(&["http", &url]), Err("status 403, expected 200".into()));
    assert_eq!(probe(&["http", &url, "--status", "400-499"]), Ok(()));
    let words = ["http", &url, "--expect-header", "server: ^test$", "--body", "^hello$"];
    let with_key =
        |key: &str| Probe::parse(words.iter().map(Into::into), Some(key.into())).expect("words").once();
    assert_eq!(with_key("X-Key: secret"), Ok(()));
    assert!(with_key("X-Key: wrong").is_err());
}

#[test]
fn http_is_spoken_over_unix_sockets() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).expect("bind");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accept");
        let text = request(&mut stream);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("write");
        text
    });
    let url = format!("http+unix://{}/ping", path.to_str().expect("UTF-8").replace('/', "%2F"));
    assert_eq!(probe(&["http", &url, "--status", "204"]), Ok(()));
    assert!(server.join().expect("server").starts_with("GET /ping HTTP/1.1\r\nHost: localhost\r\n"));
}

#[test]
fn redirect_is_an_answer_and_not_followed() {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    let port = serve(|mut stream| {
        REQUESTS.fetch_add(1, Ordering::SeqCst);
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    });
    assert_eq!(probe(&["http", &format!("http://127.0.0.1:{port}/"), "--status", "302"]), Ok(()));
    assert_eq!(REQUESTS.load(Ordering::SeqCst), 1);
}

#[test]
fn silent_and_trickling_servers_are_left_at_the_timeout() {
    let silent = serve(|mut stream| drop(stream.read(&mut [0; 4096]).map(|_| std::thread::park())));
    let trickling = serve(|mut stream| {
        while stream.write_all(b"H").is_ok() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    });
    for (scheme, port) in [("http", silent), ("https", silent), ("http", trickling)] {
        let why =
            probe(&["http", &format!("{scheme}://127.0.0.1:{port}/"), "--timeout", "100ms"]).unwrap_err();
        assert!(why.contains("within 100 ms") || why.contains("not HTTP"), "{why}");
    }
}

#[test]
fn what_a_server_sends_cannot_break_the_line_of_the_reason() {
    let port = serve(|mut stream| {
        request(&mut stream);
        let _ =
            stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n\x1b[2J\n{}", "x".repeat(100_000)).as_bytes());
    });
    let why = probe(&["http", &format!("http://127.0.0.1:{port}/"), "--body", "^y"]).unwrap_err();
    assert!(why.len() < 500 && !why.contains(char::is_control), "{why}");
}

/// A CA and a server's certificate by it, for `localhost`; both in PEM, and the server's configuration.
fn certificates() -> (String, Arc<ServerConfig>) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().expect("key")).expect("CA");
    let key = KeyPair::generate().expect("key");
    let server = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let server = server.signed_by(&key, &ca).expect("certificate");
    let chain: Vec<CertificateDer<'static>> = vec![server.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config =
        builder.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("certificate");
    (ca.pem(), Arc::new(config))
}

fn serve_tls(config: Arc<ServerConfig>, polite: bool) -> u16 {
    serve(move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("connection");
        let mut stream = StreamOwned::new(connection, stream);
        let mut byte = [0];
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => text.push(byte[0]),
                _ => return,
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsecure");
        if polite {
            stream.conn.send_close_notify();
        }
        let _ = stream.flush();
    })
}

#[test]
fn https_without_a_ca_file_accepts_any_certificate() {
    let (_, config) = certificates();
    for polite in [true, false] {
        let port = serve_tls(config.clone(), polite);
        assert_eq!(probe(&["http", &format!("https://127.0.0.1:{port}/"), "--body", "^secure$"]), Ok(()));
    }
}

#[test]
fn https_with_a_ca_file_checks_issuer_and_name() {
    let ((ca, config), (other, _)) = (certificates(), certificates());
    let port = serve_tls(config, true);
    let dir = tempfile::tempdir().expect("directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.into_os_string().into_string().expect("UTF-8")
    };
    let (ca, other, empty) = (file("ca", &ca), file("other", &other), file("empty", ""));
    let with = |host: &str, ca: &str| probe(&["http", &format!("https://{host}:{port}/"), "--ca-file", ca]);
    assert_eq!(with("localhost", &ca), Ok(()));
    assert!(with("127.0.0.1", &ca).unwrap_err().contains("certificate"));
    assert!(with("localhost", &other).unwrap_err().contains("certificate"));
    assert!(with("localhost", &empty).unwrap_err().contains("no certificate in it"));
    assert!(with("localhost", "/nonexistent").unwrap_err().contains("cannot use CA file /nonexistent"));
}

#[test]
fn https_to_a_plain_server_is_a_failure() {
    let port = serve(|mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    assert!(probe(&["http", &format!("https://127.0.0.1:{port}/")]).is_err());
}
