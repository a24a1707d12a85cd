//! `health`: asks the worker beside it whether it is alive. For the health check of a container that has nothing else in it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config::{AddressOrNothing, HTTP_VARIABLE, address};

const PATIENCE: Duration = Duration::from_secs(3);
/// The answer is a few hundred bytes.
const LONGEST: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  The health check of a container whose worker has the same ECS_ROTATOR_HTTP
    [\"CMD\", \"/ecs-rotator\", \"health\"]

  By hand
    ecs-rotator health --http 127.0.0.1:8080

Exit codes: 0 alive, 1 not, or nobody answers, 2 bad usage.";

/// Ask a worker whether it is alive
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// Where the worker answers
    #[arg(long, env = HTTP_VARIABLE, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    http: AddressOrNothing,
}

pub fn health(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let Some(at) = args.http.0 else {
        bail!("the worker answers nowhere: give it and this command an address, by --http or {HTTP_VARIABLE}");
    };
    let answer = ask(at).with_context(|| format!("no worker answers at {at}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    super::out::say(body.trim())?;
    let alive = head.lines().next().is_some_and(|status| status.contains(" 200 "));
    Ok(ExitCode::from(if alive { super::exit::OK } else { super::exit::FAILED }))
}

/// One request over one connection: no client is needed for that.
fn ask(at: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}
