//! Reports of users of upstream's image that have no other place (docs/reports.md): containers as they have built them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::harness::{Boot, Folders, PASSWORD, Pulp, turn};

/// The variables of foremanctl, and the one that upstream's image has itself.
fn with_upstreams_variables() -> &'static Pulp {
    static PULP: OnceLock<(Folders, Pulp)> = OnceLock::new();
    let (_, pulp) = PULP.get_or_init(|| {
        let folders = Folders::new("ANALYTICS = False\nORPHAN_PROTECTION_TIME = 4321\n");
        let boot = folders.boot("variables").env("PULP_SETTINGS", "/etc/pulp/settings.py");
        let boot = boot.env("PULP_CACHE_ENABLED", "true").env("PULP_REDIS_HOST", "localhost");
        let pulp = boot.env("PULP_REDIS_PORT", "6379").ready();
        (folders, pulp)
    });
    pulp
}

#[test]
fn a_command_sees_the_settings_that_the_services_see() {
    let _turn = turn();
    let pulp = with_upstreams_variables();
    let script = "from django.conf import settings as s; \
                  print(s.ORPHAN_PROTECTION_TIME, s.SECRET_KEY == open('/etc/pulp/certs/secret_key').read().strip())";
    let said = pulp.ok(&["pulpcore-manager", "shell", "--verbosity", "0", "-c", script]);
    assert_eq!(said.trim(), "4321 True");
    pulp.ok(&["pulpcore-manager", "check"]);
    pulp.set_password(PASSWORD);
}

#[test]
fn redis_at_the_address_of_the_variables_is_there_and_used() {
    let _turn = turn();
    let pulp = with_upstreams_variables();
    assert_eq!(pulp.status()["redis_connection"]["connected"], true);
    let listens = pulp.ok(&["svctl", "logs", "redis"]);
    assert_eq!(pulp.services()["redis"]["state"], "up", "{listens}");
}

/// Who owns each of these, and its mode.
fn owners(folder: &Path) -> Vec<(String, u32, u32, u32)> {
    let names =
        [".", "certs", "pgsql", "pgsql/data", "pulp_storage", "pulp_storage/media", "pulp_storage/tmp"];
    let look = |name: &str| {
        let is = fs::metadata(folder.join(name)).unwrap();
        (name.to_owned(), is.uid(), is.gid(), is.mode())
    };
    names.map(look).to_vec()
}

#[test]
fn folders_inside_the_folder_of_the_settings_keep_their_owners_and_backups_need_no_right_on_them() {
    let _turn = turn();
    let folders = Folders::new("ANALYTICS = False\n");
    let settings = folders.path("settings");
    for inner in ["pgsql", "pulp_storage"] {
        fs::create_dir(settings.join(inner)).unwrap();
    }
    let path = |name: &str| settings.join(name).to_string_lossy().into_owned();
    let boot = |what: &str| {
        let boot = Boot::new(what).mount(&path(""), "/etc/pulp").mount(&path("pgsql"), "/var/lib/pgsql");
        boot.mount(&path("pulp_storage"), "/var/lib/pulp")
    };
    let first = boot("nested").ready();
    let before = owners(&settings);
    assert_eq!(first.stop(), 0);
    drop(first);
    let second = boot("nested-again").ready();
    assert_eq!(owners(&settings), before);
    // As docs/volumes.md has it; what comes out is a plain file of whoever typed it.
    let dump = second.exec(&["pg_dump", "--username=pulp", "--format=custom", "pulp"]);
    assert!(dump.code == 0 && dump.out.starts_with("PGDMP"), "{}", dump.err);
    for words in [
        vec!["tar", "-C", "/etc", "-cf", "/dev/null", "pulp"],
        vec!["tar", "-C", "/var/lib/pulp", "--exclude=./tmp", "-cf", "/dev/null", "."],
    ] {
        second.ok(&words);
    }
}

#[test]
fn a_command_in_the_container_that_ignores_term_delays_no_stop() {
    let _turn = turn();
    let pulp = Boot::new("deaf").ready();
    let script = "trap '' TERM; echo deaf; sleep 999";
    let mut deaf = Command::new("podman");
    deaf.args(["exec", &pulp.name, "sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut deaf = deaf.spawn().unwrap();
    std::io::Read::read_exact(deaf.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
    // Whoever does not end within the ten seconds that podman gives is killed, and the code is 137.
    assert_eq!(pulp.stop(), 0);
    deaf.wait().unwrap();
}

#[test]
fn a_configuration_of_openssl_without_ciphers_ends_the_boot() {
    let _turn = turn();
    let folders = Folders::new("");
    let file = folders.path("openssl.cnf");
    let text =
        "openssl_conf = all\n[all]\nalg_section = algorithms\n[algorithms]\ndefault_properties = fips=yes\n";
    fs::write(&file, text).unwrap();
    let boot = folders.boot("fips").mount(&file.to_string_lossy(), "/etc/fips.cnf");
    boot.env("OPENSSL_CONF", "/etc/fips.cnf").start().fails_with(&["OPENSSL_CONF=/etc/fips.cnf: no TLS"]);
}
