//! The location in which nginx has the files that the content app names instead of sending them (`send_files.py`).

use std::path::Path;

use crate::pulp_settings::PulpSettings;
use crate::random;
use crate::steps::variables::Variables;
use crate::volume::path;
use crate::{Context, Problem};

/// The location; none where the user does not want it, or nginx cannot reach the files.
///
/// It is a random name that stays the same for as long as `/run` does: the content app passes on the headers of remote
/// servers, and none of them must be able to name it.
pub(super) fn location(context: &Context, settings: &PulpSettings) -> Result<Option<String>, Problem> {
    if !Variables::read(context)?.x_accel_redirect || !may_be_entered(&context.path(&settings.media_root)) {
        return Ok(None);
    }
    let before = PulpSettings::kept(context).ok().and_then(|kept| kept.sent_files_location);
    before.map_or_else(new, Ok).map(Some)
}

fn new() -> Result<String, Problem> {
    Ok(format!("/_sent_files_{:032x}/", u128::from_ne_bytes(random::bytes::<16>()?)))
}

/// Whether nginx's processes, who are nobody special, get to what is in a directory.
fn may_be_entered(directory: &Path) -> bool {
    let by_others = |above: &Path| {
        let is = path::open(above).and_then(|opened| opened.stat());
        is.is_ok_and(|is| is.st_mode & 0o001 != 0)
    };
    directory.is_absolute() && directory.ancestors().all(by_others)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::context;
    use super::*;

    fn open(path: &Path) {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_location_is_random_and_is_kept_and_there_is_none_where_nobody_wants_it_or_files_are_not_for_others()
     {
        let of = |env: &[(&'static str, &'static str)]| {
            let (dir, context) = context(env);
            open(dir.path());
            fs::create_dir_all(context.path("/run/pulp")).unwrap();
            let media = context.path("/media");
            fs::create_dir(&media).unwrap();
            open(&media);
            let settings = PulpSettings { media_root: "/media".to_owned(), ..PulpSettings::default() };
            (dir, context, settings, media)
        };
        let (_dir, context, mut settings, media) = of(&[]);
        let first = location(&context, &settings).unwrap().unwrap();
        assert!(first.starts_with("/_sent_files_") && first.ends_with('/') && first.len() > 40, "{first}");
        assert_ne!(location(&context, &settings).unwrap().unwrap(), first);
        settings.sent_files_location = Some(first.clone());
        settings.save(&context).unwrap();
        assert_eq!(location(&context, &settings).unwrap(), Some(first));
        fs::set_permissions(&media, Permissions::from_mode(0o750)).unwrap();
        assert_eq!(location(&context, &settings).unwrap(), None);
        let (_dir, context, settings, _) = of(&[("PULP_X_ACCEL_REDIRECT", "no")]);
        assert_eq!(location(&context, &settings).unwrap(), None);
    }
}
