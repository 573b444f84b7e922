//! The order of a graph: dependencies first, ties in the order of the nodes' numbers, or every cycle in it.
//!
//! Nothing here recurses: the depth of a graph is a person's to choose, the stack is not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// More cycles than this are echoes of each other.
const MAX_CYCLES: usize = 20;

/// Sorts nodes `0..needs.len()`, each of which needs the nodes in its row.
///
/// # Errors
/// Cycles, each as the nodes along it, which start with its smallest one: `[a, b, c]` for a → b → c → a. One for
/// each edge that would have to go.
pub fn sort(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    for (node, row) in needs.iter().enumerate() {
        for &need in row {
            if let Some(list) = users.get_mut(need) {
                list.push(node);
            }
        }
    }
    let free = open.iter().enumerate().filter(|(_, open)| **open == 0);
    let mut ready: BinaryHeap<Reverse<usize>> = free.map(|(node, _)| Reverse(node)).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &user in users.get(node).into_iter().flatten() {
            let Some(count) = open.get_mut(user) else { continue };
            *count -= 1;
            if *count == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(cycles(needs, &open)) }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Mark {
    New,
    /// On the path; at this depth.
    Open(usize),
    Closed,
}

/// Walks depth first through what could not be sorted; each edge back onto the path closes a cycle.
fn cycles(needs: &[Vec<usize>], open: &[usize]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let sorted = |&left: &usize| if left == 0 { Mark::Closed } else { Mark::New };
    let mut marks: Vec<Mark> = open.iter().map(sorted).collect();
    for start in 0..needs.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks.get(start) == Some(&Mark::New) {
            enter(&mut marks, &mut path, start);
        }
        while let Some((node, next)) = path.last_mut() {
            let need = needs.get(*node).and_then(|row| row.get(*next)).copied();
            *next += 1;
            let Some(need) = need else {
                let node = *node;
                path.pop();
                if let Some(mark) = marks.get_mut(node) {
                    *mark = Mark::Closed;
                }
                continue;
            };
            match marks.get(need) {
                Some(Mark::New) => enter(&mut marks, &mut path, need),
                Some(&Mark::Open(depth)) => {
                    found.push(rotated(path.iter().skip(depth).map(|&(node, _)| node).collect()));
                    if found.len() == MAX_CYCLES {
                        return found;
                    }
                }
                Some(Mark::Closed) | None => (),
            }
        }
    }
    found
}

fn enter(marks: &mut [Mark], path: &mut Vec<(usize, usize)>, node: usize) {
    if let Some(mark) = marks.get_mut(node) {
        *mark = Mark::Open(path.len());
    }
    path.push((node, 0));
}

/// A cycle has no start; the smallest node makes one.
fn rotated(mut cycle: Vec<usize>) -> Vec<usize> {
    let smallest = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(place, _)| place);
    cycle.rotate_left(smallest);
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_keep_the_order_of_numbers() {
        assert_eq!(sort(&[vec![2], vec![], vec![], vec![0]]), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn each_cycle_is_reported_once() {
        let graph = [vec![1], vec![2], vec![0], vec![4], vec![3], vec![0]];
        assert_eq!(sort(&graph), Err(vec![vec![0, 1, 2], vec![3, 4]]));
        assert_eq!(sort(&[vec![0]]), Err(vec![vec![0]]));
    }

    #[test]
    fn long_chain_does_not_overflow_the_stack() {
        let length = 200_000;
        let mut chain: Vec<Vec<usize>> =
            (0..length).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
        assert!(sort(&chain).is_ok());
        chain[0] = vec![length - 1];
        assert_eq!(sort(&chain).map_err(|cycles| cycles.len()), Err(1));
    }
}
