"""docs/build-on-it.md shows the code of the samples as it is, and leaves out no file that they touch."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/build-on-it.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^From `([\w/.]+)`:\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
"""Each piece of code, and the file that it claims to be from."""
OF_THE_SAMPLE = re.compile(
    r"sample_products?\b|SampleProducts?\b|SAMPLE_PRODUCTS\b|\bproducts\.create\b|ProductView\b|CreateProduct\b"
)
"""What a file that has to do with products names."""


def test_every_piece_of_code_says_where_it_is_from() -> None:
    assert len(SHOWN) > 15
    assert len(SHOWN) == TEXT.count("```python")
    assert TEXT.count("\n```") == 2 * len(SHOWN)


@pytest.mark.parametrize(("file", "code"), SHOWN, ids=[file for file, _ in SHOWN])
def test_every_piece_of_code_stands_in_its_file(file: str, code: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    for piece in code.strip("\n").split("\n\n\n"):
        assert f"\n{piece}\n" in f"\n{source}"


def test_every_file_that_products_touch_is_named() -> None:
    sources = [path for folder in ("app", "migrations") for path in (ROOT / folder).rglob("*.py")]
    touched = {
        str(path.relative_to(ROOT)) for path in sources if OF_THE_SAMPLE.search(path.read_text(encoding="utf-8"))
    }
    assert {
        "app/store/mongo/connection.py",
        "app/samples/products/controller.py",
        "app/samples/products/inputs.py",
    } <= touched
    assert touched <= set(re.findall(r"`([\w/.]+\.py)(?::\w+)?`", TEXT))


def test_its_steps_are_numbered_in_their_order() -> None:
    numbers = [int(number) for number in re.findall(r"^## (\d+)\. ", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
