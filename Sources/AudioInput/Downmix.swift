/// Interleaved channels -> one, and no sample that arithmetic can't bear.
///
/// In: `count` sample frames of `channels` Floats. Out: `count` Floats. Owns nothing.
package struct Downmix: Sendable {
  /// Channels in a sample frame.
  package let channels: Int
  private let chosen: Int?

  /// - Throws: `channelOutOfRange` when the source hasn't the channel.
  package init(
    _ selection: ChannelSelection, of channels: Int, in name: String
  ) throws(AudioInputError) {
    precondition(channels >= 1, "a source without channels was let in")
    self.channels = channels
    switch selection {
    case .mix:
      chosen = channels == 1 ? 0 : nil
    case .channel(let number):
      guard (1...channels).contains(number) else {
        throw .channelOutOfRange(name: name, channel: number, channels: channels)
      }
      chosen = number - 1
    }
  }

  /// Writes one sample per sample frame; `mono` must not overlap `interleaved`.
  package func apply(
    _ interleaved: UnsafePointer<Float>, count: Int, into mono: UnsafeMutablePointer<Float>
  ) {
    guard let chosen else {
      mix(interleaved, count: count, into: mono)
      return
    }
    if channels == 1 {
      mono.update(from: interleaved, count: count)
      return
    }
    for frame in 0..<count {
      mono[frame] = interleaved[frame &* channels &+ chosen]
    }
  }

  /// The mean, channels added in ascending order; for two channels exact but for the last bit.
  private func mix(
    _ interleaved: UnsafePointer<Float>, count: Int, into mono: UnsafeMutablePointer<Float>
  ) {
    if channels == 2 {
      for frame in 0..<count {
        mono[frame] = (interleaved[2 &* frame] + interleaved[2 &* frame &+ 1]) * 0.5
      }
      return
    }
    let share = 1 / Float(channels)
    for frame in 0..<count {
      let first = interleaved + frame &* channels
      var sum: Float = 0
      for channel in 0..<channels {
        sum += first[channel]
      }
      mono[frame] = sum * share
    }
  }
}

/// Replaces NaN, infinities and numbers too large to be sound by 0.
///
/// The bound is the largest 32-bit integer sample, so that float files which were never scaled to
/// ±1 stay as they are; squared and summed over any frame, it stays far from Float's largest.
///
/// - Returns: How many were replaced.
package func silenceNonFinite(_ samples: UnsafeMutablePointer<Float>, count: Int) -> Int {
  let bound: Float = 2_147_483_648
  // Without their signs, floats are ordered as their bits are, NaN last: the difference is negative
  // for all three. Two loops: the first has neither store nor branch, so that the compiler looks at
  // several at a time.
  let boundBits = Int32(bitPattern: bound.bitPattern)
  var differences: Int32 = 0
  var index = 0
  while index < count {
    let magnitude = Int32(bitPattern: samples[index].bitPattern & 0x7FFF_FFFF)
    differences |= boundBits &- magnitude
    index &+= 1
  }
  guard differences < 0 else { return 0 }
  var replaced = 0
  for index in 0..<count where !(abs(samples[index]) <= bound) {
    samples[index] = 0
    replaced += 1
  }
  return replaced
}
