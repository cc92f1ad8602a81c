// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "listen",
  dependencies: [
    // Elsewhere: .package(url: "https://...", from: "0.1.0")
    .package(name: "attnd", path: "../../../..")
  ],
  targets: [
    .executableTarget(
      name: "Listen", dependencies: [.product(name: "AttentionSocket", package: "attnd")])
  ]
)
