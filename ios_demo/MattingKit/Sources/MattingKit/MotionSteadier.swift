import Foundation

/// The mattes of a video without flicker and without a delay: a running mean along the motion of the picture, which follows
/// it better than `OneFrameDelay`, where an app knows that motion (Vision's `VNGenerateOpticalFlowRequest` finds it).
///
/// The matte before, moved to its place, counts up to `weight`; where the moved picture does not look like this one, less:
/// 1/e of that at a mean difference of `followed` over 7 x 7 pixels. Follows modnet_export/images/temporal.py. A matte of
/// another size begins a new video.
public struct MotionSteadier: Sendable {
    private let weight: Float
    private let followed: Float
    private var before: (matte: [Float], grey: [UInt8], width: Int)?

    public init(weight: Float = 0.75, followed: Float = 0.05) { (self.weight, self.followed) = (weight, followed) }

    /// Returns the newest frame's matte, steadied. Both it and `grey`, the frame, have rows of `width` pixels.
    ///
    /// `motion` has x and y for each pixel: what to add to its place to find it in the frame before; nil begins a new video.
    public mutating func steady(_ matte: [Float], grey: [UInt8], width: Int, motion: [Float]?) -> [Float] {
        precondition(matte.count == grey.count && motion.map { $0.count == 2 * matte.count } != false)
        var shown = matte
        if let before, let motion, before.matte.count == matte.count, before.width == width {
            let grid = Grid(height: matte.count / width, width: width)
            let moved = grid.moved(before.matte, along: motion)
            let movedGrey = grid.moved(before.grey.map(Float.init), along: motion)
            let off = grid.windowed(zip(grey, movedGrey).map { abs(Float($0) - $1) / 255 })
            for i in shown.indices {
                let far = off[i] / followed
                let share = weight * exp(-far * far)
                shown[i] = min(max(share * moved[i] + (1 - share) * matte[i], 0), 1)
            }
        }
        before = (shown, grey, width)
        return shown
    }
}

private struct Grid {
    let height: Int
    let width: Int

    /// Keys' bicubic interpolation with a = -0.75, the border repeated.
    func moved(_ values: [Float], along motion: [Float]) -> [Float] {
        values.indices.map { i in
            // From two pixels outside on, there is only the border.
            let x = min(max(Float(i % width) + motion[2 * i], -2), Float(width + 1))
            let y = min(max(Float(i / width) + motion[2 * i + 1], -2), Float(height + 1))
            let (left, top) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
            var sum: Float = 0
            for row in top - 1...top + 2 {
                let start = min(max(row, 0), height - 1) * width
                var along: Float = 0
                for column in left - 1...left + 2 {
                    along += keys(x - Float(column)) * values[start + min(max(column, 0), width - 1)]
                }
                sum += keys(y - Float(row)) * along
            }
            return sum
        }
    }

    private func keys(_ distance: Float) -> Float {
        let (d, a) = (abs(distance), Float(-0.75))
        return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : a * (((d - 5) * d + 8) * d - 4)
    }

    /// Means over 7 x 7 pixels, mirrored at the borders without repeating them.
    func windowed(_ values: [Float]) -> [Float] {
        means(means(values, step: 1, count: width), step: width, count: height)
    }

    private func means(_ values: [Float], step: Int, count: Int) -> [Float] {
        values.indices.map { i in
            let place = i / step % count
            return (place - 3...place + 3).reduce(0) { $0 + values[i + (mirrored($1, count) - place) * step] } / 7
        }
    }
}
