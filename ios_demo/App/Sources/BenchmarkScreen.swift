import DemoCore
import MattingKit
import SwiftUI

/// Measures the model on each choice of compute units, and shares the file.
struct BenchmarkScreen: View {
    @StateObject private var benchmark = BenchmarkModel()
    @Environment(\.dismiss) private var dismiss
    @Environment(\.scenePhase) private var scenePhase

    var body: some View {
        VStack(spacing: 16) {
            Text(localized("benchmark")).font(.title)
            Text(localized("benchmark.about")).multilineTextAlignment(.center)
            List(benchmark.runs, id: \.computeUnit) { run in
                VStack(alignment: .leading) {
                    Text(run.computeUnit.title)
                    Text(run.error ?? localized("benchmark.median", run.medianMs ?? 0)).font(.footnote)
                }
                .accessibilityElement(children: .combine)
            }
            if let progress = benchmark.progress {
                ProgressView(value: progress)
                Button(localized("benchmark.stop")) { benchmark.stop() }
            } else {
                if let file = benchmark.file {
                    ShareLink(item: file) { Text(localized("benchmark.share")) }
                }
                Button(localized("benchmark.start")) { benchmark.start() }.buttonStyle(.borderedProminent)
                Button(localized("benchmark.close")) { dismiss() }
            }
            if let failure = benchmark.failure { Text(failure).foregroundColor(.red) }
        }
        .padding()
        .interactiveDismissDisabled(benchmark.progress != nil)
        // In the background the GPU is not to be had.
        .onChange(of: scenePhase) { phase in if phase == .background { benchmark.stop() } }
    }
}
