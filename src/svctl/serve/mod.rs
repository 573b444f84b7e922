//! `svctl serve`: metrics and a page, over HTTP. It is a service of its own: PID 1 speaks no HTTP.
//!
//! Whoever reaches it can fill neither its memory nor its table of files: connections have a number, headers a time and a size,
//! and bodies are not read.

mod access;
mod answer;
mod metrics;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use init_control::wire::{Request, Response};
use init_plan::id;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::AbortHandle;

use crate::commands::args::Serve;
use crate::commands::ask::Init;
use crate::commands::complain;
use crate::exit::{Code, Trouble};
use crate::live::{Connection, Interrupts};
use crate::notify;
use access::{Access, SHORTEST};
use answer::{Console, Reply};

/// So many connections at once.
const MOST: usize = 64;
/// So long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// So large a request's head may be.
const LARGEST: usize = 16 * 1024;
/// After a stream of output has ended, the next is asked for so much later.
const PAUSE: Duration = Duration::from_secs(1);
/// No token is longer.
const LONGEST_TOKEN: u64 = 4096;

/// Where it listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// At an address.
    Address(SocketAddr),
    /// At a Unix socket, for its owner.
    Socket(PathBuf),
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Listen::Socket(path.into())),
            Some(path) => Err(format!("`{path}` is no absolute path")),
            None => text.parse().map(Listen::Address).map_err(|_| {
                format!(
                    "`{text}` is neither ADDRESS:PORT, such as 127.0.0.1:9180 or [::1]:9180, nor unix:/PATH"
                )
            }),
        }
    }
}

/// `svctl serve`. It returns only if it cannot go on.
pub fn run(init: Init, options: &Serve) -> Result<(), Trouble> {
    let token = options.token_file.as_deref().map(token).transpose()?;
    let (is_open, is_local) = match &options.listen {
        Listen::Address(address) => (!address.ip().is_loopback(), false),
        Listen::Socket(_) => (false, true),
    };
    if is_open && token.is_none() {
        let message = "others than this machine reach this address, so a token is needed: --token-file FILE";
        return Err(Trouble::said(Code::Usage, id!("C0401"), message));
    }
    let access = Access { token, hosts: options.host.clone(), is_open, is_local };
    let console = Console { init, access, totals: Mutex::default(), last: Mutex::default() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(4)
        .build();
    runtime
        .map_err(|error| refused("start the runtime", &error))?
        .block_on(serve(Arc::new(console), &options.listen))
}

/// The token in a file that nobody else may read.
fn token(path: &Path) -> Result<String, Trouble> {
    let wrong = |why: String| Trouble::said(Code::Failed, id!("C0402"), format!("{}: {why}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| wrong(format!("cannot look at it: {error}")))?;
    if !metadata.is_file() || metadata.len() > LONGEST_TOKEN {
        return Err(wrong(format!("it is no file of {LONGEST_TOKEN} bytes at most")));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(wrong("others may read this token: `chmod 600` it".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot read it: {error}")))?;
    let token = text.trim();
    let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < SHORTEST || !is_plain {
        let how = "`openssl rand -hex 32` makes a good one";
        return Err(wrong(format!(
            "a token has {SHORTEST} letters, digits and signs or more, and no space: {how}"
        )));
    }
    Ok(token.to_owned())
}

async fn serve(console: Arc<Console>, listen: &Listen) -> Result<(), Trouble> {
    let mut interrupts = Interrupts::listen().map_err(|error| refused("handle signals", &error))?;
    let crowd = Arc::new(Crowd::default());
    let cannot = |error: io::Error| refused(&format!("listen at {}", shown(listen)), &error);
    let counting = tokio::spawn(count_output(Arc::clone(&console)));
    let ended = match listen {
        Listen::Address(address) => {
            let listener = TcpListener::bind(address).await.map_err(cannot)?;
            let address = listener.local_addr().map_err(cannot)?;
            ready(&format!("http://{address}/"));
            interrupts.or(accept_tcp(&listener, &console, &crowd)).await
        }
        Listen::Socket(path) => {
            let listener = bind(path).map_err(cannot)?;
            ready(&shown(listen));
            let ended = interrupts.or(accept_unix(&listener, &console, &crowd)).await;
            let _ = fs::remove_file(path);
            ended
        }
    };
    counting.abort();
    match ended {
        // That is how a service is told to end.
        Err(Trouble::Interrupted(Code::Terminated, _)) => Ok(()),
        other => other,
    }
}

fn shown(listen: &Listen) -> String {
    match listen {
        Listen::Address(address) => address.to_string(),
        Listen::Socket(path) => format!("unix:{}", path.display()),
    }
}

fn ready(place: &str) {
    complain(&format!("serves {place}"));
    notify::tell(&format!("serves {place}"));
}

/// A socket for its owner alone. One that nobody listens at any more makes room.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there"));
            }
            fs::remove_file(path)?;
        }
        Ok(_) => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no socket"));
        }
        Err(_) => {}
    }
    // It has this mode from its beginning.
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    bound
}

async fn accept_tcp(listener: &TcpListener, console: &Arc<Console>, crowd: &Arc<Crowd>) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => crowd.admit(stream, console, Some(from.ip())),
            Err(error) => rest(&error).await,
        }
    }
}

async fn accept_unix(listener: &UnixListener, console: &Arc<Console>, crowd: &Arc<Crowd>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => crowd.admit(stream, console, None),
            Err(error) => rest(&error).await,
        }
    }
}

/// The connections that there are. When there are too many, the oldest that has not asked for anything makes room.
#[derive(Default)]
struct Crowd(Mutex<(u64, BTreeMap<u64, Guest>)>);

struct Guest {
    task: AbortHandle,
    has_asked: bool,
}

impl Crowd {
    fn admit<S>(self: &Arc<Self>, stream: S, console: &Arc<Console>, from: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, guests) = &mut *crowd;
        if guests.len() >= MOST {
            let Some((&oldest, _)) = guests.iter().find(|(_, guest)| !guest.has_asked) else {
                tracing::debug!("too many are being answered");
                return;
            };
            if let Some(guest) = guests.remove(&oldest) {
                guest.task.abort();
            }
        }
        *last += 1;
        let (number, all) = (*last, Arc::clone(self));
        let talk = talk(stream, Arc::clone(console), Arc::clone(self), (number, from));
        // There is one thread, so it is in the list before it runs.
        let task = tokio::spawn(async move {
            talk.await;
            all.0.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number);
        });
        guests.insert(number, Guest { task: task.abort_handle(), has_asked: false });
    }

    fn asks(&self, number: u64) {
        if let Some(guest) = self.0.lock().unwrap_or_else(PoisonError::into_inner).1.get_mut(&number) {
            guest.has_asked = true;
        }
    }
}

/// No file is free, or a client has gone again: trying at once would only burn time.
async fn rest(error: &io::Error) {
    tracing::debug!(%error, "cannot accept");
    tokio::time::sleep(PAUSE).await;
}

/// Answers one request; the connection ends with it, so that nobody keeps a place.
async fn talk<S>(stream: S, console: Arc<Console>, crowd: Arc<Crowd>, (number, from): (u64, Option<IpAddr>))
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        crowd.asks(number);
        let console = Arc::clone(&console);
        async move { Ok::<Reply, std::convert::Infallible>(answered(console, request, from).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(LARGEST).keep_alive(false);
    let connection = server.serve_connection(TokioIo::new(stream), answer);
    // Who takes an answer too slowly loses it.
    match tokio::time::timeout(PATIENCE * 3, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection failed"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
}

async fn answered(console: Arc<Console>, request: hyper::Request<Incoming>, from: Option<IpAddr>) -> Reply {
    let (head, _) = request.into_parts();
    let work = move || console.answer(&head.method, head.uri.path(), &head.headers, from);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let mut reply = Reply::new("it failed\n".to_owned());
        *reply.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        reply
    })
}

// ---- output ----

/// Counts what services write, if this user may read that.
async fn count_output(console: Arc<Console>) {
    loop {
        match count_one_stream(&console).await {
            Ok(()) => {}
            Err(Trouble::Said(Code::Denied, _)) => return,
            Err(trouble) => tracing::debug!(?trouble, "cannot count output"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Counts until the stream ends, or there is a service that it does not have.
async fn count_one_stream(console: &Console) -> Result<(), Trouble> {
    let logs = Request::Logs { names: Vec::new(), lines: Some(0), follow: true };
    let mut lines = opened(console, &logs).await?;
    let mut events = opened(console, &Request::Events).await?;
    let known: Vec<String> = console.init.services(&[])?.0.into_iter().map(|service| service.name).collect();
    loop {
        let response = tokio::select! {
            response = lines.next() => response,
            response = events.next() => response,
        };
        let mut totals = console.totals.lock().unwrap_or_else(PoisonError::into_inner);
        match response.map_err(|error| Trouble::connection(&error))? {
            Response::Log { service, line, .. } => totals.add_line(&service, line.len()),
            Response::Dropped { count } => totals.missed += count,
            Response::Event(event) if !known.contains(&event.service) => return Ok(()),
            Response::Error(failure) => {
                totals.counts_output = false;
                return Err(failure.into());
            }
            _ => {}
        }
        totals.counts_output = true;
    }
}

async fn opened(console: &Console, request: &Request) -> Result<Connection, Trouble> {
    let failed = |error: io::Error| Trouble::connection(&error);
    let mut connection = Connection::new(console.init.connect()?, None).map_err(failed)?;
    connection.send(request).await.map_err(failed)?;
    Ok(connection)
}

fn refused(what: &str, error: &io::Error) -> Trouble {
    Trouble::said(Code::Failed, id!("C0403"), format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_place_to_listen_is_an_address_or_a_socket() {
        assert_eq!("unix:/run/x".parse(), Ok(Listen::Socket("/run/x".into())));
        assert_eq!("[::1]:0".parse(), Ok(Listen::Address("[::1]:0".parse().unwrap())));
        for wrong in ["unix:x", "9180", "localhost:9180", "127.0.0.1", ""] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_long_plain_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let with = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            token(&path)
        };
        assert_eq!(with("0123456789abcdef\n", 0o600), Ok("0123456789abcdef".to_owned()));
        assert!(with("0123456789abcdef\n", 0o640).is_err());
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdeä"] {
            assert!(with(wrong, 0o600).is_err(), "{wrong}");
        }
        assert!(with(&"a".repeat(5000), 0o600).is_err() && token(dir.path()).is_err());
    }
}
