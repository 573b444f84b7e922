//! `certs`: the certificate with which nginx serves HTTPS, where `PULP_HTTPS` asks for it.
//!
//! Whoever has a certificate of his own puts it and its key at [`CERTIFICATE`] and [`KEY`], and both are left alone.
//! Otherwise a self-signed one is made, and made again when it is about to end or lacks a name.
//!
//! What is ours is listed in a third file: the SHA-256 of each certificate, and of the public half of each key. It is
//! written first, and lists what is there beside what is to come; then come the key and the certificate. So whenever
//! we are killed, all that is there is known to be ours, and a key without its certificate is no puzzle: both are made
//! again. A file that is not listed is the user's, whatever is beside it, and is never written over.

pub(super) mod names;
mod pair;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use ring::digest::{SHA256, digest};

use super::keys::{for_pulp, look_after, public_of};
use super::variables::{self, Variables};
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
/// Where nginx of upstream's image has them, and where upstream's documentation lets users put theirs. Ours has links
/// there, to the two above; a build may have replaced them.
const UPSTREAMS: [&str; 2] =
    ["/etc/pki/tls/certs/pulp_webserver.crt", "/etc/pki/tls/private/pulp_webserver.key"];

/// Makes the certificate, or examines the user's.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    if !variables::https(context) {
        return Ok(());
    }
    if UPSTREAMS.map(|path| context.path(path)).iter().all(|path| path.is_file() && !path.is_symlink()) {
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
    // What people see of it first is its common name.
    let hostnames = Variables::read(context)?.hostnames;
    let common = hostnames.first().unwrap_or(&hostname);
    ensure(context, common, &names, &required, SystemTime::now())
}

/// A certificate for these names; one that is there will do if it has those that are required.
fn ensure(
    context: &Context,
    common: &str,
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
    let new = pair::make(common, names, now)?;
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
        let problem =
            |path: &Path, what: &str| Problem::config("S1201", format!("{}: {what}", path.display()), cure);
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
mod tests;
