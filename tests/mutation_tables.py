"""What `tests/mutation.py` needs to know: which tests belong to a module, and which mutants are equivalent."""

from __future__ import annotations

from collections.abc import Mapping

_CONTRACT = ("test_contract", "test_evidence_tables")
TESTS: Mapping[str, tuple[str, ...]] = {
    "facts/lifecycle.py": ("test_lifecycle", "test_script", "test_trace_assertions"),
    "facts/access.py": ("test_access", "test_endpoint"),
    "operations/bodies.py": ("test_bodies", "test_endpoint", "test_conformance"),
    "facts/routes.py": ("test_routes", "test_endpoint", "test_access", "test_conformance"),
    "operations/script.py": ("test_script", "test_endpoint", "test_laws"),
    "observed/trace_rules.py": ("test_trace_rules", "test_trace_assertions", "test_hostile_values"),
    "errors/plain.py": ("test_plain", "test_hostile_values"),
    "contract/__init__.py": _CONTRACT,
    "contract/catalogue.py": _CONTRACT,
    "contract/documents.py": (*_CONTRACT, "test_hostile_values"),
    "contract/engine.py": (*_CONTRACT, "test_hostile_values"),
    "contract/explain.py": _CONTRACT,
    "contract/violation.py": _CONTRACT,
    "scenarios/verdicts.py": ("test_verdicts",),
    "driving/ledger.py": ("test_ledger", "test_driving"),
}
"""Module -> the files of the fast tests that belong to it; the one table to change when a file moves."""

_UTF_8 = "The tests run where the locale is UTF-8; the argument is for where it is not."
_NEVER = "An entry that never comes stands in no account, so that nobody reads what clocks show at its end."
_PROGRESS = "0 and 100 are a progress in each form, so that no error is about them."
EQUIVALENT: Mapping[tuple[str, str, str, str], str] = {
    (
        "contract/catalogue.py",
        "_read",
        'schema: Schema = json.loads((folder("schemas") / file).read_text(encoding="utf-8"))',
        "schema: Schema = json.loads((folder('schemas') / file).read_text())",
    ): _UTF_8,
    (
        "contract/catalogue.py",
        "_manifest",
        'manifest: Mapping[str, Any] = json.loads((folder("schemas") / "manifest.json").read_text(encoding="utf-8"))',
        "manifest: Mapping[str, Any] = json.loads((folder('schemas') / 'manifest.json').read_text())",
    ): _UTF_8,
    (
        "contract/explain.py",
        "_hint_for_progress",
        'return "out of 0 to 100" if isinstance(instance, (int, float)) and not 0 <= instance <= 100 else ""',
        'return "out of 0 to 100" if isinstance(instance, (int, float)) and not (0 < instance <= 100) else ""',
    ): _PROGRESS,
    (
        "contract/explain.py",
        "_hint_for_progress",
        'return "out of 0 to 100" if isinstance(instance, (int, float)) and not 0 <= instance <= 100 else ""',
        'return "out of 0 to 100" if isinstance(instance, (int, float)) and not (0 <= instance < 100) else ""',
    ): _PROGRESS,
    (
        "driving/ledger.py",
        "",
        "READS = 1_000_000  # looks at the clock at one instant",
        "READS = 1000001  # looks at the clock at one instant",
    ): "Any number that no client comes near.",
    (
        "driving/ledger.py",
        "Ledger.enter",
        "return Entry(party, wake, (0.0, 0.0))",
        "return Entry(party, wake, (1.0, 0.0))",
    ): _NEVER,
    (
        "driving/ledger.py",
        "Ledger.enter",
        "return Entry(party, wake, (0.0, 0.0))",
        "return Entry(party, wake, (0.0, 1.0))",
    ): _NEVER,
    (
        "facts/lifecycle.py",
        "Lifecycle.path",
        "seen.add(following)",
        "pass",
    ): "No lifecycle has a circle: a state that is looked at twice costs time only.",
    (
        "facts/routes.py",
        "_near",
        "return min(near, key=lambda pair: pair[0], default=(_FAR, ROUTES[0]))",
        "return min(near, key=lambda pair: pair[0], default=(_FAR, ROUTES[1]))",
    ): "Of what is far nobody looks at the route.",
    (
        "operations/script.py",
        "_between",
        "return round(first + (last - first) * share, 9)",
        "return round(first + (last - first) * share, 10)",
    ): "The error of the sum lies behind the tenth digit, too.",
    (
        "operations/script.py",
        "",
        "_NANOSECONDS = 1_000_000_000",
        "_NANOSECONDS = 1000000001",
    ): "A unit of its own: lengths and instants are counted in the same.",
}
"""Mutants that no test can tell from the original: (module, function, lines before, lines after) -> the reason."""
