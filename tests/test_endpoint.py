from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from pytest_redis_actions import faults
from pytest_redis_actions.api.endpoint import Endpoint, Reply, Request
from pytest_redis_actions.api.fault_schedule import Injected
from pytest_redis_actions.clock import VirtualClock
from pytest_redis_actions.contract import validate_exchanges
from pytest_redis_actions.errors import ScriptError, UsageError
from pytest_redis_actions.facts.access import Access
from pytest_redis_actions.facts.lifecycle import OTHER, STATE_MACHINE, TASK
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.facts.routes import ROUTES, Route
from pytest_redis_actions.operations.operation import Place
from pytest_redis_actions.operations.script import (
    Step,
    active,
    completed,
    failed,
    gone,
    pending,
    queued,
    running,
    starting,
)

GET, POST, PUT, DELETE = "GET", "POST", "PUT", "DELETE"


class Cluster:
    """An endpoint with a caller in front of it."""

    def __init__(self, release: str = "8.2", profile: str = "wire", **more: Any) -> None:
        self.clock = VirtualClock(1_000_000)
        self.access = Access(release=release)
        self.endpoint = Endpoint(release=release, profile=profile, clock=self.clock, access=self.access, **more)

    def ask(
        self, method: str, target: str, body: bytes | object = b"", *, role: str = "admin", **headers: str
    ) -> Reply:
        credentials = ":".join(self.access.auth_for(role)).encode()
        headers.setdefault("authorization", "Basic " + base64.b64encode(credentials).decode())
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.endpoint.handle(Request(method, target, headers, data))

    def get(self, target: str, **more: Any) -> Any:
        return json.loads(self.ask(GET, target, **more).body)

    def task(self, *script: Step, name: str = "migrate_shards", **more: Any) -> str:
        more.setdefault("uid", None)
        return self.endpoint.add(TASK, name, script=script or None, **more)

    def machine(self, *script: Step, name: str = "SMUpdateBDB", object_name: str = "bdb:1") -> str:
        return self.endpoint.add(STATE_MACHINE, name, script=script or None, uid=None, object_name=object_name)

    def other(self, *script: Step) -> str:
        return self.endpoint.add(OTHER, "export", script=script or None, uid=None)

    def polls(self, uid: str) -> list[int]:
        return [poll.number for poll in self.endpoint.journal.polls_of(uid)]

    def error(self, method: str, target: str, body: bytes | object = b"", **more: Any) -> tuple[int, str]:
        reply = self.ask(method, target, body, **more)
        document = json.loads(reply.body)
        assert sorted(document) == ["description", "error_code"]
        return reply.code, document["error_code"]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def header(reply: Reply, name: str) -> str | None:
    return {key.lower(): value for key, value in reply.headers}.get(name)


class TestReading:
    def test_a_task_on_the_wire(self, cluster: Cluster) -> None:
        uid = cluster.task(running(progress=40), node_uid="2")

        reply = cluster.ask(GET, f"/v1/actions/{uid}")

        expected = (
            f'{{"action_uid":"{uid}","creation_time":"1000000","name":"migrate_shards","node_uid":"2",'
            f'"progress":"40","status":"running","task_id":"{uid}"}}'
        )
        assert reply.body.decode() == expected
        assert header(reply, "content-type") == "application/json"

    def test_an_active_state_machine_on_the_wire(self, cluster: Cluster) -> None:
        uid = cluster.machine(active(progress=(0, 14.286), seconds=7, state="shards_placement"))
        cluster.clock.advance(7)

        assert cluster.get(f"/v1/actions/{uid}") == {
            "action_uid": uid,
            "heartbeat": 1_000_007,
            "name": "SMUpdateBDB",
            "object_name": "bdb:1",
            "pending_ops": {},
            "progress": 14.29,
            "state": "shards_placement",
            "status": "active",
        }

    def test_a_completed_state_machine_has_neither_progress_nor_state_nor_pending_ops(self, cluster: Cluster) -> None:
        uid = cluster.machine(completed())

        assert sorted(cluster.get(f"/v1/actions/{uid}")) == ["action_uid", "heartbeat", "name", "object_name", "status"]

    def test_a_failed_task_tells_why(self, cluster: Cluster) -> None:
        uid = cluster.task(failed(error_code="internal_error", error_message="no"))

        body = cluster.get(f"/v1/actions/{uid}")

        assert (body["status"], body["error_code"], body["error_message"]) == ("failed", "internal_error", "no")

    def test_the_empty_cluster(self, cluster: Cluster) -> None:
        assert cluster.ask(GET, "/v1/actions").body == b'{"actions":[],"state-machines":[]}'
        assert cluster.ask(GET, "/v2/actions").body == b"[]"
        assert cluster.ask(GET, "/v1/cluster/actions").body == b'{"actions":[]}'

    def test_v1_lists_tasks_and_state_machines_and_v2_everything(self, cluster: Cluster) -> None:
        task, machine, other = cluster.task(), cluster.machine(), cluster.other()

        v1, v2 = cluster.get("/v1/actions"), cluster.get("/v2/actions")

        assert [row["action_uid"] for row in v1["actions"]] == [task]
        assert [row["action_uid"] for row in v1["state-machines"]] == [machine]
        assert [(row["action_uid"], row["action_type"]) for row in v2] == [
            (task, "task"), (machine, "state-machine"), (other, "other"),
        ]  # fmt: skip

    def test_an_export_is_a_404_in_v1_and_an_object_in_v2(self, cluster: Cluster) -> None:
        uid = cluster.other(running(progress=12.345))

        assert cluster.error(GET, f"/v1/actions/{uid}") == (404, "action_not_found")
        assert cluster.get(f"/v2/actions/{uid}") == {
            "action_type": "other",
            "action_uid": uid,
            "creation_time": 1_000_000,
            "name": "export",
            "progress": 12.35,
            "status": "running",
        }

    def test_an_unknown_uid(self, cluster: Cluster) -> None:
        reply = cluster.ask(GET, "/v1/actions/nobody")

        assert reply.code == 404
        assert reply.body == b'{"description":"Action nobody does not exist","error_code":"action_not_found"}'

    def test_a_uid_of_ten_kilobytes_is_not_sent_back_whole(self, cluster: Cluster) -> None:
        assert len(cluster.ask(GET, "/v1/actions/" + "x" * 10_000).body) < 300

    def test_a_record_that_is_gone_is_a_404_everywhere(self, cluster: Cluster) -> None:
        uid = cluster.machine(active(), gone(), name="SMDeleteBDB")

        assert cluster.ask(GET, f"/v1/actions/{uid}").code == 200
        assert cluster.error(GET, f"/v1/actions/{uid}") == (404, "action_not_found")
        assert cluster.error(GET, f"/v2/actions/{uid}") == (404, "action_not_found")
        assert cluster.get("/v1/actions") == {"actions": [], "state-machines": []}
        assert cluster.error(GET, "/v1/actions/bdb/1") == (404, "db_not_found")

    @pytest.mark.parametrize(
        ("step", "status", "info"),
        [
            (queued(), "queued", None),
            (starting(), "running", None),
            (Step("cancelling"), "running", None),
            (Step("cancelled"), "failed", {"error": "cancelled"}),
            (Step("aborted"), "failed", {"error": "aborted"}),
            (failed(error_message="no"), "failed", {"error": "no"}),
            (failed(error_code="internal_error"), "failed", {"error": "internal_error"}),
            (failed(), "failed", None),
        ],
    )
    def test_a_task_in_the_words_of_v2(
        self, cluster: Cluster, step: Step, status: str, info: dict[str, str] | None
    ) -> None:
        body = cluster.get(f"/v2/actions/{cluster.task(step)}")

        assert body["status"] == status
        assert body.get("additional_info") == info

    def test_a_state_machine_in_the_words_of_v2(self, cluster: Cluster) -> None:
        uid = cluster.machine(pending(), active(progress=14.286), completed())

        bodies = [cluster.get(f"/v2/actions/{uid}") for _ in range(3)]

        assert [(body["status"], body["progress"]) for body in bodies] == [
            ("queued", 0.0), ("running", 14.29), ("completed", 100.0),
        ]  # fmt: skip
        assert bodies[0]["additional_info"] == {"object_type": "bdb", "object_uid": "1"}

    def test_v2_names_the_node_of_an_action(self, cluster: Cluster) -> None:
        body = cluster.get(f"/v2/actions/{cluster.task(starting(), node_uid='3')}")

        assert body["additional_info"] == {"object_type": "node", "object_uid": "3"}

    def test_the_state_machines_of_a_database(self, cluster: Cluster) -> None:
        mine = cluster.machine(object_name="bdb:3")
        cluster.machine(object_name="bdb:4")

        assert [row["action_uid"] for row in cluster.get("/v1/actions/bdb/3")] == [mine]
        assert cluster.error(GET, "/v1/actions/bdb/5") == (404, "db_not_found")

    def test_the_wrapper_form_as_an_option(self) -> None:
        cluster = Cluster(bdb_envelope="wrapper")
        mine = cluster.machine(object_name="bdb:3")

        body = cluster.get("/v1/actions/bdb/3")

        assert [row["action_uid"] for row in body["state-machines"]] == [mine]
        assert body["actions"] == []

    def test_before_7_4_a_state_machine_has_no_pending_ops(self) -> None:
        cluster = Cluster("7.2")

        assert "pending_ops" not in cluster.get(f"/v1/actions/{cluster.machine(active())}")

    def test_the_documented_profile(self) -> None:
        cluster = Cluster(profile="documented")

        assert "creation_time" not in cluster.get(f"/v1/actions/{cluster.task()}")
        assert cluster.get(f"/v1/actions/{cluster.machine(completed())}")["progress"] == 100


class TestPolls:
    """A poll is a GET of an operation, or of a list that shows it or would have shown it had it been answered."""

    def test_each_poll_that_is_answered_moves_the_script_and_a_list_polls_all_that_it_shows(
        self, cluster: Cluster
    ) -> None:
        first, second = cluster.task(), cluster.task()

        statuses = [cluster.get(f"/v1/actions/{first}")["status"]]
        statuses += [row["status"] for row in cluster.get("/v1/actions")["actions"]]
        statuses += [cluster.get(f"/v2/actions/{second}")["status"]]

        assert statuses == ["queued", "starting", "queued", "running"]
        assert (cluster.polls(first), cluster.polls(second)) == ([1, 2], [2, 3])

    @pytest.mark.parametrize("refused", [{"role": "none"}, {"authorization": "Basic xx"}])
    @pytest.mark.parametrize("target", ["/v1/actions/{uid}", "/v1/actions"])
    def test_a_refused_poll_is_a_poll_and_leaves_the_script(self, refused: dict[str, str], target: str) -> None:
        cluster = Cluster("7.4")
        uid = cluster.task()

        assert cluster.ask(GET, target.format(uid=uid), **refused).code in (401, 403)

        assert cluster.get(f"/v1/actions/{uid}")["status"] == "queued"
        assert cluster.polls(uid) == [1, 2]

    def test_head_is_a_request_and_no_poll(self, cluster: Cluster) -> None:
        uid = cluster.task()

        assert cluster.ask("HEAD", f"/v1/actions/{uid}").code == 200
        assert cluster.ask("HEAD", "/v1/actions").code == 200

        assert cluster.get(f"/v1/actions/{uid}")["status"] == "queued"
        assert cluster.polls(uid) == [3]
        assert [each.number for each in cluster.endpoint.journal.of(uid)] == [1, 2, 3]

    @pytest.mark.parametrize(
        ("target", "polled"),
        [
            ("/v1/actions", "task machine node"),
            ("/v2/actions", "task machine other node"),
            ("/v1/actions/bdb/1", "machine"),
            ("/v1/actions/bdb/2", ""),
            ("/v1/nodes/actions", "node"),
            ("/v1/nodes/2/actions", "node"),
            ("/v1/nodes/3/actions", ""),
            ("/v1/cluster/actions", ""),
            ("/v1/nodes/2/actions/remove", "node"),
            ("/v1/bdbs", ""),
        ],
    )
    @pytest.mark.parametrize("answered", [True, False])
    def test_a_list_polls_what_it_shows_or_would_have_shown(
        self, cluster: Cluster, target: str, polled: str, answered: bool
    ) -> None:
        uids = {"task": cluster.task(), "machine": cluster.machine(), "other": cluster.other()}
        uids["node"] = cluster.task(name="remove_node", node_uid="2", place=Place("remove", "2"))
        vanished = cluster.machine(active(), gone(), object_name="bdb:2")
        assert [cluster.ask(GET, f"/v1/actions/{vanished}").code for _ in range(2)] == [200, 404]

        cluster.ask(GET, target, **({} if answered else {"authorization": "Basic xx"}))

        found = [name for name, uid in uids.items() if 3 in cluster.polls(uid)]
        assert found == polled.split()
        assert cluster.polls(vanished) == [1, 2]

    def test_a_list_that_the_release_lacks_polls_nothing(self) -> None:
        cluster = Cluster("7.2")
        uid = cluster.task()

        assert cluster.ask(GET, "/v2/actions").code == 404

        assert cluster.polls(uid) == []

    def test_what_starts_or_cancels_is_a_request_and_no_poll(self, cluster: Cluster) -> None:
        place = "/v1/nodes/2/actions/maintenance_on"
        uid = cluster.endpoint.plan(POST, place, None, None)

        for method in (POST, GET, POST, DELETE):
            cluster.ask(method, place)

        assert cluster.polls(uid) == [2]
        assert [(each.method, each.code) for each in cluster.endpoint.journal.of(uid)] == [
            (POST, 200), (GET, 200), (POST, 409), (DELETE, 200),
        ]  # fmt: skip

    def test_the_state_between_polls_is_what_the_last_one_saw(self, cluster: Cluster) -> None:
        uid = cluster.task()

        states = [cluster.endpoint.state(uid)]
        for _ in range(2):
            cluster.get(f"/v1/actions/{uid}")
            states.append(cluster.endpoint.state(uid))

        assert [state.status for state in states if state] == ["queued", "queued", "starting"]

    def test_the_heartbeat_is_the_last_change(self, cluster: Cluster) -> None:
        uid = cluster.machine(active(progress=10), active(progress=20), completed())

        beats = []
        for _ in range(4):
            cluster.clock.advance(5)
            beats.append(cluster.get(f"/v1/actions/{uid}")["heartbeat"] - 1_000_000)

        assert beats == [0, 10, 15, 15]

    def test_what_was_asked_is_in_the_journal(self, cluster: Cluster) -> None:
        uid = cluster.task()
        cluster.clock.advance(5)

        cluster.get(f"/v1/actions/{uid}")
        cluster.get("/v1/actions")

        single, whole = cluster.endpoint.journal
        assert (single.seconds, single.route, single.code, single.aimed) == (5, "/v1/actions/{uid}", 200, (uid,))
        assert single.shown[uid]["status"] == "queued"
        assert (whole.aimed, list(whole.shown)) == ((), [uid])
        assert single.headers["authorization"] == "Basic ***"


class TestRefusals:
    def test_no_or_wrong_credentials(self, cluster: Cluster) -> None:
        reply = cluster.endpoint.handle(Request(GET, "/v1/actions"))

        assert reply.code == 401
        assert header(reply, "www-authenticate") == 'Basic realm="Redis Enterprise"'

    def test_a_role_without_the_permission(self, cluster: Cluster) -> None:
        assert cluster.error(POST, "/v1/nodes/1/actions/remove", role="db_member") == (403, "forbidden")
        assert cluster.error(POST, "/v1/bdbs", {}, role="db_viewer") == (403, "forbidden")
        assert cluster.ask(GET, "/v1/actions", role="user_manager").code == 200
        assert cluster.error(GET, "/v1/actions", role="none") == (403, "forbidden")
        assert cluster.ask("PUT", "/v1/bdbs/1/actions/rebalance", role="db_viewer").code == 200  # E-C16
        assert cluster.error(POST, "/v1/bdbs/1/modules/upgrade", role="cluster_viewer") == (403, "forbidden")
        assert cluster.ask(DELETE, "/v1/roles/3", role="user_manager").code == 200

    @pytest.mark.parametrize("method", [DELETE, POST, PUT, "PATCH"])
    def test_a_method_that_a_route_lacks(self, cluster: Cluster, method: str) -> None:
        reply = cluster.ask(method, f"/v1/actions/{cluster.task()}")

        assert reply.code == 405
        assert header(reply, "allow") == "GET, HEAD, OPTIONS"
        assert cluster.endpoint.unrouted == ()

    @pytest.mark.parametrize(
        "target", ["/v2/actions", "/v2/actions/x", "/v1/actions/bdb/1", "/v1/shards/actions/failover"]
    )
    def test_a_route_that_this_release_lacks_is_a_404_and_no_missing_route(self, target: str) -> None:
        cluster = Cluster("7.2")

        assert cluster.error(GET, target) == (404, "not_found")
        assert cluster.endpoint.unrouted == ()

    def test_a_path_that_no_release_has_is_noted(self, cluster: Cluster) -> None:
        assert cluster.error(GET, "/v1/action") == (404, "not_found")
        assert cluster.endpoint.unrouted == ("  GET /v1/action  (nearest /v1/actions: 'action' is not 'actions')",)

    def test_a_path_of_the_api_that_the_stub_does_not_play_says_so(self, cluster: Cluster) -> None:
        for path, text in [("/v1/nodes", "not played by this stub"), ("/v1/nodez", "not a path of this API")]:
            reply = cluster.ask(GET, path)

            assert reply.code == 404
            assert json.loads(reply.body)["description"] == f"{path} is {text}"

    def test_what_the_stub_does_not_play_is_noted(self, cluster: Cluster) -> None:
        assert cluster.error(GET, "/v1/bdbs/1") == (404, "not_found")
        assert cluster.endpoint.unrouted == (
            "  GET /v1/bdbs/1  (/v1/bdbs/{bdb_uid} is played for PUT and DELETE only)",
        )

    @pytest.mark.parametrize("route", [route for route in ROUTES if not route.whole], ids=lambda route: route.template)
    def test_a_method_that_the_stub_does_not_play_is_no_405(self, route: Route) -> None:
        cluster = Cluster(next(release for release in reversed(RELEASES) if route.is_in(release)))
        path = "/".join("1" if part.startswith("{") else part for part in route.template.split("/"))

        reply = cluster.ask("PATCH", path)

        assert (reply.code, header(reply, "allow")) == (404, None)
        assert len(cluster.endpoint.unrouted) == 1

    def test_options_tells_the_methods(self, cluster: Cluster) -> None:
        reply = cluster.ask("OPTIONS", "/v1/nodes/1/actions/remove")

        assert (reply.code, header(reply, "allow")) == (200, "DELETE, GET, HEAD, OPTIONS, POST")
        assert cluster.ask("OPTIONS", "/v1/nothing").code == 404

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b"3",
            b"\xff\xfe",
            b'{"a":NaN}',
            b"[" * 100_000,
            b"1" * 5000,
            b'{"uid":' + b"9" * 5000 + b"}",
            b'{"a":1e400}',
            b'{"a":[-1e999]}',
            b'{"a":Infinity}',
            b'{"a":"\\ud800"}',
            b'{"\\udfff":1}',
            b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        ],
    )
    def test_a_body_that_is_no_json_object(self, cluster: Cluster, body: bytes) -> None:
        assert cluster.error(POST, "/v1/bdbs", body) == (400, "invalid_json")
        assert cluster.endpoint.uids == ()

    @pytest.mark.parametrize(
        "value",
        [
            "9" * 4000, "-0", "1e308", "0.1", '"\\ud83d\\ude00"', '"\\u0000"', '"\\u2028\\u202e"', '{"":{"":[null]}}',
            "[" * 90 + "]" * 90,
        ],
    )  # fmt: skip
    def test_what_a_client_sends_comes_back_as_strict_json(self, cluster: Cluster, value: str) -> None:
        reply = cluster.ask(POST, "/v1/bdbs", f'{{"name":"x","memory_size":1,"mine":{value}}}'.encode())

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is not JSON")

        document = json.loads(reply.body.decode("utf-8"), parse_constant=refuse)
        assert reply.code == 200
        assert document["mine"] == json.loads(value)
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode("utf-8")

    def test_a_body_nested_however_deeply_is_refused_or_comes_back(self, cluster: Cluster) -> None:
        for depth in range(50, 2000, 50):
            nested = "[" * depth + "]" * depth

            reply = cluster.ask(POST, "/v1/bdbs", f'{{"name":"x","memory_size":1,"mine":{nested}}}'.encode())

            assert reply.code == 400 or nested in reply.body.decode()

    @pytest.mark.parametrize(
        "target",
        [
            "/v1/actions?" + "key?" * 16_000,
            "/v1/actions?" + "?key" * 16_000,
            "/v1/actions?" + "&" * 64_000,
            "/v1/actions?" + "a=1;" * 16_000,
            "/v1/actions?" + "%61" * 21_000,
            "/v1/actions#" + "#" * 64_000,
            "/" * 64_000,
            "/v1" * 21_000,
            "/v1/" + "x/" * 32_000,
            "/v1/actions/" + "%2f" * 21_000,
            "/v1/actions/" + "@" * 64_000,
            "/v1/actions/" + "\x1b" * 64_000,
            "http://" + "@" * 64_000,
            "x" * 64_000,
        ],
        ids=lambda target: target[:20].encode("unicode_escape").decode(),
    )
    @pytest.mark.parametrize("authorization", ["Basic " + "x" * 60_000, "Basic " * 10_000, "JWT " + "." * 60_000, ""])
    def test_no_request_keeps_the_others_waiting(self, cluster: Cluster, target: str, authorization: str) -> None:
        began = time.perf_counter()

        for method in (GET, POST):
            cluster.ask(method, target, authorization=authorization)

        assert time.perf_counter() - began < 1

    def test_a_body_that_is_too_large(self, cluster: Cluster) -> None:
        assert cluster.error(POST, "/v1/bdbs", b" " * (1 << 20) + b"{}") == (413, "body_too_large")


ORDERS = {"name": "orders", "memory_size": 100}
SHARDS = {"shard_uids": ["3"], "target_node_uid": 2}
BDB = {"action_uid", "name", "status", "type", "uid"}
PAT = {"email": "pat@example.com", "password": "secret", "role": "db_viewer", "name": "Pat"}


class TestStarting:
    @pytest.mark.parametrize(
        ("method", "target", "body", "kind", "name", "shape"),
        [
            (POST, "/v1/shards/actions/migrate", SHARDS, "actions", "migrate_shards", {"action_uid", "description"}),
            (POST, "/v1/shards/3/actions/migrate", SHARDS, "actions", "migrate_shards", {"action_uid", "description"}),
            (
                POST, "/v1/shards/actions/failover", SHARDS, "state-machines", "SMRedisFailover",
                {"action_uid", "description"},
            ),
            (PUT, "/v1/bdbs/1/actions/rebalance", {}, "state-machines", "SMUpdateBDB", {"action_uid"}),
            (PUT, "/v1/bdbs/1/actions/revamp", {}, "state-machines", "SMUpdateBDB", {"action_uid"}),
            (POST, "/v1/bdbs/1/actions/recover", {}, "state-machines", "SMRecoverBDB", {"action_uid"}),
            (POST, "/v1/bdbs/1/actions/stop_traffic", {}, "state-machines", "SMUpdateBDB", {"action_uid"}),
            (POST, "/v1/bdbs/1/actions/resume_traffic", {}, "state-machines", "SMUpdateBDB", {"action_uid"}),
            (POST, "/v1/bdbs/1/upgrade", {}, "state-machines", "SMUpgradeBDB", BDB),
            (POST, "/v1/bdbs", ORDERS, "state-machines", "SMCreateBDB", BDB | {"memory_size"}),
            (POST, "/v2/bdbs", {"bdb": ORDERS}, "state-machines", "SMCreateBDB", BDB | {"memory_size"}),
            (PUT, "/v1/bdbs/1", {}, "state-machines", "SMUpdateBDB", BDB),
            (PUT, "/v1/bdbs/1/flush", {}, "state-machines", "SMUpdateBDB", BDB),
            (DELETE, "/v1/users/7", {}, "state-machines", "SMRedisACL", {"action_uid"}),
            (
                POST, "/v1/users", PAT, "state-machines", "SMRedisACL",
                {"action_uid", "email", "name", "role", "uid"},
            ),
            (PUT, "/v1/roles/7", {"name": "DBA"}, "state-machines", "SMRedisACL", {"action_uid", "name", "uid"}),
        ],
    )  # fmt: skip
    def test_what_starts_what_and_says_so(
        self, cluster: Cluster, method: str, target: str, body: object, kind: str, name: str, shape: set[str]
    ) -> None:
        reply = cluster.ask(method, target, body)

        document = json.loads(reply.body)
        assert (reply.code, set(document)) == (200, shape)
        (row,) = cluster.get("/v1/actions")[kind]
        assert (row["action_uid"], row["name"]) == (document["action_uid"], name)

    def test_the_descriptions(self, cluster: Cluster) -> None:
        for verb in ("migrate", "failover"):
            document = json.loads(cluster.ask(POST, f"/v1/shards/actions/{verb}", SHARDS).body)
            assert document["description"] == f"{verb.capitalize()} was triggered"

    def test_a_created_database_is_pending_and_has_the_fields_of_the_request(self, cluster: Cluster) -> None:
        first = json.loads(cluster.ask(POST, "/v1/bdbs", ORDERS).body)
        second = json.loads(cluster.ask(POST, "/v1/bdbs", {**ORDERS, "uid": 9}).body)
        third = json.loads(cluster.ask(POST, "/v1/bdbs", ORDERS).body)

        assert (first["uid"], first["name"], first["memory_size"], first["status"]) == (1, "orders", 100, "pending")
        assert (second["uid"], third["uid"]) == (9, 10)
        assert cluster.get("/v1/actions/bdb/9")[0]["object_name"] == "bdb:9"

    def test_v2_has_the_database_below_a_field_and_answers_with_it_alone(self, cluster: Cluster) -> None:  # E-START-26
        request = {"bdb": {**ORDERS, "uid": 7}, "recovery_plan": {"original_bdb_shards": []}}

        document = json.loads(cluster.ask(POST, "/v2/bdbs", request).body)

        assert (document["uid"], document["name"], document["memory_size"]) == (7, "orders", 100)
        assert not {"bdb", "recovery_plan"} & set(document)
        assert cluster.get("/v1/actions/bdb/7")[0]["action_uid"] == document["action_uid"]

    @pytest.mark.parametrize(
        ("release", "target"),
        [("8.2", "/v1/bdbs/4/modules/upgrade"), ("7.2", "/v1/modules/upgrade/bdb/4")],
    )
    def test_an_upgrade_of_modules_answers_with_the_module(self, release: str, target: str) -> None:  # E-START-6
        cluster = Cluster(release)
        asked = {"modules": [{"module_name": "ReJson", "new_module": "aa3648d7"}]}

        document = json.loads(cluster.ask(POST, target, asked).body)

        assert (document["uid"], document["module_name"], document["module_id"]) == (4, "ReJson", "aa3648d7")
        assert "action_uid" not in document
        assert cluster.get("/v1/actions")["state-machines"][0]["object_name"] == "bdb:4"

    def test_the_other_upgrade_of_modules_is_gone_since_8_0(self) -> None:  # E-SINCE-13
        assert Cluster("8.0").error(POST, "/v1/modules/upgrade/bdb/4") == (404, "not_found")

    def test_a_user_is_no_work_on_a_database(self, cluster: Cluster) -> None:  # E-ASSUMED-28
        started = [
            json.loads(cluster.ask(method, target, body).body)["action_uid"]
            for method, target, body in [
                (POST, "/v1/users", PAT),
                (PUT, "/v1/users/3", {"name": "Jo"}),
                (DELETE, "/v1/redis_acls/3", {}),
            ]
        ]

        rows = cluster.get("/v1/actions")["state-machines"]
        assert [row["action_uid"] for row in rows] == started
        assert not any("object_name" in row for row in rows)
        assert cluster.error(GET, "/v1/actions/bdb/1") == (404, "db_not_found")
        assert not any("additional_info" in row for row in cluster.get("/v2/actions"))

    def test_a_password_is_never_answered(self, cluster: Cluster) -> None:
        assert b"secret" not in cluster.ask(POST, "/v1/users", PAT).body

    # Typed from E-PARAM-5 to E-PARAM-7.
    @pytest.mark.parametrize(
        ("target", "body", "code", "error_code"),
        [
            ("/v1/bdbs", {}, 406, "missing_db_name"),
            ("/v1/bdbs", {"name": "orders"}, 406, "missing_memory_size"),
            ("/v2/bdbs", ORDERS, 406, "missing_db_name"),
            ("/v1/shards/actions/migrate", {"target_node_uid": 2}, 404, "shard_uids_required"),
            ("/v1/shards/actions/migrate", {"shard_uids": ["1"]}, 404, "node_uid_required"),
            ("/v1/shards/1/actions/migrate", {}, 404, "node_uid_required"),
            ("/v1/shards/actions/failover", {}, 404, "shard_uids_required"),
            ("/v1/users", {"email": "a", "password": "b"}, 400, "missing_field"),
            ("/v1/users", {"email": "a", "role_uids": [1]}, 400, "missing_field"),
            ("/v1/roles", {"name": "DBA"}, 400, "missing_field"),
            ("/v1/redis_acls", {"acl": "+@all"}, 400, "missing_field"),
            ("/v1/ldap_mappings", {}, 400, "missing_field"),
        ],
    )
    def test_what_is_required_and_not_given(
        self, cluster: Cluster, target: str, body: object, code: int, error_code: str
    ) -> None:
        assert cluster.error(POST, target, body) == (code, error_code)
        assert cluster.endpoint.uids == ()

    @pytest.mark.parametrize(
        ("method", "target", "body", "told"),
        [
            (POST, "/v1/bdbs", {**ORDERS, "memory_size": "1GB"}, "memory_size must be an integer"),
            (POST, "/v2/bdbs", {"bdb": [ORDERS]}, "bdb must be an object"),
            (POST, "/v2/bdbs", {"bdb": {**ORDERS, "name": None}}, "name must be a string"),
            (
                POST, "/v1/shards/actions/migrate", {**SHARDS, "shard_uids": [3]},
                "shard_uids must be an array of strings",
            ),
            (POST, "/v1/shards/actions/migrate", {**SHARDS, "dry_run": "yes"}, "dry_run must be a boolean"),
            (POST, "/v1/nodes/1/actions/maintenance_on", {"evict_dbs": "1"}, "evict_dbs must be an array of strings"),
            (POST, "/v1/cluster/actions/change_master", {"node_uid": 2}, "node_uid must be a string"),
            (PUT, "/v1/bdbs/1?dry_run=maybe", {}, "the query parameter dry_run must be a boolean"),
            (
                PUT, "/v1/bdbs/1/actions/rebalance?max_operations=x", {},
                "the query parameter max_operations must be an integer",
            ),
            (PUT, "/v1/users/3", {"role_uids": ["1"]}, "role_uids must be an array of integers"),
        ],
    )  # fmt: skip
    def test_a_field_of_the_wrong_type(
        self, cluster: Cluster, method: str, target: str, body: object, told: str
    ) -> None:  # E-ASSUMED-26
        reply = cluster.ask(method, target, body)

        assert (reply.code, json.loads(reply.body)) == (400, {"description": told, "error_code": "invalid_schema"})
        assert cluster.endpoint.uids == ()

    def test_a_whole_number_may_have_a_point(self, cluster: Cluster) -> None:
        assert cluster.ask(POST, "/v1/bdbs", {**ORDERS, "memory_size": 1e9}).code == 200

    def test_a_node_is_told_to_take_the_settings_of_another(self) -> None:  # E-NODE-11
        body, target = {"source_node_uid": "1"}, "/v1/nodes/2/actions/clone_node_settings"

        assert Cluster("7.2").ask(POST, target, body).code == 200
        assert Cluster("7.2", "documented").error(POST, target, body) == (404, "invalid_action")

    def test_a_deleted_database_is_told_whole_and_its_record_vanishes(self, cluster: Cluster) -> None:
        document = json.loads(cluster.ask(DELETE, "/v1/bdbs/2").body)
        uid = document["action_uid"]

        assert document["background_op"] == [{"name": "SMDeleteBDB", "progress": 0, "status": "pending"}]
        assert [cluster.ask(GET, f"/v1/actions/{uid}").code for _ in range(3)] == [200, 200, 404]
        assert cluster.error(PUT, "/v1/bdbs/2") == (404, "db_not_found")

    def test_the_reference_says_that_a_delete_answers_with_nothing(self) -> None:
        cluster = Cluster(profile="documented")

        assert cluster.ask(DELETE, "/v1/bdbs/2").body == b""
        assert len(cluster.get("/v1/actions")["state-machines"]) == 1

    @pytest.mark.parametrize("verb", ["export", "import"])
    def test_an_export_answers_with_nothing_and_only_v2_lists_it(self, cluster: Cluster, verb: str) -> None:
        reply = cluster.ask(POST, f"/v1/bdbs/1/actions/{verb}", {"export_location": {}})

        assert (reply.code, reply.body, header(reply, "content-type")) == (200, b"", None)
        assert cluster.get("/v1/actions") == {"actions": [], "state-machines": []}
        (row,) = cluster.get("/v2/actions")
        assert (row["name"], row["action_type"]) == (verb, "other")
        assert row["additional_info"] == {"object_type": "bdb", "object_uid": "1"}

    def test_a_module_upload_is_accepted(self) -> None:
        wire, documented = Cluster("7.22"), Cluster("7.22", profile="documented")
        upload = b"--x\r\n" + b"\x00" * (2 << 20)

        assert wire.ask(POST, "/v2/modules", upload).code == 202
        assert documented.ask(POST, "/v2/modules", upload).code == 200
        assert Cluster("8.0").error(POST, "/v2/modules", upload) == (404, "not_found")
        assert [row["name"] for row in wire.get("/v1/actions")["actions"]] == ["module_installation"]

    def test_before_8_0_the_deletion_of_a_user_answers_with_nothing(self) -> None:
        assert Cluster("7.22").ask(DELETE, "/v1/users/7").body == b""

    # Typed from E-PARAM-1 and E-PARAM-3: what is answered, from which release on.
    @pytest.mark.parametrize(
        ("release", "method", "target", "body", "shape"),
        [
            ("7.2", POST, "/v1/bdbs?dry_run", ORDERS, {"memory_size", "name", "type", "uid"}),
            ("7.2", POST, "/v2/bdbs?dry_run=1", {"bdb": ORDERS}, {"memory_size", "name", "type", "uid"}),
            ("7.2", PUT, "/v1/bdbs/1?dry_run=True", {}, {"name", "type", "uid"}),
            ("7.2", PUT, "/v1/bdbs/1/flush?dry_run=true", {}, {"name", "type", "uid"}),
            ("7.2", POST, "/v1/shards/actions/migrate", {**SHARDS, "dry_run": True}, None),
            ("7.8", POST, "/v1/shards/1/actions/failover", {"dry_run": True}, None),
            ("7.8", PUT, "/v1/bdbs/1/actions/rebalance?dry_run=true", {}, "blueprint"),
            ("7.22", PUT, "/v1/bdbs/1/actions/revamp?dry_run=true", {}, "blueprint"),
            ("7.8", POST, "/v1/users?dry_run", PAT, {"email", "name", "role", "uid"}),
            ("7.8", PUT, "/v1/redis_acls/3?dry_run", {"acl": "+@all"}, {"acl", "uid"}),
            ("8.0", DELETE, "/v1/roles/3?dry_run=true", {}, None),
        ],
    )
    @pytest.mark.parametrize("profile", ["wire", "documented"])
    def test_a_dry_run_starts_nothing(
        self, release: str, profile: str, method: str, target: str, body: object, shape: object
    ) -> None:
        release = "7.4" if "migrate" in target else release
        cluster = Cluster(release, profile)

        reply = cluster.ask(method, target, body)

        assert reply.code == 200
        document = json.loads(reply.body) if reply.body else None
        assert (set(document) if isinstance(document, dict) else "blueprint" if document else None) == shape
        assert cluster.endpoint.uids == ()
        if reply.body:
            validate_exchanges(cluster.endpoint.journal, release=release, profile=profile)

    @pytest.mark.parametrize(
        ("release", "method", "target", "body"),
        [
            ("8.2", POST, "/v1/bdbs?dry_run=false", ORDERS),
            ("8.2", POST, "/v1/shards/actions/migrate", {**SHARDS, "dry_run": False}),
            ("7.4", POST, "/v1/users?dry_run", PAT),
            ("7.22", DELETE, "/v1/roles/3?dry_run", {}),
        ],
    )
    def test_what_is_no_dry_run_starts_an_operation(self, release: str, method: str, target: str, body: object) -> None:
        cluster = Cluster(release)

        cluster.ask(method, target, body)

        assert len(cluster.endpoint.uids) == 1

    @pytest.mark.parametrize("bdb_uid", ["x", "0", "-1", "01", "%31%2f", "²", "9" * 5000])
    def test_what_is_no_database(self, cluster: Cluster, bdb_uid: str) -> None:
        assert cluster.error(PUT, f"/v1/bdbs/{bdb_uid}") == (404, "db_not_found")


class TestPlanned:
    def test_the_next_request_starts_the_planned_script_and_the_one_after_it_the_default(
        self, cluster: Cluster
    ) -> None:
        uid = cluster.endpoint.plan(POST, "/v1/shards/actions/migrate", [running(), failed()], None)

        first = json.loads(cluster.ask(POST, "/v1/shards/actions/migrate", SHARDS).body)["action_uid"]
        second = json.loads(cluster.ask(POST, "/v1/shards/actions/migrate", SHARDS).body)["action_uid"]

        assert first == uid
        assert [cluster.get(f"/v1/actions/{each}")["status"] for each in (first, second)] == ["running", "queued"]

    def test_plans_are_taken_in_order_and_a_template_meets_any_value(self, cluster: Cluster) -> None:
        uids = [cluster.endpoint.plan(PUT, "/v1/bdbs/{uid}", None, None) for _ in range(2)]

        started = [json.loads(cluster.ask(PUT, f"/v1/bdbs/{number}").body)["action_uid"] for number in (5, 6)]

        assert started == uids

    def test_a_path_that_the_api_lacks_is_served_once(self, cluster: Cluster) -> None:
        uid = cluster.endpoint.plan(POST, "/v1/bdbs/1/actions/retry", [active(), completed()], None)

        reply = cluster.ask(POST, "/v1/bdbs/1/actions/retry")

        assert json.loads(reply.body) == {"action_uid": uid}
        assert cluster.get(f"/v1/actions/{uid}")["status"] == "active"
        assert cluster.ask(POST, "/v1/bdbs/1/actions/retry").code == 404

    def test_a_refused_request_leaves_the_plan(self, cluster: Cluster) -> None:
        uid = cluster.endpoint.plan(POST, "/v1/bdbs", [active()], None)

        assert cluster.ask(POST, "/v1/bdbs", role="db_viewer").code == 403
        assert json.loads(cluster.ask(POST, "/v1/bdbs", ORDERS).body)["action_uid"] == uid

    def test_a_script_of_the_wrong_kind_is_refused_when_it_is_written(self, cluster: Cluster) -> None:
        with pytest.raises(ScriptError, match="'running' is a status of a task, not of a state machine"):
            cluster.endpoint.plan(POST, "/v1/bdbs", [running()], None)

    def test_a_request_that_reads_starts_nothing(self, cluster: Cluster) -> None:
        with pytest.raises(UsageError, match="GET '/v1/actions' starts no operation"):
            cluster.endpoint.plan(GET, "/v1/actions", None, None)


class TestNodesAndTheCluster:
    def start(self, cluster: Cluster, target: str = "/v1/nodes/1/actions/remove") -> Any:
        return json.loads(cluster.ask(POST, target).body)

    def test_a_node_action_from_start_to_end(self, cluster: Cluster) -> None:
        started = self.start(cluster)

        assert sorted(started) == ["status", "task_id"]
        statuses = [cluster.get("/v1/nodes/1/actions/remove")["status"] for _ in range(5)]
        assert statuses == ["queued", "starting", "running", "completed", "completed"]
        assert cluster.get(f"/v1/actions/{started['task_id']}")["node_uid"] == "1"

    def test_the_lists(self, cluster: Cluster) -> None:
        self.start(cluster)
        self.start(cluster, "/v1/nodes/2/actions/maintenance_on")
        self.start_cluster(cluster)

        queued_remove = {"name": "remove_node", "node_uid": "1", "progress": 0, "status": "queued"}
        assert cluster.get("/v1/nodes/1/actions") == {"actions": [queued_remove]}
        assert [row["node_uid"] for row in cluster.get("/v1/nodes/actions")["actions"]] == ["1", "2"]
        assert cluster.get("/v1/nodes/3/actions") == {"actions": []}
        assert cluster.get("/v1/cluster/actions") == {
            "actions": [{"name": "change_master", "progress": 0.0, "status": "queued"}]
        }

    @pytest.mark.parametrize("profile", ["wire", "documented"])
    def test_a_failed_one_tells_its_error(self, profile: str) -> None:  # E-NCA-8
        cluster = Cluster("7.4", profile)
        script = [failed(error_code="insufficient_resources", error_message="no room")]
        cluster.endpoint.plan(POST, "/v1/nodes/1/actions/remove", script, None)
        self.start(cluster)

        listed = cluster.get("/v1/nodes/1/actions")["actions"][0]
        for body in (listed, cluster.get("/v1/nodes/1/actions/remove")):
            assert (body["status"], body["error_code"], body["error_message"]) == (
                "failed",
                "insufficient_resources",
                "no room",
            )
        validate_exchanges(cluster.endpoint.journal, release="7.4", profile=profile)

    def test_one_instance_at_a_time(self, cluster: Cluster) -> None:
        first = self.start(cluster)["task_id"]

        assert cluster.error(POST, "/v1/nodes/1/actions/remove") == (409, "action_already_running")
        assert self.start(cluster, "/v1/nodes/2/actions/remove")["task_id"] != first

    def test_a_result_is_kept_until_the_action_is_submitted_again(self, cluster: Cluster) -> None:
        first = self.start(cluster)["task_id"]
        for _ in range(4):
            cluster.get("/v1/nodes/1/actions/remove")

        second = self.start(cluster)["task_id"]

        assert cluster.ask(GET, f"/v1/actions/{first}").code == 404
        assert cluster.get(f"/v1/actions/{second}")["status"] == "queued"

    def test_cancel_is_a_transition(self, cluster: Cluster) -> None:
        self.start(cluster)
        for _ in range(3):
            cluster.get("/v1/nodes/1/actions/remove")

        assert cluster.ask(DELETE, "/v1/nodes/1/actions/remove").code == 200
        assert cluster.ask(DELETE, "/v1/nodes/1/actions/remove").code == 200
        statuses = [cluster.get("/v1/nodes/1/actions/remove")["status"] for _ in range(3)]
        assert statuses == ["cancelling", "cancelled", "cancelled"]

    def test_a_queued_one_is_cancelled_at_once_and_a_starting_one_when_possible(self, cluster: Cluster) -> None:
        first, second = cluster.task(), cluster.task(starting(seconds=60), running())

        assert cluster.endpoint.cancel(first)
        assert cluster.endpoint.cancel(second)

        assert cluster.get(f"/v1/actions/{first}")["status"] == "cancelled"
        statuses = [cluster.get(f"/v1/actions/{second}")["status"] for _ in range(3)]
        assert statuses == ["running", "cancelling", "cancelled"]

    def test_too_late_removes_the_result_of_a_node_action(self, cluster: Cluster) -> None:
        uid = self.start(cluster)["task_id"]
        for _ in range(4):
            cluster.get("/v1/nodes/1/actions/remove")

        assert cluster.ask(DELETE, "/v1/nodes/1/actions/remove").code == 200
        assert cluster.ask(GET, "/v1/nodes/1/actions/remove").code == 404
        assert cluster.ask(GET, f"/v1/actions/{uid}").code == 404
        assert cluster.ask(DELETE, "/v1/nodes/1/actions/remove").code == 404

    def test_too_late_is_a_404_for_the_cluster(self, cluster: Cluster) -> None:
        self.start_cluster(cluster)
        for _ in range(4):
            cluster.get("/v1/cluster/actions/change_master")

        assert cluster.error(DELETE, "/v1/cluster/actions/change_master") == (404, "action_not_found")
        assert cluster.get("/v1/cluster/actions/change_master")["status"] == "completed"

    def start_cluster(self, cluster: Cluster) -> None:
        reply = cluster.ask(POST, "/v1/cluster/actions/change_master", {"node_uid": "2"})
        assert (reply.code, reply.body) == (200, b"")

    def test_unknown_actions(self, cluster: Cluster) -> None:
        assert cluster.error(POST, "/v1/cluster/actions/dance") == (400, "invalid_action")
        assert cluster.error(POST, "/v1/nodes/1/actions/dance") == (404, "invalid_action")
        assert cluster.error(GET, "/v1/nodes/1/actions/remove") == (404, "action_not_found")

    def test_only_tasks_can_be_cancelled(self, cluster: Cluster) -> None:
        with pytest.raises(UsageError, match="a state machine cannot be cancelled"):
            cluster.endpoint.cancel(cluster.machine())

    def test_a_cancelled_one_keeps_its_progress_and_its_creation_time(self, cluster: Cluster) -> None:
        uid = cluster.task(running(progress=40))
        cluster.clock.advance(60)
        cluster.endpoint.cancel(uid)

        body = cluster.get(f"/v1/actions/{uid}")

        assert (body["status"], body["progress"], body["creation_time"]) == ("cancelling", "40", "1000000")


class TestTokens:
    def token(self, cluster: Cluster, **more: object) -> str:
        user, password = cluster.access.auth_for("db_viewer")
        reply = cluster.endpoint.handle(
            Request(
                POST, "/v1/users/authorize", {}, json.dumps({"username": user, "password": password, **more}).encode()
            )
        )
        return str(json.loads(reply.body)["access_token"])

    def test_a_token_is_good_for_300_seconds_on_the_stub_s_clock(self, cluster: Cluster) -> None:
        bearer = f"JWT {self.token(cluster)}"

        cluster.clock.advance(299)
        assert cluster.ask(GET, "/v1/actions", authorization=bearer).code == 200
        cluster.clock.advance(1)
        assert cluster.ask(GET, "/v1/actions", authorization=bearer).code == 401

    @pytest.mark.parametrize("ttl", [1, 1.0])
    def test_its_ttl_can_be_given(self, cluster: Cluster, ttl: float) -> None:
        bearer = f"JWT {self.token(cluster, ttl=ttl)}"

        cluster.clock.advance(1)

        assert cluster.ask(GET, "/v1/actions", authorization=bearer).code == 401

    def test_it_can_be_refreshed_while_it_is_good(self, cluster: Cluster) -> None:
        bearer = f"JWT {self.token(cluster)}"
        cluster.clock.advance(200)

        fresh = json.loads(cluster.ask(POST, "/v1/users/refresh_jwt", authorization=bearer).body)["access_token"]
        cluster.clock.advance(200)

        assert cluster.ask(GET, "/v1/actions", authorization=f"JWT {fresh}").code == 200
        assert cluster.ask(POST, "/v1/users/refresh_jwt", authorization=bearer).code == 401

    @pytest.mark.parametrize("ttl", [0, 86_401, "300", 1.5, True, None])
    def test_a_ttl_out_of_range(self, cluster: Cluster, ttl: object) -> None:
        user, password = cluster.access.auth_for("admin")

        reply = cluster.error(POST, "/v1/users/authorize", {"username": user, "password": password, "ttl": ttl})

        assert reply == (400, "invalid_ttl")

    def test_wrong_credentials(self, cluster: Cluster) -> None:
        assert cluster.error(POST, "/v1/users/authorize", {"username": "x", "password": "y"}) == (401, "unauthorized")
        assert cluster.error(POST, "/v1/users/authorize", {"username": 3}) == (401, "unauthorized")

    def test_the_credentials_may_stand_in_the_header(self, cluster: Cluster) -> None:  # E-HTTP-18
        reply = cluster.ask(POST, "/v1/users/authorize", {"ttl": 60}, role="db_viewer")

        token = json.loads(reply.body)["access_token"]
        assert cluster.ask(GET, "/v1/actions", authorization=f"JWT {token}").code == 200
        cluster.clock.advance(60)
        assert cluster.ask(GET, "/v1/actions", authorization=f"JWT {token}").code == 401
        assert cluster.error(POST, "/v1/users/authorize", {}, authorization="Basic xx") == (401, "unauthorized")

    def test_no_token_gets_into_the_journal(self, cluster: Cluster) -> None:
        token = self.token(cluster)

        assert all(token.encode() not in exchange.body for exchange in cluster.endpoint.journal)


class TestHeaders:
    def test_the_date_follows_the_clock(self, cluster: Cluster) -> None:
        cluster.clock.advance(61)

        assert header(cluster.ask(GET, "/v1/actions"), "date") == "Mon, 12 Jan 1970 13:47:41 GMT"

    def test_the_cluster_state_id_grows_with_changes_and_not_with_reads(self, cluster: Cluster) -> None:
        ids = [header(cluster.ask(GET, "/v1/actions"), "cluster-state-id") for _ in range(2)]
        cluster.task()
        ids.append(header(cluster.ask(GET, "/v1/actions"), "cluster-state-id"))

        assert ids == ["1", "1", "2"]


class TestAdding:
    def test_a_uid_is_used_once(self, cluster: Cluster) -> None:
        cluster.task(uid="mine")

        with pytest.raises(UsageError) as caught:
            cluster.task(uid="mine")

        assert str(caught.value).splitlines()[0] == "uid 'mine' is already in use"
        assert cluster.endpoint.uids == ("mine",)

    def test_a_uid_that_a_plan_waits_with_is_in_use_too(self, cluster: Cluster) -> None:
        cluster.endpoint.plan(POST, "/v1/bdbs", None, "mine")

        with pytest.raises(UsageError, match="uid 'mine' is already in use"):
            cluster.task(uid="mine")
        with pytest.raises(UsageError, match="uid 'mine' is already in use"):
            cluster.endpoint.plan(POST, "/v1/bdbs", None, "mine")
        assert json.loads(cluster.ask(POST, "/v1/bdbs", ORDERS).body)["action_uid"] == "mine"

    @pytest.mark.parametrize("uid", ["", "a/b", 3])
    def test_what_is_no_uid(self, cluster: Cluster, uid: object) -> None:
        with pytest.raises(UsageError, match=r"must be a text without / \? # %"):
            cluster.task(uid=uid)

    def test_a_bad_script_leaves_the_stub_as_it_was(self, cluster: Cluster) -> None:
        with pytest.raises(ScriptError):
            cluster.task(queued(), completed())

        assert cluster.endpoint.uids == ()
        assert header(cluster.ask(GET, "/v1/actions"), "cluster-state-id") == "1"

    def test_a_uid_of_an_earlier_test_is_told_apart(self) -> None:
        cluster = Cluster(forgotten={"old": "tests/test_x.py::test_y"})

        assert cluster.error(GET, "/v1/actions/old") == (404, "action_not_found")
        assert cluster.endpoint.journal[0].left_over == "tests/test_x.py::test_y"

    def test_a_place_is_one_of_a_node(self, cluster: Cluster) -> None:
        cluster.task(running(progress=10), name="remove_node", node_uid="1", place=Place("remove", "1"))

        assert cluster.get("/v1/nodes/1/actions")["actions"][0]["progress"] == 10


@pytest.mark.parametrize("release", RELEASES)
def test_an_absolute_target_is_understood(release: str) -> None:
    assert Cluster(release).ask(GET, "http://127.0.0.1:1/v1/actions?x=1").code == 200


def test_equal_replies_are_kept_once_in_the_journal() -> None:
    cluster = Cluster()
    path = f"/v1/actions/{cluster.task(running(polls=2), completed())}"
    replies = [cluster.ask(GET, path) for _ in range(4)]

    first, second, third, fourth = cluster.endpoint.journal
    assert first.body != second.body != third.body
    assert fourth.body is third.body
    assert fourth.shown is third.shown
    assert [each.body for each in cluster.endpoint.journal] == [reply.body for reply in replies]


def test_a_fault_that_sends_the_same_bytes_shows_no_operation() -> None:
    cluster = Cluster()
    path = f"/v1/actions/{cluster.task(running())}"
    body = cluster.ask(GET, path).body
    cluster.endpoint.inject(Injected(faults.body(body)))

    assert cluster.ask(GET, path).body == body
    assert [bool(each.shown) for each in cluster.endpoint.journal] == [True, False]


def test_headers_that_a_client_changes_are_kept_as_they_came() -> None:
    cluster = Cluster()
    for team in ("blue", "blue", "red"):
        cluster.ask(GET, "/v1/actions", **{"x-team": team})

    blue, again, red = cluster.endpoint.journal
    assert again.headers is blue.headers
    assert blue.has_header("X-Team", "blue")
    assert red.has_header("X-Team", "red")
    assert not red.has_header("X-Team", "blue")
