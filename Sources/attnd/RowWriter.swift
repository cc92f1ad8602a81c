import FeatureExtraction
import JSONText

/// How rows are written.
enum RowFormat: String, CaseIterable {
  /// NumPy's arrays, float32 [rows, elements].
  case npy
  /// JSON Lines, an object a row.
  case jsonl
}

/// The rows of one recording -> bytes, in a file or for standard output.
///
/// What goes to a file leaves memory every few megabytes; most recordings are written at once.
struct RowWriter {
  /// Bytes that wait for the file, about; a recording of a minute and a half.
  private static let largestWait = 4 << 20

  private let format: RowFormat
  private let frontEnd: FrontEnd
  private let recording: String
  private let file: OutputFile?
  private var bytes: [UInt8] = []
  private var rows = 0
  private var hasWritten = false

  /// Begins a recording.
  ///
  /// - Parameters:
  ///   - format: How to write.
  ///   - frontEnd: What the rows are made by.
  ///   - recording: What to call the recording.
  ///   - file: Where to write; nil to keep the bytes.
  init(_ format: RowFormat, _ frontEnd: FrontEnd, of recording: String, to file: OutputFile?) {
    self.format = format
    self.frontEnd = frontEnd
    self.recording = recording
    self.file = file
    if format == .npy { bytes = [UInt8](repeating: 0, count: NumPyFile.headerSize) }
  }

  /// Makes room for so many rows, if they are not too many to wait.
  mutating func reserve(rows: Int) {
    guard format == .npy else { return }
    let (size, overflow) = rows.multipliedReportingOverflow(by: 4 * frontEnd.rowLength)
    bytes.reserveCapacity(NumPyFile.headerSize + (overflow ? 0 : min(size, 2 * Self.largestWait)))
  }

  /// Takes a row.
  mutating func add(_ row: Span<Float>) {
    switch format {
    case .npy: row.withUnsafeBufferPointer { bytes.append(contentsOf: UnsafeRawBufferPointer($0)) }
    case .jsonl: addLine(row)
    }
    rows += 1
  }

  private mutating func addLine(_ row: Span<Float>) {
    let position = frontEnd.endPosition(ofRow: rows)
    var json = JSONWriter()
    json.object { json in
      json.field("file", recording)
      json.field("row", rows)
      json.field("time", Double(position) / Double(frontEnd.sampleRate))
      json.field("sample", position)
      json.name("values")
      json.array { json in
        for i in row.indices { json.value(row[i]) }
      }
    }
    bytes.append(contentsOf: json.bytes)
    bytes.append(UInt8(ascii: "\n"))
  }

  /// Hands to the file what waits for it, if it is much.
  mutating func relieve() throws {
    guard let file, bytes.count > Self.largestWait else { return }
    try file.append(bytes)
    bytes.removeAll(keepingCapacity: true)
    hasWritten = true
  }

  /// Ends the recording: the file is there, or its bytes are returned.
  mutating func finish() throws -> [UInt8] {
    let header =
      format == .npy ? NumPyFile.header(rows: rows, columns: frontEnd.rowLength) : []
    if !hasWritten { bytes.replaceSubrange(0..<header.count, with: header) }
    guard let file else { return bytes }
    try file.append(bytes)
    if hasWritten { try file.rewrite(header) }
    try file.commit()
    return []
  }
}
