//! The SBOM that each image has: it is whole, and knows where the image's files come from.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Boot, image, minimal, podman_ok, product, turn, web};

/// The names of the components in a document of the image.
fn components(image: &str, document: &str) -> Vec<String> {
    let path = format!("/usr/share/sbom/{document}");
    let text = podman_ok(&["run", "--rm", "--network=none", "--entrypoint", "cat", image, &path]);
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let components = bill["components"].as_array().unwrap();
    assert!(
        components.iter().all(|one| one["version"].is_string() || one["type"] == "operating-system"),
        "{document}"
    );
    components.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn sbom_has_packages_of_each_kind() {
    let _turn = turn();
    let expected: [(&str, &str, &[&str]); 4] = [
        // Debian's, Python's, and what was copied out of an older release of Debian.
        (image(), "image.cdx.json", &["nginx", "pulpcore", "buildah", "postgresql-13"]),
        (image(), "programs.cdx.json", &["pulp-init", "nix", "rustls"]),
        (minimal(), "image.cdx.json", &["libc6", product().plugin, "buildah"]),
        (web(), "image.cdx.json", &["nginx", "djangorestframework"]),
    ];
    for (image, document, names) in expected {
        let found = components(image, document);
        for name in names {
            assert!(found.iter().any(|one| one == name), "{document} has no {name}: {found:?}");
        }
    }
}

#[test]
fn of_a_hundred_files_98_belong_to_a_component_of_the_sbom() {
    let _turn = turn();
    if !needs::root() {
        return;
    }
    for (name, image) in [("everything", image()), ("minimal", minimal()), ("web", web())] {
        let container = Boot::new("files").of(image, &[]).create();
        let root = podman_ok(&["mount", &container.name]);
        let said =
            Command::new("python3").args(["-B", "scripts/attribution.py", root.trim()]).output().unwrap();
        podman_ok(&["umount", &container.name]);
        let text = String::from_utf8_lossy(&said.stdout);
        eprintln!("{name}: {}", text.lines().last().unwrap_or_default());
        assert!(said.status.success(), "{name}: {text}{}", String::from_utf8_lossy(&said.stderr));
    }
}
