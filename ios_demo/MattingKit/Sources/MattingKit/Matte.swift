/// What a network found of a frame, at the model's size.
public struct Matte: Sendable {
    public let height: Int
    public let width: Int
    /// `height` x `width` values in [0, 1]; those outside the letterbox mean nothing.
    public var values: [Float]
    /// Where the frame lies in it.
    public let letterbox: Letterbox
    /// When it was computed; whoever shows it says when it was `finished`.
    public var marks: FrameTimes.Marks

    /// From rows of bytes, as a pixel buffer has them; throws `MattingError.invalid` where they are too few.
    public init(
        bytes: UnsafeRawBufferPointer, bytesPerRow: Int, height: Int, width: Int, letterbox: Letterbox,
        marks: FrameTimes.Marks
    ) throws {
        let needed = bytesPerRow * (height - 1) + width
        try require(
            bytesPerRow >= width && bytes.count >= needed,
            "\(height) rows of \(width) bytes need \(needed), not \(bytes.count) in rows of \(bytesPerRow)")
        self.height = height
        self.width = width
        self.letterbox = letterbox
        self.marks = marks
        values = Array(unsafeUninitializedCapacity: height * width) { values, count in
            for y in 0..<height {
                for x in 0..<width { values[y * width + x] = Float(bytes[y * bytesPerRow + x]) * (1 / 255) }
            }
            count = height * width
        }
    }

    /// The frame's own height x width values: what `ReferenceCompositor` takes.
    public func ofFrame() throws -> [Float] {
        var reader = try MatteReader(height: height, width: width)
        var found = [Float](repeating: 0, count: letterbox.height * letterbox.width)
        try reader.read(values, letterbox, into: &found)
        return found
    }
}
