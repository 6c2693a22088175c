/* Whom a service becomes that root starts. */
#include "xfed/rt/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

static bool become(const struct passwd *user, bool for_good)
{
	return initgroups(user->pw_name, user->pw_gid) == 0 && setresgid(user->pw_gid, user->pw_gid, for_good ? user->pw_gid : 0) == 0 &&
	       setresuid(for_good ? user->pw_uid : 0, user->pw_uid, for_good ? user->pw_uid : 0) == 0;
}

static bool become_root(void)
{
	return setresuid(0, 0, 0) == 0 && setresgid(0, 0, 0) == 0 && setgroups(0, NULL) == 0;
}

static int cannot(const char *program, const struct passwd *user)
{
	fprintf(stderr, "%s: cannot become the user %s: %s\n", program, user->pw_name, strerror(errno));
	return 1;
}

/*
 * Root asks for a check: as the service's user, so that a right which is missing shows, unless that user may not read the file, which is
 * tried first. It stays that user, as the check is all that follows.
 */
static int check_as(const char *program, const struct passwd *user, const char *config)
{
	bool ok = become(user, false);
	bool is_its_own = strncmp(config, "/etc/xfed/", 10) == 0 || faccessat(AT_FDCWD, config, R_OK, AT_EACCESS) == 0;
	ok = ok && become_root() && (!is_its_own || become(user, true));
	if (!ok) {
		return cannot(program, user);
	}
	fprintf(stderr, is_its_own ? "%s: read as the user %s, as the service does\n" : "%s: read as root, for the user %s may not read it\n",
		program, user->pw_name);
	return -1;
}

int rt_become(const struct rt_arguments *a, const char *program)
{
	const char *name = a->user ? a->user : program;
	bool is_root = geteuid() == 0;
	const struct passwd *user = is_root || a->user ? getpwnam(name) : NULL;
	if (a->user && !user) {
		fprintf(stderr, "%s: --user: there is no user %s\n", program, name);
		return 1;
	}
	if (!is_root && user && user->pw_uid != geteuid()) {
		fprintf(stderr, "%s: --user: only root can become the user %s\n", program, name);
		return 1;
	}
	if (is_root && !user && !a->check_only) {
		fprintf(stderr,
			"%s: started as root, and there is no user %s for it to become: make him (systemd-sysusers, or install the package), or name "
			"another one by --user; --user root lets it stay root\n",
			program, name);
		return 1;
	}
	if (!is_root || !user || user->pw_uid == 0) {
		return -1;
	}
	if (a->check_only && !a->user) {
		return check_as(program, user, a->config);
	}
	return become(user, true) ? -1 : cannot(program, user);
}
