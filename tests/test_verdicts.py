"""What the client contract demands, told from outcomes that are written down here: no client, no stub, no time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_redis_actions.observed.journal import Exchange, error_code_of
from pytest_redis_actions.observed.redaction import Headers
from pytest_redis_actions.scenarios import verdicts
from pytest_redis_actions.scenarios.outcome import CommandFailed, Outcome, Stopped, Why
from pytest_redis_actions.scenarios.verdicts import Kind, Wrong, verdict

CAN: Mapping[str, object] = {"reports_failure": "either", "tolerates_early_404": False}


def poll(
    seconds: float = 0.0,
    status: str | None = None,
    *,
    code: int = 200,
    uid: str = "u",
    path: str = "/v1/actions/",
    method: str = "GET",
    route: str | None = "/v1/actions/{uid}",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Exchange:
    shown = {} if status is None else {uid: {"status": status}}
    values: dict[str, Any] = {"number": 1, "aimed": (uid,), "body": b"", **more}
    values["error_code"] = error_code_of(code, values["body"])
    return Exchange(
        seconds=seconds, method=method, target=path + uid, route=route, code=code, shown=shown,
        headers=Headers(headers or {}), **values,
    )  # fmt: skip


def polls(*seen: tuple[float, str]) -> tuple[Exchange, ...]:
    return tuple(poll(seconds, status, number=number) for number, (seconds, status) in enumerate(seen, 1))


def outcome(*exchanges: Exchange, **more: Any) -> Outcome:
    return Outcome(**{"uid": "u", "timeout": 600.0, "exchanges": exchanges, **more})


SOUND = polls((0, "queued"), (5, "running"), (10, "completed"))


def wrong(demand: verdicts.Demand, given: Outcome, **can: object) -> tuple[Kind, str] | None:
    found = demand(given, {**CAN, **can})
    return (found.kind, found.text) if found else None


def whole(given: Outcome, **more: bool) -> tuple[Kind, str] | None:
    found = verdict(given, CAN, verdicts.completes, **more)
    return (found.kind, found.text) if found else None


def test_a_client_that_polls_sleeps_and_returns_completed_does_nothing_wrong() -> None:
    assert whole(outcome(*SOUND, returned="completed", seconds=10)) is None


@pytest.mark.parametrize("word", ["completed", "complete", "success", "succeeded", "ok", "done", " Completed "])
def test_each_word_for_success_completes(word: str) -> None:
    assert wrong(verdicts.completes, outcome(returned={"status": word})) is None


def test_completes_demands_a_status_that_is_a_success() -> None:
    completes = verdicts.completes

    assert wrong(completes, outcome(returned=None)) == (
        Kind.NO_STATUS, "returned None: neither a status nor a mapping with one",
    )  # fmt: skip
    assert wrong(completes, outcome(returned=["x" * 60])) == (
        Kind.NO_STATUS, f"returned ['{37 * 'x'}…: neither a status nor a mapping with one",
    )  # fmt: skip
    assert wrong(completes, outcome(returned="failed")) == (
        Kind.WRONG_STATUS, "returned 'failed', although the operation completed",
    )  # fmt: skip
    assert wrong(completes, outcome(error=ValueError("no"))) == (
        Kind.GAVE_UP, "gave up with ValueError, although the operation completes",
    )  # fmt: skip


def test_what_is_wrong_with_an_error_is_known_by_the_error_and_its_line() -> None:
    caused = verdicts.completes(outcome(error=ValueError("no"), place="naive.py:14"), CAN)
    unplaced = verdicts.completes(outcome(error=ValueError("no")), CAN)
    command = verdicts.completes(outcome(error=CommandFailed(3, "no"), place="gave up"), CAN)

    assert caused is not None
    assert unplaced is not None
    assert command is not None
    assert (caused.cause, unplaced.cause) == ("ValueError at naive.py:14", "ValueError")
    assert command.cause == "exit status 3: gave up"


def test_the_cause_and_the_advice_are_those_of_the_kind_unless_given() -> None:
    assert Wrong(Kind.LATE, "x").cause == "LATE"
    assert Wrong(Kind.LATE, "x").advice == Kind.LATE.value
    assert Wrong(Kind.LATE, "x", change="do that").advice == "do that"


def test_a_delete_may_end_in_gone_and_says_what_a_404_means() -> None:
    assert verdicts.is_deleted(outcome(returned="gone"), CAN) is None
    assert verdicts.is_deleted(outcome(returned="completed"), CAN) is None
    found = verdicts.is_deleted(outcome(error=ValueError("404")), CAN)
    assert found is not None
    assert (found.kind, found.advice) == (
        Kind.GAVE_UP, "take the 404 of a record that was there before for the end of its delete",
    )  # fmt: skip


FAILED = ValueError("The operation FAILED: disk full")


@pytest.mark.parametrize(
    ("given", "reports", "expected"),
    [
        ({"returned": "failed"}, "either", None),
        ({"returned": "failed"}, "return", None),
        ({"error": FAILED}, "either", None),
        ({"error": FAILED}, "raise", None),
        ({"returned": 7}, "either", Kind.NO_STATUS),
        ({"returned": "completed"}, "either", Kind.FALSE_SUCCESS),
        ({"returned": "running"}, "either", Kind.WRONG_STATUS),
        ({"returned": "failed"}, "raise", Kind.REPORTS),
        ({"error": FAILED}, "return", Kind.REPORTS),
        ({"error": KeyError("failed disk full")}, "either", Kind.CRASHED),
        ({"error": ValueError("failed")}, "either", Kind.TELLS_TOO_LITTLE),
    ],
)
def test_a_failure_is_returned_or_raised_as_the_client_says_with_its_texts(
    given: dict[str, Any], reports: str, expected: Kind | None
) -> None:
    found = wrong(verdicts.ends_in("failed", "disk full"), outcome(**given), reports_failure=reports)

    assert (found[0] if found else None) == expected


def test_the_first_text_that_is_missing_is_named() -> None:
    given = outcome(error=ValueError("failed"))

    assert wrong(verdicts.lacks("FAILED", "disk", "full"), given) == (
        Kind.TELLS_TOO_LITTLE, "ended with ValueError, which does not say 'disk'",
    )  # fmt: skip
    assert wrong(verdicts.lacks("Failed"), given) is None


@pytest.mark.parametrize(
    "error", [KeyError, TypeError, AttributeError, IndexError, NameError, RecursionError, AssertionError]
)
def test_a_slip_of_its_own_is_a_crash(error: type[Exception]) -> None:
    assert wrong(verdicts.crashed, outcome(error=error("x"))) == (Kind.CRASHED, f"crashed with {error.__name__}")
    assert wrong(verdicts.ends, outcome(error=error("x"))) == (Kind.CRASHED, f"crashed with {error.__name__}")


def test_an_error_that_is_no_slip_ends_and_so_does_a_success_only() -> None:
    assert wrong(verdicts.ends, outcome(error=ValueError("x"))) is None
    assert wrong(verdicts.ends, outcome(returned="completed")) is None
    assert wrong(verdicts.ends, outcome(returned="failed")) == (
        Kind.WRONG_STATUS, "returned 'failed', although the operation completed",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"error": ValueError("HTTP 404")}, None),
        ({"error": ValueError("HTTP 500")}, "ended with ValueError, which does not say 404 or Not Found"),
        ({"error": ValueError("not found")}, None),
        ({"returned": "completed"}, "reported a success that did not happen: returned 'completed'"),
        ({"returned": "failed"}, "returned 'failed', although it cannot know"),
        ({"returned": 7}, "returned 7: neither a status nor a mapping with one"),
    ],
)
def test_an_error_that_must_be_raised_says_one_of_the_texts(given: dict[str, Any], expected: str | None) -> None:
    found = wrong(verdicts.raises("404", "Not Found"), outcome(**given))

    assert (found[1] if found else None) == expected


def test_an_error_without_demanded_texts_may_say_anything() -> None:
    assert wrong(verdicts.raises(), outcome(error=ValueError())) is None


def test_no_success_is_all_that_is_demanded_of_who_may_end_in_any_other_way() -> None:
    assert wrong(verdicts.no_success, outcome(error=ValueError())) is None
    assert wrong(verdicts.no_success, outcome(returned="failed")) is None
    assert wrong(verdicts.no_success, outcome(returned="ok")) == (
        Kind.FALSE_SUCCESS, "reported a success that did not happen: returned 'ok'",
    )  # fmt: skip


def test_a_deadline_may_be_missed_by_one_step_of_a_slow_poller() -> None:
    error = TimeoutError("timed out")

    assert wrong(verdicts.gives_up, outcome(error=error, seconds=661)) is None
    assert wrong(verdicts.gives_up, outcome(error=error, seconds=662)) == (
        Kind.LATE, "ended 62 virtual s after its deadline of 600 s",
    )  # fmt: skip
    assert wrong(verdicts.gives_up, outcome(returned="completed", seconds=600)) == (
        Kind.FALSE_SUCCESS, "reported a success that did not happen: returned 'completed'",
    )  # fmt: skip
    assert whole(outcome(*SOUND, returned="completed", seconds=662)) == (
        Kind.LATE, "ended 62 virtual s after its deadline of 600 s",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"returned": "odd"}, None),
        ({"returned": 7}, Kind.NO_STATUS),
        ({"error": ValueError("x"), "seconds": 449}, None),
        ({"error": KeyError("x"), "seconds": 449}, Kind.CRASHED),
        ({"error": ValueError("x"), "seconds": 450}, Kind.TELLS_TOO_LITTLE),
        ({"error": ValueError("still odd"), "seconds": 600}, None),
    ],
)
def test_on_an_unknown_word_a_client_ends_early_or_names_it(given: dict[str, Any], expected: Kind | None) -> None:
    found = wrong(verdicts.stands_firm("odd"), outcome(**given))

    assert (found[0] if found else None) == expected


# What the journal shows


def test_another_operation_must_not_be_polled() -> None:
    other = poll(10, "completed", uid="x", path="/v1/actions/")

    assert whole(outcome(*SOUND[:2], other, returned="completed")) == (
        Kind.OTHER_OPERATION, "asked for /v1/actions/x, which is not its operation",
    )  # fmt: skip


@pytest.mark.parametrize("route", ["/v1/actions/{uid}", "/v2/actions/{uid}"])
def test_each_form_of_another_operation_is_seen_and_a_query_or_slash_makes_none(route: str) -> None:
    path = route.removesuffix("{uid}")
    other = poll(5, uid="x" * 80, path=path, route=route)
    own = tuple(poll(seconds, path=path + "u", uid=tail, route=route) for seconds, tail in ((0, "?a=/b"), (5, "/")))
    last = poll(10, "completed", path=path, route=route)

    assert whole(outcome(poll(0, path=path, route=route), other, returned="completed")) == (
        Kind.OTHER_OPERATION, f"asked for {(path + 'x' * 80)[:60]}, which is not its operation",
    )  # fmt: skip
    assert whole(outcome(*own, last, returned="completed")) is None


def test_a_list_is_not_another_operation() -> None:
    listed = poll(5, "completed", path="/v1/actions?", route="/v1/actions")

    assert whole(outcome(listed, returned="completed")) is None


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "aborted"])
def test_polling_after_each_end_is_wrong_and_counted(status: str) -> None:
    ended = polls((0, "running"), (5, status), (10, status))
    more = polls((0, "running"), (5, status), (10, status), (15, status))

    assert whole(outcome(*ended, returned="completed")) == (
        Kind.POLLS_ON, f"polled once more after it had seen '{status}' at poll 2",
    )  # fmt: skip
    assert whole(outcome(*more, returned="completed")) == (
        Kind.POLLS_ON, f"polled 2 times more after it had seen '{status}' at poll 2",
    )  # fmt: skip


def test_polling_on_is_allowed_where_the_play_says_so() -> None:
    assert whole(outcome(*polls((0, "completed"), (5, "completed")), returned="completed"), polls_on=True) is None


def test_a_request_after_the_end_that_is_about_another_operation_is_no_poll_of_this_one() -> None:
    listed = poll(20, uid="x", path="/v1/actions?", route="/v1/actions", aimed=())

    assert whole(outcome(*SOUND, listed, returned="completed")) is None


def test_a_success_that_no_poll_has_shown_is_false() -> None:
    running = polls((0, "queued"), (5, "running"))
    false = (Kind.FALSE_SUCCESS, "returned 'ok', which no poll has shown")

    assert whole(outcome(*running, returned="ok")) == false
    assert whole(outcome(*running, returned="ok", strangers=(poll(),))) is None
    assert whole(outcome(*running, poll(10, by_handler=True), returned="ok")) is None
    gone = poll(10, code=404, body=b'{"error_code": "action_not_found"}')
    assert whole(outcome(*running, gone, returned="ok")) is None
    assert whole(outcome(*running, poll(10, "COMPLETED"), returned="ok")) is None


def test_of_several_operations_each_client_asks_for_its_own() -> None:
    never = (Kind.OTHER_OPERATION, "never asked for its own operation, one of several that are waited for at once")

    assert whole(outcome(wanted="completed", returned="completed")) == never
    assert whole(outcome(*SOUND, wanted="completed", returned="completed")) is None


def test_requests_without_a_pause_are_a_spin_after_ten_in_a_row() -> None:
    def spinning(count: int, gap: float = 0.04) -> Outcome:
        requests = [poll(number * gap, "running", number=number) for number in range(count)]
        return outcome(*requests, poll(60, "completed"), returned="completed")

    spin = (Kind.NEVER_SLEEPS, "does not sleep between polls while the status is 'running'")
    assert whole(spinning(10)) is None
    assert whole(spinning(11)) == spin
    assert whole(spinning(20, gap=0.0625)) is None
    after_a_pause = [poll(0, "running"), *(poll(5 + number * 0.04, "running") for number in range(10))]
    assert whole(outcome(*after_a_pause, poll(60, "completed"), returned="completed")) is None


def test_a_pause_begins_the_count_of_requests_without_one_anew() -> None:
    requests = [poll(number * 0.01 + (5 if number > 5 else 0), "running") for number in range(12)]

    assert whole(outcome(*requests, poll(60, "completed"), returned="completed")) is None


def test_redirections_are_no_spin() -> None:
    for code in (300, 302, 399):
        redirected = [poll(0.01 * number, code=code) for number in range(20)]
        assert whole(outcome(*redirected, poll(0.3, "completed"), returned="completed")) is None
    refused = [poll(0.01 * number, code=400) for number in range(20)]
    assert whole(outcome(*refused, poll(0.3, "completed"), returned="completed")) is not None


def test_a_spin_on_an_error_names_its_code() -> None:
    requests = [poll(0, code=503) for _ in range(11)]

    assert whole(outcome(*requests, returned="completed")) == (
        Kind.NEVER_SLEEPS, "does not sleep between polls while the reply is 503",
    )  # fmt: skip


def test_of_several_clients_of_one_operation_a_spin_is_longer() -> None:
    def spinning(count: int) -> Outcome:
        requests = [poll(0, "running") for _ in range(count)]
        return outcome(*requests, poll(60, "completed"), wanted="completed", returned="completed")

    assert whole(spinning(60)) is None
    assert whole(spinning(61)) is not None


def test_requests_that_lie_apart_in_reality_only_are_a_sleep_that_drive_does_not_see() -> None:
    requests = [poll(0, "running", number=number) for number in range(1, 12)]

    def apart(seconds: float, **more: Any) -> tuple[Kind, str] | None:
        real = {number: 7 + number * seconds for number in range(1, 12)}
        return whole(outcome(*requests, returned="completed", real=real, **more))

    stands = (Kind.STANDS_STILL, "slept about 0.2 real s between polls, where drive does not see it")
    assert apart(0.2) == stands
    assert whole(outcome(*requests, returned="completed", real={11: 2.0})) == stands
    assert apart(0.03125) == (Kind.NEVER_SLEEPS, "does not sleep between polls while the status is 'running'")
    assert apart(0.2, is_driven=False) == (
        Kind.NEVER_SLEEPS, "does not sleep between polls while the status is 'running'",
    )  # fmt: skip


def test_what_met_no_route_is_named_where_something_is_wrong() -> None:
    lost = poll(0, path="/v1/bdbs/" + "x" * 80, uid="", route=None, code=404)

    assert whole(outcome(lost, *SOUND, returned="completed")) is None
    assert whole(outcome(lost, error=ValueError("no"))) == (
        Kind.NO_ROUTE,
        f"asked for GET {('/v1/bdbs/' + 'x' * 80)[:60]}, which the stub does not play, and gave up with ValueError, "
        "although the operation completes",
    )


def test_a_redirection_that_nothing_followed_is_named_where_something_is_wrong() -> None:
    def after(seconds: float, *, code: int = 302, **more: Any) -> Kind | None:
        found = whole(outcome(poll(0, code=code), poll(seconds, "running"), error=ValueError("no"), **more))
        return found[0] if found else None

    assert whole(outcome(poll(0, code=302), error=ValueError("no"))) == (
        Kind.REDIRECTS,
        "did not follow a redirection, and gave up with ValueError, although the operation completes",
    )
    assert after(0.01) is Kind.GAVE_UP
    assert after(0.05) is Kind.REDIRECTS
    later = outcome(poll(5, code=302), poll(5.01, "running"), error=ValueError("no"))
    assert whole(later) == (Kind.GAVE_UP, "gave up with ValueError, although the operation completes")
    assert after(5, code=300) is after(5, code=399) is Kind.REDIRECTS
    assert after(5, code=299) is after(5, code=400) is Kind.GAVE_UP
    assert after(5, strangers=(poll(),)) is Kind.GAVE_UP


def test_a_poll_limit_counts_polls() -> None:
    assert wrong(verdicts.at_most(3), outcome(*SOUND)) is None
    assert wrong(verdicts.at_most(2), outcome(*SOUND)) == (
        Kind.TOO_PATIENT, "polled 3 times, although the first reply said that it cannot help",
    )  # fmt: skip
    assert wrong(verdicts.at_most(0), outcome(*SOUND)) == (
        Kind.TOO_PATIENT, "polled 3 times, where it must not poll at all",
    )  # fmt: skip


def test_a_get_of_something_else_and_of_a_list_without_operations_is_no_poll() -> None:
    other = poll(12, path="/v1/", uid="nodes", route="/v1/nodes", aimed=(), by_handler=True)
    empty = poll(13, path="/v1/", uid="actions", route="/v1/actions", aimed=())
    refused = poll(14, path="/v1/", uid="actions", route="/v1/actions", aimed=(), unshown=("u",), code=503)

    assert [each.seconds for each in outcome(*SOUND, other, empty, refused).polls] == [0, 5, 10, 14]
    assert wrong(verdicts.exactly(3), outcome(*SOUND, other, empty, seconds=10)) is None


def test_what_does_not_exist_is_polled_three_times_or_for_a_minute() -> None:
    fails = verdicts.fails_at_once

    assert wrong(fails, outcome(*SOUND, seconds=90)) is None
    assert wrong(fails, outcome(*SOUND, SOUND[0])) == (
        Kind.TOO_PATIENT, "polled 4 times, although the first reply said that it cannot help",
    )  # fmt: skip
    assert wrong(fails, outcome(*SOUND, SOUND[0], seconds=60), tolerates_early_404=True) is None
    assert wrong(fails, outcome(seconds=61), tolerates_early_404=True) == (
        Kind.TOO_PATIENT, "polled for 61 virtual s what does not exist",
    )  # fmt: skip


def test_the_number_of_polls_and_the_instant_of_the_end_are_exact() -> None:
    exactly = verdicts.exactly(3, 10)

    assert wrong(exactly, outcome(*SOUND, seconds=10.5)) is None
    assert wrong(exactly, outcome(*SOUND, seconds=10.6)) is not None
    assert wrong(exactly, outcome(*SOUND, seconds=15)) == (
        Kind.SLEEPS_AT_THE_END, "slept 5 virtual s after it had seen the end",
    )  # fmt: skip
    assert wrong(exactly, outcome(*SOUND, seconds=15, is_driven=False)) is None
    assert wrong(verdicts.exactly(3), outcome(*SOUND, seconds=15)) is None
    assert wrong(exactly, outcome(*SOUND[:2], seconds=5)) == (
        Kind.WRONG_COUNT, "ended after 2 polls, where the end shows at poll 3",
    )  # fmt: skip
    assert wrong(exactly, outcome(*SOUND, poll(15, "completed"))) == (
        Kind.POLLS_ON, "polled once more after it had seen 'completed' at poll 3",
    )  # fmt: skip
    assert wrong(verdicts.exactly(1), outcome(*SOUND[:2])) == (
        Kind.WRONG_COUNT, "polled 2 times, where 1 show the end",
    )  # fmt: skip


def test_a_client_waits_as_long_as_retry_after_says() -> None:
    def gap(seconds: float, wait: float | None) -> tuple[Kind, str] | None:
        given = outcome(poll(7, retry_after=wait), poll(7 + seconds), poll(99))
        return wrong(verdicts.honours_retry_after, given)

    assert gap(30, 30) is gap(31, 30) is gap(5, None) is gap(5, 1001) is None
    assert gap(20, 30) == (Kind.RETRY_AFTER, "was told to wait 30 s and came back after 20 virtual s")
    assert gap(20, 1000) is not None
    assert gap(29.5, 30) is not None


def test_a_retry_after_that_is_over_makes_no_wait() -> None:
    def gap(seconds: float, code: int = 503) -> tuple[Kind, str] | None:
        return wrong(verdicts.soon_after_a_past_date, outcome(poll(7, code=code), poll(7 + seconds)))

    assert gap(60) is gap(300, code=200) is None
    assert gap(61) == (Kind.PAST_DATE, "waited 61 virtual s for a date that had passed")
    assert wrong(verdicts.soon_after_a_past_date, outcome(poll(code=503))) is None


def test_an_operation_is_never_started_again() -> None:
    started = poll(method="POST", path="/v1/bdbs/" + "1" * 60, uid="", route="/v1/bdbs/{bdb_uid}/actions/export")

    assert wrong(verdicts.never_starts, outcome(*SOUND)) is None
    assert wrong(verdicts.never_starts, outcome(*SOUND, started)) == (
        Kind.STARTS_AGAIN, f"sent POST {('/v1/bdbs/' + '1' * 60)[:40]} again",
    )  # fmt: skip


def test_threads_that_are_left_are_named_up_to_three() -> None:
    assert wrong(verdicts.leaves_no_thread, outcome()) is None
    assert wrong(verdicts.leaves_no_thread, outcome(threads=("a", "b", "c", "d"))) == (
        Kind.THREADS, "left a thread behind: a, b, c",
    )  # fmt: skip


def test_credentials_are_for_the_first_host_only() -> None:
    keeps = verdicts.keeps_credentials_at_home

    assert wrong(keeps, outcome(strangers=(poll(headers={"accept": "*"}),))) is None
    assert wrong(keeps, outcome(poll(headers={"authorization": "Basic eA=="}))) is None
    assert wrong(keeps, outcome(strangers=(poll(headers={"authorization": "Basic eA=="}),))) == (
        Kind.CREDENTIALS, "sent its credentials to another host",
    )  # fmt: skip


def test_every_request_has_every_header() -> None:
    def sent(*values: str) -> Outcome:
        return outcome(*(poll(headers={"x-team": value}) for value in values), headers={"X-Team": "db"})

    assert wrong(verdicts.sends_headers, sent("db", "db")) is None
    assert wrong(verdicts.sends_headers, sent("db", "other")) == (
        Kind.HEADERS, "request 2 lacks the header X-Team: db",
    )  # fmt: skip


def test_a_client_of_the_v2_form_polls_nothing_else() -> None:
    one, listed = (poll(route=route) for route in ("/v2/actions/{uid}", "/v2/actions"))

    assert wrong(verdicts.reads_v2, outcome(one)) is wrong(verdicts.reads_v2, outcome(one, listed)) is None
    assert wrong(verdicts.reads_v2, outcome()) == (Kind.OTHER_API, "polled nothing, although reads_v2 is True")
    assert wrong(verdicts.reads_v2, outcome(poll())) == (
        Kind.OTHER_API, "polled /v1/actions/{uid}, although reads_v2 is True",
    )  # fmt: skip
    assert wrong(verdicts.reads_v2, outcome(one, poll())) is not None


def test_of_several_demands_the_first_that_is_wrong_is_told() -> None:
    demand = verdicts.all_of(verdicts.completes, verdicts.at_most(0), verdicts.at_most(1))

    assert wrong(demand, outcome(*SOUND, returned="ok")) == (
        Kind.TOO_PATIENT, "polled 3 times, where it must not poll at all",
    )  # fmt: skip
    assert wrong(demand, outcome(returned="ok")) is None


# A client that had to be stopped


@pytest.mark.parametrize(
    ("stopped", "more", "expected"),
    [
        (Stopped(Why.LOOKS), {}, (Kind.NEVER_SLEEPS, "looked at the time again and again without sleeping")),
        (Stopped(Why.REQUESTS), {}, (Kind.NEVER_SLEEPS, "sent 2 requests with hardly any sleep")),
        (
            Stopped(Why.STANDS_STILL, limit=5),
            {},
            (Kind.STANDS_STILL, "neither ended nor slept nor polled for 5 real s"),
        ),
        (Stopped(Why.STANDS_STILL, detail="stood in x"), {}, (Kind.STANDS_STILL, "stood in x")),
        (
            Stopped(Why.STANDS_STILL, limit=5),
            {"is_driven": False},
            (Kind.HARNESS, "sent no request for 5 real s, so the contract stopped it"),
        ),
        (Stopped(Why.PAST_END), {}, (Kind.HARNESS, "was stopped because another call polled on after its end")),
        (
            Stopped(Why.VIRTUAL_TIME, after=500),
            {},
            (Kind.NO_DEADLINE, "never gave up: still waited at 500 s, its deadline was 600 virtual s"),
        ),
        (
            Stopped(Why.REAL_TIME, after=601),
            {},
            (Kind.NO_DEADLINE, "never gave up: still waited at 601 s, its deadline was 600 virtual s"),
        ),
        (
            Stopped(Why.REAL_TIME, after=600, limit=20),
            {},
            (Kind.HARNESS, "had not ended after 20 real s, so the contract stopped it"),
        ),
        (
            Stopped(Why.REAL_TIME, after=9, limit=20, interval=3),
            {},
            (
                Kind.HARNESS,
                "had not ended after 20 real s, so the contract stopped it: 2 polls, at most 3 s apart",
            ),
        ),
        (
            Stopped(Why.LOOKS, is_abandoned=True),
            {},
            (
                Kind.NEVER_SLEEPS,
                "looked at the time again and again without sleeping; it catches even what stops it",
            ),
        ),
    ],
)
def test_why_a_client_was_stopped_tells_what_is_wrong(
    stopped: Stopped, more: dict[str, Any], expected: tuple[Kind, str]
) -> None:
    assert whole(outcome(*SOUND[:2], stopped=stopped, **more)) == expected


def test_the_real_seconds_that_a_client_needs_are_advised_with_room() -> None:
    def advice(why: Why, limit: float, interval: float = 0.0) -> str:
        stopped = Stopped(why, limit=limit, interval=interval)
        found = verdict(outcome(stopped=stopped, is_driven=False), CAN, verdicts.completes)
        assert found is not None
        return found.advice

    assert advice(Why.REAL_TIME, 5) == "set real_seconds = 10, if it needs so long on purpose"
    assert advice(Why.REAL_TIME, 600) == "set real_seconds = 1200, if it needs so long on purpose"
    assert advice(Why.REAL_TIME, 601) == "set real_seconds = 3600, if it needs so long on purpose"
    assert advice(Why.STANDS_STILL, 10) == "set real_seconds = 30, if it waits so long between two polls"
    assert advice(Why.STANDS_STILL, 10, 40) == "set real_seconds = 120, if it waits so long between two polls"
    assert [verdicts._rounded(seconds) for seconds in (31, 61, 121, 301)] == [60, 120, 300, 600]


def test_a_client_stopped_after_the_end_is_told_how_it_polled_on() -> None:
    stopped = Stopped(Why.PAST_END)
    slept = polls((0, "running"), (5, "completed"), (10, "completed"), (10.05, "completed"))
    spun = polls((0, "running"), (5, "completed"), (5.01, "completed"), (5.02, "completed"))
    slowly = polls((0, "running"), (5, "completed"), (10, "completed"), (10 + verdicts.SHORTEST, "completed"))
    assert whole(outcome(*slowly, stopped=stopped)) == whole(outcome(*slept, stopped=stopped))

    assert whole(outcome(*slept, stopped=stopped)) == (
        Kind.POLLS_ON,
        "saw 'completed' at poll 2 and polled on 2 times",
    )
    assert whole(outcome(*spun, stopped=stopped)) == (
        Kind.POLLS_ON,
        "saw 'completed' at poll 2 and polled on 2 times without sleeping",
    )
