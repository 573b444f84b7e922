//! A database of another Pulp: a newer one, which is refused, or one with plugins that this image lacks, which are named.

use std::collections::{BTreeMap, BTreeSet};

use super::Migration;
use crate::pulp_settings::PulpSettings;
use crate::steps::variables;
use crate::{Context, Problem};

/// Goes on though the database is of a newer Pulp.
const DOWNGRADE_VARIABLE: &str = "PULP_ALLOW_DOWNGRADE";

/// An app whose migrations went further than the image's.
#[derive(Debug, Eq, PartialEq)]
struct Ahead<'a> {
    app: &'a str,
    /// The last migration that the image has.
    ours: &'a str,
    /// The last that the database has.
    theirs: &'a str,
}

impl Ahead<'_> {
    fn shown(&self) -> String {
        format!("{} is at {}, and this image knows it up to {}", self.app, self.theirs, self.ours)
    }

    fn way_back(&self) -> String {
        format!("`pulpcore-manager migrate {} {}`", self.app, self.ours)
    }
}

/// A migration of which the image knows nothing is natural: others have replaced it (squashed ones). Only a higher
/// number than any of the image's says that the database is of a newer Pulp.
pub fn refuse_newer(
    context: &Context,
    known: &BTreeSet<Migration>,
    applied: &BTreeSet<Migration>,
) -> Result<(), Problem> {
    let ahead = ahead(known, applied);
    if ahead.is_empty() {
        return Ok(());
    }
    let shown = listed(&ahead, Ahead::shown, "; ");
    if variables::is_on(context, DOWNGRADE_VARIABLE) {
        context.say(&format!(
            "the database is of a newer Pulp: {shown}; going on because of {DOWNGRADE_VARIABLE}"
        ));
        return Ok(());
    }
    Err(Problem::config(
        "S1703",
        format!("the database is of a newer Pulp: {shown}"),
        format!(
            "use the image that it was last used with, or a newer one; or undo these migrations there, in a container of that \
             image, with {}, and start this one again; nothing was changed ({DOWNGRADE_VARIABLE}=true goes on at your own risk)",
            listed(&ahead, Ahead::way_back, " and ")
        ),
    ))
}

fn listed<'a>(ahead: &[Ahead<'a>], each: impl Fn(&Ahead<'a>) -> String, between: &str) -> String {
    ahead.iter().map(each).collect::<Vec<_>>().join(between)
}

/// The last migration of each app that has a number.
fn last(migrations: &BTreeSet<Migration>) -> BTreeMap<&str, (u32, &str)> {
    let mut last = BTreeMap::new();
    for (app, name) in migrations {
        let Some(number) = number(name) else { continue };
        let of_app = last.entry(app.as_str()).or_insert((number, name.as_str()));
        *of_app = (number, name.as_str()).max(*of_app);
    }
    last
}

fn ahead<'a>(known: &'a BTreeSet<Migration>, applied: &'a BTreeSet<Migration>) -> Vec<Ahead<'a>> {
    let (known, applied) = (last(known), last(applied));
    let newer = applied.into_iter().filter_map(|(app, (number, theirs))| {
        let &(highest, ours) = known.get(app)?;
        (number > highest).then_some(Ahead { app, ours, theirs })
    });
    newer.collect()
}

/// The number that Django begins a migration's name with.
fn number(name: &str) -> Option<u32> {
    name.split('_').next()?.parse().ok()
}

/// Plugins that the database was used with, and that are not here: their tables stay as they are.
pub fn tell_of_missing_plugins(
    context: &Context,
    settings: &PulpSettings,
    known: &BTreeSet<Migration>,
    applied: &BTreeSet<Migration>,
) {
    let missing = missing(&settings.installed_apps, known, applied);
    if !missing.is_empty() {
        context.say(&format!(
            "the database has been used with {}, which this image does not have: what they keep in it stays as it is; where it \
             holds any, lists of all kinds (`/repositories/`, `/tasks/`) answer 500. Use an image with them, or run \
             `pulpcore-manager remove-plugin` in one",
            missing.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
}

/// The list of migrations was made with the image: it does not know what the user's settings add.
fn missing<'a>(
    installed: &[String],
    known: &BTreeSet<Migration>,
    applied: &'a BTreeSet<Migration>,
) -> BTreeSet<&'a str> {
    let here: BTreeSet<&str> = known.iter().map(|(app, _)| app.as_str()).collect();
    // `social_django`, or the path of its class, `social_django.apps.SocialConfig`.
    let added = |app: &str| installed.iter().any(|path| path.split('.').any(|part| part == app));
    applied.iter().map(|(app, _)| app.as_str()).filter(|app| !here.contains(app) && !added(app)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use std::path::Path;

    const IMAGE: &str = "core 0001_initial\ncore 0091_squashed_0090\nrpm 0001_initial\n\nrpm 0060_x\n";

    #[test]
    fn a_row_that_a_squashed_migration_replaced_is_not_of_a_newer_pulp() {
        let applied = parse("core\t0001_initial\ncore\t0090_gone\nrpm\tauto_x\nmaven\t0009_removed_plugin\n");
        assert!(ahead(&parse(IMAGE), &applied).is_empty());
    }

    #[test]
    fn a_database_of_a_newer_pulp_is_refused_with_both_numbers_unless_the_user_insists() {
        let applied = parse("core 0091_squashed_0090\nrpm 0060_x\nrpm 0061_newer\nrpm 0062_newest\n");
        let refuse = |env: &[(&str, &str)]| {
            let context = Context::for_test(Path::new("/"), env.iter().copied());
            refuse_newer(&context, &parse(IMAGE), &applied)
        };
        let problem = refuse(&[]).unwrap_err();
        let told =
            "the database is of a newer Pulp: rpm is at 0062_newest, and this image knows it up to 0060_x";
        assert_eq!(problem.what(), told);
        assert!(problem.cure().contains("`pulpcore-manager migrate rpm 0060_x`"), "{problem}");
        assert!(problem.cure().contains(DOWNGRADE_VARIABLE));
        refuse(&[(DOWNGRADE_VARIABLE, "true")]).unwrap();
    }

    #[test]
    fn plugins_that_the_image_lacks_are_named_and_apps_of_the_settings_are_not() {
        let applied = parse("core 0001_initial\nnpm 0001_initial\nnpm 0002_x\nsocial_django 0001_initial\n");
        let of = |installed: &[&str]| {
            let installed: Vec<String> = installed.iter().map(|&app| app.to_owned()).collect();
            missing(&installed, &parse(IMAGE), &applied).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[]), "npm social_django");
        assert_eq!(of(&["social_django"]), "npm");
        assert_eq!(of(&["social_django.apps.SocialConfig"]), "npm");
    }
}
