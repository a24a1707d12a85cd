//! A part of what `examples/digest.rs` compares: every twentieth line of the golden file.

mod common {
    pub mod digest;
}

use common::digest::{Level, SEEDS, hashes, lines};

const EVERY: usize = 20;

#[test]
fn rotations_do_what_they_did() {
    let golden: Vec<&str> = include_str!("golden/digest.txt").lines().collect();
    let blocks = usize::try_from(SEEDS / common::digest::BLOCK).expect("a few hundred");
    assert_eq!(golden.len(), blocks * Level::ALL.len(), "lines of the golden file");
    // One of each twenty, and of each level others.
    let part: Vec<(Level, &str)> = Level::ALL
        .into_iter()
        .zip(golden.chunks(blocks))
        .enumerate()
        .flat_map(|(at, (level, of_level))| of_level.iter().skip(at * 3).step_by(EVERY).map(move |line| (level, *line)))
        .collect();
    let first = |line: &str| line.split_whitespace().nth(1).and_then(|first| first.parse().ok()).expect("a seed");
    let blocks: Vec<(Level, u64)> = part.iter().map(|(level, line)| (*level, first(line))).collect();
    let before: Vec<&str> = part.into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines(&blocks, |_| ()), before, "`examples/digest.rs` says which others");
}

#[test]
fn names_and_order_do_not_count_and_values_do() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "read by `Debug` alone")]
    struct Before<'a> {
        host: Option<&'a str>,
        tasks: u32,
        state: State,
        page: Option<u8>,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "read by `Debug` alone")]
    struct After<'a> {
        count: u32,
        lifecycle: State,
        of: (&'a str,),
    }
    #[derive(Debug)]
    enum State {
        Draining,
        Active,
    }
    let before = |host, tasks, state| hashes(&Before { host: Some(host), tasks, state, page: None });
    let known = before("i-1", 7, State::Draining);
    assert_eq!(hashes(&After { count: 7, lifecycle: State::Draining, of: ("i-1",) }), known);
    for other in [before("i-2", 7, State::Draining), before("i-1", 8, State::Draining), before("i-1", 7, State::Active)]
    {
        assert_ne!(other.0, known.0);
    }
    let (said, reworded) = (hashes(&"i-1 has not stopped in 15m"), hashes(&"after 15m i-1 still runs"));
    assert_eq!(said.0, reworded.0, "of prose only its names and numbers");
    assert_ne!(said.1, reworded.1);
    assert_ne!(hashes(&"i-1 has not stopped in 16m").0, said.0);
    assert_ne!(hashes(&"prod/1 open 2026").0, hashes(&"prod/1 held 2026").0, "how a rotation stands");
}
