"""What the features declare agrees with each other, and with the code that uses it."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import grimp

from app.features import ENDPOINTS, FEATURES, PAGES, PERMISSIONS, PROTOCOLS, REPOSITORIES, TAGS

APP = Path(__file__).parents[2] / "app"
KNOWN_UPWARDS = {("app.audit", "users")}
"""Events end with their user, so audit looks whether the user exists. It names the place where users are, no more."""


def test_each_package_that_declares_itself_is_in_the_list() -> None:
    declaring = {init.parent.name for init in APP.rglob("__init__.py") if "\nFEATURE = " in init.read_text()}
    listed = (APP / "features.py").read_text()
    assert len(declaring) == len(FEATURES)
    assert all(f"    {name}.FEATURE,\n" in listed for name in declaring)


def test_each_permission_is_declared_by_one_feature() -> None:
    declared = Counter(name for feature in FEATURES for name in feature.permissions)
    assert set(declared) == PERMISSIONS
    assert set(declared.values()) == {1}


def test_an_endpoint_requires_only_what_a_feature_declares() -> None:
    required = {each.access.permission for each in (*ENDPOINTS, *PAGES, *PROTOCOLS)} - {None}
    assert required <= PERMISSIONS


def test_each_tag_has_one_description_and_each_endpoint_a_tag() -> None:
    described = Counter(tag.name for feature in FEATURES for tag in feature.tags if tag.description)
    assert set(described.values()) == {1}
    assert {each.tag for each in ENDPOINTS} == set(TAGS)


def test_each_repository_and_each_part_is_made_by_one_feature() -> None:
    made = Counter([*REPOSITORIES, *(kind for feature in FEATURES for kind in feature.services)])
    assert set(made.values()) == {1}


def test_what_expires_is_a_repository_of_the_feature_that_says_so() -> None:
    for feature in FEATURES:
        assert set(feature.expires) <= set(feature.repositories)


def test_a_repository_names_only_collections_and_tables_of_its_feature_and_of_those_that_it_is_built_on() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    trees = {
        module: ast.parse(module.read_text(encoding="utf-8"))
        for name in ("mongo.py", "sql.py")
        for module in APP.glob(f"*/**/{name}")
    }
    owners = {
        call.args[0].value: feature_of(module)
        for module, tree in trees.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Table" and isinstance(call.args[0], ast.Constant)
    }
    named = {
        (feature_of(module), node.value.partition(".")[0])
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    upwards = {
        (feature, name)
        for feature, name in named
        if owners.get(name, feature) != feature
        and not graph.find_shortest_chain(feature, owners[name], as_packages=True)
    }
    assert {("app.sessions", "users"), ("app.samples.products", "users")} <= named
    assert upwards == KNOWN_UPWARDS


def feature_of(module: Path) -> str:
    """The package that declares the feature of a module."""
    declared = next(each for each in module.parents if "\nFEATURE = " in (each / "__init__.py").read_text())
    return f"app.{'.'.join(declared.relative_to(APP).parts)}"
