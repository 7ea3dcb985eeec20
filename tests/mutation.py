"""Would a test notice? Change one thing of a module of ours at a time, and run the fast tests that belong to it.

    python tests/mutation.py --sample 10 --seed 7                   ten mutants of each module, drawn by the seed
    python tests/mutation.py --module contract/engine.py            all mutants of one module

Prints killed and survived per module and every survivor as a diff; exits with 1 if fewer than 95 % of the mutants that
are not equivalent are killed, with 2 if the tests of a module fail without a mutant.

Why not a tool that exists: mutmut (3.x) has no seeded sample, mutates a copy of the whole project and the bodies of
functions only, so that tables are left alone; cosmic-ray writes each mutant into the working tree, starts pytest anew
for each (1.5 s of imports here, against 0.1 s for a fork), and has neither dropped keyword arguments nor a list of
equivalent mutants that survives a shift of lines.
"""

from __future__ import annotations

import argparse
import ast
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

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
_OPTIONS = f"-x -q {_WITHOUT} --hypothesis-seed=0 {_REWRITING}"
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
    """

    module: str
    function: str
    before: str
    after: str
    source: str
    line: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the list of equivalent mutants knows it by; no line number, so that it survives a shift."""
        return self.module, self.function, self.before, self.after

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function}\n    - {self.before}\n    + {self.after}"


def mutants(module: str, source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of the source; each compiles and differs from the others."""
    found: dict[str, Mutant] = {}
    own, tree = source.splitlines(), ast.parse(source)
    for function, node, replacement in _changes(tree, ""):
        changed = _replaced(source, node, replacement)
        try:
            ast.parse(changed)
        except SyntaxError:
            continue
        lines = list(zip_longest(own, changed.splitlines(), fillvalue=""))
        first = next(number for number, (one, other) in enumerate(lines) if one != other)
        pairs = [pair for pair in lines[first:] if pair[0] != pair[1]][:3]
        before, after = (" ".join(pair[side].strip() for pair in pairs) for side in (0, 1))
        found.setdefault(changed, Mutant(module, function, before, after, changed, first + 1))
    return list(found.values())


def _changes(node: ast.AST, function: str) -> Iterator[tuple[str, Any, str]]:
    """Yield where, a node and the text that takes its place.

    Annotations, docstrings and f-strings are left alone, and the `strict` of a zip: it looks for slips of our own.
    """
    if _is_left_out(node):
        return
    for text in _replacements(node):
        yield function, node, text
    for condition in (*getattr(node, "ifs", ()), *([node.test] if isinstance(node, (ast.If, ast.While)) else ())):
        if not isinstance(condition, (ast.Compare, ast.UnaryOp)):  # which are negated by themselves
            yield function, condition, f"(not ({ast.unparse(condition)}))"
    for compared in (node.left, *node.comparators) if isinstance(node, ast.Compare) else ():
        if isinstance(compared, ast.Constant) and isinstance(compared.value, str):
            yield function, compared, repr(compared.value + "?")
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        function = f"{function}.{node.name}".lstrip(".")
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _changes(child, function)


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) in ("__all__", "__tracebackhide__")
    # Before Python 3.12 what stands in an f-string does not know its place.
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


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
        yield repr(not node.value if isinstance(node.value, bool) else node.value + 1)
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


def run(module: str, source: str, limit: float) -> tuple[bool, float]:
    """Run a module's tests on a changed source in a forked process; return whether all passed, and the seconds.

    A run that takes longer than `limit` seconds counts as failed: a mutant that never ends is noticed.
    """
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_in_child(module, source)
    while time.monotonic() - began < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0, time.monotonic() - began
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False, limit


def _run_in_child(module: str, source: str) -> None:
    try:
        os.setpgid(0, 0)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        sys.meta_path.insert(0, _Loader(module, source))
        import pytest

        files = [str(ROOT / "tests" / f"{name}.py") for name in TESTS[module]]
        code = pytest.main([*_OPTIONS.split(), "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), *files])
        os._exit(int(code))
    except BaseException:
        os._exit(9)


def judge(module: str, sample: int | None, seed: int) -> tuple[int, int]:
    """Print the survivors of a module; return how many mutants were killed, of how many.

    Raises:
        SystemExit: the tests fail without a mutant.
    """
    source = (PACKAGE / module).read_text(encoding="utf-8")
    passed, took = run(module, source, 600)
    if not passed:
        print(f"{module}: its tests fail without a mutant", file=sys.stderr)
        raise SystemExit(2)
    every = mutants(module, source)
    others = [each for each in every if each.key not in EQUIVALENT]
    if sample is not None and sample < len(others):
        others = random.Random(f"{seed} {module}").sample(others, sample)
    survived = []
    for mutant in others:
        if run(module, mutant.source, 10 + 4 * took)[0]:
            survived.append(mutant)
            print(f"  survived  {mutant}", flush=True)
    equal = sum(each.key in EQUIVALENT for each in every)
    figures = f"{len(others) - len(survived):4} of {len(others):4} killed"
    print(f"{module:<28} {figures} ({len(every)} mutants, {equal} equivalent; tests {took:.1f} s)", flush=True)
    return len(others) - len(survived), len(others)


def stale() -> list[tuple[str, str, str, str]]:
    """Return the entries of the list of equivalent mutants that no mutant has: the code has changed."""
    named = {key[0] for key in EQUIVALENT}
    known = {each.key for module in named for each in mutants(module, (PACKAGE / module).read_text(encoding="utf-8"))}
    return [key for key in EQUIVALENT if key not in known]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 if too many mutants survived or the list of equivalent ones is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--module", action="append", choices=TESTS, help="this one only; may be repeated")
    parser.add_argument("--sample", type=int, help="so many mutants of each module; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="draws the sample")
    parser.add_argument("--at-least", type=float, default=95.0, help="percent that must be killed")
    given = parser.parse_args(arguments)
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = sys.pycache_prefix = tempfile.mkdtemp()
    sys.dont_write_bytecode = False  # or each child compiles all tests again: two thirds of its time
    for library in _LIBRARIES.split():  # once for all children, which have the package itself still to load
        importlib.import_module(library)
    judged = [judge(module, given.sample, given.seed) for module in given.module or TESTS]
    killed, total = (sum(each[side] for each in judged) for side in (0, 1))
    percent = 100 * killed / max(total, 1)
    print(f"{killed} of {total} killed: {percent:.1f} %, {given.at_least:g} % wanted")
    for key in stale():
        print("no mutant has it any more:", *key, sep="\n    ")
    return 1 if percent < given.at_least or stale() else 0


if __name__ == "__main__":
    sys.exit(main())
