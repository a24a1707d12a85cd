//! The status on a screen of its own, drawn anew with every look: arrows and pages move it, `r` looks at once, `q` ends it.

use std::time::Duration;

use anyhow::Context as _;
use ratatui::crossterm::event;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Row, Text};
use ratatui::widgets::Paragraph;
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;

use super::lines::{Line, Tone, lines};
use super::live::{code_of, look};
use super::report::Report;
use crate::aws;
use crate::aws::Aws;
use crate::engine::Settings;

/// # Errors
/// When the terminal cannot be drawn on.
pub(super) async fn watch(aws: &Aws, settings: &Settings, every: Duration) -> anyhow::Result<u8> {
    let mut terminal = ratatui::try_init().context("take over the terminal")?;
    let ended = run(&mut terminal, aws, settings, every).await;
    ratatui::restore();
    ended
}

#[derive(Default)]
struct Screen {
    report: Option<Report>,
    looking: bool,
    scroll: u16,
    colours: bool,
}

async fn run(terminal: &mut DefaultTerminal, aws: &Aws, settings: &Settings, every: Duration) -> anyhow::Result<u8> {
    let mut keys = keys();
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut screen = Screen { looking: true, colours, ..Screen::default() };
    let mut looking = Box::pin(look(aws, settings));
    loop {
        terminal.draw(|frame| screen.draw(frame)).context("draw")?;
        tokio::select! {
            report = &mut looking, if screen.looking => {
                screen.report = Some(report);
                screen.looking = false;
                looks.reset();
            }
            _ = looks.tick(), if !screen.looking => {
                looking = Box::pin(look(aws, settings));
                screen.looking = true;
            }
            _ = seconds.tick() => screen.age(),
            event = keys.recv() => match event.map(|event| screen.act(&event)) {
                Some(Act::Stay) => {}
                Some(Act::Look) if screen.looking => {}
                Some(Act::Look) => {
                    looking = Box::pin(look(aws, settings));
                    screen.looking = true;
                }
                Some(Act::Leave) | None => return Ok(screen.report.as_ref().map_or(crate::cli::exit::OK, code_of)),
            },
        }
    }
}

/// Keys and changes of size, from a thread of their own: the terminal can only be waited for.
fn keys() -> mpsc::Receiver<Event> {
    let (send, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if send.blocking_send(event).is_err() {
                break;
            }
        }
    });
    keys
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Stay,
    Look,
    Leave,
}

impl Screen {
    fn act(&mut self, event: &Event) -> Act {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return Act::Stay };
        let page = 10;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a keyboard has many keys")]
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Act::Leave,
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return Act::Leave,
            KeyCode::Char('r') => return Act::Look,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll = self.scroll.saturating_add(page),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        Act::Stay
    }

    /// Times are told as of now, whenever the look was.
    fn age(&mut self) {
        if let Some(report) = &mut self.report {
            report.at = aws::now();
        }
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [body, foot] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
        let all = match &self.report {
            Some(report) => lines(report, body.width),
            None => vec![Line { tone: Tone::Aside, text: "looking …".to_owned() }],
        };
        let most = u16::try_from(all.len()).unwrap_or(u16::MAX).saturating_sub(body.height);
        self.scroll = self.scroll.min(most);
        let text: Text<'_> = all.iter().map(|line| Row::styled(line.text.as_str(), self.style(line.tone))).collect();
        frame.render_widget(Paragraph::new(text).scroll((self.scroll, 0)), body);
        let at = self.report.as_ref().map(|report| format!("{:.0}", report.at)).unwrap_or_default();
        let more = if self.scroll < most { " · ↓ more" } else { "" };
        let looking = if self.looking { " · looking" } else { "" };
        let foot_text = format!("{at}{looking}{more} · q quit · r look now");
        frame.render_widget(Paragraph::new(foot_text).style(self.style(Tone::Aside)), foot);
    }

    fn style(&self, tone: Tone) -> Style {
        let plain = Style::new();
        let colour = |colour: Color| if self.colours { plain.fg(colour) } else { plain };
        match tone {
            Tone::Plain => plain,
            Tone::Title => plain.add_modifier(Modifier::BOLD),
            Tone::Aside => plain.add_modifier(Modifier::DIM),
            Tone::Good => colour(Color::Green),
            Tone::Going => colour(Color::Cyan),
            Tone::Waiting => colour(Color::Yellow),
            Tone::Trouble => colour(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}
