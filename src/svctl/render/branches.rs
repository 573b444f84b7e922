//! Trees as lines: what is drawn before each.

/// Lines farther down than that are not moved in any more: a tree may be deep, a line should not be long.
const DEEPEST: usize = 30;

/// A line of a tree.
#[derive(Debug)]
pub struct Line<T> {
    /// What it is about.
    pub item: T,
    /// What stands before it: `│ ├─`.
    pub before: String,
    /// What stands before further lines about the same item: `│ │ `.
    pub beside: String,
}

/// The lines of a tree, from its roots, which have nothing before them. `below` is asked once for each line, in their order.
pub fn lines<T>(roots: Vec<T>, mut below: impl FnMut(&T) -> Vec<T>) -> Vec<Line<T>> {
    let mut lines = Vec::new();
    let mut stack: Vec<(T, String, String, usize)> =
        roots.into_iter().rev().map(|root| (root, String::new(), String::new(), 0)).collect();
    while let Some((item, before, indent, depth)) = stack.pop() {
        let children = below(&item);
        let (count, is_leaf) = (children.len(), children.is_empty());
        for (index, child) in children.into_iter().enumerate().rev() {
            let (branch, bar) = if index + 1 == count { ("└─", "  ") } else { ("├─", "│ ") };
            let next = if depth < DEEPEST { format!("{indent}{bar}") } else { indent.clone() };
            stack.push((child, format!("{indent}{branch}"), next, depth + 1));
        }
        let beside = format!("{indent}{}", if is_leaf { "  " } else { "│ " });
        lines.push(Line { item, before, beside });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_shows_where_it_hangs() {
        let below = |&number: &u32| match number {
            1 => vec![2, 5],
            2 => vec![3, 4],
            5 => vec![6],
            _ => Vec::new(),
        };
        let drawn: Vec<String> = lines(vec![1, 7], below)
            .iter()
            .map(|line| format!("{}{} {}:", line.before, line.item, line.beside))
            .collect();
        assert_eq!(
            drawn,
            ["1 │ :", "├─2 │ │ :", "│ ├─3 │ │   :", "│ └─4 │     :", "└─5   │ :", "  └─6       :", "7   :"]
        );
    }

    #[test]
    fn a_deep_tree_makes_no_long_lines() {
        let drawn = lines(vec![0_u32], |&number| if number < 10_000 { vec![number + 1] } else { vec![] });
        assert_eq!(drawn.len(), 10_001);
        assert!(drawn.iter().all(|line| line.before.chars().count() < 70));
    }
}
