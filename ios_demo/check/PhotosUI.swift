// Follows PHPicker.h of Apple's PhotosUI, as Swift imports it, and its PhotosPicker, which is Swift's alone.
import Foundation
import SwiftUI

public struct PHPickerFilter: Sendable {
    // imagesFilter
    public static let images = PHPickerFilter()
}

// Swift alone
public struct PhotosPickerItem: Hashable, Sendable {
    // Swift alone
    public func loadTransferable<Loaded: Sendable>(type: Loaded.Type) async throws -> Loaded? { nil }
}

// Swift alone
public struct PhotosPicker<Label: View>: View {
    // Swift alone
    public init(
        selection: Binding<PhotosPickerItem?>, matching filter: PHPickerFilter? = nil, @ViewBuilder label: () -> Label
    ) {}
    // Swift alone
    public var body: Never { fatalError() }
}
