//! Where an image keeps what it has of s6, and where programs are found in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use init_plan::Environment;

/// The directories to import from.
#[derive(Clone, Debug)]
pub struct Places {
    /// The root of the image.
    pub root: PathBuf,
    /// Service directories of s6-rc.
    pub services: PathBuf,
    /// Where the bundles `user` and `user2` may be besides.
    pub bundles: PathBuf,
    /// Where `cont-init.d`, `cont-finish.d`, `fix-attrs.d` and `services.d` are; `None`: only service directories were
    /// given.
    pub etc: Option<PathBuf>,
    /// Where programs without a slash are looked for.
    path: String,
}

impl Places {
    /// From the root of an image, or from a directory of service directories.
    ///
    /// # Errors
    /// One line, if the directory is neither.
    pub fn find(directory: &Path, environment: &Environment) -> Result<Places, String> {
        let path = environment.get("PATH").cloned().unwrap_or_else(|| init_plan::DEFAULT_PATH.to_owned());
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        if directory.join("etc").is_dir() {
            let etc = match set("S6_RUNTIME_PROFILE") {
                Some(profile) => directory.join("etc/cont-profile.d").join(profile),
                None => directory.join("etc"),
            };
            let bundles = set("S6_RUNTIME_BUNDLEDIR").map_or_else(
                || etc.join("s6-overlay/user-bundles.d"),
                |place| directory.join(place.trim_start_matches('/')),
            );
            let services = etc.join("s6-overlay/s6-rc.d");
            return Ok(Places { root: directory.to_owned(), services, bundles, etc: Some(etc), path });
        }
        let directory = directory
            .canonicalize()
            .map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
        if !entries(&directory).iter().any(|name| directory.join(name).join("type").is_file()) {
            return Err(format!(
                "nothing of s6 is in {}: name the root of an image, or a directory of service directories (s6-rc.d)",
                directory.display()
            ));
        }
        let bundles = directory.join("../user-bundles.d");
        Ok(Places { root: "/".into(), services: directory, bundles, etc: None, path })
    }

    /// A path as programs in the image see it; `None` if it is not UTF-8, which no definition can name.
    pub fn inside(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        Path::new("/").join(below).to_str().map(str::to_owned)
    }

    /// The program of this name or path, as programs in the image would call it.
    pub fn program(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return is_program(&self.outside(name)).then(|| name.to_owned());
        }
        let places = self.path.split(':').filter(|place| place.starts_with('/'));
        places.map(|place| format!("{place}/{name}")).find(|path| is_program(&self.outside(path)))
    }

    /// Where a path of the image is here.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// The names in a directory, sorted as s6-sort does. Hidden ones, and those that are not UTF-8, are left out.
pub fn entries(directory: &Path) -> Vec<String> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = read.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// Whether a file can be executed.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The text of a small file, without blanks around it; `None` if there is none.
pub fn text(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok().filter(|meta| meta.is_file() && meta.len() <= 64 * 1024)?;
    let text = fs::read(path).ok().filter(|_| meta.len() > 0)?;
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}
