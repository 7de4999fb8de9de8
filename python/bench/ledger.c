/* Every process that loads this writes a line when it ends: processor seconds, its name, and the
   word behind -m on its command line, which is the module where the process is Python.

   LD_PRELOAD brings it into a command and all that the command starts; LEDGER names the file.
   Asking while a process runs would miss its end, and cost time of its own. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec * 1e-6; }

/* What follows -m on the command line, copied to `words`; nothing if nothing does. */
static const char *behind_m(char *words, size_t room) {
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? 0 : read(file, words, room - 2);
  if (file >= 0)
    close(file);
  /* Two ends: behind the last word there is always an empty one. */
  memset(words + (length > 0 ? length : 0), 0, 2);
  for (const char *word = words; *word; word += strlen(word) + 1)
    if (strcmp(word, "-m") == 0)
      return word + 3;
  return "";
}

__attribute__((destructor)) static void note(void) {
  const char *path = getenv("LEDGER");
  int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0)
    return;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  char words[4096], line[512];
  int length = snprintf(line, sizeof line, "%.6f\t%.200s\t%.200s\n",
                        seconds(used.ru_utime) + seconds(used.ru_stime),
                        program_invocation_short_name, behind_m(words, sizeof words));
  /* One call, which the kernel appends as a whole. */
  if (write(file, line, length) != length)
    perror(path);
  close(file);
}
