// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "DemoCore",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "DemoCore", targets: ["DemoCore"])],
    dependencies: [.package(path: "../../MattingKit")],
    targets: [
        .target(name: "DemoCore", dependencies: ["MattingKit"]),
        .testTarget(name: "DemoCoreTests", dependencies: ["DemoCore"]),
    ],
    swiftLanguageModes: [.v6]
)
