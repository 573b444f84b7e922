//! Which product is tested: Pulp, or Ansible Galaxy (`PULP_INIT_PRODUCT=galaxy`). Both have the same services and other
//! contents. Tests say paths as Pulp has them; here is what those are for the other.

use std::sync::OnceLock;

/// What differs from product to product, as tests need it.
pub struct Product {
    /// Its images are `localhost/NAME`, `localhost/NAME-minimal` and `localhost/NAME-web`.
    pub name: &'static str,
    /// Each path that begins so for Pulp begins otherwise here.
    paths: &'static [(&'static str, &'static str)],
    /// The release of PostgreSQL that it runs.
    pub postgresql: &'static str,
    /// The releases whose databases it upgrades.
    pub older_postgresql: &'static [&'static str],
    /// A plugin that it has.
    pub plugin: &'static str,
    /// The most bytes that its image of the web server may have. Galaxy's has the interface.
    pub web_size: u64,
    /// Its table of users.
    pub users: &'static str,
    /// The status of an answer to somebody who has not said who they are, or wrongly.
    pub nobody: u16,
    /// A task that sleeps for the seconds it is given.
    pub sleeping_task: &'static str,
}

const PULP: Product = Product {
    name: "pulp",
    paths: &[],
    postgresql: "17",
    older_postgresql: &["12", "13", "14", "15", "16"],
    plugin: "pulp-rpm",
    web_size: 80_000_000,
    users: "auth_user",
    nobody: 401,
    sleeping_task: "pulpcore.app.tasks.test.sleep",
};

const GALAXY: Product = Product {
    name: "galaxy",
    paths: &[("/pulp/api/", "/api/galaxy/pulp/api/"), ("/assets/", "/static/")],
    postgresql: "15",
    older_postgresql: &["12", "13"],
    plugin: "pulp-ansible",
    web_size: 160_000_000,
    users: "galaxy_user",
    nobody: 403,
    sleeping_task: "pulpcore.app.tasks.test.gooey_task",
};

/// The one under test.
pub fn product() -> &'static Product {
    static PRODUCT: OnceLock<&'static Product> = OnceLock::new();
    PRODUCT.get_or_init(|| match std::env::var("PULP_INIT_PRODUCT").as_deref() {
        Err(_) | Ok("pulp") => &PULP,
        Ok("galaxy") => &GALAXY,
        Ok(other) => panic!("PULP_INIT_PRODUCT is {other}, and can be pulp or galaxy"),
    })
}

impl Product {
    /// Whether it is Pulp, with all its plugins.
    pub fn is_pulp(&self) -> bool {
        self.name == PULP.name
    }

    /// Where it has what Pulp has at this path.
    pub fn path(&self, pulps: &str) -> String {
        let found = self.paths.iter().find_map(|(theirs, ours)| Some((ours, pulps.strip_prefix(theirs)?)));
        found.map_or_else(|| pulps.to_owned(), |(ours, rest)| format!("{ours}{rest}"))
    }
}

/// Whether the product is Pulp: the calling test is about plugins that the other does not have, and is skipped there.
pub fn only_pulp() -> bool {
    let pulp = product().is_pulp();
    if !pulp {
        needs::skip("pulp", &format!("{} has no such plugin", product().name));
    }
    pulp
}

#[test]
fn paths_are_those_of_the_product() {
    assert_eq!(PULP.path("/pulp/api/v3/status/"), "/pulp/api/v3/status/");
    assert_eq!(GALAXY.path("/pulp/api/v3/status/"), "/api/galaxy/pulp/api/v3/status/");
    assert_eq!(GALAXY.path("/api/galaxy/pulp/api/v3/tasks/1/"), "/api/galaxy/pulp/api/v3/tasks/1/");
    assert_eq!(GALAXY.path("/pulp/content/"), "/pulp/content/");
}
