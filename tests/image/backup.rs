//! `pulp-setup backup` and `pulp-setup restore`: made while Pulp serves and killed at any moment, and put back elsewhere.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::external::Elsewhere;
use crate::harness::{Api, Boot, Folders, PASSWORD, PROMPTLY, Pulp, number, podman_ok, turn, until, volume};

/// Where backups are in the container.
const BACKUPS: &str = "/backup";
/// The services that use the database.
const STOP: [&str; 5] = ["svctl", "stop", "pulp-api", "pulp-content", "pulp-worker"];

/// Runs a command that is killed again and again before it comes to its end, at other moments each time. What it had
/// started by then goes on for a while, as when somebody kills it.
fn killed_at_any_moment(pulp: &Pulp, words: &[&str]) {
    for kill in 1..=number("PULP_INIT_BACKUP_KILLS", 2) {
        // Each takes some tenths of a second to one second, by the golden ratio spread evenly.
        let milliseconds = 20 + (kill * 618_034 / 1000) % 1000;
        let after = format!("0.{:03}", milliseconds.min(999));
        // PostgreSQL needs a moment to see that the client of one that was killed is gone.
        until("the end of the one before", PROMPTLY, || {
            let said = pulp.exec(&[&["timeout", "-s", "KILL", &after], words].concat());
            let in_use = said.code == 1 && said.err.contains("in use");
            assert!(in_use || [0, 137].contains(&said.code), "{}: {}{}", said.code, said.out, said.err);
            !in_use
        });
    }
}

/// Ends who adds content.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What `sha256sum` takes of every file of content that the database knows.
const SUMS: &str = "select sha256 || '  /var/lib/pulp/media/' || file from core_artifact";

/// Every file of content that the database knows is there, with its checksum.
fn all_content_is_right(pulp: &Pulp) -> usize {
    all_are_right(pulp, pulp.sql(SUMS) + "\n")
}

fn all_are_right(pulp: &Pulp, sums: String) -> usize {
    let said = pulp.exec_as("pulp", &["sha256sum", "--check", "--quiet", "--strict"], sums.as_bytes());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    sums.lines().count()
}

#[test]
fn a_backup_of_a_pulp_that_serves_is_put_back_into_an_empty_one() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let backups = dir.path().to_string_lossy().into_owned();
    let pulp = Boot::new("backed-up").mount(&backups, BACKUPS).ready();
    pulp.set_password(PASSWORD);
    let api = Api::admin(&pulp, PASSWORD);
    let before: Vec<(String, Vec<u8>)> = (0..3)
        .map(|n| {
            let bytes = format!("content {n}").repeat(1000 * (n + 1)).into_bytes();
            (api.publish_file(&format!("before{n}"), &bytes), bytes)
        })
        .collect();
    pulp.ok(&["sh", "-c", "echo theirs >/etc/pulp/own.txt; ln -s /etc/shadow /var/lib/pulp/link"]);

    // While somebody goes on adding content.
    let done = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        let adding = scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                n += 1;
                api.publish_file(&format!("during{n}"), format!("added {n}").as_bytes());
            }
            n
        });
        // However it ends.
        let end = Done(&done);
        killed_at_any_moment(&pulp, &["pulp-setup", "backup", BACKUPS]);
        let said = pulp.ok(&["pulp-setup", "backup", BACKUPS]);
        drop(end);
        assert!(adding.join().unwrap() > 0);
        said
    });
    assert!(said.contains("/var/lib/pulp/link is a symbolic link") && said.contains("done, with"), "{said}");
    // What was killed has left nothing, and nobody else can read what is there.
    let made: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(made.iter().all(|backup| backup.join("backup.json").is_file()), "{made:?}");
    let name = made[0].file_name().unwrap().to_string_lossy();
    assert_eq!(pulp.exec_as("pulp", &["ls", &format!("{BACKUPS}/{name}")], b"").code, 2);
    // A second one has links to what did not change, and takes the place of the first.
    let said = pulp.ok(&["pulp-setup", "backup", "--keep", "1", BACKUPS]);
    assert!(!said.contains(", 0 linked") && said.contains(": removed"), "{said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let artifacts = all_content_is_right(&pulp);
    let theirs = pulp.ok(&["cat", "/etc/pulp/certs/database_fields.symmetric.key"]);
    drop(pulp);

    let (settings, storage, database) = (volume(), volume(), volume());
    let boot = Boot::new("restored").mount(&backups, BACKUPS).mount(&settings, "/etc/pulp");
    let boot = boot.mount(&storage, "/var/lib/pulp").mount(&database, "/var/lib/pgsql");
    let other = boot.ready();
    let refused = other.exec(&["pulp-setup", "restore", BACKUPS]);
    assert!(
        refused.code == 1 && refused.err.contains("in use") && refused.err.contains("svctl stop"),
        "{refused:?}"
    );
    other.ok(&STOP);
    killed_at_any_moment(&other, &["pulp-setup", "restore", BACKUPS]);
    until("the end of what was killed", PROMPTLY, || {
        let said = other.exec(&["pulp-setup", "restore", BACKUPS]);
        assert!(said.code == 0 || said.err.contains("in use"), "{said:?}");
        said.code == 0
    });
    assert_eq!(other.ok(&["cat", "/etc/pulp/certs/database_fields.symmetric.key"]), theirs);
    assert_eq!(other.ok(&["cat", "/etc/pulp/own.txt"]), "theirs\n");
    podman_ok(&["restart", "-t", "10", &other.name]);
    other.wait();
    for (path, bytes) in &before {
        other.serves(path, bytes);
    }
    assert_eq!(all_content_is_right(&other), artifacts);
    // The password is the one of the backup, and what is added from now on is not in its way.
    let path = Api::admin(&other, PASSWORD).publish_file("after", b"after");
    other.serves(&path, b"after");
    assert_eq!(other.stop(), 0);
}

#[test]
fn a_backup_of_an_external_database_is_put_back_there_and_into_a_pulp_with_its_own() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let backups = dir.path().to_string_lossy().into_owned();
    let far = Elsewhere::start();
    let folders = Folders::new(&far.settings(5432));
    let boot = || folders.boot("far").mount(&backups, BACKUPS);
    let pulp = boot().ready();
    pulp.set_password(PASSWORD);
    let api = Api::admin(&pulp, PASSWORD);
    let kept = api.publish_file("kept", &b"kept ".repeat(5000));
    killed_at_any_moment(&pulp, &["pulp-setup", "backup", BACKUPS]);
    pulp.ok(&["pulp-setup", "backup", BACKUPS]);
    let artifacts = all_are_right(&pulp, far.sql(SUMS) + "\n");
    let late = api.publish_file("late", b"late");
    pulp.serves(&late, b"late");

    let refused = pulp.exec(&["pulp-setup", "restore", BACKUPS]);
    assert!(refused.code == 1 && refused.err.contains("in use"), "{refused:?}");
    pulp.ok(&STOP);
    killed_at_any_moment(&pulp, &["pulp-setup", "restore", BACKUPS]);
    until("the end of what was killed", PROMPTLY, || {
        let said = pulp.exec(&["pulp-setup", "restore", BACKUPS]);
        assert!(said.code == 0 || said.err.contains("in use"), "{said:?}");
        said.code == 0
    });
    assert_eq!(pulp.stop(), 0);
    drop(pulp);
    let pulp = boot().ready();
    pulp.serves(&kept, &b"kept ".repeat(5000));
    pulp.get(&late).expect(404);
    assert_eq!(all_are_right(&pulp, far.sql(SUMS) + "\n"), artifacts);
    assert_eq!(pulp.stop(), 0);
    drop(pulp);

    // The same backup in a Pulp that brings its own database.
    let moved = Boot::new("near").mount(&backups, BACKUPS).ready();
    moved.ok(&STOP);
    let said = moved.ok(&["pulp-setup", "restore", BACKUPS]);
    assert!(said.contains("settings.py of the backup is not restored, because the database was"), "{said}");
    podman_ok(&["restart", "-t", "10", &moved.name]);
    moved.wait();
    moved.serves(&kept, &b"kept ".repeat(5000));
    assert_eq!(all_content_is_right(&moved), artifacts);
}

#[test]
fn content_that_is_damaged_is_named_and_not_taken_into_a_backup() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let pulp = Boot::new("damaged").mount(&dir.path().to_string_lossy(), BACKUPS).ready();
    pulp.set_password(PASSWORD);
    Api::admin(&pulp, PASSWORD).publish_file("whole", b"whole");
    let file = pulp.sql("select file from core_artifact limit 1");
    pulp.ok(&["sh", "-c", &format!("echo x >/var/lib/pulp/media/{file}")]);
    let said = pulp.exec(&["pulp-setup", "backup", BACKUPS]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&file) && said.err.contains("repair"), "{said:?}");
    // Within what is backed up there is no place for it.
    let said = pulp.exec(&["pulp-setup", "backup", "/var/lib/pulp/backup"]);
    assert!(said.code == 78 && said.err.contains("/var/lib/pulp"), "{said:?}");
}
