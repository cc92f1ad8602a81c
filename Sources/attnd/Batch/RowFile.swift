import ArgumentParser
import Glibc
import JSONText
import ModelFile

/// Rows that were made elsewhere, in a file: a NumPy array or a tensor of a safetensors file.
///
/// In: a regular file or a pipe, of which nothing is believed before it is checked. Out: rows of
/// floats, a block at a time, so that a file may be larger than the memory. The format is told by
/// the first bytes, not by the name.
package final class RowFile {
  /// How a number is written.
  enum Element {
    case float32, float64

    var size: Int {
      switch self {
      case .float32: 4
      case .float64: 8
      }
    }
  }

  /// What a file says of its rows.
  struct Layout {
    var element: Element
    var isBigEndian = false
    var rows: Int
    var columns: Int

    /// Bytes of all rows; nil when no file has so many.
    var size: Int? {
      let (row, overflow) = columns.multipliedReportingOverflow(by: element.size)
      let (size, overflows) = row.multipliedReportingOverflow(by: rows)
      return overflow || overflows || size > 1 << 60 ? nil : size
    }
  }

  /// The longest header; a safetensors file's names all of its tensors.
  private static let longestHeader = 1 << 20

  private let bytes: ByteReader
  private let layout: Layout
  /// Whether nothing may follow the rows.
  private let isWholeFile: Bool
  private var row: [Float]
  private var raw: [UInt8]
  private var rowsRead = 0

  /// Opens a file and reads what it says of its rows.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - columns: Elements that a row must have.
  ///   - tensor: Which tensor of several.
  /// - Throws: `Failure` naming the file and what is wrong with it.
  package init(_ path: String, columns: Int, tensor: String?) throws {
    bytes = try ByteReader(path)
    let first = try bytes.take(8)
    if first.starts(with: NumPyFile.magic) {
      guard tensor == nil else {
        throw bytes.failure("a NumPy array has no name; --tensor is for safetensors files")
      }
      layout = try NumPyFile.layout(after: first, bytes, longestHeader: Self.longestHeader)
      isWholeFile = true
    } else {
      let entry = try SafetensorsRows(after: first, bytes, longestHeader: Self.longestHeader)
        .entry(called: tensor)
      try bytes.skip(entry.begin)
      layout = entry.layout
      isWholeFile = false
    }
    guard layout.columns == columns else {
      throw bytes.failure("has rows of \(layout.columns), the model takes rows of \(columns)")
    }
    guard let size = layout.size else {
      throw bytes.failure("announces \(layout.rows) rows of \(columns), more than a file can hold")
    }
    if let left = bytes.left, left < size {
      throw bytes.failure(
        "ends after \(left / (columns * layout.element.size)) of the \(layout.rows) rows that its "
          + "header announces")
    }
    if isWholeFile, let left = bytes.left, left > size {
      throw bytes.failure("has \(left - size) bytes behind its array; one array is expected")
    }
    row = Array(repeating: 0, count: columns)
    raw = Array(repeating: 0, count: columns * layout.element.size)
  }

  /// Reads rows.
  ///
  /// - Parameters:
  ///   - count: How many at most.
  ///   - body: Called with each.
  /// - Returns: Whether there may be more.
  /// - Throws: `Failure` when the file ends before its rows do, or after them.
  package func read(_ count: Int, _ body: (inout [Float]) -> Void) throws -> Bool {
    for _ in 0..<min(count, layout.rows - rowsRead) {
      guard try bytes.fill(&raw) else {
        throw bytes.failure(
          "ends after \(rowsRead) of the \(layout.rows) rows that its header announces")
      }
      decode()
      rowsRead += 1
      body(&row)
    }
    guard rowsRead == layout.rows else { return true }
    guard try !isWholeFile || bytes.isAtEnd() else {
      throw bytes.failure("goes on behind its array; one array is expected")
    }
    return false
  }

  private func decode() {
    raw.withUnsafeBytes { raw in
      switch layout.element {
      case .float32:
        for i in row.indices {
          let bits = raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)
          row[i] = Float(
            bitPattern: layout.isBigEndian ? UInt32(bigEndian: bits) : UInt32(littleEndian: bits))
        }
      case .float64:
        for i in row.indices {
          let bits = raw.loadUnaligned(fromByteOffset: 8 * i, as: UInt64.self)
          row[i] = Float(
            Double(
              bitPattern: layout.isBigEndian ? UInt64(bigEndian: bits) : UInt64(littleEndian: bits))
          )
        }
      }
    }
  }
}

/// The bytes of a file or a pipe, from its beginning to its end.
final class ByteReader {
  private let path: String
  private let descriptor: Int32
  /// Bytes that have not been read; nil for a pipe.
  private(set) var left: Int?
  private var block = [UInt8](repeating: 0, count: 1 << 16)
  /// What of the block has not been taken.
  private var unread = 0..<0

  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code: ExitCode = errno == EACCES ? .noPermission : .noInput
      throw Failure(code, "rows \(path): \(String(cString: strerror(errno)))")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      throw Failure(.noInput, "rows \(path): is a directory, expected a file")
    }
    if status.st_mode & S_IFMT == S_IFREG { left = Int(status.st_size) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  func failure(_ reason: String) -> Failure { Failure(.badData, "rows \(path): \(reason)") }

  /// Takes so many bytes; fewer where the file ends.
  func take(_ count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count, try refill() {
      let part = unread.prefix(count - bytes.count)
      bytes += block[part]
      advance(part.count)
    }
    return bytes
  }

  /// Fills a buffer.
  ///
  /// - Returns: False when the file ends before it is full.
  func fill(_ buffer: inout [UInt8]) throws -> Bool {
    var filled = 0
    while filled < buffer.count {
      guard try refill() else { return false }
      let part = unread.prefix(buffer.count - filled)
      buffer.replaceSubrange(filled..<filled + part.count, with: block[part])
      filled += part.count
      advance(part.count)
    }
    return true
  }

  /// Leaves out so many bytes, or what there is.
  func skip(_ count: Int) throws {
    var count = count
    while count > 0, try refill() {
      let part = min(count, unread.count)
      advance(part)
      count -= part
    }
  }

  func isAtEnd() throws -> Bool { try !refill() }

  private func advance(_ count: Int) {
    unread = unread.lowerBound + count..<unread.upperBound
    if let left { self.left = max(0, left - count) }
  }

  /// Sees to it that something is unread, unless the file has ended.
  private func refill() throws -> Bool {
    while unread.isEmpty {
      let count = read(descriptor, &block, block.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw Failure(.inputOutput, "rows \(path): \(String(cString: strerror(errno)))")
      }
      guard count > 0 else { return false }
      unread = 0..<count
    }
    return true
  }
}

/// The tensors of a safetensors file that could be rows: its header, of which only what is asked for
/// is believed.
struct SafetensorsRows {
  struct Entry {
    let layout: RowFile.Layout
    /// Where it lies behind the header.
    let begin: Int
  }

  private let members: [JSON.Member]
  private let bytes: ByteReader

  /// Reads the header.
  ///
  /// - Parameters:
  ///   - length: The file's first eight bytes.
  ///   - bytes: What follows them.
  ///   - longestHeader: Most bytes that it may have.
  /// - Throws: `Failure` when it can't be one.
  init(after length: [UInt8], _ bytes: ByteReader, longestHeader: Int) throws {
    self.bytes = bytes
    let count = length.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length.count == 8, count <= UInt64(longestHeader) else {
      throw bytes.failure("is neither a NumPy array (.npy) nor a safetensors file")
    }
    let header = try bytes.take(Int(count))
    guard header.count == Int(count) else {
      throw bytes.failure("ends within the header of a safetensors file")
    }
    let json: JSON
    do {
      json = try JSON(parsing: header, repeatedNames: .refused, numbers: .any)
    } catch {
      throw bytes.failure("its header isn't JSON: \(error)")
    }
    guard case .object(let members) = json else {
      throw bytes.failure("its header is no JSON object")
    }
    self.members = members.filter { $0.name != "__metadata__" }
  }

  /// The tensor of a name, or the only one.
  func entry(called name: String?) throws -> Entry {
    let names = members.prefix(5).map { legible($0.name) }.joined(separator: ", ")
    let list = "\(names)\(members.count > 5 ? ", ..." : "")"
    guard !members.isEmpty else { throw bytes.failure("holds no tensor") }
    let chosen = name.map { name in members.filter { $0.name == name } } ?? members
    guard let member = chosen.first else {
      throw bytes.failure("holds no tensor '\(legible(name ?? ""))', but \(list)")
    }
    guard chosen.count == 1 else {
      throw bytes.failure("holds \(chosen.count) tensors; name one with --tensor: \(list)")
    }
    return try entry(member)
  }

  private func entry(_ member: JSON.Member) throws -> Entry {
    let name = legible(member.name)
    guard let fields = member.value.fields, case .string(let type)? = fields["dtype"],
      let shape = naturals(fields["shape"]), let offsets = naturals(fields["data_offsets"])
    else { throw bytes.failure("tensor \(name): its header lacks dtype, shape or data_offsets") }
    guard type == "F32" else {
      throw bytes.failure("tensor \(name) has elements of type \(legible(type)), expected F32")
    }
    guard shape.count == 2, shape[1] > 0 else {
      let text = shape.map(String.init).joined(separator: "x")
      throw bytes.failure("tensor \(name) has shape [\(text)], expected [rows, elements]")
    }
    let layout = RowFile.Layout(element: .float32, rows: shape[0], columns: shape[1])
    guard offsets.count == 2, offsets[0] <= offsets[1], layout.size == offsets[1] - offsets[0],
      bytes.left.map({ offsets[1] <= $0 }) ?? true
    else {
      throw bytes.failure(
        "tensor \(name): shape \(shape[0])x\(shape[1]) does not fit the bytes that it lies at")
    }
    return Entry(layout: layout, begin: offsets[0])
  }

  /// A list of whole numbers from 0.
  private func naturals(_ json: JSON?) -> [Int]? {
    guard case .array(let values)? = json, values.count <= 8 else { return nil }
    let numbers = values.compactMap(\.integer).filter { $0 >= 0 }
    return numbers.count == values.count ? numbers : nil
  }
}
