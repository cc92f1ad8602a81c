#!/usr/bin/env python3
"""attnd and an MQTT broker, as mqtt.sh starts them: python3 mqtt.py ATTND CLIP

Needs the programs of mosquitto and nothing beside Python's own library. Every check has a daemon and a
broker of its own; they run beside each other. Ends with 0 when all hold.
"""
import concurrent.futures
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from ports import free_port

ATTND = os.path.abspath(sys.argv[1])
CLIP = os.path.abspath(sys.argv[2])
MODEL = pathlib.Path(__file__).parents[2] / "Models/default.safetensors"
# How long to wait for what certainly comes.
PATIENCE = 60.0
# A port for each check, chosen before any thread starts a process.
PORTS: queue.SimpleQueue[int] = queue.SimpleQueue()


class Failure(Exception):
    """A check that doesn't hold."""


def expect(condition: bool, text: str) -> None:
    """Fail with the text unless the condition holds."""
    if not condition:
        raise Failure(text)


class Lines:
    """What a process writes, line after line, and a way to wait for it."""

    def __init__(self, stream) -> None:
        self.lines: list[str] = []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream) -> None:
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def all(self) -> list[str]:
        """The lines so far."""
        with self.changed:
            return list(self.lines)

    def wait(self, what: str, holds, seconds: float = PATIENCE) -> None:
        """Wait until `holds` is true of the lines."""
        with self.changed:
            if not self.changed.wait_for(lambda: holds(self.lines), seconds):
                raise Failure(f"no {what} within {seconds:.0f} s: {self.lines[-5:]}")


class Room:
    """A folder with a broker, and everything that is started for a check."""

    def __init__(self, name: str) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"attnd-{name}-"))
        self.port = PORTS.get_nowait()
        self.processes: list[subprocess.Popen] = []
        self.broker: subprocess.Popen | None = None

    def __enter__(self) -> "Room":
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def start(self, *command: str, **options) -> subprocess.Popen:
        """Start a process that ends with the room."""
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def start_broker(self, *settings: str) -> None:
        """Start mosquitto, and wait until it listens."""
        lines = [
            "persistence true",
            f"persistence_location {self.folder}/",
            "log_dest stderr",
            *(["user root"] if os.geteuid() == 0 else []),
            f"listener {self.port} 127.0.0.1",
            *(settings or ["allow_anonymous true"]),
        ]
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        self.broker = self.start(
            "mosquitto",
            "-c",
            str(path),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                expect(self.broker.poll() is None, "mosquitto doesn't start")
                time.sleep(0.05)
        raise Failure("mosquitto doesn't listen")

    def stop_broker(self) -> None:
        """Stop mosquitto in order: it keeps its sessions."""
        self.broker.terminate()
        self.broker.wait()

    def daemon(self, *options: str) -> "Daemon":
        """Start attnd on the clip, with this broker unless the options name one."""
        return Daemon(self, *options)

    def subscriber(
        self, name: str = "", *options: str
    ) -> "Subscriber":
        """Start mosquitto_sub on everything."""
        return Subscriber(self, name, *options)

    def publish(self, topic: str, payload: str, *options: str) -> None:
        """Publish one message."""
        subprocess.run(
            ["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", topic, "-m", payload]
            + list(options),
            check=True,
        )


class Daemon:
    """attnd run."""

    def __init__(self, room: Room, *options: str) -> None:
        self.socket = str(room.folder / "attnd.sock")
        broker = [] if "--mqtt" in options else ["--mqtt", f"mqtt://127.0.0.1:{room.port}"]
        self.process = room.start(
            *[ATTND, "run", "--file", CLIP, "--socket", self.socket],
            *[*broker, *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.log = Lines(self.process.stderr)
        self.log.wait("socket", lambda lines: any("listening at" in line for line in lines))
        # What the daemon itself says it has heard: one line a detection.
        self.watch = room.start(
            *[ATTND, "watch", "--socket", self.socket],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.heard = Lines(self.watch.stdout)

    def heard_words(self) -> list[str]:
        """Phrases heard so far, as the daemon's own reader knows them."""
        return [line for line in self.heard.all() if " score " in line]

    def end(self, status: int = 0) -> None:
        """Wait for the end of the clip."""
        expect(self.process.wait(PATIENCE) == status, f"exit {self.process.returncode}")

    def memory(self) -> int:
        """Resident kilobytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


class Subscriber:
    """mosquitto_sub on everything; each message as (retained, topic, payload)."""

    def __init__(self, room: Room, name: str, *options: str) -> None:
        session = ["-c", "-i", name] if name else []
        topics = ["-t", "hermes/#", "-t", "attnd/#", "-t", "homeassistant/#"]
        self.process = room.start(
            *["mosquitto_sub", "-p", str(room.port), "-q", "1", "-F", "%r %t %x"],
            *[*session, *topics, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.lines = Lines(self.process.stdout)
        self.room = room
        if not options:
            self.round_trip()

    def round_trip(self) -> None:
        """Wait until a message of our own comes back."""
        mark = f"attnd/mark/{random.randrange(1 << 30)}"
        end = time.monotonic() + PATIENCE
        while not any(mark in line for line in self.lines.all()):
            expect(time.monotonic() < end, "mosquitto_sub doesn't subscribe")
            self.room.publish(mark, "")
            time.sleep(0.05)

    def messages(self) -> list[tuple[bool, str, bytes]]:
        """Everything that came so far."""
        found = []
        for line in self.lines.all():
            retained, topic, payload = line.split(" ", 2)
            found.append((retained == "1", topic, bytes.fromhex(payload)))
        return found

    def on(self, topic: str) -> list[bytes]:
        """Payloads of the topics that match the expression."""
        return [p for _, t, p in self.messages() if re.fullmatch(topic, t)]

    def wait(self, what: str, topic: str, payload: bytes | None = None, count: int = 1) -> None:
        """Wait for so many messages on a topic."""

        def holds(_: list[str]) -> bool:
            found = self.on(topic)
            return len([p for p in found if payload is None or p == payload]) >= count

        self.lines.wait(what, holds)


def batch() -> list[dict]:
    """What is in the clip."""
    output = subprocess.run([ATTND, "batch", CLIP], capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in output.stdout.splitlines()]
    expect(len(found) > 2, "the clip has too few keywords for this test")
    return found


def check_detections(subscriber: Subscriber, expected: list[dict]) -> None:
    """Both topics have each detection once, in order, and every field."""
    hermes = [json.loads(p) for p in subscriber.on("hermes/hotword/[a-z0-9_]+/detected")]
    topics = [t for _, t, _ in subscriber.messages() if t.endswith("/detected")]
    names = [e["keyword"] for e in expected]
    expect([m["modelId"] for m in hermes] == names, f"Hermes: {hermes}, batch: {names}")
    expect(topics == [f"hermes/hotword/{name}/detected" for name in names], str(topics))
    for message in hermes:
        expect(
            list(message)
            == "modelId modelVersion modelType currentSensitivity siteId sessionId sendAudioCaptured lang"
            " customEntities".split(),
            str(message),
        )
        expect(message["modelType"] == "universal" and message["siteId"] == "default", str(message))
        expect(0 < message["currentSensitivity"] < 1, str(message))
    events = [json.loads(p) for p in subscriber.on("attnd/[0-9a-f]{12}/detection")]
    wanted = [
        {
            "event_type": e["keyword"],
            "score": e["score"],
            "start": e["start"],
            "end": e["end"],
            "stream": "file",
            "seq": i + 1,
        }
        for i, e in enumerate(expected)
    ]
    expect(events == wanted, f"events: {events}, batch: {wanted}")
    # Home Assistant ignores an event that the broker has kept.
    kept = [t for r, t, _ in subscriber.messages() if r and "detect" in t]
    expect(not kept, f"retained: {kept}")


def house(expected: list[dict]) -> str:
    """A day at home, with a neighbour who floods every topic that attnd reads."""
    with Room("house") as room:
        room.start_broker()
        # Kept from another day: nobody wants that any more.
        room.publish("hermes/hotword/toggleOff", '{"siteId":"default"}', "-r")
        subscriber = room.subscriber()
        daemon = room.daemon()
        subscriber.wait("availability", "attnd/[0-9a-f]{12}/availability", b"online")
        machine = [t for _, t, _ in subscriber.messages() if t.endswith("/availability")][0].split("/")[1]

        discovery = [(t, json.loads(p)) for _, t, p in subscriber.messages() if t.endswith("/config")]
        expect(len(discovery) == 1, str(discovery))
        topic, device = discovery[0]
        expect(topic == f"homeassistant/device/attnd_{machine}/config", topic)
        expect(device["device"]["identifiers"] == [f"attnd_{machine}"], str(device))
        expect(device["origin"]["name"] == "attnd", str(device))
        expect(device["availability"] == [{"topic": f"attnd/{machine}/availability"}], str(device))
        part = device["components"]["keyword"]
        expect(part["platform"] == "event", str(device))
        expect(part["unique_id"] == f"attnd_{machine}_keyword", str(device))
        expect(part["state_topic"] == f"attnd/{machine}/detection", str(device))
        expect({e["keyword"] for e in expected} <= set(part["event_types"]), str(device))

        # Home Assistant starts: it gets to know the device again.
        room.publish("homeassistant/status", "offline")
        room.publish("homeassistant/status", "online")
        subscriber.wait("second discovery", topic, count=2)

        before = daemon.memory()
        seed = random.randrange(1 << 32)
        noise = random.Random(seed)
        starts = ["", "{", "[", "[[" * 50, '{"siteId":', '{"siteId":"default","reason":"x', "\x7f\x01"]
        garbage = "".join(
            noise.choice(starts) + str(noise.random()) + "\n" for _ in range(10_000)
        ).encode()
        flood = ["mosquitto_pub", "-p", str(room.port), "-q", "1"]
        off = [*flood, "-t", "hermes/hotword/toggleOff"]
        subprocess.run([*off, "-l"], input=garbage, check=True)
        subprocess.run([*off, "-s"], input=b"{" * 1_000_000, check=True)
        subprocess.run([*off, "-n"], check=True)
        subprocess.run([*off, "-s"], input=noise.randbytes(3_000), check=True)
        wrong = b'{"siteId":"default","reason":"' + b"x" * 100 + b'"}\n'
        subprocess.run([*off, "-l"], input=wrong * 1_000, check=True)
        # Not for us: another room.
        room.publish("hermes/hotword/toggleOff", '{"siteId":"cellar","reason":"playAudio"}')
        subprocess.run(
            [*flood, "-t", "homeassistant/status", "-l"], input=b"online\n" * 1_000, check=True
        )
        grown = daemon.memory() - before
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        # Nothing of all that has silenced it.
        check_detections(subscriber, expected)
        again = len(subscriber.on(topic))
        expect(again <= 20, f"{again} discovery messages")
        errors = [json.loads(p) for p in subscriber.on("hermes/error/hotword")]
        expect(1 <= len(errors) <= 20, f"{len(errors)} errors")
        for error in errors:
            expect(list(error) == ["error", "siteId", "context", "sessionId"], str(error))
        expect(grown < 16_384, f"the daemon grew by {grown} kB (seed {seed})")

        room.publish("hermes/hotword/toggleOff", "", "-r")
        # Who comes later finds the device, and that it is away.
        late = room.subscriber("", "--retained-only", "-W", "1")
        late.process.wait()
        found = {t: p for r, t, p in late.messages() if r}
        expect(set(found) == {topic, f"attnd/{machine}/availability"}, str(found))
        expect(found[f"attnd/{machine}/availability"] == b"offline", str(found))
        warnings = [line for line in daemon.log.all() if "toggleOff" in line]
        expect(1 <= len(warnings) <= 20, f"{len(warnings)} lines in the log")
        return f"12,000 strange messages: {grown} kB more, {again} discoveries, {len(errors)} errors"


def detections(expected: list[dict]) -> str:
    """Every detection on both topics."""
    with Room("plain") as room:
        room.start_broker()
        subscriber = room.subscriber()
        daemon = room.daemon("--mqtt-discovery", "false")
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        check_detections(subscriber, expected)
        # Off: the device is withdrawn.
        config = subscriber.on("homeassistant/device/.*")
        expect(config == [b""], str(config))
        return f"{len(expected)} detections on both topics, the same as batch finds"


def fast(expected: list[dict]) -> str:
    """A file that is over before a broker can be found: nothing is lost."""
    with Room("fast") as room:
        room.start_broker()
        subscriber = room.subscriber()
        daemon = room.daemon("--pace", "fastest")
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        check_detections(subscriber, expected)
        return "a file at full speed: all of it arrives before the daemon ends"


def restart(expected: list[dict]) -> str:
    """The broker goes away in the middle and comes back."""
    with Room("restart") as room:
        room.start_broker()
        subscriber = room.subscriber("listener")
        daemon = room.daemon()
        subscriber.wait("first detection", "attnd/[0-9a-f]{12}/detection")
        # Until it has been acknowledged on both sides, which quality of service 1 may repeat.
        subscriber.round_trip()
        room.stop_broker()
        before = len(subscriber.on("attnd/[0-9a-f]{12}/detection"))
        daemon.heard.wait(
            "two more detections",
            lambda lines: len([line for line in lines if " score " in line]) >= before + 2,
        )
        room.start_broker()
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        check_detections(subscriber, expected)
        losses = [line for line in daemon.log.all() if "connection lost" in line]
        expect(len(losses) == 1, str(losses))
        return f"broker away after {before} of {len(expected)} detections: none lost, none twice"


def late(expected: list[dict]) -> str:
    """The broker comes when everything has been heard."""
    with Room("late") as room:
        room.start_broker()
        subscriber = room.subscriber("listener")
        room.stop_broker()
        daemon = room.daemon()
        daemon.heard.wait(
            "all detections",
            lambda lines: len([line for line in lines if " score " in line]) == len(expected),
        )
        room.start_broker()
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        check_detections(subscriber, expected)
        return "a broker that comes last gets all of it at once"


def killed(_: list[dict]) -> str:
    """The daemon dies without a word; the broker tells."""
    with Room("killed") as room:
        room.start_broker()
        subscriber = room.subscriber()
        daemon = room.daemon()
        subscriber.wait("availability", "attnd/[0-9a-f]{12}/availability", b"online")
        daemon.process.kill()
        subscriber.wait("last will", "attnd/[0-9a-f]{12}/availability", b"offline")
        return "killed: the broker says offline"


def reloaded(_: list[dict]) -> str:
    """A new model listens: what is said of the device and of detections is the new one's."""
    with Room("reloaded") as room:
        model = MODEL.read_bytes()
        place = room.folder / "model.safetensors"
        place.write_bytes(model)
        room.start_broker()
        subscriber = room.subscriber()
        daemon = room.daemon("--model", str(place), "--loop")
        subscriber.wait("availability", "attnd/[0-9a-f]{12}/availability", b"online")
        new = room.folder / "new"
        new.write_bytes(model.replace(b'\\"six-words\\"', b'\\"new-words\\"', 1))
        new.replace(place)
        daemon.process.send_signal(signal.SIGHUP)
        topic = "homeassistant/device/attnd_[0-9a-f]{12}/config"
        subscriber.wait("discovery of another model", topic, count=2)
        device = json.loads(subscriber.on(topic)[-1])["device"]
        expect(device["model"] == "new-words", str(device))
        return "reloaded: another model is told of"


def silenced(expected: list[dict]) -> str:
    """The voice assistant speaks: the wake word is off as long as any reason holds."""
    with Room("silenced") as room:
        room.start_broker()
        subscriber = room.subscriber()
        daemon = room.daemon("--log-level", "debug", "--mqtt-site", "kitchen")
        subscriber.wait("availability", "attnd/[0-9a-f]{12}/availability", b"online")

        def toggle(way: str, reason: str, site: str = "kitchen") -> None:
            payload = json.dumps({"siteId": site, "reason": reason})
            room.publish(f"hermes/hotword/toggle{way}", payload)

        def inhibited(text: str, count: int = 1) -> None:
            daemon.log.wait(
                text, lambda lines: len([x for x in lines if f"detections are {text}" in x]) >= count
            )

        toggle("Off", "playAudio")
        toggle("Off", "ttsSay")
        inhibited("inhibited")
        before = len(daemon.heard_words())
        # Half of the reasons, and another room's.
        toggle("On", "playAudio")
        toggle("On", "", "cellar")
        last = expected[-1]["start"]
        # The clip is played at its own speed.
        daemon.heard.wait(
            "the last third of the clip",
            lambda lines: any(
                re.match(r"00:(\d+\.\d)", x.strip())
                and float(re.match(r"00:(\d+\.\d)", x.strip()).group(1)) > last - 3
                for x in lines
            ),
        )
        silent = len(daemon.heard_words())
        toggle("On", "ttsSay")
        inhibited("heard again")
        daemon.end()
        subscriber.wait("goodbye", "attnd/[0-9a-f]{12}/availability", b"offline")
        expect(silent == before, f"{silent - before} detections while the wake word was off")
        names = [json.loads(p)["event_type"] for p in subscriber.on("attnd/[0-9a-f]{12}/detection")]
        expect(names[-1:] == [expected[-1]["keyword"]], f"heard {names}")
        expect(len(names) < len(expected) - 1, f"heard {names}")
        sites = {json.loads(p)["siteId"] for p in subscriber.on("hermes/hotword/[a-z0-9_]+/detected")}
        expect(sites == {"kitchen"}, str(sites))
        return f"toggleOff: {len(expected) - len(names)} of {len(expected)} words not heard"


def passwords(_: list[dict]) -> str:
    """A wrong password is one line, and no harm; the right one works."""
    with Room("passwords") as room:
        file = room.folder / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "attnd", "correct horse"], check=True)
        room.start_broker("allow_anonymous false", f"password_file {file}")
        (room.folder / "right").write_text("correct horse\n")
        (room.folder / "wrong").write_text("battery staple\n")
        daemon = room.daemon("--mqtt-user", "attnd", "--mqtt-password-file", str(room.folder / "wrong"))
        daemon.log.wait("refusal", lambda lines: any("refuses user name" in x for x in lines))
        # Three attempts later.
        time.sleep(4)
        refusals = [x for x in daemon.log.all() if "refuses user name" in x]
        expect(len(refusals) == 1, str(refusals))
        expect(daemon.process.poll() is None, "the daemon has ended")
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        daemon.end()
        took = time.monotonic() - began
        expect(took < 4, f"ended after {took:.1f} s")
        expect(not any("battery" in x for x in daemon.log.all()), "the password is in the log")

        daemon = room.daemon("--mqtt-user", "attnd", "--mqtt-password-file", str(room.folder / "right"))
        daemon.log.wait("connection", lambda lines: any("mqtt: connected" in x for x in lines))
        return "a wrong password is one line in the log"


def start_fails(options: list[str], status: int, text: str) -> None:
    """The daemon doesn't start, and says why in one line."""
    run = subprocess.run(
        [ATTND, "run", "--file", CLIP, "--socket", "/nonexistent/s", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    lines = [line for line in run.stderr.splitlines() if line.startswith("attnd: ")]
    expect(run.returncode == status and len(lines) == 1 and text in lines[0], f"{options}: {run.stderr}")


def mistakes(_: list[dict]) -> str:
    """What is configured wrong is found before the daemon starts."""
    broker = ["--mqtt", "mqtt://127.0.0.1"]
    start_fails(["--mqtt", "http://127.0.0.1"], 64, "expected mqtt://HOST")
    start_fails(["--mqtt-user", "a", "--mqtt-password-file", "/nonexistent", *broker], 78, "/nonexistent")
    start_fails(["--mqtt-password-file", "/dev/null", *broker], 64, "mqtt-user")
    start_fails(["--mqtt-ca-file", "/etc/hosts", *broker], 64, "mqtts://")
    return "mistakes in the settings end with one line"


def strangers(_: list[dict]) -> str:
    """Whoever answers at the broker's address, or doesn't: the daemon lives, and ends in time."""
    random.seed(5)
    with Room("strangers") as room, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        room.port = listener.getsockname()[1]
        accepted: list[socket.socket] = []

        def answer() -> None:
            try:
                while True:
                    peer, _ = listener.accept()
                    accepted.append(peer)
                    if len(accepted) > 1:
                        peer.sendall(random.randbytes(100_000))
                        peer.close()
            except OSError:
                return

        threading.Thread(target=answer, daemon=True).start()
        daemon = room.daemon()
        daemon.log.wait("time-out", lambda lines: any("no answer within 10 s" in x for x in lines))
        daemon.log.wait("second trouble", lambda lines: len([x for x in lines if "mqtt: " in x]) > 1)
        expect(daemon.process.poll() is None, "the daemon has ended")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.end()
        return "a silent peer and one that talks nonsense: the daemon goes on"


def encrypted(_: list[dict]) -> str:
    """TLS: the broker's certificate is checked."""
    if shutil.which("openssl") is None:
        return "skipped: no openssl (TLS)"
    with Room("tls") as room:

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=room.folder, capture_output=True, check=True)

        for name in ["ca", "other"]:
            openssl(
                *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(),
                *["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            )
        openssl(
            *"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost".split(),
            *["-keyout", "broker.key", "-out", "broker.csr"],
        )
        (room.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl(
            *"x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2".split(),
            *["-extfile", "names", "-out", "broker.pem"],
        )
        room.start_broker(
            "allow_anonymous true",
            f"certfile {room.folder}/broker.pem",
            f"keyfile {room.folder}/broker.key",
        )
        broker = ["--mqtt", f"mqtts://127.0.0.1:{room.port}"]
        daemon = room.daemon(*broker, "--mqtt-ca-file", str(room.folder / "ca.pem"))
        daemon.log.wait("connection", lambda lines: any("mqtt: connected" in x for x in lines))
        daemon.process.send_signal(signal.SIGTERM)
        daemon.end()
        for stranger in [[], ["--mqtt-ca-file", str(room.folder / "other.pem")]]:
            daemon = room.daemon(*broker, *stranger)
            daemon.log.wait("refusal", lambda lines: any("certificate" in x for x in lines))
            expect(not any("connected" in x for x in daemon.log.all()), str(daemon.log.all()))
            daemon.process.send_signal(signal.SIGTERM)
            daemon.end()
        return "TLS: a certificate by the named authority is taken, by another or none it isn't"


def main() -> int:
    """Run all checks beside each other."""
    expected = batch()
    checks = [
        *[detections, fast, house, restart, late, killed, reloaded, silenced],
        *[passwords, mistakes, strangers, encrypted],
    ]
    for _ in checks:
        PORTS.put(free_port())
    status = 0
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        running = [(check, pool.submit(check, expected)) for check in checks]
        for check, result in running:
            try:
                print(f"mqtt.sh: {result.result()}", flush=True)
            except (Failure, OSError, subprocess.SubprocessError) as error:
                print(f"mqtt.sh: {check.__name__}: {error}", file=sys.stderr, flush=True)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
