//! Compares what 6,000 rotations do with what they did, by a hash for every twenty of them (`tests/golden/digest.txt`).
//!
//! ```sh
//! cargo run --release --no-default-features --example digest            # compares all
//! cargo run --release --no-default-features --example digest -- --write # writes them down anew
//! ```
//!
//! `tests/digest.rs` compares a part of them. Ends with 1 when one is another.

#[path = "../tests/common/digest.rs"]
mod digest;

use clap::Parser;
use digest::{BLOCK, Level, SEEDS};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/digest.txt");
/// So often it is said how far it is.
const TOLD_EVERY: usize = 30;

#[derive(Parser)]
struct Arguments {
    /// Writes them down anew: what has changed is what the commit explains
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::parse();
    let lines = all();
    if arguments.write {
        std::fs::write(GOLDEN, lines.join("\n") + "\n")?;
        println!("{} lines written to {GOLDEN}", lines.len());
        return Ok(std::process::ExitCode::SUCCESS);
    }
    let golden = std::fs::read_to_string(GOLDEN)?;
    let before: Vec<&str> = golden.lines().collect();
    anyhow::ensure!(before.len() == lines.len(), "{} lines in {GOLDEN}, and {} now", before.len(), lines.len());
    let other: Vec<_> = before.into_iter().zip(&lines).filter(|(before, now)| before != now).collect();
    for (before, now) in &other {
        println!("- {before}\n+ {now}");
    }
    println!(
        "{} of {} lines are others (level, first seed, hash of values, hash with prose)",
        other.len(),
        lines.len()
    );
    Ok(std::process::ExitCode::from(u8::from(!other.is_empty())))
}

fn all() -> Vec<String> {
    let of_level = |level: Level| (0..SEEDS / BLOCK).map(move |block| (level, block * BLOCK));
    let blocks: Vec<(Level, u64)> = Level::ALL.into_iter().flat_map(of_level).collect();
    digest::lines(&blocks, |done| {
        if done > 0 && done.is_multiple_of(TOLD_EVERY) {
            eprintln!("{done} of {}", blocks.len());
        }
    })
}
