"""Every fact that is cited exists, and every fact has one id."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from markdown import PAGES

from pytest_redis_actions.errors.citing import INFERRED, ONE_CAPTURE

ROOT = Path(__file__).parent.parent
EVIDENCE = ROOT / "schemas" / "evidence.md"
CITED = re.compile(r"\bE-(?:C-HISTORY-\d+|C\d+|[A-Z0-9]+-\d+)")


def facts() -> list[str]:
    text = EVIDENCE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (E-[A-Z0-9-]+) \|", text, flags=re.MULTILINE)
    paragraphs = re.findall(r"^(?:\* )?\*\*(E-[A-Z0-9-]+)\*\*", text, flags=re.MULTILINE)
    return rows + paragraphs


def sources() -> list[Path]:
    found = [*ROOT.glob("pytest_redis_actions/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("schemas/**/*.json")]
    return sorted(path for path in [*found, *PAGES] if "__pycache__" not in path.parts)


def test_every_fact_has_one_id() -> None:
    assert len(facts()) > 200
    assert [fact for fact, count in Counter(facts()).items() if count > 1] == []


def test_every_cited_fact_exists() -> None:
    known = set(facts())
    for path in sources():
        assert set(CITED.findall(path.read_text(encoding="utf-8"))) - known == set(), path


def test_the_conflict_register_is_whole() -> None:
    assert {f"E-C{number}" for number in range(1, 21)} <= set(facts())


def line_of(fact: str) -> str:
    lines = EVIDENCE.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if re.match(rf"(\| |\* \*\*|\*\*){fact}\b", line))


def test_what_rests_on_one_capture_says_so_here_and_in_messages() -> None:
    told = {fact for fact in facts() if re.search(r"\bone capture\b", line_of(fact))}

    assert {fact for fact in told if not fact.startswith(("E-SINCE", "E-ASSUMED"))} == set(ONE_CAPTURE)
    for fact, where in ONE_CAPTURE.items():
        assert where.split(" ")[-1] in line_of(fact)


def test_what_is_inferred_says_so_here_and_in_messages() -> None:
    assert [fact for fact in INFERRED if "(I" not in line_of(fact)] == []


def test_every_assumption_is_cited_where_it_is_coded() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("pytest_redis_actions/**/*.py"))
    assumed = [fact for fact in facts() if fact.startswith("E-ASSUMED-")]

    cited = set(CITED.findall(code))
    assert [fact for fact in assumed if fact not in cited] == []
