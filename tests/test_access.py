from __future__ import annotations

import base64
import json

import pytest

from pytest_redis_actions.access import ROLES, Access, may
from pytest_redis_actions.errors import UsageError


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_user_that_is_known_again(role: str) -> None:
    access = Access()

    assert access.role_of(basic(*access.auth_for(role)), now=0) == role


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic !!!", "Basic /w==", basic("admin@example.com", "wrong"), "Bearer x", "JWT x", "x"],
)
def test_nobody_else_is_known(header: str | None) -> None:
    assert Access().role_of(header, now=0) is None


def test_the_administrator_may_be_named() -> None:
    access = Access(("me", "my:secret"))

    assert access.auth_for("admin") == ("me", "my:secret")
    assert access.role_of(basic("me", "my:secret"), now=0) == "admin"
    assert access.role_of(basic("admin@example.com", "admin-password"), now=0) is None


@pytest.mark.parametrize("auth", [("me",), "me:secret", ("me", ""), ("a:b", "c"), ("me", 3), 3])
def test_what_is_no_pair_is_refused_without_being_shown(auth: object) -> None:
    with pytest.raises(UsageError) as caught:
        Access(auth)  # type: ignore[arg-type]

    assert "auth is no pair of user name and password" in str(caught.value)


def test_an_unknown_role_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="write 'db_viewer'"):
        Access().auth_for("dbviewer")


def test_everybody_is_let_in_on_request() -> None:
    assert Access(False).role_of(None, now=0) == "admin"


def test_a_token_is_good_until_its_time_is_over() -> None:
    access = Access()
    token = access.token("db_viewer", ttl=300, now=10, epoch=1000)

    assert access.role_of(f"JWT {token}", now=309.9) == "db_viewer"
    assert access.role_of(f"JWT {token}", now=310) is None
    assert access.role_of(f"Bearer {token}", now=10) is None


def test_a_token_says_itself_when_it_expires() -> None:
    token = Access().token("admin", ttl=300, now=10, epoch=1000)

    claims = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] == 1310


# Typed from E-ROUTE-7, E-NODE-3 and E-PERM-1, not from the table.
@pytest.mark.parametrize("release", ["7.4", "7.8"])
@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what(role: str, release: str) -> None:
    sees = role != "user_manager" or release == "7.8"
    works = role in ("admin", "cluster_member", "db_member")

    assert may(role, "view_status_of_cluster_action", release) is sees
    assert may(role, "view_status_of_node_action", release) is sees
    assert may(role, "update_bdb_with_action", release) is works
    assert may(role, "migrate_shard", release) is works
    assert may(role, "start_node_action", release) is (role == "admin")
    assert may(role, "cancel_cluster_action", release) is (role == "admin")
