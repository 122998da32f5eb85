/// The foreground's own colours where a matte is soft and the image mixes them with the background's.
///
/// Blur fusion, twice (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021), at a fraction of the image's size;
/// `fused_colours` of modnet_export/images/compositing.py is the same in Python, and says why weights have the 8th and the
/// 4th power.
struct ForegroundColours: Sendable {
    private let image: RgbaFrame
    private let matte: [Float]
    /// Foreground and background, side by side: six values in [0, 1] for each coarse pixel.
    private let both: [Float]
    private var enlarging: Resampling

    /// `matte` has the image's height x width values, in [0, 1].
    init(of image: RgbaFrame, matte: [Float], coarseHeight: Int, coarseWidth: Int) {
        self.image = image
        self.matte = matte
        let (height, width) = (image.height, image.width)
        var pixels = Resampling(
            height: height, width: width, resizedHeight: coarseHeight, resizedWidth: coarseWidth, channels: 3)
        var alphas = Resampling(
            height: height, width: width, resizedHeight: coarseHeight, resizedWidth: coarseWidth, channels: 1)
        var (small, alpha) = ([Float](), [Float]())
        for y in 0..<coarseHeight {
            pixels.resizeRow(y, of: image)
            small += pixels.row.map { $0 * (1 / 255) }
            alphas.resizeRow(y, of: matte)
            alpha += alphas.row
        }
        let rest = alpha.map { 1 - $0 }
        let longer = max(coarseHeight, coarseWidth)
        let wide = BoxMeans(height: coarseHeight, width: coarseWidth, radius: longer / 6)
        let narrow = BoxMeans(height: coarseHeight, width: coarseWidth, radius: max(longer / 80, 1))
        var foreground = wide.weighted(small, by: alpha.map { power($0, squarings: 3) })
        var background = wide.weighted(small, by: rest.map { power($0, squarings: 3) })
        for i in foreground.indices {
            foreground[i] = fused(small[i], alpha[i / 3], foreground: foreground[i], background: background[i])
        }
        foreground = narrow.weighted(foreground, by: alpha.map { power($0, squarings: 2) })
        background = narrow.weighted(background, by: rest.map { power($0, squarings: 2) })
        both = alpha.indices.flatMap { foreground[3 * $0..<3 * $0 + 3] + background[3 * $0..<3 * $0 + 3] }
        enlarging = Resampling(
            height: coarseHeight, width: coarseWidth, resizedHeight: height, resizedWidth: width, channels: 6)
    }

    /// Row `y` of the foreground: red, green and blue of each pixel, in [0, 1].
    mutating func row(_ y: Int) -> [Float] {
        enlarging.resizeRow(y, of: both)
        var found = [Float]()
        found.reserveCapacity(3 * image.width)
        for x in 0..<image.width {
            let pixel = image.pixels[y * image.width + x]
            let alpha = matte[y * image.width + x]
            for channel in 0..<3 {
                let (foreground, background) = (enlarging.row[6 * x + channel], enlarging.row[6 * x + 3 + channel])
                let level = pixel.level(channel) * (1 / 255)
                found.append(
                    alpha >= 1 ? level : fused(level, alpha, foreground: foreground, background: background))
            }
        }
        return found
    }
}

private func power(_ value: Float, squarings: Int) -> Float {
    (0..<squarings).reduce(value) { power, _ in power * power }
}

/// A foreground's colour, corrected by what it and the background's leave unexplained of the image.
private func fused(_ image: Float, _ alpha: Float, foreground: Float, background: Float) -> Float {
    let found = (1 - alpha * alpha) * foreground + alpha * image - alpha * (1 - alpha) * background
    return min(max(found, 0), 1)
}

/// Means of colours over boxes of 2 `radius` + 1, cut off at the borders, towards 0 where almost nothing has a weight.
private struct BoxMeans {
    let height: Int
    let width: Int
    let radius: Int

    func weighted(_ colours: [Float], by weights: [Float]) -> [Float] {
        var four = [Double]()
        for (i, weight) in weights.enumerated() {
            four += colours[3 * i..<3 * i + 3].map { Double($0 * weight) } + [Double(weight)]
        }
        for y in 0..<height { sum(&four, from: 4 * y * width, step: 4, count: width) }
        for x in 0..<width { sum(&four, from: 4 * x, step: 4 * width, count: height) }
        return (0..<3 * weights.count).map { i in
            Float(four[4 * (i / 3) + i % 3] / max(four[4 * (i / 3) + 3], 1e-3))
        }
    }

    /// Sums along one line: a running sum, in double precision so that it comes back to 0.
    private func sum(_ values: inout [Double], from start: Int, step: Int, count: Int) {
        for channel in 0..<4 {
            let line = (0..<count).map { values[start + $0 * step + channel] }
            var sum = line.prefix(radius).reduce(0, +)
            for i in 0..<count {
                if i + radius < count { sum += line[i + radius] }
                if i > radius { sum -= line[i - radius - 1] }
                values[start + i * step + channel] = sum
            }
        }
    }
}
