//! The steps `postgres`, `database`, `migrations` and `admin` with a real PostgreSQL: this host's newest, and where a
//! test upgrades, an older one beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use pulp_setup::ask::command::Tool;
use pulp_setup::ask::psql::Psql;
use pulp_setup::check::abandoned;
use pulp_setup::context::{Accounts, Owner};
use pulp_setup::postgres::place::Place;
use pulp_setup::postgres::release::Release;
use pulp_setup::postgres::{self, connections, lock};
use pulp_setup::pulp_settings::{Database, PulpSettings};
use pulp_setup::steps::database::prepared;
use pulp_setup::steps::keys::proof;
use pulp_setup::steps::migrations::stamp;
use pulp_setup::steps::{admin, database, migrations, postgres_init, settings};
use pulp_setup::{Context, Problem};

/// Where the key of encrypted fields is.
const KEY: &str = "/etc/pulp/key";

/// A container's root in a temporary directory.
struct Image {
    _dir: tempfile::TempDir,
    context: Context,
    release: Release,
}

/// A PostgreSQL that runs as the image's service runs it; killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

/// An image, unless this host has no PostgreSQL, which is said.
fn image(env: &[(&str, &str)]) -> Option<Image> {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let here = Context::for_test(
        Path::new("/"),
        std::env::var("PULP_POSTGRES_BIN").iter().map(|bin| ("PULP_POSTGRES_BIN", bin.as_str())),
    );
    let release = match Release::of_this_image(&here) {
        Ok(release) => release,
        Err(problem) => {
            needs::skip("postgresql", &problem.to_string());
            return None;
        }
    };
    let bin = release.bin.to_str().unwrap().to_owned();
    let env = env.iter().copied().chain([("PULP_POSTGRES_BIN", bin.as_str())]);
    let mut context = Context::for_test(dir.path(), env);
    if geteuid().is_root() {
        // PostgreSQL refuses root. Any user will do for Pulp.
        let user = |name| {
            User::from_name(name)
                .unwrap()
                .map(|user| Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
        };
        let (Some(postgres), Some(pulp)) = (user("postgres"), user("nobody")) else {
            needs::skip("postgresql", "there is no user postgres or nobody");
            return None;
        };
        context.accounts = Accounts { pulp, postgres, may_chown: true };
    }
    let image = Image { _dir: dir, context, release };
    fs::create_dir_all(image.context.path("/run/pulp")).unwrap();
    fs::create_dir_all(image.context.path("/etc/pulp")).unwrap();
    image.settings(|_| {});
    Some(image)
}

impl Image {
    fn settings(&self, change: impl FnOnce(&mut PulpSettings)) {
        let mut settings = PulpSettings {
            database: Database { name: "pulp".into(), user: "pulp".into(), ..Database::default() },
            db_encryption_key: KEY.into(),
            user_table: "auth_user".into(),
            ..PulpSettings::default()
        };
        change(&mut settings);
        settings.save(&self.context).unwrap();
    }

    fn postgres(&self) -> Result<(), Problem> {
        // As two parts: the step itself gives up root in between, and this process must keep it.
        postgres_init::prepare(&self.context)?;
        postgres_init::work(&self.context, &[])
    }

    fn home(&self) -> PathBuf {
        self.context.path("/var/lib/pgsql")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.context.path(path)).unwrap()
    }

    /// Starts the server as the service does.
    fn serve(&self, listen: &str, port: u16) -> Server {
        let mut command = Command::new(self.release.bin.join("postgres"));
        let path = |path: &str| self.context.path(path).to_str().unwrap().to_owned();
        command.arg("-D").arg(self.data()).current_dir("/").env_clear().env("LC_ALL", "C.UTF-8");
        for setting in [
            format!("hba_file={}", path("/run/pulp/pg_hba.conf")),
            format!("ident_file={}", path("/run/pulp/pg_ident.conf")),
            format!("unix_socket_directories={}", path("/run/postgresql")),
            format!("listen_addresses={listen}"),
            format!("port={port}"),
        ] {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.context.path("/run/server.log")).unwrap());
        self.as_postgres(&mut command);
        let server = Server(command.spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(60);
        while !Psql::superuser(&self.context, "postgres")
            .unwrap()
            .output("select 1")
            .unwrap()
            .status
            .success()
            && port == 5432
        {
            assert!(Instant::now() < end, "{}", self.read("/run/server.log"));
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn as_postgres(&self, command: &mut Command) {
        if self.context.accounts.may_chown {
            command.uid(self.context.accounts.postgres.uid).gid(self.context.accounts.postgres.gid);
        }
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        Psql::superuser(&self.context, database).unwrap().run("test", sql).unwrap().trim().to_owned()
    }

    /// Sql as Pulp, over the socket.
    fn pulp_sql(&self, sql: &str) -> Result<String, Problem> {
        let settings = PulpSettings::load(&self.context).unwrap();
        Psql::pulp(&self.context, &settings.database)
            .unwrap()
            .run("test", sql)
            .map(|out| out.trim().to_owned())
    }

    /// A cluster as upstream's image makes it: `trust`, its locale, Pulp's database and a row in it.
    fn old_cluster(&self, old: &Release, checksums: bool) {
        let postgres = self.context.accounts.postgres;
        fs::create_dir_all(self.home()).unwrap();
        if self.context.accounts.may_chown {
            chown(self.home(), Some(postgres.uid), Some(postgres.gid)).unwrap();
        }
        let initdb = old.tool(&self.context, "initdb").arg("-D").arg(self.data());
        let initdb = initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"]);
        if checksums { initdb.arg("-k") } else { initdb }.run("initdb", "").unwrap();
        let conf = self.data().join("postgresql.conf");
        let text =
            fs::read_to_string(&conf).unwrap() + "\nmax_connections = 77\nold_snapshot_threshold = 60\n"; // the second is gone in 17
        fs::write(&conf, text).unwrap();
        // By a server: tables that are made without one lack the type of their rows, which no upgrade survives.
        let server = self.serve_old(old);
        self.old_sql("postgres", "create role pulp login password 'pw'; create database pulp owner pulp");
        self.old_sql(
            "postgres",
            "create role \"other user\"; create database \"host=x y='z\" owner \"other user\"",
        );
        self.old_sql(
            "pulp",
            "create extension hstore; create table t (word text primary key);
             insert into t select 'word ' || n from generate_series(1, 1000) n; alter table t owner to pulp;
             create table h (pairs hstore); insert into h values ('a=>1'); alter table h owner to pulp;
             select lo_from_bytea(4711, 'a large object'); create index on t (lower(word))",
        );
        server.stop();
    }

    fn serve_old(&self, old: &Release) -> Server {
        let sockets = self.context.path("/run/old");
        fs::create_dir_all(&sockets).unwrap();
        fs::set_permissions(&sockets, fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new(old.bin.join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(&sockets).args(["-h", ""]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.as_postgres(&mut command);
        let server = Server(command.spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(30);
        while !self.old_psql("postgres", "select 1").output().unwrap().status.success() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// By the new release's client: the image has no old ones.
    fn old_psql(&self, database: &str, sql: &str) -> Tool {
        let psql = self.release.tool(&self.context, "psql").env("PGHOST", self.context.path("/run/old"));
        psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-U", "postgres", database]).input(sql)
    }

    fn old_sql(&self, database: &str, sql: &str) {
        for statement in sql.split(';') {
            self.old_psql(database, &format!("{statement};")).run("test", "").unwrap();
        }
    }

    /// As a SIGKILL of the container does: the server of the old release is killed while it runs.
    fn kill_while_it_runs(&self, old: &Release) {
        let mut server = self.serve_old(old);
        self.old_sql("pulp", "insert into t values ('written before the kill')");
        server.0.kill().unwrap();
        server.0.wait().unwrap();
    }
}

#[test]
fn an_empty_volume_gets_a_cluster_that_trusts_nobody_and_a_database_for_pulp() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    image.postgres().unwrap(); // a second boot
    assert!(!image.read("/run/pulp/pg_hba.conf").contains("trust"));
    let active = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<String>();
    assert!(!active(&image.read("/var/lib/pgsql/data/pg_hba.conf")).contains("trust"));
    assert_eq!(fs::read_dir(image.home()).unwrap().count(), 1);
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    database::run(&image.context, &[]).unwrap();
    assert_eq!(image.pulp_sql("select current_user, current_database()").unwrap(), "pulp\tpulp");
    let of = "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate from pg_database where datname = 'pulp'";
    assert_eq!(image.sql("postgres", of), "pulp\tUTF8\tC.UTF-8");
    // Pulp's user is no superuser, whatever it says.
    if image.context.accounts.may_chown {
        let psql = Psql::superuser(&image.context, "postgres").unwrap();
        let mut as_pulp = psql.client("psql").args(["-w", "-c", "select 1"]);
        as_pulp = as_pulp.user(&image.context, image.context.accounts.pulp);
        let output = as_pulp.output().unwrap();
        assert!(output.err.contains("Peer authentication failed"), "{}", output.err);
    }
}

#[test]
fn an_initdb_that_was_killed_is_done_again_and_never_taken_for_whole() {
    let Some(image) = image(&[]) else { return };
    for left in ["data.new/PG_VERSION", "data.new/base/1/PG_VERSION", "upgrade.tmp/x"] {
        let path = image.home().join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "15\n").unwrap();
    }
    image.postgres().unwrap();
    assert!(!image.home().join("data.new").exists() && !image.home().join("upgrade.tmp").exists());
    image.serve("", 5432).stop();
}

#[test]
fn a_volume_mounted_at_data_itself_gets_its_cluster_inside() {
    let Some(image) = image(&[]) else { return };
    fs::create_dir_all(image.home()).unwrap();
    // A link to elsewhere stands for a mount point: neither can be replaced.
    let volume = image.context.path("/volume");
    fs::create_dir_all(volume.join("lost+found")).unwrap();
    std::os::unix::fs::symlink(&volume, image.data()).unwrap();
    fs::create_dir_all(volume.join("data.new")).unwrap();
    fs::write(volume.join("data.new/PG_VERSION"), "15").unwrap();
    image.postgres().unwrap();
    assert!(volume.join("PG_VERSION").exists() && !volume.join("data.new").exists());
    image.serve("", 5432).stop();
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let Some(image) = image(&[]) else { return };
    fs::create_dir_all(image.data()).unwrap();
    fs::write(image.data().join("letter.txt"), "dear").unwrap();
    let problem = image.postgres().unwrap_err();
    assert!(problem.what().contains("letter.txt"), "{problem}");
    assert_eq!(fs::read_dir(image.data()).unwrap().count(), 1);
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    fs::write(image.data().join("PG_VERSION"), "99\n").unwrap();
    let problem = image.postgres().unwrap_err();
    assert!(problem.what().contains("PostgreSQL 99") && problem.cure().contains("newer image"), "{problem}");
}

#[test]
fn a_killed_server_starts_again_though_its_number_belongs_to_another_process() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let server = image.serve("", 5432);
    image.sql("postgres", "create table t (n int); insert into t values (7)");
    let before = fs::read_to_string(image.data().join("postmaster.pid")).unwrap();
    drop(server); // SIGKILL
    let end = Instant::now() + Duration::from_secs(20);
    // Its children notice and end; the step must not remove the lock under them.
    while image.postgres().is_ok() && image.data().join("postmaster.pid").exists() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    // Now with the number of a process of PostgreSQL's user that lives.
    let mut other = Command::new("sleep");
    other.arg("60");
    image.as_postgres(&mut other);
    let other = Server(other.spawn().unwrap());
    let rest = before.split_once('\n').unwrap().1;
    fs::write(image.data().join("postmaster.pid"), format!("{}\n{rest}", other.0.id())).unwrap();
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    assert_eq!(image.sql("postgres", "select n from t"), "7");
}

#[test]
fn the_users_own_pg_hba_is_used_instead_of_ours() {
    let Some(image) = image(&[]) else { return };
    fs::write(image.context.path("/etc/pulp/pg_hba.conf"), "local all all peer map=pulp\n").unwrap();
    image.postgres().unwrap();
    assert_eq!(image.read("/run/pulp/pg_hba.conf"), "local all all peer map=pulp\n");
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
}

#[test]
fn connections_follow_the_processes_unless_the_databases_own_files_say_how_many() {
    let many = [("PULP_WORKERS", "40"), ("PULP_API_WORKERS", "20"), ("PULP_CONTENT_WORKERS", "20")];
    let Some(image) = image(&many) else { return };
    image.postgres().unwrap();
    let postgres = image.release.bin.join("postgres");
    let set = || connections::to_set(&image.context, &postgres, &image.data()).unwrap();
    assert_eq!(set(), Some(300));
    let write = |name: &str, text: &str| {
        let path = image.data().join(name);
        let text = fs::read_to_string(&path).unwrap_or_default() + text;
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    // What ALTER SYSTEM writes, even if it is PostgreSQL's own number.
    write("postgresql.auto.conf", "max_connections = '100'\n");
    assert_eq!(set(), None);
    fs::remove_file(image.data().join("postgresql.auto.conf")).unwrap();
    assert_eq!(set(), Some(300));
    fs::create_dir(image.data().join("conf.d")).unwrap();
    write("conf.d/mine.conf", "max_connections = 60\n");
    write("postgresql.conf", "\ninclude_dir 'conf.d'\n");
    assert_eq!(set(), None);
}

/// Gives the calling thread, and the processes that it starts, a network of their own, in which every port is free. Only
/// root can; others skip the test.
fn own_network() -> bool {
    if !needs::root() {
        return false;
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    true
}

/// A port at which nobody listened a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn over_tcp_pulps_role_gets_the_password_of_the_settings_which_no_log_shows() {
    let Some(image) = image(&[]) else { return };
    if !own_network() {
        return;
    }
    image.postgres().unwrap();
    let port = free_port();
    let tcp = |password: &'static str| {
        move |settings: &mut PulpSettings| {
            settings.database.host = "127.0.0.1".into();
            settings.database.port = port.to_string();
            settings.database.password = password.into();
        }
    };
    let conf = image.data().join("postgresql.conf");
    let text = fs::read_to_string(&conf).unwrap() + "\nlog_statement = 'all'\n";
    fs::write(&conf, text).unwrap();
    let server = image.serve("", 5432);
    image.settings(tcp(""));
    // Nobody listens on TCP: without a password there is nothing to try.
    assert!(database::run(&image.context, &[]).unwrap_err().cure().contains("PASSWORD"));
    server.stop();
    // Connections over the socket go to 5432 by default, and TCP to the same port.
    image.settings(|settings| {
        settings.database.host = "127.0.0.1".into();
        settings.database.password = "it's \\ \"s3cret\"".into();
    });
    image.postgres().unwrap();
    let _server = image.serve("127.0.0.1", 5432);
    database::run(&image.context, &[]).unwrap();
    assert_eq!(image.pulp_sql("select current_user").unwrap(), "pulp");
    database::run(&image.context, &[]).unwrap();
    assert!(
        image
            .sql("postgres", "select rolpassword from pg_authid where rolname = 'pulp'")
            .starts_with("SCRAM-SHA-256$")
    );
    assert!(!image.read("/run/server.log").contains("s3cret"), "{}", image.read("/run/server.log"));
}

#[test]
fn an_external_database_that_does_not_answer_is_named_after_the_time_given() {
    let Some(image) = image(&[("PULP_DATABASE_TIMEOUT", "1")]) else { return };
    let port = free_port();
    image.settings(|settings| {
        settings.external_postgresql = Some("HOST is db.invalid".into());
        settings.database.host = "127.0.0.1".into();
        settings.database.port = port.to_string();
    });
    image.postgres().unwrap();
    assert!(!image.data().exists());
    let problem = database::run(&image.context, &[]).unwrap_err();
    let told = format!("no database at 127.0.0.1, port {port} after 1 s");
    assert!(problem.what().contains(&told) && problem.what().contains("refused"), "{problem}");
}

/// What Django has in auth_user and django_migrations.
const DJANGO: &str = "
    create table django_migrations (id serial primary key, app varchar, name varchar, applied timestamptz);
    insert into django_migrations (app, name, applied) values ('core', '0001_initial', now());
    create table auth_user (id integer primary key generated by default as identity, password varchar(128) not null,
        last_login timestamptz, is_superuser boolean not null, username varchar(150) not null unique,
        first_name varchar(150) not null, last_name varchar(150) not null, email varchar(254) not null,
        is_staff boolean not null, is_active boolean not null, date_joined timestamptz not null);";

/// A `pulpcore-manager` that says who and how it is, does what the test wants, and a `PATH` with it.
fn manager(dir: &Path, script: &str) -> String {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.join("pulpcore-manager");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", dir.display())
}

#[test]
fn migrations_run_only_when_the_database_lacks_one_of_the_image() {
    let bin = tempfile::tempdir().unwrap();
    let ran = bin.path().join("ran");
    fs::create_dir(&ran).unwrap();
    fs::set_permissions(&ran, fs::Permissions::from_mode(0o777)).unwrap();
    let path = manager(
        bin.path(),
        &format!(
            "echo \"$* $HOME $PULP_X\" >>{}/log; [ -z \"$PULP_FAIL\" ] || {{ echo broken >&2; exit 1; }}",
            ran.display()
        ),
    );
    let Some(image) = image(&[("PATH", &path), ("PULP_X", "here")]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    let log = || fs::read_to_string(ran.join("log")).unwrap_or_default();
    let list = image.context.path(migrations::LIST);
    fs::create_dir_all(list.parent().unwrap()).unwrap();
    fs::write(&list, "core 0001_initial\n").unwrap();
    migrations::run(&image.context, &[]).unwrap(); // an empty database has not even the table
    assert_eq!(log(), "migrate --noinput /var/lib/pulp here\n");
    image.pulp_sql(DJANGO).unwrap();
    migrations::run(&image.context, &[]).unwrap();
    assert_eq!(log().lines().count(), 2, "it has every migration, but nobody knows what ran its hooks");
    migrations::run(&image.context, &[]).unwrap();
    assert_eq!(log().lines().count(), 2, "it is up to date");
    fs::write(&list, "core 0001_initial\ncore 0002_more\n").unwrap();
    migrations::run(&image.context, &[]).unwrap();
    assert_eq!(log().lines().count(), 3);
    image.pulp_sql("insert into django_migrations (app, name) values ('core', '0003_newer')").unwrap();
    assert!(migrations::run(&image.context, &[]).unwrap_err().what().contains("0003_newer"));
    assert_eq!(log().lines().count(), 3, "it must not touch a database of a newer Pulp");
}

/// Of Fernet's specification (generate.json): a key, and a token of it.
const FERNET_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const TOKEN: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

#[test]
fn a_key_that_encrypted_none_of_the_secrets_is_refused_before_anything_is_migrated() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    let check = |key: &str| {
        fs::write(image.context.path(KEY), key).unwrap();
        let settings = PulpSettings::load(&image.context).unwrap();
        let psql = Psql::pulp(&image.context, &settings.database).unwrap();
        proof::check(&image.context, &settings, &psql)
    };
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    // No table yet, then no secret yet.
    check(other).unwrap();
    image.pulp_sql("create table core_remote (username text, password text, name text)").unwrap();
    image.pulp_sql("insert into core_remote values (null, null, 'public')").unwrap();
    check(other).unwrap();
    image.pulp_sql(&format!("insert into core_remote values (null, '{TOKEN}', 'secret')")).unwrap();
    check(FERNET_KEY).unwrap();
    let problem = check(other).unwrap_err();
    assert!(
        problem.what().contains("not the key") && problem.cure().contains("PULP_ALLOW_LOST_KEY"),
        "{problem}"
    );
}

#[test]
fn tasks_of_processes_that_are_gone_are_freed_and_others_are_not() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    // An older Pulp has no such tables.
    abandoned::now_and_then(&image.context).unwrap();
    image
        .pulp_sql(
            "create table core_appstatus (pulp_id int primary key, last_heartbeat timestamptz, ttl interval);
             create table core_task (name text,
                 app_lock_id int references core_appstatus deferrable initially deferred);
             insert into core_appstatus values (1, now() - interval '31 s', '30 s'), (2, now() - interval '20 s', '30 s');
             insert into core_task values ('of one that is gone', 1), ('of one that works', 2), ('of nobody', null);",
        )
        .unwrap();
    let locked = || {
        image.pulp_sql("select string_agg(name, ', ') from core_task where app_lock_id is not null").unwrap()
    };
    abandoned::now_and_then(&image.context).unwrap();
    assert_eq!(locked(), "of one that works");
    assert_eq!(image.pulp_sql("select pulp_id from core_appstatus").unwrap(), "2");
    // Where nothing of Pulp runs yet, all are gone; but not on a database of others.
    let settings = PulpSettings::load(&image.context).unwrap();
    let psql = Psql::pulp(&image.context, &settings.database).unwrap();
    let elsewhere = PulpSettings { external_postgresql: Some("HOST".into()), ..settings.clone() };
    let redis = PulpSettings { worker_type: "redis".into(), ..settings.clone() };
    for settings in [&elsewhere, &redis] {
        abandoned::at_boot(&image.context, settings, &psql);
        assert_eq!(locked(), "of one that works");
    }
    abandoned::at_boot(&image.context, &settings, &psql);
    assert_eq!(locked(), "");
}

#[test]
fn a_database_that_another_container_uses_is_not_touched() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let running = lock::take(&image.context, &Place::of(&image.context)).unwrap();
    let file = image.data().join("postmaster.pid");
    fs::write(&file, "1\n").unwrap();
    let problem = image.postgres().unwrap_err();
    assert!(problem.what().contains("another container"), "{problem}");
    assert!(file.exists());
    drop(running);
    image.postgres().unwrap();
    assert!(!file.exists());
}

#[test]
fn migrations_that_fail_are_told_in_their_last_words() {
    let bin = tempfile::tempdir().unwrap();
    let path = manager(bin.path(), "echo doing; echo it broke >&2; exit 1");
    let Some(image) = image(&[("PATH", &path)]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    let problem = migrations::run(&image.context, &[]).unwrap_err();
    assert_eq!(problem.what(), "the migrations failed: it broke");
}

#[test]
fn the_administrator_gets_the_password_once_and_keeps_a_later_one() {
    let Some(image) = image(&[("PULP_DEFAULT_ADMIN_PASSWORD", "pass'w\\ord")]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    image.pulp_sql(DJANGO).unwrap();
    admin::run(&image.context, &[]).unwrap();
    let row = "select username, is_superuser, is_staff, is_active from auth_user";
    assert_eq!(image.pulp_sql(row).unwrap(), "admin\tt\tt\tt");
    let password = || image.pulp_sql("select password from auth_user").unwrap();
    let first = password();
    assert!(first.starts_with("pbkdf2_sha256$1000000$"), "{first}");
    admin::run(&image.context, &[]).unwrap();
    assert_eq!(password(), first, "the user's password must stay");
    image.pulp_sql("update auth_user set password = '!unusable'").unwrap();
    admin::run(&image.context, &[]).unwrap();
    assert!(password().starts_with("pbkdf2_sha256$"));
    image.pulp_sql("update auth_user set password = '!unusable', is_superuser = false").unwrap();
    admin::run(&image.context, &[]).unwrap();
    assert_eq!(password(), "!unusable", "who is no administrator does not become one");
}

/// An id in the prepared database.
const ID: &str = "316bf64d-ab9c-4920-8aae-6c94ee23ff7f";

#[test]
fn a_prepared_database_fills_an_empty_one_and_only_that() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    image.pulp_sql(&format!("create extension hstore; {DJANGO}")).unwrap();
    image.pulp_sql("create table core_systemid (pulp_id uuid primary key)").unwrap();
    image
        .pulp_sql(&format!("create table rows (id uuid); insert into rows values ('{ID}'), ('{ID}')"))
        .unwrap();
    let dump = image.context.path(prepared::PATH);
    fs::create_dir_all(dump.parent().unwrap()).unwrap();
    let pg_dump = Psql::superuser(&image.context, "pulp").unwrap().client("pg_dump");
    let made = pg_dump.args(["--no-owner", "--no-acl", "--no-comments"]).run("dump", "").unwrap();
    fs::write(&dump, made).unwrap();
    fs::write(dump.with_extension("migrations"), "core 0001_initial\n").unwrap();
    fs::write(dump.with_extension("releases"), "").unwrap();
    image.sql("postgres", "drop database pulp");
    database::run(&image.context, &[]).unwrap();
    assert_eq!(image.pulp_sql("select app, name from django_migrations").unwrap(), "core\t0001_initial");
    let ids = image.pulp_sql("select distinct id from rows").unwrap();
    assert!(ids.len() == ID.len() && ids != ID, "one id for all that had one, and a fresh one: {ids}");
    assert_eq!(image.pulp_sql("select count(*) from core_systemid").unwrap(), "1");
    // As the image is, so was it when the database was prepared: nothing is to be migrated.
    fs::write(image.context.path(migrations::LIST), "core 0001_initial\n").unwrap();
    let stamp = image.pulp_sql("select obj_description('django_migrations'::regclass)").unwrap();
    let settings = settings::migrated_settings(&serde_json::Map::new());
    assert_eq!(Some(stamp), stamp::of_this_image(&image.context, &settings).unwrap());
    image.pulp_sql("insert into django_migrations (app, name) values ('core', 'mine')").unwrap();
    database::run(&image.context, &[]).unwrap();
    assert_eq!(image.pulp_sql("select count(*) from django_migrations").unwrap(), "2");
    // One that is broken costs time, not the boot.
    image.sql("postgres", "drop database pulp");
    fs::write(&dump, &fs::read(&dump).unwrap()[..2000]).unwrap();
    database::run(&image.context, &[]).unwrap();
    assert_eq!(image.pulp_sql("select to_regclass('auth_user') is null").unwrap(), "t");
}

#[test]
fn indexes_are_rebuilt_when_the_systems_collation_has_changed() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let _server = image.serve("", 5432);
    database::run(&image.context, &[]).unwrap();
    let version = || {
        image.sql("postgres", "select coalesce(datcollversion, '') from pg_database where datname = 'pulp'")
    };
    let now = image.sql("postgres", "select coalesce(pg_database_collation_actual_version(oid), '') from pg_database where datname = 'pulp'");
    image.pulp_sql("create table t (word text primary key); insert into t values ('x')").unwrap();
    let file = || image.sql("pulp", "select pg_relation_filenode('t_pkey')");
    let before = file();
    if now.is_empty() {
        println!("C.UTF-8 has no version here: only that nothing is rebuilt without need is tested");
    } else {
        image.sql("postgres", "update pg_database set datcollversion = '0.1' where datname = 'pulp'");
        database::run(&image.context, &[]).unwrap();
        assert_eq!(version(), now);
        assert_ne!(file(), before);
    }
    let rebuilt = file();
    database::run(&image.context, &[]).unwrap();
    assert_eq!(file(), rebuilt);
}

/// The whole way of a volume of upstream's image: upgraded, proven, and the old cluster deleted when the user says so.
fn upgrade(image: &Image, old: &Release) {
    image.postgres().unwrap();
    let ours = image.release.major.to_string();
    assert_eq!(image.read("/var/lib/pgsql/data/PG_VERSION").trim(), ours);
    let kept = image.data().canonicalize().unwrap();
    let shelf = if image.data().is_symlink() { kept } else { image.home() };
    let kept = shelf.join(format!("data_old.{}", old.major));
    assert_eq!(fs::read_to_string(kept.join("PG_VERSION")).unwrap().trim(), old.major.to_string());
    for gone in ["data.new", "data.ready", "data.install", "upgrade.tmp"] {
        assert!(!shelf.join(gone).exists(), "{gone}");
    }
    let server = image.serve("", 5432);
    // Indexes that a dump has made are new.
    let dumped = !old.bin.join("pg_resetwal").exists();
    assert_eq!(image.data().join(postgres::REINDEX).exists(), !dumped);
    database::run(&image.context, &[]).unwrap();
    assert!(!image.data().join(postgres::REINDEX).exists());
    assert_eq!(
        image.sql("pulp", "select convert_from(lo_get(4711), 'UTF8'), (select pairs -> 'a' from h)"),
        "a large object\t1"
    );
    let roles = "select rolname, rolpassword is not null from pg_authid where rolname in ('other user', 'pulp') order by 1";
    assert_eq!(image.sql("postgres", roles), "other user\tf\npulp\tt");
    let other = "select pg_get_userbyid(datdba) from pg_database where datname = E'host=x y=\\'z'";
    assert_eq!(image.sql("postgres", other), "other user");
    assert_eq!(image.pulp_sql("select count(*) from t where word like 'word %'").unwrap(), "1000");
    assert_eq!(image.sql("postgres", "show max_connections"), "77");
    assert_ne!(image.sql("pulp", "select reltuples from pg_class where relname = 't'"), "-1");
    let discard = || postgres_init::work(&image.context, &["--discard-old".to_owned()]);
    assert!(discard().unwrap_err().what().contains("has not yet run"));
    image.pulp_sql(DJANGO).unwrap();
    let list = image.context.path(migrations::LIST);
    fs::create_dir_all(list.parent().unwrap()).unwrap();
    fs::write(&list, "core 0001_initial\n").unwrap();
    migrations::run(&image.context, &[]).unwrap();
    server.stop();
    image.postgres().unwrap();
    assert!(kept.exists());
    discard().unwrap();
    assert!(!kept.exists() && image.data().join("PG_VERSION").exists());
}

/// For each older release of PostgreSQL beside this host's: an image of its own, and the release.
fn with_each_old(test: impl Fn(&Image, &Release)) {
    let Some(first) = image(&[]) else { return };
    let olds: Vec<Release> =
        (12..first.release.major).filter_map(|major| first.release.beside(major)).collect();
    if olds.is_empty() {
        let why = format!("there is no older PostgreSQL beside {}", first.release.bin.display());
        needs::skip("old-postgresql", &why);
    }
    let bin = tempfile::tempdir().unwrap();
    let path = manager(bin.path(), "");
    for old in olds {
        println!("from PostgreSQL {}", old.major);
        test(&image(&[("PATH", &path)]).unwrap(), &old);
    }
}

#[test]
fn a_cluster_of_an_older_postgresql_is_upgraded_with_its_data_and_settings() {
    with_each_old(|image, old| {
        image.old_cluster(old, false);
        upgrade(image, old);
    });
}

#[test]
fn a_cluster_that_was_killed_is_recovered_then_upgraded_inside_a_volume_mounted_at_data() {
    with_each_old(|image, old| {
        image.old_cluster(old, true);
        image.kill_while_it_runs(old);
        let volume = image.context.path("/volume");
        fs::rename(image.data(), &volume).unwrap();
        std::os::unix::fs::symlink(&volume, image.data()).unwrap();
        // What a first try left, with a lock file whose number lives.
        fs::create_dir_all(volume.join("data.new/base")).unwrap();
        let lock = volume.join("postmaster.pid");
        let text = fs::read_to_string(&lock).unwrap_or_default();
        let mut other = Command::new("sleep");
        other.arg("120");
        image.as_postgres(&mut other);
        let other = Server(other.spawn().unwrap());
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        fs::write(&lock, format!("{}\n{rest}", other.0.id())).unwrap();
        upgrade(image, old);
        let _server = image.serve("", 5432);
        let kept = image.pulp_sql("select count(*) from t where word = 'written before the kill'").unwrap();
        assert_eq!(kept, "1");
    });
}

#[test]
fn an_upgrade_killed_at_any_moment_begins_again_at_the_next_boot() {
    with_each_old(|image, old| {
        image.old_cluster(old, false);
        // The step in a process of its own, killed alone after ever more time: what it started goes on running.
        let me = std::env::current_exe().unwrap();
        let root = image.context.path("/");
        for millis in [300, 900, 1500, 2500, 4000] {
            let mut step = Command::new(&me)
                .args(["--exact", "the_step_alone", "--ignored"])
                .env("PULP_TEST_ROOT", &root)
                .env("PULP_POSTGRES_BIN", &image.release.bin)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(millis));
            let _ = step.kill();
            let _ = step.wait();
        }
        upgrade(image, old);
    });
}

#[test]
fn an_upgrade_that_fails_leaves_the_old_cluster_and_nothing_else() {
    with_each_old(|image, old| {
        image.old_cluster(old, false);
        let server = image.serve_old(old);
        // Neither way can carry over a database that lets nobody in.
        image.old_sql("postgres", "alter database pulp allow_connections false");
        server.stop();
        let problem = image.postgres().unwrap_err();
        assert!(problem.what().contains("pulp") || problem.what().contains("connect"), "{problem}");
        assert_eq!(fs::read_dir(image.home()).unwrap().count(), 1, "only `data` is left");
        let _server = image.serve_old(old);
        let count = image.old_psql("template1", "select count(*) from pg_database").output().unwrap();
        assert!(count.status.success(), "{}", count.err);
    });
}

#[test]
fn an_upgrade_by_another_image_that_was_killed_is_not_taken_for_an_empty_volume() {
    let Some(image) = image(&[]) else { return };
    image.postgres().unwrap();
    let aside = image.home().join("data_old.2025-08-12 10:00:00+00:00");
    fs::rename(image.data(), &aside).unwrap();
    let problem = image.postgres().unwrap_err();
    assert!(problem.what().contains("data_old.2025") && problem.cure().contains("rename"), "{problem}");
    fs::remove_dir_all(image.data()).unwrap();
    fs::rename(&aside, image.data()).unwrap();
    image.postgres().unwrap();
}

#[test]
#[ignore = "not a test: the process that another one kills"]
fn the_step_alone() {
    let Some(root) = std::env::var_os("PULP_TEST_ROOT") else { return };
    let mut image = image(&[]).unwrap();
    let accounts = image.context.accounts;
    let bin = image.release.bin.to_str().unwrap().to_owned();
    image.context = Context::for_test(Path::new(&root), [("PULP_POSTGRES_BIN", bin.as_str())]);
    image.context.accounts = accounts;
    image.postgres().unwrap();
}
