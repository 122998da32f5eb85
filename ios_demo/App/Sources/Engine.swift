import DemoCore
import MattingKit

/// A model with what shows its mattes: of a camera's frames, or of single photos.
struct Engine: Sendable {
    let model: MattingEngine
    let live: LiveMatting
    let still: StillMatting

    /// Opens the model that is in the app, and runs it once.
    static func open(_ units: ComputeUnits) async throws -> (Engine, ComputePlan?) {
        let model = try await MattingEngine(computeUnits: units)
        try await model.warmUp()
        let engine = Engine(
            model: model, live: try LiveMatting(engine: model, background: .transparent, steady: true),
            still: try StillMatting(engine: model))
        // It is good to have a plan, and no reason to fail where there is none.
        return (engine, try? await model.plan())
    }
}

/// Photos on backgrounds: each waits for its own matte.
actor StillMatting {
    private let engine: MattingEngine
    private let compositor: Compositor

    init(engine: MattingEngine) throws {
        self.engine = engine
        compositor = try Compositor(background: .transparent)
    }

    func composite(_ photo: PixelBuffer, on background: Background) async throws -> PixelBuffer {
        let matte = try await engine.matte(of: photo)
        compositor.background = background
        return try compositor.composite(photo, orientation: .upright, matte: matte)
    }
}
