"""A subscriber as somebody else would write it: every event once, in order per shard.

Usage: subscriber.py URL FILE INBOX. Reads the stream STAMPEDE_EVENTS from its beginning, through every
loss of the broker, and keeps in FILE how far it has come: {"shards": {shard: seq}, "events": n, "again": n}.
An event that skips one of its shard waits until the one before it has come. Answers come to INBOX, the
beginning of the subjects on which the user in URL may hear them.
"""

import asyncio
import json
import os
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

STREAM = "STAMPEDE_EVENTS"


class Ledger:
    """What came, by shard."""

    def __init__(self, file):
        self.file = file
        self.reached = {}
        self.waiting = {}
        self.events = 0
        self.again = 0

    def take(self, message):
        headers = message.headers
        assert headers["ce-specversion"] == "1.0", headers
        assert headers["ce-id"] == headers["Nats-Msg-Id"], headers
        room, event, subject = message.subject.split(".", 4)[2:]
        assert headers["ce-type"] == f"stampede.{room}.{event}", headers
        assert headers["ce-subject"] == subject, headers
        json.loads(message.data)
        shard, seq = (int(part) for part in headers["ce-id"].split("-"))
        reached = self.reached.get(shard, 0)
        waiting = self.waiting.setdefault(shard, set())
        if seq <= reached or seq in waiting:
            self.again += 1
            return
        waiting.add(seq)
        while reached + 1 in waiting:
            reached += 1
            waiting.remove(reached)
            self.events += 1
        self.reached[shard] = reached

    def keep(self):
        state = {"shards": self.reached, "events": self.events, "again": self.again}
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(self.file + ".new", self.file)


async def read(connection, ledger):
    """Reads from the stream's beginning until something is wrong."""
    stream = connection.jetstream()
    settings = ConsumerConfig(
        deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE, inactive_threshold=10.0
    )
    subscription = await stream.pull_subscribe("", stream=STREAM, config=settings)
    while True:
        try:
            messages = await subscription.fetch(500, timeout=1)
        except asyncio.TimeoutError:
            # Is the stream still the one that this is a consumer of?
            await subscription.consumer_info()
            continue
        for message in messages:
            ledger.take(message)
        ledger.keep()


async def ignore(_):
    """The connection comes back by itself; what it says meanwhile is of no use here."""


async def main(url, file, inbox):
    ledger = Ledger(file)
    connection = await nats.connect(
        url, inbox_prefix=inbox, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=ignore
    )
    while True:
        try:
            await read(connection, ledger)
        except (asyncio.TimeoutError, nats.errors.Error, OSError):
            # The broker or its stream is away: begin anew.
            await asyncio.sleep(0.2)


asyncio.run(main(*sys.argv[1:]))
