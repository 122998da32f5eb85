import MattingKit
import Testing

@testable import DemoCore

@MainActor @Suite struct ModelSessionTests {
    /// Models that are opened when the test says so.
    @MainActor final class Models {
        var states: [ModelState] = []
        var waiting: [CheckedContinuation<String, any Error>] = []
        private(set) lazy var session = ModelSession<String>(
            open: { [unowned self] units in
                let name = try await withCheckedThrowingContinuation { answer in
                    Task { @MainActor in self.waiting.append(answer) }
                }
                return ("\(name) on \(units)", ComputePlan(gpu: 3))
            },
            changed: { [unowned self] in states.append($0) })

        /// Begins to want, and comes back when the model is being opened.
        func begin(_ units: ComputeUnits) async -> Task<Void, Never> {
            let before = waiting.count
            let task = Task { await session.want(units) }
            while waiting.count == before { await Task.yield() }
            return task
        }
    }

    @Test func aModelIsOpenedOnce() async {
        let models = Models()
        let first = await models.begin(.all)
        #expect(models.session.state == .loading(.all))
        await models.session.want(.all)
        #expect(models.waiting.count == 1)
        models.waiting[0].resume(returning: "one")
        await first.value
        await models.session.want(.all)
        #expect(models.states == [.loading(.all), .ready(.all, plan: ComputePlan(gpu: 3))])
        #expect(models.session.model == "one on all")
    }

    @Test func whatIsWantedLastRuns() async {
        let models = Models()
        let first = await models.begin(.all)
        let second = await models.begin(.cpuOnly)
        models.waiting[1].resume(returning: "second")
        await second.value
        // It comes late, and is dropped.
        models.waiting[0].resume(returning: "first")
        await first.value
        #expect(models.session.model == "second on cpuOnly")
        #expect(models.session.state == .ready(.cpuOnly, plan: ComputePlan(gpu: 3)))
    }

    @Test func memoryIsGivenBackAndTheModelOpenedAgain() async {
        let models = Models()
        models.session.free()
        #expect(models.session.state == .closed)
        let first = await models.begin(.all)
        models.session.free()
        models.waiting[0].resume(returning: "late")
        await first.value
        #expect(models.session.model == nil && models.session.state == .freed)
        let second = await models.begin(.all)
        models.waiting[1].resume(returning: "again")
        await second.value
        #expect(models.session.model == "again on all")
    }

    @Test(arguments: [
        (MattingError.missing("a") as any Error, ModelState.Problem.missing),
        (MattingError.mismatched("a"), .damaged), (MattingError.invalid("a"), .refused),
    ])
    func whatKeepsAModelFromOpeningIsTold(error: any Error, problem: ModelState.Problem) async {
        let models = Models()
        let first = await models.begin(.all)
        models.waiting[0].resume(throwing: error)
        await first.value
        #expect(models.session.state == .failed(problem, reason: "a"))
        // It is tried again.
        let second = await models.begin(.all)
        models.waiting[1].resume(throwing: CancellationError())
        await second.value
        #expect(models.session.state == .failed(.refused, reason: "CancellationError()"))
    }

    @Test func aModelThatFailsOnAFrameIsClosed() async {
        let models = Models()
        models.session.failed(CancellationError())
        #expect(models.session.state == .closed)
        let first = await models.begin(.all)
        models.waiting[0].resume(returning: "one")
        await first.value
        models.session.failed(MattingError.invalid("black"))
        #expect(models.session.model == nil)
        #expect(models.session.state == .failed(.failed, reason: "invalid(\"black\")"))
    }
}
