//! Whether the key is the one with which the database's secrets were encrypted.
//!
//! A key that is whole, but another one, is noticed by Pulp only when somebody needs a secret, and then as an error of
//! the server. But every secret carries a proof: Fernet's tokens end with a MAC, made with half of the key
//! (github.com/fernet/spec). So one of them tells, without anything being decrypted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use ring::hmac;

use super::{LOST_VARIABLE, examine_database_key, keys_in, may_be_lost};
use crate::ask::psql::Psql;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};

/// Where Pulp keeps secrets that outlive the moment: a table and its column. (The arguments of tasks are encrypted,
/// too, and nobody needs those of old ones.)
const SECRETS: &[(&str, &str)] = &[
    ("core_remote", "client_key"),
    ("core_remote", "username"),
    ("core_remote", "password"),
    ("core_remote", "proxy_username"),
    ("core_remote", "proxy_password"),
    ("core_upstreampulp", "client_key"),
    ("core_upstreampulp", "username"),
    ("core_upstreampulp", "password"),
    ("ansible_collectionremote", "token"),
];
/// So many of each are enough: after a change of the key some may be of the old one.
const SAMPLES: u32 = 100;
/// How many bytes a MAC has, half a key, and what is before the text in a token: version, time, initialisation vector.
const MAC: usize = 32;
const HALF: usize = 16;

/// Refuses a file of keys with which none of the secrets was encrypted.
pub fn check(context: &Context, settings: &PulpSettings, psql: &Psql<'_>) -> Result<(), Problem> {
    let path = context.path(&settings.db_encryption_key);
    let Some(key) = files::read(&path)? else { return Ok(()) }; // the step `keys` has said so
    examine_database_key(&path, &key)?;
    let tokens = psql.run("look for encrypted fields", &question())?;
    if is_of(&key, tokens.lines()) {
        return Ok(());
    }
    let what = format!(
        "{}: this is not the key that the secrets in the database were encrypted with",
        path.display()
    );
    if may_be_lost(context) {
        context.say(&format!("{what}; going on because of {LOST_VARIABLE}"));
        return Ok(());
    }
    Err(Problem::config(
        "S1104",
        what,
        format!(
            "mount the folder at /etc/pulp that belongs to this database, or restore the key from a backup; nothing was \
             changed ({LOST_VARIABLE}=true goes on without it: then the secrets of all remotes have to be entered again)"
        ),
    ))
}

/// Asks for tokens in those of the columns that this database has.
fn question() -> String {
    let columns: Vec<String> =
        SECRETS.iter().map(|(table, column)| format!("(to_regclass('{table}'), '{column}')")).collect();
    format!(
        "select format('select %I from %s where %I like ''gAAAA%%'' limit {SAMPLES}', attname, attrelid::regclass, attname) \
         from pg_attribute join (values {}) as secret (relation, name) on attrelid = relation and attname = name \
         where not attisdropped \\gexec\n",
        columns.join(", ")
    )
}

/// Whether one of the tokens is of one of the file's keys, or there is none.
fn is_of<'a>(content: &[u8], tokens: impl Iterator<Item = &'a str>) -> bool {
    let keys: Vec<hmac::Key> = keys_in(content).filter_map(mac_key).collect();
    let mut tokens = tokens.map(str::trim).filter(|token| !token.is_empty()).peekable();
    tokens.peek().is_none() || tokens.any(|token| keys.iter().any(|key| verifies(key, token)))
}

/// The half of a key that signs. Both alphabets of base64 are keys to Pulp.
fn mac_key(key: &[u8]) -> Option<hmac::Key> {
    let digits = key.iter().filter(|byte| !byte.is_ascii_whitespace());
    let text: Vec<u8> = digits
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    let bytes = URL_SAFE.decode(text).ok()?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, bytes.get(..HALF)?))
}

fn verifies(key: &hmac::Key, token: &str) -> bool {
    let Ok(bytes) = URL_SAFE.decode(token) else { return false };
    let Some((signed, mac)) = bytes.len().checked_sub(MAC).and_then(|at| bytes.split_at_checked(at)) else {
        return false;
    };
    hmac::verify(key, signed, mac).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Fernet's specification (generate.json): its key, its token.
    const KEY: &[u8] = b"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\n";
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    const OTHER: &[u8] = b"+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_token_is_of_its_key_and_of_no_other() {
        assert!(is_of(KEY, [TOKEN].into_iter()));
        assert!(!is_of(OTHER, [TOKEN].into_iter()));
        let standard = String::from_utf8(KEY.to_vec()).unwrap().replace('-', "+").replace('_', "/");
        assert!(is_of(standard.as_bytes(), [TOKEN].into_iter()));
    }

    #[test]
    fn while_a_key_is_changed_secrets_of_either_are_ours() {
        let both = [OTHER, b"\n# the old one\n\n", KEY].concat();
        assert!(is_of(&both, [TOKEN].into_iter()));
        assert!(!is_of(&[OTHER, b"\n", OTHER].concat(), [TOKEN].into_iter()));
        assert!(!is_of(b"", [TOKEN].into_iter()));
    }

    #[test]
    fn one_secret_of_the_key_is_enough_and_so_is_none_at_all() {
        let damaged = TOKEN.replace("Fg", "Fh");
        assert!(is_of(KEY, ["gAAAA", damaged.as_str(), "x", TOKEN].into_iter()));
        assert!(!is_of(KEY, ["gAAAA", &TOKEN[..60]].into_iter()));
        assert!(is_of(OTHER, std::iter::empty()));
    }
}
