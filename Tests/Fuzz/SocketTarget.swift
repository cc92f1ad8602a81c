import Glibc

// A fuzz target: what a client sends, and when, -> what the server answers.

/// One execution: a conversation.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  converse(UnsafeBufferPointer(start: data, count: size))
  return 0
}

// MARK: The program

/// libFuzzer's own, which its `main` would call.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// What SwiftPM makes the program's `main`.
@_cdecl("fuzz_socket_main")
public func begin(
  _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> CInt {
  var (count, arguments) = (count, arguments)
  return runDriver(&count, &arguments, { test($0, $1) })
}

// MARK: Seeds

/// Called once, before the first execution.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _: UnsafeMutablePointer<CInt>,
  _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  writeSeeds(seeds)
  return 0
}

/// Conversations as clients hold them, raw in one piece and in many; and scripts of one act each.
private func seeds() -> [[UInt8]] {
  func event(_ type: String, _ json: String = "", payload: Int = 0) -> [UInt8] {
    var header = "{\"type\":\"\(type)\""
    if !json.isEmpty { header += ",\"data_length\":\(json.utf8.count)" }
    if payload > 0 { header += ",\"payload_length\":\(payload)" }
    return Array((header + "}\n" + json).utf8) + [UInt8](repeating: 3, count: payload)
  }
  let format = "\"rate\":16000,\"width\":2,\"channels\":1"
  let session =
    event("describe") + event("detect", "{\"names\":[\"alexa\"],\"context\":{\"a\":1}}")
    + event("audio-start", "{\(format)}")
    + event("audio-chunk", "{\(format),\"timestamp\":1}", payload: 64) + event("audio-stop")
  let native =
    event("hello", "{\"id\":1}") + event("subscribe", "{\"id\":2,\"streams\":[\"*\",\"self\"]}")
    + event("status") + event("unsubscribe") + event("nonsense", "{\"id\":\"x\"}")
  let inline = Array("{\"type\":\"ping\",\"data\":{\"text\":\"a\"}}\r\n".utf8)
  func pieces(_ bytes: [UInt8], _ size: Int) -> [UInt8] {
    var cut: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      let piece = bytes[start..<min(start + size, bytes.count)]
      cut += [UInt8(piece.count - 1)] + piece
    }
    return cut
  }
  var seeds: [[UInt8]] = []
  for bytes in [session, native, inline, session + native] {
    seeds.append([0, 255] + bytes)
    seeds.append([6] + pieces(bytes, 7))
  }
  for act in 0..<UInt8(20) { seeds.append([1, 6, 0, act, 2, 3, 1, 2, 3, 4, act, 5, 6, 7, 11, 1]) }
  return seeds
}
