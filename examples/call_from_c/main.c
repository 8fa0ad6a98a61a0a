/* Launches the kernel of examples/hello.py from C and prints what it wrote, one number per line.
 *
 * How to save the kernel and build this: README.md. Usage: main DIRECTORY
 */
#include <stdio.h>

#include "mpmd.h"

enum { N = 1000 };

int main(int count, char **words) {
  static float x[N], y[N];
  if (count != 2) {
    fprintf(stderr, "usage: %s DIRECTORY\n", words[0]);
    return 2;
  }
  for (int i = 0; i < N; ++i) x[i] = (float)i;

  mpmd_saved *hello = mpmd_saved_open(words[1]);
  if (!hello) {
    fprintf(stderr, "%s\n", mpmd_error_text());
    return 1;
  }
  void *const arguments[] = {x, y}; /* in the order of the kernel's tensors */
  const int status = mpmd_saved_launch(hello, arguments, 2, NULL, 0);
  if (status) fprintf(stderr, "%s\n", mpmd_error_text());
  mpmd_saved_close(hello);
  for (int i = 0; i < N && !status; ++i) printf("%.9g\n", y[i]);
  return status ? 1 : 0;
}
