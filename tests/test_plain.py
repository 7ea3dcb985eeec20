"""Values and texts from outside: exact types, and nothing that a terminal obeys."""

from __future__ import annotations

import unicodedata
from collections import OrderedDict
from enum import Enum
from typing import Any

import pytest
from hostile import EVIL, HOSTILE

from pytest_redis_actions.errors import nearest, shown
from pytest_redis_actions.errors.plain import exact, safe


def test_a_plain_text_stays_as_it_is() -> None:
    assert safe("Größe → 100 %, …") == "Größe → 100 %, …"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("\x1b[31m", "\\x1b[31m"), ("\x00\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"), ("a\nb\r\t", "a\\nb\\r\\t"),
     ("\u202e\u2066\u200f", "\\u202e\\u2066\\u200f"), ("\ud800", "\\ud800"), ("\U000e0041", "\\U000e0041")],
)  # fmt: skip
def test_what_a_terminal_obeys_or_cannot_show_is_escaped(text: str, escaped: str) -> None:
    assert safe(text) == escaped


def test_no_character_at_all_is_left_that_controls_a_terminal() -> None:
    everything = "".join(map(chr, range(0x3000))) + "".join(map(chr, range(0xD7F0, 0x11000)))

    left = {unicodedata.category(character) for character in safe(everything)}

    assert not left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_a_subclass_is_read_as_the_builtin_type_whatever_it_overrides() -> None:
    class Status(str, Enum):
        RUNNING = "running"

    assert exact(True) is True
    assert exact(None) is None
    assert exact(Status.RUNNING) == "running"
    assert type(exact(Status.RUNNING)) is str
    assert exact(OrderedDict(a=1)) == {"a": 1}
    assert type(exact(OrderedDict())) is dict
    for value in EVIL:
        kind = type(exact(value))
        assert kind in (str, int, float, list, dict, tuple) or kind is type(value)


@pytest.mark.parametrize("value", [*EVIL, 10**5000, -(10**5000), HOSTILE], ids=lambda value: type(value).__name__)
def test_any_value_is_shown_and_compared_to_words_without_an_error(value: Any) -> None:
    text = shown(value)

    assert len(text) <= 60
    assert text.isprintable()
    assert nearest(value, ["running", "failed"]) in (None, "running", "failed")


def test_a_value_of_too_many_levels_is_shown_by_its_type() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    itself: list[Any] = []
    itself.append(itself)

    assert shown(deep) == "<list>"
    assert shown(itself) == "[[...]]"


def test_an_integer_that_python_does_not_print_is_shown_by_its_size() -> None:
    assert shown(10**5000) == "<int of 16610 bits>"


def test_a_type_whose_metaclass_lies_about_its_name_is_shown() -> None:
    class Meta(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]  # the lie
            raise RuntimeError

    class Lying(metaclass=Meta):
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Lying()) == "<Lying>"
