/// Packs frames into the input of a model of `height` x `width`: letterboxed, the padding mid-grey.
///
/// The memory that it fills is its caller's: it allocates when a frame has another size, and nothing for each frame.
public struct FramePacker: Sendable {
    public let height: Int
    public let width: Int
    /// Where the last frame lies in the input.
    public private(set) var letterbox: Letterbox
    private var resampling: Resampling

    public init(height: Int, width: Int) throws {
        self.height = height
        self.width = width
        letterbox = try Letterbox(height: height, width: width, modelHeight: height, modelWidth: width)
        resampling = Resampling(
            height: height, width: width, resizedHeight: height, resizedWidth: width, channels: 3)
    }

    /// RGB, NHWC, as a port of float32 takes it, in [0, 1]: `image` has `height` x `width` x 3 values.
    public mutating func pack(_ frame: RgbaFrame, into image: inout [Float]) throws {
        let count = 3 * height * width
        try require(image.count == count, "the input has \(count) values, not \(image.count)")
        try begin(frame)
        image.withUnsafeMutableBufferPointer { image in
            if isPadded { image.update(repeating: 0.5) }
            for y in 0..<letterbox.innerHeight {
                resampling.resizeRow(y, of: frame)
                let start = 3 * ((letterbox.top + y) * width + letterbox.left)
                for i in resampling.row.indices { image[start + i] = resampling.row[i] * (1 / 255) }
            }
        }
    }

    /// Four bytes for each pixel, as a pixel buffer takes them; the fourth is 255 in the image.
    public mutating func pack(
        _ frame: RgbaFrame, into image: UnsafeMutableRawBufferPointer, bytesPerRow: Int,
        order: RgbaFrame.ByteOrder = .bgra
    ) throws {
        let needed = bytesPerRow * (height - 1) + 4 * width
        try require(
            bytesPerRow >= 4 * width && image.count >= needed,
            "\(height) rows of \(width) pixels need \(needed) bytes, not \(image.count) in rows of \(bytesPerRow)")
        try begin(frame)
        if isPadded { image.initializeMemory(as: UInt8.self, repeating: 128) }
        for y in 0..<letterbox.innerHeight {
            resampling.resizeRow(y, of: frame)
            let start = (letterbox.top + y) * bytesPerRow + 4 * letterbox.left
            resampling.row.withUnsafeBufferPointer { row in
                for x in 0..<letterbox.innerWidth {
                    let pixel = UInt32(red: row[3 * x], green: row[3 * x + 1], blue: row[3 * x + 2])
                    image.storeBytes(
                        of: (order == .rgba ? pixel : swappedRedAndBlue(pixel)).littleEndian,
                        toByteOffset: start + 4 * x, as: UInt32.self)
                }
            }
        }
    }

    private var isPadded: Bool { letterbox.innerHeight < height || letterbox.innerWidth < width }

    private mutating func begin(_ frame: RgbaFrame) throws {
        if letterbox.height == frame.height && letterbox.width == frame.width { return }
        letterbox = try Letterbox(height: frame.height, width: frame.width, modelHeight: height, modelWidth: width)
        resampling = Resampling(
            height: frame.height, width: frame.width,
            resizedHeight: letterbox.innerHeight, resizedWidth: letterbox.innerWidth, channels: 3)
    }
}
