import Foundation
import Testing

@testable import MattingKit

/// What the shared vectors do not say.
@Suite struct MattingTests {
    @Test func framesThatCannotBeAreRefused() throws {
        let bytes = [UInt8](repeating: 0, count: 4 * 6)
        func set(rows: Int, columns: Int, bytesPerRow: Int) throws {
            var frame = RgbaFrame()
            try bytes.withUnsafeBytes { try frame.set($0, rows: rows, columns: columns, bytesPerRow: bytesPerRow) }
        }
        try set(rows: 2, columns: 3, bytesPerRow: 12)
        for (rows, columns, bytesPerRow) in [(3, 3, 12), (2, 3, 11), (2, 3, 13), (0, 3, 12)] {
            #expect(throws: MattingError.self) { try set(rows: rows, columns: columns, bytesPerRow: bytesPerRow) }
        }
        for rotation in [45, -90, 360] {
            #expect(throws: MattingError.self) { try FrameOrientation(rotation: rotation) }
        }
    }

    @Test func memoryOfAnotherSizeIsRefused() throws {
        let frame = try noise(height: 2, width: 3)
        var packer = try FramePacker(height: 4, width: 4)
        var (values, bytes) = ([Float](repeating: 0, count: 47), [UInt8](repeating: 0, count: 63))
        #expect(throws: MattingError.self) { try packer.pack(frame, into: &values) }
        #expect(throws: MattingError.self) {
            try bytes.withUnsafeMutableBytes { try packer.pack(frame, into: $0, bytesPerRow: 16) }
        }
        var reader = try MatteReader(height: 4, width: 4)
        let box = try Letterbox(height: 2, width: 3, modelHeight: 4, modelWidth: 4)
        let large = try Letterbox(height: 2, width: 3, modelHeight: 8, modelWidth: 8)
        for (output, box, matte) in [(15, box, 6), (16, box, 5), (16, large, 6)] {
            var found = [Float](repeating: 0, count: matte)
            let output = [Float](repeating: 0, count: output)
            #expect(throws: MattingError.self) { try reader.read(output, box, into: &found) }
        }
        #expect(throws: MattingError.self) {
            try ReferenceCompositor().composite(frame, matte: [0, 1], on: .transparent)
        }
        #expect(throws: MattingError.self) {
            try ReferenceCompositor().composite(frame, matte: Array(repeating: 1, count: 6), on: .blur(sigma: 0))
        }
    }

    @Test func oneValueServesFramesOfChangingSize() throws {
        var packer = try FramePacker(height: 32, width: 32)
        let packed = try [(40, 60), (60, 40), (40, 60)].map { height, width in
            var image = [Float](repeating: 0, count: 3 * 32 * 32)
            try packer.pack(noise(height: height, width: width), into: &image)
            return image
        }
        #expect(packed[0] == packed[2])
        #expect(packed[0] != packed[1])
    }

    @Test func whatIsNotANumberIsBackground() throws {
        var reader = try MatteReader(height: 4, width: 4)
        var matte = [Float](repeating: 7, count: 16)
        let box = try Letterbox(height: 4, width: 4, modelHeight: 4, modelWidth: 4)
        try reader.read((0..<16).map { $0 % 2 == 0 ? Float.nan : 2 }, box, into: &matte)
        #expect(matte == (0..<16).map { $0 % 2 == 0 ? 0 : 1 })
    }

    /// Where Exif's standard puts row 0 and column 0 of the stored image: what the eight numbers mean.
    @Test(arguments: [
        (1, "abcdef", 2), (2, "cbafed", 2), (3, "fedcba", 2), (4, "defabc", 2),
        (5, "adbecf", 3), (6, "daebfc", 3), (7, "fcebda", 3), (8, "cfbead", 3),
    ])
    func orientationsOfExifStandUpright(exif: Int, expected: String, height: Int) throws {
        let orientation = try FrameOrientation(exif: exif)
        #expect(orientation.exif == exif)
        #expect(try FrameOrientation(rotation: orientation.rotation, mirrored: orientation.mirrored) == orientation)
        let stored: [UInt8] = Array("abcdef".utf8).flatMap { [$0, 0, 0, 255] }
        var frame = RgbaFrame()
        try stored.withUnsafeBytes {
            try frame.set($0, rows: 2, columns: 3, bytesPerRow: 12, orientation: orientation)
        }
        #expect(frame.height == height)
        #expect(frame.pixels.map { UInt8($0 & 0xFF) } == Array(expected.utf8))
    }

    @Test(arguments: [0, 9]) func otherOrientationsAreRefused(exif: Int) {
        #expect(throws: MattingError.self) { try FrameOrientation(exif: exif) }
    }

    @Test func camerasFramesOfBgraAreReadAsRgba() throws {
        var frame = RgbaFrame()
        try [UInt8](arrayLiteral: 3, 2, 1, 4).withUnsafeBytes {
            try frame.set($0, rows: 1, columns: 1, bytesPerRow: 4, order: .bgra)
        }
        #expect(frame.pixels.flatMap(parts) == [1, 2, 3, 4])
    }

    @Test func aWideBlurIsTheSameOnASmallerPicture() throws {
        // A step, whose Gaussian blur is known: the normal distribution.
        let step = (0..<60 * 320).flatMap { Array(repeating: $0 % 320 < 160 ? UInt8(0) : 255, count: 3) }
        let frame = try frame(rgb: step, height: 60, width: 320)
        let matte = [Float](repeating: 0, count: 60 * 320)
        let pixels = try ReferenceCompositor().composite(frame, matte: matte, on: .blur(sigma: 16))
        for column in 0..<320 {
            let expected = 255 * 0.5 * erfc(-(Double(column) - 159.5) / 16 / 2.0.squareRoot())
            #expect(abs(expected - Double(pixels[30 * 320 + column].level(0))) < 3)
        }
    }

    @Test func timesAreMeansOfTheLastFrames() {
        var times = FrameTimes(count: 2)
        #expect(times.framesPerSecond == 0 && times.networkMs == 0)
        for frame in 0..<3 {
            let start = 0.1 * Double(frame)
            times.add(
                FrameTimes.Marks(
                    arrived: start, packed: start + 0.001 * Double(frame + 1), inferred: start + 0.02,
                    finished: start + 0.025))
        }
        let found = [times.beforeMs, times.networkMs, times.afterMs, times.framesPerSecond]
        for (found, expected) in zip(found, [2.5, 17.5, 5, 10]) { #expect(abs(found - expected) < 1e-9) }
    }

    @Test func aDelayThatIsFinishedBeginsAnew() {
        var delay = OneFrameDelay()
        let shown = [
            delay.finish(), delay.push([0.1, 0.2]), delay.finish(), delay.push([0.3, 0.4]), delay.push([0.5, 0.6]),
        ]
        #expect(shown == [nil, nil, [0.1, 0.2], nil, [0.3, 0.4]])
    }

    @Test func theMatteBeforeIsShownWhileTheNextIsComputed() {
        var newest = NewestMatte<String>()
        let tickets = [newest.begin(), newest.begin()]
        #expect(tickets == [0, nil])
        newest.finish(0, with: "one")
        #expect(newest.matte == "one")
        let second = newest.begin()
        #expect(second == 0)
        #expect(newest.matte == "one")
    }

    @Test func theMatteBeforeStaysWhereTheNetworkFails() {
        var newest = NewestMatte<String>()
        _ = newest.begin()
        newest.finish(0, with: "one")
        _ = newest.begin()
        newest.finish(0, with: nil)
        #expect(newest.matte == "one")
        let next = newest.begin()
        #expect(next == 0)
    }

    @Test func whatIsComputedOfAnotherVideoIsDropped() {
        var newest = NewestMatte<String>()
        let old = newest.begin()
        newest.reset()
        let new = newest.begin()
        newest.finish(old!, with: "of the other camera")
        #expect(newest.matte == nil)
        // The new one's is still being computed.
        let third = newest.begin()
        #expect(third == nil)
        newest.finish(new!, with: "of this one")
        #expect(newest.matte == "of this one")
    }

    private func noise(height: Int, width: Int) throws -> RgbaFrame {
        var state: UInt32 = 1
        let rgb = (0..<3 * height * width).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(state >> 24)
        }
        return try frame(rgb: rgb, height: height, width: width)
    }
}
