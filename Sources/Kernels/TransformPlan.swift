/// How a Fourier transform of one length is computed: its passes and their tables.
///
/// The complex transform of length N = `lanes` x `rows` goes in two steps (Bailey's four-step
/// method, FFTs in External or Hierarchical Memory, 1990, with the transposition in registers):
/// transforms of length `rows` over each residue modulo `lanes`, by Stockham passes of the radices
/// in turn (Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992, section 1.7),
/// then products with `exp(-2 pi i j k / N)` and transforms of length `lanes` across the residues.
/// `lanes` is 8, so that one transform fills a vector register; or 1 where N is no multiple of
/// sixteen or more, and there is no second step.
///
/// One transform alone and eight at once take the same operations in the same order.
public struct TransformPlan {
  /// N, complex elements.
  public var size: Int
  /// 8 or 1.
  public var lanes: Int
  /// N / lanes, the product of the radices.
  public var rows: Int
  /// Number of passes.
  public var passes: Int
  /// Two numbers a pass: its radix r, 2, 3, 4, 5 or 8, and n / r, n being the length of its
  /// sub-transforms.
  public var steps: UnsafePointer<Int32>
  /// Pass after pass, for length n left and radix r: `w^(p k)`, w = exp(-2 pi i / n), for p in
  /// 0 ..< n / r and k in 1 ..< r, as pairs.
  public var passTwiddles: UnsafePointer<Float>
  /// What a transform by this plan is multiplied by, 1 or 1/2.
  ///
  /// 1/2 in a plan with eight lanes that serves real samples, whose bins are sums of halves: it
  /// costs nothing there, and rounds nothing.
  public var scale: Float
  /// Between the two steps of one transform: for each row k the real parts of
  /// `scale exp(-2 pi i j k / N)` for j = 0 1 4 5 2 3 6 7, then the imaginary ones; eight rows at least.
  public var laneTwiddles: UnsafePointer<Float>
  /// The same for eight transforms: for each row k the pairs of j from 0 to 7.
  public var rowTwiddles: UnsafePointer<Float>
  /// For the transform of 2 N real samples: the real parts of `exp(-pi i k / N)` for k in
  /// 0 ..< `realCount`, then the imaginary ones.
  public var realTwiddles: UnsafePointer<Float>
  /// The same for eight transforms: for row k from 1 to half of the rows the pairs of `realTwiddles`
  /// at k, k + rows, k + 2 rows and k + 3 rows.
  public var joinTwiddles: UnsafePointer<Float>
  /// N / 2 rounded up to what vectors read.
  public var realCount: Int

  /// Floats of scratch for one transform.
  public var scratchCount: Int { 3 * (2 * size + 128) }
  /// Floats of scratch for eight transforms.
  public var eightScratchCount: Int { 16 * (3 * size + 20 * rows + 164) }

  /// Gathers the parts; the tables must outlive the plan.
  ///
  /// - Parameters:
  ///   - size: N.
  ///   - lanes: 8 or 1.
  ///   - passes: Number of radices.
  ///   - steps: The radix of each pass, and what it leaves of the length.
  ///   - scale: What the tables between the steps multiply by.
  ///   - passTwiddles: Tables of the passes.
  ///   - laneTwiddles: Table between the steps, for one transform.
  ///   - rowTwiddles: Table between the steps, for eight.
  ///   - realTwiddles: Table of the real transform.
  ///   - joinTwiddles: Its rows for eight.
  ///   - realCount: Entries of it.
  public init(
    size: Int, lanes: Int, passes: Int, steps: UnsafePointer<Int32>, scale: Float,
    passTwiddles: UnsafePointer<Float>, laneTwiddles: UnsafePointer<Float>,
    rowTwiddles: UnsafePointer<Float>, realTwiddles: UnsafePointer<Float>,
    joinTwiddles: UnsafePointer<Float>, realCount: Int
  ) {
    self.size = size
    self.lanes = lanes
    rows = size / lanes
    self.passes = passes
    self.steps = steps
    self.scale = scale
    self.passTwiddles = passTwiddles
    self.laneTwiddles = laneTwiddles
    self.rowTwiddles = rowTwiddles
    self.realTwiddles = realTwiddles
    self.joinTwiddles = joinTwiddles
    self.realCount = realCount
  }
}
