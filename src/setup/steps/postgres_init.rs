//! `postgres-init`: the database cluster before PostgreSQL starts: made if there is none, upgraded if it is of an older release.
//!
//! PostgreSQL's `initdb` and `pg_upgrade` may be killed halfway and leave a directory that looks like a cluster. So
//! both work in a directory beside the real one, and what is on the disk alone tells how far it came:
//!
//! | there is | so |
//! |---|---|
//! | `data.new` | it was being made: remove it and begin again |
//! | `data.ready` | the new cluster is whole: move the old one's entries to `data_old.N.partial`, then go on |
//! | `data.install` | the old one is out of the way: move the new one's entries to `data` |
//! | `PG_VERSION` in `data`, none of these | a cluster to start |
//!
//! Entries are moved one by one rather than the directory as a whole because `data` may be a mount point, which can be
//! neither renamed nor replaced. The work directories are then inside it, else beside it: see [`crate::postgres::place`].

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::context::ROOT;
use crate::postgres::place::{HOME, Place};
use crate::postgres::release::Release;
use crate::postgres::{SOCKETS, access, kept, lock, stale, upgrade};
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};

/// What is in the data directory.
#[derive(Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    Cluster(u32),
}

/// The step. What it does as root it does first, where only root can write. Then it becomes PostgreSQL's user, and on the
/// volume nothing leads further than that user gets anyway.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    prepare(context)?;
    work(&context.given_up_to(context.accounts.postgres)?, args)
}

/// The part of root: directories that only root can make, and who may connect.
pub fn prepare(context: &Context) -> Result<(), Problem> {
    let postgres = context.accounts.postgres;
    files::directory(context, &context.path(HOME), postgres, 0o755)?;
    files::directory(context, &context.path("/run/pulp"), ROOT, 0o755)?;
    files::directory(context, &context.path(SOCKETS), postgres, 0o755)?;
    let workroom = context.path(upgrade::WORKROOM);
    files::directory(context, &workroom, postgres, 0o700)?;
    files::own(context, &workroom, postgres, 0o700)?;
    let settings = PulpSettings::load(context)?;
    if settings.external_postgresql.is_some() { Ok(()) } else { access::write(context, &settings) }
}

/// The part of PostgreSQL's user.
pub fn work(context: &Context, args: &[String]) -> Result<(), Problem> {
    let place = Place::of(context);
    match args {
        [] => {}
        [only] if only == "--discard-old" => return kept::discard_old(context, &place),
        [other, ..] => {
            return Err(Problem::config(
                "S1401",
                format!("`postgres` knows no `{other}`"),
                "call `pulp-setup postgres` or `pulp-setup postgres --discard-old`",
            ));
        }
    }
    let settings = PulpSettings::load(context)?;
    if let Some(why) = &settings.external_postgresql {
        context.say(&format!("the embedded PostgreSQL is not used: {why}"));
        return Ok(());
    }
    let release = Release::of_this_image(context)?;
    let _alone = lock::take(context, &place)?;
    cluster(context, &place, &release)?;
    own(context, &place.data)?;
    kept::tell_of_old(context, &place)
}

/// Sees to it that `data` holds a cluster of our release.
fn cluster(context: &Context, place: &Place, ours: &Release) -> Result<(), Problem> {
    place.finish(context)?;
    stale::remove_leftovers(context, place)?;
    match inspect(place)? {
        Found::Nothing => {
            refuse_a_forgotten_one(place)?;
            context.say(&format!("making an empty database of PostgreSQL {}", ours.major));
            upgrade::room_for_a_new_one(place)?;
            place.begin(context)?;
            or_clear(place, ours.initdb(context, place, &ours.locale()))?;
        }
        Found::Cluster(major) if major == ours.major => return stale::remove_locks(context, place),
        Found::Cluster(major) if major > ours.major => return Err(too_new(place, ours, major)),
        Found::Cluster(major) => {
            stale::stop_what_runs(context, place)?;
            stale::remove_locks(context, place)?;
            own(context, &place.data)?;
            place.begin(context)?;
            or_clear(place, upgrade::build(context, place, ours, major))?;
        }
    }
    place.ready()?;
    place.finish(context)
}

fn too_new(place: &Place, ours: &Release, major: u32) -> Problem {
    Problem::config(
        "S1402",
        format!(
            "the database in {} is of PostgreSQL {major}, and this image has {}",
            place.data.display(),
            ours.major
        ),
        format!(
            "use the newer image that wrote it, or one with PostgreSQL {major}; to come back to {}, dump it there with pg_dump              and restore that into an empty volume here; nothing was changed",
            ours.major
        ),
    )
}

/// What a failure leaves may fill the volume, and the image that the user goes back to needs room.
fn or_clear(place: &Place, made: Result<(), Problem>) -> Result<(), Problem> {
    made.inspect_err(|_| drop(place.clear()))
}

/// An upgrade by another image moves the cluster aside first. One that was killed there leaves no database, and a new
/// one in its place would look as if all content were lost.
fn refuse_a_forgotten_one(place: &Place) -> Result<(), Problem> {
    let others = place.foreign_clusters()?.into_iter().chain(place.old_clusters()?);
    let Some(old) = others.into_iter().find(|old| old.join("PG_VERSION").is_file()) else { return Ok(()) };
    let (data, old) = (place.data.display(), old.display());
    Err(Problem::config(
        "S1403",
        format!("there is no database in {data}, but an older one in {old}"),
        format!(
            "rename {old} to {data}, to go on with it; or move it to another volume, to begin with an empty database; \
             nothing was changed"
        ),
    ))
}

/// PostgreSQL refuses a directory of another owner, or one that others can read.
fn own(context: &Context, data: &Path) -> Result<(), Problem> {
    let is = fs::metadata(data).map_err(|error| Problem::io("look at", data, &error))?;
    // 0750 is as good as 0700 to it, and may be the user's wish.
    let mode = if is.mode() & 0o7777 == 0o750 { 0o750 } else { 0o700 };
    // Through a link, if the administrator made `data` one.
    let real = fs::canonicalize(data).map_err(|error| Problem::io("look at", data, &error))?;
    files::own(context, &real, context.accounts.postgres, mode).map(drop)
}

fn inspect(place: &Place) -> Result<Found, Problem> {
    let version = place.data.join("PG_VERSION");
    let Some(text) = files::read(&version)? else {
        return match place.own_entries()?.first() {
            None => Ok(Found::Nothing),
            Some(entry) => Err(Problem::config(
                "S1404",
                format!("{} is no database but is not empty: `{entry}` is in it", place.data.display()),
                "mount the volume with the database at /var/lib/pgsql, or an empty one; nothing was changed",
            )),
        };
    };
    let text = String::from_utf8_lossy(&text);
    // Releases before 10 were numbered 9.6: not older than 9, and not to be found here either way.
    let major = text.trim().split('.').next().and_then(|major| major.parse().ok());
    let Some(major) = major else {
        return Err(Problem::config(
            "S1405",
            format!("{} does not name a release of PostgreSQL", version.display()),
            "restore the volume from a backup; nothing was changed",
        ));
    };
    // An initdb that was killed leaves PG_VERSION, too. Ours never does so in `data`, upstream's image did.
    if !place.data.join("global/pg_control").is_file() {
        return Err(Problem::config(
            "S1406",
            format!("the database in {} is not whole: it has no global/pg_control", place.data.display()),
            "restore the volume from a backup or, if it never held anything, remove that directory; nothing was changed",
        ));
    }
    Ok(Found::Cluster(major))
}
