from __future__ import annotations

import pytest

from pytest_redis_actions.errors import ReleaseError
from pytest_redis_actions.releases import NEWEST, RELEASES, SINCE, UNTIL, check_release, has, not_before


def test_the_releases_stand_oldest_first_and_7_22_is_newer_than_7_8() -> None:
    assert RELEASES == ("7.2", "7.4", "7.8", "7.22", "8.0", "8.2")
    assert NEWEST == "8.2"
    assert not_before("7.22", "7.8")
    assert not not_before("7.8", "7.22")


@pytest.mark.parametrize("feature", SINCE)
def test_a_feature_is_there_from_its_first_release_on(feature: str) -> None:
    first = RELEASES.index(SINCE[feature])

    assert [has(release, feature) for release in RELEASES] == [index >= first for index in range(len(RELEASES))]


@pytest.mark.parametrize("feature", UNTIL)
def test_a_feature_that_was_taken_away_is_there_until_its_last_release(feature: str) -> None:
    last = RELEASES.index(UNTIL[feature])

    assert [has(release, feature) for release in RELEASES] == [index <= last for index in range(len(RELEASES))]


@pytest.mark.parametrize("release", ["7.3", "8", 8.2, None, "", "latest", ["8.2"]])
def test_an_unknown_release_is_refused_with_its_value_and_the_known_ones(release: object) -> None:
    with pytest.raises(ReleaseError) as caught:
        check_release(release)

    first = str(caught.value).splitlines()[0]
    assert first == f"unknown release {release!r}"
    assert "7.2, 7.4, 7.8, 7.22, 8.0, 8.2" in str(caught.value)


def test_a_number_for_a_release_is_told_to_be_a_text() -> None:
    with pytest.raises(ReleaseError, match=r"write '8\.2'"):
        check_release(8.2)
