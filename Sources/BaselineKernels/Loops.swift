import Kernels

/// This build of the kernels; `KernelSet` and its parts say what each loop computes.
package enum Loops: KernelSet {
  package static var fusesMultiplyAdd: Bool {
    #if KERNEL_FMA || arch(arm64)
      true
    #else
      false
    #endif
  }

  package static var readsHalves: Bool {
    // F16C came before AVX2: whatever has the one has the other.
    #if KERNEL_FMA || arch(arm64)
      true
    #else
      false
    #endif
  }
}

typealias Input = UnsafePointer<Float>
typealias Output = UnsafeMutablePointer<Float>
