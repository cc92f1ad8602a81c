import CEmbedded
import FeatureExtraction
import ModelFile
import StreamingAttention

extension ModelFile {
  /// The default model, which is part of the program (Models/default.safetensors).
  package static func embedded() throws -> ModelFile {
    try ModelFile(bytes: embeddedBytes, name: embeddedName)
  }

  /// The file of the default model.
  static var embeddedBytes: [UInt8] {
    Array(UnsafeBufferPointer(start: attnd_default_model, count: attnd_default_model_size))
  }

  /// What the default model is called in errors.
  static var embeddedName: String { "default (embedded)" }

  /// What turns sound into the rows that the model takes.
  ///
  /// - Returns: The model's front end.
  /// - Throws: `Failure` when the model has none, because it takes rows that were made elsewhere.
  package func frontEnd() throws -> FrontEnd {
    switch input {
    case .sound(let frontEnd): return frontEnd
    case .rows(let rows):
      throw Failure(
        .badData,
        "model \(name): takes rows of \(rows.length) elements, expected a model that takes sound; give "
          + "this one rows: attnd batch --features FILE.npy")
    }
  }

  /// Samples a second that the model wants; rows a second where it takes rows.
  package var sampleRate: Int { input.sampleRate }

  /// Samples (rows) between two steps of the network, and so between two attention frames.
  package var stepSamples: Int { input.hop * architecture.rowsPerStep }

  /// Seconds between two steps of the network.
  package var stepSeconds: Double { Double(stepSamples) / Double(sampleRate) }

  /// When a posterior becomes a detection.
  ///
  /// - Parameter threshold: In place of every keyword's own; nil for those.
  /// - Returns: The model's settings, or those with the threshold.
  func detector(threshold: Float?) -> DetectorSettings {
    var settings = detector
    if let threshold { settings.thresholds = settings.thresholds.map { _ in threshold } }
    return settings
  }
}
