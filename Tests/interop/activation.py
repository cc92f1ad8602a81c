"""A service manager for attnd, as far as sockets and notifications go.

    activation.py ATTND ROOM         every check, in the folder ROOM
    activation.py hello PATH         what a Unix socket greets with
    activation.py describe PORT      what a port answers a Wyoming client
"""

import os
import signal
import socket
import subprocess
import sys

from wire import read

FIRST = 3  # SD_LISTEN_FDS_START


def fail(text):
    sys.exit(f"activation.py: {text}")


def hello(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        kind, data = read(client.makefile("rb"))
    if kind != "hello":
        fail(f"{path} greets with {kind}")
    return data


def describe(port, family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as client:
        client.settimeout(60)
        client.connect((host, port))
        client.sendall(b'{"type": "describe"}\n')
        kind, data = read(client.makefile("rb"))
    if kind != "info":
        fail(f"port {port} answers describe with {kind}")
    return data


def start(attnd, sockets, arguments, environment=None, pid=None):
    """Runs attnd with sockets as descriptors 3 and up, and its own pid in LISTEN_PID."""

    # Numbers beyond those that they are to have, so that none is overwritten before it is moved.
    high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]

    def hand_over():
        for i, descriptor in enumerate(high):
            os.dup2(descriptor, FIRST + i, inheritable=True)

    # The shell's process becomes attnd's: its number is known before.
    script = f'LISTEN_PID={pid or "$$"} exec "$@"'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", attnd, "run", "--log-level", "error", *arguments],
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), **(environment or {})},
        pass_fds=[FIRST + i for i in range(len(sockets))],
        preexec_fn=hand_over,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for descriptor in high:
        os.close(descriptor)
    return process


def start_ready(attnd, room, *arguments, **more):
    """The same, and waits until it is ready: before, SIGTERM ends a process as it ends any other."""
    path = os.path.join(room, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(60)
        manager.bind(path)
        environment = {"NOTIFY_SOCKET": path, "LISTEN_FDNAMES": "a:b"}
        process = start(attnd, *arguments, environment=environment, **more)
        told = manager.recv(4096).split(b"\n")
    os.unlink(path)
    if told[0] != b"READY=1":
        fail(f"the service manager was told {told}")
    return process


def listening(family, address):
    s = socket.socket(family)
    s.bind(address)
    s.listen(128)
    return s


def end(process, expected=0):
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    if process.returncode != expected:
        fail(f"attnd ended with {process.returncode}: {errors}")


def served(attnd, room):
    """Unix and TCP, more than one of each; connections made before the daemon is there."""
    path = os.path.join(room, "handed.sock")
    unix = listening(socket.AF_UNIX, path)
    os.chmod(path, 0o640)
    before = os.stat(path)
    tcp = listening(socket.AF_INET, ("127.0.0.1", 0))
    early = socket.socket(socket.AF_UNIX)
    early.settimeout(60)
    early.connect(path)
    # The sockets that it names by itself aren't touched.
    own = os.path.join(room, "own.sock")
    process = start_ready(attnd, room, [unix, tcp], ["--device", "none", "--socket", own])
    if read(early.makefile("rb"))[0] != "hello":
        fail("who came before the daemon isn't greeted")
    early.close()
    run = hello(path)["run"]
    describe(tcp.getsockname()[1])
    if os.path.exists(own):
        fail("--socket was made beside the sockets that were handed over")
    end(process)
    # The next one goes on where the first was.
    after = os.stat(path)
    if (before.st_ino, before.st_mode) != (after.st_ino, after.st_mode):
        fail("the socket that was handed over isn't what it was")
    if os.path.exists(path + ".lock"):
        fail("a lock beside a socket that isn't attnd's")
    waiting = socket.socket(socket.AF_UNIX)
    waiting.settimeout(60)
    waiting.connect(path)
    process = start_ready(attnd, room, [unix, tcp], ["--device", "none"])
    kind, data = read(waiting.makefile("rb"))
    if kind != "hello" or data["run"] == run:
        fail("who came between two daemons isn't greeted by the second")
    waiting.close()
    end(process)


def refused(attnd, room):
    """What can't be served is an error of the system's, 71, that says which descriptor it is."""

    def expect(sockets, words, status=71, environment=None):
        process = start(attnd, sockets, ["--device", "none"], environment)
        _, errors = process.communicate(timeout=30)
        if process.returncode != status or words not in errors or errors.count("\n") != 1:
            fail(f"expected {status} and '{words}', got {process.returncode}: {errors}")

    good = listening(socket.AF_UNIX, os.path.join(room, "good.sock"))
    expect([good, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)], "descriptor 4: a socket of another")
    expect([socket.socket(socket.AF_INET)], "descriptor 3: a socket that doesn't listen")
    abstract = listening(socket.AF_UNIX, f"\0attnd-{os.getpid()}")
    expect([abstract], "descriptor 3: a Unix socket without a path")
    expect([open(os.devnull, "rb")], "descriptor 3: no socket")
    expect([], "LISTEN_FDS is 'x'", environment={"LISTEN_FDS": "x"})
    # All addresses at once have to be allowed, whoever opened the port.
    anybody = listening(socket.AF_INET, ("0.0.0.0", 0))
    expect([anybody], "--allow-remote", status=64)
    process = start_ready(attnd, room, [anybody], ["--device", "none", "--allow-remote"])
    describe(anybody.getsockname()[1])
    end(process)
    six = socket.socket(socket.AF_INET6)
    try:
        six.bind(("::1", 0))
    except OSError:
        print("skipped: no IP version 6 (activation.py)")
        return
    six.listen()
    process = start_ready(attnd, room, [six], ["--device", "none"])
    describe(six.getsockname()[1], socket.AF_INET6, "::1")
    end(process)


def not_ours(attnd, room):
    """Sockets for another process are none of ours."""
    path = os.path.join(room, "theirs.sock")
    theirs = listening(socket.AF_UNIX, path)
    own = os.path.join(room, "ours.sock")
    process = start_ready(attnd, room, [theirs], ["--device", "none", "--socket", own], pid=1)
    hello(own)
    end(process)
    if os.path.exists(own) or not os.path.exists(path):
        fail("the wrong socket was removed")


if __name__ == "__main__":
    if sys.argv[1] == "hello":
        hello(sys.argv[2])
    elif sys.argv[1] == "describe":
        describe(int(sys.argv[2]))
    else:
        attnd, room = sys.argv[1:]
        served(attnd, room)
        refused(attnd, room)
        not_ours(attnd, room)
        print("activation.py: handed-over sockets are served, kept, and refused where they can't be")
