//! Services that are forked from the process that imported Pulp (`shared_imports.py`, the service `pulp-imports`).
//!
//! Importing Pulp takes each Python process two seconds and a hundred megabytes, of which all but a few are the same.
//! So `pulp-setup exec api` asks that process for a child of it, tells `init` that this child is the service from now on
//! (`MAINPID=`), and ends. Where that cannot be, it becomes the service itself, as ever.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use serde::{Deserialize, Serialize};

use super::{environment, sockets};
use crate::steps::variables::Variables;
use crate::{Context, Problem};

/// Where that process listens.
pub const SOCKET: &str = "/run/pulp/imports/socket";
/// Its code.
pub const PROGRAM: &str = "/usr/lib/pulp/shared_imports.py";
/// How long an answer may take: as long as an import on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it may say that it imports anew.
const TRIES: u32 = 3;

/// Why a service is not forked from there.
#[derive(Debug, Eq, PartialEq)]
pub enum Plain {
    /// It is not to be, which is nothing to speak of.
    Unwanted,
    /// It could have been.
    Because(String),
}

#[derive(Serialize)]
struct Request<'a> {
    words: &'a [String],
    environment: BTreeMap<String, String>,
    cwd: PathBuf,
    umask: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Pid(i32),
    Again(String),
    Plain(String),
}

/// `pulp-setup shared-imports`: whether imports are to be shared, as a start condition.
pub fn run(context: &Context, _: &[String]) -> Result<(), Problem> {
    match unwanted(&Variables::read(context)?) {
        None => Ok(()),
        Some(why) => {
            context.say(why);
            Err(Problem::quiet())
        }
    }
}

/// Why imports are not to be shared, if they are not.
pub fn unwanted(variables: &Variables) -> Option<&'static str> {
    if !variables.shared_imports {
        Some("PULP_SHARED_IMPORTS is false")
    } else if variables.reload {
        Some("PULP_GUNICORN_RELOAD is true, and code that is to be loaded anew cannot be shared")
    } else {
        None
    }
}

/// Puts a child of the process that imported Pulp in our place, which may end then.
///
/// # Errors
/// Why this process has to become the service itself.
pub fn hand_over(context: &Context, variables: &Variables, words: &[String]) -> Result<(), Plain> {
    // Without `init` nobody would take the child for the service.
    let Some(notify) = context.var("NOTIFY_SOCKET") else { return Err(Plain::Unwanted) };
    if unwanted(variables).is_some() {
        return Err(Plain::Unwanted);
    }
    let request = request(context, variables, words)?;
    let mut again = String::new();
    for _ in 0..TRIES {
        match ask(context, &request)? {
            (Answer::Pid(pid), mut connection) => {
                // If that fails, the child ends with our connection to it.
                let told = tell_init(notify, pid).and_then(|()| connection.write_all(b"go\n"));
                return told.map_err(because("init"));
            }
            (Answer::Again(why), _) => again = why,
            (Answer::Plain(why), _) => return Err(Plain::Because(why)),
        }
    }
    Err(Plain::Because(format!("pulp-imports does nothing but import anew: {again}")))
}

fn because(whose: &'static str) -> impl Fn(std::io::Error) -> Plain {
    move |error| Plain::Because(format!("{whose}: {error}"))
}

fn request(context: &Context, variables: &Variables, words: &[String]) -> Result<Vec<u8>, Plain> {
    let mut environment: BTreeMap<String, String> =
        context.vars().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    environment.extend(environment::added(context, variables));
    let cwd = std::env::current_dir().map_err(because("working directory"))?;
    let request = Request { words, environment, cwd, umask: umask() };
    let mut text = serde_json::to_vec(&request).map_err(|error| Plain::Because(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// It can be read only by setting it.
fn umask() -> u32 {
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    nix::sys::stat::umask(mask);
    mask.bits()
}

/// Sends the request, with our standard streams and the sockets that we listen at, and returns what was answered.
fn ask(context: &Context, request: &[u8]) -> Result<(Answer, UnixStream), Plain> {
    let stream = UnixStream::connect(context.path(SOCKET)).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Plain::Because("pulp-imports does not run".to_owned())
        }
        _ => because("pulp-imports")(error),
    })?;
    let talk = || -> std::io::Result<Answer> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let ours: Vec<i32> = (0..=2).chain(sockets::numbers(context)).collect();
        let control = [ControlMessage::ScmRights(&ours)];
        let parts = [IoSlice::new(request)];
        let sent = sendmsg::<UnixAddr>(stream.as_raw_fd(), &parts, &control, MsgFlags::MSG_NOSIGNAL, None)?;
        (&stream).write_all(request.get(sent..).unwrap_or_default())?;
        let mut line = String::new();
        BufReader::new(&stream).take(64 * 1024).read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| ErrorKind::UnexpectedEof.into())
    };
    let answer = talk().map_err(because("pulp-imports"))?;
    Ok((answer, stream))
}

/// Tells `init` which process is the service, and waits until it has heard (`BARRIER=1`, sd_notify_barrier(3)).
fn tell_init(socket: &str, pid: i32) -> std::io::Result<()> {
    let notify = UnixDatagram::unbound()?;
    notify.connect(socket)?;
    notify.send(format!("MAINPID={pid}").as_bytes())?;
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    send_with(&notify, b"BARRIER=1", &write)?;
    drop(write);
    // It ends when the last copy of the other end is closed, which is init's.
    std::fs::File::from(read).read_to_end(&mut Vec::new())?;
    Ok(())
}

fn send_with(notify: &UnixDatagram, text: &[u8], descriptor: &OwnedFd) -> std::io::Result<()> {
    let descriptors = [descriptor.as_fd().as_raw_fd()];
    let control = [ControlMessage::ScmRights(&descriptors)];
    let parts = [IoSlice::new(text)];
    sendmsg::<UnixAddr>(notify.as_raw_fd(), &parts, &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// `pulp-setup alive imports`: whether it answers. While it imports, it does so late.
pub fn alive(context: &Context, patience: Duration) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(context.path(SOCKET))?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(b"ping\n")?;
    let mut line = String::new();
    BufReader::new(stream).take(1024).read_line(&mut line)?;
    if line.contains("pong") { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    /// The process that imported Pulp, and init, as far as they matter here.
    struct Others {
        root: tempfile::TempDir,
        imports: UnixListener,
        init: UnixDatagram,
    }

    impl Others {
        fn new() -> Others {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(root.path().join("run/pulp/imports")).unwrap();
            let imports = UnixListener::bind(root.path().join("run/pulp/imports/socket")).unwrap();
            let init = UnixDatagram::bind(root.path().join("notify")).unwrap();
            Others { root, imports, init }
        }

        fn context(&self, env: &[(&str, &str)]) -> Context {
            let notify = self.root.path().join("notify").display().to_string();
            let all = env.iter().copied().chain([("NOTIFY_SOCKET", notify.as_str())]);
            Context::for_test(self.root.path(), all)
        }

        /// Answers one request and returns it, and what came after the answer.
        fn answer(&self, text: &str) -> (serde_json::Value, String) {
            let (mut stream, _) = self.imports.accept().unwrap();
            let mut request = String::new();
            BufReader::new(&stream).read_line(&mut request).unwrap();
            stream.write_all(format!("{text}\n").as_bytes()).unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            (serde_json::from_str(&request).unwrap(), rest)
        }

        /// What init is told, until the barrier, whose descriptor is closed.
        fn told(&self) -> String {
            let mut bytes = [0; 64];
            let count = self.init.recv(&mut bytes).unwrap();
            let mut buffer = [0; 64];
            let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
            let mut space = nix::cmsg_space!(i32);
            let barrier =
                recvmsg::<UnixAddr>(self.init.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())
                    .unwrap();
            for message in barrier.cmsgs().unwrap() {
                if let ControlMessageOwned::ScmRights(descriptors) = message {
                    descriptors.iter().for_each(|&number| nix::unistd::close(number).unwrap());
                }
            }
            String::from_utf8_lossy(bytes.get(..count).unwrap()).into_owned()
        }
    }

    fn try_it(context: &Context) -> Result<(), Plain> {
        let words = ["pulpcore-worker".to_owned()];
        hand_over(context, &Variables::read(context).unwrap(), &words)
    }

    #[test]
    fn child_is_inits_main_process_before_it_is_told_to_go() {
        let others = Others::new();
        let context = others.context(&[("PULP_OTEL_ENABLED", "no"), ("PULP_FAST_UPLOADS", "no")]);
        thread::scope(|scope| {
            let service = scope.spawn(|| try_it(&context));
            let imports = scope.spawn(|| others.answer(r#"{"pid": 77}"#));
            assert_eq!(others.told(), "MAINPID=77");
            assert_eq!(service.join().unwrap(), Ok(()));
            let (request, rest) = imports.join().unwrap();
            assert_eq!(rest, "go\n");
            assert_eq!(request["words"], serde_json::json!(["pulpcore-worker"]));
            for variable in ["PULP_OTEL_ENABLED", "PULP_FAST_UPLOADS"] {
                assert_eq!(request["environment"][variable], "false", "{variable}");
            }
            assert!(request["cwd"].is_string() && request["umask"].is_u64());
        });
    }

    #[test]
    fn stale_imports_are_asked_again_and_an_objection_is_told() {
        let others = Others::new();
        let context = others.context(&[]);
        thread::scope(|scope| {
            let service = scope.spawn(|| try_it(&context));
            others.answer(r#"{"again": "settings have changed"}"#);
            others.answer(r#"{"plain": "its limits are others"}"#);
            assert_eq!(service.join().unwrap(), Err(Plain::Because("its limits are others".into())));
        });
    }

    #[test]
    fn whoever_hangs_up_or_is_not_there_is_no_hindrance() {
        let others = Others::new();
        let context = others.context(&[]);
        thread::scope(|scope| {
            let service = scope.spawn(|| try_it(&context));
            drop(others.imports.accept().unwrap());
            assert!(matches!(service.join().unwrap(), Err(Plain::Because(_))));
        });
        std::fs::remove_file(others.root.path().join("run/pulp/imports/socket")).unwrap();
        assert_eq!(try_it(&context), Err(Plain::Because("pulp-imports does not run".into())));
    }

    #[test]
    fn nothing_is_asked_where_it_is_not_wanted_or_nobody_would_take_the_child() {
        let others = Others::new();
        for variable in [("PULP_SHARED_IMPORTS", "false"), ("PULP_GUNICORN_RELOAD", "true")] {
            assert_eq!(try_it(&others.context(&[variable])), Err(Plain::Unwanted), "{variable:?}");
        }
        assert_eq!(try_it(&Context::for_test(others.root.path(), [])), Err(Plain::Unwanted));
    }
}
