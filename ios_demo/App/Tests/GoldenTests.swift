import CoreGraphics
import Foundation
import ImageIO
import MattingKit
import XCTest

@testable import MODNetDemo

/// The model in the app gives the reference's matte of the golden image, on this device.
final class GoldenTests: XCTestCase {
    /// What an export of fp16 may be off by, and the 8 bits of both mattes.
    private let mostMeanDifference: Float = 0.003

    func testTheModelGivesTheReferencesMatteOnTheCPU() async throws { try await check(.cpuOnly) }

    func testTheModelGivesTheReferencesMatteWhereCoreMLRunsIt() async throws { try await check(.all) }

    private func check(_ units: ComputeUnits) async throws {
        let engine = try await MattingEngine(computeUnits: units)
        let matte = try await engine.matte(of: Photos.read(Self.file("golden_image")))
        let expected = try Self.levels(Self.file("golden_matte"))
        XCTAssertEqual(matte.values.count, expected.count)
        let differences = zip(matte.values, expected).map { abs($0 - Float($1) / 255) }
        XCTAssertLessThan(differences.reduce(0, +) / Float(expected.count), mostMeanDifference, "on \(units)")
        // A matte that is nothing but one level is none, however near its mean is.
        XCTAssertGreaterThan(matte.values.max() ?? 0, 0.9)
        XCTAssertLessThan(matte.values.min() ?? 1, 0.1)
    }

    private static func file(_ name: String) throws -> Data {
        try Data(contentsOf: XCTUnwrap(Bundle.main.url(forResource: name, withExtension: "png")))
    }

    /// The levels of a grey PNG as they are written in it.
    private static func levels(_ png: Data) throws -> [UInt8] {
        let source = try XCTUnwrap(CGImageSourceCreateWithData(png as CFData, nil))
        let image = try XCTUnwrap(CGImageSourceCreateImageAtIndex(source, 0, nil))
        var levels = [UInt8](repeating: 0, count: image.height * image.width)
        try levels.withUnsafeMutableBytes { bytes in
            // Its own colour space: nothing is converted.
            let context = CGContext(
                data: bytes.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: image.width, space: try XCTUnwrap(image.colorSpace),
                bitmapInfo: CGImageAlphaInfo.none.rawValue)
            try XCTUnwrap(context).draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
        }
        return levels
    }
}
