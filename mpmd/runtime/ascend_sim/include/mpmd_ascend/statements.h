// The sync statements of a text as numbered sites, and the system calls.
//
// In:  `SetFlag<…>(…)` and its like, each of which a macro makes a `SyncSite`. Out: calls of the laws.
// Not here: the laws (`sync.h`, `flags.h`, `scalar.h`).
//
// The number comes from `__COUNTER__`: one for each statement of the text, also where several stand in a line or
// one stands in a template or a loop.
#pragma once
#include <cstdint>
#include <string>

#include "flags.h"
#include "scalar.h"

namespace AscendC {

class SyncSite {
public:
    SyncSite(int number, mpmd::sim::Place place) : number_(number), place_(place) {}

    template <HardEvent event>
    void SetFlag(std::int32_t id) const {
        const auto name = named(event, id);
        if (enter("SetFlag " + name.text())) mpmd::ascend::set_flag(name, number_, place_);
    }
    template <HardEvent event>
    void WaitFlag(std::int32_t id) const {
        const auto name = named(event, id);
        if (enter("WaitFlag " + name.text())) mpmd::ascend::wait_flag(name, number_, place_);
    }
    template <pipe_t pipe>
    void PipeBarrier() const {
        if (enter(std::string("PipeBarrier ") + mpmd::ascend::pipe_names[pipe]))
            mpmd::ascend::pipe_barrier(pipe, place_);
    }
    template <std::uint8_t mode, pipe_t pipe>
    void CrossCoreSetFlag(std::uint16_t id) const {
        if (enter("CrossCoreSetFlag " + std::to_string(id)))
            mpmd::ascend::cross_set_flag(mode, pipe, id, place_);
    }
    template <std::uint8_t mode = 0, pipe_t pipe = PIPE_S>
    void CrossCoreWaitFlag(std::uint16_t id) const {
        static_cast<void>(mode);  // the flag knows who sets it
        if (enter("CrossCoreWaitFlag " + std::to_string(id))) mpmd::ascend::cross_wait_flag(pipe, id, place_);
    }
    template <typename T, CacheLine lines, DcciDst destination = DcciDst::CACHELINE_OUT>
    void DataCacheCleanAndInvalid(const GlobalTensor<T>& tensor) const {
        static_assert(destination == DcciDst::CACHELINE_OUT || destination == DcciDst::CACHELINE_ALL,
                      "lines of global memory");
        if (!enter("DataCacheCleanAndInvalid")) return;
        const mpmd::ascend::Instruction instruction{"DataCacheCleanAndInvalid", PIPE_S, place_};
        instruction.check();
        const auto at = mpmd::ascend::operand(tensor, sizeof(T), instruction);
        mpmd::ascend::clean_and_invalidate(at, lines == CacheLine::ENTIRE_DATA_CACHE, instruction);
    }

private:
    static mpmd::ascend::EventName named(HardEvent event, std::int32_t id) {
        return {static_cast<pipe_t>(static_cast<int>(event) / 8),
                static_cast<pipe_t>(static_cast<int>(event) % 8), id};
    }
    bool enter(const std::string& text) const {
        return mpmd::ascend::engine().sites.enter(number_, place_, text);
    }

    int number_;
    mpmd::sim::Place place_;
};

inline void InitSocState() { mpmd::ascend::core().ready = true; }
inline std::int64_t GetBlockIdx() { return mpmd::ascend::core().index; }
inline std::int64_t GetBlockNum() { return mpmd::ascend::run().groups; }
inline std::int64_t GetSubBlockIdx() { return mpmd::ascend::core().sub; }

}  // namespace AscendC

namespace mpmd::ascend {
inline bool is_cube() { return core().kind == Kind::cube; }
inline bool is_vector() { return core().kind == Kind::vector; }
}  // namespace mpmd::ascend
