import Foundation

/// What any system that Swift runs on tells of itself.
public enum Device {
    /// The kind of machine, as `iPhone16,1`.
    public static var machine: String {
        var names = utsname()
        uname(&names)
        return withUnsafeBytes(of: &names.machine) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// The most memory that this process has had at once, as far as it lay in the device's own.
    public static var peakResidentBytes: Int {
        var usage = rusage()
        // RUSAGE_SELF, which is of another type on Linux.
        getrusage(0, &usage)
        #if canImport(Darwin)
        return Int(usage.ru_maxrss)
        #else
        return 1024 * Int(usage.ru_maxrss)
        #endif
    }

    /// `iOS 18.1 (22B83)`, of `operatingSystemVersionString`: `Version 18.1 (Build 22B83)`.
    public static func system(_ name: String, version: String) -> String {
        let bare = version.replacingOccurrences(of: "Version ", with: "")
            .replacingOccurrences(of: "Build ", with: "")
        return "\(name) \(bare)"
    }
}
