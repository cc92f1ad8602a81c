import AttentionSocket
import AudioInput
import FeatureExtraction
import Logging
import ModelFile
import StreamingAttention
import Synchronization
import TestSupport
import Testing
import attnd

@Suite("A new pipeline in a stream's place")
struct PipelineExchangeTests {
  /// What a stream gives out, bit for bit.
  private struct Given: Equatable {
    var posteriors: [[UInt32]] = []
    var positions: [Int] = []
    var indices: [Int] = []
  }

  /// Reads so often, until all is heard.
  private func hear(
    _ pipeline: inout Pipeline, _ source: ArraySource, reads: Int = .max
  ) throws -> Given {
    var given = Given()
    for _ in 0..<reads {
      let goesOn = try pipeline.advance(
        reading: source,
        frame: { frame, stream in
          given.posteriors.append((0..<2).map { stream.posterior($0).bitPattern })
          given.positions.append(frame.position)
          given.indices.append(frame.index)
        })
      guard goesOn else { break }
    }
    return given
  }

  @Test(
    "goes on at the same place, with the bits of a fresh start there",
    arguments: [1, 2, 19, 50])
  func sameBits(reads: Int) throws {
    let (old, new) = (try SmallModel.make(seed: 1), try SmallModel.make(seed: 2))
    var random = SplitMix64(seed: 3)
    let sound = noise(8_000, using: &random)
    let source = ArraySource(sound, sampleRate: 8_000)
    var pipeline = try Pipeline(old)
    let before = try hear(&pipeline, source, reads: reads)

    let exchange = PipelineExchange(old)
    exchange.offer(Refit(try Pipeline(new), text: "new"), of: new)
    #expect(!exchange.collect(), "nobody has taken it")
    let place = pipeline.position
    var told: [String] = []
    exchange.refit(&pipeline) { told.append("\($2) \($1) at \($0)") }
    #expect(told == ["new 1 at \(place)"])
    exchange.refit(&pipeline) { _, _, _ in Issue.record("there is no other") }
    #expect(exchange.collect())

    let after = try hear(&pipeline, source)
    var fresh = try Pipeline(new)
    let expected = try hear(
      &fresh, ArraySource(Array(sound[place...]), sampleRate: 8_000))
    #expect(after.posteriors == expected.posteriors && !after.posteriors.isEmpty)
    #expect(after.positions == expected.positions.map { $0 + place })
    #expect(before.indices + after.indices == Array(0..<(before.indices + after.indices).count))
  }

  @Test("Of several that nobody has taken, the newest is")
  func newest() throws {
    let models = try (1...3).map { try SmallModel.make(seed: $0) }
    let exchange = PipelineExchange(models[0])
    for (index, model) in models.enumerated().dropFirst() {
      exchange.offer(Refit(try Pipeline(model), text: "\(index)"), of: model)
    }
    var pipeline = try Pipeline(models[0])
    var told: [String] = []
    exchange.refit(&pipeline) { told.append("\($1) \($2)") }
    #expect(told == ["2 2"])
    #expect(exchange.models[2].digest == models[2].digest)
    #expect(exchange.models[1].digest == models[1].digest)
    #expect(exchange.models[0].digest == models[1].digest, "the oldest that is kept")
  }

  @Test(
    "The stream's thread allocates, frees and locks nothing for it",
    .enabled(if: AllocationCount.isAvailable))
  func noAllocations() throws {
    let model = try SmallModel.make()
    let exchange = PipelineExchange(model)
    var pipeline = try Pipeline(model)
    func exchangeOnce() {
      expectNoAllocations("taking a new pipeline") {
        exchange.refit(&pipeline) { _, _, _ in }
      }
    }
    for _ in 0..<3 {
      exchange.offer(Refit(try Pipeline(model), text: "again"), of: model)
      exchangeOnce()
    }
    #expect(exchange.collect())
  }
}

@Suite("Reading model and settings anew")
final class ModelReloadTests {
  private let folder: TemporaryFolder
  private let log = LoggedLines()
  private let settings = ChangingSettings()

  init() throws { folder = try TemporaryFolder() }

  /// A reload of a daemon with one stream, whose settings are those of `settings`.
  private func make(
    clients: (any ModelUser)? = nil
  ) throws -> (reload: ModelReload, exchange: PipelineExchange, model: ModelFile) {
    let path = try folder.file("model.safetensors", SmallModel.bytes(seed: 1))
    settings["model"] = path
    let model = try ModelFile(path: path)
    let exchange = PipelineExchange(model)
    let reload = ModelReload(
      ModelReload.Listening(try settings.resolve(), model: model),
      streams: [.init(name: "mic", kind: .pipe, exchange: exchange)], clients: clients,
      settings: { [settings] in try settings.resolve() }, logger: log.logger)
    return (reload, exchange, model)
  }

  /// Reads anew as a server does it.
  private func begun(_ reload: ModelReload, _ target: ReloadTarget) async throws -> Reloaded? {
    let reloaded = try await reload.reload(target)
    reloaded?.begin()
    return reloaded
  }

  /// Whether there is a new pipeline for the stream.
  private func isOffered(_ exchange: PipelineExchange) -> Bool { !exchange.collect() }

  @Test("what has not changed changes nothing", arguments: ReloadTarget.allCases)
  func unchanged(target: ReloadTarget) async throws {
    let (reload, exchange, _) = try make()
    #expect(try await reload.reload(target) == nil)
    #expect(!isOffered(exchange))
    #expect(log.all.isEmpty)
  }

  @Test("a new model is described, and offered to every stream")
  func model() async throws {
    let (reload, exchange, old) = try make()
    let bytes = SmallModel.bytes(seed: 2) { $0.name = "other" }
    _ = try folder.file("model.safetensors", bytes)
    #expect(try await reload.reload(.config) == nil, "the configuration names the same")
    let reloaded = try #require(try await begun(reload, .model))
    #expect(reloaded.model.name == "other" && reloaded.model.digest != old.digest)
    #expect(reloaded.keywords.map(\.name) == ["alexa", "view_glass"])
    #expect(isOffered(exchange))
    #expect(exchange.models[1].digest == reloaded.model.digest)
    #expect(try await reload.reload(.all) == nil, "that is the present one now")
  }

  @Test("another model that the configuration names, and a threshold for all keywords")
  func configuration() async throws {
    let (reload, exchange, _) = try make()
    let other = try folder.file(
      "other.safetensors", SmallModel.bytes(seed: 2) { $0.name = "other" })
    settings["model"] = other
    #expect(try await reload.reload(.model) == nil, "the configuration isn't read for it")
    let named = try #require(try await begun(reload, .config))
    #expect(named.model.name == "other" && named.keywords.map(\.threshold) == [0.5, 0.5])
    settings["threshold"] = "0.7"
    let stricter = try #require(try await begun(reload, .config))
    #expect(stricter.model == named.model && stricter.keywords.map(\.threshold) == [0.7, 0.7])
    #expect(isOffered(exchange))
  }

  @Test("what can't change in a running daemon is named")
  func needsRestart() async throws {
    let (reload, exchange, _) = try make()
    settings["latency-budget"] = "50"
    settings["socket-mode"] = "660"
    #expect(try await reload.reload(.all) == nil)
    #expect(!isOffered(exchange))
    #expect(
      log.all == [
        "warning changed, and read when attnd is started anew: latency-budget, socket-mode"
      ])
    #expect(try await reload.reload(.all) == nil)
    #expect(log.all.count == 1, "said once")
    settings["latency-budget"] = nil
    settings["socket-mode"] = nil
    #expect(try await reload.reload(.all) == nil)
    #expect(log.all.last == "warning no setting waits for attnd to be started anew any more")
  }

  @Test(
    "a model that is none, is cut off, or has gone leaves everything as it is",
    arguments: ["text", "cut", "gone", "empty"])
  func broken(kind: String) async throws {
    let (reload, exchange, _) = try make()
    let whole = SmallModel.bytes(seed: 2)
    let bytes: [UInt8] =
      switch kind {
      case "text": Array("not a model\n".utf8)
      case "cut": Array(whole.prefix(whole.count / 2))
      default: []
      }
    let path = try folder.file("model.safetensors", bytes)
    if kind == "gone" { settings["model"] = path + "-missing" }
    await #expect(throws: (any Error).self) { try await reload.reload(.all) }
    #expect(!isOffered(exchange))
    // Mended, it is taken.
    _ = try folder.file("model.safetensors", whole)
    settings["model"] = path
    #expect(try await reload.reload(.all) != nil)
  }

  @Test("a setting that can't be leaves everything as it is")
  func brokenSetting() async throws {
    let (reload, exchange, _) = try make()
    settings["threshold"] = "much"
    do {
      _ = try await reload.reload(.all)
      Issue.record("'much' is no threshold")
    } catch {
      #expect("\(error)".contains("--threshold is 'much'"))
    }
    #expect(!isOffered(exchange))
  }

  @Test("a model of another form is refused with what differs")
  func otherForm() async throws {
    let changes: [(String, (inout ModelDocument) -> Void)] = [
      (
        "the keywords alexa (Alexa), door (door)",
        { $0.keywords[1] = .init(name: "door", phrase: "door", threshold: 0.5) }
      ),
      ("6 steps in the attention's window, not 5", { $0.architecture.window = 6 }),
    ]
    for (difference, change) in changes {
      let (reload, exchange, _) = try make()
      _ = try folder.file("model.safetensors", SmallModel.bytes(seed: 2, change))
      do {
        _ = try await reload.reload(.all)
        Issue.record("\(difference)")
      } catch {
        #expect("\(error)".contains(difference), "\(error)")
        #expect("\(error)".contains("started anew"))
      }
      #expect(!isOffered(exchange))
    }
  }

  /// Whoever hears clients, as far as models go.
  private final class User: ModelUser {
    let used = Mutex<[String]>([])
    func use(_ model: ModelFile, threshold: Float?) {
      used.withLock { $0.append("\(model.name) \(threshold ?? 0)") }
    }
  }

  @Test("clients that come later are heard with the new model")
  func clients() async throws {
    let user = User()
    let (reload, _, _) = try make(clients: user)
    settings["threshold"] = "0.25"
    _ = try await begun(reload, .all)
    #expect(user.used.withLock(\.self) == ["two-words 0.25"])
  }
}
