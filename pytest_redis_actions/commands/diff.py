"""What differs between two releases: routes, fields, words, permissions, codes; each with whom it breaks, and why.

"readers" are clients that read replies; "strict readers" refuse fields that they do not know, as the profile
"documented" does; "writers" send requests, or make up replies as a mock does.
Source: the tables and schemas of the project, and schemas/differences.json for what else the reference says: codes,
holders of permissions, fields and words that not every release has. Each line names its facts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ..contract import catalogue
from ..errors import RedisActionsError
from ..errors.citing import facts_in
from ..facts.access import ROLES, may
from ..facts.bundled import folder
from ..facts.releases import RELEASES, SINCE, UNTIL_FACTS, check_profile, check_release, has
from ..facts.routes import ROUTES, Read, Route, Start

__all__ = ["Change", "changes", "rendered"]

__tracebackhide__ = True

READS, STRICT, WRITES, NOBODY = "readers", "strict readers", "writers", "nobody"
_BREAKS = {
    "code": ("code", NOBODY, READS),
    "error code": ("error code", NOBODY, READS),
    "permission": ("permission", NOBODY, WRITES),
    "holder": ("permission", WRITES, NOBODY),
    "word": ("word", WRITES, READS),
}
"""sort of facts -> the sort of change, whom it breaks to take one away, and to add one."""
_EVIDENCE = {"POST /v1/cluster/actions/{action}": "E-C15, E-NODE-3", "objects/role": "E-GAP-6, E-PERM-2"}
"""Subject -> its own facts; those of others are permissions, E-PERM-4, or the reference itself, E-SRC-1."""


class Change(NamedTuple):
    """One thing that differs.

    Attributes:
        sort: "route", "dry run", "permission", "code", "error code", "object", "query", "field", "required", "type" or
            "word".
        sign: "+" for what the second release has, "-" for what it lacks, "~" for what is another.
        subject: the kind or request.
        what: the route, field, word, role or code.
        breaks: "readers", "strict readers", "writers" or "nobody".
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
    found = [*_of_routes(first, second, profile), *_of_reference(first, second, profile)]
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


@cache
def _reference() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return sort -> subject -> fact -> the releases that have it, "7.8 7.22"."""
    document = json.loads((folder("schemas") / "differences.json").read_text(encoding="utf-8"))
    facts: Mapping[str, Mapping[str, Mapping[str, str]]] = document["facts"]
    return facts


def _of_reference(first: str, second: str, profile: str) -> Iterator[Change]:
    """Yield what the reference says and no table or schema of ours; the pages of 7.4 stand for 7.2."""
    first, second = (RELEASES[1] if release == RELEASES[0] else release for release in (first, second))
    played = {_nameless(f"{method} {route.template}"): route for route in ROUTES for method in route.methods}
    permissions = {handling.permission for route in ROUTES for handling in route.methods.values()}
    pages = _reference()["page"]
    for sort, subjects in _reference().items():
        for subject, facts in subjects.items():
            there = next(iter(pages.get(subject, {}).values()), " ".join(RELEASES)).split()
            before, after = ({fact for fact in facts if each in facts[fact].split()} for each in (first, second))
            if sort == "page":
                if before != after and _nameless(subject) not in played:
                    yield _changed("route", subject, subject, bool(after), WRITES, NOBODY)
            elif first in there and second in there and subject not in permissions:
                route = played.get(_nameless(subject))
                name = subject if route is None else f"{subject.split(' ')[0]} {route.template}"
                of = _of_fields if sort in ("query", "request field", "reply field") else _of_facts
                yield from of(sort, name, before - after, after - before, profile)


def _nameless(request: str) -> str:
    return re.sub(r"\{\w+\}", "{}", request)


def _changed(sort: str, subject: str, what: str, is_new: bool, taken: str, added: str) -> Change:
    return Change(sort, "+" if is_new else "-", subject, what, added if is_new else taken, _evidence(subject))


def _evidence(subject: str) -> str:
    is_permission = not re.search("[ /]", subject)
    return _EVIDENCE.get(subject, "E-PERM-4" if is_permission else "E-SRC-1")


def _of_facts(sort: str, subject: str, gone: set[str], new: set[str], profile: str) -> Iterator[Change]:
    name, taken, added = _BREAKS[sort]
    yield from (_changed(name, subject, fact, fact in new, taken, added) for fact in gone | new)


def _of_fields(sort: str, subject: str, gone: set[str], new: set[str], profile: str) -> Iterator[Change]:
    old, now = (dict(fact.split(": ", 1) for fact in facts) for facts in (gone, new))
    is_reply, name_of_sort = sort == "reply field", "query" if sort == "query" else "field"
    taken, added = (READS, _added(profile)) if is_reply else (WRITES, NOBODY)
    for name in sorted({*old, *now} - {"dry_run"}):  # which has a sort of its own
        words = [set(re.findall(r"'([\w-]+)'", each.get(name, ""))) for each in (old, now)]
        if name not in old or name not in now:
            breaks = WRITES if name in _needed(subject) else added
            yield _changed(name_of_sort, subject, f"/{name}", name in now, taken, breaks)
        elif all(words):
            gone, new = ({f"/{name} {word}" for word in each} for each in (words[0] - words[1], words[1] - words[0]))
            yield from _of_facts("word", subject, gone, new, profile)
        else:
            what = f"/{name}: {old[name]} -> {now[name]}"
            yield Change("type", "~", subject, what, READS if is_reply else WRITES, _evidence(subject))


def _added(profile: str) -> str:
    """Return whom a further field of a reply breaks."""
    return STRICT if profile == "documented" else NOBODY


def _needed(subject: str) -> set[str]:
    """Return the fields without which a request is refused."""
    starts = (
        handling
        for route in ROUTES
        for method, handling in route.methods.items()
        if f"{method} {route.template}" == subject and isinstance(handling, Start)
    )
    return {name for start in starts for needed in start.carried.needs for name in needed.names}


def _facts(route: Route) -> str:
    feature = route.feature or ""
    return UNTIL_FACTS[feature] if feature in UNTIL_FACTS else ", ".join(facts_in(SINCE[feature].source))


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
            facts = ", ".join(facts_in(SINCE[since].source))
            yield Change("dry run", "+" if after else "-", request, "dry_run", NOBODY if after else WRITES, facts)


def _of_kind(kind: str, first: str, second: str, profile: str) -> Iterator[Change]:
    before, after = (_schema_file(kind, release, profile) for release in (first, second))
    if before is None or after is None:
        if before != after and " " not in kind:  # of a response the route tells
            facts = ", ".join(facts_in(catalogue.bundled(before or after or "")["$comment"]))
            yield Change("object", "+" if after else "-", kind, kind, NOBODY if after else READS, facts)
    elif before != after:
        yield from _of_schemas(kind, catalogue.bundled(before), catalogue.bundled(after), "", profile)


def _schema_file(kind: str, release: str, profile: str) -> str | None:
    try:
        return catalogue.schema_file(kind, release, profile)
    except RedisActionsError:
        return None  # this release, or the reference, has no such kind


def _of_schemas(kind: str, before: Any, after: Any, pointer: str, profile: str) -> Iterator[Change]:
    facts = ", ".join(facts_in(after.get("$comment", before.get("$comment", ""))))
    if before.get("type") != after.get("type") or ("anyOf" in after and before.get("anyOf") != after["anyOf"]):
        what = f"{pointer or 'the document'}: {_type(before)} -> {_type(after)}"
        yield Change("type", "~", kind, what, READS, facts)
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
        yield from _of_field(kind, mine.get(name), theirs.get(name), f"{pointer}/{name}", profile)
    for part in ("items", "then", "else"):
        if part in before and part in after:
            below = pointer + ("/*" if part == "items" else "")
            yield from _of_schemas(kind, before[part], after[part], below, profile)


def _type(schema: Any) -> str:
    """Return the types that a schema allows, "integer or string"."""
    return " or ".join(each.get("type", "anything") for each in schema.get("anyOf", [schema]))


def _of_field(kind: str, before: Any, after: Any, pointer: str, profile: str) -> Iterator[Change]:
    was, is_ = (each is not None and each.get("not") != {} for each in (before, after))
    if was and is_:
        yield from _of_schemas(kind, before, after, pointer, profile)
    elif was or is_:
        facts = ", ".join(facts_in((after if is_ else before).get("$comment", "")))
        yield Change("field", "+" if is_ else "-", kind, pointer, _added(profile) if is_ else READS, facts)


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
    return "\n".join((f"{head}: {len(found)} difference{'s' if len(found) > 1 else ''}{_broken(found)}", *lines))


def _broken(found: Sequence[Change]) -> str:
    """Return how many changes break whom, "; 2 break readers, 1 breaks writers"; nothing if they break nobody."""
    counts = sorted(Counter(each.breaks for each in found if each.breaks != NOBODY).items())
    told = ", ".join(f"{number} break{'s' if number == 1 else ''} {who}" for who, number in counts)
    return told and f"; {told}"
