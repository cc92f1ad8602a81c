// swift-tools-version: 6.2
import PackageDescription

// Every Swift target is held to the same rules: Swift 6 language mode and no warnings.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// The inner loops are written over a vector type that needs the compiler's own vector operations,
// and are optimised in debug builds too.
let loops: [SwiftSetting] = strict + [.enableExperimentalFeature("BuiltinModule")]

// A dependency may not have unsafe flags (SwiftPM refuses them): there the loops are built once, for
// the baseline. Where packages are checked out as dependencies, the folder says so.
let isRoot = !Context.packageDirectory.contains("/checkouts/")

// The loops once more for each newer instruction set of x86-64: the same sources, through links.
// SwiftPM links objects in the order of their folders: the names begin with a small k so that a
// symbol that a newer set should share with the baseline is taken from the baseline.
#if arch(x86_64)
  let levels =
    isRoot
    ? [
      ("kernelsV3", "x86-64-v3", ["KERNEL_FMA"]),
      ("kernelsV4", "x86-64-v4", ["KERNEL_FMA", "KERNEL_512"]),
    ] : []
#else
  let levels: [(String, String, [String])] = []
#endif
let kernelBuilds: [Target] =
  [
    .target(
      name: "BaselineKernels", dependencies: ["Kernels"],
      swiftSettings: loops + (isRoot ? [.unsafeFlags(["-O"])] : []))
  ]
  + levels.map { name, level, conditions in
    .target(
      name: name, dependencies: ["Kernels"],
      swiftSettings: loops + conditions.map { .define($0) } + [
        .unsafeFlags(["-O", "-Xcc", "-march=\(level)"])
      ])
  }

// A test target per module, each with the shared oracles and fixtures.
func tests(_ name: String, of dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)",
    swiftSettings: strict)
}

// Targets stand in the order in which the data passes through them.
let package = Package(
  name: "attnd",
  products: [
    .executable(name: "attnd", targets: ["attnd"]),
    .library(name: "FeatureExtraction", targets: ["FeatureExtraction"]),
    .library(name: "StreamingAttention", targets: ["StreamingAttention"]),
    .library(name: "AttentionSocket", targets: ["AttentionSocket"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    // Without its readers of files, which bring Foundation into memory.
    .package(
      url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
  ],
  targets: kernelBuilds + [
    .systemLibrary(name: "CALSA", pkgConfig: "alsa", providers: [.apt(["libasound2-dev"])]),
    .systemLibrary(
      name: "CSndFile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),
    .systemLibrary(name: "CSoxr", pkgConfig: "soxr", providers: [.apt(["libsoxr-dev"])]),
    // Its header is all that is built with: the library is loaded by those who want MQTT.
    .systemLibrary(name: "CMosquitto", providers: [.apt(["libmosquitto-dev"])]),
    .systemLibrary(
      name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    .target(name: "Kernels", swiftSettings: strict),
    .target(name: "CProcessor"),
    .target(
      name: "KernelDispatch",
      dependencies: ["Kernels", "CProcessor"] + kernelBuilds.map { .byName(name: $0.name) },
      swiftSettings: strict),
    .target(
      name: "AudioInput", dependencies: ["CALSA", "CSndFile", "CSoxr"], swiftSettings: strict),
    .target(
      name: "FeatureExtraction", dependencies: ["Kernels", "KernelDispatch"], swiftSettings: strict),
    .target(
      name: "StreamingAttention", dependencies: ["Kernels", "KernelDispatch"], swiftSettings: strict
    ),
    .target(name: "JSONText", swiftSettings: strict),
    .target(
      name: "ModelFile", dependencies: ["FeatureExtraction", "StreamingAttention", "JSONText"],
      swiftSettings: strict),
    .target(
      name: "AttentionSocket",
      dependencies: [
        "JSONText",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strict),
    .target(name: "Calibration", swiftSettings: strict),
    .target(name: "CEmbedded"),
    .executableTarget(
      name: "attnd",
      dependencies: [
        "AudioInput", "KernelDispatch", "FeatureExtraction", "StreamingAttention", "JSONText",
        "ModelFile", "AttentionSocket", "Calibration", "CEmbedded", "CMosquitto", "CYAML", "CZlib",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ], swiftSettings: strict),

    .target(name: "CAllocationCount", path: "Tests/CAllocationCount"),
    .target(
      name: "TestSupport", dependencies: ["CAllocationCount"], path: "Tests/TestSupport",
      swiftSettings: strict),
    // What tests put in the place of cards, clocks and sockets.
    .target(
      name: "Simulated",
      dependencies: [
        "AudioInput", "AttentionSocket", .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
      ], path: "Tests/Simulated", swiftSettings: strict),
    tests("TestSupportTests", of: []),
    tests("ArchitectureTests", of: []),
    tests("KernelsTests", of: ["Kernels", "KernelDispatch"]),
    tests("FeatureExtractionTests", of: ["FeatureExtraction", "Kernels", "KernelDispatch"]),
    tests("StreamingAttentionTests", of: ["StreamingAttention", "FeatureExtraction"]),
    tests("JSONTextTests", of: ["JSONText"]),
    tests("ModelFileTests", of: ["ModelFile", "JSONText"]),
    tests("CalibrationTests", of: ["Calibration"]),
    tests("AudioInputTests", of: ["AudioInput", "Simulated"]),
    tests(
      "AttentionSocketTests",
      of: [
        "AttentionSocket", "JSONText", "Simulated",
        .product(name: "NIOEmbedded", package: "swift-nio"),
      ]),
    tests(
      "ProgramTests",
      of: [
        "attnd", "AudioInput", "FeatureExtraction", "StreamingAttention", "ModelFile",
        "Calibration", "CZlib",
        "CAllocationCount", "Simulated", .product(name: "NIOEmbedded", package: "swift-nio"),
      ]),
  ]
)

// The fuzzer of the socket, for Tests/Fuzz/run.sh, which builds everything with a sanitizer.
if Context.environment["ATTND_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz-socket",
      dependencies: [
        "AttentionSocket", .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/Fuzz",
      sources: ["SocketTarget.swift", "SocketConversation.swift", "Seeds.swift"],
      swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]))
}
