"""The house: arrows point down, the core needs nothing but the standard library, and loading the plugin is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import pytest_redis_actions
from pytest_redis_actions import driving

PACKAGE = Path(__file__).parent.parent / "pytest_redis_actions"

# From the ground up; a module imports from lower floors only, never from its own.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("plain",),
    ("errors", "bundled", "incidents", "citing"),
    ("arguments",),
    ("releases", "redaction"),
    ("lifecycle", "access", "clock", "parameters"),
    ("script", "strategies"),
    ("model", "routes"),
    ("wire", "journal", "records", "trace", "coverage"),
    ("timeline", "faults"),
    ("messages", "injection", "past_end"),
    ("starts",),
    ("endpoint", "options"),
    ("assertions", "polling", "report"),
    ("handle",),
    ("stub",),
    ("session",),
    ("thresholds",),
    ("demo", "explaining", "differing"),
    ("plugin", "cli"),
    ("__main__",),
)
CORE = (
    "arguments", "errors", "releases", "lifecycle", "access", "clock", "script", "model", "routes", "wire", "journal",
    "records", "endpoint", "options", "bundled", "trace", "timeline", "assertions", "polling", "coverage", "messages",
    "faults", "injection", "report", "handle", "starts", "redaction", "plain", "incidents", "past_end", "parameters",
    "citing",
)  # fmt: skip
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
CONTRACT = sorted((PACKAGE / "contract").glob("*.py"))
DRIVING = (
    "places",
    "interruption",
    "readings",
    "replacing",
    "ledger",
    "opened",
    "private",
    "targets",
    "threads",
    "locks",
    "tasks",
    "standins",
    "reach",
    "stacks",
    "effort",
    "advising",
    "watch",
    "block",
    "__init__",
)  # from the ground up
SERVER = ("certificates", "framing", "handshake", "connection", "listener", "wsgi", "stub_server", "__init__")
ROOMS = (".contract", ".driving", ".client_contract", ".server", ".guides")
CATALOGUE = ("outcome", "verdicts", "scenarios")  # lies below the stub, which can play it
JUDGES = ("target", "capabilities", "watch", "calls", "running", "score", "contract")  # lie above the session
EVERY_FILE = sorted(PACKAGE.rglob("*.py"))


def imports(module: str) -> set[str]:
    """Return what a module imports: "." and the name for our own, otherwise the top-level package."""
    return imports_of(PACKAGE / f"{module}.py")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return the nodes of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports_of(path: Path) -> set[str]:
    """Return the same for any file; what is one floor up is written with two dots."""
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            dots = "." * node.level
            found |= {dots + node.module} if node.module else {dots + alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def floor_of(module: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if module in floor)


def test_no_module_has_the_name_of_something_public() -> None:
    # Importing the module would put it in the place of the function.
    assert not {*MODULES} & {*pytest_redis_actions.__all__}


def test_every_module_has_a_floor() -> None:
    assert sorted(module for floor in FLOORS for module in floor) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    for name in imports(module):
        if name.startswith(".") and not name.startswith(ROOMS):
            assert floor_of(name[1:]) < floor_of(module), f"{module} imports {name}"


@pytest.mark.parametrize("path", CONTRACT, ids=lambda path: path.stem)
def test_the_contract_stands_beside_the_core_and_knows_no_server(path: Path) -> None:
    below = {name[2:] for name in imports_of(path) if name.startswith("..")}

    assert below <= {"plain", "bundled", "citing", "errors", "arguments", "releases", "lifecycle"}


@pytest.mark.parametrize("module", DRIVING)
def test_driving_knows_nothing_of_the_api_and_its_arrows_point_down_too(module: str) -> None:
    found = imports_of(PACKAGE / "driving" / f"{module}.py")

    assert {name[2:] for name in found if name.startswith("..")} <= {"errors"}
    assert {name for name in found if not name.startswith(".")} <= set(sys.stdlib_module_names)
    for name in found:
        if name.startswith(".") and not name.startswith(".."):
            assert DRIVING.index(name[1:]) < DRIVING.index(module), f"{module} imports {name}"


def test_every_module_of_driving_has_its_floor() -> None:
    assert sorted(DRIVING) == sorted(path.stem for path in (PACKAGE / "driving").glob("*.py"))


def test_driving_is_used_through_its_face_only() -> None:
    used = set()
    for path in EVERY_FILE:
        nodes = [] if path.parent.name == "driving" else nodes_of(path)
        froms = [each for each in nodes if isinstance(each, ast.ImportFrom) and "driving" in (each.module or "")]
        words = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        used |= {alias.name for each in froms for alias in each.names}

        assert {each.module for each in froms} <= {"driving"}, path
        assert not [word for word in words if ".driving." in word], path  # such as a key of sys.modules

    assert used == {*driving.__all__}


def test_the_face_of_driving_has_no_other_names() -> None:
    assert all(hasattr(driving, name) for name in driving.__all__)
    assert not hasattr(driving, "Ledger")


@pytest.mark.parametrize("module", SERVER)
def test_the_arrows_of_the_server_point_down(module: str) -> None:
    for name in imports_of(PACKAGE / "server" / f"{module}.py"):
        if name.startswith("..") and not name.startswith("..driving"):
            assert floor_of(name[2:]) <= floor_of("endpoint"), name
        elif name.startswith(".") and not name.startswith(".."):
            assert SERVER.index(name[1:]) < SERVER.index(module), name


def test_every_module_of_the_server_has_its_floor() -> None:
    assert sorted(SERVER) == sorted(path.stem for path in (PACKAGE / "server").glob("*.py"))


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("stub", "session", "demo")])
def test_who_knows_the_server(module: str) -> None:
    assert not {name for name in imports(module) if name.startswith(".server")}


@pytest.mark.parametrize("module", [*CATALOGUE, *JUDGES])
def test_the_arrows_of_the_client_contract_point_down(module: str) -> None:
    found = imports_of(PACKAGE / "client_contract" / f"{module}.py")
    order = ["", *CATALOGUE, *JUDGES]
    under_a_name = {"scenarios": {"stub", "handle"}, "contract": {"authority", "session"}}.get(module, set())

    for name in found:
        if name.startswith("..") and not name.startswith("..driving"):
            assert name[2:] in under_a_name or module in JUDGES or floor_of(name[2:]) < floor_of("stub"), name
        elif name.startswith(".") and not name.startswith(".."):
            assert order.index(name[1:]) < order.index(module), name


def test_the_client_contract_has_no_other_modules() -> None:
    files = {path.stem for path in (PACKAGE / "client_contract").glob("*.py")}

    assert files == {"__init__", *CATALOGUE, *JUDGES}


def test_the_guides_need_nothing_of_ours_and_the_command_line_alone_has_them() -> None:
    assert not {name for name in imports_of(PACKAGE / "guides" / "__init__.py") if name.startswith(".")}
    assert [module for module in MODULES if ".guides" in imports(module)] == ["cli"]


def test_the_catalogue_is_read_without_pytest_and_without_a_server() -> None:
    loaded = loaded_by("from pytest_redis_actions.client_contract import SCENARIOS")

    assert not loaded & {"pytest", "werkzeug", "pytest_httpserver", "jsonschema", "pytest_redis_actions.stub"}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("stub", "thresholds", "cli")])
def test_who_knows_the_client_contract(module: str) -> None:
    assert not {name for name in imports(module) if name.startswith(".client_contract")}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("clock", "session", "stub")])
def test_only_the_clock_drives(module: str) -> None:
    assert not {name for name in imports(module) if name.startswith(".driving")}


@pytest.mark.parametrize("module", [*CORE, *(f"server/{name}" for name in SERVER)])
def test_nothing_below_the_stub_knows_the_contract(module: str) -> None:
    assert not {name for name in imports(module) if name.lstrip(".").startswith("contract")}


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_the_standard_library_only(module: str) -> None:
    outside = {name for name in imports(module) if not name.startswith(".")} - set(sys.stdlib_module_names)

    assert outside == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("clock", "demo")])
def test_the_clock_is_the_only_source_of_time(module: str) -> None:
    assert imports(module) & {"time", "datetime", "sched"} == set()


def test_the_plugin_itself_imports_pytest_only() -> None:
    outside = {name for name in imports("plugin") if not name.startswith(".")} - set(sys.stdlib_module_names)

    assert outside == {"pytest"}


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_evaluated_and_nothing_is_unpickled(path: Path) -> None:
    calls = [node.func for node in nodes_of(path) if isinstance(node, ast.Call)]
    called = {function.id for function in calls if isinstance(function, ast.Name)}

    assert called & {"eval", "exec", "compile", "__import__"} == set()
    assert imports_of(path) & {"pickle", "marshal", "shelve"} == set()


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_loading_the_plugin_loads_neither_an_http_server_nor_a_validator() -> None:
    before = loaded_by("import pytest")
    after = loaded_by("import pytest, pytest_redis_actions.plugin")

    assert after - before == {"pytest_redis_actions", "pytest_redis_actions.plugin"}


def test_importing_a_step_loads_no_http_library() -> None:
    loaded = loaded_by("from pytest_redis_actions import running, completed, gone")

    assert not loaded & {"werkzeug", "pytest_httpserver", "httptools", "jsonschema", "ssl", "pytest"}


def test_the_validators_load_no_engine_before_a_document_is_looked_at() -> None:
    loaded = loaded_by("from pytest_redis_actions import validate, violations, ContractError")

    assert not loaded & {"jsonschema", "jsonschema_rs", "werkzeug", "pytest_httpserver", "pytest"}


def test_a_clock_that_nobody_drives_loads_nothing_of_it() -> None:
    loaded = loaded_by("from pytest_redis_actions.clock import VirtualClock; VirtualClock().sleep(5)")

    assert not {name for name in loaded if name.startswith("pytest_redis_actions.driving")}
