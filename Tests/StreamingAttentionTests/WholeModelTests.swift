import StreamingAttention
import TestSupport
import Testing

@Suite("Whole models of every variant")
struct WholeModelTests {
  /// An architecture for each pair of cells, everything else at random.
  static func everyPairOfCells(
    _ random: inout SplitMix64, score: Architecture.Score
  ) -> [Architecture] {
    Architecture.Cell.allCases.flatMap { encoder in
      Architecture.Cell.allCases.map { decoder in
        Architecture.random(&random, score: score, encoderCell: encoder, decoderCell: decoder)
      }
    }
  }

  @Test(
    "A stream gives what the equations give in doubles, at the right rows", .seed(141),
    arguments: Architecture.Score.allCases)
  func oracle(score: Architecture.Score) throws {
    var random = SplitMix64()
    var worst = WorstRatio("whole models: \(score)")
    for _ in 0..<2 {
      for architecture in Self.everyPairOfCells(&random, score: score) {
        let tensors = architecture.randomTensors(&random)
        let rows = (0..<80).map { _ in random.floats(architecture.bins, scale: 2) }
        var stream = try AttentionStream.make(
          try Parameters(architecture: architecture, tensors: tensors))
        let got = steps(of: rows, by: &stream)
        let expected = NaiveModel(architecture: architecture, tensors: tensors).run(rows)
        #expect(got.map(\.row) == expected.map(\.row), "\(architecture.summary)")
        #expect(stream.steps == expected.count)
        #expect(stream.position == (expected.last.map { ($0.row + 1) * 160 } ?? 0))
        #expect(stream.span == min(expected.count, architecture.window))
        let tolerances = Tolerances(architecture, tensors: tensors, rows: rows, oracle: expected)
        worst.add(got, expected, tolerances, architecture, in: "\(architecture.summary)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A stream that was reset gives the bits of a new one", .seed(142),
    arguments: Architecture.Score.allCases)
  func reset(score: Architecture.Score) throws {
    var random = SplitMix64()
    for architecture in Self.everyPairOfCells(&random, score: score) {
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      let rows = (0..<60).map { _ in random.floats(architecture.bins, scale: 2) }
      var stream = try AttentionStream.make(parameters)
      let first = steps(of: rows, by: &stream)
      // Whatever is in the middle of a stack or a stem's stride is forgotten as well.
      for count in [0, 1, Int.random(in: 2...50, using: &random)] {
        stream.reset()
        _ = steps(of: Array(rows.suffix(count)), by: &stream)
        stream.reset()
        #expect(stream.steps == 0 && stream.position == 0 && stream.span == 0)
        let again = steps(of: rows, by: &stream)
        #expect(again.map(\.row) == first.map(\.row), "\(architecture.summary)")
        #expect(
          bitDifference(again, first) == nil,
          "\(count) rows before the reset, \(architecture.summary)")
      }
    }
  }

  @Test(
    "A stream that forgot begins anew with the rows that it had waiting", .seed(145),
    arguments: Architecture.Score.allCases)
  func forget(score: Architecture.Score) throws {
    var random = SplitMix64()
    var worst = WorstRatio("forgetting: \(score)")
    for architecture in Self.everyPairOfCells(&random, score: score) {
      let tensors = architecture.randomTensors(&random)
      let rows = (0..<120).map { _ in random.floats(architecture.bins, scale: 2) }
      let cut = Int.random(in: 0...100, using: &random)
      var stream = try AttentionStream.make(
        try Parameters(architecture: architecture, tensors: tensors))
      var got = steps(of: Array(rows[..<cut]), by: &stream)
      let position = stream.position
      stream.forget()
      #expect(stream.steps == got.count && stream.position == position)
      #expect(stream.span == 0)
      let forgotten = got.count
      for (index, row) in rows.enumerated().dropFirst(cut)
      where stream.push(row.span, position: (index + 1) * 160) {
        got.append(newestStep(of: stream, row: index))
      }
      let oracle = NaiveModel(architecture: architecture, tensors: tensors)
      let expected = oracle.run(rows, forgettingAfter: [forgotten])
      #expect(got.map(\.row) == expected.map(\.row), "\(architecture.summary)")
      #expect(stream.steps == expected.count)
      let tolerances = Tolerances(
        architecture, tensors: tensors, rows: rows, forgettingAfter: [forgotten],
        oracle: expected)
      worst.add(
        got, expected, tolerances, architecture, in: "\(cut) rows, then \(architecture.summary)")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "What a stream forgot leaves no trace in any bit", .seed(146),
    arguments: Architecture.Score.allCases)
  func forgottenForGood(score: Architecture.Score) throws {
    var random = SplitMix64()
    for architecture in Self.everyPairOfCells(&random, score: score) {
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      // Stem and stack see 131 rows at most: three convolutions of 5 rows with strides of 2 before
      // a stack of 4. What came before these may be heard through the network's state alone.
      let waiting = (0..<131).map { _ in random.floats(architecture.bins, scale: 2) }
      let after = (0..<60).map { _ in random.floats(architecture.bins, scale: 2) }
      let results = try [Float(2), 20].map { scale in
        let before = (0..<50).map { _ in random.floats(architecture.bins, scale: scale) }
        var stream = try AttentionStream.make(parameters)
        _ = steps(of: before + waiting, by: &stream)
        stream.forget()
        return steps(of: after, by: &stream)
      }
      #expect(bitDifference(results[0], results[1]) == nil, "\(architecture.summary)")
    }
  }

  /// A stream in a batch: where it is, what it was given and what it gave.
  struct Member {
    let place: Int
    var rows: [[Float]] = []
    var steps: [StepResult] = []
  }

  /// Lets streams join and leave a batch at random, each with rows of its own, some of them late.
  ///
  /// - Returns: Every stream that was ever in the batch.
  static func life(
    of batch: inout AttentionBatch, turns: Int, _ random: inout SplitMix64
  ) -> [Member] {
    let bins = batch.parameters.architecture.bins
    var members: [Member] = []
    var gone: [Member] = []
    for turn in 0..<turns {
      if turn == 0 || Int.random(in: 0..<4, using: &random) == 0 {
        guard let place = batch.join() else {
          #expect(members.count == batch.capacity, "a batch that isn't full has a place")
          continue
        }
        #expect(!members.contains { $0.place == place }, "place \(place) is taken")
        members.append(Member(place: place))
      }
      if Int.random(in: 0..<12, using: &random) == 0, !members.isEmpty {
        let index = Int.random(in: members.indices, using: &random)
        batch.leave(members[index].place)
        gone.append(members.remove(at: index))
      }
      var due: Set<Int> = []
      for index in members.indices where Int.random(in: 0..<5, using: &random) > 0 {
        let row = random.floats(bins, scale: 2)
        members[index].rows.append(row)
        let place = members[index].place
        if batch.push(row.span, position: members[index].rows.count * 160, to: place) {
          due.insert(place)
        }
      }
      batch.step()
      for index in members.indices {
        let place = members[index].place
        #expect(batch.hasStepped(place) == due.contains(place), "turn \(turn), place \(place)")
        guard batch.hasStepped(place) else { continue }
        let row = members[index].rows.count - 1
        members[index].steps.append(batch.withStream(place) { newestStep(of: $0, row: row) })
      }
    }
    return gone + members
  }

  @Test(
    "A stream gives the same bits alone and in a batch that others join and leave", .seed(143),
    arguments: Architecture.Score.allCases)
  func batch(score: Architecture.Score) throws {
    var random = SplitMix64()
    for architecture in Self.everyPairOfCells(&random, score: score) {
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      var batch = try AttentionBatch(
        parameters, detector: .quiet(keywords: architecture.keywords), sampleRate: 16_000,
        hop: 160, capacity: Int.random(in: 1...20, using: &random))
      let members = Self.life(of: &batch, turns: 90, &random)
      for (index, member) in members.enumerated() {
        var alone = try AttentionStream.make(parameters)
        let expected = steps(of: member.rows, by: &alone)
        #expect(member.steps.map(\.row) == expected.map(\.row), "\(architecture.summary)")
        #expect(
          bitDifference(member.steps, expected) == nil,
          "stream \(index) of \(members.count), capacity \(batch.capacity), \(architecture.summary)"
        )
      }
    }
  }

  @Test("Every number of streams in a batch gives the bits of one", .seed(144), arguments: 1...20)
  func batchSize(count: Int) throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      let architecture = Architecture.random(&random, score: score)
      let parameters = try Parameters(
        architecture: architecture, tensors: architecture.randomTensors(&random))
      let recordings = (0..<count).map { _ in
        (0..<40).map { _ in random.floats(architecture.bins, scale: 2) }
      }
      var batch = try AttentionBatch(
        parameters, detector: .quiet(keywords: architecture.keywords), sampleRate: 16_000,
        hop: 160, capacity: count)
      var together = [[StepResult]](repeating: [], count: count)
      let places = (0..<count).compactMap { _ in batch.join() }
      #expect(places.count == count && batch.join() == nil)
      for row in 0..<40 {
        for (stream, place) in places.enumerated() {
          let values = recordings[stream][row]
          batch.push(values.span, position: (row + 1) * 160, to: place)
        }
        batch.step()
        for (stream, place) in places.enumerated() where batch.hasStepped(place) {
          together[stream].append(batch.withStream(place) { newestStep(of: $0, row: row) })
        }
      }
      for stream in 0..<count {
        var alone = try AttentionStream.make(parameters)
        let expected = steps(of: recordings[stream], by: &alone)
        #expect(
          bitDifference(together[stream], expected) == nil,
          "stream \(stream) of \(count), \(architecture.summary)")
      }
    }
  }
}

/// Where two streams first differ in a bit: nil if nowhere.
func bitDifference(_ got: [StepResult], _ expected: [StepResult]) -> String? {
  guard got.count == expected.count else { return "\(got.count) steps, not \(expected.count)" }
  guard let step = got.indices.first(where: { got[$0].bits != expected[$0].bits }) else {
    return nil
  }
  let parts = StepPart.allCases.compactMap { part in
    bitDifference(part.values(got[step]), part.values(expected[step])).map { "\(part) \($0)" }
  }
  return "step \(step): \(parts.first ?? "smoothed posteriors or focus")"
}
