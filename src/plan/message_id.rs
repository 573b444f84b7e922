//! The ids of messages: a letter for who says it, and four digits.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a kind of message, as in `[A0301]`. It never gets another meaning: docs/messages.md has them all, and `svctl explain` shows what
/// is said there. Made by [`id!`](crate::id).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MessageId {
    letter: u8,
    number: u16,
}

/// A [`MessageId`] written as text, such as `id!("A0301")`. It is checked when it is compiled, and costs a number.
#[macro_export]
macro_rules! id {
    ($text:literal) => {
        const {
            match $crate::MessageId::parse($text.as_bytes()) {
                Some(id) => id,
                None => ::std::panic!("an id is a capital letter and four digits"),
            }
        }
    };
}

impl MessageId {
    /// A capital letter and four digits; `None` for anything else.
    pub const fn parse(text: &[u8]) -> Option<MessageId> {
        let &[letter @ b'A'..=b'Z', a, b, c, d] = text else { return None };
        let (mut number, digits, mut at) = (0, [a, b, c, d], 0);
        while at < digits.len() {
            #[expect(clippy::indexing_slicing, reason = "a constant function has no iterators")]
            let digit = digits[at];
            if !digit.is_ascii_digit() {
                return None;
            }
            number = number * 10 + (digit - b'0') as u16;
            at += 1;
        }
        Some(MessageId { letter, number })
    }

    /// The message with its id behind its first line, as it is shown.
    pub fn after(self, message: &str) -> String {
        let (first, rest) = message.split_at(message.find('\n').unwrap_or(message.len()));
        format!("{first} [{self}]{rest}")
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:04}", char::from(self.letter), self.number)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        MessageId::parse(text.as_bytes()).ok_or_else(|| D::Error::custom("no id of a message"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_letter_and_four_digits() {
        assert_eq!(id!("A0301").to_string(), "A0301");
        assert_eq!(id!("Z9999").after("it is so"), "it is so [Z9999]");
        assert_eq!(id!("Z9999").after("it is so:\nfirst\nlast"), "it is so: [Z9999]\nfirst\nlast");
        for wrong in ["", "A", "A030", "A03010", "a0301", "A03 1", "00301", "A٣٣"] {
            assert_eq!(MessageId::parse(wrong.as_bytes()), None, "{wrong}");
        }
        let text = serde_json::to_string(&id!("A0007")).unwrap();
        assert_eq!(text, "\"A0007\"");
        assert_eq!(serde_json::from_str::<MessageId>(&text).unwrap(), id!("A0007"));
        assert!(serde_json::from_str::<MessageId>("\"A7\"").is_err());
    }
}
