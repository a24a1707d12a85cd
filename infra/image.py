#!/usr/bin/env python3
"""Starts what the Dockerfile puts into the image, without a container engine.

    .venv/bin/python infra/image.py BINARY

The last stage of the Dockerfile is carried out in an empty directory: what it copies is there, and nothing else (of a
binary that is not static also the libraries that it names). The worker starts in it as its only root, as the user and
with the command of the Dockerfile, as large as the stack's task is (512 MB, a quarter of a core, where a cgroup can be
made), with the rights of the stack's role only; and works off the stack's queue over TLS, which it can only trust by the
certificates in that directory. The emulator is the one of check.py.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import check as stack
from check import ACCOUNT, INFRA, REGION, check, run

MEMORY, CPU = 512 << 20, 0.25
# What the image may take up, for a static binary that is meant for it.
LARGEST = 22_000_000
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def last_stage():
    """Its instructions, as (word, text)."""
    text = re.sub(r"\\\n\s*", "", (INFRA.parent / "Dockerfile").read_text())
    lines = [line for line in text[text.rindex("\nFROM "):].splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


class Root:
    """The file system of the image, and how to run something in it."""

    def __init__(self, directory, binary, own_certificate):
        self.directory = Path(directory)
        stage = last_stage()
        check("the image is made from nothing", stage[0] == ("FROM", "scratch"), stage[0])
        self.user = next(text for word, text in stage if word == "USER").split(":")[0]
        words = {word: json.loads(text) for word, text in stage if word in ("ENTRYPOINT", "CMD")}
        self.command = words["ENTRYPOINT"] + words["CMD"]
        for word, text in stage:
            if word == "COPY":
                self.copy(*text.split()[1:], binary)
        self.image = sorted(self.files())
        # As if the emulator's were one of the system's.
        with (self.directory / "etc/ssl/certs/ca-certificates.crt").open("a") as bundle:
            bundle.write(Path(own_certificate).read_text())
        self.libraries = re.findall(r"(/\S+)", run("ldd", binary).stdout) if not is_static(binary) else []
        for library in self.libraries:
            self.copy(library, library, library)

    def copy(self, source, destination, binary):
        target = self.directory / destination.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificates() if source == str(SYSTEM_CERTIFICATES) else binary, target)

    def files(self):
        return [str(file.relative_to(self.directory)) for file in self.directory.rglob("*") if file.is_file()]

    def size(self):
        return sum((self.directory / file).stat().st_size for file in self.image)

    def inside(self, *command):
        """With this root only, as the image's user: by a namespace of users, or by the rights of root."""
        namespace = ["unshare", "--user", f"--map-user={self.user}", f"--map-group={self.user}", f"--root={self.directory}"]
        chroot = ["chroot", f"--userspec={self.user}:{self.user}", str(self.directory)]
        for way in [namespace, chroot]:
            with contextlib.suppress(FileNotFoundError):
                if run(*way, self.command[0], "--version").returncode == 0:
                    return [*way, *command]
        return None


def certificates():
    """Alpine's bundle has its place there; where this machine has none, that of the AWS command line will do."""
    import botocore
    return SYSTEM_CERTIFICATES if SYSTEM_CERTIFICATES.exists() else Path(botocore.__file__).parent / "cacert.pem"


def is_static(binary):
    return "statically linked" in (said := run("ldd", binary)).stdout or "not a dynamic executable" in said.stderr


@contextlib.contextmanager
def limits():
    """Puts a process where it has the memory and the processor of the stack's task; None where that cannot be had."""
    groups = []
    files = {
        "memory": {"memory.limit_in_bytes": MEMORY},
        "cpu": {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": int(CPU * 100_000)},
    }
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        files = {"": {"memory.max": MEMORY, "cpu.max": f"{int(CPU * 100_000)} 100000"}}
    try:
        for controller, settings in files.items():
            group = Path("/sys/fs/cgroup") / controller / f"ecs-rotator-image-{os.getpid()}"
            group.mkdir()
            groups.append(group)
            for file, value in settings.items():
                (group / file).write_text(str(value))
        enter = lambda: [(group / "cgroup.procs").write_text(str(os.getpid())) for group in groups]
    except OSError as error:
        print(f"     no cgroup can be made here ({error}): memory is measured, and not limited")
        enter = None
    try:
        yield enter
    finally:
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()


def check_start(root, emulator):
    done = emulator.deploy()
    check("the stack is deployed where every call is authorised", done.returncode == 0, done.stdout + done.stderr)
    key, secret = stack.worker_keys(emulator)
    emulator.client("ecs").create_cluster(clusterName="prod", tags=[{"key": "ecs-rotator:enabled", "value": "true"}])
    queue, sqs = emulator.resource("Queue"), emulator.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody='{"action":"sweep"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": emulator.url,
        "AWS_EC2_METADATA_DISABLED": "true", "ECS_ROTATOR_QUEUE_URL": queue, "ECS_ROTATOR_HTTP": address,
        "ECS_ROTATOR_CLUSTERS": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod", "ECS_ROTATOR_LOG_FORMAT": "json",
        "ECS_ROTATOR_EVENT_BUS": "default",
    }
    with tempfile.TemporaryFile("w+") as log, limits() as enter:
        begun = time.monotonic()
        worker = subprocess.Popen(root.inside(*root.command), env=environment, stdout=log, stderr=log, cwd="/", preexec_fn=enter)
        try:
            empty = lambda: depth(sqs, queue) == 0
            taken = wait(empty, worker)
            log.seek(0)
            check("the worker takes its first message over TLS, with the rights of its role", taken, log.read())
            if not taken:
                return
            print(f"     {time.monotonic() - begun:.2f} s from its start to the end of its first message")
            asked = run(*root.inside(root.command[0], "health"), env={"ECS_ROTATOR_HTTP": address})
            check("it says that it is healthy", asked.returncode == 0, asked.stdout + asked.stderr)
            time.sleep(5)
            check("it goes on running", worker.poll() is None, worker.poll())
            if worker.poll() is None:
                check_memory(worker)
            worker.terminate()
            check("SIGTERM ends it with 0", (code := worker.wait(30)) == 0, code)
        finally:
            worker.kill()
            worker.wait()


def check_memory(worker):
    status = Path(f"/proc/{worker.pid}/status").read_text()
    megabytes = {name: int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1024 for name in ["VmRSS", "VmHWM"]}
    check("at rest it takes less than a quarter of its memory", megabytes["VmHWM"] < 128, megabytes)
    print(f"     {megabytes['VmRSS']:.1f} MB at rest, {megabytes['VmHWM']:.1f} MB at most")


def depth(sqs, queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def wait(probe, worker):
    until = time.monotonic() + 60
    while time.monotonic() < until and worker.poll() is None:
        if probe():
            return True
        time.sleep(0.02)
    return False


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    binary = Path(sys.argv[1]).resolve()
    with stack.Emulator(auth=True, tls=True) as emulator, tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        root = Root(directory, binary, emulator.certificate)
        check("the image has the binary and the certificates, and nothing else",
              root.image == ["ecs-rotator", "etc/ssl/certs/ca-certificates.crt"], root.image)
        if root.libraries:
            print(f"     not static: {len(root.libraries)} libraries are put beside it, and its size says nothing")
        else:
            check(f"the image has {root.size() / 1e6:.1f} MB", root.size() <= LARGEST, f"over {LARGEST / 1e6} MB")
        if root.inside("--version"):
            check_start(root, emulator)
        else:
            print("SKIPPED: nothing can be started in another root here: it takes unshare (util-linux 2.38) or root's chroot")
    failed = stack.results.count(False)
    print(f"{len(stack.results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
