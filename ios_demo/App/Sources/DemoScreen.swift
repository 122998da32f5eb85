import DemoCore
import MattingKit
import PhotosUI
import SwiftUI

/// The picture, what is said of it, and what can be chosen.
struct DemoScreen: View {
    @ObservedObject var model: DemoModel
    @Environment(\.scenePhase) private var scenePhase
    @State private var photo: PhotosPickerItem?
    @State private var backdrop: PhotosPickerItem?
    @State private var showsBenchmark = false

    var body: some View {
        VStack(spacing: 12) {
            ZStack {
                PictureView(picture: model.picture)
                    .opacity(model.situation.message == nil ? 1 : 0)
                if let message = model.situation.message {
                    MessagePanel(message: message, reason: model.situation.reason, act: { model.remedy($0) })
                }
            }
            .frame(maxWidth: .infinity, maxHeight: .infinity)
            Text(model.situation.model.title).font(.footnote)
            Text(model.times).font(.footnote).monospacedDigit()
            choices
            buttons
        }
        .padding()
        // The first phase is no change.
        .onAppear { model.became(active: true) }
        .onChange(of: scenePhase) { phase in
            // Inactive is also an app below an alert: that of the camera's permission, say.
            if phase != .inactive { model.became(active: phase == .active) }
        }
        .onChange(of: photo) { item in load(item) { await model.showPhoto($0) } }
        .onChange(of: showsBenchmark) { shows in if !shows { model.resume() } }
        .onChange(of: backdrop) { item in load(item) { await model.putBehind($0) } }
        .alert(model.notice, isPresented: $model.showsNotice) {
            Button(localized("ok")) {}
        }
        .sheet(isPresented: $showsBenchmark) { BenchmarkScreen() }
    }

    private var choices: some View {
        VStack(spacing: 8) {
            Picker(localized("backdrop"), selection: $model.choices.backdrop) {
                ForEach(Backdrop.allCases, id: \.self) { Text($0.title).tag($0) }
            }
            .pickerStyle(.segmented)
            Picker(localized("units"), selection: $model.choices.computeUnits) {
                ForEach(ComputeUnits.allCases, id: \.self) { Text($0.title).tag($0) }
            }
            .pickerStyle(.menu)
        }
    }

    private var buttons: some View {
        HStack(spacing: 20) {
            Button {
                model.choices.lens = model.choices.lens.other
            } label: {
                icon("arrow.triangle.2.circlepath.camera", "switchCamera")
            }
            .disabled(model.situation.showsPhoto)
            if model.situation.showsPhoto {
                Button {
                    photo = nil
                    model.showCamera()
                } label: {
                    icon("camera", "backToCamera")
                }
            } else {
                PhotosPicker(selection: $photo, matching: .images) { icon("photo", "pickPhoto") }
            }
            PhotosPicker(selection: $backdrop, matching: .images) { icon("photo.on.rectangle", "pickBackdrop") }
            Button {
                model.save()
            } label: {
                icon("square.and.arrow.down", "save")
            }
            .disabled(model.situation.message != nil)
            Button {
                model.pause()
                showsBenchmark = true
            } label: {
                icon("stopwatch", "benchmark")
            }
        }
    }

    private func icon(_ name: String, _ key: String) -> some View {
        Image(systemName: name)
            .font(.title2)
            .frame(minWidth: 44, minHeight: 44)
            .accessibilityLabel(localized(key))
    }

    private func load(_ item: PhotosPickerItem?, then use: @escaping @MainActor (Data) async -> Void) {
        guard let item else { return }
        Task {
            if let data = try? await item.loadTransferable(type: Data.self) {
                await use(data)
            } else {
                model.say(localized("photo.unreadable"))
            }
        }
    }
}

/// What the screen says in place of the picture, and what helps.
struct MessagePanel: View {
    let message: Message
    let reason: String?
    let act: @MainActor (Remedy) -> Void

    var body: some View {
        VStack(spacing: 16) {
            if message.isBusy { ProgressView() }
            Text(localized(message.key)).multilineTextAlignment(.center)
            if let reason { Text(reason).font(.footnote).foregroundColor(.secondary) }
            if let remedy = message.remedy {
                Button(localized(remedy.key)) { act(remedy) }.buttonStyle(.borderedProminent)
            }
        }
        .padding()
        .accessibilityElement(children: .contain)
    }
}
