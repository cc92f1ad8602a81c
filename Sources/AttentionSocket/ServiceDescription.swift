import JSONText
import NIOCore

/// What a Wyoming client learns of the wake-word service: its `info`.
struct ServiceDescription {
  private let program: String
  private let version: String
  private let modelVersion: String
  private let keywords: [KeywordDescription]

  /// The services that Wyoming knows; each has a list, of which attnd fills one.
  private static let services = ["asr", "tts", "handle", "intent", "mic", "snd"]

  init(of hello: Hello) {
    program = hello.program
    version = hello.version
    keywords = hello.keywords
    // Ids outlive a model; the file that stands for one now is its version.
    let digest = hello.model.digest.drop { $0 != ":" }.dropFirst()
    modelVersion = "\(hello.model.name) \(digest.prefix(12))"
  }

  func encoded() -> ByteBuffer {
    EventEncoder.encode("info") { json in
      for service in Self.services {
        json.name(service)
        json.array { _ in }
      }
      json.name("wake")
      json.array { json in
        json.object { json in
          json.field("name", program)
          json.field("description", "Streaming attention keyword spotter")
          writeAttribution(to: &json)
          json.field("installed", true)
          json.field("version", version)
          json.name("models")
          json.array { json in
            for keyword in keywords { json.object { write(keyword, to: &$0) } }
          }
        }
      }
    }
  }

  private func write(_ keyword: KeywordDescription, to json: inout JSONWriter) {
    json.field("name", keyword.name)
    json.field("description", keyword.phrase)
    json.field("phrase", keyword.phrase)
    writeAttribution(to: &json)
    json.field("installed", true)
    json.field("languages", keyword.languages)
    json.field("version", modelVersion)
  }

  private func writeAttribution(to json: inout JSONWriter) {
    json.field("attribution") { json in
      json.field("name", program)
      json.field("url", "")
    }
  }
}
