"""Modules say what they are for, and import one way only."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

from tests.api.conftest import ON_MONGODB_TOO

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "app").rglob("*.py"))


@pytest.fixture(params=MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def module(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))


def test_imports_run_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_package_without_a_layer_is_imported_by_the_list_of_features_only() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = {name.strip() for layer in contracts[0]["layers"] for name in re.split("[|:]", layer)}
    graph = grimp.build_graph("app", cache_dir=None)
    for package in graph.find_children("app") - listed:
        importing = {
            importer
            for module in {package} | graph.find_descendants(package)
            for importer in graph.find_modules_that_directly_import(module)
        }
        others = {importer for importer in importing if importer != package and not importer.startswith(f"{package}.")}
        assert others <= {"app.features"}, package


def test_only_the_settings_read_the_environment(module: Path) -> None:
    nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    of_os = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os"}
    assert not of_os & {"environ", "environb", "getenv"} or module.is_relative_to(ROOT / "app" / "config")


def test_make_test_runs_each_folder_of_tests_but_the_served_ones() -> None:
    (command,) = re.findall(r"\$\(PYTEST\) (tests/.*)", (ROOT / "Makefile").read_text())
    run = re.findall(r"\btests/(\w+)\b", command)
    holding = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert sorted([*run, "e2e", "servers"]) == sorted(holding)


def test_each_module_that_runs_on_mongodb_too_exists() -> None:
    assert {path.stem for path in (ROOT / "tests" / "api").glob("test_*.py")} >= ON_MONGODB_TOO
