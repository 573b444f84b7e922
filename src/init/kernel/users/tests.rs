use super::*;
use std::fs;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken line\nweb:x:33:33::/var/www:/usr/sbin/nologin\n\
                      bare:x:50:51\n1234:x:77:78::/n:/bin/n\n+::::::\n";
const GROUP: &str = "root:x:0:\nweb:x:33:\nssl:x:110:db,web\nlogs:x:111: web\nempty:x:112:\nnoise\n";

fn etc() -> (tempfile::TempDir, Users) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("passwd"), PASSWD).unwrap();
    fs::write(dir.path().join("group"), GROUP).unwrap();
    let users = Users::new(dir.path());
    (dir, users)
}

fn process(user: Option<&str>, group: Option<&str>, groups: Option<&[&str]>) -> Process {
    Process {
        user: user.map(Into::into),
        group: group.map(Into::into),
        groups: groups.map(|names| names.iter().map(|&name| name.into()).collect()),
        ..Process::default()
    }
}

#[test]
fn service_that_names_nobody_keeps_what_it_has() {
    let (_dir, mut users) = etc();
    assert_eq!(users.resolve(&process(None, None, None)), Ok(None));
}

#[test]
fn named_user_has_its_primary_and_listed_groups() {
    let (_dir, mut users) = etc();
    let web = users.resolve(&process(Some("web"), None, None)).unwrap().unwrap();
    assert_eq!((web.uid, web.gid, web.groups.as_slice()), (33, 33, &[33, 110, 111][..]));
    assert_eq!(web.home.as_deref(), Some(Path::new("/var/www")));
    assert_eq!(web.shell.as_deref(), Some(Path::new("/usr/sbin/nologin")));
    assert_eq!(users.resolve(&process(Some("33"), None, None)).unwrap().unwrap(), web);
}

#[test]
fn explicit_groups_replace_the_listed_ones() {
    let (_dir, mut users) = etc();
    let web = users.resolve(&process(Some("web"), Some("empty"), Some(&["7", "ssl"]))).unwrap().unwrap();
    assert_eq!((web.gid, web.groups.as_slice()), (112, &[7, 110, 112][..]));
    let none = users.resolve(&process(Some("web"), None, Some(&[]))).unwrap().unwrap();
    assert_eq!(none.groups, [33]);
}

#[test]
fn name_made_of_digits_is_a_name_first() {
    let (_dir, mut users) = etc();
    assert_eq!(users.resolve(&process(Some("1234"), None, None)).unwrap().unwrap().uid, 77);
}

#[test]
fn numbers_work_without_any_file_and_are_their_own_group() {
    let mut users = Users::new(Path::new("/nonexistent"));
    let app = users.resolve(&process(Some("1000"), None, None)).unwrap().unwrap();
    assert_eq!((app.uid, app.gid, app.groups.as_slice(), app.home), (1000, 1000, &[1000][..], None));
    let grouped = users.resolve(&process(Some("1000"), Some("0"), Some(&["5"]))).unwrap().unwrap();
    assert_eq!((grouped.gid, grouped.groups.as_slice()), (0, &[0, 5][..]));
}

#[test]
fn unknown_names_and_the_number_that_means_nobody_are_errors_with_a_cure() {
    let (_dir, mut users) = etc();
    for wanted in ["wbe", "", "-1", "+5", "4294967295", "99999999999"] {
        let error = users.resolve(&process(Some(wanted), None, None)).unwrap_err();
        assert!(error.starts_with(&format!("cannot find user `{wanted}` in ")) && error.contains("useradd"));
        let error = users.resolve(&process(None, Some(wanted), None)).unwrap_err();
        assert!(
            error.starts_with(&format!("cannot find group `{wanted}` in ")) && error.contains("groupadd")
        );
    }
}

#[test]
fn group_alone_keeps_our_own_user() {
    let (_dir, mut users) = etc();
    let ours = users.resolve(&process(None, Some("ssl"), None)).unwrap().unwrap();
    assert_eq!((ours.uid, ours.gid), (geteuid().as_raw(), 110));
    assert!(!ours.user_given);
}

#[test]
fn user_added_later_is_found_and_a_file_removed_is_forgotten() {
    let (dir, mut users) = etc();
    assert!(users.resolve(&process(Some("new"), None, None)).is_err());
    fs::write(dir.path().join("passwd"), format!("{PASSWD}new:x:9:9::/:/bin/sh\n")).unwrap();
    assert_eq!(users.resolve(&process(Some("new"), None, None)).unwrap().unwrap().uid, 9);
    fs::remove_file(dir.path().join("passwd")).unwrap();
    assert!(users.resolve(&process(Some("new"), None, None)).is_err());
}

#[test]
fn unchanged_file_is_not_read_again() {
    let (_dir, mut users) = etc();
    users.resolve(&process(Some("web"), None, None)).unwrap();
    let kept = users.passwd.text.as_ptr();
    users.resolve(&process(Some("root"), None, None)).unwrap();
    assert_eq!(users.passwd.text.as_ptr(), kept);
}

#[test]
fn fifo_in_place_of_a_file_is_an_error_and_blocks_nobody() {
    let (dir, mut users) = etc();
    let path = dir.path().join("passwd");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(users.resolve(&process(Some("web"), None, None)).unwrap_err().contains("regular file"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        for line in lines(&bytes) {
            let _ = (User::parse(line).map(|user| user.is(b"root")), GroupLine::parse(line).map(|g| g.lists(b"root")));
        }
    }
}
