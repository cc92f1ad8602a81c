import CSoxr

/// Samples at the source's rate -> samples at the model's.
///
/// In: blocks of one fixed size, pulled from a source, the last one shorter. Out: any number of
/// samples. Owns libsoxr's state and two block buffers. Called by the reading thread.
///
/// libsoxr is always called with the same sizes, so what comes out can't depend on how it is asked
/// for. Its filter is linear in phase and its delay taken out: output sample k lies at time
/// k / outputRate of the input, and n samples become round(n · outputRate / inputRate).
/// At equal rates the samples pass through untouched.
///
/// What the filters hold back (measured, a block of 10 ms included): 37 ms from 48 kHz to 16, 40 ms
/// from 44.1, 115 ms from 8; their queues were at full size, and allocated no more, after 0.26 s.
package final class Resampler {
  /// Samples pulled from the source at a time.
  package let blockSize: Int

  private let inputRate: Int
  private let outputRate: Int
  private let name: String
  private let input: UnsafeMutableBufferPointer<Float>
  private let output: UnsafeMutableBufferPointer<Float>
  private var soxr: soxr_t?
  /// What of `input` hasn't been passed on yet.
  private var unread = 0..<0
  private var inputEnded = false
  /// What of `output` (of `input`, at equal rates) hasn't been handed out yet.
  private var pending = 0..<0

  /// Samples taken from the source since the beginning or the last restart.
  package private(set) var taken = 0
  /// Samples handed out since then.
  package private(set) var delivered = 0

  /// - Throws: `rateOutOfRange`, or `resampler` with libsoxr's reason.
  package init(
    from inputRate: Int, to outputRate: Int, blockSize: Int, name: String
  ) throws(AudioInputError) {
    precondition(blockSize >= 1, "the resampler needs a block of samples")
    for rate in [inputRate, outputRate] where !supportedSampleRates.contains(rate) {
      throw .rateOutOfRange(name: name, rate: rate)
    }
    self.inputRate = inputRate
    self.outputRate = outputRate
    self.blockSize = blockSize
    self.name = name
    input = .allocate(capacity: blockSize)
    // Room for what a block becomes; what libsoxr has beyond it, it hands out in the next call.
    output = .allocate(
      capacity: inputRate == outputRate ? 0 : blockSize * outputRate / inputRate + 64)
    try create()
  }

  deinit {
    soxr_delete(soxr)
    input.deallocate()
    output.deallocate()
  }

  /// Forgets what was heard: the next sample taken begins a new stretch.
  ///
  /// - Complexity: libsoxr is set up anew, so this allocates.
  package func restart() throws(AudioInputError) {
    unread = 0..<0
    inputEnded = false
    pending = 0..<0
    hasEnded = false
    taken = 0
    delivered = 0
    try create()
  }

  /// Hands out samples, pulling blocks as it needs them.
  ///
  /// - Parameters:
  ///   - buffer: Receives the samples.
  ///   - fill: Fills a block of `blockSize` and says how many samples it wrote; fewer end the
  ///     stretch, and it isn't called again before `restart`.
  /// - Throws: `resampler`.
  /// - Returns: Samples written; fewer than `buffer` holds when the stretch has ended.
  package func read(
    into buffer: UnsafeMutableBufferPointer<Float>,
    from fill: (UnsafeMutableBufferPointer<Float>) -> Int
  ) throws(AudioInputError) -> Int {
    var count = 0
    while count < buffer.count {
      if pending.isEmpty {
        if soxr == nil, !inputEnded, buffer.count - count >= blockSize {
          // Nothing to convert and room enough: without a stop in between.
          let got = fill(UnsafeMutableBufferPointer(rebasing: buffer[count..<count + blockSize]))
          taken += got
          count += got
          inputEnded = got < blockSize
          continue
        }
        try refill(from: fill)
        if pending.isEmpty { break }
      }
      let part = min(pending.count, buffer.count - count)
      let source = (soxr == nil ? input : output)[pending.lowerBound..<pending.lowerBound + part]
      _ = UnsafeMutableBufferPointer(rebasing: buffer[count...]).update(fromContentsOf: source)
      pending = (pending.lowerBound + part)..<pending.upperBound
      count += part
    }
    delivered += count
    return count
  }

  /// Samples that `read` hands out without taking a block.
  package var ready: Int { pending.count }

  /// Whether the stretch has ended and nothing of it is left to be handed out.
  package private(set) var hasEnded = false

  /// Takes one block, for whoever can't be waited for; only when nothing is ready.
  ///
  /// - Parameter fill: Fills a block as in `read(into:from:)`; isn't called after the stretch's end.
  /// - Throws: `resampler`.
  package func takeBlock(
    from fill: (UnsafeMutableBufferPointer<Float>) -> Int
  ) throws(AudioInputError) {
    precondition(pending.isEmpty, "what is ready is handed out before more is taken")
    if unread.isEmpty && !inputEnded {
      unread = 0..<fill(input)
      taken += unread.count
      inputEnded = unread.count < blockSize
    }
    if soxr == nil {
      pending = unread
      unread = 0..<0
      hasEnded = inputEnded && pending.isEmpty
      return
    }
    let flushing = unread.isEmpty
    try convert()
    hasEnded = flushing && pending.isEmpty
  }

  /// Gets new samples into `pending`; none when the stretch has ended.
  private func refill(
    from fill: (UnsafeMutableBufferPointer<Float>) -> Int
  ) throws(AudioInputError) {
    repeat {
      if unread.isEmpty && !inputEnded {
        unread = 0..<fill(input)
        taken += unread.count
        inputEnded = unread.count < blockSize
      }
      if soxr == nil {
        pending = unread
        unread = 0..<0
        return
      }
      let flushing = unread.isEmpty
      try convert()
      if flushing { return }
    } while pending.isEmpty
  }

  /// One call of libsoxr: passes on what of `input` is unread, or, at the end, asks for the rest.
  private func convert() throws(AudioInputError) {
    var used = 0
    var made = 0
    let source = unread.isEmpty ? nil : input.baseAddress.map { $0 + unread.lowerBound }
    let reason = soxr_process(
      soxr, source, unread.count, &used, output.baseAddress, output.count, &made)
    if let reason {
      throw .resampler(name: name, reason: String(cString: reason))
    }
    if used == 0 && made == 0 && !unread.isEmpty {
      throw .resampler(name: name, reason: "libsoxr neither takes nor gives samples")
    }
    unread = (unread.lowerBound + used)..<unread.upperBound
    pending = 0..<made
  }

  private func create() throws(AudioInputError) {
    guard inputRate != outputRate else { return }
    soxr_delete(soxr)
    // HQ: 20 bits, flat to 0.913 of the lower Nyquist frequency. One thread: many streams share
    // the cores already.
    var quality = soxr_quality_spec(UInt(SOXR_20_BITQ), 0)
    var runtime = soxr_runtime_spec(1)
    var reason: soxr_error_t?
    soxr = soxr_create(
      Double(inputRate), Double(outputRate), 1, &reason, nil, &quality, &runtime)
    guard soxr != nil else {
      throw .resampler(
        name: name, reason: reason.map { String(cString: $0) } ?? "no resampler was made")
    }
  }
}
