/// Composites on the CPU: alpha * foreground + (1 - alpha) * background, with the foreground's own colours where the matte is
/// soft.
///
/// It is what `Compositor` is compared with, and serves single photos; it is too slow for a camera's frames.
public struct ReferenceCompositor: Sendable {
    private let coarseSide: Int

    /// At how many pixels along the frame's longer side the foreground's colours are estimated.
    public static let coarseSide = 128

    /// The foreground's colours are estimated at `coarseSide` pixels along the frame's longer side.
    public init(coarseSide: Int = ReferenceCompositor.coarseSide) throws {
        try require(coarseSide > 0, "a side has one pixel or more, not \(coarseSide)")
        self.coarseSide = coarseSide
    }

    /// The composite of a frame and its matte (height x width values in [0, 1]), row by row, red in the lowest byte and
    /// alpha in the highest. Colours are not multiplied by alpha.
    public func composite(_ frame: RgbaFrame, matte: [Float], on background: Background) throws -> [UInt32] {
        let (height, width) = (frame.height, frame.width)
        try require(
            height > 0 && matte.count == height * width,
            "a frame of \(height) x \(width) pixels has a matte of \(matte.count) values")
        let coarse = Self.coarse(height: height, width: width, side: coarseSide)
        var colours = ForegroundColours(
            of: frame, matte: matte, coarseHeight: coarse.height, coarseWidth: coarse.width)
        var backdrop = try Backdrop(background, frame, matte)
        var pixels = [UInt32]()
        pixels.reserveCapacity(height * width)
        for y in 0..<height {
            let foreground = colours.row(y)
            let behind = backdrop?.row(y)
            for x in 0..<width {
                let alpha = matte[y * width + x]
                let own = foreground[3 * x..<3 * x + 3].map { 255 * $0 }
                if let behind {
                    let mixed = (0..<3).map { alpha * own[$0] + (1 - alpha) * behind[3 * x + $0] }
                    pixels.append(UInt32(red: mixed[0], green: mixed[1], blue: mixed[2]))
                } else {
                    pixels.append(UInt32(red: own[0], green: own[1], blue: own[2], alpha: 255 * alpha))
                }
            }
        }
        return pixels
    }

    /// The size at which the colours of a frame are estimated: `side` along its longer one, or its own.
    static func coarse(height: Int, width: Int, side: Int) -> (height: Int, width: Int) {
        let scale = min(1, Double(side) / Double(max(height, width)))
        let sides = [height, width].map { max(Int((Double($0) * scale).rounded(.toNearestOrEven)), 1) }
        return (sides[0], sides[1])
    }
}

/// A background of a frame's size, given row by row in levels from 0 to 255.
private enum Backdrop {
    case solid([Float])
    case picture(RgbaFrame, Resampling, top: Int, left: Int, width: Int)
    case blur(Blurring)

    /// Nil where there is none.
    init?(_ background: Background, _ frame: RgbaFrame, _ matte: [Float]) throws {
        let (height, width) = (frame.height, frame.width)
        switch background {
        case .transparent:
            return nil
        case .colour(let red, let green, let blue):
            self = .solid((0..<width).flatMap { _ in [Float(red), Float(green), Float(blue)] })
        case .blur(let sigma):
            try require(sigma ?? 1 > 0, "a blur has a sigma above 0, not \(sigma ?? 0)")
            let bounded = Background.sigma(sigma, height: height, width: width)
            self = .blur(Blurring(frame, matte: matte, sigma: bounded))
        case .picture(let picture):
            try require(picture.height > 0, "the picture has no pixels")
            let scale = max(Double(height) / Double(picture.height), Double(width) / Double(picture.width))
            let rows = max(Int((Double(picture.height) * scale).rounded(.toNearestOrEven)), height)
            let columns = max(Int((Double(picture.width) * scale).rounded(.toNearestOrEven)), width)
            let resampling = Resampling(
                height: picture.height, width: picture.width,
                resizedHeight: rows, resizedWidth: columns, channels: 3)
            self = .picture(
                picture, resampling, top: (rows - height) / 2, left: (columns - width) / 2, width: width)
        }
    }

    mutating func row(_ y: Int) -> [Float] {
        switch self {
        case .solid(let row):
            return row
        case .picture(let picture, var resampling, let top, let left, let width):
            resampling.resizeRow(top + y, of: picture)
            return Array(resampling.row[3 * left..<3 * (left + width)])
        case .blur(var blurring):
            return blurring.row(y)
        }
    }
}
