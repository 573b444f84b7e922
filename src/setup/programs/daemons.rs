//! What `pulp-setup exec` runs for the embedded PostgreSQL and redis. Pulp's own services are in `exec`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ask::command::Tool;
use crate::postgres::connections;
use crate::pulp_settings::PulpSettings;
use crate::steps::settings::{POSTGRESQL_SOCKETS, REDIS_SOCKET, is_loopback};
use crate::{Context, Problem};

/// Where Debian has PostgreSQL's programs, a directory a release.
const POSTGRESQL: &str = "/usr/lib/postgresql";

/// Where its cluster is.
const DATA: &str = "/var/lib/pgsql/data";

/// How long an answer may take. A machine that is busy lets even a good server wait.
const ANSWER: Duration = Duration::from_secs(12);

/// The directory of the newest PostgreSQL's programs, or `PULP_POSTGRES_BIN`.
pub fn postgresql_bin(context: &Context) -> Result<PathBuf, Problem> {
    if let Some(bin) = context.var("PULP_POSTGRES_BIN") {
        return Ok(PathBuf::from(bin));
    }
    let releases = std::fs::read_dir(context.path(POSTGRESQL)).into_iter().flatten().flatten();
    let newest = releases.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map(|major| Path::new(POSTGRESQL).join(major.to_string()).join("bin")).ok_or_else(|| {
        Problem::config(
            "S2401",
            "there is no PostgreSQL in this image",
            "use an external one (DATABASES), or pulp/pulp",
        )
    })
}

/// The words of PostgreSQL's command line. It listens on a socket only, unless the settings look for it at 127.0.0.1.
pub fn postgresql(context: &Context, settings: &PulpSettings) -> Result<Vec<String>, Problem> {
    let program = postgresql_bin(context)?.join("postgres");
    let tcp = is_loopback(&settings.database.host);
    let mut words = vec![program.to_string_lossy().into_owned(), "-D".into(), DATA.into()];
    for setting in [
        format!("unix_socket_directories={POSTGRESQL_SOCKETS}"),
        format!("listen_addresses={}", if tcp { settings.database.host.as_str() } else { "" }),
        "hba_file=/run/pulp/pg_hba.conf".to_owned(),
        "ident_file=/run/pulp/pg_ident.conf".to_owned(),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        // init's log has its own time.
        "log_line_prefix=%q%u@%d ".to_owned(),
    ] {
        words.extend(["-c".to_owned(), setting]);
    }
    let connections = connections::to_set(context, &program, Path::new(DATA))?;
    let connections = connections.map(|count| format!("max_connections={count}"));
    let port = postgresql_port(settings).map(|port| format!("port={port}"));
    for setting in connections.into_iter().chain(port) {
        words.extend(["-c".to_owned(), setting]);
    }
    Ok(words)
}

/// The port of the embedded PostgreSQL, which its socket is named after, where it is not the usual one.
pub fn postgresql_port(settings: &PulpSettings) -> Option<String> {
    let port = &settings.database.port;
    (is_loopback(&settings.database.host) && !port.is_empty()).then(|| port.clone())
}

/// Whether the embedded redis answers.
pub fn redis_answers(context: &Context) -> Result<(), Problem> {
    answers(Tool::new(context, "redis-cli").args(["-s", REDIS_SOCKET, "ping"]))
}

fn answers(tool: Tool) -> Result<(), Problem> {
    tool.limit(ANSWER).run("get an answer", "see its log: `svctl logs`").map(drop)
}

/// The words of redis's command line. It is a cache: nothing is kept on disk.
pub fn redis(settings: &PulpSettings) -> Vec<String> {
    let port = settings.redis_port.unwrap_or(0).to_string();
    [
        "redis-server",
        "--daemonize",
        "no",
        "--unixsocket",
        REDIS_SOCKET,
        "--unixsocketperm",
        "770",
        "--bind",
        "127.0.0.1",
        "-::1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
        // Entries of the cache are forgotten then, which have a time after which they would be anyway; nothing else is.
        "--maxmemory",
        "128mb",
        "--maxmemory-policy",
        "volatile-lru",
        "--dir",
        "/run/redis",
        "--logfile",
        "",
        "--loglevel",
        "warning",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_listens_on_a_socket_only_unless_the_settings_look_at_the_loopback() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), [("PULP_POSTGRES_BIN", "/pg")]);
        let mut settings = PulpSettings::default();
        assert!(postgresql(&context, &settings).unwrap().contains(&"listen_addresses=".to_owned()));
        settings.database.host = "127.0.0.1".into();
        settings.database.port = "5433".into();
        let words = postgresql(&context, &settings).unwrap();
        assert!(
            words.contains(&"listen_addresses=127.0.0.1".to_owned())
                && words.contains(&"port=5433".to_owned())
        );
    }

    #[test]
    fn the_newest_postgresql_of_the_image_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        assert!(postgresql_bin(&context).is_err());
        for major in ["13", "9", "17"] {
            std::fs::create_dir_all(context.path(POSTGRESQL).join(major)).unwrap();
        }
        assert_eq!(postgresql_bin(&context).unwrap(), Path::new("/usr/lib/postgresql/17/bin"));
    }

    #[test]
    fn redis_has_no_port_unless_the_settings_name_one() {
        let port = |settings: &PulpSettings| {
            let words = redis(settings);
            words.iter().skip_while(|word| *word != "--port").nth(1).cloned().unwrap()
        };
        assert_eq!(port(&PulpSettings::default()), "0");
        assert_eq!(port(&PulpSettings { redis_port: Some(6379), ..PulpSettings::default() }), "6379");
    }
}
