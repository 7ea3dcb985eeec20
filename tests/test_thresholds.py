"""The options that a session must reach: what they accept, and that none is kept by a session that judged nothing."""

from __future__ import annotations

from textwrap import dedent

import pytest

CLIENT = """
from pytest_redis_actions.client_contract import ActionsClientContract
import naive

class TestNaive(ActionsClientContract):
    drive = ["naive"]

    def wait(self, target):
        return naive.wait(target.url, target.auth, target.action_uid)
"""
NAIVE = """
import time, requests

def wait(url, auth, uid):
    while True:
        body = requests.get(f"{url}/v1/actions/{uid}", auth=auth).json()
        if body["status"] == "completed":
            return "completed"
        time.sleep(5)
"""
POLLS = """
import requests

def test_polls(redis_actions):
    action = redis_actions.add_action("migrate_shards")
    requests.get(f"{redis_actions.url}/v1/actions/{action.uid}", auth=redis_actions.auth)

def test_other():
    pass
"""


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    pytester.makepyfile(naive=NAIVE, test_it=dedent(text))
    return pytester.runpytest_inprocess("-p", "no:randomly", *arguments)


@pytest.mark.parametrize("option", ["score", "coverage"])
@pytest.mark.parametrize("value", ["500", "-1", "nan", "inf", "much", ""])
def test_a_threshold_is_a_percentage(pytester: pytest.Pytester, option: str, value: str) -> None:
    result = run(pytester, POLLS, f"--redis-actions-{option}-min={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: --redis-actions-{option}-min={value!r} is not a percentage", "  fix  write a number from 0 to 100"]
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("missing/score.json", "there is no folder 'missing'"),
        ("build/score.json", "there is no folder 'build'\n  fix  write built/score.json"),
        ("built", "is a folder"),
    ],
)
def test_a_score_goes_into_a_folder_that_exists(pytester: pytest.Pytester, path: str, told: str) -> None:
    pytester.mkdir("built")

    result = run(pytester, POLLS, f"--redis-actions-score={path}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(f"ERROR: --redis-actions-score={path}: {told}".splitlines())
    assert not (pytester.path / "missing").exists()


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_session_that_judged_nothing_fails(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    text = "def test_it():\n    pass"

    result = run(pytester, text, "--redis-actions-score-min=0", "--redis-actions-coverage-min=0", *workers)

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAILED: no scenario was played, so there is no score; *", "FAILED: no operation was polled, so there is no *"]
    )


def test_scenarios_that_were_all_skipped_are_no_score(pytester: pytest.Pytester) -> None:
    skipped = "\n@pytest.fixture(autouse=True)\ndef absent():\n    pytest.skip('no client here')\n"

    result = run(pytester, "import pytest\n" + CLIENT + skipped, "--redis-actions-score-min=90")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: no scenario was played, so there is no score; *"])


@pytest.mark.parametrize(
    ("narrowing", "told"),
    [
        (("-k", "other"), "-k 'other'"),
        (("-m", "not slow"), "-m 'not slow'"),
        (("test_it.py",), "'test_it.py'"),
        (("test_it.py::test_other",), "'test_it.py::test_other'"),
        (("--deselect", "test_it.py::test_polls"), "--deselect [[]'test_it.py::test_polls'[]]"),
        (("--lf",), "--lf"),
    ],
)
def test_unless_it_was_narrowed_which_it_says(pytester: pytest.Pytester, narrowing: tuple[str, ...], told: str) -> None:
    result = run(pytester, POLLS, "--redis-actions-score-min=90", *narrowing)

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"no scenario was played, so there is no score: the session was narrowed by {told}"])


@pytest.mark.parametrize("wide", [(".",), ("--ff",)])
def test_a_folder_and_an_order_narrow_nothing(pytester: pytest.Pytester, wide: tuple[str, ...]) -> None:
    assert run(pytester, POLLS, "--redis-actions-score-min=90", *wide).ret == pytest.ExitCode.TESTS_FAILED


def test_a_narrowed_session_is_judged_by_what_it_has_played(pytester: pytest.Pytester) -> None:
    for minimum, status in (("50", pytest.ExitCode.TESTS_FAILED), ("0", pytest.ExitCode.TESTS_FAILED)):
        result = run(pytester, CLIENT, "-k", "S20", f"--redis-actions-score-min={minimum}")

        assert result.ret == status
        assert ("FAILED: 0 % of the scenarios passed, 50 % expected" in result.stdout.str()) == (minimum == "50")


@pytest.mark.parametrize("only", ["--collect-only", "--fixtures", "--markers"])
def test_a_session_that_runs_no_test_is_not_judged(pytester: pytest.Pytester, only: str) -> None:
    assert run(pytester, POLLS, "--redis-actions-score-min=90", only).ret == pytest.ExitCode.OK
