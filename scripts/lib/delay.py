#!/usr/bin/env python3
"""A line that takes its time: connections to a socket go to a unix socket, each byte late by half of the round trip.

usage: delay.py LISTEN CONNECT MILLISECONDS

LISTEN is the path of a unix socket, or a port of 127.0.0.1.
"""

import queue
import socket
import sys
import threading
import time


def pump(source, sink, seconds):
    """Passes on what comes, each piece as long after it came; more may come meanwhile."""
    pieces = queue.SimpleQueue()
    threading.Thread(target=send, args=(pieces, sink), daemon=True).start()
    data = True
    while data:
        try:
            data = source.recv(1 << 18)
        except OSError:
            data = b""
        pieces.put((time.monotonic() + seconds, data))


def send(pieces, sink):
    """The other end: writes each piece when it is due. One without bytes is the end."""
    while True:
        due, data = pieces.get()
        time.sleep(max(0, due - time.monotonic()))
        try:
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(data)
        except OSError:
            return


def main():
    listen, connect, milliseconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if listen.isdigit():
        server = socket.create_server(("127.0.0.1", int(listen)))
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(listen)
    server.listen(64)
    while True:
        near, _ = server.accept()
        if listen.isdigit():
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = socket.socket(socket.AF_UNIX)
        far.connect(connect)
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=pump, args=(source, sink, milliseconds / 2000), daemon=True).start()


main()
