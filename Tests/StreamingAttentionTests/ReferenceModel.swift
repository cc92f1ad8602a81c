import FoundationEssentials
import Glibc
import StreamingAttention
import TestSupport

/// A model of Tests/Reference with what PyTorch computes from its rows.
struct ReferenceModel {
  let name: String
  let architecture: Architecture
  let tensors: [String: Tensor]
  /// What comes in, normalised already; exact (Tests/Reference/README.md).
  let rows: [[Float]]
  /// What comes out of each step.
  let steps: [NaiveModel.Step]

  /// The package, by the place of this file.
  static let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    .joined(separator: "/")

  private static let folder = root + "/Tests/Reference/models"

  /// Names of all models, sorted.
  static let names: [String] = {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let file = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let suffix = ".expected.safetensors"
      if file.hasSuffix(suffix) { names.append(String(file.dropLast(suffix.count))) }
    }
    return names.sorted()
  }()

  init(_ name: String) throws {
    self.name = name
    let model = try ModelContents(path: "\(Self.folder)/\(name).safetensors")
    architecture = model.architecture
    tensors = model.tensors
    let expected = try GoldenTensors(
      safetensors: try fileBytes("\(Self.folder)/\(name).expected.safetensors"), name: name)
    rows = try expected["rows"].rows.map(model.normalised)
    steps = try Self.steps(expected, architecture)
  }

  private static func steps(
    _ expected: GoldenTensors, _ architecture: Architecture
  ) throws -> [NaiveModel.Step] {
    let completed = try expected["completed"].int32s
    let parts = try ["h", "e", "c", "d", "y", "z", "alpha"].map { try expected[$0].rows }
    let keys = expected.arrays["a"]?.rows
    let heads = architecture.headCount
    return completed.indices.map { step in
      let first = max(0, step - architecture.window + 1)
      /// What a right-aligned row [heads][columns] says of the window.
      func window(_ row: [Double]) -> [[Double]] {
        let columns = row.count / heads
        return (1...heads).map { Array(row[($0 * columns - (step - first + 1))..<$0 * columns]) }
      }
      let z =
        architecture.score.dependsOnQuery
        ? window(parts[5][step])
        : (0..<heads).map { head in (first...step).map { parts[5][$0][head] } }
      return NaiveModel.Step(
        row: Int(completed[step]), h: parts[0][step], e: parts[1][step], a: keys?[step] ?? [],
        c: parts[2][step], d: parts[3][step], y: parts[4][step], z: z,
        alpha: window(parts[6][step]))
    }
  }
}

/// A model file: its architecture and tensors.
///
/// A reader of its own, so that the arithmetic is tested whether ModelFile reads well or not.
struct ModelContents {
  let architecture: Architecture
  /// Without those of the rows' normalisation.
  let tensors: [String: Tensor]
  private let mean: [Float]
  private let scale: [Float]

  init(path: String) throws {
    let bytes = try fileBytes(path)
    let header = try ModelHeader(bytes)
    architecture = try Architecture(modelDocument: header.document)
    let all = try header.tensors(of: bytes)
    guard let mean = all["feature.mean"], let scale = all["feature.scale"] else {
      throw GoldenError(path, "no feature.mean or feature.scale")
    }
    (self.mean, self.scale) = (mean.values, scale.values)
    tensors = all.filter { !$0.key.hasPrefix("feature.") }
  }

  /// What goes into a stream for a row.
  func normalised(_ row: [Double]) -> [Float] {
    row.indices.map { (Float(row[$0]) - mean[$0]) * scale[$0] }
  }
}

/// The header of a safetensors file with a model document.
private struct ModelHeader: Decodable {
  let document: String
  private let entries: [String: Entry]

  private struct Entry: Decodable {
    let shape: [Int]
    let data_offsets: [Int]
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    static let metadata = Name(stringValue: "__metadata__")
  }

  init(_ file: [UInt8]) throws {
    self = try JSONDecoder().decode(
      ModelHeader.self, from: Data(file[8..<Self.firstElement(of: file)]))
  }

  init(from decoder: any Decoder) throws {
    let names = try decoder.container(keyedBy: Name.self)
    document = try names.decode([String: String].self, forKey: .metadata)["attnd"] ?? ""
    var entries: [String: Entry] = [:]
    for name in names.allKeys where name.stringValue != Name.metadata.stringValue {
      entries[name.stringValue] = try names.decode(Entry.self, forKey: name)
    }
    self.entries = entries
  }

  private static func firstElement(of file: [UInt8]) -> Int {
    8 + (0..<8).reduce(0) { $0 | Int(file[$1]) << (8 * $1) }
  }

  func tensors(of file: [UInt8]) throws -> [String: Tensor] {
    let begin = Self.firstElement(of: file)
    var tensors: [String: Tensor] = [:]
    for (name, entry) in entries {
      let bytes = file[(begin + entry.data_offsets[0])..<(begin + entry.data_offsets[1])]
      let array = try GoldenArray(name: name, type: "F32", shape: entry.shape, bytes: bytes)
      tensors[name] = Tensor(shape: entry.shape, values: try array.floats)
    }
    return tensors
  }
}

extension Architecture {
  /// What a model document says of the architecture, by the names of Docs/model-file.md.
  fileprivate init(modelDocument text: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let document = try decoder.decode(Document.self, from: Data(text.utf8))
    let sizes = document.architecture
    let attention = sizes.attention
    self.init(
      bins: document.rows.length,
      stem: try (sizes.stem ?? []).map {
        Convolution(
          kind: try named($0.kind), channels: $0.channels, kernel: $0.kernel, stride: $0.stride)
      },
      stack: sizes.stack, stride: sizes.stride, encoder: try sizes.encoder.shape(),
      score: try named(attention.score), memory: try named(attention.memory),
      value: attention.valueSize.map { .separate(size: $0) } ?? .key,
      heads: attention.keywordHeads ? .keyword : .shared(attention.heads),
      keySize: attention.keySize, window: attention.window, decoder: try sizes.decoder.shape(),
      decoderInput: try named(sizes.decoder.input ?? ""), output: try named(sizes.output),
      keywords: document.keywords.count)
  }

  private struct Document: Decodable {
    let rows: Rows
    let architecture: Sizes
    let keywords: [Keyword]

    struct Rows: Decodable {
      let length: Int
    }
    struct Keyword: Decodable {}
    struct Sizes: Decodable {
      let stack: Int
      let stride: Int
      let stem: [StemLayer]?
      let encoder: Layers
      let attention: Attention
      let decoder: Layers
      let output: String
    }
    struct StemLayer: Decodable {
      let kind: String
      let channels: Int
      let kernel: Int
      let stride: Int
    }
    struct Layers: Decodable {
      let cell: String
      let layers: Int
      let units: Int
      /// The decoder's only.
      let input: String?

      func shape() throws -> Recurrent {
        Recurrent(cell: try named(cell), layers: layers, units: units)
      }
    }
    struct Attention: Decodable {
      let score: String
      let memory: String
      let valueSize: Int?
      let heads: Int
      let keywordHeads: Bool
      let keySize: Int
      let window: Int
    }
  }
}

/// The case of a name in a document.
private func named<Choice: RawRepresentable<String>>(_ name: String) throws -> Choice {
  guard let choice = Choice(rawValue: name) else {
    throw GoldenError("model document", "\(Choice.self) '\(name)' is not known")
  }
  return choice
}
