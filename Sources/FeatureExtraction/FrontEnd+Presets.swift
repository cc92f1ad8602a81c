extension FrontEnd {
  /// Kaldi's log-mel filter bank at 16 kHz, as kaldi-native-fbank and torchaudio have it.
  ///
  /// 25 ms every 10 ms, Povey's window, 20 to 8000 Hz, natural logarithm.
  ///
  /// - Parameter bins: Mel bins.
  /// - Returns: The front end.
  public static func kaldiLogMel(bins: Int = 40) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.bins = bins
    return frontEnd
  }

  /// librosa's mel spectrogram in decibels at 16 kHz (`n_fft` 512, `hop_length` 160, `power_to_db`).
  ///
  /// - Parameter bins: Mel bins.
  /// - Returns: The front end.
  public static func librosaLogMel(bins: Int = 80) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.frameLength = 512
    frontEnd.window = .periodicHann
    frontEnd.preEmphasis = 0
    frontEnd.removesDC = false
    frontEnd.edges = .zero
    frontEnd.sampleScale = 1
    frontEnd.melScale = .slaney
    frontEnd.bins = bins
    frontEnd.lowFrequency = 0
    frontEnd.compression = .decibels(floor: 1e-10)
    return frontEnd
  }

  /// Kaldi's mel-frequency cepstral coefficients: 13 of 23 bins, liftered, the first the energy.
  public static var kaldiMFCC: FrontEnd {
    var frontEnd = kaldiLogMel(bins: 23)
    frontEnd.cepstra = Cepstra(count: 13, lifter: 22, energy: true)
    return frontEnd
  }

  /// librosa's mel-frequency cepstral coefficients: 13 of 40 bins in decibels.
  ///
  /// As of `librosa.feature.mfcc(S=power_to_db(...))`; from samples librosa clips at 80 dB below the
  /// loudest of the whole recording, which no stream can know.
  public static var librosaMFCC: FrontEnd {
    var frontEnd = librosaLogMel(bins: 40)
    frontEnd.cepstra = Cepstra(count: 13)
    return frontEnd
  }

  /// Kaldi's mel filter bank under per-channel energy normalisation, 40 bins.
  ///
  /// The numbers of Wang et al. (2017), with an epsilon above the energy of about 100 that rounding
  /// to 16 bits leaves in a filter, so that digital silence is not amplified.
  public static var pcen: FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.compression = .pcen(
      PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1_000))
    return frontEnd
  }

  /// The power spectrum: 512 points every 10 ms at 16 kHz under a Hann window, 257 bins.
  public static var powerSpectrum: FrontEnd {
    var frontEnd = librosaLogMel()
    frontEnd.edges = .snip
    frontEnd.melScale = .none
    frontEnd.bins = 257
    frontEnd.compression = .linear
    return frontEnd
  }
}
