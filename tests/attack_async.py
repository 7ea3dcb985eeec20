# mypy: ignore-errors
# ruff: noqa
"""Clients on asyncio, written as strangers write them: neither typed nor tidied up."""

import asyncio, threading, time, sys, contextlib
from concurrent.futures import ThreadPoolExecutor


async def loop(ask, every=5):
    while (s := await ask()) != "completed":
        await asyncio.sleep(every)
    return s


def sync_loop(ask, every=5):
    while (s := ask()) != "completed":
        time.sleep(every)
    return s


async def gen(ask):
    while True:
        yield await ask()
        await asyncio.sleep(5)


async def agen(ask):
    async for s in gen(ask):
        if s == "completed":
            return s


async def to_thread(ask):
    return await asyncio.to_thread(sync_loop, ask)


async def to_thread_each(ask):
    while (s := await asyncio.to_thread(ask)) != "completed":
        await asyncio.sleep(5)
    return s


async def executor(ask):
    return await asyncio.get_running_loop().run_in_executor(None, sync_loop, ask)


async def own_executor(ask):
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, sync_loop, ask)


async def group(asks):
    async with asyncio.TaskGroup() as g:
        ts = [g.create_task(loop(a)) for a in asks]
    return [x.result() for x in ts]


async def group_fails(ask):
    async def fail():
        await asyncio.sleep(12)
        raise LookupError

    async with asyncio.TaskGroup() as g:
        g.create_task(loop(ask))
        g.create_task(fail())


async def gather(asks):
    return await asyncio.gather(*map(loop, asks))


async def timeout_at(ask):
    async with asyncio.timeout_at(asyncio.get_running_loop().time() + 12):
        return await loop(ask)


async def timeout(ask):
    async with asyncio.timeout(12):
        return await loop(ask)


async def reschedule(ask):
    async with asyncio.timeout(12) as cm:
        await asyncio.sleep(10)
        cm.reschedule(asyncio.get_running_loop().time() + 12)
        return await loop(ask)


async def wait_for(ask):
    return await asyncio.wait_for(loop(ask), 12)


async def shielded(ask):
    task = asyncio.create_task(loop(ask))
    try:
        await asyncio.wait_for(asyncio.shield(task), 12)
    except asyncio.TimeoutError:
        return await task


async def cancelled_later(ask):
    h = asyncio.get_running_loop().call_later(3600, print)
    await asyncio.sleep(1)
    h.cancel()
    return await ask()


async def by_call_at(ask):
    lp = asyncio.get_running_loop()
    done = lp.create_future()
    tasks = set()
    start = lp.time()

    async def step(n):
        if await ask() == "completed":
            done.set_result("completed")
        else:
            lp.call_at(start + 5 * (n + 1), again, n + 1)

    def again(n):
        x = lp.create_task(step(n))
        tasks.add(x)
        x.add_done_callback(tasks.discard)

    again(0)
    return await done


async def first(ask):
    a, b = asyncio.create_task(loop(ask)), asyncio.create_task(asyncio.sleep(12))
    done, left = await asyncio.wait({a, b}, return_when=asyncio.FIRST_COMPLETED)
    for x in left:
        x.cancel()
    return b in done, a in left


async def wait_timeout(ask):
    a = asyncio.create_task(loop(ask))
    done, left = await asyncio.wait({a}, timeout=12)
    a.cancel()
    return len(done), len(left)


async def as_completed():
    lp = asyncio.get_running_loop()
    start = lp.time()
    got = []
    try:
        for c in asyncio.as_completed([asyncio.sleep(3), asyncio.sleep(10)], timeout=7):
            await c
            got.append(lp.time() - start)
    except asyncio.TimeoutError:
        got.append(lp.time() - start)
    return got


async def queue_():
    q = asyncio.Queue()
    lp = asyncio.get_running_loop()
    start = lp.time()

    async def put():
        await asyncio.sleep(5)
        await q.put(1)

    x = asyncio.create_task(put())
    try:
        await asyncio.wait_for(q.get(), 2)
    except asyncio.TimeoutError:
        a = lp.time() - start
    await q.get()
    return a, lp.time() - start


async def condition():
    c = asyncio.Condition()
    lp = asyncio.get_running_loop()
    start = lp.time()

    async def tell():
        await asyncio.sleep(5)
        async with c:
            c.notify_all()

    x = asyncio.create_task(tell())
    async with c:
        await asyncio.wait_for(c.wait(), 60)
    return lp.time() - start


async def semaphore():
    s = asyncio.Semaphore(2)
    lp = asyncio.get_running_loop()
    start = lp.time()
    got = []

    async def run(n):
        async with s:
            await asyncio.sleep(n)
        got.append(lp.time() - start)

    await asyncio.gather(run(3), run(5), run(4))
    return got


async def barrier():
    b = asyncio.Barrier(2)
    lp = asyncio.get_running_loop()
    start = lp.time()

    async def late():
        await asyncio.sleep(6)
        await b.wait()

    x = asyncio.create_task(late())
    await b.wait()
    return lp.time() - start


async def spin(ask):
    while (s := await ask()) != "completed":
        await asyncio.sleep(0)
    return s


async def suppress(ask):
    while True:
        with contextlib.suppress(Exception):
            if await ask() == "completed":
                return
        await asyncio.sleep(5)


async def blocking(ask):
    while (s := await ask()) != "completed":
        time.sleep(5)
    return s


async def both(ask):
    async def tick(n):
        for _ in range(n):
            await asyncio.sleep(1)
        return n

    a, b = await asyncio.gather(loop(ask), tick(20))
    return a, b


async def heartbeat(ask, beat):
    async def run():
        while True:
            await asyncio.sleep(4)
            await beat()

    x = asyncio.create_task(run())
    try:
        return await loop(ask)
    finally:
        x.cancel()


async def by_future(ask):
    lp = asyncio.get_running_loop()
    while (s := await ask()) != "completed":
        f = lp.create_future()
        lp.call_later(5, f.set_result, None)
        await f
    return s


async def by_event(ask):
    e = asyncio.Event()
    while (s := await ask()) != "completed":
        try:
            await asyncio.wait_for(e.wait(), 5)
        except asyncio.TimeoutError:
            pass
    return s


async def sub(ask):
    while (s := await ask()) != "completed":
        p = await asyncio.create_subprocess_exec("sleep", "5")
        await p.wait()
    return s


async def wall(ask, limit, every):
    end = time.time() + limit
    while time.time() < end:
        await ask()
        await asyncio.sleep(every)
    raise TimeoutError


async def rest(ask, limit):
    lp = asyncio.get_running_loop()
    end = lp.time() + limit
    while True:
        await ask()
        if lp.time() >= end:
            raise TimeoutError
        await asyncio.sleep(min(1, end - lp.time()))


class Portal:
    def __init__(self):
        self.lp = asyncio.new_event_loop()
        self.t = threading.Thread(target=self.lp.run_forever, daemon=True)
        self.t.start()

    def ask(self, ask):
        return asyncio.run_coroutine_threadsafe(ask(), self.lp).result(30)

    def wait_each(self, ask):
        while (s := self.ask(ask)) != "completed":
            time.sleep(5)
        return s

    def wait(self, ask):
        return asyncio.run_coroutine_threadsafe(loop(ask), self.lp).result(600)

    def short(self, ask):
        f = asyncio.run_coroutine_threadsafe(loop(ask), self.lp)
        try:
            return f.result(12)
        finally:
            f.cancel()

    def close(self):
        self.lp.call_soon_threadsafe(self.lp.stop)
        self.t.join(5)
        self.lp.close()


def reused_loop(ask):
    lp = asyncio.new_event_loop()
    try:
        lp.run_until_complete(asyncio.sleep(0))
        return lp.run_until_complete(loop(ask))
    finally:
        lp.close()
