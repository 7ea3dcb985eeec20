"""A handle on one operation of a stub: what a test asks of it, and asserts about those who polled it."""

from __future__ import annotations

from collections.abc import Mapping

from . import polling
from .endpoint import Endpoint
from .errors import UsageError
from .journal import Exchange

__all__ = ["Action"]

__tracebackhide__ = True


class Action:
    """A handle on one operation: a task, a state machine, or an import, export or backup.

    Attributes:
        uid: its action_uid.
        name: its name on the API, or the request that will start it.
    """

    def __init__(self, endpoint: Endpoint, uid: str, name: str) -> None:
        self._endpoint = endpoint
        self.uid = uid
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name} {self.uid} {self.status}>"

    @property
    def status(self) -> str:
        """The status now: "gone" for a record that has vanished, "not started" for one that `when` waits for.

        Reading it moves nothing. A script of polls stands where the last poll that was answered saw it, before the
        first one at its first step; a script of seconds stands where the clock is.
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

    def assert_polled(
        self, *, at_least: int | None = None, at_most: int | None = None, no_faster_than: float | None = None
    ) -> None:
        """Fail unless clients polled the operation so often, and no two polls were closer together.

        Args:
            at_least, at_most: polls, as `polls` has them.
            no_faster_than: seconds between two polls, on the stub's clock.

        Raises:
            PollingError: with the poll timeline.
        """
        polling.assert_polled(self.polls, self.uid, at_least=at_least, at_most=at_most, no_faster_than=no_faster_than)

    def assert_not_polled_after_terminal(self) -> None:
        """Fail if a client polled the operation again after it had seen how it ended.

        Raises:
            PollingError: with the poll timeline.
        """
        operation = self._endpoint.operation(self.uid)
        if operation is not None:
            release = self._endpoint.release
            polling.assert_not_polled_after_terminal(self.polls, self.uid, kind=operation.kind, release=release)

    def cancel(self) -> bool:
        """Cancel a task, as an administrator would: queued ones at once, others by way of "cancelling".

        Returns:
            Whether it will be cancelled. False is too late: it had ended, and nothing has changed.

        Raises:
            UsageError: a state machine, import, export or backup: those cannot be cancelled (E-LIFE-11).
        """
        if self._endpoint.operation(self.uid) is None:
            raise UsageError(f"{self.name} has not been started yet", fix="let the client send its request first")
        return self._endpoint.cancel(self.uid)
