"""Makes the tables of the guides that the code has, and writes them: `python tests/build_guides.py`."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

from pytest_redis_actions.driving.reach import REACH
from pytest_redis_actions.plugin import _SETTINGS
from pytest_redis_actions.stub.options import Options

GUIDES = Path(__file__).parent.parent / "pytest_redis_actions" / "guides"


def options() -> str:
    """Return the table of options: the lines of the class's docstring, with defaults, and which are settings."""
    attributes = (inspect.getdoc(Options) or "").partition("Attributes:\n")[2]
    lines = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", attributes, flags=re.MULTILINE))
    rows = []
    for field in fields(Options):
        default = repr(field.default).replace("'", '"')
        setting = "yes" if field.name in _SETTINGS else ""
        rows.append(f"| `{field.name}` | `{default}` | {setting} | {' '.join(lines[field.name].split()).rstrip('.')} |")
    return "\n".join(["| option | default | setting | |", "|---|---|---|---|", *rows])


def reach() -> str:
    """Return the table of what virtual time reaches, and of what is refused."""
    rows = [f"| {row.what} | {'driven' if row.is_driven else 'refused'} | {row.instead} |" for row in REACH]
    return "\n".join(["| what a driven module uses | it is | instead |", "|---|---|---|", *rows])


TABLES = {("options", "options"): options, ("not-driven", "reach"): reach}


def with_table(text: str, name: str, table: str) -> str:
    """Return a guide with this table between its two comments."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
        lambda match: f"{match[1]}{table}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write the tables into their guides."""
    for (topic, name), table in TABLES.items():
        path = GUIDES / f"{topic}.md"
        path.write_text(with_table(path.read_text(encoding="utf-8"), name, table()), encoding="utf-8")


if __name__ == "__main__":
    main()
