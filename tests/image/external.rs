//! PostgreSQL and redis that run elsewhere.

use std::sync::OnceLock;

use crate::harness::{Boot, Folders, PROMPTLY, Pulp, turn, until};

const PASSWORD: &str = "elsewhere-s3cret";

/// A PostgreSQL whose every user needs a password, and where Pulp has a role and an empty database.
pub const POSTGRESQL: &str = r#"set -e
PATH=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1):$PATH
umask 077
echo "$PASSWORD" >/tmp/password
initdb -D /tmp/db -E UTF8 --auth=scram-sha-256 --pwfile=/tmp/password --no-sync >/dev/null
echo 'host all all all scram-sha-256' >>/tmp/db/pg_hba.conf
postgres --single -D /tmp/db postgres >/dev/null <<SQL
create role pulp login password '$PASSWORD'
create database pulp owner pulp
SQL
exec postgres -D /tmp/db -c 'listen_addresses=*' -c unix_socket_directories=/tmp
"#;

/// Both, in containers of their own.
pub struct Elsewhere {
    postgresql: Pulp,
    redis: Pulp,
}

impl Elsewhere {
    pub fn start() -> Elsewhere {
        let postgresql = Boot::new("postgresql").env("PASSWORD", PASSWORD).podman(&["--user", "postgres"]);
        let postgresql = postgresql.instead(&["bash", "-c", POSTGRESQL]).start();
        let words = ["redis-server", "--bind", "0.0.0.0", "--requirepass", PASSWORD, "--save", ""];
        let redis = Boot::new("redis").podman(&["--user", "redis"]).instead(&words).start();
        until("postgresql's answer", PROMPTLY, || {
            assert!(postgresql.runs(), "{}", postgresql.logs());
            postgresql.exec(&["pg_isready", "-q", "-h", "127.0.0.1"]).code == 0
        });
        Elsewhere { postgresql, redis }
    }

    /// Settings that name both, with PostgreSQL at this port.
    pub fn settings(&self, port: u16) -> String {
        format!(
            "DATABASES = {{'default': {{'HOST': '{postgresql}', 'PORT': '{port}', 'NAME': 'pulp', 'USER': 'pulp', \
             'PASSWORD': '{PASSWORD}', 'ENGINE': 'django.db.backends.postgresql'}}}}\n\
             CACHE_ENABLED = True\nREDIS_HOST = '{redis}'\nREDIS_PORT = 6379\nREDIS_PASSWORD = '{PASSWORD}'\n",
            postgresql = address(&self.postgresql),
            redis = address(&self.redis),
        )
    }

    /// SQL in Pulp's database there, a row a line.
    pub fn sql(&self, sql: &str) -> String {
        let command = "PGPASSWORD=$PASSWORD exec psql -XAtq -h /tmp -U pulp -d pulp";
        let said = self.postgresql.exec_as("postgres", &["bash", "-c", command], sql.as_bytes());
        assert_eq!(said.code, 0, "{sql}: {}", said.err);
        said.out.trim().to_owned()
    }
}

fn elsewhere() -> &'static Elsewhere {
    static ELSEWHERE: OnceLock<Elsewhere> = OnceLock::new();
    ELSEWHERE.get_or_init(Elsewhere::start)
}

fn address(container: &Pulp) -> String {
    container.inspect("{{.NetworkSettings.IPAddress}}")
}

fn settings(port: u16) -> String {
    elsewhere().settings(port)
}

#[test]
fn embedded_ones_are_skipped_and_the_list_says_why() {
    let _turn = turn();
    let folders = Folders::new(&settings(5432));
    let pulp = folders.boot("external").ready();
    let status = pulp.status();
    assert_eq!(status["database_connection"]["connected"], true, "{status}");
    assert_eq!(status["redis_connection"]["connected"], true, "{status}");
    let list = pulp.ok(&["svctl", "list", "-a"]);
    for (service, setting, elsewhere) in
        [("postgresql", "DATABASES", &elsewhere().postgresql), ("redis", "REDIS_HOST", &elsewhere().redis)]
    {
        let line = list.lines().find(|line| line.starts_with(&format!("{service} "))).unwrap();
        let why = line.contains("skipped") && line.contains(setting) && line.contains(&address(elsewhere));
        assert!(why, "{list}");
    }
    let names = pulp.ok(&["ps", "-e", "-o", "comm="]);
    assert!(!names.contains("postgres") && !names.contains("redis-server"), "{names}");
    assert!(!pulp.logs().contains(PASSWORD));
    assert_eq!(pulp.exec_as("nobody", &["grep", "-rslF", PASSWORD, "/run", "/tmp"], b"").out, "");
    assert_eq!(pulp.stop(), 0);
}

#[test]
fn database_that_does_not_answer_ends_the_boot_in_one_message() {
    let _turn = turn();
    let folders = Folders::new(&settings(5433));
    let pulp = folders.boot("unreachable").env("PULP_DATABASE_TIMEOUT", "3").start();
    let code = pulp.ends_within(PROMPTLY);
    let logs = pulp.logs();
    assert!(code != 0 && code < 128, "exit code {code}\n{logs}");
    let found = logs.lines().filter(|line| line.contains("no database at") && line.contains("port 5433"));
    assert_eq!(found.count(), 1, "{logs}");
    assert!(!logs.contains(PASSWORD), "{logs}");
}

#[test]
fn wrong_password_is_not_waited_for() {
    let _turn = turn();
    let folders =
        Folders::new(&settings(5432).replace(&format!("'PASSWORD': '{PASSWORD}'"), "'PASSWORD': 'x'"));
    let pulp = folders.boot("wrong").start();
    let code = pulp.ends_within(PROMPTLY);
    let logs = pulp.logs();
    assert!(code != 0 && code < 128, "exit code {code}\n{logs}");
    assert!(
        logs.contains("password authentication failed") && logs.contains("PASSWORD of DATABASES"),
        "{logs}"
    );
}
