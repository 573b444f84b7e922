//! How many connections the server takes: as many as Pulp's processes may open, unless the user has set a number.

use std::path::Path;

use crate::ask::command::Tool;
use crate::steps::variables::Variables;
use crate::volume::files;
use crate::{Context, Problem};

/// PostgreSQL's own number, which `initdb` writes into every `postgresql.conf`.
pub const DEFAULT: u32 = 100;
/// For people with psql, backups, the steps, health checks, and PostgreSQL's own reserve.
const OTHERS: u32 = 20;
/// A process of the API or the content app: its requests, its heartbeat, and what its threads open.
const A_SERVER: u32 = 4;
/// A worker: itself, the process of its task, and one that waits for news.
const A_WORKER: u32 = 3;
/// What `ALTER SYSTEM` writes.
const ALTERED: &str = "postgresql.auto.conf";

/// As many as these processes may open.
pub fn needed(variables: &Variables) -> u32 {
    let servers = variables.api.workers.saturating_add(variables.content.workers);
    OTHERS
        .saturating_add(servers.saturating_mul(A_SERVER))
        .saturating_add(variables.workers.saturating_mul(A_WORKER))
}

/// What to set `max_connections` to, if that is ours to set.
pub fn to_set(context: &Context, postgres: &Path, data: &Path) -> Result<Option<u32>, Problem> {
    let needed = needed(&Variables::read(context)?);
    let altered = files::read(&data.join(ALTERED))?.unwrap_or_default();
    let users = users(found(context, postgres, data), &String::from_utf8_lossy(&altered));
    if let Some(users) = users.filter(|&users| users < needed) {
        context.say(&format!(
            "max_connections is {users} in the database's own settings, but these processes of Pulp may need {needed}: \
             raise it there, or remove it there, and it follows from PULP_WORKERS, PULP_API_WORKERS and PULP_CONTENT_WORKERS"
        ));
    }
    Ok(ours(users, needed))
}

fn ours(users: Option<u32>, needed: u32) -> Option<u32> {
    (users.is_none() && needed > DEFAULT).then_some(needed)
}

/// What is in the server's files, with all that they include: it reads them itself. Where it cannot, it will say so
/// when it starts.
fn found(context: &Context, postgres: &Path, data: &Path) -> Option<u32> {
    // First, as who asks may be root, whom it refuses otherwise.
    let tool = Tool::new(context, &postgres.to_string_lossy()).args(["-C", "max_connections", "-D"]);
    tool.arg(data).output().ok()?.out.trim().parse().ok()
}

/// The user's number: any but `initdb`'s, or one that was set by `ALTER SYSTEM`.
fn users(found: Option<u32>, altered: &str) -> Option<u32> {
    let altered = altered.lines().any(|line| line.trim_start().starts_with("max_connections"));
    found.filter(|&value| value != DEFAULT || altered)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is set for these variables where the server finds this number in its files.
    fn set(env: &[(&str, &str)], found: Option<u32>, altered: &str) -> Option<u32> {
        let context = Context::for_test(Path::new("/"), env.iter().copied());
        ours(users(found, altered), needed(&Variables::read(&context).unwrap()))
    }

    const MANY: [(&str, &str); 3] =
        [("PULP_WORKERS", "40"), ("PULP_API_WORKERS", "20"), ("PULP_CONTENT_WORKERS", "20")];

    #[test]
    fn connections_follow_the_processes_where_postgresqls_own_number_is_too_small() {
        assert_eq!(set(&[], Some(100), ""), None);
        assert_eq!(set(&MANY, Some(100), ""), Some(20 + 160 + 120));
        assert_eq!(set(&[("PULP_API_WORKERS", "1000")], Some(100), ""), Some(20 + 4008 + 6));
    }

    #[test]
    fn the_users_own_number_stays_whatever_it_is() {
        assert_eq!(set(&MANY, Some(60), ""), None);
        assert_eq!(set(&MANY, Some(500), ""), None);
        assert_eq!(set(&MANY, Some(100), "# x\nmax_connections = '100'\n"), None);
    }

    #[test]
    fn files_that_the_server_cannot_read_are_its_to_complain_about() {
        assert_eq!(set(&MANY, None, ""), Some(300));
    }
}
