// Random weights for a benchmark, made on the card.

struct Noise {
    u16 *out;
    u64 count;
    u64 seed;
    // Amplitudes of the part that all seeds share, and of a seed's own part.
    float common;
    float own;
    float middle;
    u32 unused;
};

// A number in [-1, 1) for each seed and element, uniformly distributed.
DEVICE float uniform(u64 seed, u64 i) {
    u64 x = i + (seed + 1) * 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    return (float)(u32)(x >> 40) * (1.0f / 8388608.0f) - 1.0f;
}

// A finite number as bfloat16, rounded to nearest even.
DEVICE u16 to_bf16(float x) {
    u32 bits = as_bits(x);
    return (u16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

KERNEL(noise, Noise, 256) {
    u64 i = (u64)BLOCK_X * 256 + THREAD;
    if (i >= a.count) return;
    float x = plus(a.middle, times(a.common, uniform(0, i)));
    a.out[i] = to_bf16(plus(x, times(a.own, uniform(a.seed, i))));
}
