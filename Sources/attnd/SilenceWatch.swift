import Glibc
import ModelFile

/// Samples -> whether a silence has become long enough, once for each silence.
///
/// In: every sample of a stream, in pieces of any size, and how many were lost between them. Used
/// by one thread; allocates nothing.
package struct SilenceWatch {
  /// Samples of a silence that is long enough.
  private let longEnough: Int
  /// The largest magnitude that is quiet.
  private let level: Float
  /// Samples since the last loud one.
  private var quiet = 0
  /// Whether a silence has become long enough since the last call of `take`.
  package private(set) var isDue = false

  /// - Parameters:
  ///   - rule: How long and how quiet a silence is.
  ///   - sampleRate: Samples a second.
  package init(_ rule: ModelFile.Silence, sampleRate: Int) {
    longEnough = max(1, Int((rule.seconds * Double(sampleRate)).rounded()))
    level = Float(pow(10, rule.decibels / 20))
  }

  /// Takes in the next samples; a NaN is quiet.
  package mutating func push(_ samples: UnsafeBufferPointer<Float>) {
    var start = 0
    while let loud = firstLoud(in: samples, from: start) {
      lose(loud - start)
      quiet = 0
      start = loud + 1
    }
    lose(samples.count - start)
  }

  /// Counts samples that never arrived, or were quiet.
  package mutating func lose(_ samples: Int) {
    let before = quiet
    // Beyond that only counts that it has been told of.
    quiet = min(longEnough, samples >= longEnough ? longEnough : before + samples)
    if before < longEnough && quiet == longEnough { isDue = true }
  }

  /// Whether a silence has become long enough since the last call.
  package mutating func take() -> Bool {
    defer { isDue = false }
    return isDue
  }

  private func firstLoud(in samples: UnsafeBufferPointer<Float>, from start: Int) -> Int? {
    var i = start
    // Loud samples are looked for eight at a time: of silence there is much.
    let (above, below) = (SIMD8(repeating: level), SIMD8(repeating: -level))
    while i + 8 <= samples.count, let base = samples.baseAddress {
      let eight = UnsafeRawPointer(base + i).loadUnaligned(as: SIMD8<Float>.self)
      if any(eight .> above) || any(eight .< below) { break }
      i += 8
    }
    while i < samples.count {
      if samples[i].magnitude > level { return i }
      i += 1
    }
    return nil
  }
}
