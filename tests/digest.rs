//! A part of what `examples/digest.rs` compares: every twentieth line of the golden file.

mod common {
    pub mod digest;
}

use std::sync::atomic::{AtomicUsize, Ordering};

use common::digest::{Level, SEEDS, line};

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
        .flat_map(|(at, (level, lines))| lines.iter().skip(at * 3).step_by(EVERY).map(move |line| (level, *line)))
        .collect();
    let (next, threads) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((level, before)) = part.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = before.split_whitespace().nth(1).and_then(|first| first.parse().ok());
                    assert_eq!(line(*level, first.expect("a seed")), *before, "`examples/digest.rs` says which others");
                }
            });
        }
    });
}
