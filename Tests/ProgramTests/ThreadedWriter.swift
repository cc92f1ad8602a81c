import Glibc
import TestSupport

/// Writes samples into a pipe from a thread of its own, in pieces, and closes it.
final class ThreadedWriter {
  private let thread: pthread_t

  private final class Work {
    let samples: [Float]
    let descriptor: Int32
    let samplesAtOnce: Int

    init(_ samples: [Float], _ descriptor: Int32, _ samplesAtOnce: Int) {
      self.samples = samples
      self.descriptor = descriptor
      self.samplesAtOnce = samplesAtOnce
    }

    func run() {
      samples.withUnsafeBytes { bytes in
        var offset = 0
        while offset < bytes.count {
          let piece = min(4 * samplesAtOnce, bytes.count - offset)
          let count = write(descriptor, bytes.baseAddress.map { $0 + offset }, piece)
          guard count > 0 else { break }
          offset += count
        }
      }
      close(descriptor)
    }
  }

  init(_ samples: [Float], to descriptor: Int32, samplesAtOnce: Int) throws {
    let work = Unmanaged.passRetained(Work(samples, descriptor, samplesAtOnce))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, work.toOpaque())
    guard status == 0 else { throw GoldenError("thread", "cannot be made") }
    self.thread = thread
  }

  func join() { pthread_join(thread, nil) }
}
