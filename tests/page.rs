//! The page of the worker in a real browser, over simulated rotations that run behind it.
//!
//! Needs Chromium (Debian: `chromium`). Where there is none the tests say so and pass, except in CI. What they see is left in
//! `target/screenshots`.

#![cfg(feature = "web")]
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]
#![expect(clippy::disallowed_methods, reason = "a browser is waited for, and its answers are timed")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ecs_rotator::engine::Mode;
use ecs_rotator::journal::Journal;
use ecs_rotator::plan::policy::{Budget, Policy};
use ecs_rotator::record::{Record, html};
use ecs_rotator::sim::{Act, CLUSTER, Delay, Faults, GroupShape, START, Scenario, ServiceShape, Simulation, logs};
use ecs_rotator::web::simulated::{Show, show};
use headless_chrome::protocol::cdp::types::Method;
use headless_chrome::protocol::cdp::{Emulation, Page};
use headless_chrome::{Browser, LaunchOptions, Tab};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry};

/// What a screen reader is given. As data: the library knows fewer properties than the browser.
#[derive(Debug, serde::Serialize)]
struct GetFullAXTree {}

impl Method for GetFullAXTree {
    const NAME: &'static str = "Accessibility.getFullAXTree";
    type ReturnObject = Value;
}

/// As long as a browser on a machine at work may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What somebody may call a thing of theirs.
const SCRIPT: &str = "<img src=x onerror=window.owned=1><script>window.owned=1</script>";

/// A page over a simulation, until it is dropped.
struct Served {
    at: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// `prepare` may bring the simulation to where it gets interesting; then it goes on so many times as fast.
    fn new(scenario: Scenario, speed: u32, prepare: impl FnOnce(&mut Simulation) + Send + 'static) -> Self {
        let (told, hears) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let journal = Journal::for_page(logs::now);
            let subscriber = registry().with(journal.clone().with_filter(LevelFilter::INFO));
            tracing::subscriber::with_default(subscriber, || {
                let mut simulation = Simulation::new(scenario);
                prepare(&mut simulation);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let address = SocketAddr::from(([127, 0, 0, 1], 0));
                let stopped = async {
                    let _ended = stopped.await;
                };
                let showing = show(Show { simulation, speed, address, journal }, stopped, |at| told.send(at).unwrap());
                runtime.block_on(showing).unwrap();
            });
        });
        Self { at: hears.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.at)
    }

    /// The head and the body of an answer.
    fn get(&self, path: &str) -> (String, String) {
        self.ask("GET", path, &self.at.to_string())
    }

    fn ask(&self, method: &str, path: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// None, and said, where there is no Chromium; in CI there has to be one.
fn browser() -> Option<Browser> {
    let found = headless_chrome::browser::default_executable();
    let path = match found {
        Ok(path) => path,
        Err(why) if std::env::var_os("CI").is_some() => panic!("CI needs Chromium: {why}"),
        Err(why) => {
            eprintln!("skipped: there is no Chromium here ({why}); install Debian's `chromium`");
            return None;
        }
    };
    // Chromium's own sandbox does not work for root, as which containers run.
    let is_root = fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0);
    let options = LaunchOptions::default_builder()
        .path(Some(path))
        .sandbox(!is_root)
        .window_size(Some((1200, 1000)))
        .idle_browser_timeout(Duration::from_secs(300))
        .build()
        .unwrap();
    Some(Browser::new(options).unwrap())
}

/// Before anything of the page: what its policy had to stop.
const LISTEN: &str = "window.stopped = []; \
    addEventListener('securitypolicyviolation', (event) => window.stopped.push(event.violatedDirective + ' ' + event.blockedURI)); \
    addEventListener('error', (event) => window.stopped.push(String(event.message)));";

struct Seen {
    tab: Arc<Tab>,
}

impl Seen {
    fn open(browser: &Browser, url: &str) -> Self {
        let seen = Self::blank(browser);
        seen.tab.navigate_to(url).unwrap();
        seen
    }

    fn blank(browser: &Browser) -> Self {
        let tab = browser.new_tab().unwrap();
        tab.set_default_timeout(PATIENCE);
        tab.call_method(Page::AddScriptToEvaluateOnNewDocument {
            source: LISTEN.to_owned(),
            world_name: None,
            include_command_line_api: None,
            run_immediately: None,
        })
        .unwrap();
        Self { tab }
    }

    fn ask(&self, script: &str) -> Value {
        self.tab.evaluate(script, false).unwrap().value.unwrap_or_default()
    }

    fn text(&self, script: &str) -> String {
        self.ask(script).as_str().unwrap_or_default().to_owned()
    }

    fn number(&self, script: &str) -> u64 {
        self.ask(script).as_u64().unwrap_or_default()
    }

    /// Waits until the script says true.
    #[track_caller]
    fn until(&self, what: &str, script: &str) {
        let begun = Instant::now();
        while self.ask(script) != Value::Bool(true) {
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; the page says\n{}", self.all());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn all(&self) -> String {
        self.text("document.body.innerText")
    }

    fn size(&self, width: u32, height: u32) {
        self.tab
            .call_method(Emulation::SetDeviceMetricsOverride {
                width,
                height,
                device_scale_factor: 1.0,
                mobile: width < 600,
                scale: None,
                screen_width: None,
                screen_height: None,
                position_x: None,
                position_y: None,
                dont_set_visible_size: None,
                screen_orientation: None,
                viewport: None,
                display_feature: None,
                device_posture: None,
            })
            .unwrap();
    }

    fn scheme(&self, value: &str) {
        let feature = Emulation::MediaFeature { name: "prefers-color-scheme".to_owned(), value: value.to_owned() };
        self.tab.call_method(Emulation::SetEmulatedMedia { media: None, features: Some(vec![feature]) }).unwrap();
    }

    /// Leaves a picture, of a page that fits in the width and that nothing had to be stopped on.
    #[track_caller]
    fn picture(&self, name: &str) {
        let wide = self.number("document.documentElement.scrollWidth");
        let window = self.number("document.documentElement.clientWidth");
        assert!(wide <= window, "{name}: {wide} pixels wide in a window of {window}");
        assert_eq!(self.text("window.stopped.join()"), "", "{name}");
        // The whole of it, if it is not too long.
        let high = self.number("document.documentElement.scrollHeight").min(1_600);
        self.size(u32::try_from(window).unwrap(), u32::try_from(high).unwrap());
        let png = self.tab.capture_screenshot(Page::CaptureScreenshotFormatOption::Png, None, None, true).unwrap();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
}

/// 40 hosts in 3 groups, a fifth of each at a time.
fn forty() -> Scenario {
    let groups = [("web-asg", 14), ("api-asg", 13), ("batch-asg", 13)];
    let mut scenario = Scenario::new(1).groups(groups.map(|(name, hosts)| GroupShape::new(name, hosts)).to_vec());
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(20), ..Policy::default() };
    scenario.release_after = SignedDuration::from_mins(2);
    scenario
}

/// A drain that cannot end, because of a service without room whose name is a script, in a group whose name is one.
fn stuck() -> Scenario {
    let mut scenario = Scenario::new(1).groups(vec![GroupShape::new(SCRIPT, 6)]);
    scenario = scenario.services(vec![ServiceShape::new(SCRIPT, 24, 100, 100)]);
    scenario.release_after = SignedDuration::from_mins(2);
    scenario
}

/// Lets the simulation run for so long before anybody looks.
fn after(minutes: i64) -> impl FnOnce(&mut Simulation) + Send {
    move |simulation| {
        simulation.run_until(|_| false, START + SignedDuration::from_mins(minutes));
    }
}

const COUNT: &str = "Number(document.querySelector('.progress').textContent.split(' ')[0])";
const PILL: &str = "(document.querySelector('.pill')?.textContent ?? '')";

/// From now on: the titles of all alerts that appear, and how long ago the last full sync was at most.
const WATCH: &str = "window.raised = []; window.oldest = 0; \
    new MutationObserver(() => { \
        for (const title of document.querySelectorAll('.alert h3')) if (!raised.includes(title.textContent)) raised.push(title.textContent); \
    }).observe(document.querySelector('#alerts'), { childList: true, subtree: true, characterData: true }); \
    setInterval(() => { \
        const synced = told?.clusters[0]?.synced_at; \
        if (synced) window.oldest = Math.max(window.oldest, (now() - Date.parse(synced)) / 60e3); \
    }, 20);";

#[test]
fn the_page_follows_a_rotation_to_its_end_without_being_loaded_again() {
    let Some(browser) = browser() else { return };
    let served = Served::new(Scenario { seed: 2, ..forty() }, 160, |_| {});
    let page = Seen::open(&browser, &served.url());
    page.until(
        "it is live",
        "document.querySelector('#link')?.textContent === 'live' && !!document.querySelector('.pill')",
    );
    page.ask("window.here = 1");
    page.ask(WATCH);
    // Sought in the page itself: at this speed the moment is shorter than it takes to ask for it from here.
    page.ask(&format!(
        "setInterval(() => {{ window.midway ||= {COUNT} >= 12 && !!document.querySelector('.cell.draining') \
         && !!document.querySelector('.cell.replacing') }}, 20)"
    ));
    page.until("there has been no rotation, or it has just begun", &format!("/no rotation yet|open for/.test({PILL})"));
    page.until("the rotation opens", &format!("{PILL}.startsWith('open for')"));
    page.until("somebody drains", "!!document.querySelector('.cell.draining')");
    page.until("some are done, and others on their way", "!!window.midway");
    let done = page.number(COUNT);
    page.picture("rotation");
    page.scheme("dark");
    page.size(390, 844);
    page.picture("phone");
    page.size(1200, 1000);
    page.until("more are done", &format!("{COUNT} > {done}"));
    page.until("hosts are told to have come and to have gone", "/serves on ami-/.test(document.querySelector('#journal').innerText) && /terminated after \\d+m( \\d+s)?, \\d+ tasks? moved/.test(document.querySelector('#journal').innerText)");
    page.until("it closes", &format!("{PILL}.startsWith('closed ')"));
    page.until("everybody is current", "document.querySelectorAll('.cells .cell').length === 40 && document.querySelectorAll('.cells .cell.current').length === 40");
    assert_eq!(page.number("window.here"), 1, "the page was loaded again");
    // A healthy rotation of over half an hour, in which a full sync was long ago for most of the time.
    assert!(page.ask("window.oldest").as_f64().unwrap() > 20.0, "{:?}", page.ask("window.oldest"));
    assert_eq!(page.text("raised.join()"), "", "alarm without a reason");
    page.scheme("light");
    page.picture("idle");
}

#[test]
fn a_hold_stands_on_top_with_its_reason_and_a_script_in_a_name_is_text() {
    let Some(browser) = browser() else { return };
    let served = Served::new(stuck(), 60, after(12));
    let page = Seen::open(&browser, &served.url());
    page.until("it is said who keeps a host", "!!document.querySelector('.alert.stall')");
    drop(page);
    drop(served);
    let served = Served::new(stuck(), 1, after(90));
    let page = Seen::open(&browser, &served.url());
    page.until("it is held", "!!document.querySelector('.alert.held')");
    let alert = page.text("document.querySelector('#alerts').innerText");
    for said in ["demo is held", "not stopped after 1h of draining", SCRIPT, "ecs-rotator resume --cluster demo"] {
        assert!(alert.contains(said), "`{said}` is not in\n{alert}");
    }
    assert!(page.text("document.title").starts_with("(1 held)"), "{}", page.text("document.title"));
    assert_eq!(page.text("document.querySelector('.group .name').textContent"), SCRIPT);
    assert_eq!(page.number("document.querySelectorAll('img, script').length"), 1, "only the page's own script");
    assert_eq!(page.ask("window.owned ?? null"), Value::Null);
    let top = "document.querySelector('.alert').getBoundingClientRect().top < document.querySelector('.cluster').getBoundingClientRect().top";
    assert_eq!(page.ask(top), true);
    page.picture("held");
}

/// What a page draws when the worker tells this of the cluster: the last that it told, changed by a script.
#[track_caller]
fn told(page: &Seen, change: &str) {
    page.until("something is told", "typeof told === 'object' && !!told?.clusters[0]?.status");
    let drawn = page.ask(&format!(
        "events.close(); {{ const known = told.clusters[0], status = known.status, groups = status.groups; {change}; show(); }} 'drawn'"
    ));
    assert_eq!(drawn, "drawn", "{change}");
}

/// All that is said of the present hosts of a group as if it launched the image before a rejected one.
const REJECTED: &str = "for (const group of groups) { \
        group.hosts = { behind: Object.values(group.hosts).flat() }; \
        group.newest = { id: 'ami-2', name: 'hosts-2', age_days: 3 }; group.rejected = ['ami-2']; \
        for (const launch of group.launches) launch.in_use = launch.release = { id: 'ami-1', name: 'hosts-1', age_days: 30 }; \
    } \
    status.in_flight = []; status.rotation.state = 'held'; status.hold = null; \
    status.causes = [{ code: 'bad-release', text: 'ami-2 failed', hosts: ['i-1'], groups: ['web-asg'], gone: false, next: 'ecs-rotator rotate --cluster demo' }]; \
    status.to_do = [{ when: 'to give back the hosts that do not drain yet', command: 'ecs-rotator abort --cluster demo' }]";

#[test]
fn nothing_is_called_done_that_was_skipped_rejected_or_is_not_known() {
    let Some(browser) = browser() else { return };
    let served = Served::new(forty(), 1, after(60));
    let page = Seen::open(&browser, &served.url());
    page.until("it is over", &format!("{PILL}.startsWith('closed ')"));
    assert_eq!(page.text("document.querySelector('.progress').textContent"), "40 of 40 hosts done");
    let bar = |class: &str| page.ask(&format!("document.querySelector('.bar .{class}').hidden"));
    assert_eq!(
        (bar("done"), page.ask("document.querySelector('.bar').classList.contains('neutral')")),
        (Value::Bool(false), Value::Bool(false))
    );

    // The worker still counts them as current: the page goes by the hosts.
    told(&page, REJECTED);
    let progress = page.text("document.querySelector('.progress').textContent");
    assert_eq!(progress, "0 of 40 hosts on hosts-2 (rejected; rolled back to hosts-1)");
    assert_eq!((bar("done"), bar("going")), (Value::Bool(true), Value::Bool(true)), "no part of the bar is done");
    assert_eq!(page.ask("document.querySelector('.bar').classList.contains('neutral')"), true);
    assert_eq!(page.number("document.querySelectorAll('.cell.current').length"), 0);
    assert_eq!(page.number("document.querySelectorAll('.cells .cell.behind').length"), 40);
    let alert = page.text("document.querySelector('.alert.held').innerText");
    assert!(alert.contains("ami-2 failed (i-1)") && alert.contains("ecs-rotator rotate --cluster demo"), "{alert}");
    assert!(!alert.contains("abort"), "nothing is in flight that could be given back: {alert}");
    page.size(1400, 900);
    page.picture("rejected");

    told(
        &page,
        "status.rotation.state = 'closed-with-groups-skipped'; status.causes = []; status.to_do = []; \
        groups[0].hosts = { unknown: Object.values(groups[0].hosts).flat() }; \
        for (const group of groups.slice(1)) group.hosts = { current: Object.values(group.hosts).flat() }; \
        groups[0].status = 'unresolved'; groups[0].reason = 'no such image'; groups[0].launches = []; status.current = 27; \
        status.skipped = [{ group: 'api-asg', reason: 'no such image' }]",
    );
    let progress = page.text("document.querySelector('.progress').textContent");
    assert_eq!(progress, "27 of 40 hosts done \u{b7} 13 in groups whose release is not known \u{b7} 1 group skipped");
    let alert = page.text("document.querySelector('.alert.skipped').innerText");
    for said in ["demo closed with 1 group skipped", "api-asg: no such image", "ecs-rotator rotate --cluster demo"] {
        assert!(alert.contains(said), "`{said}` is not in\n{alert}");
    }
    assert_eq!(page.number("document.querySelectorAll('.alert').length"), 1, "it is told once");
    assert!(page.text(PILL).starts_with("closed with groups skipped"), "{}", page.text(PILL));
    assert_eq!(page.text("document.title"), "(1 skipped) ecs-rotator");
    let (done, rest) = ("document.querySelector('.bar .done')", "document.querySelector('.bar').lastElementChild");
    assert_eq!(
        page.ask(&format!("{done}.getBoundingClientRect().width > 1.9 * {rest}.getBoundingClientRect().width")),
        true
    );

    told(
        &page,
        "status.rotation.state = 'aborted'; status.skipped = []; status.hold = 'aborted by a person'; \
        status.to_do = [{ when: 'to begin it again', command: 'ecs-rotator rotate --cluster demo' }]",
    );
    let alert = page.text("document.querySelector('.alert.paused').innerText");
    assert!(alert.starts_with("demo is aborted") && alert.contains("to begin it again"), "{alert}");
    assert_eq!(page.number("document.querySelectorAll('.alert.held').length"), 0, "nobody is called at night");
}

#[test]
fn each_group_tells_what_it_runs_what_serves_and_what_comes_next() {
    let Some(browser) = browser() else { return };
    let served = Served::new(forty(), 1, after(60));
    let page = Seen::open(&browser, &served.url());
    told(
        &page,
        "const all = (group) => Object.values(group.hosts).flat(); \
        status.rotation.state = 'open'; status.in_flight = []; \
        const [one, two] = groups; \
        Object.assign(one, { serving: 13, desired: 14, running_tasks: 98, pending_tasks: 2, max_in_flight: 3, \
            patch_age_seconds: 12 * 86400, window: 'its window opens at 03:00', hosts: { outdated: all(one) }, \
            images: [{ id: 'ami-1', name: 'hosts-1', age_days: 30, hosts: 14 }] }); \
        for (const launch of one.launches) launch.release = { id: 'ami-2', name: 'hosts-2', age_days: 3 }; \
        const ids = all(two); two.hosts = { current: ids.slice(0, 1), outdated: ids.slice(1) }; \
        status.in_flight = [{ host: ids[0], group: two.group, phase: 'current', wait: 'bake', ends: '2026-01-14T03:09:00Z' }]",
    );
    let group = |n: usize| page.text(&format!("document.querySelectorAll('.group')[{n}].innerText"));
    for said in [
        "hosts-1 (30 d) \u{2192} hosts-2 (3 d)",
        "13/14 serving",
        "98 tasks, 2 pending",
        "at most 3 at a time",
        "patch age 12 days",
        "its window opens at 03:00",
    ] {
        assert!(group(0).contains(said), "no `{said}` in\n{}", group(0));
    }
    let bakes = group(1);
    assert!(bakes.contains("canary bakes until ") && bakes.contains("03:09:00, then the others follow"), "{bakes}");
    let place = page.text("document.querySelector('.place').textContent");
    assert_eq!(place, "account 123456789012 \u{b7} eu-west-1");
    assert_eq!(page.number("document.querySelectorAll('.alert').length"), 0);
    // What the audit says of a host its phases say; of a template they do not.
    told(
        &page,
        "const at = told.at, changed = { at, level: 'INFO', message: 'production changed', cluster: 'demo', before: '1', after: '2' }; \
        told.journal = [{ ...changed, operation: 'ModifyLaunchTemplate' }, { ...changed, operation: 'DetachInstances', host: 'i-1' }]",
    );
    let events = page.text("document.querySelector('#journal').innerText");
    assert!(events.contains("ModifyLaunchTemplate: 1 \u{2192} 2") && !events.contains("DetachInstances"), "{events}");
    told(&page, "told.received = new Date(now() - 300e3).toISOString()");
    assert!(page.text("document.querySelector('.alert.held').innerText").contains("receives no messages"));
}

#[test]
fn while_all_is_well_no_look_is_older_than_is_shown_without_a_word() {
    for (scenario, hours) in [(forty(), 3), (stuck(), 3)] {
        let mut simulation = Simulation::new(scenario);
        let (mut oldest_look, mut oldest_sync) = (SignedDuration::ZERO, SignedDuration::ZERO);
        while simulation.now() < START + SignedDuration::from_hours(hours) {
            simulation.run_until(|_| false, simulation.now() + SignedDuration::from_secs(20));
            let now = simulation.now();
            let known = simulation.engine().unwrap().known(now);
            let Some(cluster) = known.clusters.first().filter(|cluster| cluster.status.is_some()) else { continue };
            let age = |at: Option<jiff::Timestamp>| now.duration_since(at.unwrap());
            assert!(age(cluster.looked_at) < known.stale_after, "{now}: looked at {:?}", cluster.looked_at);
            oldest_look = oldest_look.max(age(cluster.looked_at));
            oldest_sync = oldest_sync.max(age(cluster.synced_at));
        }
        // Sweeps have come: what is at rest is not looked at more often, and what is under way not everything of it.
        assert!(oldest_look < SignedDuration::from_mins(6), "{oldest_look}");
        assert!(oldest_sync > SignedDuration::from_mins(4), "{oldest_sync}");
    }
}

#[test]
fn what_is_shown_is_called_old_when_it_is_and_never_at_rest() {
    let Some(browser) = browser() else { return };
    let send = |action: &str, minutes| {
        let message = format!(r#"{{"action":"{action}","cluster":"demo"}}"#);
        forty().act(SignedDuration::from_mins(minutes), Act::Send(message))
    };
    // Closed, held and paused for an hour; what is watched are the next 40 minutes of each.
    for (state, scenario, minutes) in
        [("closed", forty(), 100), ("held", stuck(), 130), ("paused", send("pause", 10), 80)]
    {
        let served = Served::new(scenario, 600, after(minutes));
        let page = Seen::open(&browser, &served.url());
        page.until("it is so", &format!("{PILL}.startsWith('{state} ')"));
        page.ask(&format!("window.begun = now(); {WATCH}"));
        page.until("40 minutes have gone", "now() > begun + 40 * 60e3");
        let raised = page.text("raised.filter((title) => / old$/.test(title)).join()");
        assert_eq!(raised, "", "{state}");
    }
    // The worker dies, and none comes: what the last one knew stands.
    let mut scenario = forty();
    scenario.faults =
        Faults { kill_after_effect: Some(30), restart_delay: Delay::secs(5 * 3600, 5 * 3600 + 1), ..Faults::none() };
    let served = Served::new(scenario, 240, |_| {});
    let page = Seen::open(&browser, &served.url());
    page.until("the rotation opens", &format!("{PILL}.startsWith('open for')"));
    let begun = Instant::now();
    let is_old = || {
        let told: Value = serde_json::from_str(&served.get("/status.json").1).unwrap();
        let time = |text: &Value| text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let looked = time(&told["clusters"][0]["looked_at"])?;
        assert_eq!(told["stale_after_seconds"], 720);
        Some(time(&told["at"])?.duration_since(looked).as_secs() > 720)
    };
    while is_old() != Some(true) {
        assert!(begun.elapsed() < PATIENCE, "the worker is still at work");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // Beside the word that it receives no messages, which is another one.
    let old = "[...document.querySelectorAll('.alert h3')].some((title) => title.textContent === 'What is shown of demo is old')";
    let page = Seen::open(&browser, &served.url());
    page.until("it is said to be old", old);
    // That is seen by time passing: no message comes for it.
    told(&page, "known.looked_at = new Date(now() - (told.stale_after_seconds - 2) * 1000).toISOString()");
    assert_eq!(page.ask(old), false);
    page.until("it becomes old", old);
}

#[test]
fn a_canary_that_bakes_is_shown_as_one_and_each_group_is_a_bar_of_its_own() {
    let Some(browser) = browser() else { return };
    let served = Served::new(forty(), 60, after(3));
    let page = Seen::open(&browser, &served.url());
    page.until("a canary bakes", "!!document.querySelector('.cells .cell.canary')");
    let group = "document.querySelector('.cells .cell.canary').closest('.group')";
    let said = page.text(&format!("{group}.innerText"));
    assert!(said.contains("bakes until 03:") && !said.contains("current"), "{said}");
    assert_eq!(page.text("document.querySelector('.cells .cell.canary').textContent"), "K");
    assert_eq!(
        page.number(&format!("{group}.querySelectorAll('.cell.current').length")),
        0,
        "it is no current one yet"
    );
    assert!(page.text("document.querySelector('.legend').innerText").contains("canary"), "{}", page.all());
    page.size(1400, 900);
    page.picture("canary");
    // What is normal is no warning.
    page.until("many go", "document.querySelectorAll('.cells .cell.replacing').length > 1 && document.querySelectorAll('.cells .cell.current').length > 5");
    assert_eq!(page.text("[...document.querySelectorAll('.trouble, .alert')].map((of) => of.textContent).join()"), "");
    let order =
        "[...document.querySelectorAll('.cells')].map((cells) => [...cells.children].map((cell) => cell.classList[1]))";
    let rank =
        "({ current: 0, canary: 1, retired: 2, drained: 3, draining: 4, replacing: 5, leaving: 6, outdated: 7 })";
    let sorted =
        format!("{order}.every((row) => row.every((phase, n) => n === 0 || {rank}[row[n - 1]] <= {rank}[phase]))");
    assert_eq!(page.ask(&sorted), true, "{}", page.ask(order));
    // Only what there is stands in the legend.
    let legend = "[...document.querySelectorAll('.legend .cell')].map((cell) => cell.classList[1]).sort().join()";
    let used =
        "[...new Set([...document.querySelectorAll('.cells .cell')].map((cell) => cell.classList[1]))].sort().join()";
    assert_eq!(page.text(legend), page.text(used));
    // Never an arrival time: when it is given up.
    let limits = page.text("[...document.querySelectorAll('.limit')].map((of) => of.textContent).join('; ')");
    assert!(limits.contains("times out in "), "{limits}");
    assert!(page.all().contains("to stop taking hosts: ecs-rotator pause --cluster demo"), "{}", page.all());
}

#[test]
fn names_lead_to_the_console_of_their_partition_and_nothing_is_loaded_from_there() {
    let Some(browser) = browser() else { return };
    let served = Served::new(forty(), 1, after(14));
    let page = Seen::open(&browser, &served.url());
    page.until("it is live", "document.querySelectorAll('.flights a').length > 0");
    let links =
        |of: &str| page.text(&format!("[...document.querySelectorAll('{of}')].map((link) => link.href).join(' ')"));
    assert_eq!(
        links("h2 a.name"),
        "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/demo/infrastructure?region=eu-west-1"
    );
    assert!(links(".group a.name").contains("https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#AutoScalingGroupDetails:id=web-asg;view=details"));
    assert!(links(".flights a").starts_with(
        "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1#InstanceDetails:instanceId=i-"
    ));
    let open = "[...document.querySelectorAll('a')].filter((link) => link.rel !== 'noopener noreferrer' || link.target !== '_blank').length";
    assert_eq!(page.number(open), 0);
    let loaded = "performance.getEntriesByType('resource').filter((of) => !of.name.startsWith(location.origin)).length";
    assert_eq!((page.number(loaded), page.text("window.stopped.join()")), (0, String::new()));
    for (region, start) in [
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
        ("ap-southeast-2", "https://ap-southeast-2.console.aws.amazon.com/"),
        // Another domain, or none that is known.
        ("us-iso-east-1", "null"),
        ("evil.example/x", "null"),
        ("", "null"),
    ] {
        let link = page.text(&format!("String(consoles.cluster({region:?}, 'a b'))"));
        assert!(link.starts_with(start) && !link.contains(' '), "{region}: {link}");
    }
}

#[test]
fn many_hosts_on_their_way_fold_and_the_oldest_stand_first() {
    let Some(browser) = browser() else { return };
    let mut scenario = Scenario::new(1).groups(vec![GroupShape::new("web-asg", 100), GroupShape::new("api-asg", 100)]);
    scenario.settings.policy = Policy { max_in_flight: Budget::Percent(20), ..Policy::default() };
    (scenario.daemon, scenario.release_after) = (false, SignedDuration::from_mins(2));
    let served = Served::new(scenario.tasks_per_host(2), 60, after(10));
    let page = Seen::open(&browser, &served.url());
    let first = "document.querySelector('.flights')";
    page.until("many are on their way", &format!("{first}?.querySelectorAll('details li').length > 10"));
    page.ask("events.close()");
    assert_eq!(page.number(&format!("{first}.querySelectorAll(':scope > ul > li').length")), 5);
    let more = page.text(&format!("{first}.querySelector('summary').textContent"));
    assert_eq!(more, format!("{} more hosts", page.number(&format!("{first}.querySelectorAll('details li').length"))));
    let ages = format!("[...{first}.querySelectorAll('.since')].map((of) => of.dataset.since ?? '')");
    assert_eq!(
        page.ask(&format!("{ages}.every((at, n, all) => n === 0 || all[n - 1] <= at)")),
        true,
        "{}",
        page.ask(&ages)
    );
    page.size(1400, 1000);
    page.picture("two-hundred");
    page.size(390, 844);
    page.picture("two-hundred-phone");
    // One that is overdue comes before all others; who is left is said after them, and rightly.
    told(
        &page,
        "const last = status.in_flight.findLast((host) => host.group === groups[0].group); \
        last.times_out = new Date(now() - 90e3).toISOString(); last.tasks = 0; last.phase = 'draining'; window.last = last.host; \
        status.in_flight.filter((host) => host.group === groups[0].group).slice(0, 6).forEach((host, n) => { host.why = `because ${n}`; })",
    );
    assert_eq!(page.ask(&format!("{first}.querySelector('.id').textContent === window.last")), true);
    assert!(
        page.text(&format!("{first}.querySelector('.limit.trouble').textContent")).starts_with("overdue for 1 min")
    );
    let titles = page.text("[...document.querySelectorAll('.alert h3')].map((of) => of.textContent).join('; ')");
    assert!(titles.ends_with("; 1 more host of demo is kept waiting"), "{titles}");
    assert!(!page.all().contains("0 tasks left"), "{}", page.all());
}

#[test]
fn a_worker_that_only_observes_says_so_and_shows_what_is_outdated() {
    let mut scenario = Scenario::new(1).hosts(6);
    scenario.settings.mode = Mode::Observe;
    let served = Served::new(scenario, 1, after(60));
    let (_, data) = served.get("/status.json");
    let data: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&data["mode"], &data["clusters"][0]["status"]["current"]), (&Value::from("observe"), &Value::from(0)));
    let (_, metrics) = served.get("/metrics");
    for line in [r#"ecs_rotator_mode{mode="observe"} 1"#, r#"ecs_rotator_hosts{cluster="demo",phase="outdated"} 6"#] {
        assert!(metrics.lines().any(|said| said == line), "no `{line}` in\n{metrics}");
    }
    assert!(served.get("/healthz").0.starts_with("HTTP/1.1 200"));
    let Some(browser) = browser() else { return };
    let page = Seen::open(&browser, &served.url());
    page.until("it says so", "document.querySelector('#alerts').innerText.includes('This worker only observes')");
    page.until("every host is outdated", "document.querySelectorAll('.cells .cell.outdated').length === 6");
    page.picture("observe");
}

#[test]
fn whoever_has_no_mouse_or_does_not_see_can_use_it() {
    let Some(browser) = browser() else { return };
    let served = Served::new(forty(), 1, after(14));
    let page = Seen::open(&browser, &served.url());
    page.until("it is live", "document.querySelectorAll('.cells .cell').length >= 40");
    let tree = page.tab.call_method(GetFullAXTree {}).unwrap();
    let word = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
    let shown = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
    let nodes: Vec<(String, String)> = shown.map(|node| (word(node, "role"), word(node, "name"))).collect();
    let named = |role: &str, name: &str| nodes.iter().filter(|node| node.0 == role && node.1.contains(name)).count();
    for (role, name) in [
        ("banner", ""),
        ("main", ""),
        ("status", ""),
        ("region", "Cluster demo"),
        ("progressbar", "Progress of demo"),
        ("listbox", "Hosts of web-asg in demo"),
        ("listbox", "Hosts of api-asg in demo"),
        ("list", "What the letters of hosts of demo mean"),
        ("heading", "Recent events"),
    ] {
        assert_eq!(named(role, name), 1, "{role} `{name}` in {nodes:#?}");
    }
    // Every host by its name and its phase, and not by the colour of a letter.
    let options: Vec<_> = nodes.iter().filter(|(role, _)| role == "option").collect();
    assert!(options.len() >= 40, "{options:?}");
    let spoken = |name: &str| {
        name.starts_with("i-")
            && ["current", "outdated", "draining", "replacing"].iter().any(|phase| name.contains(phase))
    };
    assert!(options.iter().all(|(_, name)| spoken(name)), "{options:?}");
    assert!(nodes.iter().all(|(role, name)| role != "image" || !name.is_empty()), "{nodes:?}");
    // One stop for each group; arrows go from host to host, and it is said where one is.
    let tab_to = |what: &str, place: &str| {
        // Names are links, which are stops of their own.
        for _ in 0..20 {
            page.tab.press_key("Tab").unwrap();
            if page.ask(place) == Value::Bool(true) {
                return;
            }
        }
        panic!("{what}: not within 20 stops");
    };
    tab_to("the first group has the focus", "document.activeElement.matches('.cells')");
    let detail = "document.activeElement.nextElementSibling.textContent";
    let first = page.text(detail);
    assert!(first.starts_with("i-"), "{first}");
    page.tab.press_key("ArrowRight").unwrap();
    page.until("the next host is told", &format!("{detail} !== {first:?} && {detail}.startsWith('i-')"));
    page.tab.press_key("End").unwrap();
    let last = "document.activeElement.lastElementChild";
    page.until("the last host is told", &format!("{last}.getAttribute('aria-selected') === 'true' && document.activeElement.getAttribute('aria-activedescendant') === {last}.id"));
    tab_to(
        "the next group has the focus",
        "document.activeElement.matches('.cells') && document.activeElement.getAttribute('aria-label') !== document.querySelector('.cells').getAttribute('aria-label')",
    );
}

#[test]
fn two_hundred_hosts_are_less_than_a_megabyte_and_five_thousand_answer_within_a_second() {
    let size = |hosts: u32, minutes: i64| {
        let mut scenario =
            Scenario::new(1).groups(vec![GroupShape::new("web-asg", hosts / 2), GroupShape::new("api-asg", hosts / 2)]);
        // Who lives there does not matter here, and would take its time.
        (scenario.daemon, scenario.release_after) = (false, SignedDuration::from_mins(2));
        let served = Served::new(scenario.tasks_per_host(1), 1, after(minutes));
        let begun = Instant::now();
        let (head, page) = served.get("/");
        let (_, status) = served.get("/status.json");
        let took = begun.elapsed();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let status: Value = serde_json::from_str(&status).unwrap();
        let groups = status["clusters"][0]["status"]["groups"].as_array().unwrap().clone();
        let told: usize = groups
            .iter()
            .flat_map(|group| group["hosts"].as_object().unwrap().values())
            .map(|ids| ids.as_array().unwrap().len())
            .sum();
        assert!(told >= hosts as usize, "{told} of {hosts} hosts are told");
        assert!(!status["clusters"][0]["status"]["in_flight"].as_array().unwrap().is_empty());
        (page.len() + status.to_string().len(), took, served)
    };
    let (bytes, _, _) = size(200, 12);
    assert!(bytes < 1_000_000, "{bytes} bytes");
    let (_, took, served) = size(5_000, 3);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let Some(browser) = browser() else { return };
    let page = Seen::open(&browser, &served.url());
    page.until("every host has its cell", "document.querySelectorAll('.cells.many .cell').length >= 5000");
    page.size(1200, 1000);
    page.picture("five-thousand");
}

#[test]
fn who_says_nothing_is_cut_off_and_a_page_that_found_no_place_comes_back() {
    let served = Served::new(stuck(), 1, after(4));
    // As many as may look, and as many more as may connect: none of them says all that a request needs.
    let lookers: Vec<TcpStream> = (0..32)
        .map(|_| {
            let mut looker = TcpStream::connect(served.at).unwrap();
            write!(looker, "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", served.at).unwrap();
            // It has its place when it is answered.
            looker.read_exact(&mut [0; 12]).unwrap();
            looker
        })
        .collect();
    let (head, body) = served.get("/events");
    assert!(head.starts_with("HTTP/1.1 503") && body.contains("too many are looking"), "{head}\n{body}");
    let seen = browser().map(|browser| {
        let page = Seen::open(&browser, &served.url());
        page.until("it says so", "document.querySelector('#link').textContent.includes('too many are looking')");
        (browser, page)
    });
    drop(lookers);
    if let Some((_, page)) = &seen {
        page.until("it is live again by itself", "document.querySelector('#link').textContent === 'live'");
    }
    let mut silent: Vec<TcpStream> = (0..200).filter_map(|_| TcpStream::connect(served.at).ok()).collect();
    for stream in &mut silent {
        // Those for whom there is no room are closed already.
        let _closed = write!(stream, "GET / HTT");
    }
    let begun = Instant::now();
    let answered = || {
        let mut stream = TcpStream::connect(served.at).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    while answered().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nobody is answered while 200 say nothing");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

#[test]
fn it_answers_to_its_own_name_and_to_those_who_only_read() {
    let served = Served::new(stuck(), 1, after(4));
    let own = served.at.to_string();
    let named = format!("localhost:{}", served.at.port());
    for (method, path, host, status) in [
        ("GET", "/", own.as_str(), "200"),
        ("GET", "/status.json", &named, "200"),
        ("GET", "/healthz", &own, "200"),
        ("GET", "/metrics", &own, "200"),
        ("GET", "/status.json", "rebound.example", "421"),
        ("GET", "/", "rebound.example:80", "421"),
        ("GET", "/nothing", &own, "404"),
        ("POST", "/", &own, "405"),
        ("DELETE", "/status.json", &own, "405"),
    ] {
        let (head, _) = served.ask(method, path, host);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path} of {host}: {head}");
        for header in ["x-content-type-options: nosniff", "x-frame-options: DENY", "cache-control: no-store"] {
            assert!(head.contains(header), "{method} {path}: no {header} in\n{head}");
        }
    }
}

#[test]
fn a_report_is_readable_and_runs_nothing() {
    let Some(browser) = browser() else { return };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    fs::create_dir_all(&folder).unwrap();
    for (name, scenario, minutes) in [("report", forty(), 60), ("report-held", stuck(), 100)] {
        let ((), lines) = logs::lines_during(LevelFilter::INFO, || {
            after(minutes)(&mut Simulation::new(scenario));
        });
        let record = Record::of(&lines, &CLUSTER.into(), None).unwrap();
        let file = folder.join(format!("{name}.html"));
        fs::write(&file, html(&record)).unwrap();
        let page = Seen::open(&browser, &format!("file://{}", file.display()));
        page.until("it is there", "document.readyState === 'complete' && !!document.querySelector('#timeline')");
        page.size(1200, 1000);
        page.picture(name);
        assert_eq!(page.number("document.querySelectorAll('img, script').length"), 0);
        assert_eq!(page.ask("window.owned ?? null"), Value::Null);
        let rows = page.number("document.querySelectorAll('tbody tr').length");
        assert_eq!(rows as usize, record.groups.values().map(|group| group.rows.len()).sum::<usize>());
        assert_eq!(
            page.number("document.querySelectorAll('.backdrop rect.stopped').length") as usize,
            record.stops.len()
        );
        page.size(390, 844);
        page.picture(&format!("{name}-phone"));
    }
}
