"""Would a test notice? Change one thing of a module of ours at a time, and run the fast tests that belong to it.

    python tests/mutation.py --sample 10 --seed 7                   ten mutants of each module, drawn by the seed
    python tests/mutation.py --module contract/engine.py            all mutants of one module

Prints killed and survived per module and every survivor as a diff; exits with 1 if fewer than 95 % of the mutants that
are not equivalent are killed, with 2 if tests fail without a mutant.

All tests are collected once and run once, to see which functions each enters. A mutant is then put into its function in
a fork, where the tests that enter it run, the quickest first. What these let live, and what stands in no function, has
a second look: everything is imported with the mutant, and all tests of its module run.

Why not a tool that exists: mutmut (3.x) has no seeded sample, mutates a copy of the whole project and the bodies of
functions only, so that tables are left alone; cosmic-ray writes each mutant into the working tree, starts pytest anew
for each (1.5 s of imports here, against 0.1 s for a fork and its tests), and has neither dropped keyword arguments nor
a list of equivalent mutants that survives a shift of lines.
"""

from __future__ import annotations

import argparse
import ast
import atexit
import contextlib
import faulthandler
import gc
import importlib.machinery
import importlib.util
import os
import pickle
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import hypothesis
import pytest
from mutation_tables import EQUIVALENT, TESTS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pytest_redis_actions"
_LIBRARIES = (
    "pytest requests trustme httpx httpcore hypothesis jsonschema jsonschema_rs werkzeug pytest_httpserver aiohttp "
    "anyio._backends._asyncio"
)
# The parent has imported plugins, so that pytest would warn that it cannot rewrite their asserts.
_REWRITING = "-W ignore::pytest.PytestAssertRewriteWarning"
_WITHOUT = " ".join(f"-p no:{name}" for name in ("randomly", "cacheprovider", "xdist", "schemathesis"))
_OPTIONS = f"-q --tb=no {_WITHOUT} --hypothesis-seed=0 --hypothesis-profile=mutation {_REWRITING}"
Place = tuple[str, int]
"""A function: its file, and its first line with its decorators."""
_INSTEAD: Mapping[type, tuple[type[Any], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,), ast.BitAnd: (ast.BitOr,),
}  # fmt: skip


class Mutant(NamedTuple):
    """One change of one module.

    Attributes:
        module: as in TESTS.
        function: where the change is, "Class.method", or "" for the module itself.
        before, after: the lines that differ, without indentation.
        source: the whole changed module.
        line: the first line that differs, from 1.
        start: the first line of the outermost function around it, with its decorators; 0 for none.
    """

    module: str
    function: str
    before: str
    after: str
    source: str
    line: int
    start: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the list of equivalent mutants knows it by; no line number, so that it survives a shift."""
        return self.module, self.function, self.before, self.after

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}\n    - {self.before}\n    + {self.after}"


@cache
def mutants(module: str, source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of the source; each compiles and differs from the others."""
    found: dict[str, Mutant] = {}
    own, tree = source.splitlines(), ast.parse(source)
    for function, start, node, replacement in _changes(tree, "", 0):
        changed = _replaced(source, node, replacement)
        try:
            ast.parse(changed)
        except SyntaxError:
            continue
        lines = changed.splitlines()
        first = _common(own, lines)
        last = _common(own[first:][::-1], lines[first:][::-1])
        before, after = (" ".join(map(str.strip, each[first : len(each) - last][:3])) for each in (own, lines))
        found.setdefault(changed, Mutant(module, function, before, after, changed, first + 1, start))
    return list(found.values())


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many lines are the same at the start of two texts."""
    return next(
        (number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _changes(node: ast.AST, function: str, start: int) -> Iterator[tuple[str, int, Any, str]]:
    """Yield where (as in Mutant: function, start), a node and the text that takes its place.

    Annotations, docstrings and f-strings are left alone, how long exactly a text may be, and the `strict` of a zip: it
    looks for slips of our own.
    """
    if _is_left_out(node):
        return
    for text in _replacements(node):
        yield function, start, node, text
    for condition in (*getattr(node, "ifs", ()), *([node.test] if isinstance(node, (ast.If, ast.While)) else ())):
        if not isinstance(condition, (ast.Compare, ast.UnaryOp)):  # which are negated by themselves
            yield function, start, condition, f"(not ({ast.unparse(condition)}))"
    for compared in (node.left, *node.comparators) if isinstance(node, ast.Compare) else ():
        if isinstance(compared, ast.Constant) and isinstance(compared.value, str):
            yield function, start, compared, repr(compared.value + "?")
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        function = f"{function}.{node.name}".lstrip(".")
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        start = start or min(each.lineno for each in (node, *node.decorator_list))
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_length_of_text(node, child):
                    yield from _changes(child, function, start)


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) in ("__all__", "__tracebackhide__")
    # Before Python 3.12 what stands in an f-string does not know its place.
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_length_of_text(node: ast.AST, child: ast.AST) -> bool:
    """Tell whether a number says how long a text for people may be: one more is as good."""
    cuts = isinstance(node, ast.Slice) or (isinstance(node, ast.Call) and ast.unparse(node.func) in ("shown", "_cut"))
    return cuts and isinstance(child, ast.Constant) and isinstance(child.value, int) and child.value >= 20


def _replacements(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _INSTEAD[type(operator)]:
                operators = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                yield f"({ast.unparse(ast.Compare(node.left, operators, node.comparators))})"
    elif isinstance(node, ast.BoolOp):
        yield f"({ast.unparse(ast.BoolOp(_INSTEAD[type(node.op)][0](), node.values))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.BinOp) and type(node.op) in _INSTEAD:
        yield f"({ast.unparse(ast.BinOp(node.left, _INSTEAD[type(node.op)][0](), node.right))})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        changed = not node.value if isinstance(node.value, bool) else node.value + 1
        if changed != node.value:  # 1e308 + 1 is the same
            yield repr(changed)
    elif isinstance(node, ast.IfExp):
        yield f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
    elif isinstance(node, ast.Call):
        for keyword in (each for each in node.keywords if each.arg != "strict"):
            fewer = [each for each in node.keywords if each is not keyword]
            yield ast.unparse(ast.Call(node.func, node.args, fewer))
    elif isinstance(node, ast.Slice):
        if node.lower is not None:
            yield ast.unparse(ast.Slice(None, node.upper, node.step))
        if node.upper is not None:
            yield ast.unparse(ast.Slice(node.lower, None, node.step))
    elif isinstance(node, ast.Return) and node.value is not None:
        if ast.unparse(node.value) not in ("None", "False"):  # which callers can rarely tell apart, nor have to
            yield "return None"
    elif isinstance(node, (ast.Continue, ast.Break)):
        yield "break" if isinstance(node, ast.Continue) else "continue"
    elif isinstance(node, (ast.Raise, ast.AugAssign, ast.Expr)) and not isinstance(
        getattr(node, "value", 0), ast.Yield
    ):
        yield "pass"


def _replaced(source: str, node: Any, text: str) -> str:
    """Return the source with another text for a node."""
    lines = source.encode().splitlines(keepends=True)  # offsets of ast count bytes
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + text.encode() + after).decode()  # type: ignore[no-any-return]  # bytes


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads one module of the package from a changed source, as a finder that knows that module only."""

    def __init__(self, module: str, source: str) -> None:
        dotted = f"{PACKAGE.name}.{module.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        super().__init__(dotted, str(PACKAGE / module))
        self.source = source

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        found = importlib.util.spec_from_file_location(self.name, self.path, loader=self)
        return found if fullname == self.name else None


def forked(job: Callable[[], Any]) -> Any:
    """Return what a job returns in a forked process; None if that fails or ends."""
    with tempfile.TemporaryFile() as answer:
        child = os.fork()
        if child == 0:
            try:
                os.setpgid(0, 0)
                pickle.dump(job(), answer)
                answer.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what the tests have started
        answer.seek(0)
        with contextlib.suppress(EOFError):
            return pickle.load(answer)
    return None


class Order(NamedTuple):
    """What each test, by its node id, has entered of the package without a mutant, and its seconds."""

    entered: Mapping[str, frozenset[Place]]
    took: Mapping[str, float]

    def sorted(self, tests: Iterable[str], place: Place) -> list[str]:
        """Return the tests, first those that enter a function, the quickest first."""
        return sorted(tests, key=lambda test: (place not in self.entered[test], self.took[test]))


class _Plugin:
    """Runs what it is told in place of pytest's loop over the tests, and keeps what that returns."""

    def __init__(self, loop: Callable[[dict[str, pytest.Item]], Any]) -> None:
        self.loop, self.returned = loop, None

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            self.returned = self.loop({item.nodeid: item for item in session.items})
        return True


def _in_pytest(files: Iterable[str], loop: Callable[[dict[str, pytest.Item]], Any], output: str = os.devnull) -> Any:
    """Collect test files in this process and return what `loop` makes of them; None if pytest cannot collect them."""
    for number in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY), number)
    faulthandler.dump_traceback_later = lambda *_, **__: None  # conftest.py's limit for a test; `forked` has its own
    plugin = _Plugin(loop)
    paths = [str(ROOT / "tests" / f"{name}.py") for name in files]
    pytest.main([*_OPTIONS.split(), "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *paths], [plugin])
    return plugin.returned


def _fails(items: Sequence[pytest.Item], took: Mapping[str, float]) -> bool:
    """Run tests until one fails; return whether one did. One that hangs ends this process, whatever holds it."""
    for item, following in zip_longest(items, items[1:]):
        signal.setitimer(signal.ITIMER_REAL, 5 + 10 * took.get(item.nodeid, 2.0))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return True
    return False


def _measured(items: dict[str, pytest.Item]) -> tuple[Order, list[str]]:
    """Run all tests; return what they enter and take, and those that failed."""
    entered: dict[str, set[Place]] = {test: set() for test in items}
    took: dict[str, float] = {}
    package = str(PACKAGE)
    failed: list[str] = []
    for test, item in items.items():
        now_entered = entered[test]

        def note(frame: FrameType, *_: object, entered: set[Place] = now_entered) -> None:
            code = frame.f_code
            if code.co_filename.startswith(package):
                entered.add((code.co_filename, code.co_firstlineno))

        note.__module__ = "coverage"  # the trace function of a debugger would let a test that is stuck stay so
        print(test, flush=True)  # the last one, should it end the process
        signal.alarm(120)
        began, before = time.monotonic(), item.session.testsfailed
        threading.settrace(note)
        sys.settrace(note)
        item.session.shouldfail = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        took[test] = time.monotonic() - began
        if item.session.testsfailed > before:
            failed.append(test)
    return Order({test: frozenset(places) for test, places in entered.items()}, took), failed


def _patched(functions: Mapping[Place, Sequence[FunctionType]], mutant: Mutant) -> bool:
    """Put the code of a mutant in place of its function's; return whether that can be done."""
    path = str(PACKAGE / mutant.module)
    codes = [compile(mutant.source, path, "exec")]
    for code in codes:
        codes.extend(each for each in code.co_consts if isinstance(each, CodeType))
    here = functions.get((path, mutant.start), ())
    for function in here:
        known = mutant.start, function.__code__.co_name
        try:
            [function.__code__] = (each for each in codes if (each.co_firstlineno, each.co_name) == known)
        except ValueError:  # it closes over other variables now
            return False
    return bool(here)


def first_look(drawn: Sequence[Mutant]) -> Any:
    """Run the tests without a mutant, then on each mutant those that enter its function.

    Everything is imported and collected once; a mutant is put into its function in a fork of that. So what is computed
    when a module is imported, or is kept in a cache, is without the mutant: only a failure is an answer.

    Returns:
        An Order, the tests that fail without a mutant, and for each mutant whether it made a test fail or hang.
    """

    def loop(items: dict[str, pytest.Item]) -> tuple[Order, list[str], list[bool]]:
        order, failed = forked(partial(_measured, items))
        failed = [test for test in failed if forked(partial(_fails, [items[test]], order.took)) is not False]
        functions: dict[Place, list[FunctionType]] = {}
        gc.unfreeze()  # what the suite has frozen is not among the objects
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                functions.setdefault((each.__code__.co_filename, each.__code__.co_firstlineno), []).append(each)
        return order, failed, [look(items, functions, order, mutant) for mutant in drawn]

    def look(items: Any, functions: Any, order: Order, mutant: Mutant) -> bool:
        place = str(PACKAGE / mutant.module), mutant.start
        tests = [test for test in _tests_of(mutant.module, order) if place in order.entered[test]]
        if not tests or not mutant.start:
            return False
        chosen = [items[test] for test in order.sorted(tests, place)]
        return forked(lambda: _patched(functions, mutant) and _fails(chosen, order.took)) is not False

    names = dict.fromkeys(name for mutant in drawn for name in TESTS[mutant.module])
    with tempfile.NamedTemporaryFile() as output:
        answer = forked(partial(_in_pytest, names, loop, output.name))
        return answer or sys.exit(f"the tests do not run without a mutant:\n{output.read().decode()}")


def _tests_of(module: str, order: Order) -> list[str]:
    files = {f"tests/{name}.py" for name in TESTS[module]}
    return [test for test in order.took if test.partition("::")[0] in files]


def second_look(mutant: Mutant, order: Order) -> bool:
    """Import and collect everything with a mutant, run all tests of its module; return whether one fails or hangs."""

    def loop(items: dict[str, pytest.Item]) -> bool:
        known = [items.pop(test) for test in tests if test in items]
        return _fails([*known, *items.values()], order.took)

    def job() -> bool:
        signal.alarm(60)  # until the tests have limits of their own
        sys.meta_path.insert(0, _Loader(mutant.module, mutant.source))
        return _in_pytest(TESTS[mutant.module], loop) is not False

    tests = order.sorted(_tests_of(mutant.module, order), (str(PACKAGE / mutant.module), mutant.start))
    return forked(job) is not False


def _drawn(module: str, sample: int | None, seed: int) -> list[Mutant]:
    """Return the mutants of a module that are not equivalent, all or a sample."""
    every = mutants(module, (PACKAGE / module).read_text(encoding="utf-8"))
    others = [each for each in every if each.key not in EQUIVALENT]
    return (
        others if sample is None or sample >= len(others) else random.Random(f"{seed} {module}").sample(others, sample)
    )


def judge(drawn: Mapping[str, Sequence[Mutant]]) -> tuple[int, int]:
    """Print the survivors of each module; return how many mutants were killed, of how many.

    Raises:
        SystemExit: tests fail without a mutant.
    """
    together = [mutant for several in drawn.values() for mutant in several]
    order, failed, answers = first_look(together)
    if failed:
        print("failed without a mutant:", *failed, sep="\n    ", file=sys.stderr)
        raise SystemExit(2)
    killed_at_once = {mutant for mutant, answer in zip(together, answers, strict=True) if answer}
    killed = 0
    for module, several in drawn.items():
        survived = [each for each in several if each not in killed_at_once and not second_look(each, order)]
        for mutant in survived:
            print(f"  survived  {mutant}", flush=True)
        equal = sum(key[0] == module for key in EQUIVALENT)
        figures = f"{len(several) - len(survived):4} of {len(several):4} killed"
        print(f"{module:<28} {figures}, {equal} listed as equivalent", flush=True)
        killed += len(several) - len(survived)
    return killed, len(together)


def stale() -> list[tuple[str, str, str, str]]:
    """Return the entries of the list of equivalent mutants that no mutant has: the code has changed."""
    named = {key[0] for key in EQUIVALENT}
    known = {each.key for module in named for each in mutants(module, (PACKAGE / module).read_text(encoding="utf-8"))}
    return [key for key in EQUIVALENT if key not in known]


def prepare() -> None:
    """Load what all forks share; the package itself is left to them."""
    folder = sys.pycache_prefix = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(HYPOTHESIS_STORAGE_DIRECTORY=folder, PYTEST_DEBUG_TEMPROOT=folder)
    sys.dont_write_bytecode = False  # or each fork compiles all tests again: two thirds of its time
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # a failure that is not shrunk is one as well
    hypothesis.settings.register_profile("mutation", deadline=None, max_examples=60, phases=phases)
    for library in _LIBRARIES.split():
        importlib.import_module(library)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 if too many mutants survived or the list of equivalent ones is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--module", action="append", choices=TESTS, help="this one only; may be repeated")
    parser.add_argument("--sample", type=int, help="so many mutants of each module; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample")
    parser.add_argument("--at-least", type=float, default=95.0, help="percent that must be killed")
    given = parser.parse_args(arguments)
    prepare()
    drawn = {module: _drawn(module, given.sample, given.seed) for module in given.module or TESTS}
    killed, total = judge(drawn)
    percent = 100 * killed / max(total, 1)
    print(f"{killed} of {total} killed: {percent:.1f} %, {given.at_least:g} % wanted")
    gone = stale()
    for key in gone:
        print("no mutant has it any more:", *key, sep="\n    ")
    return 1 if gone or percent < given.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
