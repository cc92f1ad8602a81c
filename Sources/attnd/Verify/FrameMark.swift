import ModelFile
import StreamingAttention

/// A step of the network in a few words of memory: equal marks mean equal bits.
package struct FrameMark: Equatable, Sendable {
  /// What a step can differ in.
  package enum Part: String, CaseIterable, Sendable {
    case position, level, posteriors, contexts, focus, detections
  }

  /// Position just after the step's last sample.
  package let position: Int
  private var digests: InlineArray<6, UInt64>

  /// Reads a step, all but its detections.
  package init(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    let architecture = stream.parameters.architecture
    position = frame.position
    var posteriors = Digest()
    for i in 0..<architecture.keywords {
      posteriors.add(stream.posterior(i))
      posteriors.add(stream.smoothedPosterior(i))
    }
    var contexts = Digest()
    stream.withIntermediates { _, _, _, c, _, _ in
      for i in 0..<architecture.contextSize { contexts.add(c[i]) }
    }
    var focus = Digest()
    for head in 0..<architecture.headCount {
      let value = stream.focus(head: head)
      focus.add(value.expected)
      focus.add(value.spread)
      focus.add(value.peak)
    }
    digests = [
      UInt64(truncatingIfNeeded: frame.position), UInt64(frame.level.bitPattern),
      posteriors.value, contexts.value, focus.value, Digest().value,
    ]
  }

  /// Takes in a detection of the step.
  package mutating func add(_ detection: Detection) {
    var digest = Digest(value: digests[5])
    digest.add(detection.score)
    for number in [detection.keyword, detection.position, detection.start, detection.end] {
      digest.add(UInt64(truncatingIfNeeded: number))
    }
    digests[5] = digest.value
  }

  /// The first part in which two steps differ; nil when they are the same.
  package func difference(from other: FrameMark) -> Part? {
    zip(Part.allCases, 0..<6).first { digests[$0.1] != other.digests[$0.1] }?.0
  }

  package static func == (left: FrameMark, right: FrameMark) -> Bool {
    left.difference(from: right) == nil
  }

  /// One number for all marks of a file.
  static func digest(of marks: [FrameMark]) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(48 * marks.count)
    for mark in marks {
      for i in 0..<6 {
        withUnsafeBytes(of: mark.digests[i].littleEndian) { bytes.append(contentsOf: $0) }
      }
    }
    return String(SHA256.hexadecimal(bytes).prefix(16))
  }
}

/// FNV-1a over words: finds differences, not forgers.
private struct Digest {
  var value: UInt64 = 0xCBF2_9CE4_8422_2325

  mutating func add(_ word: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      value = (value ^ (word >> shift & 0xFF)) &* 0x100_0000_01B3
    }
  }

  mutating func add(_ number: Float) { add(UInt64(number.bitPattern)) }
}
