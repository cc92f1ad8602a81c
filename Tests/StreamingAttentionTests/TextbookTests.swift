import FoundationEssentials
import Glibc
import StreamingAttention
import TestSupport
import Testing

/// The programs of Docs/attention.md, every number that it shows, and that it shows these.
@Suite("Docs/attention.md")
struct TextbookTests {
  // MARK: The page's programs

  static func textbookWeights(_ score: Architecture.Score, window: Int = 3) throws
    -> AttentionWeights
  {
    let shape = AttentionShape(
      score: score, hiddenSize: 2, memorySize: 2, keySize: 2, window: window)
    let weights = try AttentionWeights(
      shape,
      tensors: [
        "w_e": Tensor(shape: [2, 2], values: [0.1, 0.3, 0.2, 0.4]),
        "w_a": Tensor(shape: [2, 2], values: [0.5, 0.7, 0.6, 0.8]),
      ])
    return weights
  }

  static func softWeights(_ score: Architecture.Score, window: Int = 3) throws -> AttentionWeights {
    let shape = AttentionShape(
      score: score, hiddenSize: 2, memorySize: 2, keySize: 2, window: window)
    let weights = try AttentionWeights(
      shape,
      tensors: [
        "w_e": Tensor(shape: [2, 2], values: [0.005, 0.015, 0.01, 0.02]),
        "w_a": Tensor(shape: [2, 2], values: [0.5, 0.7, 0.6, 0.8]),
      ])
    return weights
  }

  /// What a step has seen.
  struct Step {
    var e: [Float]
    var a: [Float]
    var z: [Float]
    var alpha: [Float]
    var c: [Float]
  }

  static func steps(_ weights: AttentionWeights) -> [Step] {
    let X: [[Float]] = [[1, 2], [3, 4], [5, 6]]
    let H: [[Float]] = [[7, 8], [9, 10], [11, 12]]

    func copy(_ span: Span<Float>) -> [Float] { span.indices.map { span[$0] } }

    var attention = AttentionCalculator(weights)
    var steps: [Step] = []
    for (h, x) in zip(H, X) {
      attention.step(hidden: h.span, memory: x.span)
      let (e, a) = (attention.withQuery(copy), attention.withKey(copy))
      let (z, alpha) = (attention.withScores(copy), attention.withWeights(copy))
      let c = attention.withContext(copy)
      steps.append(Step(e: e, a: a, z: z, alpha: alpha, c: c))
    }
    return steps
  }

  /// Contexts of a window of two steps, by adding what comes and subtracting what goes.
  static func subtracting(_ z: [Float], _ v: [Float]) -> [Float] {
    var contexts: [Float] = []
    var (sum, weighted): (Float, Float) = (0, 0)
    for t in z.indices {
      sum += expf(z[t])
      weighted += expf(z[t]) * v[t]
      if t >= 2 {
        sum -= expf(z[t - 2])
        weighted -= expf(z[t - 2]) * v[t - 2]
      }
      contexts.append(weighted / sum)
    }
    return contexts
  }

  /// The same by the library: h = 1 and W_e = 1 make the query 1, W_a = (1, 0) makes the key z, W_v =
  /// (0, 1) makes the value v.
  static func sliding(_ z: [Float], _ v: [Float]) throws -> [Float] {
    let shape = AttentionShape(
      score: .aligned, hiddenSize: 1, memorySize: 2, keySize: 1, value: .separate(size: 1),
      window: 2)
    let weights = try AttentionWeights(
      shape,
      tensors: [
        "w_e": Tensor(shape: [1, 1], values: [1]),
        "w_a": Tensor(shape: [1, 2], values: [1, 0]),
        "w_v": Tensor(shape: [1, 2], values: [0, 1]),
      ])
    var attention = AttentionCalculator(weights)
    let one: [Float] = [1]
    return zip(z, v).map { z, v in
      let memory = [z, v]
      attention.step(hidden: one.span, memory: memory.span)
      return attention.withContext { $0[0] }
    }
  }

  // MARK: Numbers as the page shows them

  /// Four decimals, or three digits and an exponent for what is smaller than a thousandth.
  static func text(_ x: Float) -> String {
    if x.isNaN { return "nan" }
    if x != 0, abs(x) < 0.001 {
      var exponent = Int(floor(log10(Double(x))))
      var digits = rounded(Double(x) / pow(10, Double(exponent)), decimals: 2)
      if digits == "10" { (digits, exponent) = ("1", exponent + 1) }
      return "\(digits)e\(exponent)"
    }
    return rounded(Double(x), decimals: 4)
  }

  private static func rounded(_ x: Double, decimals: Int) -> String {
    let scale = pow(10, Double(decimals))
    let whole = Int((x * scale).rounded())
    let (integer, remainder) = whole.magnitude.quotientAndRemainder(dividingBy: UInt(scale))
    let digits = String(remainder + UInt(scale)).dropFirst()
    let fraction = digits.reversed().drop { $0 == "0" }.reversed()
    return (whole < 0 ? "-" : "") + "\(integer)" + (fraction.isEmpty ? "" : "." + fraction)
  }

  /// Numbers side by side, padded to a width.
  private static func cell(_ values: [Float], _ width: Int) -> String {
    padded(values.map { text($0) }.joined(separator: "  "), width)
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// A table, a step a line; scores with two decimals.
  static func table(_ steps: [Step]) -> [String] {
    let widths = [14, 12, 21, 27, 0]
    let names = zip(["e_t", "a_t", "z", "alpha", "c_t"], widths).map { padded($0, $1) }
    return ["t  " + names.joined()]
      + steps.enumerated().map { t, step in
        let z = step.z.map { ($0 * 100).rounded() / 100 }
        return "\(t)  "
          + zip([step.e, step.a, z, step.alpha, step.c], widths).map { cell($0, $1) }.joined()
      }
  }

  // MARK: The page

  /// The page, and this file, as lines without indentation.
  struct Page {
    let lines: [String]
    let tests: [String]

    init() throws {
      func lines(_ path: String) throws -> [String] {
        String(decoding: try fileBytes(path), as: UTF8.self)
          .split(separator: "\n", omittingEmptySubsequences: false)
          .map { String($0.drop { $0 == " " }) }
      }
      self.lines = try lines("\(ReferenceModel.root)/Docs/attention.md")
      tests = try lines(#filePath)
    }

    /// The blocks of the page in a language.
    func blocks(_ language: String) -> [[String]] {
      var blocks: [[String]] = []
      var rest = lines[...]
      while let begin = rest.firstIndex(of: "```\(language)") {
        let block = rest[(begin + 1)...].prefix { $0 != "```" }
        blocks.append(Array(block))
        rest = rest[block.endIndex...]
      }
      return blocks
    }

    /// Whether the page shows a table.
    func shows(_ table: [String]) -> Bool {
      blocks("text").contains { $0.contains(table.map { String($0.drop { $0 == " " }) }) }
    }
  }

  @Test("The page's programs are those of these tests, line by line")
  func programs() throws {
    let page = try Page()
    let blocks = page.blocks("swift")
    #expect(blocks.count >= 3)
    for block in blocks {
      #expect(page.tests.contains(block), "\(block.joined(separator: "\n"))")
    }
  }

  // MARK: The textbook's numbers

  /// textbook.json: every number in double.
  struct Textbook: Decodable {
    struct Causal: Decodable {
      let z: [Double]
      let alpha: [Double]
      let c: [Double]
    }
    struct Reading: Decodable {
      let causal: [Causal]
    }
    let e: [[Double]]
    let a: [[Double]]
    let dot: Reading
    let aligned: Reading
  }

  @Test(
    "Both readings give the textbook's numbers, and the page shows them",
    arguments: [Architecture.Score.dot, .aligned])
  func readings(score: Architecture.Score) throws {
    let book = try JSONDecoder().decode(
      Textbook.self, from: Data(try Golden.bytes("attention/textbook.json")))
    let reading = score == .dot ? book.dot : book.aligned
    let steps = Self.steps(try Self.textbookWeights(score))
    #expect(steps.count == 3)
    var worst = WorstRatio("textbook: \(score)")
    for (t, (step, causal)) in zip(steps, reading.causal).enumerated() {
      // Tests/Golden/README.md: 2e-6, relative but for alpha.
      for (name, got, expected, isRelative) in [
        ("e", step.e, book.e[t], true), ("a", step.a, book.a[t], true),
        ("z", step.z, causal.z, true), ("alpha", step.alpha, causal.alpha, false),
        ("c", step.c, causal.c, true),
      ] {
        #expect(got.count == expected.count, "\(name) of step \(t)")
        for (i, (value, reference)) in zip(got, expected).enumerated() {
          worst.add(
            got: value, reference: reference,
            tolerance: 2e-6 * (isRelative ? abs(reference) : 1), at: "\(name) \(i) of step \(t)")
        }
      }
      // What the page shows of tiny weights are their leading digits.
      for (value, reference) in zip(step.alpha, causal.alpha) {
        #expect(abs(Double(value) / reference - 1) < 1e-4)
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
    let table = Self.table(steps)
    #expect(try Page().shows(table), "\(table.joined(separator: "\n"))")
  }

  @Test(
    "With a softer W_e the weights are those of the definition, and the page shows them",
    arguments: [Architecture.Score.dot, .aligned], [3, 2])
  func soft(score: Architecture.Score, window: Int) throws {
    let steps = Self.steps(try Self.softWeights(score, window: window))
    let architecture = Architecture(
      bins: 2, encoder: Architecture.Recurrent(layers: 1, units: 2), score: score, memory: .x,
      keySize: 2, window: window, decoder: Architecture.Recurrent(layers: 1, units: 1),
      keywords: 1)
    let oracle = NaiveModel(
      architecture: architecture,
      tensors: [
        "attention.w_e": Tensor(shape: [2, 2], values: [0.005, 0.015, 0.01, 0.02]),
        "attention.w_a": Tensor(shape: [2, 2], values: [0.5, 0.7, 0.6, 0.8]),
      ]
    ).attend(hidden: [[7, 8], [9, 10], [11, 12]], memory: [[1, 2], [3, 4], [5, 6]])
    for t in 0..<3 {
      for (got, expected) in [
        (steps[t].z, oracle.z[t][0]), (steps[t].alpha, oracle.alpha[t][0]),
        (steps[t].c, oracle.c[t]),
      ] {
        #expect(got.count == expected.count)
        for (got, expected) in zip(got, expected) {
          #expect(abs(Double(got) - expected) < 5e-6)
        }
      }
    }
    let table = Self.table(steps)
    #expect(try Page().shows(table), "\(table.joined(separator: "\n"))")
  }

  @Test("Mean age, spread and peak of the soft weights are those on the page")
  func focus() throws {
    let alpha = Self.steps(try Self.softWeights(.dot))[2].alpha
    let focus = alpha.withUnsafeBufferPointer { weights in
      weights.baseAddress.map { Focus(weights: $0, span: 3) }
    }
    let shown = try #require(focus)
    let (mean, spread) = (
      2 * alpha[0] + alpha[1], (4 * alpha[0] + alpha[1]).squareRoot()
    )
    #expect(abs(shown.expected - mean) < 1e-6)
    #expect(abs(shown.spread - (spread * spread - mean * mean).squareRoot()) < 1e-5)
    #expect(shown.peak == 0)
    let line =
      "expected \(Self.text(shown.expected))  spread \(Self.text(shown.spread))  "
      + "peak \(Self.text(shown.peak))"
    #expect(try Page().shows([line]), "\(line)")
  }

  @Test("A spike that left the window takes nothing along but where sums are subtracted")
  func spike() throws {
    let (z, v): ([Float], [Float]) = ([0, 80, 0, 1], [1, 2, 3, 4])
    let subtracting = Self.subtracting(z, v)
    let sliding = try Self.sliding(z, v)
    #expect(subtracting[3].isNaN)
    // (exp(0) 3 + exp(1) 4) / (exp(0) + exp(1))
    #expect(abs(Double(sliding[3]) - (3 + 4 * exp(1.0)) / (1 + exp(1.0))) < 1e-6)
    func line(_ name: String, _ values: [Float]) -> String {
      name + values.map { Self.cell([$0], 8) }.joined()
    }
    let table = [
      line("z            ", z), line("v            ", v), line("subtracting  ", subtracting),
      line("sliding      ", sliding),
    ].map { String($0.reversed().drop { $0 == " " }.reversed()) }
    #expect(try Page().shows(table), "\(table.joined(separator: "\n"))")
  }
}
