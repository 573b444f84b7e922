use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use super::*;
use crate::pulp_settings::Database;

/// The 32 bytes 0, 1, … 31 as `openssl rand -base64 32` writes them, and others in Fernet's alphabet.
const STANDARD_KEY: &str = "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const URL_SAFE_KEY: &str = "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn settings() -> PulpSettings {
    PulpSettings {
        api_root: "/pulp/".to_owned(),
        content_path_prefix: "/pulp/content/".to_owned(),
        domain_enabled: false,
        content_origin: None,
        database: Database::default(),
        external_postgresql: None,
        external_redis: None,
        redis_port: None,
        worker_type: String::new(),
        db_encryption_key: DATABASE_KEY.to_owned(),
        token_private_key: "/etc/pulp/certs/token_private_key.pem".to_owned(),
        token_public_key: "/etc/pulp/certs/token_public_key.pem".to_owned(),
        media_root: "/var/lib/pulp/media/".to_owned(),
        sent_files_location: None,
        static_root: "/var/lib/pulp/assets/".to_owned(),
        static_url: "/assets/".to_owned(),
        user_table: "auth_user".to_owned(),
        secret_key: false,
        some_plugins: false,
        installed_apps: Vec::new(),
        migrated_settings: String::new(),
    }
}

pub fn container(settings: &PulpSettings) -> (tempfile::TempDir, Context) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let context = Context::for_test(dir.path(), []);
    fs::create_dir_all(context.path("/run/pulp")).unwrap();
    fs::create_dir_all(context.path(OURS)).unwrap();
    settings.save(&context).unwrap();
    (dir, context)
}

fn with_key(key: &str) -> Result<(), Problem> {
    let (_dir, context) = container(&settings());
    fs::write(context.path(DATABASE_KEY), key).unwrap();
    let outcome = run(&context, &[]);
    assert_eq!(fs::read_to_string(context.path(DATABASE_KEY)).unwrap(), key, "never rewritten");
    outcome
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn keys_are_made_once_and_stay() {
    let (_dir, context) = container(&settings());
    run(&context, &[]).unwrap();
    let all = || {
        let files = fs::read_dir(context.path(OURS)).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        all.sort();
        all
    };
    let made = all();
    let names: Vec<_> = made.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected =
        ["database_fields.symmetric.key", "secret_key", "token_private_key.pem", "token_public_key.pem"];
    assert_eq!(names, expected);
    let modes: Vec<_> = made.iter().map(|(path, _)| mode(path)).collect();
    assert_eq!(modes, [0o640, 0o640, 0o600, 0o644]);
    assert_eq!(made[0].1.len(), 45);
    assert!(made[1].1.trim_ascii().len() >= 50);
    run(&context, &[]).unwrap();
    assert_eq!(all(), made);
}

#[test]
fn two_containers_have_no_key_in_common() {
    let key = |path: &str| {
        let (_dir, context) = container(&settings());
        run(&context, &[]).unwrap();
        fs::read(context.path(path)).unwrap()
    };
    assert_ne!(key(DATABASE_KEY), key(DATABASE_KEY));
    assert_ne!(key(SECRET_KEY), key(SECRET_KEY));
}

#[test]
fn a_key_in_either_alphabet_is_taken() {
    with_key(STANDARD_KEY).unwrap();
    with_key(&format!("{URL_SAFE_KEY}\r\n\n")).unwrap();
}

#[test]
fn a_damaged_key_is_a_problem_and_is_not_replaced() {
    let cut = &STANDARD_KEY[..30];
    for damaged in [
        cut,
        &STANDARD_KEY[..43],
        "\n",
        "# only words\n",
        "\u{0}",
        &format!("{STANDARD_KEY}\n{}\n", &URL_SAFE_KEY[..30]),
        &format!("{STANDARD_KEY}{URL_SAFE_KEY}\n"),
    ] {
        let problem = with_key(damaged).unwrap_err();
        assert!(problem.what().contains("database_fields.symmetric.key is damaged"), "{problem}");
        assert!(problem.cure().contains("restore it from a backup"), "{problem}");
        assert!(!problem.to_string().contains(cut), "a secret is shown");
    }
}

#[test]
fn while_a_key_is_changed_the_file_holds_two() {
    for text in [
        format!("{STANDARD_KEY}\n{URL_SAFE_KEY}\n"),
        format!("# the new one\r\n{STANDARD_KEY}\r\n\n# the old one\n{URL_SAFE_KEY}"),
    ] {
        with_key(&text).unwrap();
    }
}

/// What Python's cryptography says of the same files, where it is installed.
#[test]
fn fernet_itself_takes_what_we_take_and_what_we_make() {
    let script = "import sys\nfrom cryptography.fernet import Fernet\nFernet(sys.stdin.buffer.read())";
    let python = |program: &str, input: &str| {
        use std::io::Write;
        let mut command = Command::new("python3");
        command.args(["-c", program]).stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().ok()?;
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Some(child.wait().ok()?.success())
    };
    if python("import cryptography", "") != Some(true) {
        return;
    }
    let made = random::text::<32>().unwrap();
    let inner = format!("{} {}", &STANDARD_KEY[..4], &STANDARD_KEY[4..]);
    let (half, long) = (&STANDARD_KEY[..40], format!("AAAA{STANDARD_KEY}"));
    for text in [STANDARD_KEY, URL_SAFE_KEY, &made, &inner, half, &long, &STANDARD_KEY[..43], "", "===="] {
        assert_eq!(Some(is_fernet_key(text.as_bytes())), python(script, text), "{text}");
    }
}

#[test]
fn an_empty_key_is_replaced_only_where_there_is_no_database() {
    let (_dir, context) = container(&settings());
    fs::write(context.path(DATABASE_KEY), "").unwrap();
    fs::create_dir_all(context.path("/var/lib/pgsql/data_old")).unwrap();
    let version = context.path("/var/lib/pgsql/data_old/PG_VERSION");
    fs::write(&version, "13\n").unwrap();
    assert!(run(&context, &[]).unwrap_err().what().contains("damaged"));
    fs::remove_file(&version).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(fs::read(context.path(DATABASE_KEY)).unwrap().len(), 45);

    let external = PulpSettings { external_postgresql: Some("HOST is db".to_owned()), ..settings() };
    let (_dir, context) = container(&external);
    fs::write(context.path(DATABASE_KEY), "").unwrap();
    assert!(run(&context, &[]).unwrap_err().what().contains("damaged"));
}

#[test]
fn a_key_that_is_missing_beside_a_database_is_only_made_if_the_user_says_so() {
    let (dir, context) = container(&settings());
    fs::create_dir_all(context.path("/var/lib/pgsql/data")).unwrap();
    fs::write(context.path("/var/lib/pgsql/data/PG_VERSION"), "17\n").unwrap();
    let problem = run(&context, &[]).unwrap_err();
    assert!(problem.what().contains("missing, but there is a database"), "{problem}");
    assert!(problem.cure().contains("restore the key") && problem.code() == 78, "{problem}");
    assert_eq!(fs::read_dir(context.path(OURS)).unwrap().count(), 0);
    let insists = Context::for_test(dir.path(), [(LOST_VARIABLE, "true")]);
    run(&insists, &[]).unwrap();
    assert!(context.path(DATABASE_KEY).exists());
}

#[test]
fn a_key_elsewhere_is_the_users_to_make() {
    let elsewhere = PulpSettings { db_encryption_key: "/keys/db".to_owned(), ..settings() };
    let (_dir, context) = container(&elsewhere);
    assert!(run(&context, &[]).unwrap_err().what().contains("/keys/db"));
    fs::create_dir(context.path("/keys")).unwrap();
    fs::write(context.path("/keys/db"), STANDARD_KEY).unwrap();
    fs::set_permissions(context.path("/keys/db"), Permissions::from_mode(0o444)).unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(mode(&context.path("/keys/db")), 0o444);
}

#[test]
fn a_key_of_ours_gets_its_owner_and_mode_back() {
    let (_dir, mut context) = container(&settings());
    context.accounts.pulp = Owner { uid: 700, gid: 700 };
    context.accounts.may_chown = needs::root();
    if !context.accounts.may_chown {
        return;
    }
    let path = context.path(DATABASE_KEY);
    fs::write(&path, STANDARD_KEY).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    run(&context, &[]).unwrap();
    let is = fs::metadata(&path).unwrap();
    assert_eq!((is.uid(), is.gid(), mode(&path)), (0, 700, 0o640));
    let token = fs::metadata(context.path("/etc/pulp/certs/token_private_key.pem")).unwrap();
    assert_eq!((token.uid(), token.mode() & 0o7777), (700, 0o600));
    fs::set_permissions(context.path("/etc/pulp"), Permissions::from_mode(0o700)).unwrap();
    run(&context, &[]).unwrap(); // a strict umask made it so
    fs::set_permissions(context.path("/etc/pulp"), Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(context.path("/etc/pulp"), Some(1234), Some(1234)).unwrap();
    assert!(run(&context, &[]).unwrap_err().what().contains("cannot read it"));
}

#[test]
fn an_empty_secret_key_is_made_anew_and_a_users_own_is_kept() {
    let (_dir, context) = container(&settings());
    fs::write(context.path(SECRET_KEY), "\n").unwrap();
    run(&context, &[]).unwrap();
    assert!(fs::read(context.path(SECRET_KEY)).unwrap().len() > 50);
    fs::write(context.path(SECRET_KEY), "short").unwrap();
    run(&context, &[]).unwrap();
    assert_eq!(fs::read(context.path(SECRET_KEY)).unwrap(), b"short");
}
