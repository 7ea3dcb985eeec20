"""The schemas on disk: which one holds for a kind on a release, and the same schema in one piece."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ..errors import ReleaseError, UsageError, exact, nearest, shown
from ..facts.bundled import folder
from ..facts.releases import NEWEST, RELEASES, check_profile, check_release, not_before

__all__ = ["bundled", "check_profile", "kinds", "page", "rows", "schema_file", "urn"]

__tracebackhide__ = True

Schema = dict[str, Any]

_DOCUMENTATION = "https://redis.io/docs/latest/operate/rs"


@cache
def _manifest() -> Mapping[str, Any]:
    manifest: Mapping[str, Any] = json.loads((folder("schemas") / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def kinds() -> tuple[str, ...]:
    """Return every kind: objects, and responses named by their request."""
    return tuple(_manifest()["kinds"])


def schema_file(kind: str, release: str | None, profile: str) -> str:
    """Return the path, relative to schemas/, of the schema of a kind.

    Args:
        kind: "action", …, or a response such as "GET /v1/actions".
        release: None for the newest.
        profile: "wire" or "documented".

    Raises:
        UsageError: an unknown kind, with the nearest one, or an unknown profile.
        ReleaseError: an unknown release, or one that has no such kind; the message says which have it.
    """
    entry = _entry(kind)
    release = NEWEST if release is None else check_release(release)
    found = entry["profiles"].get(check_profile(profile))
    if found is None:
        raise UsageError(
            f"the reference documents no body for {kind}",
            fix=f"{kind} answers with a status code only there (E-C7); use profile='wire'",
            value=profile,
        )
    for row in found:
        if not_before(release, row["since"]) and not_before(row.get("until", NEWEST), release):
            return str(row["file"])
    since, until = found[0]["since"], found[-1].get("until", NEWEST)
    there_are = f"there is one since {since}" if until == NEWEST else f"there was one until {until}"
    raise ReleaseError(
        f"release {release} has no {kind}", fix=f"{there_are}; leave release out for the newest", value=release
    )


def _entry(kind: object) -> Mapping[str, Any]:
    kind = exact(kind)
    known: Mapping[str, Any] = _manifest()["kinds"]
    if isinstance(kind, str) and kind in known:
        entry: Mapping[str, Any] = known[kind]
        return entry
    without_body: Mapping[str, str] = _manifest()["without_body"]
    template = _template(kind, (*known, *without_body))
    if template is not None and template in without_body:
        raise UsageError(
            f"{template} answers without a body",
            fix=f"there is nothing to validate: look at the status code ({without_body[template]})",
            value=kind,
        )
    guess = template or nearest(kind, known) or nearest(f"GET {shown(kind)[1:-1]}", known)
    objects = ", ".join(name for name in known if " " not in name)
    raise UsageError(
        f"unknown kind {shown(kind, 60)}",
        fix=(f"write {guess!r}; " if guess else "")
        + f"objects are {objects}; responses are named like 'GET /v1/actions'",
        value=kind,
    )


def _template(kind: object, known: Iterable[str]) -> str | None:
    """Return the kind whose placeholders the segments of a request, "GET /v1/actions/5", fill in."""
    given = kind.split("/") if isinstance(kind, str) else []
    for template in known:
        parts = template.split("/")
        if len(parts) == len(given) and all(
            part == segment or (part.startswith("{") and segment) for part, segment in zip(parts, given, strict=True)
        ):
            return template
    return None


def rows(kind: str) -> Mapping[str, str]:
    """Return where a response has lists of objects: JSON Pointer of the list -> the kind of its rows."""
    found: Mapping[str, str] = _entry(kind).get("rows", {})
    return found


def page(kind: str, release: str) -> str:
    """Return the URL of the documentation page of a kind for a release; of 7.2, which has none, that of 7.4."""
    version = {"7.2": "7.4/", RELEASES[-1]: ""}.get(release, f"{release}/")
    where = _entry(kind)["page"]
    return f"{_DOCUMENTATION}/{version}references/rest-api/{where}" + ("/" if where else "")


@cache
def bundled(file: str) -> Schema:
    """Return a schema in one piece: every reference replaced by what it refers to. Not to be changed.

    Args:
        file: path relative to schemas/.
    """
    schema = _inlined(_read(file))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn(file), **schema}


def urn(file: str) -> str:
    """Return the $id of a schema: a stable name that is not an address."""
    return f"urn:pytest-redis-actions:schema:{file.removesuffix('.json')}"


@cache
def _read(file: str) -> Schema:
    schema: Schema = json.loads((folder("schemas") / file).read_text(encoding="utf-8"))
    return schema


def _inlined(node: Any) -> Any:
    if isinstance(node, list):
        return [_inlined(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        # The files lie beside each other and name each other always, so that every tool finds them.
        path, _, fragment = node["$ref"].partition("#")
        target = _read(path)
        for part in fragment.split("/")[1:]:
            target = target[part]
        return _inlined(target)
    return {key: _inlined(value) for key, value in node.items() if key != "$schema"}
