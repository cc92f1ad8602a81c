import JSONText
import NIOCore

/// One event as it crosses the wire: a type, the merged fields of header and data block, a payload.
package struct WireEvent: Equatable, Sendable {
  package let type: String
  /// The fields in the order in which they were written, each name once.
  package let members: [JSON.Member]
  package let payload: ByteBuffer

  /// The fields by name.
  package var fields: [String: JSON] { JSON.object(members).fields ?? [:] }
}

/// How large the parts of one event may be, in bytes.
package struct EventLimits: Sendable {
  /// The header line with its newline.
  package var header: Int
  package var data: Int
  package var payload: Int

  package init(header: Int, data: Int, payload: Int) {
    self.header = header
    self.data = data
    self.payload = payload
  }

  /// What a client takes from a server: protocol, section 1.3.
  package static let fromServer = EventLimits(header: 65_536, data: 1 << 20, payload: 16 << 20)
}

/// Why the bytes can't be events.
///
/// Framing can't be found again, so each of these ends a connection.
package enum FramingError: Error, Equatable {
  case badHeader(String)
  case badJSON(String)
  case tooLarge(String)

  package var code: ErrorCode {
    switch self {
    case .badHeader: .badHeader
    case .badJSON: .badJSON
    case .tooLarge: .tooLarge
    }
  }

  package var text: String {
    switch self {
    case .badHeader(let text), .badJSON(let text), .tooLarge(let text): text
    }
  }
}

/// Turns bytes into events, however the bytes are cut.
///
///     header: one JSON object | 0x0A | data: data_length bytes of JSON | payload: payload_length bytes
///
/// No I/O: the owner feeds what it read and asks for events until there is none. Keeps at most one
/// incomplete event beside what one read delivered; lengths are judged before their bytes are waited for.
package struct EventDecoder {
  private struct Header {
    let type: String
    let members: [JSON.Member]
    let dataLength: Int
    let payloadLength: Int
  }

  private let limits: EventLimits
  private var buffer = ByteBuffer()
  /// Bytes of the unread header line in which no newline was found yet.
  private var searched = 0
  private var header: Header?

  package init(limits: EventLimits) { self.limits = limits }

  /// Whether the first byte of an event has come and its last has not.
  ///
  /// Ask once `next()` gave nil.
  package var isInsideEvent: Bool { header != nil || buffer.readableBytes > 0 }

  /// Bytes that are held back; bounded by the limits and the size of one feed.
  package var heldBytes: Int { buffer.readableBytes }

  /// Appends bytes as they came.
  package mutating func feed(_ bytes: ByteBuffer) {
    if buffer.readableBytes == 0 {
      buffer = bytes
    } else {
      buffer.discardReadBytes()
      buffer.writeImmutableBuffer(bytes)
    }
  }

  /// The next whole event, or nil while its last byte is missing.
  package mutating func next() throws(FramingError) -> WireEvent? {
    if header == nil {
      guard let line = try headerLine() else { return nil }
      header = try parse(line)
    }
    guard let header, buffer.readableBytes >= header.dataLength + header.payloadLength,
      let data = buffer.readSlice(length: header.dataLength),
      let payload = buffer.readSlice(length: header.payloadLength)
    else { return nil }
    self.header = nil
    var members = header.members
    if data.readableBytes > 0 {
      let block = try block(data, of: header.type)
      // What stands in both is the block's.
      if !members.isEmpty {
        let names = Set(block.map(\.name))
        members.removeAll { names.contains($0.name) }
      }
      members += block
    }
    return WireEvent(type: header.type, members: members, payload: payload)
  }

  private mutating func headerLine() throws(FramingError) -> ByteBuffer? {
    let unsearched = buffer.readableBytesView.dropFirst(searched)
    guard let newline = unsearched.firstIndex(of: 0x0A) else {
      searched = buffer.readableBytes
      guard searched < limits.header else { throw headerTooLarge }
      return nil
    }
    let length = newline - buffer.readerIndex
    searched = 0
    guard length < limits.header else { throw headerTooLarge }
    let line = buffer.readSlice(length: length)
    buffer.moveReaderIndex(forwardBy: 1)
    return line
  }

  private var headerTooLarge: FramingError {
    .tooLarge("header: no newline within \(limits.header) bytes")
  }

  private func parse(_ line: ByteBuffer) throws(FramingError) -> Header {
    let value: JSON
    do {
      value = try JSON(onWire: line)
    } catch {
      throw .badHeader("header: not one line with a JSON object: \(error)")
    }
    guard let object = value.fields else { throw .badHeader("header: expected a JSON object") }
    guard case .string(let type)? = object["type"] else {
      throw .badHeader("header: expected a string in type")
    }
    var members: [JSON.Member] = []
    switch object["data"] {
    case nil, .null: break
    case .object(let inHeader): members = inHeader
    default: throw .badHeader("header: data must be an object")
    }
    return Header(
      type: type, members: members,
      dataLength: try length("data_length", in: object, limit: limits.data),
      payloadLength: try length("payload_length", in: object, limit: limits.payload))
  }

  private func length(
    _ name: String, in header: [String: JSON], limit: Int
  ) throws(FramingError) -> Int {
    guard let value = header[name] else { return 0 }
    guard let length = value.integer, length >= 0 else {
      throw .badHeader("header: \(name) must be an integer of 0 or more")
    }
    guard length <= limit else {
      throw .tooLarge("header: \(name) is \(length), at most \(limit) is accepted")
    }
    return length
  }

  private func block(
    _ data: ByteBuffer, of type: String
  ) throws(FramingError) -> [JSON.Member] {
    let value: JSON
    do {
      value = try JSON(onWire: data)
    } catch {
      throw .badJSON("\(type.prefix(64)): data block: \(error)")
    }
    guard case .object(let members) = value else {
      throw .badJSON("\(type.prefix(64)): the data block must be a JSON object")
    }
    return members
  }
}

extension JSON {
  /// Reads text by the rules of Docs/protocol.md, section "Bytes".
  fileprivate init(onWire text: ByteBuffer) throws(JSONError) {
    try self.init(parsing: text.readableBytesView, repeatedNames: .lastWins, numbers: .finite)
  }
}

/// Turns an event into bytes: all fields in the data block, the header as short as it can be.
package enum EventEncoder {
  /// Encodes one event.
  ///
  /// - Parameters:
  ///   - type: The event's name, at most 64 ASCII characters.
  ///   - payload: Bytes after the data block.
  ///   - fields: Writes the fields; nothing written means no data block.
  /// - Returns: The whole event.
  package static func encode(
    _ type: String, payload: ByteBuffer? = nil, fields: ((inout JSONWriter) -> Void)? = nil
  ) -> ByteBuffer {
    var json = JSONWriter()
    if let fields { json.object(fields) }
    // Nothing, or {}, needs no data block.
    let data = json.bytes.count > 2 ? json.bytes : []
    let payload = payload ?? ByteBuffer()
    var header = "{\"type\":\"\(type)\""
    if !data.isEmpty { header += ",\"data_length\":\(data.count)" }
    if payload.readableBytes > 0 { header += ",\"payload_length\":\(payload.readableBytes)" }
    header += "}\n"
    var bytes = ByteBuffer()
    bytes.reserveCapacity(header.utf8.count + data.count + payload.readableBytes)
    bytes.writeString(header)
    bytes.writeBytes(data)
    bytes.writeImmutableBuffer(payload)
    return bytes
  }
}
