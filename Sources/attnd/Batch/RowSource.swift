import AudioInput
import FeatureExtraction
import ModelFile

/// Where the rows of files come from: one file after another is opened and read block by block.
///
/// Used by one thread at a time. Kept from file to file: the tables of a front end take longer to
/// make than a second of sound takes to hear.
package protocol RowSource: AnyObject {
  /// Begins a file; one that was open is left.
  func open(_ path: String) throws

  /// Reads the next block.
  ///
  /// - Parameter row: Called with each row, oldest first.
  /// - Returns: Whether there may be more; false behind the last row.
  /// - Throws: What ended the file before its end; the rows before that have been given out.
  func read(_ row: (Span<Float>, SoundRows.Origin) -> Void) throws -> Bool

  /// Leaves the file.
  func close()

  /// Seconds of the file that have been read.
  var seconds: Double { get }
}

/// What the files of a batch hold.
package enum BatchInput: Sendable, Equatable {
  /// Sound, of which some channels are heard.
  case sound(ChannelSelection)
  /// Rows; of several tensors in a file the one that is named.
  case rows(tensor: String?)

  /// A source of such rows as the model takes.
  func makeSource(_ model: ModelFile) throws -> any RowSource {
    switch self {
    case .sound(let channels): try SoundFileRows(model, channels: channels)
    case .rows(let tensor): RowFileRows(model, tensor: tensor)
    }
  }
}

/// Recordings, by way of the model's front end.
package final class SoundFileRows: RowSource {
  private let sampleRate: Int
  private let channels: ChannelSelection
  private var rows: SoundRows
  private var source: SoundFile?

  /// - Parameters:
  ///   - model: Whose front end it is.
  ///   - channels: Which channels to listen to.
  ///   - rowsAtOnce: Rows whose samples are read at a time; some hundred kilobytes when absent.
  ///   - cuts: As in `SoundRows`.
  /// - Throws: What the front end finds wrong with its numbers.
  package init(
    _ model: ModelFile, channels: ChannelSelection, rowsAtOnce: Int? = nil, cuts: [Int] = []
  ) throws {
    let front = try model.frontEnd()
    sampleRate = front.sampleRate
    self.channels = channels
    rows = try SoundRows(
      front, mean: model.mean, scale: model.scale, reset: model.reset,
      rowsAtOnce: rowsAtOnce ?? Self.rowsAtOnce(front), cuts: cuts)
  }

  /// Rows of a block: multiples of the eight frames that are analysed together, as many as keep its
  /// samples and its rows within some hundred kilobytes.
  private static func rowsAtOnce(_ front: FrontEnd) -> Int {
    let room = 1 << 16
    return max(8, min(64, room / max(front.hop, front.rowLength)) / 8 * 8)
  }

  package func open(_ path: String) throws {
    source = nil
    source = try SoundFile(path: path, sampleRate: sampleRate, channels: channels)
    rows.reset()
  }

  package func read(_ row: (Span<Float>, SoundRows.Origin) -> Void) throws -> Bool {
    guard let source else { return false }
    return try rows.read(source, row: row)
  }

  package func close() { source = nil }

  package var seconds: Double { Double(rows.position) / Double(sampleRate) }
}
