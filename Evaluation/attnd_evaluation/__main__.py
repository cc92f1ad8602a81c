"""How well attnd hears its keywords in long streams, beside other engines: a page and its pictures."""

import argparse
import os
import resource
import sys
from pathlib import Path

from . import pictures, report, variants
from .corpus import Corpus, EvaluationError
from .engines import PEERS, Attnd, cost, report_progress, run_peer
from .scoring import RATES, Candidates, Runs, Score, matched, read_events
from .streams import StreamBuilder, StreamSet

HERE = Path(__file__).resolve().parent.parent
STATED = 0.5  # false alarms of a word an hour at which figures are stated
GRID = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99]


def main() -> int:
    parser = argparse.ArgumentParser(prog="attnd_evaluation", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("ATTND_DATA"),
                        help="folder with manifest.tsv ($ATTND_DATA)")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--seed", type=int, default=1, help="of the streams")
    parser.add_argument("--attnd", type=Path,
                        default=os.environ.get("ATTND", HERE.parent / ".build/release/attnd"))
    parser.add_argument("--model", type=Path, help="a model file (the one attnd carries)")
    parser.add_argument("--peers", default=",".join(PEERS),
                        help="engines beside it, of " + ", ".join(PEERS) + "; 'none'")
    parser.add_argument("--brief", action="store_true",
                        help="the streams alone: no levels, codecs, eight hours, Picovoice's protocol")
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--out", type=Path, help="folder for recognition.md (the work folder)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    try:
        if not arguments.data:
            raise EvaluationError("ATTND_DATA is not set: the folder with manifest.tsv")
        evaluate(arguments)
    except EvaluationError as error:
        print(f"attnd_evaluation: {error}", file=sys.stderr)
        return 1
    return 0


def evaluate(arguments) -> None:
    work = arguments.work / f"{arguments.split}-{arguments.seed}"
    corpus = Corpus(arguments.data, arguments.split)
    if not (work / "streams/streams.jsonl").exists():
        StreamBuilder(corpus, arguments.seed, work / "streams").build(report_progress)
    streams = StreamSet(work / "streams")
    attnd = Attnd(arguments.attnd, arguments.model, work / "attnd")

    report_progress("attnd: candidates")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    candidates = Score(streams, Candidates(_events(attnd.candidates(streams), streams)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    thresholds = {t for rate in RATES for t in candidates.point(rate).thresholds.values()}
    thresholds |= set(GRID)
    stated = Score(streams, _runs(attnd, streams, {t for t in thresholds if 0 < t <= 1}))
    point = stated.point(STATED)

    wanted = [] if arguments.peers == "none" else arguments.peers.split(",")
    if unknown := set(wanted) - set(PEERS):
        raise EvaluationError(f"--peers: '{min(unknown)}' is none of {', '.join(PEERS)}")
    peers, costs = {}, []
    for name in wanted:
        lines = run_peer(name, streams, work / "peers", arguments.jobs, report_progress)
        peer = PEERS[name]
        events = Candidates(read_events(lines, streams, peer.title))
        peers[peer.title] = Score(streams, events, peer.words)
        costs.append([peer.title, f"{1000 * cost(name, streams, work / 'peers'):.2f}"])

    out = arguments.out or work
    folder = out / "recognition"
    folder.mkdir(parents=True, exist_ok=True)
    report_progress("pictures")
    pictures.error_curves(folder / "curves.png", candidates, peers)
    pictures.localisation(folder / "places.png", point)
    sections = _introduction(arguments, streams, stated, attnd)
    sections += _figures(stated, candidates, peers, point)
    if spent > 1:  # else it was kept from an earlier run
        total = sum(s.seconds for s in streams.streams.values())
        costs.insert(0, ["attnd", f"{1000 * spent / total:.2f}"])
    if costs:
        sections.append(("## Cost", "Processor time, ms for a second of sound; Porcupine's is that of "
                         "eleven sensitivities.\n\n" + report.table(["engine", "ms"], costs)))
    if not arguments.brief:
        sections += _further(arguments, corpus, streams, attnd, stated, point, wanted, work)
    report_progress("")
    report.write(out / "recognition.md", report.page(sections))
    print(report.misses_by_condition(stated, STATED, peers))
    print(f"wrote {out / 'recognition.md'}", file=sys.stderr)


def _events(lines, streams):
    return read_events(lines, streams, "attnd batch")


def _runs(attnd: Attnd, streams: StreamSet, thresholds) -> Runs:
    runs = {}
    for number, threshold in enumerate(sorted(thresholds), start=1):
        report_progress(f"attnd: threshold {number} of {len(thresholds)}")
        runs[threshold] = _events(attnd.events(streams, threshold), streams)
    return Runs(runs)


def _introduction(arguments, streams, score, attnd):
    counts = {
        word: sum(len(g) for (f, w), g in streams.words.items() if w == word and "clean" in f)
        for word in score.words
    }
    recordings = ", ".join(f"{word} {count}" for word, count in counts.items())
    hours = streams.hours(streams.files("positive", "clean"))
    model = arguments.model.name if arguments.model else "the model inside"
    return [
        ("# What attnd hears", f"`make evaluate` wrote this page: `attnd batch` with {model} over the "
         f"streams that [Evaluation](../Evaluation/README.md) builds from the {arguments.split} part of "
         f"the recordings, whose speakers no model here was trained on, seed {arguments.seed}. "
         f"{sum(counts.values())} recordings ({recordings}) in {hours:.2f} h of each condition; "
         f"{streams.hours(streams.files('speech', 'clean')):.2f} h of continuous speech, clean and at "
         f"10 dB; {streams.hours(streams.files('hard-negative')):.2f} h of words that sound alike; "
         f"{streams.hours(streams.files('noise')):.2f} h of noise and music. Shares are in %, in "
         "brackets their 95 % intervals, which know nothing of how the thresholds came about: these "
         f"are set, for each word, on the same speech, so that at most {score.point(STATED).allowed} "
         f"false alarm(s) lie in its {score.hours:.2f} h ({STATED} an hour).\n\n"
         "![misses against false alarms](recognition/curves.png)"),
    ]


def _figures(stated, candidates, peers, point):
    return [
        (f"## Missed at {STATED} false alarms of a word an hour", "attnd's events at several "
         "thresholds, each run counted as it is; of the others, and in the curves, the peaks of their "
         "scores.\n\n" + report.misses_by_condition(stated, STATED, peers)),
        ("## By word", report.misses_by_word(stated, STATED)),
        ("## By rate of false alarms", report.misses_by_rate(stated)
         + "\n\nThe same from the peaks alone:\n\n" + report.misses_by_rate(candidates)),
        ("## False alarms", f"At the thresholds of {STATED} an hour, all of an engine's words "
         "together.\n\n" + report.false_alarms({"attnd": stated, **peers}, STATED)),
        ("## Start, end and delay", "Of the words that were heard: how far the start and the end that "
         "attnd tells lie from the true ones, and how long after the word's end the event comes; "
         "median / 90 %. The true ones are sure to 50 ms.\n\n"
         + report.places(point, stated.conditions)
         + "\n\n![where start and end are told, and when](recognition/places.png)"),
        ("## Where false alarms come from", "If they came by the way a set was recorded, one set would "
         "have them all.\n\n" + report.where_false_alarms_lie(stated, point)),
    ]


def _further(arguments, corpus, streams, attnd, stated, point, peers, work):
    thresholds = point.thresholds
    chosen = {t for t in thresholds.values() if 0 < t <= 1}

    def heard(variant):
        return Score(variant, _runs(attnd, variant, chosen))

    levels = {"as they are": stated}
    for peak in (0.0, -30.0):
        report_progress(f"streams at {peak:g} dBFS")
        variant = variants.at_level(streams, peak, work / f"level{peak:g}")
        levels[f"peak at {peak:g} dBFS"] = heard(variant)
    codecs = {"as they are": stated}
    for number, codec in enumerate(variants.CODECS):
        report_progress(f"streams through {codec}")
        codecs[codec] = heard(variants.recoded(streams, codec, work / f"codec{number}"))
    report_progress("eight hours")
    long = variants.eight_hours(streams, work / "hours")
    report_progress("Picovoice's protocol")
    pico = variants.picovoice(corpus, arguments.seed, work / "picovoice")
    engines = {"attnd": Candidates(_events(attnd.candidates(pico), pico))}
    for name in [p for p in peers if len(PEERS[p].words) > 1]:
        lines = run_peer(name, pico, work / "picovoice-peers", arguments.jobs, report_progress)
        engines[PEERS[name].title] = Candidates(read_events(lines, pico, name))
    hours = sum(s.seconds for s in pico.streams.values()) / 3600
    return [
        ("## At another level", "The streams brought to another peak; thresholds as above.\n\n"
         + report.at_thresholds(levels, thresholds, "level")),
        ("## Through a codec", "The clean streams, written by a codec and read by attnd; thresholds as "
         "above.\n\n" + report.at_thresholds(codecs, thresholds, "codec")),
        ("## For eight hours", "The same hour, words and speech at 10 dB, eight times in one stream; "
         "thresholds as above.\n\n"
         + report.hour_by_hour(long, _runs(attnd, long, chosen), stated.words, thresholds)),
        ("## By Picovoice's protocol", "A replica of wake-word-benchmark's mixer with our recordings, "
         f"speech and noise: {hours:.1f} h, a fifth of the background speech, every recording 10 dB "
         "over the noise under it; a word counts until half a second after its recording. Missed at "
         "one false alarm of a word in 10 hours, %. Its published figures are for other recordings, "
         "speech and noise.\n\n" + _by_picovoice(pico, engines)),
    ]


def _by_picovoice(streams, engines) -> str:
    rows = []
    for name, events in engines.items():
        shares = []
        for word in streams.names:
            [(file, words)] = [(f, g) for (f, w), g in streams.words.items() if w == word]
            scores = sorted({e.score for e in events.at(file, word, float("-inf"))})
            # The lowest threshold with one false alarm; past it there are only fewer.
            for threshold in [*scores, float("inf")]:
                found = matched(events.at(file, word, threshold), words)
                if len(found.false_alarms) <= 1:
                    break
            shares.append(1 - len(found.hits) / len(words))
        rows.append([name, *map(report.percent, shares), report.percent(sum(shares) / len(shares))])
    return report.table(["engine", *streams.names, "mean"], rows)


if __name__ == "__main__":
    sys.exit(main())
