//! What a test needs of the machine that it runs on, and what happens where the machine does not have it.
//!
//! A test that cannot run here calls [`skip`] and returns. On a developer's machine this prints a line. With `CI=true`
//! it fails the test, unless `$PULP_INIT_MAY_SKIP` lists the need: a test that silently did nothing would count as
//! passed. `scripts/test.sh` sets the list, names a file in which skips are recorded, and says at the end how many
//! there were.

use std::io::Write;
use std::net::TcpListener;

/// The environment variable that lists, separated by commas, the needs that a machine of CI may lack.
pub const MAY_SKIP: &str = "PULP_INIT_MAY_SKIP";

/// The environment variable that names the file to which each skipped test adds a line.
pub const RECORD: &str = "PULP_INIT_SKIPS";

/// Records that the calling test is skipped because the machine lacks `need` (a word of `$PULP_INIT_MAY_SKIP`), and
/// prints `SKIPPED: test: why`. The caller returns afterwards.
///
/// # Panics
/// Panics with `CI=true`, unless `$PULP_INIT_MAY_SKIP` lists `need`.
pub fn skip(need: &str, why: &str) {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let line = format!("{}: {why} ({need})", test());
    eprintln!("SKIPPED: {line}");
    let allowed = !is_ci(&variable("CI")) || may_skip(&variable(MAY_SKIP), need);
    #[allow(clippy::panic, reason = "it fails the test that calls")]
    if !allowed {
        panic!("no test may be skipped in CI for want of this; what CI may lack is listed in ${MAY_SKIP}");
    }
    record(&variable(RECORD), &line);
}

/// Whether tests are to be run that others nearly cover and that take half a minute each (`make test-bring`); if not, it is
/// skipped.
pub fn time() -> bool {
    let has = std::env::var_os("PULP_INIT_AT_LENGTH").is_some();
    if !has {
        skip("time", "takes half a minute: set PULP_INIT_AT_LENGTH=1");
    }
    has
}

/// Whether the test runs as root; if not, it is skipped.
pub fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("root", "needs root");
    }
    root
}

/// Whether the kernel is at least Linux `major.minor`; if not, the test is skipped.
pub fn kernel(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let enough = version(&release) >= (major, minor);
    if !enough {
        skip("kernel", &format!("needs Linux {major}.{minor}, and this is {}", release.trim_end()));
    }
    enough
}

/// Whether the loopback interface has an IPv6 address; if not, the test is skipped.
pub fn ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        skip("ipv6", "needs IPv6");
    }
    has
}

/// The program and the test of the calling thread: the test runner names each thread after its test.
fn test() -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy());
    let program = program.unwrap_or_default();
    // Cargo puts a hash behind the name.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name).to_owned();
    let thread = std::thread::current();
    format!("{program} {}", thread.name().unwrap_or("(a thread without a name)"))
}

fn record(path: &str, line: &str) {
    if path.is_empty() {
        return;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // One write, so that lines of tests that run at the same time do not mix.
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    #[allow(clippy::panic, reason = "a skip that nobody counts must not pass")]
    if let Err(error) = written {
        panic!("cannot record a skipped test in {path}: {error}");
    }
}

fn is_ci(value: &str) -> bool {
    value == "true"
}

fn may_skip(list: &str, need: &str) -> bool {
    list.split([',', ' ']).any(|word| word == need)
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

    use std::process::Command;

    use super::*;

    #[test]
    fn numbers_of_a_kernel_are_compared_as_numbers() {
        assert_eq!(version("6.18.44-fc-v782\n"), (6, 18));
        assert!(version("6.18.44") > version("6.9.0") && version("") < (2, 6));
    }

    /// Not a test by itself: the one below runs it in a process with another environment.
    #[test]
    #[ignore = "another test runs it"]
    fn skipped() {
        skip("moon", "needs a moon");
    }

    /// Whether a test that is skipped passes with these variables, and what is recorded of it.
    fn outcome(variables: &[(&str, &str)]) -> (bool, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "tests::skipped"]).env(RECORD, file.path());
        command.env_remove("CI").env_remove(MAY_SKIP).envs(variables.iter().copied());
        let passed = command.output().unwrap().status.success();
        (passed, std::fs::read_to_string(file.path()).unwrap())
    }

    #[test]
    fn skip_fails_in_ci_unless_the_need_is_listed_and_is_recorded_otherwise() {
        for (variables, passes) in [
            (&[][..], true),
            (&[("CI", "false")], true),
            (&[("CI", "true")], false),
            (&[("CI", "true"), (MAY_SKIP, "moonlight,sun")], false),
            (&[("CI", "true"), (MAY_SKIP, "sun,moon")], true),
        ] {
            let line = if passes { "needs tests::skipped: needs a moon (moon)\n" } else { "" };
            assert_eq!(outcome(variables), (passes, line.to_owned()), "{variables:?}");
        }
    }
}
