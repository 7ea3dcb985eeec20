"""A handle on one operation of a stub: its state, its polls, and assertions on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ..api.endpoint import Endpoint
from ..errors import UsageError
from ..errors.arguments import Suggesting, with_example
from ..facts.lifecycle import TASK
from ..observed import journal_assertions as polling
from ..observed.journal import Exchange

__all__ = ["Action"]

__tracebackhide__ = True


class Action(Suggesting):
    """A handle on one operation: a task, a state machine, or an import, export or backup.

    Attributes:
        uid: its action_uid.
        name: its name on the API, or the request that will start it.
    """

    _meant: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("id", "action_uid", "task_id"), "uid"),
        **dict.fromkeys(("progress", "body", "history"), "trace"),
    }

    def __init__(self, endpoint: Endpoint, uid: str, name: str) -> None:
        self._endpoint = endpoint
        self.uid = uid
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name} {self.uid} {self.status}>"

    @property
    def status(self) -> str:
        """The status now; "gone" if the record has vanished, "not started" if the request of `when` has not come.

        Reading it does not advance the script. A script of polls is at the step that the last answered poll saw, or at
        its first step; a script of seconds is where the clock puts it.
        """
        state = self._endpoint.state(self.uid)
        if state is not None:
            return state.status
        return "gone" if self._endpoint.operation(self.uid) else "not started"

    @property
    def polls(self) -> tuple[Exchange, ...]:
        """Every poll of the operation, refused and faulted ones included, oldest first.

        A poll is a GET of the operation, or of a list that shows it or would have shown it had it been answered.
        """
        return self._endpoint.journal.polls_of(self.uid)

    @property
    def requests(self) -> tuple[Exchange, ...]:
        """Every request about the operation, oldest first: its polls, what started or cancelled it, HEAD."""
        return self._endpoint.journal.of(self.uid)

    @property
    def trace(self) -> tuple[tuple[float, Mapping[str, object]], ...]:
        """What clients saw of it: seconds on the clock, and the body."""
        return tuple((poll.seconds, poll.shown[self.uid]) for poll in self.polls if self.uid in poll.shown)

    @with_example("assert_polled(at_least=2)")
    def assert_polled(
        self, *, at_least: int | None = None, at_most: int | None = None, no_faster_than: float | None = None
    ) -> None:
        """Fail unless the number of polls, and the time between them, keep these bounds.

        Without `at_least`, one poll is expected; two with `no_faster_than`, none with `at_most=0`.

        Args:
            at_least, at_most: how many polls, as counted by `polls`.
            no_faster_than: the least seconds between two polls, on the stub's clock.

        Raises:
            PollingError: with the poll timeline.
            UsageError: no bound, or a bound that holds for every client.
        """
        polling.assert_polled(self.polls, self.uid, at_least=at_least, at_most=at_most, no_faster_than=no_faster_than)

    def assert_not_polled_after_terminal(self) -> None:
        """Fail if a client polled the operation again after a poll had shown its end; also if no poll showed it.

        The end is a terminal status, or the 404 of a record that was there before.

        Raises:
            PollingError: with the poll timeline.
        """
        operation, release = self._endpoint.operation(self.uid), self._endpoint.release
        kind = operation.kind if operation else TASK
        polling.assert_not_polled_after_terminal(self.polls, self.uid, kind=kind, release=release)

    def assert_retry_after_honoured(self) -> None:
        """Fail if a request about the operation came sooner than a Retry-After allowed; also if none followed one.

        Raises:
            PollingError: with the requests; also if no reply about the operation had a Retry-After.
        """
        polling.assert_retry_after_honoured(self.requests)

    def assert_no_overlapping_polls(self) -> None:
        """Fail if a request about the operation came while another one was not answered yet; also if none came.

        Raises:
            PollingError: with the requests.
        """
        polling.assert_no_overlapping_polls(self.requests)

    def cancel(self) -> bool:
        """Cancel a task, as an administrator would: a queued task at once, others through "cancelling".

        Returns:
            Whether it will be cancelled; False if it had already ended, and nothing changed.

        Raises:
            UsageError: a state machine, import, export or backup cannot be cancelled (E-LIFE-11).
        """
        if self._endpoint.operation(self.uid) is None:
            raise UsageError(f"{self.name} has not been started yet", fix="let the client send its request first")
        return self._endpoint.cancel(self.uid)
