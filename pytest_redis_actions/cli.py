"""`redis-actions …`: what the project offers on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failure, 2 for misuse."""
    parser = argparse.ArgumentParser(prog="redis-actions", description="Stub of the Redis Enterprise actions API.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("demo", help="run an example suite on the stub, then watch a 30-minute migration in seconds")
    parser.parse_args(arguments)
    try:
        return _demo()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # or the interpreter complains about the pipe once more when it ends
        return 1


def _demo() -> int:
    from .demo import run

    return run(sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
