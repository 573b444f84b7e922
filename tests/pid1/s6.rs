//! The same service directories under Debian's s6 and, translated by `svctl import-s6`, under `init`: what they see, how
//! they end, and what is done about it must be the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use init_core::status::Phase::{self, Done, Down, Failed};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Running, Setup, svctl};

/// The directories, and the signs that each has done what it does by itself.
const SERVICES: [(&str, &str, usize); 4] =
    [("ends", "finish code=9", 1), ("signals", "up", 1), ("stubborn", "up", 1), ("variables", "PATH", 1)];

const PATH: &str = "/usr/bin:/bin";

fn has_s6() -> bool {
    let has = ["/usr/bin/s6-svscan", "/usr/bin/execlineb"].iter().all(|program| Path::new(program).exists());
    if !has {
        needs::skip("s6", "needs Debian's packages s6 and execline");
    }
    has
}

/// A copy of the directories, each with these further files.
fn copy(to: &Path, kind: Option<&str>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/s6/compare");
    fs::create_dir_all(to.join("out")).unwrap();
    let services = to.join("services");
    fs::create_dir_all(&services).unwrap();
    let copied = Command::new("cp").arg("-a").arg(format!("{}/.", from.display())).arg(&services).status();
    assert!(copied.unwrap().success());
    if let Some(kind) = kind {
        fs::create_dir_all(services.join("user/contents.d")).unwrap();
        for (name, ..) in SERVICES {
            fs::write(services.join(name).join("type"), kind).unwrap();
            fs::write(services.join("user/contents.d").join(name), "").unwrap();
        }
    }
}

fn story(place: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(place.join("out").join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn is_there(place: &Path) -> bool {
    SERVICES.iter().all(|(name, sign, count)| {
        story(place, name).iter().filter(|line| line.contains(sign)).count() >= *count
    })
}

/// `svctl import-s6`, into the services of this test.
fn import(setup: &Setup, from: &Path) -> String {
    let output = Command::new(svctl())
        .arg("import-s6")
        .arg(from)
        .arg("--into")
        .arg(setup.services())
        .env("PATH", PATH)
        .env("INIT_SERVICES", setup.services())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

struct Scan(Child, PathBuf);

impl Scan {
    fn start(services: PathBuf) -> Scan {
        // Whoever runs this in the background of a shell has it ignore SIGINT, and s6 passes that on.
        let mut scan = Command::new("env");
        scan.args(["--default-signal=INT,QUIT", "s6-svscan"]).arg(&services).env_clear().env("PATH", PATH);
        scan.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Scan(scan.spawn().unwrap(), services)
    }

    fn stop(&self, name: &str) {
        let done = Command::new("s6-svc").args(["-wD", "-T", "60000", "-d"]).arg(self.1.join(name)).status();
        assert!(done.unwrap().success());
    }

    fn is_down(&self, name: &str) -> bool {
        let output = Command::new("s6-svstat").args(["-o", "up"]).arg(self.1.join(name)).output().unwrap();
        output.stdout.starts_with(b"false")
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        // It stops its services then; the directory may be gone.
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn longruns_see_and_suffer_the_same_under_s6_and_under_init() {
    if !has_s6() {
        return;
    }
    let setup = Setup::new().unhurried().not_in_a_container();
    let (theirs, ours) = (setup.work("theirs"), setup.work("ours"));
    copy(&theirs, None);
    copy(&ours, Some("longrun"));
    let said = import(&setup, &ours.join("services"));
    assert_eq!(said, "");
    let scan = Scan::start(theirs.join("services"));
    let running = setup.env("NOT_FOR_SERVICES", "1").start();
    running.until("all have done what they do under s6", || is_there(&theirs));
    running.until("all have done what they do under init", || is_there(&ours));
    running.reach("ends", Failed);
    running.until("s6 has given it up too", || scan.is_down("ends"));
    running.booted();
    for name in ["signals", "stubborn"] {
        scan.stop(name);
        running.ok(&["stop", name]);
        running.reach(name, Down);
    }
    for (name, ..) in SERVICES {
        assert_eq!(story(&ours, name), story(&theirs, name), "{name}");
    }
    // The comparison is one of something.
    assert!(story(&ours, "ends").iter().any(|line| line == "finish code=256 signal=9 name=ends"));
    assert_eq!(story(&ours, "signals").last().unwrap(), "finish code=7 signal=0 name=signals");
    assert_eq!(story(&ours, "variables"), ["PATH"]);
}

#[test]
fn lines_of_oneshots_do_what_execline_does_with_them() {
    if !has_s6() {
        return;
    }
    let setup = Setup::new().not_in_a_container();
    let lines = [
        ("words", "/usr/bin/tee -a OUT \"/dev/null\" # a comment\n"),
        (
            "blocks",
            "#!/command/execlineb -S0\nbacktick -n x { echo two words }\nimportas x x\nredirfd -w 1 OUT\necho one $x \"three  four\"\n",
        ),
        ("nothing", "# nothing at all\n"),
        ("fails", "if { touch OUT } exit 3\n"),
    ];
    let services = setup.work("services");
    fs::create_dir_all(services.join("user/contents.d")).unwrap();
    for (name, line) in lines {
        let write = |file: &str, text: &str| {
            let path = services.join(name).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("type", "oneshot\n");
        write("up", &line.replace("OUT", &setup.path(&format!("ours-{name}"))));
        write("real", &line.replace("OUT", &setup.path(&format!("theirs-{name}"))));
        fs::write(services.join("user/contents.d").join(name), "").unwrap();
    }
    assert_eq!(import(&setup, &services), "");
    let codes = lines.map(|(name, _)| {
        let mut real = Command::new("execlineb");
        real.arg("-P").arg(services.join(name).join("real")).stdin(Stdio::null()).stdout(Stdio::null());
        real.status().unwrap().code().unwrap()
    });
    assert_eq!(codes, [0, 0, 0, 3]);
    let running = setup.start();
    running.booted();
    for ((name, _), code) in lines.iter().zip(codes) {
        assert_eq!(running.phase(name), if code == 0 { Done } else { Failed }, "{name}");
        assert_eq!(
            made(&running, &format!("ours-{name}")),
            made(&running, &format!("theirs-{name}")),
            "{name}"
        );
    }
    running.line("exit code 3");
}

fn made(running: &Running, name: &str) -> Option<Vec<u8>> {
    fs::read(running.setup.work(name)).ok()
}

#[test]
fn finish_hook_that_ends_with_125_is_the_last_word() {
    let running = Setup::new()
        .longrun("web", "say web-runs exit 4", "finish = ['sh', '-c', '[ \"$EXIT_CODE\" = 4 ] && exit 125']")
        .start();
    running.reach("web", Failed);
    assert!(running.line("finish hook").contains("125"));
    assert_eq!(running.lines("web-runs", 1).len(), 1);
    // A person may try again.
    running.svctl(&["start", "web"]);
    running.lines("web-runs", 2);
}

#[test]
fn service_that_cannot_say_when_it_is_ready_is_asked() {
    let setup = Setup::new();
    let gate = setup.path("gate");
    let check = format!("[ -e {gate} ]");
    let puppet = crate::harness::puppet().display().to_string();
    let words =
        [crate::harness::svctl(), "s6-notifyoncheck", "-d", "-3", "3", "-n", "0", "-w", "10", "-c", &check];
    let words: Vec<&str> = words.into_iter().chain([puppet.as_str(), "sleep-forever"]).collect();
    let text = format!("exec = {words:?}\n[ready]\nfd = 3\n");
    let running = setup.file("web.toml", &text).start();
    let pid = running.reach("web", Phase::Starting).pid;
    std::fs::write(&gate, "").unwrap();
    assert_eq!(running.reach("web", Phase::Up).pid, pid);
    // Who asks is no child of the service, and gone.
    running.until("it is alone", || running.processes().len() == 1);
    assert_eq!(running.main("web").name, "puppet");
    running.ok(&["restart", "web"]);
    assert_eq!(running.stop().0, 0);
}
