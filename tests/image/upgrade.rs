//! Volumes that upstream's image wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Api, Boot, PASSWORD, Said, image, shared, turn, volume};

/// What upstream's image did on its first boot, with the PostgreSQL 13 that it had: a cluster that trusts everybody,
/// Pulp's role and database. Then the database on standard input is put into it.
const UPSTREAM: &str = r"set -e
PATH=/usr/lib/postgresql/13/bin:$PATH
initdb -D /var/lib/pgsql/data --encoding=UTF-8 --locale=en_US.UTF-8 >/dev/null
pg_ctl -D /var/lib/pgsql/data -s -w -o '-c listen_addresses= -c unix_socket_directories=/tmp' start >/dev/null
export PGHOST=/tmp
psql -qX -d postgres -c 'create role pulp login' -c 'create database pulp owner pulp'
sed -e '/^SET transaction_timeout/d' -e '/^\\\(un\)\?restrict/d' | psql -qX -U pulp -d pulp -v ON_ERROR_STOP=1 >/dev/null
pg_ctl -D /var/lib/pgsql/data -s -w stop >/dev/null
";

/// A volume with a database of PostgreSQL 13, in which is what is in the shared container.
fn old_volume() -> String {
    let dump = shared().exec_as("pulp", &["pg_dump", "-h", "/run/postgresql", "pulp"], b"");
    assert_eq!(dump.code, 0, "{}", dump.err);
    let data = volume();
    let mut run = Command::new("podman");
    run.args(["run", "--rm", "--interactive", "--network=none", "--user=postgres"]);
    run.args([
        "--volume",
        &format!("{data}:/var/lib/pgsql"),
        "--entrypoint",
        "bash",
        &image(),
        "-c",
        UPSTREAM,
    ]);
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(dump.out.as_bytes()).unwrap();
    let said: Said = run.wait_with_output().unwrap().into();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    data
}

#[test]
fn database_of_postgresql_13_is_upgraded_and_the_old_one_kept() {
    let Some(_turn) = turn() else { return };
    let users = shared().sql("select id, username, password from auth_user order by id");
    let repositories = shared().sql("select pulp_id, name from core_repository order by 1");
    let data = old_volume();
    let pulp = Boot::new("upgrade").mount(&data, "/var/lib/pgsql").ready();
    assert_eq!(pulp.sql("show server_version_num").len(), 6);
    assert!(pulp.sql("show server_version").starts_with("17."));
    assert_eq!(pulp.sql("select id, username, password from auth_user order by id"), users);
    assert_eq!(pulp.sql("select pulp_id, name from core_repository order by 1"), repositories);
    Api::admin(&pulp, PASSWORD).get("/pulp/api/v3/users/").expect(200);
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
