//! The key pair with which pulp_container signs the tokens of its registry.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::KeyPair;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::look_after;
use crate::pulp_settings::PulpSettings;
use crate::random;
use crate::steps::readable;
use crate::volume::files;
use crate::{Context, Problem};

const PRIVATE: &str = "/etc/pulp/certs/token_private_key.pem";
const PUBLIC: &str = "/etc/pulp/certs/token_public_key.pem";

/// Makes the pair, or the half of it that can be made, where it is ours; sees that it is there where it is the user's.
pub fn pair(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let (private_path, public_path) =
        (context.path(&settings.token_private_key), context.path(&settings.token_public_key));
    let made_here = (settings.token_private_key == PRIVATE, settings.token_public_key == PUBLIC);
    let (private, public) = (content(&private_path)?, content(&public_path)?);
    match (private, public, made_here) {
        (None, _, (false, _)) => Err(missing("PRIVATE_KEY_PATH", &private_path)),
        (_, None, (_, false)) => Err(missing("PUBLIC_KEY_PATH", &public_path)),
        (None, Some(_), (true, true)) => Err(Problem::config(
            "S1105",
            format!("{}: the public key is there, but not its private key", public_path.display()),
            format!(
                "put the private key at {}, or delete the public one, and a new pair is made",
                private_path.display()
            ),
        )),
        // With a public key elsewhere someone else may sign the tokens: then ours is never used.
        (None, _, (true, _)) => make(context, &private_path, made_here.1.then_some(&public_path)),
        (Some(private), public, (_, ours)) => {
            examine(context, (&private_path, &private), (&public_path, public.as_deref(), ours))
        }
    }
}

/// What a file holds; one without a byte is as good as none.
fn content(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    Ok(files::read(path)?.filter(|content| !content.is_empty()))
}

/// The private key first: from it the public one can be made, if we are killed in between.
fn make(context: &Context, private_path: &Path, public_path: Option<&Path>) -> Result<(), Problem> {
    let pair = KeyPair::generate().map_err(|_| random::refused())?;
    let pulp = context.accounts.pulp;
    files::write(context, private_path, pair.serialize_pem().as_bytes(), pulp, 0o600)?;
    let public = pair.public_key_pem();
    public_path.map_or(Ok(()), |path| files::write(context, path, public.as_bytes(), pulp, 0o644))
}

fn missing(setting: &str, path: &Path) -> Problem {
    Problem::config(
        "S1106",
        format!("{}: {setting} names this file, but it is missing", path.display()),
        format!(
            "put the key there, or remove {setting} from the settings: then one is made at /etc/pulp/certs"
        ),
    )
}

fn examine(
    context: &Context,
    (private_path, private): (&Path, &[u8]),
    (public_path, public, public_is_ours): (&Path, Option<&[u8]>, bool),
) -> Result<(), Problem> {
    let pulp = context.accounts.pulp;
    look_after(context, private_path, pulp, 0o600)?;
    readable::by_pulp(context, private_path)?;
    let right = public_of(private_path, private)?;
    let is = public.map(SubjectPublicKeyInfoDer::from_pem_slice);
    match (right, is) {
        (Some(right), Some(Ok(is))) if right == is.as_ref() => {}
        (Some(right), _) if public_is_ours => {
            context.say(&format!("{}: written anew, from the private key", public_path.display()));
            return files::write(context, public_path, pem("PUBLIC KEY", &right).as_bytes(), pulp, 0o644);
        }
        (None, None) => {
            return Err(Problem::config(
                "S1107",
                format!(
                    "{}: missing, and cannot be made from a private key of this kind",
                    public_path.display()
                ),
                "put the public key there: `openssl pkey -pubout` writes it",
            ));
        }
        (Some(_), _) => context.say(&format!(
            "{} is not the public key of {}: right only if another server signs the tokens",
            public_path.display(),
            private_path.display()
        )),
        // A kind of key that only others know.
        (None, Some(_)) => {}
    }
    look_after(context, public_path, pulp, 0o644)?;
    readable::by_pulp(context, public_path)
}

/// The public key (SubjectPublicKeyInfo, DER) of a private one in PEM: RSA, ECDSA or Ed25519, in PKCS#8, SEC1 or
/// PKCS#1. Nothing for other kinds.
pub fn public_of(path: &Path, private: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    let key = PrivateKeyDer::from_pem_slice(private).map_err(|_| {
        Problem::config("S1108", 
            format!("{}: there is no private key in it, or it is damaged or has a password", path.display()),
            "restore it, without a password (`openssl pkey` removes one); or delete it and what belongs to it, and \
             new ones are made",
        )
    })?;
    let key = any_supported_type(&key).ok();
    Ok(key.and_then(|key| key.public_key().map(|public| public.as_ref().to_vec())))
}

/// As in RFC 7468: 64 characters a line.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, digit) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + &format!("\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::steps::keys::tests::{container, settings};

    fn text(context: &Context, path: &str) -> String {
        fs::read_to_string(context.path(path)).unwrap()
    }

    fn openssl(args: &[&str]) -> Option<String> {
        let output = Command::new("openssl").args(args).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn a_pair_belongs_together_and_is_of_the_right_kind() {
        let (_dir, context) = container(&settings());
        pair(&context, &settings()).unwrap();
        let private = context.path(PRIVATE).display().to_string();
        let Some(public) = openssl(&["pkey", "-in", &private, "-pubout"]) else { return };
        assert_eq!(public, text(&context, PUBLIC));
        assert!(openssl(&["pkey", "-in", &private, "-noout", "-text"]).unwrap().contains("prime256v1"));
    }

    #[test]
    fn killed_before_the_public_key_the_next_run_makes_it_from_the_private_one() {
        let (_dir, context) = container(&settings());
        make(&context, &context.path(PRIVATE), None).unwrap();
        let private = text(&context, PRIVATE);
        pair(&context, &settings()).unwrap();
        assert_eq!(text(&context, PRIVATE), private);
        let public = SubjectPublicKeyInfoDer::from_pem_slice(text(&context, PUBLIC).as_bytes()).unwrap();
        assert_eq!(public_of(Path::new(""), private.as_bytes()).unwrap().unwrap(), public.as_ref());
    }

    #[test]
    fn a_pair_of_upstreams_image_is_kept_and_its_public_key_can_be_made_again() {
        let (_dir, context) = container(&settings());
        let private = context.path(PRIVATE).display().to_string();
        if openssl(&["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", &private]).is_none() {
            return;
        }
        let before = text(&context, PRIVATE);
        assert!(before.contains("BEGIN EC PRIVATE KEY"));
        pair(&context, &settings()).unwrap();
        assert_eq!(text(&context, PRIVATE), before);
        assert_eq!(text(&context, PUBLIC), openssl(&["ec", "-in", &private, "-pubout"]).unwrap());
    }

    #[test]
    fn a_public_key_that_belongs_to_another_is_written_anew() {
        let (_dir, context) = container(&settings());
        pair(&context, &settings()).unwrap();
        let right = text(&context, PUBLIC);
        for wrong in [KeyPair::generate().unwrap().public_key_pem(), "half".to_owned(), String::new()] {
            fs::write(context.path(PUBLIC), wrong).unwrap();
            pair(&context, &settings()).unwrap();
            assert_eq!(text(&context, PUBLIC), right);
        }
    }

    #[test]
    fn a_public_key_alone_is_a_problem() {
        let (_dir, context) = container(&settings());
        pair(&context, &settings()).unwrap();
        let public = text(&context, PUBLIC);
        fs::remove_file(context.path(PRIVATE)).unwrap();
        assert!(pair(&context, &settings()).unwrap_err().what().contains("not its private key"));
        assert_eq!(text(&context, PUBLIC), public);
    }

    #[test]
    fn a_damaged_private_key_is_a_problem_that_shows_nothing_of_it() {
        let (_dir, context) = container(&settings());
        pair(&context, &settings()).unwrap();
        let private = text(&context, PRIVATE);
        let half = private.get(..100).unwrap();
        fs::write(context.path(PRIVATE), half).unwrap();
        let problem = pair(&context, &settings()).unwrap_err();
        assert!(
            problem.what().contains("damaged") && !problem.to_string().contains(&half[40..60]),
            "{problem}"
        );
        assert_eq!(text(&context, PRIVATE), half);
    }

    #[test]
    fn keys_elsewhere_must_be_there_and_are_never_written() {
        let elsewhere = PulpSettings {
            token_private_key: "/keys/private".to_owned(),
            token_public_key: "/keys/public".to_owned(),
            ..settings()
        };
        let (_dir, context) = container(&elsewhere);
        fs::create_dir(context.path("/keys")).unwrap();
        assert!(pair(&context, &elsewhere).unwrap_err().what().contains("PRIVATE_KEY_PATH"));
        fs::write(context.path("/keys/private"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(pair(&context, &elsewhere).unwrap_err().what().contains("PUBLIC_KEY_PATH"));
        let others = KeyPair::generate().unwrap().public_key_pem();
        fs::write(context.path("/keys/public"), &others).unwrap();
        pair(&context, &elsewhere).unwrap();
        assert_eq!(text(&context, "/keys/public"), others);
    }

    #[test]
    fn a_kind_of_key_we_do_not_know_is_left_to_those_who_do() {
        let (_dir, context) = container(&settings());
        let private = context.path(PRIVATE).display().to_string();
        if openssl(&["ecparam", "-genkey", "-name", "secp521r1", "-noout", "-out", &private]).is_none() {
            return;
        }
        assert!(pair(&context, &settings()).unwrap_err().cure().contains("pkey -pubout"));
        let public = openssl(&["ec", "-in", &private, "-pubout"]).unwrap();
        fs::write(context.path(PUBLIC), &public).unwrap();
        pair(&context, &settings()).unwrap();
        assert_eq!(text(&context, PUBLIC), public);
    }
}
