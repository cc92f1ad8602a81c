import CEmbedded
import FeatureExtraction
import ModelFile
import StreamingAttention

extension ModelFile {
  /// The default model, which is part of the program (Models/default.safetensors).
  package static func embedded() throws -> ModelFile {
    let bytes = UnsafeBufferPointer(start: attnd_default_model, count: attnd_default_model_size)
    return try ModelFile(bytes: Array(bytes), name: "default (embedded)")
  }

  /// Samples a second that the model wants.
  package var sampleRate: Int { frontEnd.sampleRate }

  /// Samples between two steps of the network, and so between two attention frames.
  package var stepSamples: Int { frontEnd.hop * architecture.rowsPerStep }

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
