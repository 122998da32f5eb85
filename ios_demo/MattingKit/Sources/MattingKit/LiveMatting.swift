#if canImport(CoreML) && canImport(CoreImage) && canImport(Metal)
import CoreML
import CoreVideo
import Foundation

/// A camera's frames on a background: each is composited at once, with the newest matte there is, while the next matte is
/// computed beside it.
public actor LiveMatting {
    private let engine: MattingEngine
    private let compositor: Compositor
    private var newest = NewestMatte<Matte>()
    private var delay: OneFrameDelay?
    private var compositingSeconds = 0.0
    /// Where the time goes, of frames whose matte was computed; after the network, the frame composited last.
    public private(set) var times = FrameTimes()
    /// What kept the last matte from being computed; nil: nothing.
    public private(set) var failure: (any Error)?

    /// With `steady`, mattes go through `OneFrameDelay`: lone outliers are mended, one matte later.
    public init(engine: MattingEngine, background: Background, steady: Bool = false) throws {
        self.engine = engine
        compositor = try Compositor(background: background)
        delay = steady ? OneFrameDelay() : nil
    }

    public func set(_ background: Background) { compositor.background = background }

    /// Begins another video: of another camera, say.
    public func reset() {
        newest.reset()
        _ = delay?.finish()
    }

    /// What to show of a frame of `kCVPixelFormatType_32BGRA`; nil until the first matte was computed.
    public func show(_ frame: PixelBuffer, orientation: FrameOrientation) throws -> PixelBuffer? {
        let arrived = ProcessInfo.processInfo.systemUptime
        if let ticket = newest.begin() {
            Task { await compute(frame, orientation: orientation, arrived: arrived, ticket: ticket) }
        }
        let sideways = orientation.isSideways
        let (rows, columns) = (CVPixelBufferGetHeight(frame.buffer), CVPixelBufferGetWidth(frame.buffer))
        // A camera that was turned gives frames of another size: its first matte is still being computed.
        guard let matte = newest.matte, matte.letterbox.height == (sideways ? columns : rows),
            matte.letterbox.width == (sideways ? rows : columns)
        else { return nil }
        let start = ProcessInfo.processInfo.systemUptime
        defer { compositingSeconds = ProcessInfo.processInfo.systemUptime - start }
        return try compositor.composite(frame, orientation: orientation, matte: matte)
    }

    private func compute(_ frame: PixelBuffer, orientation: FrameOrientation, arrived: Double, ticket: Int) async {
        do {
            var matte = try await engine.matte(of: frame, orientation: orientation, arrived: arrived)
            failure = nil
            guard newest.isComputing(ticket) else { return }
            // Frames of another size begin another video.
            if matte.letterbox != newest.matte?.letterbox { _ = delay?.finish() }
            if let steadied = delay?.push(matte.values) { matte.values = steadied }
            newest.finish(ticket, with: matte)
            matte.marks.finished = matte.marks.inferred + compositingSeconds
            times.add(matte.marks)
        } catch {
            failure = error
            newest.finish(ticket, with: nil)
        }
    }
}
#endif
