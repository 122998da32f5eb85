import Foundation

/// Blurs a frame's background; a pixel counts by how much of it was seen.
///
/// A wide blur is computed on a smaller picture, which looks the same and takes no longer than a narrow one.
struct Blurring {
    private static let widestSigma: Float = 4
    private let small: [Float]
    private var enlarging: Resampling

    init(_ frame: RgbaFrame, matte: [Float], sigma: Float) {
        let (height, width) = (frame.height, frame.width)
        let scale = min(1, Self.widestSigma / sigma)
        let rows = max(Int((Float(height) * scale).rounded()), 1)
        let columns = max(Int((Float(width) * scale).rounded()), 1)
        var seen = [Float]()
        for (pixel, alpha) in zip(frame.pixels, matte) {
            let weight = max(1 - alpha, 1e-4)
            seen += [pixel.level(0) * weight, pixel.level(1) * weight, pixel.level(2) * weight, weight]
        }
        var shrinking = Resampling(
            height: height, width: width, resizedHeight: rows, resizedWidth: columns, channels: 4)
        var four = [Float]()
        for y in 0..<rows {
            shrinking.resizeRow(y, of: seen)
            four += shrinking.row
        }
        let kernel = Self.kernel(sigma * scale)
        for y in 0..<rows { Self.blur(&four, kernel, from: 4 * y * columns, step: 4, count: columns) }
        for x in 0..<columns { Self.blur(&four, kernel, from: 4 * x, step: 4 * columns, count: rows) }
        small = (0..<3 * rows * columns).map { min(four[4 * ($0 / 3) + $0 % 3] / four[4 * ($0 / 3) + 3], 255) }
        enlarging = Resampling(
            height: rows, width: columns, resizedHeight: height, resizedWidth: width, channels: 3)
    }

    /// Row `y`: red, green and blue of each pixel, in levels from 0 to 255.
    mutating func row(_ y: Int) -> [Float] {
        enlarging.resizeRow(y, of: small)
        return enlarging.row
    }

    /// The middle and one side of a Gaussian, cut off at four sigmas.
    private static func kernel(_ sigma: Float) -> [Float] {
        let radius = max(Int((4 * sigma).rounded()), 1)
        let values = (0...radius).map { exp(-0.5 * pow(Double($0) / Double(sigma), 2)) }
        let total = 2 * values.reduce(0, +) - values[0]
        return values.map { Float($0 / total) }
    }

    /// Blurs a line of pixels of four values, mirrored at its ends without repeating them.
    private static func blur(_ values: inout [Float], _ kernel: [Float], from start: Int, step: Int, count: Int) {
        for channel in 0..<4 {
            let line = (0..<count).map { values[start + $0 * step + channel] }
            for i in 0..<count {
                var sum = line[i] * kernel[0]
                for distance in 1..<kernel.count {
                    let (before, after) = (mirrored(i - distance, count), mirrored(i + distance, count))
                    sum += (line[before] + line[after]) * kernel[distance]
                }
                values[start + i * step + channel] = sum
            }
        }
    }
}

/// Where an index beyond the ends leads, mirrored without repeating the ends.
func mirrored(_ index: Int, _ count: Int) -> Int {
    if count == 1 { return 0 }
    let period = 2 * (count - 1)
    let folded = ((index % period) + period) % period
    return min(folded, period - folded)
}
