import MattingKit

/// Where the model is on its way.
public enum ModelState: Equatable, Sendable {
    /// It is not in memory.
    case closed
    /// It was freed because the device was short of memory.
    case freed
    case loading(ComputeUnits)
    /// It runs; `plan` is what Core ML plans for it, nil where the device cannot tell.
    case ready(ComputeUnits, plan: ComputePlan?)
    case failed(Problem, reason: String)

    public enum Problem: Sendable {
        case missing
        /// It is not the model that `modnet.json` names.
        case damaged
        /// Core ML does not load it.
        case refused
        /// It failed on a frame.
        case failed
    }
}

/// The one model in memory. Loading takes seconds, and nobody waits for it here; `changed` is told of every step.
@MainActor
public final class ModelSession<Model: Sendable> {
    public private(set) var model: Model?
    public private(set) var state = ModelState.closed {
        didSet { changed(state) }
    }
    private let open: @Sendable (ComputeUnits) async throws -> (Model, ComputePlan?)
    private let changed: (ModelState) -> Void
    private var attempt = 0

    public init(
        open: @escaping @Sendable (ComputeUnits) async throws -> (Model, ComputePlan?),
        changed: @escaping (ModelState) -> Void
    ) {
        self.open = open
        self.changed = changed
    }

    /// Opens the model on these compute units, unless that was done or has begun.
    public func want(_ units: ComputeUnits) async {
        switch state {
        case .loading(units), .ready(units, _): return
        default: break
        }
        attempt += 1
        let mine = attempt
        model = nil
        state = .loading(units)
        do {
            let (model, plan) = try await open(units)
            // Another was wanted meanwhile, or none.
            guard mine == attempt else { return }
            self.model = model
            state = .ready(units, plan: plan)
        } catch {
            guard mine == attempt else { return }
            switch error {
            case MattingError.missing(let reason): state = .failed(.missing, reason: reason)
            case MattingError.mismatched(let reason): state = .failed(.damaged, reason: reason)
            case MattingError.invalid(let reason): state = .failed(.refused, reason: reason)
            default: state = .failed(.refused, reason: "\(error)")
            }
        }
    }

    /// The model failed on a frame; it is closed.
    public func failed(_ error: any Error) {
        guard model != nil else { return }
        close()
        state = .failed(.failed, reason: "\(error)")
    }

    /// Gives its memory back, also where it is being loaded; `want` opens it again.
    public func free() {
        switch state {
        case .loading, .ready: break
        default: return
        }
        close()
        state = .freed
    }

    private func close() {
        attempt += 1
        model = nil
    }
}
