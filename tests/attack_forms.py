# mypy: ignore-errors
# ruff: noqa
"""Clients that wait in one thread, written as strangers write them: neither typed nor tidied up."""

import calendar, contextlib, datetime as dt, functools, operator, random, sys, time, importlib
import time as _t
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo
import attr


def default_args(ask, *, every=5, sleep=time.sleep, now=time.monotonic, end_of=lambda now=time.monotonic: now() + 600):
    end = end_of()
    while (s := ask()) != "completed":
        if now() > end:
            raise TimeoutError
        sleep(every)
    return s


def make(sleep, every):
    def wait(ask):
        while (s := ask()) != "completed":
            sleep(every)
        return s

    return wait


closure = make(time.sleep, 5)


@dataclass
class Job:
    sleep: object = time.sleep
    started: float = field(default_factory=time.time)

    def wait(self, ask, limit):
        while time.time() < self.started + limit:
            ask()
            self.sleep(4)
        raise TimeoutError


@attr.s
class Attrs:
    started = attr.ib(factory=time.monotonic)
    stamp = attr.ib(factory=datetime.now)

    def wait(self, ask, limit):
        while time.monotonic() < self.started + limit:
            ask()
            time.sleep(4)
        raise TimeoutError((datetime.now() - self.stamp).total_seconds())


@attr.define
class Slots:
    every: float = 4
    sleep: object = attr.field(default=time.sleep)
    stamp: object = attr.field(factory=lambda: datetime.now(timezone.utc))

    def wait(self, ask, limit):
        while datetime.now(timezone.utc) - self.stamp < timedelta(seconds=limit):
            ask()
            self.sleep(self.every)
        raise TimeoutError


def zoned(ask, limit, every):
    zone = ZoneInfo("Europe/Berlin")
    end = datetime.now(zone) + timedelta(seconds=limit)
    while datetime.now(tz=zone) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def aware(ask, limit, every):
    end = (
        dt.datetime.now(dt.UTC) + dt.timedelta(seconds=limit)
        if hasattr(dt, "UTC")
        else dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=limit)
    )
    while dt.datetime.now(dt.timezone.utc) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_timegm(ask, limit, every):
    end = calendar.timegm(time.gmtime()) + limit
    while calendar.timegm(time.gmtime()) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_mktime(ask, limit, every):
    end = time.mktime(time.localtime()) + limit
    while time.mktime(time.localtime()) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_strftime(ask):
    minute = time.strftime("%M")
    while time.strftime("%M") == minute:
        ask()
        time.sleep(10)


def by_ctime(ask):
    first = time.ctime()
    while time.ctime()[:-8] == first[:-8]:  # same minute: "Tue Oct 14 00:00:00 2025" less "00 2025" and a colon
        ask()
        time.sleep(10)


def by_asctime(ask):
    first = time.asctime()
    while time.asctime()[:16] == first[:16]:
        ask()
        time.sleep(10)


def by_gettime(ask, limit, every):
    end = time.clock_gettime(time.CLOCK_MONOTONIC) + limit
    while time.clock_gettime(time.CLOCK_MONOTONIC) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_gettime_ns(ask, limit, every):
    end = time.clock_gettime_ns(time.CLOCK_REALTIME) + limit * 10**9
    while time.clock_gettime_ns(time.CLOCK_REALTIME) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_boottime(ask, limit, every):
    end = time.clock_gettime(time.CLOCK_BOOTTIME) + limit
    while time.clock_gettime(time.CLOCK_BOOTTIME) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_perf_ns(ask, limit, every):
    start = time.perf_counter_ns()
    while time.perf_counter_ns() - start < limit * 10**9:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_time_ns(ask, limit, every):
    start = time.time_ns()
    while time.time_ns() - start < limit * 10**9:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_today(ask, limit, every):
    end = datetime.today() + timedelta(seconds=limit)
    while datetime.today() < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_fromtimestamp(ask, limit, every):
    end = datetime.fromtimestamp(time.time(), timezone.utc) + timedelta(seconds=limit)
    while datetime.now(timezone.utc) < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def by_date(ask):
    day = dt.date.today()
    while dt.date.today() == day:
        ask()
        time.sleep(3600 * 6)


def rest(ask, limit, every):
    end = time.monotonic() + limit
    while True:
        ask()
        if time.monotonic() >= end:
            raise TimeoutError
        time.sleep(min(every, end - time.monotonic()))


def jitter(ask, seed):
    draw = random.Random(seed)
    while (s := ask()) != "completed":
        time.sleep(draw.uniform(1, 3))
    return s


def exponential(ask):
    pause = 1
    while (s := ask()) != "completed":
        time.sleep(pause)
        pause = min(pause * 2, 10)
    return s


def polls(ask):
    while True:
        yield ask()
        _t.sleep(5)


def last(ask):
    for s in polls(ask):
        if s == "completed":
            return s


def sentinel(ask):
    def step():
        s = ask()
        if s != "completed":
            time.sleep(5)
        return s

    return len(list(iter(step, "completed")))


class Token:
    def __init__(self):
        self.value, self.expires, self.logins = "", 0, 0

    def get(self):
        if time.time() >= self.expires:
            self.value, self.expires, self.logins = "t", time.time() + 40, self.logins + 1
        return self.value


def with_token(ask, token):
    while token.get() and (s := ask()) != "completed":
        time.sleep(10)
    return s


class Breaker:
    failed_at = 0.0
    failures = 0

    def allows(self):
        return self.failures < 3 or time.monotonic() - self.failed_at >= 30

    def failed(self):
        self.failures += 1
        self.failed_at = time.monotonic()


def with_breaker(ask):
    breaker = Breaker()
    while True:
        if breaker.allows():
            try:
                if (s := ask()) == "completed":
                    return s
                breaker.failures = 0
            except OSError:
                breaker.failed()
        time.sleep(1)


LAST = 0.0


def limited(ask):
    global LAST
    while True:
        ahead = LAST + 5 - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        LAST = time.monotonic()
        if (s := ask()) == "completed":
            return s


class Bucket:
    def __init__(self, rate, size):
        self.rate, self.size, self.left, self.when = rate, size, size, time.monotonic()

    def take(self):
        while True:
            now = time.monotonic()
            self.left = min(self.size, self.left + (now - self.when) * self.rate)
            self.when = now
            if self.left >= 1:
                self.left -= 1
                return
            time.sleep((1 - self.left) / self.rate)


def bucketed(ask):
    bucket = Bucket(0.5, 3)
    while True:
        bucket.take()
        if (s := ask()) == "completed":
            return s


class Base:
    pause = staticmethod(time.sleep)
    _sleep = time.sleep

    def __init__(self):
        self.own = time.sleep


class Client(Base):
    def wait(self, ask, how):
        while (s := ask()) != "completed":
            getattr(self, how)(5)
        return s


def by_import_module(ask):
    while (s := ask()) != "completed":
        importlib.import_module("time").sleep(5)
    return s


def by_dunder(ask):
    while (s := ask()) != "completed":
        __import__("time").sleep(5)
    return s


def by_modules(ask):
    while (s := ask()) != "completed":
        sys.modules["time"].sleep(5)
    return s


def by_getter(ask):
    nap = operator.attrgetter("sleep")(time)
    while (s := ask()) != "completed":
        nap(5)
    return s


def by_exec(ask):
    space = {"ask": ask}
    exec("import time\nwhile (s := ask()) != 'completed': time.sleep(5)", space)
    return space["s"]


def by_exec_globals(ask):
    space = {"ask": ask, **globals()}
    exec("while (s := ask()) != 'completed': time.sleep(5)", space)
    return space["s"]


def inner_import(ask):
    from time import sleep as nap

    while (s := ask()) != "completed":
        nap(5)
    return s


def inner_partial(ask):
    nap = functools.partial(time.sleep, 5)
    while (s := ask()) != "completed":
        nap()
    return s


def odd(value):
    time.sleep(value)


def wall_deadline(ask, limit, every):
    end = time.time() + limit
    while time.time() < end:
        ask()
        time.sleep(every)
    raise TimeoutError


def drift_free(ask):
    start = time.monotonic()
    for n in range(1, 100):
        if (s := ask()) == "completed":
            return s
        time.sleep(max(0, start + 5 * n - time.monotonic()))


@contextlib.contextmanager
def measured(into):
    start = time.perf_counter()
    try:
        yield
    finally:
        into.append(time.perf_counter() - start)


def forever_swallowing(ask):
    while True:
        try:
            if ask() == "completed":
                return
        except Exception:
            pass
        time.sleep(5)


def forever_bare(ask):
    while True:
        try:
            if ask() == "completed":
                return
            time.sleep(5)
        except:
            pass
