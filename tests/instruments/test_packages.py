"""A verb gets along with the packages of Python that packages.txt lists for it.

On a machine that has all of them, an import too many shows nowhere else.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT

# Debian's package, and what it is called where it is imported.
MODULES = {
    "python3-aiohttp": "aiohttp",
    "python3-clang": "clang",
    "python3-jinja2": "jinja2",
    "python3-jsonschema": "jsonschema",
    "python3-markdown": "markdown",
    "python3-pygments": "pygments",
    "python3-pytest": "pytest",
    "python3-rich": "rich",
    "python3-selenium": "selenium",
    "python3-zmq": "zmq",
}
BLOCKED = """
import sys
sys.path.insert(0, "tools")
for name in sys.argv[2:]:
    sys.modules[name] = None  # so an import of it fails
__import__(sys.argv[1])
"""


def listed() -> dict[str, list[str]]:
    """packages.txt: what follows each name there, packages and other names."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "packages.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, package = line.split()[:2]
            found.setdefault(name, []).append(package)
    return found


def needed(name: str, lines: dict[str, list[str]]) -> set[str]:
    return {name}.union(*(needed(word, lines) for word in lines.get(name, []) if word != name))


def programs() -> list[tuple[str, str]]:
    """The table at the head of ./triptych: verbs, and their programs in tools/."""
    table = (ROOT / "triptych").read_text().split("<<'TEXT'\n", 1)[1].split("\nTEXT\n", 1)[0]
    rows = [line.split()[:2] for line in table.splitlines()]
    return [(verb, program.replace("/", ".")) for verb, program in rows if program != "-"]


def test_every_package_of_python_is_in_this_list() -> None:
    words = {word for words in listed().values() for word in words if word.startswith("python3-")}
    assert {word.split("|")[0] for word in words} == set(MODULES)


@pytest.mark.parametrize("verb, program", programs())
def test_a_verb_imports_what_is_listed_for_it(verb: str, program: str) -> None:
    ours = needed(verb, listed())
    if "python3-pygments" not in ours and "python3-rich" in ours:
        ours.add("python3-pygments")  # Debian's python3-rich depends on it
    absent = [module for package, module in MODULES.items() if package not in ours]
    assert absent
    argv = [sys.executable, "-B", "-c", BLOCKED, program, *absent]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, f"without {' '.join(absent)}:\n{done.stderr}"
