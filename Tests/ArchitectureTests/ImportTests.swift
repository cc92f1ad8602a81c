import FoundationEssentials
import TestSupport
import Testing

/// What each module may import: numbers know no file, no module knows one beside or above it.
///
/// The package manager doesn't hold this: an import of a transitive dependency passes its check
/// (Swift 6.3.1, `--explicit-target-dependency-import-check error`).
enum ModuleRules {
  static let allowed: [String: Set<String>] = [
    "Kernels": [],
    "BaselineKernels": ["Kernels", "Builtin"],
    "KernelDispatch": [
      "Kernels", "BaselineKernels", "kernelsV3", "kernelsV4", "CProcessor", "Glibc",
    ],
    "FeatureExtraction": ["Kernels", "KernelDispatch", "Glibc"],
    "StreamingAttention": ["Kernels", "KernelDispatch", "Glibc"],
    "JSONText": [],
    "ModelFile": ["FeatureExtraction", "StreamingAttention", "JSONText", "Glibc"],
    "AudioInput": ["CALSA", "CSndFile", "CSoxr", "Synchronization", "Glibc"],
    "AttentionSocket": [
      "JSONText", "NIOCore", "NIOPosix", "Logging", "Synchronization", "Glibc",
    ],
    "Calibration": ["Glibc"],
    "attnd": [
      "AudioInput", "KernelDispatch", "FeatureExtraction", "StreamingAttention", "JSONText",
      "ModelFile", "AttentionSocket", "Calibration", "CEmbedded", "CMosquitto", "CYAML", "CZlib",
      "ArgumentParser", "Configuration",
      "FoundationEssentials", "Glibc", "Logging", "ServiceLifecycle", "Synchronization",
      "UnixSignals",
    ],
  ]

  /// Folders of C, which import nothing.
  static let foldersOfC: Set<String> = [
    "CALSA", "CEmbedded", "CMosquitto", "CProcessor", "CSndFile", "CSoxr", "CYAML", "CZlib",
  ]

  /// Links to the folder whose sources are built again, for a newer processor.
  static let links = ["kernelsV3": "BaselineKernels", "kernelsV4": "BaselineKernels"]
}

/// The module that a line imports, nil when it imports none.
///
/// - Parameter line: A line of Swift.
/// - Returns: `B` for `@testable import B`, `public import B` and `import struct B.C`.
func importedModule(_ line: Substring) -> String? {
  let kinds: Set<Substring> = [
    "actor", "class", "enum", "func", "let", "protocol", "struct", "typealias", "var",
  ]
  let levels: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
  var words = line.split { $0 == " " || $0 == "\t" }[...]
  while let first = words.first, first.hasPrefix("@") || levels.contains(first) {
    words.removeFirst()
  }
  guard words.popFirst() == "import" else { return nil }
  if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
  return words.first.map { String($0.prefix { $0 != "." && $0 != ";" }) }
}

@Suite("Imports")
struct ImportTests {
  /// Path of Sources; this file is Tests/ArchitectureTests/ImportTests.swift.
  static var sources: String {
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
      .joined(separator: "/") + "/Sources"
  }

  @Test("Every import in Sources is one that its module may have")
  func imports() throws {
    let folders = Set(try FileManager.default.contentsOfDirectory(atPath: Self.sources))
    #expect(
      folders
        == ModuleRules.foldersOfC.union(ModuleRules.allowed.keys).union(ModuleRules.links.keys))
    for (module, allowed) in ModuleRules.allowed.sorted(by: { $0.key < $1.key }) {
      let folder = "\(Self.sources)/\(module)"
      let files = try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
        .filter { $0.hasSuffix(".swift") }
      #expect(!files.isEmpty, "Sources/\(module) has no Swift file")
      for file in files {
        let text = String(decoding: try fileBytes("\(folder)/\(file)"), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
          guard let imported = importedModule(line) else { continue }
          #expect(
            allowed.contains(imported),
            "Sources/\(module)/\(file):\(number + 1) imports \(imported): not in \(allowed.sorted())"
          )
        }
      }
    }
  }

  @Test("The kernels for newer processors are the baseline's sources, through links")
  func links() throws {
    for (name, folder) in ModuleRules.links {
      let destination = try FileManager.default.destinationOfSymbolicLink(
        atPath: "\(Self.sources)/\(name)")
      #expect(destination == folder, "Sources/\(name)")
    }
    // Linked in the order of their names: a symbol that all should share is the baseline's.
    #expect(ModuleRules.links.keys.allSatisfy { $0 > "attnd" && $0 > "KernelDispatch" })
  }

  @Test("Nobody may import Foundation, which would add 58 MB to the binary")
  func noFoundation() {
    for (module, allowed) in ModuleRules.allowed {
      #expect(!allowed.contains("Foundation"), "\(module)")
    }
  }

  @Test(
    "An import is recognised in every form",
    arguments: [
      ("import Glibc", "Glibc"), ("  import Glibc  ", "Glibc"), ("@testable import A", "A"),
      ("@preconcurrency public import A", "A"), ("import struct A.B", "A"), ("import A;", "A"),
      ("package import A // why", "A"), ("// import A", nil), ("#if canImport(A)", nil),
      ("let important = 1", nil), ("importer()", nil), ("", nil),
    ] as [(String, String?)])
  func recognised(line: String, module: String?) {
    #expect(importedModule(line[...]) == module)
  }
}
