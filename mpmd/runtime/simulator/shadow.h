// Shadow memory: who touched each byte last, and whether that was ordered.
//
// In:  accesses (an actor, an epoch, a range of bytes). Out: the first access that conflicts, if any.
// Not here: the bytes themselves (`memory.h`), the report's text (`engine.h`).
//
// FastTrack (Flanagan & Freund, PLDI 2009): a cell keeps the epoch of its last write, and of its last read,
// or of one read per actor where reads were not ordered with each other. Cells stand for 32 bytes as long as
// accesses cover all of them, and for one byte each from the first that does not, until a write covers all
// again: neighbours in one granule are never taken for a conflict. Atomic accesses do not conflict with each
// other; of several unordered atomic writes a cell remembers the last one only.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "clock.h"
#include "report.h"

namespace mpmd::sim {

// What touches memory, and where in the text it stands.
struct Access {
    const Actor* actor;
    Epoch epoch;
    std::uint32_t label;  // of `Engine::label`
    bool atomic = false;

    bool after(Epoch other) const { return other == epoch || actor->after(other); }
};

struct Touch {
    Epoch epoch;
    std::uint32_t label = 0;
    bool atomic = false;
};

struct Conflict {
    Touch touch;
    bool written = false;  // the earlier access was a write
    std::uint64_t address = 0;
};

class Cell {
public:
    bool read(const Access& access, Conflict& conflict) {
        const bool clean = check(write_, access, true, conflict);
        const Touch touch{access.epoch, access.label, access.atomic};
        if (reads_) {
            for (auto& other : *reads_)
                if (other.epoch.actor == access.epoch.actor) return other = touch, clean;
            reads_->push_back(touch);
        } else if (read_.epoch.actor == access.epoch.actor || access.after(read_.epoch)) {
            read_ = touch;
        } else {
            reads_ = std::make_unique<std::vector<Touch>>(std::vector<Touch>{read_, touch});
        }
        return clean;
    }

    bool write(const Access& access, Conflict& conflict) {
        bool clean = check(write_, access, true, conflict);
        if (reads_) {
            for (const auto& other : *reads_) clean = clean && check(other, access, false, conflict);
        } else {
            clean = clean && check(read_, access, false, conflict);
        }
        write_ = {access.epoch, access.label, access.atomic};
        read_ = {};
        reads_.reset();
        return clean;
    }

    Epoch written() const { return write_.epoch; }

    Cell copy() const {
        Cell cell;
        cell.write_ = write_;
        cell.read_ = read_;
        if (reads_) cell.reads_ = std::make_unique<std::vector<Touch>>(*reads_);
        return cell;
    }

private:
    static bool check(const Touch& earlier, const Access& access, bool written, Conflict& conflict) {
        if ((earlier.atomic && access.atomic) || access.after(earlier.epoch)) return true;
        conflict = {earlier, written, 0};
        return false;
    }

    Touch write_, read_;
    std::unique_ptr<std::vector<Touch>> reads_;
};

class Shadow {
public:
    static constexpr std::uint64_t granule = 32;

    // Notes the access to [first, first + bytes). False, and `conflict`, if it conflicts with an earlier one.
    bool touch(std::uint64_t first, std::uint64_t bytes, bool write, const Access& access,
               Conflict& conflict) {
        bool clean = true;
        const std::uint64_t end = first + bytes;
        for (std::uint64_t at = first; at < end;) {
            const std::uint64_t base = at / granule * granule, until = std::min(end, base + granule);
            Conflict found;
            if (!touch_granule(find(base), at - base, until - base, write, access, found) && clean) {
                clean = false;
                conflict = found;
                conflict.address = std::max(at, base + found.address);
            }
            at = until;
        }
        return clean;
    }

    // The last write of the byte at `address`.
    Epoch written(std::uint64_t address) {
        const auto& entry = find(address / granule * granule);
        return entry.parts ? (*entry.parts)[address % granule].written() : entry.whole.written();
    }

private:
    struct Granule {
        Cell whole;
        std::unique_ptr<std::array<Cell, granule>> parts;
    };
    static constexpr std::uint64_t page = 128;  // granules found by one look-up

    Granule& find(std::uint64_t base) {
        const std::uint64_t number = base / granule;
        if (number / page != last_ || !page_) {
            last_ = number / page;
            auto& entry = pages_[last_];
            if (!entry) entry = std::make_unique<std::array<Granule, page>>();
            page_ = entry.get();
        }
        return (*page_)[number % page];
    }

    static bool touch_cell(Cell& cell, bool write, const Access& access, Conflict& conflict) {
        return write ? cell.write(access, conflict) : cell.read(access, conflict);
    }

    static bool touch_granule(Granule& entry, std::uint64_t from, std::uint64_t until, bool write,
                              const Access& access, Conflict& conflict) {
        const bool all = from == 0 && until == granule;
        if (all && !entry.parts) return touch_cell(entry.whole, write, access, conflict);
        if (!entry.parts) split(entry);
        bool clean = true;
        for (std::uint64_t i = from; i < until; ++i) {
            Conflict found;
            if (!touch_cell((*entry.parts)[i], write, access, found) && clean) {
                clean = false;
                conflict = found;
                conflict.address = i;
            }
        }
        if (all && write) {
            entry.whole = (*entry.parts)[0].copy();
            entry.parts.reset();
        }
        return clean;
    }

    static void split(Granule& entry) {
        entry.parts = std::make_unique<std::array<Cell, granule>>();
        for (auto& part : *entry.parts) part = entry.whole.copy();
    }

    std::unordered_map<std::uint64_t, std::unique_ptr<std::array<Granule, page>>> pages_;
    std::uint64_t last_ = 0;
    std::array<Granule, page>* page_ = nullptr;
};

}  // namespace mpmd::sim
