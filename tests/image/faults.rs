//! What a boot finds wrong around it: volumes that are full, read-only, another's or of another time, ports that are
//! taken, a database that cannot be reached. Each ends in one message with a cure; what is there stays as it is, and the
//! next start, with the cause removed, comes up.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Api, Boot, Folders, PASSWORD, PROMPTLY, Pulp, shared, turn, until};

const KEY: &str = "settings/certs/database_fields.symmetric.key";

fn with_password(boot: Boot) -> Boot {
    boot.env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD)
}

/// Half-written files of ours in a directory.
fn leftovers(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("pulp-init-new")).collect()
}

/// Uploads a file of so many bytes; the status of the answer.
fn upload(pulp: &Pulp, bytes: usize) -> u16 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("upload");
    fs::write(&path, vec![b'x'; bytes]).unwrap();
    let (user, form) = (format!("admin:{PASSWORD}"), format!("file=@{}", path.display()));
    let url = pulp.url("/pulp/api/v3/artifacts/");
    crate::harness::curl(&["--user", &user, "--form", &form, &url]).status
}

#[test]
fn volumes_that_are_full_are_named_and_larger_ones_come_up_with_all_that_was_there() {
    let _turn = turn();
    let folders = Folders::new("");
    let Some(settings) = folders.disk("settings", "8k") else { return };
    folders.boot("full").start().fails_with(&["cannot write /etc/pulp/certs/", "No space left on device"]);
    assert!(leftovers(&folders.path("settings/certs")).is_empty());
    settings.resize("1m");
    let pgsql = folders.disk("pgsql", "20m").unwrap();
    folders.boot("full").start().fails_with(&["a new database needs", "/var/lib/pgsql"]);
    assert!(!folders.path("pgsql/data/PG_VERSION").exists());
    let key = fs::read(folders.path(KEY)).unwrap();
    pgsql.resize("400m");
    let storage = folders.disk("pulp_storage", "4m").unwrap();
    let pulp = with_password(folders.boot("full")).ready();
    assert_eq!(fs::read(folders.path(KEY)).unwrap(), key);
    full_storage(&pulp, || storage.resize("100m"));
    let file = Api::admin(&pulp, PASSWORD).publish_file("kept", b"before the database's volume was full");
    // No room is left for the database, while it runs, while it stops, and at the next boot.
    let before = artifacts(&pulp);
    pgsql.fill();
    let accepted = (0..2000).take_while(|round| upload(&pulp, 100 + round) == 201).count();
    assert!(accepted < 2000, "the volume of the database was never full");
    pulp.stop();
    drop(pulp);
    let pulp = with_password(folders.boot("full")).start();
    let mut ended = false;
    until("it is up or has ended", PROMPTLY * 2, || {
        ended = !pulp.runs();
        ended || pulp.exec(&["svctl", "health"]).code == 0
    });
    if ended {
        let logs = pulp.logs();
        assert!(
            logs.contains("the volume at /var/lib/pgsql is full") && logs.contains("to fix it"),
            "{logs}"
        );
    }
    eprintln!("a boot on a full volume of the database: {}", if ended { "ended" } else { "is up" });
    drop(pulp);
    pgsql.resize("400m");
    let pulp = with_password(folders.boot("larger")).ready();
    assert_eq!(pulp.get(&file).expect(200).text(), "before the database's volume was full");
    assert!(artifacts(&pulp) >= before + accepted, "{accepted} uploads were accepted after {before}");
    assert_eq!(upload(&pulp, 50), 201);
    assert_eq!(pulp.stop(), 0);
}

/// How many artifacts the database knows.
fn artifacts(pulp: &Pulp) -> usize {
    pulp.sql("select count(*) from core_artifact").parse().unwrap()
}

/// Uploads are refused where there is no room for them; nothing else happens, and with room they are taken.
fn full_storage(pulp: &Pulp, enlarge: impl FnOnce()) {
    assert_eq!(upload(pulp, 20), 201);
    let status = upload(pulp, 6_000_000);
    assert!(status >= 400, "{status}");
    assert_eq!(pulp.exec(&["svctl", "health"]).code, 0, "{}", pulp.ok(&["svctl", "list"]));
    pulp.status();
    enlarge();
    assert_eq!(upload(pulp, 6_000_001), 201);
}

#[test]
fn volumes_that_are_read_only_or_anothers_are_named_and_come_up_once_they_are_not() {
    let _turn = turn();
    let folders = Folders::new("");
    for (folder, place) in
        [("settings", "/etc/pulp"), ("pulp_storage", "/var/lib/pulp"), ("pgsql", "/var/lib/pgsql")]
    {
        let read_only = format!("{}:{place}:ro", folders.path(folder).display());
        let pulp = folders.boot_without(folder, "readonly").podman(&["--volume", &read_only]).start();
        let line = pulp.fails_with(&["Read-only file system"]);
        assert!(line.contains(place), "{line}");
        assert!(pulp.logs().contains("without `:ro`"), "{}", pulp.logs());
    }
    assert!(!folders.path("pgsql/data/PG_VERSION").exists());
    // Another's, which we may not give to anybody else.
    for folder in ["pulp_storage", "pgsql"] {
        chown(folders.path(folder), Some(1234), Some(1234)).unwrap();
    }
    let pulp = folders.boot("anothers").podman(&["--cap-drop=CHOWN"]).start();
    pulp.fails_with(&["Operation not permitted"]);
    assert!(pulp.logs().contains("the capability CHOWN"), "{}", pulp.logs());
    drop(pulp);
    // Images that builds in Pulp use are of no matter to a boot.
    let read_only = format!("{}:/var/lib/containers:ro", folders.path("containers").display());
    let pulp = folders.boot_without("containers", "right").podman(&["--volume", &read_only]).ready();
    pulp.status();
    assert_eq!(pulp.ok(&["stat", "-c", "%U", "/var/lib/pulp", "/var/lib/pgsql"]), "pulp\npostgres\n");
    assert_eq!(pulp.stop(), 0);
}

/// SQL in a database that does not run.
fn sql_at_rest(folders: &Folders, sql: &str) {
    let script =
        format!("echo \"{sql}\" | /usr/lib/postgresql/17/bin/postgres --single -D /var/lib/pgsql/data pulp");
    let boot = folders.boot("sql").podman(&["--user", "postgres"]).instead(&["bash", "-c", &script]);
    assert_eq!(boot.start().ends_within(PROMPTLY), 0);
}

#[test]
fn a_database_and_a_key_that_do_not_fit_are_refused_and_left_alone() {
    let _turn = turn();
    let folders = Folders::new("");
    let remote = {
        let pulp = with_password(folders.boot("fits")).ready();
        let remote =
            json!({ "name": "secret", "url": "http://localhost/", "username": "u", "password": "p" });
        let remote = Api::admin(&pulp, PASSWORD).post("/pulp/api/v3/remotes/file/file/", &remote);
        a_second_one_is_refused(&folders, &pulp);
        pulp.sql("insert into django_migrations (app, name, applied) values ('core', '9999_newer', now())");
        assert_eq!(pulp.stop(), 0);
        remote["pulp_href"].as_str().unwrap().to_owned()
    };
    let refused = |words: &[&str]| drop(folders.boot("unfit").start().fails_with(words));
    refused(&["of a newer Pulp", "core is at 9999_newer, and this image knows it up to"]);
    sql_at_rest(&folders, "delete from django_migrations where name = '9999_newer'");

    let key = fs::read(folders.path(KEY)).unwrap();
    fs::remove_file(folders.path(KEY)).unwrap();
    refused(&["database_fields.symmetric.key: missing, but there is a database"]);
    assert!(!folders.path(KEY).exists(), "a key was made over one that is lost");
    for (other, words) in [
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "not the key that the secrets"),
        ("AAEC\n", "damaged"),
    ] {
        fs::write(folders.path(KEY), other).unwrap();
        refused(&["database_fields.symmetric.key", words]);
        assert_eq!(fs::read_to_string(folders.path(KEY)).unwrap(), other);
    }
    fs::write(folders.path(KEY), key).unwrap();

    let version = folders.path("pgsql/data/PG_VERSION");
    fs::write(&version, "99\n").unwrap();
    refused(&["is of PostgreSQL 99, and this image has 17"]);
    assert_eq!(fs::read_to_string(&version).unwrap(), "99\n");
    fs::write(&version, "17\n").unwrap();

    let pulp = with_password(folders.boot("fits")).ready();
    let found: Value = Api::admin(&pulp, PASSWORD).get(&remote).expect(200).json();
    assert_eq!(found["name"], "secret", "{found}");
    assert_eq!(pulp.stop(), 0);
}

/// A second container on the same volume ends, and the first one does not even notice.
fn a_second_one_is_refused(folders: &Folders, first: &Pulp) {
    let before = first.pid("postgresql");
    let second = folders.boot("second").start();
    second.fails_with(&["another container uses the database in /var/lib/pgsql/data"]);
    assert_eq!(first.pid("postgresql"), before);
    assert!(
        first.exec(&["test", "-e", "/var/lib/pgsql/data/postmaster.pid"]).code == 0,
        "its lock file is gone"
    );
    assert_eq!(first.exec(&["svctl", "health"]).code, 0);
    assert_eq!(upload(first, 77), 201);
}

#[test]
fn ports_and_addresses_that_another_has_are_named() {
    let _turn = turn();
    let network = format!("container:{}", shared().name);
    let pulp = Boot::new("port").unpublished().podman(&["--network", &network]).start();
    let line = pulp.fails_with(&["that port is in use"]);
    for port in [":80: ", ":24817: ", ":24816: "] {
        assert!(line.contains(port), "{line}");
    }
    // TEST-NET-1 (RFC 5737): nobody has it.
    let pulp = Boot::new("address").env("PULP_API_BIND", "192.0.2.1:24817").start();
    pulp.fails_with(&["192.0.2.1:24817: this container does not have that address"]);
}

/// Takes connections and never says a word.
const SILENCE: &str =
    "import socket, time; s = socket.socket(); s.bind(('0.0.0.0', 5432)); s.listen(); time.sleep(9999)";

#[test]
fn a_database_that_cannot_be_found_or_does_not_answer_ends_the_boot() {
    let _turn = turn();
    let server = Boot::new("silent").unpublished().instead(&["python3", "-c", SILENCE]).start();
    let silent = server.inspect("{{.NetworkSettings.IPAddress}}");
    for (host, words) in
        [("no-such-host.invalid", "could not translate host name"), (silent.as_str(), "timeout expired")]
    {
        let database = format!(
            "DATABASES = {{'default': {{'HOST': '{host}', 'NAME': 'pulp', 'USER': 'pulp', 'PASSWORD': 's3cret', \
             'ENGINE': 'django.db.backends.postgresql'}}}}\n"
        );
        let folders = Folders::new(&database);
        let pulp = folders.boot("unreachable").env("PULP_DATABASE_TIMEOUT", "3").start();
        let line = pulp.fails_with(&["no database at", host, "3 s"]);
        assert!(line.contains(words), "{line}");
        assert!(!pulp.logs().contains("s3cret"));
    }
}

#[test]
fn too_little_memory_ends_the_boot() {
    let _turn = turn();
    let pulp = Boot::new("memory").podman(&["--memory", "200m"]).start();
    pulp.fails_with(&["may use 200 MB of memory"]);
}

#[test]
fn volumes_are_left_by_a_boot_that_failed_as_they_were() {
    let _turn = turn();
    let folders = Folders::new("");
    // A folder of somebody's that is not a database.
    fs::write(folders.path("pgsql/readme.txt"), "mine").unwrap();
    fs::create_dir(folders.path("pgsql/data")).unwrap();
    fs::write(folders.path("pgsql/data/readme.txt"), "mine").unwrap();
    folders.boot("notours").start().fails_with(&["is no database but is not empty", "readme.txt"]);
    assert_eq!(fs::read_to_string(folders.path("pgsql/data/readme.txt")).unwrap(), "mine");
}
