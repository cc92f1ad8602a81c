import Calibration
import JSONText
import ModelFile
import StreamingAttention

/// The thresholds that peaks lead to, and what is said of them.
package struct CalibrationReport: Sendable {
  /// A keyword with its threshold.
  package struct Keyword: Sendable {
    package let name: String
    /// The threshold until now.
    package let present: Float
    package let choice: ThresholdChoice
    /// The highest peaks, as many as stand out of the fit.
    package let outstanding: [PeakCollection.Peak]
  }

  /// In the model's order.
  package let keywords: [Keyword]
  private let model: String
  private let budget: FalseAlarmBudget
  private let terms: ThresholdChoice.Terms
  private let files: Int
  private let highest: [PeakCollection.Peak]
  /// The setting that takes the place of the model's thresholds.
  private let override: Float?

  /// Chooses the thresholds.
  ///
  /// - Parameters:
  ///   - peaks: What was found in sound without keywords.
  ///   - model: What it was found with.
  ///   - override: The setting that takes the place of the model's thresholds, where there is one.
  ///   - budget: False alarms allowed for all keywords together.
  ///   - confidence: Of their limit.
  package init(
    _ peaks: PeakCollection, _ model: ModelFile, override: Float?, budget: FalseAlarmBudget,
    confidence: Double
  ) {
    let terms = ThresholdChoice.Terms(
      hours: peaks.seconds / 3_600, budget: budget.perHour / Double(model.keywords.count),
      confidence: confidence, floor: CandidatePeaks.floor)
    keywords = model.keywords.map { keyword in
      let found = peaks.keywords[keyword.name]
      let present = override ?? keyword.threshold
      let choice = ThresholdChoice(found?.scores ?? [], terms, present: present)
      let outstanding = choice.fit?.outstanding?.count ?? 0
      return Keyword(
        name: keyword.name, present: present, choice: choice,
        outstanding: Array((found?.highest ?? []).prefix(outstanding)))
    }
    self.model = model.name
    self.budget = budget
    self.terms = terms
    self.override = override
    files = peaks.files
    highest = peaks.highest(of: model.keywords.map(\.name))
  }

  /// The thresholds, in the model's order.
  package var thresholds: [Float] { keywords.map(\.choice.threshold) }

  /// The one threshold by which each keyword is within its share.
  package var common: Float { thresholds.max() ?? ThresholdChoice.highest }

  // MARK: For people

  /// A table, what is to be known about it, and the highest peaks.
  package var text: String {
    var lines = [
      "\(model), \(counted(keywords.count, "keyword"));"
        + " \(significant(terms.hours)) h in \(counted(files, "file"))",
      "budget \(budget): at most \(significant(terms.budget)) an hour for each keyword,"
        + " with a confidence of \(percent)",
      "",
    ]
    lines += table
    let notes = self.notes
    if !notes.isEmpty { lines += [""] + notes }
    if !highest.isEmpty {
      let width = keywords.map(\.name.count).max() ?? 0
      lines += ["", "highest peaks: is a keyword said there?"]
      lines += highest.map {
        "  \(fixed($0.score, 4))  \(pad($0.keyword, width))  \(clock($0.time))  \($0.file)"
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private var table: [String] {
    var rows = [
      ["keyword", "peaks", "fitted", "shape", "scale", "threshold", "", "expected/h", "limit/h"]
    ]
    for keyword in keywords {
      let choice = keyword.choice
      rows.append([
        keyword.name, "\(choice.peaks)", choice.fit.map { "\($0.peaks)" } ?? "-",
        choice.fit.map { fixed($0.tail.shape, 2) } ?? "-",
        choice.fit.map { fixed($0.tail.scale, 2) } ?? "-", fixed(keyword.present, 4),
        "-> \(fixed(choice.threshold, 4))", significant(choice.expected),
        significant(choice.limit),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).enumerated().map { column, cell in
        pad(cell.0, column == 0 ? cell.1 : -cell.1)
      }.joined(separator: "  ")
    }
  }

  private var percent: String {
    let percent = Float(100 * terms.confidence)
    return percent == percent.rounded() ? "\(Int(percent)) %" : "\(percent) %"
  }

  private var notes: [String] {
    var notes: [String] = []
    if let first = keywords.first, first.choice.isShort {
      let least = PoissonLimit.upper(0, confidence: terms.confidence) / terms.hours
      notes.append(
        "\(significant(terms.hours)) h are too short to show that budget, even without one false"
          + " alarm: they show \(significant(least)) an hour, and"
          + " \(significant(terms.hoursNeeded)) h would be needed. Beyond that a threshold rests"
          + " on the fit, where there is one.")
    }
    for keyword in keywords { notes += self.notes(on: keyword) }
    if let override {
      notes.append(
        "The setting threshold, \(override), takes the place of every keyword's own: thresholds in"
          + " a model file have no effect before it is taken out.")
    }
    return notes
  }

  private func notes(on keyword: Keyword) -> [String] {
    var notes: [String] = []
    let choice = keyword.choice
    if choice.isShort, choice.basis == .count {
      notes.append(
        "\(keyword.name): \(counted(choice.peaks, "peak")), too few for a fit: the threshold is just"
          + " above the highest.")
    }
    if choice.basis == .none {
      notes.append(
        "\(keyword.name): no peak above \(terms.floor), and too short to say more: the threshold"
          + " stays.")
    }
    if choice.isClamped {
      notes.append(
        "\(keyword.name): the budget would need a threshold above \(ThresholdChoice.highest), the"
          + " highest there is: up to \(significant(choice.limit)) an hour are to be expected.")
    }
    if let lowest = keyword.outstanding.last, let odd = choice.fit?.outstanding {
      let peaks = odd.count == 1 ? "the highest peak lies" : "the \(odd.count) highest peaks lie"
      notes.append(
        "\(keyword.name): \(peaks) far outside of the fit to the others (chance"
          + " \(significant(odd.chance))): is it said there? \(lowest.file) at"
          + " \(clock(lowest.time))\(odd.count > 1 ? " and higher ones" : "").")
    }
    return notes
  }

  // MARK: For programs

  /// One object.
  package var json: String {
    var json = JSONWriter()
    json.object { json in
      json.field("model", model)
      json.field("files", files)
      json.field("hours", terms.hours)
      json.field("budget_per_hour", budget.perHour)
      json.field("confidence", terms.confidence)
      json.field("keyword_budget_per_hour", terms.budget)
      json.field("hours_needed", terms.hoursNeeded)
      json.name("keywords")
      json.array { json in
        for keyword in keywords { json.object { write(keyword, &$0) } }
      }
      json.name("highest")
      json.array { json in
        for peak in highest { json.object { write(peak, &$0) } }
      }
    }
    return json.text + "\n"
  }

  private func write(_ keyword: Keyword, _ json: inout JSONWriter) {
    let choice = keyword.choice
    json.field("keyword", keyword.name)
    json.field("peaks", choice.peaks)
    if let fit = choice.fit {
      json.field("fit") { json in
        json.field("peaks", fit.peaks)
        json.field("above", fit.above)
        json.field("shape", fit.tail.shape)
        json.field("scale", fit.tail.scale)
      }
    }
    json.field("threshold_before", keyword.present)
    json.field("threshold", choice.threshold)
    json.field("basis", choice.basis.rawValue)
    json.field("expected_per_hour", choice.expected)
    json.field("limit_per_hour", choice.limit)
    json.field("clamped", choice.isClamped)
    json.field("too_short", choice.isShort)
    json.name("outstanding")
    json.array { json in
      for peak in keyword.outstanding { json.object { write(peak, &$0) } }
    }
  }

  private func write(_ peak: PeakCollection.Peak, _ json: inout JSONWriter) {
    json.field("file", peak.file)
    json.field("keyword", peak.keyword)
    json.field("score", peak.score)
    json.field("start", peak.start)
    json.field("end", peak.end)
    json.field("time", peak.time)
  }

  // MARK: For the configuration

  /// A part of attnd.yaml.
  package var yaml: String {
    let own = keywords.map { "#   \($0.name) \($0.choice.threshold)\n" }.joined()
    return """
      # Chosen by 'attnd calibrate --budget \(budget)' for \(model), with a confidence of \(percent),
      # from \(significant(terms.hours)) h without keywords. The setting is for all keywords alike: \
      the highest of
      \(own)# A model file written by --out MODEL.safetensors has each its own.
      \(SettingsTable.threshold.entry.name): \(common)

      """
  }
}

private func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// A number from 0 with three digits that count; none of them beyond the eighth decimal.
private func significant(_ value: Double) -> String {
  guard value > 0 else { return "0" }
  guard value >= 5e-9 else { return "<0.00000001" }
  var decimals = 0
  var scaled = value
  while scaled < 100, decimals < 8 {
    scaled *= 10
    decimals += 1
  }
  return fixed(value, decimals)
}
