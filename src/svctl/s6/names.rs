//! What upstream's s6 image calls its services, and what they are called here.

/// Services that have another name here. Only the part before an `@` is compared.
const RENAMED: &[(&str, &str)] =
    &[("pulpcore-api", "pulp-api"), ("pulpcore-content", "pulp-content"), ("pulpcore-worker", "pulp-worker")];

/// Oneshots of upstream's image, and the service after which the same is true here.
const ONESHOTS: &[(&str, &str)] = &[
    ("db-fields-key-create", "keys"),
    ("fix-pulp-perms", "volumes"),
    ("postgres-prepare", "migrations"),
    ("add-workers", "pulp-worker"),
];

/// The name that a service has here, from its name or service directory in s6.
pub(super) fn service(word: &str) -> String {
    let name = word.trim_end_matches('/').rsplit('/').next().unwrap_or(word);
    renamed(name, RENAMED)
}

/// What a dependency on a service of upstream's image means here.
pub(super) fn dependency(name: &str) -> String {
    let known = ONESHOTS.iter().find(|(old, _)| *old == name);
    known.map_or_else(|| service(name), |(_, new)| (*new).to_owned())
}

/// Whether upstream's image has a service of this name.
pub(super) fn is_upstreams(name: &str) -> bool {
    const SAME: &[&str] = &["certs", "nginx", "postgres-init", "postgresql", "redis"];
    let base = name.split('@').next().unwrap_or(name);
    SAME.contains(&name)
        || RENAMED.iter().any(|(old, new)| [*old, *new].contains(&base))
        || ONESHOTS.iter().any(|(old, _)| *old == name)
}

fn renamed(name: &str, table: &[(&str, &str)]) -> String {
    let (base, instance) = name.find('@').and_then(|at| name.split_at_checked(at)).unwrap_or((name, ""));
    let base = table.iter().find(|(old, _)| *old == base).map_or(base, |(_, new)| new);
    format!("{base}{instance}")
}
