// Sites: the sync statements of a text, by number, each of which a run can be told to pass over.
//
// In:  the numbers to drop. Out: `Sites`: what ran, how often, which statements belong together.
// Not here: where numbers come from (a front's macros, with `__COUNTER__`).
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>

#include "report.h"

namespace mpmd::sim {

class Sites {
public:
    explicit Sites(std::set<int> dropped) : dropped_(std::move(dropped)) {}

    // Notes that statement `number` runs; false if it is to be passed over.
    bool enter(int number, Place place, const std::string& text) {
        auto& site = sites_[number];
        if (site.count++ == 0) site = {place, text, 1};
        return dropped_.count(number) == 0;
    }

    // Two statements of which one is without sense without the other.
    void pair(int first, int second) { pairs_.emplace(first, second); }

    std::string json() const {
        std::string out = "[";
        for (const auto& [number, site] : sites_) {
            if (out.size() > 1) out += ",";
            out += "{\"number\":" + std::to_string(number) + ",\"file\":" + quoted(site.place.file) +
                   ",\"line\":" + std::to_string(site.place.line) + ",\"text\":" + quoted(site.text) +
                   ",\"count\":" + std::to_string(site.count) + "}";
        }
        return out + "]";
    }

    std::string pairs_json() const {
        std::string out = "[";
        for (const auto& [first, second] : pairs_) {
            if (out.size() > 1) out += ",";
            out += "[" + std::to_string(first) + "," + std::to_string(second) + "]";
        }
        return out + "]";
    }

private:
    struct Site {
        Place place;
        std::string text;
        long count = 0;
    };
    std::set<int> dropped_;
    std::map<int, Site> sites_;
    std::set<std::pair<int, int>> pairs_;
};

}  // namespace mpmd::sim
