//! The worker as it runs in production: the real binary, a process of its own, told where the emulators are by environment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::account::{CLUSTER, REGION};
use crate::calls::WORKER_KEY;
use crate::emulators::Emulators;
use crate::wait::until;

const TAIL_LINES: usize = 60;

/// Killed when it is dropped; the end of its log is shown when that is because a test has failed.
pub struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// `command` as from [`run`].
    pub fn start(mut command: Command, log: PathBuf) -> Worker {
        let output = File::create(&log).expect("the worker's log can be written");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("the worker's log can be shared")).stderr(output);
        Worker { child: command.spawn().expect("the worker can be started"), log }
    }

    /// SIGKILL: no last words.
    pub fn kill(&mut self) {
        self.child.kill().expect("the worker can be killed");
        self.child.wait().expect("the killed worker is gone");
    }

    /// SIGTERM, as ECS does before it stops a task.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|s| s.success()), "kill -TERM reaches the worker");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the worker can be waited for").is_none()
    }

    /// `None`: it still runs.
    pub async fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        until(within, async || self.child.try_wait().expect("the worker can be waited for")).await
    }

    pub fn log_file(&self) -> &Path {
        &self.log
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        format!("--- the end of {}\n{}\n", self.log.display(), lines[from..].join("\n"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

/// `ecs-rotator run`, as quick as it can be made.
pub fn run(emulators: &Emulators, queue: &str, home: &Path) -> Command {
    let mut command = ecs_rotator(emulators, home, WORKER_KEY);
    command
        .args(["run", "--queue-url", queue, "--cluster", CLUSTER])
        // A test's own flags go before them.
        .env("ECS_ROTATOR_MAX_IN_FLIGHT", "1")
        .env("ECS_ROTATOR_SWEEP_INTERVAL", "5s")
        .env("ECS_ROTATOR_BAKE", "5s")
        .env("AWS_ENDPOINT_URL_SQS", emulators.sqs_url())
        .env("AWS_ENDPOINT_URL_EVENTBRIDGE", emulators.sqs_url())
        .env("ECS_ROTATOR_LOG", "warn,ecs_rotator=debug");
    command
}

/// Nothing of the environment of the tests reaches it.
pub fn ecs_rotator(emulators: &Emulators, home: &Path, key: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-rotator"));
    command
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("AWS_ENDPOINT_URL", emulators.fleet_url())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", key)
        .env("AWS_SECRET_ACCESS_KEY", key)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}
