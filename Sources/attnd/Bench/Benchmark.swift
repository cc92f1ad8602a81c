import Glibc

/// One thing that is timed: a name, and work that can be repeated.
struct Benchmark {
  /// What is done, from the widest to the narrowest: `fft.real.512.single`.
  let name: String
  /// What the time is divided by: `transform`, `frame`.
  let per: String
  /// How many of those one call of `work` does.
  let amount: Int
  /// Floating-point operations of one of those; nil where nobody counts them.
  var operations: Int?
  /// Whether the figure is a rate, in operations a second, rather than a time.
  var isRate = false
  /// Does the work `count` times, on one thread.
  let work: (_ count: Int) -> Void
}

/// Times benchmarks in interleaved rounds, so that a busy neighbour or a change of the clock
/// touches all of them alike.
struct BenchmarkRun {
  /// What was measured of one benchmark.
  struct Figure {
    let name: String
    /// Of the fastest round.
    let best: Double
    /// Of the middle one.
    let median: Double
    /// What the two are in: `us/frame`, `GFLOP/s`.
    let unit: String
    /// Operations in a nanosecond in the fastest round: GFLOP/s.
    var speed: Double?
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
      let (best, median) = (sorted.first ?? 0, sorted[sorted.count / 2])
      let speed = benchmark.operations.map { Double($0) / (1_000 * best) }
      guard benchmark.isRate, let operations = benchmark.operations else {
        return Figure(
          name: benchmark.name, best: best, median: median, unit: "us/\(benchmark.per)",
          speed: speed)
      }
      return Figure(
        name: benchmark.name, best: Double(operations) / (1_000 * best),
        median: Double(operations) / (1_000 * median), unit: "GFLOP/s", speed: speed)
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
