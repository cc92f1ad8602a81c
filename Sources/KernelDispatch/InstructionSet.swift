import BaselineKernels
import CProcessor
import Glibc
import Kernels

#if canImport(kernelsV3) && canImport(kernelsV4)
  import kernelsV3
  import kernelsV4
#endif

/// The instruction sets that the kernels are built for.
public enum InstructionSet: String, Sendable, CaseIterable {
  /// What every processor of the family has: SSE2 on x86-64, NEON on arm64.
  case baseline
  /// x86-64-v3: AVX2 and FMA.
  case v3
  /// x86-64-v4: AVX-512, of which the kernels use the larger number of registers.
  case v4

  /// The environment variable that forces an instruction set.
  public static let variable = "ATTND_KERNELS"

  /// Whether this processor and this build of the program have it.
  public var isAvailable: Bool {
    switch self {
    case .baseline: true
    case .v3: Self.level >= 3
    case .v4: Self.level >= 4
    }
  }

  /// Those that can be used here, the best last.
  public static var available: [InstructionSet] { allCases.filter(\.isAvailable) }

  /// The one in use: what `ATTND_KERNELS` names if that is available, the best otherwise.
  ///
  /// A program that wants to refuse a name that can't be had asks `requested`.
  public static let current = requested.flatMap { $0.isAvailable ? $0 : nil } ?? best

  /// What `ATTND_KERNELS` says: nil when it is not set or is no name of an instruction set.
  public static var requested: InstructionSet? {
    requestedName.flatMap(InstructionSet.init(rawValue:))
  }

  /// The text of `ATTND_KERNELS`, nil when it is not set or empty.
  public static var requestedName: String? {
    guard let text = getenv(variable), text.pointee != 0 else { return nil }
    return String(cString: text)
  }

  private static var best: InstructionSet { available.last ?? .baseline }

  #if canImport(kernelsV3) && canImport(kernelsV4)
    private static let level = attnd_x86_64_level()

    /// The kernels built for it, which only run where it is available.
    public var kernels: any KernelSet.Type {
      switch self {
      case .baseline: BaselineKernels.Loops.self
      case .v3: kernelsV3.Loops.self
      case .v4: kernelsV4.Loops.self
      }
    }
  #else
    private static let level: Int32 = 0

    /// The kernels built for it, which only run where it is available.
    public var kernels: any KernelSet.Type { BaselineKernels.Loops.self }
  #endif
}

/// The kernels of this process, chosen when they are first asked for.
public let kernels: any KernelSet.Type = InstructionSet.current.kernels
