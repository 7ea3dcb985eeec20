"""The catalogue: what a stub does to a client, what a sound client does then, and the plays that find out.

Each scenario has an id that is stable, and one play or more. A fault that a client must survive comes at most twice in
a row, with good replies between; a play that must succeed leaves time for 60 polls a minute apart, one whose failure
only a later poll shows for ten. One that must be given up has a deadline of 120 s, and shows all that it has at once.
Each scenario names the rows of schemas/evidence.md that it rests on, or says why it is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Protocol

from .. import faults
from ..api.fault_schedule import Injected
from ..errors import UsageError, advice, shown
from ..facts.releases import has
from ..faults import ABSENT, Fault, HttpDate
from ..operations.script import (
    Step,
    aborted,
    active,
    cancelled,
    cancelling,
    completed,
    failed,
    gone,
    jump,
    pending,
    queued,
    running,
    starting,
)
from .verdicts import (
    Demand,
    all_of,
    at_most,
    completes,
    crashed,
    ends,
    ends_in,
    exactly,
    fails_at_once,
    gives_up,
    honours_retry_after,
    is_deleted,
    keeps_credentials_at_home,
    leaves_no_thread,
    never_starts,
    no_success,
    raises,
    reads_v2,
    sends_headers,
    soon_after_a_past_date,
    stands_firm,
)

__all__ = ["SCENARIOS", "Play", "Scenario", "Stage", "find_play", "find_scenario"]

__tracebackhide__ = True

LONG, MIDDLE, SHORT = 3600.0, 600.0, 120.0
READ_TIMEOUT = 2.0
_HASTE = 2  # real seconds that a client which is not driven is told to wait
UNKNOWN_UID = "00000000-0000-4000-8000-000000000000"
HEADERS = {"X-Request-Source": "client-contract"}


class Waited(Protocol):
    """The operation that a client waits for, as far as a play needs it."""

    @property
    def uid(self) -> str: ...

    @property
    def name(self) -> str: ...


class Cluster(Protocol):
    """The stub, as far as a play needs it."""

    @property
    def url(self) -> str: ...

    @property
    def httpserver(self) -> Any: ...

    @property
    def add_action(self) -> Callable[..., Waited]: ...

    @property
    def add_state_machine(self) -> Callable[..., Waited]: ...

    @property
    def inject(self) -> Callable[[Injected], None]: ...


@dataclass
class Stage:
    """Where a play is set: the stub, and what else it needs.

    Attributes:
        stub: the cluster.
        elsewhere: makes a second host, which asks for no credentials.
        wanted: uid -> the status that it ends in, of plays with several operations.
        is_driven: whether the client waits on the stub's clock.
    """

    stub: Cluster
    elsewhere: Callable[[], Cluster] | None = None
    wanted: dict[str, str] = field(default_factory=dict)
    is_driven: bool = True

    def task(self, *script: Step | Fault) -> Waited:
        """Add a shard migration."""
        return self.stub.add_action("migrate_shards", script=script, node_uid="2")

    def machine(self, *script: Step | Fault, name: str = "SMUpdateBDB") -> Waited:
        """Add a state machine."""
        return self.stub.add_state_machine(name, object_name="bdb:1", script=script)

    def meets(self, fault: Fault, *, after: int = 1, polls: int | None = 1) -> Waited:
        """Add a migration of some polls, some of which meet a fault."""
        action = self.task(running(polls=4), completed())
        self.always(fault, after=after, polls=polls)
        return action

    def always(self, fault: Fault, *, after: int = 0, polls: int | None = None) -> None:
        """Let GETs meet a fault, wherever they go."""
        met = fault if self.is_driven else faults.hastened(fault, _HASTE)
        self.stub.inject(Injected(met, method="GET", after=after, count=polls))

    def start_answers(self, fault: Fault, *, tries: int | None = 1) -> None:
        """Let whatever is no GET be answered so."""
        self.stub.inject(Injected(fault, method="*", count=tries))


Setting = Callable[[Stage], Any]
"""Returns the operation to wait for, or None."""


@dataclass(frozen=True)
class Play:
    """One way to find out whether a client bears a scenario.

    Attributes:
        name: what is special about it; "" for the only one.
        setting: sets the stage; returns the operation to wait for, or None for one that does not exist.
        demand: what the client must do.
        timeout: the client's deadline in seconds.
        options: of the stub.
        needs: a feature that a release must have.
        driven: whether it is for clients only that wait on the stub's clock.
        again: whether the operation is cancelled, too late, and `wait` is called a second time.
        polls_on: whether a poll after the end is allowed, as it is for who waits until a record is gone.
        polls: how many polls a sound client needs at most, save for what depends on time.
        assumed: why the play is assumed; "" if it rests on what its scenario does.
        read_timeout: real seconds that one request may wait for its reply.
        tries: how often it is played before it counts as failed: on a busy machine any reply may be later than a short
            `read_timeout`, also the last one, and who then polls again has done nothing wrong.
    """

    name: str
    setting: Setting
    demand: Demand
    timeout: float = LONG
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    driven: bool = False
    again: bool = False
    polls_on: bool = False
    polls: int = 6
    assumed: str = ""
    read_timeout: float = READ_TIMEOUT
    tries: int = 1

    def is_in(self, release: str) -> bool:
        """Whether a release can play it."""
        return not self.needs or has(release, self.needs)


@dataclass(frozen=True)
class Scenario:
    """What a stub does to a client, and what a sound one does then.

    Attributes:
        id: "S18".
        group: what the scenario is about.
        title: what the stub does.
        sound: what a sound client does.
        plays: the ways to find out.
        evidence: ids of the rows that it rests on.
        assumed: why there are none; "" if there are.
        capability: what a client must say of itself for the scenario to be played; "" for all clients.
        waits_for: what a client must wait for, "action" or "deletion"; "" for all clients.
        tls: whether it needs the extra "tls".
    """

    id: str
    group: str
    title: str
    sound: str
    plays: tuple[Play, ...]
    _: KW_ONLY
    evidence: tuple[str, ...] = ()
    assumed: str = ""
    waits_for: str = ""
    capability: str = ""
    tls: bool = False

    def __repr__(self) -> str:
        return f"<{self.id}: {self.title}>"

    def played_in(self, release: str, *, is_driven: bool = True) -> tuple[Play, ...]:
        """Return the plays that a release can play for such a client."""
        return tuple(play for play in self.plays if play.is_in(release) and (is_driven or not play.driven))

    def why_assumed(self, play: Play) -> str:
        """Return why a play of it is assumed, or "" if it rests on evidence."""
        return play.assumed or self.assumed


def _play(setting: Setting, demand: Demand, name: str = "", **more: object) -> Play:
    return Play(name, setting, demand, **more)  # type: ignore[arg-type]  # Play's own fields


def _survives(*given: Fault, demand: Demand = completes, polls: int = 1, driven: bool = False) -> tuple[Play, ...]:
    """Return a play for each fault: it comes after a good reply, and good ones follow."""
    return tuple(
        _play(lambda stage, fault=fault: stage.meets(fault, polls=polls), demand, fault.name, driven=driven)  # type: ignore[misc]  # binds the loop's variable
        for fault in given
    )


def _shows(
    values: Iterable[tuple[str, Mapping[str, object]]], demand: Demand, *, timeout: float = LONG
) -> tuple[Play, ...]:
    """Return a play for each set of fields that records show for ever."""

    def setting(stage: Stage, fields: Mapping[str, object]) -> Waited:
        action = stage.task(running(polls=3), completed())
        stage.always(faults.record(**fields))
        return action

    return tuple(
        _play(lambda stage, fields=fields: setting(stage, fields), demand, name, timeout=timeout)  # type: ignore[misc]  # binds the loop's variable
        for name, fields in values
    )


def _runs_for_ever(stage: Stage) -> Waited:
    return stage.task(running())


def _other_place(code: int) -> Setting:
    def setting(stage: Stage) -> Waited:
        action = stage.task(running())
        body = {"action_uid": action.uid, "name": action.name, "status": "completed", "progress": "100"}
        stage.stub.httpserver.expect_request(f"/moved/{action.uid}").respond_with_json(body)
        stage.always(faults.redirect(f"/moved/{action.uid}", code=code), polls=1)
        return action

    return setting


def _other_host(name: str) -> Setting:
    """Redirect to a second host that knows the operation, under this name."""

    def setting(stage: Stage) -> Waited:
        action = stage.task(running())
        assert stage.elsewhere is not None  # noqa: S101  # the runner gives one
        other = stage.elsewhere()
        other.add_action("migrate_shards", uid=action.uid, script=[completed()])
        to = other.url.replace("127.0.0.1", name) + f"/v1/actions/{action.uid}"
        stage.always(faults.redirect(to, code=307), polls=1)
        return action

    return setting


def _loop(stage: Stage) -> Waited:
    action = stage.task(running())
    stage.always(faults.redirect(f"/v1/actions/{action.uid}"))
    return action


def _alternating(stage: Stage) -> Waited:
    action = stage.task(running(polls=12), completed())
    for number in range(12):
        stage.always(faults.status(503 if number % 2 else 500), after=number, polls=1)
    return action


def _another_uid(stage: Stage) -> Waited:
    action = stage.task(running(polls=1), completed())
    stage.always(faults.record(action_uid="11111111-1111-4111-8111-111111111111"))
    return action


def _fifty(stage: Stage) -> None:
    for number in range(50):
        ending = (completed(), failed(error_code="internal_error"), cancelled())[number % 3]
        steps = [running(polls=1 + number % 7)]
        if ending.status == "cancelled":
            steps.append(cancelling())
        stage.wanted[stage.task(*steps, ending).uid] = ending.status


def _started(document: Callable[[str], object]) -> Setting:
    def setting(stage: Stage) -> Waited:
        action = stage.task(running(polls=2), completed())
        stage.start_answers(faults.body(document(action.uid)))
        return action

    return setting


def _refused_start(tries: int | None) -> Setting:
    def setting(stage: Stage) -> Waited:
        action = stage.task(running(polls=2), completed())
        stage.start_answers(faults.conflict(), tries=tries)
        stage.start_answers(faults.body({"action_uid": action.uid}))
        return action

    return setting


def _deleted(*ending: Step) -> Setting:
    return lambda stage: stage.machine(active(polls=2), *ending, name="SMDeleteBDB")


_LIFE = "lifecycle"
_ENDS = "ways to end"
_WORDS = "words"
_ERRORS = "server errors"
_ACCESS = "access and absence"
_LATER = "Retry-After"
_BODIES = "bodies"
_WIRE = "connection"
_LIMITS = "deadline, load, headers"
_STARTS = "starting and deleting"

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "S01", _LIFE, "completed on the first poll", "polls once, and does not sleep after it",
        (_play(lambda stage: stage.task(completed()), all_of(completes, exactly(1, 0.0))),),
        assumed="a policy: one sleep that is not needed harms nobody",
    ),
    Scenario(
        "S02", _LIFE, "queued, starting, running, completed, one poll each", "returns; saw the statuses in order",
        (_play(lambda stage: stage.task(queued(), starting(), running(), completed()), all_of(completes, exactly(4))),),
        evidence=("E-LIFE-1",),
    ),
    Scenario(
        "S03", _LIFE, "running for 20 polls, then completed", "polls 21 times, within its budget",
        (_play(lambda stage: stage.task(running(polls=20), completed()), all_of(completes, exactly(21)), polls=21),),
        evidence=("E-LIFE-1",),
    ),
    Scenario(
        "S04", _LIFE, "completes after 400 s, whatever the poll rate", "returns the same result at any poll rate",
        (_play(lambda stage: stage.task(running(seconds=400), completed()), completes),),
        evidence=("E-LIFE-1", "E-LIFE-12"),
    ),
    Scenario(
        "S05", _LIFE, "intermediate states skipped between two polls", "does not insist on seeing each state",
        (
            _play(
                lambda stage: stage.task(queued(seconds=0.1), starting(seconds=0.1), running(seconds=0.1), completed()),
                completes,
            ),
        ),
        evidence=("E-LIFE-1", "E-FAIL-3"),
    ),
    Scenario(
        "S06", _LIFE, "a state machine: pending, active, completed", "understands these statuses, too",
        (
            _play(
                lambda stage: stage.machine(pending(), active(polls=2), completed()), completes,
                "a machine that completes",
            ),
            _play(
                lambda stage: stage.machine(pending(), active(), failed(error="no memory")), ends_in("failed"),
                "a machine that fails",
            ),
        ),
        evidence=("E-STATUS-2", "E-LIFE-3"),
    ),
    Scenario(
        "S07", _LIFE, "the v2 form with additional_info", "understands this form, too",
        (
            _play(
                lambda stage: stage.machine(pending(), active(polls=2), completed()),
                all_of(completes, reads_v2), needs="v2-actions",
            ),
        ),
        capability="reads_v2",
        evidence=("E-V2-6", "E-V2-7"),
    ),
    Scenario(
        "S08", _ENDS, "failed with error_code and error_message", "raises, with both texts",
        (
            _play(
                lambda stage: stage.task(
                    running(), failed(error_code="insufficient_resources", error_message="no available nodes!")
                ),
                ends_in("failed", "insufficient_resources", "no available nodes"),
            ),
        ),
        evidence=("E-TASK-10", "E-FAIL-1"),
    ),
    Scenario(
        "S09", _ENDS, "failed with no detail at all", "raises an error of its own, not a KeyError",
        (_play(lambda stage: stage.task(running(), failed()), ends_in("failed")),),
        evidence=("E-FAIL-1",),
    ),
    Scenario(
        "S10", _ENDS, "failed straight from queued, which the lifecycle forbids", "stops all the same",
        (_play(lambda stage: stage.task(queued(), jump(), failed()), ends_in("failed")),),
        assumed="the lifecycle has no such step",
    ),
    Scenario(
        "S11", _ENDS, "cancelling, then cancelled", "tells cancelled from failed and from completed",
        (
            _play(
                lambda stage: stage.task(running(), cancelling(polls=2), cancelled()), ends_in("cancelled", "cancel")
            ),
        ),
        evidence=("E-LIFE-1", "E-FAIL-2"),
    ),
    Scenario(
        "S12", _STARTS, "cancel comes too late", "keeps completed",
        (
            _play(
                _started(lambda uid: {"action_uid": uid}), completes, again=True,
            ),
        ),
        capability="starts",
        evidence=("E-LIFE-11",),
    ),
    Scenario(
        "S13", _ENDS, "aborted, from starting and from running", "stops at once",
        (
            _play(
                lambda stage: stage.task(starting(), aborted()), ends_in("aborted", "abort"), "aborted from starting",
            ),
            _play(
                lambda stage: stage.task(running(), aborted()), ends_in("aborted", "abort"), "aborted from running",
            ),
        ),
        evidence=("E-LIFE-2", "E-FAIL-2"),
    ),
    Scenario(
        "S14", _WORDS, '"Completed", "CANCELED"', "has an explicit policy: ends or raises, never loops",
        tuple(
            play
            for word in ("Completed", "CANCELED")
            for play in _shows([(f"status {word!r}", {"status": word})], stands_firm(word), timeout=SHORT)
        ),
        assumed="no source shows a status in another spelling",
    ),
    Scenario(
        "S15", _WORDS, "an unknown status word for ever", "stops by its deadline and names the word",
        _shows([("", {"status": "hibernating"})], all_of(raises("hibernating"), gives_up), timeout=SHORT),
        evidence=("E-FAIL-2",),
    ),
    Scenario(
        "S16", _ENDS, "terminal, but neither result nor error", "ends, never hangs",
        (
            _play(lambda stage: stage.machine(active(), completed()), completes, "a state machine that completes"),
            *_shows([("a task without progress", {"progress": ABSENT})], completes),
        ),
        evidence=("E-FAIL-7",),
    ),
    Scenario(
        "S17", _ERRORS, "one 500, then goes on", "repeats the poll, not the operation",
        _survives(faults.status(500), demand=all_of(completes, never_starts)),
        capability="retries_server_errors",
        evidence=("E-HTTP-5", "E-FAIL-12"),
    ),
    Scenario(
        "S18", _ERRORS, "503 with Retry-After, then goes on", "waits as told",
        _survives(faults.status(503, retry_after=20), demand=all_of(completes, honours_retry_after)),
        capability="honours_retry_after",
        assumed="no source mentions Retry-After",
    ),
    Scenario(
        "S19", _ERRORS, "429 with Retry-After", "waits, and does not fail",
        _survives(faults.status(429, retry_after=20), demand=all_of(completes, honours_retry_after)),
        capability="honours_retry_after",
        assumed="no source mentions 429",
    ),
    Scenario(
        "S20", _ERRORS, "502 and 504 with an HTML body", "polls again, and does not crash on the body",
        _survives(faults.html(502), faults.html(504), polls=2),
        capability="retries_server_errors",
        assumed="a proxy stands before the API (E-HTTP-7, E-HTTP-8); no source shows its error pages",
    ),
    Scenario(
        "S21", _ERRORS, "more consecutive 5xx than any budget", "gives up, and its error holds the last reply",
        (
            _play(
                lambda stage: stage.meets(faults.status(503), after=0, polls=None), all_of(raises("503"), gives_up),
                timeout=SHORT,
            ),
        ),
        evidence=("E-HTTP-5", "E-FAIL-12"),
    ),
    Scenario(
        "S22", _ERRORS, "5xx, ok, 5xx, ok, …", "counts consecutive errors only",
        (_play(_alternating, completes, polls=26),),
        capability="retries_server_errors",
        evidence=("E-HTTP-5", "E-FAIL-12"),
    ),
    Scenario(
        "S23", _ACCESS, "400 on a poll, with a JSON body and with a broken one", "fails at once",
        tuple(
            _play(
                lambda stage, fault=fault: stage.meets(fault, polls=None),  # type: ignore[misc]  # binds the loop's variable
                all_of(raises(), at_most(3)), name, timeout=MIDDLE,
            )
            for name, fault in (("400 in JSON", faults.status(400)), ("400 in broken JSON", faults.body("{", code=400)))
        ),
        evidence=("E-HTTP-5",),
    ),
    Scenario(
        "S24", _ACCESS, "401 from the first poll", "fails at once, without a loop",
        (
            _play(
                lambda stage: stage.meets(faults.unauthorized(), after=0, polls=None), all_of(raises(), at_most(3)),
                timeout=MIDDLE,
            ),
        ),
        evidence=("E-HTTP-5",),
    ),
    Scenario(
        "S25", _ACCESS, "401 after 2 polls; fresh credentials work",
        "asks for them once and goes on, or fails; never success",
        (_play(lambda stage: stage.meets(faults.expired_credentials(), after=2), completes),),
        capability="refreshes_credentials",
        evidence=("E-HTTP-3", "E-FAIL-11"),
    ),
    Scenario(
        "S26", _ACCESS, "403 in the middle", "fails, and its message says permission",
        (
            _play(
                lambda stage: stage.meets(faults.forbidden(), after=2, polls=None),
                all_of(raises("403", "forbidden", "permission"), at_most(5)), timeout=MIDDLE,
            ),
        ),
        evidence=("E-HTTP-5", "E-FAIL-11"),
    ),
    Scenario(
        "S27", _ACCESS, "404 for an unknown uid", "fails at once",
        (_play(lambda stage: None, all_of(raises(), fails_at_once), timeout=MIDDLE),),
        evidence=("E-CODE-1", "E-FAIL-4"),
    ),
    Scenario(
        "S28", _ACCESS, "404 first, then 200", "tolerates it briefly, if it says so",
        (_play(lambda stage: stage.meets(faults.not_found(), after=0), completes),),
        capability="tolerates_early_404",
        assumed="no source shows an operation that becomes known late",
    ),
    Scenario(
        "S29", _ACCESS, "404 after running: the record is gone", "reports it lost; never success",
        (
            _play(
                lambda stage: stage.task(running(polls=2), gone()), all_of(no_success, raises(), crashed),
                timeout=MIDDLE,
            ),
        ),
        waits_for="action",
        evidence=("E-CODE-1", "E-FAIL-4"),
    ),
    Scenario(
        "S30", _ENDS, "404 after completed, on a second read", "keeps the first outcome",
        (_play(lambda stage: stage.task(running(), completed(), gone()), completes),),
        evidence=("E-FAIL-5", "E-LIFE-9"),
    ),
    Scenario(
        "S31", _LATER, "Retry-After: 7", "polls again after 7 s or more (not 7 ms)",
        _survives(
            faults.status(503, retry_after=7), faults.status(503, retry_after=45),
            demand=all_of(completes, honours_retry_after),
        ),
        capability="honours_retry_after",
        assumed="no source mentions Retry-After",
    ),
    Scenario(
        "S32", _LATER, "Retry-After: 0", "polls now, without spinning",
        _survives(faults.status(503, retry_after=0), polls=2),
        capability="honours_retry_after",
        assumed="no source mentions Retry-After",
    ),
    Scenario(
        "S33", _LATER, "Retry-After as an HTTP date: ahead, past", "waits for the first; does not wait for the second",
        (
            *_survives(
                faults.status(503, retry_after=HttpDate(30)), demand=all_of(completes, honours_retry_after), driven=True
            ),
            *_survives(
                faults.status(503, retry_after=HttpDate(-3600)), demand=all_of(completes, soon_after_a_past_date),
                driven=True,
            ),
        ),
        capability="honours_retry_after",
        assumed="no source mentions Retry-After",
    ),
    Scenario(
        "S34", _LATER, "Retry-After: garbage, -5, 1e9", "falls back; clamps to its deadline",
        (
            *_survives(faults.status(503, retry_after="soon"), faults.status(503, retry_after=-5)),
            _play(
                lambda stage: stage.meets(faults.status(503, retry_after=1e9), after=0), ends,
                "503 with Retry-After: 1000000000", timeout=SHORT,
            ),
        ),
        capability="honours_retry_after",
        assumed="no source mentions Retry-After",
    ),
    Scenario(
        "S35", _BODIES, "truncated JSON, then good", "polls again or raises a clear error; never hangs",
        _survives(faults.truncated(), demand=ends),
        assumed="no source shows JSON that ends in the middle",
    ),
    Scenario(
        "S36", _BODIES, "empty 200, 204, {}, status null, status a number", "raises an error that names the field",
        (
            *(
                _play(
                    lambda stage, fault=fault: stage.meets(fault, polls=None),  # type: ignore[misc]  # binds the loop's variable
                    raises("status"), name, timeout=MIDDLE,
                )
                for name, fault in (
                    ("the body {}", faults.body({})),
                    ("status null", faults.record(status=None)),
                    ("status 7", faults.record(status=7)),
                )
            ),
            *_survives(faults.empty(200), faults.empty(204), demand=ends),
        ),
        assumed="no source shows a record without a status",
    ),
    Scenario(
        "S37", _BODIES, "a list where an object is expected, and the reverse", "raises a clear error",
        _survives(faults.wrong_shape(), demand=ends),
        evidence=("E-C5", "E-FAIL-9"),
    ),
    Scenario(
        "S38", _BODIES, 'progress "100", 100, 100.0, absent, null', "reads all of them",
        _shows(
            [(f"progress {value!r}", {"progress": value}) for value in ("100", 100, 100.0, ABSENT, None)], completes
        ),
        evidence=("E-C1", "E-C2", "E-FAIL-6"),
    ),
    Scenario(
        "S39", _BODIES, "progress falls, exceeds 100, is negative, 100 while running, 40 when completed, stuck at 99",
        "decides by status, never by progress",
        (
            *_shows(
                [(f"progress {value} all the time", {"progress": value}) for value in ("250", "-1", "100", "40", "99")],
                all_of(completes, exactly(4)),
            ),
            _play(
                lambda stage: stage.task(
                    running(progress=90), jump(), running(progress=10), jump(), running(progress=0), completed()
                ),
                all_of(completes, exactly(4)), "progress falls",
            ),
        ),
        evidence=("E-C2", "E-FAIL-6"),
    ),
    Scenario(
        "S40", _BODIES, "the body's action_uid is another action's; unknown fields; growing pending_ops",
        "notices the first, ignores the rest",
        (
            _play(
                _another_uid, raises(), "another action_uid in the body", timeout=MIDDLE,
                assumed="no source shows a record under another's uid",
            ),
            *_shows([("unknown fields", {"colour": "red", "details": {"a": [1, 2]}})], completes),
            *_shows([("40 pending_ops", {"pending_ops": {str(n): {"op_name": "x"} for n in range(40)}})], completes),
        ),
        evidence=("E-TASK-8", "E-OPS-1"),
    ),
    Scenario(
        "S41", _WIRE, "a reply slower than the read time-out, the next one fast",
        "times out, polls again, sees the current state",
        tuple(replace(play, read_timeout=0.1, tries=3) for play in _survives(faults.slow(0.3))),
        capability="retries_server_errors",
        assumed="any network has slow replies; no source shows one",
    ),
    Scenario(
        "S42", _WIRE,
        "drip-fed body; reset before the headers; reset in the body; refused for a while; idle connection closed",
        "polls again; its total deadline holds",
        (
            *(
                replace(play, assumed="any network has slow replies; no source shows one")
                for play in _survives(faults.drip(0.2), polls=2)
            ),
            *_survives(faults.reset(), faults.reset_in_body(), faults.closed(), polls=2),
            _play(
                lambda stage: stage.task(running(polls=2), completed()), completes, "connections refused at first",
                options={"refuses": 8},
            ),
        ),
        capability="retries_server_errors",
        evidence=("E-HTTP-6", "E-FAIL-12"),
    ),
    Scenario(
        "S43", _WIRE, "a redirection to another path, to another node of the cluster, to a stranger; a loop",
        "follows, up to a limit; sends credentials to a node at most, never to a stranger",
        (
            _play(_other_host("127.0.0.1"), completes, "redirected to another node"),
            *(
                _play(_other_place(code), completes, f"{code} to another path", assumed="no source shows another path")
                for code in (302, 307, 308)
            ),
            _play(
                _other_host("localhost"), all_of(completes, keeps_credentials_at_home), "redirected to a stranger",
                assumed="a policy: no source shows a redirection out of the cluster",
            ),
            _play(_loop, raises(), "a loop of redirections", timeout=MIDDLE, assumed="no source shows a loop"),
        ),
        evidence=("E-HTTP-11",),
    ),
    Scenario(
        "S44", _LIMITS, "running for ever", "stops by its own deadline, says so, leaves no thread",
        (_play(_runs_for_ever, all_of(gives_up, leaves_no_thread), timeout=SHORT),),
        evidence=("E-FAIL-14", "E-LIFE-15"),
    ),
    Scenario(
        "S45", _ENDS, "completed, then running again", "stops at the first terminal status",
        (
            _play(
                lambda stage: stage.task(running(), completed(), jump(), running()), all_of(completes, exactly(2))
            ),
        ),
        evidence=("E-LIFE-1",),
    ),
    Scenario(
        "S46", _LIMITS, "50 uids at once, each with its own script", "keeps their results apart",
        (_play(_fifty, completes, polls=8),),
        capability="concurrent",
        evidence=("E-TASK-1",),
    ),
    Scenario(
        "S47", _WIRE, "a certificate that is not trusted", "fails closed unless told otherwise",
        tuple(
            _play(
                lambda stage: stage.task(completed()), all_of(raises(), at_most(0)), f"an {kind} certificate",
                timeout=MIDDLE,
                options={"tls": kind},
            )
            for kind in ("untrusted", "expired")
        ),
        tls=True,
        assumed="a policy: clusters have self-signed certificates by default (E-HTTP-2)",
    ),
    Scenario(
        "S48", _LIMITS, "a custom header is needed on every poll", "sends it each time",
        (_play(lambda stage: stage.task(running(polls=3), completed()), all_of(completes, sends_headers)),),
        capability="sends_headers",
        assumed="a need of some applications, not of the API",
    ),
    Scenario(
        "S49", _WORDS, '"completed" or "success" inside another field while running', "reads status, not the text",
        _shows(
            [
                (f"{text!r} in {name}", {name: text})
                for name, text in (("description", "will be completed soon"), ("object_name", "success"))
            ],
            all_of(completes, exactly(4)),
        ),
        evidence=("E-FAIL-15",),
    ),
    Scenario(
        "S50", _STARTS, "a delete: active, then the record is gone, at once or after completed",
        "takes 404, and completed, as the success of a delete",
        (
            _play(_deleted(gone()), is_deleted, "gone without completed"),
            _play(_deleted(completed(), gone()), is_deleted, "completed, then gone", polls_on=True),
        ),
        waits_for="deletion",
        evidence=("E-LIFE-8", "E-FAIL-5"),
    ),
    Scenario(
        "S51", _STARTS, "the started reply carried task_id only, or action_uid null",
        "follows task_id; refuses null at once",
        (
            _play(_started(lambda uid: {"task_id": uid}), completes, "task_id only"),
            _play(
                _started(lambda uid: {"action_uid": None}), all_of(raises(), at_most(0)), "action_uid null",
                timeout=MIDDLE,
            ),
        ),
        capability="starts",
        evidence=("E-BODY-1", "E-FAIL-8"),
    ),
    Scenario(
        "S52", _STARTS, "409 when starting, for 2 tries and for ever",
        "tries again within a budget; says so at the end",
        (
            _play(_refused_start(2), completes, "409 for 2 tries"),
            _play(_refused_start(None), raises("409", "conflict"), "409 for ever", timeout=SHORT),
        ),
        capability="starts",
        evidence=("E-LIFE-10", "E-FAIL-13"),
    ),
)  # fmt: skip

_BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


def find_scenario(name: object) -> Scenario:
    """Return the scenario with this id.

    Raises:
        UsageError: there is none; the nearest is named.
    """
    found = _BY_ID.get(name.upper()) if isinstance(name, str) else None
    if found is not None:
        return found
    raise UsageError(
        f"unknown scenario {shown(name, 30)}",
        fix=advice(str(name).upper(), _BY_ID)
        + f"known are {SCENARIOS[0].id} to {SCENARIOS[-1].id}: redis-actions scenarios",
        value=name,
    )


def find_play(name: object) -> Play:
    """Return a play: "S18" for the first of a scenario, "S42:reset" for the one of that name."""
    head, _, tail = str(name).partition(":") if isinstance(name, str) else (name, "", "")
    scenario = find_scenario(head)
    if not tail:
        return scenario.plays[0]
    for play in scenario.plays:
        if play.name == tail:
            return play
    names = [play.name for play in scenario.plays if play.name]
    raise UsageError(
        f"{scenario.id} has no play {shown(tail, 30)}",
        fix=advice(tail, names) + f"it has {', '.join(map(repr, names)) or 'a single one without a name'}",
        value=name,
    )
