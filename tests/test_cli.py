"""The command line, as a person types it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from test_evidence import facts

from pytest_redis_actions import cli
from pytest_redis_actions.cli import main
from pytest_redis_actions.commands.explain import explanation
from pytest_redis_actions.contract import CODES, catalogue
from pytest_redis_actions.facts.lifecycle import KINDS
from pytest_redis_actions.observed.trace_rules import RULES, SOURCES

COMMANDS = ("demo", "validate", "scenarios", "schema", "lifecycle", "diff", "check-trace", "explain", "help")

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

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "RA190 trace: it is empty"),
            ("nonsense", "RA190 trace: expected a JSON document"),
            ("[]", "an empty trace shows nothing"),
            (
                "{}",
                "a trace is a sequence of observations, not {}\n  fix  give a list of status words, bodies or pairs "
                "(seconds, body); in Python also",
            ),
            ('[["x", {"status": "queued"}]]', "observation #1 is ['x', {'status': 'queued'}]"),
            ("[3]", "observation #1 is 3"),
            ('"queued"', "a trace is a sequence of observations, not 'queued'"),
        ],
    )
    def test_a_file_that_is_not_a_trace_is_a_wrong_document(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
    ) -> None:
        file = tmp_path / "a.json"
        file.write_text(text)

        assert main(["check-trace", str(file)]) == 1
        assert capsys.readouterr().out.startswith(f"{file}: {told}")

    @pytest.mark.parametrize(
        ("name", "text", "line", "place"),
        [
            ("a.json", '[\n"queued"\n"x"]', "", "line 3 column 1"),
            ("a.jsonl", '"queued"\n\n"run', ":3", "line 1 column 1"),
            ("a.json", '"queued"\n"run', ":2", "line 1 column 1"),
            ("a.json", '\ufeff["queued"]', "", "a byte order mark"),
            ("a.json", '{"a": 1, "a": 2}', "", "'a' 2 times"),
            ("a.json", "[" * 100_000, "", "more"),
        ],
    )
    def test_broken_json_is_told_with_its_place(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, line: str, place: str
    ) -> None:
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")

        assert main(["check-trace", str(file)]) == 1
        out = capsys.readouterr().out
        assert out.startswith(f"{file}{line}: RA19")
        assert place in out

    def test_a_list_in_json_lines_and_standard_input(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        one = written(tmp_path, "one.jsonl", {"status": "queued"})
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'["completed", "queued"]')))

        assert main(["check-trace", one]) == 0
        assert main(["check-trace", "-"]) == 1
        assert "-: RA201" in capsys.readouterr().out

    @pytest.mark.parametrize("options", [["--kind", "taks"], ["--release", "9"], ["--profile", "x"], ["--allow", "x"]])
    def test_wrong_options_are_misuse_whatever_the_file_holds(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
    ) -> None:
        assert main(["check-trace", written(tmp_path, "a.json", "nonsense"), *options]) == 2
        assert capsys.readouterr().err.startswith("redis-actions: ")

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check-trace", "nowhere.json"]) == 2
        assert "nowhere.json cannot be read" in capsys.readouterr().err


class TestFiles:
    @pytest.fixture
    def two_commands(self) -> list[list[str]]:
        return [["validate", "--kind", "action"], ["check-trace"]]

    def test_a_folder_is_told_in_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], two_commands: list[list[str]]
    ) -> None:
        for command in two_commands:
            assert main([*command, str(tmp_path)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.endswith("cannot be read: Is a directory")

    def test_a_name_that_no_file_can_have_is_told_in_one_line(
        self, capsys: pytest.CaptureFixture[str], two_commands: list[list[str]]
    ) -> None:
        for command in two_commands:
            assert main([*command, "a\0b"]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line == "redis-actions: a\\x00b cannot be read: embedded null byte"

    def test_a_gigantic_file_is_told_in_one_line(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        two_commands: list[list[str]],
    ) -> None:
        monkeypatch.setattr(cli, "_LARGEST", 1 << 20)
        file = tmp_path / "a.json"
        file.write_bytes(b" " * ((1 << 20) + 1))
        for command in two_commands:
            assert main([*command, str(file)]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert "a.json has more than 1 MB" in line

    def test_the_largest_file_that_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(cli, "_LARGEST", 1 << 10)
        file = tmp_path / "a.json"
        file.write_bytes(b'["queued"]' + b" " * (1014))

        assert main(["check-trace", str(file)]) == 0

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
    @pytest.mark.parametrize(
        "command", [["explain", "E-LIFE-1", "RA203"], ["scenarios"], ["lifecycle"], ["schema", "action"]]
    )
    def test_a_narrow_terminal_does_not_end_a_command(self, encoding: str, command: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_redis_actions", *command],
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            capture_output=True,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding)


class TestExplain:
    @pytest.mark.parametrize("code", [*CODES, *RULES])
    def test_every_code_is_explained(self, code: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", code.lower()]) == 0
        assert capsys.readouterr().out.startswith(f"{code}  ")

    @pytest.mark.parametrize("code", RULES)
    def test_a_rule_is_explained_with_all_that_its_failure_says(
        self, code: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["explain", code])
        told = capsys.readouterr().out

        name, _, meaning = RULES[code]
        assert meaning in told
        assert f'allow=["{name}"]' in told
        for fact in re.findall(r"E-[A-Z]+-\d+", SOURCES[code]):
            assert f"  source   {fact}  " in told

    def test_an_illegal_step_is_explained_with_the_legal_ones(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["explain", "RA203"])

        told = capsys.readouterr().out
        assert "  legal    a task, release 8.2: queued -> starting, cancelled; " in told
        assert "final: completed, failed, cancelled, aborted legal" in " ".join(told.split())

    def test_an_unknown_word_is_explained_with_the_known_ones(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["explain", "RA103"])

        assert (
            "  legal    a state machine, release 8.2: pending, active, completed, failed\n" in capsys.readouterr().out
        )

    def test_a_fact_is_told_as_the_evidence_has_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "E-TASK-5", "E-LIFE-8"]) == 0
        told = capsys.readouterr().out

        assert told.startswith("E-TASK-5  2.1 v1 task")
        assert '  Wire type observed: **string `"100"`**\n' in told
        assert "\nE-LIFE-8  3. Lifecycle\n  **Delete is confirmed by 404.** SMDeleteBDB" in told

    def test_every_fact_is_explained(self) -> None:
        assert [fact for fact in facts() if len((explanation(fact) or "").splitlines()) < 3] == []

    def test_an_unknown_code_names_the_nearest(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "RA299"]) == 2
        assert capsys.readouterr().err.startswith("redis-actions: unknown code 'RA299'\n  fix  write RA2")
        assert main(["explain", "E-TASK-5X"]) == 2
        assert "write E-TASK-5; " in capsys.readouterr().err


class TestTheCommandItself:
    def test_the_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="0"):
            main(["--version"])

        assert capsys.readouterr().out == (
            f"pytest-redis-actions {version('pytest-redis-actions')} (releases 7.2, 7.4, 7.8, 7.22, 8.0, 8.2)\n"
        )

    def test_the_module_is_the_command(self) -> None:
        command = [sys.executable, "-m", "pytest_redis_actions", "--version"]

        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("pytest-redis-")

    def test_without_a_command_the_help_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 2

        assert capsys.readouterr().err.startswith("usage: redis-actions ")

    def test_an_unknown_command_names_the_nearest(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["hlep", "options"]) == 2

        told = capsys.readouterr().err
        assert told.startswith("redis-actions: unknown command 'hlep'\n  fix  write 'help'; commands are demo, ")

    @pytest.mark.parametrize("command", ["validate a.json", "schema", "diff 7.2", "check-trace", "explain"])
    def test_a_missing_argument_leads_to_the_help(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            main(command.split())

        program = f"redis-actions {command.split()[0]}"
        last, fix = capsys.readouterr().err.splitlines()[-2:]
        assert last.startswith(f"{program}: error: the following arguments are required: ")
        assert fix == f"  fix  {program} --help describes them"

    @pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=lambda command: command or ["-"])
    def test_each_help_has_the_exit_statuses(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="0"):
            main([*command, "--help"])

        told = capsys.readouterr().out
        assert told.startswith(f"usage: {' '.join(['redis-actions', *command])} ")
        assert "\n  1  the document, the trace or the demo's suite is wrong" in told

    def test_help_has_every_kind(self, capsys: pytest.CaptureFixture[str]) -> None:
        for command, kinds in (("validate", catalogue.kinds()), ("schema", catalogue.kinds()), ("lifecycle", KINDS)):
            with pytest.raises(SystemExit):
                main([command, "--help"])
            told = capsys.readouterr().out
            assert [kind for kind in kinds if kind not in told] == []

    @pytest.mark.parametrize("command", [["validate", "a.json", "--kind", "action"], ["schema", "action"],
                                         ["lifecycle"], ["check-trace", "a.json"]])  # fmt: skip
    def test_an_unknown_release_names_the_nearest(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main([*command, "--release", "7.3"]) == 2
        assert capsys.readouterr().err == (
            "redis-actions: unknown release '7.3'\n  fix  write '7.4'; known are 7.2, 7.4, 7.8, 7.22, 8.0, 8.2\n"
        )


def test_the_demo_speaks_on_a_terminal_before_it_loads_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "pytest_redis_actions.commands.demo", None)

    with pytest.raises(ImportError):
        main(["demo"])

    assert capsys.readouterr().out == "redis-actions demo: starting pytest, which takes a few seconds\n"


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
    assert one[2] == "       rests on E-HTTP-6, E-FAIL-12"
    assert one[3] == "       asked of clients with retries_server_errors = True"
    assert "drip" in one[4]
    assert one[4].endswith(", assumed: any network has slow replies; no source shows one")
    assert one[-1] == "       S42:connections refused at first  deadline 3600 s, refuses=8"


def test_a_scenario_that_there_is_not_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "S99"]) == 2

    assert capsys.readouterr().err.startswith("redis-actions: unknown scenario 'S99'\n  fix  ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["lifecycle", "--realease", "7.4"], "--release"),
        (["validate", "x.json", "--kind", "action", "--relase", "7.4"], "--release"),
        (["validate", "x.json", "--kind", "action", "-o", "jsn"], "json"),
    ],
)
def test_what_argparse_refuses_is_answered_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)

    assert capsys.readouterr().err.endswith(f"\n  fix  write {meant}\n")
