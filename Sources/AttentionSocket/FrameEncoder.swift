import JSONText
import NIOCore

/// Writes one attention frame as often as subscribers want it differently, and no more often.
///
/// Lives on the event loop. Reads the slot that the publisher filled; the encoded bytes are shared by all
/// subscribers of the same variant.
struct FrameEncoder {
  private let stream: StreamDescription
  private let keywords: [String]
  private let layout: FrameLayout
  private var variants: [ByteBuffer?]

  init(stream: StreamDescription, keywords: [String], layout: FrameLayout) {
    self.stream = stream
    self.keywords = keywords
    self.layout = layout
    variants = Array(repeating: nil, count: BulkForm.allCases.count * BulkForm.allCases.count)
  }

  /// Forgets the encodings of the last frame.
  mutating func begin() {
    for index in variants.indices { variants[index] = nil }
  }

  /// The frame in `slot`, with its weights and feature row in the forms asked for.
  ///
  /// A frame that was published before anybody asked for weights goes without.
  mutating func encoding(
    of slot: UnsafeRawPointer, weights: BulkForm, spectrum: BulkForm
  ) -> ByteBuffer {
    let variant = Self.number(weights) * BulkForm.allCases.count + Self.number(spectrum)
    if let encoded = variants[variant] { return encoded }
    let header = slot.load(as: FrameLayout.Header.self)
    let encoded = encode(
      header, UnsafeMutableRawPointer(mutating: slot),
      weights: header.hasWeights ? weights : .none,
      spectrum: header.hasSpectrum ? spectrum : .none)
    variants[variant] = encoded
    return encoded
  }

  /// A frame that was kept for `replay`, without bulk values.
  func replayed(_ slot: UnsafeRawPointer, id: RequestID) -> ByteBuffer {
    encode(
      slot.load(as: FrameLayout.Header.self), UnsafeMutableRawPointer(mutating: slot),
      weights: .none, spectrum: .none
    ) { $0.field("replay", id) }
  }

  /// The frame in `slot` as the answer to a `snapshot`, with all the bulk values that it has.
  func snapshot(_ slot: UnsafeRawPointer, id: RequestID?) -> ByteBuffer {
    let header = slot.load(as: FrameLayout.Header.self)
    return encode(
      header, UnsafeMutableRawPointer(mutating: slot), type: "snapshot-reply",
      weights: header.hasWeights ? .float32 : .none, spectrum: .float32
    ) { $0.field("id", id) }
  }

  private static func number(_ form: BulkForm) -> Int {
    switch form {
    case .none: 0
    case .json: 1
    case .float32: 2
    }
  }

  private func encode(
    _ header: FrameLayout.Header, _ slot: UnsafeMutableRawPointer, type: String = "attention",
    weights: BulkForm, spectrum: BulkForm, more: @escaping (inout JSONWriter) -> Void = { _ in }
  ) -> ByteBuffer {
    let payload = payload(header, slot, weights: weights, spectrum: spectrum)
    return EventEncoder.encode(type, payload: payload) { json in
      more(&json)
      json.field("stream", stream.name)
      json.field("epoch", header.epoch)
      json.field("index", header.index)
      json.field("sample", header.sample)
      json.field("time", Double(header.sample) / Double(stream.rate))
      json.nullable("captured", header.captured.isFinite ? header.captured : nil)
      writeBeliefs(to: &json, slot)
      json.field("level", max(header.level, -120))
      json.field("span", header.span)
      if weights == .json { writeWeights(to: &json, header.span, slot) }
      if spectrum == .json {
        json.name("spectrum")
        json.array { json in
          for value in layout.spectrum(in: slot) { json.value(value) }
        }
      }
      if payload != nil {
        writeBlocks(to: &json, header.span, weights: weights, spectrum: spectrum)
      }
    }
  }

  /// Posteriors and focuses.
  private func writeBeliefs(to json: inout JSONWriter, _ slot: UnsafeMutableRawPointer) {
    let posteriors = layout.posteriors(in: slot)
    let focuses = layout.focuses(in: slot)
    json.field("posteriors") { json in
      for (name, posterior) in zip(keywords, posteriors) { json.field(name, posterior) }
    }
    guard focuses.count > 1 else {
      if let focus = focuses.first { json.field("focus", focus) }
      return
    }
    let strongest = posteriors.indices.max { posteriors[$0] < posteriors[$1] } ?? 0
    json.field("focus", focuses[strongest])
    json.field("focuses") { json in
      for (name, focus) in zip(keywords, focuses) { json.field(name, focus) }
    }
  }

  private func row(_ head: Int, _ span: Int, _ slot: UnsafeMutableRawPointer) -> Slice<
    UnsafeMutableBufferPointer<Float>
  > {
    layout.weights(in: slot)[head * layout.window..<head * layout.window + span]
  }

  private func writeWeights(
    to json: inout JSONWriter, _ span: Int, _ slot: UnsafeMutableRawPointer
  ) {
    json.name("weights")
    json.array { json in
      for head in 0..<layout.heads {
        json.array { json in
          for weight in row(head, span, slot) { json.value(weight) }
        }
      }
    }
  }

  private func writeBlocks(
    to json: inout JSONWriter, _ span: Int, weights: BulkForm, spectrum: BulkForm
  ) {
    json.name("blocks")
    json.array { json in
      var offset = 0
      func block(_ name: String, _ shape: [Int]) {
        let bytes = 4 * shape.reduce(1, *)
        json.object { json in
          json.field("name", name)
          json.field("dtype", "f32le")
          json.name("shape")
          json.array { json in
            for length in shape { json.value(length) }
          }
          json.field("offset", offset)
          json.field("bytes", bytes)
        }
        offset += bytes
      }
      if weights == .float32 { block("weights", [layout.heads, span]) }
      if spectrum == .float32 { block("spectrum", [layout.bins]) }
    }
  }

  private func payload(
    _ header: FrameLayout.Header, _ slot: UnsafeMutableRawPointer, weights: BulkForm,
    spectrum: BulkForm
  ) -> ByteBuffer? {
    guard weights == .float32 || spectrum == .float32 else { return nil }
    var bytes = ByteBuffer()
    bytes.reserveCapacity(4 * (layout.heads * header.span + layout.bins))
    if weights == .float32 {
      for head in 0..<layout.heads {
        for weight in row(head, header.span, slot) {
          bytes.writeInteger(weight.bitPattern, endianness: .little)
        }
      }
    }
    if spectrum == .float32 {
      for value in layout.spectrum(in: slot) {
        bytes.writeInteger(value.bitPattern, endianness: .little)
      }
    }
    return bytes
  }
}
