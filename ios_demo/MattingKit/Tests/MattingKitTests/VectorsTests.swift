import Testing

@testable import MattingKit

/// What modnet_export/images makes of small frames and mattes, the app's code makes too.
@Suite struct VectorsTests {
    @Test func anImageLiesInTheModelsInputWherePythonPutsIt() throws {
        for item in try Vectors("letterbox").cases {
            let (image, model) = (item.image!, item.model!)
            try expectPlaced(
                item, Letterbox(height: image[0], width: image[1], modelHeight: model[0], modelWidth: model[1]))
        }
    }

    @Test func framesStandUpright() throws {
        for item in try Vectors("frames").cases {
            let frame = try item.frame()
            #expect([frame.height, frame.width] == [item.uprightHeight!, item.uprightWidth!])
            #expect(frame.pixels.flatMap(parts) == item.upright!)
        }
    }

    @Test func framesArePackedAsPythonPacksThem() throws {
        let vectors = try Vectors("packing")
        for item in vectors.cases {
            let (height, width) = (item.model![0], item.model![1])
            var packer = try FramePacker(height: height, width: width)
            if item.dtype == "uint8" {
                for order in [RgbaFrame.ByteOrder.rgba, .bgra] {
                    // Rows of a pixel buffer are padded.
                    let bytesPerRow = 4 * width + 12
                    var image = [UInt8](repeating: 7, count: height * bytesPerRow)
                    let frame = try item.frame()
                    try image.withUnsafeMutableBytes {
                        try packer.pack(frame, into: $0, bytesPerRow: bytesPerRow, order: order)
                    }
                    let channels = order == .rgba ? [0, 1, 2] : [2, 1, 0]
                    let found = (0..<height * width).flatMap { i in
                        channels.map { Int(image[i / width * bytesPerRow + 4 * (i % width) + $0]) }
                    }
                    expectLevels(item, vectors.tolerance, item.packed!.map { Int($0) }, found)
                }
            } else {
                var image = [Float](repeating: .nan, count: 3 * height * width)
                try packer.pack(item.frame(), into: &image)
                expectClose(item, vectors.tolerance, item.packed!, image)
            }
            expectPlaced(item, packer.letterbox)
        }
    }

    @Test func mattesAreMappedBackOntoTheImage() throws {
        let vectors = try Vectors("restoring")
        for item in vectors.cases {
            let (height, width) = (item.model![0], item.model![1])
            let box = try Letterbox(
                height: item.height!, width: item.width!, modelHeight: height, modelWidth: width)
            var reader = try MatteReader(height: height, width: width)
            var matte = [Float](repeating: .nan, count: box.height * box.width)
            if item.dtype == "uint8" {
                let bytesPerRow = width + 5
                var bytes = [UInt8](repeating: 7, count: height * bytesPerRow)
                for (i, level) in item.matte!.enumerated() {
                    bytes[i / width * bytesPerRow + i % width] = UInt8(level)
                }
                try bytes.withUnsafeBytes { try reader.read($0, bytesPerRow: bytesPerRow, box, into: &matte) }
            } else {
                try reader.read(item.matte!, box, into: &matte)
            }
            expectClose(item, vectors.tolerance, item.restored!, matte)
        }
    }

    @Test func theForegroundsColoursAreEstimated() throws {
        let vectors = try Vectors("foreground")
        for item in vectors.cases {
            let image = try frame(rgb: item.image!.map { UInt8($0) }, height: item.height!, width: item.width!)
            var colours = ForegroundColours(
                of: image, matte: item.matte!, coarseHeight: item.coarse![0], coarseWidth: item.coarse![1])
            expectClose(
                item, vectors.tolerance, item.foreground!, (0..<item.height!).flatMap { colours.row($0) })
        }
    }

    @Test func framesAreComposited() throws {
        let vectors = try Vectors("compositing")
        for item in vectors.cases {
            let image = try frame(rgb: item.image!.map { UInt8($0) }, height: item.height!, width: item.width!)
            let background: Background
            switch item.background! {
            case "transparent": background = .transparent
            case "blur": background = .blur(sigma: item.sigma!)
            case "image":
                background = .picture(
                    try frame(rgb: item.picture!, height: item.pictureHeight!, width: item.pictureWidth!))
            default: background = .colour(red: item.colour![0], green: item.colour![1], blue: item.colour![2])
            }
            let pixels = try ReferenceCompositor(coarseSide: item.coarse!.max()!)
                .composite(image, matte: item.matte!, on: background)
            let channels = item.background == "transparent" ? 4 : 3
            let found = pixels.flatMap { parts($0).prefix(channels).map { Int($0) } }
            expectLevels(item, vectors.tolerance, item.composite!.map { Int($0) }, found)
        }
    }

    @Test func loneOutliersAreMendedOneFrameLater() throws {
        let vectors = try Vectors("delay")
        for item in vectors.cases {
            var delay = OneFrameDelay(threshold: item.threshold!)
            var found = item.mattes!.map { delay.push($0) }
            found.append(delay.finish())
            #expect(found.count == item.shown!.count)
            for (found, shown) in zip(found, item.shown!) {
                #expect((found == nil) == (shown == nil))
                expectClose(item, vectors.tolerance, shown ?? [], found ?? [])
            }
        }
    }

    @Test func mattesAreSteadiedAlongTheMotion() throws {
        let vectors = try Vectors("steadying")
        for item in vectors.cases {
            var steadier = MotionSteadier(weight: item.weight!, followed: item.followed!)
            let first = steadier.steady(item.before!, grey: item.greyBefore!, width: item.width!, motion: nil)
            #expect(first == item.before!)
            let found = steadier.steady(item.matte!, grey: item.grey!, width: item.width!, motion: item.motion!)
            expectClose(item, vectors.tolerance, item.steadied!, found)
        }
    }

    private func expectPlaced(_ item: Case, _ box: Letterbox) {
        #expect(
            [box.top, box.left, box.innerHeight, box.innerWidth]
                == [item.top!, item.left!, item.innerHeight!, item.innerWidth!])
    }

    private func expectClose(_ item: Case, _ tolerance: Float, _ expected: [Float], _ found: [Float]) {
        #expect(expected.count == found.count)
        // Expected values are written with seven decimals. Written so that what is not a number is far.
        let allowed = (item.tolerance ?? tolerance) + 1e-7
        let far = zip(expected, found).enumerated().first { !(abs($1.0 - $1.1) <= allowed) }
        #expect(far == nil, "the value there, and what it should be")
    }

    private func expectLevels(_ item: Case, _ tolerance: Float, _ expected: [Int], _ found: [Int]) {
        #expect(expected.count == found.count)
        let ties = Set(item.ties ?? [])
        let tolerance = Int(item.tolerance ?? tolerance)
        let far = zip(expected, found).enumerated().first { i, pair in
            abs(pair.0 - pair.1) > max(tolerance, ties.contains(i) ? 1 : 0)
        }
        #expect(far == nil, "the level there, and what it should be")
    }
}
