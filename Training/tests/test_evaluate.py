"""The evaluation counts a stand-in's detections as they were made up."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import evaluate  # noqa: E402

MANIFEST = """path\tsplit\tkind\tword\tspeaker\tseconds\tstart\tend\tsource\tlicence
dev/keyword/a.opus\tdev\tkeyword\tsmart mirror\tk\t2.0\t0.5\t1.0\t\tApache-2.0
dev/keyword/b.opus\tdev\tkeyword\tsmart mirror\tk\t2.0\t0.5\t1.0\t\tApache-2.0
dev/speech/c.opus\tdev\tspeech\t\tk\t3600\t\t\t\tCC0-1.0
"""


def test_found_missed_and_false_are_told_apart(tmp_path, monkeypatch, capsys):
    (tmp_path / "manifest.tsv").write_text(MANIFEST)
    line = {"keyword": "smart_mirror", "score": 0.9, "start": 0.52, "end": 0.97, "time": 1.1}
    lines = [
        {"file": str(tmp_path / "dev/keyword/a.opus"), **line},
        {"file": str(tmp_path / "dev/keyword/b.opus"), **line, "keyword": "snowboy"},
        {"file": str(tmp_path / "dev/speech/c.opus"), **line, "keyword": "jarvis"},
    ]
    program = tmp_path / "attnd"
    program.write_text("#!/bin/sh\ncat <<'E'\n" + "\n".join(map(json.dumps, lines)) + "\nE\n")
    program.chmod(0o755)
    arguments = ["evaluate", "--data", str(tmp_path), "--attnd", str(program)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(tmp_path / "out")])
    assert evaluate.main() == 0
    [result] = json.loads((tmp_path / "out/evaluation.json").read_text())
    word = result["words"]["smart_mirror"]
    assert (word["recordings"], word["found"], word["other_detections"]) == (2, 1, 1)
    assert word["end"]["bias"] == -0.03
    assert result["false_alarms"]["speech"] == {"jarvis": 1}
    assert "| smart_mirror | 1 | 2 | 50.0 |" in capsys.readouterr().out
