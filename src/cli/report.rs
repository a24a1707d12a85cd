//! `report`: the picture of a rotation, drawn from what workers said of it in their log. Nothing is called.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use anyhow::{Context as _, bail};
use clap::Args;

use super::demo::count;
use crate::id::ClusterName;
use crate::journal::LogLine;
use crate::plan::timing::in_words;
use crate::record::{Record, html};

const EXAMPLES: &str = "\
Examples:
  The last rotation of `prod`, from the log group of the worker
    aws logs tail /ecs-rotator/worker --since 1d | ecs-rotator report --cluster prod --output prod.html

  One rotation, by its id (`status` and every line of the log have it)
    ecs-rotator report --cluster prod --rotation prod/20260114T030001Z --output prod.html worker.log

  The same as data
    ecs-rotator report --cluster prod --json worker.log | jq '.groups'

The log is what `ecs-rotator run --log-format json` writes. What stands in front of a line, and lines of
others, are passed over; several files, in any order, are one log. Events of the worker's own
(--event-bus) may stand among them: of a rotation without a log they draw the holds and the ends.
The page is one file that loads and runs nothing: it can be filed with a change request.

Exit codes: 0 drawn, 1 something failed (the log does not speak of it), 2 bad usage.";

/// Draw a rotation as it went: every host, the capacity, the tasks, the holds; from a worker's JSON log
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Whose rotation
    #[arg(short, long, value_name = "NAME")]
    cluster: String,

    /// Which one, by its id [default: the last one]
    #[arg(long, value_name = "ID")]
    rotation: Option<String>,

    /// The file to draw into [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print the record as one JSON object instead of drawing it
    #[arg(long)]
    json: bool,

    /// Logs to read; `-` is stdin
    #[arg(value_name = "LOG", default_value = "-")]
    logs: Vec<PathBuf>,
}

/// # Errors
/// When a log cannot be read, does not speak of the rotation, or the picture cannot be written.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let cluster = ClusterName::from(args.cluster.as_str());
    // As in every tool, `-` is stdout.
    let output = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if let Some(output) = output
        && args.logs.iter().any(|log| is_same(log, output))
    {
        bail!("{} is the log: give the picture another file", output.display());
    }
    if let Some(output) = &args.output {
        can_write(output)?;
    }
    let mut lines = Vec::new();
    for path in &args.logs {
        read(path, &mut lines)?;
    }
    let record = Record::of(&lines, &cluster, args.rotation.as_deref())?;
    if args.json {
        put(output, &(serde_json::to_string_pretty(&record)? + "\n"))?;
        return Ok(ExitCode::from(super::exit::OK));
    }
    match output {
        Some(path) => write(&record, path)?,
        None if args.output.is_none() && io::stdout().is_terminal() => {
            bail!("a page of HTML is nothing for a terminal: give a file with --output")
        }
        None => put(None, &html(&record))?,
    }
    Ok(ExitCode::from(super::exit::OK))
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn read(path: &Path, lines: &mut Vec<LogLine>) -> anyhow::Result<()> {
    let log: Box<dyn BufRead> = if path == Path::new("-") {
        if io::stdin().is_terminal() {
            bail!("no log: name a file, or send one to stdin, as `ecs-rotator report --help` shows");
        }
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).with_context(|| format!("open {}", path.display()))?))
    };
    // Whatever else is in it need not be text.
    for line in log.split(b'\n') {
        let line = line.with_context(|| format!("read {}", path.display()))?;
        lines.extend(LogLine::all_in(&String::from_utf8_lossy(&line)));
    }
    Ok(())
}

/// Draws it, and says so on stderr.
///
/// # Errors
/// When the file cannot be written.
pub fn write(record: &Record, path: &Path) -> anyhow::Result<()> {
    put(Some(path), &html(record))?;
    let took = in_words(record.until.duration_since(record.opened));
    let state = record.state.word().replace("-", " ");
    let (id, hosts) = (&record.id, count(record.replaced(), "host"));
    let path = path.display();
    writeln!(io::stderr(), "{path}: rotation {id}, {state} after {took}, {hosts} replaced").context("write to stderr")
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    PathBuf::from(beside)
}

/// What was there stays until all of it is written. What is no file (a pipe, a terminal) is written to.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() && !path.is_file() {
        return fs::write(path, text);
    }
    let beside = beside(path);
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // Nothing of it is of use to anybody.
        let _gone = fs::remove_file(&beside);
    })
}

/// Before what takes its time: can the file be written at all?
///
/// # Errors
/// When it cannot.
pub fn can_write(path: &Path) -> anyhow::Result<()> {
    let probe = || match path.exists() {
        true if !path.is_file() => fs::OpenOptions::new().write(true).open(path).map(drop),
        true | false => {
            let beside = beside(path);
            File::create(&beside).and_then(|_| fs::remove_file(&beside))
        }
    };
    probe().with_context(|| format!("write {}", path.display()))
}

fn put(path: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match path {
        Some(path) => replace(path, text).with_context(|| format!("write {}", path.display())),
        None => {
            super::out::print(text)?;
            Ok(())
        }
    }
}
