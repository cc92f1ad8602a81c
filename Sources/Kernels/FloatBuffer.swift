/// Floats at a fixed address, aligned to a cache line: the memory that kernels work on.
///
/// Allocated once, freed with its owner. The count is rounded up to whole lines behind the
/// scenes, so that a kernel may read past `count` up to the end of the line.
public struct FloatBuffer: ~Copyable {
  /// The first element.
  public let pointer: UnsafeMutablePointer<Float>
  /// Elements.
  public let count: Int

  private static var lineBytes: Int { 64 }

  /// Takes memory and fills it with zeros.
  ///
  /// - Parameter count: Elements, 0 or more.
  public init(count: Int) {
    precondition(count >= 0, "A buffer cannot hold a negative number of floats")
    let bytes = max(1, (count * 4 + Self.lineBytes - 1) / Self.lineBytes) * Self.lineBytes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: Self.lineBytes)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    pointer = memory.assumingMemoryBound(to: Float.self)
    self.count = count
  }

  /// Takes memory and copies elements into it.
  ///
  /// - Parameters:
  ///   - elements: What is copied.
  ///   - count: Elements of the buffer; zeros follow what is copied. The number of `elements`
  ///     when absent.
  public init(_ elements: [Float], count: Int? = nil) {
    let count = count ?? elements.count
    precondition(count >= elements.count, "A buffer must hold what is copied into it")
    self.init(count: count)
    for (i, element) in elements.enumerated() { pointer[i] = element }
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }

  /// Sets every element to zero.
  public func clear() { pointer.update(repeating: 0, count: count) }

  /// The elements, to be read while the buffer is not written.
  public var elements: UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: pointer, count: count)
  }
}
