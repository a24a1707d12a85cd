//! A terminal in which a command runs: tmux, without anybody at it. Where there is none the test says so and goes on without,
//! except in CI.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Terminal {
    socket: PathBuf,
    code: PathBuf,
}

impl Terminal {
    /// None: there is no tmux here.
    pub fn open(command: &Command, folder: &Path, (columns, rows): (u16, u16)) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI needs tmux");
            eprintln!("not seen in a terminal: there is no tmux here");
            return None;
        }
        let this = Self { socket: folder.join("tmux"), code: folder.join("terminal-code") };
        let script = folder.join("terminal.sh");
        fs::write(&script, this.script(command)).expect("the script can be written");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = format!("sh {}; sleep 60", script.display());
        let opened = this.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, &shell]);
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        Some(this)
    }

    /// The command with its environment, and what it ended with.
    fn script(&self, command: &Command) -> String {
        let quoted = |text: &OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
        let set = |(name, value): (&OsStr, Option<&OsStr>)| match value {
            Some(value) => format!("export {}={}\n", name.to_string_lossy(), quoted(value)),
            None => format!("unset {}\n", name.to_string_lossy()),
        };
        let environment: String = command.get_envs().map(set).collect();
        let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
        let words = words.collect::<Vec<_>>().join(" ");
        format!("{environment}{words}\necho $? > {}\n", quoted(self.code.as_os_str()))
    }

    /// What stands in it now.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Leaves what stands in it beside the other screenshots, as text and with its colours.
    pub fn keep(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(format!("{name}.txt")), self.seen()).expect("the screenshot can be written");
        let coloured = self.tmux(&["capture-pane", "-p", "-e"]).stdout;
        fs::write(folder.join(format!("{name}.ansi")), coloured).expect("the screenshot can be written");
    }

    pub fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).status.success(), "the key reaches it");
    }

    /// What the command has ended with.
    pub fn code(&self) -> Option<String> {
        fs::read_to_string(&self.code).ok().map(|code| code.trim().to_owned()).filter(|code| !code.is_empty())
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().expect("tmux answers")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
