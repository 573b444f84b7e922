//! Volumes that upstream's image wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Api, Folders, PASSWORD, Pulp, Said, image, only_pulp, product, shared, turn};

/// What upstream's image did on its first boot, with the PostgreSQL that it had: a cluster that trusts everybody, Pulp's
/// role and database. Into that goes what is on standard input. Clients are of the new release: there are no others.
const UPSTREAM: &str = r"set -e
PATH=/usr/lib/postgresql/$1/bin:$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1):$PATH
initdb -D /var/lib/pgsql/data --encoding=UTF-8 --locale=en_US.UTF-8 >/dev/null
pg_ctl -D /var/lib/pgsql/data -s -w -o '-c listen_addresses= -c unix_socket_directories=/tmp' start >/dev/null
export PGHOST=/tmp
psql -qX -d postgres -c 'create role pulp login' -c 'create database pulp owner pulp'
sed -e '/^SET transaction_timeout/d' -e '/^\\\(un\)\?restrict/d' | psql -qX -U pulp -d pulp -v ON_ERROR_STOP=1 >/dev/null
pg_ctl -D /var/lib/pgsql/data -s -w stop >/dev/null
";

/// Brings an empty database to the schema of pulpcore 3.70, with the administrator of the shared container in it.
const OLDER: &str = r#"
createdb -h /run/postgresql -U postgres -O pulp older
# Afterwards each fails to grant permissions on what came later.
older() { PULP_DATABASES__default__NAME=older pulpcore-manager migrate "$@" >/dev/null 2>&1 || true; }
older core 0126
older file 0001_initial_squashed_0016_add_domain
export PGHOST=/run/postgresql PGUSER=pulp
pg_dump --data-only -t auth_user pulp | psql -qX -d older -v ON_ERROR_STOP=1
"#;

/// The same, as SQL that any PostgreSQL reads: only in a newer one is there room for today's schema.
pub fn older_database() -> String {
    let pulp = shared();
    // root may be both roles.
    pulp.ok(&["bash", "-ec", OLDER]);
    let dump = pulp.ok(&["pg_dump", "-h", "/run/postgresql", "-U", "pulp", "older"]);
    pulp.ok(&["dropdb", "-h", "/run/postgresql", "-U", "postgres", "older"]);
    assert!(dump.contains("0126_remoteartifact_failed_at") && !dump.contains("core_appstatus"));
    dump
}

/// The shared container's database as it is, with today's schema. PostgreSQL 13 has no room for Pulp's, 15 does.
pub fn todays_database() -> String {
    dump(shared())
}

fn dump(pulp: &Pulp) -> String {
    pulp.ok(&["pg_dump", "-h", "/run/postgresql", "-U", "pulp", "pulp"])
}

/// Fails unless the container's database is of the release that its image runs.
pub fn is_upgraded(pulp: &Pulp) {
    let version = pulp.sql("show server_version");
    assert!(version.starts_with(&format!("{}.", product().postgresql)), "{version}");
}

/// Makes a cluster of an older release of PostgreSQL with that database, in a folder of this host.
pub fn old_cluster(release: &str, data: &str, dump: &str) {
    let mut run = Command::new("podman");
    run.args(["run", "--rm", "--interactive", "--network=none"]);
    run.args(["--volume", &format!("{data}:/var/lib/pgsql"), "--entrypoint", "bash", image(), "-c"]);
    // A folder is root's at first.
    let script = "chown postgres: /var/lib/pgsql && exec timeout 300 setpriv --reuid postgres --regid postgres --clear-groups bash -c \"$0\" bash \"$1\"";
    let mut run = run
        .args([script, UPSTREAM, release])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(dump.as_bytes()).unwrap();
    let said: Said = run.wait_with_output().unwrap().into();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
}

/// The key that upstream's image made beside its database, in a directory of certificates.
pub fn key(certs: &std::path::Path) {
    std::fs::write(
        certs.join("database_fields.symmetric.key"),
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    )
    .unwrap();
}

#[test]
fn database_of_an_older_pulp_in_postgresql_13_is_upgraded_and_the_old_one_kept() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let folders = Folders::new("");
    key(&folders.path("settings/certs"));
    old_cluster("13", &folders.path("pgsql").to_string_lossy(), &older_database());
    let pulp = folders.boot("upgrade").ready();
    is_upgraded(&pulp);
    let counts = pulp.sql("select count(*) from auth_user union all select count(*) from core_domain");
    assert_eq!(counts, "1\n1");
    let api = Api::admin(&pulp, PASSWORD);
    let bytes = b"written after the upgrade";
    assert_eq!(pulp.get(&api.publish_file("upgraded", bytes)).expect(200).body, bytes);
    let versions = pulp.ok(&["bash", "-c", "cd /var/lib/pgsql && grep -H . */PG_VERSION"]);
    assert!(versions.contains("data/PG_VERSION:17"), "{versions}");
    let old = versions.lines().find(|line| line.ends_with(":13")).unwrap_or_else(|| panic!("{versions}"));
    assert!(old.starts_with("data_old"), "{versions}");
    // Upstream's rules, which let everybody be anybody, do not apply any more.
    let nobody =
        pulp.exec_as("nobody", &["psql", "-h", "/run/postgresql", "-U", "postgres", "-c", "select 1"], b"");
    assert_ne!(nobody.code, 0);
    assert_eq!(pulp.stop(), 0);
}

/// What there may be besides Pulp's database: an extension, a large object, a role with a password.
const OTHER: &str = "
create extension hstore;
create table pairs (pair hstore);
insert into pairs select format('word=>%s', n)::hstore from generate_series(1, 1000) n;
select lo_from_bytea(4711, 'a large object');
";

/// Makes a cluster with an empty database of Pulp's, and that in it of somebody else.
fn cluster_of_others(release: &str, data: &str) {
    let sql = format!(
        "\\connect postgres postgres\ncreate role other login password 'pw';\ncreate database other owner other;\n\\connect other\n{OTHER}"
    );
    old_cluster(release, data, &sql);
}

#[test]
fn databases_of_every_older_postgresql_are_upgraded_without_a_network_and_leftovers_stay() {
    let _turn = turn();
    // 13 has a test of its own.
    for release in product().older_postgresql.iter().filter(|release| **release != "13") {
        let folders = Folders::new("");
        key(&folders.path("settings/certs"));
        cluster_of_others(release, &folders.path("pgsql").to_string_lossy());
        let theirs = ["data_old", "data_old.2025-08-12 10:00:00+00:00"];
        for name in theirs {
            std::fs::create_dir(folders.path("pgsql").join(name)).unwrap();
            std::fs::write(folders.path("pgsql").join(name).join("PG_VERSION"), "13\n").unwrap();
        }
        let pulp = folders.boot("upgrade").unpublished().podman(&["--network=none"]).ready();
        is_upgraded(&pulp);
        let other =
            "select count(*) || ' ' || convert_from(lo_get(4711), 'UTF8') from pairs where pair ? 'word'";
        let found =
            pulp.ok(&["psql", "-h", "/run/postgresql", "-U", "postgres", "-d", "other", "-Atc", other]);
        assert_eq!(found.trim(), "1000 a large object", "{release}");
        let roles = "select count(*) from pg_authid where rolname = 'other' and rolpassword is not null";
        assert_eq!(pulp.ok(&["psql", "-h", "/run/postgresql", "-U", "postgres", "-Atc", roles]).trim(), "1");
        // The new one is in use, so the old one may go; what another image left is not ours.
        pulp.ok(&["pulp-setup", "postgres", "--discard-old"]);
        assert!(!folders.path("pgsql").join(format!("data_old.{release}")).exists());
        for name in theirs {
            assert!(folders.path("pgsql").join(name).join("PG_VERSION").exists(), "{name}");
            assert!(pulp.logs().contains(&format!("{name} (")), "{}", pulp.logs());
        }
        assert_eq!(pulp.stop(), 0);
    }
}

#[test]
fn database_of_todays_upstream_in_postgresql_16_comes_up_with_its_content() {
    let _turn = turn();
    if !only_pulp() {
        return;
    }
    let folders = Folders::new("");
    let pulp = shared();
    let certs = folders.path("settings/certs");
    std::fs::write(
        certs.join("database_fields.symmetric.key"),
        pulp.ok(&["cat", "/etc/pulp/certs/database_fields.symmetric.key"]),
    )
    .unwrap();
    old_cluster("16", &folders.path("pgsql").to_string_lossy(), &todays_database());
    let users = pulp.sql("select count(*) from auth_user");
    let pulp = folders.boot("upgrade").ready();
    is_upgraded(&pulp);
    assert_eq!(pulp.sql("select count(*) from auth_user"), users);
    assert_eq!(pulp.sql("select collname from pg_collation where collname = 'en_US.utf8'"), "en_US.utf8");
    let api = Api::admin(&pulp, PASSWORD);
    let bytes = b"written after the upgrade";
    assert_eq!(pulp.get(&api.publish_file("upgraded", bytes)).expect(200).body, bytes);
    assert_eq!(pulp.stop(), 0);
}

#[test]
fn content_of_a_database_in_an_older_postgresql_is_served_and_added_to_after_the_upgrade() {
    let _turn = turn();
    // What upstream's images have: Pulp's 16, Galaxy's 13.
    let release = product().older_postgresql.last().unwrap();
    let folders = Folders::new("");
    let bytes = b"written before the upgrade";
    let (path, dump) = {
        let pulp = folders.boot("before").env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD).ready();
        let path = Api::admin(&pulp, PASSWORD).publish_file("before", bytes);
        let dump = dump(&pulp);
        assert_eq!(pulp.stop(), 0);
        (path, dump)
    };
    // The same volumes, as the older release has them.
    let pgsql = folders.path("pgsql");
    std::fs::remove_dir_all(&pgsql).unwrap();
    std::fs::create_dir(&pgsql).unwrap();
    old_cluster(release, &pgsql.to_string_lossy(), &dump);
    let pulp = folders.boot("upgrade").ready();
    is_upgraded(&pulp);
    pulp.serves(&path, bytes);
    pulp.installs("before", bytes);
    let bytes = b"written after the upgrade";
    pulp.serves(&Api::admin(&pulp, PASSWORD).publish_file("after", bytes), bytes);
    assert_eq!(pulp.stop(), 0);
}
