"""What a team sees that puts its client under contract: verdicts, the score, and refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from markdown import PAGES, blocks, files, write_files

EXAMPLES = Path(__file__).parent / "examples" / "contract"
PREAMBLE = """
import pytest, requests, threading, time
from pytest_redis_actions.client_contract import ActionsClientContract

def status(target, uid=None):
    url = f"{target.url}/v1/actions/{uid or target.action_uid}"
    return requests.get(url, auth=target.auth, timeout=5).json()["status"]
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    pytester.makepyfile(
        naive=(EXAMPLES / "naive.py").read_text(encoding="utf-8"),
        sleeper="import time\ndef nap(seconds): time.sleep(seconds)",
    )
    pytester.syspathinsert()
    return pytester


def run(suite: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    suite.makepyfile(PREAMBLE + dedent(text))
    return suite.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", *arguments)


def score_of(suite: pytest.Pytester) -> Any:
    (client,) = json.loads((suite.path / "score.json").read_text())["clients"].values()
    return client


NAIVE = """
import naive

class TestNaive(ActionsClientContract):
    drive = ["naive"]

    def wait(self, target):
        return naive.wait(target.url, target.auth, target.action_uid)
"""


# The score


def test_the_table_groups_what_a_naive_loop_fails_by_its_causes(suite: pytest.Pytester) -> None:
    result = run(suite, NAIVE, "-k", "S02 or S08 or S09 or S20 or S50")

    result.assert_outcomes(passed=1, failed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "=* redis_actions: which scenarios the clients pass =*",
            "test_the_table_groups_what_a_naive_loop_fails_by_its_causes.py::TestNaive: 1 of 4 scenarios*, 1 skipped",
            "  1 of 3 that rest on evidence, 0 of 1 that are assumed",
            "  1 saw 'failed' at poll 2 and polled on 50 times",
            "    change   leave the loop at every terminal status: completed, failed, cancelled, aborted",
            "    fails    S08 failed with error_code and error_message | S09 failed with no detail at all",
            "  2 gave up with JSONDecodeError, although the operation completes",
            '    at       JSONDecodeError at naive.py:14  status = reply.json()[[]"status"]',
            "    change   poll again, until the deadline, *",
            "    assumed  S20 502 and 504 with an HTML body",
        ]
    )


def test_nine_scenarios_that_fail_at_one_line_are_one_cause(suite: pytest.Pytester) -> None:
    text = """
    import sleeper

    class TestIt(ActionsClientContract):
        drive = ["sleeper"]

        def wait(self, target):
            while True:
                reply = requests.get(f"{target.url}/v1/actions/{target.action_uid}", auth=target.auth, timeout=5)
                reply.raise_for_status()
                if reply.json()["status"] == "completed":
                    return "completed"
                sleeper.nap(5)
    """
    selected = "S17 or S18 or S19 or S20 or S21 or S22 or S31 or S32 or S34"

    run(suite, text, "-k", selected, "--redis-actions-score", "score.json")

    client = score_of(suite)
    causes = [{**cause["evidence"], **cause["assumed"]} for cause in client["causes"]]
    assert [sorted(cause) for cause in causes] == [["S17", "S18", "S19", "S20", "S22", "S31", "S32", "S34"]]
    assert client["causes"][0]["at"].endswith("reply.raise_for_status()")
    assert list(client["causes"][0]["evidence"]) == ["S17", "S22"]
    assert client["causes"][0]["evidence"]["S17"] == ["500"]
    assert client["scenarios"]["S21"]["outcome"] == "passed"  # its error tells the 503


def test_a_failure_says_what_the_client_did_and_what_a_sound_one_does(suite: pytest.Pytester) -> None:
    result = run(suite, NAIVE, "-k", "S20")

    result.stdout.fnmatch_lines(
        [
            "E * S20 gave up with JSONDecodeError, although the operation completes",
            "*  the stub    502 and 504 with an HTML body  [[]8.2]",
            "*  the play    502 in HTML",
            "*  the client  raised JSONDecodeError: Expecting value: line 1 column 1 (char 0); 2 polls, 5 virtual s",
            "*  a sound one polls again, and does not crash on the body",
            "*  to change   poll again, until the deadline, *",
            "*  source      assumed: a proxy stands before the API *",
            "*  also        504 in HTML: gave up with JSONDecodeError, although the operation completes",
            "*  its requests, in virtual s",
            "*      5.0s    +5.0  #2    GET  502  fault: 502 in HTML",
            '*  raised at   naive.py:14  status = reply.json()[[]"status"]',
        ]
    )


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "two workers"])
def test_the_score_is_written_although_tests_failed(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    suite.mkdir("out")
    result = run(suite, NAIVE, "-k", "S02 or S20 or S50", "--redis-actions-score", "out/score.json", *workers)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (client,) = json.loads((suite.path / "out" / "score.json").read_text())["clients"].items()
    assert client[0] == "test_the_score_is_written_although_tests_failed.py::TestNaive"
    assert {name: client[1][name] for name in ("total", "passed", "failed", "skipped")} == {
        "total": 3,
        "passed": 1,
        "failed": 1,
        "skipped": 1,
    }
    html = "a proxy stands before the API (E-HTTP-7, E-HTTP-8); no source shows its error pages"
    assert client[1]["scenarios"] == {
        "S02": {"outcome": "passed", "reason": "", "assumed": ""},
        "S20": {
            "outcome": "failed",
            "reason": "502 in HTML: gave up with JSONDecodeError, although the operation completes",
            "assumed": html,
        },
        "S50": {"outcome": "skipped", "reason": "waits_for is 'action'", "assumed": ""},
    }
    assert client[1]["evidence"] == {"passed": 1, "played": 1}
    assert client[1]["assumed"] == {"passed": 0, "played": 1}


def test_the_score_as_markdown(suite: pytest.Pytester) -> None:
    run(suite, NAIVE, "-k", "S02 or S20", "--redis-actions-score", "score.md")

    assert (suite.path / "score.md").read_text().splitlines() == [
        "### `test_the_score_as_markdown.py::TestNaive`: 1 of 2 scenarios",
        "",
        "1 of 1 that rest on evidence, 0 of 1 that are assumed",
        "",
        "1. **gave up with JSONDecodeError, although the operation completes** "
        """(`JSONDecodeError at naive.py:14  status = reply.json()["status"]`)""",
        "   - change: poll again, until the deadline, after what may pass: 5xx, 429, a broken connection, "
        "an unreadable body",
        "   - S20 502 and 504 with an HTML body (assumed)",
        "",
    ]


def test_the_session_fails_below_the_score_that_is_wanted(suite: pytest.Pytester) -> None:
    result = run(suite, NAIVE, "-k", "S02 or S03", "--redis-actions-score-min", "90")
    assert result.ret == pytest.ExitCode.OK

    xfail = "\n@pytest.fixture(autouse=True)\ndef known(request):\n    request.node.add_marker(pytest.mark.xfail)\n"
    result = run(suite, NAIVE + xfail, "-k", "S02 or S20", "--redis-actions-score-min", "90")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: 50 % of the scenarios passed, 90 % expected"])


def test_several_releases_have_the_worst_outcome_and_say_where(suite: pytest.Pytester) -> None:
    text = NAIVE.replace('drive = ["naive"]', 'drive = ["naive"]\n    releases = ["7.22", "8.2"]')

    run(suite, text, "-k", "S13", "--redis-actions-score", "score.json")

    (client,) = json.loads((suite.path / "score.json").read_text())["clients"].values()
    assert client["scenarios"]["S13"] == {
        "outcome": "failed",
        "reason": "7.22: aborted from starting: saw 'aborted' at poll 2 and polled on 50 times",
        "assumed": "",
    }


# Clients that misbehave


@pytest.mark.parametrize(
    ("body", "scenario", "reason"),
    [
        ("pass", "S01", "returned None: neither a status nor a mapping with one"),
        ("return 7", "S01", "returned 7: neither a status nor a mapping with one"),
        ("return {'state': 'completed'}", "S01", "returned {'state': 'completed'}: neither*"),
        ("return 'completed'", "S03", "ended after 0 polls, where the end shows at poll 21"),
        ("return 'completed'", "S04", "returned 'completed', which no poll has shown"),
        ("return status(target, 'null')", "S01", "gave up with KeyError*"),
        ("return target.uid", "S01", "crashed with AttributeError before its first request"),
        ("return status(target) if status(target) and status(target, 'x') else 0", "S44", "*asked*|gave up*"),
        ("while status(target) != 'completed': pass", "S03", "does not sleep between polls while the status is *"),
        (
            "while status(target) != 'completed': time.sleep(0.1)",
            "S03",
            "slept about 0.* real s between polls, where *",
        ),
        ("while True: time.time()", "S01", "neither ended nor slept *|nothing has happened *"),
        ("threading.Event().wait()", "S01", "neither ended nor slept *|nothing has happened *"),
    ],
)
def test_a_client_that_misbehaves_gets_a_clear_verdict(
    suite: pytest.Pytester, body: str, scenario: str, reason: str
) -> None:
    text = f"""
import sleeper
class TestIt(ActionsClientContract):
    drive = ["sleeper"]
    real_seconds = {1.0 if "Event" in body or "time.time" in body else 20.0}
    def wait(self, target):
        {body}
"""
    run(suite, text, "-k", scenario, "--redis-actions-score", "score.json")

    (client,) = json.loads((suite.path / "score.json").read_text())["clients"].values()
    found = client["scenarios"][scenario]["reason"]
    assert client["failed"] == 1
    assert any(fnmatch(found, each + "*") for each in reason.split("|")), found


def test_a_client_that_swallows_everything_is_abandoned_and_touches_no_other(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        import sleeper
        class TestIt(ActionsClientContract):
            drive = ["sleeper"]
            real_seconds = 5.0
            def wait(self, target):
                if target.scenario == "S02":
                    while True:
                        try:
                            status(target)
                        except:
                            pass
                while status(target) != "completed":
                    sleeper.nap(5)
                return "completed"
        """,
        "-k",
        "S02 or S03 or S04 or S05",
        "-W",
        "ignore",  # what it leaves open when it is stopped is its own
    )

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["  1 saw 'completed' at poll 4 and polled on *; it catches even what stops", "    it"])


def test_a_client_that_is_slow_in_reality_is_stopped_only_when_it_stands_still(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        import sleeper
        class TestIt(ActionsClientContract):
            drive = ["sleeper"]
            real_seconds = 2.0
            def wait(self, target):
                while status(target) != "completed":
                    time.sleep(0.12)  # in real time
                    sleeper.nap(5)
                return "completed"
        """,
        "-k",
        "S03",
    )

    result.assert_outcomes(passed=1)


def test_without_drive_it_is_played_on_a_wall_clock_and_says_so(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        class TestIt(ActionsClientContract):
            def wait(self, target):
                while status(target) != "completed":
                    time.sleep(0.01)
                return "completed"
        """,
        "-k",
        "S01 or S02 or S33",
    )

    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["  played on a wall clock, 60 times as fast; *: name the modules that wait in drive = [[]…] for virtual time"]
    )


@pytest.fixture
def shell() -> None:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not run: no {program}")


@pytest.mark.usefixtures("shell")
def test_a_command_is_judged_by_its_exit_status_and_its_requests(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        f"""
        class TestShell(ActionsClientContract):
            command = [
                {str(EXAMPLES / "wait.sh")!r}, "{{url}}", "{{action_uid}}", "{{user}}", "{{password}}", "{{timeout}}"
            ]

        class TestHasty(ActionsClientContract):
            command = ["bash", "-c", "exit 0"]
        """,
        "-k",
        "S02 or S08 or S17 or S27 or S46",
    )

    result.assert_outcomes(passed=4, failed=4, skipped=2)
    result.stdout.fnmatch_lines(["*::TestHasty: 0 of 4 *, 1 skipped", "*::TestShell: 4 of 4 *, 1 skipped"])


# Refusals


WRONG_CLASSES = (
    ("class TestIt(ActionsClientContract):\n    pass", "TestIt has no wait"),
    (
        "class TestIt(ActionsClientContract):\n    releases = []\n    def wait(self, target): ...",
        "TestIt.releases is empty",
    ),
    (
        "class TestIt(ActionsClientContract):\n    drive = ['naiv']\n    def wait(self, target): ...",
        "drive('naiv'): no such module is imported",
    ),
    (
        "class TestIt(ActionsClientContract):\n    drive = 5\n    def wait(self, target): ...",
        "drive(5): not a module",
    ),
    (
        "class TestIt(ActionsClientContract):\n    retry_server_errors = False\n    def wait(self, target): ...",
        "TestIt.retry_server_errors is nearly retries_server_errors",
    ),
    (
        "class TestIt(ActionsClientContract):\n    starts = True\n    def wait(self, target): ...",
        "TestIt says starts = True and has no start",
    ),
    (
        "class TestIt(ActionsClientContract):\n    concurrent = 'no'\n    def wait(self, target): ...",
        "TestIt.concurrent must be True or False, not 'no'",
    ),
    (
        "class TestIt(ActionsClientContract):\n    reports_failure = 'shout'\n    def wait(self, target): ...",
        "TestIt.reports_failure = 'shout' is not known",
    ),
    (
        "class TestIt(ActionsClientContract):\n    releases = ['9.9']\n    def wait(self, target): ...",
        "unknown release '9.9'",
    ),
    (
        "class TestIt(ActionsClientContract):\n    command = './wait.sh'",
        "TestIt.command = './wait.sh' must be a list of words",
    ),
    (
        "class TestIt(ActionsClientContract):\n    command = ['./wait.sh', '{uid}']",
        "TestIt.command has '{uid}'",
    ),
    (
        "class TestIt(ActionsClientContract):\n    command = ['x']\n    drive = ['y']",
        "TestIt has drive and command",
    ),
    (
        "class TestIt(ActionsClientContract):\n    command = ['bash']\n    starts = True",
        "TestIt: starts is not played for a command",
    ),
    (
        "class TestIt(ActionsClientContract):\n    def wait(self, url, auth): ...",
        "TestIt.wait must take the target alone: missing a required argument: 'auth'",
    ),
    (
        "class TestIt(ActionsClientContract):\n    def wait(self): ...",
        "TestIt.wait must take the target alone: too many positional arguments",
    ),
    (
        "class TestIt(ActionsClientContract):\n    command = ['bash']\n    sends_headers = True",
        "TestIt: sends_headers is not played for a command",
    ),
)


def test_a_class_is_checked_when_it_is_collected(suite: pytest.Pytester) -> None:
    suite.makepyfile(**{f"test_{number}": PREAMBLE + text for number, (text, _) in enumerate(WRONG_CLASSES)})

    result = suite.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(errors=len(WRONG_CLASSES))
    sections = re.split(r"^_+ ERROR collecting test_(\d+)\.py _+$", result.stdout.str(), flags=re.MULTILINE)[1:]
    assert len(sections) == 2 * len(WRONG_CLASSES)
    for number, section in zip(map(int, sections[::2]), sections[1::2], strict=True):
        problem = WRONG_CLASSES[number][1].replace("[", "[[]")
        pytest.LineMatcher(section.splitlines()).fnmatch_lines([f"*{problem}*", "*  fix  *"])


def test_a_base_may_lack_wait_and_attributes_of_ones_own_are_welcome(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        import naive

        class TestBase(ActionsClientContract):
            __test__ = False
            drive = ["naive"]
            poll_interval = 5

        class TestNaive(TestBase):
            __test__ = True
            def wait(self, target):
                return naive.wait(target.url, target.auth, target.action_uid)
        """,
        "-k",
        "S02",
    )

    result.assert_outcomes(passed=1)


def test_a_command_that_does_not_exist_is_told(suite: pytest.Pytester) -> None:
    result = run(suite, "class TestIt(ActionsClientContract):\n    command = ['./wiat.sh']", "-k", "S02")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *TestIt.command: ./wiat.sh was not found", "*  fix  *"])


# The catalogue by itself


def test_a_scenario_is_played_by_its_name(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        @pytest.mark.redis_actions(scenario="S29")
        def test_marker(redis_actions):
            url = f"{redis_actions.url}/v1/actions/{redis_actions.played.uid}"
            assert [requests.get(url, auth=redis_actions.auth).status_code for _ in range(3)] == [200, 200, 404]

        def test_call(redis_actions):
            action = redis_actions.play("S42:reset")
            assert status_codes(redis_actions, action) == [200, "reset", "reset", 200]

        def status_codes(stub, action):
            found = []
            for _ in range(4):
                try:
                    found.append(requests.get(f"{stub.url}/v1/actions/{action.uid}", auth=stub.auth).status_code)
                except requests.ConnectionError:
                    found.append("reset")
            return found

        def test_not_all_of_its_faults_need_to_be_met(redis_actions):
            redis_actions.play("S22")
        """,
    )

    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("S9", "unknown scenario 'S9'"),
        ("S42:rest", "S42 has no play 'rest'"),
        ("S01:x", "S01 has no play 'x'"),
        ("S43:redirected to a stranger", "this play needs a second host"),
    ],
)
def test_a_scenario_that_there_is_not_names_the_nearest(suite: pytest.Pytester, name: str, problem: str) -> None:
    result = run(suite, f"def test_it(redis_actions): redis_actions.play({name!r})")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *{problem}", "E *  fix  *"])


def test_a_release_without_a_word_cannot_play_it(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        @pytest.mark.redis_actions(scenario="S07", release="7.4")
        def test_it(redis_actions): pass
        """,
    )

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["release 7.4 cannot play S07"])


# The table of the README and of the guide

TABLES = [
    block.removesuffix("…\n") for page in PAGES for block in blocks(page, "") if block.startswith("test_contract.py::")
]


def naive_table(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    write_files(PAGES[0], suite, monkeypatch)
    result = suite.runpytest_inprocess("test_contract.py", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments)
    lines = result.outlines
    begins = next(number for number, line in enumerate(lines) if line.startswith("test_contract.py::TestMyClient:"))
    ends = next(number for number, line in enumerate(lines) if "short test summary" in line)
    return "\n".join(lines[begins:ends]) + "\n"


@pytest.mark.long
def test_the_tables_of_readme_and_guide_begin_as_a_newcomers_does(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = naive_table(suite, monkeypatch)

    assert len(TABLES) == 2
    assert [told for told in TABLES if not table.startswith(told)] == []


def test_the_guide_has_the_class_of_the_readme() -> None:
    readme, guide = PAGES[0], next(page for page in PAGES if page.stem == "client-contract")

    assert files(guide)["test_contract"] == files(readme)["test_contract"]


def test_a_cause_in_the_table_of_the_guide_is_what_a_newcomer_gets(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        line
        for line in naive_table(suite, monkeypatch, "-k", "S15 or S17").splitlines()
        if line[4:].startswith(("at ", "cha"))
    ]
    assert len(told) == 3
    assert [line for line in told if line not in TABLES[1]] == []
