"""Folders import what they say they may, the core needs nothing but the standard library, and the plugin is light.

What a folder may import, and which of its modules others may import, stands in the docstring of its `__init__`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_redis_actions
from pytest_redis_actions import driving

PACKAGE = Path(__file__).parent.parent / "pytest_redis_actions"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FLOORS = sorted([*FOLDERS, "faults"])
FILES = sorted(PACKAGE.rglob("*.py"))
CORE = ("errors", "facts", "operations", "faults", "driving", "clock", "observed", "api", "scenarios")
PUBLIC = {"__init__.py", "faults.py", "strategies.py", "client_contract", "errors", "clock"}
WAYS_IN = {"__main__.py", "plugin.py", "cli.py"}
DATA = {"guides", "py.typed", "schemas", "quickstart"}


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def module_of(path: Path) -> str:
    """Return "facts.routes", "facts" for its `__init__`, and "" for that of the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path): path for path in FILES}


@cache
def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Return what a file imports, type imports included: modules of ours, and top-level packages of others."""
    package = list(path.relative_to(PACKAGE).parent.parts)
    ours, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            others.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            start = ".".join(filter(None, base))
            for alias in node.names:
                name = f"{start}.{alias.name}".lstrip(".")
                ours.add(name if name in MODULES else start)
    return ours, others


def folder_of(module: str) -> str:
    return module.partition(".")[0]


def said(folder: str, word: str) -> set[str]:
    """Return the names after "May import:" or "Public:" in a folder's docstring."""
    tree = ast.parse(MODULES[folder].read_text(encoding="utf-8"))
    text = " ".join((ast.get_docstring(tree) or "").split())
    found = re.search(rf"{word}: ([^.]*)\.", text)
    assert found, f"the docstring of {folder} has no line {word!r}"
    return set() if found[1].startswith(("nothing", "the names")) else set(found[1].split(", "))


def used_by(folder: str) -> set[str]:
    """Return the modules of other folders that the modules of a folder import."""
    found = set().union(*(imports_of(path)[0] for module, path in MODULES.items() if folder_of(module) == folder))
    return {module for module in found if folder_of(module) != folder}


def test_every_entry_is_a_folder_of_ours_a_public_name_or_a_way_in() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}

    assert entries - set(FOLDERS) - PUBLIC - WAYS_IN - DATA == set()


def test_there_are_folders() -> None:
    assert len(FOLDERS) >= 12


def test_no_module_has_the_name_of_something_public() -> None:
    # Importing the module would put it in the place of the function.
    top = {module for module in MODULES if "." not in module}

    assert not top & {*pytest_redis_actions.__all__}


@pytest.mark.parametrize("folder", FLOORS)
def test_a_folder_imports_what_it_says_and_nothing_else(folder: str) -> None:
    assert {folder_of(module) for module in used_by(folder)} == said(folder, "May import")


@pytest.mark.parametrize("folder", FOLDERS)
def test_others_import_the_public_modules_of_a_folder_and_no_others(folder: str) -> None:
    used = {module for path in FILES for module in imports_of(path)[0] if not named(path).startswith(f"{folder}/")}
    inner = {module.partition(".")[2] for module in used if folder_of(module) == folder} - {""}

    assert inner == said(folder, "Public")


def test_folders_import_downwards_only() -> None:
    order = list(TopologicalSorter({folder: said(folder, "May import") for folder in FLOORS}).static_order())

    assert sorted(order) == FLOORS
    assert order[0] == "errors"


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_of_a_folder_import_downwards_only(folder: str) -> None:
    modules = [module for module in MODULES if folder_of(module) == folder]
    graph = {each: {name for name in imports_of(MODULES[each])[0] if name in modules} for each in modules}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_driving_is_used_through_its_face_only() -> None:
    used = set()
    for path in FILES:
        nodes = [] if path.parent.name == "driving" else list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        froms = [each for each in nodes if isinstance(each, ast.ImportFrom) and "driving" in (each.module or "")]
        words = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        used |= {alias.name for each in froms for alias in each.names}

        assert {each.module for each in froms} <= {"driving"}, path
        assert not [word for word in words if ".driving." in word], path  # such as a key of sys.modules

    assert used == {*driving.__all__}
    assert all(hasattr(driving, name) for name in driving.__all__)
    assert not hasattr(driving, "Ledger")


def test_a_circle_would_be_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_core_imports_the_standard_library_only(path: Path) -> None:
    if named(path).startswith(CORE):
        assert imports_of(path)[1] - {*sys.stdlib_module_names} == set()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_clock_is_the_only_source_of_time(path: Path) -> None:
    if not named(path).startswith(("clock/", "driving/", "server/", "commands/demo", "client_contract/")):
        assert imports_of(path)[1] & {"time", "datetime", "sched"} == set()


def test_the_plugin_itself_imports_pytest_only() -> None:
    assert imports_of(PACKAGE / "plugin.py")[1] - {*sys.stdlib_module_names} == {"pytest"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_is_evaluated_and_nothing_is_unpickled(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    assert called & {"eval", "exec", "compile", "__import__"} == set()
    assert imports_of(path)[1] & {"pickle", "marshal", "shelve"} == set()


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_catalogue_is_read_without_pytest_and_without_a_server() -> None:
    loaded = loaded_by("from pytest_redis_actions.client_contract import SCENARIOS")

    assert not loaded & {"pytest", "werkzeug", "pytest_httpserver", "jsonschema", "pytest_redis_actions.stub.stub"}


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

    assert not {name for name in loaded if name.startswith("pytest_redis_actions.driving.")}
