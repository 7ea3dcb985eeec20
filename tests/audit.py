"""Take the facts of the official reference out of its pages: no sentences, only what tables and samples say.

    python tests/audit.py ../docs          reads a checkout of redis/docs, or its git directory, and writes
                                           tests/data/reference.json; test_audit.py compares the project with it.
                                           What differs between releases goes to schemas/differences.json, too

A page that is missing, or that lost a table that it had, stops it with the page's name; so does a sort of facts that
shrinks below its minimum.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent / "data" / "reference.json"
SHIPPED = Path(__file__).parent.parent / "schemas" / "differences.json"
"""What of the facts differs between releases: it comes with the package, for `redis-actions diff`."""
ROOT = "content/operate/rs"
FOLDERS = {"7.4": "7.4/", "7.8": "7.8/", "7.22": "7.22/", "8.0": "8.0/", "8.2": ""}
"""release -> its folder; the reference has none for 7.2, and the newest one has no number."""

# page below references/rest-api/requests -> the releases that have it, first and last
REQUESTS: dict[str, tuple[str, str]] = {
    "actions/_index": ("7.4", "8.2"),
    "actions/bdb": ("7.4", "8.2"),
    "bdbs/_index": ("7.4", "8.2"),
    "bdbs/actions/export": ("7.4", "8.2"),
    "bdbs/actions/import": ("7.4", "8.2"),
    "bdbs/actions/rebalance": ("7.8", "8.2"),
    "bdbs/actions/recover": ("7.4", "8.2"),
    "bdbs/actions/resume_traffic": ("7.8", "8.2"),
    "bdbs/actions/revamp": ("7.22", "8.2"),
    "bdbs/actions/stop_traffic": ("7.8", "8.2"),
    "bdbs/modules/upgrade": ("7.4", "8.2"),
    "bdbs/upgrade": ("7.4", "8.2"),
    "cluster/actions": ("7.4", "8.2"),
    "ldap_mappings/_index": ("7.4", "8.2"),
    "modules/_index": ("7.4", "8.2"),
    "modules/upgrade": ("7.4", "7.22"),
    "nodes/actions": ("7.4", "8.2"),
    "redis_acls/_index": ("7.4", "8.2"),
    "roles/_index": ("7.4", "8.2"),
    "shards/actions/failover": ("7.8", "8.2"),
    "shards/actions/migrate": ("7.4", "8.2"),
    "users/_index": ("7.4", "8.2"),
    "users/authorize": ("7.4", "8.2"),
    "users/refresh_jwt": ("7.4", "8.2"),
}
OBJECTS = ("action", "bdb/status", "ldap_mapping", "redis_acl", "role", "state-machine", "user")

LACKING = {
    ("POST /v2/bdbs", "permission"),
    ("POST /v2/bdbs", "code"),
    ("GET /v1/nodes/{node_uid}/actions/{action}", "permission"),
    ("POST /v1/users/authorize", "permission"),
    ("POST /v1/users/refresh_jwt", "permission"),
}
"""What the reference does not say of a request; anything else that is missing is a table that changed its shape."""

MINIMA = {
    "code": 140, "dry run": 5, "error code": 110, "granted": 250, "holder": 250, "page": 50, "permission": 45,
    "query": 5, "reply field": 40, "request field": 30, "required": 8, "returns": 30, "role": 90, "sample": 25,
    "word": 10,
}  # fmt: skip
"""sort of facts -> how many of them each release has at least; fewer are a reference that was not understood."""

Facts = dict[str, dict[str, dict[str, list[str]]]]
"""sort -> subject -> fact -> the releases that have it."""

Read = Callable[[str], "str | None"]
"""Returns the text of a page by its path in the reference, None if there is none."""

_HEADING = re.compile(r"(#{3,6}) +([^{]*).*")
_REQUEST = re.compile(r"\s*(GET|PUT|POST|DELETE|PATCH) (/[^\s?]*(?: ?[^\s?]*\})?[^\s?]*)\s*")
_NEEDED = re.compile(
    r"must have an? ([\w, ]+)\.|(list of shard UIDs|node UID) is required and not given", re.IGNORECASE
)
_LINK = re.compile(r"\[([^\]]*)\]\([^()]*\)")


class AuditError(Exception):
    """The reference could not be read as expected; the text begins with the page."""


class Table(NamedTuple):
    """A table: whether it describes the reply, heading and line above it, its columns and rows."""

    in_reply: bool
    heading: str
    above: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def plain(text: str) -> str:
    """Return a text without templates, links, tags and marks; a break becomes a new line."""
    text = re.sub(r"\{\{.*?\}\}", "", text)
    text = re.sub(r"</?br ?/?>", "\n", _LINK.sub(r"\1", text))
    text = re.sub(r"<[^>]*>?", "", text).replace("&nbsp;", " ").replace("\\", "")
    return "\n".join(line.strip() for line in re.sub("[`*]", "", text).split("\n")).strip()


def cells(line: str) -> tuple[str, ...]:
    """Return the cells of a line of a table."""
    line = re.sub(r"\{\{.*?\}\}", "", line).strip()
    return tuple(plain(cell) for cell in line.removeprefix("|").removesuffix("|").split("|"))


class Section:
    """What is below one heading of the second level of a page: a request with its tables, samples and links."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.request = ""
        self.tables: list[Table] = []
        self.samples: list[tuple[bool, str]] = []
        self.links: set[str] = set()
        self._in_reply, self._heading, self._above = False, "", ""
        self._read()

    def _read(self) -> None:
        block: list[str] | None = None
        table: list[str] = []
        for line in [*self.text.split("\n"), ""]:
            if line.startswith("```"):
                if block is not None:
                    self._block("\n".join(block))
                block = [] if block is None else None
            elif block is not None:
                block.append(line)
            elif line.startswith("|") or (table and "|" in line) or re.match(r" \w+ +\|", line):
                table.append(line)
            else:
                if table:
                    self._table(table)
                    table = []
                self._line(line)

    def _line(self, line: str) -> None:
        self._above = line or self._above
        if found := _HEADING.fullmatch(line):
            self._heading = plain(found.group(2)).lower()
            if found.group(1) == "###":
                self._in_reply = self._heading.startswith("response")
        elif not self.request and (request := _REQUEST.fullmatch(line)):
            self.request = f"{request.group(1)} {without_types(request.group(2))}"
        elif self._in_reply:
            self.links |= set(re.findall(r"references/rest-api/(objects/[\w/-]+)", line))

    def _block(self, text: str) -> None:
        if text.lstrip()[:1] in ("{", "["):
            self.samples.append((self._in_reply, text))
        else:
            for line in text.split("\n"):
                self._line(line)

    def _table(self, lines: list[str]) -> None:
        rows = [cells(line) for line in lines if not re.fullmatch(r"[|\s:-]+", line)]
        columns = tuple(column.lower() for column in rows[0])
        self.tables.append(Table(self._in_reply, self._heading, self._above, columns, tuple(rows[1:])))


def without_types(path: str) -> str:
    """Return a path whose placeholders are names only: {int: uid} becomes {uid}."""
    return re.sub(r"\{\w+: *(\w+)\}", r"{\1}", path)


def name_of(method: str, template: str) -> str:
    """Return the name under which both sides know a request: placeholders without names."""
    path = re.sub(r"\{\w+\}", "{}", template)
    return f"{method} " + re.sub(r"^(/v1/bdbs/\{\})/(flush|reset_admin_pass)$", r"\1/{}", path)


def document(sample: str) -> Any:
    """Return a sample as JSON, without what stands for further fields in it; None if it is not JSON then."""
    text = re.sub(r'(?m)^\s*(?://.*|"// ?[^"]*"(?:\s*:\s*"[^"]*")?,?)$', "", sample)
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    try:
        return json.loads(text)
    except ValueError:
        return None


def facts_of_request(section: Section, page: str) -> Iterator[tuple[str, str]]:
    """Yield (sort, fact) of a section that describes a request."""
    yield "page", page
    for table in section.tables:
        first = table.columns[0]
        for row in table.rows:
            if first == "permission name":
                yield "permission", row[0]
                yield from (("role", role) for role in row[1].split("\n") if role) if len(row) > 1 else ()
            elif first == "code":
                number = re.match(r"[1-5]\d\d\b", row[0])
                yield ("code", number.group()) if number else ("error code", row[0])
            elif first in ("field", "parameter", "paramter") and "url" not in table.heading:
                yield from _facts_of_field(table, row)
            if "are required" in table.above:
                yield "required", row[0]
    for names, uid in _NEEDED.findall(section.text):
        yield from (("required", name) for name in re.findall(r"\b(?!and\b)\w+", names))
        if uid:
            yield "required", "target_node_uid" if "node" in uid.lower() else "shard_uids"
    yield from (("returns", link) for link in sorted(section.links))
    if "dry_run" in section.text:
        yield "dry run", "yes"
    for in_reply, sample in section.samples:
        found = document(sample)
        if in_reply and found is not None:
            abridged = isinstance(found, dict) and '"//' in sample
            yield "abridged sample" if abridged else "sample", json.dumps(found, ensure_ascii=False)


def _facts_of_field(table: Table, row: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    words = re.findall(r'"([\w-]+)"', row[1])
    kind = " ".join(row[1].split())
    sort = "query" if "query" in table.heading else "reply field" if table.in_reply else "request field"
    yield sort, f"{row[0]}: {'one of' if words else kind}"
    yield from (("word", f"{row[0]} {word}") for word in words)


def facts_of_object(text: str) -> Iterator[tuple[str, str]]:
    """Yield (sort, fact) of a page that describes an object: fields, words of a status, and errors of a task."""
    section = Section(text)
    for table in section.tables:
        if table.columns[0] in ("name", "field"):
            yield from _facts_of_fields(table)
        elif table.columns[0] == "code":
            yield from (("error code", row[0]) for row in table.rows)
    told = re.search(r"the ((?:`\w+`(?:,| and)? )+)fields describe the error", text)
    yield from (
        (("reply field", f"{name}: string") for name in re.findall(r"`(\w+)`", told.group(1)) if told) if told else ()
    )
    yield from (("arrow", " ".join(each)) for each in re.findall(r"(?m)^ *(\w+) --> (\w+)$", text))
    if "`task_id`" in text:
        yield "reply field", "task_id: string"


def _facts_of_fields(table: Table) -> Iterator[tuple[str, str]]:
    name = ""
    rows = [row for row in table.rows if len(row) > 1]
    for number, row in enumerate(rows):
        name = row[0] or name
        several = not row[0] or (number + 1 < len(rows) and not rows[number + 1][0])
        words = re.findall(r"[\w-]+", row[1])[:1] if several else re.findall(r'"([\w-]+)"', row[1])
        if row[0]:
            yield "reply field", f"{name}: {'one of' if words else ' '.join(row[1].split())}"
        yield from (("word", f"{name} {word}") for word in words)


def facts_of_permissions(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield ("holder", permission, role), from both tables of the page."""
    for table in Section(text).tables:
        for left, right, *_ in (row for row in table.rows if len(row) > 1):
            if table.columns[0] == "permission":
                yield from (("holder", left, role) for role in right.split("\n") if re.fullmatch(r"\w+", role))
            elif table.columns[0] == "role":
                yield from (("granted", name, left) for name in re.findall(r"\w+", right) if "_" in name)


def extract(read: Read) -> Facts:
    """Return the facts of every release.

    Raises:
        AuditError: a page that is missing, or from which something is missing that it had.
    """
    facts: Facts = {}
    for release in FOLDERS:
        counted: dict[str, int] = {}
        for sort, subject, fact in _facts_of_release(release, read):
            releases = facts.setdefault(sort, {}).setdefault(subject, {}).setdefault(fact, [])
            if release not in releases:
                releases.append(release)
                counted[sort] = counted.get(sort, 0) + 1
        for sort, minimum in MINIMA.items():
            if counted.get(sort, 0) < minimum:
                page = f"{ROOT}/{FOLDERS[release]}references/rest-api"
                raise AuditError(
                    f"{page}: {counted.get(sort, 0)} facts of the sort {sort!r}, at least {minimum} expected"
                )
    return dict(sorted(facts.items()))


def _facts_of_release(release: str, read: Read) -> Iterator[tuple[str, str, str]]:
    base = f"{ROOT}/{FOLDERS[release]}references/rest-api"

    def text_of(page: str) -> str:
        text = read(f"{base}/{page}.md")
        if text is None:
            raise AuditError(f"{base}/{page}.md: no such page")
        return text

    yield from facts_of_permissions(text_of("permissions"))
    for name in OBJECTS:
        for sort, fact in facts_of_object(text_of(f"objects/{name}")):
            yield sort, f"objects/{name}", fact
    order = list(FOLDERS)
    for page, (first, last) in REQUESTS.items():
        if order.index(first) <= order.index(release) <= order.index(last):
            yield from _facts_of_page(page, f"{base}/requests/{page}.md", text_of(f"requests/{page}"))
        elif read(f"{base}/requests/{page}.md") is not None:
            raise AuditError(f"{base}/requests/{page}.md: a page that release {release} did not have; see REQUESTS")


def _facts_of_page(page: str, where: str, text: str) -> Iterator[tuple[str, str, str]]:
    top, *parts = re.split(r"(?m)^## .*$", text)
    listed = {f"{row[0]} {without_types(row[1])}" for table in Section(top).tables for row in table.rows}
    sections = [Section(part) for part in parts]
    if listed != {section.request for section in sections}:
        raise AuditError(
            f"{where}: its first table and its sections differ: {listed ^ {each.request for each in sections}}"
        )
    for section in sections:
        found = list(facts_of_request(section, page))
        for sort in ("permission", "code"):
            if sort not in dict(found) and (section.request, sort) not in LACKING:
                raise AuditError(f"{where}: {section.request} has no {sort}")
        yield from ((sort, section.request, fact) for sort, fact in found)


def counts(facts: Facts) -> dict[str, dict[str, int]]:
    """Return how many facts of each sort each release has."""
    return {
        sort: {
            release: sum(release in releases for each in subjects.values() for releases in each.values())
            for release in FOLDERS
        }
        for sort, subjects in facts.items()
    }


def reader(root: Path) -> tuple[Read, dict[str, str]]:
    """Return how to read a checkout or a git directory of the reference, and its commit and date.

    Raises:
        AuditError: it is neither, or has a folder of a release that is not in FOLDERS: the pages without a number are
            of a newer release then.
    """
    is_checkout = (root / ROOT).is_dir()
    git = ["git", "-C", str(root)] if is_checkout else ["git", f"--git-dir={root}"]

    def asked(*arguments: str) -> str | None:
        done = subprocess.run([*git, *arguments], capture_output=True, check=False)
        return done.stdout.decode("utf-8") if done.returncode == 0 else None

    def read(path: str) -> str | None:
        if not is_checkout:
            return asked("show", f"HEAD:{path}")
        file = root / path
        return file.read_text(encoding="utf-8") if file.is_file() else None

    told = asked("log", "-1", "--format=%H %cs")
    if told is None:
        raise AuditError(f"{root}: neither a checkout of redis/docs nor its git directory")
    commit, date = told.split()
    listed = [each.name for each in (root / ROOT).iterdir()] if is_checkout else (read(ROOT) or "").split()
    for name in sorted(each.rstrip("/") for each in listed if each[:1].isdigit()):
        if f"{name}/" not in FOLDERS.values():
            raise AuditError(
                f"{ROOT}/{name}/: a release that FOLDERS does not have; the newest pages are of another then"
            )
    return read, {"repository": "redis/docs", "commit": commit, "date": date}


def dumped(facts: Facts, source: dict[str, str]) -> str:
    """Return the data file, sorted: the releases of a fact are one text, so that a changed fact is one changed line."""
    short = {
        sort: {
            subject: {fact: " ".join(releases) for fact, releases in sorted(each.items())}
            for subject, each in sorted(subjects.items())
        }
        for sort, subjects in sorted(facts.items())
    }
    return json.dumps({"source": source, "facts": short}, indent=1, ensure_ascii=False) + "\n"


def differing(facts: Facts) -> Facts:
    """Return the facts that not every release has whose reference has their subject, and the releases of a request.

    What the schemas tell of actions is left out.
    """
    kept: Facts = {}
    for sort in ("page", "code", "error code", "permission", "holder", "query", "request field", "reply field", "word"):
        for subject, each in facts[sort].items():
            there = next(iter(facts["page"].get(subject, {}).values()), [*FOLDERS])
            for fact, releases in each.items():
                differs = len(releases) < len(FOLDERS if sort == "page" else there)
                if differs and not (
                    sort in ("reply field", "word") and re.search("/(state-machine|actions?)", subject)
                ):
                    kept.setdefault(sort, {}).setdefault(subject, {})[fact] = releases
    return kept


def load() -> tuple[Facts, dict[str, str]]:
    """Return the facts that the project keeps, and the edition that they are of."""
    kept = json.loads(FILE.read_text("utf-8"))
    facts = {
        sort: {subject: {fact: text.split() for fact, text in each.items()} for subject, each in subjects.items()}
        for sort, subjects in kept["facts"].items()
    }
    return facts, kept["source"]


def table_of(found: dict[str, dict[str, int]]) -> str:
    """Return the counts as lines of text."""
    lines = [f"{'facts':<16}" + "".join(f"{release:>6}" for release in FOLDERS)]
    lines += [f"{sort:<16}" + "".join(f"{number:>6}" for number in row.values()) for sort, row in found.items()]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the facts of the reference at the path given; return 1 if it could not be read as expected."""
    if len(arguments) != 1:
        print("usage: python tests/audit.py CHECKOUT_OR_GIT_DIRECTORY", file=sys.stderr)
        return 2
    try:
        read, source = reader(Path(arguments[0]))
        facts = extract(read)
    except AuditError as error:
        print(error, file=sys.stderr)
        return 1
    FILE.write_text(dumped(facts, source), "utf-8")
    SHIPPED.write_text(dumped(differing(facts), source), "utf-8")
    print(f"{source['repository']} {source['commit'][:12]} of {source['date']}\n{table_of(counts(facts))}")
    numbered = " ".join(folder for folder in FOLDERS.values() if folder)
    print(f"folders: {numbered} and the one without a number ({[*FOLDERS][-1]}), each under {ROOT}/")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
