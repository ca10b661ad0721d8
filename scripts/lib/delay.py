#!/usr/bin/env python3
"""A line that takes its time: connections to one unix socket go to another, each byte late by half of the round trip.

usage: delay.py LISTEN CONNECT MILLISECONDS
"""

import asyncio
import sys


async def pump(reader, writer, seconds):
    """Passes on what comes, each piece as long after it came; more may come meanwhile."""
    loop = asyncio.get_running_loop()
    pieces = asyncio.Queue()

    async def send():
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    sender = asyncio.create_task(send())
    try:
        while True:
            data = await reader.read(1 << 18)
            pieces.put_nowait((loop.time() + seconds, data))
            if not data:
                break
        await sender
    except ConnectionError:
        sender.cancel()
        writer.close()


async def main():
    listen, connect, milliseconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    seconds = milliseconds / 2000

    async def accept(reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(connect)
        await asyncio.gather(pump(reader, far_writer, seconds), pump(far_reader, writer, seconds))

    server = await asyncio.start_unix_server(accept, listen)
    async with server:
        await server.serve_forever()


asyncio.run(main())
