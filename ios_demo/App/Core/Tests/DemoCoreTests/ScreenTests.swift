import MattingKit
import Testing

@testable import DemoCore

@Suite struct ScreenTests {
    private func situation(_ change: (inout Situation) -> Void) -> Situation {
        var situation = Situation()
        situation.permission = .granted
        situation.model = .ready(.all, plan: nil)
        change(&situation)
        return situation
    }

    @Test func whereAllIsWellThePictureIsThere() {
        #expect(situation { _ in }.message == nil)
    }

    @Test func eachFailureHasItsOwnMessage() {
        let found = [
            situation { $0.model = .failed(.missing, reason: "") },
            situation { $0.model = .failed(.damaged, reason: "") },
            situation { $0.model = .failed(.refused, reason: "") },
            situation { $0.model = .failed(.failed, reason: "") },
            situation { $0.model = .freed },
            situation { $0.model = .loading(.cpuOnly) },
            situation { $0.permission = .notAsked },
            situation { $0.permission = .refused },
            situation { $0.camera = .absent },
            situation { $0.camera = .failed },
            situation { $0.camera = .interrupted },
            situation { $0.thermal = .critical },
        ].map(\.message)
        let expected: [Message] = [
            .modelMissing, .modelDamaged, .modelRefused, .modelFailed, .modelFreed, .modelLoading,
            .cameraNotAllowed, .cameraRefused, .cameraAbsent, .cameraFailed, .cameraInterrupted, .tooHot,
        ]
        #expect(found == expected)
        #expect(Set(expected) == Set(Message.allCases))
    }

    @Test func whatTheUserIsToDoComesBeforeWhatPasses() {
        #expect(situation { ($0.model, $0.permission) = (.loading(.all), .notAsked) }.message == .cameraNotAllowed)
        #expect(situation { ($0.model, $0.permission) = (.freed, .refused) }.message == .modelFreed)
        #expect(situation { ($0.camera, $0.permission) = (.absent, .refused) }.message == .cameraAbsent)
    }

    @Test func aPhotoNeedsNoCameraAndNoCoolDevice() {
        for permission in [Permission.notAsked, .refused] {
            for camera in [CameraStatus.absent, .failed, .interrupted] {
                let photo = situation {
                    ($0.showsPhoto, $0.permission, $0.camera, $0.thermal) = (true, permission, camera, .critical)
                }
                #expect(photo.message == nil)
            }
        }
        #expect(situation { ($0.showsPhoto, $0.model) = (true, .loading(.all)) }.message == .modelLoading)
    }

    @Test func whatHelpsIsOffered() {
        #expect(Message.cameraRefused.remedy == .settings)
        #expect(Message.cameraNotAllowed.remedy == .allow)
        #expect(Message.modelFreed.remedy == .retry)
        #expect(Message.allCases.filter(\.isBusy) == [.modelLoading])
    }

    @Test func theReasonIsTold() {
        #expect(situation { $0.model = .failed(.refused, reason: "no memory") }.reason == "no memory")
        #expect(situation { _ in }.reason == nil)
    }

    @Test func choicesOutliveTheProcess() {
        var choices = Choices()
        (choices.lens, choices.backdrop, choices.computeUnits) = (.back, .colour, .cpuOnly)
        #expect(Choices(saved: choices.saved) == choices)
        choices.backdrop = .picture
        // The picture is gone with the process.
        #expect(Choices(saved: choices.saved).backdrop == .blur)
        #expect(Choices(saved: ["lens": "third", "computeUnits": "abacus"]) == Choices())
        #expect(Lens.front.other == .back && Lens.back.other == .front)
    }

    /// Frames of a camera of `rate` a second, for ten seconds: how many are computed in one.
    private func admitted(_ thermal: Thermal, rate: Double, jitter: Double = 0) -> Double {
        var gate = FrameGate()
        gate.thermal = thermal
        let frames = (0..<Int(10 * rate)).filter { i in
            gate.admits(at: Double(i) / rate + (i % 2 == 0 ? jitter : -jitter))
        }
        return Double(frames.count) / 10
    }

    @Test(arguments: [24.0, 30, 60], [0.0, 0.002])
    func theHotterTheFewerFrames(rate: Double, jitter: Double) {
        #expect(admitted(.nominal, rate: rate, jitter: jitter) == rate)
        for (thermal, most) in [(Thermal.fair, 15.0), (.serious, 5.0)] {
            let found = admitted(thermal, rate: rate, jitter: jitter)
            #expect(found <= most + 0.1)
            #expect(found >= 0.7 * most, "\(thermal)")
        }
        #expect(admitted(.critical, rate: rate) == 0)
    }

    /// The numbers of Exif that Apple's samples turn frames by ("Tracking the User's Face in Real Time", for the front camera).
    @Test func framesStandUprightHoweverTheDeviceIsHeld() {
        let held: [InterfaceOrientation] = [.portrait, .portraitUpsideDown, .landscapeLeft, .landscapeRight]
        #expect(held.map { $0.orientation(of: .front).exif } == [5, 7, 2, 4])
        #expect(held.map { $0.orientation(of: .back).exif } == [6, 8, 3, 1])
    }

    @Test func aGateOpensAgain() {
        var gate = FrameGate()
        gate.thermal = .serious
        #expect([gate.admits(at: 0), gate.admits(at: 0.1)] == [true, false])
        gate.thermal = .critical
        let stopped = gate.admits(at: 1)
        gate.thermal = .nominal
        #expect([stopped, gate.admits(at: 1.001), gate.admits(at: 1.002)] == [false, true, true])
        #expect([0, 1, 2, 3, 4, -1].map { Thermal(number: $0) } == Thermal.allCases + [.critical, .critical])
    }
}
