//! Two emulators that nobody of this project wrote, one pair per test.
//!
//! moto plays EC2, Auto Scaling, ECS and SSM; ministack plays SQS (and single calls of SSM and ECS, where it knows more). Both are Python packages, pinned in `requirements.txt`,
//! and installed once into a virtual environment below `target/emulators/`. The first process that needs them installs them
//! into a directory of its own and renames it when all is well, under a file lock: whoever comes at the same time waits, and
//! an installation that broke off halfway is never taken for one. (A virtual environment may be renamed as long as its
//! modules are run by `python -m` and not by the scripts in `bin/`, which have their first path written into them.)
//!
//! A server ends with the test that started it: it is killed on drop, and should the test binary itself be killed, its
//! standard input ends, at which it leaves by itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::account::{ACCOUNT, REGION};
use crate::calls::recording;
use crate::wait::until_blocking;

/// Some of moto's stock, with the days they were made on: ECS images of Amazon, among them those that are recommended.
const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/images.json");
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// A cold start reads some hundred Python modules from disk; two cores are shared with other tests.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A port that was free when we asked can be taken when the server binds it.
const ATTEMPTS: u32 = 3;

/// Runs a module as `python -m` would, and leaves when standard input ends.
const RUN_WHILE_STDIN_IS_OPEN: &str = r#"
import os, runpy, sys, threading

def leave_when_stdin_ends():
    sys.stdin.buffer.read()
    os._exit(0)

threading.Thread(target=leave_when_stdin_ends, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"#;

/// EC2, Auto Scaling, ECS and SSM at one address, SQS (and what a stack is made of) at another.
pub struct Emulators {
    moto: Server,
    ministack: Server,
}

impl Emulators {
    /// `None` where there is no Python: the test says so and is skipped. With `CI` set it fails instead.
    pub fn start(dir: &Path) -> Option<Emulators> {
        let python = environment()?;
        let moto = Server::start(python, dir, &MOTO);
        // Left alone, moto lets a task take one step towards STOPPED each time somebody describes it.
        let manual = r#"{"model_name":"ecs::task","transition":{"progression":"manual","times":1000000000}}"#;
        let answer = http(moto.port, "POST", "/moto-api/state-manager/set-transition", manual);
        assert_eq!(answer, Some(201), "moto did not take the transition of ecs::task");
        Some(Emulators { moto, ministack: Server::start(python, dir, &MINISTACK) })
    }

    /// Where EC2, Auto Scaling, ECS and SSM are.
    pub fn fleet_url(&self) -> String {
        self.moto.url()
    }

    /// Where SQS is, and another SSM and ECS.
    pub fn sqs_url(&self) -> String {
        self.ministack.url()
    }
}

struct Program {
    name: &'static str,
    module: &'static str,
    arguments: fn(u16) -> Vec<String>,
    environment: fn(&Path, u16) -> Vec<(&'static str, String)>,
    ready: &'static str,
}

const MOTO: Program = Program {
    name: "moto",
    module: "moto.server",
    arguments: |port| ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec(),
    environment: |dir, _| {
        vec![
            ("MOTO_ACCOUNT_ID", ACCOUNT.to_owned()),
            ("MOTO_ENABLE_RECORDING", "true".to_owned()),
            ("MOTO_RECORDER_FILEPATH", recording(dir).display().to_string()),
            // In the place of its own stock, in which every image was made when the server was started.
            ("MOTO_AMIS_PATH", IMAGES.to_owned()),
        ]
    },
    ready: "/moto-api/",
};

const MINISTACK: Program = Program {
    name: "ministack",
    module: "ministack",
    arguments: |_| Vec::new(),
    environment: |_, port| {
        vec![
            ("BIND_HOST", "127.0.0.1".to_owned()),
            ("GATEWAY_PORT", port.to_string()),
            ("MINISTACK_HOST", "127.0.0.1".to_owned()),
            ("MINISTACK_REGION", REGION.to_owned()),
            ("MINISTACK_ACCOUNT_ID", ACCOUNT.to_owned()),
            ("SERVICES", SERVICES.to_owned()),
            // It would listen on every interface, whatever BIND_HOST says.
            ("IOT_MTLS_ENABLED", "0".to_owned()),
        ]
    },
    ready: "/_ministack/health",
};

/// What a stack is made of too.
const SERVICES: &str = "sqs,events,ssm,ecs,cloudformation,iam,scheduler,logs,monitoring,sns,sts";

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(python: &Path, dir: &Path, program: &Program) -> Server {
        // One at a time, so that two tests of this process cannot be given the same free port.
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let log = dir.join(format!("{}.log", program.name));
        for _ in 0..ATTEMPTS {
            let mut server = Server::spawn(python, dir, &log, program);
            if server.is_ready(program.ready) {
                return server;
            }
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        panic!("{} did not answer within {READY_WITHIN:?}:\n{said}", program.name);
    }

    fn spawn(python: &Path, dir: &Path, log: &Path, program: &Program) -> Server {
        let port = free_port();
        let output = File::create(log).expect("the emulator's log can be written");
        let child = Command::new(python)
            .args(["-c", RUN_WHILE_STDIN_IS_OPEN, program.module])
            .args((program.arguments)(port))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", dir)
            .envs((program.environment)(dir, port))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("the emulator's log can be shared"))
            .stderr(output)
            .spawn()
            .expect("the emulator's python can be started");
        Server { child, port }
    }

    fn is_ready(&mut self, path: &str) -> bool {
        let port = self.port;
        let answered = until_blocking(READY_WITHIN, || match self.child.try_wait() {
            Ok(None) => (http(port, "GET", path, "") == Some(200)).then_some(true),
            Ok(Some(_)) | Err(_) => Some(false),
        });
        answered == Some(true)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// One request; the status of the answer, or `None` when there was none.
fn http(port: u16, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split_whitespace().nth(1)?.parse().ok()
}

/// The python with both emulators, installed at most once per process (and per machine: see above).
pub fn environment() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(install).as_deref()
}

fn install() -> Option<PathBuf> {
    if !Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
    {
        assert!(
            std::env::var_os("CI").is_none(),
            "python3 is missing: the contract tests cannot run, and CI must run them"
        );
        // Straight to standard error: what the print macros write is not shown for a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: python3 is missing, so the contract with the emulators was not tested"
        );
        return None;
    }
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the temporary directory of cargo is below target");
    let home = target.join("emulators");
    fs::create_dir_all(&home).expect("target/emulators can be made");
    let lock = File::create(home.join("lock")).expect("target/emulators/lock can be made");
    lock.lock().expect("target/emulators/lock can be locked");
    let ready = home.join(slug(REQUIREMENTS));
    if !ready.exists() {
        let building = home.join("building");
        // Left behind by a process that died while it held the lock.
        let _ = fs::remove_dir_all(&building);
        run(Command::new("python3").args(["-m", "venv"]).arg(&building));
        let requirements = home.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).expect("the list of requirements can be written");
        run(Command::new(building.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements));
        fs::rename(&building, &ready).expect("the finished installation can be renamed");
    }
    Some(ready.join("bin/python"))
}

fn run(command: &mut Command) {
    let output = command.output().expect("python can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the emulators could not be installed: {command:?} ended with {}:\n{said}",
        output.status
    );
}

/// `moto-server-5-2-5-ministack-1-5-33`: another version is another directory.
fn slug(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
