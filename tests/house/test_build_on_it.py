"""docs/build-on-it.md shows the code of the sample as it is, and all files that have to do with it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/build-on-it.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^From `([\w/.]+)`:\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
"""Each piece of code, and the file that it claims to be from."""
OF_THE_SAMPLE = re.compile(
    r"sample_products?\b|SampleProduct|SAMPLE_PRODUCTS\b|samples\.products\b|\bproducts\.FEATURE"
)
"""What a file that has to do with products names."""
PACKAGE = set((ROOT / "app/samples/products").glob("*.py"))
BESIDE_IT = {"app/features.py", "migrations/versions/0003_samples.py"}


def test_every_piece_of_code_says_where_it_is_from() -> None:
    assert len(SHOWN) > 12
    assert len(SHOWN) == TEXT.count("```python")
    assert TEXT.count("\n```") == 2 * len(SHOWN)


@pytest.mark.parametrize(("file", "code"), SHOWN, ids=[file for file, _ in SHOWN])
def test_every_piece_of_code_stands_in_its_file(file: str, code: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    for piece in code.strip("\n").split("\n\n\n"):
        assert f"\n{piece}\n" in f"\n{source}"


def test_nothing_but_its_package_a_migration_and_the_list_of_features_names_products() -> None:
    sources = [path for folder in ("app", "migrations") for path in (ROOT / folder).rglob("*.py")]
    naming = {path for path in sources if OF_THE_SAMPLE.search(path.read_text(encoding="utf-8"))}
    assert {str(path.relative_to(ROOT)) for path in naming - PACKAGE} == BESIDE_IT


def test_every_file_of_the_sample_is_named() -> None:
    named = set(re.findall(r"`([\w/.]+\.py)(?::\w+)?`", TEXT))
    assert {str(path.relative_to(ROOT)) for path in PACKAGE} | BESIDE_IT <= named


def test_its_steps_are_numbered_in_their_order() -> None:
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
