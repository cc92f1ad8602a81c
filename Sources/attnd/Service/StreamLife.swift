import Synchronization

/// How a stream does, for whoever watches over it.
///
/// A stream that lives changes: stream time advances, or the attempts to get its device go on.
package enum StreamLife: Equatable, Sendable {
  /// Nothing has come of it yet.
  case starting
  /// So many samples have gone through it.
  case listening(samples: Int)
  /// There is no device, for which it has looked so many times.
  case waiting(attempts: Int)
  /// It has come to its end, which is no fault.
  case ended
}

/// A stream that can be watched over.
package protocol LivingStream: Sendable {
  /// What people call it.
  var name: String { get }
  /// How it does now; any thread may ask.
  var life: StreamLife { get }
}

/// The life of a stream, written by its thread without a lock.
package final class StreamPulse: LivingStream {
  private enum Phase: UInt8 {
    case listening, waiting, ended
  }

  package let name: String
  private let phase = Atomic<UInt8>(Phase.listening.rawValue)
  private let samples = Atomic<Int>(0)
  private let attempts = Atomic<Int>(0)

  /// - Parameter name: What people call the stream.
  package init(name: String) { self.name = name }

  /// Stream time has come so far.
  package func heard(_ samples: Int) {
    self.samples.store(samples, ordering: .relaxed)
    phase.store(Phase.listening.rawValue, ordering: .releasing)
  }

  /// The device isn't there, and was looked for once more.
  package func looked() {
    attempts.wrappingAdd(1, ordering: .relaxed)
    phase.store(Phase.waiting.rawValue, ordering: .releasing)
  }

  /// There is nothing more to come.
  package func end() { phase.store(Phase.ended.rawValue, ordering: .releasing) }

  package var life: StreamLife {
    let phase = Phase(rawValue: phase.load(ordering: .acquiring))
    let samples = samples.load(ordering: .relaxed)
    return switch phase {
    case .ended: .ended
    case .waiting: .waiting(attempts: attempts.load(ordering: .relaxed))
    default: samples > 0 ? .listening(samples: samples) : .starting
    }
  }
}
