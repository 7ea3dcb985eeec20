"""From what jsonschema says to what a person needs: code, place, expectation, hint, source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from ..lifecycle import STATE_MACHINE, TASK, lifecycle, owners
from . import catalogue
from .documents import pointer_to
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
_FACT = re.compile(r"E-(?:C\d+|[A-Z0-9]+-\d+)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_V2_FIELDS = ("action_type", "additional_info")


def explained(
    found: ValidationError, *, path: tuple[object, ...], kind: str, release: str, owner: object, row: int | None
) -> Iterator[Violation]:
    """Yield the violations that one error of jsonschema stands for.

    Args:
        found: the error, relative to the object that was validated.
        path: where that object stands in the document.
        kind: of that object.
        release: whose contract it is.
        owner: that object itself.
        row: its index in its list, or None.
    """
    error: Any = found  # whose attributes are typed as perhaps unset
    keyword = "propertyNames" if "propertyNames" in error.absolute_schema_path else str(error.validator)
    where = (*path, *error.absolute_path)
    if keyword == "propertyNames":
        where = (*where, error.instance)
    code = "RA106" if keyword == "not" and error.validator_value == {} else _CODES[keyword]
    uid = owner.get("action_uid") if isinstance(owner, dict) else None
    yield Violation(
        code=code,
        pointer=pointer_to(where),
        row=row,
        action_uid=uid if isinstance(uid, str) else None,
        keyword=keyword,
        expected=_expected(error, keyword),
        got=_got(error, keyword, owner),
        hint=_hint(error, keyword, kind, release),
        source=_source(error, keyword, kind, release),
    )


def _missing(error: Any) -> str:
    """Return the name of the field that a `required` error is about."""
    # The message is the only place that names it; it begins with the name's repr.
    return str(next(name for name in error.validator_value if error.message.startswith(repr(name))))


def _expected(error: Any, keyword: str) -> str:
    value: Any = error.validator_value
    if keyword == "required":
        return _missing(error)
    if keyword == "type":
        return _TYPES.get(value, str(value))
    if keyword in ("enum", "propertyNames"):
        return "one of " + ", ".join(map(str, value))
    if keyword in ("minimum", "maximum"):
        return f"{'at least' if keyword == 'minimum' else 'at most'} {value}"
    if keyword == "anyOf":
        return str(error.schema["title"])
    if keyword == "minLength":
        return "a text that is not empty"
    if keyword == "minProperties":
        return "at least one key"
    return "no such field" if value == {} else "digits only"


def _got(error: Any, keyword: str, owner: object) -> str:
    if keyword == "required":
        return "only " + (", ".join(sorted(map(str, error.instance))[:12]) or "an empty object")
    if keyword == "propertyNames":
        return f"the field {_shown(error.instance)}"
    return _shown(error.instance)


def _shown(value: object) -> str:
    """Return a JSON value in JSON's own spelling, cut to a line."""
    if isinstance(value, dict):
        return f"an object with {', '.join(map(_shown, list(value)[:4]))}{', …' if len(value) > 4 else ''}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 80 else text[:79] + "…"


def _hint(error: Any, keyword: str, kind: str, release: str) -> str:
    instance: Any = error.instance
    if keyword == "required":
        return _hint_for_missing(_missing(error), instance)
    if keyword == "enum":
        return _hint_for_word(instance, error.validator_value, kind, release)
    if keyword == "type":
        return _hint_for_type(instance, error.validator_value)
    if keyword == "anyOf":
        return _hint_for_progress(instance)
    name = str(instance) if keyword == "propertyNames" else str(list(error.absolute_path)[-1:] or "")
    if keyword in ("not", "propertyNames") and any(field in name for field in _V2_FIELDS):
        return "a field of v2: this looks like a row of GET /v2/actions"
    if keyword == "not" and error.validator_value == {} and kind.startswith(("action-v2", "GET /v2")):
        return "a field of v1: in v2 it stands in additional_info, or nowhere"
    if keyword == "not" and "creation_time" in name and error.validator_value == {}:
        return "clusters send it all the same; the profile 'wire' has it"
    return ""


def _hint_for_missing(name: str, instance: Mapping[str, object]) -> str:
    if name == "description" and "message" in instance:
        return "the error's text stands in message: that is the reference's word, clusters send description (E-C8)"
    if name in ("actions", "state-machines") and "action_uid" in instance:
        return "this is one action, not the list"
    if name == "progress" and instance.get("status") == "active":
        return "only a completed state machine may lack it (E-SM-6)"
    close = nearest(name, [key for key in instance if isinstance(key, str)])
    return f"there is {_shown(close)}" if close and close != name else ""


def _hint_for_word(instance: object, words: list[str], kind: str, release: str) -> str:
    if not isinstance(instance, str):
        return f"a status is a text, not {_noun(instance)}"
    if instance.lower() in words:
        return f"in lower case: {instance.lower()!r}"
    own = TASK if "queued" in words and "starting" in words else STATE_MACHINE
    if "queued" in words and "starting" not in words and instance in ("pending", "active", "starting", "cancelled"):
        return f"{instance!r} is a word of v1; v2 has {', '.join(words)}"
    for owner in owners(instance):
        if owner.kind == own:
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
        return f"a number; here it is sent as text, {_shown(str(instance))}"
    return "null: leave the field out instead" if instance is None else ""


def _hint_for_progress(instance: object) -> str:
    if instance is None:
        return "null: every task has a progress"
    if isinstance(instance, bool):
        return "true and false are no percents"
    if isinstance(instance, str):
        number = _NUMBER.fullmatch(instance.strip().rstrip("%"))
        return "only the number, nothing around it" if number and number.group() != instance else ""
    return "out of 0 to 100" if isinstance(instance, (int, float)) and not 0 <= instance <= 100 else ""


def _noun(value: object) -> str:
    return {type(None): "null", bool: "true or false", int: "a number", float: "a number", list: "a list"}.get(
        type(value), "an object"
    )


def _source(error: Any, keyword: str, kind: str, release: str) -> str:
    schema: Any = error.schema
    comment = schema.get("$comment", "")
    if keyword == "required":
        comment = schema.get("properties", {}).get(_missing(error), {}).get("$comment", comment)
    facts = ", ".join(_FACT.findall(comment))
    return f"{facts}; {catalogue.page(kind, release)}"
