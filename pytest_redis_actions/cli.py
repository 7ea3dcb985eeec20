"""`redis-actions …`: what the project offers on the command line.

Exit status: 0; 1 for departures, or a demo that failed; 2 for misuse.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import RedisActionsError, nearest

if TYPE_CHECKING:
    from .contract import Violation

__all__ = ["main"]

_LINES = (".jsonl", ".ndjson")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.run
    try:
        return command(given)
    except RedisActionsError as error:
        print(f"redis-actions: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # or the interpreter complains about the pipe once more when it ends
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redis-actions", description="Stub and contract of the Redis Enterprise actions API."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser("demo", help="run an example suite on the stub, then watch a migration of half an hour")
    demo.set_defaults(run=_demo)

    validate = commands.add_parser("validate", help="check recorded payloads against the contract of a release")
    validate.add_argument(
        "files", nargs="+", metavar="FILE", help="JSON; JSON Lines if it ends so; - is standard input"
    )
    validate.add_argument("--lines", action="store_true", help="each line is a document, whatever the file is called")
    validate.add_argument("-o", "--output", choices=("text", "json"), default="text")
    validate.set_defaults(run=_validate)

    scenarios = commands.add_parser(
        "scenarios", help="what a poller must survive: the catalogue of the client contract"
    )
    scenarios.add_argument("names", nargs="*", metavar="ID", help="S18, for its plays; all scenarios if left out")
    scenarios.set_defaults(run=_scenarios)

    schema = commands.add_parser("schema", help="print the JSON Schema of a kind, in one piece")
    schema.set_defaults(run=_schema)
    for command, name in ((validate, "--kind"), (schema, "kind")):
        options = {"required": True} if name.startswith("-") else {}
        command.add_argument(name, metavar="KIND", help='"action", … or a response, "GET /v1/actions"', **options)  # type: ignore[arg-type]  # argparse's own
        command.add_argument("--release", metavar="R", help="the newest if left out")
        command.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")

    life = commands.add_parser("lifecycle", help="print what a status may become, as a table and as a Mermaid diagram")
    life.add_argument("--kind", metavar="KIND", default="task", help="task (the default), state-machine or v2")
    life.add_argument("--release", metavar="R", help="the newest if left out")
    life.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")
    life.set_defaults(run=_lifecycle)

    trace = commands.add_parser("check-trace", help="check a recorded trace, JSON or JSON Lines, against the lifecycle")
    trace.add_argument("file", metavar="FILE", type=Path)
    trace.add_argument("--kind", metavar="KIND", default="task", help="task (the default), state-machine or v2")
    trace.add_argument("--release", metavar="R", help="the newest if left out")
    trace.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")
    trace.add_argument(
        "--allow", action="append", default=[], metavar="RULE", help='"progress-fell", "completed->running"'
    )
    trace.set_defaults(run=_check_trace)

    explain = commands.add_parser("explain", help="say what a code means")
    explain.add_argument("codes", nargs="+", metavar="CODE", help="RA101, …")
    explain.set_defaults(run=_explain)
    return parser


def _demo(given: argparse.Namespace) -> int:
    from .demo import run

    return run(sys.stdout)


def _validate(given: argparse.Namespace) -> int:
    from .contract import ContractError
    from .releases import NEWEST

    contract = {"kind": given.kind, "release": given.release or NEWEST, "profile": given.profile}
    results = []
    for name, data in _documents(given.files, lines=given.lines):
        found = _violations(data, **contract)
        results.append({"document": name, "violations": [vars(each) for each in found]})
        if given.output == "text":
            print(f"{name}: {ContractError(found, **contract)}\n" if found else f"{name}: ok")
    if given.output == "json":
        print(json.dumps({**contract, "documents": results}, indent=2))
    return 1 if any(result["violations"] for result in results) else 0


def _violations(data: bytes, *, kind: str, release: str, profile: str) -> list[Violation]:
    from .contract import catalogue, documents, violations

    catalogue.schema_file(kind, release, profile)  # what is asked for must exist, whatever the file holds
    document, unreadable = documents.parse(data)
    return unreadable or violations(document, kind, release=release, profile=profile)


def _documents(files: Sequence[str], *, lines: bool) -> Iterator[tuple[str, bytes]]:
    for name in files:
        data = _read(name)
        if not lines and not name.endswith(_LINES):
            yield name, data
            continue
        found = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
        yield from ((f"{name}:{number}", line) for number, line in found or [(1, b"")])


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise _Unreadable(f"{name} cannot be read: {error.strerror}") from None


class _Unreadable(RedisActionsError):
    pass


def _scenarios(given: argparse.Namespace) -> int:
    from .client_contract.scenarios import SCENARIOS, find_scenario

    group = ""
    for scenario in [find_scenario(name) for name in given.names] or SCENARIOS:
        if scenario.group != group and not given.names:
            group = scenario.group
            print(group)
        print(f"  {scenario.id}  {scenario.title}")
        print(f"       a sound client: {scenario.sound}")
        if not given.names:
            continue
        print(f"       asked of {f'clients with {scenario.capability} = True' if scenario.capability else 'all'}")
        for play in scenario.plays:
            name = f"{scenario.id}:{play.name}" if play.name else scenario.id
            options = "".join(f", {option}={value!r}" for option, value in play.options.items())
            print(f"       {name}  deadline {play.timeout:g} s{options}")
    return 0


def _schema(given: argparse.Namespace) -> int:
    from .contract import catalogue

    file = catalogue.schema_file(given.kind, given.release, given.profile)
    print(json.dumps(catalogue.bundled(file), indent=2, ensure_ascii=False))
    return 0


def _lifecycle(given: argparse.Namespace) -> int:
    from .lifecycle import check_kind, lifecycle
    from .releases import NEWEST, check_profile, check_release

    release = check_release(given.release or NEWEST)
    life = lifecycle(check_kind(given.kind), release, check_profile(given.profile))
    print(f"{life.noun}, release {life.release}\n")
    for before, following in life.transitions.items():
        print(f"  {before:<12}{', '.join(following) if following else '(terminal)'}")
    print(f"\n{life.mermaid()}")
    return 0


def _check_trace(given: argparse.Namespace) -> int:
    from .assertions import LifecycleError, assert_trace

    contract = {"kind": given.kind, "release": given.release, "profile": given.profile}
    try:
        assert_trace(given.file, **contract, allow=given.allow)
    except LifecycleError as error:
        print(f"{given.file}: {error}")
        return 1
    print(f"{given.file}: ok")
    return 0


def _explain(given: argparse.Namespace) -> int:
    from .contract import CODES
    from .trace import RULES

    known = {**CODES, **{code: (title, meaning) for code, (_, title, meaning) in RULES.items()}}
    for code in given.codes:
        if code.upper() not in known:
            guess = nearest(code.upper(), known)
            hint = f"; the nearest is {guess}" if guess else ""
            print(f"redis-actions: unknown code {code!r}{hint}; known are {', '.join(known)}", file=sys.stderr)
            return 2
        title, meaning = known[code.upper()]
        if code.upper() in RULES:
            meaning += f'\n  allow=["{RULES[code.upper()][0]}"] relaxes it'
        print(f"{code.upper()}  {title}\n  {meaning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
