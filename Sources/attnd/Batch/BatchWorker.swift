import Glibc
import ModelFile

/// What is done with files: as values, so that every thread may have them.
package struct BatchPlan: Sendable {
  let model: ModelFile
  let threshold: Float?
  let input: BatchInput
  let content: ResultContent
  /// Names model and options in the lines at the ends of files.
  let settings: String
  let files: [String]
  /// Where the picture of each file goes, by the file's name; none where there is to be none.
  var pictures: [String: PictureTarget] = [:]
  /// Threads.
  let jobs: Int

  /// - Parameters:
  ///   - files: What is worked on, in the order of the results.
  ///   - input: What they hold.
  ///   - model: What is listened for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - content: What is printed.
  ///   - settings: What the lines at the ends of files call model and options.
  ///   - jobs: Threads, 1 or more.
  package init(
    files: [String], input: BatchInput, model: ModelFile, threshold: Float?,
    content: ResultContent, settings: String, jobs: Int
  ) {
    precondition(jobs >= 1, "Work needs a thread")
    self.files = files
    self.input = input
    self.model = model
    self.threshold = threshold
    self.content = content
    self.settings = settings
    self.jobs = jobs
  }

  /// Files whose steps a thread takes together: enough that reading the weights costs little, few
  /// enough that their states stay in a core's cache.
  private static let mostFilesAtOnce = 16

  /// Most files that a thread has at once; of a short list every thread gets some.
  var filesAtOnce: Int {
    let share = files.count / jobs + (files.count % jobs > 0 ? 1 : 0)
    return max(1, min(Self.mostFilesAtOnce, share))
  }
}

/// One thread of a batch: takes files from the list until none is left.
struct BatchWorker {
  private let plan: BatchPlan
  private let output: OrderedOutput
  /// A pipe in the list, for whose writer one may have to wait: read by itself, when the files
  /// before it have ended, so that it keeps none waiting.
  private var pipe: Int?
  private var isReadingPipe = false

  init(_ plan: BatchPlan, output: OrderedOutput) {
    self.plan = plan
    self.output = output
  }

  /// Works until no file is left, or until another thread has met with what nobody can go on from.
  mutating func run() {
    do {
      let group = try FileGroup<ResultLines>(
        plan.model, threshold: plan.threshold, capacity: plan.filesAtOnce,
        makeSource: { [plan] in try plan.input.makeSource(plan.model) })
      try work(group)
    } catch {
      // Where it says that all has stopped, that is known.
      output.stop(error)
    }
  }

  private mutating func work(_ group: FileGroup<ResultLines>) throws {
    while true {
      let turns = output.turns
      try fill(group)
      guard group.count > 0 else { return }
      let isMoving = try group.advance { lines, seconds, error in
        try lines.end(seconds: seconds, failure: error.map { "\($0)" })
      }
      if !isMoving { try output.waitForTurn(after: turns) }
    }
  }

  /// Lets files join while there is room.
  private mutating func fill(_ group: FileGroup<ResultLines>) throws {
    if group.count == 0 { isReadingPipe = false }
    while group.hasRoom, !isReadingPipe, let file = nextFile(isIdle: group.count == 0) {
      let isPipe = isPipe(plan.files[file])
      if isPipe, group.count > 0 {
        pipe = file
        return
      }
      isReadingPipe = try join(file, group) && isPipe
    }
  }

  private mutating func nextFile(isIdle: Bool) -> Int? {
    if let pipe {
      if isIdle { self.pipe = nil }
      return isIdle ? pipe : nil
    }
    guard case .file(let file) = output.next(waiting: isIdle ? .forTurn : .never) else {
      return nil
    }
    return file
  }

  /// Opens a file.
  ///
  /// - Returns: Whether that went well; if not, the file has ended already.
  private func join(_ file: Int, _ group: FileGroup<ResultLines>) throws -> Bool {
    let path = plan.files[file]
    let terms = ResultTerms(
      file: path, model: plan.model, content: plan.content, settings: plan.settings)
    let picture = plan.pictures[path].map {
      FilePicture(of: path, plan.model, threshold: plan.threshold, to: $0)
    }
    let lines = ResultLines(file: file, terms: terms, picture: picture, output: output)
    do {
      try group.join(path, lines)
      return true
    } catch {
      try lines.end(seconds: 0, failure: "\(error)")
      return false
    }
  }

  private func isPipe(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
  }
}
