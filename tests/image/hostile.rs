//! A user of the container who wants to be root: what he leaves on his volumes, and in what root's programs read, must
//! lead root nowhere. What the user could do to his own volume is no matter of these tests.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{Folders, PATIENCE, Pulp, number, podman_ok, turn};

pub const PULP: u32 = 700;
pub const POSTGRES: u32 = 26;
const WWW_DATA: u32 = 33;

/// What is left where, and by whom. Paths begin with the name of a folder.
const PLACES: &[(&str, u32)] = &[
    ("pulp_storage/media", PULP),
    ("pulp_storage/tmp", PULP),
    ("pulp_storage/tmp/nginx", PULP),
    ("pulp_storage/tmp/nginx/body", WWW_DATA),
    ("pulp_storage/scripts", PULP),
    ("pulp_storage/assets", PULP),
    ("pulp_storage/.local", PULP),
    ("pulp_storage/.local/share", PULP),
    ("pulp_storage/.local/share/containers", PULP),
    ("pgsql/data", POSTGRES),
    ("pgsql/data/PG_VERSION", POSTGRES),
    ("pgsql/data/postmaster.pid", POSTGRES),
    ("pgsql/data/pulp-init.reindex", POSTGRES),
    ("pgsql/data.new", POSTGRES),
    ("pgsql/data.ready", POSTGRES),
    ("pgsql/data.install", POSTGRES),
    ("pgsql/upgrade.tmp", POSTGRES),
    ("pgsql/data_old.13", POSTGRES),
];

/// Links lead to what is outside in the container.
const LINKS: &[&str] = &["/etc", "/etc/shadow", "/missing/file"];

/// Puts what is there aside, and something hostile into its place; gives back how to undo it.
struct Trap<'a> {
    at: &'a Path,
    kept: std::path::PathBuf,
}

impl<'a> Trap<'a> {
    fn set(at: &'a Path, what: &str, uid: u32) -> Trap<'a> {
        let kept = at.with_extension("kept-by-the-test");
        let _ = fs::rename(at, &kept);
        match what {
            "named pipe" => mkfifo(at, Mode::from_bits_truncate(0o666)).unwrap(),
            "socket" => drop(UnixListener::bind(at).unwrap()),
            target => symlink(target, at).unwrap(),
        }
        lchown(at, Some(uid), Some(uid)).unwrap();
        Trap { at, kept }
    }
}

impl Drop for Trap<'_> {
    fn drop(&mut self) {
        // What stands there now may be a directory that the boot has made in the trap's place.
        let _ = Command::new("rm").arg("-rf").arg(self.at).status();
        let _ = fs::rename(&self.kept, self.at);
    }
}

/// Owner, mode, size and target of all that the container has outside its volumes, and the content of what matters most.
pub fn listing(pulp: &Pulp) -> String {
    let root = podman_ok(&["mount", &pulp.name]);
    let script = "cd \"$1\" && find . -xdev \\( -path ./run -o -path ./tmp -o -path ./var/tmp -o -path ./dev \
                  -o -path ./proc -o -path ./sys \\) -prune -o -printf '%P %U:%G %m %s %l\\n' | LC_ALL=C sort \
                  && find etc root usr/local/bin usr/local/sbin -xdev -type f ! -path etc/hosts \
                  ! -path etc/resolv.conf ! -path etc/hostname -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    let said = Command::new("sh").args(["-c", script, "sh", root.trim()]).output().unwrap();
    podman_ok(&["umount", &pulp.name]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("etc/shadow") && text.lines().count() > 1000, "{text}");
    text
}

/// Waits until it is ready, or has ended. Says whether it is ready.
pub fn settles(pulp: &Pulp) -> bool {
    let begun = Instant::now();
    loop {
        if pulp.exec(&["svctl", "wait", "-t", "120s"]).code == 0 {
            return true;
        }
        if !pulp.runs() {
            return false;
        }
        assert!(begun.elapsed() < PATIENCE, "{} neither comes up nor ends", pulp.name);
    }
}

pub fn what_changed(before: &str, after: &str) -> Vec<String> {
    let before: HashSet<&str> = before.lines().collect();
    after.lines().filter(|line| !before.contains(line)).map(str::to_owned).collect()
}

#[test]
fn whatever_a_user_leaves_on_a_volume_a_boot_changes_nothing_outside() {
    let _turn = turn();
    if !needs::root() {
        return;
    }
    let folders = Folders::new("");
    let pulp = folders.boot("hostile").ready();
    assert_eq!(pulp.stop(), 0);
    let before = listing(&pulp);
    // Each place gets one kind of link in its turn; every kind at every place with PULP_INIT_HOSTILE=1.
    let every = number("PULP_INIT_HOSTILE", 0) != 0;
    let all = PLACES.iter().enumerate().flat_map(|(at, &(place, uid))| {
        let links = LINKS.iter().enumerate();
        let chosen = links.filter(move |(kind, _)| every || at % LINKS.len() == *kind);
        chosen.map(move |(_, &link)| (place, link, uid))
    });
    let odd = ["named pipe", "socket"].into_iter().flat_map(|what| {
        [("pulp_storage/assets", PULP), ("pgsql/data", POSTGRES), ("pgsql/data/PG_VERSION", POSTGRES)]
            .map(|(place, uid)| (place, what, uid))
    });
    for (place, what, uid) in all.chain(odd) {
        let at = folders.path(place);
        let trap = Trap::set(&at, what, uid);
        podman_ok(&["start", &pulp.name]);
        let ready = settles(&pulp);
        if ready {
            pulp.stop();
        } else {
            let logs = pulp.logs();
            let inside = place.replace("pulp_storage", "/var/lib/pulp").replace("pgsql", "/var/lib/pgsql");
            let top = inside.rsplit_once('/').unwrap().0;
            assert!(logs.contains(&inside) || logs.contains(top), "{place} -> {what}:\n{logs}");
        }
        eprintln!("{place} -> {what}: {}", if ready { "comes up" } else { "ends with a message" });
        let changed = what_changed(&before, &listing(&pulp));
        assert!(changed.is_empty(), "{place} -> {what}: {changed:#?}");
        drop(trap);
    }
    podman_ok(&["start", &pulp.name]);
    assert!(settles(&pulp), "it does not come up any more:\n{}", pulp.logs());
}

#[test]
fn nothing_that_pulp_wrote_runs_as_root_when_root_works_in_the_container() {
    let _turn = turn();
    let pulp = Folders::new("");
    let pulp = pulp.boot("dotfiles").ready();
    let traps = r#"
        set -e
        mkdir -m 777 /tmp/ran
        cd /var/lib/pulp
        seen='touch /tmp/ran/$(id -u)'
        for file in .bashrc .profile .bash_profile .bash_login .bash_logout; do echo "$seen" >$file; done
        printf '\\! %s\n' "$seen" >.psqlrc
        printf 'output = /tmp/ran/curl\nurl = file:///etc/hostname\n' >.curlrc
        printf '[alias]\n version-of-mine = "!%s"\n[core]\n pager = "%s"\n' "$seen" "$seen" >.gitconfig
        site=$(python3 -c 'import site; print(site.getusersitepackages())')
        mkdir -p "$site" scripts
        echo 'import os; open(f"/tmp/ran/{os.getuid()}", "w").close()' >"$site/usercustomize.py"
        printf '#!/bin/sh\n%s\nexit 1\n' "$seen" >scripts/sign.sh
        chmod +x scripts/sign.sh
    "#;
    let said = pulp.exec_as("pulp", &["bash", "-c", traps], b"");
    assert_eq!(said.code, 0, "{}", said.err);
    // The traps work, where the one who set them falls into them.
    pulp.exec_as("pulp", &["bash", "-ic", "true"], b"");
    assert_eq!(pulp.ok(&["ls", "/tmp/ran"]), "700\n");
    for words in [
        &["bash", "-ic", "true"] as &[&str],
        &["bash", "-lc", "true"],
        &["psql", "--username=postgres", "--dbname=pulp", "--command=select 1"],
        &["pg_dump", "--username=pulp", "--schema-only", "pulp"],
        &["curl", "-s", "http://127.0.0.1:24817/pulp/api/v3/status/"],
        &["git", "version-of-mine"],
        &["gpg", "--list-keys"],
        &["python3", "-c", "pass"],
        &["pulpcore-manager", "check"],
        &["pulpcore-manager", "add-signing-service", "mine", "/var/lib/pulp/scripts/sign.sh", "AB"],
        &["pulp-setup", "settings"],
        &["pulp-setup", "migrations"],
        &["pulp-setup", "postgres", "--discard-old"],
        &["svctl", "health"],
    ] {
        pulp.exec(words); // some of them fail, and may
        assert_eq!(pulp.ok(&["ls", "/tmp/ran"]), "700\n", "{words:?}");
    }
    let whose = pulp.ok(&[
        "pulpcore-manager",
        "shell",
        "-c",
        "import os; print('uid', os.getuid(), os.environ['HOME'])",
    ]);
    assert!(whose.contains("uid 700 /var/lib/pulp"), "{whose}");
    assert_eq!(pulp.ok(&["sh", "-c", "echo $HOME"]).trim(), "/root");
}

#[test]
fn nginx_that_is_configured_anew_gives_away_nothing_but_its_own() {
    let _turn = turn();
    let folders = Folders::new("");
    let pulp = folders.boot("nginx").ready();
    let owner = || pulp.ok(&["stat", "-c", "%U:%G %a", "/etc", "/etc/shadow", "/root"]);
    let before = owner();
    let swap = r"
        set -e
        cd /var/lib/pulp/tmp
        mv nginx away
        mkdir nginx
        ln -s /etc nginx/body
        ln -s /root nginx/proxy
    ";
    let said = pulp.exec_as("pulp", &["bash", "-c", swap], b"");
    assert_eq!(said.code, 0, "{}", said.err);
    pulp.ok(&["svctl", "reload", "nginx"]);
    assert_eq!(owner(), before);
    pulp.ok(&["pulp-setup", "nginx"]);
    assert_eq!(owner(), before);
    pulp.ok(&["svctl", "restart", "nginx"]);
    pulp.wait();
    assert_eq!(owner(), before);
    // What needs the disk still works: more than nginx keeps in memory.
    let upload = "head -c 3000000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' -T - http://127.0.0.1/pulp/api/v3/x/";
    assert_ne!(pulp.ok(&["bash", "-c", upload]).trim(), "500");
}
