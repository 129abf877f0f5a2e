"""Every failure says what it means and what to do, and is the only one of its code."""

import re

import pytest

from app.features import ENDPOINTS
from app.platform.errors import CATALOGUE, Failure, InternalError, MethodNotAllowed


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE)
def test_every_failure_is_explained(failure: type[Failure]) -> None:
    for text in (failure.message, failure.meaning, failure.remedy):
        assert re.fullmatch(r"[A-Z`/].*[.?]", text, re.DOTALL), text
        assert "  " not in text
    assert 400 <= failure.status < 600
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", failure.code)


def test_every_class_is_in_the_catalogue() -> None:
    assert set(CATALOGUE.values()) == set(Failure.__subclasses__())
    assert all(failure.code == code for code, failure in CATALOGUE.items())


def test_a_code_belongs_to_one_failure() -> None:
    with pytest.raises(TypeError, match="not_found"):
        type("Second", (Failure,), {"code": "not_found", "status": 404})


def test_every_failure_that_exists_can_happen() -> None:
    raised = {failure for declared in ENDPOINTS for failure in declared.failures}
    # No endpoint gives these: no endpoint took the request, or it met a fault.
    assert set(CATALOGUE.values()) - raised == {MethodNotAllowed, InternalError}
