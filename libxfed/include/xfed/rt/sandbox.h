/*
 * The sandbox a service puts around itself before its first thread, for good: Landlock for files and listening ports, seccomp for system
 * calls, and no new privileges. A process has one, so it has no object.
 *
 * Files are ruled by folder: a rule on a file would end when the file is replaced by rename, as editors and deploy hooks do. The folder of
 * a file is the one its name has, and the one it leads to where it is a symbolic link. A reload can only read below the folders that were
 * named before; what lies outside of them needs a restart (rt_sandbox_is_outside()). Nothing can be executed.
 *
 * System calls are a list of what the service, and the libraries it is linked with, are known to make. Whatever is not on it is answered
 * as if the kernel did not know it (ENOSYS), for which libraries have another way, and counted (rt_sandbox_denied()). What nobody but
 * an intruder would try (another program, tracing, mounts, namespaces, kernel modules) ends the process (SIGSYS).
 *
 * Ports: TCP may be bound to those named, and to any the kernel chooses. Where to connect is not ruled: partners' DNS names any port.
 */
#ifndef XFED_RT_SANDBOX_H
#define XFED_RT_SANDBOX_H

#include "xfed/base.h"

enum rt_sandbox_use {
	RT_SANDBOX_READ,       /* read files below the folder, and list it */
	RT_SANDBOX_READ_KNOWN, /* read files below it, without listing it */
	RT_SANDBOX_WRITE,      /* make, read, write and remove files below it */
	RT_SANDBOX_SOCKET,     /* make and remove sockets in it */
};

/*
 * Before rt_sandbox_enter(): what will be used. `path` is a file, which need not exist yet, or a folder. Nothing is named for one whose folder
 * does not exist, or is the root of all files; a file there is named itself. NOMEM is reported by rt_sandbox_enter().
 */
void rt_sandbox_name(const char *path, enum rt_sandbox_use use);
void rt_sandbox_name_port(uint16_t port);

enum rt_sandbox_layer { RT_SANDBOX_LANDLOCK, RT_SANDBOX_SECCOMP, RT_SANDBOX_LAYERS };
const char *rt_sandbox_layer_name(enum rt_sandbox_layer l); /* "landlock", "seccomp" */

#define RT_SANDBOX_ABI_ANY 1000
/*
 * Enters it, in the only thread there is. A layer that this host or build does not have is left out, and rt_sandbox_missing() says why. Of
 * Landlock no more is used than its version `abi`: RT_SANDBOX_ABI_ANY but in tests. OK; NOMEM; LIBRARY: a layer is there and failed, with one
 * sentence in `error`, and the process should end.
 */
int rt_sandbox_enter(int abi, char error[256]);
/* Why a layer is not in force, a phrase; NULL: it is. */
const char *rt_sandbox_missing(enum rt_sandbox_layer l);
bool rt_sandbox_is_left_out(void); /* by this build, which is for tests under a sanitizer */
int rt_sandbox_abi(void);	   /* the version of Landlock in use; 0: none */

/* Whether `path`, wherever it leads now, may not be read although its file may be: of any thread. Always false without Landlock. */
bool rt_sandbox_is_outside(const char *path);

/* The calls that were denied since the last time, each with its count, oldest number first. Returns false at the end. From the loop. */
bool rt_sandbox_denied(const char **call, unsigned *count);

#endif
