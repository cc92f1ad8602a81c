import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention
import Synchronization

/// The whole way from samples to posteriors, with the default model.
enum PipelineBenchmarks {
  private static let hop = "pipeline.default.hop"
  private static let batch = "pipeline.default.batch16"

  /// One stream alone, and sixteen whose steps are taken together.
  static func all() throws -> [Benchmark] {
    let model = try ModelFile.embedded()
    let one = try HopBench(model)
    let sixteen = try BatchBench(model, streams: 16)
    return [
      Benchmark(name: hop, per: "hop", amount: 1) { count in one.hops(count) },
      Benchmark(name: batch, per: "hop", amount: sixteen.streams) { count in
        sixteen.hops(count)
      },
    ]
  }

  /// How many streams a core keeps up with: hops that fit the time that a hop lasts.
  static func streamsPerCore(_ figures: [BenchmarkRun.Figure]) -> [BenchmarkRun.Figure] {
    figures.filter { $0.name == hop || $0.name == batch }.map { figure in
      BenchmarkRun.Figure(
        name: figure.name + ".streams", best: (10_000 / figure.best).rounded(.down),
        median: (10_000 / figure.median).rounded(.down), unit: "streams/core")
    }
  }
}

/// A pipeline that listens to ten seconds of noise, over and over, a hop at a time.
private final class HopBench {
  private var pipeline: Pipeline
  private let source: any AudioSource

  init(_ model: ModelFile) throws {
    pipeline = try Pipeline(model)
    source = EndlessNoise(model.sampleRate)
    hops(2)
  }

  func hops(_ count: Int) {
    for _ in 0..<count {
      // This source cannot fail.
      _ = try? pipeline.advance(reading: source)
    }
  }
}

/// Sixteen streams, each given a hop before any is given the next.
private final class BatchBench {
  let streams: Int
  private var batch: AttentionBatch
  private var extractors: [StreamRows] = []
  private let noise: [Float]
  private let hop: Int
  private var place = 0

  /// What makes rows of one stream.
  private final class StreamRows {
    var extractor: FeatureExtractor
    let place: Int

    init(_ model: ModelFile, place: Int) throws {
      extractor = try FeatureExtractor(model.frontEnd(), mean: model.mean, scale: model.scale)
      self.place = place
    }
  }

  init(_ model: ModelFile, streams: Int) throws {
    self.streams = streams
    hop = model.input.hop
    noise = FeatureBenchmarks.noise(10 * model.sampleRate).map { 0.25 * $0 }
    batch = try AttentionBatch(
      model.parameters, detector: model.detector, sampleRate: model.sampleRate,
      hop: model.input.hop,
      capacity: streams)
    for _ in 0..<streams {
      guard let place = batch.join() else { break }
      extractors.append(try StreamRows(model, place: place))
    }
  }

  func hops(_ count: Int) {
    for _ in 0..<count {
      if place + hop > noise.count { place = 0 }
      noise.withUnsafeBufferPointer { noise in
        let samples = UnsafeBufferPointer(rebasing: noise[place..<place + hop]).span
        for stream in extractors {
          stream.extractor.push(samples) { row in
            batch.push(row, position: 0, to: stream.place)
          }
        }
      }
      batch.step()
      place += hop
    }
  }
}

/// Noise without an end.
private final class EndlessNoise: AudioSource {
  let sampleRate: Int
  let name = "noise"
  private let noise: [Float]
  private let place = Atomic(0)

  init(_ sampleRate: Int) {
    self.sampleRate = sampleRate
    noise = FeatureBenchmarks.noise(10 * sampleRate).map { 0.25 * $0 }
  }

  func read(into buffer: UnsafeMutableBufferPointer<Float>) throws(AudioInputError) -> AudioBlock {
    var first = place.load(ordering: .relaxed)
    if first + buffer.count > noise.count { first = 0 }
    for i in buffer.indices { buffer[i] = noise[first + i] }
    place.store(first + buffer.count, ordering: .relaxed)
    return AudioBlock(count: buffer.count, position: SamplePosition(Int64(first)))
  }

  func cancel() {}
}
