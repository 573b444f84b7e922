use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

const PULP: Owner = Owner { uid: 700, gid: 700 };
const POSTGRES: Owner = Owner { uid: 26, gid: 26 };

/// As root of a container. Nothing for those who are not root.
fn as_root() -> Option<(tempfile::TempDir, Context)> {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let mut context = Context::for_test(dir.path(), []);
    context.accounts.pulp = PULP;
    context.accounts.postgres = POSTGRES;
    context.accounts.may_chown = true;
    needs::root().then_some((dir, context))
}

fn uid(context: &Context, path: &str) -> u32 {
    fs::symlink_metadata(context.path(path)).unwrap().uid()
}

fn mode(context: &Context, path: &str) -> u32 {
    fs::metadata(context.path(path)).unwrap().mode() & 0o7777
}

#[test]
fn what_is_missing_is_made_with_its_owner_and_mode() {
    let Some((_dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    for path in
        ["", "/media", "/tmp", "/.tmp", "/scripts", "/assets", "/.local/share/containers", "/.local/share"]
    {
        assert_eq!(uid(&context, &format!("/var/lib/pulp{path}")), 700, "{path}");
    }
    assert_eq!((uid(&context, "/run/postgresql"), mode(&context, "/run/postgresql")), (26, 0o2775));
    assert_eq!((uid(&context, "/run/pulp"), mode(&context, "/run/pulp")), (0, 0o755));
    assert_eq!(uid(&context, "/var/lib/pgsql"), 26);
    assert_eq!((uid(&context, "/etc/pulp/certs"), mode(&context, "/etc/pulp/certs")), (0, 0o755));
    run(&context, &[]).unwrap();
}

#[test]
fn content_is_walked_only_when_the_top_has_the_wrong_owner() {
    let Some((_dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    let file = context.path("/var/lib/pulp/media/file");
    fs::write(&file, "").unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(uid(&context, "/var/lib/pulp/media/file"), 0);
    chown(context.path("/var/lib/pulp/media"), Some(1234), None).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(uid(&context, "/var/lib/pulp/media/file"), 700);
    assert_eq!(uid(&context, "/var/lib/pulp/media"), 700);
}

#[test]
fn image_layers_keep_their_owners() {
    let Some((_dir, context)) = as_root() else { return };
    let layers = context.path("/var/lib/pulp/.local/share/containers");
    fs::create_dir_all(layers.join("layer")).unwrap();
    chown(layers.join("layer"), Some(10_001), Some(10_001)).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(uid(&context, "/var/lib/pulp/.local/share/containers"), 700);
    assert_eq!(uid(&context, "/var/lib/pulp/.local/share/containers/layer"), 10_001);
}

#[test]
fn a_data_directory_of_another_owner_and_mode_becomes_postgresqls() {
    let Some((_dir, context)) = as_root() else { return };
    let data = context.path("/var/lib/pgsql/data");
    fs::create_dir_all(data.join("base")).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o777)).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(uid(&context, "/var/lib/pgsql/data/base"), 26);
    assert_eq!((uid(&context, "/var/lib/pgsql/data"), mode(&context, "/var/lib/pgsql/data")), (26, 0o700));
    fs::set_permissions(&data, Permissions::from_mode(0o750)).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(mode(&context, "/var/lib/pgsql/data"), 0o750);
}

#[test]
fn a_link_to_somewhere_else_is_never_handed_over() {
    let Some((dir, context)) = as_root() else { return };
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(context.path("/var/lib/pulp")).unwrap();
    symlink(&elsewhere, context.path("/var/lib/pulp/media")).unwrap();
    lchown(context.path("/var/lib/pulp/media"), Some(1234), None).unwrap();
    let problem = run(&context, &[]).unwrap_err();
    assert!(problem.what().contains("/var/lib/pulp/media"), "{problem}");
    assert_eq!(fs::metadata(&elsewhere).unwrap().uid(), 0);
}

#[test]
fn a_settings_folder_of_another_owner_keeps_it() {
    let Some((_dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    chown(context.path("/etc/pulp"), Some(1234), Some(1234)).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(uid(&context, "/etc/pulp"), 1234);
}

#[test]
fn a_read_only_volume_is_a_problem_that_says_so() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let Some((_dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    let volume = context.path("/var/lib/pulp");
    let nothing = None::<&str>;
    if mount(Some("tmpfs"), &volume, Some("tmpfs"), MsFlags::MS_RDONLY, nothing).is_err() {
        return; // not allowed here
    }
    let outcome = run(&context, &[]);
    umount2(&volume, MntFlags::MNT_DETACH).unwrap();
    let problem = outcome.unwrap_err();
    assert!(problem.cure().contains("`:ro`"), "{problem}");
}

#[test]
fn scripts_may_be_mounted_read_only() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let Some((_dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    let scripts = context.path("/var/lib/pulp/scripts");
    let nothing = None::<&str>;
    if mount(Some("tmpfs"), &scripts, Some("tmpfs"), MsFlags::MS_RDONLY, nothing).is_err() {
        return; // not allowed here
    }
    let outcome = run(&context, &[]);
    umount2(&scripts, MntFlags::MNT_DETACH).unwrap();
    outcome.unwrap();
}

#[test]
fn one_user_for_everything_is_enough_if_it_may_write() {
    let dir = tempfile::tempdir().unwrap();
    let context = Context::for_test(dir.path(), []);
    run(&context, &[]).unwrap();
    run(&context, &[]).unwrap();
    assert!(context.path("/var/lib/pulp/media").is_dir());
}

#[test]
fn a_file_in_place_of_a_directory_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let context = Context::for_test(dir.path(), []);
    fs::create_dir_all(context.path("/var/lib")).unwrap();
    fs::write(context.path("/var/lib/pulp"), "").unwrap();
    assert!(run(&context, &[]).unwrap_err().what().contains("/var/lib/pulp"));
}

/// Leaves something of a user's at a path of the container, in place of what is there.
fn set_trap(trap: &str, outside: &Path, at: &Path, uid: u32) {
    let _ = fs::remove_dir_all(at);
    let _ = fs::remove_file(at);
    match trap {
        "link to a directory" => symlink(outside, at).unwrap(),
        "link to a file" => symlink(outside.join("shadow"), at).unwrap(),
        "dangling link" => symlink(outside.join("missing/deep"), at).unwrap(),
        "hard link" => fs::hard_link(outside.join("shadow"), at).unwrap(),
        "named pipe" => mkfifo(at, Mode::from_bits_truncate(0o666)).unwrap(),
        "socket" => drop(UnixListener::bind(at).unwrap()),
        other => panic!("{other}"),
    }
    if trap != "hard link" {
        lchown(at, Some(uid), Some(uid)).unwrap();
    }
}

const TRAPS: [&str; 6] =
    ["link to a directory", "link to a file", "dangling link", "hard link", "named pipe", "socket"];

#[test]
fn whatever_stands_in_the_place_of_a_directory_ends_the_boot_by_name_and_leads_nowhere() {
    const PLACES: [(&str, u32); 9] = [
        ("/var/lib/pulp/media", 700),
        ("/var/lib/pulp/tmp", 700),
        ("/var/lib/pulp/scripts", 700),
        ("/var/lib/pulp/assets", 700),
        ("/var/lib/pulp/.local", 700),
        ("/var/lib/pulp/.local/share", 700),
        ("/var/lib/pulp/.local/share/containers", 700),
        ("/var/lib/pgsql/data", 26),
        ("/var/lib/pgsql/data/PG_VERSION", 26),
    ];
    for (place, uid) in PLACES {
        for trap in TRAPS {
            let Some((dir, context)) = as_root() else { return };
            run(&context, &[]).unwrap();
            let data = context.path("/var/lib/pgsql/data");
            fs::create_dir(&data).unwrap();
            let outside = dir.path().join("outside");
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("shadow"), "secret").unwrap();
            let seen = || {
                let paths = [&outside, &outside.join("shadow")];
                let names = fs::read_dir(&outside).unwrap().count();
                (
                    paths.map(|path| fs::metadata(path).map(|is| (is.uid(), is.gid(), is.mode())).unwrap()),
                    names,
                )
            };
            let before = seen();
            set_trap(trap, &outside, &context.path(place), uid);
            let outcome = run(&context, &[]);
            assert_eq!(seen(), before, "{place}: {trap}");
            // Scripts need no more than to be read. What PostgreSQL has in its directory is no affair of this step, and
            // neither is what is no directory there.
            if (place, trap) == ("/var/lib/pulp/scripts", "link to a directory") {
                outcome.unwrap();
            } else if !place.starts_with("/var/lib/pgsql") {
                let problem = outcome.unwrap_err();
                assert!(
                    problem.what().contains(place) && problem.cure().contains("remove"),
                    "{place}: {trap}: {problem}"
                );
            }
        }
    }
}

#[test]
fn a_part_of_the_volume_that_was_moved_by_a_link_is_used_as_its_owner_can() {
    let Some((dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    chown(&elsewhere, Some(700), Some(700)).unwrap();
    for place in ["/var/lib/pulp/media", "/var/lib/pulp/.local"] {
        fs::remove_dir_all(context.path(place)).unwrap();
        symlink(&elsewhere, context.path(place)).unwrap();
    }
    run(&context, &[]).unwrap();
    assert_eq!(fs::metadata(elsewhere.join("share/containers")).unwrap().uid(), 700);
}

#[test]
fn content_with_a_second_name_does_not_change_hands() {
    let Some((dir, context)) = as_root() else { return };
    run(&context, &[]).unwrap();
    let shadow = dir.path().join("shadow");
    fs::write(&shadow, "secret").unwrap();
    fs::hard_link(&shadow, context.path("/var/lib/pulp/media/shadow")).unwrap();
    chown(context.path("/var/lib/pulp/media"), Some(1234), None).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!((uid(&context, "/var/lib/pulp/media"), fs::metadata(&shadow).unwrap().uid()), (700, 0));
}
