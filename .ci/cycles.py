#!/usr/bin/env python3
"""Finds files of src/ that import each other in a circle.

    .ci/cycles.py              all circles, each with the imports that make it; 1 when there is one
    .ci/cycles.py DIR...       those in which a file of these folders of src/ takes part
    .ci/cycles.py --edges F    what the file F imports, and who imports it

A file imports another when it names something that is defined there, by `use` or by a path, outside of its tests. A name that a
module only passes on (`pub use`) counts as that of the file that defines it. `mod` alone is no import.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src"
BINARY = {"main.rs"}
# The reader of iCalendar files, three parts of one recursion. It goes in favour of SSM Change Calendar.
LEAVES = "plan/calendar/ics/"


def module_of(path):
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] in ("mod", "lib"):
        parts.pop()
    return tuple(parts)


def without_tests_and_comments(text):
    """Line comments, strings and what stands under `#[cfg(test)]` are no imports."""
    text = re.sub(r'r(#*)".*?"\1', '""', text, flags=re.S)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"'(?:\\.|[^'\\])'", "' '", text)
    found = re.search(r"#\[cfg\((?:all\()?test\b", text)
    while found:
        at = found.start()
        end = re.compile(r"[;{]").search(text, found.end())
        stop = end.end()
        if end.group() == "{":
            depth = 1
            while depth and stop < len(text):
                depth += {"{": 1, "}": -1}.get(text[stop], 0)
                stop += 1
        text = text[:at] + text[stop:]
        found = re.search(r"#\[cfg\((?:all\()?test\b", text)
    return text


def expanded(tree):
    """`a::{b, c::{d, self}}` as the paths that it names."""
    tree = tree.strip()
    start = tree.find("{")
    if start < 0:
        path, _, alias = tree.partition(" as ")
        return [(tuple(part.strip() for part in path.split("::")), alias.strip() or None)]
    prefix = tuple(part.strip() for part in tree[:start].split("::") if part.strip())
    inner, depth, parts, last = tree[start + 1 : tree.rindex("}")], 0, [], 0
    for at, c in enumerate(inner):
        depth += {"{": 1, "}": -1}.get(c, 0)
        if c == "," and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    parts.append(inner[last:])
    paths = []
    for part in filter(str.strip, parts):
        for path, alias in expanded(part):
            path = path[:-1] if path[-1] == "self" else path
            paths.append((prefix + path, alias))
    return paths


class Source:
    def __init__(self, path):
        self.path = path
        self.module = module_of(path)
        text = without_tests_and_comments(path.read_text())
        self.uses, self.passed_on, self.open = [], {}, []
        for public, tree in re.findall(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", text):
            for name, alias in expanded(tree):
                path = self.absolute(name)
                if path is None:
                    continue
                if public and path[-1] == "*":
                    self.open.append(path[:-1])
                elif public:
                    self.passed_on[alias or path[-1]] = path
                else:
                    self.uses.append(path)
        body = re.sub(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", "", text)
        body = re.sub(r"pub\s*\([^)]*\)", "", body)
        paths = re.findall(r"\b((?:crate|super)(?:::[A-Za-z_]\w*)+)", body)
        self.uses += [self.absolute(tuple(path.split("::"))) for path in paths]
        children = set(re.findall(r"\bmod\s+(\w+)\s*;", text))
        for first, rest in re.findall(r"(?<![\w:])([a-z_]\w*)((?:::[A-Za-z_]\w*)+)", body):
            if first in children:
                self.uses.append(self.module + (first,) + tuple(rest[2:].split("::")))

    def absolute(self, path):
        if path[0] == "crate" or path[0] == "ecs_rotator":
            return path[1:] or None
        base = self.module
        if path[0] == "self":
            return base + path[1:]
        if path[0] == "super":
            while path and path[0] == "super":
                base, path = base[:-1], path[1:]
            return base + path
        # A child, if there is one; another crate otherwise.
        return base + path if (ROOT.joinpath(*base, path[0]).with_suffix(".rs")).exists() or ROOT.joinpath(
            *base, path[0], "mod.rs"
        ).exists() else None


def resolve(path, sources, seen=()):
    """The file that defines it."""
    for length in range(len(path), -1, -1):
        source = sources.get(path[:length])
        if source is None:
            continue
        rest = path[length:]
        if rest and rest[0] in source.passed_on and path not in seen:
            return resolve(source.passed_on[rest[0]] + rest[1:], sources, (*seen, path))
        return source
    return None


def graph():
    files = [path for path in sorted(ROOT.rglob("*.rs")) if path.relative_to(ROOT).as_posix() not in BINARY]
    files = [path for path in files if not re.search(r"(^|/)(tests|cases)\.rs$", path.relative_to(ROOT).as_posix())]
    sources = {source.module: source for source in map(Source, files)}
    edges = defaultdict(lambda: defaultdict(set))
    for source in sources.values():
        for path in source.uses + list(source.passed_on.values()):
            target = resolve(path, sources) if path else None
            # That a module passes a child's names on is how the child is reached, and no import.
            passes_on = target and path in source.passed_on.values() and target.module[: len(source.module)] == source.module
            if target and target is not source and not passes_on:
                edges[source.path][target.path].add("::".join(path))
    return edges


def circles(edges):
    """Tarjan's strongly connected components of more than one file."""
    index, low, stack, on, found, counter = {}, {}, [], set(), [], [0]

    def visit(node):
        index[node] = low[node] = counter[0]
        counter[0] += 1
        stack.append(node)
        on.add(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = []
            while True:
                member = stack.pop()
                on.discard(member)
                members.append(member)
                if member == node:
                    break
            if len(members) > 1:
                found.append(sorted(members))

    sys.setrecursionlimit(10_000)
    for node in list(edges):
        if node not in index:
            visit(node)
    return found


def name(path):
    return path.relative_to(ROOT).as_posix()


def main():
    edges = graph()
    if len(sys.argv) == 3 and sys.argv[1] == "--edges":
        file = ROOT / sys.argv[2].removeprefix("src/")
        for other, names in sorted(edges.get(file, {}).items()):
            print(f"-> {name(other)}: {', '.join(sorted(names))}")
        for other, targets in sorted(edges.items()):
            if file in targets:
                print(f"<- {name(other)}: {', '.join(sorted(targets[file]))}")
        return 0
    folders = sys.argv[1:]
    counts = lambda file: any(file.split("/")[0].removesuffix(".rs") == folder for folder in folders)
    found = circles(edges)
    if folders:
        found = [members for members in found if any(counts(name(member)) for member in members)]
        found = [members for members in found if not all(name(member).startswith(LEAVES) for member in members)]
    for members in found:
        print(f"{len(members)} files import each other:")
        for member in members:
            for other, names in sorted(edges[member].items()):
                if other in members:
                    print(f"  {name(member)} -> {name(other)}: {', '.join(sorted(names))}")
    print(f"{sum(map(len, found))} files in {len(found)} circles")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
