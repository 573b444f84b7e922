//! One binary, several names: `init`, `svctl`.

fn main() {}
