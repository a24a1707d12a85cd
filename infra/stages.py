#!/usr/bin/env python3
"""Carries out the stages of the Dockerfile as far as cargo, in empty directories: seconds, and no container engine.

    infra/stages.py        (.ci/run stages)

Each stage gets what the Dockerfile says and nothing else: COPY takes from the build context as .dockerignore leaves it,
RUN is run up to the point where it calls `cargo build`. There cargo is asked to read the package (`cargo fetch`: it refuses
a manifest that names a bench, example, bin or test whose file is missing, and compiles nothing). The stage that builds the
binary must have the targets that the repository has, and every file they are made of.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a RUN is stopped with, where it calls cargo.
AT_CARGO = 99
# The compiler reads these files as well: by a path that is written down, or by one that cannot be followed here.
INCLUDED = re.compile(r'include(?:_str|_bytes)?!\s*\(\s*(?:"([^"]+)"|([^)]*))|#\[path\s*=\s*"([^"]+)"\]')

results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}" + (f": {why}" if why and not good else ""), flush=True)


# --- The build context ------------------------------------------------------------------------------------------------


def pattern(text):
    """A pattern of .dockerignore: `*` and `?` within one part of a path, `**` over any number of them."""
    out, text = "", text.strip().strip("/")
    for part in re.split(r"(\*\*/?|\*|\?)", text):
        out += {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    # What is below a directory that fits goes with it.
    return re.compile(f"{out}(/.*)?$")


class Context:
    """The files that a COPY can see."""

    def __init__(self, root):
        self.root = root
        file = root / ".dockerignore"
        lines = [line.strip() for line in file.read_text().splitlines()] if file.exists() else []
        self.rules = [(not line.startswith("!"), pattern(line.lstrip("!"))) for line in lines if line and not line.startswith("#")]

    def has(self, path):
        """The last rule that fits decides."""
        ignored = [out for out, rule in self.rules if rule.match(path.relative_to(self.root).as_posix())]
        return not (ignored and ignored[-1])

    def files(self, source):
        """What this source of a COPY brings, and where below its destination: a directory brings what is in it."""
        for found in sorted(self.root.glob(source.strip("/"))):
            for file in sorted(found.rglob("*")) if found.is_dir() else [found]:
                if file.is_file() and self.has(file):
                    yield file, file.relative_to(found) if found.is_dir() else Path(file.name)


# --- The stages -------------------------------------------------------------------------------------------------------


def instructions(dockerfile):
    """As (word, text), without comments, long lines in one."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, text = line.strip().partition(" ")
            yield word.upper(), text.strip()


class Stage:
    """One FROM and what follows, in a directory that stands for its root. A stage made from another begins as its copy."""

    def __init__(self, name, directory, base=None):
        self.name, self.root, self.at = name, directory, "/"
        directory.mkdir()
        self.built = []
        if base:
            shutil.copytree(base.root, directory, dirs_exist_ok=True, symlinks=True)
            self.at = base.at

    @property
    def here(self):
        return self.root / self.at.lstrip("/")

    def workdir(self, text):
        self.at = os.path.normpath(os.path.join(self.at, text))
        self.here.mkdir(parents=True, exist_ok=True)

    def copy(self, context, text):
        *sources, destination = text.split()
        if any(word.startswith("--from") for word in sources):
            check(f"{self.name}: COPY {text}", False, "what comes from another image is not followed here")
            return
        target = self.root / os.path.normpath(os.path.join(self.at, destination)).lstrip("/")
        for source in [word for word in sources if not word.startswith("--")]:
            found = list(context.files(source))
            check(f"{self.name}: COPY finds {source} in the build context", found, "it does not exist, or .dockerignore leaves it out")
            # One file to a name that is not a directory's is that file.
            renamed = len(found) == 1 and len(sources) == 1 and (context.root / source).is_file() and not destination.endswith(("/", "."))
            for file, below in found:
                copied = target if renamed else target / below
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copied)

    def run(self, text, tools):
        done = subprocess.run(["sh", "-c", text], cwd=self.here, capture_output=True, text=True,
                              env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"})
        if done.returncode == AT_CARGO:
            self.resolve(text)
        else:
            check(f"{self.name}: RUN {text[:60]}", done.returncode == 0, done.stderr.strip())

    def resolve(self, text):
        """The point at which this RUN calls cargo."""
        command = re.search(r"cargo build[^&;|]*", text).group(0).strip()
        self.built.append(command)
        read = cargo("fetch", "--locked", "--target", host(), manifest=self.here)
        check(f"{self.name}: cargo finds every target of the manifest ({command})", read.returncode == 0, read.stderr.strip())


def host():
    said = subprocess.run(["rustc", "-vV"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return re.search(r"host: (\S+)", said).group(1)


def cargo(*arguments, manifest):
    # From the repository, whose toolchain is that of the image.
    return subprocess.run(["cargo", *arguments, "--manifest-path", str(manifest / "Cargo.toml")], cwd=ROOT, capture_output=True, text=True)


def carry_out(context, dockerfile, directory):
    """Every stage that is made of something: what is made `FROM scratch` holds no cargo."""
    tools = directory / "tools"
    tools.mkdir()
    for name, script in [("cargo", f'[ "$1" != build ] || exit {AT_CARGO}'), ("apk", "exit 0")]:
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    stages = {}
    stage = None
    for word, text in instructions(dockerfile):
        if word == "FROM":
            base, _, name = re.sub(r"--\S+ ", "", text).partition(" AS ")
            name = name.strip() or f"stage {len(stages)}"
            stage = None if base.strip() == "scratch" else Stage(name, directory / name, stages.get(base.strip()))
            stages[name] = stage
        elif stage and word == "WORKDIR":
            stage.workdir(text)
        elif stage and word == "COPY":
            stage.copy(context, text)
        elif stage and word == "RUN":
            stage.run(text, tools)
    return [stage for stage in stages.values() if stage]


# --- What the binary is made of ---------------------------------------------------------------------------------------


def targets(manifest, command):
    """Those that this command builds, by kind, name and file."""
    named = re.findall(r"--bin[ =](\S+)", command)
    read = cargo("metadata", "--locked", "--no-deps", "--format-version", "1", manifest=manifest)
    for target in json.loads(read.stdout)["packages"][0]["targets"] if read.returncode == 0 else []:
        kinds, name = target["kind"], target["name"]
        if {"lib", "custom-build"} & set(kinds) or "bin" in kinds and (not named or name in named):
            yield kinds[0], name, os.path.relpath(target["src_path"], manifest)


def sources(manifest, found):
    """The files of these targets: all below the directory of each; the build script alone."""
    for kind, _, file in found:
        path = manifest / file
        files = [path] if kind == "custom-build" else path.parent.rglob("*")
        yield from (one.relative_to(manifest) for one in files if one.is_file())


def check_binary(stage):
    command = stage.built[-1]
    whole, here = (sorted(targets(manifest, command)) for manifest in (ROOT, stage.here))
    check(f"{stage.name}: the {len(whole)} targets that it builds are those of the repository", whole and whole == here, f"there {whole}, here {here}")
    wanted = set(sources(ROOT, whole))
    lacking = [str(file) for file in sorted(wanted) if not same(ROOT / file, stage.here / file)]
    check(f"{stage.name}: it has the {len(wanted)} files of these targets", wanted and not lacking,
          f"{len(lacking)} are not there, or not as they are: {' '.join(lacking[:5])} …")
    outside = sorted(set(included(stage.here, wanted)))
    check(f"{stage.name}: it has what these files include", not outside, "; ".join(outside))


def included(root, files):
    for file in files:
        for match in INCLUDED.finditer((root / file).read_text()) if file.suffix == ".rs" and (root / file).exists() else []:
            path = match.group(1) or match.group(3)
            if path is None:
                yield f"{file}: `{match.group(0)})` cannot be followed"
            elif not (root / file.parent / path).exists():
                yield f"{file} includes {path}"


def same(one, other):
    return other.exists() and one.read_bytes() == other.read_bytes()


def main():
    with tempfile.TemporaryDirectory() as directory:
        stages = carry_out(Context(ROOT), ROOT / "Dockerfile", Path(directory))
        built = [stage for stage in stages if stage.built]
        check("cargo builds in two stages: what others wrote, and the binary", len(built) == 2, [stage.name for stage in built])
        if built:
            check_binary(built[-1])
    return 1 if results.count(False) else 0


if __name__ == "__main__":
    sys.exit(main())
