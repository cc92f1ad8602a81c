"""Kaldi's front end as two Python packages compute it, set up alike: 25 ms frames every 10 ms at
16 kHz, povey window, no dither. Samples are at the scale of 16-bit integers."""

import sys
import types
from importlib.metadata import version

import numpy as np

RATE = 16_000
FRAME, HOP = 400, 160


def frames_of(samples: int) -> int:
    """Rows that `samples` samples give: whole frames only."""
    return 1 + (samples - FRAME) // HOP


def native_name() -> str:
    """What kaldi-native-fbank's rows are called."""
    return f"kaldi-native-fbank {version('kaldi-native-fbank')}"


def native_options(kind: str, bins: int, hop_ms: float = 10):
    """kaldi-native-fbank's options for `kind`, Fbank or Mfcc."""
    import kaldi_native_fbank

    options = getattr(kaldi_native_fbank, f"{kind}Options")()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.frame_shift_ms = hop_ms
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = bins
    return options


def torchaudio_name() -> str:
    """What torchaudio's rows are called."""
    return f"torchaudio {version('torchaudio')}"


def torchaudio_kaldi():
    """`torchaudio.compliance.kaldi`, on one thread.

    It is Python on torch's operators. The package around it insists on a compiled library that is made for
    one torch and one kind of graphics card; where that does not load, the package is shown an empty one.
    """
    import torch

    torch.set_num_threads(1)
    try:
        import torchaudio.compliance.kaldi as kaldi
    except (OSError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        absent = types.ModuleType("torchaudio._extension")
        absent._IS_TORCHAUDIO_EXT_AVAILABLE = False
        absent.fail_if_no_align = lambda function: function
        sys.modules[absent.__name__] = absent
        import torchaudio.compliance.kaldi as kaldi
    return kaldi


def whole_recording(online, options, samples: list[float]):
    """One of kaldi-native-fbank's Online... classes, fed everything at once."""
    extractor = online(options)
    extractor.accept_waveform(RATE, samples)
    extractor.input_finished()
    return extractor


def rows_of(extractor) -> np.ndarray:
    """All rows of a kaldi-native-fbank extractor."""
    return np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])
