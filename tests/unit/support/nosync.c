/*
 * Preloaded by tests/loopback/test_93_export.py: NOSYNC=N has the N-th fsync() of a folder, counted from 1, fail as on a disk that does not
 * take any more; all others are made.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

int fsync(int fd);

__attribute__((visibility("default"))) int fsync(int fd)
{
	static int folders;
	struct stat st;
	const char *which = getenv("NOSYNC");
	if (which && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && ++folders == atoi(which)) {
		errno = EIO;
		return -1;
	}
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	return real(fd);
}
