"""Receivers on this machine, in place of PagerDuty, Slack, a mail server and webhooks: they keep what they are told."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONGEST_MAIL = 2**24  # bytes


class Server(ThreadingHTTPServer):
    """With room for all that Alertmanager sends at once."""

    request_queue_size = 1024


class Receivers:
    """An HTTP server and a mail server on free ports."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages: list[tuple[str, Any]] = []
        self.http = Server(("127.0.0.1", 0), self._handler())
        self.http_address = f"127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._mail(started)), daemon=True).start()
        started.wait()

    def told(self, kind: str) -> list[Any]:
        """What came by one way: the path of the URL, or `mail`."""
        with self.lock:
            return [content for by, content in self.messages if by == kind]

    def keep(self, kind: str, content: Any) -> None:
        with self.lock:
            self.messages.append((kind, content))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receivers.keep(self.path.strip("/"), json.loads(body))
                answer = b'{"status": "success"}' if "pagerduty" in self.path else b"ok"
                self.send_response(202 if "pagerduty" in self.path else 200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                """Says nothing."""

        return Handler

    async def _mail(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._mail_session, "127.0.0.1", 0, limit=LONGEST_MAIL)
        self.mail_address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await server.serve_forever()

    async def _mail_session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._mail_dialogue(reader, writer)
        except ConnectionError:
            pass  # Alertmanager was stopped.
        finally:
            writer.close()

    async def _mail_dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            command = line.upper()
            if command.startswith("EHLO"):
                writer.write(b"250-mail.example\r\n250 AUTH PLAIN\r\n")
            elif command.startswith("AUTH"):
                writer.write(b"235 welcome\r\n")
            elif command == "DATA":
                writer.write(b"354 go on\r\n")
                mail = await reader.readuntil(b"\r\n.\r\n")
                self.keep("mail", mail.decode())
                writer.write(b"250 taken\r\n")
            elif command == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
            await writer.drain()
