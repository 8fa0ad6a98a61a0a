/* Launching a saved kernel from C, without Python and without a compiler for kernels.
 *
 * In Python, mpmd.load("hello.mpmd").unpack("hello") writes a directory with this header, the kernel, its
 * tables, and libmpmd.so, the pool of threads on which it runs. A program is built against it so:
 *
 *     cc main.c -Ihello -Lhello -lmpmd -Wl,-rpath,"$PWD/hello"
 *
 * The directory is for the machine on which it was unpacked, or one with the same instruction sets:
 * mpmd.load checks that, the functions here do not. All kernels of a process run on one pool; launches
 * from several threads queue. A thread that calls is core 0 while its launch lasts.
 */
#ifndef MPMD_H
#define MPMD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel that is open. */
typedef struct mpmd_saved mpmd_saved;

/* The value of a scalar parameter: `real` for floats of every width, `integer` for all others. */
typedef union mpmd_scalar {
  int64_t integer;
  double real;
} mpmd_scalar;

/* Opens the kernel that was unpacked into `directory`. Null on failure: mpmd_error_text() says why. */
mpmd_saved *mpmd_saved_open(const char *directory);

/* How many bytes argument `argument` spans at most, from its first element to past its last; -1 if there is none. */
int64_t mpmd_saved_argument_bytes(const mpmd_saved *kernel, int argument);

/* Runs the kernel once and returns when every core has finished: 0, or another number on failure.
 *
 * `arguments` has one address per tensor, in the order of "arguments" in manifest.json, where dtypes, shapes
 * and strides (in elements) are; `scalars` has one value per scalar, in the order of "scalars". An argument
 * with "first": [dim, factor, constant] has factor * dim + constant elements along its first axis, and the
 * shape in the manifest is its largest; the dim's value is one of `scalars`, and must fit all arguments. The counts
 * are checked. Not checked: that the memory is there, and that what is written overlaps nothing else.
 * After a failure, what the kernel writes may be partly written; the kernel can be launched again. */
int mpmd_saved_launch(mpmd_saved *kernel, void *const *arguments, int argument_count, const mpmd_scalar *scalars,
                      int scalar_count);

/* Frees the kernel; no launch of it may be under way. Null is allowed. */
void mpmd_saved_close(mpmd_saved *kernel);

/* Why the calling thread's last failed call failed, in one line; valid until its next failure. */
const char *mpmd_error_text(void);

#ifdef __cplusplus
}
#endif

#endif
