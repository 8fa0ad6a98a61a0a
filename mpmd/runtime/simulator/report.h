// What a run found: reports as data, and the JSON that leaves the simulator.
//
// In:  laws that were broken, with their places. Out: `Report`, `Reports`, `quoted`.
// Not here: the laws (fronts), the text that a user sees (Python).
#pragma once
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace mpmd::sim {

// A line of the text that runs; `#line` makes it the user's.
struct Place {
    const char* file = "";
    int line = 0;

    static Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
    std::string text() const { return std::string(file) + ":" + std::to_string(line); }
};

struct Report {
    std::string kind;     // the law, one word
    std::string message;  // what happened, for people
    std::string core;
    std::string pipe;  // "" where cores have none
    Place place;
};

inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    return out + '"';
}

class Reports {
public:
    // Keeps the first report of each message; a broken law in a loop is told once.
    void add(Report report) {
        if (all_.size() >= limit) return;
        for (const auto& other : all_)
            if (other.message == report.message && other.core == report.core) return;
        all_.push_back(std::move(report));
    }

    bool empty() const { return all_.empty(); }

    std::string json() const {
        std::string out = "[";
        for (const auto& report : all_) {
            if (out.size() > 1) out += ",";
            out += "{\"kind\":" + quoted(report.kind) + ",\"message\":" + quoted(report.message) +
                   ",\"core\":" + quoted(report.core) + ",\"pipe\":" + quoted(report.pipe) +
                   ",\"file\":" + quoted(report.place.file) +
                   ",\"line\":" + std::to_string(report.place.line) + "}";
        }
        return out + "]";
    }

private:
    static constexpr std::size_t limit = 32;  // what follows is seldom news
    std::vector<Report> all_;
};

}  // namespace mpmd::sim
