// Fibers: many programs on one thread, each with a stack of its own.
//
// In:  a function. Out: `Fiber`, entered from one place and left from within.
// Not here: who is entered next (`scheduler.h`).
//
// `makecontext` starts a fiber; later switches are `_setjmp`/`_longjmp`, which, other than `swapcontext`, make
// no system call. A fiber that is given up is never entered again: nothing on its stack is destroyed, so what
// runs on fibers keeps what it owns elsewhere.
#pragma once
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <utility>

namespace mpmd::sim {

class Fiber {
public:
    Fiber(std::size_t stack_bytes, std::function<void()> body) : body_(std::move(body)) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        bytes_ = (stack_bytes + page - 1) / page * page + page;
        stack_ =
            mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack_ == MAP_FAILED || mprotect(stack_, page, PROT_NONE) != 0)
            std::abort();  // no memory for a stack
        getcontext(&start_);
        start_.uc_stack.ss_sp = static_cast<char*>(stack_) + page;
        start_.uc_stack.ss_size = bytes_ - page;
        start_.uc_link = nullptr;
        const auto self = reinterpret_cast<std::uintptr_t>(this);
        makecontext(&start_, reinterpret_cast<void (*)()>(&Fiber::main), 2, static_cast<unsigned>(self >> 32),
                    static_cast<unsigned>(self & 0xffffffffu));
    }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    ~Fiber() { munmap(stack_, bytes_); }

    bool finished() const { return finished_; }

    // Runs the fiber until it leaves or ends. Never inlined: what calls it keeps no registers across the switch.
    __attribute__((noinline)) void enter() {
        if (_setjmp(outside_) != 0) return;
        if (started_) _longjmp(inside_, 1);
        started_ = true;
        setcontext(&start_);
    }

    // Goes back to who entered; comes back at the next `enter`.
    __attribute__((noinline)) void leave() {
        if (_setjmp(inside_) == 0) _longjmp(outside_, 1);
    }

private:
    static void main(unsigned high, unsigned low) {  // makecontext hands over ints only
        const auto address = (static_cast<std::uintptr_t>(high) << 32) | low;
        auto* self = reinterpret_cast<Fiber*>(address);
        self->body_();
        self->finished_ = true;
        _longjmp(self->outside_, 1);
    }

    std::function<void()> body_;
    std::size_t bytes_ = 0;
    void* stack_ = nullptr;
    bool started_ = false, finished_ = false;
    ucontext_t start_ = {};
    std::jmp_buf outside_, inside_;
};

}  // namespace mpmd::sim
