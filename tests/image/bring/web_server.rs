//! nginx as people configure it: with a file of their own in the place of the image's, and by `nginx -s` typed in the container.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Boot, curl, shared, turn};

/// As a provisioning tool mounts it: a port and a user of its own, the plugins' locations, and no word of a foreground.
const OWN: &str = "user nginx nginx;
error_log /dev/stderr warn;
events {}
http {
    include mime.types;
    upstream pulp-content { server 127.0.0.1:24816; }
    upstream pulp-api { server 127.0.0.1:24817; }
    server {
        listen 2225 ssl;
        ssl_certificate /etc/pulp/certs/pulp_webserver.crt;
        ssl_certificate_key /etc/pulp/certs/pulp_webserver.key;
        location / { proxy_set_header Host $http_host; proxy_pass http://pulp-api; }
        include pulp/*.conf;
    }
}
";

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
    file
}

#[test]
fn configuration_of_the_users_own_is_used_and_reloaded_by_hand() {
    let _turn = turn();
    let own = file(OWN);
    let boot = Boot::new("own-nginx").env("PULP_HTTPS", "true").publish(2225);
    let pulp = boot.mount(&own.path().to_string_lossy(), "/etc/nginx/nginx.conf:ro").ready();
    let status =
        || curl(&["--insecure", &format!("https://localhost:{}/pulp/api/v3/status/", pulp.port(2225))]);
    status().expect(200);
    assert_eq!(pulp.get("/pulp/api/v3/status/").status, 0, "nobody is at port 80");
    let workers = pulp.ok(&["ps", "-o", "user=,args=", "-C", "nginx"]);
    assert!(workers.contains("www-data") && !workers.contains("/run/pulp/nginx.conf"), "{workers}");
    assert!(
        pulp.logs().contains("nginx is configured by /etc/nginx/nginx.conf, which is yours"),
        "{}",
        pulp.logs()
    );
    // In place: the mount is of this file, and not of one that takes its name.
    fs::write(own.path(), OWN.replace("location / {", "location = /changed { return 204; }\n location / {"))
        .unwrap();
    let changed = || curl(&["--insecure", &format!("https://localhost:{}/changed", pulp.port(2225))]).status;
    assert_ne!(changed(), 204);
    for reload in [&["nginx", "-s", "reload"][..], &["svctl", "reload", "nginx"]] {
        pulp.ok(reload);
    }
    crate::harness::until("the changed configuration", crate::harness::PROMPTLY, || changed() == 204);
    assert_eq!(pulp.exec(&["pulp-setup", "healthy"]).code, 0);
}

#[test]
fn configuration_of_the_users_own_that_is_wrong_ends_the_boot_with_its_line() {
    let _turn = turn();
    let own = file("events {}\nhttp { sever {} }\n");
    let pulp =
        Boot::new("wrong-nginx").mount(&own.path().to_string_lossy(), "/etc/nginx/nginx.conf:ro").start();
    pulp.fails_with(&["unknown directive \"sever\"", "/etc/nginx/nginx.conf:2"]);
}

#[test]
fn nginx_is_told_to_reload_by_hand() {
    let _turn = turn();
    let pulp = shared();
    let workers = || pulp.children(pulp.pid("nginx"));
    let before = workers();
    pulp.ok(&["nginx", "-s", "reload"]);
    let new = || workers().iter().any(|worker| !before.contains(worker));
    crate::harness::until("a new process of nginx", crate::harness::PROMPTLY, new);
    pulp.status();
}
