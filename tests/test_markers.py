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


WAITS = """
    import asyncio
    from pytest_redis_actions import wait_for

    async def poll():
        return "completed"
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("own", [(), ("-W", "ignore")], ids=["with Python's warning", "without"])
def test_waiting_that_is_never_awaited_fails_the_test(pytester: pytest.Pytester, own: tuple[str, ...]) -> None:
    text = """
    async def use():
        wait_for(poll, "completed", timeout=5, every=1)

    def test_it():
        asyncio.run(use())

    def test_awaited():
        async def use():
            assert await wait_for(poll, "completed", timeout=5, every=1) == "completed"
        asyncio.run(use())
    """

    result = run(pytester, WAITS + text, *own)

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["wait_for(…) was never awaited", "  fix  *", "  at   test_it.py:10 in use"])


def test_waiting_with_a_function_that_returns_an_awaitable_is_refused(pytester: pytest.Pytester) -> None:
    text = """
    def test_it():
        wait_for(lambda: poll(), "completed", timeout=5, every=1)
    """

    result = run(pytester, WAITS + text)

    result.stdout.fnmatch_lines(["E *UsageError: poll returned an awaitable", "E * fix  give a coroutine function*"])


def test_requests_to_the_port_of_the_session_that_the_marker_left_are_told(pytester: pytest.Pytester) -> None:
    text = """
        import requests

        @pytest.fixture(scope="session")
        def app(redis_actions_server):
            return lambda: requests.get(redis_actions_server.url + "/v1/actions", auth=redis_actions_server.auth)

        @pytest.mark.parametrize("fails", [True, False])
        @pytest.mark.redis_actions(tls=True)
        def test_it(app, redis_actions, fails):
            assert "is at https://127.0.0.1:" in app().json()["description"]
            assert not fails

        def test_another(app, redis_actions):
            assert app().status_code == 200
        """

    result = run(pytester, text, "-W", "default::UserWarning")

    result.assert_outcomes(failed=1, passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "1 requests went to http://127.0.0.1:*: the stub of the running test is at https://127.0.0.1:*, as its *",
            "*RedisActionsWarning: 1 requests went to http://127.0.0.1:*",
        ]
    )


def test_what_clients_sent_elsewhere_is_told_with_what_to_send(pytester: pytest.Pytester) -> None:
    text = """
        import requests

        def test_it(redis_actions):
            action = redis_actions.add_action("x", uid="mine")
            for path in ("/v1/actions/other", "//v1/actions", "/v1/action"):
                requests.get(redis_actions.url + path, auth=redis_actions.auth)
            requests.get(redis_actions.url + "/v1/actions")
            assert False

        def test_another_port(redis_actions):
            raise ConnectionRefusedError(111, "Connection refused")

        def test_the_port_alone(redis_actions_server):
            redis_actions_server.add_action("x")
        """

    run(pytester, text).stdout.fnmatch_lines(
        [
            "1 answered 401: use redis_actions.auth, or auth=False on the marker",
            "matched no route:  GET //v1/actions  (nearest /v1/actions: a slash is doubled)",
            "matched no route:  GET /v1/action  (nearest /v1/actions: 'action' is not 'actions')",
            "1 asked for an unknown operation: use the uid of a handle, such as mine",
            "no request came to redis_actions.url, http://127.0.0.1:*",
            "E *fix  write a test with the fixture redis_actions: this one is the port alone",
        ]
    )


def test_a_wrong_contract_is_one_clear_error_at_its_line(pytester: pytest.Pytester) -> None:
    text = """
        from pytest_redis_actions.client_contract import ActionsClientContract

        class TestMine(ActionsClientContract):
            retries_server_error = False

            def wait(self, target):
                return "completed"
        """

    result = run(pytester, text, "-p", "no:schemathesis")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "TestMine.retries_server_error is nearly retries_server_errors",
            "  fix  *",
            "  at   *test_it.py:5, class TestMine",
        ]
    )
    assert "pluggy" not in result.stdout.str().partition("ERRORS")[2]


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
