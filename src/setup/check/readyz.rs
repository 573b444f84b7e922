//! `readyz.py PATH`: whether the API or the content app of this container can serve, as compose files and Kubernetes ask;
//! and `pulp-setup healthy`, which the images' HEALTHCHECK asks, whatever they have been started as.
//!
//! Exit codes are those of upstream's script: 0 ready, 3 no database, 4 no cache, 1 anything else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::health_path;
use super::ready::{self, Place};
use crate::programs::sockets::{self, At};
use crate::programs::{bind, web};
use crate::{Context, Problem};

/// Upstream's exit codes.
const NO_DATABASE: u8 = 3;
const NO_CACHE: u8 = 4;
/// Kubernetes sets it where a service named `redis` is in the namespace. Only there the cache counts.
const CACHE_VARIABLE: &str = "REDIS_SERVICE_HOST";
/// Who probes has a limit of its own; upstream's script has none.
const PATIENCE: Duration = Duration::from_secs(25);
/// What to look at when it does not answer.
const LOG: &str = "see the container's log";
/// No answer that we look into is as big.
const MOST: u64 = 4 << 20;
/// A listener answers a connection at once, if there is one.
const AT_ONCE: Duration = Duration::from_secs(1);
const OUT_OF_REACH: &str =
    "Readiness probe: its sockets (LISTEN_FDS) cannot be reached from this container, which is up";
/// As a browser would follow them.
const REDIRECTS: usize = 5;

/// What this container does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Api,
    Content,
    Worker,
    Web,
    Init,
}

/// `readyz.py PATH`
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let [path] = args else {
        return Err(Problem::config(
            "S2506",
            "readyz.py needs a path",
            "say `readyz.py /pulp/api/v3/status/`",
        ));
    };
    // With a shared PID namespace, PID 1 is something else: then the path says it.
    let role = role(context).unwrap_or(if path.contains("/api/") { Role::Api } else { Role::Content });
    let listener = if role == Role::Content { bind::CONTENT } else { bind::API };
    let Some(place) = place(context, listener)? else {
        context.say(OUT_OF_REACH);
        return Ok(());
    };
    say(context, &place, path);
    if role == Role::Content {
        let mut answer = ask("HEAD", &place, path)?;
        if answer.status == 404 {
            // With domains there is nothing at the prefix itself.
            answer = ask("HEAD", &place, &format!("{path}default/"))?;
        }
        if answer.status >= 400 {
            return Err(Problem::new("S2507", format!("it answers {}", answer.status), LOG));
        }
    } else {
        look_into(context, &ask("GET", &place, path)?)?;
    }
    context.say("Readiness probe: ready!");
    Ok(())
}

fn say(context: &Context, place: &Place, path: &str) {
    context.say(&format!("Readiness probe: checking {place}{path}"));
}

/// What the API says of itself.
fn look_into(context: &Context, answer: &Answer) -> Result<(), Problem> {
    let Ok(status) = serde_json::from_slice::<Value>(&answer.body) else {
        return Err(Problem::new(
            "S2508",
            format!("the API answers {} and no status", answer.status),
            "see the container's log, and whether the path is that of API_ROOT: /pulp/api/v3/status/",
        ));
    };
    let connected =
        |what: &str| status.get(what).and_then(|it| it.get("connected")) == Some(&Value::Bool(true));
    if !connected("database_connection") {
        return Err(Problem::coded(
            "S2509",
            NO_DATABASE,
            "Readiness probe: database issue",
            "see the API's log",
        ));
    }
    if context.var(CACHE_VARIABLE).is_some() && !connected("redis_connection") {
        return Err(Problem::coded(
            "S2510",
            NO_CACHE,
            "Readiness probe: cache issue",
            "see REDIS_… in the settings",
        ));
    }
    Ok(())
}

/// `pulp-setup healthy`
pub fn healthy(context: &Context, _: &[String]) -> Result<(), Problem> {
    // Not as the settings have them, which it takes a Python to know: any answer will do.
    let lives = health_path(context, context.var("PULP_API_ROOT").unwrap_or("/pulp/"));
    let prefix = context.var("PULP_CONTENT_PATH_PREFIX").unwrap_or("/pulp/content/");
    let (listener, path) = match role(context) {
        Some(Role::Init) => return svctl(),
        Some(Role::Api) => (bind::API, lives.as_str()),
        Some(Role::Content) => (bind::CONTENT, prefix),
        Some(Role::Web) => return web::answers(context),
        // A worker that is stuck in its task does what it is told; a command of the user's own is theirs to judge.
        Some(Role::Worker) | None => return Ok(()),
    };
    // An error is the database's trouble, and no reason to call this process ill.
    match place(context, listener)? {
        Some(place) => ask("GET", &place, path).map(|_| ()),
        None => Ok(()),
    }
}

/// Where it is to be asked. At sockets that somebody else listens at for it there is always an answer in the end, once
/// it runs, but they may be of a network or a directory that this container does not have: then nowhere.
fn place(context: &Context, listener: bind::Listener) -> Result<Option<Place>, Problem> {
    let words = command_line(context);
    let given: Vec<At> = words.iter().filter_map(|word| sockets::in_bind(word)).collect();
    if given.is_empty() {
        return ready::place(context, listener).map(Some);
    }
    let mut places = given.into_iter().filter_map(from_inside);
    Ok(places.find(|place| place.connect(AT_ONCE).is_ok()))
}

/// Who listens at every address does so at the loopback's.
fn from_inside(at: At) -> Option<Place> {
    match at {
        At::Tcp(mut address) => {
            if address.ip().is_unspecified() {
                let v4 = address.is_ipv4();
                address.set_ip(if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            }
            Some(Place::Tcp(address))
        }
        At::Unix(path) => Some(Place::Unix(path.to_str()?.to_owned())),
        At::Elsewhere => None,
    }
}

/// Whoever asks kills what is not healthy, soon after the start: a boot that upgrades a database is to be let be.
fn svctl() -> Result<(), Problem> {
    let error = Command::new("svctl").args(["health", "--live"]).exec();
    Err(Problem::new("S2511", format!("cannot run `svctl`: {error}"), "build the image again"))
}

/// The command line of PID 1: its program as we started it, or the title that it has given itself since.
fn command_line(context: &Context) -> Vec<String> {
    let line = std::fs::read(context.path("/proc/1/cmdline")).unwrap_or_default();
    let words = line.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    words.filter(|word| !word.is_empty()).collect()
}

/// From that line.
fn role(context: &Context) -> Option<Role> {
    let words = command_line(context);
    let is = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| names_it(word, name)));
    [
        (Role::Api, ["pulp-api", "pulpcore-api"].as_slice()),
        (Role::Content, &["pulp-content", "pulpcore-content"]),
        (Role::Worker, &["pulp-worker", "pulpcore-worker"]),
        (Role::Web, &["pulp-web", "nginx"]),
        (Role::Init, &["init"]),
    ]
    .into_iter()
    .find_map(|(role, names)| is(names).then_some(role))
}

/// Whether a word of a command line names a program: as a path, or within a title such as `gunicorn: master [NAME]`.
fn names_it(word: &str, name: &str) -> bool {
    let file = Path::new(word).file_name().is_some_and(|file| file == name);
    file || word.split([' ', '[', ']', ':', '=']).any(|part| part == name)
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// A request, and those that it is redirected to.
fn ask(method: &str, place: &Place, path: &str) -> Result<Answer, Problem> {
    let until = Instant::now() + PATIENCE;
    let mut path = path.to_owned();
    for _ in 0..=REDIRECTS {
        let (answer, location) = once(method, place, &path, until)
            .map_err(|error| Problem::new("S2512", format!("no answer at {place}: {error}"), LOG))?;
        match location.filter(|_| (300..400).contains(&answer.status)) {
            Some(to) => path = to,
            None => return Ok(answer),
        }
    }
    Err(Problem::new("S2513", format!("{place}{path} redirects for ever"), LOG))
}

/// One request; an answer of HTTP/1.0, which ends with the connection.
fn once(
    method: &str,
    place: &Place,
    path: &str,
    until: Instant,
) -> std::io::Result<(Answer, Option<String>)> {
    let left = || until.saturating_duration_since(Instant::now()).max(Duration::from_millis(10));
    let mut stream = place.connect(left())?;
    stream.wait_at_most(left())?;
    // In one piece: who answers after the first may have closed before the second.
    stream.write_all(format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    // A server that closes before it has read all resets; what it said counts.
    if let Err(error) = stream.take(MOST).read_to_end(&mut bytes)
        && bytes.is_empty()
    {
        return Err(error);
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(&bytes) {
        Ok(httparse::Status::Complete(end)) => {
            let location =
                response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("location"));
            let location = location.and_then(|header| std::str::from_utf8(header.value).ok()).map(path_of);
            let body = bytes.get(end..).unwrap_or_default().to_vec();
            Ok((Answer { status: response.code.unwrap_or_default(), body }, location))
        }
        _ => Err(std::io::Error::other("that is no answer of HTTP")),
    }
}

/// The path of a URL, which is ours whatever host it names.
fn path_of(url: &str) -> String {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned(),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A container whose PID 1 has this command line, words separated by `|`.
    fn role_of(line: &str) -> Option<Role> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proc/1")).unwrap();
        std::fs::write(dir.path().join("proc/1/cmdline"), line.replace('|', "\0")).unwrap();
        role(&Context::for_test(dir.path(), []))
    }

    #[test]
    fn what_a_container_does_is_told_by_its_first_process() {
        for (line, expected) in [
            ("pulp-api|", Some(Role::Api)),
            ("/usr/bin/python3|/usr/local/bin/pulpcore-api|--bind|[::]:24817|", Some(Role::Api)),
            ("gunicorn: master [pulpcore-content]|", Some(Role::Content)),
            ("gunicorn: master [pulp-api]", Some(Role::Api)),
            ("/usr/bin/python3|gunicorn|--name|pulp-content|", Some(Role::Content)),
            ("/run/podman-init|--|pulp-worker|", Some(Role::Worker)),
            ("nginx: master process nginx -c /run/pulp/nginx.conf|", Some(Role::Web)),
            ("/init|", Some(Role::Init)),
            ("/run/podman-init|--|/init|", Some(Role::Init)),
            ("/pause|", None),
            ("sleep|pulp-apiary|", None),
        ] {
            assert_eq!(role_of(line), expected, "{line}");
        }
    }

    #[test]
    fn sockets_of_others_are_asked_where_they_can_be_reached_and_taken_for_ready_where_not() {
        let well = "HTTP/1.1 200 OK\r\n\r\n{\"database_connection\": {\"connected\": true}}";
        let ill = "HTTP/1.1 200 OK\r\n\r\n{\"database_connection\": {\"connected\": false}}";
        // One answer each for the connection that looks whether anybody is there.
        let (well, ill) = (server(Box::leak(Box::new(["", well]))), server(Box::leak(Box::new(["", ill]))));
        for (binds, expected) in [
            ("unix:///nonexistent/a.sock".to_owned(), 0),
            (format!("unix:///nonexistent/a.sock|--bind|tcp://{well}"), 0),
            (format!("tcp://{ill}"), NO_DATABASE),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join("proc/1")).unwrap();
            let line = format!("pulpcore-api|--bind|{binds}|").replace('|', "\0");
            std::fs::write(dir.path().join("proc/1/cmdline"), line).unwrap();
            let context = Context::for_test(dir.path(), [("PULP_API_BIND", "127.0.0.1:1")]);
            let found = run(&context, &["/pulp/api/v3/status/".to_owned()]);
            assert_eq!(found.map_or_else(|problem| problem.code(), |()| 0), expected, "{binds}");
        }
    }

    /// Answers each connection with the next text, and gives back the address.
    fn server(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        address
    }

    fn code(path: &str, env: &[(&str, &str)]) -> u8 {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        run(&context, &[path.to_owned()]).map_or_else(|problem| problem.code(), |()| 0)
    }

    #[test]
    fn exit_codes_of_the_api_are_upstreams() {
        let path = "/pulp/api/v3/status/";
        let cache = (CACHE_VARIABLE, "10.0.0.1");
        let well = "HTTP/1.1 200 OK\r\n\r\n{\"database_connection\": {\"connected\": true}, \"redis_connection\": {\"connected\": false}}";
        let ill = "HTTP/1.1 200 OK\r\n\r\n{\"database_connection\": {\"connected\": false}}";
        for (answer, env, expected) in [
            (well, None, 0),
            (well, Some(cache), NO_CACHE),
            (ill, Some(cache), NO_DATABASE),
            ("HTTP/1.1 500 Oops\r\n\r\n<html>", None, 1),
        ] {
            let address = server(Box::leak(Box::new([answer])));
            let env: Vec<(&str, &str)> =
                env.into_iter().chain([("PULP_API_BIND", address.as_str())]).collect();
            assert_eq!(code(path, &env), expected, "{answer}");
        }
        assert_eq!(code(path, &[("PULP_API_BIND", "127.0.0.1:1")]), 1);
    }

    #[test]
    fn the_content_app_is_ready_unless_it_answers_with_an_error() {
        for (answers, expected) in [
            (["HTTP/1.1 200 OK\r\n\r\n"].as_slice(), 0),
            (&["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"], 0), // domains
            (&["HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"], 1),
            (&["HTTP/1.1 503 No\r\n\r\n"], 1),
        ] {
            assert_eq!(code("/pulp/content/", &[("PULP_CONTENT_BIND", &server(answers))]), expected);
        }
    }

    #[test]
    fn redirects_are_followed_but_not_for_ever() {
        let there = "HTTP/1.1 301 There\r\nLocation: http://elsewhere/pulp/api/v3/status/\r\n\r\n";
        let well = "HTTP/1.1 200 OK\r\n\r\n{\"database_connection\": {\"connected\": true}}";
        let address = server(Box::leak(Box::new([there, well])));
        assert_eq!(code("/x/api/y", &[("PULP_API_BIND", &address)]), 0);
        assert_eq!(code("/x/api/y", &[("PULP_API_BIND", &server(&AGAIN))]), 1);
    }

    static AGAIN: [&str; 6] = ["HTTP/1.1 301 There\r\nLocation: /again/api/\r\n\r\n"; 6];
}
