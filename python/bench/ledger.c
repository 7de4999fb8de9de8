/* Every process that loads this writes a line when it ends: its name and processor seconds.

   LD_PRELOAD brings it into a command and all that the command starts; LEDGER names the file.
   Asking while a process runs would miss its end, and cost time of its own. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec * 1e-6; }

__attribute__((destructor)) static void note(void) {
  const char *path = getenv("LEDGER");
  int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0)
    return;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  char line[512];
  int length = snprintf(line, sizeof line, "%.6f\t%.400s\n",
                        seconds(used.ru_utime) + seconds(used.ru_stime),
                        program_invocation_short_name);
  /* One call, which the kernel appends as a whole. */
  if (write(file, line, length) != length)
    perror(path);
  close(file);
}
