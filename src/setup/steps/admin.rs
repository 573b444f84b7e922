//! The administrator's first password.
//!
//! `pulpcore-manager reset-admin-password` wants it as an argument or typed in, and Django takes seconds to start. So
//! the user is made here as that command makes it, with a hash as Django's PBKDF2PasswordHasher makes it.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;

use crate::ask::psql::{Psql, literal};
use crate::pulp_settings::PulpSettings;
use crate::random;
use crate::volume::files;
use crate::{Context, Problem};

/// The password itself.
const VARIABLE: &str = "PULP_DEFAULT_ADMIN_PASSWORD";
/// A file with it, which wins: a mounted secret.
pub(super) const FILE_VARIABLE: &str = "PULP_DEFAULT_ADMIN_PASSWORD_FILE";
/// What upstream's script looks at after that: what the operator mounts, and a variable of before.
const OPERATORS_FILE: &str = "/etc/pulp/pulp-admin-password";
const OLDER_VARIABLE: &str = "PULP_ADMIN_PASSWORD";
/// Django 5.2's. Another number is no harm: Django hashes anew at the next login.
const ITERATIONS: NonZeroU32 = match NonZeroU32::new(1_000_000) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};
/// Letters of a salt, 22 of which are Django's 128 bits.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SALT_LENGTH: usize = 22;

/// The step.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let wished = wished(context)?;
    let psql = Psql::pulp(context, &settings.database)?;
    // Django: a password that begins with `!`, or none, lets nobody in.
    let state = psql.run(
        "look for the user admin",
        &format!(
            "select case when password <> '' and password not like '!%' then 'set' \
                         when is_superuser then 'unset' else 'foreign' end \
             from {} where username = 'admin'",
            settings.user_table
        ),
    )?;
    match (state.trim(), wished) {
        ("set", _) => Ok(()),
        (_, None) => {
            context.say(&format!(
                "the user admin has no password yet; to set one: pulpcore-manager reset-admin-password, or {VARIABLE}"
            ));
            Ok(())
        }
        ("foreign", Some(_)) => {
            // Who logs in through another system may be called so. A password would make them more than they are.
            context.say(&format!("the user admin is no administrator: {VARIABLE} is not used"));
            Ok(())
        }
        (_, Some(password)) => {
            psql.run(
                "set the password of the user admin",
                &make(&settings.user_table, &literal(&encode(&password)?)),
            )?;
            context.say(&format!("the user admin has the password of {VARIABLE} now"));
            Ok(())
        }
    }
}

/// Whether the variables say a password, or none: what is wrong with their file is told before anything is made.
pub(super) fn check(context: &Context) -> Result<(), Problem> {
    wished(context).map(drop)
}

/// `set_init_password.sh`: what upstream's script of this name does. The password of the variables is for an
/// administrator who has none; that of the operator's file, or of the older variable, is set whatever was there before.
pub fn set(context: &Context) -> Result<(), Problem> {
    if context.var(VARIABLE).is_some() || context.var(FILE_VARIABLE).is_some() {
        return run(context, &[]);
    }
    let of_file = files::read(&context.path(OPERATORS_FILE))?;
    let of_file = of_file.map(|text| String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned());
    let wished = of_file.or_else(|| context.var(OLDER_VARIABLE).map(str::to_owned));
    match wished.filter(|password| !password.is_empty()) {
        Some(password) => reset(context, &password),
        // Set to nothing, it is somebody's decision.
        None if context.vars().any(|(name, _)| [VARIABLE, OLDER_VARIABLE].contains(&name)) => Ok(()),
        None => Err(Problem::config(
            "S1801",
            "there is no password to set",
            format!("set {FILE_VARIABLE} or {VARIABLE}, or mount a file with it at {OPERATORS_FILE}"),
        )),
    }
}

fn reset(context: &Context, password: &str) -> Result<(), Problem> {
    let settings = PulpSettings::load(context)?;
    let psql = Psql::pulp(context, &settings.database)?;
    let found = psql.run(
        "look for the user admin",
        &format!("select is_superuser, password from {} where username = 'admin'", settings.user_table),
    )?;
    match found.trim().split_once('\t') {
        Some(("f", _)) => {
            return Err(Problem::config(
                "S1802",
                "the user admin is no administrator: a password would make them more than they are",
                "let that user have another name, or set the password with `pulpcore-manager changepassword`",
            ));
        }
        Some((_, encoded)) if is(password, encoded) => {
            context.say("the user admin has that password already");
            return Ok(());
        }
        _ => {}
    }
    let encoded = literal(&encode(password)?);
    let table = &settings.user_table;
    let update =
        format!("update {table} set password = {encoded} where username = 'admin' and is_superuser;");
    psql.run("set the password of the user admin", &(make(table, &encoded) + &update))?;
    context.say("the user admin has a new password now");
    Ok(())
}

/// Whether this is the password that Django keeps so.
fn is(password: &str, encoded: &str) -> bool {
    let mut parts = encoded.trim_end().splitn(4, '$').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (iterations, salt, hash) = (part().parse(), part(), STANDARD.decode(part()));
    let (Ok(iterations), Ok(hash), true) = (iterations, hash, encoded.starts_with("pbkdf2_sha256$")) else {
        return false;
    };
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt.as_bytes(), password.as_bytes(), &hash)
        .is_ok()
}

/// What the user wants it to be.
fn wished(context: &Context) -> Result<Option<String>, Problem> {
    let plain = context.var(VARIABLE).map(str::to_owned);
    let Some(file) = context.var(FILE_VARIABLE) else { return Ok(plain) };
    let path = context.path(file);
    let Some(content) = files::read(&path)? else {
        return Err(Problem::config(
            "S1803",
            format!("{FILE_VARIABLE} names {file}, and there is no such file"),
            "mount the secret there, or correct the name",
        ));
    };
    let text = String::from_utf8(content).map_err(|_| {
        Problem::config(
            "S1804",
            format!("{file} is not text in UTF-8"),
            "write the password into it as one line of text",
        )
    })?;
    let password =
        text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if password.is_empty() {
        return Err(Problem::config(
            "S1805",
            format!("{file}, which {FILE_VARIABLE} names, is empty"),
            "write the password into it",
        ));
    }
    if plain.is_some_and(|plain| plain != password) {
        return Err(Problem::config(
            "S1806",
            format!("{VARIABLE} and the file of {FILE_VARIABLE} say different things"),
            format!("set one of them alone; best {FILE_VARIABLE}"),
        ));
    }
    Ok(Some(password.to_owned()))
}

/// SQL that makes the user, or gives the one that is there a password if it still has none.
fn make(table: &str, encoded: &str) -> String {
    format!(
        "insert into {table} (username, password, is_superuser, is_staff, is_active, \
                                first_name, last_name, email, date_joined) \
         values ('admin', {encoded}, true, true, true, '', '', '', now()) \
         on conflict (username) do update set password = excluded.password \
         where {table}.is_superuser and ({table}.password = '' or {table}.password like '!%');"
    )
}

/// A password as Django keeps it, with a new salt.
fn encode(password: &str) -> Result<String, Problem> {
    let mut salt = String::new();
    while salt.len() < SALT_LENGTH {
        let [byte] = random::bytes()?;
        // 4 times 62: a higher number would make some letters likelier.
        if byte < 248
            && let Some(&letter) = LETTERS.get(usize::from(byte % 62))
        {
            salt.push(char::from(letter));
        }
    }
    Ok(encoded(password, &salt, ITERATIONS))
}

fn encoded(password: &str, salt: &str, iterations: NonZeroU32) -> String {
    let mut hash = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt.as_bytes(), password.as_bytes(), &mut hash);
    format!("pbkdf2_sha256${iterations}${salt}${}", STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn context(file: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::for_test(dir.path(), env.iter().copied());
        fs::write(context.path("/secret"), file).unwrap();
        (dir, context)
    }

    #[test]
    fn the_hash_is_djangos() {
        // python3 -c 'from django.contrib.auth.hashers import PBKDF2PasswordHasher as H;
        //             print(H().encode("pässword", "saltsaltsaltsaltsaltsa", 1000))'
        let expected =
            "pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$k9Rq1UgaAnr/Yx/JAFgyTjsWVYR6WZyjr+lVe+5vFfY=";
        assert_eq!(encoded("pässword", "saltsaltsaltsaltsaltsa", NonZeroU32::new(1000).unwrap()), expected);
    }

    #[test]
    fn a_password_is_known_by_its_hash() {
        let encoded = encoded("pässword", "salt", NonZeroU32::new(1000).unwrap());
        assert!(is("pässword", &encoded) && !is("password", &encoded));
        for other in ["", "!x", "argon2$1$salt$aGFzaA==", "pbkdf2_sha256$0$salt$aGFzaA==", "pbkdf2_sha256$1"]
        {
            assert!(!is("pässword", other), "{other}");
        }
    }

    #[test]
    fn without_any_password_upstreams_script_is_a_problem_and_with_an_empty_one_it_is_none() {
        let (_dir, none) = context("", &[]);
        assert!(set(&none).unwrap_err().cure().contains(OPERATORS_FILE));
        let (_dir, empty) = context("", &[(VARIABLE, "")]);
        set(&empty).unwrap();
    }

    #[test]
    fn each_hash_has_a_salt_of_its_own() {
        let salt = |encoded: String| encoded.split('$').nth(2).unwrap().to_owned();
        let (one, two) = (salt(encode("x").unwrap()), salt(encode("x").unwrap()));
        assert_eq!(one.len(), SALT_LENGTH);
        assert_ne!(one, two);
    }

    #[test]
    fn the_files_password_ends_before_its_line_feed_and_may_hold_spaces() {
        let (_dir, context) = context(" p w \r\n", &[(FILE_VARIABLE, "/secret")]);
        assert_eq!(wished(&context).unwrap().unwrap(), " p w ");
    }

    #[test]
    fn two_passwords_that_differ_are_a_problem_that_shows_neither() {
        let (_dir, both) = context("one\n", &[(FILE_VARIABLE, "/secret"), (VARIABLE, "two")]);
        let problem = wished(&both).unwrap_err().to_string();
        assert!(
            problem.contains(VARIABLE) && !problem.contains("one\n") && !problem.contains("two"),
            "{problem}"
        );
        let (_dir, same) = context("one\n", &[(FILE_VARIABLE, "/secret"), (VARIABLE, "one")]);
        assert_eq!(wished(&same).unwrap().unwrap(), "one");
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_a_problem() {
        let (_dir, missing) = context("", &[(FILE_VARIABLE, "/nowhere")]);
        assert!(wished(&missing).unwrap_err().what().contains("/nowhere"));
        let (_dir, empty) = context("\n", &[(FILE_VARIABLE, "/secret")]);
        assert!(wished(&empty).unwrap_err().what().contains("is empty"));
    }
}
