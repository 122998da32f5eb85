/// A frame, upright. One value serves all frames of a camera: `set` copies the next one in.
///
/// Allocates when a frame has another size, and nothing for each frame.
public struct RgbaFrame: Sendable {
    /// In which order the bytes of a pixel lie in memory.
    public enum ByteOrder: Sendable {
        case rgba
        /// `kCVPixelFormatType_32BGRA`, which cameras give.
        case bgra
    }

    /// `height` x `width` pixels, row by row: red in the lowest byte, alpha in the highest.
    public private(set) var pixels: [UInt32] = []
    public private(set) var height = 0
    public private(set) var width = 0

    public init() {}

    /// Copies a frame of `rows` x `columns` pixels in, each row `bytesPerRow` bytes after the one before; the last may end
    /// without its padding.
    public mutating func set(
        _ bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, bytesPerRow: Int,
        orientation: FrameOrientation = .upright, order: ByteOrder = .rgba
    ) throws {
        try require(
            rows > 0 && columns > 0 && bytesPerRow >= 4 * columns,
            "rows of \(bytesPerRow) bytes hold no \(columns) pixels, of which there must be some")
        let needed = bytesPerRow * (rows - 1) + 4 * columns
        try require(bytes.count >= needed, "\(rows) x \(columns) pixels need \(needed) bytes, not \(bytes.count)")
        height = orientation.isSideways ? columns : rows
        width = orientation.isSideways ? rows : columns
        if pixels.count != height * width { pixels = Array(repeating: 0, count: height * width) }
        let lastRow = (rows - 1) * bytesPerRow
        let lastColumn = 4 * (columns - 1)
        let turn = orientation.rotation / 90
        var first = [0, lastRow, lastRow + lastColumn, lastColumn][turn]
        // Bytes from an upright pixel to the one right of it and to the one below it.
        var right = [4, -bytesPerRow, -4, bytesPerRow][turn]
        let down = [bytesPerRow, 4, -bytesPerRow, -4][turn]
        if orientation.mirrored {
            first += (width - 1) * right
            right = -right
        }
        let (height, width) = (height, width)
        pixels.withUnsafeMutableBufferPointer { pixels in
            for y in 0..<height {
                for x in 0..<width {
                    let offset = first + y * down + x * right
                    let pixel = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                    pixels[y * width + x] = order == .rgba ? pixel : swappedRedAndBlue(pixel)
                }
            }
        }
    }
}

func swappedRedAndBlue(_ pixel: UInt32) -> UInt32 {
    (pixel & 0xFF00_FF00) | (pixel >> 16 & 0xFF) | (pixel & 0xFF) << 16
}

extension UInt32 {
    /// Level 0 (red), 1 or 2 (blue) of a pixel.
    func level(_ channel: Int) -> Float { Float(self >> UInt32(8 * channel) & 0xFF) }

    /// A pixel of levels from 0 to 255, which are rounded.
    init(red: Float, green: Float, blue: Float, alpha: Float = 255) {
        self =
            UInt32(red + 0.5) | UInt32(green + 0.5) << 8 | UInt32(blue + 0.5) << 16 | UInt32(alpha + 0.5) << 24
    }
}
