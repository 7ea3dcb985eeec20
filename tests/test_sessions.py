"""Tests that run again, sockets that are blocked, and what is left of a test in the memory of its session."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

PREAMBLE = """
import gc, http.client, base64, resource, threading, time, weakref
import pytest, requests
from pytest_redis_actions import *
from pytest_redis_actions import faults
from pytest_redis_actions.driving.ledger import OutsideThread

def get(stub, path):
    return requests.get(stub.url + path, auth=stub.auth)

others = set(threading.enumerate())  # of the session around this one: stubs of clients that were abandoned wait there

def join_connections():
    for thread in set(threading.enumerate()) - others:
        if isinstance(thread, OutsideThread) and thread.name != "redis-actions":
            thread.join(10)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester


def run(suite: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    suite.makepyfile(PREAMBLE + dedent(text))
    return suite.runpytest_inprocess("-p", "no:randomly", *arguments)


# Running again

FAILS_ONCE = """
    runs = []

    def test_it(redis_actions, make_redis_actions):
        runs.append(redis_actions)
        other = make_redis_actions()
        get(redis_actions, f"/v1/actions/{redis_actions.add_action('x', uid=f'run-{len(runs)}').uid}")
        get(other, "/v1/actions")
        assert len(runs) > 1, "the first time"
        THEN

    def test_another():
        pass
    """
WRONG = (
    ("get(redis_actions, '/v1/action')", "UnroutedRequests: 1 request matched no route"),
    ("get(other, '/v1/action')", "UnroutedRequests: 1 request matched no route"),
    ("redis_actions.fault(faults.reset())", "1 fault never happened"),
    ("redis_actions.when('POST', '/v1/bdbs')", "UnmetStarts"),
    ("redis_actions.clock.drive(__name__).__enter__()", "clock.drive(…) was entered and never left"),
    (
        "redis_actions.httpserver.expect_request('/x').respond_with_handler(lambda request: 1 / 0); "
        "get(redis_actions, '/x')",
        "ZeroDivisionError",
    ),
)
AGAIN = """
    import pytest
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        for _ in range(2):
            item._initrequest()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        return True
    """


@pytest.mark.parametrize("how", ["rerunfailures", "by hand"])
@pytest.mark.parametrize(("then", "told"), WRONG)
def test_a_rerun_is_as_strict_as_a_first_run(suite: pytest.Pytester, then: str, told: str, how: str) -> None:
    if how == "by hand":
        suite.makeconftest(dedent(AGAIN))

    result = run(
        suite,
        FAILS_ONCE.replace("THEN", then),
        *(["-p", "rerunfailures", "--reruns", "1"] if how == "rerunfailures" else []),
    )

    assert result.parseoutcomes() == (
        {"passed": 2, "errors": 1, "rerun": 1} if how == "rerunfailures" else {"passed": 2, "errors": 1}
    )
    assert told in result.stdout.str()


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["alone", "xdist"])
def test_the_report_of_a_rerun_has_its_own_stubs_only(suite: pytest.Pytester, workers: list[str]) -> None:
    result = run(suite, FAILS_ONCE.replace("THEN", "assert False"), *workers, "-p", "rerunfailures", "--reruns", "1")

    result.assert_outcomes(passed=1, failed=1)
    printed = result.stdout.str()
    section = printed[printed.index("- redis_actions -") :]
    assert "run-2" in section
    assert "run-1" not in section
    assert section.count("Redis Enterprise 8.2 at") == 2


def test_a_rerun_that_passes_passes(suite: pytest.Pytester) -> None:
    result = run(suite, FAILS_ONCE.replace("THEN", "pass"), "-p", "rerunfailures", "--reruns", "1")

    assert result.parseoutcomes() == {"passed": 2, "rerun": 1}


def test_a_failure_in_a_fixture_of_the_first_run_is_forgotten_too(suite: pytest.Pytester) -> None:
    text = """
        runs = []

        @pytest.fixture
        def fails_once(redis_actions):
            runs.append(1)
            assert len(runs) > 1

        def test_it(redis_actions, fails_once):
            get(redis_actions, "/v1/action")
        """

    result = run(suite, text, "-p", "rerunfailures", "--reruns", "1")

    assert result.parseoutcomes() == {"passed": 1, "errors": 1, "rerun": 1}


def test_the_last_failed_are_judged_alike(suite: pytest.Pytester) -> None:
    text = """
        def test_it(redis_actions):
            get(redis_actions, "/v1/action")

        def test_another(redis_actions):
            pass
        """

    assert run(suite, text).parseoutcomes() == {"passed": 2, "errors": 1}
    assert run(suite, text, "--lf").parseoutcomes() == {"passed": 1, "errors": 1}


@pytest.mark.parametrize(
    "name",
    ["terminal", "cacheprovider", "junitxml", "logging", "warnings", "faulthandler", "threadexception", "stepwise"],
)
def test_none_of_pytests_own_plugins_is_needed(suite: pytest.Pytester, name: str) -> None:
    text = """
        def test_fails(redis_actions):
            get(redis_actions, "/v1/actions")
            assert False

        def test_is_strict(redis_actions):
            get(redis_actions, "/v1/action")
        """
    suite.makepyfile(PREAMBLE + dedent(text))

    result = suite.inline_run("-p", "no:randomly", "-p", f"no:{name}")

    assert [len(each) for each in result.listoutcomes()] == [1, 0, 2]


# Blocked sockets


@pytest.mark.parametrize("strict", [True, False], ids=["warnings are errors", "warnings are not"])
def test_a_blocked_port_says_what_to_allow(pytester: pytest.Pytester, strict: bool) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = " + ("error" if strict else "ignore"))
    text = """
        def test_it(redis_actions):
            assert get(redis_actions, "/v1/actions").status_code == 200

        @pytest.mark.enable_socket
        def test_marked(redis_actions):
            assert get(redis_actions, "/v1/actions").status_code == 200

        @pytest.mark.enable_socket
        def test_further(make_redis_actions):
            assert get(make_redis_actions(), "/v1/actions").status_code == 200
        """

    result = run(pytester, text, "-p", "pytest_socket", "--disable-socket")

    assert result.parseoutcomes() == {"passed": 2, "errors": 1}
    result.stdout.fnmatch_lines(
        [
            "pytest-socket blocks the port of the stub",
            "  fix  allow it: --disable-socket --allow-hosts=127.0.0.1, or @pytest.mark.enable_socket on the test",
        ]
    )
    assert run(
        pytester, text, "-p", "pytest_socket", "--disable-socket", "--allow-hosts=127.0.0.1"
    ).parseoutcomes() == {"passed": 3}


# Memory


def test_a_stub_and_its_journal_are_freed_with_their_test(suite: pytest.Pytester) -> None:
    text = """
        alive = []

        def use(*stubs):
            for stub in stubs:
                action = stub.add_action("x")
                get(stub, f"/v1/actions/{action.uid}")
                stub.httpserver.expect_request("/x").respond_with_data("x")
                get(stub, "/x")
                parts = (stub, stub.journal, stub.journal[0].headers, stub._endpoint, stub.clock)
                alive.extend(map(weakref.ref, parts))

        @pytest.mark.parametrize("shared", [True, False])
        def test_passes(redis_actions, make_redis_actions, shared):
            more = {"clock": redis_actions.clock} if shared else {}
            use(redis_actions, make_redis_actions(**more))

        @pytest.mark.parametrize("time", range(2))
        def test_fails(redis_actions, time):
            use(redis_actions)
            assert False

        def test_fails_for_another_reason():
            assert False

        def test_nothing_is_left():
            join_connections()
            gc.collect()
            assert len(alive) == 30
            assert [each() for each in alive if each() is not None] == []
        """

    # pytest-rerunfailures keeps the tracebacks of failed tests itself, and with them what their frames hold.
    suite.makepyfile(PREAMBLE + dedent(text))
    result = suite.runpytest_subprocess("-p", "no:randomly", "-p", "no:rerunfailures")
    result.assert_outcomes(passed=3, failed=3)


def test_a_stub_that_passed_is_freed_at_once_and_not_when_garbage_is_collected(suite: pytest.Pytester) -> None:
    text = """
        alive = []

        def test_it(redis_actions):
            gc.disable()
            with requests.Session() as session:
                session.get(redis_actions.url + "/v1/actions", auth=redis_actions.auth)
            alive.extend(map(weakref.ref, (redis_actions, redis_actions.journal, redis_actions.journal[0].headers)))

        def test_nothing_is_left():
            join_connections()
            gc.enable()
            assert [each() for each in alive] == [None] * 3
        """

    run(suite, text).assert_outcomes(passed=2)


GROWS = """
    @pytest.mark.redis_actions(past_end=None)
    @pytest.mark.parametrize("number", range({tests}))
    def test_it(redis_actions, number):
        for _ in range(40):
            redis_actions.add_action("migrate_shards")
        credentials = base64.b64encode(":".join(redis_actions.auth).encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", redis_actions.port)
        for _ in range({polls}):
            connection.request("GET", "/v1/actions", headers={{"Authorization": f"Basic {{credentials}}"}})
            assert len(connection.getresponse().read()) > 5000
        connection.close()
        if number + 1 in ({first}, {tests}):
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[1])
            print(f"\\nafter {{number + 1}} tests: {{pages * resource.getpagesize() >> 10}} kB")
    """


def grown(suite: pytest.Pytester, *, first: int, tests: int, polls: int) -> float:
    """Return how many times the memory of some tests a session needs for more of them."""
    suite.makepyfile(PREAMBLE + dedent(GROWS.format(first=first, tests=tests, polls=polls)))
    result = suite.runpytest_subprocess("-p", "no:randomly", "-p", "no:xdist", "-s", "-q")
    result.assert_outcomes(passed=tests)
    before, after = (int(line.split()[-2]) for line in result.outlines if line.startswith("after "))
    print(f"{first} tests: {before} kB; {tests} tests: {after} kB")
    return after / before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process in a file")
def test_the_memory_of_a_session_does_not_grow_with_its_tests(suite: pytest.Pytester) -> None:
    assert grown(suite, first=10, tests=40, polls=20) < 1.2


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process in a file")
def test_a_thousand_tests_end_with_the_memory_of_a_hundred(suite: pytest.Pytester) -> None:
    assert grown(suite, first=100, tests=1000, polls=100) < 1.2
