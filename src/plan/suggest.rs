//! "Did you mean": the known word nearest to one that is not known.

/// The nearest of `known`, if it is near enough that it may have been meant.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // The measure is quadratic in the length, and nobody mistypes a name that long.
    if word.len() > 64 {
        return None;
    }
    let allowed = match word.chars().count() {
        // Every other short word is near a word this short.
        0..=1 => return None,
        length => (length / 3).max(1),
    };
    known
        .into_iter()
        .filter(|k| k.len().abs_diff(word.len()) <= 4 * allowed)
        .map(|k| (strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase()), k))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, k)| k)
}

/// `; did you mean …?`, or nothing.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|k| format!("; did you mean `{k}`?")).unwrap_or_default()
}

/// `a`, `b` and `c` for a message.
pub(super) fn listed<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
