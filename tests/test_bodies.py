from __future__ import annotations

import math

import pytest

from pytest_redis_actions.operations import bodies as wire


def test_a_document_is_compact_ascii_with_sorted_keys() -> None:
    assert wire.encode({"b": [1, 2.5], "a": "ü"}) == b'{"a":"\\u00fc","b":[1,2.5]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        wire.encode({"progress": value})
