use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use rcgen::KeyPair;

use super::*;
use crate::context::ROOT;
use crate::steps::keys::tests::{container, settings};

const DAY: Duration = Duration::from_secs(86_400);

fn make_sure(context: &Context, hostname: &str, names: &Names, now: SystemTime) -> Result<(), Problem> {
    ensure(context, hostname, names, names, now)
}

fn wanted(names: &[&str]) -> Names {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn here() -> (tempfile::TempDir, Context) {
    container(&settings())
}

fn boot(context: &Context, names: &[&str]) -> Result<(), Problem> {
    make_sure(context, "box", &wanted(names), SystemTime::now())
}

fn both(context: &Context) -> [Vec<u8>; 2] {
    [CERTIFICATE, KEY].map(|path| fs::read(context.path(path)).unwrap())
}

/// What nginx would say, and a client.
fn is_a_valid_pair_of_ours(context: &Context, names: &[&str]) -> bool {
    let found = Found::look(context).unwrap();
    let halves = found.halves().count() == 2;
    halves && found.all_ours() && found.will_do(&wanted(names), SystemTime::now())
}

/// A boot that was killed after so many files.
fn killed_boot(context: &Context, files: usize) {
    let new = pair::make("box", &wanted(&["box"]), SystemTime::now()).unwrap();
    for (path, content, mode) in Found::look(context).unwrap().writes(&new).into_iter().take(files) {
        files::write(context, &context.path(path), content.as_bytes(), ROOT, mode).unwrap();
    }
}

#[test]
fn killed_after_any_file_of_any_two_boots_the_next_one_has_a_valid_pair() {
    for boots_before in 0..2 {
        for (first, second) in (0..=3).flat_map(|first| (0..=3).map(move |second| (first, second))) {
            let (_dir, context) = here();
            for _ in 0..boots_before {
                boot(&context, &["old"]).unwrap();
            }
            killed_boot(&context, first);
            killed_boot(&context, second);
            let case = format!("{boots_before} whole, then {first} and {second} files");
            boot(&context, &["box", "new"]).unwrap_or_else(|problem| panic!("{case}: {problem}"));
            assert!(is_a_valid_pair_of_ours(&context, &["box", "new"]), "{case}");
        }
    }
}

#[test]
fn half_a_pair_of_ours_is_made_whole() {
    for lost in [CERTIFICATE, KEY] {
        let (_dir, context) = here();
        boot(&context, &["box"]).unwrap();
        fs::remove_file(context.path(lost)).unwrap();
        boot(&context, &["box"]).unwrap();
        assert!(is_a_valid_pair_of_ours(&context, &["box"]), "{lost}");
    }
}

#[test]
fn a_pair_is_kept_until_it_ends_or_lacks_a_name() {
    let (_dir, context) = here();
    boot(&context, &["box"]).unwrap();
    let first = both(&context);
    boot(&context, &["box"]).unwrap();
    assert_eq!(both(&context), first);
    boot(&context, &["box", "10.0.0.1"]).unwrap();
    let second = both(&context);
    assert_ne!(second, first);
    boot(&context, &["box"]).unwrap();
    assert_eq!(both(&context), second, "a name too many does no harm");
    make_sure(&context, "box", &wanted(&["box"]), SystemTime::now() + DAY * 340).unwrap();
    assert_ne!(both(&context), second);
}

#[test]
fn a_pair_of_the_users_is_never_touched_though_it_lacks_names_and_has_expired() {
    let (_dir, context) = here();
    boot(&context, &["box"]).unwrap();
    let past = SystemTime::now() - DAY * 800;
    let users = pair::make("mine", &wanted(&["mine"]), past).unwrap();
    fs::write(context.path(CERTIFICATE), users.certificate).unwrap();
    fs::write(context.path(KEY), users.key).unwrap();
    fs::set_permissions(context.path(KEY), Permissions::from_mode(0o400)).unwrap();
    let before = both(&context);
    boot(&context, &["box"]).unwrap();
    assert_eq!(both(&context), before);
    assert_eq!(fs::metadata(context.path(KEY)).unwrap().mode() & 0o7777, 0o400);
}

#[test]
fn halves_of_two_pairs_are_a_problem_if_either_is_the_users() {
    for (users_path, users_key) in [(CERTIFICATE, false), (KEY, true)] {
        let (_dir, context) = here();
        boot(&context, &["box"]).unwrap();
        let users = pair::make("mine", &wanted(&["mine"]), SystemTime::now()).unwrap();
        fs::write(context.path(users_path), if users_key { users.key } else { users.certificate }).unwrap();
        let before = both(&context);
        let problem = boot(&context, &["box", "new"]).unwrap_err();
        assert!(problem.what().contains("is not its key"), "{problem}");
        assert_eq!(both(&context), before);
    }
}

#[test]
fn half_a_pair_of_the_users_is_a_problem() {
    for (path, says) in [(CERTIFICATE, "its key is missing"), (KEY, "its certificate is missing")] {
        let (_dir, context) = here();
        let users = pair::make("mine", &wanted(&["mine"]), SystemTime::now()).unwrap();
        fs::write(context.path(path), if path == KEY { users.key } else { users.certificate }).unwrap();
        let problem = boot(&context, &["box"]).unwrap_err();
        assert!(problem.what().contains(says), "{problem}");
    }
}

#[test]
fn what_is_no_pem_is_a_problem_and_stays() {
    let (_dir, context) = here();
    fs::write(context.path(CERTIFICATE), "words").unwrap();
    fs::write(context.path(KEY), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(boot(&context, &["box"]).unwrap_err().what().contains("no certificate in it"));
    let users = pair::make("mine", &wanted(&["mine"]), SystemTime::now()).unwrap();
    fs::write(context.path(CERTIFICATE), users.certificate).unwrap();
    fs::write(context.path(KEY), "words").unwrap();
    assert!(boot(&context, &["box"]).unwrap_err().what().contains("no private key in it"));
    assert_eq!(fs::read(context.path(KEY)).unwrap(), b"words");
}

#[test]
fn a_certificate_of_the_users_for_our_key_is_the_users() {
    let (_dir, context) = here();
    boot(&context, &["box"]).unwrap();
    let ours = KeyPair::from_pem(&fs::read_to_string(context.path(KEY)).unwrap()).unwrap();
    let signed = rcgen::CertificateParams::new(["mine".to_owned()]).unwrap().self_signed(&ours).unwrap();
    fs::write(context.path(CERTIFICATE), signed.pem()).unwrap();
    let before = both(&context);
    boot(&context, &["box", "new"]).unwrap();
    assert_eq!(both(&context), before);
}

#[test]
fn a_pair_that_is_linked_to_is_the_users() {
    let (dir, context) = here();
    boot(&context, &["box"]).unwrap();
    let elsewhere = dir.path().join("elsewhere.crt");
    fs::rename(context.path(CERTIFICATE), &elsewhere).unwrap();
    symlink(&elsewhere, context.path(CERTIFICATE)).unwrap();
    boot(&context, &["box", "new"]).unwrap();
    assert!(fs::symlink_metadata(context.path(CERTIFICATE)).unwrap().is_symlink());
}

#[test]
fn files_without_a_byte_are_as_good_as_none() {
    let (_dir, context) = here();
    fs::write(context.path(KEY), "").unwrap();
    boot(&context, &["box"]).unwrap();
    assert!(is_a_valid_pair_of_ours(&context, &["box"]));
}

#[test]
fn only_root_and_pulp_can_read_the_key_and_it_stays_so() {
    let (_dir, context) = here();
    boot(&context, &["box"]).unwrap();
    let modes = || [CERTIFICATE, KEY].map(|path| fs::metadata(context.path(path)).unwrap().mode() & 0o7777);
    assert_eq!(modes(), [0o644, 0o640]);
    fs::set_permissions(context.path(KEY), Permissions::from_mode(0o644)).unwrap();
    boot(&context, &["box"]).unwrap();
    assert_eq!(modes(), [0o644, 0o640]);
}

#[test]
fn nothing_is_made_unless_https_is_asked_for() {
    for (value, made) in [("false", false), ("True", true)] {
        let (dir, _) = here();
        let context = Context::for_test(dir.path(), [("PULP_HTTPS", value)]);
        run(&context, &[]).unwrap();
        assert_eq!(context.path(CERTIFICATE).exists(), made, "{value}");
    }
}

#[test]
fn openssl_takes_the_certificate_as_its_own_authority_for_each_name() {
    let (_dir, context) = here();
    boot(&context, &["box", "10.0.0.1", "::1"]).unwrap();
    let path = context.path(CERTIFICATE).display().to_string();
    let verify = |with: &[&str]| {
        let mut command = Command::new("openssl");
        command
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", &path])
            .args(with)
            .arg(&path);
        let output = command.output().ok()?;
        Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let Some(first) = verify(&[]) else { return };
    assert!(first.0, "{}", first.1);
    for with in [["-verify_hostname", "box"], ["-verify_ip", "10.0.0.1"], ["-verify_ip", "::1"]] {
        let said = verify(&with).unwrap();
        assert!(said.0, "{with:?}: {}", said.1);
    }
    assert!(!verify(&["-verify_hostname", "other"]).unwrap().0);
}
