# mypy: ignore-errors
# ruff: noqa
"""Clients with threads, written as strangers write them: neither typed nor tidied up."""

import concurrent.futures as cf, multiprocessing, queue, sched, threading, time, select, signal, os, subprocess
from concurrent.futures import ThreadPoolExecutor


def loop(ask, every=5):
    while (s := ask()) != "completed":
        time.sleep(every)
    return s


def timer_chain(ask):
    done = threading.Event()
    seen = []

    def step():
        seen.append(ask())
        if seen[-1] == "completed":
            done.set()
        else:
            t = threading.Timer(5, step)
            t.daemon = True
            t.start()

    step()
    if not done.wait(600):
        raise TimeoutError
    return seen[-1]


def watchdog(ask):
    fired = threading.Event()
    dog = None
    while True:
        if dog:
            dog.cancel()
        dog = threading.Timer(12, fired.set)
        dog.daemon = True
        dog.start()
        if ask() == "completed":
            break
        if fired.is_set():
            raise RuntimeError("fired too early")
        time.sleep(5)
    if not fired.wait(60):
        raise TimeoutError
    return "completed"


def condition(ask):
    cond = threading.Condition()
    state = []

    def work():
        while True:
            s = ask()
            with cond:
                state.append(s)
                cond.notify_all()
            if s == "completed":
                return
            time.sleep(5)

    threading.Thread(target=work, daemon=True).start()
    with cond:
        if not cond.wait_for(lambda: "completed" in state, timeout=600):
            raise TimeoutError
    return "completed"


def condition_short(ask):
    cond = threading.Condition()
    t = threading.Thread(target=loop, args=(ask,))
    t.start()
    with cond:
        got = cond.wait_for(lambda: False, timeout=12)
    seen = time.monotonic()
    t.join()
    return got, time.monotonic() - seen  # False, 18


def barrier():
    bar = threading.Barrier(2)
    t = threading.Thread(target=time.sleep, args=(10,))
    t.start()
    start = time.monotonic()
    try:
        bar.wait(timeout=4)
    except threading.BrokenBarrierError:
        broken = time.monotonic() - start
    t.join()
    return broken


def semaphore():
    sem = threading.Semaphore(1)
    start = time.monotonic()
    ready = threading.Event()

    def hold():
        with sem:
            ready.set()
            time.sleep(5)

    t = threading.Thread(target=hold)
    t.start()
    ready.wait()
    first = sem.acquire(timeout=3)
    at = time.monotonic() - start
    sem.acquire()
    t.join()
    return first, at, time.monotonic() - start


def priority():
    q = queue.PriorityQueue()
    start = time.monotonic()

    def put():
        time.sleep(5)
        q.put((1, "b"))
        q.put((0, "a"))

    t = threading.Thread(target=put)
    t.start()
    try:
        q.get(timeout=2)
    except queue.Empty:
        empty = time.monotonic() - start
    got = q.get(timeout=60)
    at = time.monotonic() - start
    t.join()
    rest = q.get_nowait()
    return empty, at, sorted([got[1], rest[1]])


def lifo_full():
    q = queue.LifoQueue(1)
    q.put(1)
    start = time.monotonic()
    try:
        q.put(2, timeout=3)
    except queue.Full:
        return time.monotonic() - start


def workers(asks):
    q = queue.Queue()
    out = []

    def work():
        while (a := q.get()) is not None:
            out.append(loop(a))
            q.task_done()

    ts = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for t in ts:
        t.start()
    for a in asks:
        q.put(a)
    q.join()
    for t in ts:
        q.put(None)
    for t in ts:
        t.join()
    return out


def map_timeout():
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        try:
            list(pool.map(time.sleep, [10, 10], timeout=7))
        except cf.TimeoutError:
            at = time.monotonic() - start
    return at, time.monotonic() - start


def as_completed_timeout():
    start = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        fs = [pool.submit(time.sleep, n) for n in (3, 10)]
        got = []
        try:
            for f in cf.as_completed(fs, timeout=7):
                got.append(time.monotonic() - start)
        except cf.TimeoutError:
            got.append(time.monotonic() - start)
    return got


def as_completed_none(asks):
    with ThreadPoolExecutor(3) as pool:
        fs = {pool.submit(loop, a): n for n, a in enumerate(asks)}
        return [fs[f] for f in cf.as_completed(fs)]


def first_completed():
    start = time.monotonic()
    pool = ThreadPoolExecutor(2)
    fs = [pool.submit(time.sleep, n) for n in (3, 10)]
    done, left = cf.wait(fs, timeout=7, return_when=cf.FIRST_COMPLETED)
    a = time.monotonic() - start
    done2, left2 = cf.wait(left, timeout=2)
    b = time.monotonic() - start
    pool.shutdown()
    return a, len(done), b, len(done2), time.monotonic() - start


def result_timeout():
    start = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        f = pool.submit(time.sleep, 10)
        try:
            f.result(timeout=4)
        except cf.TimeoutError:
            return time.monotonic() - start


def callback(ask):
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        f = pool.submit(loop, ask)
        f.add_done_callback(lambda _: (time.sleep(3), done.set()))
        done.wait(600)
    return f.result()


def sched_(ask):
    s = sched.scheduler(time.monotonic, time.sleep)
    seen = []

    def step():
        seen.append(ask())
        if seen[-1] != "completed":
            s.enter(5, 1, step)

    s.enter(0, 1, step)
    s.run()
    return seen[-1]


def sched_default(ask):
    s = sched.scheduler()
    seen = []

    def step():
        seen.append(ask())
        if seen[-1] != "completed":
            s.enter(5, 1, step)

    s.enter(0, 1, step)
    s.run()
    return seen[-1]


MADE = sched.scheduler(time.monotonic, time.sleep)


def sched_made(ask):
    s = MADE
    seen = []

    def step():
        seen.append(ask())
        if seen[-1] != "completed":
            s.enter(5, 1, step)

    s.enter(0, 1, step)
    s.run()
    return seen[-1]


class Poller(threading.Thread):
    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.out = ask, None

    def run(self):
        self.out = loop(self.ask)


def subclass(ask):
    p = Poller(ask)
    p.start()
    p.join(timeout=600)
    return p.out


def join_short(ask):
    p = Poller(ask)
    p.start()
    p.join(timeout=12)
    alive, at = p.is_alive(), time.monotonic()
    p.join()
    return alive, time.monotonic() - at


def is_alive(ask):
    p = Poller(ask)
    p.start()
    while p.is_alive():
        time.sleep(0.5)
    return p.out


def heartbeat(ask, beat):
    stop = threading.Event()

    def run():
        while not stop.wait(4):
            beat()

    t = threading.Thread(target=run, daemon=True)
    t.start()
    try:
        return loop(ask)
    finally:
        stop.set()
        t.join()


def heartbeat_left(ask, beat):
    def run():
        while True:
            time.sleep(4)
            beat()

    threading.Thread(target=run, daemon=True).start()
    return loop(ask)


def by_event(ask):
    e = threading.Event()
    while (s := ask()) != "completed":
        e.wait(5)
    return s


def by_select(ask):
    while (s := ask()) != "completed":
        select.select([], [], [], 5)
    return s


def by_simple_queue(ask):
    q = queue.SimpleQueue()
    while (s := ask()) != "completed":
        try:
            q.get(timeout=5)
        except queue.Empty:
            pass
    return s


def by_lock(ask):
    lock = threading.Lock()
    lock.acquire()
    while (s := ask()) != "completed":
        lock.acquire(timeout=5)
    return s


def by_sigtimedwait(ask):
    while (s := ask()) != "completed":
        signal.sigtimedwait([signal.SIGUSR1], 5)
    return s


def by_subprocess(ask):
    while (s := ask()) != "completed":
        subprocess.run(["sleep", "5"])
    return s


def by_system(ask):
    while (s := ask()) != "completed":
        os.system("sleep 5")
    return s


def by_mp_event(ask):
    e = multiprocessing.Event()
    while (s := ask()) != "completed":
        e.wait(5)
    return s


def spin(ask):
    while (s := ask()) != "completed":
        pass
    return s


def shared_rlock(asks):
    lock = threading.RLock()
    out = []

    def run(a):
        while True:
            with lock:
                s = a()
                time.sleep(1)
            if s == "completed":
                out.append(s)
                return

    ts = [threading.Thread(target=run, args=(a,)) for a in asks]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    return out


class Background:
    """Made before the block: a worker and a queue."""

    def __init__(self):
        self.q = queue.Queue()
        self.t = threading.Thread(target=self.work, daemon=True)
        self.t.start()

    def work(self):
        while (item := self.q.get()) is not None:
            f, ask = item
            try:
                f.set_result(ask())
            except BaseException as e:
                f.set_exception(e)

    def ask(self, ask):
        f = cf.Future()
        self.q.put((f, ask))
        return f.result(30)

    def wait(self, ask):
        while (s := self.ask(ask)) != "completed":
            time.sleep(5)
        return s


class Sleeping:
    """A thread from before the block that polls itself."""

    def __init__(self, ask):
        self.go, self.done, self.out, self.ask = threading.Event(), threading.Event(), None, ask
        self.t = threading.Thread(target=self.run, daemon=True)
        self.t.start()

    def run(self):
        self.go.wait()
        self.out = loop(self.ask)
        self.done.set()

    def wait(self):
        self.go.set()
        if not self.done.wait(600):
            raise TimeoutError
        return self.out


class PoolBefore:
    def __init__(self):
        self.pool = ThreadPoolExecutor(2)
        list(self.pool.map(abs, range(4)))

    def wait(self, asks):
        return list(self.pool.map(loop, asks))
