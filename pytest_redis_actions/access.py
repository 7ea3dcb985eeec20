"""Who may do what: roles, permissions, and the two ways to say who one is.

Source: E-ROUTE-7, E-NODE-3 to E-NODE-9, E-PERM-1, E-HTTP-3, E-ASSUMED-9, E-ASSUMED-10, E-ASSUMED-20.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from .errors import UsageError, advice, shown
from .releases import has

__all__ = ["ADMIN", "ANYBODY", "ROLES", "Access", "may"]

__tracebackhide__ = True

ADMIN = "admin"
ROLES = (ADMIN, "cluster_member", "cluster_viewer", "db_member", "db_viewer", "user_manager")

_VIEWERS = frozenset(ROLES) - {"user_manager"}
_MEMBERS = frozenset((ADMIN, "cluster_member", "db_member"))
_ADMINS = frozenset((ADMIN,))

VIEW = "view_status_of_cluster_action"
VIEW_NODE = "view_status_of_node_action"
VIEW_ALL_NODES = "view_status_of_all_node_actions"

ANYBODY = "any role"
"""Stands for a permission that every role holds."""

_HOLDERS: Mapping[str, frozenset[str]] = {
    ANYBODY: frozenset(ROLES),
    VIEW: _VIEWERS,
    VIEW_NODE: _VIEWERS,
    VIEW_ALL_NODES: _VIEWERS,
    "start_cluster_action": _ADMINS,
    "cancel_cluster_action": _ADMINS,
    "start_node_action": _ADMINS,
    "cancel_node_action": _ADMINS,
    "create_bdb": _MEMBERS,
    "update_bdb": _MEMBERS,
    "delete_bdb": _MEMBERS,
    "update_bdb_with_action": _MEMBERS,
    "start_bdb_export": _MEMBERS,
    "start_bdb_import": _MEMBERS,
    "start_bdb_recovery": _MEMBERS,
    "migrate_shard": _MEMBERS,
    "failover_shard": _MEMBERS,
    "update_cluster": _ADMINS,
    "delete_user": _ADMINS | {"user_manager"},
    "delete_role": _ADMINS,
    "delete_redis_acl": _ADMINS,
    "delete_ldap_mapping": _ADMINS,
}

SHORTEST_TTL, DEFAULT_TTL, LONGEST_TTL = 1, 300, 86_400  # seconds: E-HTTP-3


def may(role: str, permission: str, release: str) -> bool:
    """Tell whether a role holds a permission on a release."""
    if role == "user_manager" and permission in (VIEW, VIEW_NODE, VIEW_ALL_NODES):
        return has(release, "user-manager")
    return role in _HOLDERS[permission]


class Access:
    """The users of one stub, one for each role, and the tokens that they were given.

    Args:
        auth: the administrator's user name and password, None for the default ones, or False to let everybody in.
    """

    def __init__(self, auth: tuple[str, str] | bool | None = None) -> None:
        self.required = auth is not False
        self._users = {role: (f"{role}@example.com", f"{role}-password") for role in ROLES}
        if auth not in (None, True, False):
            self._users[ADMIN] = _checked_auth(auth)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._key = secrets.token_bytes(32)

    def auth_for(self, role: str) -> tuple[str, str]:
        """Return the user name and password of the user with this role.

        Raises:
            UsageError: no such role; the message names the nearest.
        """
        if isinstance(role, str) and role in self._users:
            return self._users[role]
        raise UsageError(
            f"unknown role {shown(role, 40)}",
            fix=advice(role, ROLES) + f"known are {', '.join(ROLES)}",
            value=role,
        )

    def renew(self) -> None:
        """Give the administrator another password; what was given for the old one is worth nothing any more."""
        user, _ = self._users[ADMIN]
        self._users[ADMIN] = (user, f"password-{secrets.token_hex(4)}")
        self._tokens.clear()

    def role_of(self, header: str | None, now: float) -> str | None:
        """Return the role of whoever sent this Authorization header, or None for nobody that we know.

        Args:
            header: "Basic …" or "JWT …" (E-HTTP-3), or None.
            now: seconds on the clock.
        """
        if not self.required:
            return ADMIN
        scheme, _, credentials = (header or "").partition(" ")
        if scheme.lower() == "basic":
            return self.role_of_user(*_decoded(credentials))
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
        claims = {"exp": issued + ttl, "iat": issued, "jti": secrets.token_hex(8), "sub": self._users[role][0]}
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


def _checked_auth(auth: object) -> tuple[str, str]:
    if (
        isinstance(auth, (tuple, list))
        and len(auth) == 2
        and all(isinstance(part, str) and part for part in auth)
        and ":" not in auth[0]
    ):
        return auth[0], auth[1]
    raise UsageError(
        "auth is no pair of user name and password",
        fix='write auth=("user", "password"), or auth=False to let everybody in; a name holds no colon',
    )
