"""The account of a driven block, read directly: who counts as awake, and when time moves. No client, no real sleep."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from pytest_redis_actions.driving import ledger as ledgers
from pytest_redis_actions.driving.ledger import Dismissed, Entry, Ledger, OutsideThread, Party, Tally, Waiter

SECOND = 1_000_000_000


class Clock:
    """A clock that a ledger moves.

    Attributes:
        owed: replies that are on their way and take no virtual time.
    """

    def __init__(self) -> None:
        self.nanoseconds, self.epoch, self.monotonic_from, self.owed = 0, 1_700_000_000, 1000, 0

    def move(self, nanoseconds: int) -> None:
        assert nanoseconds > 0
        self.nanoseconds += nanoseconds


class Account(Ledger):
    """A ledger that writes down who is woken, and at which instants it was told that its limit is reached."""

    def __init__(self, limit: float = 1000) -> None:
        self.woken: list[str] = []
        self.limits: list[int] = []
        super().__init__(Clock(), limit=int(limit * SECOND), on_limit=self.limits.append)

    def party(self) -> Party:
        return self.expect(threading.Thread())

    def wish(self, name: str, seconds: float, party: Party | None = None) -> Entry:
        return self.enter(seconds, party, lambda: self.woken.append(name))

    def at(self, seconds: float) -> bool:
        return self.now == seconds * SECOND


def until(holds: Callable[[], bool]) -> None:
    """Wait in reality until another thread has come to something."""
    pause = threading.Event()
    for _ in range(3000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")


def reply_held(account: Account, seconds: float) -> OutsideThread:
    """Hold a reply back in a thread of its own, and return that once it is written down."""
    handler = OutsideThread(target=lambda: account.reply_later(seconds, handler), daemon=True)
    handler.start()
    until(lambda: bool(account.held_replies or account.now or not handler.is_alive()))
    return handler


@pytest.fixture
def account() -> Account:
    return Account()


# Who is awake


def test_a_party_is_awake_until_it_rests() -> None:
    party = Party(None, Tally())
    assert not party.rests

    party.rest()
    assert party.rests

    party.rest(awaited=1)
    assert not party.rests

    party.wake()
    assert not party.rests


def test_only_who_belongs_to_the_block_is_counted() -> None:
    tally = Tally()
    party = Party(None, tally)
    party.rest()
    party.wake()
    assert (tally.busy, tally.awaited) == (0, 0)

    party.count(True)
    party.count(True)
    assert (tally.busy, tally.awaited) == (0, 1)

    party.count(False)
    party.count(False)
    assert (tally.busy, tally.awaited) == (0, 0)


def test_an_event_loop_is_busy_while_it_runs_and_awaits_replies_while_it_rests() -> None:
    tally = Tally()
    party = Party(None, tally)
    party.count(True)
    party.loop = object()

    party.wake()
    assert (tally.busy, tally.awaited) == (1, 0)

    party.rest(awaited=3)
    assert (tally.busy, tally.awaited) == (0, 3)


def test_a_thread_of_the_server_never_joins_and_a_counted_one_need_not() -> None:
    tally = Tally()
    party = Party(threading.Thread(), tally)

    assert party.may_join
    assert not Party(OutsideThread(), tally).may_join
    party.count(True)
    assert not party.may_join


def test_time_stands_while_a_party_is_awake_and_moves_once_it_rests(account: Account) -> None:
    party = account.party()
    account.wish("a", 5)

    account.settle()
    assert (account.now, account.woken) == (0, [])

    party.rest()
    account.settle()
    assert account.at(5)
    assert account.woken == ["a"]


def test_who_is_woken_counts_as_awake_before_anybody_else_is_woken(account: Account) -> None:
    party = account.party()
    party.rest()
    account.wish("first", 5, party)
    account.wish("second", 6)

    account.settle()

    assert account.woken == ["first"]
    assert account.at(5)
    assert not party.rests


def test_sleepers_are_woken_by_time_and_at_one_instant_in_the_order_of_their_calls(account: Account) -> None:
    for name, seconds in (("late", 9), ("one", 5), ("two", 5), ("early", 2)):
        account.wish(name, seconds)

    account.settle()

    assert account.woken == ["early", "one", "two", "late"]
    assert account.at(9)


def test_who_no_longer_wishes_is_passed_over_without_moving_time(account: Account) -> None:
    account.wish("a", 5).cancelled = True
    account.wish("b", 3)

    account.settle()

    assert account.woken == ["b"]
    assert account.at(3)
    assert not account._entries


def test_after_infinitely_many_seconds_nobody_is_woken(account: Account) -> None:
    account.wish("never", math.inf)
    account.settle()

    assert (account.now, account.woken, account.limits) == (0, [], [])


def test_time_moves_up_to_the_limit_and_no_further() -> None:
    account = Account(limit=10)
    account.wish("at the limit", 10)
    account.wish("beyond", 11)

    account.settle()

    assert account.woken == ["at the limit"]
    assert account.limits == [11 * SECOND]
    assert account.at(10)


def test_a_stopped_or_closed_block_moves_no_time(account: Account) -> None:
    account.wish("a", 5)
    account.error = KeyboardInterrupt
    account.settle()
    assert account.now == 0

    account.error, account.closed = None, True
    account.settle()
    assert account.now == 0


@pytest.mark.parametrize("what", ["busy", "owed", "on its way", "begins"])
def test_what_may_still_act_keeps_time_from_moving(account: Account, what: str) -> None:
    clock = account.clock
    if what == "busy":
        account.tally.busy = 1
    elif what == "owed":
        clock.owed = 1  # type: ignore[misc]  # of the fake
    elif what == "on its way":
        account.is_quiet = lambda: False
    else:
        account.queue(account.pool(Executor(1)))
    account.wish("a", 5)
    account.settle()
    assert account.now == 0

    account.tally.busy, clock.owed, account.is_quiet, account.pools = 0, 0, lambda: True, {}  # type: ignore[misc]  # of the fake
    account.settle()
    assert account.at(5)


def test_everything_that_happens_makes_the_activity_grow(account: Account) -> None:
    account.wish("a", 5)
    assert account.activity == 1
    account.wish("never", math.inf)
    assert account.activity == 2

    account.settle()
    assert account.activity == 3


def test_wake_ups_at_one_instant_have_a_limit_that_a_move_of_time_sets_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "SPINS", 3)

    for _ in range(3):
        account.wish("now", 0)
        account.settle()
    account.wish("later", 1)
    account.settle()
    for _ in range(3):
        account.wish("now", 0)
        account.settle()
    assert account.limits == []

    account.wish("now", 0)
    account.settle()
    assert account.limits == [SECOND]


def test_looks_at_the_clock_at_one_instant_have_a_limit_that_a_move_of_time_sets_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "READS", 3)

    assert [account.read() for _ in range(3)] == [0, 0, 0]
    account.wish("later", 1)
    account.settle()
    assert [account.read() for _ in range(3)] == [SECOND] * 3
    assert account.limits == []

    account.read()
    assert account.limits == [SECOND]


def test_a_look_that_stops_the_block_raises_at_once(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "READS", 0)
    account._on_limit = lambda _: account.stop(KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        account.read()
    with pytest.raises(KeyboardInterrupt):
        account.read()


def test_what_monotonic_reads_begins_where_the_clock_says(account: Account) -> None:
    account.wish("a", 5)
    account.settle()

    assert account.seconds == 1005.0


# Resting


def test_a_sleep_ends_at_its_instant_and_its_party_is_awake_again(account: Account) -> None:
    account.sleep(5, "client.py:3")

    party = account.current
    assert party is not None
    assert account.at(5)
    assert (party.where, party.waiter, party.rests) == ("client.py:3", None, False)
    assert account.parties == (party,)


def test_a_rest_tells_whether_it_was_woken_or_its_time_was_up(account: Account) -> None:
    party = account.joined()
    woken = Waiter(account, party)
    account.enter(3, None, woken.release)

    assert account.rest(woken, 5, "here")
    assert account.at(3)
    assert not account.rest(Waiter(account, party), 5, "here")
    assert account.at(8)


def test_a_wish_of_somebody_who_was_woken_otherwise_does_not_move_time(account: Account) -> None:
    party = account.joined()
    woken = Waiter(account, party)
    account.enter(3, None, woken.release)
    account.rest(woken, 5, "here")

    party.rest()
    account.settle()

    assert account.at(3)


def test_a_time_out_in_real_time_ends_a_rest_and_wakes_the_party(account: Account) -> None:
    party = account.joined()
    waiter = Waiter(account, party)

    assert not account.rest(waiter, None, "here", real_seconds=0.01)
    assert waiter.over
    assert not party.rests
    assert account.now == 0


def test_who_was_woken_before_it_rests_does_not_rest(account: Account) -> None:
    waiter = Waiter(account, account.joined())
    waiter.release()

    assert account.rest(waiter, 5, "here")
    assert account.now == 0


def test_the_first_to_wake_a_waiter_decides(account: Account) -> None:
    expired, released = Waiter(account, account.joined()), Waiter(account, account.joined())
    expired.expire()
    expired.release()
    released.release()
    released.expire()

    assert (expired.notified, released.notified) == (False, True)


def test_in_a_closed_block_a_sleep_ends_at_once(account: Account) -> None:
    party = account.joined()
    account.closed = True

    assert not account.rest(Waiter(account, party), 5, "here")
    assert account.now == 0


def test_a_dismissed_waiter_ends_its_thread_and_one_that_is_over_does_not(account: Account) -> None:
    party = account.joined()
    dismissed, over = Waiter(account, party), Waiter(account, party)
    dismissed.dismiss()
    over.expire()
    over.dismiss()

    with pytest.raises(Dismissed):
        account.rest(dismissed, 5, "here")
    assert not account.rest(over, 5, "here")
    assert account.now == 0
    dismissed.dismiss()
    assert dismissed.is_dismissed


def test_a_stopped_block_raises_before_and_after_a_rest(account: Account) -> None:
    party = account.joined()
    account.enter(1, None, lambda: account.stop(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        account.rest(Waiter(account, party), 5, "here")
    with pytest.raises(KeyboardInterrupt):
        account.rest(Waiter(account, party), 5, "here")
    assert account.at(1)


def test_who_does_not_belong_to_the_block_is_not_stopped_with_it(account: Account) -> None:
    account.error = KeyboardInterrupt

    assert not account.rest(Waiter(account, account.stranger()), 5, "here", real_seconds=0)


def test_a_stop_wakes_all_who_rest_and_empties_the_account(account: Account) -> None:
    party = account.party()
    party.waiter = Waiter(account, party)
    entry = account.wish("a", 5)
    account.wish("cancelled", 5).cancelled = True

    account.stop(KeyboardInterrupt)

    assert party.waiter.over
    assert not party.waiter.notified
    assert account.woken == ["a"]
    assert entry.cancelled
    assert account._entries == []
    with pytest.raises(KeyboardInterrupt):
        account.check()
    with pytest.raises(KeyboardInterrupt):
        account.begin()


def test_after_the_end_only_what_begins_is_stopped(account: Account) -> None:
    account.stop(KeyboardInterrupt)
    account.close()

    account.check()
    with pytest.raises(KeyboardInterrupt):
        account.begin()


def test_nothing_is_raised_while_the_block_goes_on(account: Account) -> None:
    account.check()
    account.begin()


def test_of_those_who_slept_in_real_time_only_who_wakes_after_time_has_moved_is_refused(account: Account) -> None:
    refused: list[str] = []
    account.on_sleeper = refused.append
    account.sleepers = {"a": "thread a", "b": "thread b"}

    account.refuse_woken(lambda sleepers: next(iter(sleepers)))
    account.clock.move(SECOND)
    account.refuse_woken(lambda sleepers: None)
    assert (refused, account.sleepers) == ([], {"b": "thread b"})

    account.refuse_woken(lambda sleepers: next(iter(sleepers)))
    account.refuse_woken(lambda sleepers: pytest.fail("nobody slept any more"))
    assert (refused, account.sleepers) == (["thread b"], {})


def test_a_close_wakes_replies_and_leaves_sleepers_asleep(account: Account) -> None:
    party = account.party()
    account.wish("sleeper", 5, party)
    account.wish("reply", 5)

    account.close()

    assert account.woken == ["reply"]
    assert account._entries == []
    assert account.current is None


def test_a_sleeper_of_a_closed_block_ends_when_it_is_joined(account: Account) -> None:
    account.joined()  # which is awake, so that time stands

    def sleep() -> None:
        with suppress(Dismissed):
            account.sleep(5, "there")

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    until(lambda: any(party.waiter is not None and party.waiter.entry is not None for party in account.parties))
    account.close()
    assert thread.is_alive()

    thread.join(10)
    assert not thread.is_alive()


def test_while_somebody_waits_for_an_outsider_time_may_move(account: Account) -> None:
    party = account.joined()
    account.wish("a", 5)

    with account.resting(party, "there"):
        assert party.rests
        assert party.where == "there"
        assert account.at(5)
    assert not party.rests


def test_a_wait_for_an_outsider_is_stopped_with_the_block(account: Account) -> None:
    party = account.joined()

    with pytest.raises(KeyboardInterrupt), account.resting(party, "there"):
        account.error = KeyboardInterrupt
    assert not party.rests
    with pytest.raises(KeyboardInterrupt), account.resting(party, "there"):
        pytest.fail("it was let in")  # pragma: no cover  # the check comes before


# Who belongs to it


def test_a_thread_becomes_a_party_once(account: Account) -> None:
    party = account.joined()

    assert account.joined() is party is account.current
    assert party.thread is threading.current_thread()
    assert account.party_of(threading.current_thread()) is party
    assert account.party_of(threading.Thread()) is None


def test_what_is_done_outside_is_nobodys_and_the_party_comes_back(account: Account) -> None:
    with account.outside():
        assert account.current is None
    assert account.current is None
    party = account.joined()

    with account.outside():
        assert account.current is None
    assert account.current is party


def test_a_stranger_that_a_party_woke_is_met_when_it_calls(account: Account) -> None:
    account.strangers = frozenset({threading.current_thread()})
    other = account.expect_stranger(threading.Thread())
    expected = account.expect_stranger(None)

    assert account.current is expected
    assert expected.thread is threading.current_thread()
    assert account._unmet == [other]
    assert account.current is expected


def test_a_thread_that_was_not_there_before_is_nobody_that_was_expected_without_a_name(account: Account) -> None:
    account.expect_stranger(None)

    assert account.current is None


def test_what_stands_for_a_stranger_is_one_and_is_not_counted(account: Account) -> None:
    stranger = account.stranger()

    assert account.stranger() is stranger
    assert stranger.thread is threading.current_thread()
    assert (account.parties, account.tally.awaited) == ((), 0)


def test_a_stranger_belongs_to_the_block_once_a_party_has_woken_it(account: Account) -> None:
    stranger = account.stranger()
    Waiter(account, stranger).release()
    assert account.parties == ()

    account.joined()
    Waiter(account, stranger).expire()
    assert stranger not in account.parties
    Waiter(account, stranger).release()
    assert stranger in account.parties
    assert account.tally.awaited == 2


def test_who_leaves_wakes_its_joiners_and_lets_time_move(account: Account) -> None:
    party = account.joined()
    joiner = account.party()
    joiner.rest()
    waiter = Waiter(account, joiner)
    party.joiners.append(waiter)

    account.leave(party)

    assert party.left
    assert waiter.notified
    assert not joiner.rests
    assert account.parties == (joiner,)
    assert account.tally.awaited == 1
    assert account.current is None

    account.wish("a", 5)
    account.leave(joiner)
    assert account.woken == ["a"]
    assert account.tally.awaited == 0


def test_who_leaves_before_it_was_met_is_not_met_any_more(account: Account) -> None:
    account.strangers = frozenset({threading.current_thread()})
    account.leave(account.expect_stranger(None))

    assert account.current is None


def test_a_party_that_leaves_takes_no_other_with_it(account: Account) -> None:
    party, other = account.joined(), account.party()

    account.leave(other)
    account.leave(other)

    assert account.current is party
    assert account.parties == (party,)


def test_threads_that_ended_without_saying_so_are_struck_out(account: Account) -> None:
    ended = threading.Thread(target=lambda: None)
    unstarted = account.party()
    awake = account.expect(threading.current_thread())
    account.expect(ended)
    ended.start()
    ended.join()

    account.sweep()

    assert account.parties == (unstarted, awake)


def test_a_sweep_wakes_whom_nothing_keeps_asleep_any_more(account: Account) -> None:
    account.is_quiet = lambda: False
    account.wish("a", 5)
    account.settle()
    assert account.woken == []

    account.is_quiet = lambda: True
    account.sweep()

    assert account.woken == ["a"]


def test_who_sleeps_on_beyond_a_block_is_dismissed_at_the_end(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiter = Waiter(account, account.joined())
    monkeypatch.setattr(ledgers, "_asleep", {waiter})

    ledgers._dismiss_all()

    assert waiter.is_dismissed


def test_of_strangers_without_a_name_as_many_go_as_strangers_have_ended(account: Account) -> None:
    ended = threading.Thread(target=lambda: None)
    account.strangers = frozenset({ended, threading.current_thread()})
    named = account.expect_stranger(threading.current_thread())
    first, second = account.expect_stranger(None), account.expect_stranger(None)
    ended.start()
    ended.join()

    account.sweep()
    account.sweep()

    assert first.left
    assert not second.left
    assert account.parties == (named, second)
    assert account.strangers == {threading.current_thread()}


# Pools


class Executor:
    """What a ledger reads of a thread pool."""

    def __init__(self, workers: int) -> None:
        self._max_workers = workers


def test_a_pool_has_one_account(account: Account) -> None:
    executor = Executor(2)

    assert account.pool(executor) is account.pool(executor)
    assert account.pool(executor).workers == 2


def test_a_job_that_a_worker_is_free_for_is_awake_and_one_that_must_wait_is_not(account: Account) -> None:
    pool = account.pool(Executor(1))
    assert (pool.is_empty, pool.begins) == (True, False)

    job = account.queue(pool)
    assert (pool.is_empty, pool.begins) == (False, True)

    account.take(pool, job)
    assert (pool.queued, pool.running, pool.begins, pool.is_empty) == ([], [job], False, False)
    assert account.current is job
    assert job.thread is threading.current_thread()
    assert job in account.parties
    assert account.tally.awaited == 1

    account.queue(pool)
    assert not pool.begins


def test_a_job_is_counted_once_however_often_it_is_taken(account: Account) -> None:
    pool = account.pool(Executor(1))
    job = account.queue(pool)
    account.take(pool, job)
    account.take(pool, job)

    assert pool.running == [job]
    assert account.tally.awaited == 1


def test_a_job_that_is_done_wakes_who_waits_for_it_and_the_last_one_who_waits_for_the_pool(account: Account) -> None:
    pool = account.pool(Executor(1))
    first, second = account.queue(pool), account.queue(pool)
    joiner = account.party()
    joiner.rest()
    of_job, of_pool = Waiter(account, joiner), Waiter(account, joiner)
    first.joiners.append(of_job)
    pool.joiners.append(of_pool)
    account.take(pool, first)

    account.done(pool, first)
    assert first.left
    assert (of_job.notified, of_pool.notified) == (True, False)
    assert (pool.running, pool.queued) == ([], [second])

    account.done(pool, second)
    assert of_pool.notified
    assert pool.is_empty
    assert pool.joiners == []
    assert account.tally.awaited == 1


def test_time_may_move_when_the_last_job_is_done(account: Account) -> None:
    pool = account.pool(Executor(1))
    job = account.queue(pool)
    account.take(pool, job)
    account.wish("a", 5)
    account.settle()
    assert account.now == 0

    account.done(pool, job)

    assert account.woken == ["a"]


def test_a_worker_that_does_no_job_is_nobody(account: Account) -> None:
    pool = account.pool(Executor(1))
    account.take(pool, account.queue(pool))

    account.release_thread()
    account.release_thread()

    assert account.current is None


def test_a_job_that_is_done_is_not_waited_for(account: Account) -> None:
    pool, party = account.pool(Executor(1)), account.party()
    job = account.queue(pool)
    account.await_job(job, party, 0.01)
    assert len(job.joiners) == 1

    account.done(pool, job)
    account.await_job(job, party, 100)
    assert len(job.joiners) == 1


# Replies that are held back


def test_a_reply_leaves_at_its_instant(account: Account) -> None:
    handler = reply_held(account, 5)

    handler.join(10)

    assert not handler.is_alive()
    assert account.at(5)
    assert account.held_replies == 0


def test_who_waits_for_a_held_reply_does_not_keep_time_from_moving(account: Account) -> None:
    account.party()  # awake, and waiting for the reply
    account.clock.owed = 1  # type: ignore[misc]  # of the fake

    handler = reply_held(account, 5)
    handler.join(10)

    assert account.at(5)


def test_who_does_not_wait_for_a_reply_that_is_held_keeps_time_from_moving(account: Account) -> None:
    first, second = account.party(), account.party()
    handler = reply_held(account, 5)
    assert (account.now, account.held_replies) == (0, 1)

    second.rest()
    account.settle()
    handler.join(10)

    assert account.at(5)
    assert not first.rests


def test_a_client_that_hangs_up_is_not_waited_for(account: Account) -> None:
    party = account.party()
    party.rest(awaited=2)
    handler = reply_held(account, 5)
    handler.gone = lambda: True

    handler.join(10)

    assert not handler.is_alive()
    assert account.held_replies == 0
    party.rest()
    account.settle()
    assert account.now == 0


@pytest.mark.parametrize("how", ["closed", "stopped"])
def test_in_a_block_that_is_over_no_reply_is_held(account: Account, how: str) -> None:
    account.closed, account.error = how == "closed", KeyboardInterrupt if how == "stopped" else None

    account.reply_later(5, OutsideThread())

    assert account.held_replies == 0


def test_who_hung_up_does_not_stand_for_somebody_who_waits(account: Account) -> None:
    account.party()
    handler = OutsideThread()
    handler.gone = lambda: True
    account._handlers.append(handler)
    account.wish("a", 5)

    account.settle()

    assert account.now == 0
