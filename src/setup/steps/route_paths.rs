//! `pulp-setup route_paths NAME`: the URL paths of the plugins, as JSON, for Pulp's operator.
//!
//! A plugin says in `webserver_snippets/nginx.conf` which paths are its own and which of Pulp's two web applications
//! answers them. The operator makes Kubernetes routes of them. Its contract is the output of upstream's
//! `route_paths.py`, to the byte.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::ask::python;
use crate::{Context, Problem};

/// Where a plugin keeps its snippet.
const SNIPPET: &str = "app/webserver_snippets/nginx.conf";

/// A path and the service that answers it, in the order of keys that the operator knows.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct Route {
    name: String,
    path: String,
    #[serde(rename = "targetPort")]
    target_port: &'static str,
    #[serde(rename = "serviceName")]
    service_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rewrite: Option<String>,
}

/// The step.
pub fn run(context: &Context, args: &[String]) -> Result<(), Problem> {
    let [name] = args else {
        return Err(Problem::config(
            "S2201",
            "route_paths needs the name of a Pulp",
            "say `pulp-setup route_paths NAME`",
        ));
    };
    let mut text = json(context, name)?;
    text.push(b'\n');
    std::io::stdout()
        .write_all(&text)
        .map_err(|error| Problem::io("write to", Path::new("standard output"), &error))
}

/// The routes of a Pulp of this name, as JSON.
fn json(context: &Context, name: &str) -> Result<Vec<u8>, Problem> {
    let mut routes = Vec::new();
    for path in snippets(context) {
        let text = std::fs::read_to_string(&path).map_err(|error| Problem::io("read", &path, &error))?;
        for location in locations(&text) {
            routes.extend(of_location(name, &path, &location)?);
        }
    }
    let mut text = Vec::new();
    let mut writer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    routes.serialize(&mut writer).map_err(|error| Problem::new("S2202", error.to_string(), "report this"))?;
    Ok(text)
}

/// The snippets of all plugins, in the order in which Python lists its modules: by directory, then by name. The
/// first module of a name hides the others.
fn snippets(context: &Context) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for directory in python::directories(context) {
        let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let names: BTreeSet<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        for name in names {
            let is_package = directory.join(&name).join("__init__.py").is_file();
            let is_plugin = name.contains("pulp_") || name.contains("galaxy_ng");
            let snippet = directory.join(&name).join(SNIPPET);
            if is_package && is_plugin && seen.insert(name) && snippet.is_file() {
                found.push(snippet);
            }
        }
    }
    found
}

/// What to call the plugin of a snippet; as upstream's, which looks at the whole path.
fn app(snippet: &str) -> &str {
    if snippet.contains("galaxy") {
        return "galaxy";
    }
    snippet.split("pulp_").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// One route, or two where the path is rewritten: the operator needs it without its last slash, too.
fn of_location(name: &str, snippet: &Path, location: &Location) -> Result<Vec<Route>, Problem> {
    let path =
        if location.path.starts_with('/') { location.path.clone() } else { format!("/{}", location.path) };
    let mut rewrite = None;
    let mut service = None;
    for (directive, value) in &location.directives {
        match directive.as_str() {
            "proxy_pass" if value.contains("pulp-api") => service = Some(("api-24817", "api-svc")),
            "proxy_pass" if value.contains("pulp-content") => {
                service = Some(("content-24816", "content-svc"))
            }
            "rewrite" => rewrite = value.split_whitespace().nth(1).map(str::to_owned),
            _ => {}
        }
        if service.is_some() {
            break; // What follows does not count, as upstream has it.
        }
    }
    let Some((target_port, suffix)) = service else {
        return Err(Problem::config(
            "S2203",
            format!("{}: location {path} has no `proxy_pass` to pulp-api or pulp-content", snippet.display()),
            "it is a fault of that plugin: install another version of it, or remove it",
        ));
    };
    let shown = snippet.display().to_string();
    let slug = path.trim_end_matches('/').replace(['/', '_'], "-");
    let route = |suffix_of_name: &str, path: &str| Route {
        name: format!("{name}-{}{slug}{suffix_of_name}", app(&shown)),
        path: path.to_owned(),
        target_port,
        service_name: format!("{name}-{suffix}"),
        rewrite: rewrite.clone(),
    };
    let without_slash = rewrite.is_some().then(|| route("2", path.trim_end_matches('/')));
    Ok(without_slash.into_iter().chain([route("", &path)]).collect())
}

/// A `location` of nginx: its path with what may stand before it, and its directives with their values.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Location {
    /// As written, with the sign before it if there is one: `~ ^/a`.
    pub path: String,
    /// Each directive and its values, with a blank between them.
    pub directives: Vec<(String, String)>,
}

/// The locations that are not inside another block, in the order of the text.
pub fn locations(text: &str) -> Vec<Location> {
    locations_at(0, text)
}

/// The locations inside so many blocks.
pub(crate) fn locations_at(depth: usize, text: &str) -> Vec<Location> {
    let mut found: Vec<Location> = Vec::new();
    let mut blocks: Vec<bool> = Vec::new(); // for each open block, whether it is a location that is asked for
    let mut statement: Vec<String> = Vec::new();
    for token in tokens(text) {
        match token {
            Token::Word(word) => statement.push(word),
            Token::Open => {
                let wanted =
                    blocks.len() == depth && statement.first().is_some_and(|word| word == "location");
                if wanted {
                    let path = statement.get(1..).unwrap_or_default().join(" ");
                    found.push(Location { path, directives: Vec::new() });
                }
                blocks.push(wanted);
                statement.clear();
            }
            Token::Close => {
                blocks.pop();
                statement.clear();
            }
            Token::End => {
                if let (Some(&true), Some(location), Some((name, value))) =
                    (blocks.last(), found.last_mut(), statement.split_first())
                {
                    location.directives.push((name.clone(), value.join(" ")));
                }
                statement.clear();
            }
        }
    }
    found
}

/// A part of a configuration of nginx.
#[derive(Debug)]
pub(crate) enum Token {
    /// A word, without its quotes.
    Word(String),
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    End,
}

/// Splits a configuration of nginx: words, quoted or not, and the three signs that end them; comments are dropped.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        match first {
            _ if first.is_whitespace() => {}
            '#' => while chars.next_if(|&c| c != '\n').is_some() {},
            ';' => tokens.push(Token::End),
            '{' => tokens.push(Token::Open),
            '}' => tokens.push(Token::Close),
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(c) = chars.next().filter(|&c| c != first) {
                    // A backslash keeps a quote from ending the word; it stays before anything else.
                    match c {
                        '\\' if chars.peek() == Some(&first) => word.extend(chars.next()),
                        _ => word.push(c),
                    }
                }
                tokens.push(Token::Word(word));
            }
            _ => {
                let mut word = String::from(first);
                // `{` may be part of a word: `${name}`.
                while let Some(c) = chars
                    .next_if(|&c| !c.is_whitespace() && c != ';' && c != '{')
                    .or_else(|| word.ends_with('$').then(|| chars.next_if_eq(&'{')).flatten())
                {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An image with these plugins and their snippets.
    fn image(plugins: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (plugin, snippet) in plugins {
            let package = dir.path().join("usr/local/lib/python3.13/dist-packages").join(plugin);
            fs::create_dir_all(package.join("app/webserver_snippets")).unwrap();
            fs::write(package.join("__init__.py"), "").unwrap();
            fs::write(package.join(SNIPPET), snippet).unwrap();
        }
        dir
    }

    fn json_of(plugins: &[(&str, &str)], name: &str) -> Result<String, Problem> {
        let dir = image(plugins);
        json(&Context::for_test(dir.path(), []), name).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_routes_of_the_images_plugins_are_those_that_upstreams_script_prints() {
        // Made with upstream's route_paths.py from the same files.
        let expected = include_str!("../../../tests/data/snippets/routes.json");
        let plugins = [
            ("pulp_python", include_str!("../../../tests/data/snippets/pulp_python.conf")),
            ("pulp_container", include_str!("../../../tests/data/snippets/pulp_container.conf")),
            ("pulp_ansible", include_str!("../../../tests/data/snippets/pulp_ansible.conf")),
        ];
        assert_eq!(json_of(&plugins, "pulp").unwrap() + "\n", expected);
    }

    #[test]
    fn a_rewritten_path_has_two_routes_as_upstreams_script_prints() {
        let expected = include_str!("../../../tests/data/snippets/rewrite.json");
        let snippet = include_str!("../../../tests/data/snippets/rewrite.conf");
        assert_eq!(json_of(&[("pulp_my_plugin", snippet)], "example").unwrap() + "\n", expected);
    }

    #[test]
    fn without_plugins_there_are_no_routes() {
        assert_eq!(json_of(&[], "pulp").unwrap(), "[]");
    }

    #[test]
    fn what_is_no_plugin_has_no_routes() {
        let snippet = "location /x/ { proxy_pass http://pulp-api; }";
        assert_eq!(json_of(&[("pulpcore", snippet), ("other", snippet)], "pulp").unwrap(), "[]");
    }

    #[test]
    fn a_location_that_goes_nowhere_is_named() {
        let problem = json_of(&[("pulp_x", "location x { return 404; }")], "pulp").unwrap_err();
        assert!(problem.what().contains("pulp_x/app/webserver_snippets/nginx.conf: location /x has no"));
    }

    #[test]
    fn comments_quotes_and_inner_blocks_do_not_confuse() {
        let text = "# location /no/ {\nlocation ~ \"^/a{2} b\" { if ($x) { rewrite ^ /in; } a 'b;c' ${d}e;\n}\n\
                    server { location /inner/ { return 1; } }";
        let location = Location {
            path: "~ ^/a{2} b".to_owned(),
            directives: vec![("a".to_owned(), "b;c ${d}e".to_owned())],
        };
        assert_eq!(locations(text), [location]);
        assert_eq!(locations_at(1, text).first().unwrap().path, "/inner/");
    }
}
