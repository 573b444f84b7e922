//! The stamp of a migrated database: a hash of the image's list of migrations, of the releases of Pulp and its plugins,
//! and of the settings that a migration copies. It is kept in the comment of Django's own table.

use std::collections::BTreeSet;

use super::LIST;
use crate::ask::psql::literal;
use crate::ask::python;
use crate::volume::files;
use crate::{Context, Problem};

/// What a database has that this image, with these settings, has migrated; nothing if the image has no list.
pub fn of_this_image(context: &Context, migrated_settings: &str) -> Result<Option<String>, Problem> {
    let list = files::read(&context.path(LIST))?;
    Ok(list.map(|list| of(&list, &releases(context), migrated_settings)))
}

/// The same for what somebody else had.
pub fn of(list: &[u8], releases: &str, migrated_settings: &str) -> String {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [list, releases.trim().as_bytes(), migrated_settings.as_bytes()] {
        hash.update(part);
        hash.update(&[0]);
    }
    let hex: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("pulp-init: migrated {hex}")
}

/// The releases of Pulp, its plugins and Django that are installed, a line each: `pulpcore-3.123.1.dist-info`. Read off
/// the directories that pip makes, so that it is true also where somebody has installed a plugin on top of the image.
fn releases(context: &Context) -> String {
    let entries = python::directories(context).into_iter().filter_map(|path| std::fs::read_dir(path).ok());
    let names = entries.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let ours = |name: &String| {
        let lower = name.to_ascii_lowercase();
        lower.ends_with(".dist-info")
            && ["pulp", "galaxy", "django-"].iter().any(|start| lower.starts_with(start))
    };
    let names: BTreeSet<String> = names.filter(ours).collect();
    names.into_iter().collect::<Vec<_>>().join("\n")
}

/// SQL that puts a stamp on a database that has been migrated. The name is looked up on the search path, as Django does.
pub fn statement(stamp: &str) -> String {
    format!(
        "select to_regclass('django_migrations')::text as migrations, to_regclass('django_migrations') is not null as there \\gset\n\
         \\if :there\n\
         comment on table :migrations is {};\n\
         \\endif\n",
        literal(stamp)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_changes_with_the_list_the_releases_and_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), []);
        assert_eq!(of_this_image(&context, "a").unwrap(), None);
        std::fs::create_dir_all(context.path("/usr/share/pulp")).unwrap();
        std::fs::write(context.path(LIST), "core 0001").unwrap();
        let packages = context.path("/usr/local/lib/python3.13/dist-packages");
        std::fs::create_dir_all(packages.join("pulpcore-1.dist-info")).unwrap();
        let first = of_this_image(&context, "a").unwrap().unwrap();
        std::fs::create_dir_all(packages.join("requests-2.dist-info")).unwrap();
        assert_eq!(of_this_image(&context, "a").unwrap().unwrap(), first);
        assert_eq!(of(b"core 0001", "pulpcore-1.dist-info\n", "a"), first);
        assert_ne!(of_this_image(&context, "b").unwrap().unwrap(), first);
        std::fs::create_dir_all(packages.join("pulp_npm-1.dist-info")).unwrap();
        assert_ne!(of_this_image(&context, "a").unwrap().unwrap(), first);
    }
}
