import FeatureExtraction
import JSONText
import StreamingAttention

/// A model, read from a file and checked: everything that sound, or rows, need to become
/// detections.
///
/// In: a safetensors file whose metadata hold a JSON document (Docs/model-file.md). Out: values
/// that can't be wrong any more. Read once at start-up, then shared by all streams and threads;
/// immutable.
public struct ModelFile: Sendable {
  /// A word that the model listens for.
  public struct Keyword: Sendable, Equatable {
    /// Its name in settings and events: letters a to z, digits and underscores.
    public var name: String
    /// What one says.
    public var phrase: String
    /// Threshold on its smoothed posterior, 0.001 to 1.
    public var threshold: Float

    /// Gathers the three.
    ///
    /// - Parameters:
    ///   - name: Its name in settings and events.
    ///   - phrase: What one says.
    ///   - threshold: Threshold on its smoothed posterior, 0.001 to 1.
    public init(name: String, phrase: String, threshold: Float) {
      self.name = name
      self.phrase = phrase
      self.threshold = threshold
    }
  }

  /// Where a model comes from: enough to make it again, and to know what one may do with it.
  public struct Provenance: Sendable, Equatable {
    /// The recordings that it learned from.
    public var data: String
    /// The recipe, a file of the repository.
    public var recipe: String
    /// The command that made it.
    public var command: String
    /// The seed of everything random in it.
    public var seed: Int
    /// What one may do with it, and why.
    public var licence: String
    /// How well it did, and on what.
    public var figures: String

    /// Gathers the six.
    ///
    /// - Parameters:
    ///   - data: The recordings that it learned from.
    ///   - recipe: The recipe, a file of the repository.
    ///   - command: The command that made it.
    ///   - seed: The seed of everything random in it.
    ///   - licence: What one may do with it, and why.
    ///   - figures: How well it did, and on what.
    public init(
      data: String, recipe: String, command: String, seed: Int, licence: String, figures: String
    ) {
      self.data = data
      self.recipe = recipe
      self.command = command
      self.seed = seed
      self.licence = licence
      self.figures = figures
    }
  }

  /// Everything about the model but its weights.
  package let document: ModelDocument
  /// `sha256:` and 64 hexadecimal digits over the bytes of the file: the same model, the same name.
  public let digest: String
  /// Subtracted from each row, [rowLength].
  public let mean: [Float]
  /// What each row is multiplied by after that, [rowLength].
  public let scale: [Float]
  /// The weights, packed for the kernels.
  public let parameters: Parameters

  /// The model's own name.
  public var name: String { document.name }
  /// What it takes in: sound and what turns it into rows, or rows.
  public var input: Input { document.input }
  /// The sizes and choices of the network.
  public var architecture: Architecture { parameters.architecture }
  /// The words that the model listens for, in the order of its posteriors.
  public var keywords: [Keyword] { document.keywords }
  /// When a posterior becomes a detection.
  public var detector: DetectorSettings { document.detector }
  /// When what a stream has heard is forgotten.
  public var reset: ResetRule { document.reset }
  /// Where the model comes from.
  public var provenance: Provenance { document.provenance }

  /// Reads a file.
  ///
  /// - Parameter path: The file, which must be a regular one.
  /// - Throws: `ModelError` naming the file and the first thing that is wrong with it.
  public init(path: String) throws(ModelError) {
    try self.init(bytes: ModelFile.bytes(path: path), name: path)
  }

  /// The bytes of a file, as yet unchecked.
  ///
  /// - Parameter path: The file, which must be a regular one.
  /// - Returns: The whole of it.
  /// - Throws: `ModelError` naming the file and why it can't be read.
  package static func bytes(path: String) throws(ModelError) -> [UInt8] {
    do { return try readRegularFile(path, limit: Safetensors.largestFile) } catch {
      throw ModelError(file: path, fault: error)
    }
  }

  /// Reads the content of a file.
  ///
  /// - Parameters:
  ///   - bytes: The whole of it.
  ///   - name: What to call it in errors.
  /// - Throws: `ModelError` naming the first thing that is wrong.
  public init(bytes: [UInt8], name: String) throws(ModelError) {
    do { try self.init(checking: bytes) } catch { throw ModelError(file: name, fault: error) }
  }

  private init(checking bytes: [UInt8]) throws(ModelFault) {
    let file = try Safetensors(bytes)
    guard let text = file.metadata["attnd"] else {
      throw .missing(path: "the document, '__metadata__.attnd' in the header,")
    }
    let json = try JSON(parsing: text.utf8, called: "the document")
    document = try ModelDocument(json)
    var tensors = file.tensors
    let length = document.input.rowLength
    mean = try ModelFile.take("feature.mean", [length], from: &tensors)
    scale = try ModelFile.take("feature.scale", [length], from: &tensors)
    try document.input.validate(mean: mean, scale: scale)
    do {
      parameters = try Parameters(architecture: document.architecture, tensors: tensors)
    } catch {
      throw .parameters(error)
    }
    digest = "sha256:" + SHA256.hexadecimal(bytes)
  }

  /// The bytes of a model file with other thresholds.
  ///
  /// Everything else is as it was: tensors byte for byte and in their order, other metadata, and the
  /// document's other members as they were written.
  ///
  /// - Parameters:
  ///   - thresholds: One for each keyword, in their order.
  ///   - bytes: A model file.
  ///   - name: What to call it in errors.
  /// - Returns: A model file.
  /// - Throws: `ModelError` naming the first thing that is wrong with either.
  package static func replacing(
    thresholds: [Float], in bytes: [UInt8], name: String
  ) throws(ModelError) -> [UInt8] {
    _ = try ModelFile(bytes: bytes, name: name)
    let replaced: [UInt8]
    do {
      replaced = try Safetensors.replacing("attnd", in: bytes) { text throws(ModelFault) in
        let document = try JSON(parsing: text.utf8, called: "the document")
        return document.replacing(thresholds: thresholds).text
      }
    } catch {
      throw ModelError(file: name, fault: error)
    }
    let model = try ModelFile(bytes: replaced, name: name)
    precondition(
      model.detector.thresholds == thresholds, "What was written has the thresholds it was given")
    return replaced
  }

  /// Takes one of the two tensors that belong to the rows, not to the network.
  private static func take(
    _ name: String, _ shape: [Int], from tensors: inout [String: Tensor]
  ) throws(ModelFault) -> [Float] {
    guard let tensor = tensors.removeValue(forKey: name) else {
      throw .parameters(.missing(tensor: name, expected: shape))
    }
    guard tensor.shape == shape else {
      throw .parameters(.shape(tensor: name, found: tensor.shape, expected: shape))
    }
    return tensor.values
  }
}

extension JSON {
  /// A document with other thresholds in its keywords.
  fileprivate func replacing(thresholds: [Float]) -> JSON {
    replacing("keywords") { keywords in
      guard case .array(let list) = keywords else { return keywords }
      return .array(
        zip(list, thresholds).map { keyword, threshold in
          keyword.replacing("threshold") { _ in .number("\(threshold)") }
        })
    }
  }

  /// An object with another value under a name.
  func replacing(_ name: String, _ change: (JSON) -> JSON) -> JSON {
    guard case .object(let members) = self else { return self }
    return .object(
      members.map { $0.name == name ? Member($0.name, change($0.value)) : $0 })
  }
}
