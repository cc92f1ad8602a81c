import CYAML

/// A node of a YAML document, with the line it stands in: what libyaml reads, as a tree.
struct YAMLNode: Sendable {
  /// What a node holds.
  enum Content: Sendable {
    /// A value as it is meant: without quotes, folded, comments gone.
    case scalar(String)
    case list([YAMLNode])
    /// Names and values, in their order; no name stands there twice.
    case mapping([(name: YAMLNode, value: YAMLNode)])
  }

  let content: Content
  /// The line in which it begins, from 1.
  let line: Int

  /// Deepest nesting; settings are names and values, and the reader's stack stays small.
  static let deepest = 8

  /// The value of a scalar; nil for anything else.
  var scalar: String? {
    if case .scalar(let text) = content { text } else { nil }
  }
}

/// What is no YAML, or none that is read here.
struct YAMLFault: Error {
  /// The line, from 1.
  let line: Int
  let problem: String
}

extension YAMLNode {
  /// Reads a text that holds one document, or none.
  ///
  /// - Parameter text: The text.
  /// - Returns: The document's root; nil where there is none.
  /// - Throws: `YAMLFault` for the first thing that can't be.
  static func parse(_ text: String) throws(YAMLFault) -> YAMLNode? {
    // libyaml takes a mark of the byte order for a column, and what follows in line 2 for less.
    let bytes = Array((text.hasPrefix("\u{FEFF}") ? text.dropFirst() : text[...]).utf8)
    guard !bytes.isEmpty else { return nil }
    // libyaml keeps the pointer while it reads.
    let result = bytes.withUnsafeBufferPointer { buffer -> Result<YAMLNode?, YAMLFault> in
      let events = YAMLEvents(buffer)
      do throws(YAMLFault) { return .success(try events.document()) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}

/// The events of libyaml's parser, put together to nodes.
private struct YAMLEvents: ~Copyable {
  /// Where it stays: libyaml's parser of texts holds a pointer to itself.
  private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let bytes: UnsafeBufferPointer<UInt8>
  private let hasMemory: Bool

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    parser.initialize(to: yaml_parser_t())
    hasMemory = yaml_parser_initialize(parser) != 0
    if hasMemory {
      yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }
  }

  deinit {
    if hasMemory { yaml_parser_delete(parser) }
    parser.deallocate()
  }

  /// An event without its memory.
  private struct Event {
    let type: yaml_event_type_t
    let line: Int
    var text = ""
  }

  private func next() throws(YAMLFault) -> Event {
    guard hasMemory else { throw YAMLFault(line: 1, problem: "there is no memory to read it") }
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) != 0 else { throw fault() }
    defer { yaml_event_delete(&event) }
    var result = Event(type: event.type, line: Self.line(event.start_mark.line))
    if event.type == YAML_SCALAR_EVENT, let value = event.data.scalar.value {
      result.text = String(
        decoding: UnsafeBufferPointer(start: value, count: event.data.scalar.length), as: UTF8.self)
    }
    return result
  }

  /// What the parser found wrong.
  private func fault() -> YAMLFault {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
    // Before there are tokens there are no marks: bytes that can't stand in YAML have an offset.
    if parser.pointee.error == YAML_READER_ERROR {
      let before = bytes.prefix(parser.pointee.problem_offset)
      return YAMLFault(line: 1 + before.count { $0 == UInt8(ascii: "\n") }, problem: problem)
    }
    return YAMLFault(line: Self.line(parser.pointee.problem_mark.line), problem: problem)
  }

  /// libyaml counts lines from 0.
  private static func line(_ number: Int) -> Int { number + 1 }

  /// The only document.
  func document() throws(YAMLFault) -> YAMLNode? {
    var root: YAMLNode?
    var documents = 0
    while true {
      let event = try next()
      switch event.type {
      case YAML_STREAM_START_EVENT, YAML_DOCUMENT_END_EVENT: continue
      case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return root
      case YAML_DOCUMENT_START_EVENT:
        documents += 1
        guard documents == 1 else {
          throw YAMLFault(line: event.line, problem: "a second document begins")
        }
      default: root = try node(from: event, depth: 1)
      }
    }
  }

  /// The node that begins with an event.
  private func node(from event: Event, depth: Int) throws(YAMLFault) -> YAMLNode {
    guard depth <= YAMLNode.deepest else {
      throw YAMLFault(
        line: event.line, problem: "it nests deeper than \(YAMLNode.deepest) levels")
    }
    switch event.type {
    case YAML_SCALAR_EVENT: return YAMLNode(content: .scalar(event.text), line: event.line)
    case YAML_SEQUENCE_START_EVENT:
      return YAMLNode(content: .list(try elements(depth)), line: event.line)
    case YAML_MAPPING_START_EVENT:
      return YAMLNode(content: .mapping(try members(depth)), line: event.line)
    default:
      throw YAMLFault(line: event.line, problem: "aliases ('*name') are not read")
    }
  }

  private func elements(_ depth: Int) throws(YAMLFault) -> [YAMLNode] {
    var nodes: [YAMLNode] = []
    while true {
      let event = try next()
      if event.type == YAML_SEQUENCE_END_EVENT { return nodes }
      nodes.append(try node(from: event, depth: depth + 1))
    }
  }

  private func members(
    _ depth: Int
  ) throws(YAMLFault) -> [(name: YAMLNode, value: YAMLNode)] {
    var members: [(name: YAMLNode, value: YAMLNode)] = []
    var names: Set<String> = []
    while true {
      let event = try next()
      if event.type == YAML_MAPPING_END_EVENT { return members }
      let name = try node(from: event, depth: depth + 1)
      if let text = name.scalar, !names.insert(text).inserted {
        throw YAMLFault(line: name.line, problem: "\(text) stands there twice")
      }
      members.append((name, try node(from: try next(), depth: depth + 1)))
    }
  }
}
