// Follows MTLDevice.h of Apple's Metal, as Swift imports it.
public protocol MTLDevice: AnyObject, Sendable {}
public func MTLCreateSystemDefaultDevice() -> (any MTLDevice)? { nil }
