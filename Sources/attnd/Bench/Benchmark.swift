import Glibc

/// One thing that is timed: a name, and work that can be repeated.
struct Benchmark {
  /// What is done, from the widest to the narrowest: `fft.real.512.single`.
  let name: String
  /// What the time is divided by: `transform`, `frame`.
  let per: String
  /// How many of those one call of `work` does.
  let amount: Int
  /// Does the work `count` times, on one thread.
  let work: (_ count: Int) -> Void
}

/// Times benchmarks in interleaved rounds, so that a busy neighbour or a change of the clock
/// touches all of them alike.
struct BenchmarkRun {
  /// What was measured of one benchmark, microseconds a unit.
  struct Figure {
    let name: String
    let best: Double
    let median: Double
    let unit: String
  }

  /// Rounds; each benchmark is timed once in each.
  let rounds: Int
  /// About how long a benchmark works in one round.
  let sliceSeconds: Double

  /// Times every benchmark.
  ///
  /// - Parameters:
  ///   - benchmarks: What is timed.
  ///   - finishedRound: Called after each round.
  /// - Returns: A figure for each, in their order.
  func callAsFunction(_ benchmarks: [Benchmark], finishedRound: () -> Void) -> [Figure] {
    let repeats = benchmarks.map(calibrated)
    var seen = Array(repeating: [Double](), count: benchmarks.count)
    for _ in 0..<rounds {
      for (i, benchmark) in benchmarks.enumerated() {
        let seconds = Self.seconds { benchmark.work(repeats[i]) }
        seen[i].append(seconds * 1e6 / Double(repeats[i] * benchmark.amount))
      }
      finishedRound()
    }
    return zip(benchmarks, seen).map { benchmark, times in
      let sorted = times.sorted()
      return Figure(
        name: benchmark.name, best: sorted.first ?? 0, median: sorted[sorted.count / 2],
        unit: "us/\(benchmark.per)")
    }
  }

  /// How often a benchmark's work fits a slice; warms it up on the way.
  private func calibrated(_ benchmark: Benchmark) -> Int {
    benchmark.work(3)
    var count = 1
    while true {
      let seconds = Self.seconds { benchmark.work(count) }
      guard seconds < sliceSeconds / 2, count < 1 << 24 else {
        return max(1, Int(Double(count) * sliceSeconds / max(seconds, 1e-9)))
      }
      count *= 2
    }
  }

  /// Processor time that some work takes: for one busy thread the same as time on the wall, but
  /// without waiting for a processor that others use.
  static func seconds(_ work: () -> Void) -> Double {
    func now() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
    let start = now()
    work()
    return now() - start
  }
}
