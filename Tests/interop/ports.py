#!/usr/bin/env python3
"""Ports of the loopback interface for what listens a moment later.

    ports.py COUNT

A port that was merely seen free can be somebody else's before a daemon binds it. These have just
had a connection that the listening side closed: for a minute (TIME_WAIT) the system gives them to
nobody who asks for any port, and lets in who asks for this one with SO_REUSEADDR, as servers do.

Not to be called while another thread starts a process: what that thread starts holds a copy of the
listening socket for a moment, past the end of its exec even, and answers in the daemon's place.
"""

import socket
import sys


def free_port() -> int:
    """One such port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)
    return address[1]


if __name__ == "__main__":
    print(*[free_port() for _ in range(int(sys.argv[1]))])
