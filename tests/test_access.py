from __future__ import annotations

import base64
import json

import pytest

from pytest_redis_actions.errors import UsageError
from pytest_redis_actions.facts.access import ROLES, Access, may
from pytest_redis_actions.facts.releases import RELEASES
from pytest_redis_actions.facts.routes import ROUTES


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

    assert "auth must be a user name and a password" in str(caught.value)


def test_an_unknown_role_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="write 'db_viewer'") as caught:
        Access().auth_for("dbviewer")

    assert caught.value.value == "dbviewer"


def test_true_is_the_default_user_of_each_role() -> None:
    assert Access(True).auth_for("admin") == Access().auth_for("admin")
    assert Access(True).role_of(None, now=0) is None


def test_good_credentials_are_compared_once_and_wrong_ones_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access()
    compared: list[str] = []

    def role_of_user(user: str, password: str) -> str | None:
        compared.append(password)
        return Access().role_of_user(user, password)

    monkeypatch.setattr(access, "role_of_user", role_of_user)

    for password in ("db_viewer-password", "wrong") * 2:
        access.role_of(basic("db_viewer@example.com", password), now=0)

    assert compared == ["db_viewer-password", "wrong", "wrong"]


def test_everybody_is_let_in_on_request() -> None:
    assert Access(False).role_of(None, now=0) == "admin"


def test_a_token_is_good_until_its_time_is_over() -> None:
    access = Access()
    token = access.token("db_viewer", ttl=300, now=10, epoch=1000)

    assert access.role_of(f"JWT {token}", now=309.9) == "db_viewer"
    assert access.role_of(f"JWT {token}", now=310) is None
    assert access.role_of(f"Bearer {token}", now=10) is None


def test_a_password_that_was_changed_and_tokens_given_for_it_are_worth_nothing() -> None:
    access = Access()
    old = access.auth_for("admin")
    assert access.role_of(basic(*old), now=0) == "admin"
    tokens = [access.token(role, ttl=300, now=0, epoch=1000) for role in ("admin", "db_viewer")]

    access.renew()

    assert access.role_of(basic(*old), now=0) is None
    assert [access.role_of(f"JWT {token}", now=0) for token in tokens] == [None, None]
    assert access.auth_for("admin")[0] == old[0]
    assert access.role_of(basic(*access.auth_for("admin")), now=0) == "admin"
    assert access.role_of(basic(*access.auth_for("db_viewer")), now=0) == "db_viewer"
    fresh = access.token("admin", ttl=300, now=0, epoch=1000)
    assert access.role_of(f"JWT {fresh}", now=0) == "admin"
    assert {old[1], access.auth_for("admin")[1]} <= access.passwords


@pytest.mark.parametrize("spoilt", ["{}!", "!{}", "{}====x", "{} x", "{}\n="])
def test_credentials_with_something_else_in_them_are_not_read(spoilt: str) -> None:
    encoded = basic("admin@example.com", "admin-password").removeprefix("Basic ")

    assert Access().role_of("Basic " + encoded, now=0) == "admin"
    assert Access().role_of("Basic " + spoilt.format(encoded), now=0) is None


def test_the_scheme_may_be_written_in_any_case() -> None:
    header = basic("admin@example.com", "admin-password")

    assert Access().role_of(header.replace("Basic", "bAsIc"), now=0) == "admin"


def test_a_token_says_itself_when_it_expires() -> None:
    token = Access().token("admin", ttl=300, now=10, epoch=1000)

    claims = token.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (told["iat"], told["exp"], told["sub"]) == (1010, 1310, "admin@example.com")


# Typed from E-PERM-1 to E-PERM-5, not from the table.
VIEWING = (
    "view_status_of_cluster_action", "view_status_of_node_action", "view_status_of_all_node_actions", "view_bdb_info",
)  # fmt: skip
CHANGING = (
    "create_bdb", "update_bdb", "delete_bdb", "update_bdb_with_action", "edit_bdb_module", "start_bdb_export",
    "start_bdb_import", "start_bdb_recovery", "migrate_shard", "failover_shard",
)  # fmt: skip
ADMINISTRATING = (
    "start_cluster_action", "cancel_cluster_action", "start_node_action", "cancel_node_action", "update_cluster",
)  # fmt: skip
MANAGING = (
    "create_new_user", "create_role", "create_redis_acl", "create_ldap_mapping", "update_user", "update_role",
    "update_redis_acl", "update_ldap_mapping", "delete_user", "delete_role", "delete_redis_acl", "delete_ldap_mapping",
)  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("role", ROLES)
def test_who_may_do_what(role: str, release: str) -> None:
    is_user_manager = role == "user_manager" and release not in ("7.2", "7.4")
    views = is_user_manager or role not in ("none", "user_manager")

    assert {may(role, permission, release) for permission in VIEWING} == {views}
    assert {may(role, permission, release) for permission in CHANGING} == {
        role in ("admin", "cluster_member", "db_member")
    }
    assert {may(role, permission, release) for permission in ADMINISTRATING} == {role == "admin"}
    assert {may(role, permission, release) for permission in MANAGING} == {role == "admin" or is_user_manager}


def test_every_permission_of_a_route_is_typed_here() -> None:
    needed = {handling.permission for route in ROUTES for handling in route.methods.values()}

    assert needed == {None, *VIEWING, *CHANGING, *ADMINISTRATING, *MANAGING}


def test_the_role_none_has_a_user_and_no_permission() -> None:  # E-PERM-3
    access = Access(release="7.2")

    assert access.role_of(basic(*access.auth_for("none")), now=0) == "none"
    assert not may("none", "any permission", "8.2")


def test_a_user_manager_came_with_7_8() -> None:  # E-PERM-2
    access = Access(release="7.4")

    with pytest.raises(UsageError) as caught:
        access.auth_for("user_manager")

    assert str(caught.value).splitlines()[0] == "release 7.4 has no role user_manager"
    assert "release='7.8'" in str(caught.value)
    assert caught.value.value == "user_manager"
    assert access.role_of(basic(*Access(release="7.8").auth_for("user_manager")), now=0) is None


# Typed from E-PERM-5.
@pytest.mark.parametrize(
    ("method", "template", "permission"),
    [
        ("POST", "/v1/bdbs/{bdb_uid}/modules/upgrade", "edit_bdb_module"),
        ("PUT", "/v1/bdbs/{bdb_uid}/actions/rebalance", "view_bdb_info"),
        ("POST", "/v2/bdbs", "create_bdb"),
        ("GET", "/v1/nodes/{node_uid}/actions/{action}", "view_status_of_node_action"),
    ],
)
def test_the_permission_that_a_request_needs(method: str, template: str, permission: str) -> None:
    (route,) = [route for route in ROUTES if route.template == template]

    assert route.methods[method].permission == permission


def test_a_renewed_password_ends_the_old_one_and_its_tokens() -> None:
    access = Access()
    old = access.auth_for("admin")
    token = access.token("admin", ttl=300, now=0, epoch=0)
    assert access.role_of(f"JWT {token}", now=0) == "admin"

    access.renew()

    assert access.role_of(f"JWT {token}", now=0) is None
    assert access.role_of(basic(*old), now=0) is None
    assert access.role_of(basic(*access.auth_for("admin")), now=0) == "admin"
    assert {old[1], access.auth_for("admin")[1]} <= access.passwords


@pytest.mark.parametrize("letter", ["!", "-", "_", "\n", " "])
def test_a_letter_that_base64_lacks_makes_credentials_nothing(letter: str) -> None:
    access = Access()
    header = basic(*access.auth_for("admin"))

    assert access.role_of(f"{header[:12]}{letter}{header[12:]}", now=0) is None
