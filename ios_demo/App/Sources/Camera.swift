import AVFoundation
import DemoCore
import Dispatch
import Foundation
import MattingKit

/// A frame, and which camera took it.
struct CameraFrame: Sendable {
    let pixels: PixelBuffer
    let lens: Lens
}

/// The cameras' frames. What it keeps is confined to `queue`, where frames arrive too: so it may be called from anywhere.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    /// The latest frame alone: who is slow misses frames, and sees none late.
    let frames: AsyncStream<CameraFrame>
    /// How it goes.
    let statuses: AsyncStream<CameraStatus>
    private let frame: AsyncStream<CameraFrame>.Continuation
    private let status: AsyncStream<CameraStatus>.Continuation
    private let queue = DispatchQueue(label: "io.modnet.demo.camera", qos: .userInitiated)
    private let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private var lens: Lens?

    override init() {
        (frames, frame) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        (statuses, status) = AsyncStream.makeStream()
        super.init()
        let told: [(Notification.Name, CameraStatus)] = [
            (AVCaptureSession.wasInterruptedNotification, .interrupted),
            (AVCaptureSession.interruptionEndedNotification, .works),
            (AVCaptureSession.runtimeErrorNotification, .failed),
        ]
        for (name, found) in told {
            let status = status
            _ = NotificationCenter.default.addObserver(forName: name, object: session, queue: nil) { _ in
                status.yield(found)
            }
        }
    }

    /// What the user has allowed so far.
    static var permission: Permission {
        switch AVCaptureDevice.authorizationStatus(for: .video) {
        case .authorized: .granted
        case .notDetermined: .notAsked
        default: .refused
        }
    }

    /// Asks the user, where that was not done.
    static func ask() async -> Permission {
        await AVCaptureDevice.requestAccess(for: .video) ? .granted : .refused
    }

    /// Begins with a camera, or with the other one where the device does not have it.
    func start(_ lens: Lens) {
        queue.async { self.run(lens) }
    }

    func stop() {
        queue.async { if self.session.isRunning { self.session.stopRunning() } }
    }

    private func run(_ wanted: Lens) {
        if lens != wanted {
            let found = [wanted, wanted.other].lazy.compactMap { lens in Self.device(lens).map { (lens, $0) } }.first
            guard let (lens, device) = found else {
                status.yield(.absent)
                return
            }
            self.lens = nil
            session.beginConfiguration()
            session.inputs.forEach(session.removeInput)
            if session.canSetSessionPreset(.hd1280x720) { session.sessionPreset = .hd1280x720 }
            guard let input = try? AVCaptureDeviceInput(device: device), session.canAddInput(input), addOutput() else {
                session.commitConfiguration()
                status.yield(.failed)
                return
            }
            session.addInput(input)
            session.commitConfiguration()
            self.lens = lens
        }
        if !session.isRunning { session.startRunning() }
        status.yield(session.isRunning ? .works : .failed)
    }

    private static func device(_ lens: Lens) -> AVCaptureDevice? {
        AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: lens == .front ? .front : .back)
    }

    /// Adds the output, unless it is there.
    private func addOutput() -> Bool {
        if session.outputs.contains(output) { return true }
        guard session.canAddOutput(output) else { return false }
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: Int(kCVPixelFormatType_32BGRA)]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.addOutput(output)
        return true
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let lens, let image = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        frame.yield(CameraFrame(pixels: PixelBuffer(image), lens: lens))
    }
}
