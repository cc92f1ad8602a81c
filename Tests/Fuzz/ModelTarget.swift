import FeatureExtraction
import Glibc
import JSONText
import ModelFile
import StreamingAttention

// A fuzz target: bytes -> a model, or a line that says what is wrong. A model that is read must also
// run: a few rows and samples, the oddest that there are, are pushed through it, and nothing that it
// says may be beyond its bounds.

/// One execution: reads a file, and runs what it holds.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  do {
    let model = try ModelFile(bytes: bytes, name: "fuzz")
    guard try ModelDocument(model.document.json) == model.document else {
      fatalError("What was read is written otherwise")
    }
    try run(model)
  } catch {
    // What a terminal gets is one line, whatever stands in the file.
    let line = "\(error)"
    precondition(line.utf8.count < 4_096, "A line of \(line.utf8.count) bytes")
    let isOneLine = line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    precondition(isOneLine, "A line with control characters")
  }
  return 0
}

/// Samples and elements of rows that nothing should give, and some that it does.
private let oddNumbers: [Float] = [
  0, 1, -1, .nan, 0.5, .infinity, -.infinity, .leastNonzeroMagnitude, -0.0, 3e38, -3e38, 0x1p50,
  0x1p31, 1e-3,
]

private func run(_ model: ModelFile) throws {
  let architecture = model.architecture
  // Time, not memory: a large model tells nothing that a small one doesn't.
  guard model.parameters.weightCount < 1 << 16, architecture.window < 1 << 12 else { return }
  var stream = try AttentionStream(
    model.parameters, detector: model.detector, sampleRate: model.input.sampleRate,
    hop: model.input.hop)
  var row = [Float](repeating: 0, count: architecture.bins)
  let rows = min(64, 4 * architecture.rowsPerStep + architecture.stack)
  for number in 0..<rows {
    for i in row.indices { row[i] = oddNumbers[(5 * number + 3 * i) % oddNumbers.count] }
    if number == rows / 2 { stream.forget() }
    stream.push(row.span, position: model.input.endPosition(ofRow: number))
    check(stream, architecture)
  }
  guard case .sound(let frontEnd) = model.input, frontEnd.frameLength <= 1 << 11 else { return }
  stream.reset()
  var extractor = try FeatureExtractor(frontEnd, mean: model.mean, scale: model.scale)
  let samples = (0..<3 * frontEnd.frameLength).map { oddNumbers[11 * $0 % oddNumbers.count] }
  extractor.push(samples.span) { hear($0, &stream, samples.count) }
  extractor.finish { hear($0, &stream, samples.count) }
}

/// A row of the front end, which promises that it is finite.
private func hear(_ row: Span<Float>, _ stream: inout AttentionStream, _ position: Int) {
  for i in row.indices { precondition(row[i].isFinite, "A row has \(row[i])") }
  stream.push(row, position: position)
  check(stream, stream.parameters.architecture)
}

private func check(_ stream: borrowing AttentionStream, _ architecture: Architecture) {
  for keyword in 0..<architecture.keywords {
    let posterior = stream.posterior(keyword)
    precondition(posterior.isFinite, "A posterior is \(posterior)")
    let isShare = architecture.output == .linear || (0...1).contains(posterior)
    precondition(isShare, "A posterior is \(posterior)")
  }
  for head in 0..<architecture.headCount {
    let focus = stream.focus(head: head)
    precondition(focus.expected.isFinite && focus.spread.isFinite, "A focus is \(focus)")
  }
  stream.forEachDetection { precondition($0.start <= $0.end && $0.end <= $0.position) }
}

// MARK: Seeds

/// Called once, before the first execution.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _: UnsafeMutablePointer<CInt>,
  _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  writeSeeds(seeds)
  return 0
}

/// A model of each variant.
private func seeds() -> [[UInt8]] {
  var random = Generator(state: 1)
  var documents: [ModelDocument] = []
  for cell in Architecture.Cell.allCases {
    for score in Architecture.Score.allCases {
      var document = base
      document.architecture.encoder.cell = cell
      document.architecture.decoder.cell = cell
      document.architecture.score = score
      documents.append(document)
    }
  }
  for kind in Architecture.Convolution.Kind.allCases {
    var document = base
    document.architecture.stem = [.init(kind: kind, channels: 2, kernel: 3, stride: 2)]
    document.architecture.output = .softmax
    document.architecture.memory = .x
    document.architecture.value = .separate(size: 3)
    documents.append(document)
  }
  for compression: FrontEnd.Compression in [.linear, .log(floor: 1), .decibels(floor: 1)] {
    var frontEnd = FrontEnd()
    (frontEnd.bins, frontEnd.compression) = (2, compression)
    frontEnd.cepstra = .init(count: 1, lifter: 22, energy: true)
    frontEnd.deltas = 1
    frontEnd.running = .init(rate: 0.01, start: .model)
    var document = base
    document.input = .sound(frontEnd)
    document.reset = .silence(.init(seconds: 5, decibels: -60))
    document.architecture.output = .linear
    documents.append(document)
  }
  return documents.enumerated().map { i, document in
    ModelFile.synthetic(document, using: &random, halves: i % 2 == 1)
  }
}

private let base = ModelDocument(
  name: "seed", input: .rows(.init(length: 2, perSecond: 100)),
  architecture: Architecture(
    bins: 2, stack: 2, stride: 1, encoder: .init(layers: 2, units: 3), score: .dot, memory: .h,
    heads: .keyword, keySize: 2, window: 3, decoder: .init(layers: 1, units: 2),
    decoderInput: .contextAndHidden, keywords: 2),
  keywords: [
    .init(name: "a", phrase: "A", threshold: 0.5), .init(name: "b", phrase: "B", threshold: 0.5),
  ],
  detector: DetectorSettings(
    thresholds: [0.5, 0.5], smoothingSteps: 1, release: 0.5, refractorySeconds: 0),
  provenance: .init(data: "d", recipe: "r", command: "c", seed: 1, licence: "l", figures: "f"))

// MARK: Mutation that knows the format

@_silgen_name("LLVMFuzzerMutate")
private func mutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ largest: Int) -> Int

/// Changes a file in one of four ways, three of which keep it a file that is read far into.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateFile(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ largest: Int, _ seed: CUnsignedInt
) -> Int {
  var random = Generator(state: UInt64(seed) &+ 1)
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  guard !isBlind, let header = header(of: bytes) else { return mutate(data, size, largest) }
  let elements = bytes[(8 + header.count)...]
  let file: [UInt8]
  switch Int.random(in: 0..<8, using: &random) {
  case 0: return mutate(data, size, largest)
  case 1:
    // The header's text, its length kept right.
    let room = largest - 8 - elements.count
    guard room > 0 else { return mutate(data, size, largest) }
    var text = Array(header) + [UInt8](repeating: 0, count: max(0, room - header.count))
    let count = text.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.map { mutate($0, min(header.count, room), room) } ?? 0
    }
    file = container(Array(text.prefix(count)), elements)
  case 2...5:
    guard let changed = changeDocument(header, elements, &random) else {
      return mutate(data, size, largest)
    }
    file = changed
  default:
    guard let json = try? JSON(parsing: header, called: "it") else {
      return mutate(data, size, largest)
    }
    file = container(Array(change(json, &random).text.utf8), elements)
  }
  guard file.count <= largest else { return mutate(data, size, largest) }
  for (i, byte) in file.enumerated() { data[i] = byte }
  return file.count
}

/// With `ATTND_FUZZ_BLIND` bytes are changed without knowledge of the format.
private let isBlind = getenv("ATTND_FUZZ_BLIND") != nil

private func header(of bytes: [UInt8]) -> ArraySlice<UInt8>? {
  guard bytes.count >= 8 else { return nil }
  let count = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  return count <= UInt64(bytes.count - 8) ? bytes[8..<8 + Int(count)] : nil
}

private func container(_ header: [UInt8], _ elements: ArraySlice<UInt8>) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + elements
}

/// Changes the document; where it still is one, half of the time with the tensors that it needs.
private func changeDocument(
  _ header: ArraySlice<UInt8>, _ elements: ArraySlice<UInt8>, _ random: inout Generator
) -> [UInt8]? {
  guard case .object(var members)? = try? JSON(parsing: header, called: "it"),
    let metadata = members.firstIndex(where: { $0.name == "__metadata__" }),
    case .string(let text)? = members[metadata].value.fields?["attnd"],
    var json = try? JSON(parsing: text.utf8, called: "it")
  else { return nil }
  for _ in 0..<Int.random(in: 1...3, using: &random) { json = change(json, &random) }
  if Bool.random(using: &random), let document = try? ModelDocument(json),
    document.architecture.tensorShapes.allSatisfy({ $0.shape.reduce(1, *) < 1 << 10 })
  {
    let halves = Bool.random(using: &random)
    return ModelFile.synthetic(document, using: &random, halves: halves)
  }
  members[metadata].value = .object([.init("attnd", .string(json.text))])
  return container(Array(JSON.object(members).text.utf8), elements)
}

/// Changes one value somewhere in a tree.
private func change(_ json: JSON, _ random: inout Generator) -> JSON {
  let isHere = Int.random(in: 0..<6, using: &random) == 0
  switch json {
  case .object(var members) where !members.isEmpty:
    let i = Int.random(in: members.indices, using: &random)
    guard isHere else {
      members[i].value = change(members[i].value, &random)
      return .object(members)
    }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: members.remove(at: i)
    case 1: members.append(members[i])
    case 2: members[i].name = words.randomElement(using: &random) ?? ""
    default: members.append(.init(words.randomElement(using: &random) ?? "", members[i].value))
    }
    return .object(members)
  case .array(var values) where !values.isEmpty:
    let i = Int.random(in: values.indices, using: &random)
    guard isHere else {
      values[i] = change(values[i], &random)
      return .array(values)
    }
    if Bool.random(using: &random) { values.remove(at: i) } else { values.append(values[i]) }
    return .array(values)
  case .number(let text) where Bool.random(using: &random):
    let step = Int.random(in: -3...3, using: &random)
    return Int(text).map { .number("\($0 &+ step)") } ?? .number("\(step)")
  default: return strange.randomElement(using: &random) ?? .null
  }
}

private let strange: [JSON] =
  [.null, .bool(true), .bool(false), .array([]), .object([])]
  + [
    "0", "1", "-1", "2", "3", "64", "65", "4096", "1000000", "9223372036854775807", "1e308",
    "1e-45", "0.5", "-0", "1e999", "268435456",
  ].map(JSON.number) + words.map(JSON.string)

private let words: [String] =
  [
    "", "a", "never", "key", "separate", "full", "separable", "log", "pcen", "kind", "stem", "rows",
    "front_end", "channels", "kernel", "value_size", "length", "per_second", "silence_seconds",
    "below_dbfs", "cepstra", "deltas", "running", "stack", "\u{1B}[2J\n", "F32",
  ] + Architecture.Cell.allCases.map(\.rawValue) + Architecture.Score.allCases.map(\.rawValue)
  + Architecture.Output.allCases.map(\.rawValue) + FrontEnd.Edges.allCases.map(\.rawValue)
