// H = bf16(exp(X − its rows' maxima)) on the AIVs; Y = H·W on their AIC; Z = relu(Y) + ½ on the AIVs of the next group.
// Slots of H are handed over by group flags with credits, Y by one word per tile.
using namespace AscendC;
constexpr int TILES = 7, DEPTH = 2, M = 32, K = 64, N = 32, ROWS = M / 2;
enum : uint16_t { H_READY = 0, H_FREE = 2 };  // + slot
struct Args {
    __gm__ float* x;
    __gm__ bfloat16_t *w, *h;
    __gm__ float *y, *z;
    __gm__ int32_t* words;
};

template <typename T>
__aicore__ inline GlobalTensor<T> Far(__gm__ T* pointer) {
    GlobalTensor<T> tensor;
    tensor.SetGlobalBuffer(pointer);
    return tensor;
}

__aicore__ inline void Soften(__gm__ float* from, __gm__ bfloat16_t* to) {
    LocalTensor<float> x(TPosition::VECIN, 0, ROWS * K), top(TPosition::VECCALC, 4096, ROWS);
    LocalTensor<float> tops(TPosition::VECCALC, 4352, ROWS * 8);
    LocalTensor<bfloat16_t> h(TPosition::VECOUT, 5120, ROWS * K);
    DataCopyPad(x, Far(from), DataCopyExtParams(ROWS, K * sizeof(float), 0, 0, 0),
                DataCopyPadExtParams<float>(false, 0, 0, 0));
    SetFlag<HardEvent::MTE2_V>(EVENT_ID0);
    WaitFlag<HardEvent::MTE2_V>(EVENT_ID0);
    ReduceRepeat<ReduceType::MAX>(top, x, K, ROWS, 1, 1, 8, ReduceOrder::ORDER_ONLY_VALUE);
    PipeBarrier<PIPE_V>();
    Brcb(tops, top, ROWS / 8, BrcbRepeatParams(1, 8));
    PipeBarrier<PIPE_V>();
    Sub(x, x, tops, (uint64_t)K, (uint8_t)ROWS, BinaryRepeatParams(1, 1, 0, 8, 8, 1));
    PipeBarrier<PIPE_V>();
    Exp(x, x, ROWS * K);
    PipeBarrier<PIPE_V>();
    Cast(h, x, RoundMode::CAST_RINT, ROWS * K);
    SetFlag<HardEvent::V_MTE3>(EVENT_ID0);
    WaitFlag<HardEvent::V_MTE3>(EVENT_ID0);
    DataCopyPad(Far(to), h, DataCopyExtParams(ROWS, K * sizeof(bfloat16_t), 0, 0, 0));
    SetFlag<HardEvent::MTE3_V>(EVENT_ID0);
    WaitFlag<HardEvent::MTE3_V>(EVENT_ID0);
    SetFlag<HardEvent::V_MTE2>(EVENT_ID0);
    WaitFlag<HardEvent::V_MTE2>(EVENT_ID0);
}

__aicore__ inline void Multiply(__gm__ bfloat16_t* left, __gm__ bfloat16_t* right, __gm__ float* to) {
    LocalTensor<bfloat16_t> a1(TPosition::A1, 0, M * K), b1(TPosition::B1, M * K * 2, K * N);
    LocalTensor<bfloat16_t> a2(TPosition::A2, 0, M * K), b2(TPosition::B2, 0, K * N);
    LocalTensor<float> sum(TPosition::CO1, 0, M * N);
    DataCopy(a1, Far(left), Nd2NzParams(1, M, K, 0, K, M, 1, 0));
    DataCopy(b1, Far(right), Nd2NzParams(1, K, N, 0, N, K, 1, 0));
    SetFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);
    WaitFlag<HardEvent::MTE2_MTE1>(EVENT_ID0);
    for (int i = 0; i < M / 16; ++i)
        LoadData(a2[i * 16 * K], a1[i * 256], LoadData2DParams(0, K / 16, M / 16, 0, 0, false, 0));
    for (int i = 0; i < K / 16; ++i)
        LoadData(b2[i * 16 * N], b1[i * 256], LoadData2DParams(0, N / 16, K / 16, 0, 0, true, 0));
    SetFlag<HardEvent::MTE1_M>(EVENT_ID0);
    WaitFlag<HardEvent::MTE1_M>(EVENT_ID0);
    Mmad(sum, a2, b2, MmadParams(M, N, K, 0, false, true));
    SetFlag<HardEvent::M_FIX>(EVENT_ID0);
    WaitFlag<HardEvent::M_FIX>(EVENT_ID0);
    Fixpipe<float, float, CFG_ROW_MAJOR>(
        Far(to), sum, FixpipeParamsV220(N, M, M, N, false, QuantMode_t::NoQuant, 0, 1, 0, 0, 0));
}

__aicore__ inline void Finish(__gm__ float* from, __gm__ float* to) {
    LocalTensor<float> y(TPosition::VECIN, 0, ROWS * N);
    DataCopy(y, Far(from), ROWS * N);
    SetFlag<HardEvent::MTE2_V>(EVENT_ID0);
    WaitFlag<HardEvent::MTE2_V>(EVENT_ID0);
    Relu(y, y, ROWS * N);
    PipeBarrier<PIPE_V>();
    Adds(y, y, 0.5f, ROWS * N);
    SetFlag<HardEvent::V_MTE3>(EVENT_ID0);
    WaitFlag<HardEvent::V_MTE3>(EVENT_ID0);
    DataCopy(Far(to), y, ROWS * N);
    SetFlag<HardEvent::MTE3_MTE2>(EVENT_ID0);
    WaitFlag<HardEvent::MTE3_MTE2>(EVENT_ID0);
}

__aicore__ inline void Tell(__gm__ int32_t* line) {
    SetFlag<HardEvent::FIX_S>(EVENT_ID1);
    WaitFlag<HardEvent::FIX_S>(EVENT_ID1);
    auto word = Far(line);
    word.SetValue(0, 1);
    DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(word);
}

__aicore__ inline void Hear(__gm__ int32_t* line) {
    auto word = Far(line);
    do {
        DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(word);
    } while (word.GetValue(0) < 1);
}

__schedmode__(1) __global__ __mix__(1, 2) void chain(Args args) {
    InitSocState();
    const int groups = GetBlockNum();
    if ASCEND_IS_AIC {
        const int group = GetBlockIdx();
        for (int tile = group, n = 0; tile < TILES; tile += groups, ++n) {
            const int slot = n % DEPTH;
            CrossCoreWaitFlag(H_READY + slot);
            Multiply(args.h + (group * DEPTH + slot) * M * K, args.w, args.y + tile * M * N);
            CrossCoreSetFlag<2, PIPE_MTE2>(H_FREE + slot);
            Tell(args.words + tile * 16);
        }
    }
    if ASCEND_IS_AIV {
        const int group = GetBlockIdx() / 2, row = GetSubBlockIdx() * ROWS;
        int n = 0;
        for (int tile = group; tile < TILES; tile += groups, ++n) {
            const int slot = n % DEPTH;
            if (n >= DEPTH) CrossCoreWaitFlag(H_FREE + slot);
            Soften(args.x + (tile * M + row) * K, args.h + ((group * DEPTH + slot) * M + row) * K);
            CrossCoreSetFlag<2, PIPE_MTE3>(H_READY + slot);
        }
        for (int slot = 0; slot < DEPTH && slot < n; ++slot) CrossCoreWaitFlag(H_FREE + slot);
        for (int tile = (group + 1) % groups; tile < TILES; tile += groups) {
            Hear(args.words + tile * 16);
            Finish(args.y + (tile * M + row) * N, args.z + (tile * M + row) * N);
        }
    }
}
