#if canImport(CoreVideo)
import CoreVideo

/// A pixel buffer that one owner fills and that is only read from then on: so it may go from task to task.
public struct PixelBuffer: @unchecked Sendable {
    public let buffer: CVPixelBuffer

    /// Nobody may write to `buffer` any more.
    public init(_ buffer: CVPixelBuffer) { self.buffer = buffer }
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
