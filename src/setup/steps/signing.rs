//! The step `signing`: registers the signing services that upstream's images know, where a key is named.
//!
//! The key is in Pulp's own key ring (`/var/lib/pulp/.gnupg`) and the scripts are in `/var/lib/pulp/scripts`: both are
//! the user's to make. A service that is registered already is left as it is.

use std::time::Duration;

use crate::ask::command::Tool;
use crate::ask::psql::{Psql, literal};
use crate::pulp_settings::PulpSettings;
use crate::volume::path;
use crate::{Context, Problem};

/// The fingerprint of the key to sign with; without it there is nothing to do.
pub(super) const FINGERPRINT: &str = "PULP_SIGNING_KEY_FINGERPRINT";
/// Django starts for each.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A signing service.
struct Service {
    /// What it signs.
    of: &'static str,
    /// The variable with its name, and the name without one.
    variable: &'static str,
    default: &'static str,
    script: &'static str,
    /// Its class, if it is not the usual one.
    class: Option<&'static str>,
}

const SERVICES: [Service; 4] = [
    Service {
        of: "collections",
        variable: "COLLECTION_SIGNING_SERVICE",
        default: "ansible-default",
        script: "/var/lib/pulp/scripts/collection_sign.sh",
        class: None,
    },
    Service {
        of: "containers",
        variable: "CONTAINER_SIGNING_SERVICE",
        default: "container-default",
        script: "/var/lib/pulp/scripts/container_sign.sh",
        class: Some("container:ManifestSigningService"),
    },
    Service {
        of: "releases of apt repositories",
        variable: "DEB_SIGNING_SERVICE",
        default: "deb-default",
        script: "/var/lib/pulp/scripts/sign_deb_release.sh",
        class: Some("deb:AptReleaseSigningService"),
    },
    Service {
        of: "rpm packages",
        variable: "RPM_SIGNING_SERVICE",
        default: "rpm-default",
        script: "/var/lib/pulp/scripts/sign_rpm_package.sh",
        class: Some("rpm:RpmPackageSigningService"),
    },
];

/// The variables that name signing services.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|service| service.variable)
}

/// A fingerprint without the blanks with which gpg shows it.
pub(super) fn fingerprint(text: &str) -> Option<String> {
    let text = text.replace(' ', "");
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(text)
}

/// Registers what is not registered yet.
pub fn run(context: &Context, _args: &[String]) -> Result<(), Problem> {
    let Some(value) = context.var(FINGERPRINT) else { return Ok(()) };
    let Some(fingerprint) = fingerprint(value) else {
        return Err(Problem::config(
            "S1901",
            format!("{FINGERPRINT} is {value:?}"),
            "let it be the fingerprint that `gpg --list-keys` shows for the user pulp",
        ));
    };
    let there: Vec<&Service> = SERVICES.iter().filter(|service| has_script(context, service)).collect();
    if there.is_empty() {
        return Err(Problem::config(
            "S1902",
            format!("{FINGERPRINT} is set, but there is no script to sign with"),
            format!(
                "put one at {} (docs/signing.md has them), or do not set the variable",
                SERVICES.map(|service| service.script).join(" or ")
            ),
        ));
    }
    let settings = PulpSettings::load(context)?;
    let psql = Psql::pulp(context, &settings.database)?;
    for service in there {
        register(context, &psql, service, &fingerprint)?;
    }
    Ok(())
}

/// The folder is Pulp's, and whoever may not read it here finds out when the script is tried.
fn has_script(context: &Context, service: &Service) -> bool {
    let path = context.path(service.script);
    let kind = path::parent(&path).and_then(|(folder, name)| folder.kind(name));
    kind.is_ok_and(|kind| kind.is_some())
}

fn register(context: &Context, psql: &Psql<'_>, service: &Service, key: &str) -> Result<(), Problem> {
    let name = context.var(service.variable).unwrap_or(service.default);
    let known = format!("select exists(select from core_signingservice where name = {})", literal(name));
    if psql.run("look for the signing service", &known)?.trim() == "t" {
        return Ok(());
    }
    let mut tool = Tool::new(context, "pulpcore-manager")
        .args(["add-signing-service", name, service.script, key])
        .inherit_env(context)
        .env("HOME", "/var/lib/pulp")
        .user(context, context.accounts.pulp)
        .limit(LIMIT);
    if let Some(class) = service.class {
        tool = tool.args(["--class", class]);
    }
    tool.run(
        &format!("register the signing service {name}"),
        &format!(
            "see that {} is executable by the user pulp and signs with the key {key}: `podman exec -u pulp … {} FILE`",
            service.script, service.script
        ),
    )?;
    context.say(&format!("{name} signs {} with the key {key}", service.of));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_key_there_is_nothing_to_do() {
        let dir = tempfile::tempdir().unwrap();
        run(&Context::for_test(dir.path(), []), &[]).unwrap();
    }

    #[test]
    fn a_key_without_a_script_is_a_problem_that_says_where_scripts_are() {
        let dir = tempfile::tempdir().unwrap();
        let problem = run(&Context::for_test(dir.path(), [(FINGERPRINT, "AB CD")]), &[]).unwrap_err();
        assert!(problem.cure().contains("collection_sign.sh"), "{problem}");
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let problem = run(&Context::for_test(dir.path(), [(FINGERPRINT, "a;b")]), &[]).unwrap_err();
        assert!(problem.what().contains("a;b"), "{problem}");
    }
}
