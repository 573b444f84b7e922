//! `PULP_DOMAIN_ENABLED=true`: two domains beside each other.

use std::sync::OnceLock;

use serde_json::json;

use super::{Site, clients};
use crate::harness::{Boot, PASSWORD, Pulp, turn};

/// A container with domains, and one of ours.
pub fn domains() -> &'static Pulp {
    static DOMAINS: OnceLock<Pulp> = OnceLock::new();
    DOMAINS.get_or_init(|| {
        let pulp = Boot::new("domains").env("PULP_DOMAIN_ENABLED", "true").ready();
        pulp.set_password(PASSWORD);
        let site = Site::plain(&pulp, "domains");
        let storage = json!({ "location": "/var/lib/pulp/media/other" });
        let domain = json!({
            "name": "other",
            "storage_class": "pulpcore.app.models.storage.FileSystem",
            "storage_settings": storage,
        });
        site.admin().post("/pulp/default/api/v3/domains/", &domain);
        pulp
    })
}

#[test]
fn uploads_and_downloads_work_in_two_domains() {
    let _turn = turn();
    for domain in ["default/", "other/"] {
        let site = Site { domain, ..Site::plain(domains(), "in_domain") };
        let clients: [clients::Client; 5] = [
            ("pages", clients::pages),
            ("file", clients::file),
            ("rpm", clients::rpm),
            ("python", clients::python),
            ("registry", clients::registry),
        ];
        clients::run(&site, &clients);
    }
    assert_eq!(domains().ok(&["svctl", "health"]).trim(), "healthy");
}

#[test]
fn a_sync_works_in_both_and_one_does_not_see_the_others_content() {
    let _turn = turn();
    let base = Site { domain: "default/", ..Site::plain(domains(), "source") };
    clients::file(&base);
    let base_url = "http://localhost/pulp/content/default/source-file/PULP_MANIFEST";
    for domain in ["default/", "other/"] {
        let site = Site { domain, ..Site::plain(domains(), "synced") };
        let api = site.admin();
        let remote = json!({ "name": "synced", "url": base_url, "policy": "immediate" });
        let remote = api.post(&site.api("remotes/file/file/"), &remote);
        let repository = api.post(&site.api("repositories/file/file/"), &json!({ "name": "synced" }));
        let repository = repository["pulp_href"].as_str().unwrap();
        api.post(&format!("{repository}sync/"), &json!({ "remote": remote["pulp_href"] }));
        let files = api.get(&site.api("content/file/files/?relative_path=a/file")).expect(200).json();
        let others = format!("/pulp/{}", if domain == "other/" { "default/" } else { "other/" });
        assert!(files["count"].as_u64().unwrap() >= 1, "{files}");
        assert!(!files.to_string().contains(&others), "{files}");
    }
}
