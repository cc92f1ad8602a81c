#!/usr/bin/env python3
"""Print the keywords that attnd hears. Needs nothing but Python.

    python3 subscribe.py SOCKET
"""
import json
import socket
import sys


def send(stream, type, **fields):
    """Write an event: one line with everything in it."""
    stream.write(json.dumps({"type": type, "data": fields}).encode() + b"\n")
    stream.flush()


def events(stream):
    """Read events: a header line, then as many bytes as it says, of JSON and of payload."""
    while line := stream.readline():
        header = json.loads(line)
        fields = header.get("data") or {}
        if size := header.get("data_length"):
            fields |= json.loads(stream.read(size))
        payload = stream.read(header.get("payload_length") or 0)
        yield header["type"], fields, payload


with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    stream = connection.makefile("rwb")
    send(stream, "subscribe", events=["detection"])
    for type, fields, payload in events(stream):
        if type == "detection":
            print(f"{fields['time']:.3f} s  {fields['name']}  {fields['score']:.2f}", flush=True)
        elif type == "error":
            sys.exit(fields["text"])
        elif type == "bye":
            break
