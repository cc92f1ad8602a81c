"""Streams hold what their truth says, at the ratio that their name says."""

import numpy as np
import pytest
import soundfile

from attnd_evaluation import variants
from attnd_evaluation.corpus import Corpus, EvaluationError
from attnd_evaluation.mixing import peak_decibels
from attnd_evaluation.streams import CONDITIONS, StreamBuilder, StreamSet

RATE = 16000


def sound(streams, file):
    samples, _ = soundfile.read(streams.folder / file, dtype="float64")
    return samples


def test_every_recording_of_a_word_is_said_once_in_each_condition(streams):
    for word in ("alpha", "bravo charlie"):
        for condition in CONDITIONS:
            file = f"pos-{word.replace(' ', '_')}-{condition}.wav"
            said = [entry.recording for entry in streams.words[file, word]]
            assert sorted(said) == [f"k/{word[0]}{n}.wav" for n in range(4)]


def test_words_lie_where_the_truth_says(streams):
    for entry in streams.words["pos-alpha-clean.wav", "alpha"]:
        samples = sound(streams, entry.stream)
        first, last = int(entry.start * RATE), int(entry.end * RATE)
        inside = np.abs(np.fft.rfft(samples[first:last]))
        peak = np.argmax(inside) * RATE / (last - first)
        wanted = 400 + 40 * int(entry.recording[3])
        assert peak == pytest.approx(wanted, abs=3), f"{entry.recording}: {peak} Hz"
        around = np.r_[samples[first - 1600 : first - 160], samples[last + 160 : last + 1600]]
        assert np.abs(around).max() < 0.01, "what is around a word is silence"


@pytest.mark.parametrize("ratio", [20, 10, 5, 0])
def test_the_loudest_frames_have_the_ratio_of_the_name(streams, ratio):
    clean = sound(streams, "pos-alpha-clean.wav")
    mixed = sound(streams, f"pos-alpha-{ratio}dB.wav")
    for entry in streams.words[f"pos-alpha-{ratio}dB.wav", "alpha"]:
        span = slice(int(entry.start * RATE), int(entry.end * RATE))
        found = peak_decibels(clean[span]) - peak_decibels(mixed[span] - clean[span])
        assert found == pytest.approx(ratio, abs=0.5), f"{entry.recording}: {found:.2f} dB"


def test_another_seed_gives_other_streams_and_the_same_one_the_same(recordings, streams, tmp_path):
    corpus = Corpus(recordings, "dev")
    for seed, same in ((7, True), (8, False)):
        StreamBuilder(corpus, seed, tmp_path / str(seed)).build()
        other = (tmp_path / str(seed) / "pos-alpha-10dB.wav").read_bytes()
        assert (other == (streams.folder / "pos-alpha-10dB.wav").read_bytes()) == same


def test_all_speech_is_in_the_negative_streams(streams):
    said = [s["recording"] for s in streams.segments() if s["stream"] == "neg-speech-00-clean.wav"]
    assert sorted(said) == [f"s/{n}.wav" for n in range(6)]


def test_a_level_changes_nothing_but_the_level(streams, tmp_path):
    quiet = variants.at_level(streams, -30, tmp_path)
    before, after = (sound(s, "pos-alpha-clean.wav") for s in (streams, quiet))
    assert np.abs(after).max() == pytest.approx(10 ** (-30 / 20), rel=0.01)
    gain = np.abs(after).max() / np.abs(before).max()
    assert np.abs(after - gain * before).max() < 2 / 32768
    assert quiet.words == streams.words


@pytest.mark.parametrize("codec", variants.CODECS)
def test_a_codec_leaves_words_where_they_were(streams, tmp_path, codec):
    coded = variants.recoded(streams, codec, tmp_path)
    samples, rate = soundfile.read(tmp_path / "pos-alpha-clean.wav")
    power = samples**2
    for entry in coded.words["pos-alpha-clean.wav", "alpha"]:
        inside = power[int(entry.start * rate) : int(entry.end * rate)].mean()
        before = power[int((entry.start - 0.15) * rate) : int((entry.start - 0.05) * rate)].mean()
        assert inside > 50 * before, f"{entry.recording} at {entry.start} s"
    assert {s.kind for s in coded.streams.values()} == {"positive", "speech"}


def test_the_replica_has_words_ten_decibels_over_the_noise(recordings, tmp_path):
    made = variants.picovoice(Corpus(recordings, "dev"), 3, tmp_path, hours=1)
    [stream] = made.streams.values()
    assert stream.seconds >= 3600
    samples = sound(made, stream.file)
    for entry in made.words["picovoice.wav", "alpha"]:
        # In the recording's first half second there is noise alone.
        first = int(entry.start * RATE)
        noise = peak_decibels(samples[first : first + RATE // 2])
        word = peak_decibels(samples[first + RATE // 2 : first + RATE])
        assert word - noise == pytest.approx(10, abs=2), entry.recording


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(EvaluationError, match="manifest.tsv: No such file.*ATTND_DATA"):
        Corpus(tmp_path, "dev")
    (tmp_path / "manifest.tsv").write_text("path\tsplit\nx.wav\tdev\n")
    with pytest.raises(EvaluationError, match="no rows of split 'dev' with a column 'end'"):
        Corpus(tmp_path, "dev")


def test_a_word_without_a_place_is_refused(recordings):
    corpus = Corpus(recordings, "dev")
    row = {**corpus.of_kind("keyword")[0], "start": "", "end": ""}
    with pytest.raises(EvaluationError, match="expected where the word lies, in seconds"):
        corpus.span(row, np.zeros(16000))


def test_streams_that_are_not_there_are_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="streams.jsonl"):
        StreamSet(tmp_path)
