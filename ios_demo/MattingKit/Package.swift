// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "MattingKit",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "MattingKit", targets: ["MattingKit"])],
    targets: [
        .target(name: "MattingKit"),
        .testTarget(name: "MattingKitTests", dependencies: ["MattingKit"]),
    ],
    swiftLanguageModes: [.v6]
)
