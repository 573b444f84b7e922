//! What a step works on: a root directory, an environment, and the users of the image.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, geteuid};

use crate::Problem;
use crate::ask::users;

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Root.
pub const ROOT: Owner = Owner { uid: 0, gid: 0 };

/// The users of the image who own files.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// Who runs Pulp's own processes: 700:700 in our image and upstream's.
    pub pulp: Owner,
    /// Who runs PostgreSQL: 26:26 in our image and upstream's.
    pub postgres: Owner,
    /// Whether we may give files to others. Without it they stay ours, which is right where one user runs everything.
    pub may_chown: bool,
}

/// What a step works on.
#[derive(Clone, Debug)]
pub struct Context {
    root: PathBuf,
    env: BTreeMap<String, String>,
    /// Who owns what is written.
    pub accounts: Accounts,
}

impl Context {
    /// The container we run in.
    pub fn of_this_container() -> Result<Context, Problem> {
        // A value that is no UTF-8 cannot be one of ours.
        let env =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let me = Owner { uid: geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        let may_chown = geteuid().is_root();
        let find = |name: &str| account(name, me, may_chown);
        let accounts = Accounts { pulp: find("pulp")?, postgres: find("postgres")?, may_chown };
        Ok(Context { root: PathBuf::from("/"), env: env.collect(), accounts })
    }

    /// Any directory as root, any environment; files belong to whoever calls. For tests.
    pub fn for_test<'a>(root: &Path, env: impl IntoIterator<Item = (&'a str, &'a str)>) -> Context {
        let me = Owner { uid: geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        let env = env.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Context {
            root: root.to_owned(),
            env,
            accounts: Accounts { pulp: me, postgres: me, may_chown: false },
        }
    }

    /// An absolute path of the container, below our root.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A variable of the container's environment; one that is set to nothing counts as not set.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same with a variable that nobody has set.
    pub fn with_default(&self, name: &str, value: &str) -> Context {
        let mut context = self.clone();
        if self.var(name).is_none() {
            context.env.insert(name.to_owned(), value.to_owned());
        }
        context
    }

    /// The same with this variable.
    pub fn with(&self, name: &str, value: &str) -> Context {
        let mut context = self.clone();
        context.env.insert(name.to_owned(), value.to_owned());
        context
    }

    /// All variables.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Becomes this user for good, if we are root: from here on the kernel allows what it allows that user. Returns what
    /// the rest of the step works on.
    pub fn given_up_to(&self, owner: Owner) -> Result<Context, Problem> {
        let mut context = self.clone();
        if self.accounts.may_chown {
            let (uid, gid) = owner.ids();
            nix::unistd::setgroups(&[])
                .and_then(|()| nix::unistd::setresgid(gid, gid, gid))
                .and_then(|()| nix::unistd::setresuid(uid, uid, uid))
                .map_err(|errno| {
                    Problem::config(
                        "S0101",
                        format!("cannot become the user {}: {errno}", owner.shown()),
                        "leave the container the capabilities SETUID and SETGID",
                    )
                })?;
            context.accounts.may_chown = false;
        }
        Ok(context)
    }

    /// A line in the container's log. Never a secret.
    pub fn say(&self, line: &str) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// A user of the image, with its own group. Where we are not root the image's users do not matter: files are ours.
fn account(name: &str, me: Owner, may_chown: bool) -> Result<Owner, Problem> {
    match users::named(name) {
        Some(owner) if may_chown => Ok(owner),
        // `minimal` has no postgres, and needs none.
        None if may_chown && name == "pulp" => Err(Problem::config(
            "S0102",
            format!("there is no user `{name}` in this image"),
            "do not remove it from /etc/passwd; build your image on pulp/pulp or pulp/pulp-minimal",
        )),
        _ => Ok(me),
    }
}

impl Owner {
    /// As nix has it.
    pub fn ids(self) -> (Uid, Gid) {
        (Uid::from_raw(self.uid), Gid::from_raw(self.gid))
    }

    /// For people: names where there are any.
    pub fn shown(self) -> String {
        let user = users::user_name(self.uid).unwrap_or_else(|| self.uid.to_string());
        let group = users::group_name(self.gid).unwrap_or_else(|| self.gid.to_string());
        format!("{user}:{group}")
    }
}
