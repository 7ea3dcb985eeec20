"""README and guides run: Python blocks as tests, console blocks as commands whose output is compared."""

from __future__ import annotations

import base64
import http.client
import re
import shlex
from pathlib import Path

import build_guides
import pytest
from markdown import PAGES, ROOT, blocks, files, write_files

from pytest_redis_actions import RedisActions, failed, queued, running, starting
from pytest_redis_actions.cli import main
from pytest_redis_actions.guides import TOPICS, summary, text

README = ROOT / "README.md"
GUIDES = ROOT / "pytest_redis_actions" / "guides"
QUICKSTART = ROOT / "tests" / "examples" / "quickstart"
SUITE = (QUICKSTART / "test_my_client.py").read_text(encoding="utf-8")
WAITING = ROOT / "tests" / "examples" / "waiting"
PLAIN = ("-p", "no:randomly", "-p", "no:cacheprovider")
CONSOLE = [(page, block) for page in PAGES for block in blocks(page, "console")]


def name(page: Path) -> str:
    return page.stem.replace("-", "_")


def assert_printed(expected: str, printed: str) -> None:
    """Compare; "…" stands for anything: a path, a time, or, alone on a line, any number of lines."""
    lines = [r".*" if line == "…" else re.escape(line).replace("…", r"[^\n]*") for line in expected.splitlines()]
    pattern = re.sub(r"(?:=)+( |$)", r"=+\1", "\n".join(lines), flags=re.MULTILINE)
    assert re.fullmatch(pattern + r"\n*", printed, flags=re.DOTALL), printed


# Python


def test_the_suite_of_the_demo_is_the_one_of_its_guide() -> None:
    assert SUITE in blocks(GUIDES / "getting-started.md", "python")


def test_the_python_blocks_of_each_guide_pass_one_after_another(pytester: pytest.Pytester) -> None:
    # Not the files of the README, whose output is compared below, and not the suite of the demo, which the demo runs.
    apart = {*files(README).values(), *files(GUIDES / "client-contract.md").values(), SUITE}
    suites = {
        name(page): "\n\n".join(block for block in blocks(page, "python") if block not in apart) for page in PAGES
    }
    pytester.makepyfile(**{f"test_page_{page}": suite for page, suite in suites.items() if suite})
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.syspathinsert(WAITING)

    result = pytester.runpytest_inprocess(*PLAIN)

    tests = sum(len(re.findall(r"^def test_", suite, flags=re.MULTILINE)) for suite in suites.values())
    assert tests >= 25
    result.assert_outcomes(passed=tests + 1)  # one of them runs on two releases


# Consoles


@pytest.mark.parametrize(
    ("page", "block"), CONSOLE, ids=lambda part: part.splitlines()[0] if isinstance(part, str) else part.stem
)
def test_the_output_of_a_console_block_is_what_is_printed(
    page: Path,
    block: str,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command, expected = block.split("\n", 1)
    program, *arguments = shlex.split(command.removeprefix("$ "))
    if program == "pytest":
        write_files(page, pytester, monkeypatch)
        assert_printed(expected, pytester.runpytest_inprocess(*arguments, *PLAIN).stdout.str())
        return

    assert program == "redis-actions"
    monkeypatch.chdir(ROOT)
    status = main(arguments)
    out, err = capfd.readouterr()

    assert_printed(expected, out + err)
    assert status == (2 if err else int(": RA" in expected.partition("\n")[0]))


def test_the_report_in_the_guide_is_what_a_failing_test_prints(redis_actions: RedisActions) -> None:
    script = [queued(seconds=20), starting(seconds=5), running(seconds=55), failed()]
    action = redis_actions.add_action("migrate_shards", uid="159ca2f8", script=script)
    connection = http.client.HTTPConnection("127.0.0.1", redis_actions.port)
    credentials = base64.b64encode(":".join(redis_actions.auth).encode()).decode()
    for _ in range(20):
        connection.request("GET", f"/v1/actions/{action.uid}", headers={"Authorization": f"Basic {credentials}"})
        connection.getresponse().read()
        redis_actions.clock.sleep(5)
    connection.close()

    (block,) = blocks(GUIDES / "journal.md", "")
    _, *lines = block.replace(":40117,", f":{redis_actions.port},").splitlines()
    assert redis_actions.report().splitlines()[: len(lines)] == lines


# Facts of the pages


def test_every_recipe_has_an_example_that_is_tested() -> None:
    tested = (WAITING / "test_waiting.py").read_text(encoding="utf-8")
    recipes = re.findall(r"tests/examples/waiting/(\w+)\.py", (GUIDES / "virtual-time.md").read_text(encoding="utf-8"))

    assert sorted(recipes) == sorted(path.stem for path in WAITING.glob("*.py") if path.stem != "test_waiting")
    assert all(recipe in tested for recipe in recipes)


def test_the_two_commands_are_one_line_each() -> None:
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]

    assert lines == [
        "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/redis-actions demo",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto",
    ]


def test_the_readme_is_short_enough_to_be_read_to_the_end() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.parametrize(("topic", "table"), build_guides.TABLES)
def test_a_table_that_the_code_has_is_the_one_of_its_guide(topic: str, table: str) -> None:
    guide = (GUIDES / f"{topic}.md").read_text(encoding="utf-8")

    assert f"<!-- {table} -->\n" in guide
    assert build_guides.with_table(guide, table, build_guides.TABLES[topic, table]()) == guide


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_into_the_project_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")) if "://" not in link]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_newest_version_of_the_guide_is_the_one_of_the_project() -> None:
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    versions = re.findall(r"^## (\d+\.\d+\.\d+)$", text("versions"), flags=re.MULTILINE)

    assert project is not None
    assert versions[0] == project[1]


# redis-actions help


def test_every_guide_is_a_topic_and_is_linked_from_the_readme() -> None:
    assert sorted(TOPICS) == [page.stem for page in PAGES[1:]]
    linked = re.findall(r"^\| \[([\w-]+)\]\(pytest_redis_actions/guides/\1\.md\)", README.read_text(), re.MULTILINE)
    assert linked == [*TOPICS]


def test_help_lists_the_topics_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(TOPICS)]] == [*TOPICS]
    assert max(map(len, lines)) <= 120
    assert all(summary(topic).count(".") == 1 for topic in TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_help_prints_a_guide_whose_links_are_commands_and_files(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0

    told = capsys.readouterr().out
    assert told.startswith("# ")
    assert not re.search(r"\]\((?!https?://)|<!--|\.\./", told)
    assert bool(re.search(r"\((tests|schemas)\b", told)) == told.endswith(
        "\nThe paths in parentheses are those of files in a clone of the project.\n"
    )
    assert {*re.findall(r"redis-actions help ([\w-]+)`", told)} <= {*TOPICS}


def test_help_of_a_command_is_the_help_of_that_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "check-trace"]) == 0

    assert capsys.readouterr().out.startswith("usage: redis-actions check-trace ")


@pytest.mark.parametrize(
    ("word", "likely"),
    [("drive", "read 'virtual-time' or "), ("RA103", "read 'contract-validation' or "), ("xyzzy", "")],
)
def test_a_word_that_names_no_topic_leads_to_the_guides_that_have_it(
    word: str, likely: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", word]) == 2

    assert capsys.readouterr().err.startswith(
        f"redis-actions: unknown topic {word!r}\n  fix  {likely or 'redis-actions help lists'}"
    )


@pytest.mark.parametrize(
    ("topic", "meant"),
    [("virtual", "virtual-time"), ("tls", "tls-and-auth"), ("StandStil", "standstill"), ("valdate", "validate")],
)
def test_a_misspelt_topic_names_the_nearest(topic: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 2

    assert capsys.readouterr().err == (
        f"redis-actions: unknown topic {topic!r}\n  fix  write {meant!r}; redis-actions help lists the topics\n"
    )
