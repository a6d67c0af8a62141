// Prelude of the kernels when they are compiled for a CUDA card.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// A kernel takes one structure, `a`.
#define KERNEL(name, type, threads) \
    extern "C" __global__ void __launch_bounds__(threads) name(const struct type a)
#define DEVICE static __device__ __forceinline__
#define SHARED __shared__
#define UNROLL _Pragma("unroll")
#define BARRIER() __syncthreads()
#define THREAD threadIdx.x
#define BLOCK_X blockIdx.x
#define BLOCK_Y blockIdx.y
#define BLOCK_Z blockIdx.z
#define LEAST __int_as_float(0xff800000)

struct quad {
    u32 w[4];
};

DEVICE float as_float(u32 x) { return __uint_as_float(x); }
DEVICE u32 as_bits(float x) { return __float_as_uint(x); }

// One IEEE operation each, never contracted to a fused one.
DEVICE float plus(float a, float b) { return __fadd_rn(a, b); }
DEVICE float minus(float a, float b) { return __fsub_rn(a, b); }
DEVICE float times(float a, float b) { return __fmul_rn(a, b); }
DEVICE float over(float a, float b) { return __fdiv_rn(a, b); }
// a · b + c, rounded once.
DEVICE float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
// a · b + c, rounded once or twice, as is faster.
DEVICE float mad(float a, float b, float c) { return __fmaf_rn(a, b, c); }

// The value of the thread in this warp whose index differs in the bits of `mask`.
DEVICE float swapped(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
DEVICE u32 swapped_bits(u32 x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }

// 16 bytes at an address that is a multiple of 16.
DEVICE struct quad load16(const void *p) {
    uint4 q = *(const uint4 *)p;
    struct quad out = {{q.x, q.y, q.z, q.w}};
    return out;
}

DEVICE void store16(void *p, struct quad q) { *(uint4 *)p = make_uint4(q.w[0], q.w[1], q.w[2], q.w[3]); }
