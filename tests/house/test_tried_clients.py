"""docs/oauth.md shows the very lines that the clients of the tests are made of, and their versions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "tools" / "relying_parties"
SECTION = (ROOT / "docs" / "oauth.md").read_text().partition("\n## Clients that were tried\n")[2].partition("\n## ")[0]
PROGRAMS = {"go": "go/main.go", "java": "spring/Shop.java"}
BLOCKS = re.compile(r"^```(go|java)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN: list[tuple[str, str]] = BLOCKS.findall(SECTION)


def test_there_are_lines_for_each_program() -> None:
    assert {language for language, _ in SHOWN} == PROGRAMS.keys()


@pytest.mark.parametrize(("language", "lines"), SHOWN)
def test_what_is_shown_is_what_runs(language: str, lines: str) -> None:
    assert _as_written(lines) in _as_written((SOURCES / PROGRAMS[language]).read_text())


def test_the_versions_are_those_that_run() -> None:
    named = dict(re.findall(r"^\| ([\w./ -]+?)(?:, [^|]*)? \| ([\w.() ]+) \|", SECTION, re.MULTILINE))
    modules = dict(re.findall(r"^\t(\S+?)(?:/v\d+)? v(\S+)$", (SOURCES / "go" / "go.mod").read_text(), re.MULTILINE))
    shown = {name: version for name, version in named.items() if name in modules}
    assert shown == {name: modules[name] for name in shown}
    assert len(shown) == 3
    project = (SOURCES / "spring" / "pom.xml").read_text()
    (boot,) = re.findall(r"<version>(.+)</version>", project.partition("</parent>")[0])
    assert f"Spring Boot {boot} |" in SECTION


def test_the_versions_of_the_libraries_are_those_that_are_installed() -> None:
    named = dict(re.findall(r"^\| (?:npm|PyPI) ([\w-]+)(?:, [^|]*)? \| ([\d.]+) \|", SECTION, re.MULTILINE))
    npm = json.loads((ROOT / "tests/tools/package.json").read_text())["devDependencies"]
    (authlib,) = re.findall(r"^authlib==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    tried = ("openid-client", "oauth4webapi", "oidc-client-ts")
    assert named == {name: npm[name] for name in tried} | {"Authlib": authlib}


def _as_written(text: str) -> str:
    """Without the indentation, and without what Spring's bean of a test is declared with besides."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if not line.startswith("@ConditionalOnProperty"))
