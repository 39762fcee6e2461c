"""The work of the kernel for one view of a page: its calls, its files, its live connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

from ..client import OrkeeError
from ..client.live import Carrier, open_live, to_problem
from . import messages
from .limiter import Limiter
from .outbox import Item, Outbox

#: Seconds after which a call that goes on is said to have been heard.
HEARD_AFTER: Final = 0.5
#: Seconds between two signs of life to a view that has no live connection yet.
PULSE: Final = 5.0
_PIECE: Final = 32 * 1024  # bytes of a file in one item
_CALLS: Final = 64  # at once
_KEPT: Final = 32  # answers kept, for a page to which one was lost
_KEPT_SIZE: Final = 256 * 1024  # characters of an answer that is kept
_TO_SERVER: Final = 256  # live messages of the page that wait for the server


class _Upload:
    """The pieces of a file on their way from the page to the server."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.next = 0  # part
        self.sent = 0  # bytes that the server's connection has taken

    async def body(self, taken: Callable[[int], None]) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if piece:
                yield piece
            self.sent += len(piece)
            taken(self.sent)


class View:
    """Carries the calls of one view. All of it runs in the relay's loop."""

    def __init__(
        self,
        name: str,
        connection: Carrier,
        limiter: Limiter,
        publish: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._connection = connection
        self._outbox = Outbox(name, limiter, publish)
        self._pump = asyncio.create_task(self._outbox.run())
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._uploads: dict[int, _Upload] = {}
        self._lives: dict[int, asyncio.Queue[str]] = {}
        self._kept: OrderedDict[int, Item] = OrderedDict()

    @property
    def live_connections(self) -> int:
        """How many live connections it has."""
        return len(self._lives)

    def take(self, message: messages.Message) -> None:
        """Act on a message of the page. Never raises, never waits."""
        number = message.id
        match message:
            case messages.Request():
                self._begin(number, self._request(message))
            case messages.Read():
                self._begin(number, self._read(message))
            case messages.Write():
                self._write(message)
            case messages.LiveOpen():
                if number not in self._lives:
                    self._lives[number] = asyncio.Queue(_TO_SERVER)
                    self._begin(number, self._live(number))
            case messages.LiveSend():
                self._live_send(number, message.data)
            case messages.LiveClose() | messages.Cancel():
                if number in self._calls:
                    self._calls[number].cancel()
            case messages.Again():
                self._again(message.ids)
            case _:
                pass

    def refuse(self, number: int, problem: OrkeeError) -> None:
        """Answer what is not carried."""
        self._fail(number, problem)

    async def close(self) -> None:
        """End all of it: calls are left, the live connection is closed."""
        tasks = [self._pump, *self._calls.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- calls -----------------------------------------------------------------

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        if number in self._calls or len(self._calls) >= _CALLS:
            work.close()
            self._lives.pop(number, None)
            self._uploads.pop(number, None)
            if number not in self._calls:
                self._fail(number, _too_many())
            return
        self._calls[number] = task = asyncio.create_task(self._guarded(number, work))

        def end(_: object) -> None:
            self._calls.pop(number, None)
            work.close()  # one that was cancelled before it began is told of otherwise

        task.add_done_callback(end)

    async def _guarded(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do some work; its failure is an answer, whatever it is."""
        loop = asyncio.get_running_loop()
        heard = loop.call_later(HEARD_AFTER, self._outbox.answer, {"kind": "heard", "id": number})
        try:
            await work
        except OrkeeError as error:
            self._fail(number, error)
        except Exception as error:
            self._fail(number, _defect(error))
        finally:
            heard.cancel()
            self._uploads.pop(number, None)

    async def _request(self, request: messages.Request) -> None:
        body = await self._connection.call(request.method, request.path, body=request.body)
        self._answer(request.id, {"body": body})

    async def _read(self, read: messages.Read) -> None:
        size = 0
        async with contextlib.aclosing(self._connection.download(read.path)) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > read.limit:
                    raise _too_large(read.limit)
                for begin in range(0, len(chunk), _PIECE):
                    data = base64.b64encode(chunk[begin : begin + _PIECE]).decode("ascii")
                    await self._outbox.bulk({"kind": "chunk", "id": read.id, "data": data})
        await self._outbox.bulk({"kind": "end", "id": read.id, "size": size})

    def _write(self, write: messages.Write) -> None:
        if write.part == 0 and write.id not in self._calls:
            self._uploads[write.id] = upload = _Upload()
            self._begin(write.id, self._upload(write.id, write.path, upload))
        upload_of = self._uploads.get(write.id)
        if upload_of is None:
            return  # it has failed, and the page was told
        if write.part != upload_of.next:
            self._calls[write.id].cancel()
            self._fail(write.id, _lost())
            return
        upload_of.next += 1
        upload_of.pieces.put_nowait(write.data)
        if write.last:
            upload_of.pieces.put_nowait(None)

    async def _upload(self, number: int, path: str, upload: _Upload) -> None:
        def taken(sent: int) -> None:
            self._outbox.answer({"kind": "took", "id": number, "sent": sent})

        answer = await self._connection.put(path, upload.body(taken))
        self._answer(number, {"body": answer})

    def _again(self, ids: tuple[int, ...]) -> None:
        """Answer anew; what goes on answers by itself, what is not known has to be asked anew."""
        for number in ids:
            if number in self._kept:
                self._outbox.answer(self._kept[number])
            elif number in self._uploads:
                sent = self._uploads[number].sent
                self._outbox.answer({"kind": "took", "id": number, "sent": sent})
            elif number not in self._calls:
                self._fail(number, _lost())

    def _answer(self, number: int, content: Mapping[str, Any]) -> None:
        item = {"kind": "answer", "id": number, **content}
        self._outbox.answer(item)
        if len(str(content)) <= _KEPT_SIZE:
            self._kept[number] = item
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _fail(self, number: int, problem: OrkeeError) -> None:
        self._answer(number, {"problem": to_problem(problem)})

    # -- the live connection -----------------------------------------------------

    async def _live(self, number: int) -> None:
        problem: dict[str, Any] | None = None
        pulse = asyncio.create_task(self._pulse())
        try:
            async with open_live(self._connection) as socket:
                pulse.cancel()
                sending = asyncio.create_task(self._to_server(number, socket.send))
                try:
                    async for text in socket.texts():
                        await self._outbox.live({"kind": "live", "id": number, "data": text})
                finally:
                    sending.cancel()
        except OrkeeError as error:
            problem = to_problem(error)
        finally:
            pulse.cancel()
            self._lives.pop(number, None)
        await self._outbox.live({"kind": "live-closed", "id": number, "problem": problem})

    async def _pulse(self) -> None:
        """Tell the page that the kernel is at work, for as long as the server says nothing."""
        while True:
            self._outbox.answer({"kind": "pulse"})
            await asyncio.sleep(PULSE)

    async def _to_server(
        self, number: int, send: Callable[[str], Coroutine[Any, Any, None]]
    ) -> None:
        waiting = self._lives[number]
        try:
            while True:
                await send(await waiting.get())
        except OrkeeError:
            pass  # the reader sees the same end, and says so

    def _live_send(self, number: int, data: str) -> None:
        waiting = self._lives.get(number)
        if waiting is None:
            # Of a connection that ended while the page could not be told, or said it late.
            self._outbox.answer({"kind": "live-closed", "id": number, "problem": None})
            return
        try:
            waiting.put_nowait(data)
        except asyncio.QueueFull:
            self._calls[number].cancel()
            self._outbox.answer({"kind": "live-closed", "id": number, "problem": None})


def _too_many() -> OrkeeError:
    return OrkeeError(
        "invalid_request", f"More than {_CALLS} calls are under way.", "Wait for one of them."
    )


def _too_large(limit: int) -> OrkeeError:
    return OrkeeError(
        "file_too_large",
        f"It has more than {limit} bytes.",
        "Fetch it with `%sandbox pull`, or by the command line.",
    )


def _lost() -> OrkeeError:
    return OrkeeError(
        "server_unreachable",
        "A message between this page and the notebook's kernel was lost.",
        "Try it again.",
    )


def _defect(error: Exception) -> OrkeeError:
    return OrkeeError(
        "internal",
        f"The kernel could not carry the call: {type(error).__name__}.",
        "Try it again; if it stays so, please report it.",
    )
