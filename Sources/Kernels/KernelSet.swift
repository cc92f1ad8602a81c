/// The inner loops of both libraries, as one build of them offers them.
///
/// The same sources are built once per instruction set (`BaselineKernels`, `kernelsV3`,
/// `kernelsV4`); `KernelDispatch` picks a build at start-up, and everything else calls through this
/// protocol. What each loop computes is said here, once; how, where it is written.
///
/// Rules that keep a newer processor's instructions out of code for an older one: loops take
/// pointers and numbers only, use nothing generic of the standard library, and no public type is
/// declared beside them (Scripts/check-instructions.sh holds them to it).
///
/// Every result has a fixed order of operations: the same arguments give the same bits within one
/// build, whatever else is computed beside them. Builds differ in the last bits, since products are
/// added unrounded (`fusesMultiplyAdd`) where the processor can.
public protocol KernelSet: FourierKernels, FramingKernels, ElementaryKernels, RecurrentKernels,
  AttentionKernels, SendableMetatype
{
  /// Whether a b + c is rounded once.
  static var fusesMultiplyAdd: Bool { get }

  /// Whether numbers of half precision are read as fast as floats.
  static var readsHalves: Bool { get }
}
