#!/usr/bin/env python3
"""Run Docs/scale/ray_batch.py on a local Ray cluster of two nodes and kill one of its workers.

    python3 scale.py ATTND LIST PIPE SOUND EXPECTED

One of the recordings in LIST is the named pipe PIPE, through which the file SOUND is given. When a worker's attnd
has come to it, worker and attnd are killed (SIGKILL), with a torn line at the end of their results. The merged
results must be the file EXPECTED, byte for byte. Works in the present folder; nothing is asked of the network but
the loopback interface. Ends with 1 when something is not as it should be.
"""

import contextlib
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

SHARDS = 8
PARTS = pathlib.Path("ray-parts")
MEGABYTES = 1 << 20
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "Docs/scale/ray_batch.py"
# Before Ray is imported: nobody is told of its use, and warnings are its own affair.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
# Nodes call each other by the loopback address, not by one that the machine has in a network.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def load_example():
    """The example as a module."""
    specification = importlib.util.spec_from_file_location("ray_batch", EXAMPLE)
    module = importlib.util.module_from_spec(specification)
    sys.modules["ray_batch"] = module
    specification.loader.exec_module(module)
    return module


@contextlib.contextmanager
def two_nodes():
    """A cluster of two nodes with a core each, on the loopback interface, with little memory."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * MEGABYTES, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        ray.init(address=cluster.address, log_to_driver=False, _node_ip_address="127.0.0.1")
        cluster.wait_for_nodes()
        yield ray
    finally:
        ray.shutdown()
        cluster.shutdown()


def reader_of(pipe: str) -> tuple[int, int, pathlib.Path] | None:
    """The attnd that has a pipe open, if any: its number, its parent's, and where its results are."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if pipe not in [os.readlink(file) for file in entry.joinpath("fd").iterdir()]:
                continue
            words = entry.joinpath("cmdline").read_bytes().decode().split("\0")
            status = entry.joinpath("status").read_text()
        except OSError:
            continue  # somebody else's, or it has ended
        parent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        return int(entry.name), int(parent), pathlib.Path(words[words.index("--resume") + 1])
    return None


class Killer(threading.Thread):
    """Writes the pipe of the list, and before that kills the worker that waits for it."""

    def __init__(self, attnd: str, pipe: str, content: bytes):
        super().__init__(daemon=True)
        self.attnd, self.pipe, self.content = attnd, pipe, content
        self.killed = None  # results, and how many recordings were done in them
        self.meanwhile = None  # what an attnd ended with that was to go on too early

    def run(self) -> None:
        # Opens when attnd comes to the pipe, and then waits there for sound.
        with open(self.pipe, "wb"):
            reader = None
            while reader is None:
                reader = reader_of(self.pipe)
            attnd, worker, part = reader
            with open(part, "ab") as results:
                results.write(b'{"file":"/torn')
            self.killed = part, part.read_bytes().count(b'","done":')
            # While its attnd is there, it keeps the results from whoever would go on with them.
            again = [self.attnd, "batch", "--resume", str(part), "/dev/null"]
            self.meanwhile = subprocess.run(again, stderr=subprocess.DEVNULL, check=False).returncode
            os.kill(worker, signal.SIGKILL)
            # Ray may have ended what its worker left behind, and may not.
            with contextlib.suppress(ProcessLookupError):
                os.kill(attnd, signal.SIGKILL)
        # Opens when somebody goes on with the shard and comes to the pipe again, or to one that is just dying.
        while True:
            with contextlib.suppress(BrokenPipeError):
                with open(self.pipe, "wb") as pipe:
                    pipe.write(self.content)
                return


def main() -> int:
    attnd, listing, pipe, sound, expected = sys.argv[1:]
    # A folder for Ray, short because sockets lie below it, and known before Ray is imported.
    folder = tempfile.TemporaryDirectory(prefix="ray", dir="/tmp")
    os.environ["RAY_TMPDIR"] = folder.name
    example = load_example()
    killer = Killer(attnd, os.path.realpath(pipe), pathlib.Path(sound).read_bytes())
    with folder, two_nodes() as ray:
        killer.start()
        code = example.find_all(pathlib.Path(listing), PARTS, SHARDS, [], attnd)
        nodes = len([node for node in ray.nodes() if node["Alive"]])
    merged = b"".join(path.read_bytes() for path in example.part_files(PARTS, SHARDS))
    if killer.killed is None or killer.killed[1] == 0:
        print("scale.py: no worker was killed in the middle of a shard", file=sys.stderr)
        return 1
    if killer.meanwhile != example.TRY_LATER:
        print(f"scale.py: two attnd had the same results: {killer.meanwhile}", file=sys.stderr)
        return 1
    if nodes != 2 or code != example.BAD_DATA:
        print(f"scale.py: {nodes} nodes, exit code {code}; expected 2 and {example.BAD_DATA}", file=sys.stderr)
        return 1
    if merged != pathlib.Path(expected).read_bytes():
        print("scale.py: the merged results differ from those of one process", file=sys.stderr)
        return 1
    part, done = killer.killed
    lines = len(merged.splitlines())
    print(
        f"scale.sh: Ray, {SHARDS} shards on {nodes} nodes, a worker killed after {done} recordings of "
        f"{part.name}: {lines} lines, the same as from one process"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
