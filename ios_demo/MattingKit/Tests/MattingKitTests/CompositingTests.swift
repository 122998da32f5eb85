import Foundation
import Testing

@testable import MattingKit

/// What is given to the GPU, and, where there is one, what it makes of that.
@Suite struct CompositingTests {
    @Test(arguments: 1...8) func theGpuReadsFramesAsTheyStandUpright(exif: Int) throws {
        let orientation = try FrameOrientation(exif: exif)
        let (rows, columns) = (3, 5)
        let bytes: [UInt8] = (0..<rows * columns).flatMap { [UInt8($0), 0, 0, 255] }
        var frame = RgbaFrame()
        try bytes.withUnsafeBytes {
            try frame.set($0, rows: rows, columns: columns, bytesPerRow: 4 * columns, orientation: orientation)
        }
        let box = try Letterbox(height: frame.height, width: frame.width, modelHeight: 4, modelWidth: 4)
        let n = CompositingKernels.Numbers(
            rows: rows, columns: columns, orientation: orientation, matte: box, stride: 4, coarseSide: 2)
        #expect(Int(n.height) == frame.height && Int(n.width) == frame.width)
        for y in 0..<n.height {
            for x in 0..<n.width {
                let column = n.first.x + y * n.down.x + x * n.right.x
                let row = n.first.y + y * n.down.y + x * n.right.y
                #expect(frame.pixels[Int(y * n.width + x)] & 0xFF == UInt32(row * Int32(columns) + column))
            }
        }
    }

    @Test func meansAreTakenOverTheBoxesOfPython() throws {
        let box = try Letterbox(height: 720, width: 1280, modelHeight: 512, modelWidth: 512)
        let numbers = CompositingKernels.Numbers(
            rows: 720, columns: 1280, orientation: .upright, matte: box, stride: 512, coarseSide: 128)
        #expect([numbers.coarseHeight, numbers.coarseWidth] == [72, 128])
        let found = [true, false].map { numbers.means(first: $0) }.map { [$0.radius, $0.power, $0.isFirst ? 1 : 0] }
        #expect(found == [[21, 8, 1], [1, 4, 0]])
    }

    #if canImport(CoreImage) && canImport(Metal)
    @Test(arguments: 1...8) func theGpuCompositesAsTheCpuDoes(exif: Int) throws {
        let orientation = try FrameOrientation(exif: exif)
        #expect(try mostLevelsApart(orientation, on: .transparent) <= 2)
        #expect(try mostLevelsApart(orientation, on: .colour(red: 10, green: 200, blue: 255)) <= 2)
    }
    #endif
}

#if canImport(CoreImage) && canImport(Metal)
/// By how many levels `Compositor` and `ReferenceCompositor` differ at most.
func mostLevelsApart(_ orientation: FrameOrientation, on background: Background) throws -> Int {
    let (rows, columns, side) = (120, 200, 64)
    let photo = try PixelBuffer(height: rows, width: columns) { bytes, bytesPerRow in
        for y in 0..<rows {
            for x in 0..<columns {
                let pixel = [UInt8(y), UInt8(x), UInt8((x * y) % 251), 255]
                for (c, level) in pixel.enumerated() { bytes[y * bytesPerRow + 4 * x + c] = level }
            }
        }
    }
    let frame = try photo.frame(orientation: orientation)
    let box = try Letterbox(height: frame.height, width: frame.width, modelHeight: side, modelWidth: side)
    let levels = (0..<side * side).map { UInt8(min(max(4 * ($0 % side), 0), 255)) }
    let matte = try levels.withUnsafeBytes { bytes in
        try Matte(
            bytes: bytes, bytesPerRow: side, height: side, width: side, letterbox: box,
            marks: FrameTimes.Marks(arrived: 0, packed: 0, inferred: 0, finished: 0))
    }
    let expected = try ReferenceCompositor().composite(frame, matte: matte.ofFrame(), on: background)
    let found = try Compositor(background: background).composite(photo, orientation: orientation, matte: matte).frame()
    return zip(found.pixels, expected).reduce(0) { most, pair in
        let alpha = pair.1.level(3) / 255
        let far = (0..<4).map { channel in
            // The GPU's are multiplied by alpha.
            abs(pair.0.level(channel) - pair.1.level(channel) * (channel == 3 ? 1 : alpha))
        }
        return max(most, Int(far.max() ?? 0))
    }
}
#endif
