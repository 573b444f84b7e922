//! Refusals of `pulp-setup` that no boot comes to, each provoked in the image by hand: the id is there. What a boot refuses is in `mistakes`
//! and `faults`, what the steps refuse in their own tests.

use crate::harness::{Boot, Pulp, turn};

/// The image, with a shell to try things in. Its settings are written, as the first step of a boot does.
fn shell(options: &[&str]) -> Pulp {
    let pulp = Boot::new("messages").podman(options).instead(&["sleep", "infinity"]).start();
    // By the name of another program `pulp-setup` is that.
    let names = ["pulp-api", "pulp-web", "readyz.py", "pulpcore-manager"];
    let links = names.map(|name| format!("ln -s $(command -v pulp-setup) /run/{name}"));
    pulp.ok(&["sh", "-c", &links.join(" && ")]);
    pulp.ok(&["pulp-setup", "volumes"]);
    pulp
}

#[track_caller]
fn says(pulp: &Pulp, script: &str, id: &str) {
    let said = pulp.exec(&["timeout", "60", "sh", "-c", script]);
    assert!(said.code != 0, "{script}: {said:?}");
    let text = format!("{}{}", said.out, said.err);
    assert!(
        text.contains(&format!(" [{id}]")) && text.contains("to fix it: "),
        "no {id} of {script}: {text}"
    );
}

#[test]
fn calls_that_make_no_sense_have_an_id() {
    let _turn = turn();
    let pulp = shell(&[]);
    pulp.ok(&["pulp-setup", "settings"]);
    for (script, id) in [
        ("pulp-setup embedded x", "S0803"),
        ("pulp-setup postgres --nope", "S1401"),
        ("pulp-setup server nope", "S2001"),
        ("pulp-setup route_paths", "S2201"),
        ("pulp-setup ready x", "S2501"),
        ("pulp-setup alive x", "S2502"),
        ("/run/readyz.py", "S2506"),
        ("pulp-setup restore", "S2610"),
    ] {
        says(&pulp, script, id);
    }
}

#[test]
fn settings_that_end_python_or_name_no_port_have_an_id() {
    let _turn = turn();
    let pulp = shell(&[]);
    let with = |line: &str| format!("echo {line:?} >/etc/pulp/settings.py; pulp-setup settings");
    says(&pulp, &with("import os; os._exit(0)"), "S0801");
    let database = "DATABASES = {'default': {'HOST': 'db.example', 'PORT': 'abc'}}";
    says(&pulp, &with(database), "S0806");
}

#[test]
fn cluster_that_is_none_has_an_id_and_is_left_as_it_is() {
    let _turn = turn();
    let pulp = shell(&[]);
    pulp.ok(&["sh", "-c", "pulp-setup settings && pulp-setup volumes"]);
    let version = |text: &str| {
        let data = "/var/lib/pgsql/data";
        format!(
            "mkdir -p {data}; echo {text} >{data}/PG_VERSION; chown -R postgres: {data}; pulp-setup postgres"
        )
    };
    says(&pulp, &version("nonsense"), "S1405");
    says(&pulp, &version("17"), "S1406");
    assert_eq!(pulp.ok(&["cat", "/var/lib/pgsql/data/PG_VERSION"]).trim(), "17");
}

#[test]
fn image_without_its_user_or_its_programs_has_an_id() {
    let _turn = turn();
    let pulp = shell(&[]);
    pulp.ok(&["sh", "-c", "pulp-setup settings && pulp-setup volumes && pulp-setup keys"]);
    says(&pulp, "mv /usr/local/bin/pulpcore-manager /root; /run/pulpcore-manager check", "S2404");
    says(&pulp, "sed -i '/^pulp:/d' /etc/passwd; pulp-setup volumes", "S0102");
}

#[test]
fn container_that_may_not_change_users_has_an_id() {
    let _turn = turn();
    let pulp = shell(&["--cap-drop", "SETUID"]);
    says(&pulp, "pulp-setup settings", "S0305");
}

#[test]
fn process_of_one_container_without_its_keys_has_an_id() {
    let _turn = turn();
    let pulp = shell(&[]);
    pulp.ok(&["pulp-setup", "settings"]);
    says(&pulp, "rm -f /etc/pulp/certs/*; /run/pulp-api", "S2408");
    says(
        &pulp,
        "echo \"SECRET_KEY = 'x' * 50\" >>/etc/pulp/settings.py; pulp-setup settings; /run/pulp-api",
        "S2409",
    );
}
