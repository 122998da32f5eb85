/// Maps a model's matte of `height` x `width` back onto the image: the part inside the letterbox, resized, in [0, 1].
///
/// Allocates when an image has another size, and nothing for each frame.
public struct MatteReader: Sendable {
    public let height: Int
    public let width: Int
    private var resampling: Resampling
    private var values: [Float]

    public init(height: Int, width: Int) throws {
        try require(height > 0 && width > 0, "a matte of \(height) x \(width) has no values")
        self.height = height
        self.width = width
        resampling = Resampling(
            height: height, width: width, resizedHeight: height, resizedWidth: width, channels: 1)
        values = Array(repeating: 0, count: height * width)
    }

    /// From a port of float32, whose values may leave [0, 1]; `matte` has the image's height x width values.
    public mutating func read(_ output: [Float], _ letterbox: Letterbox, into matte: inout [Float]) throws {
        try require(
            output.count == height * width, "the output has \(height * width) values, not \(output.count)")
        try read(letterbox, of: output, into: &matte)
    }

    /// From a port of bytes in rows of `bytesPerRow`, as a pixel buffer has them.
    public mutating func read(
        _ output: UnsafeRawBufferPointer, bytesPerRow: Int, _ letterbox: Letterbox, into matte: inout [Float]
    ) throws {
        let needed = bytesPerRow * (height - 1) + width
        try require(
            bytesPerRow >= width && output.count >= needed,
            "\(height) rows of \(width) bytes need \(needed), not \(output.count) in rows of \(bytesPerRow)")
        for y in 0..<height {
            for x in 0..<width { values[y * width + x] = Float(output[y * bytesPerRow + x]) * (1 / 255) }
        }
        try read(letterbox, of: values, into: &matte)
    }

    private mutating func read(_ letterbox: Letterbox, of output: [Float], into matte: inout [Float]) throws {
        let box = letterbox
        try require(
            matte.count == box.height * box.width,
            "an image of \(box.height) x \(box.width) has no matte of \(matte.count) values")
        try require(
            box.top + box.innerHeight <= height && box.left + box.innerWidth <= width,
            "the letterbox is of a larger model than \(height) x \(width)")
        let sizes = (box.innerHeight, box.innerWidth, box.height, box.width)
        if !resampling.fits(height: sizes.0, width: sizes.1, resizedHeight: sizes.2, resizedWidth: sizes.3) {
            resampling = Resampling(
                height: sizes.0, width: sizes.1, resizedHeight: sizes.2, resizedWidth: sizes.3, channels: 1)
        }
        for y in 0..<box.height {
            resampling.resizeRow(y, of: output, offset: box.top * width + box.left, stride: width)
            for x in 0..<box.width {
                let alpha = resampling.row[x]
                // Written so that what is not a number is 0.
                matte[y * box.width + x] = alpha > 0 ? min(alpha, 1) : 0
            }
        }
    }
}
