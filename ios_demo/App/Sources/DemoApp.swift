import SwiftUI

@main
struct DemoApp: App {
    @StateObject private var model = DemoModel()

    var body: some Scene {
        WindowGroup { DemoScreen(model: model) }
    }
}
