// Follows AVCaptureDevice.h, AVCaptureInput.h, AVCaptureOutputBase.h, AVCaptureSession.h, AVCaptureSessionPreset.h,
// AVCaptureVideoDataOutput.h and AVMediaFormat.h of Apple's AVFoundation, as Swift imports them.
@_exported import CoreMedia
import Dispatch
import Foundation

// Swift alone
public struct AVMediaType: Sendable {
    // AVMediaTypeVideo
    public static let video = AVMediaType()
}

public enum AVAuthorizationStatus: Int, Sendable {
    case notDetermined, restricted, denied, authorized
}

open class AVCaptureDevice {
    // Swift alone
    public struct DeviceType: Sendable {
        // AVCaptureDeviceTypeBuiltInWideAngleCamera
        public static let builtInWideAngleCamera = DeviceType()
    }

    // AVCaptureDevicePosition
    public enum Position: Int, Sendable {
        case unspecified, back, front
    }

    // authorizationStatusForMediaType
    open class func authorizationStatus(for mediaType: AVMediaType) -> AVAuthorizationStatus { .notDetermined }
    // requestAccessForMediaTypeCompletionHandler
    open class func requestAccess(for mediaType: AVMediaType) async -> Bool { false }
    // defaultDeviceWithDeviceTypeMediaTypePosition
    open class func `default`(
        _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
    ) -> AVCaptureDevice? { nil }
}

open class AVCaptureInput {}

open class AVCaptureDeviceInput: AVCaptureInput {
    // initWithDeviceError
    public init(device: AVCaptureDevice) throws {}
}

open class AVCaptureOutput: Equatable {
    // Swift alone
    public static func == (one: AVCaptureOutput, other: AVCaptureOutput) -> Bool { one === other }
}

open class AVCaptureConnection {}

open class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    // videoSettings
    open var videoSettings: [String: Any]! {
        get { [:] }
        set {}
    }
    open var alwaysDiscardsLateVideoFrames: Bool {
        get { true }
        set {}
    }
    // setSampleBufferDelegateQueue
    open func setSampleBufferDelegate(
        _ sampleBufferDelegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?,
        queue sampleBufferCallbackQueue: DispatchQueue?
    ) {}
}

public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    // captureOutputDidOutputSampleBufferFromConnection
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}

open class AVCaptureSession {
    // Swift alone
    public struct Preset: Sendable {
        // AVCaptureSessionPreset1280x720
        public static let hd1280x720 = Preset()
    }

    // AVCaptureSessionWasInterruptedNotification
    public static let wasInterruptedNotification = Notification.Name("AVCaptureSessionWasInterruptedNotification")
    // AVCaptureSessionInterruptionEndedNotification
    public static let interruptionEndedNotification = Notification.Name(
        "AVCaptureSessionInterruptionEndedNotification")
    // AVCaptureSessionRuntimeErrorNotification
    public static let runtimeErrorNotification = Notification.Name("AVCaptureSessionRuntimeErrorNotification")

    public init() {}
    open var sessionPreset: Preset {
        get { .hd1280x720 }
        set {}
    }
    open var inputs: [AVCaptureInput] { [] }
    open var outputs: [AVCaptureOutput] { [] }
    // running
    open var isRunning: Bool { false }
    open func beginConfiguration() {}
    open func commitConfiguration() {}
    open func canSetSessionPreset(_ preset: Preset) -> Bool { false }
    open func canAddInput(_ input: AVCaptureInput) -> Bool { false }
    open func addInput(_ input: AVCaptureInput) {}
    open func removeInput(_ input: AVCaptureInput) {}
    open func canAddOutput(_ output: AVCaptureOutput) -> Bool { false }
    open func addOutput(_ output: AVCaptureOutput) {}
    open func startRunning() {}
    open func stopRunning() {}
}
