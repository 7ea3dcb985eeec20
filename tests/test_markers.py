"""Markers and parameters that reach no stub, and where a wrong marker is told."""

from __future__ import annotations

from textwrap import dedent

import pytest


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(test_it="import pytest\n" + dedent(text))
    return pytester.runpytest_inprocess("-p", "no:randomly", *arguments)


def test_a_marker_on_a_test_that_uses_no_stub_is_warned_of(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        @pytest.mark.redis_actions(release="8.0")
        def test_it():
            pass
        """,
        "-W",
        "default::UserWarning",
    )

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*test_it.py:3: RedisActionsWarning: test_it is marked with redis_actions and uses no stub: ask for *",
        ]
    )


def test_where_warnings_are_errors_it_fails_the_test(pytester: pytest.Pytester) -> None:
    text = "@pytest.mark.redis_actions(strict=False)\ndef test_it():\n    pass"

    run(pytester, text, "-W", "error").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    "text",
    [
        """
        @pytest.mark.redis_actions(release="8.0")
        def test_it(request):
            assert request.getfixturevalue("redis_actions").release == "8.0"
        """,
        """
        @pytest.mark.redis_actions(release="8.0")
        @pytest.mark.usefixtures("redis_actions")
        def test_it():
            pass
        """,
        """
        @pytest.fixture(autouse=True)
        def stub(redis_actions):
            return redis_actions
        @pytest.mark.redis_actions(release="8.0")
        def test_it():
            pass
        """,
        """
        @pytest.mark.redis_actions(release="8.0")
        def test_it(make_redis_actions):
            pass
        """,
        """
        @pytest.mark.redis_actions(release="8.0")
        class TestIt:
            def test_it(self):
                pass
        """,
        """
        pytestmark = pytest.mark.redis_actions(release="8.0")
        def test_it():
            pass
        """,
        """
        @pytest.mark.redis_actions(release=["7.4", "8.0"])
        @pytest.mark.skip
        def test_it():
            pass
        """,
    ],
    ids=["getfixturevalue", "usefixtures", "autouse", "make", "class", "module", "skipped"],
)
def test_a_marker_that_reaches_a_stub_or_stands_further_out_is_not(pytester: pytest.Pytester, text: str) -> None:
    result = run(pytester, text, "-W", "error")

    assert result.ret == pytest.ExitCode.OK


def test_a_stub_that_a_test_asks_for_while_it_runs_is_reported_and_judged(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import requests

        @pytest.mark.parametrize("fails", [True, False])
        def test_it(request, fails):
            requests.get(request.getfixturevalue("redis_actions").url + "/v1/action")
            assert not fails
        """,
    )

    result.assert_outcomes(failed=1, passed=1, errors=1)
    assert result.stdout.str().count("- redis_actions -") == 1


@pytest.mark.parametrize("fixture", ["redis_actions", "make_redis_actions"])
def test_a_fixture_of_the_plugin_takes_no_parameters(pytester: pytest.Pytester, fixture: str) -> None:
    result = run(
        pytester,
        f"""
        @pytest.mark.parametrize("{fixture}", [{{"release": "7.4"}}], indirect=True)
        def test_it({fixture}):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"the fixture {fixture} takes no parameters",
            "  fix  write @pytest.mark.redis_actions(release=*",
            "  at   test_it.py:3, options of test_it*",
        ]
    )


def test_the_parameters_of_the_plugin_itself_are_its_own(pytester: pytest.Pytester) -> None:
    text = """
        @pytest.mark.parametrize("release", ["7.4", "8.0"])
        def test_it(redis_actions, release):
            pass
        """

    run(pytester, text, "--redis-actions-release=7.4,8.2").assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("relaese='8.0'", "unknown option 'relaese'"),
        ("release='9.9'", "unknown release '9.9'"),
        ("drive='nobody'", "drive('nobody'): no such module is imported"),
        ("scenario='S999'", "*"),
    ],
)
def test_a_wrong_marker_names_its_line(pytester: pytest.Pytester, options: str, told: str) -> None:
    result = run(
        pytester,
        f"""
        @pytest.mark.redis_actions({options})
        def test_it(redis_actions):
            pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{told}", "  at   test_it.py:3, options of test_it"])
    assert "contextlib" not in result.stdout.str()
