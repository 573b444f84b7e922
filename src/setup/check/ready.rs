//! `pulp-setup ready api|content|nginx|postgresql` and `alive`: whether a service answers, as a readiness check of `init`.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{abandoned, health_path, stopped};
use crate::programs::bind::{API, CONTENT, Listener};
use crate::programs::{bind, daemons, imports};
use crate::pulp_settings::PulpSettings;
use crate::steps::nginx_config::{Ports, listens, own};
use crate::steps::variables;
use crate::{Context, Problem, postgres};

/// How long one call waits, in all: shorter than the check's own `timeout`, so that it can say what it waited for.
const PATIENCE: Duration = Duration::from_secs(55);
/// How long one call waits for somebody to listen before it looks again. It is here, and not in the check's interval,
/// that this is waited for: a look is one system call here, and two processes there.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long an answer of a service that is up may take.
const ALIVE: Duration = Duration::from_secs(25);

/// Waits until it answers as a service should.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let until = Instant::now() + PATIENCE;
    match args.first().map(String::as_str) {
        Some("api") => {
            let path = format!("{}api/v3/status/", PulpSettings::load(context)?.api_root);
            answer(place(context, API)?, &path, until).and_then(ok)
        }
        Some("content") => answer(place(context, CONTENT)?, &content_path(context)?, until).and_then(ok),
        Some("nginx") => nginx(context)?.map_or(Ok(()), |place| connect(place, until).map(|_| ())),
        Some("postgresql") => postgres::answer::wait(context, until),
        _ => Err(Problem::config("S2501", "which service?", "pulp-setup ready api|content|nginx|postgresql")),
    }
}

/// `pulp-setup alive SERVICE`: as a health check. Any answer will do: an error page is the database's trouble, and no
/// reason to restart this service. None of its processes may be stopped.
pub fn alive(context: &Context, args: &[String]) -> Result<(), Problem> {
    stopped::go_on(context)?;
    let until = Instant::now() + ALIVE;
    match args.first().map(String::as_str) {
        Some("api") => {
            let path = health_path(context, &PulpSettings::load(context)?.api_root);
            answer(place(context, API)?, &path, until).map(|_| ())
        }
        Some("content") => answer(place(context, CONTENT)?, &content_path(context)?, until).map(|_| ()),
        Some("nginx") => nginx(context)?.map_or(Ok(()), |place| connect(place, until).map(|_| ())),
        Some("imports") => imports::alive(context, ALIVE)
            .map_err(|error| no_answer(&Place::Unix(imports::SOCKET.to_owned()), &error)),
        Some("postgresql") => postgres::answer::alive(context),
        Some("redis") => daemons::redis_answers(context),
        // Nobody can ask it anything. A database that does not answer is not its fault.
        Some("worker") => {
            let _ = abandoned::now_and_then(context);
            Ok(())
        }
        _ => Err(Problem::config(
            "S2502",
            "which service?",
            "pulp-setup alive api|content|worker|imports|nginx|postgresql|redis",
        )),
    }
}

/// Where a service listens.
#[derive(Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(String),
}

/// A connection to it.
pub(crate) trait Stream: Read + Write {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Stream for UnixStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Place {
    pub(crate) fn connect(&self, patience: Duration) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Place::Tcp(address) => Box::new(TcpStream::connect_timeout(address, patience)?),
            Place::Unix(path) => Box::new(UnixStream::connect(path)?),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "{address}"),
            Place::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// Where one of them is reached from here.
pub(crate) fn place(context: &Context, listener: Listener) -> Result<Place, Problem> {
    reached(listener.variable, &listener.from_inside(context))
}

/// An address of this container, and who says it.
fn reached(said_by: &str, address: &str) -> Result<Place, Problem> {
    if let Some(path) = address.strip_prefix("unix:") {
        return Ok(Place::Unix(path.to_owned()));
    }
    let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    found.map(Place::Tcp).ok_or_else(|| {
        Problem::config(
            "S2503",
            format!("{said_by} is \"{address}\""),
            format!("let it be {}", bind::ALLOWED),
        )
    })
}

/// What the content app answers to: the list of distributions, of which each domain has its own.
fn content_path(context: &Context) -> Result<String, Problem> {
    let settings = PulpSettings::load(context)?;
    let domain = if settings.domain_enabled { "default/" } else { "" };
    Ok(format!("{}{domain}", settings.content_path_prefix))
}

/// Where nginx listens, for us. Nothing if that is not known: a configuration of the user's own need not say it.
fn nginx(context: &Context) -> Result<Option<Place>, Problem> {
    if own::file(context).is_some() {
        return own::listens(context).map(|address| reached(own::PLACE, &address)).transpose();
    }
    // As it is configured: it may be about to listen there.
    if let Some(socket) = listens::checked(context) {
        return Ok(Some(Place::Unix(socket)));
    }
    let ports = Ports::beside_pulp(context);
    let port = if variables::https(context) { ports.https } else { ports.http };
    Ok(Some(Place::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))))
}

/// Whether somebody listens at this port.
pub(crate) fn listens(port: u16) -> Result<(), Problem> {
    connect(Place::Tcp(SocketAddr::from(([127, 0, 0, 1], port))), Instant::now()).map(|_| ())
}

/// A connection, as soon as somebody listens.
fn connect(place: Place, until: Instant) -> Result<(Box<dyn Stream>, Place), Problem> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match place.connect(left.max(LOOK_EVERY)) {
            Ok(stream) => return Ok((stream, place)),
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
                    && left > LOOK_EVERY =>
            {
                std::thread::sleep(LOOK_EVERY);
            }
            Err(error) => return Err(no_answer(&place, &error)),
        }
    }
}

/// The first line of the answer to a GET. The question waits in the listen queue until the service has started.
fn answer(place: Place, path: &str, until: Instant) -> Result<String, Problem> {
    let (mut stream, place) = connect(place, until)?;
    let mut ask = || -> std::io::Result<String> {
        let left = until.saturating_duration_since(Instant::now());
        stream.wait_at_most(left.max(LOOK_EVERY))?;
        // At once: a server that answers the first piece and closes would reset the connection upon the second.
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut line = String::new();
        BufReader::new(&mut stream).take(1024).read_line(&mut line)?;
        match line.trim_end() {
            "" => Err(ErrorKind::UnexpectedEof.into()),
            line => Ok(line.to_owned()),
        }
    };
    ask().map_err(|error| no_answer(&place, &error))
}

fn no_answer(place: &Place, error: &std::io::Error) -> Problem {
    Problem::new("S2504", format!("no answer at {place}: {error}"), "see its log: `svctl logs`")
}

/// Whether an answer's first line says 200.
fn ok(line: String) -> Result<(), Problem> {
    match line.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Problem::new("S2505", format!("it answers `{line}`"), "see its log: `svctl logs`")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        Place::Tcp(address)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_200_is_ready_and_nothing_else_is_but_any_answer_is_alive() {
        assert!(answer(server("HTTP/1.1 200 OK\r\n\r\n"), "/", soon()).and_then(ok).is_ok());
        let error = answer(server("HTTP/1.1 500 Oops\r\n\r\n"), "/", soon()).unwrap();
        assert!(ok(error).unwrap_err().what().contains("500 Oops"));
        assert!(answer(server(""), "/", soon()).is_err());
    }

    #[test]
    fn it_waits_for_somebody_to_listen() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let asked = std::thread::spawn(move || connect(Place::Tcp(address), soon()).map(|_| ()));
        let listener = TcpListener::bind(address).unwrap();
        listener.accept().unwrap();
        asked.join().unwrap().unwrap();
    }

    #[test]
    fn it_does_not_wait_for_ever() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(connect(Place::Tcp(address), Instant::now()).is_err());
    }

    #[test]
    fn an_address_of_all_is_asked_at_the_loopback() {
        let context = Context::for_test(std::path::Path::new("/"), [("PULP_API_BIND", "0.0.0.0:1")]);
        assert_eq!(place(&context, API).unwrap().to_string(), "127.0.0.1:1");
    }

    #[test]
    fn nginx_is_asked_where_its_configuration_says_also_before_it_listens_there() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        std::fs::create_dir_all(context.path("/run/pulp")).unwrap();
        std::fs::write(context.path("/run/pulp/nginx.conf"), "listen 80 default_server;\n").unwrap();
        assert_eq!(nginx(&context).unwrap().unwrap().to_string(), "127.0.0.1:80");
        let socket = context.path("/run/pulp/nginx/socket").display().to_string();
        let config = format!("listen [::]:1 default_server;\nlisten unix:{socket} default_server;\n");
        std::fs::write(context.path("/run/pulp/nginx.conf"), config).unwrap();
        assert_eq!(nginx(&context).unwrap().unwrap().to_string(), format!("unix:{socket}"));
    }

    #[test]
    fn with_domains_the_content_app_answers_in_the_default_one() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        std::fs::create_dir_all(context.path("/run/pulp")).unwrap();
        for (domain_enabled, path) in [(false, "/files/"), (true, "/files/default/")] {
            let content_path_prefix = "/files/".to_owned();
            PulpSettings { content_path_prefix, domain_enabled, ..PulpSettings::default() }
                .save(&context)
                .unwrap();
            assert_eq!(content_path(&context).unwrap(), path);
        }
    }

    #[test]
    fn a_socket_is_asked_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock").display().to_string();
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        });
        let value = format!("unix:{path}");
        let context = Context::for_test(std::path::Path::new("/"), [("PULP_API_BIND", value.as_str())]);
        let place = place(&context, API).unwrap();
        assert!(answer(place, "/", soon()).and_then(ok).is_ok());
    }
}
