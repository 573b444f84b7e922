//! What people bring: any port, proxies, domains, uploads of any size; and the clients that they use.
//!
//! | module | what it is about |
//! |---|---|
//! | `addresses` | addresses in answers are those that the client used |
//! | `clients` | podman, skopeo, pip, ansible-galaxy and a browser's login, run against a [`Site`] |
//! | `proxies` | the reverse proxies of docs/reverse-proxy.md, as they are written there |
//! | `domains` | `PULP_DOMAIN_ENABLED=true` |
//! | `uploads` | 50 MB to each endpoint that takes uploads; more than the container's own disk has |
//! | `builds` | images that Pulp builds |
//! | `web_server` | a configuration of nginx of the user's own; `nginx -s reload` |
//! | `host_network` | two Pulps in the host's network |
//! | `reports` | containers as users of upstream's image have built them |
//! | `pages` | the browsable API and the web interface, with all that they refer to |

mod addresses;
mod builds;
mod clients;
mod domains;
mod host_network;
mod pages;
mod proxies;
mod reports;
mod uploads;
mod web_server;

use serde_json::{Value, json};

use crate::harness::{Answer, Api, PASSWORD, Pulp, curl};

/// A Pulp as its clients reach it.
pub struct Site<'a> {
    pub pulp: &'a Pulp,
    /// `scheme://host:port`
    pub origin: String,
    /// What the path of a domain has that others do not: `NAME/`.
    pub domain: &'static str,
    /// For names of repositories, which other tests have, too.
    pub name: &'static str,
}

impl<'a> Site<'a> {
    /// At its published port.
    pub fn plain(pulp: &'a Pulp, name: &'static str) -> Site<'a> {
        Site { pulp, origin: format!("http://localhost:{}", pulp.port(80)), domain: "", name }
    }

    pub fn host(&self) -> &str {
        self.origin.split_once("://").unwrap().1
    }

    pub fn get(&self, path: &str) -> Answer {
        self.curl(path, &[])
    }

    pub fn curl(&self, path: &str, args: &[&str]) -> Answer {
        curl(&[&["--insecure", &format!("{}{path}", self.origin)], args].concat())
    }

    pub fn admin(&self) -> Api<'a> {
        Api::admin(self.pulp, PASSWORD).at(&self.origin)
    }

    /// A path of the API.
    pub fn api(&self, path: &str) -> String {
        format!("/pulp/{}api/v3/{path}", self.domain)
    }

    /// Makes a repository and a distribution of it, named after the site and their kind; returns where the one is, and what
    /// the other is.
    pub fn distributed(&self, repository: (&str, Value), distribution: (&str, Value)) -> (String, Value) {
        let with = |base: Value, more: Value| {
            let mut all = base.as_object().unwrap().clone();
            all.extend(more.as_object().unwrap().clone());
            Value::Object(all)
        };
        let api = self.admin();
        let name = format!("{}-{}", self.name, repository.0.split('/').nth(1).unwrap());
        let made = api.post(&self.api(repository.0), &with(json!({ "name": name }), repository.1));
        let repository = made["pulp_href"].as_str().unwrap().to_owned();
        let own = json!({ "name": name, "base_path": name, "repository": repository });
        let made = api.post(&self.api(distribution.0), &with(own, distribution.1));
        let made = made.as_str().map_or_else(|| made.clone(), |href| api.get(href).expect(200).json());
        (repository, made)
    }

    /// A path of an address in an answer, which must be of this site.
    pub fn path_of<'t>(&self, address: &'t str) -> &'t str {
        let path = address.strip_prefix(&self.origin);
        path.filter(|path| path.starts_with('/'))
            .unwrap_or_else(|| panic!("{address} is not at {}", self.origin))
    }
}

/// An index of Python packages, by its distribution.
pub fn python_index(site: &Site<'_>) -> Value {
    site.distributed(("repositories/python/python/", json!({})), ("distributions/python/pypi/", json!({}))).1
}

/// A galaxy of Ansible's collections, by its distribution.
pub fn galaxy(site: &Site<'_>) -> Value {
    site.distributed(
        ("repositories/ansible/ansible/", json!({})),
        ("distributions/ansible/ansible/", json!({})),
    )
    .1
}

/// A repository of RPMs without any, published with its `config.repo`.
pub fn rpm_repository(site: &Site<'_>) -> Value {
    let (repository, distribution) = site.distributed(
        ("repositories/rpm/rpm/", json!({})),
        ("distributions/rpm/rpm/", json!({ "generate_repo_config": true })),
    );
    site.admin().post(&site.api("publications/rpm/rpm/"), &json!({ "repository": repository }));
    distribution
}
