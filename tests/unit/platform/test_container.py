"""Parts are found by their type, and built once, in whatever order they need each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app import config
from app.platform import clock
from app.platform.container import Container
from app.platform.instrumentation import NOBODY
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from app.platform.container import Factory


@dataclass
class Engine:
    pass


@dataclass
class Car:
    engine: Engine


class Trailer:
    pass


def container(factories: dict[type, Factory]) -> Container:
    return Container(config.load(SETTINGS, dotenv=None), clock.now, NOBODY, factories)


def test_a_part_gets_the_parts_that_it_asks_for_whatever_their_order() -> None:
    parts = container({Car: lambda parts: Car(parts.get(Engine)), Engine: lambda _: Engine()})

    assert parts.get(Car).engine is parts.get(Engine)


def test_a_part_is_built_once() -> None:
    built: list[Engine] = []

    def build(_: Container) -> Engine:
        built.append(Engine())
        return built[-1]

    parts = container({Engine: build})
    parts.build_all()
    parts.build_all()

    assert [parts.get(Engine)] == built


def test_a_part_that_the_settings_turn_off_is_none_and_cannot_be_got() -> None:
    parts = container({Trailer: lambda _: None})

    assert parts.find(Trailer) is None
    with pytest.raises(LookupError, match="Trailer is turned off"):
        parts.get(Trailer)


def test_a_part_that_no_feature_makes_stops_the_start() -> None:
    parts = container({Car: lambda parts: Car(parts.get(Engine))})

    with pytest.raises(LookupError, match="nothing makes Engine"):
        parts.build_all()


def test_parts_that_need_each_other_are_named() -> None:
    parts = container({Car: lambda parts: parts.get(Engine), Engine: lambda parts: parts.get(Car)})

    with pytest.raises(LookupError, match="Car -> Engine -> Car"):
        parts.get(Car)
