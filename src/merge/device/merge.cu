// The task-arithmetic family, and linear, in one pass over one tensor, bfloat16 in and out. Compiled for each number
// of sources, SOURCES. Line by line the rule of `kernel.rs`. Every operation is one IEEE operation, rounded
// once: no contraction, no flushing, so the bits are those of the CPU.

struct Source {
    float weight;
    float scale;
    // 0: the largest magnitudes; 1: a hash below a bound.
    u32 hashed;
    u32 cut;
    u32 key0;
    u32 key1;
    u32 below;
    u32 unused;
    u64 last;
};

struct Merge {
    struct Source source[5];
    float total;
    float lambda;
    u32 consensus;
    u32 normalize;
    // The weighted mean of the sources alone: the base, consensus, lambda and masks play no part.
    u32 linear;
    u32 spare;
    const u16 *base;
    // Those beyond SOURCES are not read.
    const u16 *sources[5];
    u16 *out;
    u64 count;
    u32 aligned;
    u32 unused;
};

DEVICE float widen(u32 bits) { return as_float(bits << 16); }

// To the nearest, ties to even; a NaN stays one, whatever its bits are on this machine.
DEVICE u32 narrow(float x) {
    u32 bits = as_bits(x);
    return x != x ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

DEVICE float r(float x) { return widen(narrow(x)); }

DEVICE u32 number(const struct Source *s, u64 i) {
    u64 pair = i >> 1;
    u32 x = (u32)pair ^ s->key0;
    x ^= x >> 16;
    x = x * 0x7feb352du + (s->key1 + (u32)(pair >> 32));
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return i & 1 ? x >> 16 : x & 0xffffu;
}

DEVICE int kept(const struct Source *s, float delta, u64 i) {
    if (s->hashed) return number(s, i) < s->below;
    u32 magnitude = as_bits(delta) & 0x7fffffffu;
    return magnitude > s->cut || (magnitude == s->cut && i <= s->last);
}

DEVICE u32 mean(const struct Merge *p, const u32 *x) {
    float sum = 0.0f;
    UNROLL
    for (int s = 0; s < SOURCES; s++) sum = fused(widen(x[s]), p->source[s].weight, sum);
    return narrow(p->normalize ? over(sum, p->total) : sum);
}

DEVICE u32 element(const struct Merge *p, u32 base, const u32 *x, u64 i) {
    if (p->linear) return mean(p, x);
    float b = widen(base);
    float d[SOURCES];
    float sum = 0.0f;
    UNROLL
    for (int s = 0; s < SOURCES; s++) {
        float delta = r(minus(widen(x[s]), b));
        delta = kept(p->source + s, delta, i) ? delta : 0.0f;
        delta = r(times(delta, p->source[s].scale));
        d[s] = r(times(delta, p->source[s].weight));
        sum = plus(sum, d[s]);
    }
    float mix = r(sum);
    float divisor = p->total;
    if (p->consensus) {
        int negative = mix < 0.0f;
        sum = 0.0f;
        divisor = 0.0f;
        UNROLL
        for (int s = 0; s < SOURCES; s++) {
            int agrees = negative ? d[s] < 0.0f : d[s] > 0.0f;
            sum = plus(sum, agrees ? d[s] : 0.0f);
            divisor = plus(divisor, agrees ? p->source[s].weight : 0.0f);
        }
        mix = r(sum);
        divisor = r(divisor);
        divisor = divisor == 0.0f ? 1.0f : divisor;
    }
    if (p->normalize) mix = r(over(mix, divisor));
    mix = r(times(mix, p->lambda));
    return narrow(plus(mix, b));
}

// One thread merges eight neighbours: 16 bytes of each tensor, if all lie on such a boundary.
KERNEL(merge, Merge, 256) {
    u64 first = 8ull * ((u64)BLOCK_X * 256 + THREAD);
    if (first >= a.count) return;
    if (!a.aligned || first + 8 > a.count) {
        u64 end = first + 8 < a.count ? first + 8 : a.count;
        for (u64 i = first; i < end; i++) {
            u32 x[SOURCES];
            UNROLL
            for (int s = 0; s < SOURCES; s++) x[s] = a.sources[s][i];
            a.out[i] = (u16)element(&a, a.base[i], x, i);
        }
        return;
    }
    struct quad b = load16(a.base + first), made, x[SOURCES];
    UNROLL
    for (int s = 0; s < SOURCES; s++) x[s] = load16(a.sources[s] + first);
    UNROLL
    for (int word = 0; word < 4; word++) {
        u32 low[SOURCES], high[SOURCES];
        UNROLL
        for (int s = 0; s < SOURCES; s++) {
            low[s] = x[s].w[word] & 0xffffu;
            high[s] = x[s].w[word] >> 16;
        }
        u64 i = first + 2 * word;
        made.w[word] =
            element(&a, b.w[word] & 0xffffu, low, i) | element(&a, b.w[word] >> 16, high, i + 1) << 16;
    }
    store16(a.out + first, made);
}
