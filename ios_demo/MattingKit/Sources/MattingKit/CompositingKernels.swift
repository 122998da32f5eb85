/// What `Compositor` runs on the GPU, in Metal's language, and the numbers that it is given.
///
/// As text, so that the package is the same for whoever copies its sources: it is compiled when a compositor is made. It keeps
/// to what C++ has as well: so it is compiled and run on machines without Metal, with the numbers of Python and Kotlin
/// (tests/apps/test_metal.py).
enum CompositingKernels {
    /// Names of functions, in the order in which they run; `sumRows` and `sumColumns` run twice.
    static let names = ["restore", "shrink", "sumRows", "sumColumns", "blend"]

    /// Places in the array `n` of whole numbers, which every function gets; the text has the same names.
    struct Numbers: Equatable, Sendable {
        /// The frame stands upright: its pixel (y, x) is pixel `first` + y * `down` + x * `right` of the texture (x, y).
        var height: Int32 = 0
        var width: Int32 = 0
        var first: (x: Int32, y: Int32) = (0, 0)
        var right: (x: Int32, y: Int32) = (1, 0)
        var down: (x: Int32, y: Int32) = (0, 1)
        /// The size at which colours are estimated.
        var coarseHeight: Int32 = 0
        var coarseWidth: Int32 = 0
        /// The letterbox in a matte with rows of `stride` values.
        var top: Int32 = 0
        var left: Int32 = 0
        var innerHeight: Int32 = 0
        var innerWidth: Int32 = 0
        var stride: Int32 = 0
        /// Of the box whose means are taken; the weights' power, 8 or 4; whether these means are the first ones.
        var radius: Int32 = 0
        var power: Int32 = 0
        var isFirst = false
        /// Whether there is no background.
        var isTransparent = false

        /// For a frame of `rows` x `columns` pixels in memory.
        init(rows: Int, columns: Int, orientation: FrameOrientation, matte: Letterbox, stride: Int, coarseSide: Int) {
            let (rows, columns) = (Int32(rows), Int32(columns))
            height = orientation.isSideways ? columns : rows
            width = orientation.isSideways ? rows : columns
            let turn = orientation.rotation / 90
            first = [(0, 0), (0, rows - 1), (columns - 1, rows - 1), (columns - 1, 0)][turn]
            right = [(1, 0), (0, -1), (-1, 0), (0, 1)][turn]
            down = [(0, 1), (1, 0), (0, -1), (-1, 0)][turn]
            if orientation.mirrored {
                first = (first.x + (width - 1) * right.x, first.y + (width - 1) * right.y)
                right = (-right.x, -right.y)
            }
            let coarse = ReferenceCompositor.coarse(height: Int(height), width: Int(width), side: coarseSide)
            (coarseHeight, coarseWidth) = (Int32(coarse.height), Int32(coarse.width))
            (top, left) = (Int32(matte.top), Int32(matte.left))
            (innerHeight, innerWidth) = (Int32(matte.innerHeight), Int32(matte.innerWidth))
            self.stride = Int32(stride)
        }

        /// For the first means, or the second ones.
        func means(first: Bool) -> Numbers {
            var numbers = self
            let longer = max(coarseHeight, coarseWidth)
            numbers.radius = first ? longer / 6 : max(longer / 80, 1)
            numbers.power = first ? 8 : 4
            numbers.isFirst = first
            return numbers
        }

        /// As the functions take them.
        var array: [Int32] {
            [
                height, width, first.x, first.y, right.x, right.y, down.x, down.y, coarseHeight, coarseWidth, top,
                left, innerHeight, innerWidth, stride, radius, power, isFirst ? 1 : 0, isTransparent ? 1 : 0,
            ]
        }

        static func == (one: Numbers, other: Numbers) -> Bool { one.array == other.array }
    }

    static let source = """
        #include <metal_stdlib>
        using namespace metal;

        enum { HEIGHT, WIDTH, FIRST_X, FIRST_Y, RIGHT_X, RIGHT_Y, DOWN_X, DOWN_Y, COARSE_HEIGHT, COARSE_WIDTH, TOP, LEFT,
               INNER_HEIGHT, INNER_WIDTH, STRIDE, RADIUS, POWER, IS_FIRST, IS_TRANSPARENT };

        // How a pixel of a resized axis is made: `head` of pixel from - 1, 1 / scale of each from `from` on, `tail` of `until`.
        // Area averages where the axis shrinks, bilinear where it grows.
        struct Taps { int from; int until; int first; int last; float head; float whole; float tail; };

        static Taps taps(int i, int size, int resized) {
            Taps t;
            float scale = float(size) / float(resized);
            if (size > resized) {
                // In whole numbers: where a pixel ends exactly between two, rounding may not decide.
                int start = i * size, end = start + size;
                t.from = (start + resized - 1) / resized;
                t.until = end / resized;
                t.head = float(t.from * resized - start) / float(size);
                t.tail = float(end - t.until * resized) / float(size);
                t.whole = 1.0f / scale;
            } else {
                // Half a pixel is added to both: in units of a half of a resized pixel.
                int at = max((2 * i + 1) * size - resized, 0);
                t.from = min(at / (2 * resized) + 1, size);
                t.until = t.from;
                t.tail = t.from < size ? float(at - (t.from - 1) * 2 * resized) / float(2 * resized) : 0.0f;
                t.head = 1.0f - t.tail;
                t.whole = 0.0f;
            }
            t.first = max(t.from - 1, 0);
            t.last = min(t.until, size - 1);
            return t;
        }

        // Weight of pixel k among those from t.first to t.last.
        static float weight(Taps t, int k) {
            float found = 0.0f;
            if (k == t.from - 1) { found += t.head; }
            if (k >= t.from && k < t.until) { found += t.whole; }
            if (k == t.until) { found += t.tail; }
            return found;
        }

        static float unit(float value) {
            // Written so that what is not a number is 0.
            return value > 0.0f ? min(value, 1.0f) : 0.0f;
        }

        static float fused(float image, float alpha, float foreground, float background) {
            return unit((1.0f - alpha * alpha) * foreground + alpha * image - alpha * (1.0f - alpha) * background);
        }

        static uint2 place(constant int *n, int y, int x) {
            uint2 at;
            at.x = uint(n[FIRST_X] + y * n[DOWN_X] + x * n[RIGHT_X]);
            at.y = uint(n[FIRST_Y] + y * n[DOWN_Y] + x * n[RIGHT_Y]);
            return at;
        }

        // The matte's part inside the letterbox, of the frame's size.
        kernel void restore(constant int *n [[buffer(0)]], device const float *matte [[buffer(1)]],
                            device float *alpha [[buffer(2)]], uint2 at [[thread_position_in_grid]]) {
            int x = int(at.x), y = int(at.y);
            if (x >= n[WIDTH] || y >= n[HEIGHT]) { return; }
            Taps rows = taps(y, n[INNER_HEIGHT], n[HEIGHT]), columns = taps(x, n[INNER_WIDTH], n[WIDTH]);
            float sum = 0.0f;
            for (int j = rows.first; j <= rows.last; j++) {
                float line = 0.0f;
                for (int i = columns.first; i <= columns.last; i++) {
                    line += weight(columns, i) * matte[(n[TOP] + j) * n[STRIDE] + n[LEFT] + i];
                }
                sum += weight(rows, j) * line;
            }
            alpha[y * n[WIDTH] + x] = unit(sum);
        }

        // Colours and matte at the coarse size: four values for each pixel.
        kernel void shrink(constant int *n [[buffer(0)]], device const float *alpha [[buffer(1)]],
                           device float *small [[buffer(2)]],
                           texture2d<float, access::read> frame [[texture(0)]], uint2 at [[thread_position_in_grid]]) {
            int x = int(at.x), y = int(at.y);
            if (x >= n[COARSE_WIDTH] || y >= n[COARSE_HEIGHT]) { return; }
            Taps rows = taps(y, n[HEIGHT], n[COARSE_HEIGHT]), columns = taps(x, n[WIDTH], n[COARSE_WIDTH]);
            float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (int j = rows.first; j <= rows.last; j++) {
                for (int i = columns.first; i <= columns.last; i++) {
                    float w = weight(rows, j) * weight(columns, i);
                    float4 pixel = frame.read(place(n, j, i));
                    for (int c = 0; c < 3; c++) { sum[c] += w * pixel[c]; }
                    sum[3] += w * alpha[j * n[WIDTH] + i];
                }
            }
            for (int c = 0; c < 4; c++) { small[4 * (y * n[COARSE_WIDTH] + x) + c] = sum[c]; }
        }

        // Sums along rows of weighted colours, foreground's and background's: eight values for each pixel.
        kernel void sumRows(constant int *n [[buffer(0)]], device const float *small [[buffer(1)]],
                            device const float *colours [[buffer(2)]], device float *sums [[buffer(3)]],
                            uint2 at [[thread_position_in_grid]]) {
            int x = int(at.x), y = int(at.y), width = n[COARSE_WIDTH];
            if (x >= width || y >= n[COARSE_HEIGHT]) { return; }
            float sum[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
            for (int i = max(x - n[RADIUS], 0); i <= min(x + n[RADIUS], width - 1); i++) {
                int pixel = y * width + i;
                float weights[2] = {small[4 * pixel + 3], 1.0f - small[4 * pixel + 3]};
                for (int layer = 0; layer < 2; layer++) {
                    float w = weights[layer];
                    for (int power = 1; power < n[POWER]; power *= 2) { w *= w; }
                    for (int c = 0; c < 3; c++) {
                        sum[4 * layer + c] += w * (n[IS_FIRST] ? small[4 * pixel + c] : colours[6 * pixel + 3 * layer + c]);
                    }
                    sum[4 * layer + 3] += w;
                }
            }
            for (int c = 0; c < 8; c++) { sums[8 * (y * width + x) + c] = sum[c]; }
        }

        // The same along columns, and the means: six values for each pixel.
        kernel void sumColumns(constant int *n [[buffer(0)]], device const float *small [[buffer(1)]],
                               device float *colours [[buffer(2)]], device const float *sums [[buffer(3)]],
                               uint2 at [[thread_position_in_grid]]) {
            int x = int(at.x), y = int(at.y), width = n[COARSE_WIDTH], height = n[COARSE_HEIGHT];
            if (x >= width || y >= height) { return; }
            float sum[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
            for (int j = max(y - n[RADIUS], 0); j <= min(y + n[RADIUS], height - 1); j++) {
                for (int c = 0; c < 8; c++) { sum[c] += sums[8 * (j * width + x) + c]; }
            }
            int pixel = y * width + x;
            for (int c = 0; c < 3; c++) {
                float foreground = sum[c] / max(sum[3], 1e-3f), background = sum[4 + c] / max(sum[7], 1e-3f);
                if (n[IS_FIRST]) {
                    foreground = fused(small[4 * pixel + c], small[4 * pixel + 3], foreground, background);
                }
                colours[6 * pixel + c] = foreground;
                colours[6 * pixel + 3 + c] = background;
            }
        }

        // The composite, at the frame's resolution; over nothing it is multiplied by alpha.
        kernel void blend(constant int *n [[buffer(0)]], device const float *alpha [[buffer(1)]],
                          device const float *colours [[buffer(2)]], texture2d<float, access::read> frame [[texture(0)]],
                          texture2d<float, access::read> behind [[texture(1)]],
                          texture2d<float, access::write> result [[texture(2)]], uint2 at [[thread_position_in_grid]]) {
            int x = int(at.x), y = int(at.y);
            if (x >= n[WIDTH] || y >= n[HEIGHT]) { return; }
            float a = alpha[y * n[WIDTH] + x];
            float4 image = frame.read(place(n, y, x));
            float4 found = image;
            Taps rows = taps(y, n[COARSE_HEIGHT], n[HEIGHT]), columns = taps(x, n[COARSE_WIDTH], n[WIDTH]);
            for (int c = 0; c < 3; c++) {
                float own = image[c];
                if (a < 1.0f) {
                    float both[2] = {0.0f, 0.0f};
                    for (int j = rows.first; j <= rows.last; j++) {
                        for (int i = columns.first; i <= columns.last; i++) {
                            float w = weight(rows, j) * weight(columns, i);
                            int pixel = 6 * (j * n[COARSE_WIDTH] + i);
                            both[0] += w * colours[pixel + c];
                            both[1] += w * colours[pixel + 3 + c];
                        }
                    }
                    own = fused(own, a, both[0], both[1]);
                }
                found[c] = a * own;
            }
            found[3] = a;
            if (!n[IS_TRANSPARENT]) {
                float4 other = behind.read(at);
                for (int c = 0; c < 3; c++) { found[c] += (1.0f - a) * other[c]; }
                found[3] = 1.0f;
            }
            result.write(found, at);
        }
        """
}
