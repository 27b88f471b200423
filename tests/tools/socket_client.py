"""A stranger's socket client: written from docs/socket-protocol.md, with the library `websockets` and nothing of ours.

Ada talks in a room while Bob loses his connection again and again, and the service itself is restarted once. In the
end both have every message once and in order.

usage: socket_client.py ADDRESS PID_OF_THE_SOCKET_GATEWAY
"""

import asyncio
import json
import os
import random
import signal
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

ROOM = "stranger"
MESSAGES = 300


class Player:
    """A player who comes back, however the connection is lost."""

    def __init__(self, address, player_id, username):
        self.url = f"ws://{address}/ws"
        self.player_id = player_id
        self.username = username
        self.socket = None
        self.epoch = None
        self.offset = 0
        self.heard = []
        self.recoveries = 0
        self.goodbyes = 0
        self.unacknowledged = {}

    async def say(self, **command):
        await self.socket.send(json.dumps(command))

    async def connect(self):
        wait = 0.1
        while True:
            try:
                socket = await connect(self.url, compression=None)
                hello = {"type": "hello", "protocol": 1, "player_id": self.player_id, "username": self.username}
                await socket.send(json.dumps(hello))
                welcome = json.loads(await socket.recv())
                assert welcome["type"] == "welcome" and welcome["protocol"] == 1, welcome
                position = {"epoch": self.epoch, "offset": self.offset} if self.epoch else {}
                await socket.send(json.dumps({"type": "join", "room": ROOM, **position}))
                # Only now, since what is said before the room is joined is refused.
                self.socket = socket
                for client_id, text in list(self.unacknowledged.items()):
                    await self.say(type="message", room=ROOM, client_id=client_id, text=text)
                return
            except (OSError, ConnectionClosed, InvalidHandshake):
                await asyncio.sleep(random.uniform(wait / 2, wait))
                wait = min(wait * 2, 5)

    async def listen(self, enough, unlucky=False):
        """Reads until it has heard enough; an unlucky player loses the connection now and then."""
        while not enough():
            try:
                if unlucky and self.epoch and random.random() < 0.02:
                    # Not a close frame: the connection is gone, as in a tunnel.
                    self.socket.transport.abort()
                self.take(json.loads(await self.socket.recv()))
            except ConnectionClosed as closed:
                self.goodbyes += closed.rcvd is not None and closed.rcvd.code == 1001
                await self.connect()

    def take(self, frame):
        kind = frame["type"]
        if kind == "joined":
            if self.epoch is not None:
                assert frame["recovered"] is True, frame
                self.recoveries += 1
            else:
                self.offset = frame["offset"]
            self.epoch = frame["epoch"]
        elif kind == "message":
            assert frame["offset"] == self.offset + 1, f"a gap or a double: {frame} after {self.offset}"
            self.offset = frame["offset"]
            self.heard.append(frame["text"])
        elif kind == "ack":
            self.unacknowledged.pop(frame["client_id"], None)
        elif kind == "error" and frame["code"] == "unavailable":
            # The message may be stored or not: it is sent again with the same name.
            asyncio.get_running_loop().create_task(self.repeat(frame["client_id"]))
        else:
            assert kind in ("presence_changed", "reconnect"), frame

    async def repeat(self, client_id):
        await asyncio.sleep(0.1)
        if client_id in self.unacknowledged:
            await self.chat(client_id, self.unacknowledged[client_id])

    async def chat(self, client_id, text):
        self.unacknowledged[client_id] = text
        try:
            await self.say(type="message", room=ROOM, client_id=client_id, text=text)
        except ConnectionClosed:
            pass  # Sent again after the next hello.


async def main(address, gateway):
    ada, bob = Player(address, 1, "ada"), Player(address, 2, "bob")
    await ada.connect()
    await bob.connect()
    while bob.epoch is None:
        bob.take(json.loads(await bob.socket.recv()))

    async def talk():
        for number in range(MESSAGES):
            await ada.chat(f"m{number}", f"message {number}")
            await asyncio.sleep(0.01)
            if number == MESSAGES // 2:
                # A restart of the service: it tells everybody to come back, and its successor carries on.
                os.kill(gateway, signal.SIGTERM)

    everything = [f"message {number}" for number in range(MESSAGES)]
    await asyncio.gather(
        talk(),
        ada.listen(lambda: len(ada.heard) == MESSAGES and not ada.unacknowledged),
        bob.listen(lambda: len(bob.heard) == MESSAGES, unlucky=True),
    )
    assert sorted(ada.heard) == sorted(everything), "ada misses something"
    assert bob.heard == ada.heard, "bob heard something else"
    assert bob.recoveries > 0 and ada.goodbyes == 1, (bob.recoveries, ada.goodbyes)

    await ada.say(type="history", room=ROOM, limit=3, id="last")
    while (page := json.loads(await ada.socket.recv()))["type"] != "history":
        pass
    assert [message["text"] for message in page["messages"]] == ada.heard[-3:], page
    await ada.say(type="dance")
    try:
        while True:
            frame = json.loads(await ada.socket.recv())
            assert frame["type"] != "error" or frame["code"] == "unknown_command", frame
    except ConnectionClosed as closed:
        assert closed.rcvd.code == 4004, closed
    await bob.socket.close()
    print(f"socket client: {MESSAGES} messages, {bob.recoveries} recoveries, one restart, no gap and no double")


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1], int(sys.argv[2])), 120))
