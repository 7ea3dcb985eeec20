"""What differs between two releases: routes, fields, words, permissions, codes; each with whom it breaks, and why.

"who reads" is a client that reads replies; "who writes" one that sends requests, or makes replies up as a mock does.
Source: the tables and schemas of the project, whose facts each line names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .access import ROLES, may
from .contract import catalogue
from .errors import RedisActionsError
from .releases import SINCE, UNTIL_FACTS, check_profile, check_release, has, not_before
from .routes import ROUTES, Read, Route, Start

__all__ = ["Change", "changes", "rendered"]

__tracebackhide__ = True

READS, WRITES, NOBODY = "who reads", "who writes", "nobody"
_FACT = re.compile(r"E-(?:C\d+|[A-Z0-9]+-\d+)")
CODES = tuple(("POST /v1/cluster/actions/{action}", code, "8.0", "E-C15, E-NODE-3") for code in (404, 406))
"""Request, status code, the first release that documents it, the facts."""


class Change(NamedTuple):
    """One thing that differs.

    Attributes:
        sort: "route", "dry run", "permission", "code", "object", "field", "required", "type" or "word".
        sign: "+" for what the second release has, "-" for what it lacks, "~" for what is another.
        subject: the kind or request.
        what: the route, field, word, role or code.
        breaks: "who reads", "who writes" or "nobody".
        facts: the evidence, "E-STATUS-1, E-SINCE-10".
    """

    sort: str
    sign: str
    subject: str
    what: str
    breaks: str
    facts: str


def changes(first: str, second: str, kind: str | None = None, *, profile: str = "wire") -> list[Change]:
    """Return what differs between two releases, of one kind or of all.

    Raises:
        ReleaseError: an unknown release; the message names the nearest.
        UsageError: an unknown kind or profile; the message names the nearest.
    """
    first, second, profile = check_release(first), check_release(second), check_profile(profile)
    if kind is not None:
        catalogue.page(kind, second)
    kinds = catalogue.kinds() if kind is None else (kind,)
    found = [*_of_routes(first, second, profile)]
    found = [each for each in found if kind is None or each.subject == kind]
    for each in kinds:
        found += _of_kind(each, first, second, profile)
    return sorted(dict.fromkeys(found))


def _of_routes(first: str, second: str, profile: str) -> Iterator[Change]:
    for route in ROUTES:
        before, after = route.is_in(first, profile), route.is_in(second, profile)
        for method, handling in route.methods.items():
            request = f"{method} {route.template}"
            if before != after:
                yield Change(
                    "route", "+" if after else "-", request, request, NOBODY if after else WRITES, _facts(route)
                )
            elif after:
                yield from _of_request(request, handling, first, second, profile)
    for request, code, since, facts in CODES:
        before, after = not_before(first, since), not_before(second, since)
        if before != after:
            yield Change("code", "+" if after else "-", request, str(code), READS if after else NOBODY, facts)


def _facts(route: Route) -> str:
    feature = route.feature or ""
    return UNTIL_FACTS[feature] if feature in UNTIL_FACTS else ", ".join(_FACT.findall(SINCE[feature].source))


def _of_request(request: str, handling: Read | Start, first: str, second: str, profile: str) -> Iterator[Change]:
    for role in ROLES:
        if handling.permission:
            before, after = (may(role, handling.permission, release) for release in (first, second))
            if before != after:
                yield Change(
                    "permission", "+" if after else "-", request, role, NOBODY if after else WRITES, "E-PERM-2"
                )
    since = handling.carried.dry_run_since if isinstance(handling, Start) else None
    if since is not None:
        before, after = (has(release, since, profile) for release in (first, second))
        if before != after:
            facts = ", ".join(_FACT.findall(SINCE[since].source))
            yield Change("dry run", "+" if after else "-", request, "dry_run", WRITES, facts)


def _of_kind(kind: str, first: str, second: str, profile: str) -> Iterator[Change]:
    before, after = (_schema_file(kind, release, profile) for release in (first, second))
    if before is None or after is None:
        if before != after and " " not in kind:  # of a response the route tells
            facts = ", ".join(_FACT.findall(catalogue.bundled(before or after or "")["$comment"]))
            yield Change("object", "+" if after else "-", kind, kind, NOBODY if after else READS, facts)
    elif before != after:
        yield from _of_schemas(kind, catalogue.bundled(before), catalogue.bundled(after), "")


def _schema_file(kind: str, release: str, profile: str) -> str | None:
    try:
        return catalogue.schema_file(kind, release, profile)
    except RedisActionsError:
        return None  # this release, or the reference, has no such kind


def _of_schemas(kind: str, before: Any, after: Any, pointer: str) -> Iterator[Change]:
    facts = ", ".join(_FACT.findall(after.get("$comment", before.get("$comment", ""))))
    if before.get("type") != after.get("type") or ("anyOf" in after and before.get("anyOf") != after["anyOf"]):
        yield Change("type", "~", kind, pointer or "the document", READS, facts)
    for word in [*before.get("enum", ())]:
        if word not in after.get("enum", ()):
            yield Change("word", "-", kind, f"{pointer} {word}", WRITES, facts)
    for word in [*after.get("enum", ())]:
        if word not in before.get("enum", ()):
            yield Change("word", "+", kind, f"{pointer} {word}", READS, facts)
    for name in sorted({*before.get("required", ())} ^ {*after.get("required", ())}):
        more = name in after.get("required", ())
        yield Change("required", "+" if more else "-", kind, f"{pointer}/{name}", WRITES if more else READS, facts)
    mine, theirs = before.get("properties", {}), after.get("properties", {})
    for name in sorted({*mine, *theirs}):
        yield from _of_field(kind, mine.get(name), theirs.get(name), f"{pointer}/{name}")
    for part in ("items", "then", "else"):
        if part in before and part in after:
            yield from _of_schemas(kind, before[part], after[part], pointer + ("/*" if part == "items" else ""))


def _of_field(kind: str, before: Any, after: Any, pointer: str) -> Iterator[Change]:
    was, is_ = (each is not None and each.get("not") != {} for each in (before, after))
    if was and is_:
        yield from _of_schemas(kind, before, after, pointer)
    elif was or is_:
        facts = ", ".join(_FACT.findall((after if is_ else before).get("$comment", "")))
        yield Change("field", "+" if is_ else "-", kind, pointer, NOBODY if is_ else READS, facts)


def rendered(found: Sequence[Change], first: str, second: str, profile: str, output: str) -> str:
    """Return changes as "text", "markdown" or "json"."""
    if output == "json":
        document: Mapping[str, object] = {
            "from": first, "to": second, "profile": profile, "changes": [each._asdict() for each in found],
        }  # fmt: skip
        return json.dumps(document, indent=2)
    head = f"{first} -> {second}, {profile}"
    if not found:
        return f"{head}: nothing differs"
    if output == "markdown":
        rows = (
            f"| {each.sign} {each.sort} | {each.subject} | {each.what} | {each.breaks} | {each.facts} |"
            for each in found
        )
        return "\n".join((f"# {head}", "", "| | of | what | breaks | evidence |", "|---|---|---|---|---|", *rows))
    lines = []
    for each in found:
        where = each.subject if each.what == each.subject else f"{each.subject}: {each.what}"
        lines += [f"  {each.sign} {each.sort:<10} {where}", f"      breaks {each.breaks}; {each.facts}"]
    return "\n".join((f"{head}: {len(found)} difference{'s' if len(found) > 1 else ''}", *lines))
