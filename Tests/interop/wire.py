"""A daemon as the scripts of this folder see it: its events on a socket, and what its process holds.

Docs/protocol.md says what an event is. Nothing beyond Python's own library is needed.
"""
import json
import os
import pathlib
import socket
import threading
import time
from typing import NamedTuple


def event(kind, data=None, payload=b"", **header):
    """The bytes of an event; further fields of the header as they are."""
    data = json.dumps(data).encode() if data is not None else b""
    head = {"type": kind, "data_length": len(data), "payload_length": len(payload), **header}
    return json.dumps(head).encode() + b"\n" + data + payload


def read(stream):
    """The next event's type and data; None at the end."""
    line = stream.readline()
    if not line:
        return None
    header = json.loads(line)
    data = stream.read(header.get("data_length") or 0)
    stream.read(header.get("payload_length") or 0)
    return header["type"], json.loads(data) if data else header.get("data", {})


class Peer:
    """A connection to a Unix socket by its path, or to a port by (host, port)."""

    def __init__(self, address, receive_buffer=None, timeout=20):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self._connect(address if isinstance(address, tuple) else str(address), timeout)
        self.stream = self.socket.makefile("rb")

    def _connect(self, address, timeout):
        end = time.monotonic() + (timeout or 20)
        while True:
            try:
                return self.socket.connect(address)
            except BlockingIOError:
                # So many have come at once that they stand in line (unix(7)).
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, kind, data=None):
        self.socket.sendall(event(kind, data))

    def read(self):
        return read(self.stream)

    def until(self, *kinds):
        """The next event of a kind; None at the end."""
        while (found := self.read()) is not None and found[0] not in kinds:
            pass
        return found

    def ask(self, verb, **fields):
        """A request's reply."""
        self.send(verb, dict(fields, id=1))
        found = self.until(f"{verb}-reply")
        if found is None:
            raise ConnectionError(f"closed before {verb}-reply")
        return found[1]


class Listener(threading.Thread):
    """Everything that a daemon says to a subscriber: (type, data, the clock's time at which it was read)."""

    def __init__(self, path, **selection):
        super().__init__(daemon=True)
        self.peer = Peer(path, timeout=None)
        self.peer.send("subscribe", dict(selection, id=1))
        self.told = threading.Condition()
        self.events = []
        self.start()

    def run(self):
        while found := self.peer.read():
            now = time.time()
            with self.told:
                self.events.append((*found, now))
                self.told.notify_all()

    def of(self, kind, since=0):
        """The data of all events of a type."""
        return [data for name, data, _ in self.events[since:] if name == kind]

    def wait(self, what, since, seconds, matches):
        """The first event since a number whose type and data match; TimeoutError says what was missed."""
        with self.told:
            def found():
                return next((e for e in self.events[since:] if matches(*e[:2])), None)
            if not self.told.wait_for(found, seconds):
                last = [f"{kind} {data}" for kind, data, _ in self.events if kind != "attention"][-4:]
                raise TimeoutError(f"{what}: not in {seconds} s; the last events are {last}")
            return found()

    def state(self, name, since, seconds=20):
        return self.wait(f"state {name}", since, seconds, lambda kind, data: kind == "state" and data["state"] == name)[1]


class Resources(NamedTuple):
    """What a process holds."""
    descriptors: int
    threads: int
    kilobytes: int

    @classmethod
    def of(cls, pid):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        return cls(len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), int(status["VmRSS"].split()[0]))


def wait_for(seconds, holds):
    """Whether something came true in time."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return found
