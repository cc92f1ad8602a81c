import Synchronization

/// Sound that somebody brings piece by piece: a source that is never waited for.
///
/// In: PCM as it comes over a connection, by `write` on one thread. Out: mono samples at the model's
/// rate, by `prepare` and `read` on another; how the pieces were cut changes no bit. Between the two
/// lies a queue of two seconds; what finds no room stays with the writer. Owns all its memory from the
/// start.
///
///     read                 written              both only grow; slot = counter mod capacity
///       |  to be converted    |
package final class QueuedSource: AudioSource, @unchecked Sendable {
  // Unchecked: slots of the queue are handed over through the two counters; `interleaved` and `mono`
  // are the writer's, `resampler` and `converted` the reader's.

  package let sampleRate: Int
  package let name: String
  /// Sample frames a second of what is written.
  package let inputRate: Int
  private let encoding: SampleEncoding
  private let downmix: Downmix

  private let capacity: Int
  private let queue: UnsafeMutablePointer<Float>
  private let written = Atomic(0)
  private let taken = Atomic(0)
  private let finished = Atomic(false)
  private let roomWanted = Atomic(false)

  private let interleaved: UnsafeMutablePointer<Float>
  private let mono: UnsafeMutablePointer<Float>

  private let resampler: Resampler
  private let converted: UnsafeMutableBufferPointer<Float>
  private var ready = 0
  private var delivered: Int64 = 0
  private var hasEnded = false

  /// Sample frames decoded at a time.
  private static let blockFrames = 512
  /// Seconds that the queue holds.
  private static let queueSeconds = 2

  /// - Parameters:
  ///   - format: Of what is written.
  ///   - sampleRate: Samples a second that are read.
  ///   - most: Most samples that are read at a time.
  ///   - name: For messages.
  /// - Throws: What a resampler finds wrong with the rates.
  package init(
    format: PCMFormat, sampleRate: Int, most: Int, name: String
  ) throws(AudioInputError) {
    precondition(most > 0, "A source that nothing is read from")
    resampler = try Resampler(
      from: format.rate, to: sampleRate, blockSize: max(format.rate / 100, 1), name: name)
    downmix = try Downmix(.mix, of: format.channels, in: name)
    self.sampleRate = sampleRate
    self.name = name
    inputRate = format.rate
    encoding = format.encoding
    capacity = Self.queueSeconds * format.rate
    queue = .allocate(capacity: capacity)
    interleaved = .allocate(capacity: Self.blockFrames * format.channels)
    mono = .allocate(capacity: Self.blockFrames)
    converted = .allocate(capacity: most)
  }

  deinit {
    queue.deallocate()
    interleaved.deallocate()
    mono.deallocate()
    converted.deallocate()
  }

  // MARK: The writer's side

  /// Takes samples into the queue.
  ///
  /// - Parameter bytes: Whole sample frames.
  /// - Returns: Bytes taken, whole sample frames; fewer than given when the queue is full: `tookRoom`
  ///   will tell the reader to say so.
  package func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    let frameBytes = encoding.bytesPerSample * downmix.channels
    let frames = bytes.count / frameBytes
    guard let base = bytes.baseAddress, frames > 0 else { return bytes.count }
    var done = 0
    while done < frames {
      let room = room()
      guard room > 0 else { break }
      let block = min(frames - done, room, Self.blockFrames)
      append(base + done * frameBytes, frames: block)
      done += block
    }
    return done * frameBytes
  }

  /// Free slots; before it says none, the reader is told that room is wanted.
  private func room() -> Int {
    func free() -> Int {
      capacity - (written.load(ordering: .relaxed) - taken.load(ordering: .sequentiallyConsistent))
    }
    let room = free()
    guard room == 0 else { return room }
    roomWanted.store(true, ordering: .sequentiallyConsistent)
    return free()
  }

  private func append(_ bytes: UnsafeRawPointer, frames: Int) {
    // Integers have no values that arithmetic can't bear.
    _ = encoding.decode(bytes, count: frames * downmix.channels, into: interleaved)
    downmix.apply(interleaved, count: frames, into: mono)
    let start = written.load(ordering: .relaxed)
    let slot = start % capacity
    let first = min(frames, capacity - slot)
    (queue + slot).update(from: mono, count: first)
    queue.update(from: mono + first, count: frames - first)
    written.store(start + frames, ordering: .releasing)
  }

  /// Says that nothing follows.
  package func finish() { finished.store(true, ordering: .releasing) }

  package func cancel() { finish() }

  // MARK: The reader's side

  /// Whether the writer has said that nothing follows.
  package var isFinished: Bool { finished.load(ordering: .acquiring) }

  /// Whether the writer waits for room that there is now; true once for each time.
  package func tookRoom() -> Bool {
    guard roomWanted.load(ordering: .sequentiallyConsistent) else { return false }
    // Half a queue at a time: each time costs a wake-up.
    let waiting = written.load(ordering: .acquiring) - taken.load(ordering: .relaxed)
    guard 2 * waiting <= capacity else { return false }
    return roomWanted.exchange(false, ordering: .sequentiallyConsistent)
  }

  /// Converts what has come, until so many samples can be read or more has to come.
  ///
  /// - Parameter samples: How many; at most what `init` was told.
  /// - Returns: Whether they can be read, or all that will ever come.
  /// - Throws: `AudioInputError` when the resampler fails.
  package func prepare(_ samples: Int) throws(AudioInputError) -> Bool {
    precondition(samples <= converted.count, "more than the source was made for")
    if inputRate == sampleRate { return pass(samples) }
    while ready < samples && !hasEnded {
      if resampler.ready > 0 {
        ready += try resampler.read(
          into: UnsafeMutableBufferPointer(
            rebasing: converted[ready..<min(samples, ready + resampler.ready)]),
          from: { _ in 0 })
        continue
      }
      // Asked before the counter: what was written before the end must not be missed.
      let isFinished = isFinished
      let waiting = written.load(ordering: .acquiring) - taken.load(ordering: .relaxed)
      guard waiting >= resampler.blockSize || isFinished else { return false }
      try resampler.takeBlock { self.take(into: $0) }
      hasEnded = resampler.hasEnded
    }
    return true
  }

  /// Nothing to convert: as soon as the samples are there, without waiting for a block.
  private func pass(_ samples: Int) -> Bool {
    let isFinished = isFinished
    ready += take(into: UnsafeMutableBufferPointer(rebasing: converted[ready..<samples]))
    return ready == samples || isFinished
  }

  private func take(into block: UnsafeMutableBufferPointer<Float>) -> Int {
    guard let target = block.baseAddress else { return 0 }
    let start = taken.load(ordering: .relaxed)
    let count = min(block.count, written.load(ordering: .acquiring) - start)
    let slot = start % capacity
    let first = min(count, capacity - slot)
    target.update(from: queue + slot, count: first)
    (target + first).update(from: queue, count: count - first)
    taken.store(start + count, ordering: .sequentiallyConsistent)
    return count
  }

  /// Hands out what was prepared.
  package func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let count = min(buffer.count, ready)
    _ = buffer.update(fromContentsOf: converted[..<count])
    for index in count..<ready { converted[index - count] = converted[index] }
    ready -= count
    defer { delivered += Int64(count) }
    return AudioBlock(count: count, position: SamplePosition(delivered))
  }
}
