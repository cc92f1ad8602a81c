import JSONText
import ModelFile

/// What is written beside the sound of a clip: one JSON object.
///
/// It says what was heard, when, by which model, and where that looked; Docs/clips.md has its fields.
struct ClipDocument {
  private let stream: String
  private let model: ModelFile

  /// - Parameters:
  ///   - stream: The stream's name.
  ///   - model: What listened.
  init(stream: String, model: ModelFile) {
    self.stream = stream
    self.model = model
  }

  /// The text.
  ///
  /// - Parameters:
  ///   - name: What the clip is called.
  ///   - note: The detection.
  ///   - attention: What the model looked at.
  ///   - stretch: The sound.
  /// - Returns: A line of UTF-8.
  func text(
    _ name: ClipName, _ note: ClipNote, _ attention: ClipAttention,
    _ stretch: borrowing RecentSound.Stretch
  ) -> [UInt8] {
    let keyword = model.keywords[note.keyword]
    var json = JSONWriter()
    json.object { json in
      json.field("file", name.file(.sound))
      json.field("stream", stream)
      json.field("keyword", keyword.name)
      json.field("phrase", keyword.phrase)
      json.field("score", note.score)
      json.field("threshold", note.threshold)
      json.field("sample", note.position)
      json.field("time", seconds(note.position))
      json.field("start_sample", note.wordStart)
      json.field("start", seconds(note.wordStart))
      json.field("end_sample", note.wordEnd)
      json.field("end", seconds(note.wordEnd))
      json.field(
        "at", ClipName.timestamp(milliseconds: ClipName.milliseconds(ofUnix: note.unix)))
      json.field("unix", note.unix)
      json.field("clock", note.isCaptureTime ? "capture" : "daemon")
      json.field("scores") { json in
        for (keyword, score) in zip(model.keywords, attention.scores) {
          json.field(keyword.name, score)
        }
      }
      write(stretch, &json)
      json.field("model") { json in
        json.field("name", model.name)
        json.field("digest", model.digest)
      }
      write(attention, &json)
    }
    return json.bytes + [UInt8(ascii: "\n")]
  }

  private func write(_ stretch: borrowing RecentSound.Stretch, _ json: inout JSONWriter) {
    let (start, end, lost) = (stretch.start, stretch.end, stretch.lostSamples)
    let (count, gaps) = (stretch.samples.count, stretch.gaps)
    json.field("clip") { json in
      json.field("sample_rate", model.sampleRate)
      json.field("samples", count)
      json.field("start_sample", start)
      json.field("start", seconds(start))
      json.field("end_sample", end)
      json.field("end", seconds(end))
      json.field("lost_samples", lost)
      json.name("gaps")
      json.array { json in
        for gap in gaps {
          json.object { json in
            json.field("sample", gap.position)
            json.field("lost_samples", gap.samples)
            json.field("offset", gap.offset)
          }
        }
      }
    }
  }

  private func write(_ attention: ClipAttention, _ json: inout JSONWriter) {
    json.field("attention") { json in
      json.name("weights")
      json.array { json in
        for weight in attention.weights { json.value(weight) }
      }
      json.name("samples")
      json.array { json in
        for position in attention.positions { json.value(position) }
      }
      json.field("steps_left_out", attention.stepsLeftOut)
    }
  }

  private func seconds(_ position: Int) -> Double { Double(position) / Double(model.sampleRate) }
}
