"""From what jsonschema says to what a person needs: code, place, expectation, hint, source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from ..errors.citing import cited
from ..facts.lifecycle import STATE_MACHINE, TASK, lifecycle, owners
from . import catalogue
from .documents import Path
from .violation import Violation

if TYPE_CHECKING:
    from jsonschema import ValidationError

__all__ = ["explained"]

_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
}
_CODES = {
    "required": "RA101",
    "type": "RA102",
    "enum": "RA103",
    "minimum": "RA104",
    "maximum": "RA104",
    "minLength": "RA105",
    "pattern": "RA105",
    "not": "RA105",
    "propertyNames": "RA106",
    "anyOf": "RA107",
    "minProperties": "RA108",
}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_V2_FIELDS = ("action_type", "additional_info")
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "action_uid": ("uid", "id", "uuid", "action_id", "actionuid", "task_id", "taskid", "job_id"),
    "task_id": ("action_uid", "uid", "id", "uuid", "action_id", "job_id"),
    "name": ("action", "action_name", "operation", "type", "kind"),
    "status": ("action_status", "task_status", "result", "phase", "state"),
    "progress": ("percent", "percentage", "percent_complete", "completion", "pct"),
    "object_name": ("object", "object_id", "bdb", "bdb_uid", "resource", "target"),
    "node_uid": ("node", "node_id"),
    "creation_time": ("created", "created_at", "creation_date", "start_time", "started_at", "timestamp"),
    "error_code": ("code", "error", "error_type"),
    "description": ("message", "error_message", "detail", "reason"),
}
"""Field -> what else such a field is called in invented bodies and other APIs."""


@dataclass(frozen=True)
class _Error:
    """One error of jsonschema, as far as its text is not needed.

    Attributes:
        keyword: the keyword that failed; "propertyNames" for what fails below that.
        wanted: the value of the keyword in the schema.
        instance: the value that was found.
        field: the last key or index on the way to it, or None.
        schema: the schema that the keyword stands in.
        kind, release: the contract.
    """

    keyword: str
    wanted: Any
    instance: Any
    field: str | int | None
    schema: Mapping[str, Any]
    kind: str
    release: str

    @property
    def is_foreign(self) -> bool:
        """Whether the field belongs to another kind of object."""
        return self.keyword == "not" and self.wanted == {}


def explained(
    found: ValidationError, *, path: Path, kind: str, release: str, owner: object, row: int | None
) -> Iterator[Violation]:
    """Yield the violations that one error of jsonschema stands for.

    Of `required` jsonschema makes an error for each missing field and says only in its text which; so each of them
    stands for all missing fields here, and who collects them drops the equal ones.

    Args:
        found: the error, relative to the object that was validated.
        path: where that object stands in the document.
        kind: of that object.
        release: whose contract it is.
        owner: that object itself.
        row: its index in its list, or None.
    """
    raw: Any = found  # whose attributes are typed as perhaps unset
    inside = "propertyNames" in raw.relative_schema_path
    way = (*path, *raw.absolute_path, *((raw.instance,) if inside else ()))
    error = _Error(
        "propertyNames" if inside else raw.validator,
        raw.validator_value,
        raw.instance,
        way[-1] if way else None,
        raw.schema,
        kind,
        release,
    )
    uid = owner.get("action_uid") if isinstance(owner, dict) else None
    for expected, got, hint, comment in _departures(error, owner):
        yield Violation(
            code="RA106" if error.is_foreign else _CODES[error.keyword],
            path=way,
            row=row,
            action_uid=uid if isinstance(uid, str) else None,
            keyword=error.keyword,
            expected=expected,
            got=got,
            hint=hint,
            source=f"{cited(comment)}; {catalogue.page(kind, release)}",
        )


def _departures(error: _Error, owner: object) -> Iterator[tuple[str, str, str, str]]:
    """Yield what was expected, what was found, the hint and the comment with the facts."""
    comment = error.schema.get("$comment", "")
    if error.keyword != "required":
        yield _expected(error), _got(error), _hint(error, owner), comment
        return
    missing = [name for name in error.wanted if name not in error.instance]
    got = "only " + (", ".join(sorted(error.instance)[:12]) or "an empty object")
    properties = error.schema.get("properties", {})
    for name, hint in _hints_for_missing(missing, error.instance, {*properties, *error.wanted}):
        yield name, got, hint, properties.get(name, {}).get("$comment", comment)


def _expected(error: _Error) -> str:
    value = error.wanted
    if error.keyword == "type":
        return _TYPES.get(value, str(value))
    if error.keyword in ("enum", "propertyNames"):
        return "one of " + ", ".join(map(str, error.schema["enum"]))
    if error.keyword in ("minimum", "maximum"):
        return f"{'at least' if error.keyword == 'minimum' else 'at most'} {value}"
    if error.keyword == "anyOf":
        return str(error.schema["title"])
    if error.keyword == "minLength":
        return "a text that is not empty"
    if error.keyword == "minProperties":
        return "at least one key"
    return "no such field" if error.is_foreign else "digits only"


def _got(error: _Error) -> str:
    return f"the field {_json(error.instance)}" if error.keyword == "propertyNames" else _json(error.instance)


def _json(value: object) -> str:
    """Return a JSON value in JSON's own spelling, cut to a line."""
    if isinstance(value, dict):
        return f"an object with {', '.join(map(_json, list(value)[:4]))}{', …' if len(value) > 4 else ''}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:79] + "…"


def _hint(error: _Error, owner: object) -> str:
    if error.keyword == "enum":
        return _hint_for_word(error.instance, error.wanted, error.release)
    if error.keyword == "type":
        return _hint_for_type(error.instance, error.wanted)
    if error.keyword == "anyOf":
        return _hint_for_progress(error.instance)
    if error.is_foreign or error.keyword == "propertyNames":
        return _hint_for_field(error, owner)
    return ""


def _hint_for_field(error: _Error, owner: object) -> str:
    field = error.field
    if error.kind == "pending-op":
        return "a field of an action: a pending operation is an entry of its pending_ops"
    if field == "action_uid" and error.is_foreign:
        return "an action of a node answers with task_id, and that is the uid to poll (E-NODE-8)"
    if field in _V2_FIELDS:
        return "a field of v2: this looks like a row of GET /v2/actions"
    if error.kind.startswith(("action-v2", "GET /v2")) and error.is_foreign:
        return "a field of v1: in v2 it is in additional_info, or absent"
    if error.is_foreign:  # creation_time, the last one
        return "clusters send it all the same; the profile 'wire' has it"
    guess = nearest(field, error.schema["enum"])
    if guess and guess not in (owner if isinstance(owner, dict) else ()):
        return f"write {guess} instead"
    return "the profile 'documented' refuses every addition of the vendor; 'wire' does not"


def _hints_for_missing(
    missing: Sequence[str], instance: Mapping[str, object], known: set[str]
) -> Iterator[tuple[str, str]]:
    """Yield each missing field with its hint. A field that is there explains one missing one at most."""
    hints = {name: _hint_for_missing(name, instance, missing) for name in missing}
    others = [key for key in instance if key not in known]

    def synonym(name: str) -> str | None:
        return next((key for key in others if key.lower() in _SYNONYMS.get(name, ())), None)

    for meant in (synonym, lambda name: nearest(name, others)):
        for name in missing:
            key = meant(name) if not hints[name] else None
            if key is not None:
                others.remove(key)
                hints[name] = f"write {name} instead of {_json(key)}"
    yield from hints.items()


def _hint_for_missing(name: str, instance: Mapping[str, object], missing: Sequence[str]) -> str:
    if name == "description" and "message" in instance:
        return "the error's text is in message, as in the reference; clusters send description (E-C8)"
    if name in ("actions", "state-machines") and "action_uid" in instance:
        return "this is one action, not the list"
    if name == "progress" and instance.get("status") == "active":
        return "only a completed state machine may lack it (E-SM-6)"
    if name == "progress" and instance.get("status") == "completed" and "object_name" in instance:
        return "clusters leave it out once completed (E-SM-6); the profile 'wire' allows it"
    if name == "action_uid" and "status" in missing:
        return "nothing identifies this as an action: it has neither action_uid nor status"
    return ""


def _hint_for_word(instance: object, words: list[str], release: str) -> str:
    if not isinstance(instance, str):
        return f"a status is a text, not {_noun(instance)}"
    if instance.lower() in words:
        return f"in lower case: {instance.lower()!r}"
    is_v2 = "queued" in words and "starting" not in words
    for owner in owners(instance):
        if is_v2:
            return f"{instance!r} is a word of v1; v2 has {', '.join(words)}"
        if owner.kind == (own := TASK if "queued" in words else STATE_MACHINE):
            since = lifecycle(own, release, "documented").since(instance)
            return f"in the reference since {since}, on clusters before: the profile 'wire' has it"
        return f"{instance!r} is a status of {owner.noun}"
    guess = nearest(instance, words)
    return f"did you mean {guess!r}?" if guess else ""


def _hint_for_type(instance: object, wanted: str) -> str:
    if wanted == "array" and isinstance(instance, dict):
        if "actions" in instance or "state-machines" in instance:
            return "this is the envelope of GET /v1/actions; a bare list is expected here"
        return "an object where a list is expected"
    if wanted == "object" and isinstance(instance, list):
        return "a bare list where an object is expected; GET /v1/actions wraps its lists in one (E-C5)"
    if wanted == "object" and isinstance(instance, str) and instance.lstrip()[:1] in ("{", "["):
        return "JSON text inside a text: parse it first"
    if wanted in ("number", "integer") and isinstance(instance, str) and _NUMBER.fullmatch(instance):
        return "a number as text; here it is sent as a number"
    if wanted == "string" and isinstance(instance, (int, float)) and not isinstance(instance, bool):
        return f"a number; here it is sent as text, {_json(str(instance))}"
    return "null: leave the field out instead" if instance is None else ""


def _hint_for_progress(instance: object) -> str:
    if instance is None:
        return "null: every task has a progress"
    if isinstance(instance, bool):
        return "true and false are not percentages"
    if isinstance(instance, str):
        number = _NUMBER.fullmatch(instance.strip().rstrip("%"))
        return "only the number, nothing around it" if number and number.group() != instance else ""
    return "out of 0 to 100" if isinstance(instance, (int, float)) and not 0 <= instance <= 100 else ""


def _noun(value: object) -> str:
    return {type(None): "null", bool: "true or false", int: "a number", float: "a number", list: "a list"}.get(
        type(value), "an object"
    )
