#if canImport(CoreVideo)
import CoreVideo

/// A pixel buffer that one owner fills and that is only read from then on: so it may go from task to task.
public struct PixelBuffer: @unchecked Sendable {
    public let buffer: CVPixelBuffer

    /// Nobody may write to `buffer` any more.
    public init(_ buffer: CVPixelBuffer) { self.buffer = buffer }

    /// A new one of `kCVPixelFormatType_32BGRA`, whose bytes `fill` writes: rows of `bytesPerRow`.
    public init(
        height: Int, width: Int, fill: (UnsafeMutableRawBufferPointer, _ bytesPerRow: Int) throws -> Void
    ) throws {
        buffer = try PixelBufferPool(height: height, width: width, format: kCVPixelFormatType_32BGRA).next()
        try withBytes(of: buffer, [], fill)
    }

    /// A copy as a frame, upright, of a buffer of `kCVPixelFormatType_32BGRA`.
    public func frame(orientation: FrameOrientation = .upright) throws -> RgbaFrame {
        var frame = RgbaFrame()
        try copy(into: &frame, orientation: orientation)
        return frame
    }

    func copy(into frame: inout RgbaFrame, orientation: FrameOrientation) throws {
        let format = CVPixelBufferGetPixelFormatType(buffer)
        try require(
            format == kCVPixelFormatType_32BGRA,
            "a frame has the format \(format), not 32BGRA: set it in the camera output's videoSettings")
        try withBytes(of: buffer, .readOnly) { bytes, bytesPerRow in
            try frame.set(
                UnsafeRawBufferPointer(bytes), rows: CVPixelBufferGetHeight(buffer),
                columns: CVPixelBufferGetWidth(buffer), bytesPerRow: bytesPerRow, orientation: orientation,
                order: .bgra)
        }
    }
}

/// Pixel buffers of one size, used again when nobody holds them.
struct PixelBufferPool {
    let height: Int
    let width: Int
    private let pool: CVPixelBufferPool

    init(height: Int, width: Int, format: OSType) throws {
        self.height = height
        self.width = width
        let attributes: [String: Any] = [
            kCVPixelBufferPixelFormatTypeKey as String: Int(format),
            kCVPixelBufferHeightKey as String: height,
            kCVPixelBufferWidthKey as String: width,
            // Without a surface of its own, a buffer is copied for the GPU and the Neural Engine.
            kCVPixelBufferIOSurfacePropertiesKey as String: [String: Any](),
            kCVPixelBufferMetalCompatibilityKey as String: true,
        ]
        var pool: CVPixelBufferPool?
        let status = CVPixelBufferPoolCreate(kCFAllocatorDefault, nil, attributes as CFDictionary, &pool)
        guard let pool else {
            throw MattingError.invalid("no pool of \(height) x \(width) pixels: error \(status)")
        }
        self.pool = pool
    }

    func next() throws -> CVPixelBuffer {
        var buffer: CVPixelBuffer?
        let status = CVPixelBufferPoolCreatePixelBuffer(kCFAllocatorDefault, pool, &buffer)
        guard let buffer else {
            throw MattingError.invalid("no buffer of \(height) x \(width) pixels: error \(status)")
        }
        return buffer
    }
}

/// Calls `body` with the bytes of a buffer that has one plane.
func withBytes<Result>(
    of buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags,
    _ body: (UnsafeMutableRawBufferPointer, _ bytesPerRow: Int) throws -> Result
) throws -> Result {
    let status = CVPixelBufferLockBaseAddress(buffer, flags)
    guard status == kCVReturnSuccess, let start = CVPixelBufferGetBaseAddress(buffer) else {
        throw MattingError.invalid("the pixels cannot be read: error \(status)")
    }
    defer { CVPixelBufferUnlockBaseAddress(buffer, flags) }
    let bytesPerRow = CVPixelBufferGetBytesPerRow(buffer)
    let bytes = UnsafeMutableRawBufferPointer(start: start, count: bytesPerRow * CVPixelBufferGetHeight(buffer))
    return try body(bytes, bytesPerRow)
}
#endif
