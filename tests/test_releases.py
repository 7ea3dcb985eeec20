from __future__ import annotations

import pytest

from pytest_redis_actions.errors import ReleaseError
from pytest_redis_actions.facts.releases import NEWEST, RELEASES, SINCE, UNTIL, check_release, has, not_before


def test_the_releases_stand_oldest_first_and_7_22_is_newer_than_7_8() -> None:
    assert RELEASES == ("7.2", "7.4", "7.8", "7.22", "8.0", "8.2")
    assert NEWEST == "8.2"
    assert not_before("7.22", "7.8")
    assert not not_before("7.8", "7.22")


@pytest.mark.parametrize("feature", SINCE)
def test_a_feature_is_documented_from_its_first_release_on(feature: str) -> None:
    first = RELEASES.index(SINCE[feature].documented)

    there = [has(release, feature, "documented") for release in RELEASES]
    assert there == [index >= first for index in range(len(RELEASES))]


# Typed from E-SINCE-1 to E-SINCE-11: documented since, known to be on clusters since.
@pytest.mark.parametrize(
    ("feature", "documented", "wire"),
    [
        ("actions-of-a-database", "7.4", "7.4"),
        ("pending-ops", "7.4", "7.4"),
        ("shard-migrate", "7.4", "7.2"),
        ("shard-failover", "7.8", "7.8"),
        ("rebalance", "7.8", "7.8"),
        ("traffic", "7.8", "7.8"),
        ("user-manager", "7.8", "7.8"),
        ("revamp", "7.22", "7.22"),
        ("v2-actions", "7.22", "7.22"),
        ("aborted", "8.0", "7.2"),
        ("deletion-tells-action", "8.0", "8.0"),
        ("dry-run-of-access", "7.8", "7.8"),
        ("dry-run-of-deletion", "8.0", "8.0"),
    ],
)
def test_the_age_of_a_page_and_the_age_of_what_it_describes_are_two_facts(
    feature: str, documented: str, wire: str
) -> None:
    assert next(release for release in RELEASES if has(release, feature, "documented")) == documented
    assert next(release for release in RELEASES if has(release, feature)) == wire


@pytest.mark.parametrize("feature", SINCE)
def test_a_row_says_what_it_rests_on(feature: str) -> None:
    assert "E-SINCE-" in SINCE[feature].source
    assert SINCE[feature].observed or "only" in SINCE[feature].source


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
