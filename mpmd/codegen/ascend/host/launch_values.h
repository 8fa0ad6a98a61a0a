// What a launch decides, on the host: derived scalars, guards, the words of rows, how often loops run.
//
// In:  tables.bin, patches.bin (mpmd/codegen/ascend/patches.py describes it), the launch's scalars as 64-bit words.
// Out: the words for this launch, or why there is none.
// Not here: the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mpmd_host {

using Word = int64_t;
using Wide = __int128;
using Words = std::vector<Word>;

class LaunchValues {
 public:
  LaunchValues(Words tables, const Words& patches) : tables_(std::move(tables)), patches_(patches) {}

  size_t scalars() const { return static_cast<size_t>(patches_[0]); }

  /// The words of this launch; empty, with `error`, where the scalars do not allow it.
  Words words(Words scalars, std::string& error) const {
    const Word* at = patches_.data() + 6;
    const Word derived = patches_[1], guards = patches_[3], rows = patches_[4], loops = patches_[5];
    const Word* const terms = at + 7 * derived;
    for (Word i = 0; i < derived; ++i, at += 7) {
      const Wide value = apply(at[0], sum(terms, at + 1, scalars), sum(terms, at + 4, scalars));
      if (value != static_cast<Word>(value)) error = "the scalars are too large";
      scalars.push_back(static_cast<Word>(value));
    }
    at += 2 * patches_[2];
    for (Word i = 0; i < guards; ++i, at += 5) {
      const Wide value = sum(terms, at, scalars);
      if (value < at[3] || value > at[4]) error = "guard " + std::to_string(i) + " does not hold";
    }
    Words words = tables_;
    for (size_t i = 0; i < scalars.size(); ++i) words[static_cast<size_t>(words[1]) + i] = scalars[i];
    for (Word i = 0; i < rows; ++i, at += 3)
      words[at[0]] = static_cast<Word>(
          static_cast<uint64_t>(words[at[0]]) + static_cast<uint64_t>(at[2]) * static_cast<uint64_t>(scalars[at[1]]));
    for (Word i = 0; i < loops; ++i, at += 5) {
      const Wide count = sum(terms, at + 1, scalars);
      if (count > at[4]) error = "a loop has too many iterations";
      words[at[0]] = count < 0 ? 0 : static_cast<Word>(count);
    }
    return error.empty() ? words : Words();
  }

 private:
  /// const, first term, end term.
  static Wide sum(const Word* terms, const Word* row, const Words& scalars) {
    Wide result = row[0];
    for (Word i = row[1]; i < row[2]; ++i) result += static_cast<Wide>(terms[2 * i + 1]) * scalars[terms[2 * i]];
    return result;
  }

  static Wide apply(Word op, Wide a, Wide b) {
    const Wide quotient = b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0));
    if (op == 0) return quotient;
    if (op == 1) return b == 0 ? 0 : a - quotient * b;
    if (op == 2) return a < b ? a : b;
    if (op == 3) return a > b ? a : b;
    return a * b;
  }

  Words tables_, patches_;
};

}  // namespace mpmd_host
