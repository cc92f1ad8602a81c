import FeatureExtraction
import StreamingAttention
import TestSupport
import Testing

@Suite("Attention stream")
struct AttentionStreamTests {
  /// The golden model: its parameters, and mean and scale of its rows.
  static func goldenModel() throws -> (Parameters, mean: [Float], scale: [Float]) {
    let golden = try Golden.tensors("model/gru_dot_x.weights.safetensors")
    var tensors: [String: Tensor] = [:]
    for (name, array) in golden.arrays where !name.hasPrefix("feature.") {
      tensors[name] = Tensor(shape: array.shape, values: try array.floats)
    }
    let architecture = Architecture(
      bins: 40, encoder: Architecture.Recurrent(layers: 1, units: 16), score: .dot, memory: .x,
      keySize: 8, window: 20, decoder: Architecture.Recurrent(layers: 1, units: 16), keywords: 3)
    return (
      try Parameters(architecture: architecture, tensors: tensors),
      try golden["feature.mean"].floats, try golden["feature.scale"].floats
    )
  }

  /// Holds every step to the golden intermediates.
  static func compare(
    _ results: [StepResult], tolerances: [String: Double], _ name: String
  ) throws {
    let golden = try Golden.tensors("model/gru_dot_x.tensors.safetensors")
    #expect(results.count == 298)
    let parts: [(String, (StepResult) -> [Float])] = [
      ("h", { $0.h }), ("e", { $0.e }), ("a", { $0.a }), ("c", { $0.c }), ("d", { $0.d }),
      ("posteriors", { $0.y }),
    ]
    for (part, values) in parts {
      let references = try golden[part].doubles
      var worst = WorstRatio("\(name): \(part)")
      for (step, result) in results.enumerated() {
        let got = values(result)
        for (i, value) in got.enumerated() {
          worst.add(
            got: value, reference: references[step * got.count + i],
            tolerance: try #require(tolerances[part]), at: "step \(step), element \(i)")
        }
      }
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }

  @Test("The golden model gives the golden intermediates from the stored rows")
  func goldenFromRows() throws {
    let (parameters, mean, scale) = try Self.goldenModel()
    let features = try Golden.tensors("model/gru_dot_x.tensors.safetensors")["features"].floats
    let rows = (0..<298).map { row in
      (0..<40).map { (features[row * 40 + $0] - mean[$0]) * scale[$0] }
    }
    var stream = try AttentionStream.make(parameters)
    try Self.compare(
      steps(of: rows, by: &stream),
      tolerances: ["h": 5e-6, "e": 1e-5, "a": 1e-5, "c": 2e-5, "d": 1e-5, "posteriors": 1e-5],
      "model from rows")
  }

  @Test("The golden model gives the golden intermediates from the recording's samples")
  func goldenFromSamples() throws {
    let (parameters, mean, scale) = try Self.goldenModel()
    let samples = try Golden.array("signals/utterance_16k.npy").int16s.map { Float($0) / 32_768 }
    var extractor = try FeatureExtractor(FrontEnd(), mean: mean, scale: scale)
    var rows: [[Float]] = []
    extractor.push(samples.span) { row in rows.append(row.indices.map { row[$0] }) }
    var stream = try AttentionStream.make(parameters)
    try Self.compare(
      steps(of: rows, by: &stream),
      tolerances: ["h": 5e-4, "e": 5e-4, "a": 5e-4, "c": 5e-4, "d": 2e-4, "posteriors": 1e-4],
      "model from samples")
  }

  @Test("Any architecture gives what its equations give in doubles, at the right rows", .seed(121))
  func anyArchitecture() throws {
    var random = SplitMix64()
    var worst = WorstRatio("random architectures")
    for _ in 0..<120 {
      let architecture = Architecture.random(&random)
      let tensors = architecture.randomTensors(&random)
      let rows = (0..<80).map { _ in random.floats(architecture.bins, scale: 2) }
      var stream = try AttentionStream.make(
        try Parameters(architecture: architecture, tensors: tensors))
      let got = steps(of: rows, by: &stream)
      let expected = NaiveModel(architecture: architecture, tensors: tensors).run(rows)
      #expect(got.map(\.row) == expected.map(\.row), "\(architecture)")
      #expect(stream.steps == expected.count)
      #expect(stream.position == (expected.last.map { ($0.row + 1) * 160 } ?? 0))
      #expect(stream.span == min(expected.count, architecture.window))
      for (step, (got, expected)) in zip(got, expected).enumerated() {
        for (name, a, b) in [
          ("h", got.h, expected.h), ("c", got.c, expected.c), ("d", got.d, expected.d),
          ("y", got.y, expected.y),
          ("alpha", got.alpha.flatMap { $0 }, expected.alpha.flatMap { $0 }),
        ] {
          #expect(a.count == b.count)
          for (i, (value, reference)) in zip(a, b).enumerated() {
            // The bound of a GRU is some 3e-6 a layer; projections whose rows sum to ten pass
            // it on, and a context is as large as its values.
            worst.add(
              got: value, reference: reference, tolerance: 5e-5 * max(1, abs(reference)),
              at: "\(name) \(i) of step \(step), \(architecture)")
          }
        }
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("A stream that was reset gives the bits of a new one", .seed(122))
  func reset() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, heads: .keyword)
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      let rows = (0..<40).map { _ in random.floats(5) }
      var stream = try AttentionStream.make(parameters)
      let first = steps(of: rows, by: &stream)
      stream.reset()
      #expect(stream.steps == 0 && stream.position == 0 && stream.span == 0)
      #expect(stream.posterior(0) == 0 && stream.smoothedPosterior(0) == 0)
      #expect(stream.focus(head: 1) == Focus(expected: 0, spread: 0, peak: 0))
      stream.forEachDetection { _ in Issue.record("a detection before the first step") }
      #expect(steps(of: rows, by: &stream).map(\.bits) == first.map(\.bits), "\(score)")
    }
  }

  @Test("Streams that share weights give the same bits on many threads as alone", .seed(123))
  func sharedParameters() async throws {
    var random = SplitMix64()
    let architecture = Architecture.small(score: .dot, heads: .keyword, window: 20)
    let parameters = try Parameters(
      architecture: architecture, tensors: architecture.randomTensors(&random))
    let recordings = (0..<8).map { _ in (0..<2_000).map { _ in random.floats(5) } }
    func run(_ rows: [[Float]]) throws -> [[UInt32]] {
      var stream = try AttentionStream.make(parameters)
      return steps(of: rows, by: &stream).map(\.bits)
    }
    let alone = try recordings.map(run)
    try await withThrowingTaskGroup { group in
      for index in recordings.indices {
        group.addTask { (index, try run(recordings[index])) }
      }
      for try await (index, together) in group {
        #expect(together == alone[index], "stream \(index)")
      }
    }
  }

  @Test("A stream of 100,000 steps stays finite and has forgotten how it began", .seed(124))
  func longStream() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, window: 16)
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random, scale: 0.4))
      let rows = (0..<1_009).map { _ in random.floats(5) }
      var old = try AttentionStream.make(parameters)
      var young = try AttentionStream.make(parameters)
      let youngFrom = 99_500
      for step in 0..<100_000 {
        let row = rows[step % rows.count]
        old.push(row.span, position: (step + 1) * 160)
        guard step >= youngFrom else { continue }
        young.push(row.span, position: (step + 1) * 160)
      }
      #expect(old.steps == 100_000 && young.steps == 500)
      for keyword in 0..<2 {
        #expect(old.posterior(keyword).isFinite)
        // Contracting cells forget their start; the window has forgotten it by construction.
        #expect(abs(old.posterior(keyword) - young.posterior(keyword)) < 1e-6, "\(score)")
      }
    }
  }

  @Test(
    "A NaN, an infinity or an absurd number in a row counts as 0 and stays in no state",
    arguments: [Float.nan, -.nan, .infinity, -.infinity, 3e38, -1e16])
  func hostileRows(bad: Float) throws {
    var random = SplitMix64(seed: 125)
    let architecture = Architecture.small()
    let parameters = try Parameters(
      architecture: architecture, tensors: architecture.randomTensors(&random))
    let clean = (0..<60).map { row in
      random.floats(5).enumerated().map { row % 7 == 3 && $0.offset == 2 ? 0 : $0.element }
    }
    let hostile = clean.enumerated().map { row, values in
      values.enumerated().map { row % 7 == 3 && $0.offset == 2 ? bad : $0.element }
    }
    var stream = try AttentionStream.make(parameters)
    let expected = steps(of: clean, by: &stream)
    stream.reset()
    #expect(steps(of: hostile, by: &stream).map(\.bits) == expected.map(\.bits))
  }

  @Test("The largest weights and the largest inputs overflow nothing", .seed(126))
  func largest() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      for memory in Architecture.Memory.allCases {
        let architecture = Architecture.small(score: score, memory: memory)
        var tensors = architecture.randomTensors(&random)
        for (name, tensor) in tensors {
          tensors[name] = Tensor(
            shape: tensor.shape,
            values: tensor.values.map { $0 < 0 ? -0x1p20 : 0x1p20 })
        }
        var stream = try AttentionStream.make(
          try Parameters(architecture: architecture, tensors: tensors))
        let rows = (0..<30).map { _ in random.floats(5).map { $0 < 0 ? -0x1p50 : Float(0x1p50) } }
        for step in steps(of: rows, by: &stream) {
          #expect(
            (step.h + step.c + step.d + step.y + step.alpha.flatMap { $0 })
              .allSatisfy { $0.isFinite }, "\(score), \(memory), row \(step.row)")
        }
      }
    }
  }

  @Test("A keyword has its own head's place; with shared heads every keyword has the first's")
  func headsOfKeywords() throws {
    var random = SplitMix64(seed: 127)
    for heads in [Architecture.Heads.keyword, .shared(3)] {
      let architecture = Architecture.small(heads: heads)
      let stream = try AttentionStream.make(
        try Parameters(architecture: architecture, tensors: architecture.randomTensors(&random)))
      #expect(stream.head(of: 0) == 0)
      #expect(stream.head(of: 1) == (heads == .keyword ? 1 : 0))
    }
  }

  @Test("Detections come in the order of the keywords and lie within the stream", .seed(128))
  func detections() throws {
    var random = SplitMix64()
    var architecture = Architecture.small(score: .static, heads: .keyword, window: 9)
    architecture.stack = 3
    architecture.stride = 2
    let parameters = try Parameters(
      architecture: architecture, tensors: architecture.randomTensors(&random, scale: 2))
    var stream = try AttentionStream.make(
      parameters,
      detector: DetectorSettings(
        thresholds: [0.3, 0.3], smoothingSteps: 2, release: 1, refractorySeconds: 0.05))
    var count = 0
    for row in 0..<3_000 {
      guard stream.push(random.floats(5).span, position: 400 + row * 160) else { continue }
      var keywords: [Int] = []
      stream.forEachDetection { detection in
        keywords.append(detection.keyword)
        #expect(detection.threshold == 0.3)
        #expect(detection.score >= 0.3)
        #expect(detection.score == stream.smoothedPosterior(detection.keyword))
        #expect(detection.position == 400 + row * 160)
        #expect(0 <= detection.start, "row \(row): \(detection)")
        #expect(detection.start <= detection.end, "row \(row): \(detection)")
        #expect(detection.end <= detection.position, "row \(row): \(detection)")
        let attended = stream.withWeights(head: detection.keyword) { weights in
          AttendedSpanOfAges(weights.indices.map { weights[$0] })
        }
        #expect(detection.start == max(0, detection.position - (attended.first + 1) * 320))
        #expect(detection.end == detection.position - attended.last * 320)
      }
      #expect(keywords == keywords.sorted())
      count += keywords.count
    }
    #expect(count > 10, "a test of detections detects something")
  }

  /// Ages between which all but 5 % at either side lies, found from the definition.
  struct AttendedSpanOfAges {
    let first: Int
    let last: Int

    init(_ weights: [Float]) {
      let steps = weights.indices
      let first = steps.first { weights[...$0].reduce(0, +) >= 0.05 } ?? 0
      let last =
        steps.last { weights[$0...].reversed().reduce(0, +) >= 0.05 } ?? steps.upperBound - 1
      self.first = weights.count - 1 - min(first, last)
      self.last = weights.count - 1 - max(first, last)
    }
  }

  @Test("A caller's position that lies before the window doesn't turn a word round")
  func earlyPosition() throws {
    var random = SplitMix64(seed: 129)
    let architecture = Architecture.small(window: 50)
    var tensors = architecture.randomTensors(&random)
    tensors["output.bias"] = Tensor(shape: [2], values: [50, 50])
    var stream = try AttentionStream.make(
      try Parameters(architecture: architecture, tensors: tensors),
      detector: DetectorSettings(
        thresholds: [1, 0.5], smoothingSteps: 1, release: 1, refractorySeconds: 0))
    var count = 0
    for position in [-5, 0, 1, 7] {
      stream.reset()
      stream.push(random.floats(5).span, position: position)
      stream.forEachDetection { detection in
        count += 1
        #expect(0 <= detection.start && detection.start <= detection.end, "\(detection)")
      }
    }
    #expect(count == 8)
  }

  @Test("A threshold for each keyword, no more and no fewer")
  func thresholds() throws {
    var random = SplitMix64(seed: 130)
    let architecture = Architecture.small()
    let parameters = try Parameters(
      architecture: architecture, tensors: architecture.randomTensors(&random))
    for (count, said) in [(0, "0"), (1, "1"), (3, "3")] {
      let error = #expect(throws: DetectorSettingsError.self) {
        _ = try AttentionStream.make(parameters, detector: .quiet(keywords: count))
      }
      #expect(
        error?.description
          == "detector: threshold is given for \(said) keywords, expected one for each of 2")
    }
  }

  @Test("A row of the wrong length is the caller's fault")
  func wrongRow() async {
    await #expect(processExitsWith: .failure) {
      var random = SplitMix64(seed: 131)
      let architecture = Architecture.small()
      var stream = try AttentionStream.make(
        try Parameters(architecture: architecture, tensors: architecture.randomTensors(&random)))
      stream.push([1, 2, 3, 4].span, position: 0)
    }
  }

  @Test(
    "Nothing is allocated between a row and its detections",
    .enabled(if: AllocationCount.isAvailable))
  func allocations() throws {
    var random = SplitMix64(seed: 132)
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, heads: .keyword)
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      var stream = try AttentionStream.make(
        parameters,
        detector: DetectorSettings(
          thresholds: [0.001, 0.001], smoothingSteps: 3, release: 1, refractorySeconds: 0))
      let row = random.floats(5)
      var sum: Float = 0
      func run() {
        for step in 0..<50 {
          stream.push(row.span, position: step * 160)
          stream.forEachDetection { sum += $0.score }
          stream.withWeights(head: 1) { sum += $0[0] }
          sum += stream.focus(head: 0).spread + stream.posterior(1)
        }
        stream.reset()
      }
      run()
      expectNoAllocations("\(score)") { run() }
      #expect(sum.isFinite)
    }
  }
}
