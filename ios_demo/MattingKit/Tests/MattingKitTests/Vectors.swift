import Foundation

@testable import MattingKit

/// A file of the shared vectors, in the folder that the environment variable `MODNET_VECTORS` names, else in tests/vectors.
struct Vectors: Decodable {
    let tolerance: Float
    let cases: [Case]

    init(_ name: String) throws {
        let repository = (0..<5).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let folder =
            ProcessInfo.processInfo.environment["MODNET_VECTORS"].map { URL(fileURLWithPath: $0) }
            ?? repository.appendingPathComponent("tests/vectors")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Vectors.self, from: Data(contentsOf: folder.appendingPathComponent("\(name).json")))
    }
}

/// A case of any of the files. What a file does not have is nil there.
struct Case: Decodable {
    let tolerance: Float?
    let height: Int?
    let width: Int?
    let model: [Int]?
    let dtype: String?
    let top: Int?
    let left: Int?
    let innerHeight: Int?
    let innerWidth: Int?
    let rows: [UInt8]?
    let rowStride: Int?
    let rotation: Int?
    let mirrored: Bool?
    let upright: [UInt8]?
    let uprightHeight: Int?
    let uprightWidth: Int?
    let packed: [Float]?
    let ties: [Int]?
    let image: [Int]?
    let matte: [Float]?
    let restored: [Float]?
    let coarse: [Int]?
    let foreground: [Float]?
    let background: String?
    let colour: [UInt8]?
    let sigma: Float?
    let picture: [UInt8]?
    let pictureHeight: Int?
    let pictureWidth: Int?
    let composite: [UInt8]?
    let threshold: Float?
    let mattes: [[Float]]?
    let shown: [[Float]?]?
    let weight: Float?
    let followed: Float?
    let before: [Float]?
    let motion: [Float]?
    let greyBefore: [UInt8]?
    let grey: [UInt8]?
    let steadied: [Float]?

    /// The frame that `rows` are.
    func frame() throws -> RgbaFrame {
        var frame = RgbaFrame()
        try rows!.withUnsafeBytes {
            try frame.set(
                $0, rows: height!, columns: width!, bytesPerRow: rowStride!,
                orientation: FrameOrientation(rotation: rotation!, mirrored: mirrored!))
        }
        return frame
    }
}

/// The frame that an RGB image is.
func frame(rgb: [UInt8], height: Int, width: Int) throws -> RgbaFrame {
    var rgba = [UInt8]()
    for i in stride(from: 0, to: 3 * height * width, by: 3) { rgba += [rgb[i], rgb[i + 1], rgb[i + 2], 255] }
    var frame = RgbaFrame()
    try rgba.withUnsafeBytes { try frame.set($0, rows: height, columns: width, bytesPerRow: 4 * width) }
    return frame
}

/// Red, green, blue and alpha.
func parts(_ pixel: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: pixel >> UInt32(8 * $0)) }
}
