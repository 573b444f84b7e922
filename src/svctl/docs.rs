//! What is generated from the command lines: man pages and shell completions.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::commands::args::Svctl;
use crate::init_command;

/// What the man pages belong to.
const MANUAL: &str = "pulp-init";

/// The shells there are completions for, and the files they are in.
pub const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "svctl.bash"), (Shell::Fish, "svctl.fish"), (Shell::Zsh, "svctl.zsh")];

/// Every man page: its file name and its text.
///
/// # Errors
/// If a page cannot be rendered.
pub fn man_pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut svctl = Svctl::command().disable_help_subcommand(true);
    svctl.build();
    let mut pages = vec![page(svctl.clone(), "1")?, page(init_command::command(), "8")?];
    for command in svctl.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push(page(command.clone(), "1")?);
    }
    Ok(pages)
}

/// What `init --help` prints.
pub fn init_help() -> String {
    init_command::command().render_long_help().to_string()
}

fn page(command: clap::Command, section: &str) -> io::Result<(String, Vec<u8>)> {
    let source = format!("{MANUAL} {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).section(section).source(source).manual(MANUAL);
    let mut text = Vec::new();
    man.render(&mut text)?;
    Ok((man.get_filename(), text))
}

/// The completions of `svctl` for a shell, the names of services included where that shell can ask for them.
pub fn completions(shell: Shell) -> String {
    let mut command = for_people(&Svctl::command());
    let named: Vec<String> = command
        .get_subcommands()
        .filter(|sub| takes_names(sub))
        .map(|sub| sub.get_name().to_owned())
        .collect();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "svctl", &mut text);
    let text = String::from_utf8_lossy(&text);
    match shell {
        Shell::Bash => bash(&text, &named),
        Shell::Zsh => zsh(&text),
        Shell::Fish => fish(&text, &named),
        _ => text.into_owned(),
    }
}

/// The command without what is hidden: completions would offer that too.
fn for_people(whole: &clap::Command) -> clap::Command {
    let subcommands = whole.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    clap::Command::new("svctl")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(subcommands)
}

fn takes_names(command: &clap::Command) -> bool {
    command.get_positionals().any(|argument| argument.get_id() == "names")
}

/// The words that a subcommand offers stand between double quotes, where a command's output can stand too.
fn bash(text: &str, named: &[String]) -> String {
    let mut subcommand = String::new();
    let mut lines = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        if let Some(name) =
            line.trim().strip_prefix("svctl__subcmd__").and_then(|rest| rest.strip_suffix(')'))
        {
            // That is how a hyphen is written there.
            subcommand = name.replace("__subcmd__", "-");
        }
        lines.push_str(&bash_line(line, &subcommand, named));
        lines.push('\n');
    }
    lines
}

fn bash_line(line: &str, subcommand: &str, named: &[String]) -> String {
    match line.strip_suffix('"') {
        Some(words) if line.trim().starts_with("opts=\"") && named.iter().any(|name| name == subcommand) => {
            let signals = if subcommand == "signal" { signals() + " " } else { String::new() };
            format!("{words} {signals}$(svctl names 2>/dev/null)\"")
        }
        _ => line.to_owned(),
    }
}

/// Positional arguments are completed by the function named after their description.
fn zsh(text: &str) -> String {
    let complete = "\n_svctl_names() {\n    local -a names\n    names=(${(f)\"$(svctl names 2>/dev/null)\"})\n    compadd -a names\n}\n";
    let text: String = text.lines().map(|line| zsh_line(line) + "\n").collect();
    text.replacen("\nif [ \"$funcstack[1]\"", &format!("{complete}\nif [ \"$funcstack[1]\""), 1)
}

fn zsh_line(line: &str) -> String {
    if line.contains("names -- ") {
        return line.replace(":_default'", ":_svctl_names'");
    }
    if line.contains(":signal -- ") {
        return line.replace(":_default'", &format!(":({})'", signals()));
    }
    line.to_owned()
}

fn fish(text: &str, named: &[String]) -> String {
    let verbs = named.join(" ");
    format!(
        "{text}\
         complete -c svctl -n \"__fish_seen_subcommand_from {verbs} ls kill\" -f -a \"(svctl names 2>/dev/null)\"\n\
         complete -c svctl -n \"__fish_seen_subcommand_from signal kill\" -f -a \"{}\"\n",
        signals()
    )
}

fn signals() -> String {
    init_plan::Signal::names().collect::<Vec<_>>().join(" ")
}
