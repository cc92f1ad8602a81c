import Glibc
import Synchronization
import TestSupport
import Testing
import attnd

@Suite("Recent sound: what a clip is made of")
struct RecentSoundTests {
  /// The plain version: everything that was heard, with its positions.
  struct Model {
    var samples: [Float] = []
    var positions: [Int] = []
    var next = 0

    mutating func append(_ block: [Float], lostBefore: Int) {
      next += lostBefore
      for sample in block {
        samples.append(sample)
        positions.append(next)
        next += 1
      }
    }

    func stretch(from start: Int, to end: Int) -> RecentSound.Stretch {
      let indices = positions.indices.filter { positions[$0] >= start && positions[$0] < end }
      let first = indices.first ?? positions.firstIndex { $0 >= start } ?? positions.count
      var gaps: [RecentSound.Gap] = []
      for index in indices.dropFirst() where positions[index] != positions[index - 1] + 1 {
        gaps.append(
          RecentSound.Gap(
            position: positions[index - 1] + 1,
            samples: positions[index] - positions[index - 1] - 1, offset: index - first))
      }
      return RecentSound.Stretch(
        samples: indices.map { samples[$0] }, start: indices.first.map { positions[$0] } ?? 0,
        end: indices.last.map { positions[$0] + 1 } ?? 0, gaps: gaps)
    }
  }

  private func append(_ block: [Float], _ lost: Int, to sound: RecentSound) {
    block.withUnsafeBufferPointer { sound.append($0, lostBefore: lost) }
  }

  @Test("Any stretch that isn't too long ago comes out as it went in, gaps and all", .seed(12))
  func likeAnArray() throws {
    var random = SplitMix64()
    for _ in 0..<40 {
      let sound = RecentSound(capacity: Int.random(in: 1...600, using: &random))
      var model = Model()
      var copied = 0
      for _ in 0..<60 {
        let lost = max(0, Int.random(in: -270...90, using: &random))
        let block = random.floats(Int.random(in: 1...50, using: &random))
        append(block, lost, to: sound)
        model.append(block, lostBefore: lost)
        #expect(sound.position == model.next)
        let start = Int.random(in: 0...model.next, using: &random)
        let end = Int.random(in: start...model.next + 20, using: &random)
        let expected = model.stretch(from: start, to: end)
        let firstKept = model.samples.count - sound.capacity
        let first = model.positions.firstIndex { $0 >= start } ?? model.samples.count
        let found = sound.stretch(from: start, to: end)
        guard first >= firstKept else {
          #expect(found == nil, "what was overwritten isn't given out")
          continue
        }
        let stretch = try #require(found)
        #expect(stretch.samples == expected.samples)
        guard !expected.samples.isEmpty else { continue }
        copied += 1
        #expect(stretch == expected, "from \(start) to \(end)")
        #expect(
          stretch.lostSamples == stretch.gaps.reduce(0) { $0 + $1.samples },
          "what is missing lies in the gaps")
      }
      #expect(copied > 0 || sound.capacity < 100)
    }
  }

  @Test("With more gaps than are remembered, what lies before them is not guessed")
  func manyGaps() throws {
    let sound = RecentSound(capacity: 10_000)
    for number in 0..<3_000 { append([Float(number)], 1, to: sound) }
    #expect(sound.position == 6_000)
    #expect(sound.stretch(from: 0, to: 10) == nil)
    #expect(sound.stretch(from: 3_000, to: 3_010) == nil)
    let stretch = try #require(sound.stretch(from: 5_000, to: 5_010))
    #expect(stretch.samples == [2_500, 2_501, 2_502, 2_503, 2_504])
    #expect(stretch.lostSamples == 4)
  }

  @Test("Before the first sample there is none, behind the last neither")
  func ends() throws {
    let sound = RecentSound(capacity: 100)
    #expect(try #require(sound.stretch(from: 0, to: 10)).samples.isEmpty)
    append([1, 2, 3], 0, to: sound)
    let all = try #require(sound.stretch(from: -50, to: 50))
    #expect(all.samples == [1, 2, 3])
    #expect(all.start == 0 && all.end == 3 && all.gaps.isEmpty)
    #expect(try #require(sound.stretch(from: 3, to: 50)).samples.isEmpty)
  }

  @Test("Two threads: what is copied is what was heard there, or nothing at all")
  func twoThreads() throws {
    let sound = RecentSound(capacity: 4_096)
    let heard = Heard(sound)
    try heard.start()
    var copies = 0
    while !heard.isOver {
      let position = sound.position
      guard let stretch = sound.stretch(from: position - 4_000, to: position) else { continue }
      copies += 1
      // A sample is its own position, so that any that lies elsewhere is seen.
      let wrong = stretch.samples.indices.first {
        stretch.samples[$0] != Float((stretch.start + $0) % (1 << 24))
      }
      try #require(wrong == nil, "a sample of another time in a copy")
    }
    heard.join()
    #expect(copies > 0)
    #expect(sound.position == 160 * Heard.blocks)
  }

  /// Hears on a thread of its own.
  private final class Heard: @unchecked Sendable {
    static let blocks = 200_000
    private let sound: RecentSound
    private let over = Atomic(false)
    private var thread = pthread_t()

    init(_ sound: RecentSound) { self.sound = sound }

    var isOver: Bool { over.load(ordering: .acquiring) }

    func start() throws {
      let status = pthread_create(
        &thread, nil,
        { argument in
          if let argument {
            Unmanaged<Heard>.fromOpaque(argument).takeRetainedValue().run()
          }
          return nil
        }, Unmanaged.passRetained(self).toOpaque())
      guard status == 0 else { throw GoldenError("thread", "cannot be made") }
    }

    private func run() {
      var block = [Float](repeating: 0, count: 160)
      for number in 0..<Self.blocks {
        for i in block.indices { block[i] = Float((number * 160 + i) % (1 << 24)) }
        block.withUnsafeBufferPointer { sound.append($0) }
      }
      over.store(true, ordering: .releasing)
    }

    func join() { pthread_join(thread, nil) }
  }
}
