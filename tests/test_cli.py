"""The command line, as a person types it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_redis_actions.cli import main
from pytest_redis_actions.contract import CODES
from pytest_redis_actions.trace import RULES

TASK = {"action_uid": "a", "name": "retry_bdb", "progress": "100", "status": "completed"}


def written(folder: Path, name: str, *documents: Any) -> str:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    return str(path)


class TestValidate:
    def test_what_keeps_the_contract(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        files = [written(tmp_path, name, TASK) for name in ("a.json", "b.json")]

        assert main(["validate", *files, "--kind", "action"]) == 0
        assert capsys.readouterr().out == f"{files[0]}: ok\n{files[1]}: ok\n"

    def test_what_departs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        good, bad = written(tmp_path, "a.json", TASK), written(tmp_path, "b.json", {**TASK, "status": "aborted"})

        assert main(["validate", good, bad, "--kind", "action", "--release", "7.4", "--profile", "documented"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{good}: ok"
        assert lines[1].startswith(f"{bad}: RA103 action at /status: in the reference si")

    def test_standard_input_and_json(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1, "a": 2}')))

        assert main(["validate", "-", "--kind", "action", "-o", "json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["kind"], told["release"], told["profile"]) == ("action", "8.2", "wire")
        assert [each["code"] for each in told["documents"][0]["violations"]] == ["RA191"]

    @pytest.mark.parametrize(("name", "more"), [("a.jsonl", []), ("a.ndjson", []), ("a.log", ["--lines"])])
    def test_json_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, more: list[str]) -> None:
        file = written(tmp_path, name, TASK, {**TASK, "progress": None})

        assert main(["validate", file, "--kind", "action", *more]) == 1
        told = capsys.readouterr().out
        assert f"{file}:1: ok" in told
        assert f"{file}:2: RA107 action at /progress" in told

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--kind", "acton"], "redis-actions: unknown kind 'acton'\n  fix  write 'action'"),
            (["--kind", "action", "--release", "9"], "redis-actions: unknown release '9'"),
            (["--kind", "action", "--profile", "wird"], "redis-actions: unknown profile 'wird'\n  fix  write 'wire'"),
            (["--kind", "GET /v2/actions", "--release", "7.2"], "redis-actions: release 7.2 has no GET /v2/actions"),
        ],
    )
    def test_misuse(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
        file = tmp_path / "a.json"
        file.write_text("no json at all")

        assert main(["validate", str(file), *arguments]) == 2
        assert capsys.readouterr().err.startswith(told)

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["validate", "nowhere.json", "--kind", "action"]) == 2
        assert capsys.readouterr().err == "redis-actions: nowhere.json cannot be read: No such file or directory\n"

    def test_an_empty_recording_of_lines_is_no_success(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "a.jsonl"
        file.write_text("\n\n")

        assert main(["validate", str(file), "--kind", "action"]) == 1
        assert "RA190" in capsys.readouterr().out


class TestLifecycle:
    def test_the_table_and_the_diagram(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["lifecycle", "--kind", "state-machine"]) == 0
        assert capsys.readouterr().out == (
            "a state machine, release 8.2\n\n"
            "  pending     active\n  active      completed, failed\n"
            "  completed   (terminal)\n  failed      (terminal)\n\n"
            "stateDiagram-v2\n    pending --> active\n    active --> completed\n    active --> failed\n"
        )

    def test_the_reference_of_7_22_draws_no_aborted(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["lifecycle", "--release", "7.22"]) == 0
        assert "  aborted     (terminal)\n" in capsys.readouterr().out
        assert main(["lifecycle", "--release", "7.22", "--profile", "documented"]) == 0
        assert "aborted" not in capsys.readouterr().out

    def test_an_unknown_kind(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["lifecycle", "--kind", "statemachine"]) == 2
        assert "write 'state-machine'" in capsys.readouterr().err


class TestCheckTrace:
    def test_a_recorded_trace(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        good = written(tmp_path, "good.jsonl", "queued", [5.0, {"status": "running"}], [10.0, {"status": "completed"}])
        bad = written(tmp_path, "bad.jsonl", "completed", "running")

        assert main(["check-trace", good]) == 0
        assert main(["check-trace", bad]) == 1
        assert main(["check-trace", bad, "--allow", "completed->running"]) == 0
        told = capsys.readouterr().out
        assert told.startswith(f"{good}: ok\n{bad}: RA201 action: completed -> running is not allowed\n")

    @pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '[["x", {"status": "queued"}]]', "[3]"])
    def test_a_file_that_is_no_trace(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
        file = tmp_path / "a.json"
        file.write_text(text)

        assert main(["check-trace", str(file)]) == 2
        assert capsys.readouterr().err.startswith("redis-actions: ")

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check-trace", "nowhere.json"]) == 2
        assert "nowhere.json cannot be read" in capsys.readouterr().err


class TestExplain:
    @pytest.mark.parametrize("code", [*CODES, *RULES])
    def test_every_code_is_explained(self, code: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", code.lower()]) == 0
        assert capsys.readouterr().out.startswith(f"{code}  ")

    def test_an_unknown_code(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "RA999"]) == 2
        assert "unknown code 'RA999'" in capsys.readouterr().err


class TestSchema:
    def test_a_schema_comes_in_one_piece(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["schema", "GET /v1/actions", "--release", "7.4", "--profile", "documented"]) == 0
        schema = json.loads(capsys.readouterr().out)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert "aborted" not in json.dumps(schema)
        assert "$ref" not in json.dumps(schema)

    def test_an_unknown_kind(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["schema", "stat-machine"]) == 2
        assert "write 'state-machine'" in capsys.readouterr().err


def test_scenarios_prints_the_catalogue_and_the_plays_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    catalogue = capsys.readouterr().out
    assert main(["scenarios", "s42"]) == 0
    one = capsys.readouterr().out.splitlines()

    assert len(re.findall(r"^  S\d\d  ", catalogue, flags=re.MULTILINE)) == 52
    assert max(map(len, catalogue.splitlines())) <= 120
    assert one[2] == "       asked of clients with retries_server_errors = True"
    assert one[-1] == "       S42:refused  deadline 3600 s, refuses=8"


def test_a_scenario_that_there_is_not_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "S99"]) == 2

    assert capsys.readouterr().err.startswith("redis-actions: unknown scenario 'S99'\n  fix  ")
