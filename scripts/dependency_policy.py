#!/usr/bin/env python3
"""Holds the crates of Cargo.lock against scripts/dependency-policy.toml: licences, sources, banned and doubled crates; and
looks up in the registry's index whether a version was yanked. Needs nothing but cargo and the index that cargo is set up
to use: cargo brings its own copy of it up to date, and that copy is read.

usage: scripts/dependency_policy.py
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CARGO_HOME = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def allowed(expression, licences):
    """Whether an SPDX expression has an alternative that is made of the licences."""
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def either():
        nonlocal place
        result = both()
        while place < len(words) and words[place] == "OR":
            place += 1
            other = both()
            result = result or other
        return result

    def both():
        nonlocal place
        result = one()
        while place < len(words) and words[place] == "AND":
            place += 1
            other = one()
            result = result and other
        return result

    def one():
        nonlocal place
        word = words[place]
        place += 1
        if word == "(":
            result = either()
            place += 1
            return result
        if words[place : place + 1] == ["WITH"]:
            # An exception only adds rights.
            exception = f"{word} WITH {words[place + 1]}"
            place += 2
            return exception in licences or word in licences
        return word in licences

    return either()


def index_path(name):
    """Where a crate stands in a sparse index."""
    name = name.lower()
    prefix = {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")
    return f"{prefix}/{name}"


def index_entries(name):
    """What cargo's copy of the index says about the versions of a crate: JSON objects between zero bytes."""
    for cache in sorted(CARGO_HOME.glob(f"registry/index/*/.cache/{index_path(name)}")):
        for chunk in cache.read_bytes().split(b"\0"):
            if chunk.startswith(b"{"):
                yield json.loads(chunk)


def is_yanked(package):
    name, version = package["name"], package["version"].split("+")[0]
    found = [entry["yanked"] for entry in index_entries(name) if entry["vers"].split("+")[0] == version]
    if not found:
        raise SystemExit(f"cargo's copy of the index does not know {name} {version}")
    # With several registries set up, the newest copy cannot be told: one that knows of no harm is not believed.
    return any(found)


def complaints():
    # Asks the index for every crate of the lock file, and changes nothing.
    subprocess.run(["cargo", "update", "--dry-run", "--quiet"], cwd=ROOT, check=True)
    policy = tomllib.loads((ROOT / "scripts/dependency-policy.toml").read_text())
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)["packages"]
    foreign = [package for package in packages if package["source"]]
    versions = defaultdict(set)
    for package in foreign:
        name, shown = package["name"], f"{package['name']} {package['version']}"
        versions[name].add(package["version"])
        if package["source"] not in policy["sources"]:
            yield f"{shown} comes from {package['source']}"
        if name in policy["banned"]:
            yield f"{shown} is banned: {policy['banned'][name]}"
        if not package["license"]:
            yield f"{shown} names no licence"
        elif not allowed(package["license"], policy["licences"]):
            yield f"{shown} has the licence {package['license']}"
    for name in policy["single"]["crates"]:
        if len(versions[name]) > 1:
            yield f"{name} is there in more than one version: {', '.join(sorted(versions[name]))}"
    for package in foreign:
        if is_yanked(package):
            yield f"{package['name']} {package['version']} was yanked"


def main():
    found = list(complaints())
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
