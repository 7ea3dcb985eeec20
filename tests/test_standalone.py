"""A stub outside pytest, and stubs of a wider scope than a test."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests

from pytest_redis_actions import RedisActions, completed, faults, running
from pytest_redis_actions.errors import OptionError, UnfiredFaults, UnmetStarts, UnroutedRequests, UsageError


def get(stub: RedisActions, path: str, **more: Any) -> requests.Response:
    return requests.get(f"{stub.url}{path}", auth=stub.auth, timeout=5, **more)


def listening() -> set[threading.Thread]:
    """Return the threads of stubs; other plugins' servers outlive a test in this process."""
    return {thread for thread in threading.enumerate() if "redis-actions" in thread.name}


def test_a_stub_in_a_with_block_takes_the_options_of_the_marker() -> None:
    before = listening()

    with RedisActions(release="7.4", auth=("me", "word"), epoch=5) as stub:
        assert listening() - before
        action = stub.add_action("migrate_shards", script=[running(seconds=5), completed()])
        stub.clock.sleep(5)

        assert get(stub, f"/v1/actions/{action.uid}").json()["status"] == "completed"
        assert (stub.release, stub.auth, stub.clock.epoch) == ("7.4", ("me", "word"), 5)

    assert listening() <= before
    with pytest.raises(requests.ConnectionError):
        get(stub, "/v1/actions")


def test_over_https_with_a_certificate_of_its_own() -> None:
    with RedisActions(tls=True) as stub:
        assert get(stub, "/v1/actions", verify=str(stub.ca_file)).status_code == 200
        folder = stub.ca_file.parent if stub.ca_file else None

    assert folder is not None
    assert not folder.exists()


def test_a_scenario_is_played() -> None:
    with RedisActions(scenario="S08") as stub:
        assert stub.played is not None
        assert get(stub, f"/v1/actions/{stub.played.uid}").status_code == 200


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda stub: get(stub, "/v1/action"), UnroutedRequests),
        (lambda stub: stub.fault(faults.reset()), UnfiredFaults),
        (lambda stub: stub.when("POST", "/v1/bdbs"), UnmetStarts),
    ],
)
def test_it_is_as_strict_as_the_fixture(act: Any, error: type[Exception]) -> None:
    with pytest.raises(error), RedisActions() as stub:
        act(stub)

    with RedisActions(strict=False) as lenient:
        act(lenient)


def test_what_has_failed_already_is_told_once_with_what_clients_saw() -> None:
    with pytest.raises(requests.HTTPError) as caught, RedisActions() as stub:
        get(stub, "/v1/action").raise_for_status()

    if sys.version_info >= (3, 11):
        assert "/v1/action" in caught.value.__notes__[0]


def test_a_block_that_was_never_left_is_told() -> None:
    with pytest.raises(UsageError, match="was entered and never left"), RedisActions() as stub:
        stub.clock.drive(requests.adapters.__name__.partition(".")[0], submodules=True).__enter__()


def test_without_a_block_it_is_closed_by_hand_as_often_as_one_likes() -> None:
    stub = RedisActions()
    assert get(stub, "/v1/actions").status_code == 200

    stub.close()
    stub.close()

    with pytest.raises(requests.ConnectionError):
        get(stub, "/v1/actions")


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda: RedisActions("7.4"), UsageError, "RedisActions() takes 1 positional argument but 2 were given"),  # type: ignore[call-arg]
        (lambda: RedisActions(relaese="7.4"), OptionError, "unknown option 'relaese'"),
        (lambda: RedisActions(host="0.0.0.0"), UsageError, "host='0.0.0.0' is not a loopback address"),  # refused
    ],
)
def test_wrong_options(wrong: Any, error: type[UsageError], told: str) -> None:
    before = listening()

    with pytest.raises(error) as caught:
        wrong()

    assert str(caught.value).splitlines()[0] == told
    assert listening() <= before


SCRIPT = """
import time, urllib.request
from pytest_redis_actions import RedisActions, completed, running

def wait(stub, uid):
    request = urllib.request.Request(f"{stub.url}/v1/actions/{uid}")
    while b"completed" not in urllib.request.urlopen(request).read():
        time.sleep(5)

with RedisActions(auth=False) as stub:
    action = stub.add_action("migrate_shards", script=[running(seconds=1800), completed()])
    with stub.clock.drive("a_client"):
        import a_client
        a_client.wait(stub, action.uid)
    print(len(action.polls))
"""


def test_a_script_drives_its_client(tmp_path: Path) -> None:
    client, _, rest = SCRIPT.partition("\nwith")
    (tmp_path / "a_client.py").write_text(client, encoding="utf-8")
    (tmp_path / "script.py").write_text(f"{client}\nimport a_client\nwith{rest}", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**os.environ}
    )

    assert done.stderr == ""
    assert done.stdout == "361\n"


# Wider scopes

MODULE = """
import pytest, requests
from pytest_redis_actions import faults

@pytest.fixture(scope="module")
def cluster(redis_actions_factory):
    with redis_actions_factory(epoch=7) as stub:
        yield stub

def get(stub, path):
    return requests.get(stub.url + path, auth=stub.auth)
"""


def run(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(MODULE + dedent(text))
    return pytester.runpytest_inprocess("-p", "no:randomly", *arguments)


def test_a_stub_of_a_module_keeps_what_its_tests_add(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_first(cluster, redis_actions):
            cluster.add_action("migrate_shards", uid="kept")
            assert cluster.clock.epoch == 7
            assert cluster.release == "7.4"
            assert cluster.port != redis_actions.port

        def test_second(cluster):
            assert get(cluster, "/v1/actions/kept").status_code == 200
        """,
        "--redis-actions-release=7.4",
        "--redis-actions-coverage",
    )

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["tasks           statuses      1 of  8 seen; *"])


def test_it_is_checked_at_the_end_of_its_scope(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(cluster):\n    get(cluster, '/v1/action')\ndef test_other(cluster): pass")

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_other*", "E *1 request matched no route of the actions API"]
    )


def test_a_test_that_fails_shows_what_clients_saw_of_it(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(cluster):\n    get(cluster, '/v1/actions')\n    assert False")

    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("- redis_actions -") == 1


def test_one_that_nobody_closes_ends_with_the_session(pytester: pytest.Pytester) -> None:
    before = listening()
    text = """
        def test_it(redis_actions_factory):
            assert get(redis_actions_factory(), "/v1/actions").status_code == 200
        """

    run(pytester, text).assert_outcomes(passed=1)

    assert listening() <= before


def test_of_several_releases_one_must_be_named(pytester: pytest.Pytester) -> None:
    text = "def test_it(redis_actions_factory):\n    redis_actions_factory(release='8.0')\n    redis_actions_factory()"

    result = run(pytester, text, "--redis-actions-release=all")

    result.stdout.fnmatch_lines(["E *the session has several releases", "E *fix  name one: *"])


@pytest.mark.parametrize(
    ("settings", "auth", "answered"),
    [
        ("redis_actions_auth = me:my:word", "('me', 'my:word')", "get(server).status_code == 200"),
        (
            "redis_actions_auth = false",
            "Access().auth_for('admin')",
            "requests.get(server.url + '/v1/actions').status_code == 200",
        ),
    ],
)
def test_the_server_of_the_session_is_as_its_settings_say(
    pytester: pytest.Pytester, settings: str, auth: str, answered: str
) -> None:
    pytester.makeini(f"[pytest]\nfilterwarnings = error\n{settings}\nredis_actions_tls = false\n")
    pytester.makepyfile(
        f"""
        import requests
        from pytest_redis_actions.facts.access import Access

        def get(server):
            return requests.get(server.url + "/v1/actions", auth=server.auth)

        def test_it(redis_actions_server, redis_actions):
            server = redis_actions_server
            assert server.auth == {auth} == redis_actions.auth
            assert server.url == redis_actions.url
            assert {answered}
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_the_server_of_the_session_has_the_credentials_of_the_running_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def nothing_remains(redis_actions_server):
            before = redis_actions_server.auth
            yield
            assert redis_actions_server.auth == before

        @pytest.mark.redis_actions(auth=("me@example.com", "secret"))
        def test_it(redis_actions_server, redis_actions):
            assert redis_actions_server.auth == ("me@example.com", "secret") == redis_actions.auth
        """
    )

    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_an_auth_without_a_password_stops_the_session(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(): pass", "--redis-actions-auth=me")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *: auth needs a user name and a password", "  fix  write USER:PASSWORD, *"])
