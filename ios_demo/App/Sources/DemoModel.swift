import DemoCore
import Foundation
import MattingKit
import SwiftUI
import UIKit

/// What is on the screen, and whether it is mirrored for the eye.
struct Shown: Sendable {
    let pixels: PixelBuffer
    let mirrored: Bool
    /// Of the picture: memory is used again.
    let number: Int
}

/// What the newest picture is; told apart from `DemoModel`, so that a frame redraws nothing else.
@MainActor
final class Picture: ObservableObject {
    @Published private(set) var shown: Shown?

    func show(_ pixels: PixelBuffer, mirrored: Bool) {
        shown = Shown(pixels: pixels, mirrored: mirrored, number: (shown?.number ?? 0) + 1)
    }
}

/// What the screens show, and what happens when something is tapped or the system says something.
@MainActor
final class DemoModel: ObservableObject {
    let picture = Picture()
    @Published private(set) var situation = Situation()
    @Published private(set) var times = ""
    /// Said once: what was saved, or could not be read.
    @Published private(set) var notice = ""
    @Published var showsNotice = false
    @Published var choices: Choices {
        didSet {
            guard choices != oldValue else { return }
            UserDefaults.standard.set(choices.saved, forKey: Self.key)
            apply()
        }
    }
    private static let key = "choices"
    private let camera = Camera()
    private var gate = FrameGate()
    private var lens: Lens?
    private var photo: PixelBuffer?
    private var backdrop: RgbaFrame?
    private var isActive = false
    private var isPaused = false
    /// How often `draw` was called.
    private var drawn = 0
    private var toldAt = 0.0
    private lazy var session = ModelSession<Engine>(open: Engine.open) { [weak self] state in
        self?.situation.model = state
        if case .ready = state { self?.draw() }
    }

    init() {
        choices = Choices(saved: UserDefaults.standard.dictionary(forKey: Self.key) as? [String: String] ?? [:])
        situation.permission = Camera.permission
        observe(UIApplication.didReceiveMemoryWarningNotification) { $0.session.free() }
        observe(ProcessInfo.thermalStateDidChangeNotification) { $0.readThermalState() }
        readThermalState()
        Task { [weak self, camera] in
            for await frame in camera.frames { await self?.show(frame) }
        }
        Task { [weak self, camera] in
            for await status in camera.statuses { self?.situation.camera = status }
        }
    }

    /// The app came to the front, or left it.
    func became(active: Bool) {
        isActive = active
        guard active else {
            // In the background nothing may be drawn, and the camera belongs to others.
            camera.stop()
            return
        }
        situation.permission = Camera.permission
        apply()
    }

    func remedy(_ remedy: Remedy) {
        switch remedy {
        case .allow:
            Task {
                situation.permission = await Camera.ask()
                apply()
            }
        case .settings:
            if let url = URL(string: UIApplication.openSettingsURLString) { UIApplication.shared.open(url) }
        case .retry:
            apply()
        }
    }

    /// Shows a photo in place of the camera. To decode one takes a while, which is not the main thread's.
    func showPhoto(_ data: Data) async {
        do {
            photo = try await Task.detached { try Photos.read(data) }.value
            situation.showsPhoto = true
            times = ""
            apply()
        } catch {
            say(localized("photo.unreadable"))
        }
    }

    func showCamera() {
        photo = nil
        situation.showsPhoto = false
        apply()
    }

    func putBehind(_ data: Data) async {
        do {
            backdrop = try await Task.detached { try Photos.read(data).frame() }.value
            choices.backdrop = .picture
            apply()
        } catch {
            say(localized("photo.unreadable"))
        }
    }

    func say(_ text: String) { (notice, showsNotice) = (text, true) }

    /// Puts what is on the screen into the photo library.
    func save() {
        guard let shown = picture.shown else { return }
        Task {
            do {
                let png = try await Task.detached { try Photos.png(shown.pixels, mirrored: shown.mirrored) }.value
                try await Photos.save(png)
                say(localized("saved"))
            } catch Photos.Failure.notAllowed {
                say(localized("saved.notAllowed"))
            } catch {
                say(localized("saved.not"))
            }
        }
    }

    /// The camera and the model are the benchmark's while it runs.
    func pause() {
        isPaused = true
        camera.stop()
        session.free()
    }

    func resume() {
        isPaused = false
        apply()
    }

    private var background: Background {
        switch choices.backdrop {
        case .transparent: .transparent
        case .colour: .colour(red: 0, green: 128, blue: 64)
        case .blur: .blur(sigma: nil)
        case .picture: backdrop.map { .picture($0) } ?? .transparent
        }
    }

    /// Makes all be as it was chosen.
    private func apply() {
        guard isActive && !isPaused else { return }
        if photo == nil && situation.permission == .granted { camera.start(choices.lens) } else { camera.stop() }
        draw()
        Task { await session.want(choices.computeUnits) }
    }

    /// Puts the background behind, and draws the photo where there is one. The camera's next frame comes by itself.
    private func draw() {
        guard let engine = session.model else { return }
        drawn += 1
        let (mine, background, photo) = (drawn, background, photo)
        Task {
            await engine.live.set(background)
            guard let photo else { return }
            do {
                let composite = try await engine.still.composite(photo, on: background)
                // Something else may have been chosen meanwhile.
                if mine == drawn { picture.show(composite, mirrored: false) }
            } catch {
                session.failed(error)
            }
        }
    }

    private func show(_ frame: CameraFrame) async {
        let now = ProcessInfo.processInfo.systemUptime
        guard isActive, photo == nil, let engine = session.model, gate.admits(at: now) else { return }
        let orientation = Self.interfaceOrientation.orientation(of: frame.lens)
        do {
            if lens != frame.lens {
                lens = frame.lens
                await engine.live.reset()
            }
            let shown = try await engine.live.show(frame.pixels, orientation: orientation)
            if let error = await engine.live.failure { throw error }
            guard photo == nil else { return }
            if let shown { picture.show(shown, mirrored: orientation.mirrored) }
            if now - toldAt > 0.5 {
                toldAt = now
                let found = await engine.live.times
                times = localized(
                    "times", found.beforeMs, found.networkMs, found.afterMs, found.framesPerSecond)
            }
        } catch {
            session.failed(error)
        }
    }

    private func readThermalState() {
        let thermal = Thermal(number: ProcessInfo.processInfo.thermalState.rawValue)
        gate.thermal = thermal
        situation.thermal = thermal
    }

    private static var interfaceOrientation: InterfaceOrientation {
        let scene = UIApplication.shared.connectedScenes.lazy.compactMap { $0 as? UIWindowScene }.first
        switch scene?.interfaceOrientation {
        case .portraitUpsideDown: return .portraitUpsideDown
        case .landscapeLeft: return .landscapeLeft
        case .landscapeRight: return .landscapeRight
        default: return .portrait
        }
    }

    private func observe(_ name: Notification.Name, _ act: @escaping @MainActor (DemoModel) -> Void) {
        _ = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { [weak self] _ in
            MainActor.assumeIsolated {
                if let self { act(self) }
            }
        }
    }
}
