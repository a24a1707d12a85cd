//! What one test has: two servers, an account, a driver that plays, and the workers it starts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, GROUPS, HOSTS_PER_GROUP, QueueRules};
use crate::calls::{Call, assert_order, assert_restraint, of_worker};
use crate::driver::Driver;
use crate::emulators::Emulators;
use crate::look::Depth;
use crate::record::Record;
use crate::wait::until;
use crate::worker::{Worker, run};

pub const QUEUE_RULES: QueueRules = QueueRules { max_receive_count: 5, visibility_seconds: 30 };
/// Six hosts of two groups, one at a time each, and at least a minute that a rotation stays open by design.
pub const ROTATED_WITHIN: Duration = Duration::from_secs(420);
pub const SOON: Duration = Duration::from_secs(90);

pub struct Scene {
    // In the order in which they are dropped: the driver's calls must not outlive the servers.
    pub driver: Driver,
    pub account: Arc<Account>,
    pub emulators: Emulators,
    /// The machines that were there at the start.
    pub old: BTreeSet<String>,
    pub dir: TestDirectory,
}

impl Scene {
    /// `None`: there is no Python, and the test is skipped.
    pub async fn open(test: &str, rules: &QueueRules) -> Option<Scene> {
        let dir = TestDirectory::open(test);
        let emulators = Emulators::start(&dir.path)?;
        let account = Account::create(&emulators, rules).await;
        Some(Scene::play(dir, emulators, account).await)
    }

    /// With an account of the test's own making.
    pub async fn play(dir: TestDirectory, emulators: Emulators, account: Account) -> Scene {
        let account = Arc::new(account);
        let driver = Driver::start(account.clone()).await;
        let old = account.machines().await.into_keys().collect();
        Scene { driver, account, emulators, old, dir }
    }

    pub fn worker(&self, name: &str, flags: &[&str]) -> Worker {
        let mut command = run(&self.emulators, &self.account.queue, &self.dir.path);
        command.args(flags);
        Worker::start(command, self.dir.path.join(format!("{name}.log")))
    }

    /// The value, or a panic that shows everything there is to see.
    pub async fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        workers: &[&Worker],
        probe: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        match until(within, probe).await {
            Some(value) => value,
            None => self.give_up(&format!("no {what} within {within:?}"), workers).await,
        }
    }

    /// What the workers have asked of the fleet so far.
    pub fn calls(&self) -> Vec<Call> {
        of_worker(&self.dir.path)
    }

    pub async fn give_up(&self, why: &str, workers: &[&Worker]) -> ! {
        let logs: String = workers.iter().map(|worker| worker.tail()).collect();
        panic!("{why}\n{}\n{:#?}\n{logs}", self.account.dump().await, self.driver.record());
    }

    /// The rotation ends: closed, or this panics.
    pub async fn closed(&self, workers: &[&Worker]) {
        let ended = async || self.account.rotation().await.filter(|state| state == "closed" || state == "held");
        if self.wait("closed rotation", ROTATED_WITHIN, workers, ended).await == "held" {
            self.give_up("the rotation is held", workers).await;
        }
        let drained = async || (self.account.depth(&self.account.queue).await == EMPTY).then_some(());
        self.wait("empty queue", SOON, workers, drained).await;
    }

    /// Everything that is true after a rotation, however it went.
    pub async fn assert_rotated(self, workers: &[&Worker]) {
        let calls = self.calls();
        let account = self.account;
        let record = self.driver.stop().await;
        let (members, machines, hosts) = (account.members().await, account.machines().await, account.hosts().await);

        assert_eq!(account.depth(&account.dead_letters).await, EMPTY, "no message has become a dead letter");
        for group in GROUPS {
            assert_eq!(members[group].len(), HOSTS_PER_GROUP, "{group} is as large as it was");
            for id in &members[group] {
                assert_eq!(machines[id].image, account.new_image, "{id} of {group} runs the new image");
                assert!(
                    hosts.values().any(|h| h.machine == *id && h.status == "ACTIVE"),
                    "{id} of {group} serves the cluster"
                );
            }
            let images: Vec<_> = account.versions(group).await.iter().map(|v| image_of(v).to_owned()).collect();
            assert_eq!(images, [account.old_image.clone(), account.new_image.clone()], "{group} has one new version");
        }
        assert_eq!(account.version_rule("web").await, "2", "web is pinned to the new version");
        assert_eq!(account.version_rule("api").await, "$Default", "api goes by the default version, as before");
        assert!(
            account.versions("api").await[1].default_version() == Some(true),
            "the new version of api is the default"
        );
        assert!(
            account.versions("web").await[0].default_version() == Some(true),
            "nobody asked for a new default of web"
        );

        for machine in machines.values().filter(|machine| !machine.is_terminated()) {
            assert!(members.values().flatten().any(|id| *id == machine.id), "{} is an orphan", machine.id);
            assert!(!machine.is_in_flight(), "{} still carries the tag of a rotation", machine.id);
        }
        assert_eq!(hosts.len(), GROUPS.len() * HOSTS_PER_GROUP, "nothing but the members is registered");
        assert_promises(&record, &self.old);
        assert_order(&calls, &record.deregistered);
        assert_restraint(&calls);
        for worker in workers {
            assert!(!worker.log().contains("ERROR"), "an ERROR in the log:\n{}", worker.tail());
        }
    }
}

/// What the driver saw on the way.
fn assert_promises(record: &Record, old: &BTreeSet<String>) {
    assert!(record.violations.is_empty(), "{:#?}", record.violations);
    assert_eq!(record.terminated, *old, "the old hosts are terminated, and no other");
    assert_eq!(record.deregistered.values().cloned().collect::<BTreeSet<_>>(), *old, "the old hosts are deregistered");
    assert!(
        record.left_registered.is_empty(),
        "terminated before they were deregistered: {:?}",
        record.left_registered
    );
    assert_eq!(record.drained, *old, "the old hosts were drained, and no other");
    for group in GROUPS {
        assert_eq!(record.most_in_flight.get(group), Some(&1), "{group} had one host in flight at a time");
        assert!(
            record.fewest_active[group] >= HOSTS_PER_GROUP,
            "{group} was served by {} hosts",
            record.fewest_active[group]
        );
    }
}

pub const EMPTY: Depth = Depth { visible: 0, in_hand: 0 };

pub fn image_of(version: &aws_sdk_ec2::types::LaunchTemplateVersion) -> &str {
    version.launch_template_data().and_then(|data| data.image_id()).unwrap_or("no image")
}

/// A directory for what one test leaves behind. It is emptied when the test runs again, and somebody may want to read it.
pub struct TestDirectory {
    pub path: PathBuf,
    /// Locked while the test runs: a second process that runs the same test goes elsewhere.
    _lock: File,
}

impl TestDirectory {
    pub fn open(test: &str) -> TestDirectory {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract");
        fs::create_dir_all(&all).expect("the directory of all tests can be made");
        for number in 1.. {
            let name = if number == 1 { test.to_owned() } else { format!("{test}-{number}") };
            let lock = File::create(all.join(format!("{name}.lock"))).expect("the test's lock can be made");
            if lock.try_lock().is_err() {
                continue;
            }
            let path = all.join(name);
            // Not there on the first run.
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("the test's directory can be made");
            return TestDirectory { path, _lock: lock };
        }
        unreachable!("some directory is free")
    }
}
