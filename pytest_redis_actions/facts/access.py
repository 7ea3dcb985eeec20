"""Roles, permissions, and the two authentication schemes.

Source: E-ROUTE-7, E-NODE-3 to E-NODE-9, E-PERM-1 to E-PERM-4, E-HTTP-3, E-ASSUMED-25.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from functools import cache

from ..errors import UsageError, advice, shown
from .releases import NEWEST, SINCE, has

__all__ = ["ADMIN", "ANYBODY", "ROLES", "Access", "checked_auth", "may", "roles_of"]

__tracebackhide__ = True

ADMIN = "admin"
NOBODY = "none"
USER_MANAGER = "user_manager"
ROLES = (ADMIN, "cluster_member", "cluster_viewer", "db_member", "db_viewer", USER_MANAGER, NOBODY)

_VIEWERS = frozenset(ROLES) - {NOBODY}
_MEMBERS = frozenset((ADMIN, "cluster_member", "db_member"))
_ADMINS = frozenset((ADMIN,))
_MANAGERS = frozenset((ADMIN, USER_MANAGER))

VIEW = "view_status_of_cluster_action"
VIEW_NODE = "view_status_of_node_action"
VIEW_ALL_NODES = "view_status_of_all_node_actions"

ANYBODY = "any permission"
"""Stands for a permission that every role holds, except "none", which holds no permission (E-PERM-3)."""

_HOLDERS: Mapping[str, frozenset[str]] = {  # E-PERM-4
    ANYBODY: _VIEWERS,
    VIEW: _VIEWERS,
    VIEW_NODE: _VIEWERS,
    VIEW_ALL_NODES: _VIEWERS,
    "view_bdb_info": _VIEWERS,
    "start_cluster_action": _ADMINS,
    "cancel_cluster_action": _ADMINS,
    "start_node_action": _ADMINS,
    "cancel_node_action": _ADMINS,
    "create_bdb": _MEMBERS,
    "update_bdb": _MEMBERS,
    "delete_bdb": _MEMBERS,
    "update_bdb_with_action": _MEMBERS,
    "edit_bdb_module": _MEMBERS,
    "start_bdb_export": _MEMBERS,
    "start_bdb_import": _MEMBERS,
    "start_bdb_recovery": _MEMBERS,
    "migrate_shard": _MEMBERS,
    "failover_shard": _MEMBERS,
    "update_cluster": _ADMINS,
    "delete_user": _MANAGERS,
    "delete_role": _MANAGERS,
    "delete_redis_acl": _MANAGERS,
    "delete_ldap_mapping": _MANAGERS,
    "create_new_user": _MANAGERS,
    "create_role": _MANAGERS,
    "create_redis_acl": _MANAGERS,
    "create_ldap_mapping": _MANAGERS,
    "update_user": _MANAGERS,
    "update_role": _MANAGERS,
    "update_redis_acl": _MANAGERS,
    "update_ldap_mapping": _MANAGERS,
}

SHORTEST_TTL, DEFAULT_TTL, LONGEST_TTL = 1, 300, 86_400  # seconds: E-HTTP-3


def roles_of(release: str) -> tuple[str, ...]:
    """Return the roles that a release has. Source: E-PERM-2, E-PERM-3."""
    return tuple(role for role in ROLES if role != USER_MANAGER or has(release, "user-manager"))


@cache
def may(role: str, permission: str, release: str) -> bool:
    """Tell whether a role holds a permission on a release. Source: E-PERM-4."""
    return role in _HOLDERS[permission] and role in roles_of(release)


class Access:
    """The users of one stub, one for each role of its release, and the tokens that they were given.

    Args:
        auth: the administrator's user name and password, None for the default ones, or False to require no credentials.
        release: its roles have users.
    """

    def __init__(self, auth: tuple[str, str] | bool | None = None, release: str = NEWEST) -> None:
        self.required = auth is not False
        self._users = {role: (f"{role}@example.com", f"{role}-password") for role in roles_of(release)}
        self._release = release
        if auth not in (None, True, False):
            self._users[ADMIN] = checked_auth(auth)
        self.passwords = {password for _, password in self._users.values()}
        """Every password that was ever good: none is shown anywhere."""
        self._tokens: dict[str, tuple[str, float]] = {}
        self._known: dict[str, str] = {}  # Authorization headers with a password that were good -> the role
        self._key = secrets.token_bytes()

    def auth_for(self, role: str) -> tuple[str, str]:
        """Return the user name and password of the user with this role.

        Raises:
            UsageError: no such role; the message names the nearest.
        """
        if isinstance(role, str) and role in self._users:
            return self._users[role]
        if role == USER_MANAGER:
            since = SINCE["user-manager"].documented
            raise UsageError(
                f"release {self._release} has no role {USER_MANAGER}", fix=f"use release={since!r} or newer", value=role
            )
        raise UsageError(
            f"unknown role {shown(role, 40)}",
            fix=advice(role, self._users) + f"known are {', '.join(self._users)}",
            value=role,
        )

    def renew(self) -> None:
        """Give the administrator another password; what was given for the old one is worth nothing any more."""
        user, _ = self._users[ADMIN]
        self._users[ADMIN] = (user, f"password-{secrets.token_hex(4)}")
        self.passwords.add(self._users[ADMIN][1])
        self._tokens.clear()
        self._known.clear()

    def role_of(self, header: str | None, now: float) -> str | None:
        """Return the role of whoever sent this Authorization header, or None for nobody that we know.

        Args:
            header: "Basic …" or "JWT …" (E-HTTP-3), or None.
            now: seconds on the clock.
        """
        if not self.required:
            return ADMIN
        header = header or ""
        if header in self._known:
            return self._known[header]
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "basic":
            role = self.role_of_user(*_decoded(credentials))
            if role is not None:
                self._known[header] = role
            return role
        if scheme.lower() == "jwt" and credentials in self._tokens:
            role, expires = self._tokens[credentials]
            return role if now < expires else None
        return None

    def role_of_user(self, user: str, password: str) -> str | None:
        """Return the role of the user with this name and password, or None."""
        for role, known in self._users.items():
            if known == (user, password):
                return role
        return None

    def token(self, role: str, *, ttl: int, now: float, epoch: int) -> str:
        """Return a JSON Web Token for a role; it is good until `ttl` seconds from `now`, on the stub's clock."""
        issued = int(epoch + now)
        claims = {"exp": issued + ttl, "iat": issued, "jti": secrets.token_hex(), "sub": self._users[role][0]}
        signed = b".".join(_segment(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        signature = hmac.new(self._key, signed, hashlib.sha256).digest()
        token = (signed + b"." + _segment(signature)).decode("ascii")
        self._tokens[token] = (role, now + ttl)
        return token


def _segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decoded(credentials: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password


def checked_auth(auth: object) -> tuple[str, str]:
    """Return a user name and password as a pair, or raise a UsageError."""
    if (
        isinstance(auth, (tuple, list))
        and len(auth) == 2
        and all(isinstance(part, str) and part for part in auth)
        and ":" not in auth[0]
    ):
        return auth[0], auth[1]
    raise UsageError(
        "auth must be a user name and a password",
        fix='write auth=("user", "password"), or auth=False to require no credentials; a user name has no colon',
    )
