// Stored numbers: bfloat16, or f32 if WIDE is set (in tests).

#if WIDE
typedef float real;
#define WORDS 8
DEVICE float get(real x) { return x; }
DEVICE real put(float x) { return x; }
#else
typedef u16 real;
#define WORDS 4
DEVICE float get(real x) { return as_float((u32)x << 16); }
// Rounds to nearest, ties to even; NaN stays NaN.
DEVICE real put(float x) {
    u32 bits = as_bits(x);
    return x != x ? (real)(bits >> 16 | 0x40u) : (real)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
#endif

// Eight consecutive stored numbers, read together: 16 or 32 bytes.
struct eight {
    u32 w[WORDS];
};

// From an address that is a multiple of 16.
DEVICE struct eight fetch8(const real *p) {
    struct eight out;
    UNROLL
    for (int i = 0; i < WORDS / 4; i++) {
        struct quad q = load16((const u32 *)p + 4 * i);
        UNROLL
        for (int j = 0; j < 4; j++) out.w[4 * i + j] = q.w[j];
    }
    return out;
}

DEVICE void unpack8(struct eight e, float *x) {
#if WIDE
    UNROLL
    for (int i = 0; i < 8; i++) x[i] = as_float(e.w[i]);
#else
    UNROLL
    for (int i = 0; i < 4; i++) {
        x[2 * i] = as_float(e.w[i] << 16);
        x[2 * i + 1] = as_float(e.w[i] & 0xffff0000u);
    }
#endif
}

// The first `n` of eight consecutive numbers, and zeros for the rest.
DEVICE void load8(const real *p, u32 n, float *x) {
    if (n >= 8 && ((u64)p & 15) == 0) {
        unpack8(fetch8(p), x);
        return;
    }
    UNROLL
    for (u32 i = 0; i < 8; i++) x[i] = i < n ? get(p[i]) : 0.0f;
}

DEVICE void store8(real *p, u32 n, const float *x) {
    if (n >= 8 && ((u64)p & 15) == 0) {
        UNROLL
        for (int i = 0; i < WORDS / 4; i++) {
            struct quad q;
            UNROLL
            for (int j = 0; j < 4; j++) {
#if WIDE
                q.w[j] = as_bits(x[4 * i + j]);
#else
                q.w[j] = (u32)put(x[2 * j]) | (u32)put(x[2 * j + 1]) << 16;
#endif
            }
            store16((u32 *)p + 4 * i, q);
        }
        return;
    }
    UNROLL
    for (u32 i = 0; i < 8; i++)
        if (i < n) p[i] = put(x[i]);
}

// How many of eight from `at` on are below `width`.
DEVICE u32 left8(u32 at, u32 width) { return width - at < 8 ? width - at : 8; }

// The sum over a warp, in every thread of it.
DEVICE float warp_sum(float x) {
    for (int mask = 16; mask; mask >>= 1) x += swapped(x, mask);
    return x;
}
