//! Runs the real Pulp image with podman, and asks it over HTTP.
//!
//! Few tests run at once, and some by themselves ([`turn`], [`alone`]). Those that change nothing that others look at
//! share one container ([`shared`]). Waits are for events: `svctl wait`, the end of a container. Only what announces
//! itself to nobody, such as a task of Pulp, is asked for again and again ([`until`]). A process that outlives the
//! tests removes what they leave behind, however they end.

mod api;
mod collections;
mod folders;
mod http;
mod product;
mod pulp;

use std::process::{Child, Command, Output, Stdio};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub use api::Api;
pub use folders::Folders;
pub use http::{Answer, curl};
pub use product::{only_pulp, product};
pub use pulp::{Boot, Pulp, network, volume};

/// No test waits longer than this for anything. Without a prepared database, migrations take minutes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(900);

/// Within this a boot that cannot succeed ends, and a service that was killed is well again. On an idle machine both
/// take a few seconds; the tests print how long it was.
pub const PROMPTLY: Duration = Duration::from_secs(60);

/// The administrator's password in [`shared`].
pub const PASSWORD: &str = "correct horse battery staple";

/// What every container and volume of this run is labelled with.
fn label() -> String {
    format!("pulp-init-test-run={}", std::process::id())
}

/// The image under test, by its id: whoever builds a new one meanwhile does not change what is tested.
pub fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| image_of("PULP_IMAGE", ""))
}

/// A number that a variable may change: how much of a long series is run.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The image of one process a container, by its id.
pub fn minimal() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| image_of("PULP_MINIMAL_IMAGE", "-minimal"))
}

/// The image of the web server alone, by its id.
pub fn web() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| image_of("PULP_WEB_IMAGE", "-web"))
}

/// The one that a variable names, or the product's whose name ends so.
fn image_of(variable: &str, end: &str) -> String {
    let name = std::env::var(variable).unwrap_or_else(|_| format!("localhost/{}{end}", product().name));
    podman_ok(&["image", "inspect", "--format", "{{.Id}}", &name])
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Where no systemd runs, podman has nobody to time a HEALTHCHECK, and says so each time.
        let err = text(&output.stderr);
        let err = err.lines().filter(|line| !line.contains("unable to get systemd connection"));
        Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: err.map(|line| format!("{line}\n")).collect(),
        }
    }
}

/// podman, as the scripts have set it up.
pub fn podman(args: &[&str]) -> Said {
    Command::new("podman").args(args).stdin(Stdio::null()).output().unwrap().into()
}

/// podman, which must succeed; its output, without the line's end.
pub fn podman_ok(args: &[&str]) -> String {
    let said = podman(args);
    assert_eq!(said.code, 0, "podman {args:?}: {}{}", said.out, said.err);
    said.out.trim_end().to_owned()
}

/// Asks until it holds; fails after a while.
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < limit, "still not: {what}, after {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    begin.elapsed()
}

/// A test's turn. When it ends, it prints how long the test took.
pub struct Turn {
    #[allow(dead_code, reason = "held, never read")]
    among: Among,
    begin: Instant,
}

/// What a turn holds.
#[allow(dead_code, reason = "held, never read")]
enum Among {
    Others(RwLockReadGuard<'static, ()>),
    None(RwLockWriteGuard<'static, ()>),
}

static TURNS: RwLock<()> = RwLock::new(());

/// Waits for the turn of the calling test. Others may have theirs at the same time, as many as cargo runs: one for each CPU.
pub fn turn() -> Turn {
    // A test that failed says nothing about the next one.
    let guard = TURNS.read().unwrap_or_else(PoisonError::into_inner);
    Turn::begin(Among::Others(guard))
}

/// Waits until no other test runs. For those that look at how long something takes, or that need what the host has once.
pub fn alone() -> Turn {
    let guard = TURNS.write().unwrap_or_else(PoisonError::into_inner);
    Turn::begin(Among::None(guard))
}

impl Turn {
    fn begin(among: Among) -> Turn {
        broom();
        Turn { among, begin: Instant::now() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let thread = std::thread::current();
        eprintln!("took {:.0} s: {}", self.begin.elapsed().as_secs_f64(), thread.name().unwrap_or_default());
        if !std::thread::panicking() {
            return;
        }
        // Those that this test made have told already, and are gone.
        for name in
            podman(&["ps", "--filter", &format!("label={}", label()), "--format", "{{.Names}}"]).out.lines()
        {
            eprintln!("--- {name}:\n{}", pulp::story(name));
        }
    }
}

/// Starts who removes this run's containers and volumes once the tests have ended: it sees so by the end of its input.
fn broom() {
    static BROOM: OnceLock<Child> = OnceLock::new();
    BROOM.get_or_init(|| {
        let label = label();
        let script = format!(
            "trap '' INT TERM HUP\ncat\n\
             podman ps -aq --filter label={label} | xargs -r podman rm -f -v -t 5\n\
             podman volume ls -q --filter label={label} | xargs -r podman volume rm -f\n\
             podman network ls -q --filter label={label} | xargs -r podman network rm -f"
        );
        let mut broom = Command::new("sh");
        broom.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        broom.spawn().unwrap()
    });
}

/// A container of the quickstart: without any setting, on fresh volumes, its administrator's password set as the
/// documentation says. Each test may add to its data, and none may stop it.
pub fn shared() -> &'static Pulp {
    static SHARED: OnceLock<Pulp> = OnceLock::new();
    SHARED.get_or_init(|| {
        let pulp = Boot::new("shared").bare().ready();
        pulp.set_password(PASSWORD);
        pulp
    })
}

/// As [`shared`], for tests that ask much of its API: their passwords are cheap.
pub fn busy() -> &'static Pulp {
    static BUSY: OnceLock<Pulp> = OnceLock::new();
    BUSY.get_or_init(|| {
        let pulp = Boot::new("busy").ready();
        pulp.set_password(PASSWORD);
        pulp
    })
}
