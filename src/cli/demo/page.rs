//! The demo on the page of the worker, while it happens.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;

use super::scene::Scene;
use super::{DemoArgs, begin_logs};
use crate::journal::Journal;
use crate::sim::logs;
use crate::web::simulated::{Show, show};

/// # Errors
/// When the address is taken, or the runtime cannot be started.
pub fn show_page(args: &DemoArgs, address: SocketAddr) -> anyhow::Result<ExitCode> {
    let journal = Journal::for_page(logs::now);
    begin_logs(Some(journal.clone()));
    let scene = Scene::new(args);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let interrupted = async {
        // Without a signal to wait for it is ended in another way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let speed = args.speed;
    let ready = |at: SocketAddr| {
        let text = format!("a simulated account, {speed} times as fast: http://{at}/ (Ctrl-C ends it)");
        // Who does not read it has the address all the same.
        let _unread = writeln!(io::stdout(), "{text}");
    };
    runtime.block_on(show(Show { simulation: scene.simulation(), speed, address, journal }, interrupted, ready))?;
    Ok(ExitCode::from(crate::cli::exit::OK))
}
