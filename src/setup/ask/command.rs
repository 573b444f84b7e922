//! Other programs, run without a shell, as the right user, with a limit in time.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::runtime::{Builder, Runtime};

use crate::Problem;
use crate::context::{Context, Owner};

/// A program to run.
#[derive(Debug)]
pub struct Tool {
    name: String,
    command: Command,
    input: Option<Vec<u8>>,
    limit: Duration,
    /// The user it becomes, if that is not ours.
    becomes: Option<Owner>,
}

/// What a program said.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// How long a program may take that should be done at once.
const LIMIT: Duration = Duration::from_secs(60);

impl Tool {
    /// A program, found in `PATH` if it has no slash, in a clean environment: `PATH` and `LC_ALL=C.UTF-8` alone.
    pub fn new(context: &Context, program: &str) -> Tool {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8").current_dir("/").stdin(Stdio::null());
        command.env(
            "PATH",
            context.var("PATH").unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        );
        Tool { name: program.to_owned(), command, input: None, limit: LIMIT, becomes: None }
    }

    /// Adds an argument. Never a secret: arguments are seen by everyone.
    pub fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Tool {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Tool {
        self.command.args(args);
        self
    }

    /// Sets a variable. Its user and root can read it.
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Tool {
        self.command.env(name, value);
        self
    }

    /// Gives it the container's whole environment, as Pulp's programs expect (`PULP_…`).
    pub fn inherit_env(mut self, context: &Context) -> Tool {
        self.command.envs(context.vars());
        self
    }

    /// Runs it as this user, with no supplementary groups, if we may.
    pub fn user(mut self, context: &Context, owner: Owner) -> Tool {
        if context.accounts.may_chown {
            // Setting the uid alone also drops root's supplementary groups (std's Command does).
            self.command.gid(owner.gid).uid(owner.uid);
            self.becomes = Some(owner);
        }
        self
    }

    /// What it reads on standard input: the way for secrets.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Tool {
        self.input = Some(input.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Where it runs; `/` unless told.
    pub fn directory(mut self, path: &std::path::Path) -> Tool {
        self.command.current_dir(path);
        self
    }

    /// How long it may take; then it is killed.
    pub fn limit(mut self, limit: Duration) -> Tool {
        self.limit = limit;
        self
    }

    /// The same, for whoever connects its pipes by themselves. It has no limit in time.
    pub fn command(self) -> std::process::Command {
        self.command.into_std()
    }

    /// Runs it and returns what it said; only a start that fails, or the limit, is a problem.
    pub fn output(self) -> Result<Output, Problem> {
        self.stream(&|_| {})
    }

    /// As [`Tool::output`], and hands on each line, of either kind, as soon as it is said.
    pub fn stream(mut self, each: &dyn Fn(&str)) -> Result<Output, Problem> {
        let begun = Instant::now();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let outcome = runtime().and_then(|runtime| runtime.block_on(self.talk(each)));
        let seconds = begun.elapsed().as_secs_f32();
        // Neither arguments nor variables: whoever debugs a boot sends its log to others.
        match &outcome {
            Ok(Some(output)) => tracing::debug!("`{}` took {seconds:.3} s: {}", self.name, output.status),
            Ok(None) => tracing::debug!("`{}` was killed after {seconds:.3} s", self.name),
            Err(error) => tracing::debug!("`{}` could not be run: {error}", self.name),
        }
        match outcome.map_err(|error| self.cannot_start(&error))? {
            Some(output) => Ok(output),
            None => Err(Problem::new(
                "S0301",
                format!("`{}` took longer than {} s and was stopped", self.name, self.limit.as_secs()),
                "see whether the machine is short of memory or its disk is slow, then start the container again",
            )),
        }
    }

    /// Waits for all of it at once: a program that says much on one pipe while we wait at the other would hang. Returns
    /// nothing if its time is up; then it is killed, with what it has started.
    async fn talk(&mut self, each: &dyn Fn(&str)) -> io::Result<Option<Output>> {
        let until = tokio::time::Instant::now() + self.limit;
        let mut child = self.command.spawn()?;
        let (stdin, input) = (child.stdin.take(), self.input.take().unwrap_or_default());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let whole = async {
            tokio::join!(write_all(stdin, &input), read_lines(stdout, each), read_lines(stderr, each))
        };
        let Ok(((), out, err)) = tokio::time::timeout_at(until, whole).await else {
            kill(&mut child).await;
            return Ok(None);
        };
        // It may have closed its pipes and go on.
        match tokio::time::timeout_at(until, child.wait()).await {
            Ok(status) => Ok(Some(Output { status: status?, out, err })),
            Err(_) => {
                kill(&mut child).await;
                Ok(None)
            }
        }
    }

    /// Runs it; anything but success is a problem, told in its own last words.
    pub fn run(self, doing: &str, cure: &str) -> Result<String, Problem> {
        let output = self.output()?;
        if output.status.success() {
            return Ok(output.out);
        }
        Err(Problem::new("S0302", format!("cannot {doing}: {}", output.last_words()), cure))
    }

    fn cannot_start(&self, error: &std::io::Error) -> Problem {
        if let (Some(owner), std::io::ErrorKind::PermissionDenied) = (self.becomes, error.kind())
            && error.raw_os_error() == Some(nix::libc::EPERM)
        {
            let message = format!("cannot run `{}` as {}: {error}", self.name, owner.shown());
            return Problem::config(
                "S0305",
                message,
                "leave the container the capabilities SETUID and SETGID",
            );
        }
        let cure = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "it is missing in this image: build the image again, or install it there"
            }
            _ => "see whether the machine is short of memory or processes, then start the container again",
        };
        Problem::new("S0303", format!("cannot run `{}`: {error}", self.name), cure)
    }
}

impl Output {
    /// The end of what it said about its failure, in one line.
    pub fn last_words(&self) -> String {
        let said = if self.err.trim().is_empty() { &self.out } else { &self.err };
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
        if last.is_empty() { self.status.to_string() } else { last }
    }
}

/// On this thread alone, and only while a program runs: steps that run none pay nothing for it.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

/// A program that does not read what it is given is no error: its exit code says what it thinks of that.
async fn write_all(pipe: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}

async fn read_lines(pipe: Option<impl AsyncRead + Unpin>, each: &dyn Fn(&str)) -> String {
    let (mut all, mut line) = (String::new(), Vec::new());
    let mut pipe = pipe.map(BufReader::new);
    while let Some(reader) = pipe.as_mut() {
        line.clear();
        if !matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        each(text.trim_end());
        all.push_str(&text);
    }
    all
}

/// Kills the child's process group. The child has not been waited for, so its number is still its own.
async fn kill(child: &mut Child) {
    if let Some(group) = child.id() {
        let group = nix::unistd::Pid::from_raw(group.cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    }
    let _ = child.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::for_test(std::path::Path::new("/"), [])
    }

    #[test]
    fn input_goes_in_and_output_comes_back() {
        let out = Tool::new(&context(), "cat").input("secret").run("cat", "").unwrap();
        assert_eq!(out, "secret");
    }

    #[test]
    fn a_stream_hands_on_the_lines_of_both_kinds_and_keeps_them() {
        let lines = std::cell::RefCell::new(Vec::new());
        let tool = Tool::new(&context(), "sh").args(["-c", "echo one; sleep 0.1; printf two >&2"]);
        let output = tool.stream(&|line| lines.borrow_mut().push(line.to_owned())).unwrap();
        assert_eq!(lines.into_inner(), ["one", "two"]);
        assert_eq!((output.out.as_str(), output.err.as_str()), ("one\n", "two"));
    }

    #[test]
    fn a_failure_is_told_in_the_programs_last_words() {
        let problem =
            Tool::new(&context(), "sh").args(["-c", "echo a >&2; echo b >&2; exit 3"]).run("do it", "try");
        assert_eq!(problem.unwrap_err().what(), "cannot do it: a; b");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let hangs = Tool::new(&context(), "sh").args(["-c", "sleep 1000 & sleep 1000"]);
        let problem = hangs.limit(Duration::from_millis(50)).output().unwrap_err();
        assert!(problem.what().contains("took longer"), "{problem}");
    }

    #[test]
    fn a_program_that_is_missing_is_a_problem_with_a_cure() {
        let problem = Tool::new(&context(), "no-such-program").output().unwrap_err();
        assert!(problem.cure().contains("missing in this image"), "{problem}");
    }
}
