//! What a command says on stdout, and how many columns there are for it.
//!
//! Whoever reads may have seen enough (`… | head`). That is no error, and changes nothing about what was found out: nothing more
//! is printed, nothing is said about it, and the exit code is the one that it would have been.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

/// Where nothing says how wide it is: a file, a pipe.
pub const WIDTH: u16 = 100;
/// Columns that a person can still read, and those below which no table fits.
const NARROWEST: u16 = 40;
const WIDEST: u16 = 140;

/// Prints it, without its colours where stdout is no terminal. False: the pipe is closed, and nothing after it will be read.
///
/// # Errors
/// When stdout cannot be written for another reason: the disk is full.
pub fn print(text: impl AsRef<[u8]>) -> io::Result<bool> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(io::Error::new(error.kind(), format!("write to stdout: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// The same for a line.
///
/// # Errors
/// As [`print()`].
pub fn say(line: &str) -> io::Result<bool> {
    print(format!("{line}\n"))
}

/// Something to know beside what was asked. What tags and AWS say is shown as text.
pub fn note(text: &str) {
    let _closed = writeln!(io::stderr(), "note: {}", super::status::lines::clean(text));
}

/// The one line that says what went wrong. With stderr gone nobody is left to be told.
pub fn error(error: &anyhow::Error) {
    let _closed = writeln!(io::stderr(), "error: {}", super::one_line(error));
}

/// The columns of the terminal, or those that `COLUMNS` asks for.
#[must_use]
pub fn width() -> u16 {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok()).filter(|n| *n > 0);
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
    let there = asked.or_else(|| if io::stdout().is_terminal() { terminal() } else { None });
    there.unwrap_or(WIDTH).clamp(NARROWEST, WIDEST)
}
