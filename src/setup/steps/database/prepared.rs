//! The prepared database: migrated when the image was built, restored by a first boot in a second.
//!
//! Nothing in it is secret or encrypted (`images/pulp/files/prepare-database` sees to that). Its rows have ids, though,
//! which would be the same in every installation: each is replaced by a fresh one, wherever it occurs.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Map;

use crate::ask::psql::{Psql, said};
use crate::check::space;
use crate::pulp_settings::Database;
use crate::random;
use crate::steps::migrations::stamp;
use crate::steps::settings;
use crate::volume::files;
use crate::{Context, Problem};

/// The prepared database, as `pg_dump` writes it: plain SQL.
pub const PATH: &str = "/usr/share/pulp/database.sql";
/// The migrations that it has, and the releases that migrated it.
const LIST: &str = "/usr/share/pulp/database.migrations";
pub(crate) const RELEASES: &str = "/usr/share/pulp/database.releases";
/// It is small, but the machine may be slow.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// What is each installation's own, besides its ids: how anonymous statistics call it, and with what the API signs the
/// addresses of downloads that it sends clients to. The keys of such guards have 32 bytes; Galaxy's migrations make one.
const OWN: &str = "
insert into public.core_systemid (pulp_id) values (gen_random_uuid());
do $$ begin
    if to_regclass('public.core_contentredirectcontentguard') is not null then
        update public.core_contentredirectcontentguard set shared_secret =
            decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');
    end if;
end $$;
";
/// How long a UUID is as text.
const UUID: usize = 36;

/// Restores it into a database that has nothing in it.
pub fn restore(context: &Context, database: &Database) -> Result<(), Problem> {
    let Some(dump) = files::read(&context.path(PATH))? else { return Ok(()) };
    let psql = Psql::pulp(context, database)?.limit(LIMIT);
    let tables = "select count(*) from pg_class join pg_namespace n on n.oid = relnamespace \
                  where relkind in ('r', 'p') and nspname !~ '^pg_' and nspname <> 'information_schema'";
    if psql.run("see whether Pulp's database is empty", tables)?.trim() != "0" {
        return Ok(());
    }
    let dump = with_fresh_ids(&dump, &mut random_uuid)?;
    // One transaction: killed here, the database is as empty as before.
    let mut sql = b"begin;\n".to_vec();
    sql.extend_from_slice(&dump);
    sql.extend_from_slice(OWN.as_bytes());
    // It was migrated with default settings, and with what the image had then: somebody may have added a plugin.
    let (list, releases) = (files::read(&context.path(LIST))?, files::read(&context.path(RELEASES))?);
    if let (Some(list), Some(releases)) = (list, releases) {
        let releases = String::from_utf8_lossy(&releases);
        let stamp = stamp::of(&list, &releases, &settings::migrated_settings(&Map::new()));
        // The dump has emptied the search path.
        sql.extend_from_slice(b"set local search_path to public;\n");
        sql.extend_from_slice(stamp::statement(&stamp).as_bytes());
    }
    sql.extend_from_slice(b"\ncommit;\n");
    let output = psql.output(&sql)?;
    if output.status.success() {
        context.say("the database is filled with the prepared one");
        return Ok(());
    }
    let why = said(&output);
    // Migrations need the same room and minutes to find that out.
    if why.contains("No space left on device") {
        return Err(Problem::new(
            "S1605",
            format!("cannot fill the database with the prepared one: {why}"),
            space::CURE,
        ));
    }
    // It would only have saved time.
    context.say(&format!("the prepared database could not be restored, migrations will be run: {why}"));
    Ok(())
}

/// The text with every UUID in it replaced, the same one by the same one.
fn with_fresh_ids(
    text: &[u8],
    fresh: &mut dyn FnMut() -> Result<[u8; UUID], Problem>,
) -> Result<Vec<u8>, Problem> {
    let mut new = HashMap::<&[u8], [u8; UUID]>::new();
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let here = rest.get(..UUID).filter(|here| is_uuid(here));
        let before = out.last().is_some_and(|&byte: &u8| word(byte));
        let after = rest.get(UUID).is_some_and(|&byte| word(byte));
        match here {
            Some(old) if !before && !after => {
                let id = match new.get(old) {
                    Some(&id) => id,
                    None => {
                        let id = fresh()?;
                        new.insert(old, id);
                        id
                    }
                };
                out.extend_from_slice(&id);
                rest = rest.get(UUID..).unwrap_or_default();
            }
            _ => {
                out.push(first);
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    Ok(out)
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Whether these bytes are a UUID in its usual form (RFC 9562, section 4), in lower case as PostgreSQL writes it.
fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    })
}

/// A random UUID (RFC 9562, section 5.4: version 4).
fn random_uuid() -> Result<[u8; UUID], Problem> {
    let number =
        u128::from_be_bytes(random::bytes()?) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let mut digits = hex.bytes();
    let mut text = [b'-'; UUID];
    for (at, place) in text.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            *place = digits.next().unwrap_or(b'0');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "316bf64d-ab9c-4920-8aae-6c94ee23ff7f";
    const B: &str = "01a1fea5-527b-72f0-a457-a32fa690053d";

    #[test]
    fn every_id_is_replaced_the_same_one_by_the_same_one_and_nothing_else() {
        let text = format!("copy\n{A}\t{B}\tname\n{A}\t\\N\tx-{B}\n{B}0 0001_{A}\n");
        let mut count = 0u8;
        let mut fresh = || {
            count += 1;
            Ok([b'0' + count; UUID])
        };
        let new = with_fresh_ids(text.as_bytes(), &mut fresh).unwrap();
        let (one, two) = ("1".repeat(36), "2".repeat(36));
        let expected = format!("copy\n{one}\t{two}\tname\n{one}\t\\N\tx-{B}\n{B}0 0001_{A}\n");
        assert_eq!(String::from_utf8(new).unwrap(), expected);
    }

    #[test]
    fn fresh_ids_are_uuids_of_version_4_and_differ() {
        let (a, b) = (random_uuid().unwrap(), random_uuid().unwrap());
        assert!(is_uuid(&a) && a != b);
        assert_eq!(a[14], b'4');
        assert!(b"89ab".contains(&a[19]));
    }
}
