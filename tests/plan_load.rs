//! `init check`, on files of this test. Reading services directories by itself is in src/plan/tests/load.rs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use init_plan::Environment;
use init_plan::load::Directory;
use pulp_init::check::{CONFIG, OK, Options, run};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A root file system with a user and a program, and services in `services.d`.
fn image(service: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "etc/passwd", "www:x:33:33::/:/bin/false\n");
    write(root.path(), "etc/group", "www:x:33:\n");
    write(root.path(), "usr/bin/tool", "");
    write(root.path(), "usr/bin/data", "");
    fs::set_permissions(root.path().join("usr/bin/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.path().join("usr/bin/data"), fs::Permissions::from_mode(0o644)).unwrap();
    write(root.path(), "services.d/web.toml", service);
    root
}

fn check(service: &str, json: bool) -> (u8, String, String) {
    let root = image(service);
    let options = Options {
        directories: vec![Directory::named(root.path().join("services.d"))],
        json,
        environment: Environment::new(),
        root: root.path().to_owned(),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&options, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).unwrap().replace(&*root.path().to_string_lossy(), "");
    (code, text(out), text(err))
}

#[test]
fn right_directory_is_summed_up_in_a_line() {
    let (code, out, err) = check("exec = ['tool']\nuser = 'www'\ngroup = 33", false);
    assert_eq!((code, err.as_str()), (OK, ""));
    assert_eq!(out, "1 service (1 longrun and 0 oneshots), 0 bundles: no problems\n");
}

#[test]
fn unknown_users_and_programs_are_warnings_with_a_place() {
    let (code, out, err) = check("exec = ['/usr/bin/data']\nuser = 'wwww'\ngroups = ['www', 'ssl']", false);
    assert_eq!(code, OK);
    let expected = "\
/services.d/web.toml:1:8: warning: cannot run `/usr/bin/data` here: it is not executable [D0701]
/services.d/web.toml:2:8: warning: user `wwww` is not in /etc/passwd here [D0702]
/services.d/web.toml:3:18: warning: group `ssl` is not in /etc/group here [D0703]
";
    assert_eq!(err, expected);
    assert_eq!(out, "1 service (1 longrun and 0 oneshots), 0 bundles: 3 warnings\n");
    let (_, _, err) = check("exec = ['nothing']\nenv = { set = { PATH = '/usr/bin:/bin' } }", false);
    assert_eq!(
        err,
        "/services.d/web.toml:1:8: warning: cannot find `nothing` here in PATH=/usr/bin:/bin [D0701]\n"
    );
}

#[test]
fn missing_programs_of_checks_hooks_and_conditions_are_warnings_too() {
    let service = "\
exec = ['tool']
finish = ['/bin/finish']
[ready]
exec = ['data']
[health]
exec = ['/usr/bin/data', 'x']
[stop]
exec = ['stop']
[reload]
exec = ['tool']
[start-if]
exec = { exec = ['/usr/bin/no'] }
[env]
set = { PATH = '/usr/bin' }
";
    let (code, _, err) = check(service, false);
    let expected = "\
/services.d/web.toml:2:10: warning: cannot run `/bin/finish` here: there is no such file [D0701]
/services.d/web.toml:4:8: warning: cannot find `data` here in PATH=/usr/bin [D0701]
/services.d/web.toml:6:8: warning: cannot run `/usr/bin/data` here: it is not executable [D0701]
/services.d/web.toml:8:8: warning: cannot find `stop` here in PATH=/usr/bin [D0701]
/services.d/web.toml:12:17: warning: cannot run `/usr/bin/no` here: there is no such file [D0701]
";
    assert_eq!((code, err.as_str()), (OK, expected));
    let (_, _, err) = check("type = 'oneshot'\nexec = ['tool']\ndown = { exec = ['down'] }", false);
    assert!(err.contains("web.toml:3:17: warning: cannot find `down`"), "{err}");
}

#[test]
fn path_that_is_not_inherited_is_not_searched() {
    let environment = Environment::from([("PATH".to_owned(), "/opt".to_owned())]);
    for (inherit, path) in [
        ("true", "/opt"),
        ("['PATH']", "/opt"),
        ("false", init_plan::DEFAULT_PATH),
        ("['HOME']", init_plan::DEFAULT_PATH),
    ] {
        let root = image(&format!("exec = ['nothing']\nenv.inherit = {inherit}"));
        let options = Options {
            directories: vec![Directory::named(root.path().join("services.d"))],
            json: false,
            environment: environment.clone(),
            root: root.path().to_owned(),
        };
        let mut err = Vec::new();
        run(&options, &mut Vec::new(), &mut err);
        let err = String::from_utf8(err).unwrap();
        assert!(err.contains(&format!("in PATH={path} [D0701]\n")), "{inherit}: {err}");
    }
}

#[test]
fn wrong_directory_exits_with_ex_config() {
    let (code, out, err) = check("exec = 'tool'", false);
    assert_eq!((code, out.as_str()), (CONFIG, ""));
    assert!(err.starts_with("/services.d/web.toml:1:8: exec: must be a list"), "{err}");
    assert!(err.ends_with("\n1 problem\n"), "{err}");
    let (code, out, err) = check("exec = 'tool'", true);
    assert_eq!((code, err.as_str()), (CONFIG, ""));
    assert!(out.starts_with(
        r#"{"ok":false,"services":0,"bundles":0,"problems":[{"file":"/services.d/web.toml","line":1"#
    ));
}
