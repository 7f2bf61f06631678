"""The four roles, each as programs/README.md describes it."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from frames import ERROR, EVENT, REPLY, REQUEST, connect, decode, encode, listen, receive, send
from report import count, counts, follow, messages, most, number, patience, play, ready, role
from report import topics, trouble, url, work_ms

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
QUEUE = 8 << 20  # bytes that may wait for a slow subscriber
link: list = []  # a client's connection, if there is one: its reader and its writer
subscribers: dict[Writer, set[bytes]] = {}  # and their prefixes


async def serve(attend: Callable[[Reader, Writer], Awaitable[None]]) -> None:
    """One task for each client, so that none waits for another one."""

    async def alone(reader: Reader, writer: Writer) -> None:
        with suppress(OSError, EOFError, struct.error):  # it has left, or sends no frames
            await attend(reader, writer)
        writer.close()

    await asyncio.start_server(alone, sock=listen(url))
    ready()


async def rep() -> None:
    await serve(answer)
    while not number or counts["sent"] < number:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # the last reply is on its way


async def answer(reader: Reader, writer: Writer) -> None:
    while request := await receive(reader, most):
        reply = encode(ERROR, 0, 0, b"this is no request")
        with suppress(struct.error):
            kind, sequence, sent, body, topic = decode(request[4:])
            if kind == REQUEST and not topic:
                reply = encode(REPLY, sequence, sent, body)
                count("received", request[4:])
                await asyncio.sleep(work_ms / 1000)
        send(writer, request[:4] + reply)
        count("sent", reply)
        await writer.drain()  # a client that does not read its replies waits here, and it alone


def hang_up() -> None:
    for writer in link[1:]:
        writer.close()
    link.clear()


async def hear(hello: list[bytes]) -> bytes:
    """The server's next frame, over a new connection if there is none; b"" if nothing comes."""
    try:
        async with asyncio.timeout(patience):
            while True:
                with suppress(OSError, EOFError):  # nobody serves there, or no more
                    if not link:
                        link[:] = await asyncio.open_connection(sock=connect(url))
                        for data in hello:
                            send(link[1], data)
                    return await receive(link[0], most)
                hang_up()
                await asyncio.sleep(0.05)
    except TimeoutError:
        hang_up()  # half of a frame may have come
        trouble("timeout", f"nothing came within {patience} s")
        return b""


async def req() -> None:
    ready()
    async for message in messages(REQUEST):
        request = message[13:17] + message  # its id: the last bytes of the sequence
        count("sent", message)
        if link:
            send(link[1], request)
        while (reply := await hear([request])) and reply[:4] != request[:4]:
            pass  # the late reply to another request
        if reply and decode(reply[4:])[1:] == decode(message)[1:]:
            count("received", reply[4:])
        elif reply:
            raise ValueError("wrong reply: it differs from the request")


async def pub() -> None:
    await serve(hear_subscriber)
    async for event in messages(EVENT):
        for writer, wants in subscribers.items():  # one that is too far behind loses the event
            if event.startswith(tuple(wants)) and writer.transport.get_write_buffer_size() < QUEUE:
                send(writer, event)
        count("sent", event)


async def hear_subscriber(reader: Reader, writer: Writer) -> None:
    prefixes = subscribers[writer] = set()
    try:
        while wish := await receive(reader, 1024):
            if wish[0] > 1:
                raise struct.error("this is no subscription")
            (prefixes.add if wish[:1] == b"\1" else prefixes.discard)(wish[1:])
    finally:
        del subscribers[writer]


async def sub() -> None:
    ready()
    while not number or counts["received"] < number:
        if event := await hear([b"\1" + prefix for prefix in topics]):
            follow(event)
        elif number:
            break


async def finish() -> None:
    """What subscribers have not taken yet may leave within 0.4 s."""
    for _ in range(40):
        if any(writer.transport.get_write_buffer_size() for writer in subscribers):
            await asyncio.sleep(0.01)


def run() -> None:
    asyncio.run(play({"req": req, "rep": rep, "pub": pub, "sub": sub}[role], finish))
