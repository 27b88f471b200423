"""Says one thing in each of some rooms, as a player with an access token, so that there is something to be read.

usage: say.py ADDRESS TEXT ROOM... <TOKEN
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect


async def say(address: str, token: str, text: str, rooms: list[str]) -> None:
    """Joins each room and has the text acknowledged, which is once it is stored."""
    async with connect(f"ws://{address}/ws", compression=None) as socket:

        async def ask(answer: str, **command: str | int) -> bool:
            """Whether a command was answered as it should be; false when the server asks for patience."""
            await socket.send(json.dumps(command))
            while True:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 10))
                if frame["type"] == answer:
                    return True
                if frame["type"] == "error":
                    assert frame["code"] == "unavailable", frame
                    return False

        # A server that has just started may not be able to check tokens yet.
        for _ in range(100):
            if await ask("welcome", type="hello", protocol=1, token=token):
                break
            await asyncio.sleep(0.1)
        for room in rooms:
            assert await ask("joined", type="join", room=room)
            assert await ask("ack", type="message", room=room, client_id=room, text=text)


if __name__ == "__main__":
    asyncio.run(say(sys.argv[1], sys.stdin.read().strip(), sys.argv[2], sys.argv[3:]))
