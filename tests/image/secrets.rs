//! What nobody but Pulp may see.

use std::collections::BTreeSet;

use crate::harness::{Boot, PASSWORD, Pulp, product, shared, turn};

/// Where the secrets are kept.
const FILES: &[&str] = &[
    "/etc/pulp/certs/secret_key",
    "/etc/pulp/certs/database_fields.symmetric.key",
    "/etc/pulp/certs/token_private_key.pem",
];

/// Secrets of a container, none of which may be found anywhere: a line of each file, and the password.
fn secrets(pulp: &Pulp) -> Vec<String> {
    let mut all = vec![PASSWORD.to_owned()];
    for file in FILES {
        let text = pulp.ok(&["cat", file]);
        let line = text.lines().find(|line| !line.starts_with("-----")).unwrap();
        assert!(line.len() >= 32, "{file}: {line}");
        all.push(line.to_owned());
    }
    all
}

#[test]
fn no_secret_can_be_read_by_another_user() {
    let _turn = turn();
    let pulp = shared();
    let lines = secrets(pulp).join("\n");
    let places = ["/etc", "/run", "/var", "/tmp", "/dev/shm", "/usr/share/pulp"];
    let grep = [&["grep", "-rslF", "-f", "-"], places.as_slice()].concat();
    // The search finds what there is to find, if it may.
    let root = pulp.exec_as("root", &grep, lines.as_bytes());
    for file in FILES {
        assert!(root.out.contains(file), "{}{}", root.out, root.err);
    }
    let nobody = pulp.exec_as("nobody", &grep, lines.as_bytes());
    assert_eq!(nobody.out, "");
}

#[test]
fn no_file_that_is_a_key_is_world_readable() {
    let _turn = turn();
    let find = "find /etc/pulp /run /var/lib/pulp /var/lib/pgsql -type f -perm /o+rwx -iname '*key*' ! -iname '*public*'";
    assert_eq!(shared().ok(&["bash", "-c", find]), "");
    let data = shared().ok(&["stat", "-c", "%U %a", "/var/lib/pgsql/data"]);
    assert_eq!(data.trim(), "postgres 700");
}

#[test]
fn no_secret_is_in_the_log_or_in_a_command_line() {
    let _turn = turn();
    let pulp = shared();
    let seen = pulp.logs() + &pulp.command_lines().join("\n");
    for secret in secrets(pulp) {
        assert!(!seen.contains(&secret), "{secret}");
    }
}

#[test]
fn only_nginx_the_api_and_the_content_app_listen_to_the_network() {
    let _turn = turn();
    let listeners = shared().ok(&["ss", "-Hltn"]);
    let addresses = listeners.lines().map(|line| line.split_whitespace().nth(3).unwrap());
    let (inner, outer): (Vec<&str>, Vec<&str>) =
        addresses.partition(|address| address.starts_with("127.0.0.1:") || address.starts_with("[::1]:"));
    // As in upstream's image; PULP_API_BIND and PULP_CONTENT_BIND close the two.
    let ports: BTreeSet<&str> =
        outer.iter().filter_map(|address| Some(address.rsplit_once(':')?.1)).collect();
    assert_eq!(ports, BTreeSet::from(["80", "24816", "24817"]), "{listeners}");
    assert!(inner.is_empty(), "{listeners}");
}

#[test]
fn postgresql_trusts_nobody_and_redis_talks_to_pulp_only() {
    let _turn = turn();
    let pulp = shared();
    let psql =
        |role: &'static str| ["psql", "-h", "/run/postgresql", "-U", role, "-d", "pulp", "-c", "select 1"];
    assert_eq!(pulp.exec_as("pulp", &psql("pulp"), b"").code, 0);
    for (user, role) in [("pulp", "postgres"), ("nobody", "pulp"), ("nobody", "postgres"), ("redis", "pulp")]
    {
        assert_ne!(pulp.exec_as(user, &psql(role), b"").code, 0, "{user} is {role}");
    }
    let rules = "select count(*) from pg_hba_file_rules where auth_method in ('trust', 'password', 'md5')";
    let said = pulp.exec_as("postgres", &["psql", "-XAt", "-c", rules], b"");
    assert_eq!(said.out.trim(), "0", "{}", said.err);
    let ping = ["redis-cli", "-s", "/run/redis/redis.sock", "ping"];
    assert_eq!(pulp.exec_as("pulp", &ping, b"").out.trim(), "PONG");
    assert_ne!(pulp.exec_as("nobody", &ping, b"").out.trim(), "PONG");
}

#[test]
fn services_run_as_their_own_users() {
    let _turn = turn();
    let processes = shared().ok(&["ps", "-e", "-ww", "-o", "user=,args="]);
    let owners = |word: &str| -> Vec<&str> {
        let lines = processes.lines().filter(|line| line.contains(word));
        lines.filter_map(|line| line.split_whitespace().next()).collect()
    };
    for (word, user) in [
        ("pulpcore-api", "pulp"),
        ("pulpcore-content", "pulp"),
        ("pulpcore-worker", "pulp"),
        ("redis-server", "redis"),
        ("bin/postgres", "postgres"),
    ] {
        let owners = owners(word);
        assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == user), "{word}: {owners:?}");
    }
    assert!(!owners("nginx: worker").contains(&"root"), "{processes}");
}

/// The names of the variables in the environment of a service's main process, which its own user may read.
fn variables(pulp: &Pulp, service: &str, user: &str) -> Vec<String> {
    let said = pulp.exec_as(user, &["cat", &format!("/proc/{}/environ", pulp.pid(service))], b"");
    assert_eq!(said.code, 0, "{service}: {}", said.err);
    said.out.split('\0').filter_map(|one| Some(one.split_once('=')?.0.to_owned())).collect()
}

#[test]
fn no_service_has_the_secrets_of_another_in_its_environment() {
    let _turn = turn();
    let pulp = Boot::new("variables")
        .env("PULP_DEFAULT_ADMIN_PASSWORD", PASSWORD)
        .env("PULP_AWS_SECRET_ACCESS_KEY", "of S3")
        .env("AWS_SECRET_ACCESS_KEY", "of S3")
        .ready();
    let needed = [
        "PATH",
        "TZ",
        "LANG",
        "LANGUAGE",
        "LC_ALL",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "SERVICE",
        "INIT_SERVICE",
        // nginx and PostgreSQL are made to measure.
        "PULP_HTTPS",
        "PULP_WORKERS",
        "PULP_API_WORKERS",
        "PULP_CONTENT_WORKERS",
    ];
    for (service, user) in [("nginx", "root"), ("redis", "redis:pulp"), ("postgresql", "postgres")] {
        let found = variables(&pulp, service, user);
        let others: Vec<_> = found.iter().filter(|name| !needed.contains(&name.as_str())).collect();
        // nginx writes its title over what it was started with, so this says nothing of it: services.d does.
        assert!(others.is_empty(), "{service}: {found:?}");
    }
    for service in ["pulp-api", "pulp-content", "pulp-worker@1", "pulp-imports"] {
        let found = variables(&pulp, service, "pulp");
        assert!(!found.iter().any(|name| name.contains("ADMIN_PASSWORD")), "{service}: {found:?}");
    }
    assert!(!pulp.logs().contains("it imports Pulp by itself"), "{}", pulp.logs());
    assert_eq!(pulp.stop(), 0);
}

/// A line of /proc/PID/status.
fn trait_of(pulp: &Pulp, pid: u64, name: &str) -> String {
    let status = pulp.ok(&["cat", &format!("/proc/{pid}/status")]);
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} is not in {status}")).trim().to_owned()
}

#[test]
fn services_have_the_rights_that_the_documentation_says() {
    let _turn = turn();
    let pulp = shared();
    let none = "0000000000000000";
    for service in ["nginx", "redis", "postgresql", "pulp-api", "pulp-content"] {
        assert_eq!(trait_of(pulp, pulp.pid(service), "NoNewPrivs"), "1", "{service}");
    }
    for service in ["redis", "postgresql"] {
        for set in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
            assert_eq!(trait_of(pulp, pulp.pid(service), set), none, "{service}, {set}");
        }
    }
    for service in ["pulp-api", "pulp-content", "pulp-worker@1", "pulp-imports"] {
        assert_eq!(trait_of(pulp, pulp.pid(service), "CapEff"), none, "{service}");
    }
    // chown, dac_override, kill, setgid, setuid and net_bind_service: see capability(7) for the numbers.
    let kept: u64 = [0, 1, 5, 6, 7, 10].iter().map(|bit| 1 << bit).sum();
    let has = u64::from_str_radix(&trait_of(pulp, pulp.pid("nginx"), "CapEff"), 16).unwrap();
    assert_eq!(has & !kept, 0, "nginx has {has:x}");
}

#[test]
fn no_key_of_the_prepared_database_is_an_installations() {
    let _turn = turn();
    let pulp = shared();
    // With it the API signs the addresses of downloads. Galaxy has such a guard from the start.
    let keys = pulp.sql("select encode(shared_secret, 'hex') from core_contentredirectcontentguard");
    assert!(product().is_pulp() || !keys.is_empty());
    let prepared = pulp.ok(&["cat", "/usr/share/pulp/database.sql"]);
    for key in keys.lines() {
        assert!(key.len() == 64 && !prepared.contains(key), "{key}");
    }
}
