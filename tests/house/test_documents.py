"""The documents say what is so: their links lead somewhere, and what they name exists."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urldefrag

import click
import pytest
from flask import Flask
from flask.cli import FlaskGroup

from app import __version__
from app import commands as operators_commands
from app.config.section import is_secret
from app.config.settings import definitions
from app.config.sources import file_name
from app.features import ENDPOINTS, PAGES, PROTOCOLS
from app.platform.errors import CATALOGUE
from tests.tools import api_endpoints, rate_limits

ROOT = Path(__file__).parents[2]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
}
EXPECTED = {
    "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "docs/administration.md",
    "docs/api_endpoints.md", "docs/architecture.md", "docs/attack.md", "docs/browsers.md", "docs/build-on-it.md",
    "docs/capacity.md",
    "docs/clients.md",
    "docs/clusters.md", "docs/configuration.md", "docs/data_model.md", "docs/deployment.md", "docs/forward-auth.md",
    "docs/hooks.md", "docs/mcp.md", "docs/monitoring.md", "docs/moving-in.md", "docs/oauth.md", "docs/operations.md",
    "docs/overview.md",
    "docs/performance.md", "docs/rate-limits.md", "docs/reliability.md", "docs/security.md", "docs/sequence_flows.md",
    "docs/webhooks.md",
}  # fmt: skip
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SETTINGS = {name: field for fields in definitions().values() for name, field in fields.items()}
NO_SETTINGS = {
    "HTTP_PORT", "TEST_MONGO_URI", "COMPOSE_EDGE_NETWORK", "MONGO_INITDB_DATABASE", "MONGO_INITDB_ROOT_PASSWORD",
    "MONGO_INITDB_ROOT_USERNAME", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
    "FALLBACKS_NUMBER", "FUZZ_SECONDS", "MONGO_NUMBER", "SECRET_KEY_NUMBER", "SMTP_NUMBER", "TLS_NUMBER",
    "APP_PORT", "COMPOSE_MONITORING_NETWORK", "GRAFANA_ADMIN_PASSWORD", "GRAFANA_PORT", "MARIADB_PASSWORD",
    "POSTGRES_PASSWORD", "PROMETHEUS_PORT", "MONGO_APP_PASSWORD", "SECURITY_PASSWORD_SALT",
}  # fmt: skip
"""Names that compose, OpenTelemetry's packages, Flask-Security and the tests read."""

each_document = pytest.mark.parametrize("document", TEXTS)


def test_every_document_is_there_and_leads_to_the_others() -> None:
    assert EXPECTED - TEXTS.keys() == set()
    linked = {target.partition("#")[0] for target in _links(TEXTS["README.md"])}
    assert EXPECTED - {"README.md"} - linked == set()


@each_document
def test_every_link_leads_to_a_file_and_a_heading_that_exist(document: str) -> None:
    for target in _links(TEXTS[document]):
        path, fragment = urldefrag(target)
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        assert file.resolve().is_relative_to(ROOT), target
        if fragment:
            assert fragment in _anchors(file), target


@each_document
def test_every_file_and_every_name_in_it_exists(document: str) -> None:
    for path, name in re.findall(r"`((?:app|attack|tests|migrations|bench)/[\w./-]*)(?::([\w.]+))?`", TEXTS[document]):
        assert (ROOT / path).exists(), path
        if name:
            assert name in _names(ROOT / path), f"{path}:{name}"


@each_document
def test_every_target_of_make_exists(document: str) -> None:
    spans = re.findall(r"`make ([a-z-]+)`|^(?:\$ )?make ([a-z-]+)", TEXTS[document], re.MULTILINE)
    assert {target for pair in spans for target in pair if target} <= TARGETS


@each_document
def test_every_command_of_flask_exists(document: str) -> None:
    application = Flask(__name__)
    operators_commands.install(application)
    commands = {**FlaskGroup().commands, **application.cli.commands}
    for name, inner in re.findall(r"\bflask ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", TEXTS[document]):
        assert name in commands, name
        command = commands[name]
        if inner and isinstance(command, click.Group):
            assert inner in command.commands, f"{name} {inner}"


@each_document
def test_every_endpoint_exists(document: str) -> None:
    served = {f"{declared.method} {declared.path}" for declared in (*ENDPOINTS, *PAGES, *PROTOCOLS)}
    assert set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^\s`?]*)`", TEXTS[document])) <= served


@each_document
def test_every_setting_exists(document: str) -> None:
    twins = {file_name(name) for name, field in SETTINGS.items() if is_secret(field)}
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", TEXTS[document]))
    assert named <= SETTINGS.keys() | twins | NO_SETTINGS


@each_document
def test_every_code_of_a_failure_stands_with_its_status(document: str) -> None:
    words = re.findall(r"\b([45]\d\d) `?([a-z]+(?:_[a-z]+)+|forbidden|overloaded|unavailable)\b", TEXTS[document])
    for status, code in words:
        assert CATALOGUE[code].status == int(status), code


def test_every_picture_is_shown_and_described_in_words() -> None:
    shown = dict(re.findall(r"!\[([^]]*)\]\((docs/pictures/[^)]+)\)", TEXTS["README.md"]))
    assert set(shown.values()) == {str(path.relative_to(ROOT)) for path in (ROOT / "docs/pictures").iterdir()}
    assert all(shown)


def test_the_readme_says_how_much_code_there_is_to_read() -> None:
    said = re.search(r"([\d,]+) lines of Python", TEXTS["README.md"])
    assert said
    lines = sum(file.read_text(encoding="utf-8").count("\n") for file in ROOT.glob("app/**/*.py"))
    assert abs(int(said[1].replace(",", "")) - lines) < lines / 10, lines


def test_every_folder_in_the_readme_exists() -> None:
    tree = TEXTS["README.md"].split("## Where things are")[1].split("```")[1]
    folder = ""
    for indent, name in re.findall(r"^( *)([a-z]+)/", tree, re.MULTILINE):
        folder = f"{folder}/{name}" if indent else name
        assert (ROOT / folder).is_dir(), folder
        folder = folder.partition("/")[0]


def test_the_changelog_ends_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"^## \[([\d.]+)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)[0] == version == __version__


def test_the_endpoints_are_documented_as_the_openapi_document_has_them() -> None:
    refresh = "the endpoints have changed: run `python -m tests.tools.api_endpoints`"
    assert api_endpoints.guide() == TEXTS[str(api_endpoints.GUIDE)], refresh


def test_the_rate_limits_are_documented_as_the_endpoints_declare_them() -> None:
    text = TEXTS[str(rate_limits.GUIDE)]
    assert rate_limits.guide(text) == text, "the limits have changed: run `python -m tests.tools.rate_limits`"
    assert text.count("| `POST /auth/login`, ") == 1


def _links(text: str) -> list[str]:
    """The targets of all links that stay in the project."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text))
    return [target for target in targets if not re.match(r"https?:|mailto:", target)]


@cache
def _anchors(file: Path) -> set[str]:
    text = FENCED.sub("", file.read_text(encoding="utf-8"))
    return {api_endpoints.anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def _names(file: Path) -> set[str]:
    """What a module defines, and `Class.member` for what its classes do."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = _defined(node)
        found |= names
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{member}" for inner in node.body for member in _defined(inner)}
    return found


def _defined(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


@each_document
def test_an_administrator_is_made_with_a_name_and_without_a_password_on_the_command_line(document: str) -> None:
    for command in re.findall(r"flask users create[^`\n]*", TEXTS[document].replace("\\\n", " ")):
        if "--role" in command:
            assert re.search(r"--(email|username)\b", command), command
        assert not re.search(r"--password\b(?!-stdin)", command), command


def test_the_hook_that_is_shown_is_that_of_the_example() -> None:
    shown = re.search(r"```python\n(class .*?)```", (ROOT / "docs/hooks.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert shown[1] in (ROOT / "examples/hooks/company_hooks.py").read_text(encoding="utf-8")
