/* What the files of the sandbox share; see xfed/rt/sandbox.h. */
#ifndef XFED_RT_SANDBOX_INTERNAL_H
#define XFED_RT_SANDBOX_INTERNAL_H

#include <sys/types.h>

#include "xfed/rt/sandbox.h"

/* A folder, or a file in the root of all files, by what the kernel knows it by. */
struct sandbox_place {
	dev_t dev;
	ino_t ino;
	enum rt_sandbox_use use;
	const char *path; /* resolved */
	bool is_file;
};

struct sandbox_names {
	struct sandbox_place *places;
	size_t count, size;
	uint16_t ports[128];
	size_t port_count;
	int rc; /* the first failure of naming */
	bool is_in_force;
};
extern struct sandbox_names sandbox_names;

/* Each enters one layer. OK; NOT_FOUND: it is missing, with a phrase in `text`; LIBRARY: it failed, with a phrase in `text`. */
int sandbox_files_enter(int abi, int *used, char text[128]);
int sandbox_calls_enter(char text[128]);

#endif
