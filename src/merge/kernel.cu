// The task-arithmetic family in one pass over one tensor, bfloat16 in and out. Compiled at run time
// (NVRTC) once for each number of sources, SOURCES. Line by line the same as `launch.rs`, which is
// tested against the CPU's passes. Every operation is one IEEE operation, rounded once: no
// contraction, no flushing, so the bits are those of the CPU.

struct Source {
    float weight;
    float scale;
    // 0: the largest magnitudes; 1: a hash below a bound.
    unsigned int hashed;
    unsigned int cut;
    unsigned int key0;
    unsigned int key1;
    unsigned int below;
    unsigned int unused;
    unsigned long long last;
};

struct Launch {
    Source source[5];
    float total;
    float lambda;
    unsigned int consensus;
    unsigned int normalize;
};

__device__ __forceinline__ float widen(unsigned int bits) {
    return __uint_as_float(bits << 16);
}

__device__ __forceinline__ unsigned int narrow(float x) {
    unsigned int bits = __float_as_uint(x);
    return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

__device__ __forceinline__ float r(float x) {
    return widen(narrow(x));
}

__device__ __forceinline__ unsigned int number(const Source &s, unsigned long long i) {
    unsigned long long pair = i >> 1;
    unsigned int x = (unsigned int)pair ^ s.key0;
    x ^= x >> 16;
    x = x * 0x7feb352du + (s.key1 + (unsigned int)(pair >> 32));
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (i & 1) ? x >> 16 : x & 0xffffu;
}

__device__ __forceinline__ bool kept(const Source &s, float delta, unsigned long long i) {
    if (s.hashed) {
        return number(s, i) < s.below;
    }
    unsigned int magnitude = __float_as_uint(delta) & 0x7fffffffu;
    return magnitude > s.cut || (magnitude == s.cut && i <= s.last);
}

__device__ __forceinline__ unsigned int element(
    const Launch &p, unsigned int base, const unsigned int *x, unsigned long long i
) {
    float b = widen(base);
    float d[SOURCES];
    float sum = 0.0f;
#pragma unroll
    for (int s = 0; s < SOURCES; s++) {
        float delta = r(__fsub_rn(widen(x[s]), b));
        delta = kept(p.source[s], delta, i) ? delta : 0.0f;
        delta = r(__fmul_rn(delta, p.source[s].scale));
        d[s] = r(__fmul_rn(delta, p.source[s].weight));
        sum = __fadd_rn(sum, d[s]);
    }
    float mix = r(sum);
    float divisor = p.total;
    if (p.consensus) {
        bool negative = mix < 0.0f;
        sum = 0.0f;
        divisor = 0.0f;
#pragma unroll
        for (int s = 0; s < SOURCES; s++) {
            bool agrees = negative ? d[s] < 0.0f : d[s] > 0.0f;
            sum = __fadd_rn(sum, agrees ? d[s] : 0.0f);
            divisor = __fadd_rn(divisor, agrees ? p.source[s].weight : 0.0f);
        }
        mix = r(sum);
        divisor = r(divisor);
        divisor = divisor == 0.0f ? 1.0f : divisor;
    }
    if (p.normalize) {
        mix = r(__fdiv_rn(mix, divisor));
    }
    mix = r(__fmul_rn(mix, p.lambda));
    return narrow(__fadd_rn(mix, b));
}

// One thread merges eight neighbours: 16 bytes of each tensor, if all lie on such a boundary.
extern "C" __global__ void merge(
    const Launch p,
    const unsigned short *base,
    const unsigned short *s0,
    const unsigned short *s1,
    const unsigned short *s2,
    const unsigned short *s3,
    const unsigned short *s4,
    unsigned short *out,
    unsigned long long n,
    unsigned int aligned
) {
    // Those beyond SOURCES are not read.
    const unsigned short *sources[5] = {s0, s1, s2, s3, s4};
    unsigned long long first = 8ull * ((unsigned long long)blockIdx.x * blockDim.x + threadIdx.x);
    if (first >= n) {
        return;
    }
    if (!aligned || first + 8 > n) {
        unsigned long long end = first + 8 < n ? first + 8 : n;
        for (unsigned long long i = first; i < end; i++) {
            unsigned int x[SOURCES];
#pragma unroll
            for (int s = 0; s < SOURCES; s++) {
                x[s] = sources[s][i];
            }
            out[i] = (unsigned short)element(p, base[i], x, i);
        }
        return;
    }
    uint4 wide = *reinterpret_cast<const uint4 *>(base + first);
    unsigned int b[4] = {wide.x, wide.y, wide.z, wide.w};
    unsigned int x[SOURCES][4];
#pragma unroll
    for (int s = 0; s < SOURCES; s++) {
        wide = *reinterpret_cast<const uint4 *>(sources[s] + first);
        x[s][0] = wide.x;
        x[s][1] = wide.y;
        x[s][2] = wide.z;
        x[s][3] = wide.w;
    }
    unsigned int made[4];
#pragma unroll
    for (int word = 0; word < 4; word++) {
        unsigned int low[SOURCES], high[SOURCES];
#pragma unroll
        for (int s = 0; s < SOURCES; s++) {
            low[s] = x[s][word] & 0xffffu;
            high[s] = x[s][word] >> 16;
        }
        unsigned long long i = first + 2 * word;
        made[word] = element(p, b[word] & 0xffffu, low, i) | (element(p, b[word] >> 16, high, i + 1) << 16);
    }
    *reinterpret_cast<uint4 *>(out + first) = make_uint4(made[0], made[1], made[2], made[3]);
}
