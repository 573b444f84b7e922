//! Containers that may write little, folders of others, services of one's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use crate::harness::{Api, Folders, Pulp, turn};

const PASSWORD: &str = "from-a-mounted-file";

const HELLO: &str = r#"description = "a service of the user's own"
exec = ["sh", "-c", "echo hello from outside; exec sleep infinity"]
user = "nobody"
"#;

struct Odd {
    folders: Folders,
    pulp: Pulp,
}

/// A read-only container, settings of root's that it may not write, the password in a mounted file, and one service more.
fn odd() -> &'static Odd {
    static ODD: OnceLock<Odd> = OnceLock::new();
    ODD.get_or_init(|| {
        let folders = Folders::new("CONTENT_ORIGIN='http://localhost:8080'\n");
        let write = |name: &str, text: &str, mode| {
            fs::write(folders.path(name), text).unwrap();
            fs::set_permissions(folders.path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir(folders.path("settings/services.d")).unwrap();
        write("settings/services.d/hello.toml", HELLO, 0o644);
        write("password", &format!("{PASSWORD}\n"), 0o600);
        let password = folders.path("password").to_string_lossy().into_owned();
        let boot = folders.boot("odd").podman(&["--read-only", "--read-only-tmpfs=false"]);
        let boot = boot
            .podman(&["--tmpfs", "/run:noexec,nosuid", "--tmpfs", "/tmp:noexec"])
            .mount(&password, "/etc/password");
        let pulp = boot.env("PULP_DEFAULT_ADMIN_PASSWORD_FILE", "/etc/password").ready();
        Odd { folders, pulp }
    })
}

#[test]
fn read_only_container_with_tmpfs_comes_up_and_takes_uploads() {
    let _turn = turn();
    let pulp = &odd().pulp;
    assert_ne!(pulp.exec(&["touch", "/usr/file"]).code, 0, "it is not read-only");
    let bytes = vec![7; 12_000_000];
    let path = Api::admin(pulp, PASSWORD).publish_file("readonly", &bytes);
    pulp.serves(&path, &bytes);
}

#[test]
fn password_from_a_file_is_the_administrators() {
    let _turn = turn();
    Api::admin(&odd().pulp, PASSWORD).get("/pulp/api/v3/users/").expect(200);
    assert!(!odd().pulp.logs().contains(PASSWORD));
}

#[test]
fn settings_of_another_owner_stay_as_they_are() {
    let _turn = turn();
    let Odd { folders, pulp } = odd();
    let listed = pulp.ok(&["stat", "-c", "%n %u:%g %a", "/etc/pulp", "/etc/pulp/settings.py"]);
    assert_eq!(listed, "/etc/pulp 0:0 755\n/etc/pulp/settings.py 0:0 644\n");
    let text = fs::read_to_string(folders.path("settings/settings.py")).unwrap();
    assert_eq!(text, "CONTENT_ORIGIN='http://localhost:8080'\n");
}

#[test]
fn service_in_the_settings_folder_runs_with_the_others() {
    let _turn = turn();
    let pulp = &odd().pulp;
    assert_eq!(pulp.services()["hello"]["state"], "up");
    assert!(pulp.ok(&["svctl", "list"]).lines().any(|line| line.starts_with("hello ")));
    assert_eq!(pulp.ok(&["svctl", "logs", "hello"]).trim(), "hello from outside");
    let user = pulp.ok(&["ps", "-o", "user=", "-p", &pulp.pid("hello").to_string()]);
    assert_eq!(user.trim(), "nobody");
}
