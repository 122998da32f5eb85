/// How one axis is resized: by area averages if it shrinks, bilinearly if it grows (OpenCV's INTER_AREA and INTER_LINEAR,
/// pixel centres at halves).
///
/// Pixel i is `headWeight[i]` of pixel `head[i]`, `wholeWeight` of each in `whole[i]`, and `tailWeight[i]` of `tail[i]`.
struct Axis: Sendable {
    private(set) var head: [Int] = []
    private(set) var whole: [Range<Int>] = []
    private(set) var tail: [Int] = []
    private(set) var headWeight: [Float] = []
    private(set) var tailWeight: [Float] = []
    let wholeWeight: Float

    init(from size: Int, to resized: Int) {
        let scale = Double(size) / Double(resized)
        wholeWeight = Float(1 / scale)
        for i in 0..<resized {
            let (whole, headWeight, tailWeight) =
                scale > 1
                ? Self.averaged(i, scale: scale, size: size) : Self.interpolated(i, scale: scale, size: size)
            self.whole.append(whole)
            self.headWeight.append(headWeight)
            self.tailWeight.append(tailWeight)
            head.append(max(whole.lowerBound - 1, 0))
            tail.append(min(whole.upperBound, size - 1))
        }
    }

    private static func averaged(_ i: Int, scale: Double, size: Int) -> (Range<Int>, Float, Float) {
        // What rounding leaves of a pixel is none.
        let nothing = 1e-6
        let start = Double(i) * scale
        let end = min(start + scale, Double(size))
        let from = Int((start - nothing).rounded(.up))
        let until = Int((end + nothing).rounded(.down))
        let head = Float(max(Double(from) - start, 0) / scale)
        let tail = Float(max(end - Double(until), 0) / scale)
        return (from..<until, head, tail)
    }

    private static func interpolated(_ i: Int, scale: Double, size: Int) -> (Range<Int>, Float, Float) {
        let at = min(max((Double(i) + 0.5) * scale - 0.5, 0), Double(size - 1))
        let from = Int(at) + 1
        let tail = Float(at - Double(Int(at)))
        return (from..<from, 1 - tail, tail)
    }
}

/// Resizes an image of `channels`, row by row: the height first, so that most of its values are only added up, side by side,
/// in loops that a compiler makes vectors of.
struct Resampling: Sendable {
    let height: Int
    let width: Int
    let resizedHeight: Int
    let resizedWidth: Int
    private let channels: Int
    private let rows: Axis
    private let columns: Axis
    private var source: [Float]
    private var mixed: [Float]
    /// The row that `resizeRow` has made: `resizedWidth` x `channels`.
    private(set) var row: [Float]

    init(height: Int, width: Int, resizedHeight: Int, resizedWidth: Int, channels: Int) {
        self.height = height
        self.width = width
        self.resizedHeight = resizedHeight
        self.resizedWidth = resizedWidth
        self.channels = channels
        rows = Axis(from: height, to: resizedHeight)
        columns = Axis(from: width, to: resizedWidth)
        source = Array(repeating: 0, count: width * channels)
        mixed = source
        row = Array(repeating: 0, count: resizedWidth * channels)
    }

    /// Whether this resizes one size to another.
    func fits(height: Int, width: Int, resizedHeight: Int, resizedWidth: Int) -> Bool {
        self.height == height && self.width == width
            && self.resizedHeight == resizedHeight && self.resizedWidth == resizedWidth
    }

    /// Writes row `y` of the result to `row`; `read` gives a row of the image, `width` x `channels` values.
    @inline(__always)
    mutating func resizeRow(_ y: Int, read: (Int, UnsafeMutableBufferPointer<Float>) -> Void) {
        let rows = rows
        mix(rows.whole[y], weight: rows.wholeWeight, afresh: true, read)
        if rows.headWeight[y] > 0 {
            mix(rows.head[y]..<rows.head[y] + 1, weight: rows.headWeight[y], afresh: false, read)
        }
        if rows.tailWeight[y] > 0 {
            mix(rows.tail[y]..<rows.tail[y] + 1, weight: rows.tailWeight[y], afresh: false, read)
        }
        mixAlong()
    }

    @inline(__always)
    private mutating func mix(
        _ range: Range<Int>, weight: Float, afresh: Bool, _ read: (Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) {
        mixed.withUnsafeMutableBufferPointer { mixed in
            source.withUnsafeMutableBufferPointer { source in
                if afresh { mixed.update(repeating: 0) }
                for y in range {
                    read(y, source)
                    for i in mixed.indices { mixed[i] += source[i] * weight }
                }
            }
        }
    }

    private mutating func mixAlong() {
        if resizedWidth == width {
            row.replaceSubrange(row.indices, with: mixed)
            return
        }
        let (columns, channels, resizedWidth) = (columns, channels, resizedWidth)
        mixed.withUnsafeBufferPointer { mixed in
            row.withUnsafeMutableBufferPointer { row in
                for x in 0..<resizedWidth {
                    let (head, tail) = (channels * columns.head[x], channels * columns.tail[x])
                    for c in 0..<channels {
                        var sum: Float = 0
                        for whole in columns.whole[x] { sum += mixed[channels * whole + c] }
                        row[channels * x + c] =
                            mixed[head + c] * columns.headWeight[x] + sum * columns.wholeWeight
                            + mixed[tail + c] * columns.tailWeight[x]
                    }
                }
            }
        }
    }
}

extension Resampling {
    /// Writes row `y` of a resized frame to `row`: red, green and blue in levels from 0 to 255.
    mutating func resizeRow(_ y: Int, of frame: RgbaFrame) {
        let width = width
        frame.pixels.withUnsafeBufferPointer { pixels in
            resizeRow(y) { y, into in
                for x in 0..<width {
                    let pixel = pixels[y * width + x]
                    into[3 * x] = Float(pixel & 0xFF)
                    into[3 * x + 1] = Float(pixel >> 8 & 0xFF)
                    into[3 * x + 2] = Float(pixel >> 16 & 0xFF)
                }
            }
        }
    }

    /// Writes row `y` of resized values to `row`: those from `offset` on, `stride` values from row to row.
    mutating func resizeRow(_ y: Int, of values: [Float], offset: Int = 0, stride: Int? = nil) {
        let count = width * channels
        let stride = stride ?? count
        values.withUnsafeBufferPointer { values in
            resizeRow(y) { y, into in
                for i in 0..<count { into[i] = values[offset + y * stride + i] }
            }
        }
    }
}
