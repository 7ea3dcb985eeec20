"""What a downstream suite sees: suites are written into a folder and run by pytest."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from textwrap import dedent

import pytest

PREAMBLE = """
import pytest, requests
from pytest_redis_actions import *
from pytest_redis_actions import faults

def get(stub, path, **more):
    return requests.get(stub.url + path, auth=stub.auth, **more)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    return pytester


def run(suite: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    suite.makepyfile(PREAMBLE + dedent(text))
    return suite.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", *arguments)


WRONG_CALLS = (
    ("redis_actions.add_action('x', script=[queued(), running()])", "queued -> running is not a step of a task"),
    (
        "redis_actions.add_action('x', script=[running(polls=0)])",
        "polls of running() must be a whole number from 1, not 0",
    ),
    ("redis_actions.add_action('x', script=[])", "a script needs at least one step"),
    ("redis_actions.add_action('x', script=[active()])", "'active' is a status of a state machine, not of a task"),
    ("redis_actions.add_action('x', script=[running(minutes=30)])", "running(minutes=30): the length is given in *"),
    ("redis_actions.add_action('x', script=[running(5)])", "running() takes 0 positional arguments but 1 was given"),
    ("redis_actions.add_action('x', scrpt=[running()])", "add_action(scrpt=[[]running()]): scrpt is not an option"),
    ("redis_actions.add_action('x', node_id='1')", "add_action(node_id='1'): node_id is not an option"),
    ("redis_actions.add_action('x', action_uid='1')", "add_action(action_uid='1'): action_uid is not an option"),
    ("redis_actions.add_action()", "add_action() missing 1 required positional argument: 'name'"),
    ("redis_actions.add_other('export', scripts=[])", "add_other(scripts=[[]]): scripts is not an option"),
    ("redis_actions.add_state_machine('x')", "add_state_machine() missing 1 required keyword-only argument: *"),
    ("redis_actions.add_state_machine('x', object='bdb:1')", "add_state_machine() got an unexpected keyword *"),
    ("redis_actions.when('POST')", "when() missing 1 required positional argument: 'path'"),
    ("redis_actions.chaos()", "chaos() missing 1 required keyword-only argument: 'seed'"),
    ("redis_actions.chaos(seed='x')", "seed must be a whole number, not 'x'"),
    ("redis_actions.fault(503)", "503 is not a fault"),
    ("redis_actions.fault(faults.unauthorized)", "<function unauthorized at * is not a fault"),
    ("redis_actions.fault(faults.reset(), redis_actions.add_action('x'))", "fault() takes 2 positional arguments *"),
    (
        "redis_actions.fault(faults.reset(), on=make_redis_actions().add_action('x'))",
        "on=<x * queued> belongs to another stub",
    ),
    ("redis_actions.fault(faults.reset(), on='/v1/actions')", "on='/v1/actions' lacks the method"),
    ("redis_actions.fault(faults.slow(300))", "seconds of slow() must be at most 30, not 300"),
    ("redis_actions.add_action('', script=None)", "name must be a non-empty text, not ''"),
    ("redis_actions.add_action('x', node_uid=2)", "node_uid must be a non-empty text, not 2"),
    ("redis_actions.add_action('x', creation_time='now')", "creation_time must be a whole number from 0, not 'now'"),
    ("redis_actions.add_action('x', uid='a/b')", "uid must be a text without / [?] # %, not 'a/b'"),
    ("redis_actions.add_action('x', steps=[running()])", "steps=[[]running()] holds steps: the option is script"),
    ("redis_actions.add_action('x', detail={1, 2})", "detail={1, 2} is not JSON"),
    ("redis_actions.add_other('export', detail=object)", "detail=* is not JSON"),
    ("redis_actions.add_state_machine('x', object_name=None)", "object_name must be a non-empty text, not None"),
    ("make_redis_actions(refuses=float('nan'))", "refuses must be a number of seconds from 0, not nan"),
    ("wait_for(lambda: 'queued', 'completed', timeout=5)", "wait_for() missing 1 required keyword-only argument: *"),
    ("wait_for({}, 'completed', timeout=5, every=1)", "poll must be a function, not {}"),
    ("redis_actions.validate()", "no reply of the API to validate"),
    ("redis_actions.journal.where(method='get')", "method 'get' is unknown"),
    ("redis_actions.journal.where(route='/v1/action')", "route '/v1/action' is not a route's template"),
    ("redis_actions.journal.where(route='/v1/actions/x')", "route '/v1/actions/x' is not a route's template"),
    ("redis_actions.journal.where(uid=redis_actions.add_action('x'))", "uid must be a text, not <x *"),
    ("redis_actions.journal.where(code='200')", "code must be a whole number from 100, not '200'"),
    ("redis_actions.clock.advance(-1)", "advance(-1): time can't go backwards"),
    ("redis_actions.auth_for('root')", "unknown role 'root'"),
    ("redis_actions.when('get', '/v1/bdbs')", "method 'get' is unknown"),
    ("redis_actions.when('POST', 'http://x/v1/bdbs')", "path 'http://x/v1/bdbs' must begin with a slash"),
    ("redis_actions.when('PUT', '/v1/bdbs/1?dry_run=1')", "path '/v1/bdbs/1?dry_run=1' must not have a query"),
    ("redis_actions.when('GET', '/v1/actions')", "GET '/v1/actions' starts no operation"),
    ("redis_actions.when('GET', '/v1/bdbs')", "GET '/v1/bdbs' starts no operation"),
    ("redis_actions.when('POST', '/v1/bdbs/{uid}')", "POST '/v1/bdbs/{uid}' starts no operation"),
    ("redis_actions.when('GET', '/my/own/path')", "GET '/my/own/path' starts no operation"),
    ("redis_actions.when('HEAD', '/v1/bdbs')", "HEAD '/v1/bdbs' starts no operation"),
    ("redis_actions.when('POST', '/v1/{collection}')", "path '/v1/{collection}' matches several routes"),
    ("redis_actions.assert_never_requested('get', '/v1/bdbs')", "method 'get' is unknown"),
    ("redis_actions.assert_never_requested('GET', '/v1/action')", "the API has no path '/v1/action'"),
    ("wait_for(lambda: 'queued', 'completed', timeout=5, every=0)", "every must be a number of seconds above 0, not 0"),
    (
        "wait_for(lambda: 'queued', 'completed', timeout=5, every=1, clock=redis_actions)",
        "clock must be a stub's clock, not <stub *",
    ),
    ("wait_for(lambda: 'queued', [], timeout=5, every=1)", "wait_for() names no status"),
    ("redis_actions.add_action('x', status='running')", "add_action(status='running'): the script decides on *"),
    ("redis_actions.add_action('x', progress=50)", "add_action(progress=50): the script decides on the progress"),
    ("running(status='x')", "running(status='x'): the step is the status"),
    ("redis_actions.fault(faults.reset(), optional='yes')", "optional must be True or False, not 'yes'"),
    ("redis_actions.when('POST', '/v1/bdbs', optional=1)", "optional must be True or False, not 1"),
    ("faults.status(503, headers={'a': 5})", "header 'a': 5 cannot be sent"),
    ("faults.status(503, headers={'a b': 'x'})", "header 'a b': 'x' cannot be sent"),
    (r"faults.status(503, headers={'a': 'x\r\nb: c'})", "header 'a': * cannot be sent"),
    ("faults.redirect('v1/actions')", "redirect('v1/actions') needs a path or a URL"),
    ("faults.redirect(5)", "redirect(5) needs a path or a URL"),
    ("faults.record(staus='Running')", "record(staus=*): staus is nearly status"),
    ("faults.HttpDate('30')", "seconds of HttpDate() must be a number from -1e+09, not '30'"),
    ("redis_actions.journal.of(5)", "uid must be a text, not 5"),
    ("redis_actions.journal.polls_of(redis_actions.add_action('x'))", "uid must be a text, not <x *"),
    ("redis_actions.journal.where(path='/v1/actions')", "where() got an unexpected keyword argument 'path'"),
    ("redis_actions.clock.advance()", "advance() missing 1 required positional argument: 'seconds'"),
    ("redis_actions.clock.advance('60')", "seconds of advance() must be a number, not '60'"),
    ("redis_actions.clock.drive('conftest', guard=0)", "guard must be a number of real seconds above 0, not 0"),
    ("redis_actions.auth_for()", "auth_for() missing 1 required positional argument: 'role'"),
    ("assert_transition('queued')", "assert_transition() missing 1 required positional argument: 'after'"),
    ("redis_actions.add_action('x').assert_polled()", "assert_polled() has no bound"),
    ("redis_actions.when('POST', '/v1/bdbs').cancel()", "POST /v1/bdbs has not been started yet"),
    ("make_redis_actions(release='9.9')", "unknown release '9.9'"),
    ("make_redis_actions(prot=3)", "unknown option 'prot'"),
    ("make_redis_actions(host='0.0.0.0')", "host='0.0.0.0' is not a loopback address"),
    ("make_redis_actions(port=redis_actions.port)", "port * on 127.0.0.1 is already in use"),
    ("make_redis_actions(clock='fast')", "clock='fast' is not known"),
    ("make_redis_actions(rate=2)", "rate=2 needs clock='wall'"),
    ("make_redis_actions(drive=['x'], clock='wall')", "drive needs a virtual clock"),
    ("make_redis_actions(drive=5)", "drive(5): not a module"),
    ("make_redis_actions(max_polls=0)", "max_polls must be a whole number above 0, not 0"),
    ("make_redis_actions(max_virtual_seconds='1')", "max_virtual_seconds must be a number above 0, not '1'"),
    ("redis_actions.clock.drive('nobody_has_it')", "drive('nobody_has_it'): no such module is imported"),
    ("redis_actions.clock.drive('time')", "drive('time'): the standard library keeps real time"),
    ("make_redis_actions(epoch=3, clock=redis_actions.clock)", "epoch=3 cannot be set for a shared clock"),
)
WRONG_MARKERS = (
    ("release='9.9'", "unknown release '9.9'"),
    ("relaese='8.0'", "unknown option 'relaese'"),
    ("profile='wired'", "profile='wired' is not known"),
    ("tls='yes'", "tls='yes' is not known"),
    ("auth='me'", "auth must be a user name and a password"),
    ("'7.4'", "the marker redis_actions takes no positional '7.4'"),
    ("epoch=-1", "epoch must be a whole number from 0, not -1"),
    ("host='example.com'", "host='example.com' is not a loopback address"),
    ("port='80'", "port must be a whole number from 0 to 65535, not '80'"),
    ("clock='wall', rate=0", "rate must be above 0 and at most 1e6, not 0"),
)


class TestErrorsInTheCallersFrame:
    def test_a_wrong_call_fails_on_the_line_of_the_test(self, suite: pytest.Pytester) -> None:
        tests = [
            f"def test_{number}(redis_actions, make_redis_actions):\n    {call}  # here"
            for number, (call, _) in enumerate(WRONG_CALLS)
        ]

        result = run(suite, "\n".join(tests))

        result.assert_outcomes(failed=len(WRONG_CALLS))
        sections = re.split(r"^_+ test_(\d+) _+$", result.stdout.str(), flags=re.MULTILINE)[1:]
        assert len(sections) == 2 * len(WRONG_CALLS)
        for number, section in zip(map(int, sections[::2]), sections[1::2], strict=True):
            call, first = WRONG_CALLS[number]
            line = call.replace("[", "[[]")
            pytest.LineMatcher(section.splitlines()).fnmatch_lines([f">*{line}  # here", f"E *: {first}", "E *fix  *"])
        assert "pytest_redis_actions/" not in result.stdout.str()

    def test_a_wrong_marker_is_an_error_of_the_test(self, suite: pytest.Pytester) -> None:
        tests = [
            f"@pytest.mark.redis_actions({marker})\ndef test_{number}(redis_actions):\n    pass"
            for number, (marker, _) in enumerate(WRONG_MARKERS)
        ]

        result = run(suite, "\n".join(tests), "--continue-on-collection-errors")

        assert result.ret != 0
        for _, first in WRONG_MARKERS:
            result.stdout.fnmatch_lines([f"*{first}", "  at   test_a_wrong_marker*.py:*, options of test_*"])
        result.stdout.fnmatch_lines(["  fix  name each option: @pytest.mark.redis_actions(release='7.4')"])

    @pytest.mark.parametrize(
        ("arguments", "first"),
        [
            (
                ["--redis-actions-release=9.9"],
                "ERROR: --redis-actions-release / redis_actions_release: unknown release '9.9'",
            ),
            (
                ["--redis-actions-profile=x"],
                "ERROR: --redis-actions-profile / redis_actions_profile: profile='x' is not known",
            ),
            (
                ["-o", "redis_actions_auth=me:"],
                "ERROR: --redis-actions-auth / redis_actions_auth: auth must be a user name and a password",
            ),
            (
                ["-o", "redis_actions_tls=maybe"],
                "ERROR: --redis-actions-tls / redis_actions_tls: tls='maybe' is not known",
            ),
        ],
    )
    def test_a_wrong_setting_stops_the_session_before_the_first_test(
        self, suite: pytest.Pytester, arguments: list[str], first: str
    ) -> None:
        result = run(suite, "def test_it():\n    pass", *arguments)

        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([first, "  fix  *"])


def test_what_is_allowed_and_probably_not_meant_is_warned_of_on_its_line(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        @pytest.mark.parametrize("call", [
            lambda stub: stub.add_action("migrate_shard"),
            lambda stub: stub.add_state_machine("SMUpdteBDB", object_name="bdb:1"),
            lambda stub: stub.add_other("exports"),
            lambda stub: faults.status(200),
        ])
        def test_it(redis_actions, call):
            with pytest.warns(RedisActionsWarning) as caught:
                call(redis_actions)
            assert caught[0].filename == __file__
            print(caught[0].message)

        @pytest.mark.parametrize("name", ["x", "my_action", "SMDeleteCRDB", "migrate_shards", "retry_bdb"])
        def test_other_names(redis_actions, name):
            redis_actions.add_action(name)
            faults.status(204), faults.status(200, {}), faults.empty(), faults.body([])
        """,
        "-rP",
    )

    result.assert_outcomes(passed=9)
    result.stdout.fnmatch_lines_random(
        [
            "'migrate_shard' is not a name that clusters use; 'migrate_shards' is",
            "'SMUpdteBDB' is not a name that clusters use; 'SMUpdateBDB' is",
            "faults.status(200) is an error body with a status of success; *",
        ]
    )


class TestStrictTeardown:
    UNROUTED = "def test_it(redis_actions):\n    get(redis_actions, '/v1/action')"

    def test_a_request_that_met_no_route_fails_the_test(self, suite: pytest.Pytester) -> None:
        result = run(suite, self.UNROUTED)

        result.assert_outcomes(passed=1, errors=1)
        assert "Script what an operation goes through" not in result.stdout.str()  # of the fixture's own source
        result.stdout.fnmatch_lines(
            [
                "E *UnroutedRequests: 1 request matched no route of the actions API",
                "*GET /v1/action  (nearest /v1/actions: 'action' is not 'actions')",
                "*fix  register what the client needs on redis_actions.httpserver, such as",
            ]
        )

    def test_one_that_failed_already_stays_as_it_is(self, suite: pytest.Pytester) -> None:
        result = run(suite, self.UNROUTED + "\n    assert False, 'mine'")

        result.assert_outcomes(failed=1)

    @pytest.mark.parametrize("how", ["marker", "option", "ini"])
    def test_it_can_be_turned_off(self, suite: pytest.Pytester, how: str) -> None:
        marker = "@pytest.mark.redis_actions(strict=False)\n" if how == "marker" else ""
        arguments = {
            "marker": [],
            "option": ["--redis-actions-strict=false"],
            "ini": ["-o", "redis_actions_strict=false"],
        }

        result = run(suite, marker + self.UNROUTED, *arguments[how])

        result.assert_outcomes(passed=1)

    def test_what_the_api_says_itself_never_counts(self, suite: pytest.Pytester) -> None:
        result = run(
            suite,
            """
            @pytest.mark.redis_actions(release="7.2")
            def test_it(redis_actions):
                codes = [get(redis_actions, path).status_code for path in ("/v1/actions/nobody", "/v2/actions")]
                codes.append(requests.delete(redis_actions.url + "/v1/actions/x", auth=redis_actions.auth).status_code)
                codes.append(requests.get(redis_actions.url + "/v1/actions").status_code)
                viewer = redis_actions.auth_for("none")
                codes.append(requests.get(redis_actions.url + "/v1/actions", auth=viewer).status_code)
                assert codes == [404, 404, 405, 401, 403]
            """,
        )

        result.assert_outcomes(passed=1)

    def test_a_handler_of_the_test_that_fails_fails_the_test(self, suite: pytest.Pytester) -> None:
        result = run(
            suite,
            """
            def test_it(redis_actions):
                def fail(request):
                    raise RuntimeError("of the handler")
                redis_actions.httpserver.expect_request("/x").respond_with_handler(fail)
                assert get(redis_actions, "/x").status_code == 500
            def test_forgotten_response(redis_actions):
                redis_actions.httpserver.expect_request("/x")
                assert get(redis_actions, "/x").status_code == 500
            """,
        )

        result.assert_outcomes(passed=2, errors=2)
        result.stdout.fnmatch_lines(["E *RuntimeError: of the handler", "E *NoHandlerError*"])

    def test_every_stub_is_closed_although_one_of_them_fails_its_test(self, suite: pytest.Pytester) -> None:
        text = """
            seen = []
            def test_it(make_redis_actions):
                for _ in range(3):
                    seen.append(make_redis_actions())
                    get(seen[-1], "/v1/action")
            def test_later():
                for stub in seen:
                    with pytest.raises(requests.ConnectionError):
                        get(stub, "/v1/actions")
            """

        run(suite, text).assert_outcomes(passed=2, errors=1)

    def test_further_stubs_are_strict_too(self, suite: pytest.Pytester) -> None:
        result = run(suite, "def test_it(make_redis_actions):\n    get(make_redis_actions(), '/v1/action')")

        result.assert_outcomes(passed=1, errors=1)


class TestReleases:
    SHOW = "def test_it(redis_actions):\n    print(redis_actions.release)"

    def test_the_newest_by_default_and_without_parameters(self, suite: pytest.Pytester) -> None:
        result = run(suite, self.SHOW, "-v", "-s")

        result.stdout.fnmatch_lines(["*::test_it 8.2"])

    def test_the_nearest_wins(self, suite: pytest.Pytester) -> None:
        text = self.SHOW + "\n@pytest.mark.redis_actions(release='8.0')\n" + self.SHOW.replace("test_it", "test_marked")

        result = run(suite, text, "-v", "-s", "-o", "redis_actions_release=7.2")
        result.stdout.fnmatch_lines(["*::test_it 7.2", "*::test_marked 8.0"])
        result = run(suite, text, "-v", "-s", "-o", "redis_actions_release=7.2", "--redis-actions-release=7.4")
        result.stdout.fnmatch_lines(["*::test_it 7.4", "*::test_marked 8.0"])

    def test_a_marker_gives_a_list_and_the_release_is_in_the_id(self, suite: pytest.Pytester) -> None:
        result = run(suite, "@pytest.mark.redis_actions(release=['7.4', '8.2'])\n" + self.SHOW, "-v", "-s")

        result.stdout.fnmatch_lines(["*::test_it[[]7.4[]] 7.4", "*::test_it[[]8.2[]] 8.2"])

    def test_all_parametrises_whatever_uses_the_fixture_and_nothing_else(self, suite: pytest.Pytester) -> None:
        text = """
            @pytest.fixture
            def client(redis_actions):
                return redis_actions.release
            def test_indirect(client):
                pass
            def test_further(make_redis_actions):
                make_redis_actions()
            def test_other():
                pass
            """

        result = run(suite, text, "--redis-actions-release=all", "-v")

        result.assert_outcomes(passed=13)

    def test_several_are_separated_by_commas(self, suite: pytest.Pytester) -> None:
        run(suite, self.SHOW, "--redis-actions-release=7.4, 8.2").assert_outcomes(passed=2)

    def test_a_class_may_be_marked_and_a_method_too(self, suite: pytest.Pytester) -> None:
        text = """
            @pytest.mark.redis_actions(release="7.4", profile="documented")
            class TestIt:
                @pytest.mark.redis_actions(release="8.0")
                def test_it(self, redis_actions):
                    assert (redis_actions.release, redis_actions.profile) == ("8.0", "documented")
            """

        run(suite, text).assert_outcomes(passed=1)


class TestIsolation:
    def test_no_test_sees_another_s(self, suite: pytest.Pytester) -> None:
        text = """
            ports = set()
            @pytest.mark.parametrize("turn", range(3))
            def test_it(redis_actions, turn):
                ports.add(redis_actions.port)
                assert len(ports) == 1
                assert redis_actions.clock.seconds == 0
                assert len(redis_actions.journal) == 0
                redis_actions.httpserver.expect_request("/x").respond_with_data("x")
                redis_actions.when("POST", "/v1/bdbs", script=[active()], optional=True)
                redis_actions.add_action("migrate_shards", uid="same")
                redis_actions.clock.advance(5)
                assert len(get(redis_actions, "/v1/actions").json()["actions"]) == 1
            """

        run(suite, text).assert_outcomes(passed=3)

    def test_a_poller_left_over_from_an_earlier_test_harms_none(self, suite: pytest.Pytester) -> None:
        text = """
            left = {}
            def test_first(redis_actions):
                left["session"] = requests.Session()
                left["session"].auth = redis_actions.auth
                left["url"] = redis_actions.url + "/v1/actions/" + redis_actions.add_action("migrate_shards").uid
                assert left["session"].get(left["url"]).status_code == 200
            def test_second(redis_actions):
                assert left["session"].get(left["url"]).status_code == 404
                assert redis_actions.journal[0].left_over.endswith("::test_first")
                left["session"].close()
            """

        run(suite, text).assert_outcomes(passed=2)

    def test_an_application_may_be_configured_once(self, suite: pytest.Pytester) -> None:
        text = """
            @pytest.fixture(scope="session")
            def app(redis_actions_server):
                assert redis_actions_server.ca_file is None
                with requests.Session() as session:
                    session.auth = redis_actions_server.auth
                    yield lambda: session.get(redis_actions_server.url + "/v1/actions")
            def test_first(app, redis_actions):
                assert app().status_code == 200
            def test_second(app, redis_actions):
                assert app().status_code == 200
            def test_between(app):
                assert app().json()["error_code"] == "no_test_running"
            """

        run(suite, text).assert_outcomes(passed=3)

    def test_the_session_s_server_speaks_tls_if_the_settings_say_so(self, suite: pytest.Pytester) -> None:
        text = """
            def test_it(redis_actions, redis_actions_server):
                assert redis_actions_server.url == redis_actions.url
                assert redis_actions.url.startswith("https://")
                assert get(redis_actions, "/v1/actions", verify=str(redis_actions_server.ca_file)).status_code == 200
            @pytest.mark.redis_actions(tls=False)
            def test_plain(redis_actions):
                assert redis_actions.url.startswith("http://")
            """

        run(suite, text, "--redis-actions-tls=true").assert_outcomes(passed=2)

    def test_several_clusters_in_one_test(self, suite: pytest.Pytester) -> None:
        text = """
            def test_it(redis_actions, make_redis_actions):
                other = make_redis_actions(release="7.4", clock=redis_actions.clock)
                third = make_redis_actions(epoch=5)
                assert len({redis_actions.port, other.port, third.port}) == 3
                redis_actions.clock.advance(7)
                assert (other.clock.seconds, third.clock.seconds, third.clock.epoch) == (7, 0, 5)
                action = other.add_action("migrate_shards")
                assert get(redis_actions, "/v1/actions/" + action.uid).status_code == 404
                assert get(other, "/v1/actions/" + action.uid).status_code == 200
                assert other.release == "7.4"
            """

        run(suite, text).assert_outcomes(passed=1)

    def test_it_leaves_the_httpserver_fixture_alone(
        self, suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTEST_HTTPSERVER_HOST", "127.0.0.2")
        text = """
            def test_it(redis_actions, httpserver):
                httpserver.expect_request("/v1/actions").respond_with_data("mine")
                assert requests.get(httpserver.url_for("/v1/actions")).text == "mine"
                assert httpserver.host == "127.0.0.2"
                assert redis_actions.url.startswith("http://127.0.0.1:")
                assert get(redis_actions, "/v1/actions").json() == {"actions": [], "state-machines": []}
            """

        run(suite, text, "-p", "pytest_httpserver").assert_outcomes(passed=1)

    def test_a_fixed_port(self, suite: pytest.Pytester) -> None:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        text = f"""
            @pytest.mark.redis_actions(port={port})
            @pytest.mark.parametrize("turn", range(3))
            def test_it(redis_actions, turn):
                assert redis_actions.port == {port}
                assert get(redis_actions, "/v1/actions").status_code == 200
            """

        run(suite, text).assert_outcomes(passed=3)

    def test_under_xdist_each_worker_has_its_own(self, suite: pytest.Pytester) -> None:
        text = """
            @pytest.mark.parametrize("turn", range(20))
            def test_it(redis_actions, turn):
                action = redis_actions.add_action("migrate_shards", uid="same")
                statuses = [get(redis_actions, "/v1/actions/same").json()["status"] for _ in range(4)]
                assert statuses == ["queued", "starting", "running", "completed"]
            """

        run(suite, text, "-p", "xdist", "-n", "2").assert_outcomes(passed=20)


class TestTheHandle:
    def test_what_a_handle_tells(self, suite: pytest.Pytester) -> None:
        text = """
            def test_it(redis_actions):
                action = redis_actions.add_action("migrate_shards", module_uid="9f52")
                assert (action.status, action.polls, action.trace) == ("queued", (), ())
                body = get(redis_actions, f"/v1/actions/{action.uid}").json()
                redis_actions.clock.advance(5)
                get(redis_actions, "/v1/actions")
                assert body["module_uid"] == "9f52"
                assert [(seconds, seen["status"]) for seconds, seen in action.trace] == [(0, "queued"), (5, "starting")]
                assert len(action.polls) == 2
                assert action.cancel()
                assert action.status == "running"
                assert repr(action) == f"<migrate_shards {action.uid} running>"
            def test_too_late(redis_actions):
                action = redis_actions.add_action("migrate_shards", script=[completed()])
                assert not action.cancel()
                assert action.status == "completed"
            def test_gone(redis_actions):
                script = [active(seconds=5), gone()]
                machine = redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:1", script=script)
                redis_actions.clock.advance(5)
                assert machine.status == "gone"
            def test_not_started(redis_actions):
                started = redis_actions.when("POST", "/v1/bdbs")
                assert started.status == "not started"
                reply = requests.post(
                    redis_actions.url + "/v1/bdbs", json={"name": "db", "memory_size": 1}, auth=redis_actions.auth
                )
                assert reply.json()["action_uid"] == started.uid
                assert started.status == "pending"
            def test_other(redis_actions):
                export = redis_actions.add_other("export", description="nightly")
                (row,) = get(redis_actions, "/v2/actions").json()
                assert row["additional_info"] == {"description": "nightly"}
                assert row["action_uid"] == export.uid
            """

        run(suite, text).assert_outcomes(passed=5)


def test_the_fixtures_and_the_marker_document_themselves(suite: pytest.Pytester) -> None:
    fixtures = suite.runpytest_subprocess("--fixtures", "-v").stdout.str()
    markers = suite.runpytest_subprocess("--markers").stdout.str()

    for name in ("redis_actions", "redis_actions_server", "make_redis_actions"):
        assert f"\n{name}" in fixtures
    assert "@pytest.mark.redis_actions(*, release, profile, tls, host, port, auth, strict, clock" in markers


def test_no_credentials_are_in_what_a_failure_prints(suite: pytest.Pytester) -> None:
    text = """
        WORD = "".join(["s3cr3t", "-", "word"])
        @pytest.mark.redis_actions(auth=("me@example.com", WORD))
        def test_it(redis_actions):
            body = {"username": redis_actions.auth[0], "password": redis_actions.auth[1]}
            requests.post(redis_actions.url + "/v1/users/authorize", json=body)
            get(redis_actions, "/v1/actions?password=" + WORD)
            print(redis_actions, redis_actions.journal, *map(repr, redis_actions.journal))
            print([(each.headers, each.body) for each in redis_actions.journal])
            assert len(redis_actions.journal) == 0
        """

    result = run(suite, text)

    result.assert_outcomes(failed=1)
    printed = result.stdout.str()
    assert "s3cr3t-word" not in printed
    assert base64.b64encode(b"me@example.com:s3cr3t-word").decode() not in printed
    assert "access_token" not in printed
    assert "Basic ***" in printed


REPORTED = {
    "polled-to-the-end": """
        def test_it(redis_actions):
            action = redis_actions.add_action("migrate_shards", uid="159ca2f8", script=[
                queued(seconds=20), starting(seconds=5), running(seconds=60, progress=(0, 40)), failed()])
            for _ in range(20):
                get(redis_actions, "/v1/actions/159ca2f8")
                redis_actions.clock.advance(5)
            assert action.status == "completed"
        """,
    "a-record-that-vanished": """
        def test_it(redis_actions):
            script = [active(polls=3), gone()]
            redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:1", uid="a10586b1", script=script)
            for _ in range(6):
                get(redis_actions, "/v1/actions/a10586b1")
            assert False
        """,
    "refused": """
        def test_it(redis_actions):
            redis_actions.add_action("migrate_shards", uid="159ca2f8")
            requests.get(redis_actions.url + "/v1/actions/159ca2f8?password=secret", auth=("me", "secret"))
            get(redis_actions, "/v1/actions")
            get(redis_actions, "/v1/actions/nobody")
            assert False
        """,
    "two-operations": """
        def test_it(redis_actions):
            for uid in ("first", "second"):
                redis_actions.add_action("migrate_shards", uid=uid)
            for _ in range(3):
                get(redis_actions, "/v1/actions")
                redis_actions.clock.advance(5)
            redis_actions.httpserver.expect_request("/v1/actions/first").respond_with_data("", status=503)
            get(redis_actions, "/v1/actions/first")
            assert False
        """,
    "a-thousand-polls": """
        @pytest.mark.redis_actions(past_end=None)
        def test_it(redis_actions):
            redis_actions.add_action("migrate_shards", uid="159ca2f8", script=[running(polls=300), completed()])
            with requests.Session() as session:
                session.auth = redis_actions.auth
                for _ in range(400):
                    session.get(redis_actions.url + "/v1/actions/159ca2f8")
                    redis_actions.clock.advance(5)
            assert False
        """,
}


class TestTheReport:
    def test_a_clock_that_stood_still_is_told(self, suite: pytest.Pytester) -> None:
        text = """
            def test_it(redis_actions):
                redis_actions.add_action("migrate_shards", uid="159ca2f8", script=[running(seconds=10), completed()])
                for _ in range(3):
                    status = get(redis_actions, "/v1/actions/159ca2f8").json()["status"]
                assert status == "completed"
            """

        told = "  its script counts in seconds, and the clock has not moved: redis-actions help virtual-time"
        run(suite, text).stdout.fnmatch_lines([told])

    @pytest.mark.parametrize("name", REPORTED)
    def test_the_section_of_a_failing_test_is_as_kept(self, suite: pytest.Pytester, name: str) -> None:
        result = run(suite, REPORTED[name])

        result.assert_outcomes(failed=1)
        printed = result.stdout.str()
        section = printed[printed.index("- redis_actions -") :].split("\n", 1)[1].split("\n====")[0]
        section = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", section) + "\n"
        kept = Path(__file__).parent / "data" / "texts" / f"report-{name}.txt"
        if os.environ.get("REDIS_ACTIONS_KEEP_TEXTS"):
            kept.write_text(section, encoding="utf-8")
        assert section == kept.read_text(encoding="utf-8")
        assert max(map(len, section.splitlines())) <= 80
        assert len(section.splitlines()) <= 40
        assert "secret" not in section

    def test_nothing_is_printed_for_a_test_that_passes_or_asked_for_nothing(self, suite: pytest.Pytester) -> None:
        text = """
            def test_passes(redis_actions):
                get(redis_actions, "/v1/actions")
            def test_asked_for_nothing(redis_actions):
                assert False
            def test_without():
                assert False
            """

        result = run(suite, text, "-rA")

        result.assert_outcomes(passed=1, failed=2)
        assert "- redis_actions -" not in result.stdout.str()

    def test_it_comes_through_xdist(self, suite: pytest.Pytester) -> None:
        result = run(suite, REPORTED["refused"], "-p", "xdist", "-n", "1")

        assert "- redis_actions -" in result.stdout.str()

    def test_further_stubs_have_a_section_each(self, suite: pytest.Pytester) -> None:
        text = """
            def test_it(make_redis_actions):
                for release in ("7.4", "8.2"):
                    get(make_redis_actions(release=release), "/v1/actions")
                assert False
            """

        printed = run(suite, text).stdout.str()

        assert printed.count("- redis_actions -") == 2
        assert "Redis Enterprise 7.4" in printed


class TestCoverage:
    TEXT = """
        @pytest.mark.parametrize("turn", range(2))
        def test_it(redis_actions, turn):
            action = redis_actions.add_action("migrate_shards")
            machine = redis_actions.add_state_machine("SMDeleteBDB", object_name="bdb:1", script=[active(), gone()])
            for _ in range(4):
                get(redis_actions, f"/v1/actions/{action.uid}")
                get(redis_actions, f"/v1/actions/{machine.uid}")
        """
    LINES = (
        "tasks           statuses      4 of  8 seen; never cancelling, failed, cancelled, aborted",
        "tasks           transitions   3 of  9 seen; never queued -> cancelled, starting -> aborted, *",
        "state machines  statuses      1 of  4 seen; never pending, completed, failed",
        "state machines  transitions   0 of  3 seen; never pending -> active, active -> completed, active -> failed",
        "a record that vanishes: seen",
        "in all 33 %",
    )

    @pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "xdist"])
    def test_what_was_met_and_what_never(self, suite: pytest.Pytester, workers: list[str]) -> None:
        result = run(suite, self.TEXT, "--redis-actions-coverage", *workers)

        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["*redis_actions: coverage of the lifecycle*", *self.LINES])

    @pytest.mark.parametrize(
        ("workers", "least", "status"), [([], 33, 0), ([], 34, 1), (["-p", "xdist", "-n", "2"], 34, 1)]
    )
    def test_less_than_what_is_wanted_fails(
        self, suite: pytest.Pytester, workers: list[str], least: int, status: int
    ) -> None:
        result = run(suite, self.TEXT, f"--redis-actions-coverage-min={least}", *workers)

        assert result.ret == status
        assert ("FAILED: 33 % of the lifecycle seen, 34 % expected" in result.stdout.str()) == bool(status)

    def test_a_route_that_the_release_lacks_is_no_record_that_vanished(self, suite: pytest.Pytester) -> None:
        text = """
            @pytest.mark.redis_actions(release="7.2")
            def test_it(redis_actions):
                action = redis_actions.add_action("migrate_shards")
                assert get(redis_actions, f"/v2/actions/{action.uid}").status_code == 404
            """

        result = run(suite, text, "--redis-actions-coverage")

        result.stdout.fnmatch_lines(["a record that vanishes: never seen", "in all 0 %"])

    def test_it_is_silent_unless_asked_for(self, suite: pytest.Pytester) -> None:
        assert "coverage of the lifecycle" not in run(suite, self.TEXT).stdout.str()


# Driving a client's time

CLIENT = """
import time, requests

def wait(stub, uid):
    while requests.get(f"{stub.url}/v1/actions/{uid}", auth=stub.auth).json()["status"] != "completed":
        time.sleep(5)
"""


@pytest.fixture
def driven_suite(suite: pytest.Pytester) -> pytest.Pytester:
    suite.makepyfile(a_client=CLIENT)
    suite.syspathinsert()
    return suite


def test_the_marker_drives_what_it_names(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client

        @pytest.mark.redis_actions(drive="a_client", release=["7.4", "8.2"])
        def test_it(redis_actions):
            action = redis_actions.add_action("x", script=[running(seconds=600), completed()])
            a_client.wait(redis_actions, action.uid)
            assert len(action.polls) == 121

        def test_another_is_not_driven(redis_actions):
            import time
            assert a_client.time is time
        """,
    )

    result.assert_outcomes(passed=3)


def test_a_client_that_never_gives_up_fails_its_test_once(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client

        @pytest.mark.redis_actions(drive="a_client", max_polls=20)
        def test_it(redis_actions):
            a_client.wait(redis_actions, redis_actions.add_action("x", script=[failed()]).uid)
        """,
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">           time.sleep(5)",
            "E * the client goes on after 20 requests",
            "E *   fix   give the client a deadline, or the script an end; max_polls=… on the marker allows more",
            "E *      0.0s          #1    GET  200  failed * x21 until 100.0s",
            "a_client.py:5: EndlessWait",
        ]
    )


def test_a_client_that_swallows_even_that_fails_its_test_at_the_end(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client

        @pytest.mark.redis_actions(drive="a_client", max_polls=20)
        def test_it(redis_actions):
            try:
                a_client.wait(redis_actions, redis_actions.add_action("x", script=[failed()]).uid)
            except:
                pass
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E * the client goes on after 20 requests"])


def test_a_wrong_module_in_the_marker_is_one_tests_mistake(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client

        @pytest.mark.redis_actions(drive="a_clinet")
        def test_it(redis_actions): pass

        def test_another(redis_actions): pass
        """,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "drive('a_clinet'): no such module is imported",
            "  fix  write 'a_client'; import it before it is driven",
        ]
    )


def test_a_block_that_is_never_left_is_ended_and_told(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client, time

        def test_it(redis_actions):
            redis_actions.clock.drive("a_client").__enter__()

        def test_time_is_real_again(redis_actions):
            assert a_client.time is time
        """,
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E * clock.drive(…) was entered and never left",
            "*   fix  write `with redis_actions.clock.drive(…):`; it was entered at test_a_block*.py:11 in test_it",
        ]
    )


def test_two_clusters_may_share_a_driven_clock(driven_suite: pytest.Pytester) -> None:
    result = run(
        driven_suite,
        """
        import a_client

        def test_it(redis_actions, make_redis_actions):
            other = make_redis_actions(clock=redis_actions.clock)
            action = other.add_action("x", script=[running(seconds=60), completed()])
            with redis_actions.clock.drive("a_client"):
                a_client.wait(other, action.uid)
                third = make_redis_actions(clock=redis_actions.clock)
                a_client.wait(third, third.add_action("x").uid)
            assert redis_actions.clock.seconds == 75
        """,
    )

    result.assert_outcomes(passed=1)


# Faults


def test_a_fault_that_never_happened_fails_the_test_at_its_end(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        from pytest_redis_actions import faults

        def test_it(redis_actions):
            action = redis_actions.add_action("x", script=[running(polls=2), faults.reset(), completed()])
            redis_actions.fault(faults.status(503, retry_after=7), on=action, after_polls=9)
            redis_actions.fault(faults.empty(), on="GET /v1/action/{uid}", at=30, seconds=60)
            get(redis_actions, f"/v1/actions/{action.uid}")

        @pytest.mark.redis_actions(strict=False)
        def test_it_may_be(redis_actions):
            redis_actions.fault(faults.status(503))

        def test_one_that_failed_already_is_not_bothered(redis_actions):
            redis_actions.fault(faults.status(503))
            assert False
        """,
    )

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "E * 3 faults never happened: no request matched them",
            "*    reset on ????????-????-????-????-???????????? after 2 requests: 1 came",
            "*    503 with Retry-After: 7 on ????????-* after 9 requests: 1 came",
            "*    200 without a body on GET /v1/action/{uid} from 30 s to 90 s: none came",
            "*      nearest /v1/actions/{uid}: 'action' is not 'actions'",
            "*  fix  poll more often, or inject it earlier; fault(…, optional=True) allows it",
        ]
    )


def test_a_start_that_no_request_met_fails_the_test_at_its_end(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        from pytest_redis_actions import faults

        def test_none_came(redis_actions):
            redis_actions.when("POST", "/v1/bdbs")
            redis_actions.when("POST", "/v1/bdb")

        def test_it_was_refused(redis_actions):
            redis_actions.when("DELETE", "/v1/bdbs/{uid}")
            requests.delete(redis_actions.url + "/v1/bdbs/1")

        def test_both_may_be(redis_actions):
            redis_actions.when("POST", "/v1/bdbs", optional=True)
            redis_actions.fault(faults.reset(), optional=True)

        @pytest.mark.redis_actions(strict=False)
        def test_so_may_these(redis_actions):
            redis_actions.when("POST", "/v1/bdbs")

        def test_one_that_failed_already_is_told_once(redis_actions):
            redis_actions.when("POST", "/v1/bdbs")
            assert False
        """,
    )

    result.assert_outcomes(passed=4, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "E * 2 requests of when() started nothing",
            "*    POST /v1/bdbs: none came",
            "*    POST /v1/bdb: none came",
            "*      nearest /v1/bdbs: 'bdb' is not 'bdbs'",
            "*  fix  let the client send this method and path; when(…, optional=True) allows it",
            "E * 1 request of when() started nothing",
            "*    DELETE /v1/bdbs/{uid}: came, and started nothing: #1 -> 401",
        ]
    )


def test_the_report_names_the_seed_of_chaos_and_the_faults_that_were_met(suite: pytest.Pytester) -> None:
    result = run(
        suite,
        """
        from pytest_redis_actions import faults

        def test_it(redis_actions):
            redis_actions.chaos(seed=1234)
            action = redis_actions.add_action("x")
            redis_actions.fault(faults.status(503), on=action, polls=2)
            for _ in range(2):
                get(redis_actions, f"/v1/actions/{action.uid}")
            assert False
        """,
    )

    result.stdout.fnmatch_lines(
        [
            "redis_actions.chaos(seed=1234) reproduces the faults",
            "     0.0s          #1    GET  503  fault: 503           x2 until 0.0s",
        ]
    )


def test_a_session_that_does_not_use_the_plugin_loads_nothing_of_it(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import sys

        def pytest_unconfigure(config):
            print("loaded", sorted(name for name in sys.modules if name.startswith("pytest_redis_actions")))
        """
    )
    suite.makepyfile("def test_it(): pass")

    result = suite.runpytest_subprocess("-p", "no:cacheprovider", "-s")

    result.stdout.fnmatch_lines(["loaded [[]'pytest_redis_actions', 'pytest_redis_actions.plugin']"])
