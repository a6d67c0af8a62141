// After `merge.cu`. Random weights where no model is at hand: a benchmark makes them on the card.

struct Noise {
    u16 *out;
    u64 count;
    u64 seed;
    // Of what all seeds share, and of what is a seed's own.
    float common;
    float own;
    float middle;
    u32 unused;
};

// Uniform in [-1, 1): a number for each seed and element.
DEVICE float uniform(u64 seed, u64 i) {
    u64 x = i + (seed + 1) * 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    x ^= x >> 31;
    return (float)(u32)(x >> 40) * (1.0f / 8388608.0f) - 1.0f;
}

KERNEL(noise, Noise, 256) {
    u64 i = (u64)BLOCK_X * 256 + THREAD;
    if (i >= a.count) return;
    float x = plus(a.middle, times(a.common, uniform(0, i)));
    a.out[i] = (u16)narrow(plus(x, times(a.own, uniform(a.seed, i))));
}
