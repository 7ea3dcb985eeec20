"""Driving a client's time: within a block, what the named modules sleep is what moves the clock.

ledger     who is awake, who sleeps until when, when time may move
standins   what driven modules see in place of `time` and `datetime`
locks      the same for the locks of `threading`
tasks      the same for asyncio, and when a loop rests
threads    what threads, conditions, queues and pools do meanwhile
replacing  putting stand-ins in place, and taking them back
places     the line of the code that waits, for messages
targets    which modules: checks and recipes
block      the block itself: opens, guards, closes
"""
