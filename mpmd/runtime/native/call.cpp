// A launch from Python: checks the arguments against a signature, takes their addresses, launches.
//
// In:  a tuple of objects. Out: the launch's status, or MISMATCH / OVERLAP, whose reason Python finds.
// Not here: conversions and error texts (arrays.py); this is the path that must cost nothing.
//
// Only the stable ABI of CPython is used, through addresses that Python hands over: no Python headers,
// one library for every version of Python from 3.11 on. Called with the GIL (ctypes.PyDLL).
#include <stdlib.h>
#include <string.h>

#include "pool.h"

using mpmd::Word;

namespace {

// The layout of Py_buffer, part of the stable ABI since 3.11.
struct Buffer {
  void* start;
  void* owner;
  long length;
  long item_bytes;
  int readonly;
  int axes;
  char* format;
  long* shape;
  long* strides;
  long* suboffsets;
  void* internal;
};

const int BUFFER_RECORDS_READ_ONLY = 0x1C;  // PyBUF_RECORDS_RO: strides and format, writable or not

typedef void Object;

// In the order in which pool.py passes them.
struct Python {
  int (*get_buffer)(Object*, Buffer*, int);
  void (*release_buffer)(Buffer*);
  long (*tuple_size)(Object*);
  Object* (*tuple_item)(Object*, long);  // borrowed
  long long (*as_integer)(Object*);
  double (*as_float)(Object*);
  Object* (*error_occurred)();
  void (*error_clear)();
  int (*check_signals)();
  void* (*release_gil)();
  void (*take_gil)(void*);
  Object* (*get_attribute)(Object*, const char*);
  Object* (*call)(Object*, Object*);
  void* (*capsule_pointer)(Object*, const char*);
  void (*let_go)(Object*);
};

Python python;

enum Kind : int { TENSOR = 0, INTEGER = 1, FLOAT = 2 };

// Beside the statuses of a launch (mpmd::Status).
enum CallStatus : int { MISMATCH = 100, OVERLAP = 101, NO_MEMORY = 102 };

// The layout of DLPack's DLTensor, with which an unversioned capsule's memory begins.
struct DlTensor {
  char* data;
  int device, device_id;
  int axes;
  unsigned char code, bits;
  unsigned short lanes;
  const long long* shape;
  const long long* strides;  // elements; null in C order
  unsigned long long byte_offset;
};

const int DLPACK_CPU = 1, DLPACK_PINNED = 3;

const int AXES = 16;

struct Parameter {
  int kind;
  int index;  // of the argument, or of the scalar
  int axes;
  long item_bytes;
  Word lo, hi;  // INTEGER
  char format[8];
  int dlpack_code;
  long shape[AXES];
  long strides[AXES];  // bytes
  int dim;             // the scalar that axis 0 sets, where a launch decides its extent; else -1
  long factor, constant;  // that extent is factor * scalar + constant
  Word most;              // of the scalar
};

// The checks and conversions of one call, freed by its end whatever happens.
struct Call {
  int buffers;
  int capsules;
  Buffer* buffer;
  Object** capsule;
  void** address;
  long long* bytes;  // of each argument
  Word* scalar;
  void* gil;
};

}  // namespace

struct MpmdSignature {
  MpmdKernel* kernel;
  int parameters;
  int arguments;
  int scalars;
  Parameter* parameter;
  void** bound;      // the address of a bound argument, else null
  int* write;        // which arguments are written
  long long* bytes;  // of each argument
};

namespace {

const int ON_STACK = 32;

// Sets the scalar that an argument's first extent decides, unless an argument before it says something else.
bool take_extent(const Parameter& expected, long extent, Call& call) {
  const long rest = extent - expected.constant;
  const Word value = rest / expected.factor;
  Word& scalar = call.scalar[expected.dim];
  if (scalar < 0) scalar = value;
  call.bytes[expected.index] = extent * expected.strides[0];
  return rest >= 0 && rest % expected.factor == 0 && value == scalar && value <= expected.most;
}

// `strides` count units of `unit` bytes; null means C order.
template <typename T>
bool same_layout(const Parameter& expected, int axes, const T* shape, const T* strides, long unit, Call& call) {
  if (axes != expected.axes) return false;
  bool empty = false;
  if (expected.dim >= 0) {
    if (!take_extent(expected, shape[0], call)) return false;
    empty = shape[0] == 0;
  }
  for (int a = expected.dim >= 0; a < axes; ++a) {
    if (shape[a] != expected.shape[a]) return false;
    empty |= shape[a] == 0;
  }
  long c_order = expected.item_bytes;
  for (int a = axes - 1; a >= 0 && !empty; --a) {  // where there is one element, the stride is moot
    const long stride = strides ? strides[a] * unit : c_order;
    if (shape[a] != 1 && stride != expected.strides[a]) return false;
    c_order *= shape[a];
  }
  return true;
}

// Libraries without the buffer protocol. What is not plain (read-only, another device) is Python's to explain.
bool take_dlpack(const Parameter& expected, Object* object, Call& call) {
  Object* method = python.get_attribute(object, "__dlpack__");
  Object* capsule = method ? python.call(method, nullptr) : nullptr;
  if (method) python.let_go(method);
  if (!capsule) {
    python.error_clear();
    return false;
  }
  call.capsule[call.capsules++] = capsule;  // unconsumed: its own destructor lets go of the memory
  const DlTensor* given = static_cast<DlTensor*>(python.capsule_pointer(capsule, "dltensor"));
  if (!given) {
    python.error_clear();
    return false;
  }
  if (given->device != DLPACK_CPU && given->device != DLPACK_PINNED) return false;
  if (given->code != expected.dlpack_code || given->bits != expected.item_bytes * 8 || given->lanes != 1) return false;
  if (!same_layout(expected, given->axes, given->shape, given->strides, expected.item_bytes, call)) return false;
  call.address[expected.index] = given->data + given->byte_offset;
  return true;
}

bool take_tensor(const MpmdSignature& signature, const Parameter& expected, Object* object, Call& call) {
  Buffer& given = call.buffer[call.buffers];
  if (python.get_buffer(object, &given, BUFFER_RECORDS_READ_ONLY)) {
    python.error_clear();
    return take_dlpack(expected, object, call);
  }
  ++call.buffers;
  const char* format = given.format ? given.format : "B";
  if (given.item_bytes != expected.item_bytes || strcmp(format, expected.format)) return false;
  if (given.suboffsets || !same_layout(expected, given.axes, given.shape, given.strides, 1, call)) return false;
  if (given.readonly && signature.write[expected.index]) return false;
  call.address[expected.index] = given.start;
  return true;
}

bool take_scalar(const Parameter& expected, Object* object, Call& call) {
  Word& word = call.scalar[expected.index];
  if (expected.kind == INTEGER) {
    word = python.as_integer(object);
    if (word == -1 && python.error_occurred()) {
      python.error_clear();
      return false;
    }
    return expected.lo <= word && word <= expected.hi;
  }
  const double value = python.as_float(object);
  if (value == -1.0 && python.error_occurred()) {
    python.error_clear();
    return false;
  }
  memcpy(&word, &value, sizeof word);
  return true;
}

bool take(const MpmdSignature& signature, Object* arguments, Call& call) {
  if (python.tuple_size(arguments) != signature.parameters) return false;
  for (int p = 0; p < signature.parameters; ++p) {
    const Parameter& expected = signature.parameter[p];
    Object* object = python.tuple_item(arguments, p);
    const bool taken =
        expected.kind == TENSOR ? take_tensor(signature, expected, object, call) : take_scalar(expected, object, call);
    if (!taken) return false;
  }
  return true;
}

bool overlap(const MpmdSignature& signature, const Call& call) {
  for (int w = 0; w < signature.arguments; ++w) {
    if (!signature.write[w] || !call.bytes[w]) continue;
    const char* start = static_cast<char*>(call.address[w]);
    const char* end = start + call.bytes[w];
    for (int a = 0; a < signature.arguments; ++a) {
      const char* other = static_cast<char*>(call.address[a]);
      if (a != w && call.bytes[a] && start < other + call.bytes[a] && other < end) return true;
    }
  }
  return false;
}

// On the launching thread, which gave the GIL away: a signal's handler may raise, and ends the launch.
int poll(void* context) {
  void*& gil = *static_cast<void**>(context);
  python.take_gil(gil);
  const int raised = python.check_signals();
  gil = python.release_gil();
  return raised;
}

int call_kernel(const MpmdSignature& signature, Object* arguments, Call& call, bool launch) {
  memcpy(call.address, signature.bound, signature.arguments * sizeof(void*));
  memcpy(call.bytes, signature.bytes, signature.arguments * sizeof(long long));
  for (int s = 0; s < signature.scalars; ++s) call.scalar[s] = -1;  // no argument has set it yet
  int status = MISMATCH;
  if (take(signature, arguments, call)) {
    status = mpmd::OK;
    if (overlap(signature, call)) {
      status = OVERLAP;
    } else if (launch) {
      call.gil = python.release_gil();
      status = mpmd_launch(signature.kernel, call.address, call.scalar, poll, &call.gil)->status;
      python.take_gil(call.gil);
    }
  }
  for (int b = 0; b < call.buffers; ++b) python.release_buffer(&call.buffer[b]);
  for (int c = 0; c < call.capsules; ++c) python.let_go(call.capsule[c]);
  return status;
}

int call_with_heap(const MpmdSignature& signature, Object* arguments, bool launch) {
  const int most = signature.parameters + signature.arguments + signature.scalars;
  char* memory = static_cast<char*>(malloc(most * (sizeof(Buffer) + 2 * sizeof(void*) + 2 * sizeof(Word))));
  if (!memory) return NO_MEMORY;
  Buffer* buffer = reinterpret_cast<Buffer*>(memory);
  Object** capsule = reinterpret_cast<Object**>(buffer + most);
  void** address = capsule + most;
  Word* scalar = reinterpret_cast<Word*>(address + most);
  Call call{0, 0, buffer, capsule, address, scalar + most, scalar, nullptr};
  const int status = call_kernel(signature, arguments, call, launch);
  free(memory);
  return status;
}

}  // namespace

extern "C" {

#define EXPORT __attribute__((visibility("default")))

EXPORT void mpmd_python(void* const* functions) { memcpy(&python, functions, sizeof python); }

EXPORT void mpmd_signature_free(MpmdSignature* signature) {
  free(signature->parameter);
  free(signature->bound);
  free(signature->write);
  free(signature->bytes);
  free(signature);
}

// `rows` has per parameter: kind, index, axes, item bytes, lo, hi, format (8 bytes), DLPack's code, and
// shape and byte strides (16 words each), then the scalar that axis 0 sets (-1: none), its factor, what is
// added, and the most that the scalar may be. `bound` and `write` have one word per argument.
EXPORT MpmdSignature* mpmd_signature(MpmdKernel* kernel, const Word* rows, int parameters, void* const* bound,
                                     const Word* write, int scalars) {
  const int arguments = static_cast<int>(mpmd_argument_count(kernel));
  MpmdSignature* signature = static_cast<MpmdSignature*>(calloc(1, sizeof(MpmdSignature)));
  if (!signature) return nullptr;
  *signature = MpmdSignature{kernel, parameters, arguments, scalars, nullptr, nullptr, nullptr, nullptr};
  signature->parameter = static_cast<Parameter*>(calloc(parameters + 1, sizeof(Parameter)));
  signature->bound = static_cast<void**>(calloc(arguments + 1, sizeof(void*)));
  signature->write = static_cast<int*>(calloc(arguments + 1, sizeof(int)));
  signature->bytes = static_cast<long long*>(calloc(arguments + 1, sizeof(long long)));
  if (!signature->parameter || !signature->bound || !signature->write || !signature->bytes) {
    mpmd_signature_free(signature);
    return nullptr;
  }
  const int width = 12 + 2 * AXES;
  for (int p = 0; p < parameters; ++p) {
    const Word* row = rows + p * width;
    Parameter& parameter = signature->parameter[p];
    parameter.kind = static_cast<int>(row[0]);
    parameter.index = static_cast<int>(row[1]);
    parameter.axes = static_cast<int>(row[2]);
    parameter.item_bytes = row[3];
    parameter.lo = row[4];
    parameter.hi = row[5];
    memcpy(parameter.format, &row[6], 8);
    parameter.dlpack_code = static_cast<int>(row[7]);
    for (int a = 0; a < AXES; ++a) {
      parameter.shape[a] = row[8 + a];
      parameter.strides[a] = row[8 + AXES + a];
    }
    const Word* first = row + 8 + 2 * AXES;
    parameter.dim = static_cast<int>(first[0]);
    parameter.factor = first[1];
    parameter.constant = first[2];
    parameter.most = first[3];
  }
  for (int a = 0; a < arguments; ++a) {
    signature->bound[a] = bound[a];
    signature->write[a] = static_cast<int>(write[a]);
    signature->bytes[a] = mpmd_argument_bytes(kernel, a);
  }
  return signature;
}

// Checks `arguments` (a tuple) and, if `launch`, runs the kernel on them.
EXPORT int mpmd_call(const MpmdSignature* signature, Object* arguments, int launch) {
  if (signature->parameters > ON_STACK || signature->arguments > ON_STACK || signature->scalars > ON_STACK) {
    return call_with_heap(*signature, arguments, launch);
  }
  Buffer buffer[ON_STACK];
  Object* capsule[ON_STACK];
  void* address[ON_STACK];
  long long bytes[ON_STACK];
  Word scalar[ON_STACK];
  Call call{0, 0, buffer, capsule, address, bytes, scalar, nullptr};
  return call_kernel(*signature, arguments, call, launch);
}

}  // extern "C"
