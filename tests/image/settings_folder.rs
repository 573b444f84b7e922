//! The folder of settings as people bring it: closed by a strict umask, with a key that is being changed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{Api, Folders, PASSWORD, turn};

const KEY: &str = "settings/certs/database_fields.symmetric.key";
/// Another one, in the other alphabet.
const NEW: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

#[test]
fn folder_that_a_strict_umask_closed_is_opened_and_its_key_can_be_changed() {
    let _turn = turn();
    let folders = Folders::new("ANALYTICS = False\n");
    fs::remove_dir_all(folders.path("settings/certs")).unwrap();
    for (path, mode) in [("settings/settings.py", 0o600), ("settings", 0o700)] {
        fs::set_permissions(folders.path(path), Permissions::from_mode(mode)).unwrap();
    }
    let secret = |pulp: &crate::harness::Pulp| {
        let script = "from pulpcore.app.models import Remote; print(Remote.objects.get().password)";
        pulp.ok(&["pulpcore-manager", "shell", "--verbosity", "0", "-c", script]).trim().to_owned()
    };
    let old = {
        let pulp = folders.boot("umask").ready();
        pulp.set_password(PASSWORD);
        let remote =
            json!({ "name": "r", "url": "http://localhost/", "username": "u", "password": "geheim" });
        Api::admin(&pulp, PASSWORD).post("/pulp/api/v3/remotes/file/file/", &remote);
        assert!(pulp.logs().contains("/etc/pulp: it was closed to the user pulp"), "{}", pulp.logs());
        assert_eq!(pulp.stop(), 0);
        fs::read_to_string(folders.path(KEY)).unwrap()
    };
    let others = fs::metadata(folders.path("settings")).unwrap().permissions().mode() & 0o007;
    assert_eq!(others, 0, "opened to more than Pulp's group");
    // As upstream's documentation says: the new key above the old one, and then the old one away.
    fs::write(folders.path(KEY), format!("{NEW}{old}")).unwrap();
    {
        let pulp = folders.boot("two-keys").ready();
        assert_eq!(secret(&pulp), "geheim");
        pulp.ok(&["pulpcore-manager", "rotate-db-key"]);
        assert_eq!(pulp.stop(), 0);
    }
    fs::write(folders.path(KEY), NEW).unwrap();
    {
        let pulp = folders.boot("new-key").ready();
        assert_eq!(secret(&pulp), "geheim");
        assert_eq!(pulp.stop(), 0);
    }
    fs::write(folders.path(KEY), old).unwrap();
    folders.boot("old-key").start().fails_with(&["not the key that the secrets"]);
}
