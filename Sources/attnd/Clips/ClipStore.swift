import Synchronization

/// Where clips are kept, bounded by their number and by their bytes: the oldest make room for the
/// newest.
///
/// In: the sound of a clip, and what is said about it. Out: two files of one name, the sound first, so
/// that whoever sees the document can read the sound. Only files that are called as clips are counted
/// and removed; what else lies in the folder isn't looked at. Shared by the clip writers of all streams,
/// which wait for each other here.
package final class ClipStore: Sendable {
  private struct Kept {
    var parts: [(file: String, bytes: Int)] = []
    var bytes: Int { parts.reduce(0) { $0 + $1.bytes } }
  }

  private let folder: any ClipFolder
  private let mostClips: Int
  private let mostBytes: Int
  private let turn = Mutex(())

  /// Names that are tried, a millisecond apart.
  private static let attempts = 1_000

  /// - Parameters:
  ///   - folder: Where they lie.
  ///   - mostClips: Most clips at a time.
  ///   - mostBytes: Most bytes of them all.
  package init(folder: any ClipFolder, mostClips: Int, mostBytes: Int) {
    precondition(mostClips > 0, "A store for no clips")
    self.folder = folder
    self.mostClips = mostClips
    self.mostBytes = mostBytes
  }

  /// Keeps a clip; removes as many of the oldest before as it takes.
  ///
  /// - Parameters:
  ///   - sound: The recording.
  ///   - milliseconds: Unix time that the clip is named by, or a little later where two have the same.
  ///   - keyword: The keyword's name.
  ///   - document: Gives the text that belongs to the recording, once its name is known.
  /// - Returns: What the clip is called.
  /// - Throws: `ClipError`; then nothing of the clip is left that can be removed.
  @discardableResult
  package func keep(
    _ sound: [UInt8], milliseconds: Int, keyword: String, document: (ClipName) -> [UInt8]
  ) throws(ClipError) -> ClipName {
    try turn.withLock { (_) throws(ClipError) in
      var kept: [ClipName: Kept] = [:]
      for (file, bytes) in try folder.files() {
        guard let name = ClipName.of(file: file)?.name else { continue }
        kept[name, default: Kept()].parts.append((file, bytes))
      }
      for later in 0..<Self.attempts {
        let name = ClipName(milliseconds: milliseconds + later, keyword: keyword)
        guard kept[name] == nil else { continue }
        let text = document(name)
        try makeRoom(for: sound.count + text.count, among: &kept)
        do throws(ClipError) {
          try folder.write(sound, to: name.file(.soundBegun))
        } catch .taken {
          // Another process has begun a clip of that name.
          continue
        } catch {
          try? folder.remove(name.file(.soundBegun))
          throw error
        }
        try finish(name, text)
        return name
      }
      throw .taken(name: ClipName(milliseconds: milliseconds, keyword: keyword).stem)
    }
  }

  /// Writes the document, and gives both files their names.
  private func finish(_ name: ClipName, _ document: [UInt8]) throws(ClipError) {
    do throws(ClipError) {
      try folder.write(document, to: name.file(.documentBegun))
      try folder.rename(name.file(.soundBegun), to: name.file(.sound))
      try folder.rename(name.file(.documentBegun), to: name.file(.document))
    } catch {
      for part in ClipName.Part.allCases { try? folder.remove(name.file(part)) }
      throw error
    }
  }

  /// Removes the oldest clips until one more of so many bytes has room.
  private func makeRoom(for bytes: Int, among kept: inout [ClipName: Kept]) throws(ClipError) {
    guard bytes <= mostBytes else { throw .tooLarge(bytes: bytes, most: mostBytes) }
    var total = kept.values.reduce(0) { $0 + $1.bytes }
    var oldest = kept.keys.sorted()[...]
    while kept.count >= mostClips || total > mostBytes - bytes, let name = oldest.popFirst() {
      guard let clip = kept.removeValue(forKey: name) else { continue }
      // The document first: a document without its sound is what nobody may see.
      for (file, _) in clip.parts.sorted(by: { $0.file > $1.file }) { try folder.remove(file) }
      total -= clip.bytes
    }
  }
}
