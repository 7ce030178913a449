// Runs one stimulus through an exported processing element, at compiled speed.
//
// Built once per design, either around the CXXRTL model (-DWITH_CXXRTL, the generated source in
// "design.cc") or around the Verilator model (-DWITH_VERILATOR, the class in "Vdesign.h"). The
// loop is the same as in pysim.py, cycle by cycle.
//
// Usage: driver STIMULUS RECORD. Both files consist of little-endian 64-bit words, except that
// the operands of a step are 32-bit words; compiled.py writes the former and reads the latter.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#ifdef WITH_CXXRTL
#include "design.cc"

using Top = cxxrtl_design::TOP;

template <size_t N> void put(cxxrtl::value<N> &port, const uint32_t *words) {
  for (size_t i = 0; i < cxxrtl::value<N>::chunks; i++) port.data[i] = words[i];
}
template <size_t N> uint64_t read(const cxxrtl::value<N> &port) {
  return port.template get<uint64_t>();
}
template <size_t N> uint64_t read(const cxxrtl::wire<N> &port) { return read(port.curr); }

#define PORT(name) p_##name
#define in_valid in__valid
#define in_ready in__ready
#define in_act in__act
#define in_wgt in__wgt
#define in_first in__first
#define in_last in__last
#define out_valid out__valid
#define out_ready out__ready
#define out_sum out__sum
#define out_error out__error
#define tally_slots tally__slots
#define tally_nonzero tally__nonzero
#define FIELD(name) PORT(name)

static void evaluate(Top &top) { top.step(); }
#else
#include "Vdesign.h"
#include "verilated.h"

using Top = Vdesign;

inline void put(CData &port, const uint32_t *words) { port = static_cast<CData>(words[0]); }
inline void put(SData &port, const uint32_t *words) { port = static_cast<SData>(words[0]); }
inline void put(IData &port, const uint32_t *words) { port = words[0]; }
inline void put(QData &port, const uint32_t *words) {
  port = words[0] | static_cast<QData>(words[1]) << 32;
}
template <std::size_t N> void put(VlWide<N> &port, const uint32_t *words) {
  for (std::size_t i = 0; i < N; i++) port[i] = words[i];
}
template <typename T> uint64_t read(const T &port) { return port; }

#define FIELD(name) name

static void evaluate(Top &top) { top.eval(); }
#endif

template <typename Port> void put_bit(Port &port, bool bit) {
  const uint32_t words[2] = {bit, 0};
  put(port, words);
}

static uint32_t toss(uint32_t &state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static void die(const char *what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3) die("usage: driver STIMULUS RECORD");
  std::FILE *file = std::fopen(argv[1], "rb");
  if (!file) die("the stimulus cannot be opened");
  uint64_t head[8];
  if (std::fread(head, sizeof head, 1, file) != 1) die("the stimulus is too short");
  const uint64_t steps = head[0], rows = head[1], act_words = head[2], wgt_words = head[3];
  const uint64_t threshold = head[4], patience = head[7];
  uint32_t source = static_cast<uint32_t>(head[5]), sink = static_cast<uint32_t>(head[6]);
  // Marks, activations, weights; one spare word so that a 64-bit port may read two.
  std::vector<uint32_t> marks(steps), act(steps * act_words + 1), wgt(steps * wgt_words + 1);
  if (std::fread(marks.data(), 4, steps, file) != steps ||
      std::fread(act.data(), 4, steps * act_words, file) != steps * act_words ||
      std::fread(wgt.data(), 4, steps * wgt_words, file) != steps * wgt_words)
    die("the stimulus is too short");
  std::fclose(file);

  Top top;
  std::vector<uint64_t> sums, sum_cycles;
  sums.reserve(rows);
  sum_cycles.reserve(rows);
  uint64_t cycle = 0, taken = 0, idle = 0, source_stalls = 0, sink_stalls = 0;
  uint64_t unstable_at = UINT64_MAX, held = 0;
  bool offering = false, waiting = false;

  put_bit(top.FIELD(in_valid), false);
  put_bit(top.FIELD(out_ready), false);
  put_bit(top.FIELD(rst), true);
  put_bit(top.FIELD(clk), false);
  evaluate(top);
  put_bit(top.FIELD(clk), true);
  evaluate(top);
  put_bit(top.FIELD(rst), false);
  while (sums.size() < rows && idle < patience) {
    const bool offer = toss(source) >= threshold, hold = toss(sink) < threshold;
    if (!offering && taken < steps && offer) {
      offering = true;
      put(top.FIELD(in_act), &act[taken * act_words]);
      put(top.FIELD(in_wgt), &wgt[taken * wgt_words]);
      put_bit(top.FIELD(in_first), marks[taken] & 1);
      put_bit(top.FIELD(in_last), marks[taken] & 2);
    }
    put_bit(top.FIELD(in_valid), offering);
    put_bit(top.FIELD(out_ready), !hold);
    put_bit(top.FIELD(clk), false);
    evaluate(top);
    const bool valid = read(top.FIELD(out_valid));
    const uint64_t value = read(top.FIELD(out_sum));
    if (waiting && unstable_at == UINT64_MAX && !(valid && value == held)) unstable_at = cycle;
    waiting = valid && hold;
    held = value;
    idle++;
    if (offering && read(top.FIELD(in_ready))) {
      taken++;
      offering = false;
      idle = 0;
    } else if (taken < steps) {
      (offering ? sink_stalls : source_stalls)++;
    }
    if (valid && !hold) {
      sums.push_back(value);
      sum_cycles.push_back(cycle);
      idle = 0;
    }
    cycle++;
    put_bit(top.FIELD(clk), true);
    evaluate(top);
  }
  put_bit(top.FIELD(clk), false);
  evaluate(top);

  file = std::fopen(argv[2], "wb");
  if (!file) die("the record cannot be opened");
  const uint64_t tail[8] = {
      sums.size(), cycle, source_stalls, sink_stalls, unstable_at,
      read(top.FIELD(out_error)),
#ifdef WITH_COUNTERS
      read(top.FIELD(tally_slots)), read(top.FIELD(tally_nonzero)),
#else
      0, 0,
#endif
  };
  if (std::fwrite(tail, sizeof tail, 1, file) != 1 ||
      std::fwrite(sums.data(), 8, sums.size(), file) != sums.size() ||
      std::fwrite(sum_cycles.data(), 8, sums.size(), file) != sums.size() || std::fclose(file))
    die("the record cannot be written");
  return 0;
}
