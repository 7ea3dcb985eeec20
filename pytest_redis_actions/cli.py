"""`redis-actions …`: what the project offers on the command line. _STATUS has the exit statuses."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from .errors import RedisActionsError, UsageError, advice, nearest, safe, shown

if TYPE_CHECKING:
    from .contract import Violation
    from .scenarios.catalogue import Scenario

__all__ = ["main"]

_LINES = (".jsonl", ".ndjson")
_LARGEST = 256 << 20
"""Bytes of a file that are read at most."""
_FILE_HELP = "JSON, or JSON Lines if the name ends in .jsonl or .ndjson; - is standard input"
_STATUS = """\
exit status:
  0  nothing is wrong
  1  the document, the trace or the demo's suite is wrong; or the reader of the output has closed the pipe
  2  wrong usage: an unknown option, kind, release or code, or a file that cannot be read
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character gets an escape
    parser, commands = _parser()
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return 2
    try:
        _check_command(words, commands)
        given = parser.parse_args(words)
        command: Callable[[argparse.Namespace], int] = given.run
        return command(given)
    except RedisActionsError as error:
        print(f"redis-actions: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # or the interpreter complains about the pipe once more when it ends
        return 1


def _check_command(words: Sequence[str], commands: Iterable[str]) -> None:
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in commands:
        raise UsageError(
            f"unknown command {shown(name, 40)}",
            fix=advice(name, commands) + f"commands are {', '.join(commands)}",
            value=name,
        )


def _parser() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and those of the commands by name."""
    parser = _SubParser(prog="redis-actions", description="Stub and contract of the Redis Enterprise actions API.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and the known releases")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_SubParser)

    demo = commands.add_parser("demo", help="run an example suite on the stub, then watch a migration of half an hour")
    demo.set_defaults(run=_demo)

    validate = commands.add_parser("validate", help="check recorded payloads against the contract of a release")
    validate.add_argument("files", nargs="+", metavar="FILE", help=_FILE_HELP)
    validate.add_argument(
        "--lines", action="store_true", help="read each line as a document, whatever the name of the file"
    )
    validate.add_argument("-o", "--output", choices=("text", "json"), default="text")
    validate.set_defaults(run=_validate)

    scenarios = commands.add_parser("scenarios", help="print the scenarios of the client contract, or the plays of one")
    scenarios.add_argument("names", nargs="*", metavar="ID", help="S18, for its plays; all scenarios if left out")
    scenarios.set_defaults(run=_scenarios)

    schema = commands.add_parser("schema", help="print the JSON Schema of a kind, in one piece")
    schema.set_defaults(run=_schema)
    for command, name in ((validate, "--kind"), (schema, "kind")):
        options = {"required": True} if name.startswith("-") else {}
        command.add_argument(name, metavar="KIND", help='"action", … or a response, "GET /v1/actions"', **options)  # type: ignore[arg-type]  # argparse's own
        command.add_argument("--release", metavar="R", help="the newest if left out")
        command.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")

    for command in (validate, schema):
        command.epilog = f"{_kinds()}\n\n{_STATUS}"
    from .facts.lifecycle import KINDS

    kinds = ", ".join(KINDS)
    life = commands.add_parser("lifecycle", help="print what a status may become, as a table and as a Mermaid diagram")
    life.add_argument("--kind", metavar="KIND", default="task", help=f"{kinds}; task if left out")
    life.add_argument("--release", metavar="R", help="the newest if left out")
    life.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")
    life.set_defaults(run=_lifecycle)

    diff = commands.add_parser("diff", help="print what differs between two releases, and whom it breaks")
    diff.add_argument("releases", nargs=2, metavar="RELEASE", help="from which release, to which")
    diff.add_argument("kind", nargs="?", metavar="KIND", help="of this kind only")
    diff.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")
    diff.add_argument("-o", "--output", choices=("text", "markdown", "json"), default="text")
    diff.epilog = f"{_kinds()}\n\n{_STATUS}"
    diff.set_defaults(run=_diff)

    trace = commands.add_parser("check-trace", help="check a recorded trace, JSON or JSON Lines, against the lifecycle")
    trace.add_argument("file", metavar="FILE", help=_FILE_HELP)
    trace.add_argument("--kind", metavar="KIND", default="task", help=f"{kinds}; task if left out")
    trace.add_argument("--release", metavar="R", help="the newest if left out")
    trace.add_argument("--profile", default="wire", metavar="P", help="wire (the default) or documented")
    trace.add_argument(
        "--allow", action="append", default=[], metavar="RULE", help='"progress-fell", "completed->running"'
    )
    trace.set_defaults(run=_check_trace)

    explain = commands.add_parser("explain", help="say what a code means, or what a fact's id stands for")
    explain.add_argument("codes", nargs="+", metavar="CODE", help="RA101, E-TASK-5, …")
    explain.set_defaults(run=_explain)

    guide = commands.add_parser("help", help="list the guides, or print one of them, or the help of a command")
    guide.add_argument("topic", nargs="?", metavar="TOPIC", help="a guide or a command; the list of guides if left out")
    guide.set_defaults(run=partial(_help, commands.choices))
    return parser, commands.choices


class _SubParser(argparse.ArgumentParser):
    """A parser whose help ends with the exit statuses, in lines as they are written, and that knows what was meant."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{"epilog": _STATUS, "formatter_class": argparse.RawDescriptionHelpFormatter, **options})  # type: ignore[arg-type]  # argparse's own

    def error(self, message: str) -> NoReturn:
        given = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        guess = nearest(given[1] or given[2], self._words()) if given else None
        fix = f"write {guess}" if guess else f"{self.prog} --help describes them"
        super().error(f"{message}\n  fix  {fix}" if guess or "are required" in message else message)

    def _words(self) -> Iterator[str]:
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action.choices, dict):
                for name, parser in action.choices.items():
                    yield from (name, *parser._words())
            else:
                yield from action.choices or ()


class _Version(argparse.Action):
    def __call__(self, *_: object) -> None:
        from importlib.metadata import version

        from .facts.releases import RELEASES

        print(f"pytest-redis-actions {version('pytest-redis-actions')} (releases {', '.join(RELEASES)})")
        sys.exit(0)


def _kinds() -> str:
    from .contract import catalogue

    return "kinds:\n" + "\n".join(f"  {kind}" for kind in sorted(catalogue.kinds(), key=lambda kind: " " in kind))


def _demo(given: argparse.Namespace) -> int:
    if sys.stdout.isatty():
        print("redis-actions demo: starting pytest, which takes a few seconds", flush=True)
    from .commands.demo import run

    return run(sys.stdout)


def _validate(given: argparse.Namespace) -> int:
    from .contract import ContractError, catalogue
    from .facts.releases import NEWEST

    contract = {"kind": given.kind, "release": given.release or NEWEST, "profile": given.profile}
    catalogue.schema_file(**contract)  # what is asked for must exist, whatever the files hold
    results = []
    for file in given.files:
        for name, data in _documents(file, lines=given.lines):
            found = _violations(data, **contract)
            results.append({"document": name, "violations": [each.as_dict() for each in found]})
            if given.output == "text":
                print(f"{safe(name)}: {ContractError(found, **contract)}\n" if found else f"{safe(name)}: ok")
    if given.output == "json":
        # What is not ASCII is escaped by json, and DEL here: any terminal may see it.
        print(json.dumps({**contract, "documents": results}, indent=2).replace("\x7f", "\\u007f"))
    return 1 if any(result["violations"] for result in results) else 0


def _violations(data: bytes, *, kind: str, release: str, profile: str) -> list[Violation]:
    from .contract import documents, violations

    document, unreadable = documents.parse(data)
    return unreadable or violations(document, kind, release=release, profile=profile)


def _documents(name: str, *, lines: bool = False) -> Iterator[tuple[str, bytes]]:
    data = _read(name)
    if not lines and not name.endswith(_LINES):
        yield name, data
        return
    found = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    yield from ((f"{name}:{number}", line) for number, line in found or [(1, b"")])


def _read(name: str) -> bytes:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with open(name, "rb") as file:
                data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise _Unreadable(f"{_file(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _LARGEST:
        raise _Unreadable(
            f"{_file(name)} has more than {_LARGEST >> 20} MB: split it, or record JSON Lines and cut them"
        )
    return data


class _Unreadable(RedisActionsError):
    pass


def _file(name: str) -> str:
    """Return the end of a file's name, safe to print."""
    name = "standard input" if name == "-" else safe(name)
    return name if len(name) <= 40 else f"…{name[-39:]}"


def _help(commands: Mapping[str, argparse.ArgumentParser], given: argparse.Namespace) -> int:
    from .guides import TOPICS, summary, text

    if given.topic is None:
        print("redis-actions help TOPIC prints one of these guides:\n")
        print("\n".join(f"  {topic:<20} {summary(topic)}" for topic in TOPICS))
        print("\nredis-actions --help lists the commands, redis-actions help COMMAND their options.")
    elif given.topic in TOPICS:
        print(text(given.topic), end="")
    elif given.topic in commands:
        commands[given.topic].print_help()
    else:
        word, names = given.topic.lower(), (*TOPICS, *commands)
        part = next((each for each in names if {word, f"{word}s"} & {*each.split("-"), each.replace("-", "")}), None)
        likely = f"write {part!r}; " if part else _mentions(word) or advice(word, names)
        raise UsageError(
            f"unknown topic {shown(given.topic, 40)}",
            fix=f"{likely}redis-actions help lists the topics",
            value=given.topic,
        )
    return 0


def _mentions(word: str) -> str:
    """Return "read 'faults' or 'journal'; ": the guides that mention a word most often, or "" if none does."""
    from .guides import TOPICS, text

    counts = {topic: len(re.findall(rf"\b{re.escape(word)}\b", text(topic).lower())) for topic in TOPICS}
    most = [topic for topic in sorted(TOPICS, key=counts.__getitem__, reverse=True) if counts[topic]][:2]
    return f"read {' or '.join(map(repr, most))}; " if most else ""


def _scenarios(given: argparse.Namespace) -> int:
    from .scenarios.catalogue import SCENARIOS, find_scenario

    group = ""
    for scenario in [find_scenario(name) for name in given.names] or SCENARIOS:
        if scenario.group != group and not given.names:
            group = scenario.group
            print(group)
        print(f"  {scenario.id}  {scenario.title}")
        print(f"       a sound client: {scenario.sound}")
        source = f"assumed: {scenario.assumed}" if scenario.assumed else f"rests on {', '.join(scenario.evidence)}"
        print(f"       {source}")
        if not given.names:
            continue
        print(f"       asked of {_asked(scenario)}")
        for play in scenario.plays:
            name = f"{scenario.id}:{play.name}" if play.name else scenario.id
            options = "".join(f", {option}={value!r}" for option, value in play.options.items())
            assumed = f", assumed: {play.assumed}" if play.assumed else ""
            print(f"       {name}  deadline {play.timeout:g} s{options}{assumed}")
    return 0


def _asked(scenario: Scenario) -> str:
    if scenario.waits_for:
        return f"clients with waits_for = {scenario.waits_for!r}"
    return f"clients with {scenario.capability} = True" if scenario.capability else "all"


def _schema(given: argparse.Namespace) -> int:
    from .contract import catalogue

    file = catalogue.schema_file(given.kind, given.release, given.profile)
    print(json.dumps(catalogue.bundled(file), indent=2, ensure_ascii=False))
    return 0


def _lifecycle(given: argparse.Namespace) -> int:
    from .facts.lifecycle import check_kind, lifecycle
    from .facts.releases import NEWEST, check_profile, check_release

    release = check_release(given.release or NEWEST)
    life = lifecycle(check_kind(given.kind), release, check_profile(given.profile))
    print(f"{life.noun}, release {life.release}\n")
    for before, following in life.transitions.items():
        print(f"  {before:<12}{', '.join(following) if following else '(terminal)'}")
    print(f"\n{life.mermaid()}")
    return 0


def _diff(given: argparse.Namespace) -> int:
    from .commands.diff import changes, rendered

    first, second = given.releases
    found = changes(first, second, given.kind, profile=given.profile)
    print(rendered(found, first, second, given.profile, given.output))
    return 0


def _check_trace(given: argparse.Namespace) -> int:
    from .contract import ContractError
    from .facts.lifecycle import check_kind
    from .facts.releases import NEWEST, check_profile, check_release
    from .observed.trace_assertions import LifecycleError, assert_trace
    from .observed.trace_rules import check_allow

    contract = {"kind": check_kind(given.kind), "release": check_release(given.release or NEWEST)}
    contract["profile"] = check_profile(given.profile)
    check_allow(given.allow)
    name, observations, found = _observations(given.file)
    try:
        if found:
            raise ContractError(found, **{**contract, "kind": "trace"})
        assert_trace(observations, **contract, allow=given.allow)
    except (LifecycleError, ContractError, UsageError) as error:
        # The options are right, so that a UsageError is about the document, too.
        print(f"{safe(name)}: {error}")
        return 1
    print(f"{safe(name)}: ok")
    return 0


def _observations(name: str) -> tuple[str, object, list[Violation]]:
    """Return the name of the document, the observations in it, and what keeps it from being JSON or JSON Lines."""
    from .contract import documents

    data = _read(name)
    document, found = documents.parse(data)
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    if not found and not (len(lines) == 1 and name.endswith(_LINES)):
        return name, document, []
    parsed = [(number, *documents.parse(line)) for number, line in lines]
    wrong = next(((number, unreadable) for number, _, unreadable in parsed if unreadable), None)
    if wrong is None and parsed:
        return name, [each for _, each, _ in parsed], []
    if wrong is not None and (name.endswith(_LINES) or not parsed[0][2]):
        return f"{name}:{wrong[0]}", None, wrong[1]
    return name, None, found


def _explain(given: argparse.Namespace) -> int:
    from .commands.explain import explanation, known_codes

    for code in given.codes:
        text = explanation(code.upper())
        if text is None:
            codes = [each for each in known_codes() if each.startswith("RA")]
            guess = nearest(code.upper(), known_codes())
            raise UsageError(
                f"unknown code {shown(code, 40)}",
                fix=(f"write {guess}; " if guess else "")
                + f"known are {', '.join(codes)}, and the facts of schemas/evidence.md, E-TASK-5 and so on",
                value=code,
            )
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
