//! The environment a service's program sees.
//!
//! Later wins: what is inherited from the container, the service's name, HOME and the like of the service's user, the
//! files of `[env]` (read at each start, so that a oneshot can write them), its `set`, and last what `init` itself has to
//! say, such as `NOTIFY_SOCKET`. The container's own variables may hold any bytes and pass through as they are.

pub mod file;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::kernel::users::Credentials;
use crate::reexec;
use init_plan::{Env, Inherit};

/// What a container manager or another supervisor says to `init` alone. A service that read them would talk to the
/// wrong end.
const NOT_INHERITED: [&str; 9] = [
    MARK,
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDNAMES",
    "MAINPID",
];

/// The variable that says whose a process is.
pub const MARK: &str = "INIT_SERVICE";

/// The container's environment, as it was when `init` started.
#[derive(Clone, Debug, Default)]
pub struct Container(Vec<Assignment>);

/// `NAME=value`, as execve(2) wants it, so that handing it on costs nothing.
#[derive(Clone, Debug)]
struct Assignment {
    text: CString,
    name_length: usize,
}

impl Assignment {
    /// `None` if the kernel could not have given it to us.
    fn new(name: &OsStr, value: &OsStr) -> Option<Assignment> {
        Some(Assignment { text: assignment(name, value).ok()?, name_length: name.len() })
    }

    fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.text.as_bytes().get(..self.name_length).unwrap_or_default())
    }

    fn value(&self) -> &OsStr {
        OsStr::from_bytes(self.text.as_bytes().get(self.name_length + 1..).unwrap_or_default())
    }
}

impl Container {
    /// This process's environment.
    pub fn snapshot() -> Container {
        Container::new(std::env::vars_os())
    }

    /// Of a name that comes twice the first counts, as for getenv(3).
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Container {
        let mut seen = HashSet::new();
        // What says what another `init` has left is nobody's business.
        let first =
            variables.into_iter().filter(|(name, _)| name != reexec::VARIABLE && seen.insert(name.clone()));
        let mut kept: Vec<_> = first.filter_map(|(name, value)| Assignment::new(&name, &value)).collect();
        kept.shrink_to_fit();
        Container(kept)
    }

    /// One variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|known| known.name() == name).map(Assignment::value)
    }

    /// What of it is text, for the variables in a plan: a value that is no UTF-8 cannot be written in one.
    pub fn text(&self) -> init_plan::Environment {
        let text = |s: &OsStr| s.to_str().map(str::to_owned);
        self.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
    }

    /// All of it, in its order.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|one| (one.name(), one.value()))
    }
}

/// A service's environment as execve(2) wants it, `NAME=value` each. What it has unchanged from the container is not copied.
///
/// What is no service, such as the generator, has no name. `extra` is what `init` adds (`NOTIFY_SOCKET`, `WATCHDOG_USEC`); it wins over
/// everything.
///
/// # Errors
/// One line that names the file and line, or the variable, and the cure.
pub fn build<'a>(
    container: &'a Container,
    service: Option<&str>,
    env: &Env,
    credentials: Option<&Credentials>,
    extra: &[(&str, &OsStr)],
) -> Result<Vec<Cow<'a, CStr>>, String> {
    let mut made = Variables(inherited(container, env));
    if let Some(service) = service {
        made.name(service);
    }
    if let Some(user) = credentials.filter(|credentials| credentials.user_given) {
        made.become_user(user, &env.inherit);
    }
    for (path, optional) in &env.files {
        for (name, value) in file::read(path, *optional)? {
            made.set(Cow::Owned(name), Cow::Owned(value));
        }
    }
    for (name, value) in &env.set {
        made.set(Cow::Borrowed(OsStr::new(&**name)), Cow::Borrowed(OsStr::new(&**value)));
    }
    for &(name, value) in extra {
        made.set(Cow::Borrowed(OsStr::new(name)), Cow::Borrowed(value));
    }
    // Nobody but `init` says whose a process is.
    made.set(Cow::Borrowed(OsStr::new(MARK)), Cow::Borrowed(OsStr::new(service.unwrap_or_default())));
    made.0.iter().map(Variable::finished).collect()
}

/// A variable of the container, or one that is set here.
enum Variable<'c, 'a> {
    Inherited(&'c Assignment),
    Set(Cow<'a, OsStr>, Cow<'a, OsStr>),
}

impl<'c> Variable<'c, '_> {
    fn name(&self) -> &OsStr {
        match self {
            Variable::Inherited(one) => one.name(),
            Variable::Set(name, _) => name,
        }
    }

    fn finished(&self) -> Result<Cow<'c, CStr>, String> {
        match self {
            Variable::Inherited(one) => Ok(Cow::Borrowed(one.text.as_c_str())),
            Variable::Set(name, value) => assignment(name, value).map(Cow::Owned),
        }
    }
}

fn inherited<'c, 'a>(container: &'c Container, env: &Env) -> Vec<Variable<'c, 'a>> {
    let is_unset = |name: &OsStr| env.unset.iter().any(|unset| OsStr::new(&**unset) == name);
    let wanted = |name: &OsStr| match &env.inherit {
        Inherit::All => !NOT_INHERITED.iter().any(|&private| private == name),
        Inherit::Nothing => false,
        Inherit::Only(names) => names.iter().any(|wanted| OsStr::new(&**wanted) == name),
    };
    let kept = container.0.iter().filter(|one| wanted(one.name()) && !is_unset(one.name()));
    // With room for what is added.
    let mut all = Vec::with_capacity(container.0.len() + env.set.len() + 8);
    all.extend(kept.map(Variable::Inherited));
    all
}

struct Variables<'c, 'a>(Vec<Variable<'c, 'a>>);

impl<'a> Variables<'_, 'a> {
    fn set(&mut self, name: Cow<'a, OsStr>, value: Cow<'a, OsStr>) {
        match self.0.iter_mut().find(|known| known.name() == &*name) {
            Some(old) => *old = Variable::Set(name, value),
            None => self.0.push(Variable::Set(name, value)),
        }
    }

    /// The variables that a definition may use for the service's name, for its processes too.
    fn name(&mut self, service: &'a str) {
        let mut set = |name: &'static str, value: &'a str| {
            self.set(Cow::Borrowed(OsStr::new(name)), Cow::Borrowed(OsStr::new(value)));
        };
        set("SERVICE", service);
        if let Some((template, instance)) = service.split_once('@') {
            set("TEMPLATE", template);
            set("INSTANCE", instance);
        }
    }

    /// What the container has in HOME is root's, or whoever `init` runs as; a service that asked for it by name
    /// (`inherit = ["HOME"]`) gets that all the same.
    fn become_user(&mut self, user: &'a Credentials, inherit: &Inherit) {
        let home = user.home.as_deref().map_or(OsStr::new("/"), |home| home.as_os_str());
        let shell = user.shell.as_deref().map(|shell| shell.as_os_str());
        let name = user.name.as_deref();
        for (variable, value) in [("HOME", Some(home)), ("USER", name), ("LOGNAME", name), ("SHELL", shell)] {
            let by_name =
                matches!(inherit, Inherit::Only(names) if names.iter().any(|known| &**known == variable));
            if by_name && self.0.iter().any(|known| known.name() == variable) {
                continue;
            }
            match value {
                Some(value) => self.set(Cow::Borrowed(OsStr::new(variable)), Cow::Borrowed(value)),
                None => self.0.retain(|known| known.name() != variable),
            }
        }
    }
}

fn assignment(name: &OsStr, value: &OsStr) -> Result<CString, String> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(format!("cannot set environment variable {name:?}: a name is not empty and has no `=`"));
    }
    let mut text = Vec::with_capacity(name.len() + value.len() + 2);
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    CString::new(text)
        .map_err(|_| format!("cannot set environment variable {name:?}: remove the NUL character from it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn container() -> Container {
        Container::new([
            ("PATH".into(), "/bin".into()),
            ("HOME".into(), "/root".into()),
            ("BYTES".into(), OsString::from_vec(vec![0xff, 0xfe])),
            ("NOTIFY_SOCKET".into(), "/manager".into()),
            ("USER".into(), "root".into()),
            ("PATH".into(), "/second".into()),
        ])
    }

    fn credentials() -> Credentials {
        Credentials {
            uid: 33,
            gid: 33,
            groups: vec![33],
            groups_given: false,
            name: Some("web".into()),
            home: Some("/var/www".into()),
            shell: None,
            user_given: true,
        }
    }

    fn built(env: &Env, credentials: Option<&Credentials>, extra: &[(&str, &OsStr)]) -> Vec<Vec<u8>> {
        let container = container();
        let made = build(&container, Some("web"), env, credentials, extra).unwrap();
        let mut made: Vec<Vec<u8>> = made.into_iter().map(|one| one.to_bytes().to_vec()).collect();
        let before = made.len();
        made.retain(|variable| variable != b"INIT_SERVICE=web" && variable != b"SERVICE=web");
        assert_eq!(made.len(), before - 2);
        made
    }

    #[test]
    fn process_knows_its_service_and_a_definition_may_call_it_otherwise() {
        let nothing = Env { inherit: Inherit::Nothing, ..Env::default() };
        let container = container();
        let of = |service: &str, env: &Env| -> Vec<CString> {
            build(&container, Some(service), env, None, &[])
                .unwrap()
                .into_iter()
                .map(Cow::into_owned)
                .collect()
        };
        let names = [c"SERVICE=web@two", c"TEMPLATE=web", c"INSTANCE=two", c"INIT_SERVICE=web@two"];
        assert_eq!(of("web@two", &nothing), names.map(CString::from));
        let set = |name: &str| (name.into(), "other".into());
        let renamed = Env { set: vec![set("SERVICE"), set("INIT_SERVICE")], ..nothing };
        assert_eq!(of("web", &renamed), [c"SERVICE=other", c"INIT_SERVICE=web"].map(CString::from));
    }

    #[test]
    fn container_variables_of_any_bytes_pass_through_and_the_managers_do_not() {
        assert_eq!(
            built(&Env::default(), None, &[]),
            [&b"PATH=/bin"[..], b"HOME=/root", b"BYTES=\xff\xfe", b"USER=root"]
        );
    }

    #[test]
    fn nothing_or_only_some_are_inherited_on_request() {
        let nothing = Env { inherit: Inherit::Nothing, ..Env::default() };
        assert!(built(&nothing, None, &[]).is_empty());
        let only = Env { inherit: Inherit::Only(vec!["PATH".into(), "UNSET".into()]), ..Env::default() };
        assert_eq!(built(&only, None, &[]), [b"PATH=/bin"]);
    }

    #[test]
    fn variable_that_is_unset_is_not_inherited_but_may_be_set_by_the_service() {
        let unset = Env { unset: vec!["HOME".into(), "BYTES".into()], ..Env::default() };
        assert_eq!(built(&unset, None, &[]), [&b"PATH=/bin"[..], b"USER=root"]);
        let set = Env { set: vec![("HOME".into(), "/data".into())], ..unset };
        assert!(built(&set, None, &[]).contains(&b"HOME=/data".to_vec()));
    }

    #[test]
    fn home_follows_the_user_unless_the_service_sets_it() {
        let user = credentials();
        let made = built(&Env::default(), Some(&user), &[]);
        assert!(made.contains(&b"HOME=/var/www".to_vec()) && made.contains(&b"LOGNAME=web".to_vec()));
        let set = Env { set: vec![("HOME".into(), "/data".into())], ..Env::default() };
        assert!(built(&set, Some(&user), &[]).contains(&b"HOME=/data".to_vec()));
        let asked = Env { inherit: Inherit::Only(vec!["HOME".into()]), ..Env::default() };
        assert_eq!(built(&asked, Some(&user), &[]), [&b"HOME=/root"[..], b"USER=web", b"LOGNAME=web"]);
    }

    #[test]
    fn user_without_a_name_does_not_keep_roots() {
        let nameless = Credentials { name: None, home: None, ..credentials() };
        let made = built(&Env::default(), Some(&nameless), &[]);
        assert_eq!(made, [&b"PATH=/bin"[..], b"HOME=/", b"BYTES=\xff\xfe"]);
    }

    #[test]
    fn files_come_before_set_and_init_has_the_last_word() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        std::fs::write(&path, "A=file\nB=file\nNOTIFY_SOCKET=/file\n").unwrap();
        let env = Env {
            inherit: Inherit::Nothing,
            files: vec![(path, false), ("/nonexistent".into(), true)],
            set: vec![("B".into(), "set".into())],
            ..Env::default()
        };
        let made = built(&env, None, &[("NOTIFY_SOCKET", OsStr::new("/run/n"))]);
        assert_eq!(made, [&b"A=file"[..], b"B=set", b"NOTIFY_SOCKET=/run/n"]);
    }

    #[test]
    fn nul_and_nameless_variables_are_errors() {
        for (name, value) in [("A", "x\0y"), ("A\0", "x"), ("", "x"), ("A=B", "x")] {
            let env = Env { set: vec![(name.into(), value.into())], ..Env::default() };
            assert!(
                build(&container(), Some("web"), &env, None, &[])
                    .unwrap_err()
                    .starts_with("cannot set environment variable")
            );
        }
    }
}
