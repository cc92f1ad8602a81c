import StreamingAttention
import TestSupport

/// The parts of a step that can be compared.
enum StepPart: String, CaseIterable {
  case h, e, a, alpha, c, d, y

  func values<Real>(_ step: NaiveNetwork<Real>.Step) -> [Real] {
    switch self {
    case .h: step.h
    case .e: step.e
    case .a: step.a
    case .alpha: step.alpha.flatMap { $0 }
    case .c: step.c
    case .d: step.d
    case .y: step.y
    }
  }

  func values(_ step: StepResult) -> [Float] {
    switch self {
    case .h: step.h
    case .e: step.e
    case .a: step.a
    case .alpha: step.alpha.flatMap { $0 }
    case .c: step.c
    case .d: step.d
    case .y: step.y
    }
  }

  /// Whether a stream has this part as the equations name it: scores with a bias have it in e, and
  /// `static` ones need no key.
  func isMeaningful(in architecture: Architecture) -> Bool {
    switch self {
    case .e: !architecture.score.hasVector
    case .a: architecture.score != .static || architecture.value == .key
    default: true
    }
  }
}

/// How far float32 arithmetic may be from the equations, for each part of a step.
///
/// What rounding does to a result depends on the weights: a score of 80 carries ten times the error of
/// a score of 8, and four layers hand on what each has added. So it is measured for each model: the
/// same equations, evaluated plainly in Float from the first row to the last, differ from the oracle
/// by some E at the worst element. A tolerance is 8 E + 8 u S, u = 2^-24, S the largest element:
///
/// * 4 for another order of summation. Errors are sums of many roundings, nearly normal, and the
///   largest of some thousand of them differs between two orders by less than that;
/// * 2 for functions of 2 to 3 ulp where the C library's have 1;
/// * 8 u S where a small model was lucky: the roundings of one product, one sum and one function.
struct Tolerances {
  private var byPart: [StepPart: Double] = [:]

  init(
    _ architecture: Architecture, tensors: [String: Tensor], rows: [[Float]],
    forgettingAfter forgotten: [Int] = [], oracle: [NaiveModel.Step]
  ) {
    let plain = NaiveNetwork<Float>(architecture: architecture, tensors: tensors)
      .run(rows, forgettingAfter: forgotten)
    for part in StepPart.allCases {
      var (error, size) = (0.0, 0.0)
      for (plain, oracle) in zip(plain, oracle) {
        for (a, b) in zip(part.values(plain), part.values(oracle)) {
          error = max(error, abs(Double(a) - b))
          size = max(size, abs(b))
        }
      }
      byPart[part] = 8 * error + 8 * 0x1p-24 * size
    }
  }

  subscript(part: StepPart) -> Double { byPart[part] ?? 0 }
}

extension WorstRatio {
  /// Compares every part of every step of a stream with what it should have been.
  mutating func add(
    _ got: [StepResult], _ expected: [NaiveModel.Step], _ tolerances: Tolerances,
    _ architecture: Architecture, in place: String
  ) {
    for (step, (got, expected)) in zip(got, expected).enumerated() {
      for part in StepPart.allCases where part.isMeaningful(in: architecture) {
        let (values, references) = (part.values(got), part.values(expected))
        if values.count != references.count {
          add(
            ratio: .infinity,
            at: "\(place), step \(step): \(values.count) elements of \(part), "
              + "expected \(references.count)")
        }
        for (i, (value, reference)) in zip(values, references).enumerated() {
          add(
            got: value, reference: reference, tolerance: tolerances[part],
            at: "\(place), step \(step), \(part) \(i)")
        }
      }
    }
  }
}
