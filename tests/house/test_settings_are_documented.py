"""`.env.example` and docs/configuration.md hold every setting with its default, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.config import load
from app.config.documentation import ENV_EXAMPLE, GUIDE, env_example, guide
from app.config.section import default_text_of, example_of, is_secret
from app.config.settings import definitions

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ENV_EXAMPLE).read_text(encoding="utf-8")
TEXT = (ROOT / GUIDE).read_text(encoding="utf-8")
FIELDS = {name: field for fields in definitions().values() for name, field in fields.items()}
REFRESH = "the settings have changed: run `python -m app.config.documentation`"


def test_both_files_are_what_the_definitions_give() -> None:
    assert env_example() == EXAMPLE, REFRESH
    assert guide(TEXT) == TEXT, REFRESH


def test_every_setting_and_nothing_else_is_in_the_example_with_its_default() -> None:
    entries = re.findall(r"^# Default: (.*)\.\n# ([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)
    assert {name: default for default, name in entries} == {
        name: default_text_of(field) for name, field in FIELDS.items()
    }
    assert len(re.findall(r"^#? ?[A-Z0-9_]+=", EXAMPLE, re.MULTILINE)) == len(entries) == len(FIELDS)


def test_every_setting_and_nothing_else_is_in_the_guide_with_its_default() -> None:
    tables = TEXT.split("## Every setting")[1]
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \| .+ \|$", tables, re.MULTILINE)
    assert dict(rows) == {name: default_text_of(field) for name, field in FIELDS.items()}
    assert len(rows) == len(FIELDS)


def test_a_setting_that_several_sections_read_is_documented_once() -> None:
    names = [name for fields in definitions().values() for name in fields]
    assert len(names) == len(set(names))


def test_the_example_loads_and_sets_nothing() -> None:
    assert dotenv_values(ROOT / ENV_EXAMPLE) == {}
    development = {"FLASK_ENV": "development"}
    assert load(development, ROOT / ENV_EXAMPLE) == load(development, None)


@pytest.mark.parametrize("name", FIELDS)
def test_each_line_of_the_example_works_when_its_mark_is_removed(name: str, tmp_path: Path) -> None:
    uncommented, count = re.subn(rf"^# ({name}=)", r"\1", EXAMPLE, flags=re.MULTILINE)
    assert count == 1
    dotenv = tmp_path / ".env"
    dotenv.write_text(uncommented, encoding="utf-8")
    # LEGACY_LOGIN_URL needs the secret.
    testing = {"FLASK_ENV": "testing", "LEGACY_LOGIN_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    # The environment wins over the first, the second is on already, and no key is given away.
    changes_nothing = name in {
        "FLASK_ENV", "RATE_LIMITS", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "LEGACY_LOGIN_SECRET",
    }  # fmt: skip
    assert (load(testing, dotenv) == load(testing, None)) == changes_nothing


def test_running_the_module_renews_both_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / GUIDE).write_text(TEXT.replace("| 5000 |", "| 4000 |"), encoding="utf-8")
    command = [sys.executable, "-m", "app.config.documentation"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert (tmp_path / GUIDE).read_text(encoding="utf-8") == TEXT
    assert (tmp_path / ENV_EXAMPLE).read_text(encoding="utf-8") == EXAMPLE


def test_no_key_can_be_copied_from_the_documentation() -> None:
    assert [name for name, field in FIELDS.items() if example_of(field) is None] == [
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "LEGACY_LOGIN_SECRET",
    ]
    assert all(is_secret(FIELDS[name]) for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"))


def test_every_setting_is_described() -> None:
    assert [name for name, field in FIELDS.items() if not field.description] == []
