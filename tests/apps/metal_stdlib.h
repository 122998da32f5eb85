// What CompositingKernels.swift uses of Metal's standard library (Metal Shading Language Specification 3.2, sections 2.2, 2.9
// and 6.12), for a compiler of C++; and a loop over the grid for each function.
#pragma once
#define kernel
#define device
#define constant const

namespace metal {
using uint = unsigned int;

struct uint2 {
    uint x, y;
};

struct float4 {
    float values[4];
    float &operator[](int i) { return values[i]; }
};

enum class access { read, write };

// A texture whose memory is float4, row by row.
template <typename T, access A>
struct texture2d {
    float4 *pixels;
    uint width;
    float4 read(uint2 at) const { return pixels[at.y * width + at.x]; }
    void write(float4 colour, uint2 at) const { pixels[at.y * width + at.x] = colour; }
};

template <typename T>
T min(T a, T b) {
    return b < a ? b : a;
}
template <typename T>
T max(T a, T b) {
    return a < b ? b : a;
}
}  // namespace metal
