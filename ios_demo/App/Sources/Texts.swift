import DemoCore
import Foundation
import MattingKit

/// A text of `Localizable.xcstrings`.
func localized(_ key: String, _ arguments: any CVarArg...) -> String {
    let text = NSLocalizedString(key, comment: "")
    return arguments.isEmpty ? text : String(format: text, locale: .current, arguments: arguments)
}

extension Backdrop {
    var title: String { localized("backdrop.\(rawValue)") }
}

extension ComputeUnits {
    var title: String { localized("units.\(rawValue)") }
}

extension ModelState {
    /// What runs and where, as far as Core ML tells.
    var title: String {
        guard case .ready(let units, let plan) = self else { return "" }
        guard let plan else { return localized("running.unknown", units.title) }
        return localized("running.planned", units.title, plan.neuralEngine, plan.gpu, plan.cpu)
    }
}
