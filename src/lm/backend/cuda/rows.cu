// Operations on each row alone.

struct Embed {
    const real *table;
    const u32 *ids;
    real *out;
    u32 width;
};

// A block copies a row.
DEVICE void copy_row(const real *from, real *to, u32 width) {
    for (u32 c = THREAD * 8; c < width; c += 128 * 8) {
        float x[8];
        load8(from + c, left8(c, width), x);
        store8(to + c, left8(c, width), x);
    }
}

// out = table[ids]; one block for each row.
KERNEL(embed, Embed, 128) {
    copy_row(a.table + (u64)a.ids[BLOCK_X] * a.width, a.out + (u64)BLOCK_X * a.width, a.width);
}

struct AddNorm {
    real *x;
    const real *delta;
    const float *weight;
    real *out;
    u32 width;
    float scale;
    float eps;
    u32 unused;
};

// x = (x + delta) · scale; out = x / rms(x) · weight; one block for each row. Without delta and with scale 1, x is not
// written.
KERNEL(add_norm, AddNorm, 256) {
    SHARED float part[8];
    real *x = a.x + (u64)BLOCK_X * a.width;
    const real *delta = a.delta + (u64)BLOCK_X * a.width;
    real *out = a.out + (u64)BLOCK_X * a.width;
    float squares = 0.0f;
    for (u32 c = THREAD * 8; c < a.width; c += 256 * 8) {
        u32 n = left8(c, a.width);
        float v[8];
        load8(x + c, n, v);
        if (a.delta) {
            float d[8];
            load8(delta + c, n, d);
            UNROLL
            for (int i = 0; i < 8; i++) v[i] += d[i];
        }
        if (a.delta || a.scale != 1.0f) {
            UNROLL
            for (int i = 0; i < 8; i++) v[i] = get(put(v[i] * a.scale));
            store8(x + c, n, v);
        }
        UNROLL
        for (int i = 0; i < 8; i++) squares = mad(v[i], v[i], squares);
    }
    squares = warp_sum(squares);
    if (THREAD % 32 == 0) part[THREAD / 32] = squares;
    BARRIER();
    squares = 0.0f;
    UNROLL
    for (int w = 0; w < 8; w++) squares += part[w];
    float factor = 1.0f / sqrtf(squares / (float)a.width + a.eps);
    // Each thread reads what it wrote itself.
    for (u32 c = THREAD * 8; c < a.width; c += 256 * 8) {
        u32 n = left8(c, a.width);
        float v[8];
        load8(x + c, n, v);
        UNROLL
        for (u32 i = 0; i < 8; i++) v[i] *= i < n ? factor * a.weight[c + i] : 0.0f;
        store8(out + c, n, v);
    }
}

struct Bias {
    real *x;
    const float *bias;
    u32 width;
    u32 unused;
};

// x += bias; one block for each row.
KERNEL(add_bias, Bias, 128) {
    real *x = a.x + (u64)BLOCK_X * a.width;
    for (u32 c = THREAD * 8; c < a.width; c += 128 * 8) {
        u32 n = left8(c, a.width);
        float v[8];
        load8(x + c, n, v);
        UNROLL
        for (u32 i = 0; i < 8; i++) v[i] += i < n ? a.bias[c + i] : 0.0f;
        store8(x + c, n, v);
    }
}

struct Gate {
    const real *x;
    real *out;
    u32 width;
    u32 activation;
};

// 0: SiLU, 1: GELU by its tanh formula, 2: GELU by the error function.
DEVICE float activated(float x, u32 activation) {
    if (activation == 2) return 0.5f * x * (1.0f + erff(x * 0.70710678118f));
    if (activation == 1) return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    return x / (1.0f + expf(-x));
}

// out = activation(gate) · up, from rows of gate and up; one block for each row and 1024 features.
KERNEL(gate, Gate, 128) {
    const real *x = a.x + (u64)BLOCK_X * 2 * a.width;
    u32 c = (BLOCK_Y * 128 + THREAD) * 8;
    if (c >= a.width) return;
    u32 n = left8(c, a.width);
    float g[8], u[8];
    load8(x + c, n, g);
    load8(x + a.width + c, n, u);
    UNROLL
    for (int i = 0; i < 8; i++) g[i] = activated(g[i], a.activation) * u[i];
    store8(a.out + (u64)BLOCK_X * a.width + c, n, g);
}

struct Softcap {
    float *x;
    u64 count;
    float cap;
    u32 unused;
};

// x = cap · tanh(x / cap)
KERNEL(softcap, Softcap, 256) {
    u64 i = (u64)BLOCK_X * 256 + THREAD;
    if (i < a.count) a.x[i] = a.cap * tanhf(a.x[i] / a.cap);
}

struct Select {
    const real *x;
    const u32 *rows;
    real *out;
    u32 width;
    u32 unused;
};

// out = x[rows]; one block for each row.
KERNEL(select_rows, Select, 128) {
    copy_row(a.x + (u64)a.rows[BLOCK_X] * a.width, a.out + (u64)BLOCK_X * a.width, a.width);
}

struct Widen {
    const u16 *x;
    float *out;
    u32 count;
    float offset;
};

// out = x + offset, from bfloat16 to f32: a norm or bias that was merged on the card.
KERNEL(widen, Widen, 256) {
    u32 i = BLOCK_X * 256 + THREAD;
    if (i < a.count) a.out[i] = plus(as_float((u32)a.x[i] << 16), a.offset);
}

struct Argmax {
    const float *x;
    u32 *out;
    u32 stride;
    u32 width;
};

// The first index of the greatest of a row's `width` values; NaN is never greater. One block for each row.
KERNEL(argmax, Argmax, 256) {
    SHARED float best_of[8];
    SHARED u32 place_of[8];
    const float *x = a.x + (u64)BLOCK_X * a.stride;
    float best = LEAST;
    u32 place = 0;
    for (u32 c = THREAD; c < a.width; c += 256) {
        float v = x[c];
        if (v > best) {
            best = v;
            place = c;
        }
    }
    for (int mask = 16; mask; mask >>= 1) {
        float other = swapped(best, mask);
        u32 there = swapped_bits(place, mask);
        if (other > best || (other == best && there < place)) {
            best = other;
            place = there;
        }
    }
    if (THREAD % 32 == 0) {
        best_of[THREAD / 32] = best;
        place_of[THREAD / 32] = place;
    }
    BARRIER();
    if (THREAD == 0) {
        for (int w = 1; w < 8; w++) {
            if (best_of[w] > best || (best_of[w] == best && place_of[w] < place)) {
                best = best_of[w];
                place = place_of[w];
            }
        }
        a.out[BLOCK_X] = place;
    }
}
