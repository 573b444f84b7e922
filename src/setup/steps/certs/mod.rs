//! `certs`: the certificate with which nginx serves HTTPS, where `PULP_HTTPS` asks for it.
//!
//! Whoever has a certificate of his own puts it and its key at [`CERTIFICATE`] and [`KEY`], and both are left alone.
//! Otherwise a self-signed one is made, and made again when it is about to end or lacks a name.
//!
//! What is ours is listed in a third file: the SHA-256 of each certificate, and of the public half of each key. It is
//! written first, and lists what is there beside what is to come; then come the key and the certificate. So whenever
//! we are killed, all that is there is known to be ours, and a key without its certificate is no puzzle: both are made
//! again. A file that is not listed is the user's, whatever is beside it, and is never written over.

mod names;
mod pair;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use ring::digest::{SHA256, digest};

use super::keys::{for_pulp, look_after, public_of};
use super::variables;
use crate::pulp_settings::PulpSettings;
use crate::volume::files;
use crate::{Context, Problem};
use names::Names;
use pair::Pair;

/// What nginx serves.
pub const CERTIFICATE: &str = "/etc/pulp/certs/pulp_webserver.crt";
/// Its private key.
pub const KEY: &str = "/etc/pulp/certs/pulp_webserver.key";
/// What of the two is ours.
const OURS: &str = "/etc/pulp/certs/pulp_webserver.ours";
/// Where nginx of upstream's image has them, and where upstream's documentation lets users put theirs.
const UPSTREAMS: [&str; 2] =
    ["/etc/pki/tls/certs/pulp_webserver.crt", "/etc/pki/tls/private/pulp_webserver.key"];

/// Makes the certificate, or examines the user's.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    if !variables::https(context) {
        return Ok(());
    }
    if UPSTREAMS.iter().all(|path| context.path(path).exists()) {
        let [certificate, key] = UPSTREAMS;
        context.say(&format!(
            "{certificate} and {key} are not used: put your certificate at {CERTIFICATE} and its key at {KEY}"
        ));
    }
    ensure_for(context, &PulpSettings::load(context)?)
}

/// Makes sure of a certificate for a container with these settings.
pub fn ensure_for(context: &Context, settings: &PulpSettings) -> Result<(), Problem> {
    let (hostname, addresses) = names::of_this_machine();
    let names = names::wanted(context, settings, &hostname, &addresses)?;
    let required = names::lasting(&names, &hostname, &addresses);
    ensure(context, &hostname, &names, &required, SystemTime::now())
}

/// A certificate for these names; one that is there will do if it has those that are required.
fn ensure(
    context: &Context,
    hostname: &str,
    names: &Names,
    required: &Names,
    now: SystemTime,
) -> Result<(), Problem> {
    let found = Found::look(context)?;
    if !found.all_ours() {
        return found.examine_the_users(context, now);
    }
    if found.will_do(required, now) {
        look_after(context, &context.path(KEY), for_pulp(context), 0o640)?;
        return look_after(context, &context.path(CERTIFICATE), for_pulp(context), 0o644);
    }
    let new = pair::make(hostname, names, now)?;
    for (path, content, mode) in found.writes(&new) {
        files::write(context, &context.path(path), content.as_bytes(), for_pulp(context), mode)?;
    }
    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    context.say(&format!("{CERTIFICATE}: self-signed and made now, for {names}"));
    Ok(())
}

/// What is there.
struct Found {
    certificate: Option<Half>,
    key: Option<Half>,
}

/// One of the two files.
struct Half {
    content: Vec<u8>,
    /// What is written in the list if it is ours.
    mark: Option<String>,
    listed: bool,
}

impl Found {
    fn look(context: &Context) -> Result<Found, Problem> {
        let listed = files::read(&context.path(OURS))?.unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let listed: BTreeSet<&str> = listed.lines().collect();
        let half = |path: &str, mark_of: &dyn Fn(&[u8]) -> Option<String>| {
            let path = context.path(path);
            let content = files::read(&path)?.filter(|content| !content.is_empty());
            Ok(content.map(|content| {
                let mark = mark_of(&content);
                // We make files. A link is somebody's decision.
                let file = fs::symlink_metadata(&path).is_ok_and(|is| is.is_file());
                let listed = file && mark.as_deref().is_some_and(|mark| listed.contains(mark));
                Half { content, mark, listed }
            }))
        };
        Ok(Found {
            certificate: half(CERTIFICATE, &|pem| Some(certificate_mark(&pair::first_in(pem)?)))?,
            key: half(KEY, &|pem| Some(key_mark(&public_of(Path::new(KEY), pem).ok()??)))?,
        })
    }

    fn halves(&self) -> impl Iterator<Item = &Half> {
        self.certificate.iter().chain(&self.key)
    }

    /// Also where there is nothing.
    fn all_ours(&self) -> bool {
        self.halves().all(|half| half.listed)
    }

    fn will_do(&self, names: &Names, now: SystemTime) -> bool {
        let Some((certificate, key)) = self.certificate.as_ref().zip(self.key.as_ref()) else { return false };
        let Some(der) = pair::first_in(&certificate.content) else { return false };
        let key_belongs = pair::public_key(&der).is_some_and(|public| Some(key_mark(&public)) == key.mark);
        key_belongs && pair::will_do(&der, names, now)
    }

    /// The files to write, in this order.
    fn writes(&self, new: &Pair) -> [(&'static str, String, u32); 3] {
        let marks = [certificate_mark(&new.der), key_mark(&new.public)];
        let marks: BTreeSet<&str> = self
            .halves()
            .filter_map(|half| half.mark.as_deref())
            .chain(marks.iter().map(String::as_str))
            .collect();
        let list = "# What is listed here was made by the container, which renews it.\n".to_owned();
        let list = marks.iter().fold(list, |list, mark| list + mark + "\n");
        [(OURS, list, 0o644), (KEY, new.key.clone(), 0o640), (CERTIFICATE, new.certificate.clone(), 0o644)]
    }

    /// nginx would not start with halves of two pairs. All else is the user's affair.
    fn examine_the_users(&self, context: &Context, now: SystemTime) -> Result<(), Problem> {
        let (path, key_path) = (context.path(CERTIFICATE), context.path(KEY));
        let cure =
            "put the certificate and its own key there, both in PEM; or delete both, and new ones are made";
        let problem = |path: &Path, what: &str| Problem::config(format!("{}: {what}", path.display()), cure);
        let certificate =
            self.certificate.as_ref().ok_or_else(|| problem(&key_path, "its certificate is missing"))?;
        let key = self.key.as_ref().ok_or_else(|| problem(&path, "its key is missing"))?;
        let der = pair::first_in(&certificate.content)
            .ok_or_else(|| problem(&path, "there is no certificate in it, or it is damaged"))?;
        let private = public_of(&key_path, &key.content)?;
        // Of the kinds that we cannot read, nginx may read some.
        if let Some((of_certificate, of_key)) = pair::public_key(&der).zip(private)
            && of_certificate != of_key
        {
            let key = key_path.display();
            return Err(problem(
                &path,
                &format!("{key} is not its key, or the server's certificate is not the first"),
            ));
        }
        if let Some(wrong) = pair::dates_wrong(&der, now) {
            context
                .say(&format!("{}: warning: it {wrong}, and clients will refuse it; {cure}", path.display()));
        }
        Ok(())
    }
}

fn certificate_mark(der: &[u8]) -> String {
    format!("certificate {}", sha256(der))
}

fn key_mark(public: &[u8]) -> String {
    format!("key {}", sha256(public))
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
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
            fs::write(context.path(users_path), if users_key { users.key } else { users.certificate })
                .unwrap();
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
        let modes =
            || [CERTIFICATE, KEY].map(|path| fs::metadata(context.path(path)).unwrap().mode() & 0o7777);
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
}
