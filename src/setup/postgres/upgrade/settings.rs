//! The user's own settings of PostgreSQL, carried into the new cluster.
//!
//! `pg_upgrade` leaves `postgresql.conf` as `initdb` made it. What the user has changed in the old one is appended, line
//! by line, as long as the new release accepts it: a setting that was removed must not keep the database from starting.

use std::collections::BTreeMap;

use crate::postgres::place::Place;
use crate::postgres::release::Release;
use crate::volume::files;
use crate::{Context, Problem};

/// Ours, or the system's the old image was made of: no wish of the user's.
const NOT_CARRIED: &[&str] = &[
    "data_directory",
    "hba_file",
    "ident_file",
    "external_pid_file",
    "unix_socket_directories",
    "cluster_name",
    "stats_temp_directory",
    "timezone",
    "datestyle",
    "default_text_search_config",
    "dynamic_shared_memory_type",
    "include",
    "include_dir",
    "include_if_exists",
];

/// Appends to the new cluster's `postgresql.conf` what the old one's had and `initdb` does not write.
pub fn carry_over(context: &Context, place: &Place, ours: &Release) -> Result<(), Problem> {
    let new = place.new_cluster().join("postgresql.conf");
    let made = text(&new)?;
    // What ALTER SYSTEM has set wins, as it does in PostgreSQL.
    let mut old = parse(&text(&place.data.join("postgresql.conf"))?);
    old.extend(parse(&text(&place.data.join("postgresql.auto.conf"))?));
    let wished = changed(&old, &parse(&made));
    if wished.is_empty() {
        return Ok(());
    }
    let write = |settings: &str| {
        let text = format!("{made}\n# From the cluster before the upgrade:\n{settings}");
        files::write(context, &new, text.as_bytes(), context.accounts.postgres, 0o600)
    };
    let mut accepted = String::new();
    for (name, value) in wished {
        let with = format!("{accepted}{name} = {value}\n");
        write(&with)?;
        let test = ours.tool(context, "postgres").arg("-D").arg(place.new_cluster());
        if test.args(["-C", "data_directory"]).output()?.status.success() {
            context.say(&format!("carried over to the new database: {name} = {value}"));
            accepted = with;
        } else {
            context.say(&format!("not carried over, PostgreSQL {} refuses it: {name} = {value}", ours.major));
        }
    }
    write(&accepted)
}

fn text(path: &std::path::Path) -> Result<String, Problem> {
    Ok(String::from_utf8_lossy(&files::read(path)?.unwrap_or_default()).into_owned())
}

fn changed(old: &BTreeMap<String, String>, made: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let ours = |name: &str| NOT_CARRIED.contains(&name) || name.starts_with("lc_") || name.starts_with("log");
    let changed = old.iter().filter(|(name, value)| !ours(name) && made.get(*name) != Some(*value));
    changed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The settings of a file: the last of a name wins.
fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().filter_map(setting).collect()
}

/// `name = value # comment`; the sign may be missing, and a value in quotes may hold a `#`.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
    let (name, rest) = line.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let rest = rest.trim_start().trim_start_matches('=').trim_start();
    let mut quoted = false;
    let value: String = rest
        .chars()
        .take_while(|&c| {
            quoted ^= c == '\'';
            quoted || c != '#'
        })
        .collect();
    let value = value.trim();
    (!value.is_empty()).then(|| (name.to_ascii_lowercase(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_changed_is_found_among_what_initdb_wrote() {
        let old = "# comment\nmax_connections = 300\t# (change requires restart)\n#work_mem = 4MB\n\
                   shared_buffers = 128MB\nsearch_path '\"a#b\", public' # x\nlc_messages = 'en_US.UTF-8'\n\
                   logging_collector = on\nMax_Wal_Size=1GB\n";
        let made = parse("max_connections = 100\nshared_buffers = 128MB\nmax_wal_size = 1GB\n");
        let changed = changed(&parse(old), &made);
        let expected = [("max_connections", "300"), ("search_path", "'\"a#b\", public'")];
        assert_eq!(changed, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
