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
MODULES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "attack").rglob("*.py")])
KINDS = {"cli": 0, "wiring": 0, "controller": 1, "pages": 1, "forms": 2, "inputs": 2, "views": 2}
"""How far above the rules a file of a feature is, by its name: 0 is the top."""
A_RULE = 3
"""A file of any other name."""


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """What is written in each module."""
    return {module: ast.parse(module.read_text(encoding="utf-8")) for module in MODULES}


def test_a_module_says_what_it_is_for(trees: dict[Path, ast.Module]) -> None:
    assert [module for module, tree in trees.items() if not ast.get_docstring(tree)] == []


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


def test_a_rule_knows_no_request_and_no_reply_in_whatever_file_and_feature_it_is() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    features = [f"app.{'.'.join(init.parent.relative_to(ROOT / 'app').parts)}." for init in declaring_a_feature()]
    files = {
        module: KINDS.get(module.rpartition(".")[2], A_RULE)
        for module in graph.modules
        if module.startswith(tuple(features)) and not graph.find_children(module)
    }
    assert {"app.accounts.model", "app.accounts.service"} <= files.keys()
    upwards = {
        (module, imported)
        for module, kind in files.items()
        for imported in graph.find_modules_directly_imported_by(module)
        if files.get(imported, A_RULE) < kind
    }
    assert not upwards


def declaring_a_feature() -> list[Path]:
    return [each for each in MODULES if each.name == "__init__.py" and "\nFEATURE = " in each.read_text("utf-8")]


def test_only_the_settings_read_the_environment(trees: dict[Path, ast.Module]) -> None:
    reading = [module for module, tree in trees.items() if any(map(is_the_environment, ast.walk(tree)))]
    assert [module for module in reading if not module.is_relative_to(ROOT / "app" / "config")] == []
    assert reading


def is_the_environment(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in {"environ", "environb", "getenv"}:
        return False
    return isinstance(node.value, ast.Name) and node.value.id == "os"


def test_make_test_runs_each_folder_of_tests_but_the_served_ones() -> None:
    (command,) = re.findall(r"\$\(PYTEST\) (tests/.*)", (ROOT / "Makefile").read_text())
    run = re.findall(r"\btests/(\w+)\b", command)
    holding = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert sorted([*run, "e2e", "faults", "servers"]) == sorted(holding)


def test_each_module_that_runs_on_mongodb_too_exists() -> None:
    assert {path.stem for path in (ROOT / "tests" / "api").glob("test_*.py")} >= ON_MONGODB_TOO
