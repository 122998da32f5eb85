// Follows UIApplication.h, UIScene.h, UIWindowScene.h, UIOrientation.h, UIDevice.h, UIView.h and UIColor.h of Apple's UIKit,
// and NSProcessInfo.h of its Foundation, as Swift imports them.
import Foundation
@_exported import QuartzCore

extension ProcessInfo {
    // NSProcessInfoThermalState
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }
    public var thermalState: ThermalState { .nominal }
    // lowPowerModeEnabled
    public var isLowPowerModeEnabled: Bool { false }
    // NSProcessInfoThermalStateDidChangeNotification
    public static let thermalStateDidChangeNotification = Notification.Name(
        "NSProcessInfoThermalStateDidChangeNotification")
}

public enum UIInterfaceOrientation: Int, Sendable {
    case unknown, portrait, portraitUpsideDown, landscapeRight, landscapeLeft
}

@MainActor open class UIScene: Hashable {
    // Swift alone
    public nonisolated static func == (one: UIScene, other: UIScene) -> Bool { one === other }
    // Swift alone
    public nonisolated func hash(into hasher: inout Hasher) {}
}

@MainActor open class UIWindowScene: UIScene {
    open var interfaceOrientation: UIInterfaceOrientation { .portrait }
}

@MainActor open class UIApplication {
    // Swift alone
    public struct OpenExternalURLOptionsKey: Hashable, Sendable {}
    // sharedApplication
    open class var shared: UIApplication { UIApplication() }
    // UIApplicationOpenSettingsURLString
    public nonisolated static let openSettingsURLString = "app-settings:"
    // UIApplicationDidReceiveMemoryWarningNotification
    public nonisolated static let didReceiveMemoryWarningNotification = Notification.Name(
        "UIApplicationDidReceiveMemoryWarningNotification")
    // idleTimerDisabled
    open var isIdleTimerDisabled: Bool {
        get { false }
        set {}
    }
    open var connectedScenes: Set<UIScene> { [] }
    // openURLOptionsCompletionHandler
    open func open(
        _ url: URL, options: [OpenExternalURLOptionsKey: Any] = [:],
        completionHandler completion: ((Bool) -> Void)? = nil
    ) {}
}

@MainActor open class UIDevice {
    // UIDeviceBatteryState
    public enum BatteryState: Int, Sendable {
        case unknown, unplugged, charging, full
    }
    // currentDevice
    open class var current: UIDevice { UIDevice() }
    open var systemName: String { "" }
    open var identifierForVendor: UUID? { nil }
    open var batteryLevel: Float { -1 }
    open var batteryState: BatteryState { .unknown }
    // batteryMonitoringEnabled
    open var isBatteryMonitoringEnabled: Bool {
        get { false }
        set {}
    }
}

@MainActor open class UIView {
    public init() {}
    open class var layerClass: AnyClass { CALayer.self }
    open var layer: CALayer { CALayer() }
}

open class UIColor {
    // secondarySystemBackgroundColor
    open class var secondarySystemBackground: UIColor { UIColor() }
}
