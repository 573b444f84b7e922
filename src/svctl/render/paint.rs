//! Colours, and text from elsewhere made safe to show.

use std::borrow::Cow;

use init_core::status::{Phase, ServiceStatus, Wellness};

/// A terminal colour, by the number SGR gives it; 0 is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour(u8);

/// No colour.
pub const PLAIN: Colour = Colour(0);
/// Good.
pub const GREEN: Colour = Colour(32);
/// Bad.
pub const RED: Colour = Colour(31);
/// On its way.
pub const YELLOW: Colour = Colour(33);
/// Of no concern now.
pub const DIM: Colour = Colour(2);
/// Headings.
pub const BOLD: Colour = Colour(1);

/// Colours that tell services apart in a stream of log lines: none that means good or bad.
const NAMES: [Colour; 6] = [Colour(36), Colour(35), Colour(34), Colour(96), Colour(95), Colour(94)];

/// The colour of a service's state.
pub fn of_state(service: &ServiceStatus) -> Colour {
    match service.state {
        Phase::Up if service.health == Wellness::Unhealthy => RED,
        Phase::Up if service.health == Wellness::Failing => YELLOW,
        phase => of_phase(phase),
    }
}

/// The colour of a state.
pub fn of_phase(phase: Phase) -> Colour {
    match phase {
        Phase::Up => GREEN,
        Phase::Failed => RED,
        Phase::Waiting | Phase::Checking | Phase::Starting | Phase::Backoff => YELLOW,
        Phase::Stopping | Phase::Ending | Phase::Undoing => YELLOW,
        Phase::Down | Phase::Done | Phase::Skipped => DIM,
    }
}

/// A service's own colour: the same in every run.
pub fn of_name(name: &str) -> Colour {
    // FNV-1a: short names that differ by a digit get different colours more often than not.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    NAMES.get(hash as usize % NAMES.len()).copied().unwrap_or(PLAIN)
}

/// Adds text to `to`, in a colour if colours are wanted.
pub fn add(to: &mut String, text: &str, colour: Colour, wanted: bool) {
    if !wanted || colour == PLAIN || text.is_empty() {
        return to.push_str(text);
    }
    to.push_str("\x1b[");
    to.push_str(&colour.0.to_string());
    to.push('m');
    to.push_str(text);
    to.push_str("\x1b[0m");
}

/// Text in one line and without control characters: what a service says must not steer somebody's terminal, nor turn round
/// what stands beside it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text.trim_end());
    }
    let safe = |c: char| match c {
        '\n' | '\t' => ' ',
        c if steers(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.trim_end().chars().map(safe).collect())
}

/// Whether a character does something to others: control characters, and those that change the direction of text.
fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

/// The first `width` characters; what is cut off is shown as `…`.
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(width) else { return Cow::Borrowed(text) };
    let kept = text.get(..end).unwrap_or(text);
    let shorter = kept.char_indices().next_back().map_or("", |(at, _)| kept.get(..at).unwrap_or(kept));
    Cow::Owned(format!("{}…", shorter.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_leaves_room_for_its_mark_and_never_splits_a_character() {
        for (text, width, shown) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("a bcd", 3, "a…"),
            ("äöüß", 3, "äö…"),
            ("ab", 1, "…"),
            ("ab", 0, "…"),
        ] {
            assert_eq!(cut(text, width), shown);
        }
    }

    #[test]
    fn escape_sequences_of_services_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\nc\n"), "a\u{fffd}[2Jb c");
        assert_eq!(one_line("\u{202e}txt"), "\u{fffd}txt");
    }
}
