"""Every recording's mel energies, computed by attnd and kept in one file.

`attnd features --compression linear` writes one .npy a recording; `RowBank` joins them, so that
training maps one file into memory and takes slices.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from .configuration import RecipeError
from .manifest import FLOOR_DBFS, FLOOR_PATH, Recording
from .surroundings import write_sound

BATCH = 500  # files a run of attnd, so that one sees it advance


def extract(attnd: Path, data: Path, recordings: list[Recording], work: Path) -> None:
    """Runs attnd over the recordings that have no rows yet, or newer sound than rows."""
    _write_floor(work)
    paths = [recording.path for recording in recordings if recording.kind != "rir"]
    for root, wanted in ((work, [FLOOR_PATH]), (data, paths)):
        missing = [path for path in wanted if _is_newer(root / path, rows_path(work, path))]
        for first in range(0, len(missing), BATCH):
            print(f"features: {first} of {len(missing)} files", file=sys.stderr)
            command = [attnd, "features", "--compression", "linear", "--root", root]
            run = subprocess.run(
                [*map(str, command), "--out", str(work / "features"), "-"],
                input="".join(f"{root / path}\n" for path in missing[first : first + BATCH]),
                text=True,
                check=False,
            )
            if run.returncode != 0:
                raise RecipeError(f"{attnd} features: exit status {run.returncode}")


def _is_newer(path: Path, than: Path) -> bool:
    return not than.exists() or path.stat().st_mtime > than.stat().st_mtime


def rows_path(work: Path, path: str) -> Path:
    return (work / "features" / path).with_suffix(".npy")


def _write_floor(work: Path) -> None:
    """A minute of white noise: its rows, scaled, are the noise floor of the streams."""
    path = work / FLOOR_PATH
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sound(path, np.random.default_rng(0).standard_normal(60 * 16000) * 10 ** (FLOOR_DBFS / 20))


class RowBank:
    """The rows of all recordings in one array, [rows, bins], mapped from a file."""

    def __init__(self, rows: np.ndarray, spans: dict[str, tuple[int, int]]):
        self._rows = rows
        self._spans = spans

    @classmethod
    def build(cls, work: Path, recordings: list[Recording]) -> "RowBank":
        """Joins the .npy files; reads them again only where one is new or another list is asked for."""
        array, index = work / "rows.npy", work / "rows.json"
        paths = [FLOOR_PATH] + sorted(r.path for r in recordings if r.kind != "rir")
        if (
            not index.exists()
            or list(json.loads(index.read_text())) != paths
            or any(_is_newer(rows_path(work, path), index) for path in paths)
        ):
            spans, total = {}, 0
            for path in paths:
                count = np.load(rows_path(work, path), mmap_mode="r").shape[0]
                spans[path] = (total, total + count)
                total += count
            bins = np.load(rows_path(work, FLOOR_PATH), mmap_mode="r").shape[1]
            index.unlink(missing_ok=True)
            joined = np.lib.format.open_memmap(array, "w+", np.float32, (total, bins))
            for path, (first, last) in spans.items():
                joined[first:last] = np.load(rows_path(work, path))
            joined.flush()
            if not np.isfinite(joined).all():
                raise RecipeError(f"{array}: rows that are not finite")
            index.write_text(json.dumps(spans))
        spans = {path: tuple(span) for path, span in json.loads(index.read_text()).items()}
        return cls(np.load(array, mmap_mode="r"), spans)

    def __getitem__(self, path: str) -> np.ndarray:
        first, last = self._spans[path]
        return self._rows[first:last]
