/// Where an upright image of `height` x `width` pixels lies in the model's input: the whole of it, at its aspect ratio, in
/// the middle, `innerHeight` x `innerWidth` from row `top` and column `left` on. The rest is mid-grey.
public struct Letterbox: Equatable, Sendable {
    public let height: Int
    public let width: Int
    public let innerHeight: Int
    public let innerWidth: Int
    public let top: Int
    public let left: Int

    public init(height: Int, width: Int, modelHeight: Int, modelWidth: Int) throws {
        try require(height > 0 && width > 0, "an image of \(height) x \(width) has no pixels")
        try require(modelHeight > 0 && modelWidth > 0, "a model of \(modelHeight) x \(modelWidth) has no pixels")
        self.height = height
        self.width = width
        let scale = min(Double(modelHeight) / Double(height), Double(modelWidth) / Double(width))
        innerHeight = Self.side(Double(height) * scale, atMost: modelHeight)
        innerWidth = Self.side(Double(width) * scale, atMost: modelWidth)
        top = (modelHeight - innerHeight) / 2
        left = (modelWidth - innerWidth) / 2
    }

    /// Half a pixel goes to the even number.
    private static func side(_ exact: Double, atMost most: Int) -> Int {
        min(max(Int(exact.rounded(.toNearestOrEven)), 1), most)
    }
}
