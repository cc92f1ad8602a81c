import NIOCore

/// One event as it crosses the wire: a type, the merged fields of header and data block, a payload.
package struct WireEvent: Equatable, Sendable {
  package let type: String
  package let fields: [String: JSONValue]
  package let payload: ByteBuffer
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
    let fields: [String: JSONValue]
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
    var fields = header.fields
    if data.readableBytes > 0 {
      fields.merge(try block(data, of: header.type)) { _, inBlock in inBlock }
    }
    return WireEvent(type: header.type, fields: fields, payload: payload)
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
    let value: JSONValue
    do {
      value = try JSONValue(parsing: line.readableBytesView)
    } catch {
      throw .badHeader("header: expected one line with a JSON object, found \(error)")
    }
    guard case .object(let object) = value else {
      throw .badHeader("header: expected a JSON object")
    }
    guard case .string(let type)? = object["type"] else {
      throw .badHeader("header: expected a string in type")
    }
    var fields: [String: JSONValue] = [:]
    switch object["data"] {
    case nil, .null: break
    case .object(let inHeader): fields = inHeader
    default: throw .badHeader("header: data must be an object")
    }
    return Header(
      type: type, fields: fields,
      dataLength: try length("data_length", in: object, limit: limits.data),
      payloadLength: try length("payload_length", in: object, limit: limits.payload))
  }

  private func length(
    _ name: String, in header: [String: JSONValue], limit: Int
  ) throws(FramingError) -> Int {
    switch header[name] {
    case nil: return 0
    case .integer(let length) where length >= 0:
      guard length <= limit else {
        throw .tooLarge("header: \(name) is \(length), at most \(limit) is accepted")
      }
      return length
    default: throw .badHeader("header: \(name) must be an integer of 0 or more")
    }
  }

  private func block(
    _ data: ByteBuffer, of type: String
  ) throws(FramingError) -> [String: JSONValue] {
    do {
      guard case .object(let fields) = try JSONValue(parsing: data.readableBytesView) else {
        throw FramingError.badJSON("\(type.prefix(64)): the data block must be a JSON object")
      }
      return fields
    } catch let error as JSONError {
      throw .badJSON("\(type.prefix(64)): data block: \(error)")
    } catch let error as FramingError {
      throw error
    } catch {
      throw .badJSON("\(type.prefix(64)): data block: \(error)")
    }
  }
}

/// Turns an event into bytes: all fields in the data block, the header as short as it can be.
package enum EventEncoder {
  /// Room kept in front of the data for the header, which is known only after it.
  private static let headerRoom = 160

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
    var json = JSONWriter(gap: headerRoom)
    if let fields { json.object(fields) }
    var bytes = json.finish()
    var dataLength = bytes.readableBytes - headerRoom
    if dataLength <= 2 {  // nothing, or {}
      dataLength = 0
      bytes.moveWriterIndex(to: headerRoom)
    }
    var header = "{\"type\":\"\(type)\""
    if dataLength > 0 { header += ",\"data_length\":\(dataLength)" }
    if let payload, payload.readableBytes > 0 {
      header += ",\"payload_length\":\(payload.readableBytes)"
      bytes.writeImmutableBuffer(payload)
    }
    header += "}\n"
    let start = headerRoom - header.utf8.count
    precondition(start >= 0, "An event's type has at most 64 characters.")
    bytes.setString(header, at: start)
    bytes.moveReaderIndex(to: start)
    return bytes
  }
}
