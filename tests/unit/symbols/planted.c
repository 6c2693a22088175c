/* What protocol code may not do, for the control of the symbol test. Never linked into anything that runs. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

int planted_socket(void);
int planted_open(const char *path);
long planted_clock(void);
void *planted_memory(size_t size);

int planted_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

int planted_open(const char *path)
{
	return open(path, O_RDONLY);
}

long planted_clock(void)
{
	return (long)time(NULL) + rand();
}

/* Allowed in one member of libxfed, and not in this one. */
void *planted_memory(size_t size)
{
	return malloc(size);
}
