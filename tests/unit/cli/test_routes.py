"""`flask routes` shows who may call what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.features import ENDPOINTS, PAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


def test_every_route_is_shown_with_its_access_rule(flask: Callable[..., Result]) -> None:
    result = flask("routes")

    assert result.exit_code == 0
    shown = [line.split() for line in result.stdout.splitlines()]
    assert ["account.delete_me", "(authenticated)", "DELETE", "/auth/me"] in shown
    assert ["auth.login", "(public)", "POST", "/auth/login"] in shown
    for declared in (*ENDPOINTS, *PAGES):
        assert [*declared.shown.split(), declared.method, declared.path] in shown
