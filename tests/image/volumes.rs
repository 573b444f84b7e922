//! The documented folders, and what is in them after the next boot.

use std::fs;

use crate::harness::{Api, Folders, PASSWORD, Pulp, image, podman_ok, turn};

const SETTINGS: &str = "CONTENT_ORIGIN='http://pulp.example.org:8080'\n";

/// Keys and certificates, with a digest of each.
fn keys(pulp: &Pulp) -> String {
    let all =
        pulp.ok(&["bash", "-c", "cd /etc/pulp && find . -type f ! -name '*.crt' | sort | xargs sha256sum"]);
    for name in
        ["secret_key", "database_fields.symmetric.key", "token_private_key.pem", "token_public_key.pem"]
    {
        assert!(all.contains(name), "{all}");
    }
    all
}

#[test]
fn folders_with_a_content_origin_keep_keys_and_data_over_a_new_container() {
    let _turn = turn();
    let folders = Folders::new(SETTINGS);
    let bytes = b"kept for the next one".repeat(1000);
    let (file, before) = {
        let pulp = folders.boot("first").ready();
        pulp.set_password(PASSWORD);
        let api = Api::admin(&pulp, PASSWORD);
        let file = api.publish_file("kept", &bytes);
        assert_eq!(pulp.get(&file).expect(200).body, bytes);
        // What the settings say is what clients are told.
        let all = api.get("/pulp/api/v3/distributions/file/file/").expect(200).json();
        assert_eq!(all["results"][0]["base_url"], "http://pulp.example.org:8080/pulp/content/kept/");
        let challenge = pulp.get("/v2/").expect(401);
        assert!(
            challenge.header("WWW-Authenticate").unwrap().contains("http://pulp.example.org:8080/token/")
        );
        let before = keys(&pulp);
        stops_cleanly(&pulp, &folders);
        (file, before)
    };
    let pulp = folders.boot("second").ready();
    assert_eq!(keys(&pulp), before);
    assert_eq!(pulp.get(&file).expect(200).body, bytes);
    Api::admin(&pulp, PASSWORD).get("/pulp/api/v3/users/").expect(200);
    let logs = pulp.logs();
    for word in ["Running migrations", "Applying ", "prepared"] {
        assert!(!logs.contains(word), "{logs}");
    }
    assert_eq!(pulp.stop(), 0);
    assert_eq!(fs::read_to_string(folders.path("settings/settings.py")).unwrap(), SETTINGS);
}

/// Stops it: with exit code 0, every service by itself, the database shut down and not merely gone.
fn stops_cleanly(pulp: &Pulp, folders: &Folders) {
    assert_eq!(pulp.stop(), 0);
    let logs = pulp.logs();
    assert!(logs.contains("database system is shut down"), "{logs}");
    assert!(!logs.contains("KILL"), "{logs}");
    let data = format!("{}:/var/lib/pgsql", folders.path("pgsql").display());
    let program = "/usr/lib/postgresql/17/bin/pg_controldata";
    let run =
        ["run", "--rm", "--network=none", "--user=postgres", "--volume", &data, "--entrypoint", program];
    let state = podman_ok(&[run.as_slice(), &[image(), "/var/lib/pgsql/data"]].concat());
    let state = state.lines().find(|line| line.starts_with("Database cluster state:")).unwrap().to_owned();
    assert!(state.ends_with(" shut down"), "{state}");
}
