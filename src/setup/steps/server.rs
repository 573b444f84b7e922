//! `server`: PostgreSQL in a container of its own, as compose and Kubernetes have it.
//!
//! The steps that make, upgrade and start its cluster are those of the image with everything, so a volume can be handed
//! from one to the other. What they know there from Pulp's settings, they are told here by the variables of
//! PostgreSQL's official image.
//!
//! `server` writes that down for the other steps. `server prepare` makes the role, its password and the database while
//! the server listens to this container alone. Were it open meanwhile, who comes too early would be told that the
//! password is wrong, and nobody waits for that to change.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::database;
use super::variables::Variables;
use crate::ask::psql::Psql;
use crate::context::ROOT;
use crate::programs::daemons;
use crate::pulp_settings::{Database, PulpSettings};
use crate::volume::files;
use crate::{Context, Problem};

const USER: &str = "POSTGRES_USER";
const DATABASE: &str = "POSTGRES_DB";
const PASSWORD: &str = "POSTGRES_PASSWORD";
const PASSWORD_FILE: &str = "POSTGRES_PASSWORD_FILE";
const DIRECTORY: &str = "PGDATA";
/// Where the cluster is, in every image of ours.
const DATA: &str = "/var/lib/pgsql/data";
/// PostgreSQL's mark of a cluster that follows another one. It takes no writes.
const STANDBY: &str = "/var/lib/pgsql/data/standby.signal";
/// Recovery reads all of the log since the last checkpoint.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How often to look for what another process is about to do.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The step.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    match args.first().map(String::as_str) {
        None => write_down(context),
        Some("prepare") => prepare(context),
        Some(other) => Err(Problem::config(
            "S2001",
            format!("`server` knows no `{other}`"),
            "call `pulp-setup server` or `pulp-setup server prepare`",
        )),
    }
}

fn write_down(context: &Context) -> Result<(), Problem> {
    if let Some(other) = context.var(DIRECTORY).filter(|path| path.trim_end_matches('/') != DATA) {
        return Err(Problem::config(
            "S2002",
            format!("{DIRECTORY} is {other}, but the database of this image is in {DATA}"),
            format!("remove {DIRECTORY}, and mount the volume at /var/lib/pgsql or {DATA}"),
        ));
    }
    let user = context.var(USER).unwrap_or("postgres").to_owned();
    let name = context.var(DATABASE).unwrap_or(&user).to_owned();
    // With a host, so that a password is set and tried.
    let host = "127.0.0.1".to_owned();
    let database = Database { host, name, user, password: password(context)?, ..Database::default() };
    files::directory(context, &context.path("/run/pulp"), ROOT, 0o755)?;
    PulpSettings { database, ..PulpSettings::default() }.save(context)
}

/// The role's password. The file of it may be about to be made: by another container, on a volume of both.
fn password(context: &Context) -> Result<String, Problem> {
    let Some(file) = context.var(PASSWORD_FILE) else {
        return context.var(PASSWORD).map(str::to_owned).ok_or_else(|| {
            Problem::config(
                "S2003",
                format!("the database has no password: neither {PASSWORD_FILE} nor {PASSWORD} is set"),
                format!("put one into a file, and name that in {PASSWORD_FILE}"),
            )
        });
    };
    let limit = Duration::from_secs(Variables::read(context)?.database_timeout.into());
    let begun = Instant::now();
    loop {
        let content = files::read(&context.path(file))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&content).trim_end_matches(['\n', '\r']).to_owned();
        if !text.is_empty() {
            return Ok(text);
        }
        if begun.elapsed() >= limit {
            return Err(Problem::new(
                "S2004",
                format!(
                    "{file}, which {PASSWORD_FILE} names, is missing or empty after {} s",
                    limit.as_secs()
                ),
                "write the password into it, or see why the container that should do so has not",
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn prepare(context: &Context) -> Result<(), Problem> {
    if context.path(STANDBY).exists() {
        context.say("this server follows another one: roles and databases come from there");
        return Ok(());
    }
    let mut server = Server::start(context, &PulpSettings::load(context)?)?;
    let outcome = server.wait(context).and_then(|()| database::run(context, &[]));
    server.stop()?;
    outcome
}

/// A server that listens to this container alone.
struct Server(Child);

impl Server {
    fn start(context: &Context, settings: &PulpSettings) -> Result<Server, Problem> {
        let words = daemons::postgresql(context, settings)?;
        let mut command = Command::new(words.first().map_or("postgres", String::as_str));
        command.args(words.iter().skip(1)).current_dir("/");
        if context.accounts.may_chown {
            let owner = context.accounts.postgres;
            command.gid(owner.gid).uid(owner.uid);
        }
        // Ctrl-C in a terminal is for us, not for it.
        command.process_group(0);
        command.spawn().map(Server).map_err(|error| {
            Problem::new(
                "S2005",
                format!("cannot start PostgreSQL: {error}"),
                "see whether the machine is short of memory",
            )
        })
    }

    /// Until it has recovered and takes statements.
    fn wait(&mut self, context: &Context) -> Result<(), Problem> {
        let psql = Psql::superuser(context, "postgres")?;
        let begun = Instant::now();
        while !psql.output("select 1")?.status.success() {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(ended(status));
            }
            if begun.elapsed() >= RECOVERY_LIMIT {
                return Err(Problem::new(
                    "S2006",
                    format!("PostgreSQL takes no statements after {} s", RECOVERY_LIMIT.as_secs()),
                    "see its lines before this one",
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Problem> {
        if let Ok(Some(_)) = self.0.try_wait() {
            return Ok(()); // told already
        }
        // INT is its fast shutdown.
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        match self.0.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(ended(status)),
            Err(error) => {
                Err(Problem::new("S2007", format!("cannot wait for PostgreSQL: {error}"), "report this"))
            }
        }
    }
}

fn ended(status: ExitStatus) -> Problem {
    Problem::new(
        "S2008",
        format!("PostgreSQL has ended: {status}"),
        "see its lines before this one, then start the container again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(env: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        std::fs::create_dir_all(context.path("/run")).unwrap();
        (dir, context)
    }

    #[test]
    fn the_variables_are_those_of_the_official_image_and_so_are_their_defaults() {
        let of = |env: &[(&str, &str)]| {
            let (_dir, context) = container(env);
            run(&context, &[]).unwrap();
            let database = PulpSettings::load(&context).unwrap().database;
            (database.user, database.name, database.password)
        };
        assert_eq!(of(&[(PASSWORD, "x")]), ("postgres".into(), "postgres".into(), "x".into()));
        assert_eq!(of(&[(PASSWORD, "x"), (USER, "pulp")]), ("pulp".into(), "pulp".into(), "x".into()));
        let all =
            [(PASSWORD, " x y "), (USER, "pulp"), (DATABASE, "content"), (DIRECTORY, "/var/lib/pgsql/data/")];
        assert_eq!(of(&all), ("pulp".into(), "content".into(), " x y ".into()));
    }

    #[test]
    fn a_password_file_that_comes_later_is_waited_for() {
        let (_dir, context) = container(&[(PASSWORD_FILE, "/password")]);
        let path = context.path("/password");
        let writer = std::thread::spawn(move || {
            std::thread::sleep(LOOK_EVERY * 3);
            std::fs::write(path, "geheim\n").unwrap();
        });
        assert_eq!(password(&context).unwrap(), "geheim");
        writer.join().unwrap();
    }

    #[test]
    fn a_password_file_that_never_comes_is_a_problem_that_names_it() {
        let (_dir, context) = container(&[(PASSWORD_FILE, "/password"), ("PULP_DATABASE_TIMEOUT", "1")]);
        std::fs::write(context.path("/password"), "\n").unwrap();
        assert!(password(&context).unwrap_err().what().contains("/password"));
        assert!(password(&container(&[]).1).unwrap_err().cure().contains(PASSWORD_FILE));
    }

    #[test]
    fn another_directory_is_refused() {
        let (_dir, context) = container(&[(PASSWORD, "x"), (DIRECTORY, "/var/lib/postgresql/data")]);
        assert!(run(&context, &[]).unwrap_err().cure().contains("/var/lib/pgsql"));
    }

    #[test]
    fn a_standby_is_left_to_its_primary() {
        let (_dir, context) = container(&[]);
        std::fs::create_dir_all(context.path(DATA)).unwrap();
        std::fs::write(context.path(STANDBY), "").unwrap();
        run(&context, &["prepare".to_owned()]).unwrap();
    }
}
