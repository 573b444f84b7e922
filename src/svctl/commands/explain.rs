//! `svctl explain`: what the id of a message or an exit code means, as docs/messages.md has it.

use super::args::Explain;
use crate::exit::{Code, Trouble};
use crate::output::Out;
use init_plan::id;

const MESSAGES: &str = include_str!("../../../docs/messages.md");

/// `svctl explain`.
pub fn explain(options: &Explain, out: &mut Out) -> Result<(), Trouble> {
    for id in &options.ids {
        let id = id.trim_matches(['[', ']']).to_ascii_uppercase();
        let Some(text) = section(&id) else {
            let message = format!(
                "there is no message {id}: an id is a letter and four digits, such as S1505; exit codes are numbers"
            );
            return Err(Trouble::said(Code::UnknownName, id!("C0210"), message));
        };
        out.write(&format!("{id}: {text}\n"))?;
    }
    Ok(())
}

/// What stands below the heading of this id.
fn section(id: &str) -> Option<&'static str> {
    let mut sections = MESSAGES.split("\n### ").skip(1);
    let found = sections.find_map(|section| section.split_once('\n').filter(|(name, _)| *name == id))?.1;
    let end = found.find("\n## ").unwrap_or(found.len());
    found.get(..end).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_a_text_that_ends_where_the_next_begins() {
        let ids: Vec<&str> = MESSAGES.lines().filter_map(|line| line.strip_prefix("### ")).collect();
        assert!(ids.len() > 100, "{}", ids.len());
        for id in ids {
            let text = section(id).unwrap();
            assert!(!text.is_empty() && !text.contains("\n#"), "{id}: {text}");
            assert!(id.parse::<u8>().is_ok() || text.contains("To fix it: "), "{id}: {text}");
        }
        assert_eq!(section("S9999"), None);
        assert_eq!(section(""), None);
    }
}
