"""Where the files that come with the package are: in it when it was built, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder"]

_HERE = Path(__file__).parent.parent
_IN_A_CHECKOUT = {"schemas": _HERE.parent / "schemas", "quickstart": _HERE.parent / "tests" / "examples" / "quickstart"}


def folder(name: str) -> Path:
    """Return the folder "schemas" or "quickstart".

    Raises:
        FileNotFoundError: the installation is broken: neither place has it.
    """
    for place in (_HERE / name, _IN_A_CHECKOUT[name]):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"pytest-redis-actions is installed without its {name}; install it again")
