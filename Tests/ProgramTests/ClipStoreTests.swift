import Glibc
import TestSupport
import Testing
import attnd

/// 2026-11-23T10:15:30.123Z in Unix milliseconds, as `date -u -d ... +%s%3N` gives it.
let aMorning = 1_795_428_930_123

@Suite("Clips on a disk: names, and how many there are")
struct ClipStoreTests {
  let folder = MemoryFolder()

  private func store(_ folder: (any ClipFolder)? = nil, clips: Int = 1_000, bytes: Int = 1 << 30)
    -> ClipStore
  {
    ClipStore(folder: folder ?? self.folder, mostClips: clips, mostBytes: bytes)
  }

  /// Keeps a clip of so many bytes, ten of them the document's.
  @discardableResult
  private func keep(
    _ bytes: Int, at milliseconds: Int, keyword: String = "computer", in store: ClipStore
  ) throws -> ClipName {
    try store.keep(
      [UInt8](repeating: 1, count: bytes - 10), milliseconds: milliseconds, keyword: keyword
    ) { _ in [UInt8](repeating: 2, count: 10) }
  }

  // MARK: Names

  @Test("A clip is called by its time, UTC, and its keyword")
  func names() {
    let name = ClipName(milliseconds: aMorning, keyword: "smart_mirror")
    #expect(name.stem == "2026-11-23T10-15-30.123Z-smart_mirror")
    #expect(ClipName.timestamp(milliseconds: aMorning) == "2026-11-23T10:15:30.123Z")
    for part in ClipName.Part.allCases {
      let found = ClipName.of(file: name.file(part))
      #expect(found?.name == name && found?.part == part)
    }
  }

  @Test("Names are in the order of time; a clock gone mad still gives a name")
  func times() {
    let times = [-5, 0, 999, 1_000, aMorning, aMorning + 1, 253_402_300_799_999, .max]
    let names = times.map { ClipName(milliseconds: $0, keyword: "a") }
    #expect(names == names.sorted())
    #expect(names[0] == names[1] && names[0].stem == "1970-01-01T00-00-00.000Z-a")
    #expect(names[7] == names[6] && names[6].stem == "9999-12-31T23-59-59.999Z-a")
    #expect(ClipName.milliseconds(ofUnix: .nan) == 0)
    #expect(ClipName.milliseconds(ofUnix: -.infinity) == 0)
    #expect(ClipName.milliseconds(ofUnix: 1e300) > aMorning)
    #expect(ClipName.milliseconds(ofUnix: 1.5) == 1_500)
  }

  @Test(
    "Files of other people are known from ours",
    arguments: [
      "notes.txt", "talk.flac", "2026-11-23T10-15-30.123Z-.flac", "2026-11-23.flac", ".flac", "",
      "2026-11-23T10:15:30.123Z-computer.flac", "2026-11-23T10-15-30.123Z-computer.wav",
      "2026-11-23T10-15-30.123Z-computer", "2026-11-23T10-15-30.123Z-Computer.json",
      "2026-11-23T10-15-30.123Z-a b.json", "x2026-11-23T10-15-30.123Z-a.json",
      "2026-11-23T10-15-30.12xZ-a.json", "2026-11-23T10-15-30.123Z-../a.json",
    ])
  func others(file: String) {
    #expect(ClipName.of(file: file) == nil)
  }

  @Test("The sound gets its name before the document: whoever sees the document can read the sound")
  func order() throws {
    let name = try keep(100, at: aMorning, in: store())
    #expect(
      folder.history == [
        "list", "write \(name.stem).flac.part", "write \(name.stem).json.part",
        "rename \(name.stem).flac.part \(name.stem).flac",
        "rename \(name.stem).json.part \(name.stem).json",
      ])
    #expect(folder.content["\(name.stem).flac"]?.count == 90)
    #expect(folder.content["\(name.stem).json"] == [UInt8](repeating: 2, count: 10))
  }

  @Test("Two clips of one moment get names a millisecond apart")
  func sameMoment() throws {
    let store = store()
    let names = try (0..<3).map { _ in try keep(100, at: aMorning, in: store) }
    #expect(Set(names).count == 3 && names == names.sorted())
    #expect(names[1].stem == "2026-11-23T10-15-30.124Z-computer")
    #expect(try keep(100, at: aMorning, keyword: "alexa", in: store).stem.contains(".123Z-alexa"))
    // One that another process has begun is somebody's, too.
    folder.content = [names[0].file(.soundBegun): [1]]
    #expect(try keep(100, at: aMorning, in: store) == names[1])
  }

  @Test("A thousand names that are taken are an error, not a loop")
  func noName() throws {
    folder.content = Dictionary(
      uniqueKeysWithValues: (0..<1_000).map {
        (ClipName(milliseconds: aMorning + $0, keyword: "computer").file(.sound), [UInt8(1)])
      })
    #expect(throws: ClipError.taken(name: "2026-11-23T10-15-30.123Z-computer")) {
      try keep(100, at: aMorning, in: store(clips: 2_000))
    }
  }

  // MARK: Bounds

  @Test("So many clips, no more: the oldest make room, before the new one is written")
  func byNumber() throws {
    let store = store(clips: 3)
    folder.content = ["notes.txt": [1, 2, 3], "1970-01-01.flac": [1]]
    let names = try (0..<5).map { try keep(100, at: aMorning + 1_000 * $0, in: store) }
    let clips = Set(folder.content.keys.compactMap { ClipName.of(file: $0)?.name })
    #expect(clips == Set(names[2...]))
    #expect(folder.content.count == 3 * 2 + 2, "what isn't ours is never touched")
    // The document goes before its sound, both before the new ones.
    let tail = folder.history.suffix(7).map { $0.split(separator: " ")[0] }
    #expect(tail == ["list", "remove", "remove", "write", "write", "rename", "rename"])
    #expect(folder.history.contains("remove \(names[1].stem).json"))
  }

  @Test("So many bytes, no more, with whatever was left half written")
  func byBytes() throws {
    let store = store(bytes: 1_000)
    for i in 0..<10 { try keep(300, at: aMorning + 1_000 * i, in: store) }
    #expect(folder.content.values.reduce(0) { $0 + $1.count } == 900)
    let left = ClipName(milliseconds: 5, keyword: "alexa")
    folder.content[left.file(.soundBegun)] = [UInt8](repeating: 0, count: 100)
    try keep(300, at: aMorning + 20_000, in: store)
    #expect(folder.content[left.file(.soundBegun)] == nil, "the oldest of all is what was left")
    #expect(folder.content.count == 6)
    // Large ones take the place of several.
    try keep(900, at: aMorning + 30_000, in: store)
    #expect(folder.content.count == 2)
  }

  @Test("A clip that is too large by itself is refused, and costs no other")
  func tooLarge() throws {
    let store = store(bytes: 1_000)
    for i in 0..<3 { try keep(300, at: aMorning + 1_000 * i, in: store) }
    let before = folder.content
    #expect(throws: ClipError.tooLarge(bytes: 1_001, most: 1_000)) {
      try keep(1_001, at: aMorning, in: store)
    }
    #expect(folder.content == before)
    try keep(1_000, at: aMorning + 5_000, in: store)
    #expect(folder.content.count == 2)
  }

  @Test("A disk that fills up: an error, nothing half left; with room again clips are kept again")
  func full() throws {
    let store = store()
    // No room for the sound, none for the whole of the document, none at all.
    for room in [40, 95, 0] {
      folder.room = room
      #expect(throws: ClipError.folder(path: "memory", code: ENOSPC)) {
        try keep(100, at: aMorning, in: store)
      }
      #expect(folder.content.isEmpty, "with room for \(room) bytes")
    }
    folder.room = 100
    try keep(100, at: aMorning, in: store)
    #expect(folder.content.count == 2)
  }

  // MARK: A real folder

  @Test("On a disk: a folder for its owner alone, files too, whole or not at all")
  func disk() throws {
    let place = try TemporaryFolder()
    let path = place("a/b/clips")
    let folder = DiskFolder(path)
    try folder.make()
    try folder.make()
    let name = try keep(100_000, at: aMorning, in: store(folder))
    var status = stat()
    for (file, mode) in [
      (path, S_IFDIR | 0o700), ("\(path)/\(name.file(.sound))", S_IFREG | 0o600),
      ("\(path)/\(name.file(.document))", S_IFREG | 0o600),
    ] {
      #expect(lstat(file, &status) == 0 && status.st_mode == mode, "\(file)")
    }
    #expect(try folder.files().map(\.bytes).sorted() == [10, 99_990])
    #expect(throws: ClipError.taken(name: name.file(.sound))) {
      try folder.write([1], to: name.file(.sound))
    }
  }

  @Test("On a disk: links, folders and other people's files aren't counted, and stay")
  func strangers() throws {
    let place = try TemporaryFolder()
    let ours = ClipName(milliseconds: 1_000, keyword: "alexa")
    _ = try place.file("notes.txt", [1])
    _ = try place.file(ours.file(.sound), [1])
    mkdir(place(ours.file(.document)), 0o700)
    symlink("notes.txt", place(ClipName(milliseconds: 2_000, keyword: "alexa").file(.sound)))
    let store = store(DiskFolder(place.path), clips: 1)
    let name = try keep(100, at: aMorning, in: store)
    #expect(access(place("notes.txt"), F_OK) == 0)
    #expect(access(place(ours.file(.sound)), F_OK) != 0, "a clip of ours makes room")
    #expect(access(place(ours.file(.document)), F_OK) == 0, "a folder isn't ours")
    var status = stat()
    #expect(
      lstat(place(ClipName(milliseconds: 2_000, keyword: "alexa").file(.sound)), &status) == 0)
    #expect(try DiskFolder(place.path).files().count == 2)
    // One that vanishes between being seen and being removed is gone, and that was wanted.
    #expect(throws: Never.self) { try DiskFolder(place.path).remove("nothing.flac") }
    #expect(access(place(name.file(.document)), F_OK) == 0)
  }

  @Test("A folder that is taken away is an error with its name; made again, it is the folder")
  func takenAway() throws {
    let place = try TemporaryFolder()
    let path = place("clips")
    mkdir(path, 0o700)
    let store = store(DiskFolder(path))
    rmdir(path)
    #expect(throws: ClipError.folder(path: path, code: ENOENT)) {
      try keep(100, at: aMorning, in: store)
    }
    #expect(
      ClipError.folder(path: path, code: ENOENT).description
        == "folder \(path): No such file or directory; it is made when the daemon starts, and looked "
        + "for at every detection")
    mkdir(path, 0o700)
    try keep(100, at: aMorning, in: store)
    #expect(try DiskFolder(path).files().count == 2)
    // A file where a folder should be.
    let file = try place.file("file", [1])
    #expect(throws: ClipError.folder(path: file, code: ENOTDIR)) {
      try keep(100, at: aMorning, in: self.store(DiskFolder(file)))
    }
  }

  @Test(
    "A real disk without room: an error, nothing half left",
    .enabled(if: geteuid() == 0, "only root can mount a small disk"))
  func smallDisk() throws {
    let place = try TemporaryFolder()
    let path = place("disk")
    mkdir(path, 0o700)
    // Some places that have root may not mount either.
    guard mount("tmpfs", path, "tmpfs", 0, "size=65536") == 0 else { return }
    defer { umount2(path, Int32(MNT_DETACH)) }
    let store = store(DiskFolder(path))
    try keep(30_000, at: aMorning, in: store)
    #expect(throws: ClipError.folder(path: path, code: ENOSPC)) {
      try keep(60_000, at: aMorning + 1, in: store)
    }
    #expect(try DiskFolder(path).files().count == 2)
    unlink("\(path)/\(ClipName(milliseconds: aMorning, keyword: "computer").file(.sound))")
    try keep(40_000, at: aMorning + 2, in: store)
  }
}
