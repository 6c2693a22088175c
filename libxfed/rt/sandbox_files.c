/* Files and ports: Landlock (Linux 5.13). Its system calls have no functions in glibc. */
#include "rt/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Later than the kernel headers of Debian 12, with the version of Landlock that has them. */
#define ACCESS_TRUNCATE	 ((uint64_t)1 << 14) /* 3 */
#define ACCESS_IOCTL_DEV ((uint64_t)1 << 15) /* 5 */
#define NET_BIND_TCP	 ((uint64_t)1 << 0)  /* 4 */
#define SCOPE_ABSTRACT	 ((uint64_t)1 << 0)  /* 6 */
#define SCOPE_SIGNAL	 ((uint64_t)1 << 1)  /* 6 */
#define RULE_NET_PORT	 2

struct ruleset {
	uint64_t files, net, scoped;
};
struct port_rule {
	uint64_t access, port;
};

/* What a version knows can be denied; what it does not know it allows. */
static uint64_t known(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	all |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	all |= abi >= 3 ? ACCESS_TRUNCATE : 0;
	return all | (abi >= 5 ? ACCESS_IOCTL_DEV : 0);
}

static uint64_t rights(const struct sandbox_place *p)
{
	const uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
	uint64_t all = 0;
	switch (p->use) {
	case RT_SANDBOX_READ:
		all = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
		break;
	case RT_SANDBOX_READ_KNOWN:
		all = LANDLOCK_ACCESS_FS_READ_FILE;
		break;
	case RT_SANDBOX_WRITE:
		all = of_files | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
		break;
	case RT_SANDBOX_SOCKET:
		all = LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
		break;
	}
	return p->is_file ? all & of_files : all;
}

static bool add_rules(int set, int abi)
{
	bool ok = true;
	for (size_t i = 0; i < sandbox_names.count && ok; i++) {
		const struct sandbox_place *p = &sandbox_names.places[i];
		struct landlock_path_beneath_attr rule = { .allowed_access = rights(p) & known(abi), .parent_fd = open(p->path, O_PATH | O_CLOEXEC) };
		/* one that has gone since it was named is not needed */
		ok = rule.parent_fd < 0 || rule.allowed_access == 0 || syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
		if (rule.parent_fd >= 0) {
			close(rule.parent_fd);
		}
	}
	/* Port 0 stands for those the kernel chooses. */
	for (size_t i = 0; i <= sandbox_names.port_count && ok && abi >= 4; i++) {
		struct port_rule rule = { NET_BIND_TCP, i < sandbox_names.port_count ? sandbox_names.ports[i] : 0 };
		ok = syscall(SYS_landlock_add_rule, set, RULE_NET_PORT, &rule, 0) == 0;
	}
	return ok;
}

/* systemd may be told of our state by an abstract socket; no other one is used. */
static uint64_t scopes(void)
{
	const char *notify = getenv("NOTIFY_SOCKET");
	return SCOPE_SIGNAL | (notify && notify[0] == '@' ? 0 : SCOPE_ABSTRACT);
}

int sandbox_files_enter(int abi, int *used, char text[128])
{
	long has = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (has < 1) {
		snprintf(text, 128, "%s",
			errno == EOPNOTSUPP ? "it is not among the security modules of the kernel (lsm=)"
			: errno == ENOSYS   ? "the kernel does not have it (Linux 5.13 does)"
					    : "its system calls are forbidden to this process (SystemCallFilter= of the unit)");
		return XFED_ERR_NOT_FOUND;
	}
	*used = has < abi ? (int)has : abi;
	struct ruleset rules = { .files = known(*used), .net = *used >= 4 ? NET_BIND_TCP : 0, .scoped = *used >= 6 ? scopes() : 0 };
	size_t size = *used >= 6 ? sizeof(rules) : *used >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
	int set = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	bool ok = set >= 0 && add_rules(set, *used) && syscall(SYS_landlock_restrict_self, set, 0) == 0;
	if (!ok) {
		snprintf(text, 128, "%s", strerror(errno));
	}
	if (set >= 0) {
		close(set);
	}
	sandbox_names.is_in_force = ok;
	return ok ? XFED_OK : XFED_ERR_LIBRARY;
}
