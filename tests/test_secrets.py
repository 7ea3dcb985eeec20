"""Secrets are planted wherever a client can put one; none is in anything that is kept or printed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from itertools import count
from urllib.parse import quote

import pytest
from http_bytes import Wire

from pytest_redis_actions import RedisActions
from pytest_redis_actions.api.http import Answer, Reply, Request
from pytest_redis_actions.observed import journal_assertions as polling
from pytest_redis_actions.observed.journal import Exchange


class Planted:
    """Makes secrets, each another one, and knows in which forms one could come out."""

    def __init__(self) -> None:
        self._numbers = count(1000)
        self.secrets: list[str] = []

    def __call__(self) -> str:
        self.secrets.append(f"s3cr3t-{next(self._numbers)}")
        return self.secrets[-1]

    def found_in(self, text: str) -> list[str]:
        forms = [
            (secret, form)
            for secret in self.secrets
            for form in (secret, quote(secret), base64.b64encode(f"me:{secret}".encode()).decode())
        ]
        return [secret for secret, form in forms if form in text]


Sent = tuple[str, tuple[str, ...], bytes]


def in_targets(new: Planted, path: str) -> Iterator[Sent]:
    for target in (
        f"http://me:{new()}@127.0.0.1{path}",
        f"http://me:{new()}@127.0.0.1/v1/nothing",
        *(f"{path}?{name}={new()}" for name in ("pass", "pwd", "jwt", "sig", "p%61ssword", "dry_run[]", "Key")),
        f"{path}?a=1;password={new()}",
        f"{path}?{new()}",
        f"{path}?dry_run=true#token={new()}",
        f"{path}#{new()}",
        f"{path};password={new()}",
        f"/v1/actions/x%3Bpassword={new()}",
        f"/v1/actions/token={new()}",
        f"/v1/actions/bdb/pw={new()}",
        f"/v1/bdbs/7;pw={new()}",
        f"/v1/login/me:{new()}@host",
        f"/v1/nodes/1;pw={new()}/actions/remove",
        f"/v1/nodes/1/actions/pw={new()}",
    ):
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "POST"):
            yield f"{method} {target}", (), b""


def in_headers(new: Planted, path: str) -> Iterator[Sent]:
    for name in ("Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "Referer", "X-Of-Mine", "From"):
        yield f"GET {path}", (f"{name}: {new()}",), b""
        yield f"GET /v1/nothing/{(secret := new())}", (f"{name}: {secret}",), b""
    for scheme in ("Bearer", "JWT", "Own"):
        yield f"GET {path}", (f"Authorization: {scheme} {new()}",), b""
    yield f"GET {path}", (f"Authorization: {new()}",), b""
    wrong = base64.b64encode(f"me:{(password := new())}".encode()).decode()
    yield f"GET /v1/actions/{password}", (f"Authorization: Basic {wrong}",), b""
    yield f"GET {path}", (f"Proxy-Authorization: Basic {wrong}",), b""


def in_bodies(new: Planted, auth: tuple[str, str]) -> Iterator[Sent]:
    def body(**document: object) -> tuple[tuple[str, ...], bytes]:
        data = json.dumps(document).encode()
        return (f"Content-Length: {len(data)}", "Content-Type: application/json"), data

    for line in ("POST /v1/bdbs", "POST /v2/bdbs", "PUT /v1/bdbs/1", "PUT /v1/bdbs/1/reset_admin_pass"):
        yield line, *body(name=new(), authentication_redis_pass=new(), acl=[{"password": new()}], tls={"key": new()})
    for line in ("POST /v1/users", "PUT /v1/users/1", "POST /v1/users/password", "POST /v2/users/authorize"):
        yield line, *body(email="me@example.com", password=new(), new_password=new())
    yield "POST /v1/users/authorize", *body(username="me", password=new())
    user, good = auth
    new.secrets.append(good)
    yield "POST /v1/users/authorize", *body(username=user, password=good)
    yield f"GET /v1/actions/{good}", (), b""


@pytest.mark.redis_actions(auth=("me", "s3cr3t-good"), strict=False)
def test_no_planted_secret_is_kept_or_printed(redis_actions: RedisActions) -> None:
    new = Planted()
    path = f"/v1/actions/{redis_actions.add_action('migrate_shards').uid}"
    sent = [*in_targets(new, path), *in_headers(new, path), *in_bodies(new, redis_actions.auth)]
    for line, headers, body in sent:
        with Wire(redis_actions) as wire:
            given = any(header.startswith("Authorization") for header in headers)
            lines = [f"{line} HTTP/1.1", "Host: x", *headers]
            lines += [] if given else [f"Authorization: {wire.authorization}"]
            wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            answer = wire.read(head_only=line.startswith("HEAD"))
            if b"access_token" in answer.body:
                token = json.loads(answer.body)["access_token"]
                new.secrets += [token, token[:40]]

    assert len(new.secrets) > 60
    assert any(secret.startswith("eyJ") for secret in new.secrets)
    journal = redis_actions.journal
    assert len(journal) == len([line for line, *_ in sent if "#" not in line])  # no request has a fragment
    texts = [redis_actions.report(), str(journal), repr(journal), *redis_actions._endpoint.unrouted]
    for each in journal:
        texts += [repr(each._asdict()) + repr(each.body) + str(each) + repr(each) + each.error_code]
    redis_actions.validate()
    for text in [*texts, *errors_of(redis_actions)]:
        assert new.found_in(text) == [], text


def errors_of(stub: RedisActions) -> Iterator[str]:
    """Yield the text of every assertion about the journal, each of which fails."""
    checks: tuple[Callable[[], object], ...] = (
        lambda: stub.assert_header("X-Of-Mine", "s3cr3t-of-the-call"),
        lambda: stub.assert_header("X-Of-Mine"),
        stub.assert_one_connection,
        lambda: stub.assert_never_requested("GET", "/v1/actions/{uid}"),
    )
    for check in checks:
        with pytest.raises(polling.PollingError) as caught:
            check()
        assert "s3cr3t-of-the-call" not in str(caught.value)
        yield str(caught.value) + repr(caught.value.exchanges)


def test_an_exchange_keeps_nothing_but_what_is_named_here() -> None:
    assert {*Exchange._fields} == {
        "number", "seconds", "method", "target", "route", "code", "aimed", "shown", "headers", "body", "connection",
        "left_over", "retry_after", "overlaps", "by_handler", "fault", "unshown", "error_code",
    }  # fmt: skip


def test_requests_and_replies_do_not_print_what_they_hold() -> None:
    request = Request("GET", "/v1/actions?password=s3cr3t", {"cookie": "s3cr3t"}, b"s3cr3t")
    reply = Reply(200, (("Content-Type", "application/json"),), b"s3cr3t")

    assert "s3cr3t" not in repr(request) + repr(reply) + repr(Answer(200, {"a": "s3cr3t"}, raw=b"s3cr3t"))


def test_a_header_of_the_tests_own_can_be_asserted(redis_actions: RedisActions) -> None:
    with Wire(redis_actions) as wire:
        wire.ask("GET /v1/actions HTTP/1.1", "X-Api-Key: s3cr3t", "X-Team: blue")

    redis_actions.assert_header("x-api-key", "s3cr3t")
    redis_actions.assert_header("X-Team", "blue")
    assert redis_actions.journal[0].has_header("X-Team", "blue")
    with pytest.raises(polling.PollingError, match="1 requests without the header X-Team with the expected value"):
        redis_actions.assert_header("X-Team", "red")
